//! Install what must be there first: a compiler, or headers for the running kernel.

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
use crate::{catalog::distros, i18n::msg, input::PackageName};

/// Installs packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallPackages {
    /// Name of the distribution's family in the catalog, which knows its package manager's commands; empty in old
    /// sessions.
    #[serde(default)]
    pub family: String,
    /// The packages' names.
    pub packages: Vec<String>,
    /// A program that is there afterwards.
    pub program: String,
}

impl InstallPackages {
    /// Returns the command; nothing where no package manager is known.
    pub fn command(&self) -> Option<Command> {
        let command = Command::from_line(distros::named(&self.family)?.install);
        Some(command.operands(&self.packages).env("DEBIAN_FRONTEND", "noninteractive").detached())
    }
}

impl ActionKind for InstallPackages {
    fn properties(&self) -> Properties {
        Properties {
            root: Some(RootReason::Packages),
            reversal: Reversal::Stays,
            takes_away: false,
            witness: Witness::Machine,
            effects: vec![Effect::AddsHeaders, Effect::Adds(Entries::Packages(self.packages.clone()))],
            target: Target::Machine,
            scratch: None,
            until_reboot_of: None,
        }
    }

    fn preview(&self) -> Preview {
        Preview::of(self.command())
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::demand(self.command().is_some(), msg::failure::wanted::family(), &self.family)?;
        self.packages.iter().try_for_each(|name| valid::is::<PackageName>(name))
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        host.commands.locate(&self.program).map(|path| vec![format!("{} is there", path.display())])
    }

    fn prepare(&self, _context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Nothing.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        self.command().map_or(Ok(()), |command| context.run(&command))
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, _host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        Ok(WayBack::Nothing)
    }
}
