//! The values that the answers of the wizard lead to.

use serde_json::Value;

use super::{
    Preview,
    edit::Change,
    rules,
    template::{as_text, is_template_within},
};
use crate::{
    answers::{Answers, DriverOwner},
    error::Expected,
};

/// What docker is told to use. Source: the comment in Kubespray's `group_vars/all/docker.yml`.
const OVERLAY2: &str = "-s overlay2";

/// Returns the changes to the inventory that carry out the answers.
///
/// `nvidia_driver_install_container` is never among them: where the role knows the system it sets the image itself and ignores the
/// inventory, and everywhere else only a person can name an image. Writing `true` there, as old guides do, gives the image "True".
pub fn proposed(preview: &Preview, answers: &Answers) -> Vec<Change> {
    let mut changes = of_owner(preview, answers);
    for (name, value) in &answers.variables {
        changes.retain(|change| change.variable != *name);
        if !value.is_null() {
            changes.push(Change { variable: name.clone(), value: value.clone() });
        }
    }
    changes
}

/// Checks the values that a person has chosen.
pub fn check(answers: &Answers) -> Result<(), Expected> {
    for (name, value) in answers.variables.iter().filter(|(_, value)| !value.is_null()) {
        rules::check(name, value).map_err(|wrong| {
            let what = format!("`{name}: {value}` in the answers' `variables` cannot be written");
            Expected::new(what, crate::i18n::Lang::En.text(&format!("value-error.{}", wrong.name()), &[]))
        })?;
    }
    Ok(())
}

fn of_owner(preview: &Preview, answers: &Answers) -> Vec<Change> {
    match answers.driver_owner {
        DriverOwner::InstallerPod => installer_pod(preview, answers),
        // The role brings driver and device plugin in one: with another owner of the driver it must stay off. Labels and taints that
        // the node has are left; removing the node from the list would not remove them either.
        DriverOwner::Host | DriverOwner::Operator => vec![Change::new("nvidia_accelerator_enabled", false)],
    }
}

fn installer_pod(preview: &Preview, answers: &Answers) -> Vec<Change> {
    // Both switches together: one without the other is either a fatal error or a DaemonSet without a node.
    let mut changes = vec![Change::new("nvidia_accelerator_enabled", true)];
    let nodes = gpu_nodes(preview, answers);
    if !nodes.is_empty() {
        changes.push(Change::new("nvidia_gpu_nodes", nodes));
    }
    if let Some(version) = &answers.driver_version {
        // A text, always: as a number 450.80 would become 450.8.
        changes.push(Change::new("nvidia_driver_version", version.as_str()));
        // The data center drivers of the catalog are only found below the tesla URL.
        changes.push(Change::new("nvidia_gpu_flavor", "tesla"));
    }
    if preview.capability.reason == "image-not-applied" {
        changes.push(Change::new("nvidia_driver_install_supported", true));
    }
    if wants_overlay2(preview) {
        changes.push(Change::new("docker_storage_options", OVERLAY2));
    }
    changes
}

/// The nodes that were asked for; without an answer, this node beside those that are there.
fn gpu_nodes(preview: &Preview, answers: &Answers) -> Vec<String> {
    if let Some(nodes) = &answers.gpu_nodes {
        return nodes.clone();
    }
    let current = preview.variable("nvidia_gpu_nodes").and_then(|variable| variable.value.as_ref());
    if current.is_some_and(is_template_within) {
        // Who works the list out has others in it; it is left as it is, and a finding says so.
        return Vec::new();
    }
    let mut nodes: Vec<String> = current.and_then(Value::as_array).into_iter().flatten().map(as_text).collect();
    let node = answers.node.as_ref().or(preview.inventory_host.as_ref());
    if let Some(node) = node.filter(|node| !nodes.contains(node)) {
        nodes.push(node.clone());
    }
    nodes
}

/// Docker only, where the kernel can do it, and never over a choice that already says overlay2.
fn wants_overlay2(preview: &Preview) -> bool {
    let current = preview.variable("docker_storage_options").and_then(|variable| variable.value.as_ref()).map(as_text);
    preview.container_manager == "docker"
        && preview.layout.has_overlay2 != Some(false)
        && !current.is_some_and(|options| options.contains("overlay2"))
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
