//! Remove a dkms tree that a driver left behind: at the next kernel update it would be built and loaded again.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::kind::{ActionContext, ActionKind, Failure, file_failure};
use crate::{
    host::{Command, Host},
    plan::action::undo::Undo,
};

/// Removes a tree with what was built from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveDkms {
    /// `nvidia`.
    pub module: String,
    /// `418.87.00`.
    pub version: String,
    /// `/var/lib/dkms/nvidia/418.87.00`.
    pub tree: PathBuf,
}

impl RemoveDkms {
    /// Returns the command.
    pub fn command(&self) -> Command {
        Command::new("dkms", ["remove", "-m", &self.module, "-v", &self.version, "--all"]).detached()
    }
}

impl ActionKind for RemoveDkms {
    fn done(&self, host: &Host) -> Option<Vec<String>> {
        (!host.files.exists(&self.tree)).then(|| vec![format!("{} is gone", self.tree.display())])
    }

    fn undo(&self, _work: &ActionContext<'_>) -> Result<Undo, Failure> {
        Ok(Undo::Impossible("dkms-tree".to_owned()))
    }

    fn execute(&self, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        if work.host.commands.locate("dkms").is_some() {
            work.run(&self.command())?;
        }
        // Without dkms nothing builds from the tree any more; what is left of it would only mislead the next look.
        work.host.files.remove_all(&self.tree).map_err(|error| file_failure("remove", &self.tree, &error))
    }
}
