//! What a pod wants of a node: labels, tolerations, resources. Source: Kubernetes documentation, "Resource Management
//! for Pods and Containers".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cluster::{
    objects::{Container, NodeSelector, PodSpec, Toleration},
    quantity::{self, Amounts},
};

/// What a pod wants of the node it is to run on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SchedulingConstraints {
    /// Labels that the node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Terms of which one must fit.
    pub affinity: Option<NodeSelector>,
    /// Taints that do not keep it off.
    pub tolerations: Vec<Toleration>,
    /// What it asks for.
    pub requests: Amounts,
}

/// The taint of a cordoned node; whoever tolerates it may run there. Source: Kubernetes, `TaintNodeUnschedulable`.
pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// Taints that the DaemonSet controller tolerates for every pod it makes, each with its effect: the pod of a node that
/// became unreachable stays, and none is made for it. Source: Kubernetes documentation, "DaemonSet"; recorded in
/// 1.36/58-node-notready.
const DAEMONSET_TOLERATES: [(&str, &str); 7] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    (UNSCHEDULABLE, "NoSchedule"),
    ("node.kubernetes.io/network-unavailable", "NoSchedule"),
];

impl SchedulingConstraints {
    /// Reads them off a pod.
    pub fn of(pod: &PodSpec) -> Self {
        Self {
            node_selector: pod.node_selector.clone(),
            affinity: pod.affinity.node_affinity.required.clone(),
            tolerations: pod.tolerations.clone(),
            requests: requests(pod),
        }
    }

    /// Returns the same for a pod that the DaemonSet controller makes.
    #[must_use]
    pub fn of_daemonset(mut self) -> Self {
        let exists = |(key, effect): &(&str, &str)| Toleration {
            key: Some((*key).to_owned()),
            operator: Some("Exists".to_owned()),
            effect: Some((*effect).to_owned()),
            ..Toleration::default()
        };
        self.tolerations.extend(DAEMONSET_TOLERATES.iter().map(exists));
        self
    }
}

/// Sums up as the scheduler does: all containers together, or the greatest init container, whichever is more; an init
/// container that is always restarted counts to both.
fn requests(pod: &PodSpec) -> Amounts {
    let (mut together, mut before) = (Amounts::new(), Amounts::new());
    let mut beside = Amounts::new();
    for container in &pod.init_containers {
        let own = own_requests(container);
        if container.restart_policy.as_deref() == Some("Always") {
            add(&mut beside, &own);
        } else {
            let mut sum = beside.clone();
            add(&mut sum, &own);
            raise(&mut before, &sum);
        }
    }
    pod.containers.iter().for_each(|container| add(&mut together, &own_requests(container)));
    add(&mut together, &beside);
    raise(&mut together, &before);
    together
}

fn own_requests(container: &Container) -> Amounts {
    let mut own = quantity::amounts(&container.resources.limits);
    own.extend(quantity::amounts(&container.resources.requests));
    own
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (resource, amount) in more {
        *sum.entry(resource.clone()).or_default() += amount;
    }
}

fn raise(sum: &mut Amounts, other: &Amounts) {
    for (resource, amount) in other {
        let entry = sum.entry(resource.clone()).or_default();
        *entry = (*entry).max(*amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{GPU, objects::Pod};

    #[test]
    fn the_greater_of_init_and_main_containers_counts() {
        let pod: Pod = serde_json::from_value(serde_json::json!({"spec": {
            "initContainers": [{"name": "i", "resources": {"requests": {"cpu": "500m"}}},
                               {"name": "s", "restartPolicy": "Always", "resources": {"requests": {"memory": "1Ki"}}}],
            "containers": [{"name": "a", "resources": {"requests": {"cpu": "100m"}, "limits": {"nvidia.com/gpu": "2"}}},
                           {"name": "b", "resources": {"requests": {"cpu": "100m"}}}]}}))
        .unwrap();
        let requests = requests(&pod.spec);
        assert_eq!((requests["cpu"], requests["memory"], requests[GPU]), (500, 1_024_000, 2000));
    }
}
