//! The test pod's manifest, built as a value.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cluster::{
    Chain, GPU,
    objects::{Pod, Taint},
    scheduling::SchedulingConstraints,
};

/// The namespace of the test pod.
pub const NAMESPACE: &str = "default";
/// Its container.
pub const CONTAINER: &str = "nvidia-smi";
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
    /// The node's taints, all of which it tolerates.
    pub taints: Vec<Taint>,
}

impl TestPod {
    /// Makes a test pod for the chain's node; the time makes its name unique.
    pub fn new(chain: &Chain, image: &str, task: Task, now: jiff::Timestamp) -> Self {
        Self {
            name: format!("gpunode-test-{}", now.as_second()),
            node: chain.node_name.clone(),
            image: image.to_owned(),
            task,
            taints: chain.node.as_ref().map(|node| node.taints.clone()).unwrap_or_default(),
        }
    }

    /// Returns the manifest. The pod is pinned by affinity, not by `nodeName`: so the scheduler still says why it does not fit.
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

    /// Tolerates the GPU taint, which the next Kubespray run may bring back in the meantime, and each taint that the node has.
    fn tolerations(&self) -> Value {
        let of = |key: &str, effect: &str| json!({"key": key, "operator": "Exists", "effect": effect});
        let others = self.taints.iter().filter(|taint| taint.key != GPU || taint.effect != "NoSchedule");
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
            taints: vec![taint(GPU, "NoSchedule"), taint("dedicated", "NoExecute")],
        };
        let manifest = pod.manifest();
        assert_eq!(manifest["kind"], "Pod");
        assert_eq!(manifest["spec"]["containers"][0]["name"], CONTAINER);
        assert_eq!(manifest["spec"]["containers"][0]["resources"]["limits"][GPU], 1);
        let keys: Vec<_> = manifest["spec"]["tolerations"].as_array().unwrap().iter().map(|t| t["key"].as_str().unwrap()).collect();
        assert_eq!(keys, [GPU, "dedicated"]);
        assert!(manifest["spec"]["affinity"].to_string().contains(r#""values":["node1"]"#));
        assert_eq!(manifest["spec"]["restartPolicy"], "Never");
        assert_eq!(manifest["metadata"]["labels"][LABEL.0], LABEL.1);
        assert_eq!(manifest["spec"]["containers"][0]["imagePullPolicy"], "IfNotPresent");
        let constraints = pod.constraints();
        assert_eq!((constraints.requests[GPU], constraints.tolerations.len()), (1000, 2));
        let sample = TestPod { task: Task::VectorAdd, ..pod }.manifest();
        assert!(sample["spec"]["containers"][0]["command"].is_null());
    }
}
