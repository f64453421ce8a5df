//! Remove a driver that a runfile installed, with its own uninstaller.
//! Source: `nvidia-uninstall` is `nvidia-installer --uninstall`; `--silent` asks nothing (nvidia-installer's option table).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::kind::{ActionContext, ActionKind, Failure};
use crate::{
    host::{Command, Host},
    plan::action::undo::Undo,
};

/// Removes the driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveRunfileDriver {
    /// Where its uninstaller is, usually `/usr/bin/nvidia-uninstall`.
    pub uninstaller: PathBuf,
    /// The driver's version.
    pub version: String,
}

impl RemoveRunfileDriver {
    /// Returns the command. It ends by itself within minutes, but nobody can say when.
    pub fn command(&self) -> Command {
        Command::new(self.uninstaller.display().to_string(), ["--silent"]).detached()
    }
}

impl ActionKind for RemoveRunfileDriver {
    fn done(&self, host: &Host) -> Option<Vec<String>> {
        let gone = !host.files.exists(&self.uninstaller);
        gone.then(|| vec![format!("{} is gone", self.uninstaller.display())])
    }

    fn undo(&self, _work: &ActionContext<'_>) -> Result<Undo, Failure> {
        Ok(Undo::Impossible("driver-needs-its-installer".to_owned()))
    }

    fn execute(&self, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        work.run(&self.command())
    }
}
