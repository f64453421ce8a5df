//! The cards: whether there are any, who has them, and how sure we are.

use std::collections::BTreeMap;

use super::{
    super::{
        modules::{self, ModuleRole},
        pci,
    },
    Facts, Gpu, PCI_DEVICES,
};
use crate::{
    facts::CatalogMatch,
    finding::{
        Finding,
        Severity::{Error, Info, Warning},
    },
    host::Virtualization,
};

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(no_gpu(facts));
    found.extend(missing(facts));
    found.extend(taken(facts));
    found.extend(rival_loaded(facts));
    found.extend(virtual_gpus(facts));
    found.extend(guesses(facts));
    found
}

/// Compares the cards with those that the answers expect: what is missing is a finding. A node may be prepared before its cards are
/// fitted, so it is a warning, and then the empty bus is no finding of its own.
fn missing(facts: &Facts) -> Vec<Finding> {
    let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
    for card in &facts.expected_gpus {
        *wanted.entry(card.to_ascii_lowercase()).or_default() += 1;
    }
    let lacks = |(id, count): (&String, &usize)| {
        let is_it = |gpu: &&Gpu| {
            let device = format!("{}:{}", gpu.vendor_id, gpu.device_id);
            *id == device || *id == format!("{device}:{}:{}", gpu.subsystem_vendor_id, gpu.subsystem_device_id)
        };
        let there = facts.gpus.iter().filter(is_it).count();
        let args = [("id", id.as_str()), ("expected", &count.to_string()), ("found", &there.to_string())];
        (there < *count).then(|| Finding::new("cards-missing", Warning, PCI_DEVICES, &args))
    };
    wanted.iter().filter_map(lacks).collect()
}

fn no_gpu(facts: &Facts) -> Option<Finding> {
    if let Some(reason) = facts.unknown.get(pci::FACT) {
        let path = reason.args.get("path").map_or(PCI_DEVICES, String::as_str);
        return Some(Finding::new("no-pci-bus", Error, path, &[]));
    }
    if !facts.gpus.is_empty() || !facts.expected_gpus.is_empty() {
        return None;
    }
    // A Tegra needs no card: its GPU is there, and nothing of what follows is for it.
    let finding = match &facts.host.tegra {
        Some(sign) => Finding::new("gpu-in-chip", Error, sign, &[]),
        None => Finding::new("no-gpu", Error, PCI_DEVICES, &[]),
    };
    Some(finding)
}

/// Cards that a driver other than NVIDIA's has taken.
fn taken(facts: &Facts) -> Vec<Finding> {
    let mut by_driver: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for gpu in facts.gpus.iter().filter(|gpu| super::is_taken(gpu)) {
        by_driver.entry(gpu.kernel_driver.as_deref().unwrap_or_default()).or_default().push(&gpu.pci_address);
    }
    let finding = |(driver, cards): (&str, Vec<&str>)| {
        let place = format!("{PCI_DEVICES}/{}/driver", cards[0]);
        let cards = cards.join(", ");
        let args = [("cards", cards.as_str()), ("driver", driver)];
        match (driver, modules::role(driver)) {
            ("nouveau", _) => Finding::new("nouveau-bound", Warning, place, &args[..1]),
            ("nova" | "nova_core" | "NovaCore", _) => Finding::new("nova-bound", Warning, place, &args[..1]),
            (_, Some(ModuleRole::Passthrough)) => Finding::new("vfio-bound", Warning, place, &args),
            _ => Finding::new("other-driver-bound", Warning, place, &args),
        }
    };
    by_driver.into_iter().map(finding).collect()
}

/// Nouveau or nova that is loaded and has no card: it takes the first one that NVIDIA's driver lets go of.
fn rival_loaded(facts: &Facts) -> Option<Finding> {
    let taken = facts.gpus.iter().any(super::is_taken);
    let module = facts.driver.modules.iter().find(|module| modules::role(&module.name) == Some(ModuleRole::Conflicting))?;
    (!taken && !facts.gpus.is_empty()).then(|| Finding::new("rival-loaded", Warning, "/proc/modules", &[("module", &module.name)]))
}

fn virtual_gpus(facts: &Facts) -> Vec<Finding> {
    let mode = |gpu: &Gpu, mode| gpu.nvml.as_ref().is_some_and(|nvml| nvml.virtualization == Some(mode));
    let guests = addresses(facts.gpus.iter().filter(|gpu| mode(gpu, Virtualization::Vgpu)));
    let hosts = addresses(facts.gpus.iter().filter(|gpu| gpu.virtual_functions > 0 || mode(gpu, Virtualization::Host)));
    let vgpu_module = facts.driver.modules.iter().any(|module| module.name == "nvidia_vgpu_vfio");
    let host_evidence = match hosts.first() {
        Some(first) if facts.gpus.iter().any(|gpu| gpu.virtual_functions > 0) => format!("{PCI_DEVICES}/{first}/virtfn0"),
        Some(_) => super::nvml::SOURCE.to_owned(),
        None => "/proc/modules".to_owned(),
    };
    let split = if hosts.is_empty() { addresses(facts.gpus.iter()) } else { hosts.clone() };
    // NVML knows; where it does not answer, the guest driver's own files tell.
    let told = facts.gpus.iter().any(|gpu| gpu.nvml.as_ref().is_some_and(|nvml| nvml.virtualization.is_some()));
    let guest = match &facts.driver.vgpu_guest {
        Some(sign) if !told && !facts.gpus.is_empty() => Some((addresses(facts.gpus.iter()), sign.as_str())),
        _ => (!guests.is_empty()).then_some((guests, super::nvml::SOURCE)),
    };
    let guest = guest.map(|(cards, sign)| Finding::new("vgpu-guest", Warning, sign, &[("cards", &cards.join(", "))]));
    let host =
        (!hosts.is_empty() || vgpu_module).then(|| Finding::new("vgpu-host", Warning, host_evidence, &[("cards", &split.join(", "))]));
    guest.into_iter().chain(host).collect()
}

/// One finding for each kind of card that the catalog does not list.
fn guesses(facts: &Facts) -> Vec<Finding> {
    let mut kinds: BTreeMap<&str, &Gpu> = BTreeMap::new();
    for gpu in facts.gpus.iter().filter(|gpu| gpu.catalog == CatalogMatch::Guess) {
        kinds.entry(&gpu.device_id).or_insert(gpu);
    }
    let finding = |gpu: &Gpu| {
        let id = format!("10de:{}", gpu.device_id);
        let place = format!("{PCI_DEVICES}/{}/device", gpu.pci_address);
        let Some(source) = &gpu.guessed_from else {
            return Finding::new("catalog-unknown", Warning, place, &[("id", &id), ("name", &gpu.name)]);
        };
        let args = [("id", id.as_str()), ("name", &gpu.name), ("chip", &gpu.chip), ("source", source)];
        Finding::new("catalog-guess", Info, place, &args)
    };
    kinds.into_values().map(finding).collect()
}

fn addresses<'a>(gpus: impl Iterator<Item = &'a Gpu>) -> Vec<&'a str> {
    gpus.map(|gpu| gpu.pci_address.as_str()).collect()
}
