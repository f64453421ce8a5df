//! NVIDIA packages in the databases of dpkg and rpm: what each brings, and what cannot stay without the driver.

mod dependents;
mod dpkg;
mod role;
mod rpm;

pub use dpkg::{excerpt as dpkg_excerpt, parse as parse_dpkg_status};
pub use role::{Role, role_of_name};
pub use rpm::{excerpt as rpm_excerpt, parse as parse_rpm_list};

use std::path::Path;

use super::{LedgerEntry, Origin, reader::Reader};
use crate::{host::Host, version::Version};

const DPKG_STATUS: &str = "/var/lib/dpkg/status";

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Package {
    /// What tells it from all others: `libcuda1:i386` for apt, `name-version-release.arch` for rpm.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its version, with the release.
    pub version: String,
    /// The source package it was built from, without version; absent where the database does not say.
    pub source: Option<String>,
    /// What it was built for; empty where nobody needs to know.
    pub architecture: String,
    /// It comes from rpm's database, else from dpkg's.
    pub is_of_rpm: bool,
    /// Nobody may change its version.
    pub is_held: bool,
    /// Its configuration files; empty for rpm, which is asked for them.
    pub configuration: Vec<String>,
    /// Other names under which it meets a dependency.
    pub provides: Vec<String>,
    /// What it cannot be without: of each list one is enough.
    pub depends: Vec<Vec<String>>,
}

impl Package {
    /// Returns its name as the package manager takes it.
    pub fn manager_name(&self) -> &str {
        if self.is_of_rpm { &self.name } else { &self.id }
    }

    /// Tells whether it is of this architecture; one for all of them is of each.
    pub fn is_of(&self, architecture: &str) -> bool {
        self.architecture == architecture || self.architecture == "all"
    }
}

/// Returns all packages of this machine, without what rpm would have to be asked for one by one.
pub fn installed(host: &Host) -> Vec<Package> {
    let mut reader = Reader::new(host);
    let mut found = parse_dpkg_status(&host.files.read_text(DPKG_STATUS).unwrap_or_default());
    found.extend(rpm::probe_list(&mut reader).unwrap_or_default().0);
    found
}

/// Tells whether this machine has a database of dpkg with packages in it.
pub(super) fn has_dpkg(host: &Host) -> bool {
    host.files.meta(Path::new(DPKG_STATUS)).is_ok_and(|meta| meta.len > 0)
}

/// Tells whether this machine has a database of rpm.
pub(super) fn has_rpm(host: &Host) -> bool {
    rpm::DATABASES.iter().any(|database| host.files.exists(Path::new(database)))
}

/// Returns the package's name of a ledger entry, as the package manager takes it; `None` if the entry is not a package.
pub fn package_name(entry: &LedgerEntry) -> Option<&str> {
    match entry.origin {
        Origin::Deb => entry.name.split(' ').next(),
        Origin::Rpm => Some(entry.name.rsplitn(3, '-').nth(2).unwrap_or(&entry.name)),
        _ => None,
    }
}

/// Returns what a package of the ledger brings; nothing for what is no package. Records of older versions have only the
/// name.
pub fn role(entry: &LedgerEntry) -> Option<Role> {
    let name = package_name(entry)?;
    Some(entry.role.unwrap_or_else(|| role_of_name(name.split(':').next().unwrap_or(name))))
}

/// Tells whether a ledger entry is a package of the driver.
pub fn is_driver_package(entry: &LedgerEntry) -> bool {
    role(entry) == Some(Role::Driver)
}

/// Tells whether a ledger entry is a package that leaves the host when the driver does: one of the driver, or one that
/// needs it.
pub fn goes_with_driver(entry: &LedgerEntry) -> bool {
    is_driver_package(entry) || !entry.needs.is_empty()
}

/// Starts of names of packages of the driver that some distributions version apart, even by a date.
const VERSIONED_APART: [&str; 10] = [
    "nvidia-settings",
    "nvidia-modprobe",
    "nvidia-persistenced",
    "nvidia-xconfig",
    "nvidia-kernel-common",
    "nvidia-fabric",
    "nvidia-imex",
    "imex",
    "libnvidia-nscq",
    "libnvsdm",
];

/// Returns the version of a package: what its name or its version begins with, up to the release (`535.183.01` of
/// `535.183.01-0ubuntu1`).
pub fn version(entry: &LedgerEntry) -> Option<Version> {
    let text = match entry.origin {
        Origin::Deb => entry.name.split(' ').nth(1)?,
        Origin::Rpm => entry.name.rsplit('-').nth(1)?,
        _ => return None,
    };
    let text = text.rsplit(':').next().unwrap_or(text);
    // `580.82.07_k6.4.0_150600.21` names the kernel too.
    text.split(['-', '+', '~', '_']).next()?.parse().ok()
}

/// Returns the driver's version that a ledger entry would bring; `None` for what is no driver or does not tell.
pub fn driver_version(entry: &LedgerEntry) -> Option<Version> {
    let version = match entry.origin {
        Origin::Runfile | Origin::InstallerPod | Origin::Operator => entry.name.parse().ok()?,
        Origin::Dkms => entry.name.rsplit(' ').next()?.parse().ok()?,
        Origin::Deb | Origin::Rpm => {
            version(entry).filter(|_| is_driver_package(entry) && tells_driver_version(entry))?
        }
        _ => return None,
    };
    // 418.87.00 or 595.45: neither a date, nor the version of a meta package or of a kernel.
    ((100..1000).contains(&version.branch()) && version.as_str().contains('.')).then_some(version)
}

