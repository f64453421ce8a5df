//! Names of things: of nodes, packages, units, images, cards, and of a file's content.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use super::parsed;
use crate::i18n::msg;

/// A node's name, in the inventory and in the cluster: an RFC 1123 subdomain, as Kubernetes demands and Kubespray's own
/// pre-flight too. So it is no option, no pattern of Ansible's (`all`, which is a group, is refused with it), and no
/// other part of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeName(String);

/// Longest name and longest part of one between dots. Source: RFC 1123, Kubernetes' "Object Names and IDs".
const NAME_LENGTH: usize = 253;
const LABEL_LENGTH: usize = 63;
/// Words that mean more than one host in an Ansible pattern.
const PATTERN_WORDS: [&str; 2] = ["all", "ungrouped"];

parsed!(NodeName, msg::input::node, |text| {
    is_subdomain(text) && text.split('.').all(|label| label.len() <= LABEL_LENGTH) && !PATTERN_WORDS.contains(&text)
});

/// Tells whether a text is a subdomain of RFC 1123: labels of small letters, digits and inner dashes.
fn is_subdomain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| {
        let ends = label.as_bytes().first().is_some_and(|byte| plain(*byte))
            && label.as_bytes().last().is_some_and(|byte| plain(*byte));
        ends && label.bytes().all(|byte| plain(byte) || byte == b'-')
    };
    text.len() <= NAME_LENGTH && text.split('.').all(is_label)
}

impl Deref for NodeName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// The name of an object of Kubernetes, such as a pod: an RFC 1123 subdomain, of which a part may be as long as the
/// whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectName(String);

parsed!(ObjectName, msg::input::object, is_subdomain);

/// The SHA-256 of a file: 64 hexadecimal digits, kept in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256(String);

parsed!(Sha256, msg::input::sha256, |text| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()));

/// The fingerprint of an `OpenPGP` key: 40 hexadecimal digits. A short id is none: two keys can have the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(String);

parsed!(Fingerprint, msg::input::fingerprint, |text| text.len() == 40
    && text.bytes().all(|byte| byte.is_ascii_hexdigit()));

/// A branch of NVIDIA's driver: the first number of its versions, three digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct DriverBranch(u32);

impl DriverBranch {
    /// Returns the number.
    pub fn number(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for DriverBranch {
    type Error = super::InputError;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        if (100..1000).contains(&number) {
            Ok(Self(number))
        } else {
            Err(super::InputError::new(&number.to_string(), msg::input::branch))
        }
    }
}

impl From<DriverBranch> for u32 {
    fn from(branch: DriverBranch) -> Self {
        branch.0
    }
}

/// A container image as a pod names it. Source: the reference grammar of distribution/reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageName(String);

parsed!(ImageName, msg::input::image, |text| text.len() <= 512 && is_image(text));

fn is_image(text: &str) -> bool {
    let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
    let is_digest = |digest: &str| digest.strip_prefix("sha256:").is_some_and(|hex| hex.parse::<Sha256>().is_ok());
    let (path, tag) = match name.rsplit_once(':') {
        // A colon before the last slash is that of the registry's port.
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (name, None),
    };
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let is_tag = |tag: &str| (1..=128).contains(&tag.len()) && tag.bytes().all(is_word) && !tag.starts_with(['.', '-']);
    let mut parts = path.split('/').peekable();
    let registry = parts.next_if(|first| path.contains('/') && (first.contains(['.', ':']) || *first == "localhost"));
    let is_registry = |registry: &str| {
        let (host, port) = registry.split_once(':').map_or((registry, None), |(host, port)| (host, Some(port)));
        super::address::is_host(host) && port.is_none_or(super::address::is_port)
    };
    let plain = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_part = |part: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.' | b'-');
        plain(part.as_bytes().first())
            && plain(part.as_bytes().last())
            && part.bytes().all(inner)
            && !part.contains("..")
    };
    registry.is_none_or(is_registry) && parts.all(is_part) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest)
}

/// A card by its PCI id, `10de:1db6`, or with its subsystem, `10de:20b5:10de:1533`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PciId(String);

