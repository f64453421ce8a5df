//! Stop a systemd unit that holds the GPU. Undo starts it again.

use serde::{Deserialize, Serialize};

use super::{
    effect::Effect,
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    properties::{Preview, Properties, Reversal, RootReason, Witness},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    host::{Command, Host},
    input::UnitName,
};

/// Stops a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopUnit {
    /// Its name with its kind: `nvidia-persistenced.service`.
    pub unit: String,
}

impl StopUnit {
    /// Returns the command; systemd itself gives up on a unit that does not stop after 90 seconds.
    pub fn command(&self) -> Command {
        Command::new("systemctl", ["stop"])
            .operand_of::<UnitName>(&self.unit)
            .deadline(Some(std::time::Duration::from_mins(3)))
    }
}

impl ActionKind for StopUnit {
    fn properties(&self) -> Properties {
        Properties {
            root: Some(RootReason::Service),
            reversal: Reversal::Whole,
            takes_away: true,
            witness: Witness::Machine,
            effects: vec![Effect::StopsDriverUser],
            target: Target::Machine,
            scratch: None,
            until_reboot_of: None,
        }
    }

    fn preview(&self) -> Preview {
        Preview::of([self.command()])
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::is::<UnitName>(&self.unit)
    }

    /// `is-active` answers with a status other than 0 for every state in which the unit does not run.
    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let output =
            host.commands.capture(&Command::new("systemctl", ["is-active"]).operand_of::<UnitName>(&self.unit)).ok()?;
        let state = output.stdout.trim();
        matches!(state, "inactive" | "failed" | "unknown").then(|| vec![format!("{} is {state}", self.unit)])
    }

    fn prepare(&self, _context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Parameters.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        context.run(&self.command())
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, _host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        Ok(WayBack::Run {
            command: Command::new("systemctl", ["start"]).operand_of::<UnitName>(&self.unit),
            gone: None,
        })
    }
}
