//! The values of Kubespray's variables with which its GPU role installs the chosen driver on this node.

use serde_json::Value;

use crate::{
    answers::Answers,
    kubespray::{Preview, as_text, edit::Change, is_template_within, values},
};

/// What docker is told to use. Source: the comment in Kubespray's `group_vars/all/docker.yml`.
const OVERLAY2: &str = "-s overlay2";

/// Returns the changes to the inventory.
///
/// `nvidia_driver_install_container` is never among them: where the role knows the system it sets the image itself and
/// ignores the inventory, and everywhere else only a person can name an image. Writing `true` there, as old guides do,
/// gives the image "True".
pub(super) fn all(preview: &Preview, answers: &Answers) -> Vec<Change> {
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
        return nodes.iter().map(ToString::to_string).collect();
    }
    let current = preview.variable("nvidia_gpu_nodes").and_then(|variable| variable.value.as_ref());
    if current.is_some_and(is_template_within) {
        // Who works the list out has others in it; it is left as it is, and a finding says so.
        return Vec::new();
    }
    let mut nodes: Vec<String> = current.and_then(Value::as_array).into_iter().flatten().map(as_text).collect();
    if let Some(node) = values::node(preview, answers).map(String::from).filter(|node| !nodes.contains(node)) {
        nodes.push(node);
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
