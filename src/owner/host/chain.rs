//! What a machine with a driver of its own says of the links h1 to h14 and h20 of its chain, judged from facts.
//!
//! Pure: programs were asked when the facts were taken. The causes are the findings of step 1, so that one thing has
//! one text. Source: owners.md 5.1. What only lasts until the next boot, upgrade or Kubespray run is
//! [`State::Temporary`]: it breaks no link behind.

pub(in crate::owner) mod runtime;
#[cfg(test)]
mod tests;

use crate::{
    cluster::check::{Check, CheckId, State},
    facts::{
        Facts, ModuleKind, Origin, container_toolkit::CliInfo, missing_device_files, node_packages::Part, packages,
    },
    finding::{Finding, Severity},
    host::NvmlAnswer,
    i18n::msg,
    owner::NodeEvidence,
};

/// Judges the machine's links, in the order of the chain. One that does not concern this machine is left out.
pub(super) fn judge(seen: &NodeEvidence<'_>) -> Vec<Check> {
    let facts = seen.facts;
    let always = [cards(facts), bound(facts), module(facts), library(facts), device_files(facts), nvml(facts)];
    let mut checks: Vec<Check> = always.into_iter().collect();
    checks.extend(fabric(facts));
    checks.extend([persistence(facts), next_boot(facts), container_toolkit(facts)]);
    checks.extend(cdi(facts));
    checks.push(runtime::effective(facts));
    checks.push(runtime::lasts(seen));
    checks.extend(runtime::in_use(facts));
    checks.push(second_boot(seen));
    checks
}

/// Returns the first finding of step 1 with one of these ids.
fn finding(facts: &Facts, ids: &[&str]) -> Option<Finding> {
    ids.iter().find_map(|id| facts.findings.iter().find(|finding| finding.id == *id)).cloned()
}

/// A link that is broken by a finding, and passes without one.
fn unless(facts: &Facts, id: CheckId, ids: &[&str], evidence: impl Into<String>) -> Check {
    let cause = finding(facts, ids);
    let evidence = cause.as_ref().map_or_else(|| evidence.into(), |cause| cause.evidence.clone());
    Check::new(id, if cause.is_some() { State::Fail } else { State::Pass }, evidence).because(cause)
}

/// Returns what kept a fact from being known: the values of the reason, which have no language.
fn why_unknown(facts: &Facts, fact: &str) -> String {
    facts
        .unknown
        .get(fact)
        .map(|reason| reason.args.values().cloned().collect::<Vec<_>>().join(": "))
        .unwrap_or_default()
}

fn cards(facts: &Facts) -> Check {
    let names = facts.gpus.iter().map(|gpu| format!("{} {}", gpu.pci_address, gpu.name)).collect::<Vec<_>>().join(", ");
    match finding(facts, &["no-pci-bus", "no-gpu", "cards-missing", "gpu-in-chip"]) {
        Some(cause) if cause.id == "no-pci-bus" => {
            Check::new(CheckId::Cards, State::Unknown, &cause.evidence).because(Some(cause))
        }
        Some(cause) => Check::new(CheckId::Cards, State::Fail, &cause.evidence).because(Some(cause)),
        None if facts.gpus.is_empty() => Check::new(CheckId::Cards, State::Fail, "/sys/bus/pci/devices"),
        None => Check::new(CheckId::Cards, State::Pass, format!("{}: {names}", facts.gpus.len())),
    }
}

pub(in crate::owner) fn bound(facts: &Facts) -> Check {
    let drivers =
        |gpu: &crate::facts::Gpu| format!("{} {}", gpu.pci_address, gpu.kernel_driver.as_deref().unwrap_or("-"));
    let evidence = facts.gpus.iter().map(drivers).collect::<Vec<_>>().join(", ");
    let cause = finding(facts, &["nouveau-bound", "nova-bound", "vfio-bound", "other-driver-bound"]);
    let is_bound = facts.gpus.iter().all(|gpu| gpu.kernel_driver.as_deref() == Some("nvidia"));
    Check::new(CheckId::CardsBound, if is_bound { State::Pass } else { State::Fail }, evidence).because(cause)
}

fn module(facts: &Facts) -> Check {
    const UNFIT: [&str; 4] =
        ["open-module-required", "open-module-impossible", "driver-beyond-last-branch", "driver-before-first-branch"];
    let Some(version) = &facts.driver.loaded_version else {
        let cause = finding(facts, &["module-of-another-kernel", "unsigned-modules", "rival-loaded"]);
        return Check::new(CheckId::HostDriver, State::Fail, "/proc/driver/nvidia/version: -").because(cause);
    };
    let kind = match facts.driver.loaded_kind {
        Some(ModuleKind::Open) => " (open)",
        Some(ModuleKind::Proprietary) => " (proprietary)",
        None => "",
    };
    unless(facts, CheckId::HostDriver, &UNFIT, format!("{version}{kind}"))
}

