//! The CUDA toolkits: `assets/catalog/cuda.yaml`, and what a runfile's name says.

use std::{collections::BTreeMap, sync::OnceLock};

use serde::Deserialize;

use super::{Architecture, rows};
use crate::version::Version;

const CUDA: &str = include_str!("../../assets/catalog/cuda.yaml");

/// A release of the toolkit.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Toolkit {
    /// `11.0.3`.
    pub version: Version,
    /// The driver inside its runfile.
    pub bundled_driver: Option<Version>,
    /// The oldest driver it runs on in full. Source: NVIDIA's release notes, table 3.
    pub min_driver: Option<Version>,
    /// The oldest driver it runs on at all, by minor-version compatibility; absent before CUDA 11.
    pub minor_compat_driver: Option<Version>,
    /// Newest major version of gcc that `nvcc` takes.
    pub gcc_max: Option<u32>,
    /// Oldest major version of gcc that `nvcc` takes.
    pub gcc_min: Option<u32>,
    /// Oldest C library that its libraries load with.
    pub glibc_min: Option<Version>,
    /// First C library whose headers clash with its own.
    pub glibc_below: Option<Version>,
    /// Lowest compute capability it builds for.
    pub cc_min: Version,
    /// Highest compute capability it builds for.
    pub cc_max: Version,
    /// `/usr/local/cuda-11.0`.
    pub prefix: String,
    /// Whether it is a release candidate.
    #[serde(default)]
    pub prerelease: bool,
    /// Its runfiles by architecture (`x86_64`, `aarch64`).
    pub runfiles: BTreeMap<String, Runfile>,
}

/// A runfile of a toolkit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Runfile {
    /// Its name.
    pub file: String,
    /// Its address.
    pub url: String,
    /// Size in bytes.
    pub size: Option<u64>,
    /// Checksum.
    pub sha256: Option<String>,
    /// Checksum as NVIDIA publishes it.
    pub md5: Option<String>,
}

impl Toolkit {
    /// Returns its runfile for an architecture.
    pub fn runfile(&self, architecture: Architecture) -> Option<&Runfile> {
        match architecture {
            Architecture::X86_64 => self.runfiles.get("x86_64"),
            Architecture::Aarch64 => self.runfiles.get("aarch64"),
            Architecture::Other => None,
        }
    }

    /// Returns the driver it needs: its own minimum, or where none is published, that of the release before it with the
    /// same `major.minor`, which it cannot be below.
    pub fn needs(&self) -> Option<&Version> {
        let same_minor =
            |other: &&Self| other.version.major_minor() == self.version.major_minor() && other.version <= self.version;
        self.min_driver
            .as_ref()
            .or_else(|| toolkits().iter().filter(same_minor).find_map(|other| other.min_driver.as_ref()))
    }

    /// Returns the oldest driver that runs it at all: by minor-version compatibility (CUDA 11 and later) one below its
    /// own may do, with limits. Source: NVIDIA's CUDA compatibility guide.
    pub fn least_driver(&self) -> Option<&Version> {
        self.needs().into_iter().chain(&self.minor_compat_driver).min()
    }
}

/// Returns all toolkits, newest first.
pub fn toolkits() -> &'static [Toolkit] {
    static ALL: OnceLock<Vec<Toolkit>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all: Vec<Toolkit> = rows::all(CUDA, "toolkits");
        all.sort_by(|a, b| b.version.cmp(&a.version));
        all
    })
}

/// Returns the newest toolkit that a wish names: `11.0` is 11.0.3, `11.0.2` itself. A release candidate only by its
/// whole version.
pub fn newest(wanted: &Version) -> Option<&'static Toolkit> {
    toolkits().iter().find(|row| row.version == *wanted || (row.version.starts_with(wanted) && !row.prerelease))
}

/// Returns exactly this toolkit. Reads that one line of the catalog.
pub fn exactly(version: &Version) -> Option<Toolkit> {
    rows::with(CUDA, "toolkits", &format!("{{version: \"{version}\",")).next()
}

