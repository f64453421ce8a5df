//! Install packages as one transaction that is looked at before: the package manager says what it would do, and a
//! transaction that takes something else away, brings another branch of the driver or another container engine is not
//! run. What it changed is taken back whole.
//!
//! A package's name is no lock on a version: Ubuntu's `nvidia-headless-535-server` brings 580 today. And whoever pulls
//! in `docker.io` on a Kubespray node has two container engines. Sources: Ubuntu's transitional packages; kubespray
//! issue 8693.

pub mod rehearsal;

use std::collections::BTreeSet;

pub use rehearsal::{Change, Rehearsal, Unsuitable};
use serde::{Deserialize, Serialize};

use super::{
    effect::{Effect, Entries},
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    properties::{Preview, Properties, Reversal, RootReason, Witness},
    remove_packages::before,
    target::Target,
    undo::{InstalledPackages, Reinstall, Undo, WayBack},
    valid,
};
use crate::{
    catalog::distros::{self, Family},
    facts::{
        LedgerEntry, Origin,
        packages::{self, Package},
    },
    host::{Command, Host},
    i18n::msg,
    input::PackageName,
    version::Version,
};

/// What a set of packages is for, by which it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Headers, a compiler, dkms: what a module is built with.
    Prerequisites,
    /// What keeps a branch.
    Pin,
    /// The driver.
    Driver,
    /// What has to be of exactly the driver's version.
    Companion,
    /// NVIDIA's container toolkit.
    ContainerToolkit,
}

/// Installs packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallSet {
    /// Name of the distribution's family in the catalog, which knows its package manager's commands.
    pub family: String,
    /// What they are for.
    pub purpose: Purpose,
    /// The packages' names.
    pub packages: Vec<String>,
    /// Their whole version, where all have one and it is asked for: `580.95.05`, `1.20.0-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The branch that every package of the driver must be of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<u32>,
    /// Packages of another driver may go: the user has asked for another branch or source.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaces_driver: bool,
}

impl InstallSet {
    /// Returns the command; nothing where no package manager is known.
    pub fn command(&self) -> Option<Command> {
        let family = distros::named(&self.family)?;
        let command = Command::from_line(family.restore.iter().cloned());
        Some(self.with_names(command, &family).detached())
    }

    fn with_names(&self, command: Command, family: &Family) -> Command {
        let names = self.packages.iter().map(|name| self.spelled(name, family));
        let command = names.fold(command, |command, name| command.operand_of::<PackageName>(&name));
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("LC_ALL", "C.UTF-8")
            .deadline(Some(std::time::Duration::from_mins(3)))
    }

    /// A version goes into the name but for a driver of apt's: there the pin decides, for a whole version has a tail
    /// that nobody knows.
    fn spelled(&self, name: &str, family: &Family) -> String {
        let is_left_to_pin = family.package_manager == "apt" && self.purpose != Purpose::ContainerToolkit;
        match &self.version {
            Some(version) if !is_left_to_pin => family.pin.replace("{name}", name).replace("{version}", version),
            _ => name.to_owned(),
        }
    }

    /// Asks the package manager what it would do, and judges that.
    pub fn rehearse(&self, host: &Host) -> Result<Rehearsal, Unsuitable> {
        rehearsal::rehearse(self, host)
    }

    fn found(&self, host: &Host) -> Vec<Package> {
        let is_ours = |package: &Package| self.packages.contains(&package.name);
        packages::installed(host).into_iter().filter(is_ours).collect()
    }

    /// Tells whether a package is of the wanted branch and version, as far as it tells.
    fn fits(&self, package: &Package) -> bool {
        let told = driver_version(&package.name, &package.version);
        let branch = self.branch.is_none_or(|branch| told.as_ref().is_none_or(|version| version.branch() == branch));
        let own = package.version.rsplit(':').next().unwrap_or_default();
        let is_version = |wanted: &String| {
            own == wanted || own.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.starts_with(['-', '_']))
        };
        branch && self.version.as_ref().is_none_or(is_version)
    }

    /// All versions of the driver in the database must be one: a library of another version than the module's serves
    /// nobody.
    fn demand_one_version(&self, host: &Host) -> Result<Option<Version>, Failure> {
        if !matches!(self.purpose, Purpose::Driver | Purpose::Companion) {
            return Ok(None);
        }
        let found = packages::installed(host);
        let told: BTreeSet<String> = found
            .iter()
            .filter_map(|package| driver_version(&package.name, &package.version))
            .map(|version| version.to_string())
            .collect();
        match told.iter().collect::<Vec<_>>().as_slice() {
            [] => Ok(None),
            [one] => Ok(one.parse().ok()),
            _ => {
                Err(Failure::new(msg::failure::driver_versions_differ(told.into_iter().collect::<Vec<_>>().join(", "))))
            }
        }
    }

    /// A module must be there for every kernel that can boot, but for one that only precompiled packages leave out.
    fn modules(&self, host: &Host) -> Vec<String> {
        if self.purpose != Purpose::Driver {
            return Vec::new();
        }
        let ledger = crate::facts::driver_ledger(host);
        let has_module = |kernel: &str| {
            let folder = format!("/lib/modules/{kernel}/");
            ledger.iter().any(|entry| entry.origin == Origin::ModuleFile && entry.source.starts_with(&folder))
        };
        kernels(host)
            .into_iter()
            .map(|kernel| {
                let there = if has_module(&kernel) { "has a module" } else { "has no module" };
                format!("kernel {kernel} {there}")
            })
            .collect()
    }
}

