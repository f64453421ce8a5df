//! Remedies on the cluster as actions: what a diagnosis offers to do at once, journalled and undone like every other action.

use std::path::PathBuf;

use super::{
    Action, ActionSpec, Step,
    action::delete_pod::DeletePod,
    action::mark_node::{Mark, MarkNode},
    action::remove_taint::RemoveTaint,
};
use crate::{
    cluster::{Kubectl, view::PodView},
    input::NodeName,
};

/// Plans a mark for the node.
pub fn mark_node(kubeconfig: Option<PathBuf>, node: &str, mark: Mark) -> Action {
    let id = match mark {
        Mark::GpuLabel => "label-node",
        Mark::GpuTaint => "taint-node",
        Mark::Schedulable => "uncordon-node",
    };
    let kind = MarkNode { kubeconfig: kubeconfig.clone(), node: node.to_owned(), mark };
    let commands = vec![kind.command(&Kubectl { kubeconfig })];
    on_cluster(id, ActionSpec::MarkNode(kind), commands, &[("node", node.to_owned())])
}

/// Plans the removal of the GPU taint.
pub fn remove_taint(kubeconfig: Option<PathBuf>, node: &str) -> Action {
    let commands = vec![
        Kubectl { kubeconfig: kubeconfig.clone() }.command(&["taint", "nodes"]).operand_of::<NodeName>(node).words(["nvidia.com/gpu-"]),
    ];
    let kind = RemoveTaint { kubeconfig, node: node.to_owned() };
    on_cluster("remove-taint", ActionSpec::RemoveTaint(kind), commands, &[("node", node.to_owned())])
}

/// Plans that a pod is deleted, for its DaemonSet to make it anew.
pub fn delete_pod(kubeconfig: Option<PathBuf>, pod: &PodView) -> Action {
    let kind = DeletePod { kubeconfig: kubeconfig.clone(), namespace: pod.namespace.clone(), name: pod.name.clone(), uid: pod.uid.clone() };
    let commands = vec![kind.command(&Kubectl { kubeconfig })];
    on_cluster(&format!("delete-pod:{}", pod.uid), ActionSpec::DeletePod(kind), commands, &[("pod", pod.name.clone())])
}

fn on_cluster(id: &str, kind: ActionSpec, commands: Vec<crate::host::Command>, args: &[(&str, String)]) -> Action {
    Action { commands, needs_root: false, ..Action::new(Step::Verify, id, kind, args) }
}
