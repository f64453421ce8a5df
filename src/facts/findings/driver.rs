//! The driver: whose it is, whether it fits the cards, and what it lacks.

use std::collections::BTreeSet;

use super::{DRIVER_VERSION, Facts, Gpu, LedgerEntry, PCI_DEVICES, brings_driver, driver_origins};
use crate::{
    catalog::{KernelModule, drivers as catalog_drivers, gpus},
    facts::{ModuleKind, Origin, ledger::kernel_of, packages},
    finding::{
        Finding,
        Severity::{Error, Info, Warning},
    },
    host::NvmlAnswer,
    i18n::msg,
    version::Version,
};

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(unfit_branches(facts));
    found.extend(unfit_kinds(facts));
    found.extend(two_origins(facts));
    found.extend(loaded(facts));
    found.extend(newer_than_catalog(facts));
    found.extend(other_on_disk(facts));
    found.extend(other_kernels(facts));
    found.extend(unfit_toolkits(facts));
    found.extend(fabric_manager(facts));
    found
}

/// A loaded driver that nothing but the installer pod brought is where it belongs; every other one must go if the pod
/// is to be the owner, which only the plan knows.
fn loaded(facts: &Facts) -> Option<Finding> {
    let version = facts.driver.loaded_version.as_deref()?;
    let origins = driver_origins(facts);
    let by_pod = facts.driver.ledger.iter().any(|entry| entry.origin == Origin::InstallerPod && entry.name == version);
    let (text, severity) = if by_pod && origins.len() == 1 {
        (msg::finding::driver_loaded_by_pod(version), Info)
    } else {
        (msg::finding::driver_loaded(version), Warning)
    };
    Some(Finding::of(text, severity, DRIVER_VERSION))
}

/// A driver that came out after the catalog is none that is wrong.
fn newer_than_catalog(facts: &Facts) -> Option<Finding> {
    // The list of drivers is long: a machine without one does not read it.
    let here = drivers(facts);
    let newest = here.first().and_then(|_| catalog_drivers::newest())?;
    let (version, place) = here.into_iter().find(|(version, _)| version > newest)?;
    Some(Finding::of(msg::finding::driver_newer_than_catalog(newest, version.as_str()), Info, place))
}

/// The drivers of this machine, each version once: the loaded one first, then what is on disk.
fn drivers(facts: &Facts) -> Vec<(Version, String)> {
    let loaded = facts
        .driver
        .loaded_version
        .as_ref()
        .and_then(|version| Some((version.parse().ok()?, DRIVER_VERSION.to_owned())));
    let on_disk =
        facts.driver.ledger.iter().filter_map(|entry| Some((packages::driver_version(entry)?, evidence(entry))));
    let mut found: Vec<(Version, String)> = Vec::new();
    for (version, place) in loaded.into_iter().chain(on_disk) {
        if !found.iter().any(|(other, _)| *other == version) {
            found.push((version, place));
        }
    }
    found
}

fn evidence(entry: &LedgerEntry) -> String {
    match entry.origin {
        Origin::Rpm | Origin::Deb => format!("{} ({})", entry.source, entry.name),
        _ => entry.source.clone(),
    }
}

/// A driver, loaded or on disk, whose branch does not know a card that is here: not any more, or not yet.
fn unfit_branches(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for (version, place) in drivers(facts) {
        // What NVML sees, the loaded driver serves, whatever the lists say.
        let is_loaded = place == DRIVER_VERSION;
        for gpu in facts.gpus.iter().filter(|gpu| !(is_loaded && gpu.nvml.is_some())) {
            let (text, severity) = match (gpu.first_branch, gpu.last_branch) {
                (_, Some(last)) if version.branch() > last => {
                    (msg::finding::driver_beyond_last_branch(last, &gpu.name, &version), Error)
                }
                // Where a card is first listed is less sure than where NVIDIA says that it ends.
                (Some(first), _) if version.branch() < first => {
                    (msg::finding::driver_before_first_branch(first, &gpu.name, &version), Warning)
                }
                _ => continue,
            };
            found.push(Finding::of(text, severity, place.clone()));
        }
    }
    found
}

/// A kernel module of the kind that a card does not take. What is loaded decides; a package of the wrong kind would be
/// loaded next.
fn unfit_kinds(facts: &Facts) -> Vec<Finding> {
    let open_package = || facts.driver.ledger.iter().find(|entry| packages::is_open_module(entry));
    let (kind, version, place) = match (facts.driver.loaded_kind, open_package()) {
        (Some(kind), _) => (kind, facts.driver.loaded_version.clone().unwrap_or_default(), DRIVER_VERSION.to_owned()),
        (None, Some(entry)) => (ModuleKind::Open, entry.name.clone(), evidence(entry)),
        (None, None) => return Vec::new(),
    };
    let finding = |gpu: &Gpu| {
        let text = match (gpu.kernel_module, kind) {
            (KernelModule::OpenRequired, ModuleKind::Proprietary) => {
                msg::finding::open_module_required(&gpu.name, &version)
            }
            (KernelModule::ProprietaryOnly, ModuleKind::Open) => {
                msg::finding::open_module_impossible(&gpu.name, &version)
            }
            _ => return None,
        };
        Some(Finding::of(text, Error, place.clone()))
    };
    facts.gpus.iter().filter_map(finding).collect()
}

