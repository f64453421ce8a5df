//! The values that the answers of the wizard lead to.

use super::{Preview, edit::Change, rules};
use crate::{answers::Answers, error::Expected, i18n::msg, input::NodeName, version::Version};

/// Longest piece of a wrong value that is repeated to the user, in cells.
const SHOWN: usize = 60;

/// Returns the inventory host that is to become a GPU node: the one that was asked for, or this machine's. A host whose
/// name no node of Kubernetes can have is none.
pub fn node(preview: &Preview, answers: &Answers) -> Option<NodeName> {
    answers.node.clone().or_else(|| preview.inventory_host.as_ref()?.parse().ok())
}

/// Returns the changes to the inventory: those of the driver's owner, and over them those that a person has chosen.
pub fn proposed(own: Vec<Change>, answers: &Answers) -> Vec<Change> {
    let mut changes = own;
    for (name, value) in &answers.variables {
        changes.retain(|change| change.variable != *name);
        if !value.is_null() {
            changes.push(Change::new(name, value.clone()));
        }
    }
    changes
}

/// Checks the values that a person has chosen.
/// `here` are the drivers of this machine.
pub fn check(answers: &Answers, here: &[Version]) -> Result<(), Expected> {
    for (name, value) in answers.variables.iter().filter(|(_, value)| !value.is_null()) {
        rules::check(name, value, here).map_err(|wrong| {
            let (name, value) = (
                crate::text::printable(name),
                crate::text::cut_middle(&crate::text::printable(&value.to_string()), SHOWN, "…"),
            );
            Expected::new(msg::error::value(name, value), wrong.message())
        })?;
    }
    Ok(())
}
