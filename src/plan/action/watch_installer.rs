//! Wait until the owner's pods have done their work on this node, with their logs on the screen: the installer pod has
//! put the driver there, the device plugin has told the kubelet of the cards.

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
    cluster::{Kubectl, device_plugin, kubespray, operator, stack, tail::Outcome, workload::StackSpec},
    diagnosis::Event,
    facts::Origin,
    host::Host,
    i18n::Lang,
    input::NodeName,
    installer_log::{self, Cause, End, Heard},
};

/// Whose logs are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Followed {
    /// Kubespray's installer; sessions of 0.1 know no other.
    #[default]
    Installer,
    /// NVIDIA's device plugin by itself.
    DevicePlugin,
    /// NVIDIA's GPU Operator: driver, toolkit, validator and device plugin.
    Operator,
}

impl Followed {
    fn stack(self) -> &'static StackSpec {
        match self {
            Self::Installer => &kubespray::STACK,
            Self::DevicePlugin => &device_plugin::STACK,
            Self::Operator => &operator::STACK,
        }
    }
}

/// Follows what is at work to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchInstaller {
    /// The kubeconfig; found if absent.
    pub kubeconfig: Option<PathBuf>,
    /// The Kubernetes node.
    pub node: String,
    /// Whose logs are followed.
    #[serde(default)]
    pub followed: Followed,
}

impl ActionKind for WatchInstaller {
    fn properties(&self) -> Properties {
        let effects = match self.followed {
            Followed::Installer => vec![Effect::TakesCards, Effect::Adds(Entries::Of(Origin::InstallerPod))],
            Followed::DevicePlugin => Vec::new(),
            Followed::Operator => vec![Effect::TakesCards, Effect::Adds(Entries::Of(Origin::Operator))],
        };
        Properties { effects, ..Properties::in_cluster(Reversal::NothingLeft, Target::Nothing) }
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
        let spec = self.followed.stack();
        let now = stack::probe(host, &kubectl, &self.node, spec).ok()?.at_work(spec)?;
        let pod = now.pod.filter(|_| now.is_last && now.works)?;
        let proof = match self.followed {
            Followed::Installer => format!("init container of {} ended with exit status 0", pod.name),
            Followed::DevicePlugin | Followed::Operator => {
                format!("{}: {}, and the node offers GPUs", pod.name, pod.status)
            }
        };
        Some(vec![proof])
    }

    fn prepare(&self, _context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Nothing.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let kubectl = Kubectl::find(context.host, self.kubeconfig.as_deref())
            .map_err(|state| Failure::new(state.told("message")))?;
        let mut cause = None;
        let (emit, hits) = (&mut *context.emit, &mut context.hits);
        let node = (self.node.as_str(), self.followed.stack());
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
                Heard::Started(..) | Heard::Phase(_) | Heard::Turned(..) | Heard::Said(_) => {}
            }
            ControlFlow::Continue(())
        });
        match end {
            End::Tail(Outcome::Succeeded | Outcome::Works) => Ok(()),
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
