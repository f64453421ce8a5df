//! What keeps a pod off a node: Kubernetes' own rules for labels, taints and resources.
//!
//! Source: Kubernetes documentation, "Assigning Pods to Nodes", "Taints and Tolerations", "Resource Management for Pods
//! and Containers".

use crate::cluster::{
    objects::{Requirement, Taint, Term, Toleration},
    scheduling::constraints::{SchedulingConstraints, UNSCHEDULABLE},
    view::NodeView,
};

/// Why a node does not take a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnschedulableReason {
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

impl SchedulingConstraints {
    /// Returns everything that keeps the pod off `node`, in the order in which the scheduler looks.
    pub fn unmet_by(&self, node_name: &str, node: &NodeView) -> Vec<UnschedulableReason> {
        [self.cordon(node), self.labels(node_name, node), self.taints(node), self.resources(node)].concat()
    }

    /// Returns what keeps the pod off before resources are counted: all that the DaemonSet controller looks at.
    pub fn unfit(&self, node_name: &str, node: &NodeView) -> Vec<UnschedulableReason> {
        [self.cordon(node), self.labels(node_name, node), self.taints(node)].concat()
    }

    fn cordon(&self, node: &NodeView) -> Vec<UnschedulableReason> {
        let taint = Taint { key: UNSCHEDULABLE.to_owned(), value: String::new(), effect: "NoSchedule".to_owned() };
        if node.unschedulable && !self.tolerates(&taint) {
            vec![UnschedulableReason::Unschedulable]
        } else {
            Vec::new()
        }
    }

    /// Returns what the node's labels lack.
    pub(super) fn labels(&self, node_name: &str, node: &NodeView) -> Vec<UnschedulableReason> {
        let selector = self.node_selector.iter().filter(|(key, value)| node.labels.get(*key) != Some(*value));
        let mut missing: Vec<_> =
            selector.map(|(key, value)| UnschedulableReason::Label(format!("{key}={value}"))).collect();
        if let Some(selector) = &self.affinity {
            let unmet: Vec<_> = selector.node_selector_terms.iter().map(|term| unmet(term, node_name, node)).collect();
            // One fitting term is enough; of several that do not fit, the nearest is told.
            if !unmet.iter().any(Vec::is_empty) {
                missing.extend(unmet.into_iter().min_by_key(Vec::len).unwrap_or_default());
            }
        }
        missing
    }

    fn taints(&self, node: &NodeView) -> Vec<UnschedulableReason> {
        let cordon = |taint: &&Taint| node.unschedulable && taint.key == UNSCHEDULABLE;
        let off = node
            .taints
            .iter()
            .filter(|taint| taint.effect != "PreferNoSchedule" && !cordon(taint) && !self.tolerates(taint));
        off.cloned().map(UnschedulableReason::Taint).collect()
    }

    fn resources(&self, node: &NodeView) -> Vec<UnschedulableReason> {
        let left = |resource: &str| {
            node.resources.get(resource).copied().unwrap_or(0) - node.requested.get(resource).copied().unwrap_or(0)
        };
        let lacking = |(resource, wanted): (&String, &i128)| {
            let left = left(resource);
            (*wanted > left).then(|| UnschedulableReason::Insufficient {
                resource: resource.clone(),
                wanted: *wanted,
                left,
            })
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
fn unmet(term: &Term, node_name: &str, node: &NodeView) -> Vec<UnschedulableReason> {
    if term.match_expressions.is_empty() && term.match_fields.is_empty() {
        return vec![UnschedulableReason::Label("-".to_owned())];
    }
    let labels =
        term.match_expressions.iter().filter(|wanted| !meets(wanted, node.labels.get(&wanted.key).map(String::as_str)));
    let fields =
        term.match_fields.iter().filter(|wanted| !meets(wanted, (wanted.key == "metadata.name").then_some(node_name)));
    labels.chain(fields).map(|wanted| UnschedulableReason::Label(written(wanted))).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::GPU;

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
}
