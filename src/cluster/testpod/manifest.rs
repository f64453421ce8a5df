//! The test pod's manifest, built as a value.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cluster::{
    GPU, GpuStack,
    objects::{Pod, Taint},
    scheduling::{SchedulingConstraints, constraints::UNSCHEDULABLE},
};

/// The namespace of the test pod.
pub const NAMESPACE: &str = "default";
/// Its container.
pub(super) const CONTAINER: &str = "nvidia-smi";
/// Marks every test pod, so that one that was left behind is found again.
pub const LABEL: (&str, &str) = ("app.kubernetes.io/name", "gpunode-test");
/// The parts that are always the same.
const TEMPLATE: &str = include_str!("../../../assets/manifests/testpod.yaml");

/// What a test pod does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Runs `nvidia-smi`: the driver answers, and the card is there.
    #[default]
    Smi,
    /// Runs NVIDIA's vectorAdd sample: the card computes.
    VectorAdd,
}

/// A test pod for one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestPod {
    /// Its name, unique so that it meets no other pod.
    pub name: String,
    /// The node it is pinned to.
    pub node: String,
    /// Its image.
    pub image: String,
    /// What it does.
    pub task: Task,
    /// The node's taints, all of which it tolerates but those that say that the node does not work.
    pub taints: Vec<Taint>,
    /// Whether it runs as root: where the card's device files are root's alone, nobody else can prove anything.
    pub as_root: bool,
    /// The runtime class that hands a card to its pods; none where the runtime that all pods get does so.
    pub runtime_class: Option<String>,
}

/// Taints that Kubernetes itself puts on a node in trouble. A pod that tolerated them would be bound to a dead node,
/// and wait there. Source: Kubernetes documentation, "Taint based Evictions".
const TROUBLE: &str = "node.kubernetes.io/";

impl TestPod {
    /// Makes a test pod for the stack's node; the time makes its name unique.
    pub fn new(stack: &GpuStack, image: &str, task: Task, now: jiff::Timestamp) -> Self {
        Self {
            name: format!("gpunode-test-{}", now.as_second()),
            node: stack.node_name.clone(),
            image: image.to_owned(),
            task,
            taints: stack.node.as_ref().map(|node| node.taints.clone()).unwrap_or_default(),
            as_root: false,
            runtime_class: None,
        }
    }

    /// Asks for a runtime class.
    #[must_use]
    pub fn with_runtime_class(self, class: Option<String>) -> Self {
        Self { runtime_class: class, ..self }
    }

    /// Returns the manifest. The pod is pinned by affinity, not by `nodeName`: so the scheduler still says why it does
    /// not fit.
    pub fn manifest(&self) -> Value {
        let mut pod: Value = serde_yaml::from_str(TEMPLATE).unwrap_or_default();
        pod["metadata"]["name"] = json!(self.name);
        pod["metadata"]["namespace"] = json!(NAMESPACE);
        pod["spec"]["containers"][0]["image"] = json!(self.image);
        if self.task == Task::VectorAdd
            && let Some(container) = pod["spec"]["containers"][0].as_object_mut()
        {
            // The sample's image knows its own command.
            container.remove("command");
            // A CUDA context takes memory of the host too.
            container["resources"]["limits"]["memory"] = json!("1Gi");
        }
        if self.as_root {
            pod["spec"]["securityContext"] = json!({"seccompProfile": {"type": "RuntimeDefault"}});
        }
        if let Some(class) = &self.runtime_class {
            pod["spec"]["runtimeClassName"] = json!(class);
        }
        pod["spec"]["tolerations"] = self.tolerations();
        pod["spec"]["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [self.node]}]}
        ]}}});
        pod
    }

    /// Returns what it wants of a node.
    pub fn constraints(&self) -> SchedulingConstraints {
        serde_json::from_value(self.manifest()).map(|pod: Pod| SchedulingConstraints::of(&pod.spec)).unwrap_or_default()
    }

    /// Tolerates the GPU taint, which the next Kubespray run may bring back in the meantime, and each taint that
    /// somebody has put on the node; a cordoned node is tested too.
    fn tolerations(&self) -> Value {
        let of = |key: &str, effect: &str| json!({"key": key, "operator": "Exists", "effect": effect});
        let others = self.taints.iter().filter(|taint| taint.key != GPU || taint.effect != "NoSchedule");
        let others = others.filter(|taint| !taint.key.starts_with(TROUBLE) || taint.key == UNSCHEDULABLE);
        std::iter::once(of(GPU, "NoSchedule")).chain(others.map(|taint| of(&taint.key, &taint.effect))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerates_what_the_node_has_and_is_pinned_to_it() {
        let taint = |key: &str, effect: &str| Taint { key: key.into(), value: "x".into(), effect: effect.into() };
        let pod = TestPod {
            name: "gpunode-test-1".into(),
            node: "node1".into(),
            image: "docker.io/nvidia/cuda:11.0.3-base-ubuntu20.04".into(),
            task: Task::Smi,
            taints: vec![
                taint(GPU, "NoSchedule"),
                taint("dedicated", "NoExecute"),
                taint("node.kubernetes.io/unreachable", "NoExecute"),
                taint("node.kubernetes.io/not-ready", "NoSchedule"),
            ],
            as_root: false,
            runtime_class: None,
        };
        let manifest = pod.manifest();
        assert_eq!(manifest["kind"], "Pod");
        assert_eq!(manifest["spec"]["containers"][0]["name"], CONTAINER);
        assert_eq!(manifest["spec"]["containers"][0]["resources"]["limits"][GPU], 1);
        let keys: Vec<_> =
            manifest["spec"]["tolerations"].as_array().unwrap().iter().map(|t| t["key"].as_str().unwrap()).collect();
        assert_eq!(keys, [GPU, "dedicated"]);
        assert!(manifest["spec"]["affinity"].to_string().contains(r#""values":["node1"]"#));
        assert_eq!(manifest["spec"]["restartPolicy"], "Never");
        assert_eq!(manifest["metadata"]["labels"][LABEL.0], LABEL.1);
        assert_eq!(manifest["spec"]["containers"][0]["imagePullPolicy"], "IfNotPresent");
        assert!(manifest["spec"]["runtimeClassName"].is_null());
        let classed = pod.clone().with_runtime_class(Some("nvidia".into())).manifest();
        assert_eq!(classed["spec"]["runtimeClassName"], "nvidia");
        let constraints = pod.constraints();
        assert_eq!((constraints.requests[GPU], constraints.tolerations.len()), (1000, 2));
        // What the pod security level `restricted` demands. Source: Kubernetes documentation, "Pod Security Standards".
        let container = &manifest["spec"]["containers"][0];
        assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
        assert_eq!(container["securityContext"]["capabilities"]["drop"], json!(["ALL"]));
        assert_eq!(manifest["spec"]["securityContext"]["runAsNonRoot"], true);
        assert_eq!(manifest["spec"]["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        for resource in ["cpu", "memory", "ephemeral-storage"] {
            assert!(
                container["resources"]["requests"][resource].is_string()
                    && container["resources"]["limits"][resource].is_string()
            );
        }
        assert!(TestPod { as_root: true, ..pod.clone() }.manifest()["spec"]["securityContext"]["runAsUser"].is_null());
        let sample = TestPod { task: Task::VectorAdd, ..pod }.manifest();
        assert!(sample["spec"]["containers"][0]["command"].is_null());
    }
}
