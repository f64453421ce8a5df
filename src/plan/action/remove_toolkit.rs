//! Remove a CUDA toolkit that a runfile installed, with its own uninstaller.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::kind::{ActionContext, ActionKind, Failure};
use crate::{
    host::{Command, Host},
    plan::action::undo::Undo,
};

/// Removes a toolkit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveToolkit {
    /// `/usr/local/cuda-10.1/bin/cuda-uninstaller`.
    pub uninstaller: PathBuf,
}

impl RemoveToolkit {
    /// Returns the command.
    pub fn command(&self) -> Command {
        Command::new(self.uninstaller.display().to_string(), ["--silent"]).detached()
    }
}

impl ActionKind for RemoveToolkit {
    fn done(&self, host: &Host) -> Option<Vec<String>> {
        (!host.files.exists(&self.uninstaller)).then(|| vec![format!("{} is gone", self.uninstaller.display())])
    }

    fn undo(&self, _work: &ActionContext<'_>) -> Result<Undo, Failure> {
        Ok(Undo::Impossible("toolkit-needs-its-runfile".to_owned()))
    }

    fn execute(&self, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        work.run(&self.command())
    }
}
