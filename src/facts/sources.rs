//! The repositories that carry NVIDIA's packages, by the files that name them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::reader::Reader;
use crate::text::printable;

const FACT: &str = "upkeep.sources";
/// Folders and files of repositories: apt's, dnf's and yum's, zypper's.
const PLACES: [(&str, &[&str]); 4] = [
    ("/etc/apt/sources.list.d", &[".list", ".sources"]),
    ("/etc/yum.repos.d", &[".repo"]),
    ("/etc/zypp/repos.d", &[".repo"]),
    ("/etc/apt", &["sources.list"]),
];

/// Whose packages a repository carries, by a part of its address. Source: owners.md 2.3, 2.4, 2.7.
const KINDS: [(&str, SourceKind); 9] = [
    ("developer.download.nvidia.com/compute/cuda/repos/", SourceKind::CudaNetwork),
    ("developer.download.nvidia.cn/compute/cuda/repos/", SourceKind::CudaNetwork),
    ("/var/nvidia-driver-local-repo-", SourceKind::DriverLocal),
    ("/var/cuda-repo-", SourceKind::DriverLocal),
    ("nvidia.github.io/", SourceKind::ContainerToolkit),
    ("graphics-drivers", SourceKind::GraphicsPpa),
    ("rpmfusion", SourceKind::RpmFusion),
    ("negativo17", SourceKind::Negativo17),
    ("elrepo", SourceKind::Elrepo),
];

/// A repository with packages of NVIDIA's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageSource {
    /// The file that names it.
    pub file: String,
    /// Its address, without a name or password.
    pub address: String,
    /// Whose packages it carries.
    pub kind: SourceKind,
    /// Of NVIDIA's network repository, the distribution it is for (`ubuntu2404`, `rhel9`).
    pub distribution: Option<String>,
}

/// Whose packages a repository carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// NVIDIA's network repository: drivers, toolkits, and the container toolkit too.
    CudaNetwork,
    /// A driver repository on this machine's own disk.
    DriverLocal,
    /// NVIDIA's repository of the container toolkit.
    ContainerToolkit,
    /// Ubuntu's PPA of new drivers.
    GraphicsPpa,
    /// RPM Fusion.
    RpmFusion,
    /// negativo17.org.
    Negativo17,
    /// `ELRepo`.
    Elrepo,
}

/// Returns the repositories with NVIDIA's packages that are switched on.
pub(super) fn probe(reader: &mut Reader<'_>) -> Vec<PackageSource> {
    let mut found = Vec::new();
    for (folder, ends) in PLACES {
        let names = reader.list_if_there(FACT, folder);
        for name in names.iter().filter(|name| ends.iter().any(|end| name.ends_with(end))) {
            let path = Path::new(folder).join(name);
            let text = reader.text_if_there(FACT, &path).unwrap_or_default();
            let file = printable(&path.to_string_lossy());
            found.extend(addresses(name, &text).iter().filter_map(|address| source(&file, address)));
        }
    }
    found.dedup();
    found
}

fn source(file: &str, address: &str) -> Option<PackageSource> {
    let (part, kind) = KINDS.iter().find(|(part, _)| address.contains(part))?;
    let rest = address.split_once(part).map(|(_, rest)| rest.split('/').next().unwrap_or_default());
    let distribution = rest.filter(|name| *kind == SourceKind::CudaNetwork && !name.is_empty());
    Some(PackageSource {
        file: file.to_owned(),
        address: printable(&without_name(address)),
        kind: *kind,
        distribution: distribution.map(printable),
    })
}

/// An address may carry a name and a password.
pub(super) fn without_name(address: &str) -> String {
    let plain = address.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?.1)));
    plain.map_or_else(|| address.to_owned(), |(scheme, rest)| format!("{scheme}://{rest}"))
}

/// Returns the addresses of a file of repositories that are switched on.
pub fn addresses(name: &str, text: &str) -> Vec<String> {
    match name.rsplit('.').next() {
        Some("sources") => stanzas(text),
        Some("repo") => sections(text),
        _ => lines(text),
    }
}

/// `deb [signed-by=…] https://… /`. Source: sources.list(5).
fn lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| line.starts_with("deb ") || line.starts_with("deb\t"));
    lines.filter_map(|line| line.split_whitespace().find(|word| word.contains(":/")).map(str::to_owned)).collect()
}

/// `URIs: https://…` in a stanza that has no `Enabled: no`. Source: sources.list(5), deb822.
fn stanzas(text: &str) -> Vec<String> {
    let is_on = |stanza: &&str| !stanza.lines().any(|line| line.to_ascii_lowercase().replace(' ', "") == "enabled:no");
    let of = |stanza: &str| {
        let uris = stanza.lines().filter_map(|line| line.strip_prefix("URIs:"));
        uris.flat_map(|uris| uris.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    text.split("\n\n").filter(is_on).flat_map(of).collect()
}

/// `baseurl=`, `mirrorlist=` or `metalink=` in a section that has no `enabled=0`. Source: dnf.conf(5).
fn sections(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for section in text.split("\n[").map(|section| section.trim_start_matches('[')) {
        let value = |key: &str| {
            section
                .lines()
                .find_map(|line| line.split_once('=').filter(|(name, _)| name.trim() == key))
                .map(|(_, v)| v.trim())
        };
        if value("enabled").is_some_and(|on| matches!(on, "0" | "no" | "false" | "False")) {
            continue;
        }
        found.extend(["baseurl", "mirrorlist", "metalink"].iter().find_map(|key| value(key)).map(str::to_owned));
    }
    found
}

/// Returns what a recording keeps of a file of repositories: those with NVIDIA's packages.
pub(super) fn excerpt(path: &Path, text: &str) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let is_one = PLACES
        .iter()
        .any(|(folder, ends)| path.parent() == Some(Path::new(folder)) && ends.iter().any(|end| name.ends_with(end)));
    let ours = || addresses(name, text).into_iter().filter(|address| source("", address).is_some());
    let written = |address: String| match name.rsplit('.').next() {
        Some("sources") => format!("URIs: {address}\n\n"),
        Some("repo") => format!("[recorded]\nbaseurl={address}\n"),
        _ => format!("deb {address} /\n"),
    };
    is_one.then(|| ours().map(|address| written(without_name(&address))).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_each_form_and_leaves_out_what_is_off() {
        let list = "deb [signed-by=/k.gpg] https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2404/x86_64/ /\n# deb https://x /\n";
        let [address] = &addresses("cuda.list", list)[..] else { panic!("one") };
        let source = source("cuda.list", address).unwrap();
        assert_eq!((source.kind, source.distribution.as_deref()), (SourceKind::CudaNetwork, Some("ubuntu2404")));
        let stanzas = "Types: deb\nURIs: https://a/\nSuites: x\n\nTypes: deb\nURIs: https://b/\nEnabled: no\n";
        assert_eq!(addresses("x.sources", stanzas), ["https://a/"]);
        let repo =
            "[cuda-rhel9-x86_64]\nname=cuda\nbaseurl=https://c/\nenabled=1\n[off]\nbaseurl = https://d/\nenabled=0\n";
        assert_eq!(addresses("x.repo", repo), ["https://c/"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in any::<String>()) {
            for name in ["x.list", "x.sources", "x.repo"] {
                let _ = addresses(name, &text);
            }
        }
    }
}
