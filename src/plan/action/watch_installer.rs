//! Wait until the installer pod has put the driver on this node, with its log on the screen.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    effect::{Effect, Entries},
    kind::{ActionContext, ActionEvent, ActionKind, Failure, Prepared, Traces, Verdict, tell},
    properties::{Preview, Properties, Reversal, Witness},
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    cluster::{
        Kubectl, chain, scheduling,
        tail::{self, Options, Outcome, TailEvent},
    },
    diagnosis::Diagnosis,
    facts::Origin,
    host::Host,
    i18n::Lang,
};

/// Follows the installer to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchInstaller {
    /// The kubeconfig; found if absent.
    pub kubeconfig: Option<PathBuf>,
    /// The Kubernetes node.
    pub node: String,
}

impl ActionKind for WatchInstaller {
    fn properties(&self) -> Properties {
        Properties {
            root: None,
            reversal: Reversal::NothingLeft,
            takes_away: false,
            witness: Witness::Machine,
            effects: vec![Effect::TakesCards, Effect::Adds(Entries::Of(Origin::InstallerPod))],
            scratch: None,
            until_reboot_of: None,
        }
    }

    fn preview(&self) -> Preview {
        Preview::default()
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::path_if_any(self.kubeconfig.as_deref())?;
        valid::object_name(&self.node)
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let kubectl = Kubectl::find(host, self.kubeconfig.as_deref()).ok()?;
        let pod = chain::installer_pod(host, &kubectl, &self.node).ok()??;
        let ended = pod.container.ended()?;
        (ended.exit_code == 0).then(|| vec![format!("init container of {} ended with exit status 0", pod.name)])
    }

    fn prepare(&self, _context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Nothing.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let kubectl = Kubectl::find(context.host, self.kubeconfig.as_deref()).map_err(|state| Failure::new(state.message(Lang::En)))?;
        scheduling::demand_installer(context.host, &kubectl, &self.node)
            .map_err(|finding| Failure::new(format!("{} {}", finding.message(Lang::En), finding.remedy(Lang::En))))?;
        let mut diagnosis = Diagnosis::default();
        let mut cause = None;
        let mut end = None;
        let emit = &mut *context.emit;
        tail::follow(context.host, &kubectl, &self.node, Options { once: true, ..Options::default() }, context.cancel, &mut |event| {
            match event {
                TailEvent::Lines(lines) => {
                    let found = diagnosis.read(&lines);
                    for line in lines {
                        emit(ActionEvent::Line(line));
                    }
                    for (_, hit) in found {
                        tell(Some(hit.clone()), &mut context.hits, emit);
                        cause.get_or_insert(hit);
                    }
                }
                TailEvent::Waiting { why } => emit(ActionEvent::Line(why.text(Lang::En))),
                TailEvent::Lost { reason } => emit(ActionEvent::Line(reason.text(Lang::En))),
                TailEvent::PodStarted { .. } | TailEvent::Phase(_) => {}
                TailEvent::Ended { outcome } => end = Some(outcome),
            }
        });
        match end {
            Some(Outcome::Succeeded) => Ok(()),
            Some(outcome) => {
                let at_the_end = diagnosis.finish();
                tell(at_the_end.clone(), &mut context.hits, context.emit);
                let known = cause.or(at_the_end);
                let words = known.map(|hit| format!("{} — {}", hit.cause(Lang::En), hit.remedy(Lang::En)));
                Err(Failure::new(words.unwrap_or_else(|| outcome.text(Lang::En))))
            }
            None => Err(Failure::new("the tail ended without an outcome")),
        }
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, _host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        Ok(WayBack::Nothing)
    }
}
