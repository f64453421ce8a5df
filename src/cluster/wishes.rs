//! What a pod wants of a node, and what stands in the way: Kubernetes' own rules for labels, taints and resources.
//!
//! Source: Kubernetes documentation, "Assigning Pods to Nodes", "Taints and Tolerations", "Resource Management for Pods and Containers".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    objects::{Container, NodeSelector, PodSpec, Requirement, Taint, Term, Toleration},
    quantity::{self, Amounts},
    view::NodeView,
};

/// What a pod wants of the node it is to run on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wishes {
    /// Labels that the node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Terms of which one must fit.
    pub affinity: Option<NodeSelector>,
    /// Taints that do not keep it off.
    pub tolerations: Vec<Toleration>,
    /// What it asks for.
    pub requests: Amounts,
}

/// Why a node does not take a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The node is cordoned.
    Unschedulable,
    /// The node lacks what this requirement wants: `nvidia.com/gpu Exists`.
    Label(String),
    /// A taint that the pod does not tolerate.
    Taint(Taint),
    /// Not enough of a resource is left.
    Insufficient {
        /// The resource.
        resource: String,
        /// What the pod asks for, in thousandths.
        wanted: i128,
        /// What is left, in thousandths.
        left: i128,
    },
}

/// The taint of a cordoned node; whoever tolerates it may run there. Source: Kubernetes, `TaintNodeUnschedulable`.
pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// Taints that the DaemonSet controller tolerates for every pod it makes. Source: Kubernetes documentation, "DaemonSet".
const DAEMONSET_TOLERATES: [&str; 7] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    UNSCHEDULABLE,
    "node.kubernetes.io/network-unavailable",
];

impl Wishes {
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
        let exists = |key: &&str| Toleration { key: Some((*key).to_owned()), operator: Some("Exists".to_owned()), ..Toleration::default() };
        self.tolerations.extend(DAEMONSET_TOLERATES.iter().map(exists));
        self
    }

    /// Returns everything that keeps the pod off `node`, in the order in which the scheduler looks.
    pub fn obstacles(&self, node_name: &str, node: &NodeView) -> Vec<Obstacle> {
        [self.cordon(node), self.labels(node_name, node), self.taints(node), self.resources(node)].concat()
    }

    /// Returns what keeps the pod off before resources are counted: all that the DaemonSet controller looks at.
    pub fn obstacles_but_resources(&self, node_name: &str, node: &NodeView) -> Vec<Obstacle> {
        [self.cordon(node), self.labels(node_name, node), self.taints(node)].concat()
    }

    fn cordon(&self, node: &NodeView) -> Vec<Obstacle> {
        let taint = Taint { key: UNSCHEDULABLE.to_owned(), value: String::new(), effect: "NoSchedule".to_owned() };
        if node.unschedulable && !self.tolerates(&taint) { vec![Obstacle::Unschedulable] } else { Vec::new() }
    }

    fn labels(&self, node_name: &str, node: &NodeView) -> Vec<Obstacle> {
        let selector = self.node_selector.iter().filter(|(key, value)| node.labels.get(*key) != Some(*value));
        let mut missing: Vec<_> = selector.map(|(key, value)| Obstacle::Label(format!("{key}={value}"))).collect();
        if let Some(selector) = &self.affinity {
            let unmet: Vec<_> = selector.node_selector_terms.iter().map(|term| unmet(term, node_name, node)).collect();
            // One fitting term is enough; of several that do not fit, the nearest is told.
            if !unmet.iter().any(Vec::is_empty) {
                missing.extend(unmet.into_iter().min_by_key(Vec::len).unwrap_or_default());
            }
        }
        missing
    }

    fn taints(&self, node: &NodeView) -> Vec<Obstacle> {
        let cordon = |taint: &&Taint| node.unschedulable && taint.key == UNSCHEDULABLE;
        let off = node.taints.iter().filter(|taint| taint.effect != "PreferNoSchedule" && !cordon(taint) && !self.tolerates(taint));
        off.cloned().map(Obstacle::Taint).collect()
    }

    fn resources(&self, node: &NodeView) -> Vec<Obstacle> {
        let left = |resource: &str| node.resources.get(resource).copied().unwrap_or(0) - node.requested.get(resource).copied().unwrap_or(0);
        let lacking = |(resource, wanted): (&String, &i128)| {
            let left = left(resource);
            (*wanted > left).then(|| Obstacle::Insufficient { resource: resource.clone(), wanted: *wanted, left })
        };
        self.requests.iter().filter(|(_, wanted)| **wanted > 0).filter_map(lacking).collect()
    }

    fn tolerates(&self, taint: &Taint) -> bool {
        self.tolerations.iter().any(|toleration| tolerates(toleration, taint))
    }
}

