//! What keeps the driver working over upgrades and boots, and what containers need of it: packages, kernels, device
//! files, CDI.

use std::collections::{BTreeMap, BTreeSet};

use super::{Facts, driver_origins};
use crate::{
    facts::{
        Origin,
        container_toolkit::{self, CliInfo},
        node_packages::{NodePackage, Part},
        packages,
        sources::PackageSource,
    },
    finding::{
        Finding,
        Severity::{Error, Warning},
    },
    host::NvmlAnswer,
    i18n::msg,
    version::Version,
};

/// The toolkit that closed CVE-2025-23266. Not verified: general knowledge (owners.md 2.7).
const HOLE_CLOSED: &str = "1.17.8";
/// The toolkits between these write for CRI-O where it does not look. Source: toolkit PR#1829.
const CRIO_BROKEN: (&str, &str) = ("1.18.0", "1.19.1");

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(library(facts));
    found.extend(next_kernel(facts));
    found.extend(leftover_smi(facts));
    found.extend(device_files(facts));
    found.extend(char_links(facts));
    found.extend(cdi(facts));
    found.extend(toolkit(facts));
    found.extend(two_sources(facts));
    found.extend(sources(facts));
    found.extend(upgrades(facts));
    found
}

/// The library of another version than the loaded module. NVML says so too, where it is asked; below `--root` it is
/// not.
fn library(facts: &Facts) -> Option<Finding> {
    let loaded = facts.driver.loaded_version.as_ref().filter(|_| facts.driver.nvml != Some(NvmlAnswer::Mismatch))?;
    let version: Version = loaded.parse().ok()?;
    let same = |text: &String| text.parse::<Version>().is_ok_and(|other| other == version);
    let mut libraries = facts.driver.libraries.iter().filter_map(|library| Some((library.version.as_ref()?, library)));
    // A second set of libraries is somebody's own business, as long as one fits.
    let (other, library) = libraries.clone().next().filter(|_| libraries.all(|(text, _)| !same(text)))?;
    Some(Finding::of(msg::finding::driver_library_differs(&library.path, other, loaded), Error, &library.path))
}

/// The kernel that boots next has no module, or one of another version. A driver that a pod brings is built anew by the
/// pod.
fn next_kernel(facts: &Facts) -> Option<Finding> {
    let next = facts.host.next_kernel.as_ref()?;
    let kernel = facts.driver.kernels.iter().find(|kernel| kernel.release == next.release)?;
    let is_hosts =
        facts.driver.ledger.iter().any(|entry| entry.origin == Origin::Runfile || packages::is_driver_package(entry));
    if !is_hosts || facts.gpus.is_empty() {
        return None;
    }
    if kernel.module.is_none() {
        return Some(Finding::of(msg::finding::no_module_for_next_kernel(&next.release), Error, &next.source));
    }
    let module: Version = kernel.version.as_ref()?.parse().ok()?;
    let library = facts.driver.libraries.iter().find_map(|library| library.version.clone())?;
    let differs = library.parse::<Version>().is_ok_and(|library| library != module);
    let text = || msg::finding::module_of_next_kernel_differs(library.as_str(), module.as_str(), &next.release);
    differs.then(|| Finding::of(text(), Warning, kernel.module.as_deref().unwrap_or_default()))
}

fn leftover_smi(facts: &Facts) -> Option<Finding> {
    let smi = facts.driver.smi.as_ref()?;
    let is_gone =
        facts.driver.loaded_version.is_none() && facts.driver.libraries.is_empty() && driver_origins(facts).is_empty();
    is_gone.then(|| Finding::of(msg::finding::nvidia_smi_left(smi), Warning, smi))
}

/// Device files that a loaded driver should have; where `/dev` shows none at all it is a container's, or only a
/// picture.
fn device_files(facts: &Facts) -> Option<Finding> {
    let missing = missing_device_files(facts);
    let is_seen = facts.driver.loaded_version.is_some() && !facts.driver.device_nodes.is_empty() && !missing.is_empty();
    is_seen.then(|| Finding::of(msg::finding::device_files_missing(missing.join(", ")), Warning, "/dev"))
}

