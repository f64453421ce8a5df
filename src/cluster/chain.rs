//! The chain from the node to the GPU in the cluster, as one plain value: node, DaemonSets, their pods on this node, events.

use serde::{Deserialize, Serialize};

use super::{
    ClusterState, INSTALLER, Kubectl, PLUGIN,
    objects::{DaemonSet, Event, Node, Pod},
    view::{DaemonSetView, EventView, NodeView, PodView},
    watch::Source,
};
use crate::host::Host;

/// Selects the installer's pods. Source: Kubespray's template nvidia-driver-install-daemonset.yml.
const INSTALLER_LABEL: (&str, &str) = ("name", "nvidia-driver-installer");
/// Selects the device plugin's pods. Source: Kubespray's template k8s-device-plugin-nvidia-daemonset.yml.
const PLUGIN_LABEL: (&str, &str) = ("k8s-app", "nvidia-gpu-device-plugin");

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

/// Asks the cluster for the whole chain of `node`, once.
pub fn probe(host: &Host, kubectl: &Kubectl, node: &str) -> Result<Chain, ClusterState> {
    let found = kubectl.list::<Node>(host, &Source::node(node))?.items;
    let sets = kubectl.list::<DaemonSet>(host, &Source::daemonsets())?.items;
    let mut pods = kubectl.list::<Pod>(host, &Source::pods_on(node))?.items;
    pods.extend(unscheduled(host, kubectl, node, &sets, &pods)?);
    let mut chain = Chain::from_objects(node, found.first(), &sets, &pods, &[]);
    chain.add_events(host, kubectl)?;
    Ok(chain)
}

/// Asks for the installer's pod on `node`, which must be on it already.
pub fn installer_pod(host: &Host, kubectl: &Kubectl, node: &str) -> Result<Option<PodView>, ClusterState> {
    let pods = kubectl.list::<Pod>(host, &Source::pods_on(node))?.items;
    Ok(newest(&pods, node, INSTALLER_LABEL).map(|pod| PodView::of(pod, INSTALLER)))
}

/// Asks for pods that are on no node, if the DaemonSets want one here that is not on this node.
pub fn unscheduled(host: &Host, kubectl: &Kubectl, node: &str, sets: &[DaemonSet], pods: &[Pod]) -> Result<Vec<Pod>, ClusterState> {
    let lacks = |name: &str, label| {
        sets.iter().any(|set| set.metadata.name == name && set.status.desired_number_scheduled > 0) && newest(pods, node, label).is_none()
    };
    if !lacks(INSTALLER, INSTALLER_LABEL) && !lacks(PLUGIN, PLUGIN_LABEL) {
        return Ok(Vec::new());
    }
    Ok(kubectl.list::<Pod>(host, &Source::unscheduled())?.items)
}

/// Returns the pod of this node that matters: during a rollout the old one is still there, being deleted.
fn newest<'a>(pods: &'a [Pod], node: &str, (key, value): (&str, &str)) -> Option<&'a Pod> {
    let here = |pod: &&Pod| match &pod.spec.node_name {
        Some(name) => name == node,
        None => is_for(pod, node),
    };
    let age = |pod: &&Pod| (pod.metadata.deletion_timestamp.is_none(), pod.metadata.creation_timestamp.clone());
    let labelled = pods.iter().filter(|pod| pod.metadata.labels.get(key).is_some_and(|label| label == value));
    labelled.filter(here).max_by_key(age)
}

/// Tells whether a pod may run only on `node`: the DaemonSet controller writes so into each pod (`matchFields: metadata.name In [node]`).
pub(super) fn is_for(pod: &Pod, node: &str) -> bool {
    let terms = pod.spec.affinity.node_affinity.required.iter().flat_map(|selector| &selector.node_selector_terms);
    terms.flat_map(|term| &term.match_fields).any(|field| field.key == "metadata.name" && field.values.iter().any(|value| value == node))
}

impl Chain {
    /// Makes the chain from objects that are already read.
    pub fn from_objects(node_name: &str, node: Option<&Node>, sets: &[DaemonSet], pods: &[Pod], events: &[Event]) -> Self {
        let set = |name: &str| sets.iter().find(|set| set.metadata.name == name).map(DaemonSetView::of);
        let pod = |label, container: &str| newest(pods, node_name, label).map(|pod| PodView::of(pod, container));
        let mut chain = Self {
            node_name: node_name.to_owned(),
            node: node.map(|node| NodeView::of(node, pods)),
            installer: set(INSTALLER),
            plugin: set(PLUGIN),
            installer_pod: pod(INSTALLER_LABEL, INSTALLER),
            plugin_pod: pod(PLUGIN_LABEL, PLUGIN),
            events: Vec::new(),
        };
        chain.set_events(events);
        chain
    }

    /// Asks for the events of this chain's pods: those of a whole namespace may be very many.
    pub fn add_events(&mut self, host: &Host, kubectl: &Kubectl) -> Result<(), ClusterState> {
        let mut events = Vec::new();
        for pod in self.installer_pod.iter().chain(&self.plugin_pod) {
            events.extend(kubectl.list::<Event>(host, &Source::events(&pod.namespace, &pod.name))?.items);
        }
        self.set_events(&events);
        Ok(())
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

    fn read(moment: &str) -> Moment {
        let path = format!("{}/tests/fixtures/cluster/{moment}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    /// Returns all pods of one recorded moment.
    pub(crate) fn recorded_pods(moment: &str) -> Vec<Pod> {
        read(moment).pods
    }

    /// Returns the chain of one recorded moment of `tests/fixtures/cluster`.
    pub(crate) fn recorded(moment: &str) -> Chain {
        let moment = read(moment);
        Chain::from_objects("node1", Some(&moment.node), &moment.daemonsets, &moment.pods, &moment.events)
    }

    #[test]
    fn the_newer_pod_counts_during_a_rollout() {
        let chain = recorded("10-init-error");
        assert_eq!(chain.installer_pod.unwrap().name, "nvidia-driver-installer-kchrc");
    }

    #[test]
    fn survives_a_round_trip() {
        let chain = recorded("20-image-pull-backoff");
        let text = serde_json::to_string(&chain).unwrap();
        assert_eq!(serde_json::from_str::<Chain>(&text).unwrap(), chain);
        assert!(chain.events.iter().any(|event| event.message.contains("no such host")));
    }

    #[test]
    fn a_pod_that_is_on_no_node_is_known_by_its_affinity() {
        let pod: Pod = serde_json::from_value(serde_json::json!({"spec": {"affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node1"]}]}]}}}}}))
        .unwrap();
        assert!(is_for(&pod, "node1") && !is_for(&pod, "node2"));
    }
}
