//! The drivers: `assets/catalog/drivers.yaml`, R384 and later.

use std::{
    collections::BTreeMap,
    sync::{LazyLock, OnceLock},
};

use jiff::civil::Date;
use serde::Deserialize;

use super::{Architecture, BranchKind, rows};
use crate::{packed::packed, version::Version};

static DRIVERS: LazyLock<String> = packed!("drivers.yaml");

/// A release of the driver.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Driver {
    /// `450.51.06`.
    pub version: Version,
    /// The day of its release.
    pub date: Option<Date>,
    /// Whether it is a data-center release.
    pub datacenter: bool,
    /// How NVIDIA's and the distributions' lists tag it.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether it is a developer beta, which is never tagged.
    #[serde(default)]
    pub developer_beta: bool,
    /// The CUDA runfiles that carry it.
    #[serde(default)]
    pub bundled_in_cuda: Vec<Version>,
    /// The CUDA version that the seed pairs it with.
    #[serde(default)]
    pub seed_cuda: Option<Version>,
    /// Its installers.
    #[serde(default)]
    pub files: Vec<DriverFile>,
}

/// An installer of a driver.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DriverFile {
    /// The machines it is for.
    pub arch: Architecture,
    /// The part of NVIDIA's download server.
    pub tree: Tree,
    /// Its address.
    pub url: String,
    /// Size in bytes.
    pub size: Option<u64>,
    /// Checksum.
    pub sha256: Option<String>,
}

/// A part of NVIDIA's download server. Kubespray's `nvidia_gpu_flavor` chooses between the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tree {
    /// Data-center releases.
    Tesla,
    /// Releases for desktops.
    Xfree86,
}

/// A driver branch: the first number of its drivers' versions.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Branch {
    /// 450 of 450.51.06.
    pub branch: u32,
    /// How long NVIDIA supports it.
    pub kind: BranchKind,
    /// Newest CUDA version it supports, as `nvidia-smi` prints it.
    pub cuda: Option<String>,
    /// The day support ends or ended.
    pub eol: Option<Date>,
}

impl Driver {
    /// Tells whether it is a beta that no later list calls a release, data-center releases apart.
    pub fn is_beta(&self) -> bool {
        let beta = self.tags.iter().any(|tag| tag.ends_with("beta"));
        let released = self.tags.iter().any(|tag| tag.ends_with("official") || tag.ends_with("long_lived"));
        !self.datacenter && (self.developer_beta || (beta && !released))
    }

    /// Returns its installer for an architecture, the data-center one first: a version in both trees is the same file.
    pub fn file(&self, architecture: Architecture) -> Option<&DriverFile> {
        let mut files = self.files.iter().filter(|file| file.arch == architecture);
        files.clone().find(|file| file.tree == Tree::Tesla).or_else(|| files.next())
    }

    /// Tells whether the data-center tree has an installer for the architecture.
    pub fn has_tesla_file(&self, architecture: Architecture) -> bool {
        self.files.iter().any(|file| file.arch == architecture && file.tree == Tree::Tesla)
    }
}

/// Returns all drivers, newest first. Two releases may compare equal (440.64 for desktops, 440.64.00 for data centers):
/// to find one, compare the text.
pub fn drivers() -> &'static [Driver] {
    static ALL: OnceLock<Vec<Driver>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all: Vec<Driver> = rows::all(&DRIVERS, "drivers");
        all.sort_by(|a, b| b.version.cmp(&a.version).then_with(|| b.version.as_str().cmp(a.version.as_str())));
        all
    })
}

/// Returns the driver of exactly this version, to the letter.
pub fn driver(version: &Version) -> Option<&'static Driver> {
    drivers().iter().find(|row| row.version.as_str() == version.as_str())
}

/// Tells whether there is a driver of exactly this version: the catalog lists it, or it is on the machine (`here`), as
/// one that is newer than the catalog may be.
pub fn exists(version: &Version, here: &[Version]) -> bool {
    driver(version).is_some() || here.iter().any(|other| other.as_str() == version.as_str())
}

/// Returns the newest version that the catalog lists.
pub fn newest() -> Option<&'static Version> {
    drivers().first().map(|row| &row.version)
}

/// Returns all branches by number.
pub fn branches() -> &'static BTreeMap<u32, Branch> {
    static ALL: OnceLock<BTreeMap<u32, Branch>> = OnceLock::new();
    ALL.get_or_init(|| rows::all::<Branch>(&DRIVERS, "branches").into_iter().map(|row| (row.branch, row)).collect())
}

/// Tells whether NVIDIA's support of a branch has ended by `today`. A branch without a date has ended when a later one
/// has.
pub fn has_ended(branch: u32, today: Date) -> bool {
    let own = branches().get(&branch).and_then(|row| row.eol);
    own.map_or_else(
        || branches().range(branch..).any(|(_, later)| later.eol.is_some_and(|eol| eol < today)),
        |eol| eol < today,
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::rows::tests::strict, *};

    #[test]
    fn every_row_parses_and_none_comes_twice() {
        let all = strict::<Driver>(&DRIVERS, "drivers");
        assert_eq!(all.len(), 382);
        assert_eq!(all.iter().map(|row| row.version.as_str()).collect::<BTreeSet<_>>().len(), all.len());
        assert_eq!(strict::<Branch>(&DRIVERS, "branches").len(), branches().len());
        assert!(all.iter().all(|row| branches().contains_key(&row.version.branch())));
    }

    #[test]
    fn newest_comes_first() {
        assert!(drivers().is_sorted_by(|a, b| a.version >= b.version));
    }

    #[test]
    fn a_driver_is_found_to_the_letter() {
        let found = |text: &str| driver(&text.parse().unwrap()).map(|row| row.version.as_str());
        assert_eq!(found("440.64.00"), Some("440.64.00"));
        assert_eq!(found("440.64"), Some("440.64"));
        assert_eq!(found("440.64.0"), None);
    }

    #[test]
    fn checksums_and_addresses_have_their_form() {
        for file in drivers().iter().flat_map(|driver| &driver.files) {
            assert!(file.url.starts_with("https://us.download.nvidia.com/"), "{}", file.url);
            assert!(
                file.sha256.as_ref().is_none_or(|sum| sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit())),
                "{}",
                file.url
            );
            assert!(file.size.is_none_or(|size| size > 10 << 20), "{}", file.url);
        }
    }

    #[test]
    fn a_branch_without_a_date_ends_with_a_later_one() {
        let day = "2026-11-24".parse().unwrap();
        assert!(has_ended(440, day) && has_ended(450, day) && has_ended(535, day));
        assert!(!has_ended(580, day) && !has_ended(595, day) && !has_ended(615, day));
        assert!(!has_ended(450, "2020-11-16".parse().unwrap()));
    }

    #[test]
    fn betas_are_told_from_releases() {
        let beta = |text: &str| drivers().iter().find(|row| row.version.as_str() == text).unwrap().is_beta();
        assert!(beta("384.47") && beta("455.46.02"));
        assert!(!beta("450.51.06") && !beta("580.65.06") && !beta("580.142"));
    }
}