parsed!(PciId, msg::input::pci_id, |text| {
    let is_part = |part: &str| part.len() == 4 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    matches!(text.split(':').count(), 2 | 4) && text.split(':').all(is_part)
});

impl Deref for PciId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A package as dpkg or rpm names it, with or without its architecture or version: no option, no glob, no regular
/// expression, and none of apt's suffixes that turn an order around (`name-`, `name+`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageName(String);

parsed!(PackageName, msg::input::package, |text| {
    let inner = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+' | b'~' | b':' | b'=' | b'^')
    };
    let ends = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric) && !text.ends_with('-');
    // A name may end in `+` (`g++`); apt then looks for the package of that very name first.
    ends && text.len() <= 256 && text.bytes().all(inner)
});

/// A unit of systemd with its kind. Source: systemd.unit(5). A cgroup that a user made may have any name: `*.service`
/// would be a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnitName(String);

parsed!(UnitName, msg::input::unit, |text| {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-' | b'_' | b'.' | b'\\' | b'@');
    text.len() <= 255
        && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && text.contains('.')
        && text.bytes().all(inner)
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_taken() {
        let long = "a".repeat(63);
        for name in ["node1", "gpu-2.example.org", "10-0-0-1", &long] {
            assert!(name.parse::<NodeName>().is_ok(), "{name}");
        }
        for image in [
            "cuda",
            "nvidia/cuda:11.0-base",
            "nvcr.io/nvidia/cuda:12.4.1-base-ubuntu22.04",
            "my.reg:5000/a/b_c",
            "localhost/x",
        ] {
            assert!(image.parse::<ImageName>().is_ok(), "{image}");
        }
        let digest = format!("a/b@sha256:{}", "0".repeat(64));
        assert!(digest.parse::<ImageName>().is_ok());
        for package in ["g++", "libnvidia-cfg1-450:amd64", "kmod-nvidia=3:450.51.06-1.el7", "cuda-drivers"] {
            assert!(package.parse::<PackageName>().is_ok(), "{package}");
        }
        for unit in ["nvidia-persistenced.service", "user@1000.service", r"dev-disk-by\x2duuid.device"] {
            assert!(unit.parse::<UnitName>().is_ok(), "{unit}");
        }
        assert!("10de:20b5:10de:1533".parse::<PciId>().is_ok());
        let pod = format!("{long}-worker-x7k2p");
        assert!(
            pod.parse::<ObjectName>().is_ok()
                && pod.parse::<NodeName>().is_err()
                && "a/b".parse::<ObjectName>().is_err()
        );
    }

    #[test]
    fn names_that_say_more_than_a_name() {
        let long = "a".repeat(64);
        for name in [
            "", "--all", "-n1", "all", "a:b", "!a", "~a.*", "@file", "a,b", "Node1", "a b", "a\n", "a/b", "..", "a.",
            &long,
        ] {
            assert!(name.parse::<NodeName>().is_err(), "{name:?}");
        }
        for image in ["", "-x", "a b", "a\nb", "A/b", "a//b", "a:b:c", "a@b", "../a", "a:-x", "{{ x }}", "$(x)"] {
            assert!(image.parse::<ImageName>().is_err(), "{image:?}");
        }
        for package in ["", "-x", "nvidia*", "nvidia-", "a b", "a/b", "$(x)"] {
            assert!(package.parse::<PackageName>().is_err(), "{package:?}");
        }
        for unit in ["*.service", "-x.service", "a b.service", "nvidia", "[a].service"] {
            assert!(unit.parse::<UnitName>().is_err(), "{unit:?}");
        }
        assert!("10de".parse::<PciId>().is_err() && "abc".parse::<Sha256>().is_err());
        assert!(
            "D42D0685".parse::<Fingerprint>().is_err()
                && "610C7B14E068A878070DA4E99CD0A493D42D0685".parse::<Fingerprint>().is_ok()
        );
        assert!(
            DriverBranch::try_from(5).is_err()
                && DriverBranch::try_from(580).is_ok_and(|branch| branch.number() == 580)
        );
    }
}
