//! Wait until the installer pod has put the driver on this node, with its log on the screen.

use std::{ops::ControlFlow, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    effect::{Effect, Entries},
    kind::{ActionContext, ActionEvent, ActionKind, Failure, Prepared, Traces, Verdict, tell},
    properties::{Preview, Properties, Reversal},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    cluster::{Kubectl, kubespray, stack, tail::Outcome},
    diagnosis::Event,
    facts::Origin,
    host::Host,
    i18n::Lang,
    input::NodeName,
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
    fn properties(&self) -> Properties {
        Properties {
            effects: vec![Effect::TakesCards, Effect::Adds(Entries::Of(Origin::InstallerPod))],
            ..Properties::in_cluster(Reversal::NothingLeft, Target::Nothing)
        }
    }

    fn preview(&self) -> Preview {
        Preview::default()
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::path_if_any(self.kubeconfig.as_deref())?;
        valid::is::<NodeName>(&self.node)
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let kubectl = Kubectl::find(host, self.kubeconfig.as_deref()).ok()?;
        let pod = stack::pod_of(host, &kubectl, &self.node, &kubespray::INSTALLER).ok()??;
        let ended = pod.container.ended()?;
        (ended.exit_code == 0).then(|| vec![format!("init container of {} ended with exit status 0", pod.name)])
    }

    fn prepare(&self, _context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Nothing.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let kubectl = Kubectl::find(context.host, self.kubeconfig.as_deref())
            .map_err(|state| Failure::new(state.told("message")))?;
        let mut cause = None;
        let (emit, hits) = (&mut *context.emit, &mut context.hits);
        let node = (self.node.as_str(), &kubespray::STACK);
        let end = installer_log::follow(context.host, &kubectl, node, context.cancel, &mut |heard| {
            match heard {
                Heard::Lines(lines, found) => {
                    for line in lines {
                        emit(ActionEvent::Line(line));
                    }
                    for (_, event) in found {
                        match &event {
                            Event::Hit(hit) => {
                                cause.get_or_insert_with(|| Cause::Known(hit.clone()));
                            }
                            Event::TakenBack(over) => drop(cause.take_if(|cause| cause.is_one_of(over))),
                        }
                        tell(Some(event), hits, emit);
                    }
                }
                Heard::Known(hit) => {
                    tell(Some(Event::Hit(hit.clone())), hits, emit);
                    cause.get_or_insert(Cause::Known(hit));
                }
                Heard::Because(finding) => emit(ActionEvent::Line(finding.message(Lang::En))),
                Heard::Waiting(why) => emit(ActionEvent::Line(why.text(Lang::En))),
                Heard::Lost(reason) => emit(ActionEvent::Line(reason.text(Lang::En))),
                Heard::Started(..) | Heard::Phase(_) => {}
            }
            ControlFlow::Continue(())
        });
        match end {
            End::Tail(Outcome::Succeeded) => Ok(()),
            End::Tail(outcome) => Err(Failure::new(cause.as_ref().map_or_else(|| outcome.message(), Cause::explained))),
            End::InVain(cause) => Err(Failure::new(cause.explained())),
        }
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, _host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        Ok(WayBack::Nothing)
    }
}
