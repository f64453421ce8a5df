//! What a person should know about a machine: pure judgements from its facts, worst first.
//!
//! A cause has one finding. What follows from it (a card that NVML does not see because nouveau holds it) is not told
//! again.

mod cards;
mod driver;
mod host;
mod node;
#[cfg(test)]
mod node_tests;
mod nvml;
mod runtime;
#[cfg(test)]
mod tests;

pub use node::missing_device_files;

use std::collections::BTreeSet;

use super::{
    Facts, Gpu, LedgerEntry, Origin,
    modules::{self, ModuleRole},
    packages,
};
use crate::{finding::Finding, input::PciId, version::Version};

const DRIVER_VERSION: &str = "/proc/driver/nvidia/version:1";
const PCI_DEVICES: &str = "/sys/bus/pci/devices";

/// Returns the findings, worst first and else in the order of the four steps.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(cards::judge(facts));
    found.extend(nvml::judge(facts));
    found.extend(driver::judge(facts));
    found.extend(runtime::judge(facts));
    found.extend(node::judge(facts));
    found.extend(host::judge(facts));
    // Equal cards are one finding.
    let mut seen = Vec::new();
    found.retain(|finding| {
        let is_new = !seen.contains(finding);
        seen.push(finding.clone());
        is_new
    });
    found.sort_by_key(|finding| finding.severity);
    found
}

impl Facts {
    /// Returns what is said of a machine that surely has no card that is planned for; nothing where there is one, or
    /// nobody can tell.
    pub fn card_finding(&self) -> Option<Finding> {
        cards::no_card(self)
    }

    /// Notes which cards the answers expect, and judges anew: a node may be prepared before its cards are fitted.
    pub fn expect(&mut self, cards: &[PciId]) {
        self.expected_gpus = cards.iter().map(ToString::to_string).collect();
        self.findings = judge(self);
    }
}

/// Tells whether another driver than NVIDIA's has a card.
fn is_taken(gpu: &Gpu) -> bool {
    gpu.kernel_driver.as_deref().is_some_and(|driver| modules::role(driver) != Some(ModuleRole::Driver))
}

/// Tells whether a driver of this branch serves a card.
fn serves(gpu: &Gpu, branch: u32) -> bool {
    gpu.last_branch.is_none_or(|last| branch <= last) && gpu.first_branch.is_none_or(|first| branch >= first)
}

/// Returns the branch of the loaded driver.
fn loaded_branch(facts: &Facts) -> Option<u32> {
    facts.driver.loaded_version.as_ref()?.parse::<Version>().ok().map(|version| version.branch())
}

/// Returns the independent ways in which drivers came here. dkms trees and module files come from one of them.
fn driver_origins(facts: &Facts) -> BTreeSet<Origin> {
    facts.driver.ledger.iter().filter(|entry| brings_driver(entry)).map(|entry| entry.origin).collect()
}

fn brings_driver(entry: &LedgerEntry) -> bool {
    matches!(entry.origin, Origin::Runfile | Origin::InstallerPod | Origin::Operator)
        || packages::is_driver_package(entry)
}
