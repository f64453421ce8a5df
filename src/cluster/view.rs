//! Views of the cluster's objects: the few things that matter about a node, a DaemonSet, a pod, as plain values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    GPU,
    objects::{
        Container, ContainerStatus, DaemonSet, Event, Node, Pod, PodStatus, Running, Taint, Terminated, Waiting,
    },
    pod_status,
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
    /// Since when the condition is as it is; RFC 3339.
    pub ready_since: Option<String>,
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
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Whether the DaemonSet controller has looked at it as it is now; else its counts say nothing.
    pub observed: bool,
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
    /// Whether its condition says that all of it works.
    pub ready: bool,
    /// Its status as `kubectl get pods` shows it: `Init:CrashLoopBackOff`, `Running`.
    pub status: String,
    /// The container that matters: the init container of the installer, the container of the plugin.
    pub container: ContainerView,
    /// All other containers, those that come first before the rest.
    pub others: Vec<ContainerView>,
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
    /// Whether its probes say that it works.
    pub ready: bool,
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
        let here =
            || pods.iter().filter(|pod| pod.spec.node_name.as_deref() == Some(&node.metadata.name) && !is_over(pod));
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
            ready_since: ready.and_then(|condition| condition.since.clone()),
            gpu_label: node.metadata.labels.get(GPU).cloned(),
            labels: node.metadata.labels.clone(),
            taints: node.spec.taints.clone(),
            unschedulable: node.spec.unschedulable,
            capacity: count(&node.status.capacity),
            allocatable: count(&node.status.allocatable),
            resources: quantity::amounts(&node.status.allocatable),
            requested,
            gpu_pods: here()
                .filter(holds_gpu)
                .map(|pod| format!("{}/{}", pod.metadata.namespace, pod.metadata.name))
                .collect(),
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
            name: set.metadata.name.clone(),
            namespace: set.metadata.namespace.clone(),
            observed: set.status.observed_generation >= set.metadata.generation,
            desired: set.status.desired_number_scheduled,
            current: set.status.current_number_scheduled,
            ready: set.status.number_ready,
            constraints: SchedulingConstraints::of(&set.spec.template.spec),
        }
    }
}

impl PodView {
    /// Makes the view of a pod in which the first of `containers` that it has matters.
    pub fn of(pod: &Pod, containers: &[&str]) -> Self {
        let unscheduled = pod
            .status
            .conditions
            .iter()
            .find(|condition| condition.kind == "PodScheduled" && condition.status == "False");
        let refused = unscheduled.and_then(|condition| condition.message.clone().or_else(|| condition.reason.clone()));
        let statuses = || pod.status.init_container_statuses.iter().chain(&pod.status.container_statuses);
        let all = pod.spec.init_containers.iter().chain(&pod.spec.containers);
        let view = |container: &Container| {
            let status = statuses().find(|status| status.name == container.name);
            ContainerView::of(&container.name, &container.image, status)
        };
        let mut others: Vec<_> = all.map(view).collect();
        let place = containers.iter().find_map(|name| others.iter().position(|container| container.name == *name));
        let absent = || {
            ContainerView::of(
                containers.first().unwrap_or(&""),
                "",
                statuses().find(|status| containers.contains(&&*status.name)),
            )
        };
        let container = place.map_or_else(absent, |place| others.remove(place));
        Self {
            name: pod.metadata.name.clone(),
            namespace: pod.metadata.namespace.clone(),
            uid: pod.metadata.uid.clone(),
            created: pod.metadata.creation_timestamp.clone().unwrap_or_default(),
            deleting: pod.metadata.deletion_timestamp.is_some(),
            phase: pod.status.phase.clone(),
            refused: refused.or_else(|| refusal(&pod.status)),
            constraints: SchedulingConstraints::of(&pod.spec),
            ready: pod
                .status
                .conditions
                .iter()
                .any(|condition| condition.kind == "Ready" && condition.status == "True"),
            status: pod_status::shown(pod),
            container,
            others,
        }
    }

    /// Returns all containers, the one that matters first.
    pub fn containers(&self) -> impl Iterator<Item = &ContainerView> {
        std::iter::once(&self.container).chain(&self.others)
    }

    /// Returns the pod as whoever follows `containers` sees it, which run one after the other: the first of them that
    /// has not ended well matters, else the last. Of those that the pod has; if it has none, nothing changes.
    #[must_use]
    pub fn at_work(&self, containers: &[&str]) -> Self {
        let all: Vec<_> = self.containers().collect();
        let known: Vec<_> =
            containers.iter().filter_map(|name| all.iter().find(|container| container.name == *name)).collect();
        let is_done = |container: &ContainerView| matches!(&container.state, ContainerState::Terminated(end) if end.exit_code == 0);
        let chosen = known.iter().find(|container| !is_done(container)).or(known.last());
        let Some(chosen) = chosen.map(|container| container.name.clone()) else { return self.clone() };
        let (mut matters, others): (Vec<_>, Vec<_>) =
            self.containers().cloned().partition(|container| container.name == chosen);
        Self { container: matters.remove(0), others, ..self.clone() }
    }

    /// Tells whether its containers work, or have done their work: then its events are of the past.
    pub fn is_at_work(&self) -> bool {
        self.ready || matches!(self.container.state, ContainerState::Running(_))
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
            ready: status.is_some_and(|status| status.ready),
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
    use crate::cluster::stack::tests::recorded;

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
