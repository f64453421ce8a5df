//! Let pods without a GPU onto the node again, as the seed's last step does.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::kind::{ActionContext, ActionKind, Failure};
use super::mark_node::look;
use crate::{
    cluster::{GPU, Kubectl},
    host::{Command, Host},
    i18n::Lang,
    plan::action::undo::Undo,
};

/// Removes the taint `nvidia.com/gpu`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveTaint {
    /// The kubeconfig; found if absent.
    pub kubeconfig: Option<PathBuf>,
    /// The Kubernetes node.
    pub node: String,
}

impl RemoveTaint {
    /// Returns the command that removes the taint, or the one that puts it back (its value is empty, as Kubespray writes it).
    fn command(&self, host: &Host, taint: &str) -> Result<Command, Failure> {
        let kubectl = Kubectl::find(host, self.kubeconfig.as_deref()).map_err(|state| Failure::new(state.message(Lang::En)))?;
        Ok(kubectl.command(&["taint", "nodes", &self.node, taint]))
    }
}

impl ActionKind for RemoveTaint {
    fn done(&self, host: &Host) -> Option<Vec<String>> {
        let kubectl = Kubectl::find(host, self.kubeconfig.as_deref()).ok()?;
        let node = look(host, &kubectl, &self.node).ok()?;
        (!node.taints.iter().any(|taint| taint.key == GPU)).then(|| vec![format!("node {} has no taint {GPU}", self.node)])
    }

    fn undo(&self, work: &ActionContext<'_>) -> Result<Undo, Failure> {
        Ok(Undo::Run { command: self.command(work.host, &format!("{GPU}=:NoSchedule"))?, gone: None })
    }

    fn execute(&self, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        let command = self.command(work.host, &format!("{GPU}-"))?;
        work.run(&command)
    }
}
