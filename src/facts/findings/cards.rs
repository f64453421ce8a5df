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
    catalog::CatalogMatch,
    finding::{
        Finding,
        Severity::{Error, Info, Warning},
    },
    host::Virtualization,
    i18n::msg,
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

/// Compares the cards with those that the answers expect: what is missing is a finding. A node may be prepared before
/// its cards are fitted, so it is a warning, and then the empty bus is no finding of its own.
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
        (there < *count).then(|| Finding::of(msg::finding::cards_missing(count, there, id), Warning, PCI_DEVICES))
    };
    wanted.iter().filter_map(lacks).collect()
}

fn no_gpu(facts: &Facts) -> Option<Finding> {
    if let Some(reason) = facts.unknown.get(pci::FACT) {
        let path = reason.args.get("path").map_or(PCI_DEVICES, String::as_str);
        // It was not told; nothing bad was seen.
        return Some(Finding::of(msg::finding::no_pci_bus(), Warning, path));
    }
    no_card(facts).filter(|_| facts.expected_gpus.is_empty())
}

/// The bus was read, and there is no card on it.
pub(super) fn no_card(facts: &Facts) -> Option<Finding> {
    if !facts.gpus.is_empty() || facts.unknown.contains_key(pci::FACT) {
        return None;
    }
    // A Tegra needs no card: its GPU is there, and nothing of what follows is for it.
    let finding = match &facts.host.tegra {
        Some(sign) => Finding::of(msg::finding::gpu_in_chip(), Error, sign),
        None => Finding::of(msg::finding::no_gpu(), Error, PCI_DEVICES),
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
        let text = match (driver, modules::role(driver)) {
            ("nouveau", _) => msg::finding::nouveau_bound(cards),
            ("nova" | "nova_core" | "NovaCore", _) => msg::finding::nova_bound(cards),
            (_, Some(ModuleRole::Passthrough)) => msg::finding::vfio_bound(cards, driver),
            _ => msg::finding::other_driver_bound(cards, driver),
        };
        Finding::of(text, Warning, place)
    };
    by_driver.into_iter().map(finding).collect()
}

/// Nouveau or nova that is loaded and has no card: it takes the first one that NVIDIA's driver lets go of.
fn rival_loaded(facts: &Facts) -> Option<Finding> {
    let taken = facts.gpus.iter().any(super::is_taken);
    let module =
        facts.driver.modules.iter().find(|module| modules::role(&module.name) == Some(ModuleRole::Conflicting))?;
    (!taken && !facts.gpus.is_empty())
        .then(|| Finding::of(msg::finding::rival_loaded(&module.name), Warning, "/proc/modules"))
}

fn virtual_gpus(facts: &Facts) -> Vec<Finding> {
    let mode = |gpu: &Gpu, mode| gpu.nvml.as_ref().is_some_and(|nvml| nvml.virtualization == Some(mode));
    let guests = addresses(facts.gpus.iter().filter(|gpu| mode(gpu, Virtualization::Vgpu)));
    let hosts = addresses(facts.gpus.iter().filter(|gpu| gpu.virtual_functions > 0 || mode(gpu, Virtualization::Host)));
    let vgpu_module = facts.driver.modules.iter().any(|module| module.name == "nvidia_vgpu_vfio");
    let host_evidence = match hosts.first() {
        Some(first) if facts.gpus.iter().any(|gpu| gpu.virtual_functions > 0) => {
            format!("{PCI_DEVICES}/{first}/virtfn0")
        }
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
    let guest = guest.map(|(cards, sign)| Finding::of(msg::finding::vgpu_guest(cards.join(", ")), Warning, sign));
    let host = (!hosts.is_empty() || vgpu_module)
        .then(|| Finding::of(msg::finding::vgpu_host(split.join(", ")), Warning, host_evidence));
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
            return Finding::of(msg::finding::catalog_unknown(&id, &gpu.name), Warning, place);
        };
        Finding::of(msg::finding::catalog_guess(&gpu.chip, &id, &gpu.name, source), Info, place)
    };
    kinds.into_values().map(finding).collect()
}

fn addresses<'a>(gpus: impl Iterator<Item = &'a Gpu>) -> Vec<&'a str> {
    gpus.map(|gpu| gpu.pci_address.as_str()).collect()
}