/// Returns the device files that a driver with these cards has, and that are not there.
pub fn missing_device_files(facts: &Facts) -> Vec<String> {
    let cards = facts.gpus.iter().filter(|gpu| gpu.kernel_driver.as_deref() == Some("nvidia")).count();
    let wanted = ["nvidiactl", "nvidia-uvm"]
        .iter()
        .map(|name| (*name).to_owned())
        .chain((0..cards).map(|card| format!("nvidia{card}")));
    wanted.map(|name| format!("/dev/{name}")).filter(|path| !facts.driver.device_nodes.contains(path)).collect()
}

/// Only where containers are handed devices by the toolkit's runtime: CDI needs no links. Source: toolkit#48, #251,
/// #1227.
fn char_links(facts: &Facts) -> Option<Finding> {
    let has_cards = facts.driver.device_nodes.iter().any(|path| path == "/dev/nvidia0");
    let needs = has_cards && facts.node.toolkit.is_some() && facts.driver.char_links.is_empty();
    needs.then(|| Finding::of(msg::finding::char_links_missing(), Warning, "/dev/char"))
}

/// A specification for another driver, or with fewer cards than there are. One for part of a card (MIG) has its own
/// count.
fn cdi(facts: &Facts) -> Vec<Finding> {
    let cards = facts.gpus.len();
    let judge = |spec: &crate::facts::cdi::CdiSpec| {
        let loaded = facts.driver.loaded_version.as_ref()?;
        let other = spec.driver_version.as_ref().filter(|version| *version != loaded);
        if let Some(other) = other {
            return Some(Finding::of(msg::finding::cdi_stale(&spec.path, loaded, other), Error, &spec.path));
        }
        let is_short = spec.kind == "nvidia.com/gpu" && spec.cards.len() < cards;
        let text = || msg::finding::cdi_short(spec.cards.len().to_string(), &spec.path, cards.to_string());
        is_short.then(|| Finding::of(text(), Error, &spec.path))
    };
    facts.node.cdi.iter().filter_map(judge).collect()
}

fn toolkit(facts: &Facts) -> Vec<Finding> {
    let packages: Vec<&NodePackage> = facts
        .node
        .packages
        .iter()
        .filter(|package| container_toolkit::PACKAGES.contains(&package.name.as_str()))
        .collect();
    let versions: BTreeSet<&str> = packages.iter().map(|package| package.version.as_str()).collect();
    let list =
        packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect::<Vec<_>>().join(", ");
    let mut found = Vec::new();
    if versions.len() > 1 {
        found.push(Finding::of(msg::finding::toolkit_versions_differ(&list), Error, &list));
    }
    let toolkit = packages.iter().find(|package| package.name == "nvidia-container-toolkit");
    if let Some((version, package)) = toolkit.and_then(|package| Some((numbers(&package.version)?, package))) {
        found.extend(holes(facts, &version, &format!("{} {}", package.name, package.version)));
    }
    if let Some(CliInfo::Failed(words)) = facts.node.toolkit.as_ref().and_then(|toolkit| toolkit.info.as_ref())
        && facts.driver.loaded_version.is_some()
    {
        found.push(Finding::of(msg::finding::toolkit_sees_no_driver(words), Error, "nvidia-container-cli info"));
    }
    found
}

fn holes(facts: &Facts, version: &Version, package: &str) -> Vec<Finding> {
    let is_before = |text: &str| text.parse::<Version>().is_ok_and(|other| *version < other);
    let hole = is_before(HOLE_CLOSED).then(|| Finding::of(msg::finding::toolkit_known_hole(version), Warning, package));
    let is_crios = facts.node.crio.is_some() && !is_before(CRIO_BROKEN.0) && is_before(CRIO_BROKEN.1);
    let crio = is_crios.then(|| Finding::of(msg::finding::toolkit_before_crio_fix(version), Warning, package));
    hole.into_iter().chain(crio).collect()
}