fn two_origins(facts: &Facts) -> Option<Finding> {
    let origins = driver_origins(facts);
    let names = origins.iter().map(|origin| origin.name()).collect::<Vec<_>>().join(", ");
    let places = facts.driver.ledger.iter().filter(|entry| brings_driver(entry)).map(|entry| entry.source.as_str());
    let places = places.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ");
    (origins.len() > 1).then(|| Finding::of(msg::finding::two_origins(&names), Error, places))
}

/// The one driver on disk is not the loaded one: the next boot brings another. NVML notices too once its library was
/// exchanged.
fn other_on_disk(facts: &Facts) -> Option<Finding> {
    let loaded: Version = facts.driver.loaded_version.as_ref()?.parse().ok()?;
    if driver_origins(facts).len() > 1 || facts.driver.nvml == Some(NvmlAnswer::Mismatch) {
        return None;
    }
    let on_disk: Vec<_> =
        facts.driver.ledger.iter().filter_map(|entry| Some((packages::driver_version(entry)?, entry))).collect();
    let (version, entry) = on_disk.first().filter(|_| on_disk.iter().all(|(version, _)| *version != loaded))?;
    Some(Finding::of(msg::finding::driver_on_disk_differs(loaded.as_str(), version.as_str()), Warning, evidence(entry)))
}

/// Modules that were built for other kernels only: the kernel was updated, and the driver was not. That is why none is
/// loaded.
fn other_kernels(facts: &Facts) -> Option<Finding> {
    let files: Vec<_> = facts.driver.ledger.iter().filter(|entry| entry.origin == Origin::ModuleFile).collect();
    let running = facts.host.kernel.as_str();
    let built: BTreeSet<&str> = files.iter().filter_map(|entry| kernel_of(&entry.source)).collect();
    if built.is_empty() || running.is_empty() || built.contains(running) || facts.driver.loaded_version.is_some() {
        return None;
    }
    let built = built.into_iter().collect::<Vec<_>>().join(", ");
    let place = files.first()?.source.clone();
    Some(Finding::of(msg::finding::module_of_another_kernel(&built, running), Warning, place))
}

/// A toolkit that builds for no card that is here.
fn unfit_toolkits(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for entry in facts.driver.ledger.iter().filter(|entry| entry.origin == Origin::CudaToolkit) {
        let Some(version) =
            entry.name.parse::<Version>().ok().and_then(|version| version.major_minor().parse::<Version>().ok())
        else {
            continue;
        };
        for gpu in &facts.gpus {
            let Some((first, last)) = gpus::toolkits(&gpu.compute_capability) else { continue };
            let (capability, name) = (&gpu.compute_capability, &gpu.name);
            let text = match last {
                Some(last) if version > last => msg::finding::cuda_beyond_card(capability, last, name, &entry.name),
                _ if version < first => msg::finding::cuda_before_card(capability, first, name, &entry.name),
                _ => continue,
            };
            found.push(Finding::of(text, Warning, entry.source.clone()));
        }
    }
    found
}

/// The GPUs of an HGX or DGX board start only with `nvidia-fabricmanager` of exactly the driver's version (CUDA error
/// 802 without).
fn fabric_manager(facts: &Facts) -> Option<Finding> {
    let switch = facts.nvswitches.first()?;
    let loaded = facts.driver.loaded_version.as_deref()?;
    let runs =
        facts.driver.ledger.iter().any(|entry| entry.origin == Origin::Unit && entry.name == "nvidia-fabricmanager");
    let (count, place) = (facts.nvswitches.len().to_string(), format!("{PCI_DEVICES}/{switch}"));
    if !runs {
        return Some(Finding::of(msg::finding::no_fabric_manager(&count, loaded), Error, place));
    }
    let package =
        facts.driver.ledger.iter().find(|entry| packages::package_name(entry).is_some_and(is_fabric_manager))?;
    let version = packages::version(package)?;
    let differs = loaded.parse::<Version>().is_ok_and(|loaded| loaded != version);
    differs
        .then(|| Finding::of(msg::finding::fabric_manager_version(loaded, version.as_str()), Error, evidence(package)))
}

fn is_fabric_manager(name: &str) -> bool {
    name.starts_with("nvidia-fabricmanager") || name.starts_with("nvidia-fabric-manager")
}
