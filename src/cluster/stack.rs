//! The GPU stack of one node, as one plain value: the node, each workload with its DaemonSet and its pod there, and
//! their events.

#[cfg(test)]
pub(crate) mod tests;

use std::thread;

use super::{
    ClusterError, Kubectl,
    objects::{ClusterPolicy, DaemonSet, Event, Node, Pod, RuntimeClass},
    view::{DaemonSetView, EventView, NodeView, PodView},
    watch::Source,
    workload::{Done, Role, Rule, StackSpec, Workload},
};
use crate::{
    host::Host,
    worker::{self, Beside},
};

/// A kind of object that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// The node.
    Node,
    /// The DaemonSets.
    DaemonSets,
    /// The pods.
    Pods,
    /// The events.
    Events,
}

/// What the cluster says about the GPU on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuStack {
    /// The node's name, as it was asked for.
    pub node_name: String,
    /// The node; absent when the cluster has none of this name, or it may not be read.
    pub node: Option<NodeView>,
    /// The workloads that are looked for, the owner's first.
    pub parts: Vec<Part>,
    /// Events of their pods, and of DaemonSets that have none here, oldest first.
    pub events: Vec<EventView>,
    /// The runtime class that is looked for; absent while nobody asked.
    pub runtime_class: Option<RuntimeClassSeen>,
    /// What the operator says of itself; absent while nobody asked.
    pub policy: Option<PolicySeen>,
    /// What these credentials may not read, with the refusal. What hangs on it is unknown, never absent.
    pub unread: Vec<(Asked, ClusterError)>,
}

/// A runtime class, as the cluster answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuntimeClassSeen {
    /// It is there, with this handler.
    Handler(String),
    /// There is none of this name.
    Absent,
    /// It could not be read.
    Unread(ClusterError),
}

/// What GPU Operator says of itself, as the cluster answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySeen {
    /// Its state, and the reason and the message of the condition that holds.
    Says {
        /// `ready`, `notReady` or `ignored`.
        state: String,
        /// Why, in a word.
        reason: String,
        /// Why, in a sentence.
        message: String,
    },
    /// The cluster has no such object.
    Absent,
    /// It could not be read.
    Unread(ClusterError),
}

/// Asks what the operator says of itself, where that is a link.
fn policy(host: &Host, kubectl: &Kubectl, spec: &StackSpec) -> Option<PolicySeen> {
    spec.links.iter().find(|link| link.rule == Rule::Policy)?;
    let seen = match listed::<ClusterPolicy>(host, kubectl, &Source::cluster_policies()) {
        Ok(policies) => policies.into_iter().next().map_or(PolicySeen::Absent, PolicySeen::from),
        Err(ClusterError::NotFound(_)) => PolicySeen::Absent,
        Err(error) => PolicySeen::Unread(error),
    };
    Some(seen)
}

impl From<ClusterPolicy> for PolicySeen {
    fn from(policy: ClusterPolicy) -> Self {
        let holds = policy.status.conditions.into_iter().find(|condition| condition.status == "True");
        let holds = holds.unwrap_or_default();
        Self::Says {
            state: policy.status.state,
            reason: holds.reason.unwrap_or_default(),
            message: holds.message.unwrap_or_default(),
        }
    }
}

/// Asks for the runtime class that the stack wants, if it wants one.
fn runtime_class(host: &Host, kubectl: &Kubectl, spec: &StackSpec) -> Option<RuntimeClassSeen> {
    let found = listed::<RuntimeClass>(host, kubectl, &Source::runtime_class(spec.runtime_class()?));
    Some(match found.map(|classes| classes.into_iter().next()) {
        Ok(Some(class)) => RuntimeClassSeen::Handler(class.handler),
        Ok(None) => RuntimeClassSeen::Absent,
        Err(error) => RuntimeClassSeen::Unread(error),
    })
}

/// One workload on the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What is looked for.
    pub workload: &'static Workload,
    /// Whether it is the owner's; else another's, that must not be here.
    pub own: bool,
    /// Its DaemonSet.
    pub set: Option<DaemonSetView>,
    /// Its pod on this node.
    pub pod: Option<PodView>,
}

impl Part {
    /// Returns the name of its DaemonSet: the real one, else the usual one.
    pub fn name(&self) -> &str {
        self.set.as_ref().map_or(self.workload.name, |set| &set.name)
    }

    /// Tells whether its container has done its work, or does it.
    pub fn works(&self) -> bool {
        self.pod.as_ref().is_some_and(|pod| match self.workload.done {
            Done::Ended => pod.container.ended().is_some_and(|end| end.exit_code == 0),
            Done::Ready => pod.container.ready && pod.ready,
        })
    }
}

/// What was read about one node, whatever is looked for there.
#[derive(Debug, Clone)]
pub struct Objects {
    nodes: Vec<Node>,
    sets: Vec<DaemonSet>,
    pods: Vec<Pod>,
    unread: Vec<(Asked, ClusterError)>,
}

