//! Why nothing happens: DESIRED 0, no pod, Pending. Worked out from labels, taints, tolerations and resources into one finding.

use super::{
    Chain, GPU, INSTALLER, Kubectl,
    chain::{self, DaemonSetView, NodeView},
    objects::{Taint, Toleration},
};
use crate::{
    finding::{Finding, Severity},
    host::Host,
};

/// Ids of the findings of this module.
pub const IDS: [&str; 9] = [
    "node-not-in-cluster",
    "daemonsets-missing",
    "gpu-label-missing",
    "taint-not-tolerated",
    "gpu-insufficient",
    "resources-insufficient",
    "pod-unschedulable",
    "pod-refused",
    "pod-not-created-yet",
];

/// Taints that the DaemonSet controller tolerates for every pod it makes. Source: Kubernetes documentation, "DaemonSet".
const ALWAYS_TOLERATED: [&str; 7] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/unschedulable",
    "node.kubernetes.io/network-unavailable",
];

/// Refuses to wait for an installer that is not even wanted by the cluster: no DaemonSet means that no pod will ever come.
pub fn demand_installer(host: &Host, kubectl: &Kubectl, node: &str) -> Result<(), Finding> {
    match chain::probe(host, kubectl, node) {
        Ok(chain) if chain.installer.is_none() => why(&chain).map_or(Ok(()), Err),
        // What cannot be told now may be told later: the tail waits and says so.
        _ => Ok(()),
    }
}

/// Says why the driver installer is not at work on this node; nothing if its pod is there and was put on the node.
pub fn why(chain: &Chain) -> Option<Finding> {
    let name = chain.node_name.as_str();
    let Some(node) = &chain.node else {
        return Some(Finding::new("node-not-in-cluster", Severity::Error, "kubectl get node", &[("node", name)]));
    };
    let Some(installer) = &chain.installer else {
        return Some(Finding::new("daemonsets-missing", Severity::Error, "kubectl get daemonsets -n kube-system", &[]));
    };
    match &chain.installer_pod {
        None => Some(no_pod(chain, node, installer)),
        Some(pod) => match &pod.refused {
            Some(words) if pod.phase == "Failed" => {
                Some(Finding::new("pod-refused", Severity::Error, &pod.name, &[("pod", &pod.name), ("words", words)]))
            }
            Some(words) => Some(pending(&pod.name, words, name)),
            None => None,
        },
    }
}

/// Says why the DaemonSet controller made no pod for the node.
fn no_pod(chain: &Chain, node: &NodeView, installer: &DaemonSetView) -> Finding {
    let name = chain.node_name.as_str();
    if node.gpu_label.is_none() {
        let evidence = format!("{INSTALLER}: DESIRED {}", installer.desired);
        return Finding::new("gpu-label-missing", Severity::Error, evidence, &[("node", name)]);
    }
    if let Some(taint) = untolerated(node, &installer.tolerations) {
        return taint_finding(INSTALLER, &written(taint), name);
    }
    Finding::new("pod-not-created-yet", Severity::Info, format!("{INSTALLER}: DESIRED {}", installer.desired), &[("node", name)])
}

/// Says why a pod is pending, from the scheduler's words in its condition `PodScheduled` or the event `FailedScheduling`.
pub fn pending(pod: &str, words: &str, node: &str) -> Finding {
    if let Some(taint) = taint_in(words) {
        return taint_finding(pod, &taint, node);
    }
    let resource = words.split_once("Insufficient ").map(|(_, rest)| rest.split([',', ' ']).next().unwrap_or("").trim_end_matches('.'));
    match resource {
        Some(GPU) => Finding::new("gpu-insufficient", Severity::Error, words, &[("pod", pod), ("node", node)]),
        Some(resource) => Finding::new("resources-insufficient", Severity::Error, words, &[("pod", pod), ("resource", resource)]),
        None => Finding::new("pod-unschedulable", Severity::Error, words, &[("pod", pod), ("words", words)]),
    }
}

fn taint_finding(pod: &str, taint: &str, node: &str) -> Finding {
    Finding::new(
        "taint-not-tolerated",
        Severity::Error,
        format!("kubectl get node {node}"),
        &[("pod", pod), ("taint", taint), ("node", node)],
    )
}