/// The numbers that a package's version begins with: `1.17.8` of `1.17.8-1`, and of `1.17.8~rc.1-1` too.
fn numbers(version: &str) -> Option<Version> {
    version.split(['-', '~', '+']).next()?.parse().ok()
}

/// Packages of one thing from more than one repository; those of which nobody knows where they came from say nothing.
fn two_sources(facts: &Facts) -> Vec<Finding> {
    let judge = |(part, what): (Part, &str)| {
        let of_part = facts.node.packages.iter().filter(|package| package.part == part);
        let origins: BTreeSet<&str> = of_part.filter_map(|package| package.origin.as_deref()).map(site).collect();
        let list = origins.iter().copied().collect::<Vec<_>>().join(", ");
        (origins.len() > 1).then(|| Finding::of(msg::finding::packages_two_sources(&list, what), Warning, &list))
    };
    [(Part::Driver, "NVIDIA driver"), (Part::ContainerToolkit, "NVIDIA Container Toolkit")]
        .into_iter()
        .filter_map(judge)
        .collect()
}

/// Mirrors of one archive count as one: `http://security.ubuntu.com/ubuntu` and `http://archive.ubuntu.com/ubuntu`.
fn site(origin: &str) -> &str {
    let path = origin.trim_end_matches('/');
    match path.rsplit('/').next() {
        Some(name @ ("ubuntu" | "ubuntu-ports" | "debian" | "debian-security")) => {
            name.split('-').next().unwrap_or(name)
        }
        _ => origin,
    }
}

/// Repositories of another release of the system, and those that two files name.
fn sources(facts: &Facts) -> Vec<Finding> {
    let own = distribution(&facts.host.os_id, &facts.host.os_version);
    let is_other = |source: &&PackageSource| {
        let of_system = own.as_ref().map(|own| own.trim_end_matches(|c: char| c.is_ascii_digit()));
        let named =
            source.distribution.as_deref().filter(|name| of_system.is_some_and(|system| name.starts_with(system)));
        named.is_some_and(|named| own.as_deref() != Some(named))
    };
    let text = |source: &PackageSource| {
        let (distribution, os) = (source.distribution.as_deref().unwrap_or_default(), &facts.host.os_name);
        Finding::of(msg::finding::source_of_another_release(distribution, &source.file, os), Warning, &source.file)
    };
    let mut found: Vec<Finding> = facts.node.sources.iter().filter(is_other).map(text).collect();
    let mut by_address: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for source in &facts.node.sources {
        by_address.entry(source.address.trim_end_matches('/')).or_default().insert(&source.file);
    }
    let twice = by_address.into_iter().filter(|(_, files)| files.len() > 1);
    found.extend(twice.map(|(address, files)| {
        let files = files.into_iter().collect::<Vec<_>>().join(", ");
        Finding::of(msg::finding::source_named_twice(address, &files), Warning, files.clone())
    }));
    found
}

/// The name of a system in NVIDIA's repository: `ubuntu2404`, `debian12`, `rhel9`. Source: owners.md 2.3 and 2.4.
fn distribution(os: &str, version: &str) -> Option<String> {
    let major = version.split('.').next().filter(|major| !major.is_empty())?;
    Some(match os {
        "ubuntu" => format!("ubuntu{}", version.replace('.', "")),
        "debian" => format!("debian{major}"),
        "rhel" | "centos" | "rocky" | "almalinux" | "ol" => format!("rhel{major}"),
        "fedora" => format!("fedora{major}"),
        "sles" => format!("sles{major}"),
        _ => return None,
    })
}

fn upgrades(facts: &Facts) -> Option<Finding> {
    let upgrades = facts.node.upgrades.as_ref()?;
    let touched = upgrades.touched(&facts.node.packages);
    let names = touched.iter().map(|package| package.name.as_str()).collect::<Vec<_>>().join(" ");
    (!touched.is_empty())
        .then(|| Finding::of(msg::finding::upgrades_touch_driver(&names, &upgrades.program), Warning, &upgrades.source))
}
