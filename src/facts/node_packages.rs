//! The packages that decide whether a node keeps its GPU: those of the driver, of the container toolkit and of
//! container engines, each with its version, whether it is held, and (once somebody asked) the repository that it came
//! from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    container_toolkit,
    packages::{Package, Role},
    reader::Reader,
    sources::without_name,
    toml_text,
};
use crate::{host::Command, text::printable};

const HOLDS: &str = "upkeep.locks";
const ORIGINS: &str = "packages.origin";

/// A package that matters to the node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NodePackage {
    /// Its name, as the package manager takes it.
    pub name: String,
    /// Its version with the release.
    pub version: String,
    /// What it is to the node.
    pub part: Part,
    /// Whether its version is held, and by what: `apt-mark hold`, or the file of a lock.
    pub held: Option<String>,
    /// The repository it came from: the address of apt's source, or the id of the key that signed the rpm; absent while
    /// nobody asked, and where no enabled repository has this version.
    pub origin: Option<String>,
}

/// What a package is to the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Of the driver.
    #[default]
    Driver,
    /// Of NVIDIA Container Toolkit.
    ContainerToolkit,
    /// A container engine of the distribution or of docker.
    Engine,
    /// Brings a repository, or pins what comes from it.
    Repository,
    /// A kernel, or what brings the newest one.
    Kernel,
}

/// Container engines that are not Kubespray's. Source: kubespray#8693, owners.md 1.3.
const ENGINES: [&str; 8] = [
    "containerd",
    "containerd.io",
    "docker.io",
    "docker-ce",
    "docker-engine",
    "moby-engine",
    "moby-containerd",
    "podman-docker",
];

/// Returns the packages that matter.
pub(super) fn of(packages: &[Package], locks: &[Lock]) -> Vec<NodePackage> {
    let mut found: Vec<NodePackage> =
        packages.iter().filter_map(|package| Some(node_package(package, part(package)?, locks))).collect();
    found.sort_by(|a, b| (a.part, &a.name, &a.version).cmp(&(b.part, &b.name, &b.version)));
    found
}

fn node_package(package: &Package, part: Part, locks: &[Lock]) -> NodePackage {
    let lock = locks.iter().find(|lock| lock.holds(&package.name)).map(|lock| lock.file.clone());
    let held = package.is_held.then(|| "apt-mark hold".to_owned()).or(lock);
    NodePackage { name: package.manager_name().to_owned(), version: package.version.clone(), part, held, origin: None }
}

fn part(package: &Package) -> Option<Part> {
    let name = package.name.as_str();
    if container_toolkit::PACKAGES.contains(&name) || matches!(name, "nvidia-container-runtime" | "nvidia-docker2") {
        return Some(Part::ContainerToolkit);
    }
    if ENGINES.contains(&name) {
        return Some(Part::Engine);
    }
    let repository = ["cuda-keyring", "cuda-repo", "nvidia-driver-pinning", "nvidia-driver-local-repo"];
    if repository.iter().any(|start| name.starts_with(start)) {
        return Some(Part::Repository);
    }
    let kernel = ["linux-image-", "linux-generic", "linux-headers-generic", "kernel-core", "kernel-default"];
    if kernel.iter().any(|start| name.starts_with(start)) && !name.ends_with("-dbg") {
        return Some(Part::Kernel);
    }
    (package.role() == Role::Driver).then_some(Part::Driver)
}

/// What a file of dnf, yum or zypper locks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The file.
    pub file: String,
    /// The name of the package, maybe a glob.
    pub package: String,
}

impl Lock {
    /// Tells whether it locks this package.
    pub fn holds(&self, package: &str) -> bool {
        let pattern = regex::escape(&self.package).replace(r"\*", ".*").replace(r"\?", ".");
        regex::Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|pattern| pattern.is_match(package))
    }
}

/// Reads the names that a file locks.
type ParseLocks = fn(&str) -> Vec<String>;

