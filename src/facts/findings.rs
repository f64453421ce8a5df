//! What a person should know about a machine: pure judgements from its facts, worst first.

use std::collections::BTreeSet;

use super::{CatalogMatch, Facts, Gpu, HostFacts, KernelModule, LedgerEntry, ModuleKind, Origin, Unknown, kernel, packages, pci};
use crate::{
    finding::{
        Finding,
        Severity::{self, Error, Info, Warning},
    },
    host::NvmlAnswer,
};

const DRIVER_VERSION: &str = "/proc/driver/nvidia/version";
const PCI_DEVICES: &str = "/sys/bus/pci/devices";

/// Returns the findings, worst first and else in the order of the four steps.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(no_gpu(facts));
    found.extend(bound_elsewhere(facts));
    found.extend(nvml(facts));
    found.extend(counts(facts));
    found.extend(loaded_driver(facts));
    found.extend(unfit_driver(facts));
    found.extend(two_origins(facts));
    found.extend(machine(facts));
    found.extend(guesses(facts));
    found.extend(not_known(facts));
    found.sort_by_key(|finding| finding.severity);
    found
}

fn no_gpu(facts: &Facts) -> Option<Finding> {
    if let Some(reason) = facts.unknown.get(pci::FACT) {
        let path = reason.args.get("path").map_or(PCI_DEVICES, String::as_str);
        return Some(Finding::new("no-pci-bus", Error, path, &[]));
    }
    facts.gpus.is_empty().then(|| Finding::new("no-gpu", Error, PCI_DEVICES, &[]))
}

/// Cards that a driver other than NVIDIA's has taken.
fn bound_elsewhere(facts: &Facts) -> Vec<Finding> {
    let rivals: [(&str, &[&str]); 3] =
        [("nouveau-bound", &["nouveau"]), ("nova-bound", &["nova_core", "NovaCore", "nova"]), ("vfio-bound", &["vfio-pci"])];
    let bound = |(id, drivers): (&str, &[&str])| {
        let is_bound = |gpu: &&Gpu| gpu.kernel_driver.as_deref().is_some_and(|driver| drivers.contains(&driver));
        let cards: Vec<_> = facts.gpus.iter().filter(is_bound).map(|gpu| gpu.pci_address.as_str()).collect();
        let first = cards.first()?;
        Some(Finding::new(id, Warning, format!("{PCI_DEVICES}/{first}/driver"), &[("cards", &cards.join(", "))]))
    };
    rivals.into_iter().filter_map(bound).collect()
}

fn nvml(facts: &Facts) -> Option<Finding> {
    let version = facts.driver.loaded_version.as_deref().unwrap_or("?");
    let finding = |id, severity, args: &[(&str, &str)]| Some(Finding::new(id, severity, "NVML", args));
    match facts.driver.nvml.as_ref()? {
        NvmlAnswer::Mismatch => finding("nvml-mismatch", Error, &[("version", version)]),
        NvmlAnswer::TimedOut => finding("nvml-timeout", Error, &[]),
        NvmlAnswer::Failed(error) => finding("nvml-failed", Warning, &[("error", &crate::text::printable(error))]),
        NvmlAnswer::NoPermission => finding("nvml-not-allowed", Warning, &[]),
        NvmlAnswer::NoLibrary(_) if facts.driver.loaded_version.is_some() => finding("nvml-no-library", Info, &[("version", version)]),
        NvmlAnswer::NoLibrary(_) | NvmlAnswer::NoDriver | NvmlAnswer::NotAsked | NvmlAnswer::Answer { .. } => None,
    }
}

fn counts(facts: &Facts) -> Option<Finding> {
    let Some(NvmlAnswer::Answer { gpus, .. }) = &facts.driver.nvml else { return None };
    let differ = gpus.len() != facts.gpus.len() && !facts.unknown.contains_key(pci::FACT);
    let (pci, nvml) = (facts.gpus.len().to_string(), gpus.len().to_string());
    differ.then(|| Finding::new("count-mismatch", Warning, format!("{PCI_DEVICES}, NVML"), &[("pci", &pci), ("nvml", &nvml)]))
}

