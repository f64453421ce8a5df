//! What NVML said, and whether it sees the cards that are on the bus.

use super::{super::pci, Facts, Gpu, PCI_DEVICES, is_taken, loaded_branch, serves};
use crate::{
    finding::{
        Finding,
        Severity::{Error, Info, Warning},
    },
    host::NvmlAnswer,
    i18n::msg,
    text::printable,
};

/// The evidence of what NVML says.
pub(super) const SOURCE: &str = "NVML (libnvidia-ml.so.1)";

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    answer(facts).into_iter().chain(counts(facts)).collect()
}

fn answer(facts: &Facts) -> Option<Finding> {
    let version = facts.driver.loaded_version.as_deref().unwrap_or("?");
    let finding = |text, severity| Some(Finding::of(text, severity, SOURCE));
    match facts.driver.nvml.as_ref()? {
        NvmlAnswer::Mismatch => finding(msg::finding::nvml_mismatch(version), Error),
        NvmlAnswer::TimedOut => finding(msg::finding::nvml_timeout(), Error),
        NvmlAnswer::Crashed(signal) => finding(msg::finding::nvml_crashed(signal), Error),
        NvmlAnswer::Failed(error) => finding(msg::finding::nvml_failed(printable(error)), Warning),
        NvmlAnswer::NoPermission => finding(msg::finding::nvml_not_allowed(), Warning),
        NvmlAnswer::NoLibrary(_) if facts.driver.loaded_version.is_some() => {
            finding(msg::finding::nvml_no_library(version), Info)
        }
        NvmlAnswer::NoLibrary(_) | NvmlAnswer::NoDriver | NvmlAnswer::NotAsked | NvmlAnswer::Answer { .. } => None,
    }
}

/// Cards on the bus that NVML does not see, or the other way round. A card that another driver has, or that the loaded
/// one does not support, has a finding of its own, which explains it.
fn counts(facts: &Facts) -> Option<Finding> {
    let Some(NvmlAnswer::Answer { gpus: seen, silent, .. }) = &facts.driver.nvml else { return None };
    if facts.unknown.contains_key(pci::FACT) {
        return None;
    }
    let explained = |gpu: &Gpu| is_taken(gpu) || loaded_branch(facts).is_some_and(|branch| !serves(gpu, branch));
    let lost: Vec<_> = facts
        .gpus
        .iter()
        .filter(|gpu| gpu.nvml.is_none() && !explained(gpu))
        .map(|gpu| gpu.pci_address.as_str())
        .collect();
    let (on_bus, in_nvml) = (facts.gpus.len(), seen.len());
    match lost.first() {
        Some(first) => {
            let words = if silent.is_empty() { SOURCE.to_owned() } else { printable(&silent.join("; ")) };
            Some(Finding::of(
                msg::finding::count_mismatch(lost.join(", "), in_nvml, on_bus),
                Error,
                format!("{PCI_DEVICES}/{first}, {words}"),
            ))
        }
        None if seen.len() > facts.gpus.len() => Some(Finding::of(
            msg::finding::count_more_in_nvml(in_nvml, on_bus),
            Warning,
            format!("{PCI_DEVICES}, {SOURCE}"),
        )),
        None => None,
    }
}
