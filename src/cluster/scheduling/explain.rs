//! Why nothing happens: DESIRED 0, no pod, Pending. Worked out from labels, taints, tolerations, affinity and resources
//! into one finding; the scheduler's own words are the evidence, and the answer only where nothing was worked out.

use super::{SchedulingConstraints, UnschedulableReason};
use crate::{
    cluster::{
        GPU, GpuStack,
        objects::Taint,
        stack::{Asked, Part},
        view::{DaemonSetView, NodeView},
    },
    finding::{Finding, Severity},
    i18n::msg,
};

/// Ids of the findings of this module.
pub const IDS: [&str; 16] = [
    "node-not-in-cluster",
    "daemonsets-missing",
    "device-plugin-missing",
    "operator-missing",
    "gpu-label-missing",
    "label-missing",
    "node-cordoned",
    "taint-not-tolerated",
    "gpu-insufficient",
    "gpu-in-use",
    "resources-insufficient",
    "pod-unschedulable",
    "pod-refused",
    "pod-not-created-yet",
    "pod-not-admitted",
    "controller-idle",
];

/// Says that the cluster has no node of this name; nothing if it has, or if nobody can tell.
pub fn no_node(stack: &GpuStack) -> Option<Finding> {
    let absent = stack.node.is_none() && stack.refusal(Asked::Node).is_none();
    absent
        .then(|| Finding::of(msg::finding::node_not_in_cluster(&stack.node_name), Severity::Error, "kubectl get node"))
}

/// Says why a workload is not at work on this node; nothing if its pod is there and was put on the node, or if nobody
/// can tell.
pub fn why(stack: &GpuStack, part: &Part) -> Option<Finding> {
    if let Some(finding) = no_node(stack) {
        return Some(finding);
    }
    let node_name = stack.node_name.as_str();
    let Some(pod) = &part.pod else { return no_pod(stack, part) };
    match &pod.refused {
        Some(words) if pod.phase == "Failed" => {
            Some(Finding::of(msg::finding::pod_refused(&pod.name, words), Severity::Error, &pod.name))
        }
        Some(words) => Some(pending(&pod.name, &pod.constraints, words, node_name, stack.node.as_ref())),
        None => None,
    }
}

/// Tells whether a workload is there and means this node: an operator labels nodes so that some of its DaemonSets leave
/// them out.
pub fn is_wanted(stack: &GpuStack, part: &Part) -> bool {
    let fits = |set: &DaemonSetView| {
        stack.node.as_ref().is_none_or(|node| set.constraints.labels(&stack.node_name, node).is_empty())
    };
    part.pod.is_some() || part.set.as_ref().is_some_and(fits)
}

/// Says why the DaemonSet controller made no pod for the node.
fn no_pod(stack: &GpuStack, part: &Part) -> Option<Finding> {
    if stack.refusal(Asked::DaemonSets).or(stack.refusal(Asked::Pods)).is_some() {
        return None;
    }
    let (name, node) = (part.name(), stack.node_name.as_str());
    let Some(set) = &part.set else {
        return Some(Finding::of(part.workload.missing.text(name), Severity::Error, "kubectl get daemonsets -A"));
    };
    let evidence = format!("{name}: DESIRED {}", set.desired);
    if !set.observed {
        return Some(Finding::of(msg::finding::controller_idle(node, name), Severity::Error, evidence));
    }
    if let Some(words) = not_admitted(stack, set) {
        return Some(Finding::of(msg::finding::pod_not_admitted(name, &words), Severity::Error, evidence));
    }
    let reasons =
        stack.node.as_ref().map(|view| set.constraints.clone().of_daemonset().unfit(node, view)).unwrap_or_default();
    match reasons.first() {
        Some(reason) => Some(explain(name, reason, node, stack.node.as_ref(), &evidence)),
        None => Some(Finding::of(msg::finding::pod_not_created_yet(node, name), Severity::Info, evidence)),
    }
}

