//! Device plugins that are in the cluster already: two on one node would fight over its cards.

use crate::cluster::{
    kubespray,
    objects::DaemonSet,
    scheduling::{SchedulingConstraints, unschedulable::UnschedulableReason, written},
    view::NodeView,
    workload::Workload,
};

/// Parts of images that are device plugins. Source: the charts and manifests of NVIDIA/k8s-device-plugin, Google's
/// `nvidia-gpu-device-plugin`.
const IMAGES: [&str; 2] = ["k8s-device-plugin", "nvidia-gpu-device-plugin"];
/// The label that Helm puts on what it installs, and the note of the release.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const RELEASE: &str = "meta.helm.sh/release-name";

/// Who keeps a DaemonSet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeper {
    /// This program.
    Ours,
    /// A release of Helm; its name where the object says it.
    Helm(String),
    /// GPU Operator.
    Operator,
    /// Kubespray's GPU role.
    GpuRole,
    /// Somebody else.
    Other,
}

/// What a plugin lacks to work on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// It does not run by the class `nvidia`: by plain runc it sees no driver.
    RuntimeClass,
    /// The node has a taint that it does not tolerate.
    Toleration(String),
    /// The node lacks a label that it wants.
    Label(String),
}

/// A device plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// `namespace/name`.
    pub called: String,
    /// Who keeps it.
    pub keeper: Keeper,
    /// Its image.
    pub image: String,
    /// What it lacks on this node.
    pub lacks: Vec<Lack>,
}

/// Returns the device plugins among the DaemonSets, with what each lacks on the node as it will be: `node` has the
/// labels that are planned, and is absent before the machine has joined.
/// Kubespray's own counts only where its pods come to the node.
pub fn plugins(sets: &[DaemonSet], known: &[&Workload], node_name: &str, node: Option<&NodeView>) -> Vec<Plugin> {
    let found = sets.iter().filter(|set| is_plugin(set, known)).map(|set| plugin(set, node_name, node));
    let comes = |plugin: &Plugin| node.is_some() && !plugin.lacks.iter().any(|lack| matches!(lack, Lack::Label(_)));
    found.filter(|plugin| plugin.keeper != Keeper::GpuRole || comes(plugin)).collect()
}

/// Returns the DaemonSets of Kubespray's GPU role that are there: name and identity of each.
pub fn role_sets(sets: &[DaemonSet]) -> Vec<(String, String)> {
    let is_roles = |set: &&DaemonSet| {
        let names = kubespray::STACK.workloads.iter().map(|workload| workload.name);
        Some(set.metadata.namespace.as_str()) == kubespray::STACK.namespace
            && names.into_iter().any(|name| name == set.metadata.name)
    };
    sets.iter().filter(is_roles).map(|set| (set.metadata.name.clone(), set.metadata.uid.clone())).collect()
}

fn is_plugin(set: &DaemonSet, known: &[&Workload]) -> bool {
    let template = &set.spec.template;
    let has_image =
        template.spec.containers.iter().any(|container| IMAGES.iter().any(|image| container.image.contains(image)));
    has_image || known.iter().any(|workload| workload.selects(&template.metadata.labels))
}

fn plugin(set: &DaemonSet, node_name: &str, node: Option<&NodeView>) -> Plugin {
    let pod = &set.spec.template.spec;
    let container = pod.containers.iter().find(|container| IMAGES.iter().any(|image| container.image.contains(image)));
    let image = container.or(pod.containers.first()).map(|container| container.image.clone()).unwrap_or_default();
    let keeper = keeper(set);
    let mut lacks = Vec::new();
    // Google's plugin, which Kubespray's role brings, needs no runtime: it mounts the driver itself.
    if pod.runtime_class_name.is_none() && keeper != Keeper::GpuRole {
        lacks.push(Lack::RuntimeClass);
    }
    let constraints = SchedulingConstraints::of(pod).of_daemonset();
    let unfit = node.map(|node| constraints.unfit(node_name, node));
    lacks.extend(unfit.into_iter().flatten().filter_map(|reason| match reason {
        UnschedulableReason::Label(label) => Some(Lack::Label(label)),
        UnschedulableReason::Taint(taint) => Some(Lack::Toleration(written(&taint))),
        UnschedulableReason::Unschedulable | UnschedulableReason::Insufficient { .. } => None,
    }));
    let called = format!("{}/{}", set.metadata.namespace, set.metadata.name);
    Plugin { called, keeper, image, lacks }
}

fn keeper(set: &DaemonSet) -> Keeper {
    let labels = &set.metadata.labels;
    let managed_by = labels.get(MANAGED_BY).map(String::as_str).unwrap_or_default();
    if super::is_ours(labels) {
        Keeper::Ours
    } else if managed_by == "Helm" {
        Keeper::Helm(set.metadata.annotations.get(RELEASE).cloned().unwrap_or_default())
    } else if labels.get("app").is_some_and(|app| app == "nvidia-device-plugin-daemonset")
        || managed_by == "gpu-operator"
    {
        Keeper::Operator
    } else if kubespray::STACK.workloads.iter().any(|workload| workload.name == set.metadata.name) {
        Keeper::GpuRole
    } else {
        Keeper::Other
    }
}
