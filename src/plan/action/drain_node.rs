//! Take the pods off this node before its driver is changed, and keep new ones away. Only what runs in a DaemonSet
//! stays. Source: Kubernetes, "Safely Drain a Node"; `kubectl drain --help`.
//!
//! A cordon does not say whose it is. Ours has an annotation that comes and goes with it in one request: only a node
//! with it is opened again, by whatever session, on whatever machine. One that somebody else has cordoned stays so.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    effect::Effect,
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    mark_node::{find, refused},
    properties::{Preview, Properties, Reversal, Witness},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    cluster::{ClusterError, Kubectl, objects::Node, watch::Source},
    host::{Command, Host},
    i18n::msg,
    input::NodeName,
};

/// How long the pods have to end; kubectl says which did not.
const PATIENCE: &str = "--timeout=10m";

/// Says that the cordon is ours.
const MARK: &str = "gpunode/drained";
const CLOSE: &str = r#"--patch={"spec":{"unschedulable":true},"metadata":{"annotations":{"gpunode/drained":"true"}}}"#;
const OPEN: &str = r#"--patch={"spec":{"unschedulable":null},"metadata":{"annotations":{"gpunode/drained":null}}}"#;

/// How a node stands to new pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cordon {
    /// No new pod may come.
    pub is_closed: bool,
    /// It has our mark.
    pub is_ours: bool,
}

impl Cordon {
    /// Looks at a node.
    pub(super) fn look(host: &Host, kubectl: &Kubectl, name: &str) -> Result<Self, ClusterError> {
        let found = kubectl.list::<Node>(host, &Source::node(name))?.items;
        found.first().map(Self::of).ok_or_else(|| ClusterError::NotFound(name.to_owned()))
    }

    fn of(node: &Node) -> Self {
        Self { is_closed: node.spec.unschedulable, is_ours: has_mark(node) }
    }
}

/// Tells whether this program keeps pods away from a node.
pub fn has_mark(node: &Node) -> bool {
    node.metadata.annotations.contains_key(MARK)
}

/// Makes the command that lets pods in again, and takes the mark off.
pub(super) fn open(kubectl: &Kubectl, node: &str) -> Command {
    patch(kubectl, node, OPEN)
}

fn patch(kubectl: &Kubectl, node: &str, change: &'static str) -> Command {
    kubectl.command(&["patch", "node"]).operand_of::<NodeName>(node).words(["--type=merge", change])
}

/// Drains a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainNode {
    /// The kubeconfig; found if absent.
    pub kubeconfig: Option<PathBuf>,
    /// The Kubernetes node.
    pub node: String,
}

impl DrainNode {
    /// Pods that no controller would make again stop it (`--force` is not given), and so does a disruption budget.
    fn command(&self, kubectl: &Kubectl) -> Command {
        let drain = kubectl.command(&["drain"]).operand_of::<NodeName>(&self.node);
        drain.words(["--ignore-daemonsets", "--delete-emptydir-data", PATIENCE]).deadline(Some(Duration::from_mins(11)))
    }
}

impl ActionKind for DrainNode {
    fn properties(&self) -> Properties {
        Properties {
            root: None,
            reversal: Reversal::Partly,
            takes_away: true,
            witness: Witness::Journal,
            effects: vec![Effect::KeepsPodsAway],
            target: Target::Node { kubeconfig: self.kubeconfig.clone(), name: self.node.clone() },
            scratch: None,
            until_reboot_of: None,
        }
    }

    fn preview(&self) -> Preview {
        let kubectl = Kubectl { kubeconfig: self.kubeconfig.clone() };
        let commands = [patch(&kubectl, &self.node, CLOSE), self.command(&kubectl)];
        Preview { details: vec![msg::details::drain_node()], ..Preview::of(commands) }
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::path_if_any(self.kubeconfig.as_deref())?;
        valid::is::<NodeName>(&self.node)
    }

    /// That nobody may come does not prove that nobody is left.
    fn check(&self, _host: &Host) -> Option<Vec<String>> {
        None
    }

    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        let kubectl = find(context.host, self.kubeconfig.as_deref())?;
        let before = Cordon::look(context.host, &kubectl, &self.node).map_err(refused)?;
        Ok(Undo::Value((before.is_closed && !before.is_ours).then(|| "cordoned".to_owned())).into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let kubectl = find(context.host, self.kubeconfig.as_deref())?;
        if !Cordon::look(context.host, &kubectl, &self.node).map_err(refused)?.is_closed {
            context.run(&patch(&kubectl, &self.node, CLOSE))?;
        }
        context.run(&self.command(&kubectl))
    }

    fn judge(&self, host: &Host, traces: &Traces<'_>) -> Verdict {
        if !traces.ended_well {
            return Verdict::Unfinished;
        }
        let node = find(host, self.kubeconfig.as_deref())
            .and_then(|kubectl| Cordon::look(host, &kubectl, &self.node).map_err(refused));
        match node {
            Ok(node) => Verdict::by(
                node.is_closed.then(|| vec![format!("node {} is cordoned, and its pods have left", self.node)]),
            ),
            Err(failure) => Verdict::Failed(failure),
        }
    }

    /// New pods may come again, unless somebody had kept them away before, or has let them in since. Those that went
    /// are elsewhere by now.
    fn way_back(&self, host: &Host, undo: &Undo) -> Result<WayBack, Failure> {
        if *undo != Undo::Value(None) {
            return Ok(WayBack::Nothing);
        }
        let kubectl = find(host, self.kubeconfig.as_deref())?;
        let is_ours = Cordon::look(host, &kubectl, &self.node).map_err(refused)?.is_ours;
        Ok(if is_ours { WayBack::Run { command: open(&kubectl, &self.node), gone: None } } else { WayBack::Nothing })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cordon_is_ours_only_with_our_mark() {
        let read = |text: &str| Cordon::of(&serde_yaml::from_str::<Node>(text).unwrap());
        let ours = read("{spec: {unschedulable: true}, metadata: {annotations: {gpunode/drained: 'true'}}}");
        assert_eq!(ours, Cordon { is_closed: true, is_ours: true });
        let others = read("{spec: {unschedulable: true}, metadata: {annotations: null}}");
        assert_eq!(others, Cordon { is_closed: true, is_ours: false });
        assert_eq!(read("{spec: {}}"), Cordon { is_closed: false, is_ours: false });
    }

    #[test]
    fn what_is_sent_names_the_mark_and_is_json() {
        for (change, closed) in [(CLOSE, true), (OPEN, false)] {
            let value: serde_json::Value = serde_json::from_str(change.strip_prefix("--patch=").unwrap()).unwrap();
            assert_eq!(value["spec"]["unschedulable"] == true, closed);
            assert_eq!(value["metadata"]["annotations"][MARK] == "true", closed);
        }
    }

    #[test]
    fn a_node_that_would_be_another_or_all_is_refused() {
        for node in ["-l", "--all", "a b", "", "node1,node2"] {
            assert!(DrainNode { kubeconfig: None, node: node.to_owned() }.validate().is_err(), "{node:?}");
        }
        assert!(DrainNode { kubeconfig: Some("relative".into()), node: "node1".to_owned() }.validate().is_err());
    }
}
