//! Install what must be there first: a compiler, or headers for the running kernel.

use serde::{Deserialize, Serialize};

use super::kind::{ActionContext, ActionKind, Failure};
use crate::{
    host::{Command, Host},
    plan::action::undo::Undo,
};

/// Installs packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallPackages {
    /// The package manager's command up to the names: `apt-get install --yes`.
    pub install: Vec<String>,
    /// The packages' names.
    pub packages: Vec<String>,
    /// A program that is there afterwards.
    pub program: String,
}

impl InstallPackages {
    /// Returns the command.
    pub fn command(&self) -> Command {
        let mut words = self.install.iter().chain(&self.packages).cloned();
        let program = words.next().unwrap_or_default();
        Command::new(program, words).env("DEBIAN_FRONTEND", "noninteractive").detached()
    }
}

impl ActionKind for InstallPackages {
    fn done(&self, host: &Host) -> Option<Vec<String>> {
        host.commands.locate(&self.program).map(|path| vec![format!("{} is there", path.display())])
    }

    fn undo(&self, _work: &ActionContext<'_>) -> Result<Undo, Failure> {
        Ok(Undo::Impossible("packages-stay".to_owned()))
    }

    fn execute(&self, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        work.run(&self.command())
    }
}
