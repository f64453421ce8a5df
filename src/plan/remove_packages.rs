//! Remove driver packages, by the exact names that the package database gave.

use serde::{Deserialize, Serialize};

use super::act::{Act, Failure, Work};
use crate::{
    facts::{self, Origin, packages::package_name},
    host::{Command, Host},
    session::Undo,
};

/// Removes packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovePackages {
    /// The package manager's command up to the names: `apt-get remove --yes`.
    pub remove: Vec<String>,
    /// The packages' names.
    pub packages: Vec<String>,
}

impl RemovePackages {
    /// Returns the command.
    pub fn command(&self) -> Command {
        let mut words = self.remove.iter().chain(&self.packages).cloned();
        let program = words.next().unwrap_or_default();
        Command::new(program, words).env("DEBIAN_FRONTEND", "noninteractive").detached()
    }
}

impl Act for RemovePackages {
    fn done(&self, host: &Host) -> Option<Vec<String>> {
        let ledger = facts::probe(host).driver.ledger;
        let left = ledger.iter().filter(|entry| matches!(entry.origin, Origin::Deb | Origin::Rpm));
        let none_left = !left.clone().any(|entry| package_name(entry).is_some_and(|name| self.packages.iter().any(|gone| gone == name)));
        none_left.then(|| vec![format!("not in the package database any more: {}", self.packages.join(", "))])
    }

    fn undo(&self, _work: &Work<'_>) -> Result<Undo, Failure> {
        Ok(Undo::Impossible("packages-by-hand".to_owned()))
    }

    fn execute(&self, work: &mut Work<'_>) -> Result<(), Failure> {
        work.run(&self.command())
    }
}
