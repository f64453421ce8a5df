//! Views of the cluster's objects: the few things that matter about a node, a DaemonSet, a pod, as plain values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    GPU,
    objects::{ContainerStatus, DaemonSet, Event, Node, Pod, PodStatus, Running, Taint, Terminated, Waiting},
    quantity::{self, Amounts},
    scheduling::SchedulingConstraints,
};

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its condition `Ready`; absent when the kubelet reported none, or `Unknown`.
    pub ready: Option<bool>,
    /// What the condition says.
    pub ready_message: String,
    /// Value of the label `nvidia.com/gpu`.
    pub gpu_label: Option<String>,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// Taints.
    pub taints: Vec<Taint>,
    /// Whether it is cordoned.
    pub unschedulable: bool,
    /// GPUs that the kubelet knows of; absent until the device plugin registers.
    pub capacity: Option<u64>,
    /// GPUs that pods may have: 0 while the plugin is away or finds none healthy.
    pub allocatable: Option<u64>,
    /// All that pods may have.
    pub resources: Amounts,
    /// What the pods on it have asked for.
    pub requested: Amounts,
    /// Pods that hold GPUs: `namespace/name`.
    pub gpu_pods: Vec<String>,
}

/// A DaemonSet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonSetView {
    /// Nodes that should run its pod.
    pub desired: u64,
    /// Nodes that run it.
    pub current: u64,
    /// Nodes where it is ready.
    pub ready: u64,
    /// What its pods want of a node.
    pub constraints: SchedulingConstraints,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodView {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Identity: a pod made anew has another one.
    pub uid: String,
    /// When it was made.
    pub created: String,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// `Pending`, `Running`, `Succeeded`, `Failed`.
    pub phase: String,
    /// Why it is on no node yet, in the scheduler's words; or why the kubelet refused it.
    pub refused: Option<String>,
    /// What it wants of a node.
    pub constraints: SchedulingConstraints,
    /// The container that matters: the init container of the installer, the container of the plugin.
    pub container: ContainerView,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerView {
    /// Name.
    pub name: String,
    /// Image, as the pod wants it.
    pub image: String,
    /// How often it was started anew.
    pub restarts: u32,
    /// What it does.
    pub state: ContainerState,
    /// How its last run ended.
    pub last: Option<Terminated>,
}

/// What a container does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContainerState {
    /// Nothing is reported yet.
    Unknown,
    /// Not started.
    Waiting(Waiting),
    /// Running.
    Running(Running),
    /// Ended.
    Terminated(Terminated),
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// Name of the pod or DaemonSet.
    pub object: String,
    /// Whether it is a warning.
    pub warning: bool,
    /// Reason in a word.
    pub reason: String,
    /// Reason in a sentence.
    pub message: String,
    /// How often.
    pub count: u32,
    /// When last; RFC 3339.
    pub last_seen: String,
}

impl NodeView {
    /// Makes the view of a node and of the pods on it.
    pub fn of(node: &Node, pods: &[Pod]) -> Self {
        let here = || pods.iter().filter(|pod| pod.spec.node_name.as_deref() == Some(&node.metadata.name) && !is_over(pod));
        let mut requested = Amounts::new();
        for (resource, amount) in here().flat_map(|pod| SchedulingConstraints::of(&pod.spec).requests) {
            *requested.entry(resource).or_default() += amount;
        }
        let holds_gpu = |pod: &&Pod| SchedulingConstraints::of(&pod.spec).requests.contains_key(GPU);
        let ready = node.status.conditions.iter().find(|condition| condition.kind == "Ready");
        Self {
            ready: ready.and_then(|condition| match condition.status.as_str() {
                "True" => Some(true),
                "False" => Some(false),
                _ => None,
            }),
            ready_message: ready.and_then(|condition| condition.message.clone()).unwrap_or_default(),
            gpu_label: node.metadata.labels.get(GPU).cloned(),
            labels: node.metadata.labels.clone(),
            taints: node.spec.taints.clone(),
            unschedulable: node.spec.unschedulable,
            capacity: count(&node.status.capacity),
            allocatable: count(&node.status.allocatable),
            resources: quantity::amounts(&node.status.allocatable),
            requested,
            gpu_pods: here().filter(holds_gpu).map(|pod| format!("{}/{}", pod.metadata.namespace, pod.metadata.name)).collect(),
        }
    }
}

/// A pod that has ended holds nothing any more.
fn is_over(pod: &Pod) -> bool {
    matches!(pod.status.phase.as_str(), "Succeeded" | "Failed")
}

/// Returns how many GPUs a list of resources has; Kubernetes writes quantities as text.
fn count(resources: &BTreeMap<String, serde_json::Value>) -> Option<u64> {
    let quantity = resources.get(GPU)?;
    quantity.as_u64().or_else(|| quantity.as_str()?.parse().ok())
}

impl DaemonSetView {
    /// Makes the view of a DaemonSet.
    pub fn of(set: &DaemonSet) -> Self {
        Self {
            desired: set.status.desired_number_scheduled,
            current: set.status.current_number_scheduled,
            ready: set.status.number_ready,
            constraints: SchedulingConstraints::of(&set.spec.template.spec),
        }
    }
}