/// Kubernetes' own rule. Source: Kubernetes documentation, "Taints and Tolerations".
fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let exists = toleration.operator.as_deref() == Some("Exists");
    let effect = toleration.effect.as_deref().is_none_or(|effect| effect.is_empty() || effect == taint.effect);
    let key = match toleration.key.as_deref() {
        None | Some("") => exists,
        Some(key) => key == taint.key,
    };
    effect && key && (exists || toleration.value.as_deref().unwrap_or("") == taint.value)
}

/// Returns the requirements of a term that the node does not meet. A term without any matches nothing.
fn unmet(term: &Term, node_name: &str, node: &NodeView) -> Vec<Obstacle> {
    if term.match_expressions.is_empty() && term.match_fields.is_empty() {
        return vec![Obstacle::Label("-".to_owned())];
    }
    let labels = term.match_expressions.iter().filter(|wanted| !meets(wanted, node.labels.get(&wanted.key).map(String::as_str)));
    let fields = term.match_fields.iter().filter(|wanted| !meets(wanted, (wanted.key == "metadata.name").then_some(node_name)));
    labels.chain(fields).map(|wanted| Obstacle::Label(written(wanted))).collect()
}

fn meets(wanted: &Requirement, value: Option<&str>) -> bool {
    let listed = || value.is_some_and(|value| wanted.values.iter().any(|other| other == value));
    let compared = |holds: fn(i64, i64) -> bool| {
        let limit = wanted.values.first().and_then(|limit| limit.parse().ok());
        value.and_then(|value| value.parse().ok()).zip(limit).is_some_and(|(value, limit)| holds(value, limit))
    };
    match wanted.operator.as_str() {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => compared(|value, limit| value > limit),
        "Lt" => compared(|value, limit| value < limit),
        _ => false,
    }
}

fn written(wanted: &Requirement) -> String {
    match (wanted.operator.as_str(), &wanted.values[..]) {
        ("Exists", _) => wanted.key.clone(),
        ("In", [value]) => format!("{}={value}", wanted.key),
        (operator, values) => format!("{} {operator} {}", wanted.key, values.join(",")).trim_end().to_owned(),
    }
}

/// Sums up as the scheduler does: all containers together, or the greatest init container, whichever is more; an init container that is
/// always restarted counts to both.
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
    fn equal_with_an_empty_value_matches_kubesprays_taint() {
        let taint = Taint { key: GPU.into(), value: String::new(), effect: "NoSchedule".into() };
        let seed = Toleration { key: Some(GPU.into()), effect: Some("NoSchedule".into()), ..Toleration::default() };
        assert!(tolerates(&seed, &taint));
        assert!(!tolerates(&seed, &Taint { value: "true".into(), ..taint }));
    }

    #[test]
    fn requirements_are_met_as_kubernetes_says() {
        let wanted = |operator: &str, values: &[&str]| Requirement {
            key: "k".into(),
            operator: operator.into(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        for (operator, values, value, met) in [
            ("In", &["a", "b"][..], Some("b"), true),
            ("In", &["a"], None, false),
            ("NotIn", &["a"], None, true),
            ("NotIn", &["a"], Some("a"), false),
            ("Exists", &[], Some(""), true),
            ("DoesNotExist", &[], Some(""), false),
            ("Gt", &["5"], Some("6"), true),
            ("Lt", &["5"], Some("x"), false),
            ("Near", &["5"], Some("5"), false),
        ] {
            assert_eq!(meets(&wanted(operator, values), value), met, "{operator} {values:?} {value:?}");
        }
    }

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
