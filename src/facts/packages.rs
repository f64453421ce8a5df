//! NVIDIA packages in the databases of dpkg and rpm: the exact names, so that nothing else is ever touched.

use super::{LedgerEntry, Origin, reader::Reader};
use crate::{host::Command, text::printable, version::Version};

/// What an NVIDIA package brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The kernel driver or its libraries and tools.
    Driver,
    /// A CUDA toolkit or one of its libraries.
    Toolkit,
}

const DPKG_STATUS: &str = "/var/lib/dpkg/status";

/// The files of an rpm database, old and new.
const RPM_DATABASES: [&str; 5] = [
    "/var/lib/rpm/Packages",
    "/var/lib/rpm/rpmdb.sqlite",
    "/var/lib/rpm/Packages.db",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/Packages.db",
];

/// Starts of names that stay: container tools, monitoring, repositories and their keys, helpers that bring no driver, and firmware
/// and display parts that come with the distribution.
const OTHER: [&str; 21] = [
    "libnvidia-container",
    "libnvidia-egl-",
    "nvidia-common",
    "nvidia-container",
    "nvidia-cudnn",
    "nvidia-detect",
    "nvidia-docker",
    "nvidia-driver-assistant",
    "nvidia-driver-local-repo",
    "nvidia-egl-wayland",
    "nvidia-fs",
    "nvidia-gpu-firmware",
    "nvidia-installer-cleanup",
    "nvidia-mig-",
    "nvidia-prime",
    "nvidia-repo",
    "nvidia-support",
    "nvidia-vaapi-driver",
    "cuda-keyring",
    "cuda-repo",
    "cuda-compat",
];

/// Starts of names of the driver's packages in the repositories of NVIDIA, the distributions and RPM Fusion.
const DRIVER: [&str; 17] = [
    "nvidia-",
    "libnvidia-",
    "linux-modules-nvidia-",
    "linux-objects-nvidia-",
    "linux-signatures-nvidia-",
    "xserver-xorg-video-nvidia",
    "xorg-x11-drv-nvidia",
    "xorg-x11-nvidia",
    "x11-video-nvidia",
    "kmod-nvidia",
    "akmod-nvidia",
    "dkms-nvidia",
    "cuda-drivers",
    "libcuda1",
    "libnvcuvid1",
    "libxnvctrl0",
    "xlibre-xserver-video-nvidia",
];

/// Starts of names of the toolkit's packages.
const TOOLKIT: [&str; 15] = [
    "cuda-",
    "nvidia-cuda-",
    "nvidia-profiler",
    "nvidia-visual-profiler",
    "libcublas",
    "libcudart",
    "libcufft",
    "libcufile",
    "libcurand",
    "libcusolver",
    "libcusparse",
    "libnpp",
    "libnvjitlink",
    "libnvjpeg",
    "nsight-",
];

/// Returns what the package brings; `None` if it is not NVIDIA's or brings neither driver nor toolkit.
pub fn role(name: &str) -> Option<Role> {
    let starts = |list: &[&str]| list.iter().any(|start| name.starts_with(start));
    if starts(&OTHER) {
        None
    } else if name == "cuda" || (starts(&TOOLKIT) && !name.starts_with("cuda-drivers") && name != "nvidia-cuda-mps") {
        Some(Role::Toolkit)
    } else {
        starts(&DRIVER).then_some(Role::Driver)
    }
}

/// Returns the package's name of a ledger entry, as the package manager takes it; `None` if the entry is not a package.
pub fn package_name(entry: &LedgerEntry) -> Option<&str> {
    match entry.origin {
        Origin::Deb => entry.what.split(' ').next(),
        Origin::Rpm => Some(entry.what.rsplitn(3, '-').nth(2).unwrap_or(&entry.what)),
        _ => None,
    }
}

/// Tells whether a ledger entry is a package of the driver.
pub fn is_driver_package(entry: &LedgerEntry) -> bool {
    package_name(entry).and_then(role) == Some(Role::Driver)
}

/// Starts of names of the packages that carry the driver itself, whose version is the driver's. Others (`nvidia-settings`,
/// `nvidia-modprobe`) are versioned apart by some distributions.
const CORE: [&str; 9] = [
    "nvidia-driver",
    "nvidia-kernel-",
    "nvidia-dkms",
    "nvidia-open",
    "nvidia-tesla-",
    "kmod-nvidia",
    "libnvidia-compute-",
    "libcuda1",
    "xorg-x11-drv-nvidia",
];

