//! Remove NVIDIA packages, by the exact names that the package database gave, and only if nothing of somebody else goes with them.

use serde::{Deserialize, Serialize};

use super::kind::{ActionContext, ActionKind, Failure};
use crate::{
    facts::{
        self, Origin,
        packages::{self, package_name},
    },
    host::{Command, CommandError, Host},
    plan::action::undo::Undo,
};

/// Removes packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovePackages {
    /// The package manager's command up to the names: `apt-get purge --yes`.
    pub remove: Vec<String>,
    /// The packages' names.
    pub packages: Vec<String>,
    /// The command up to the names that tells what would go; absent in old sessions.
    #[serde(default)]
    pub rehearse: Vec<String>,
    /// The command that brings the same versions back, while the repositories have them; empty in old sessions.
    #[serde(default)]
    pub reinstall: Vec<String>,
}

/// Why a removal was not rehearsed to a good end.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unrehearsed {
    /// The package manager could not be asked.
    #[error(transparent)]
    NotRun(CommandError),
    /// It would fail, or take away what is not NVIDIA's.
    #[error("{0}")]
    Refused(String),
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

    /// Asks the package manager what would go beside our packages, and changes nothing. The error names what is not NVIDIA's.
    pub fn rehearse(&self, host: &Host) -> Result<Vec<String>, Unrehearsed> {
        let mut all = self.clone();
        // rpm names only who needs the packages themselves, not who needs those.
        while let Some(also) = all.rehearse_once(host)?.filter(|also| !also.is_empty()) {
            all.packages.extend(also);
        }
        Ok(all.packages.split_off(self.packages.len()))
    }

    fn rehearse_once(&self, host: &Host) -> Result<Option<Vec<String>>, Unrehearsed> {
        if self.rehearse.is_empty() {
            return Ok(None);
        }
        let command = self.with_names(&self.rehearse);
        let output = host.commands.capture(&command).map_err(Unrehearsed::NotRun)?;
        let also: Vec<String> = parse_rehearsal(&output.stdout, &output.stderr).into_iter().filter(|name| !self.names(name)).collect();
        let foreign: Vec<&str> =
            also.iter().filter(|name| packages::role_of_name(name) == packages::Role::Other).map(String::as_str).collect();
        if !foreign.is_empty() {
            return Err(Unrehearsed::Refused(format!("{} would go too, and is not NVIDIA's", foreign.join(", "))));
        }
        // rpm tells of dependents by an error; other errors are about the names themselves.
        if !output.exit.is_success() && also.is_empty() {
            let said = output.stderr.lines().next().unwrap_or_default().trim();
            return Err(Unrehearsed::Refused(format!("`{command}` ended with {}: {said}", output.exit)));
        }
        Ok(Some(also))
    }

    /// Tells whether a name is among ours, with or without its architecture.
    fn names(&self, name: &str) -> bool {
        let plain = |name: &str| name.split(':').next().unwrap_or(name).to_owned();
        self.packages.iter().any(|own| plain(own) == plain(name))
    }
}

/// Reads what would go: `Purg name [version]` and `Remv …` of apt, `x is needed by (installed) name-version-release.arch` of rpm.
fn parse_rehearsal(stdout: &str, stderr: &str) -> Vec<String> {
    let of_apt = |line: &str| {
        let mut words = line.split_whitespace();
        matches!(words.next(), Some("Purg" | "Remv")).then(|| words.next().map(str::to_owned)).flatten()
    };
    let of_rpm = |line: &str| {
        let package = line.rsplit_once("(installed) ")?.1.trim();
        Some(package.rsplitn(3, '-').nth(2).unwrap_or(package).to_owned())
    };
    let mut found: Vec<String> = stdout.lines().filter_map(of_apt).chain(stderr.lines().filter_map(of_rpm)).collect();
    found.sort();
    found.dedup();
    found
}

impl ActionKind for RemovePackages {
    fn done(&self, host: &Host) -> Option<Vec<String>> {
        let ledger = facts::driver_ledger(host);
        let left = ledger.iter().filter(|entry| matches!(entry.origin, Origin::Deb | Origin::Rpm));
        let none_left = !left.clone().any(|entry| package_name(entry).is_some_and(|name| self.packages.iter().any(|gone| gone == name)));
        none_left.then(|| vec![format!("not in the package database any more: {}", self.packages.join(", "))])
    }

    fn undo(&self, _work: &ActionContext<'_>) -> Result<Undo, Failure> {
        let Some((program, args)) = self.reinstall.split_first() else { return Ok(Undo::Impossible("packages-by-hand".to_owned())) };
        Ok(Undo::Run { command: Command::new(program, args).env("DEBIAN_FRONTEND", "noninteractive").detached(), gone: None })
    }

    fn execute(&self, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        let also = self.rehearse(work.host).map_err(|why| Failure::new(format!("nothing was removed: {why}")))?;
        // A package of NVIDIA's that needs one of these cannot stay; rpm wants it named.
        let all = Self { packages: self.packages.iter().chain(&also).cloned().collect(), ..self.clone() };
        if !also.is_empty() {
            work.notes.push(format!("removed with them, because they need them: {}", also.join(", ")));
        }
        work.run(&all.command())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_apt_would_remove() {
        let stdout =
            "Reading package lists...\nPurg cuda-drivers-535 [535.183-1]\nRemv my-app [1.0] [libc6:amd64 ]\nPurg cuda-drivers-535 [1]\n";
        assert_eq!(parse_rehearsal(stdout, ""), ["cuda-drivers-535", "my-app"]);
    }

    #[test]
    fn reads_who_needs_it_from_rpm() {
        let stderr = "error: Failed dependencies:\n\tlibcuda.so.1()(64bit) is needed by (installed) my-app-2.0-1.el9.x86_64\n";
        assert_eq!(parse_rehearsal("", stderr), ["my-app"]);
    }
}
