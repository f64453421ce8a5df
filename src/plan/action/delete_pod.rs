//! Delete a pod of a DaemonSet, which is made anew at once: the way out of a long back-off, or of a refusal.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    mark_node::{find, refused},
    properties::{Preview, Properties, Reversal},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    cluster::{Kubectl, objects::Pod, watch::Source},
    host::{Command, Host},
    i18n::msg,
    input::ObjectName,
};

/// How long a deleted pod may take to go: its containers get 30 seconds to end.
const PATIENCE: u32 = 60;

/// Deletes one pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletePod {
    /// The kubeconfig; found if absent.
    pub kubeconfig: Option<PathBuf>,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its identity: a pod made anew under the same name is another one, and stays.
    pub uid: String,
}

impl DeletePod {
    /// Returns the command.
    pub fn command(&self, kubectl: &Kubectl) -> Command {
        let command = kubectl.command(&["delete", "pod"]).operand(&self.name).words(["-n"]).operand(&self.namespace);
        command.words(["--wait=false", "--ignore-not-found"])
    }

    fn is_there(&self, host: &Host, kubectl: &Kubectl) -> Option<bool> {
        let pods = kubectl.list::<Pod>(host, &Source::named(&self.namespace, &self.name)).ok()?.items;
        Some(pods.iter().any(|pod| pod.metadata.uid == self.uid))
    }
}

impl ActionKind for DeletePod {
    fn properties(&self) -> Properties {
        // It is named by its identity: deleted twice, it is deleted once.
        Properties::in_cluster(Reversal::NothingLeft, Target::Nothing)
    }

    fn preview(&self) -> Preview {
        let kubectl = Kubectl { kubeconfig: self.kubeconfig.clone() };
        Preview::of([self.command(&kubectl)])
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::path_if_any(self.kubeconfig.as_deref())?;
        valid::is::<ObjectName>(&self.namespace)?;
        valid::is::<ObjectName>(&self.name)
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let kubectl = Kubectl::find(host, self.kubeconfig.as_deref()).ok()?;
        let gone = !self.is_there(host, &kubectl)?;
        gone.then(|| vec![format!("pod {} ({}) is gone", self.name, self.uid)])
    }

    fn prepare(&self, _context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Nothing.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let kubectl = find(context.host, self.kubeconfig.as_deref())?;
        context.run(&self.command(&kubectl))?;
        for _ in 0..PATIENCE {
            match kubectl.list::<Pod>(context.host, &Source::named(&self.namespace, &self.name)) {
                Ok(pods) if !pods.items.iter().any(|pod| pod.metadata.uid == self.uid) => return Ok(()),
                Err(state) if !state.may_pass() => return Err(refused(state)),
                _ => {}
            }
            if !context.host.clock.sleep(Duration::from_secs(1), context.cancel) {
                return Err(Failure::new(msg::failure::stopped()));
            }
        }
        Err(Failure::new(msg::failure::pod_still_there(&self.name, PATIENCE)))
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, _host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        Ok(WayBack::Nothing)
    }
}