/// Returns the API server's words when it refused the controller's pod: quota, limits, pod security.
fn not_admitted(stack: &GpuStack, set: &DaemonSetView) -> Option<String> {
    let refused = stack.events.iter().rev().find(|event| event.object == set.name && event.reason == "FailedCreate")?;
    (set.desired > set.current).then(|| refused.message.clone())
}

/// Says why a pod is on no node. `words` are the scheduler's, from its condition `PodScheduled` or the event
/// `FailedScheduling`.
pub fn pending(
    pod: &str,
    constraints: &SchedulingConstraints,
    words: &str,
    node_name: &str,
    node: Option<&NodeView>,
) -> Finding {
    let worked_out = node.and_then(|node| constraints.unmet_by(node_name, node).into_iter().next());
    match worked_out.or_else(|| said(words)) {
        Some(reason) => explain(pod, &reason, node_name, node, words),
        None => Finding::of(msg::finding::pod_unschedulable(pod, words), Severity::Error, words),
    }
}

fn explain(
    pod: &str,
    reason: &UnschedulableReason,
    node_name: &str,
    node: Option<&NodeView>,
    evidence: &str,
) -> Finding {
    use msg::finding as text;
    let text = match reason {
        UnschedulableReason::Unschedulable => text::node_cordoned(node_name, pod),
        UnschedulableReason::Label(wanted) if wanted == GPU => text::gpu_label_missing(node_name, pod),
        UnschedulableReason::Label(wanted) => text::label_missing(wanted, node_name, pod),
        UnschedulableReason::Taint(taint) => text::taint_not_tolerated(node_name, pod, written(taint)),
        UnschedulableReason::Insufficient { resource, .. } if resource == GPU => match node {
            Some(node) if node.allocatable.is_some_and(|count| count > 0) && !node.gpu_pods.is_empty() => {
                text::gpu_in_use(node_name, pod, node.gpu_pods.join(", "))
            }
            _ => text::gpu_insufficient(node_name, pod),
        },
        UnschedulableReason::Insufficient { resource, .. } => text::resources_insufficient(pod, resource),
    };
    Finding::of(text, Severity::Error, evidence).with("node", node_name)
}

/// Reads the first reason off the scheduler's words.
fn said(words: &str) -> Option<UnschedulableReason> {
    if let Some(taint) = taint_in(words) {
        return Some(UnschedulableReason::Taint(taint));
    }
    if words.contains("were unschedulable") {
        return Some(UnschedulableReason::Unschedulable);
    }
    let (_, rest) = words.split_once("Insufficient ")?;
    let resource = rest.split([',', ' ']).next().unwrap_or("").trim_end_matches('.').to_owned();
    Some(UnschedulableReason::Insufficient { resource, wanted: 0, left: 0 })
}

/// Reads the taint of `node(s) had taint {key: value}, that the pod didn't tolerate` (before 1.24) and
/// `node(s) had untolerated taint {key: value}`. The words do not tell its effect.
fn taint_in(words: &str) -> Option<Taint> {
    let (_, rest) = words.split_once("taint {")?;
    let (inside, _) = rest.split_once('}')?;
    let (key, value) = inside.split_once(':').unwrap_or((inside, ""));
    Some(Taint { key: key.trim().to_owned(), value: value.trim().to_owned(), effect: String::new() })
}

