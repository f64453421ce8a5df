//! Let pods onto this node again once all of the driver and its runtime is there: the other end of the drain.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    drain_node::{Cordon, open},
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    mark_node::find,
    properties::{Preview, Properties, Reversal},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::{cluster::Kubectl, host::Host, input::NodeName};

/// Ends the drain of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndDrain {
    /// The kubeconfig; found if absent.
    pub kubeconfig: Option<PathBuf>,
    /// The Kubernetes node.
    pub node: String,
}

impl ActionKind for EndDrain {
    fn properties(&self) -> Properties {
        let target = Target::Node { kubeconfig: self.kubeconfig.clone(), name: self.node.clone() };
        Properties { takes_away: true, ..Properties::in_cluster(Reversal::NothingLeft, target) }
    }

    fn preview(&self) -> Preview {
        Preview::of([open(&Kubectl { kubeconfig: self.kubeconfig.clone() }, &self.node)])
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::path_if_any(self.kubeconfig.as_deref())?;
        valid::is::<NodeName>(&self.node)
    }

    /// A cordon without our mark is somebody else's.
    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let kubectl = Kubectl::find(host, self.kubeconfig.as_deref()).ok()?;
        let cordon = Cordon::look(host, &kubectl, &self.node).ok()?;
        let told = if cordon.is_closed { "was cordoned by somebody else, and stays so" } else { "takes new pods" };
        (!cordon.is_ours).then(|| vec![format!("node {} {told}", self.node)])
    }

    fn prepare(&self, _context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Nothing.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let kubectl = find(context.host, self.kubeconfig.as_deref())?;
        context.run(&open(&kubectl, &self.node))
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    /// The drain is what is taken back.
    fn way_back(&self, _host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        Ok(WayBack::Nothing)
    }
}
