//! Put an object of ours into the cluster, by server-side apply.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    failure::Failure,
    kind::{ActionContext, ActionKind, Prepared, Traces, Verdict},
    mark_node::{find, look, refused},
    properties::{Preview, Properties, Reversal},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    cluster::{
        Kubectl,
        manifest::{self, Comparison, Keeper, Manifest},
        objects::DaemonSet,
        watch::Source,
    },
    host::Host,
    i18n::msg,
    input::{ImageName, NodeName},
};

/// Applies one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyManifest {
    /// The kubeconfig; found if absent.
    pub kubeconfig: Option<PathBuf>,
    /// The node for whose sake it is applied.
    pub node: String,
    /// The object.
    pub manifest: Manifest,
}

impl ApplyManifest {
    /// Refuses a second plugin: one may have come since the plan was made.
    fn demand_alone(&self, host: &Host, kubectl: &Kubectl) -> Result<(), Failure> {
        if self.manifest == Manifest::RuntimeClass {
            return Ok(());
        }
        let sets = kubectl.list::<DaemonSet>(host, &Source::daemonsets(None)).map_err(refused)?.items;
        let node = look(host, kubectl, &self.node).ok();
        let found = manifest::plugins(&sets, &[], &self.node, node.as_ref());
        let other = found.iter().find(|plugin| plugin.keeper != Keeper::Ours);
        other.map_or(Ok(()), |plugin| Err(Failure::new(msg::failure::second_plugin(&plugin.called, &plugin.image))))
    }
}

impl ActionKind for ApplyManifest {
    fn properties(&self) -> Properties {
        Properties::in_cluster(
            Reversal::Whole,
            Target::Node { kubeconfig: self.kubeconfig.clone(), name: self.node.clone() },
        )
    }

    fn preview(&self) -> Preview {
        let kubectl = Kubectl { kubeconfig: self.kubeconfig.clone() };
        Preview { diff: Some(self.manifest.as_new()), ..Preview::of([self.manifest.apply(&kubectl)]) }
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::path_if_any(self.kubeconfig.as_deref())?;
        valid::is::<NodeName>(&self.node)?;
        match &self.manifest {
            Manifest::RuntimeClass => Ok(()),
            Manifest::DevicePlugin { image } => valid::is::<ImageName>(image),
        }
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let kubectl = Kubectl::find(host, self.kubeconfig.as_deref()).ok()?;
        let is_same = self.manifest.compare(host, &kubectl).ok()? == Comparison::Same;
        is_same.then(|| vec![format!("{}: a server-side apply would change nothing", self.manifest.called())])
    }

    fn prepare(&self, _context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Parameters.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let kubectl = find(context.host, self.kubeconfig.as_deref())?;
        self.demand_alone(context.host, &kubectl)?;
        match self.manifest.compare(context.host, &kubectl).map_err(refused)? {
            Comparison::Theirs { .. } => Err(Failure::new(msg::failure::not_ours(self.manifest.called()))),
            Comparison::Conflict { words } => Err(Failure::own_words(words)),
            Comparison::Same | Comparison::Differs { .. } => context.run(&self.manifest.apply(&kubectl)),
        }
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        let kubectl = find(host, self.kubeconfig.as_deref())?;
        Ok(WayBack::Run { command: self.manifest.delete(&kubectl), gone: None })
    }
}