fn tells_driver_version(entry: &LedgerEntry) -> bool {
    package_name(entry).is_some_and(|name| !VERSIONED_APART.iter().any(|apart| name.starts_with(apart)))
}

/// Tells whether a ledger entry is a package of the open kernel module.
pub fn is_open_module(entry: &LedgerEntry) -> bool {
    let is_open = |name: &str| {
        name == "nvidia-open"
            || name.starts_with("nvidia-open-")
            || (name.contains("nvidia") && name.split('-').any(|part| part == "open"))
    };
    is_driver_package(entry) && package_name(entry).is_some_and(is_open)
}

/// Returns the NVIDIA packages of this machine, and what needs them.
pub(super) fn probe(reader: &mut Reader<'_>) -> Vec<LedgerEntry> {
    probe_installed(reader).0
}

/// As [`probe`], with all packages that are installed.
pub(super) fn probe_installed(reader: &mut Reader<'_>) -> (Vec<LedgerEntry>, Vec<Package>) {
    let status = reader.text_if_there("driver.ledger.deb", DPKG_STATUS).unwrap_or_default();
    let mut installed = parse_dpkg_status(&status);
    let of_dpkg =
        |package: &Package| LedgerEntry::new(Origin::Deb, format!("{} {}", package.id, package.version), DPKG_STATUS);
    let mut found = entries(&installed, of_dpkg);
    if let Some((packages, database)) = rpm::probe(reader) {
        found.extend(entries(&packages, |package| LedgerEntry::new(Origin::Rpm, &package.id, database)));
        installed.extend(packages);
    }
    (found, installed)
}

fn entries(packages: &[Package], entry: impl Fn(&Package) -> LedgerEntry) -> Vec<LedgerEntry> {
    let listed = dependents::listed(packages).into_iter();
    listed.map(|(package, needs)| LedgerEntry { role: Some(package.role()), needs, ..entry(package) }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn gives_the_name_that_the_package_manager_takes() {
        let entry = |origin, what: &str| LedgerEntry::new(origin, what, "");
        assert_eq!(
            package_name(&entry(Origin::Rpm, "kmod-nvidia-latest-dkms-418.87.00-1.el7.x86_64")),
            Some("kmod-nvidia-latest-dkms")
        );
        assert_eq!(package_name(&entry(Origin::Deb, "cuda-toolkit-12-4 12.4.1-1")), Some("cuda-toolkit-12-4"));
        assert_eq!(package_name(&entry(Origin::Runfile, "418.87.00")), None);
        assert!(is_driver_package(&entry(Origin::Rpm, "nvidia-driver-418.87.00-1.el7.x86_64")));
        assert!(is_driver_package(&entry(Origin::Deb, "libnvidia-compute-535:i386 535.183.01-0ubuntu1")));
    }

    #[test]
    fn only_what_is_a_drivers_version_is_taken_for_one() {
        let version =
            |what: &str| driver_version(&LedgerEntry::new(Origin::Deb, what, "")).map(|version| version.to_string());
        let rpm =
            |what: &str| driver_version(&LedgerEntry::new(Origin::Rpm, what, "")).map(|version| version.to_string());
        for (what, expected) in [
            ("nvidia-driver 535.261.03-1", Some("535.261.03")),
            ("libnvidia-compute-535 535.183.01-0ubuntu0.22.04.1", Some("535.183.01")),
            ("nvidia-open-kernel-dkms 550.163.01-2", Some("550.163.01")),
            ("libcuda1:i386 470.256.02-1~deb12u1", Some("470.256.02")),
            // A date, tools of their own versions, firmware, a kernel's version, a toolkit.
            ("nvidia-kernel-common 20220217+3~deb12u1", None),
            ("nvidia-kernel-common 20240109+1", None),
            ("nvidia-persistenced 535.171.04-1~deb12u1", None),
            ("nvidia-settings 535.247.01-1~deb12u1", None),
            ("nvidia-modprobe 570.133.07-1", None),
            ("firmware-nvidia-gsp 535.261.03-1", None),
            ("linux-modules-nvidia-535-generic 6.8.0-45.45", None),
            ("nvidia-opencl-dev 11.8.89~11.8.0-5~deb12u1", None),
            ("nvidia-fabricmanager-535 535.183.06-1", None),
        ] {
            assert_eq!(version(what).as_deref(), expected, "{what}");
        }
        assert_eq!(
            rpm("nvidia-open-driver-G06-signed-kmp-default-580.82.07_k6.4.0_150600.21-1.1.x86_64").as_deref(),
            Some("580.82.07")
        );
        assert_eq!(rpm("kmod-nvidia-550.54.15-5.14.0-427-550.54.15-3.el9_4.x86_64").as_deref(), Some("550.54.15"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in any::<String>()) {
            let _ = (parse_dpkg_status(&text), parse_rpm_list(&text), role_of_name(&text), dpkg_excerpt(&text), rpm_excerpt(&text));
            let _ = parse_dpkg_status(&format!("Package: nvidia-{text}\nStatus: install ok installed\nDepends: {text}"));
            let _ = package_name(&LedgerEntry::new(Origin::Rpm, text, ""));
        }
    }
}