impl Objects {
    /// Reads the node, the DaemonSets of a namespace (or of all) and the pods on the node, side by side.
    pub fn read(host: &Host, kubectl: &Kubectl, node: &str, namespace: Option<&str>) -> Result<Self, ClusterError> {
        let (nodes, sets, pods) = thread::scope(|scope| {
            let nodes = worker::beside(scope, || listed::<Node>(host, kubectl, &Source::node(node)));
            let sets = worker::beside(scope, || listed::<DaemonSet>(host, kubectl, &Source::daemonsets(namespace)));
            let pods = listed::<Pod>(host, kubectl, &Source::pods_on(node));
            (nodes.join(), sets.join(), pods)
        });
        let refusals = [
            (Asked::Node, nodes.as_ref().err()),
            (Asked::DaemonSets, sets.as_ref().err()),
            (Asked::Pods, pods.as_ref().err()),
        ];
        let unread = unread(&refusals)?;
        Ok(Self {
            nodes: nodes.unwrap_or_default(),
            sets: sets.unwrap_or_default(),
            pods: pods.unwrap_or_default(),
            unread,
        })
    }

    /// Tells whether the DaemonSets could be read.
    pub fn has_sets(&self) -> bool {
        self.unread.iter().all(|(kind, _)| *kind != Asked::DaemonSets)
    }

    /// Tells whether a workload is in the cluster, or on the node.
    pub fn shows(&self, workload: &Workload) -> bool {
        set_of(&self.sets, workload).is_some() || self.pods.iter().any(|pod| workload.selects(&pod.metadata.labels))
    }

    /// Makes the stack of `node`; asks for what it lacks: pods that wait for a node, and events.
    pub fn stack(&self, host: &Host, kubectl: &Kubectl, node: &str, spec: &'static StackSpec) -> GpuStack {
        let waiting = unscheduled(host, kubectl, node, spec, &self.sets, &self.pods).unwrap_or_default();
        let pods = [self.pods.as_slice(), &waiting].concat();
        let mut stack = GpuStack::from_objects(spec, node, self.nodes.first(), &self.sets, &pods, &[]);
        stack.unread.clone_from(&self.unread);
        stack.add_more(host, kubectl, spec);
        stack
    }
}

/// Asks the cluster for the whole stack of `node`, once.
pub fn probe(host: &Host, kubectl: &Kubectl, node: &str, spec: &'static StackSpec) -> Result<GpuStack, ClusterError> {
    Ok(Objects::read(host, kubectl, node, spec.namespace)?.stack(host, kubectl, node, spec))
}

fn listed<T: serde::de::DeserializeOwned>(
    host: &Host,
    kubectl: &Kubectl,
    source: &Source,
) -> Result<Vec<T>, ClusterError> {
    kubectl.list::<T>(host, source).map(|list| list.items)
}

/// Sorts failures: what is only forbidden leaves the rest standing, unless all is; anything else is the cluster's.
pub(super) fn unread(kinds: &[(Asked, Option<&ClusterError>)]) -> Result<Vec<(Asked, ClusterError)>, ClusterError> {
    let failed: Vec<_> = kinds.iter().filter_map(|(kind, error)| Some((*kind, (*error)?.clone()))).collect();
    let whole = failed.iter().find(|(_, error)| !matches!(error, ClusterError::Forbidden(_)));
    match whole.or_else(|| failed.first().filter(|_| failed.len() == kinds.len())) {
        Some((_, error)) => Err(error.clone()),
        None => Ok(failed),
    }
}

/// Asks for the pod of one workload on `node`, which must be on it already.
pub fn pod_of(
    host: &Host,
    kubectl: &Kubectl,
    node: &str,
    workload: &Workload,
) -> Result<Option<PodView>, ClusterError> {
    let pods = kubectl.list::<Pod>(host, &Source::pods_on(node))?.items;
    Ok(newest(&pods, node, workload).map(|pod| PodView::of(pod, workload.containers)))
}

/// Asks for pods that are on no node, if a DaemonSet wants one here that is not on this node.
pub fn unscheduled(
    host: &Host,
    kubectl: &Kubectl,
    node: &str,
    spec: &StackSpec,
    sets: &[DaemonSet],
    pods: &[Pod],
) -> Result<Vec<Pod>, ClusterError> {
    let lacking = spec.all().filter(|workload| newest(pods, node, workload).is_none());
    let wanting =
        lacking.filter_map(|workload| set_of(sets, workload)).find(|set| set.status.desired_number_scheduled > 0);
    let Some(set) = wanting else { return Ok(Vec::new()) };
    Ok(kubectl.list::<Pod>(host, &Source::unscheduled(&set.metadata.namespace))?.items)
}

/// Returns the DaemonSet of a workload: by the labels of its pods, because charts name it freely; one that wants pods
/// before one that does not.
fn set_of<'a>(sets: &'a [DaemonSet], workload: &Workload) -> Option<&'a DaemonSet> {
    let labelled = sets
        .iter()
        .filter(|set| workload.selects(&set.spec.template.metadata.labels) || set.metadata.name == workload.name);
    labelled.max_by_key(|set| set.status.desired_number_scheduled)
}

