//! The few fields of Kubernetes objects that matter here. Everything is optional and unknown fields are ignored, so
//! that any release's answer can be read.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// Reads `null` as the default: Go writes empty lists and maps so.
fn nullable<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(source: D) -> Result<T, D::Error> {
    Option::deserialize(source).map(Option::unwrap_or_default)
}

/// A list of objects.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct List<T> {
    /// Where the list stands in the history of the cluster.
    #[serde(default, deserialize_with = "nullable")]
    pub metadata: ListMeta,
    /// The objects.
    #[serde(default = "Vec::new", deserialize_with = "nullable")]
    pub items: Vec<T>,
}

/// Metadata of a list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ListMeta {
    /// From here on a watch has to begin to miss nothing.
    pub resource_version: String,
    /// What the next page is asked for with; empty on the last one.
    #[serde(rename = "continue", deserialize_with = "nullable")]
    pub next: String,
}

/// An object that can be kept and recognised again.
pub trait Object {
    /// Returns its metadata.
    fn meta(&self) -> &Meta;
}

/// Metadata of any object.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Meta {
    /// Name.
    pub name: String,
    /// Namespace; empty for nodes.
    pub namespace: String,
    /// Identity: a pod made anew has another one.
    pub uid: String,
    /// Its place in the history of the cluster.
    pub resource_version: String,
    /// Labels.
    #[serde(deserialize_with = "nullable")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(deserialize_with = "nullable")]
    pub annotations: BTreeMap<String, String>,
    /// Grows with every change of what is wanted.
    pub generation: u64,
    /// When it was made; RFC 3339, so the text sorts.
    pub creation_timestamp: Option<String>,
    /// When it is to be gone; set on a pod that is being deleted.
    pub deletion_timestamp: Option<String>,
}

/// A node.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Node {
    /// Metadata.
    pub metadata: Meta,
    /// What is wanted of it.
    pub spec: NodeSpec,
    /// What it reports.
    pub status: NodeStatus,
}

impl Object for Node {
    fn meta(&self) -> &Meta {
        &self.metadata
    }
}

/// What is wanted of a node.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NodeSpec {
    /// Taints.
    #[serde(deserialize_with = "nullable")]
    pub taints: Vec<Taint>,
    /// Whether it is cordoned.
    pub unschedulable: bool,
}

/// A taint of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value; Kubespray's GPU taint has none.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// A toleration of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Toleration {
    /// Key; absent tolerates every key (with `Exists`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `Equal` if absent, or `Exists`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// Value to compare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Effect; absent tolerates every effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<String>,
}

/// What a node reports.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    /// Resources it has.
    #[serde(deserialize_with = "nullable")]
    pub capacity: BTreeMap<String, serde_json::Value>,
    /// Resources that pods may have.
    #[serde(deserialize_with = "nullable")]
    pub allocatable: BTreeMap<String, serde_json::Value>,
    /// Conditions.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<Condition>,
}

/// The class by which a pod asks for a runtime.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RuntimeClass {
    /// The name of the runtime in the node's configuration.
    pub handler: String,
}

/// The object by which GPU Operator is told what to do, and tells how that goes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ClusterPolicy {
    /// How it goes.
    pub status: ClusterPolicyStatus,
}

/// How it goes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ClusterPolicyStatus {
    /// `ready`, `notReady` or `ignored`.
    pub state: String,
    /// `Ready` and `Error`, of which one holds.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<Condition>,
}

/// A condition of a node or a pod.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// Type, such as `Ready`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Reason in a word.
    pub reason: Option<String>,
    /// Reason in a sentence.
    pub message: Option<String>,
    /// Since when it has this status.
    #[serde(rename = "lastTransitionTime")]
    pub since: Option<String>,
}

/// A DaemonSet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct DaemonSet {
    /// Metadata.
    pub metadata: Meta,
    /// What is wanted.
    pub spec: DaemonSetSpec,
    /// Counts.
    pub status: DaemonSetStatus,
}

impl Object for DaemonSet {
    fn meta(&self) -> &Meta {
        &self.metadata
    }
}

/// What a DaemonSet wants.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct DaemonSetSpec {
    /// The pods.
    pub template: PodTemplate,
}

/// The pods of a DaemonSet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PodTemplate {
    /// Their labels.
    #[serde(deserialize_with = "nullable")]
    pub metadata: Meta,
    /// Their specification.
    pub spec: PodSpec,
}

/// Counts of a DaemonSet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DaemonSetStatus {
    /// Nodes that should run a pod.
    pub desired_number_scheduled: u64,
    /// Nodes that run one.
    pub current_number_scheduled: u64,
    /// Nodes whose pod is ready.
    pub number_ready: u64,
    /// The generation that the controller has looked at last; absent while it never has.
    pub observed_generation: u64,
}

/// A pod.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Pod {
    /// Metadata.
    pub metadata: Meta,
    /// What is wanted.
    pub spec: PodSpec,
    /// What is.
    pub status: PodStatus,
}

impl Object for Pod {
    fn meta(&self) -> &Meta {
        &self.metadata
    }
}

