//! Take the pods off this node before its driver is changed, and keep new ones away. Only what runs in a DaemonSet
//! stays. Source: Kubernetes, "Safely Drain a Node"; `kubectl drain --help`.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    effect::Effect,
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    mark_node::{find, look, refused},
    properties::{Preview, Properties, Reversal, Witness},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    cluster::Kubectl,
    host::{Command, Host},
    i18n::msg,
    input::NodeName,
};

/// How long the pods have to end; kubectl says which did not.
const PATIENCE: &str = "--timeout=10m";

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
            effects: vec![Effect::StopsDriverUser],
            target: Target::Node { kubeconfig: self.kubeconfig.clone(), name: self.node.clone() },
            scratch: None,
            until_reboot_of: None,
        }
    }

    fn preview(&self) -> Preview {
        let kubectl = Kubectl { kubeconfig: self.kubeconfig.clone() };
        Preview { details: vec![msg::details::drain_node()], ..Preview::of([self.command(&kubectl)]) }
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
        let before = look(context.host, &kubectl, &self.node).map_err(refused)?;
        Ok(Undo::Value(before.unschedulable.then(|| "cordoned".to_owned())).into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let kubectl = find(context.host, self.kubeconfig.as_deref())?;
        context.run(&self.command(&kubectl))
    }

    fn judge(&self, host: &Host, traces: &Traces<'_>) -> Verdict {
        if !traces.ended_well {
            return Verdict::Unfinished;
        }
        let node = find(host, self.kubeconfig.as_deref())
            .and_then(|kubectl| look(host, &kubectl, &self.node).map_err(refused));
        match node {
            Ok(node) => Verdict::by(
                node.unschedulable.then(|| vec![format!("node {} is cordoned, and its pods have left", self.node)]),
            ),
            Err(failure) => Verdict::Failed(failure),
        }
    }

    /// New pods may come again, unless somebody had kept them away before. Those that went are elsewhere by now.
    fn way_back(&self, host: &Host, undo: &Undo) -> Result<WayBack, Failure> {
        if *undo != Undo::Value(None) {
            return Ok(WayBack::Nothing);
        }
        let kubectl = find(host, self.kubeconfig.as_deref())?;
        Ok(WayBack::Run { command: kubectl.command(&["uncordon"]).operand_of::<NodeName>(&self.node), gone: None })
    }
}
