//! Remove a CUDA toolkit that a runfile installed, with its own uninstaller.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    effect::{Effect, Entries},
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    properties::{Preview, Properties, Reversal, RootReason, Witness},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::host::{Command, Host};

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

    /// Returns where the toolkit is: its uninstaller lies in its `bin`.
    fn prefix(&self) -> Option<&Path> {
        self.uninstaller.parent()?.parent()
    }
}

impl ActionKind for RemoveToolkit {
    fn properties(&self) -> Properties {
        Properties {
            root: Some(RootReason::Files),
            reversal: Reversal::Impossible,
            takes_away: true,
            witness: Witness::Machine,
            effects: self.prefix().map(|prefix| Effect::Removes(Entries::At(prefix.to_owned()))).into_iter().collect(),
            target: Target::Machine,
            scratch: None,
            until_reboot_of: None,
        }
    }

    fn preview(&self) -> Preview {
        Preview::of([self.command()])
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::path(&self.uninstaller)
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        (!host.files.exists(&self.uninstaller)).then(|| vec![format!("{} is gone", self.uninstaller.display())])
    }

    fn prepare(&self, _context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Nothing.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        context.run(&self.command())
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, _host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        Ok(WayBack::Nothing)
    }
}