/// A loaded driver that nothing but the installer pod brought is where it belongs; every other one must go if the pod is to be the
/// owner, which only the plan knows.
fn loaded_driver(facts: &Facts) -> Option<Finding> {
    let version = facts.driver.loaded_version.as_deref()?;
    let origins = driver_origins(facts);
    let by_pod = facts.driver.ledger.iter().any(|entry| entry.origin == Origin::InstallerPod && entry.what == version);
    let (id, severity) = if by_pod && origins.len() == 1 { ("driver-loaded-by-pod", Info) } else { ("driver-loaded", Warning) };
    Some(Finding::new(id, severity, DRIVER_VERSION, &[("version", version)]))
}

/// A loaded driver that cannot work with a card that is here.
fn unfit_driver(facts: &Facts) -> Vec<Finding> {
    let Some(version) = facts.driver.loaded_version.as_deref() else { return Vec::new() };
    let branch = version.split('.').next().and_then(|branch| branch.parse::<u32>().ok());
    let mut found = Vec::new();
    let mut add = |id: &str, gpu: &Gpu, last: &str| {
        let args = [("name", gpu.name.as_str()), ("version", version), ("last", last)];
        let finding = Finding::new(id, Error, DRIVER_VERSION, &args);
        // Equal cards are one finding.
        if !found.contains(&finding) {
            found.push(finding);
        }
    };
    for gpu in &facts.gpus {
        if gpu.kernel_module == KernelModule::OpenRequired && facts.driver.loaded_kind == Some(ModuleKind::Proprietary) {
            add("open-module-required", gpu, "");
        }
        if let (Some(last), Some(branch)) = (gpu.last_branch, branch)
            && branch > last
        {
            add("driver-beyond-last-branch", gpu, &last.to_string());
        }
    }
    found
}