/// The library that the loader ends at; where its file has no version in its name, NVML tells the same by answering.
fn library(facts: &Facts) -> Check {
    let id = CheckId::DriverLibrary;
    if let Some(cause) = finding(facts, &["driver-library-differs", "nvml-mismatch"]) {
        return Check::new(id, State::Fail, &cause.evidence).because(Some(cause));
    }
    let named = facts
        .driver
        .libraries
        .iter()
        .find(|library| library.version.is_some() && library.version == facts.driver.loaded_version);
    match (&facts.driver.nvml, named) {
        (_, Some(library)) => Check::new(id, State::Pass, &library.path),
        (Some(NvmlAnswer::Answer { driver_version, .. }), None) => {
            Check::new(id, State::Pass, format!("NVML: {driver_version}"))
        }
        (_, None) if facts.driver.libraries.is_empty() => {
            Check::new(id, State::Fail, "libnvidia-ml.so.1: -").because(finding(facts, &["nvml-no-library"]))
        }
        (_, None) => Check::new(id, State::Unknown, facts.driver.libraries[0].path.as_str()),
    }
}

/// Without the links in `/dev/char` pods work until systemd reloads its units.
fn device_files(facts: &Facts) -> Check {
    let id = CheckId::DeviceFiles;
    let missing = missing_device_files(facts);
    if !missing.is_empty() {
        let cause = Finding::of(msg::finding::device_files_missing(missing.join(", ")), Severity::Error, "/dev");
        return Check::new(id, State::Fail, missing.join(", ")).because(Some(cause));
    }
    let evidence =
        facts.driver.device_nodes.iter().chain(&facts.driver.char_links).cloned().collect::<Vec<_>>().join(" ");
    let cause = finding(facts, &["char-links-missing"]);
    Check::new(id, if cause.is_some() { State::Temporary } else { State::Pass }, evidence).because(cause)
}

fn nvml(facts: &Facts) -> Check {
    const CAUSES: [&str; 8] = [
        "nvml-mismatch",
        "nvml-timeout",
        "nvml-crashed",
        "nvml-failed",
        "nvml-not-allowed",
        "nvml-no-library",
        "count-mismatch",
        "count-more-in-nvml",
    ];
    let id = CheckId::Nvml;
    match &facts.driver.nvml {
        Some(NvmlAnswer::Answer { gpus, silent, .. }) if gpus.len() == facts.gpus.len() && silent.is_empty() => {
            let cards = gpus.iter().map(|gpu| gpu.uuid.as_str()).collect::<Vec<_>>().join(" ");
            Check::new(id, State::Pass, format!("{}: {cards}", gpus.len()))
        }
        None | Some(NvmlAnswer::NotAsked) => Check::new(id, State::Unknown, ""),
        Some(NvmlAnswer::NoPermission) => Check::new(id, State::Unknown, "").because(finding(facts, &CAUSES)),
        Some(_) => Check::new(id, State::Fail, "NVML (libnvidia-ml.so.1)").because(finding(facts, &CAUSES)),
    }
}

/// Only where switches join the cards.
fn fabric(facts: &Facts) -> Option<Check> {
    let id = CheckId::Fabric;
    facts.nvswitches.first()?;
    if let Some(cause) = finding(facts, &["no-fabric-manager", "fabric-manager-version"]) {
        return Some(Check::new(id, State::Fail, &cause.evidence).because(Some(cause)));
    }
    let states = &facts.node.fabric;
    let evidence = states.join(", ");
    let is_joined = |state: &String| state == "Completed/Success";
    Some(match states.iter().all(is_joined) {
        _ if states.is_empty() => Check::new(id, State::Unknown, "nvidia-smi -q"),
        all if all => Check::new(id, State::Pass, evidence),
        _ => {
            let cause = Finding::of(msg::finding::fabric_not_joined(&evidence), Severity::Error, "nvidia-smi -q");
            Check::new(id, State::Fail, evidence).because(Some(cause))
        }
    })
}