/// What a pod wants.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSpec {
    /// The node it was put on; absent while it is pending.
    pub node_name: Option<String>,
    /// The class of the runtime that it runs by.
    pub runtime_class_name: Option<String>,
    /// Labels that the node must have.
    #[serde(deserialize_with = "nullable")]
    pub node_selector: BTreeMap<String, String>,
    /// Tolerations.
    #[serde(deserialize_with = "nullable")]
    pub tolerations: Vec<Toleration>,
    /// What it wants of its node.
    #[serde(deserialize_with = "nullable")]
    pub affinity: Affinity,
    /// Init containers.
    #[serde(deserialize_with = "nullable")]
    pub init_containers: Vec<Container>,
    /// Containers.
    #[serde(deserialize_with = "nullable")]
    pub containers: Vec<Container>,
}

/// What a pod wants of its node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Affinity {
    /// The only kind that matters here: what Kubespray's DaemonSets and this program's test pod use.
    #[serde(deserialize_with = "nullable")]
    pub node_affinity: NodeAffinity,
}

/// What a pod wants of its node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeAffinity {
    /// Without this the pod is not scheduled.
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    pub required: Option<NodeSelector>,
}

/// Terms of which one has to fit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeSelector {
    /// The terms.
    #[serde(deserialize_with = "nullable")]
    pub node_selector_terms: Vec<Term>,
}

/// Requirements that must all be met.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Term {
    /// About labels.
    #[serde(deserialize_with = "nullable")]
    pub match_expressions: Vec<Requirement>,
    /// About fields: only `metadata.name` exists.
    #[serde(deserialize_with = "nullable")]
    pub match_fields: Vec<Requirement>,
}

/// One requirement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requirement {
    /// The label or field.
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt`, `Lt`.
    pub operator: String,
    /// The values to compare with.
    #[serde(deserialize_with = "nullable")]
    pub values: Vec<String>,
}

/// A container as it is wanted.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Container {
    /// Name.
    pub name: String,
    /// Image.
    pub image: String,
    /// What it asks for.
    #[serde(deserialize_with = "nullable")]
    pub resources: Resources,
    /// `Always` makes an init container run beside the others (since 1.28).
    #[serde(rename = "restartPolicy")]
    pub restart_policy: Option<String>,
}

/// What a container asks for; quantities are text.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// What the scheduler counts.
    #[serde(deserialize_with = "nullable")]
    pub requests: BTreeMap<String, serde_json::Value>,
    /// What it may use at most; counts as the request where there is none.
    #[serde(deserialize_with = "nullable")]
    pub limits: BTreeMap<String, serde_json::Value>,
}

/// What a pod is doing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed`.
    pub phase: String,
    /// Reason of a pod that was refused as a whole, such as `UnexpectedAdmissionError`.
    pub reason: Option<String>,
    /// The same as a sentence.
    pub message: Option<String>,
    /// Conditions.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<Condition>,
    /// Init containers.
    #[serde(deserialize_with = "nullable")]
    pub init_container_statuses: Vec<ContainerStatus>,
    /// Containers.
    #[serde(deserialize_with = "nullable")]
    pub container_statuses: Vec<ContainerStatus>,
}

/// What a container is doing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ContainerStatus {
    /// Name.
    pub name: String,
    /// Image as the runtime names it.
    pub image: String,
    /// How often it was started anew.
    pub restart_count: u32,
    /// Whether its probes say that it works.
    pub ready: bool,
    /// What it does now.
    #[serde(deserialize_with = "nullable")]
    pub state: RawState,
    /// How its last run ended.
    #[serde(deserialize_with = "nullable")]
    pub last_state: RawState,
}

/// One of the three states of a container; all absent means unknown.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RawState {
    /// Not started.
    pub waiting: Option<Waiting>,
    /// Running.
    pub running: Option<Running>,
    /// Ended.
    pub terminated: Option<Terminated>,
}

/// Why a container has not started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Waiting {
    /// Reason in a word, such as `ImagePullBackOff`.
    #[serde(deserialize_with = "nullable")]
    pub reason: String,
    /// Reason in a sentence.
    #[serde(deserialize_with = "nullable")]
    pub message: String,
}

/// A container that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Running {
    /// Since when.
    pub started_at: Option<String>,
}

/// How a container ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Terminated {
    /// Exit status.
    pub exit_code: i32,
    /// When it was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// Reason in a word, such as `Error`, `OOMKilled`, `StartError`.
    #[serde(deserialize_with = "nullable")]
    pub reason: String,
    /// Reason in a sentence: the runtime's words where the container could not be started.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub message: String,
    /// The signal that ended it, where that is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
}

/// An event.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Event {
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Reason in a word.
    #[serde(deserialize_with = "nullable")]
    pub reason: String,
    /// Reason in a sentence.
    #[serde(deserialize_with = "nullable")]
    pub message: String,
    /// How often.
    #[serde(deserialize_with = "nullable")]
    pub count: u32,
    /// When last; absent in events of newer releases.
    pub last_timestamp: Option<String>,
    /// When, in events of newer releases.
    pub event_time: Option<String>,
    /// What it is about.
    pub involved_object: ObjectReference,
}

/// What an event is about.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ObjectReference {
    /// `Pod`, `DaemonSet`, `Node`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Identity.
    pub uid: String,
}
