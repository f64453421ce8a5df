//! The chain from the node to the GPU in the cluster, as one plain value: node, DaemonSets, their pods on this node, events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    ClusterState, GPU, INSTALLER, Kubectl, NAMESPACE, PLUGIN,
    objects::{ContainerStatus, DaemonSet, Event, List, Node, Pod, Running, Taint, Terminated, Toleration, Waiting},
};
use crate::host::Host;

/// Selects the installer's pods. Source: Kubespray's template nvidia-driver-install-daemonset.yml.
const INSTALLER_LABEL: &str = "name=nvidia-driver-installer";
/// Selects the device plugin's pods. Source: Kubespray's template k8s-device-plugin-nvidia-daemonset.yml.
const PLUGIN_LABEL: &str = "k8s-app=nvidia-gpu-device-plugin";

/// What the cluster says about the GPU on one node. Can be stored, sent and compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// The node's name, as it was asked for.
    pub node_name: String,
    /// The node; absent when the cluster has none of this name.
    pub node: Option<NodeView>,
    /// The DaemonSet that installs the driver.
    pub installer: Option<DaemonSetView>,
    /// The DaemonSet of the device plugin.
    pub plugin: Option<DaemonSetView>,
    /// The installer's pod on this node.
    pub installer_pod: Option<PodView>,
    /// The device plugin's pod on this node.
    pub plugin_pod: Option<PodView>,
    /// Events of these pods, oldest first.
    pub events: Vec<EventView>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its condition `Ready`; absent when the kubelet reported none, or `Unknown`.
    pub ready: Option<bool>,
    /// What the condition says.
    pub ready_message: String,
    /// Value of the label `nvidia.com/gpu`.
    pub gpu_label: Option<String>,
    /// Taints.
    pub taints: Vec<Taint>,
    /// Whether it is cordoned.
    pub unschedulable: bool,
    /// GPUs that the kubelet knows of; absent until the device plugin registers.
    pub capacity: Option<u64>,
    /// GPUs that pods may have: 0 while the plugin is away or finds none healthy.
    pub allocatable: Option<u64>,
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
    /// What its pods tolerate.
    pub tolerations: Vec<Toleration>,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodView {
    /// Name.
    pub name: String,
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

/// Asks the cluster for the whole chain of `node`.
pub fn probe(host: &Host, kubectl: &Kubectl, node: &str) -> Result<Chain, ClusterState> {
    let found: Option<Node> = kubectl.get(host, &["node", node, "--ignore-not-found"])?;
    let sets: Option<List<DaemonSet>> = kubectl.get(host, &["daemonsets", "-n", NAMESPACE])?;
    let mut pods = pods(host, kubectl, INSTALLER_LABEL)?;
    pods.extend(self::pods(host, kubectl, PLUGIN_LABEL)?);
    let sets = sets.map(|list| list.items).unwrap_or_default();
    let mut chain = Chain::from_objects(node, found.as_ref(), &sets, &pods, &[]);
    let names = chain.installer_pod.iter().chain(&chain.plugin_pod).map(|pod| pod.name.clone());
    let mut events = Vec::new();
    for name in names {
        events.extend(events_of(host, kubectl, &name)?);
    }
    chain.set_events(&events);
    Ok(chain)
}

/// Asks for the installer's pod on `node`.
pub fn installer_pod(host: &Host, kubectl: &Kubectl, node: &str) -> Result<Option<PodView>, ClusterState> {
    let pods = pods(host, kubectl, INSTALLER_LABEL)?;
    Ok(newest(pods.iter(), node).map(|pod| PodView::of(pod, INSTALLER)))
}

fn pods(host: &Host, kubectl: &Kubectl, selector: &str) -> Result<Vec<Pod>, ClusterState> {
    let list: Option<List<Pod>> = kubectl.get(host, &["pods", "-n", NAMESPACE, "-l", selector])?;
    Ok(list.map(|list| list.items).unwrap_or_default())
}

fn events_of(host: &Host, kubectl: &Kubectl, name: &str) -> Result<Vec<Event>, ClusterState> {
    let selector = format!("involvedObject.name={name}");
    let list: Option<List<Event>> = kubectl.get(host, &["events", "-n", NAMESPACE, "--field-selector", &selector])?;
    Ok(list.map(|list| list.items).unwrap_or_default())
}

/// Returns the pod of this node that matters: during a rollout the old one is still there, being deleted.
fn newest<'a>(pods: impl Iterator<Item = &'a Pod>, node: &str) -> Option<&'a Pod> {
    let here = |pod: &&Pod| match &pod.spec.node_name {
        Some(name) => name == node,
        None => pod.spec.affinity.as_ref().is_some_and(|affinity| names(affinity, node)),
    };
    let age = |pod: &&Pod| (pod.metadata.deletion_timestamp.is_none(), pod.metadata.creation_timestamp.clone());
    pods.filter(here).max_by_key(age)
}

/// Tells whether an affinity names `node`, as the DaemonSet controller writes it into each pod (`matchFields: metadata.name In [node]`).
fn names(affinity: &serde_json::Value, node: &str) -> bool {
    match affinity {
        serde_json::Value::String(text) => text == node,
        serde_json::Value::Array(items) => items.iter().any(|item| names(item, node)),
        serde_json::Value::Object(fields) => fields.values().any(|field| names(field, node)),
        _ => false,
    }
}