/// Returns the version of a package: what its name or its version begins with, up to the release (`535.183.01` of `535.183.01-0ubuntu1`).
pub fn version(entry: &LedgerEntry) -> Option<Version> {
    let text = match entry.origin {
        Origin::Deb => entry.what.split(' ').nth(1)?,
        Origin::Rpm => entry.what.rsplit('-').nth(1)?,
        _ => return None,
    };
    let text = text.rsplit(':').next().unwrap_or(text);
    text.split(['-', '+', '~']).next()?.parse().ok()
}

/// Returns the driver's version that a ledger entry would bring; `None` for what is no driver or does not tell. A driver's version has a
/// branch of three digits, unlike that of a meta package.
pub fn driver_version(entry: &LedgerEntry) -> Option<Version> {
    let version = match entry.origin {
        Origin::Runfile | Origin::InstallerPod | Origin::Operator => entry.what.parse().ok()?,
        Origin::Dkms => entry.what.rsplit(' ').next()?.parse().ok()?,
        Origin::Deb | Origin::Rpm => {
            version(entry).filter(|_| package_name(entry).is_some_and(|name| CORE.iter().any(|core| name.starts_with(core))))?
        }
        _ => return None,
    };
    (version.branch() >= 100).then_some(version)
}

/// Tells whether a ledger entry is a package of the open kernel module.
pub fn is_open_module(entry: &LedgerEntry) -> bool {
    let is_open = |name: &str| {
        name == "nvidia-open" || name.starts_with("nvidia-open-") || (name.contains("nvidia") && name.split('-').any(|part| part == "open"))
    };
    package_name(entry).is_some_and(|name| is_open(name) && role(name) == Some(Role::Driver))
}

