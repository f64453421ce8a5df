//! The values of Kubespray's variables with which containerd gets NVIDIA's runtime and the node its label.

use serde_json::{Map, Value, json};

use crate::{
    answers::Answers,
    kubespray::{
        Level, Preview,
        edit::Change,
        runtime_entry::{self, Brings},
    },
};

/// What the GPU role reads to install a driver and a device plugin of its own. Source: its defaults and tasks, v2.7 to
/// v2.31.
const OF_GPU_ROLE: [&str; 6] = [
    "nvidia_accelerator_enabled",
    "nvidia_gpu_nodes",
    "nvidia_driver_install_container",
    "nvidia_driver_install_supported",
    "nvidia_driver_version",
    "nvidia_gpu_flavor",
];

/// The label by which device plugin and GPU feature discovery know a GPU node. Its value is a text: the role that sets
/// labels writes a boolean as `True`.
const LABEL: (&str, &str) = ("nvidia.com/gpu.present", "true");

/// Returns the changes to the inventory. Lists and mappings are written whole, with what they have, because those of a
/// host or a group replace the ones below them.
pub(super) fn all(preview: &Preview, answers: &Answers) -> Vec<Change> {
    let mut changes = without_gpu_role(preview, answers);
    if preview.container_manager == "containerd" {
        changes.extend(runtime(preview, Brings::Host));
    }
    changes.extend(label(preview));
    changes
}

/// Takes the GPU role's variables out. The names of GPU nodes without the switch break the play that sets labels: where
/// a person keeps them, or the role's own defaults were edited, the switch is written as off.
fn without_gpu_role(preview: &Preview, answers: &Answers) -> Vec<Change> {
    let switch = OF_GPU_ROLE[0];
    let keeps = |name: &str| answers.variables.get(name).is_some_and(Value::is_null);
    let is_set = |name: &&str| preview.variable(name).is_some_and(|variable| !variable.places.is_empty());
    let is_on_by_default = preview.variable(switch).is_some_and(|variable| {
        let is_default = |level| level == Level::RoleDefaults;
        let values =
            variable.shadowed.iter().filter(|shadowed| is_default(shadowed.level)).map(|shadowed| &shadowed.value);
        let winner =
            variable.value.iter().filter(|_| variable.winner.as_ref().is_some_and(|winner| is_default(winner.level)));
        values.chain(winner).any(|value| *value == json!(true))
    });
    let must_be_off = is_on_by_default || (keeps("nvidia_gpu_nodes") && is_set(&"nvidia_gpu_nodes"));
    let out = OF_GPU_ROLE
        .iter()
        .filter(|name| is_set(name) && !(must_be_off && **name == switch))
        .map(|name| Change::take_out(name));
    must_be_off.then(|| Change::new(switch, false)).into_iter().chain(out).collect()
}

/// The runtime, and what devices of CDI need before containerd 2.0, which has them on.
pub(in crate::owner) fn runtime(preview: &Preview, brings: Brings) -> Vec<Change> {
    let Some(variable) = preview.variable(runtime_entry::VARIABLE) else { return Vec::new() };
    let list = runtime_entry::merged(
        variable.written.as_ref(),
        variable.value.as_ref(),
        runtime_entry::Fit::of(preview, brings),
    );
    let mut changes: Vec<Change> = list.map(|list| Change::new(runtime_entry::VARIABLE, list)).into_iter().collect();
    if runtime_entry::is_before_2(preview) == Some(true) && preview.variable("enable_cdi").is_some() {
        changes.push(Change::new("enable_cdi", true));
    }
    changes
}

fn label(preview: &Preview) -> Option<Change> {
    let variable = preview.variable("node_labels");
    let written = variable.and_then(|variable| variable.written.as_ref()).filter(|value| !value.is_null());
    let mut labels = match written {
        None => Map::new(),
        // A template, or something that is no mapping, is somebody else's.
        Some(value) => value.as_object().filter(|map| !map.contains_key("__ansible_vault"))?.clone(),
    };
    labels.insert(LABEL.0.to_owned(), LABEL.1.into());
    Some(Change::new("node_labels", Value::Object(labels)))
}
