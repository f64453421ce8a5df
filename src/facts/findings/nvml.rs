//! What NVML said, and whether it sees the cards that are on the bus.

use super::{super::pci, Facts, Gpu, PCI_DEVICES, is_taken, loaded_branch, serves};
use crate::{
    finding::{
        Finding,
        Severity::{Error, Info, Warning},
    },
    host::NvmlAnswer,
    text::printable,
};

/// The evidence of what NVML says.
pub(super) const SOURCE: &str = "NVML (libnvidia-ml.so.1)";

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    answer(facts).into_iter().chain(counts(facts)).collect()
}

fn answer(facts: &Facts) -> Option<Finding> {
    let version = facts.driver.loaded_version.as_deref().unwrap_or("?");
    let finding = |id, severity, args: &[(&str, &str)]| Some(Finding::new(id, severity, SOURCE, args));
    match facts.driver.nvml.as_ref()? {
        NvmlAnswer::Mismatch => finding("nvml-mismatch", Error, &[("version", version)]),
        NvmlAnswer::TimedOut => finding("nvml-timeout", Error, &[]),
        NvmlAnswer::Crashed(signal) => finding("nvml-crashed", Error, &[("signal", &signal.to_string())]),
        NvmlAnswer::Failed(error) => finding("nvml-failed", Warning, &[("error", &printable(error))]),
        NvmlAnswer::NoPermission => finding("nvml-not-allowed", Warning, &[]),
        NvmlAnswer::NoLibrary(_) if facts.driver.loaded_version.is_some() => finding("nvml-no-library", Info, &[("version", version)]),
        NvmlAnswer::NoLibrary(_) | NvmlAnswer::NoDriver | NvmlAnswer::NotAsked | NvmlAnswer::Answer { .. } => None,
    }
}

/// Cards on the bus that NVML does not see, or the other way round. A card that another driver has, or that the loaded one does not
/// support, has a finding of its own, which explains it.
fn counts(facts: &Facts) -> Option<Finding> {
    let Some(NvmlAnswer::Answer { gpus: seen, silent, .. }) = &facts.driver.nvml else { return None };
    if facts.unknown.contains_key(pci::FACT) {
        return None;
    }
    let explained = |gpu: &Gpu| is_taken(gpu) || loaded_branch(facts).is_some_and(|branch| !serves(gpu, branch));
    let lost: Vec<_> = facts.gpus.iter().filter(|gpu| gpu.nvml.is_none() && !explained(gpu)).map(|gpu| gpu.pci_address.as_str()).collect();
    let (on_bus, in_nvml) = (facts.gpus.len().to_string(), seen.len().to_string());
    let args = [("pci", on_bus.as_str()), ("nvml", &in_nvml), ("cards", &lost.join(", "))];
    match lost.first() {
        Some(first) => {
            let words = if silent.is_empty() { SOURCE.to_owned() } else { printable(&silent.join("; ")) };
            Some(Finding::new("count-mismatch", Error, format!("{PCI_DEVICES}/{first}, {words}"), &args))
        }
        None if seen.len() > facts.gpus.len() => {
            Some(Finding::new("count-more-in-nvml", Warning, format!("{PCI_DEVICES}, {SOURCE}"), &args[..2]))
        }
        None => None,
    }
}
