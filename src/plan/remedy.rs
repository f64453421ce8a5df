//! What may be done to the node or its pods at the user's wish, and what Kubespray will do about it: take the GPU taint
//! off and put it back, let pods come again, label the node, start a failed pod anew now. Each is an action, journalled
//! and undone like every other.

use std::path::PathBuf;

use super::{
    Action, Step,
    action::delete_pod::DeletePod,
    action::mark_node::{MarkNode, NodeMark},
    action::reboot::Reboot,
    action::remove_pod_driver::RemovePodDriver,
};
use crate::{
    cluster::{
        GPU, GpuStack,
        scheduling::written,
        stack::Part,
        view::{ContainerState, PodView},
        workload::Role,
    },
    i18n::Lang,
};

/// One thing that can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemedyId {
    /// Delete the failed installer's pod, which is made anew at once.
    RestartInstaller,
    /// Take the GPU taint off.
    RemoveTaint,
    /// Let new pods come.
    Uncordon,
    /// Put the GPU taint on.
    PutTaint,
    /// Reboot, and judge the whole chain again.
    SecondBoot,
}

impl RemedyId {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::RestartInstaller, Self::RemoveTaint, Self::Uncordon, Self::PutTaint, Self::SecondBoot];

    /// Returns the name in the locale files.
    pub fn name(self) -> &'static str {
        match self {
            Self::RestartInstaller => "restart-installer",
            Self::RemoveTaint => "remove-taint",
            Self::Uncordon => "uncordon",
            Self::PutTaint => "put-taint",
            Self::SecondBoot => "second-boot",
        }
    }

    /// Tells whether it is asked for at the end, when all else is done: the seed's last step.
    pub fn is_last_step(self) -> bool {
        matches!(self, Self::RemoveTaint | Self::Uncordon | Self::SecondBoot)
    }
}

/// What a Kubespray release does about the GPU taint. Source: Kubespray's pull request 10705 (v2.25.0), before that
/// kubelet.env's `--register-with-taints`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TaintRule {
    /// Up to v2.24: a flag of the kubelet, which counts when a node joins.
    Flag,
    /// From v2.25 on: each run puts it back.
    Run,
    /// The release is not known.
    Unknown,
}

/// Something that can be done, as it stands on one node. Texts: `offer.<id>.message`, `.next_run` (what the next
/// Kubespray run does about it; for taints `.next_run.<rule>`) and `.durable` (how to make it last).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRemedy {
    /// What.
    pub id: RemedyId,
    /// The node.
    pub node: String,
    /// What is there now: the taint, the mark, the pod, or the boot.
    pub what: String,
    /// The pod it is about.
    pod: Option<PodView>,
    rule: TaintRule,
}

impl NodeRemedy {
    /// The proof that all of it comes up again after `boot_id`, the present boot.
    pub fn second_boot(node: &str, boot_id: &str) -> Self {
        Self {
            id: RemedyId::SecondBoot,
            node: node.to_owned(),
            what: boot_id.to_owned(),
            pod: None,
            rule: TaintRule::Unknown,
        }
    }

    /// Returns what it is.
    pub fn message(&self, lang: Lang) -> String {
        self.text("message", lang)
    }

    /// Returns what the next run of this Kubespray release does about it.
    pub fn next_run(&self, lang: Lang) -> String {
        let rule = match (self.id, self.rule) {
            (RemedyId::RestartInstaller | RemedyId::Uncordon | RemedyId::SecondBoot, _) => "",
            (_, TaintRule::Flag) => ".flag",
            (_, TaintRule::Run) => ".run",
            (_, TaintRule::Unknown) => ".unknown",
        };
        self.text(&format!("next_run{rule}"), lang)
    }

    /// Returns how to make it last.
    pub fn durable(&self, lang: Lang) -> String {
        self.text("durable", lang)
    }

    /// Returns what does it.
    pub fn action(&self, kubeconfig: Option<PathBuf>) -> Action {
        match (self.id, &self.pod) {
            (RemedyId::RestartInstaller, Some(pod)) => delete_pod(kubeconfig, pod),
            (RemedyId::RemoveTaint, _) => remove_taint(kubeconfig, &self.node),
            (RemedyId::SecondBoot, _) => {
                let kind = Reboot { boot_id: self.what.clone(), unless_unloaded: false };
                Action::new(Step::Verify, "reboot", kind, &[])
            }
            (RemedyId::Uncordon, _) => mark_node(kubeconfig, &self.node, NodeMark::Schedulable),
            (RemedyId::PutTaint | RemedyId::RestartInstaller, _) => {
                mark_node(kubeconfig, &self.node, NodeMark::GpuTaint)
            }
        }
    }

    fn text(&self, part: &str, lang: Lang) -> String {
        lang.text(&format!("offer.{}.{part}", self.id.name()), &[("node", &self.node), ("what", &self.what)])
    }
}

