//! Put a mark on the node, or take it off: the GPU label, the GPU taint, the cordon.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::kind::{ActionContext, ActionKind, Failure};
use crate::{
    cluster::{ClusterError, GPU, Kubectl, objects::Node, view::NodeView, watch::Source},
    host::{Command, Host},
    i18n::Lang,
    plan::action::undo::Undo,
};

/// A mark, and whether it is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeMark {
    /// The label that both DaemonSets look for. Source: Kubespray's role node-label writes the same.
    GpuLabel,
    /// The taint that keeps pods without a GPU away. Source: Kubespray's role node-taint writes the same, with an empty value.
    GpuTaint,
    /// That new pods may come.
    Schedulable,
}

/// Marks a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkNode {
    /// The kubeconfig; found if absent.
    pub kubeconfig: Option<PathBuf>,
    /// The Kubernetes node.
    pub node: String,
    /// What to mark it with.
    pub mark: NodeMark,
}

impl MarkNode {
    /// Returns the arguments of kubectl that put the mark on.
    pub fn args(&self) -> Vec<String> {
        let node = self.node.as_str();
        let words: Vec<&str> = match self.mark {
            NodeMark::GpuLabel => vec!["label", "node", node, "nvidia.com/gpu=true", "--overwrite"],
            NodeMark::GpuTaint => vec!["taint", "node", node, "nvidia.com/gpu=:NoSchedule", "--overwrite"],
            NodeMark::Schedulable => vec!["uncordon", node],
        };
        words.into_iter().map(str::to_owned).collect()
    }

    /// Returns the arguments that put back what `before` was like.
    fn back(&self, before: &NodeView) -> Vec<String> {
        match self.mark {
            NodeMark::GpuLabel => {
                let old = before.gpu_label.as_ref().map_or_else(|| format!("{GPU}-"), |value| format!("{GPU}={value}"));
                vec!["label".to_owned(), "node".to_owned(), self.node.clone(), old, "--overwrite".to_owned()]
            }
            NodeMark::GpuTaint => vec!["taint".to_owned(), "node".to_owned(), self.node.clone(), format!("{GPU}:NoSchedule-")],
            NodeMark::Schedulable => vec!["cordon".to_owned(), self.node.clone()],
        }
    }

    fn has(&self, node: &NodeView) -> bool {
        match self.mark {
            NodeMark::GpuLabel => node.gpu_label.is_some(),
            NodeMark::GpuTaint => node.taints.iter().any(|taint| taint.key == GPU && taint.effect == "NoSchedule"),
            NodeMark::Schedulable => !node.unschedulable,
        }
    }
}

impl ActionKind for MarkNode {
    fn done(&self, host: &Host) -> Option<Vec<String>> {
        let kubectl = Kubectl::find(host, self.kubeconfig.as_deref()).ok()?;
        let node = look(host, &kubectl, &self.node).ok()?;
        self.has(&node).then(|| vec![format!("node {}: {}", self.node, shown(&node))])
    }

    fn undo(&self, work: &ActionContext<'_>) -> Result<Undo, Failure> {
        let kubectl = find(work.host, self.kubeconfig.as_deref())?;
        let before = look(work.host, &kubectl, &self.node).map_err(refused)?;
        Ok(Undo::Run { command: command(&kubectl, &self.back(&before)), gone: None })
    }

    fn execute(&self, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        let kubectl = find(work.host, self.kubeconfig.as_deref())?;
        work.run(&command(&kubectl, &self.args()))
    }
}

/// Returns what the marks of a node are, in one line.
fn shown(node: &NodeView) -> String {
    let label = node.gpu_label.as_ref().map_or_else(|| "no label".to_owned(), |value| format!("label {GPU}={value}"));
    let taints: Vec<_> = node.taints.iter().map(crate::cluster::scheduling::written).collect();
    let taints = if taints.is_empty() { "no taint".to_owned() } else { format!("taints {}", taints.join(", ")) };
    format!("{label}, {taints}, {}", if node.unschedulable { "cordoned" } else { "schedulable" })
}

/// Finds kubectl and its kubeconfig for an action.
pub(super) fn find(host: &Host, kubeconfig: Option<&Path>) -> Result<Kubectl, Failure> {
    Kubectl::find(host, kubeconfig).map_err(refused)
}

/// Looks at one node.
pub(super) fn look(host: &Host, kubectl: &Kubectl, node: &str) -> Result<NodeView, ClusterError> {
    let found = kubectl.list::<Node>(host, &Source::node(node))?.items;
    found.first().map(|node| NodeView::of(node, &[])).ok_or_else(|| ClusterError::NotFound(node.to_owned()))
}

/// Makes the failure of an action from what the cluster says.
#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn refused(state: ClusterError) -> Failure {
    Failure::new(format!("{} {}", state.message(Lang::En), state.remedy(Lang::En)))
}

pub(in crate::plan) fn command(kubectl: &Kubectl, args: &[String]) -> Command {
    kubectl.command(&args.iter().map(String::as_str).collect::<Vec<_>>())
}
