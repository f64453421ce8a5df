//! Reboot, and know afterwards that it happened.

use serde::{Deserialize, Serialize};

use super::{
    effect::Effect,
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    properties::{Preview, Properties, Reversal, RootReason, Witness},
    target::Target,
    undo::{Undo, WayBack},
    unload_modules,
};
use crate::host::{Command, Host};

/// Where the kernel tells which boot this is: a random id, new with each boot.
pub const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Reboots the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reboot {
    /// The boot in which it was planned.
    pub boot_id: String,
    /// Not needed once the driver's modules are out of the kernel.
    #[serde(default)]
    pub unless_unloaded: bool,
}

impl Reboot {
    /// Returns the command.
    pub fn command() -> Command {
        Command::new("systemctl", ["reboot"])
    }
}

impl ActionKind for Reboot {
    fn properties(&self) -> Properties {
        Properties {
            root: Some(RootReason::Reboot),
            reversal: Reversal::NothingLeft,
            takes_away: true,
            witness: Witness::Machine,
            effects: vec![Effect::EmptiesKernel],
            target: Target::Machine,
            scratch: None,
            until_reboot_of: Some(self.boot_id.clone()),
        }
    }

    fn preview(&self) -> Preview {
        Preview::of([Self::command()])
    }

    fn validate(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let now = host.files.read_value(BOOT_ID).ok()?;
        if now != self.boot_id {
            return Some(vec![format!("boot id was {}, is {now}", self.boot_id)]);
        }
        self.unless_unloaded.then(|| unload_modules::proof_of_absence(host)).flatten()
    }

    fn prepare(&self, _context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Nothing.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        context.run(&Self::command())
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, _host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        Ok(WayBack::Nothing)
    }
}
