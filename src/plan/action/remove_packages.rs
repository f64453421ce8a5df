//! Remove NVIDIA packages, by the exact names that the package database gave, with what cannot stay without them.

pub(super) mod before;
mod rehearsal;

pub use rehearsal::Unrehearsed;
use serde::{Deserialize, Serialize};

use super::{
    effect::{Effect, Entries},
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    properties::{Preview, Properties, Reversal, RootReason, Witness},
    remove_left_files::{judge, sweep},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    catalog::distros::{self, Family},
    facts::{Origin, packages},
    host::{Command, Host},
    i18n::msg,
    input::PackageName,
    prediction::CheckKind,
};

/// Removes packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovePackages {
    /// Name of the distribution's family in the catalog, which knows its package manager's commands; empty in old
    /// sessions.
    #[serde(default)]
    pub family: String,
    /// The packages' names, with those that go along.
    pub packages: Vec<String>,
    /// A driver is among them, not only a toolkit.
    #[serde(default)]
    pub is_driver: bool,
    /// Those of the packages that go only because they need others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub along: Vec<GoesAlong>,
    /// The user has seen whose packages go too, and wants it (`despite` of the answers).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub others_too: bool,
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

/// Returns the id of the pre-flight's check that rehearses the removal with this id; named under `despite`, it lets
/// others' packages go.
pub fn check_id(action: &str) -> String {
    if action == "remove-packages" { CheckKind::Removal.into() } else { CheckKind::Removal.on(action) }
}

/// Tells whether a check is the rehearsal of a removal.
pub fn lets_others_go(check: &str) -> bool {
    CheckKind::of(check) == Some(CheckKind::Removal)
}

/// Returns packages with what each needs, in one line.
pub fn in_a_line(along: &[GoesAlong]) -> String {
    along.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl RemovePackages {
    /// Returns the command; nothing where no package manager is known.
    pub fn command(&self) -> Option<Command> {
        Some(self.with_names(&self.family()?.remove).detached())
    }

    fn family(&self) -> Option<Family> {
        distros::named(&self.family)
    }

    fn with_names(&self, start: &[String]) -> Command {
        let command = Command::from_line(start.iter().cloned());
        let command = self.packages.iter().fold(command, |command, name| command.operand_of::<PackageName>(name));
        // apt waits for its own lock; the rest has no question to ask.
        command.env("DEBIAN_FRONTEND", "noninteractive").deadline(Some(std::time::Duration::from_mins(2)))
    }

    /// Returns this removal with all that the package manager says goes with it.
    fn complete(&self, host: &Host) -> Result<Self, Failure> {
        let also = self.rehearse(host).map_err(|why| Failure::new(msg::failure::nothing_removed(why.told())))?;
        let packages = self.packages.iter().cloned().chain(also.into_iter().map(|along| along.name)).collect();
        Ok(Self { packages, ..self.clone() })
    }

    /// A driver takes its modules with it; a toolkit only its own folder.
    fn effects(&self) -> Vec<Effect> {
        let packages = Effect::Removes(Entries::Packages(self.packages.clone()));
        let of =
            |origins: &[Origin]| origins.iter().map(|origin| Effect::Removes(Entries::Of(*origin))).collect::<Vec<_>>();
        let driver = self.is_driver.then_some(Effect::RemovesDriver);
        of(&[Origin::Dkms, Origin::ModuleFile, Origin::CudaToolkit])
            .into_iter()
            .chain(driver)
            .chain([packages])
            .collect()
    }
}

impl ActionKind for RemovePackages {
    fn properties(&self) -> Properties {
        Properties {
            root: Some(RootReason::Packages),
            reversal: Reversal::Partly,
            takes_away: true,
            witness: Witness::Machine,
            effects: self.effects(),
            target: Target::Machine,
            scratch: None,
            until_reboot_of: None,
        }
    }

    fn preview(&self) -> Preview {
        Preview::of(self.command())
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::demand(self.family().is_some(), msg::failure::wanted::family(), &self.family)?;
        self.packages.iter().try_for_each(|name| valid::is::<PackageName>(name))
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let installed = packages::installed(host);
        let is_left = |name: &String| installed.iter().any(|package| package.manager_name() == name.as_str());
        let none_left = !self.packages.iter().any(is_left);
        none_left.then(|| vec![format!("not in the package database any more: {}", self.packages.join(", "))])
    }

    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        let before = before::record(&self.complete(context.host)?, context)?;
        Ok(Undo::Packages(Box::new(before)).into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let all = self.complete(context.host)?;
        // A package of NVIDIA's that needs one of these cannot stay; rpm wants it named.
        if let also @ [_, ..] = &all.packages[self.packages.len()..] {
            context.notes.push(format!("removed with them, because they need them: {}", also.join(", ")));
        }
        all.command().map_or(Ok(()), |command| context.run(&command))?;
        if self.is_driver { sweep(context) } else { Ok(()) }
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        if self.is_driver { judge(host, self.check(host)) } else { Verdict::by(self.check(host)) }
    }

    fn way_back(&self, _host: &Host, undo: &Undo) -> Result<WayBack, Failure> {
        match (self.family(), undo) {
            (Some(family), Undo::Packages(before)) => {
                before::way_back(&family, before).map(|back| WayBack::Reinstall(Box::new(back)))
            }
            _ => Ok(WayBack::Nothing),
        }
    }
}
