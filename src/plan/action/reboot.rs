//! Reboot, and know afterwards that it happened.

use serde::{Deserialize, Serialize};

use super::{
    kind::{ActionContext, ActionKind, Failure},
    unload_modules,
};
use crate::{
    host::{Command, Host},
    plan::action::undo::Undo,
};

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
    fn done(&self, host: &Host) -> Option<Vec<String>> {
        let now = host.files.read_value(BOOT_ID).ok()?;
        if now != self.boot_id {
            return Some(vec![format!("boot id was {}, is {now}", self.boot_id)]);
        }
        self.unless_unloaded.then(|| unload_modules::proof_of_absence(host)).flatten()
    }

    fn undo(&self, _work: &ActionContext<'_>) -> Result<Undo, Failure> {
        Ok(Undo::Impossible("reboot".to_owned()))
    }

    fn execute(&self, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        work.run(&Self::command())
    }
}
