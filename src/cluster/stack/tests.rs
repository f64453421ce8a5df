//! The stack from recorded moments, which other tests read too.

use serde::Deserialize;

use super::*;
use crate::{answers::DriverOwner, cluster::kubespray, owner};

/// Recorded moments of two Kubernetes releases, 1.20 and (in their folder) 1.36.
pub(crate) const MOMENTS: [&str; 21] = [
    "01-just-created",
    "02-init-running",
    "03-init-done",
    "05-running",
    "10-init-error",
    "11-init-crashloop",
    "20-image-pull-backoff",
    "21-invalid-image-name",
    "30-node-not-labelled",
    "31-labelled-after",
    "40-testpod-pending-insufficient",
    "41-testpod-after-capacity",
    "1.36/51-sandbox-cannot-be-created",
    "1.36/52-running",
    "1.36/53-invalid-image-name",
    "1.36/54-image-pull-backoff",
    "1.36/55-crashloop",
    "1.36/56-unknown-taint",
    "1.36/57-crashloop-late",
    "1.36/58-node-notready",
    "1.36/70-all-good",
];

#[derive(Deserialize)]
struct Moment {
    node: Node,
    daemonsets: Vec<DaemonSet>,
    pods: Vec<Pod>,
    events: Vec<Event>,
    /// What `kubectl get pods` printed then.
    #[serde(default)]
    kubectl: String,
}

fn read(moment: &str) -> Moment {
    let path = format!("{}/tests/fixtures/cluster/{moment}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Returns all pods of one recorded moment.
pub(crate) fn recorded_pods(moment: &str) -> Vec<Pod> {
    read(moment).pods
}

/// Returns what kubectl printed at that moment.
pub(crate) fn recorded_table(moment: &str) -> String {
    read(moment).kubectl
}

/// Returns the stack of Kubespray's addon at one recorded moment of `tests/fixtures/cluster`.
pub(crate) fn recorded(moment: &str) -> GpuStack {
    recorded_of(moment, &kubespray::STACK)
}

/// Returns another owner's stack.
pub(crate) fn recorded_for(moment: &str, owner: DriverOwner) -> GpuStack {
    recorded_of(moment, owner::of(owner).stack())
}

fn recorded_of(moment: &str, spec: &'static StackSpec) -> GpuStack {
    let moment = read(moment);
    GpuStack::from_objects(spec, "node1", Some(&moment.node), &moment.daemonsets, &moment.pods, &moment.events)
}

#[test]
fn the_newer_pod_counts_during_a_rollout() {
    let stack = recorded("10-init-error");
    assert_eq!(stack.pod(Role::Driver).unwrap().name, "nvidia-driver-installer-kchrc");
}

#[test]
fn charts_name_their_daemonsets_freely() {
    let stack = recorded_for("1.36/80-nvidia-device-plugin-no-driver", DriverOwner::Host);
    let part = stack.part(Role::DevicePlugin).unwrap();
    assert_eq!(part.name(), "nvidia-device-plugin-daemonset");
    assert_eq!(part.pod.as_ref().unwrap().container.name, "nvidia-device-plugin-ctr");
}

#[test]
fn one_kind_that_may_not_be_read_leaves_the_others_standing() {
    let forbidden = ClusterError::Forbidden("no".to_owned());
    let down = ClusterError::ApiDown("no".to_owned());
    let some = [(Asked::Node, None), (Asked::DaemonSets, Some(&forbidden)), (Asked::Pods, None)];
    assert_eq!(unread(&some), Ok(vec![(Asked::DaemonSets, forbidden.clone())]));
    let all = [Asked::Node, Asked::DaemonSets, Asked::Pods].map(|kind| (kind, Some(&forbidden)));
    assert_eq!(unread(&all), Err(forbidden.clone()));
    assert_eq!(unread(&[(Asked::Node, Some(&forbidden)), (Asked::Pods, Some(&down))]), Err(down.clone()));
}

#[test]
fn a_pod_that_is_on_no_node_is_known_by_its_affinity() {
    let pod: Pod = serde_json::from_value(serde_json::json!({"spec": {"affinity": {"nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node1"]}]}]}}}}}))
    .unwrap();
    assert!(is_for(&pod, "node1") && !is_for(&pod, "node2"));
}