/// Returns the NVIDIA packages of this machine.
pub(super) fn probe(reader: &mut Reader<'_>) -> Vec<LedgerEntry> {
    let status = reader.text_if_there("driver.ledger.deb", DPKG_STATUS).unwrap_or_default();
    let debs = parse_dpkg_status(&status);
    let mut found: Vec<_> =
        debs.into_iter().map(|what| LedgerEntry { origin: Origin::Deb, what, r#where: DPKG_STATUS.to_owned() }).collect();
    if let Some(database) = reader.first_there(&RPM_DATABASES) {
        let query = Command::new("rpm", ["-qa", "--qf", "%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\\n"]);
        let list = reader.command("driver.ledger.rpm", &query).unwrap_or_default();
        let entry = |what| LedgerEntry { origin: Origin::Rpm, what, r#where: database.to_owned() };
        found.extend(parse_rpm_list(&list).into_iter().map(entry));
    }
    found
}

/// Returns `name version` of each NVIDIA package whose files are on the machine: also of half-installed ones, but not of removed ones
/// that left their configuration. A package of another architecture than dpkg's own is `name:architecture`, as apt wants it.
pub fn parse_dpkg_status(text: &str) -> Vec<String> {
    fn field<'t>(paragraph: &'t str, name: &str) -> Option<&'t str> {
        paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }
    let paragraphs = || text.split("\n\n").map(str::trim_start);
    let native = paragraphs().find(|paragraph| paragraph.starts_with("Package: dpkg\n")).and_then(|dpkg| field(dpkg, "Architecture"));
    let package = |paragraph: &str| {
        // The name comes first, so that of the thousands of other packages no more than this line is looked at.
        let name = paragraph.strip_prefix("Package:")?.lines().next()?.trim();
        role(name)?;
        let state = field(paragraph, "Status")?.split_whitespace().nth(2)?;
        let is_there = !matches!(state, "not-installed" | "config-files");
        let foreign = field(paragraph, "Architecture").filter(|own| *own != "all" && native.is_some_and(|native| native != *own));
        let qualifier = foreign.map(|architecture| format!(":{architecture}")).unwrap_or_default();
        is_there.then(|| printable(&format!("{name}{qualifier} {}", field(paragraph, "Version").unwrap_or_default())))
    };
    let mut found: Vec<_> = paragraphs().filter_map(package).collect();
    found.sort();
    found
}

/// Returns the paragraphs of dpkg's status that [`parse_dpkg_status`] looks at.
pub fn nvidia_paragraphs(text: &str) -> String {
    let counts = |paragraph: &&str| {
        let name = paragraph.trim_start().strip_prefix("Package:").and_then(|rest| rest.lines().next());
        name.map(str::trim).is_some_and(|name| name == "dpkg" || role(name).is_some())
    };
    let fields = |paragraph: &str| {
        let keep = |line: &&str| ["Package:", "Status:", "Version:", "Architecture:"].iter().any(|field| line.starts_with(field));
        paragraph.lines().filter(keep).map(|line| format!("{line}\n")).collect::<String>()
    };
    text.split("\n\n").filter(counts).map(|paragraph| fields(paragraph) + "\n").collect()
}

/// Returns the NVIDIA packages among lines of `name-version-release.arch`.
pub fn parse_rpm_list(text: &str) -> Vec<String> {
    let name = |line: &str| line.rsplitn(3, '-').nth(2).is_some_and(|name| role(name).is_some());
    let mut found: Vec<_> = text.lines().map(str::trim).filter(|line| name(line)).map(printable).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_drivers_and_toolkits_count() {
        for name in [
            "nvidia-driver-535-server",
            "nvidia-driver-latest-dkms",
            "kmod-nvidia-latest-dkms",
            "libnvidia-compute-535",
            "cuda-drivers-450",
        ] {
            assert_eq!(role(name), Some(Role::Driver), "{name}");
        }
        for name in
            ["nvidia-open-driver-G06-signed-kmp-default", "linux-modules-nvidia-535-generic", "nvidia-cuda-mps", "libcuda1", "nvidia-smi"]
        {
            assert_eq!(role(name), Some(Role::Driver), "{name}");
        }
        for name in ["cuda", "cuda-11-0", "cuda-toolkit-12-4", "libcublas-11-0", "nsight-compute-2020.1.2", "nvidia-cuda-toolkit"] {
            assert_eq!(role(name), Some(Role::Toolkit), "{name}");
        }
        for name in [
            "libnvidia-container1",
            "libnvidia-container-tools",
            "nvidia-container-toolkit",
            "nvidia-docker2",
            "xserver-xorg-video-nouveau",
            "nvtop",
            "barracuda",
            "nvidia-gpu-firmware",
            "cuda-keyring",
            "datacenter-gpu-manager",
        ] {
            assert_eq!(role(name), None, "{name}");
        }
    }

    #[test]
    fn reads_the_status_of_dpkg() {
        let text = "Package: bash\nStatus: install ok installed\nVersion: 5\n\nPackage: nvidia-driver-535\nStatus: install ok installed\n\
            Version: 535.183.01-0ubuntu0.22.04.1\n\nPackage: nvidia-driver-470\nStatus: deinstall ok config-files\nVersion: 470.1\n\n\
            Package: nvidia-container-toolkit\nStatus: install ok installed\nVersion: 1.16\n";
        assert_eq!(parse_dpkg_status(text), ["nvidia-driver-535 535.183.01-0ubuntu0.22.04.1"]);
    }

    #[test]
    fn a_package_of_another_architecture_is_named_with_it() {
        let package = |name: &str, architecture: &str| {
            format!("Package: {name}\nStatus: install ok installed\nArchitecture: {architecture}\nVersion: 1\n\n")
        };
        let text = [package("dpkg", "amd64"), package("libcuda1", "amd64"), package("libcuda1", "i386"), package("nvidia-smi", "all")];
        assert_eq!(parse_dpkg_status(&text.concat()), ["libcuda1 1", "libcuda1:i386 1", "nvidia-smi 1"]);
    }

    #[test]
    fn reads_a_list_of_rpm() {
        let text = "nvidia-driver-418.87.00-1.el7.x86_64\nnvidia-container-toolkit-1.3.0-2.x86_64\nbash-4.2.46-34.el7.x86_64\nx\n";
        assert_eq!(parse_rpm_list(text), ["nvidia-driver-418.87.00-1.el7.x86_64"]);
    }

    #[test]
    fn gives_the_name_that_the_package_manager_takes() {
        let entry = |origin, what: &str| LedgerEntry { origin, what: what.to_owned(), r#where: String::new() };
        assert_eq!(package_name(&entry(Origin::Rpm, "kmod-nvidia-latest-dkms-418.87.00-1.el7.x86_64")), Some("kmod-nvidia-latest-dkms"));
        assert_eq!(package_name(&entry(Origin::Deb, "cuda-toolkit-12-4 12.4.1-1")), Some("cuda-toolkit-12-4"));
        assert_eq!(package_name(&entry(Origin::Runfile, "418.87.00")), None);
        assert!(is_driver_package(&entry(Origin::Rpm, "nvidia-driver-418.87.00-1.el7.x86_64")));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in any::<String>()) {
            let _ = (parse_dpkg_status(&text), parse_rpm_list(&text), role(&text));
            let _ = parse_dpkg_status(&format!("Package: nvidia-{text}\nStatus: {text}"));
            let _ = package_name(&LedgerEntry { origin: Origin::Rpm, what: text, r#where: String::new() });
        }
    }
}
