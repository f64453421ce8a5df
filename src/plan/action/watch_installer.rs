//! Wait until the installer pod has put the driver on this node, with its log on the screen.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    kind::{ActionContext, ActionEvent, ActionKind, Failure, tell},
    undo::Undo,
};
use crate::{
    cluster::{
        Kubectl, chain, scheduling,
        tail::{self, Options, Outcome, TailEvent},
    },
    diagnosis::Diagnosis,
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
    fn done(&self, host: &Host) -> Option<Vec<String>> {
        let kubectl = Kubectl::find(host, self.kubeconfig.as_deref()).ok()?;
        let pod = chain::installer_pod(host, &kubectl, &self.node).ok()??;
        let ended = pod.container.ended()?;
        (ended.exit_code == 0).then(|| vec![format!("init container of {} ended with exit status 0", pod.name)])
    }

    fn undo(&self, _work: &ActionContext<'_>) -> Result<Undo, Failure> {
        Ok(Undo::Impossible("only-watched".to_owned()))
    }

    fn execute(&self, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        let kubectl = Kubectl::find(work.host, self.kubeconfig.as_deref()).map_err(|state| Failure::new(state.message(Lang::En)))?;
        scheduling::demand_installer(work.host, &kubectl, &self.node)
            .map_err(|finding| Failure::new(format!("{} {}", finding.message(Lang::En), finding.remedy(Lang::En))))?;
        let mut diagnosis = Diagnosis::default();
        let mut cause = None;
        let mut end = None;
        let emit = &mut *work.emit;
        tail::follow(
            work.host,
            &kubectl,
            &self.node,
            Options { once: true, ..Options::default() },
            work.cancel,
            &mut |event| match event {
                TailEvent::Lines(lines) => {
                    let found = diagnosis.read(&lines);
                    for line in lines {
                        emit(ActionEvent::Line(line));
                    }
                    for (_, hit) in found {
                        tell(Some(hit.clone()), &mut work.hits, emit);
                        cause.get_or_insert(hit);
                    }
                }
                TailEvent::Waiting { why } => emit(ActionEvent::Line(why.text(Lang::En))),
                TailEvent::Lost { reason } => emit(ActionEvent::Line(reason.text(Lang::En))),
                TailEvent::PodStarted { .. } | TailEvent::Phase(_) => {}
                TailEvent::Ended { outcome } => end = Some(outcome),
            },
        );
        match end {
            Some(Outcome::Succeeded) => Ok(()),
            Some(outcome) => {
                let at_the_end = diagnosis.finish();
                tell(at_the_end.clone(), &mut work.hits, work.emit);
                let known = cause.or(at_the_end);
                let words = known.map(|hit| format!("{} — {}", hit.cause(Lang::En), hit.remedy(Lang::En)));
                Err(Failure::new(words.unwrap_or_else(|| outcome.text(Lang::En))))
            }
            None => Err(Failure::new("the tail ended without an outcome")),
        }
    }
}
