//! Wait until the installer pod has put the driver on this node, with its log on the screen.

use std::{ops::ControlFlow, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    kind::{ActionContext, ActionEvent, ActionKind, Failure, tell},
    undo::Undo,
};
use crate::{
    cluster::{Kubectl, kubespray, stack, tail::Outcome},
    host::Host,
    i18n::Lang,
    installer_log::{self, Cause, End, Heard},
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
        let pod = stack::pod_of(host, &kubectl, &self.node, &kubespray::INSTALLER).ok()??;
        let ended = pod.container.ended()?;
        (ended.exit_code == 0).then(|| vec![format!("init container of {} ended with exit status 0", pod.name)])
    }

    fn undo(&self, _work: &ActionContext<'_>) -> Result<Undo, Failure> {
        Ok(Undo::Impossible("only-watched".to_owned()))
    }

    fn execute(&self, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        let kubectl = Kubectl::find(work.host, self.kubeconfig.as_deref()).map_err(|state| Failure::new(state.message(Lang::En)))?;
        let mut cause = None;
        let (emit, hits) = (&mut *work.emit, &mut work.hits);
        let node = (self.node.as_str(), &kubespray::STACK);
        let end = installer_log::follow(work.host, &kubectl, node, work.cancel, &mut |heard| {
            match heard {
                Heard::Lines(lines, found) => {
                    for line in lines {
                        emit(ActionEvent::Line(line));
                    }
                    for (_, hit) in found {
                        tell(Some(hit.clone()), hits, emit);
                        cause.get_or_insert(Cause::Known(hit));
                    }
                }
                Heard::Known(hit) => {
                    tell(Some(hit.clone()), hits, emit);
                    cause.get_or_insert(Cause::Known(hit));
                }
                Heard::Because(finding) => emit(ActionEvent::Line(finding.message(Lang::En))),
                Heard::Waiting(why) => emit(ActionEvent::Line(why.text(Lang::En))),
                Heard::Lost(reason) => emit(ActionEvent::Line(reason.text(Lang::En))),
                Heard::Started(..) | Heard::Phase(_) => {}
            }
            ControlFlow::Continue(())
        });
        let words = |cause: &Cause| format!("{} — {}", cause.message(Lang::En), cause.remedy(Lang::En));
        match end {
            End::Tail(Outcome::Succeeded) => Ok(()),
            End::Tail(outcome) => Err(Failure::new(cause.as_ref().map_or_else(|| outcome.text(Lang::En), words))),
            End::InVain(cause) => Err(Failure::new(words(&cause))),
        }
    }
}