/// Files of locks, each with how it is read. Source: dnf versionlock plugin (dnf 4 and 5), yum-plugin-versionlock,
/// zypper(8) `addlock`.
const LOCKS: [(&str, ParseLocks); 5] = [
    ("/etc/dnf/plugins/versionlock.list", parse_versionlock),
    ("/etc/yum/pluginconf.d/versionlock.list", parse_versionlock),
    ("/etc/dnf/versionlock.toml", parse_dnf5_lock),
    ("/etc/zypp/locks", parse_zypper_locks),
    ("/var/lib/zypp/locks", parse_zypper_locks),
];

/// Returns the locks of this machine; apt's holds are in dpkg's database.
pub(super) fn probe_locks(reader: &mut Reader<'_>) -> Vec<Lock> {
    let mut found = Vec::new();
    for (file, parse) in LOCKS {
        let text = reader.text_if_there(HOLDS, file).unwrap_or_default();
        found.extend(
            parse(&text).into_iter().map(|package| Lock { file: file.to_owned(), package: printable(&package) }),
        );
    }
    found
}

/// Reads `nvidia-driver-3:580.65.06-1.el9.*`, a line a lock; `!` excludes a version, which holds nothing.
pub fn parse_versionlock(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
    // Either `name-epoch:version-release.arch`, or a bare name or glob.
    let name = |line: &str| match line.rsplitn(3, '-').collect::<Vec<_>>()[..] {
        [_, version, name] if version.starts_with(|c: char| c.is_ascii_digit()) => name.to_owned(),
        _ => line.to_owned(),
    };
    lines.map(name).collect()
}

/// Reads `[[packages]] name = "…"`. Source: dnf5, versionlock.toml(5).
fn parse_dnf5_lock(text: &str) -> Vec<String> {
    let root = toml_text::table(text).unwrap_or_default();
    let packages = root.get("packages").and_then(toml::Value::as_array).into_iter().flatten();
    packages.filter_map(|package| Some(package.get("name")?.as_str()?.to_owned())).collect()
}

/// Reads blocks of `key: value`; `solvable_name` is the package.
pub fn parse_zypper_locks(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| Some(line.trim().strip_prefix("solvable_name:")?.trim().to_owned())).collect()
}

/// Asks the package manager where each package came from.
pub(super) fn ask_origins(reader: &mut Reader<'_>, packages: &mut [NodePackage]) {
    let asked: Vec<String> =
        packages.iter().filter(|package| package.part != Part::Kernel).map(|package| package.name.clone()).collect();
    if asked.is_empty() {
        return;
    }
    let has_dpkg = super::packages::has_dpkg(reader.host);
    let origins = if has_dpkg {
        reader.command(ORIGINS, &Command::new("apt-cache", ["policy"]).operands(asked)).map(|text| parse_policy(&text))
    } else {
        let command = Command::new("rpm", ["-q", "--qf"])
            .operand("%{NAME}\\t%{SIGPGP:pgpsig} %{RSAHEADER:pgpsig}\\n")
            .operands(asked);
        reader.command(ORIGINS, &command).map(|text| parse_signatures(&text))
    };
    let origins = origins.unwrap_or_default();
    for package in packages {
        package.origin = origins.get(&package.name).cloned();
    }
}

/// Reads `apt-cache policy`: of each package the address of the first source that has the installed version. What only
/// dpkg's database knows has no address.
pub fn parse_policy(text: &str) -> BTreeMap<String, String> {
    let (mut found, mut package, mut is_installed) = (BTreeMap::new(), String::new(), false);
    for line in text.lines() {
        let depth = line.len() - line.trim_start().len();
        match line.trim() {
            name if depth == 0 && name.ends_with(':') => {
                (package, is_installed) = (printable(name.trim_end_matches(':')), false);
            }
            version if version.starts_with("*** ") => is_installed = true,
            // Another version of the table: `     580.65.06-0ubuntu1 500`.
            _ if depth == 5 => is_installed = false,
            source if is_installed && depth > 5 => {
                if let Some(address) = source
                    .split_whitespace()
                    .nth(1)
                    .filter(|address| address.contains("://") || address.starts_with("file:"))
                {
                    found.entry(package.clone()).or_insert_with(|| printable(&without_name(address)));
                }
            }
            _ => {}
        }
    }
    found
}