fn two_origins(facts: &Facts) -> Option<Finding> {
    let origins = driver_origins(facts);
    let names = origins.iter().map(|origin| origin.name()).collect::<Vec<_>>().join(", ");
    let places = facts.driver.ledger.iter().filter(|entry| brings_driver(entry)).map(|entry| entry.r#where.as_str());
    let places = places.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ");
    (origins.len() > 1).then(|| Finding::new("two-origins", Warning, places, &[("origins", &names)]))
}

/// Returns the independent ways in which drivers came here. dkms trees and module files come from one of them.
fn driver_origins(facts: &Facts) -> BTreeSet<Origin> {
    facts.driver.ledger.iter().filter(|entry| brings_driver(entry)).map(|entry| entry.origin).collect()
}

fn brings_driver(entry: &LedgerEntry) -> bool {
    matches!(entry.origin, Origin::Runfile | Origin::InstallerPod | Origin::Operator) || packages::is_driver_package(entry)
}

fn machine(facts: &Facts) -> Vec<Finding> {
    let host = &facts.host;
    let mut found = Vec::new();
    let mut add =
        |id: &str, severity: Severity, evidence: &str, args: &[(&str, &str)]| found.push(Finding::new(id, severity, evidence, args));
    if let Some(sign) = &host.container {
        add("container", Warning, sign, &[]);
    }
    if host.secure_boot == Some(true) {
        add("secure-boot-on", Warning, "/sys/firmware/efi/efivars", &[]);
    }
    found.extend(headers(host));
    found
}

/// Headers for the running kernel that are not installed: with what the package manager says, where it was asked.
fn headers(host: &HostFacts) -> Option<Finding> {
    if !host.lacks_headers() {
        return None;
    }
    let offer = &host.headers_offer;
    let places = kernel::header_places(&host.kernel).join(", ");
    let evidence = offer.asked.clone().unwrap_or(places);
    let packages = if offer.missing.is_empty() { &offer.packages } else { &offer.missing };
    let id = match offer.offered {
        None => "no-kernel-headers",
        Some(true) => "kernel-headers-offered",
        Some(false) => "kernel-headers-not-offered",
    };
    Some(Finding::new(id, Warning, evidence, &[("kernel", &host.kernel), ("packages", &packages.join(" "))]))
}

fn guesses(facts: &Facts) -> Vec<Finding> {
    let guess = |gpu: &&Gpu| gpu.catalog == CatalogMatch::Guess;
    let finding = |gpu: &Gpu| {
        let args = [("id", format!("10de:{}", gpu.device_id)), ("name", gpu.name.clone())];
        let args = args.each_ref().map(|(name, value)| (*name, value.as_str()));
        Finding::new("catalog-guess", Info, format!("{PCI_DEVICES}/{}/device", gpu.pci_address), &args)
    };
    facts.gpus.iter().filter(guess).map(finding).collect()
}

/// One line for what root could learn, one for the rest; the reasons are in [`Facts::unknown`].
fn not_known(facts: &Facts) -> Vec<Finding> {
    let names = |for_root: bool| {
        let needs_root = |reason: &Unknown| !facts.host.root && matches!(reason.id.as_str(), "not-allowed" | "processes-hidden");
        let chosen = facts.unknown.iter().filter(|(name, reason)| *name != pci::FACT && needs_root(reason) == for_root);
        chosen.map(|(name, _)| name.as_str()).collect::<Vec<_>>()
    };
    let finding = |id: &str, names: Vec<&str>| {
        let count = names.len().to_string();
        (!names.is_empty()).then(|| Finding::new(id, Info, names.join(", "), &[("count", &count)]))
    };
    [finding("facts-need-root", names(true)), finding("facts-not-known", names(false))].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::NvmlGpu;

    fn ids(facts: &Facts) -> Vec<String> {
        let found = judge(facts);
        found.iter().for_each(crate::facts::tests::assert_finding_has_texts);
        found.into_iter().map(|finding| finding.id).collect()
    }

    fn machine_with(gpu: Gpu) -> Facts {
        let mut facts =
            Facts { gpus: vec![Gpu { catalog: CatalogMatch::Exact, pci_address: "0000:18:00.0".into(), ..gpu }], ..Facts::default() };
        facts.host.kernel_headers = true;
        facts
    }

    fn with_driver(gpu: Gpu, version: &str, kind: ModuleKind) -> Facts {
        let mut facts = machine_with(gpu);
        facts.driver.loaded_version = Some(version.into());
        facts.driver.loaded_kind = Some(kind);
        facts
    }

    fn ledger(entries: &[(Origin, &str)]) -> Vec<LedgerEntry> {
        entries.iter().map(|(origin, what)| LedgerEntry { origin: *origin, what: (*what).into(), r#where: "x".into() }).collect()
    }

    #[test]
    fn a_clean_machine_has_no_findings() {
        assert_eq!(ids(&machine_with(Gpu::default())), Vec::<String>::new());
    }

    #[test]
    fn each_rival_of_the_driver_has_its_finding() {
        for (driver, id) in [("nouveau", "nouveau-bound"), ("NovaCore", "nova-bound"), ("vfio-pci", "vfio-bound")] {
            assert_eq!(ids(&machine_with(Gpu { kernel_driver: Some(driver.into()), ..Gpu::default() })), [id]);
        }
    }

    #[test]
    fn nvml_answers_become_findings() {
        let mut facts = machine_with(Gpu::default());
        let seen = NvmlAnswer::Answer { driver_version: String::new(), cuda_version: None, gpus: vec![NvmlGpu::default(); 2] };
        let answers = [
            (NvmlAnswer::Mismatch, vec!["nvml-mismatch"]),
            (NvmlAnswer::TimedOut, vec!["nvml-timeout"]),
            (NvmlAnswer::Failed("x".into()), vec!["nvml-failed"]),
            (NvmlAnswer::NoPermission, vec!["nvml-not-allowed"]),
            (NvmlAnswer::NoDriver, vec![]),
            (NvmlAnswer::NoLibrary(vec![]), vec![]),
            (seen, vec!["count-mismatch"]),
        ];
        for (answer, expected) in answers {
            facts.driver.nvml = Some(answer);
            assert_eq!(ids(&facts), expected);
        }
    }

    #[test]
    fn blackwell_refuses_the_proprietary_module() {
        let blackwell = || Gpu { kernel_module: KernelModule::OpenRequired, ..Gpu::default() };
        assert_eq!(ids(&with_driver(blackwell(), "570.26", ModuleKind::Proprietary)), ["open-module-required", "driver-loaded"]);
        assert_eq!(ids(&with_driver(blackwell(), "570.26", ModuleKind::Open)), ["driver-loaded"]);
    }

    #[test]
    fn a_driver_newer_than_the_cards_last_branch_is_an_error() {
        let volta = || Gpu { last_branch: Some(580), ..Gpu::default() };
        assert_eq!(ids(&with_driver(volta(), "590.44.01", ModuleKind::Proprietary)), ["driver-beyond-last-branch", "driver-loaded"]);
        assert_eq!(ids(&with_driver(volta(), "580.65.06", ModuleKind::Proprietary)), ["driver-loaded"]);
    }

    #[test]
    fn the_installer_pods_own_driver_is_in_its_place() {
        let mut facts = with_driver(Gpu::default(), "450.51.06", ModuleKind::Proprietary);
        facts.driver.ledger = ledger(&[(Origin::InstallerPod, "450.51.06")]);
        assert_eq!(ids(&facts), ["driver-loaded-by-pod"]);
        facts.driver.ledger = ledger(&[(Origin::InstallerPod, "450.51.06"), (Origin::Runfile, "418.87.00")]);
        assert_eq!(ids(&facts), ["driver-loaded", "two-origins"]);
    }

    #[test]
    fn a_toolkit_package_is_no_second_driver() {
        let mut facts = machine_with(Gpu::default());
        facts.driver.ledger = ledger(&[
            (Origin::Runfile, "418.87.00"),
            (Origin::Rpm, "cuda-toolkit-11-0-11.0.3-1.x86_64"),
            (Origin::Dkms, "nvidia 418.87.00"),
        ]);
        assert_eq!(ids(&facts), Vec::<String>::new());
        facts.driver.ledger.extend(ledger(&[(Origin::Rpm, "nvidia-driver-450.51.06-1.el7.x86_64")]));
        assert_eq!(ids(&facts), ["two-origins"]);
    }

    #[test]
    fn the_machine_around_is_judged() {
        let mut facts = machine_with(Gpu { catalog: CatalogMatch::Guess, ..Gpu::default() });
        facts.gpus[0].catalog = CatalogMatch::Guess;
        facts.host.secure_boot = Some(true);
        facts.host.kernel_headers = false;
        facts.host.kernel = "6.8.0".into();
        facts.unknown.insert("host.gcc_version".into(), Unknown::new("not-allowed", &[("path", "/x")]));
        facts.host.container = Some("/.dockerenv".into());
        let found = judge(&facts);
        found.iter().for_each(crate::facts::tests::assert_finding_has_texts);
        let found: Vec<_> = found.into_iter().map(|finding| finding.id).collect();
        assert_eq!(found, ["container", "secure-boot-on", "no-kernel-headers", "catalog-guess", "facts-need-root"]);
        facts.unknown.insert("driver.modules".into(), Unknown::new("not-there", &[("path", "/proc/modules")]));
        let both = judge(&facts).split_off(4);
        assert_eq!(both.iter().map(|finding| finding.evidence.as_str()).collect::<Vec<_>>(), ["host.gcc_version", "driver.modules"]);
        facts.host.root = true;
        assert!(ids(&facts).contains(&"facts-not-known".to_owned()));
    }

    #[test]
    fn an_unreadable_bus_is_not_an_empty_one() {
        let mut facts = Facts::default();
        assert_eq!(ids(&facts), ["no-gpu"]);
        facts.unknown.insert("gpus".into(), Unknown::new("not-there", &[("path", PCI_DEVICES)]));
        assert_eq!(ids(&facts), ["no-pci-bus"]);
    }
}