impl NodeView {
    fn of(node: &Node) -> Self {
        let ready = node.status.conditions.iter().find(|condition| condition.kind == "Ready");
        Self {
            ready: ready.and_then(|condition| match condition.status.as_str() {
                "True" => Some(true),
                "False" => Some(false),
                _ => None,
            }),
            ready_message: ready.and_then(|condition| condition.message.clone()).unwrap_or_default(),
            gpu_label: node.metadata.labels.get(GPU).cloned(),
            taints: node.spec.taints.clone(),
            unschedulable: node.spec.unschedulable,
            capacity: count(&node.status.capacity),
            allocatable: count(&node.status.allocatable),
        }
    }
}

/// Returns how many GPUs a list of resources has; Kubernetes writes quantities as text.
fn count(resources: &BTreeMap<String, serde_json::Value>) -> Option<u64> {
    let quantity = resources.get(GPU)?;
    quantity.as_u64().or_else(|| quantity.as_str()?.parse().ok())
}

impl DaemonSetView {
    fn of(set: &DaemonSet) -> Self {
        Self {
            desired: set.status.desired_number_scheduled,
            current: set.status.current_number_scheduled,
            ready: set.status.number_ready,
            tolerations: set.spec.template.spec.tolerations.clone(),
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
            uid: pod.metadata.uid.clone(),
            created: pod.metadata.creation_timestamp.clone().unwrap_or_default(),
            deleting: pod.metadata.deletion_timestamp.is_some(),
            phase: pod.status.phase.clone(),
            refused: refused.or_else(|| pod.status.message.clone()).or_else(|| pod.status.reason.clone()),
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
    fn of(event: &Event) -> Self {
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

impl Chain {
    /// Makes the chain from objects that are already read.
    pub fn from_objects(node_name: &str, node: Option<&Node>, sets: &[DaemonSet], pods: &[Pod], events: &[Event]) -> Self {
        let set = |name: &str| sets.iter().find(|set| set.metadata.name == name).map(DaemonSetView::of);
        let pod = |selector: &str, container: &str| {
            let labelled = |pod: &&Pod| {
                selector.split_once('=').is_some_and(|(key, value)| pod.metadata.labels.get(key).is_some_and(|label| label == value))
            };
            newest(pods.iter().filter(labelled), node_name).map(|pod| PodView::of(pod, container))
        };
        let mut chain = Self {
            node_name: node_name.to_owned(),
            node: node.map(NodeView::of),
            installer: set(INSTALLER),
            plugin: set(PLUGIN),
            installer_pod: pod(INSTALLER_LABEL, INSTALLER),
            plugin_pod: pod(PLUGIN_LABEL, PLUGIN),
            events: Vec::new(),
        };
        chain.set_events(events);
        chain
    }

    /// Keeps the events of this chain's pods, oldest first.
    fn set_events(&mut self, events: &[Event]) {
        let ours = |event: &&Event| self.installer_pod.iter().chain(&self.plugin_pod).any(|pod| event.involved_object.name == pod.name);
        let mut events: Vec<_> = events.iter().filter(ours).map(EventView::of).collect();
        events.sort_by(|a, b| a.last_seen.cmp(&b.last_seen));
        self.events = events;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Moment {
        node: Node,
        daemonsets: Vec<DaemonSet>,
        pods: Vec<Pod>,
        events: Vec<Event>,
    }

    /// Returns the chain of one recorded moment of `tests/fixtures/cluster`.
    pub(crate) fn recorded(moment: &str) -> Chain {
        let path = format!("{}/tests/fixtures/cluster/{moment}.json", env!("CARGO_MANIFEST_DIR"));
        let moment: Moment = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        Chain::from_objects("node1", Some(&moment.node), &moment.daemonsets, &moment.pods, &moment.events)
    }

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
    fn the_newer_pod_counts_during_a_rollout() {
        let chain = recorded("10-init-error");
        assert_eq!(chain.installer_pod.unwrap().name, "nvidia-driver-installer-kchrc");
    }

    #[test]
    fn resources_are_counted_once_the_plugin_registered() {
        assert_eq!(recorded("05-running").node.unwrap().capacity, None);
        let node = recorded("41-testpod-after-capacity").node.unwrap();
        assert_eq!((node.capacity, node.allocatable), (Some(1), Some(1)));
    }

    #[test]
    fn a_pod_that_is_on_no_node_is_known_by_its_affinity() {
        let affinity = serde_json::json!({"nodeAffinity": {"x": [{"matchFields": [{"values": ["node1"]}]}]}});
        assert!(names(&affinity, "node1") && !names(&affinity, "node2"));
    }

    #[test]
    fn survives_a_round_trip() {
        let chain = recorded("20-image-pull-backoff");
        let text = serde_json::to_string(&chain).unwrap();
        assert_eq!(serde_json::from_str::<Chain>(&text).unwrap(), chain);
        assert!(chain.events.iter().any(|event| event.message.contains("no such host")));
    }
}