/// Without the daemon pods work, and the first one after a boot may not: nobody has made the device files yet.
fn persistence(facts: &Facts) -> Check {
    let id = CheckId::Persistence;
    let unit = facts.node.units.iter().find(|unit| unit.name == "nvidia-persistenced");
    match unit {
        Some(unit) if unit.is_running => Check::new(id, State::Pass, &unit.file),
        _ => {
            let evidence = unit.map_or("nvidia-persistenced.service: -", |unit| unit.file.as_str());
            let cause = Finding::of(msg::finding::persistence_off(), Severity::Warning, evidence);
            Check::new(id, State::Temporary, evidence).because(Some(cause))
        }
    }
}

/// The next kernel has its module, no upgrade comes in between, and the packages are held.
fn next_boot(facts: &Facts) -> Check {
    const CAUSES: [&str; 4] = [
        "no-module-for-next-kernel",
        "module-of-next-kernel-differs",
        "driver-on-disk-differs",
        "upgrades-touch-driver",
    ];
    let id = CheckId::NextBoot;
    let next = facts.host.next_kernel.as_ref();
    if let Some(cause) = finding(facts, &CAUSES).or_else(|| not_held(facts)) {
        return Check::new(id, State::Temporary, &cause.evidence).because(Some(cause));
    }
    if let Some(next) = next {
        return Check::new(id, State::Pass, format!("{} ({})", next.release, next.source));
    }
    let why = why_unknown(facts, "host.next_kernel");
    Check::new(id, State::Unknown, if why.is_empty() { "/boot: -".to_owned() } else { why })
}

/// Packages of the driver that nothing holds. What is no package is upgraded by nobody, and a pinning package holds the
/// branch.
fn not_held(facts: &Facts) -> Option<Finding> {
    let of_driver = || facts.node.packages.iter().filter(|package| package.part == Part::Driver);
    let is_pinned = facts.node.packages.iter().any(|package| package.name.starts_with("nvidia-driver-pinning"));
    let is_package = |entry: &crate::facts::LedgerEntry| {
        matches!(entry.origin, Origin::Deb | Origin::Rpm) && packages::is_driver_package(entry)
    };
    let is_open =
        !is_pinned && facts.driver.ledger.iter().any(is_package) && of_driver().all(|package| package.held.is_none());
    let names = of_driver().map(|package| package.name.as_str()).collect::<Vec<_>>().join(" ");
    is_open.then(|| Finding::of(msg::finding::driver_not_held(&names), Severity::Warning, names.clone()))
}

fn container_toolkit(facts: &Facts) -> Check {
    let id = CheckId::ContainerToolkit;
    let toolkit = facts.node.toolkit.as_ref().filter(|toolkit| !toolkit.programs.is_empty());
    let Some(toolkit) = toolkit else {
        let cause = Finding::of(msg::finding::toolkit_missing(), Severity::Error, "/usr/bin/nvidia-container-runtime");
        return Check::new(id, State::Fail, "/usr/bin/nvidia-container-runtime: -").because(Some(cause));
    };
    if let Some(cause) = finding(facts, &["toolkit-versions-differ", "toolkit-sees-no-driver"]) {
        return Check::new(id, State::Fail, &cause.evidence).because(Some(cause));
    }
    let version = toolkit.version.as_deref().unwrap_or("?");
    match &toolkit.info {
        Some(CliInfo::Ok(driver)) => Check::new(
            id,
            State::Pass,
            format!("{version}, nvidia-container-cli info: {}", driver.as_deref().unwrap_or("0")),
        ),
        Some(CliInfo::Failed(words)) => Check::new(id, State::Fail, words),
        None => Check::new(id, State::Unknown, version),
    }
}

/// Only where a specification is: without one the toolkit makes it for each container (jit-cdi, since 1.18).
fn cdi(facts: &Facts) -> Option<Check> {
    let spec = facts.node.cdi.first()?;
    let evidence = format!("{}: {} ({})", spec.path, spec.driver_version.as_deref().unwrap_or("-"), spec.cards.len());
    Some(unless(facts, CheckId::Cdi, &["cdi-stale", "cdi-short"], evidence))
}

pub(in crate::owner) fn second_boot(seen: &NodeEvidence<'_>) -> Check {
    let id = CheckId::SecondBoot;
    let boot_id = &seen.facts.host.boot_id;
    if let Some((boots, note)) = seen.second_boot.and_then(|boots| Some((boots, boots.on(boot_id)?))) {
        return Check::new(id, State::Pass, format!("{} → {} ({})", boots.noted.boot_id, note.boot_id, note.at));
    }
    let cause = Finding::of(msg::finding::second_boot_open(), Severity::Info, boot_id.as_str());
    Check::new(id, State::NotJudged, "").because(Some(cause))
}
