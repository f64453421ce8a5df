//! Stop a systemd unit that holds the GPU. Undo starts it again.

use serde::{Deserialize, Serialize};

use super::kind::{ActionContext, ActionKind, Failure};
use crate::{
    host::{Command, Host},
    plan::action::undo::Undo,
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
        Command::new("systemctl", ["stop", &self.unit]).deadline(Some(std::time::Duration::from_mins(3)))
    }
}

impl ActionKind for StopUnit {
    /// `is-active` answers with a status other than 0 for every state in which the unit does not run.
    fn done(&self, host: &Host) -> Option<Vec<String>> {
        let output = host.commands.capture(&Command::new("systemctl", ["is-active", &self.unit])).ok()?;
        let state = output.stdout.trim();
        matches!(state, "inactive" | "failed" | "unknown").then(|| vec![format!("{} is {state}", self.unit)])
    }

    fn undo(&self, _work: &ActionContext<'_>) -> Result<Undo, Failure> {
        Ok(Undo::Run { command: Command::new("systemctl", ["start", &self.unit]), gone: None })
    }

    fn execute(&self, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        work.run(&self.command())
    }
}
