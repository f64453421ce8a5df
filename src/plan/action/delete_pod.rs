//! Delete a pod of a DaemonSet, which is made anew at once: the way out of a long back-off, or of a refusal.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    kind::{ActionContext, ActionKind, Failure},
    mark_node::{command, find, refused},
};
use crate::{
    cluster::{Kubectl, objects::Pod, watch::Source},
    host::Host,
    plan::action::undo::Undo,
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
    /// Returns the arguments of kubectl.
    pub fn args(&self) -> Vec<String> {
        ["delete", "pod", &self.name, "-n", &self.namespace, "--wait=false", "--ignore-not-found"].map(str::to_owned).to_vec()
    }

    fn is_there(&self, host: &Host, kubectl: &Kubectl) -> Option<bool> {
        let pods = kubectl.list::<Pod>(host, &Source::named(&self.namespace, &self.name)).ok()?.items;
        Some(pods.iter().any(|pod| pod.metadata.uid == self.uid))
    }
}

impl ActionKind for DeletePod {
    fn done(&self, host: &Host) -> Option<Vec<String>> {
        let kubectl = Kubectl::find(host, self.kubeconfig.as_deref()).ok()?;
        let gone = !self.is_there(host, &kubectl)?;
        gone.then(|| vec![format!("pod {} ({}) is gone", self.name, self.uid)])
    }

    fn undo(&self, _work: &ActionContext<'_>) -> Result<Undo, Failure> {
        Ok(Undo::Impossible("pod-is-made-anew".to_owned()))
    }

    fn execute(&self, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        let kubectl = find(work.host, self.kubeconfig.as_deref())?;
        work.run(&command(&kubectl, &self.args()))?;
        for _ in 0..PATIENCE {
            match kubectl.list::<Pod>(work.host, &Source::named(&self.namespace, &self.name)) {
                Ok(pods) if !pods.items.iter().any(|pod| pod.metadata.uid == self.uid) => return Ok(()),
                Err(state) if !state.may_pass() => return Err(refused(state)),
                _ => {}
            }
            if !work.host.clock.sleep(Duration::from_secs(1), work.cancel) {
                return Err(Failure::new("stopped"));
            }
        }
        Err(Failure::new(format!("pod {} is still there after {PATIENCE} seconds", self.name)))
    }
}
