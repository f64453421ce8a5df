//! Delete a DaemonSet of Kubespray's GPU role, which the role leaves in the cluster when it is switched off.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    failure::Failure,
    kind::{ActionContext, ActionKind, Prepared, Traces, Verdict},
    mark_node::{find, refused},
    properties::{Preview, Properties, Reversal},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    cluster::{ClusterError, Kubectl, kubespray, manifest, objects::DaemonSet, watch::Source},
    host::{Command, Host},
    i18n::msg,
    input::NodeName,
};

/// Deletes one DaemonSet of kube-system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteDaemonset {
    /// The kubeconfig; found if absent.
    pub kubeconfig: Option<PathBuf>,
    /// The node for whose sake it goes.
    pub node: String,
    /// Its name.
    pub name: String,
    /// Its identity: one made anew under the same name is another one, and stays.
    pub uid: String,
}

impl DeleteDaemonset {
    fn command(&self, kubectl: &Kubectl) -> Command {
        let command = kubectl.command(&["delete", "daemonset"]).operand(&self.name);
        command.words(["--namespace=kube-system", "--ignore-not-found", "--wait=false"])
    }

    fn is_there(&self, host: &Host, kubectl: &Kubectl) -> Result<bool, ClusterError> {
        let sets = kubectl.list::<DaemonSet>(host, &Source::daemonsets(kubespray::STACK.namespace))?.items;
        Ok(manifest::role_sets(&sets).contains(&(self.name.clone(), self.uid.clone())))
    }
}

impl ActionKind for DeleteDaemonset {
    fn properties(&self) -> Properties {
        let target = Target::Node { kubeconfig: self.kubeconfig.clone(), name: self.node.clone() };
        Properties { takes_away: true, ..Properties::in_cluster(Reversal::Impossible, target) }
    }

    fn preview(&self) -> Preview {
        Preview::of([self.command(&Kubectl { kubeconfig: self.kubeconfig.clone() })])
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::path_if_any(self.kubeconfig.as_deref())?;
        valid::is::<NodeName>(&self.node)?;
        let is_roles = kubespray::STACK.workloads.iter().any(|workload| workload.name == self.name);
        valid::demand(is_roles, msg::failure::wanted::name(), &self.name)
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let kubectl = Kubectl::find(host, self.kubeconfig.as_deref()).ok()?;
        let gone = !self.is_there(host, &kubectl).ok()?;
        gone.then(|| vec![format!("daemonset {} ({}) is gone", self.name, self.uid)])
    }

    fn prepare(&self, _context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Nothing.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let kubectl = find(context.host, self.kubeconfig.as_deref())?;
        if !self.is_there(context.host, &kubectl).map_err(refused)? {
            return Ok(());
        }
        context.run(&self.command(&kubectl))
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, _host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        Ok(WayBack::Nothing)
    }
}
