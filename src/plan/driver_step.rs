//! The plan of step 2: one driver owner, a clean host, and CUDA without the driver.

mod removal;
#[cfg(test)]
mod tests;
mod toolkit;

use std::path::Path;

use super::{
    Action, Effect, NEEDS_ROOT, Step, action::blacklist_nouveau::BlacklistNouveau, action::greeting::Greeting,
    action::reboot::Reboot,
};
use crate::{
    answers::Answers,
    catalog::distros,
    facts::{
        Facts, LedgerEntry, Origin,
        modules::{self, ModuleRole},
    },
};

/// The places of a session.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// The session's file.
    pub session: &'a Path,
    /// Where a downloaded runfile goes and unpacks itself.
    pub downloads: &'a Path,
}

/// What of the driver on this host must go for the chosen owner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clearing {
    /// What is, or brings, another driver than the owner's.
    pub goes: Vec<LedgerEntry>,
    /// Units that keep such a driver in the kernel.
    pub stops: Vec<LedgerEntry>,
    /// Files of a driver that nobody accounts for, and the owner has no use for.
    pub left: Vec<String>,
    /// Whether the driver that is loaded is not the owner's.
    pub unloads: bool,
}

/// From what brings the driver today to the owner that is wanted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Handover {
    /// What comes before all others: the pods leave the node.
    pub first: Vec<Action>,
    /// What takes the pods of other owners off this node, and what they have left on it.
    pub leave: Vec<Action>,
    /// What of the driver on the host must go.
    pub clearing: Clearing,
    /// What the owner puts on the host.
    pub install: Vec<Action>,
}

/// Plans step 2: nobody may bring another driver any more, away with what is there, then what the owner puts on the
/// host, then CUDA. In this order there are never two drivers.
pub fn driver_step(facts: &Facts, answers: &Answers, places: Places<'_>, handover: Handover) -> Vec<Action> {
    let Handover { first, leave, clearing, install } = handover;
    let mut actions = first;
    actions.extend(leave);
    actions.extend(removal::drivers(facts, answers, &clearing));
    actions.extend(blacklist(facts));
    let driver_goes = actions
        .iter()
        .any(|action| action.id == removal::DRIVER_PACKAGES && !answers.leaves_out(&action.id, action.optional));
    actions.extend(removal::toolkits(facts, answers, driver_goes));
    actions.extend(install);
    if let Some(version) = answers.cuda() {
        actions.extend(toolkit::prerequisites(facts));
        actions.extend(toolkit::actions(facts, answers, version, places.downloads));
    }
    for action in &mut actions {
        settle(action, facts, answers);
    }
    // The reboot comes last and once, and only for what is really going to be done.
    if actions.iter().any(|action| action.needs_reboot && !action.skipped) || is_left_over(&clearing) {
        let unloads = actions
            .iter()
            .any(|action| action.has_effect(|effect| *effect == Effect::EmptiesKernel) && !action.skipped);
        let others = actions
            .iter()
            .any(|action| action.has_effect(|effect| *effect == Effect::BansConflictingDriver) && !action.skipped);
        let mut last = vec![greeting(facts, places.session), reboot(facts, unloads && !others)];
        for action in &mut last {
            settle(action, facts, answers);
        }
        actions.extend(last);
    }
    actions
}

/// Works the user's wishes in.
fn settle(action: &mut Action, facts: &Facts, answers: &Answers) {
    action.skipped = answers.leaves_out(&action.id, action.optional);
    if action.needs_root && !facts.host.root && !action.is_reboot() {
        action.blocked = Some(NEEDS_ROOT.to_owned());
    }
}

fn is_loaded(facts: &Facts) -> bool {
    facts.driver.loaded_version.is_some() || facts.driver.modules.iter().any(|module| modules::is_driver(&module.name))
}

/// A driver that is loaded although nothing brings it any more: removed before, and still in the kernel until the next
/// boot.
fn is_left_over(clearing: &Clearing) -> bool {
    clearing.unloads && clearing.goes.iter().all(|entry| entry.origin == Origin::LoadedModule)
}

/// Nouveau or nova on a card keeps any NVIDIA driver off it.
fn blacklist(facts: &Facts) -> Option<Action> {
    let name = conflicting_module(facts)?;
    let family = distros::family(facts.host.system()).map(|family| family.name).unwrap_or_default();
    let is_known = !family.is_empty();
    let mut action =
        Action::new(Step::Driver, "blacklist-nouveau", BlacklistNouveau { family }, &[("driver", name.to_owned())]);
    action.needs_reboot = true;
    if !is_known {
        action.blocked = Some("unknown-initramfs".to_owned());
    }
    Some(action)
}

/// Returns the kernel's own driver that has a card or is loaded.
pub fn conflicting_module(facts: &Facts) -> Option<&str> {
    let bound = facts.gpus.iter().filter_map(|gpu| gpu.kernel_driver.as_deref());
    let loaded = facts.driver.modules.iter().map(|module| module.name.as_str());
    bound.chain(loaded).find(|name| modules::role(name) == Some(ModuleRole::Conflicting))
}

fn greeting(facts: &Facts, session: &Path) -> Action {
    let kind = Greeting { boot_id: facts.host.boot_id.clone(), session: session.to_owned() };
    Action { optional: true, ..Action::new(Step::Driver, "greeting", kind, &[]) }
}

fn reboot(facts: &Facts, unless_unloaded: bool) -> Action {
    let version = facts.driver.loaded_version.clone().unwrap_or_default();
    let kind = Reboot { boot_id: facts.host.boot_id.clone(), unless_unloaded };
    let mut action = Action::new(Step::Driver, "reboot", kind, &[("version", version)]);
    if unless_unloaded {
        "reboot-unless-unloaded".clone_into(&mut action.why);
    } else if !is_loaded(facts) {
        "reboot-for-nouveau".clone_into(&mut action.why);
    }
    action
}