/// Returns a taint as `kubectl` takes it: `key=value:effect`.
pub fn written(taint: &Taint) -> String {
    let value = if taint.value.is_empty() { String::new() } else { format!("={}", taint.value) };
    let effect = if taint.effect.is_empty() { String::new() } else { format!(":{}", taint.effect) };
    format!("{}{value}{effect}", taint.key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cluster::{
            objects::{Condition, Toleration},
            stack::tests::{MOMENTS, recorded, recorded_pods},
            view::EventView,
            workload::Role,
        },
        i18n::Lang,
    };

    fn driver(stack: &GpuStack) -> Option<Finding> {
        why(stack, stack.part(Role::Driver).unwrap())
    }

    fn id(stack: &GpuStack) -> Option<String> {
        driver(stack).map(|finding| finding.id)
    }

    #[test]
    fn a_node_without_the_label_gets_no_pod() {
        assert_eq!(id(&recorded("30-node-not-labelled")).as_deref(), Some("gpu-label-missing"));
    }

    #[test]
    fn a_pod_at_work_needs_no_reason() {
        for moment in ["01-just-created", "02-init-running", "05-running", "11-init-crashloop", "20-image-pull-backoff"]
        {
            assert_eq!(id(&recorded(moment)), None, "{moment}");
        }
    }

    #[test]
    fn a_taint_of_ones_own_keeps_the_installer_off() {
        let mut stack = recorded("05-running");
        stack.parts[0].pod = None;
        let node = stack.node.as_mut().unwrap();
        node.taints.push(Taint { key: "dedicated".into(), value: "ml".into(), effect: "NoSchedule".into() });
        let finding = driver(&stack).unwrap();
        assert_eq!(finding.id, "taint-not-tolerated");
        assert_eq!(finding.args["taint"], "dedicated=ml:NoSchedule");
    }

    /// The scheduler's own verdict on every recorded pod: on a node, or why not.
    #[test]
    fn agrees_with_the_real_scheduler() {
        let mut refused = 0;
        for moment in MOMENTS {
            let node = recorded(moment).node.unwrap();
            for pod in recorded_pods(moment) {
                let words = pod.status.conditions.iter().find(|condition| condition.kind == "PodScheduled");
                // What the pod itself takes is counted on the node already once it is there.
                let free = NodeView { requested: crate::cluster::quantity::Amounts::new(), ..node.clone() };
                let reasons = SchedulingConstraints::of(&pod.spec).unmet_by("node1", &free);
                match words {
                    Some(Condition { status, .. }) if status == "True" => {
                        let labelled_then =
                            moment == "30-node-not-labelled" && pod.metadata.deletion_timestamp.is_some();
                        // Running pods stay although a label has gone since, or the node's kubelet has fallen silent.
                        let came_later = |reason: &UnschedulableReason| match reason {
                            UnschedulableReason::Label(_) => true,
                            UnschedulableReason::Taint(taint) => taint.key == "node.kubernetes.io/unreachable",
                            _ => false,
                        };
                        assert!(labelled_then || reasons.iter().all(came_later), "{moment} {reasons:?}");
                    }
                    Some(Condition { message: Some(words), .. }) => {
                        refused += 1;
                        assert_eq!(reasons.len(), 1, "{moment}: {words}");
                        let (ours, theirs) = (&reasons[0], said(words).unwrap());
                        let name = |reason: &UnschedulableReason| match reason {
                            UnschedulableReason::Insufficient { resource, .. } => resource.clone(),
                            other => format!("{other:?}"),
                        };
                        assert_eq!(name(ours), name(&theirs), "{moment}: {words}");
                    }
                    _ => {}
                }
            }
            // What the DaemonSet controller wants: one pod on the only node, or none.
            // A dead node gets no pod of the installer, which does not tolerate its taint; those that run there stay.
            for set in recorded(moment).parts.into_iter().filter_map(|part| part.set).filter(|set| set.observed) {
                let reasons = set.constraints.clone().of_daemonset().unfit("node1", &node);
                assert_eq!(reasons.is_empty(), set.desired == 1, "{moment}: {reasons:?}");
            }
        }
        assert_eq!(refused, 1, "one recorded pod was refused by the scheduler");
    }

    #[test]
    fn a_gpu_in_use_names_its_user() {
        let mut stack = recorded("41-testpod-after-capacity");
        let node = stack.node.as_mut().unwrap();
        node.gpu_pods = vec!["ml/train".to_owned()];
        node.requested.insert(GPU.to_owned(), 1000);
        let everything = Toleration { operator: Some("Exists".to_owned()), ..Toleration::default() };
        let constraints = SchedulingConstraints {
            requests: [(GPU.to_owned(), 1000)].into(),
            tolerations: vec![everything],
            ..SchedulingConstraints::default()
        };
        let finding =
            pending("p", &constraints, "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.", "node1", Some(node));
        assert_eq!((finding.id.as_str(), finding.args["pods"].as_str()), ("gpu-in-use", "ml/train"));
    }

    #[test]
    fn the_device_plugin_tolerates_what_keeps_the_installer_off() {
        let mut stack = recorded("05-running");
        stack.parts.iter_mut().for_each(|part| part.pod = None);
        let taint = Taint { key: "dedicated".into(), value: "ml".into(), effect: "NoSchedule".into() };
        stack.node.as_mut().unwrap().taints.push(taint);
        assert_eq!(id(&stack).as_deref(), Some("taint-not-tolerated"));
        assert_eq!(why(&stack, &stack.parts[1]).unwrap().id, "pod-not-created-yet");
    }

    #[test]
    fn missing_objects_are_named() {
        let mut stack = recorded("05-running");
        stack.parts[0].set = None;
        stack.parts[0].pod = None;
        assert_eq!(id(&stack).as_deref(), Some("daemonsets-missing"));
        stack.node = None;
        assert_eq!(id(&stack).as_deref(), Some("node-not-in-cluster"));
    }

    /// The controller-manager runs, and may change nothing: label and tolerations fit, and nobody ever looks at the
    /// DaemonSet.
    #[test]
    fn a_controller_that_does_not_work_is_named() {
        assert_eq!(id(&recorded("1.36/50-controller-manager-broken")).as_deref(), Some("controller-idle"));
        assert_eq!(id(&recorded("1.36/56-unknown-taint")).as_deref(), Some("taint-not-tolerated"));
    }

    #[test]
    fn a_pod_that_is_not_admitted_is_told_in_the_refusals_words() {
        let mut stack = recorded("05-running");
        stack.parts[0].pod = None;
        stack.parts[0].set.as_mut().unwrap().current = 0;
        let words = "Error creating: pods \"nvidia-driver-installer-x\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=0";
        stack.events.push(EventView {
            object: "nvidia-driver-installer".to_owned(),
            warning: true,
            reason: "FailedCreate".to_owned(),
            message: words.to_owned(),
            count: 3,
            last_seen: "2026-11-27T17:00:00Z".to_owned(),
        });
        let finding = driver(&stack).unwrap();
        assert_eq!((finding.id.as_str(), finding.args["words"].as_str()), ("pod-not-admitted", words));
    }

    #[test]
    fn understands_the_scheduler() {
        let id = |words: &str| pending("p", &SchedulingConstraints::default(), words, "node1", None).id;
        assert_eq!(id("0/1 nodes are available: 1 Insufficient nvidia.com/gpu."), "gpu-insufficient");
        assert_eq!(
            id("0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't match."),
            "resources-insufficient"
        );
        assert_eq!(
            id("0/1 nodes are available: 1 node(s) had taint {nvidia.com/gpu: }, that the pod didn't tolerate."),
            "taint-not-tolerated"
        );
        assert_eq!(
            id("0/1 nodes are available: 1 node(s) had untolerated taint {nvidia.com/gpu: }."),
            "taint-not-tolerated"
        );
        assert_eq!(id("0/1 nodes are available: 1 node(s) were unschedulable."), "node-cordoned");
        assert_eq!(id("no nodes available to schedule pods"), "pod-unschedulable");
    }

    #[test]
    fn every_finding_has_its_texts() {
        for id in IDS {
            for lang in [Lang::En, Lang::Ko] {
                assert!(
                    lang.has(&format!("finding.{id}.message")) && lang.has(&format!("finding.{id}.remedy")),
                    "{id}"
                );
            }
        }
    }
}