/// Returns what can be done; `release` is Kubespray's, as far as it is known.
pub fn remedies(stack: &GpuStack, release: Option<&str>) -> Vec<NodeRemedy> {
    let Some(node) = &stack.node else { return Vec::new() };
    let remedy = |id: RemedyId, what: String, pod: Option<&PodView>| NodeRemedy {
        id,
        node: stack.node_name.clone(),
        what,
        pod: pod.cloned(),
        rule: rule(release),
    };
    let failed = stack.part(Role::Driver).and_then(|part| failed_pod(part));
    let mut remedies: Vec<_> =
        failed.map(|pod| remedy(RemedyId::RestartInstaller, pod.name.clone(), Some(pod))).into_iter().collect();
    let taints: Vec<_> = node.taints.iter().filter(|taint| taint.key == GPU).collect();
    if !taints.is_empty() {
        // Taken off by its key, all of them at once.
        let all: Vec<String> = taints.iter().map(|taint| written(taint)).collect();
        remedies.push(remedy(RemedyId::RemoveTaint, all.join(", "), None));
    }
    if node.unschedulable {
        remedies.push(remedy(RemedyId::Uncordon, "unschedulable".to_owned(), None));
    }
    if taints.is_empty() && node.gpu_label.is_some() {
        remedies.push(remedy(RemedyId::PutTaint, format!("{GPU}:NoSchedule"), None));
    }
    remedies
}

/// Returns the pod that failed and waits to be started anew.
fn failed_pod(part: &Part) -> Option<&PodView> {
    let waits = |pod: &&PodView| matches!(pod.container.state, ContainerState::Waiting(_));
    part.pod.as_ref().filter(waits).filter(|pod| pod.container.ended().is_some_and(|end| end.exit_code != 0))
}

fn rule(release: Option<&str>) -> TaintRule {
    let numbers = release.and_then(|release| {
        let mut parts = release.trim_start_matches('v').split('.');
        Some((parts.next()?.parse::<u32>().ok()?, parts.next()?.parse::<u32>().ok()?))
    });
    match numbers {
        Some(numbers) if numbers >= (2, 25) => TaintRule::Run,
        Some(_) => TaintRule::Flag,
        None => TaintRule::Unknown,
    }
}

/// Plans a mark for the node.
pub fn mark_node(kubeconfig: Option<PathBuf>, node: &str, mark: NodeMark) -> Action {
    let id = match mark {
        NodeMark::GpuLabel => "label-node",
        NodeMark::GpuTaint => "taint-node",
        NodeMark::NoGpuTaint => "remove-taint",
        NodeMark::Schedulable => "uncordon-node",
        NodeMark::NoGpuLabel => "unlabel-node",
        NodeMark::NoOperands => "take-operator-off",
    };
    // Another owner's pods leave before its driver does.
    let step = if matches!(mark, NodeMark::NoGpuLabel | NodeMark::NoOperands) { Step::Driver } else { Step::Verify };
    Action::new(step, id, MarkNode { kubeconfig, node: node.to_owned(), mark }, &[("node", node.to_owned())])
}

/// Plans the removal of what the installer pod has put on the host.
pub fn remove_pod_driver() -> Action {
    Action::new(Step::Driver, "remove-pod-driver", RemovePodDriver {}, &[])
}

/// Plans the removal of the GPU taint.
pub fn remove_taint(kubeconfig: Option<PathBuf>, node: &str) -> Action {
    mark_node(kubeconfig, node, NodeMark::NoGpuTaint)
}

/// Plans that a pod is deleted, for its DaemonSet to make it anew.
pub fn delete_pod(kubeconfig: Option<PathBuf>, pod: &PodView) -> Action {
    let kind = DeletePod { kubeconfig, namespace: pod.namespace.clone(), name: pod.name.clone(), uid: pod.uid.clone() };
    Action::new(Step::Verify, &format!("delete-pod:{}", pod.uid), kind, &[("pod", pod.name.clone())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{objects::Waiting, stack::tests::recorded};

    fn ids(stack: &GpuStack) -> Vec<RemedyId> {
        remedies(stack, None).into_iter().map(|remedy| remedy.id).collect()
    }

    #[test]
    fn offers_what_is_there() {
        let mut stack = recorded("05-running");
        assert_eq!(ids(&stack), [RemedyId::RemoveTaint]);
        let node = stack.node.as_mut().unwrap();
        node.unschedulable = true;
        node.taints.clear();
        assert_eq!(ids(&stack), [RemedyId::Uncordon, RemedyId::PutTaint]);
        let mut failed = recorded("11-init-crashloop");
        let container = &mut failed.parts[0].pod.as_mut().unwrap().container;
        container.last = container.ended().cloned();
        container.state =
            ContainerState::Waiting(Waiting { reason: "CrashLoopBackOff".to_owned(), message: String::new() });
        assert_eq!(ids(&failed), [RemedyId::RestartInstaller, RemedyId::RemoveTaint]);
    }

    #[test]
    fn the_releases_rule_is_known() {
        for (release, expected) in [
            ("v2.14.2", TaintRule::Flag),
            ("v2.24.0", TaintRule::Flag),
            ("v2.25.0", TaintRule::Run),
            ("v2.31.0", TaintRule::Run),
            ("master", TaintRule::Unknown),
        ] {
            assert_eq!(rule(Some(release)), expected, "{release}");
        }
    }

    #[test]
    fn every_remedy_has_its_texts_and_its_action() {
        let stack = recorded("05-running");
        for (id, action) in RemedyId::ALL.into_iter().zip(["taint-node", "remove-taint", "uncordon-node", "taint-node"])
        {
            for release in [None, Some("v2.24.0"), Some("v2.25.0")] {
                let remedy = NodeRemedy { id, ..remedies(&stack, release).remove(0) };
                assert_eq!(remedy.action(None).id, action);
                for lang in [Lang::En, Lang::Ko] {
                    for text in [remedy.message(lang), remedy.next_run(lang), remedy.durable(lang)] {
                        assert!(!text.starts_with("offer."), "{text}");
                    }
                }
            }
        }
    }
}