/// Returns the pod of this node that matters: during a rollout the old one is still there, being deleted.
fn newest<'a>(pods: &'a [Pod], node: &str, workload: &Workload) -> Option<&'a Pod> {
    let here = |pod: &&Pod| match &pod.spec.node_name {
        Some(name) => name == node,
        None => is_for(pod, node),
    };
    let age = |pod: &&Pod| (pod.metadata.deletion_timestamp.is_none(), pod.metadata.creation_timestamp.clone());
    pods.iter().filter(|pod| workload.selects(&pod.metadata.labels)).filter(here).max_by_key(age)
}

/// Tells whether a pod may run only on `node`: the DaemonSet controller writes so into each pod
/// (`matchFields: metadata.name In [node]`).
pub(super) fn is_for(pod: &Pod, node: &str) -> bool {
    let terms = pod.spec.affinity.node_affinity.required.iter().flat_map(|selector| &selector.node_selector_terms);
    terms
        .flat_map(|term| &term.match_fields)
        .any(|field| field.key == "metadata.name" && field.values.iter().any(|value| value == node))
}

impl GpuStack {
    /// Makes the stack from objects that are already read.
    pub fn from_objects(
        spec: &'static StackSpec,
        node_name: &str,
        node: Option<&Node>,
        sets: &[DaemonSet],
        pods: &[Pod],
        events: &[Event],
    ) -> Self {
        let part = |workload: &'static Workload| Part {
            workload,
            own: spec.workloads.contains(workload),
            set: set_of(sets, workload).map(DaemonSetView::of),
            pod: newest(pods, node_name, workload).map(|pod| PodView::of(pod, workload.containers)),
        };
        let mut stack = Self {
            node_name: node_name.to_owned(),
            node: node.map(|node| NodeView::of(node, pods)),
            parts: spec.all().map(part).collect(),
            events: Vec::new(),
            runtime_class: None,
            policy: None,
            unread: Vec::new(),
        };
        stack.set_events(events);
        stack
    }

    /// Returns the owner's part with this role.
    pub fn part(&self, role: Role) -> Option<&Part> {
        self.parts.iter().find(|part| part.own && part.workload.role == role)
    }

    /// Returns the part of a workload.
    pub fn part_of(&self, workload: &Workload) -> Option<&Part> {
        self.parts.iter().find(|part| part.workload == workload)
    }

    /// Returns the pod with this role.
    pub fn pod(&self, role: Role) -> Option<&PodView> {
        self.part(role)?.pod.as_ref()
    }

    /// Returns all pods of the stack.
    pub fn pods(&self) -> impl Iterator<Item = &PodView> {
        self.parts.iter().filter_map(|part| part.pod.as_ref())
    }

    /// Returns why this kind was not read; nothing if it was.
    pub fn refusal(&self, kind: Asked) -> Option<&ClusterError> {
        self.unread.iter().find(|(unread, _)| *unread == kind).map(|(_, error)| error)
    }

    /// Asks for what is not kept up to date by itself: the events, and the runtime class.
    pub fn add_more(&mut self, host: &Host, kubectl: &Kubectl, spec: &StackSpec) {
        self.runtime_class = runtime_class(host, kubectl, spec);
        self.policy = policy(host, kubectl, spec);
        self.add_events(host, kubectl);
    }

    /// Asks for the events of pods that are not at work, and of DaemonSets that have made none: those of a whole
    /// namespace may be very many, and a pod that runs needs none. Without them, the rest stands.
    pub fn add_events(&mut self, host: &Host, kubectl: &Kubectl) {
        let of_pods = self.pods().filter(|pod| !pod.is_at_work()).map(|pod| (pod.namespace.clone(), pod.name.clone()));
        let silent = self.parts.iter().filter(|part| part.pod.is_none()).filter_map(|part| part.set.as_ref());
        let asked: Vec<_> = of_pods.chain(silent.map(|set| (set.namespace.clone(), set.name.clone()))).collect();
        let answers: Vec<_> = thread::scope(|scope| {
            let ask = |(namespace, name): &(String, String)| {
                let source = Source::events(namespace, name);
                worker::beside(scope, move || listed::<Event>(host, kubectl, &source))
            };
            let threads: Vec<_> = asked.iter().map(ask).collect();
            threads.into_iter().map(Beside::join).collect()
        });
        if let Some(error) = answers.iter().find_map(|answer| answer.as_ref().err()) {
            self.unread.push((Asked::Events, error.clone()));
        }
        let events: Vec<Event> = answers.into_iter().flatten().flatten().collect();
        self.set_events(&events);
    }

    /// Keeps the events of this stack's pods and DaemonSets, oldest first.
    fn set_events(&mut self, events: &[Event]) {
        let sets = self.parts.iter().filter_map(|part| part.set.as_ref()).map(|set| &set.name);
        let names: Vec<&String> = self.pods().map(|pod| &pod.name).chain(sets).collect();
        let ours = events.iter().filter(|event| names.contains(&&event.involved_object.name));
        let mut events: Vec<_> = ours.map(EventView::of).collect();
        events.sort_by(|a, b| a.last_seen.cmp(&b.last_seen));
        self.events = events;
    }
}
