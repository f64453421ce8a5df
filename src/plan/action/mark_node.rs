//! Put a mark on the node, or take it off: the GPU label, the GPU taint, the cordon.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    properties::{Preview, Properties, Reversal},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    cluster::{ClusterError, GPU, Kubectl, objects::Node, view::NodeView, watch::Source},
    host::{Command, Host},
    i18n::msg,
    input::NodeName,
};

/// A mark, and whether it is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeMark {
    /// The label that both DaemonSets look for. Source: Kubespray's role node-label writes the same.
    GpuLabel,
    /// The taint that keeps pods without a GPU away. Source: Kubespray's role node-taint writes the same, with an empty
    /// value.
    GpuTaint,
    /// No such taint, whatever its value and effect. `remove-taint` was an action of its own in older sessions.
    #[default]
    NoGpuTaint,
    /// That new pods may come.
    Schedulable,
    /// No label, so that Kubespray's DaemonSets take their pods off this node.
    NoGpuLabel,
    /// The label with which GPU Operator takes its pods off this node. Source: `controllers/state_manager.go` of
    /// NVIDIA/gpu-operator.
    NoOperands,
}

/// The label that GPU Operator looks at before it puts anything on a node.
const OPERANDS: &str = "nvidia.com/gpu.deploy.operands";

/// Marks a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkNode {
    /// The kubeconfig; found if absent.
    pub kubeconfig: Option<PathBuf>,
    /// The Kubernetes node.
    pub node: String,
    /// What to mark it with; absent in an older session's `remove-taint`.
    #[serde(default)]
    pub mark: NodeMark,
}

impl MarkNode {
    /// Returns the command that puts the mark on.
    pub fn command(&self, kubectl: &Kubectl) -> Command {
        let (order, change): (&[&str], &[&str]) = match self.mark {
            NodeMark::GpuLabel => (&["label", "node"], &["nvidia.com/gpu=true", "--overwrite"]),
            NodeMark::GpuTaint => (&["taint", "node"], &["nvidia.com/gpu=:NoSchedule", "--overwrite"]),
            NodeMark::NoGpuTaint => (&["taint", "nodes"], &["nvidia.com/gpu-"]),
            NodeMark::Schedulable => (&["uncordon"], &[]),
            NodeMark::NoGpuLabel => (&["label", "node"], &["nvidia.com/gpu-"]),
            NodeMark::NoOperands => (&["label", "node"], &["nvidia.com/gpu.deploy.operands=false", "--overwrite"]),
        };
        kubectl.command(order).operand_of::<NodeName>(&self.node).words(change.iter().copied())
    }

    /// Returns the command that puts back what was before: a label's `old` value, if it had one.
    fn back(&self, kubectl: &Kubectl, old: Option<&str>) -> Command {
        let on_node = |order: &[&'static str]| kubectl.command(order).operand_of::<NodeName>(&self.node);
        match self.mark {
            NodeMark::GpuLabel | NodeMark::NoGpuLabel => {
                let old = old.map_or_else(|| format!("{GPU}-"), |value| format!("{GPU}={value}"));
                on_node(&["label", "node"]).operand(old).words(["--overwrite"])
            }
            NodeMark::GpuTaint => on_node(&["taint", "node"]).operand(format!("{GPU}:NoSchedule-")),
            // Its value is empty, as Kubespray writes it.
            NodeMark::NoGpuTaint => on_node(&["taint", "nodes"]).operand(format!("{GPU}=:NoSchedule")),
            NodeMark::Schedulable => on_node(&["cordon"]),
            NodeMark::NoOperands => on_node(&["label", "node"]).operand(format!("{OPERANDS}-")),
        }
    }

    fn has(&self, node: &NodeView) -> bool {
        match self.mark {
            NodeMark::GpuLabel => node.gpu_label.is_some(),
            NodeMark::GpuTaint => node.taints.iter().any(|taint| taint.key == GPU && taint.effect == "NoSchedule"),
            NodeMark::NoGpuTaint => !node.taints.iter().any(|taint| taint.key == GPU),
            NodeMark::Schedulable => !node.unschedulable,
            NodeMark::NoGpuLabel => node.gpu_label.is_none(),
            NodeMark::NoOperands => node.labels.get(OPERANDS).is_some_and(|value| value == "false"),
        }
    }
}

impl ActionKind for MarkNode {
    fn properties(&self) -> Properties {
        Properties::in_cluster(
            Reversal::Whole,
            Target::Node { kubeconfig: self.kubeconfig.clone(), name: self.node.clone() },
        )
    }

    fn preview(&self) -> Preview {
        let kubectl = Kubectl { kubeconfig: self.kubeconfig.clone() };
        Preview::of([self.command(&kubectl)])
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::path_if_any(self.kubeconfig.as_deref())?;
        valid::is::<NodeName>(&self.node)
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let kubectl = Kubectl::find(host, self.kubeconfig.as_deref()).ok()?;
        let node = look(host, &kubectl, &self.node).ok()?;
        self.has(&node).then(|| vec![format!("node {}: {}", self.node, shown(&node))])
    }

    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        let kubectl = find(context.host, self.kubeconfig.as_deref())?;
        let before = look(context.host, &kubectl, &self.node).map_err(refused)?;
        Ok(if matches!(self.mark, NodeMark::GpuLabel | NodeMark::NoGpuLabel) {
            Undo::Label(before.gpu_label)
        } else {
            Undo::Parameters
        }
        .into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let kubectl = find(context.host, self.kubeconfig.as_deref())?;
        context.run(&self.command(&kubectl))
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, host: &Host, undo: &Undo) -> Result<WayBack, Failure> {
        let old = if let Undo::Label(value) = undo { value.as_deref() } else { None };
        old.map_or(Ok(()), |value| valid::word(msg::failure::wanted::label(), value, "-_."))?;
        let kubectl = find(host, self.kubeconfig.as_deref())?;
        Ok(WayBack::Run { command: self.back(&kubectl, old), gone: None })
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
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn refused(state: ClusterError) -> Failure {
    Failure::new(state.explained())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ActionSpec;

    #[test]
    fn an_older_sessions_action_of_its_own_is_this_mark() {
        let old = "!remove-taint {kubeconfig: /root/.kube/config, node: node1}";
        let ActionSpec::MarkNode(read) = serde_yaml::from_str(old).unwrap() else { panic!("another kind") };
        assert_eq!((read.node.as_str(), read.mark), ("node1", NodeMark::NoGpuTaint));
        let kubectl = Kubectl { kubeconfig: None };
        let words = |command: Command| command.argv()[1..].join(" ");
        assert!(words(read.command(&kubectl)).ends_with("taint nodes node1 nvidia.com/gpu-"));
        assert!(words(read.back(&kubectl, None)).ends_with("taint nodes node1 nvidia.com/gpu=:NoSchedule"));
    }

    #[test]
    fn a_node_that_would_be_all_nodes_is_refused() {
        for node in ["all", "-n1", "a b", ""] {
            let mark = MarkNode { kubeconfig: None, node: node.to_owned(), mark: NodeMark::NoGpuTaint };
            assert!(mark.validate().is_err(), "{node:?}");
        }
    }
}