/// Reads the taint of `node(s) had taint {key: value}, that the pod didn't tolerate` (before 1.24) and `node(s) had untolerated taint
/// {key: value}`.
fn taint_in(words: &str) -> Option<String> {
    let (_, rest) = words.split_once("taint {")?;
    let (inside, _) = rest.split_once('}')?;
    let (key, value) = inside.split_once(':').unwrap_or((inside, ""));
    Some(if value.trim().is_empty() { key.trim().to_owned() } else { format!("{}={}", key.trim(), value.trim()) })
}

/// Returns the first taint that keeps a DaemonSet's pods off the node.
fn untolerated<'a>(node: &'a NodeView, tolerations: &[Toleration]) -> Option<&'a Taint> {
    let keeps_off = |taint: &&Taint| {
        taint.effect != "PreferNoSchedule"
            && !ALWAYS_TOLERATED.contains(&taint.key.as_str())
            && !tolerations.iter().any(|toleration| tolerates(toleration, taint))
    };
    node.taints.iter().find(keeps_off)
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

/// Returns a taint as `kubectl` takes it: `key=value:effect`.
pub fn written(taint: &Taint) -> String {
    let value = if taint.value.is_empty() { String::new() } else { format!("={}", taint.value) };
    format!("{}{value}:{}", taint.key, taint.effect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cluster::chain::tests::recorded, i18n::Lang};

    fn id(chain: &Chain) -> Option<String> {
        why(chain).map(|finding| finding.id)
    }

    #[test]
    fn a_node_without_the_label_gets_no_pod() {
        assert_eq!(id(&recorded("30-node-not-labelled")).as_deref(), Some("gpu-label-missing"));
    }

    #[test]
    fn a_pod_at_work_needs_no_reason() {
        for moment in ["01-just-created", "02-init-running", "05-running", "11-init-crashloop", "20-image-pull-backoff"] {
            assert_eq!(id(&recorded(moment)), None, "{moment}");
        }
    }

    #[test]
    fn a_taint_of_ones_own_keeps_the_installer_off() {
        let mut chain = recorded("05-running");
        chain.installer_pod = None;
        let node = chain.node.as_mut().unwrap();
        node.taints.push(Taint { key: "dedicated".into(), value: "ml".into(), effect: "NoSchedule".into() });
        let finding = why(&chain).unwrap();
        assert_eq!(finding.id, "taint-not-tolerated");
        assert_eq!(finding.args["taint"], "dedicated=ml:NoSchedule");
    }

    #[test]
    fn missing_objects_are_named() {
        let mut chain = recorded("05-running");
        chain.installer = None;
        assert_eq!(id(&chain).as_deref(), Some("daemonsets-missing"));
        chain.node = None;
        assert_eq!(id(&chain).as_deref(), Some("node-not-in-cluster"));
    }

    #[test]
    fn understands_the_scheduler() {
        let id = |words: &str| pending("p", words, "node1").id;
        assert_eq!(id("0/1 nodes are available: 1 Insufficient nvidia.com/gpu."), "gpu-insufficient");
        assert_eq!(id("0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't match."), "resources-insufficient");
        assert_eq!(
            id("0/1 nodes are available: 1 node(s) had taint {nvidia.com/gpu: }, that the pod didn't tolerate."),
            "taint-not-tolerated"
        );
        assert_eq!(id("0/1 nodes are available: 1 node(s) had untolerated taint {nvidia.com/gpu: }."), "taint-not-tolerated");
        assert_eq!(id("0/1 nodes are available: 1 node(s) were unschedulable."), "pod-unschedulable");
    }

    #[test]
    fn equal_with_an_empty_value_matches_kubesprays_taint() {
        let taint = Taint { key: GPU.into(), value: String::new(), effect: "NoSchedule".into() };
        let seed = Toleration { key: Some(GPU.into()), effect: Some("NoSchedule".into()), ..Toleration::default() };
        assert!(tolerates(&seed, &taint));
        assert!(!tolerates(&seed, &Taint { value: "true".into(), ..taint }));
    }

    #[test]
    fn every_finding_has_its_texts() {
        for id in IDS {
            for lang in [Lang::En, Lang::Ko] {
                assert!(lang.has(&format!("finding.{id}.message")) && lang.has(&format!("finding.{id}.remedy")), "{id}");
            }
        }
    }
}
