//! The values that the answers of the wizard lead to.

use super::{Preview, edit::Change, rules};
use crate::{answers::Answers, error::Expected, i18n::msg, input::NodeName, version::Version};

/// Longest piece of a wrong value that is repeated to the user, in cells.
const SHOWN: usize = 60;

/// Returns the inventory host that is to become a GPU node: the one that was asked for, or this machine's. A host whose name no node of
/// Kubernetes can have is none.
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
            let (name, value) =
                (crate::text::printable(name), crate::text::cut_middle(&crate::text::printable(&value.to_string()), SHOWN, "…"));
            Expected::new(msg::error::value(name, value), wrong.message())
        })?;
    }
    Ok(())
}

/// Tells whether overlay2 works on this kernel: 3.10.0-514 of RHEL and CentOS, 4.0 elsewhere.
/// Source: Docker's documentation of the overlay2 storage driver; it needs Docker 17.06 too, and every release here installs a newer one.
pub fn overlay2_fits(kernel: &str) -> Option<bool> {
    let mut numbers = kernel.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next()?, numbers.next()?);
    if version >= (4, 0) {
        return Some(true);
    }
    let (patch, build) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    Some(version == (3, 10) && patch == 0 && build >= 514 && kernel.contains(".el7"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlay2_has_the_documented_limits() {
        for (kernel, fits) in [
            ("3.10.0-1160.2.2.el7.x86_64", Some(true)),
            ("3.10.0-514.el7.x86_64", Some(true)),
            ("3.10.0-327.el7.x86_64", Some(false)),
            ("3.13.0-24-generic", Some(false)),
            ("4.4.0-31-generic", Some(true)),
            ("6.8.0-45-generic", Some(true)),
            ("", None),
        ] {
            assert_eq!(overlay2_fits(kernel), fits, "{kernel}");
        }
    }
}