impl PodView {
    /// Makes the view of a pod in which the (init) container `name` matters.
    pub fn of(pod: &Pod, name: &str) -> Self {
        let unscheduled = pod.status.conditions.iter().find(|condition| condition.kind == "PodScheduled" && condition.status == "False");
        let refused = unscheduled.and_then(|condition| condition.message.clone().or_else(|| condition.reason.clone()));
        let statuses = pod.status.init_container_statuses.iter().chain(&pod.status.container_statuses);
        let status = statuses.clone().find(|status| status.name == name);
        let containers = pod.spec.init_containers.iter().chain(&pod.spec.containers);
        let wanted = containers.clone().find(|container| container.name == name);
        Self {
            name: pod.metadata.name.clone(),
            namespace: pod.metadata.namespace.clone(),
            uid: pod.metadata.uid.clone(),
            created: pod.metadata.creation_timestamp.clone().unwrap_or_default(),
            deleting: pod.metadata.deletion_timestamp.is_some(),
            phase: pod.status.phase.clone(),
            refused: refused.or_else(|| refusal(&pod.status)),
            constraints: SchedulingConstraints::of(&pod.spec),
            container: ContainerView::of(name, wanted.map_or("", |container| &container.image), status),
        }
    }

    /// Returns the status as `kubectl get pods` shows it for these pods: `Init:CrashLoopBackOff`, `Running`.
    pub fn status(&self, init: bool) -> String {
        if self.deleting {
            return "Terminating".to_owned();
        }
        let prefix = if init { "Init:" } else { "" };
        match &self.container.state {
            ContainerState::Waiting(waiting) if waiting.reason == "PodInitializing" => format!("{prefix}0/1"),
            ContainerState::Waiting(waiting) => format!("{prefix}{}", waiting.reason),
            ContainerState::Terminated(end) if end.exit_code != 0 => format!("{prefix}{}", end.reason),
            ContainerState::Running(_) if init => "Init:0/1".to_owned(),
            _ => self.phase.clone(),
        }
    }
}

/// Returns why the kubelet refused the pod as a whole: `UnexpectedAdmissionError: Allocate failed due to …`.
fn refusal(status: &PodStatus) -> Option<String> {
    let words: Vec<_> = [&status.reason, &status.message].into_iter().flatten().map(String::as_str).collect();
    (!words.is_empty()).then(|| words.join(": "))
}

impl ContainerView {
    fn of(name: &str, image: &str, status: Option<&ContainerStatus>) -> Self {
        let state = status.map(|status| status.state.clone()).unwrap_or_default();
        let state = match (state.terminated, state.running, state.waiting) {
            (Some(end), _, _) => ContainerState::Terminated(end),
            (_, Some(running), _) => ContainerState::Running(running),
            (_, _, Some(waiting)) => ContainerState::Waiting(waiting),
            (None, None, None) => ContainerState::Unknown,
        };
        Self {
            name: name.to_owned(),
            image: image.to_owned(),
            restarts: status.map_or(0, |status| status.restart_count),
            state,
            last: status.and_then(|status| status.last_state.terminated.clone()),
        }
    }

    /// Returns how the newest finished run ended: now, or before the back-off.
    pub fn ended(&self) -> Option<&Terminated> {
        match &self.state {
            ContainerState::Terminated(end) => Some(end),
            ContainerState::Running(_) => None,
            ContainerState::Waiting(_) | ContainerState::Unknown => self.last.as_ref(),
        }
    }
}

impl EventView {
    /// Makes the view of an event.
    pub fn of(event: &Event) -> Self {
        let time = event.last_timestamp.clone().or_else(|| event.event_time.clone());
        Self {
            object: event.involved_object.name.clone(),
            warning: event.kind == "Warning",
            reason: event.reason.clone(),
            message: crate::text::printable(&event.message.replace('\n', " ")),
            count: event.count.max(1),
            last_seen: time.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::cluster::chain::tests::recorded;

    #[test]
    fn the_status_is_what_kubectl_shows() {
        let status = |moment: &str| recorded(moment).installer_pod.unwrap().status(true);
        assert_eq!(status("01-just-created"), "Init:0/1");
        assert_eq!(status("02-init-running"), "Init:0/1");
        assert_eq!(status("05-running"), "Running");
        assert_eq!(status("11-init-crashloop"), "Init:Error");
        assert_eq!(status("20-image-pull-backoff"), "Init:ImagePullBackOff");
        assert_eq!(status("21-invalid-image-name"), "Init:InvalidImageName");
    }

    #[test]
    fn resources_are_counted_once_the_plugin_registered() {
        assert_eq!(recorded("05-running").node.unwrap().capacity, None);
        let node = recorded("41-testpod-after-capacity").node.unwrap();
        assert_eq!((node.capacity, node.allocatable), (Some(1), Some(1)));
    }

    #[test]
    fn what_pods_have_asked_for_is_summed_up() {
        let node = recorded("41-testpod-after-capacity").node.unwrap();
        // The test pod has ended, so its GPU is free again; installer 150m and plugin 50m are counted.
        assert_eq!((node.requested.get("nvidia.com/gpu"), node.requested["cpu"]), (None, 200));
        assert_eq!(node.gpu_pods, [] as [&str; 0]);
    }
}
