//! Remedies on the cluster as actions: what a diagnosis offers to do at once, journalled and undone like every other action.

use std::path::PathBuf;

use super::{
    Action, Step,
    action::delete_pod::DeletePod,
    action::mark_node::{Mark, MarkNode},
    action::remove_pod_driver::RemovePodDriver,
    action::remove_taint::RemoveTaint,
};
use crate::cluster::view::PodView;

/// Plans a mark for the node.
pub fn mark_node(kubeconfig: Option<PathBuf>, node: &str, mark: Mark) -> Action {
    let id = match mark {
        Mark::GpuLabel => "label-node",
        Mark::GpuTaint => "taint-node",
        Mark::Schedulable => "uncordon-node",
        Mark::NoGpuLabel => "unlabel-node",
        Mark::NoOperands => "take-operator-off",
    };
    // Another owner's pods leave before its driver does.
    let step = if matches!(mark, Mark::NoGpuLabel | Mark::NoOperands) { Step::Driver } else { Step::Verify };
    Action::new(step, id, MarkNode { kubeconfig, node: node.to_owned(), mark }, &[("node", node.to_owned())])
}

/// Plans the removal of what the installer pod has put on the host.
pub fn remove_pod_driver() -> Action {
    Action::new(Step::Driver, "remove-pod-driver", RemovePodDriver {}, &[])
}

/// Plans the removal of the GPU taint.
pub fn remove_taint(kubeconfig: Option<PathBuf>, node: &str) -> Action {
    Action::new(Step::Verify, "remove-taint", RemoveTaint { kubeconfig, node: node.to_owned() }, &[("node", node.to_owned())])
}

/// Plans that a pod is deleted, for its DaemonSet to make it anew.
pub fn delete_pod(kubeconfig: Option<PathBuf>, pod: &PodView) -> Action {
    let kind = DeletePod { kubeconfig, namespace: pod.namespace.clone(), name: pod.name.clone(), uid: pod.uid.clone() };
    Action::new(Step::Verify, &format!("delete-pod:{}", pod.uid), kind, &[("pod", pod.name.clone())])
}