/// Reads `NAME`, a tab, and `RSA/SHA256, …, Key ID 9cd0a493d42d0685`.
pub fn parse_signatures(text: &str) -> BTreeMap<String, String> {
    let line = |line: &str| {
        let (name, signature) = line.split_once('\t')?;
        let key = signature.rsplit("Key ID ").next().filter(|_| signature.contains("Key ID "))?;
        Some((printable(name), format!("key {}", printable(key.split_whitespace().next()?))))
    };
    text.lines().filter_map(line).collect()
}

/// Returns what a recording keeps of `apt-cache policy`: the address of a mirror that is nobody's but the company's is
/// none of ours.
pub(super) fn policy_excerpt(text: &str) -> String {
    const PUBLIC: [&str; 5] =
        [".nvidia.com", "nvidia.github.io", ".ubuntu.com", ".debian.org", "ppa.launchpadcontent.net"];
    let word = |word: &str| match word.split_once("://") {
        Some((scheme, rest))
            if !PUBLIC.iter().any(|host| rest.split('/').next().is_some_and(|found| found.ends_with(host))) =>
        {
            format!("{scheme}://mirror.invalid/{}", rest.split_once('/').map_or("", |(_, path)| path))
        }
        _ => word.to_owned(),
    };
    text.lines().map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_kind_of_lock_names_its_package() {
        let list = "# comment\nnvidia-driver-3:580.65.06-1.el9.*\nkernel-core-0:5.14.0-427.el9.x86_64\n!bash-0:5.1-1.el9.*\nnvidia*580*\n";
        assert_eq!(parse_versionlock(list), ["nvidia-driver", "kernel-core", "nvidia*580*"]);
        assert_eq!(parse_dnf5_lock("version = \"1.0\"\n[[packages]]\nname = \"nvidia-open\"\n"), ["nvidia-open"]);
        assert_eq!(
            parse_zypper_locks("type: package\nmatch_type: glob\ncase_sensitive: on\nsolvable_name: nvidia*\n"),
            ["nvidia*"]
        );
        let lock = Lock { file: "x".into(), package: "nvidia*".into() };
        assert!(lock.holds("nvidia-open") && !lock.holds("libnvidia-ml"));
    }

    /// What apt-cache 2.6 printed, shortened.
    #[test]
    fn the_installed_version_tells_the_origin() {
        let text = "nvidia-dkms-580:\n  Installed: 580.65.06-0ubuntu1\n  Candidate: 580.95.05-0ubuntu1\n  Version table:\n     580.95.05-0ubuntu1 600\n\
            \x20       600 https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2404/x86_64  Packages\n *** 580.65.06-0ubuntu1 500\n\
            \x20       500 http://user:pw@archive.ubuntu.com/ubuntu noble-updates/restricted amd64 Packages\n        100 /var/lib/dpkg/status\n\
            local:\n  Installed: 1\n  Version table:\n *** 1 100\n        100 /var/lib/dpkg/status\n";
        assert_eq!(
            parse_policy(text),
            [("nvidia-dkms-580".to_owned(), "http://archive.ubuntu.com/ubuntu".to_owned())].into()
        );
        let signed =
            "kmod-nvidia-open-dkms\t(none) RSA/SHA512, Mon 01 Sep 2025, Key ID 9cd0a493d42d0685\nx\t(none) (none)\n";
        assert_eq!(
            parse_signatures(signed),
            [("kmod-nvidia-open-dkms".to_owned(), "key 9cd0a493d42d0685".to_owned())].into()
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in any::<String>()) {
            let _ = (parse_versionlock(&text), parse_dnf5_lock(&text), parse_zypper_locks(&text), parse_policy(&text), parse_signatures(&text));
            let _ = Lock { file: String::new(), package: text }.holds("nvidia");
        }
    }
}
