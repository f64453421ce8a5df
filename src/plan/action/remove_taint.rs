//! Let pods without a GPU onto the node again, as the seed's last step does.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    mark_node::{find, look},
    properties::{Preview, Properties, Reversal, Witness},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    cluster::{GPU, Kubectl},
    host::{Command, Host},
    input::NodeName,
};

/// What takes the taint off, whatever its value and effect.
const TAKE_OFF: &str = "nvidia.com/gpu-";
/// What puts it back; its value is empty, as Kubespray writes it.
const PUT_BACK: &str = "nvidia.com/gpu=:NoSchedule";

/// Removes the taint `nvidia.com/gpu`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveTaint {
    /// The kubeconfig; found if absent.
    pub kubeconfig: Option<PathBuf>,
    /// The Kubernetes node.
    pub node: String,
}

impl RemoveTaint {
    fn command(&self, kubectl: &Kubectl, taint: &str) -> Command {
        kubectl.command(&["taint", "nodes"]).operand_of::<NodeName>(&self.node).operand(taint)
    }
}

impl ActionKind for RemoveTaint {
    fn properties(&self) -> Properties {
        Properties {
            root: None,
            reversal: Reversal::Whole,
            takes_away: false,
            witness: Witness::Machine,
            effects: Vec::new(),
            target: Target::Node { kubeconfig: self.kubeconfig.clone(), name: self.node.clone() },
            scratch: None,
            until_reboot_of: None,
        }
    }

    fn preview(&self) -> Preview {
        let kubectl = Kubectl { kubeconfig: self.kubeconfig.clone() };
        Preview::of([self.command(&kubectl, TAKE_OFF)])
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::path_if_any(self.kubeconfig.as_deref())?;
        valid::object_name(&self.node)
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let kubectl = Kubectl::find(host, self.kubeconfig.as_deref()).ok()?;
        let node = look(host, &kubectl, &self.node).ok()?;
        (!node.taints.iter().any(|taint| taint.key == GPU)).then(|| vec![format!("node {} has no taint {GPU}", self.node)])
    }

    fn prepare(&self, _context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Parameters.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let kubectl = find(context.host, self.kubeconfig.as_deref())?;
        context.run(&self.command(&kubectl, TAKE_OFF))
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        let kubectl = find(host, self.kubeconfig.as_deref())?;
        Ok(WayBack::Run { command: self.command(&kubectl, PUT_BACK), gone: None })
    }
}