/// Returns the kernels that are installed here: those that have modules of their own.
pub fn kernels(host: &Host) -> Vec<String> {
    let folder = std::path::Path::new("/lib/modules");
    let names = host.files.list(folder).unwrap_or_default();
    names.into_iter().filter(|name| host.files.exists(folder.join(name).join("kernel"))).collect()
}

/// Returns the driver's version that a package would bring; none for a package that is versioned apart.
fn driver_version(name: &str, version: &str) -> Option<Version> {
    packages::driver_version(&LedgerEntry::new(Origin::Deb, format!("{name} {}", version.rsplit(':').next()?), ""))
}

impl ActionKind for InstallSet {
    fn properties(&self) -> Properties {
        let packages = Effect::Adds(Entries::Packages(self.packages.clone()));
        let of = |origin| Effect::Adds(Entries::Of(origin));
        let mut effects = vec![packages];
        match self.purpose {
            Purpose::Prerequisites => effects.push(Effect::AddsHeaders),
            Purpose::Driver => {
                effects.extend([of(Origin::ModuleFile), of(Origin::Dkms), of(Origin::Deb), of(Origin::Rpm)]);
            }
            Purpose::Pin | Purpose::Companion | Purpose::ContainerToolkit => {}
        }
        Properties {
            root: Some(RootReason::Packages),
            reversal: Reversal::Whole,
            takes_away: false,
            witness: Witness::Machine,
            effects,
            target: Target::Machine,
            scratch: None,
            until_reboot_of: None,
        }
    }

    fn preview(&self) -> Preview {
        let rehearsal = distros::named(&self.family).and_then(|family| rehearsal::command(self, &family));
        Preview {
            details: vec![msg::details::install_set()],
            ..Preview::of(rehearsal.into_iter().chain(self.command()))
        }
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::demand(self.command().is_some(), msg::failure::wanted::family(), &self.family)?;
        self.version.iter().try_for_each(|version| valid::word(msg::failure::wanted::version(), version, "-_.+~:"))?;
        self.packages.iter().try_for_each(|name| valid::is::<PackageName>(name))
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let found = self.found(host);
        let is_there = |name: &String| found.iter().any(|package| package.name == *name && self.fits(package));
        let all = !self.packages.is_empty() && self.packages.iter().all(is_there);
        all.then(|| found.iter().map(|package| format!("{} {} is installed", package.name, package.version)).collect())
    }

    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        let rehearsal =
            self.rehearse(context.host).map_err(|why| Failure::new(msg::failure::nothing_installed(why.told())))?;
        let changed: BTreeSet<&str> =
            rehearsal.changes.iter().filter(|change| change.old.is_some()).map(|change| change.name.as_str()).collect();
        let named: BTreeSet<&str> = self.packages.iter().map(String::as_str).collect();
        let before = before::record_named(context, &|name| changed.contains(name) || named.contains(name))?;
        let added =
            rehearsal.changes.iter().filter(|change| change.old.is_none()).map(|change| change.name.clone()).collect();
        Ok(Undo::Installed(Box::new(InstalledPackages { added, before })).into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let rehearsal =
            self.rehearse(context.host).map_err(|why| Failure::new(msg::failure::nothing_installed(why.told())))?;
        context.notes.extend(rehearsal.notes());
        self.command().map_or(Ok(()), |command| context.run(&command))
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        let Some(mut proof) = self.check(host) else { return Verdict::Unfinished };
        match self.demand_one_version(host) {
            Err(failure) => return Verdict::Failed(failure),
            Ok(version) => {
                proof.extend(version.map(|version| format!("all packages of the driver are of version {version}")));
            }
        }
        let modules = self.modules(host);
        if !modules.is_empty() && modules.iter().all(|line| line.ends_with("has no module")) {
            return Verdict::Failed(Failure::new(msg::failure::no_module_built(modules.join(", "))));
        }
        proof.extend(modules);
        Verdict::Proven(proof)
    }

    /// What came goes; what was changed or went comes back in its old version, with its marks.
    fn way_back(&self, host: &Host, undo: &Undo) -> Result<WayBack, Failure> {
        let (Some(family), Undo::Installed(record)) = (distros::named(&self.family), undo) else {
            return Ok(WayBack::Nothing);
        };
        for name in &record.added {
            valid::is::<PackageName>(name)?;
        }
        let there = packages::installed(host);
        let is_there = |name: &&String| {
            there.iter().any(|package| package.manager_name() == name.as_str() || package.name == **name)
        };
        let going: Vec<&String> = record.added.iter().filter(is_there).collect();
        let command =
            Command::from_line(family.remove.iter().cloned()).env("DEBIAN_FRONTEND", "noninteractive").detached();
        let remove = (!going.is_empty())
            .then(|| going.iter().fold(command, |command, name| command.operand_of::<PackageName>(name)));
        let is_as_before = |package: &&super::undo::RemovedPackage| {
            there.iter().any(|now| now.manager_name() == package.name && now.version == package.version)
        };
        let back = before::way_back(&family, &record.before)?;
        let changed = record.before.packages.iter().any(|package| !is_as_before(&package));
        Ok(WayBack::Reinstall(Box::new(Reinstall { remove, install: back.install.filter(|_| changed), ..back })))
    }
}