/// What a runfile's name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunfileName {
    /// `11.0.3`.
    pub version: Version,
    /// The driver inside; absent from the names of CUDA 13.4 and later.
    pub bundled_driver: Option<Version>,
    /// The machines it is for.
    pub architecture: Architecture,
}

/// Reads a runfile's name: `cuda_11.0.3_450.51.06_linux.run`. Other endings that NVIDIA used: `_linux_sbsa.run`,
/// `_linux-run` and `_linux` (9.x and 10.0), and no driver (13.4 and later). Returns nothing for any other name.
pub fn parse_runfile_name(name: &str) -> Option<RunfileName> {
    let (versions, ending) = name.strip_prefix("cuda_")?.split_once("_linux")?;
    let architecture = match ending {
        "" | ".run" | "-run" => Architecture::X86_64,
        "_sbsa.run" => Architecture::Aarch64,
        "_ppc64le.run" => Architecture::Other,
        _ => return None,
    };
    let (version, driver) =
        versions.split_once('_').map_or((versions, None), |(version, driver)| (version, Some(driver)));
    let bundled_driver = driver.map(str::parse).transpose().ok()?;
    Some(RunfileName { version: version.parse().ok()?, bundled_driver, architecture })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::rows::tests::strict, *};

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn every_row_parses_and_none_comes_twice() {
        let all = strict::<Toolkit>(CUDA, "toolkits");
        assert_eq!(all.len(), 71);
        assert_eq!(all.iter().map(|row| row.version.as_str()).collect::<BTreeSet<_>>().len(), all.len());
        assert!(toolkits().is_sorted_by(|a, b| a.version > b.version));
    }

    #[test]
    fn the_seeds_runfile_is_known() {
        let toolkit = exactly(&version("11.0.3")).unwrap();
        let row = toolkit.runfile(Architecture::X86_64).unwrap();
        assert_eq!(row.file, "cuda_11.0.3_450.51.06_linux.run");
        assert_eq!(
            row.url,
            "https://developer.download.nvidia.com/compute/cuda/11.0.3/local_installers/cuda_11.0.3_450.51.06_linux.run"
        );
        assert_eq!((row.size, toolkit.prefix.as_str()), (Some(3_112_522_594), "/usr/local/cuda-11.0"));
        assert!(row.sha256.is_some() && row.md5.is_some());
        assert!(toolkit.runfile(Architecture::Aarch64).unwrap().file.ends_with("_linux_sbsa.run"));
        assert_eq!(toolkit.runfile(Architecture::Other), None);
        assert_eq!(exactly(&version("11.0")), None);
    }

    #[test]
    fn every_name_of_the_catalog_reads_back() {
        for toolkit in toolkits() {
            for (architecture, file) in &toolkit.runfiles {
                let name = parse_runfile_name(&file.file).unwrap_or_else(|| panic!("{}", file.file));
                assert_eq!(name.version, toolkit.version, "{}", file.file);
                assert_eq!(name.architecture, Architecture::from_uname(architecture), "{}", file.file);
                assert!(
                    name.bundled_driver.is_none() || name.bundled_driver == toolkit.bundled_driver,
                    "{}",
                    file.file
                );
            }
        }
    }

    #[test]
    fn names_that_are_no_runfiles_are_refused() {
        for name in [
            "",
            "cuda_11.0.3",
            "cuda__linux.run",
            "cuda_a_linux.run",
            "cuda_11.0.3_450.51.06_linux.run.part",
            "cuda_1_2_3_linux.run",
        ] {
            assert_eq!(parse_runfile_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_wish_means_its_newest_release() {
        let of = |wish: &str| newest(&version(wish)).map(|row| row.version.to_string());
        assert_eq!(of("11.0"), Some("11.0.3".into()));
        assert_eq!(of("10.2"), Some("10.2.89".into()));
        assert_eq!(of("11.0.1"), Some("11.0.1".into()));
        assert_eq!(of("99"), None);
    }

    #[test]
    fn an_unpublished_minimum_is_that_of_the_release_before() {
        assert_eq!(newest(&version("13.4.2")).unwrap().needs(), Some(&version("615.71.09")));
    }
}
