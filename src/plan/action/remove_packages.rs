//! Remove NVIDIA packages, by the exact names that the package database gave, with what cannot stay without them.

mod before;
mod rehearsal;

pub use rehearsal::Unrehearsed;
use serde::{Deserialize, Serialize};

use super::kind::{ActionContext, ActionKind, Failure};
use crate::{
    facts::packages,
    host::{Command, Host},
    plan::action::undo::Undo,
};

/// Removes packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovePackages {
    /// The package manager's command up to the names: `apt-get purge --yes`.
    pub remove: Vec<String>,
    /// The packages' names, with those that go along.
    pub packages: Vec<String>,
    /// The command up to the names that tells what would go; absent in old sessions.
    #[serde(default)]
    pub rehearse: Vec<String>,
    /// Those of the packages that go only because they need others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub along: Vec<GoesAlong>,
    /// The user has seen whose packages go too, and wants it (`despite` of the answers).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub others_too: bool,
    /// The command up to the names that installs exactly what is named; empty in old sessions.
    #[serde(default)]
    pub restore: Vec<String>,
    /// How a package with its version is written: `{name}={version}`.
    #[serde(default)]
    pub pin: String,
}

/// A package that goes because it needs others that do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoesAlong {
    /// Its name.
    pub name: String,
    /// The packages that it needs.
    pub needs: Vec<String>,
    /// It is neither a driver's nor a toolkit's.
    pub is_others: bool,
}

impl std::fmt::Display for GoesAlong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.needs.as_slice() {
            [] => f.write_str(&self.name),
            [one] => write!(f, "{} → {one}", self.name),
            [first, ..] => write!(f, "{} → {first} …", self.name),
        }
    }
}

/// Returns the id of the pre-flight's check that rehearses the removal with this id; named under `despite`, it lets others' packages go.
pub fn check_id(action: &str) -> String {
    if action == "remove-packages" { "removal".to_owned() } else { format!("removal:{action}") }
}

/// Tells whether a check is the rehearsal of a removal.
pub fn lets_others_go(check: &str) -> bool {
    check.split(':').next() == Some("removal")
}

/// Returns packages with what each needs, in one line.
pub fn in_a_line(along: &[GoesAlong]) -> String {
    along.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl RemovePackages {
    /// Returns the command.
    pub fn command(&self) -> Command {
        self.with_names(&self.remove).detached()
    }

    fn with_names(&self, start: &[String]) -> Command {
        let mut words = start.iter().chain(&self.packages).cloned();
        let program = words.next().unwrap_or_default();
        // apt waits for its own lock; the rest has no question to ask.
        Command::new(program, words).env("DEBIAN_FRONTEND", "noninteractive").deadline(Some(std::time::Duration::from_mins(2)))
    }

    /// Returns this removal with all that the package manager says goes with it.
    fn complete(&self, host: &Host) -> Result<Self, Failure> {
        let also = self.rehearse(host).map_err(|why| Failure::new(format!("nothing was removed: {why}")))?;
        let packages = self.packages.iter().cloned().chain(also.into_iter().map(|along| along.name)).collect();
        Ok(Self { packages, ..self.clone() })
    }
}

impl ActionKind for RemovePackages {
    fn done(&self, host: &Host) -> Option<Vec<String>> {
        let installed = packages::installed(host);
        let is_left = |name: &String| installed.iter().any(|package| package.manager_name() == name.as_str());
        let none_left = !self.packages.iter().any(is_left);
        none_left.then(|| vec![format!("not in the package database any more: {}", self.packages.join(", "))])
    }

    fn undo(&self, work: &ActionContext<'_>) -> Result<Undo, Failure> {
        if self.restore.is_empty() {
            return Ok(Undo::Impossible("packages-by-hand".to_owned()));
        }
        Ok(Undo::Reinstall(Box::new(before::record(&self.complete(work.host)?, work)?)))
    }

    fn execute(&self, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        let all = self.complete(work.host)?;
        // A package of NVIDIA's that needs one of these cannot stay; rpm wants it named.
        if let also @ [_, ..] = &all.packages[self.packages.len()..] {
            work.notes.push(format!("removed with them, because they need them: {}", also.join(", ")));
        }
        work.run(&all.command())
    }
}
