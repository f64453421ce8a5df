//! What must go, and in which order: who uses the driver, the driver itself, what it leaves, and at last its modules in
//! the kernel.

use std::{collections::BTreeSet, path::Path};

use super::{Clearing, is_loaded};
use crate::{
    answers::Answers,
    catalog::distros,
    facts::{
        Facts, Holder, LedgerEntry, Origin, modules,
        packages::{Role, package_name, role},
    },
    plan::{
        Action, Step,
        action::install_toolkit::{default_prefix, uninstaller},
        action::remove_dkms::RemoveDkms,
        action::remove_left_files::RemoveLeftFiles,
        action::remove_packages::{GoesAlong, RemovePackages, check_id, in_a_line},
        action::remove_runfile_driver::RemoveRunfileDriver,
        action::remove_toolkit::RemoveToolkit,
        action::stop_unit::StopUnit,
        action::unload_modules::{self, UnloadModules},
    },
    version::Version,
};

/// Daemons that are of no use without the driver of the host.
const OF_THE_DRIVER: [&str; 7] = [
    "nvidia-persistenced.service",
    "nvidia-fabricmanager.service",
    "nvidia-dcgm.service",
    "dcgm.service",
    "dcgm-exporter.service",
    "nvidia-imex.service",
    "nvidia-powerd.service",
];

/// Units that carry others: stopping one would stop the node.
const CARRIERS: [&str; 6] = ["kubelet", "containerd", "docker", "crio", "user@", "sshd"];

/// Id of the action that removes the driver's packages.
pub(super) const DRIVER_PACKAGES: &str = "remove-packages";

/// A driver on the host and the owner's driver would fight over the card.
pub(super) fn drivers(facts: &Facts, answers: &Answers, clearing: &Clearing) -> Vec<Action> {
    let of = |origins: &'static [Origin]| clearing.goes.iter().filter(move |entry| origins.contains(&entry.origin));
    let runfiles: Vec<_> = of(&[Origin::Runfile]).collect();
    let packages: Vec<_> = of(&[Origin::Deb, Origin::Rpm]).collect();
    let dkms = left_dkms(facts, of(&[Origin::Dkms]), &runfiles, &packages);
    let left = left_files(facts, &clearing.left);
    if runfiles.is_empty() && packages.is_empty() && dkms.is_empty() && left.is_none() {
        return Vec::new();
    }
    let mut removals: Vec<_> = runfiles.iter().map(|entry| remove_runfile_driver(entry, facts)).collect();
    if !packages.is_empty() {
        let action = remove_packages(DRIVER_PACKAGES, &packages, facts, answers);
        removals.push(Action { needs_reboot: is_loaded(facts), ..action });
    }
    removals.extend(dkms);
    removals.extend(left);
    let is_wanted = |action: &Action| !answers.leaves_out(&action.id, action.optional);
    if !removals.iter().any(is_wanted) {
        // A driver that stays is not disturbed.
        return removals;
    }
    let stops = stop_units(facts, &clearing.stops);
    let stopped = |unit: &str| stops.iter().any(|action| action.id == stop_id(unit) && is_wanted(action));
    let unload = unload(facts, stopped);
    stops.into_iter().chain(removals).chain(unload).collect()
}

fn entries<'a>(facts: &'a Facts, origins: &'a [Origin]) -> impl Iterator<Item = &'a LedgerEntry> {
    facts.driver.ledger.iter().filter(|entry| origins.contains(&entry.origin))
}

fn has_role(entry: &LedgerEntry, wanted: Role) -> bool {
    role(entry) == Some(wanted)
}

fn stop_id(unit: &str) -> String {
    format!("stop-unit:{unit}")
}

/// The driver's own daemons are stopped; services of others that hold the GPU are offered, because others need them.
fn stop_units(facts: &Facts, stops: &[LedgerEntry]) -> Vec<Action> {
    let daemons = stops.iter().map(|entry| with_kind(&entry.name));
    let holders =
        facts.driver.holders.iter().filter(|holder| holder.pod.is_none()).filter_map(|holder| holder.unit.clone());
    let can_stop =
        |unit: &String| unit.ends_with(".service") && !CARRIERS.iter().any(|carrier| unit.starts_with(carrier));
    let units: BTreeSet<String> = daemons.chain(holders).filter(can_stop).collect();
    let stop = |unit: String| {
        let optional = !OF_THE_DRIVER.contains(&unit.as_str());
        let kind = StopUnit { unit: unit.clone() };
        let mut action = Action::new(Step::Driver, &stop_id(&unit), kind, &[("unit", unit)]);
        if optional {
            "stop-unit-of-others".clone_into(&mut action.why);
        }
        Action { optional, ..action }
    };
    units.into_iter().map(stop).collect()
}

fn with_kind(unit: &str) -> String {
    if unit.contains('.') { unit.to_owned() } else { format!("{unit}.service") }
}

fn remove_runfile_driver(entry: &LedgerEntry, facts: &Facts) -> Action {
    let kind = RemoveRunfileDriver { uninstaller: entry.source.clone().into(), version: entry.name.clone() };
    let args = [("version", kind.version.clone()), ("uninstaller", entry.source.clone())];
    let action = Action::new(Step::Driver, "remove-runfile-driver", kind, &args);
    Action { needs_reboot: is_loaded(facts), ..action }
}

/// What no uninstaller and no package manager takes away: an earlier removal has left it, or somebody put it there by
/// hand.
fn left_files(facts: &Facts, files: &[String]) -> Option<Action> {
    let first = files.first()?;
    let args = [("files", files.join(", ")), ("count", files.len().to_string()), ("first", first.clone())];
    let kind = RemoveLeftFiles { files: files.iter().map(Into::into).collect() };
    Some(Action { needs_reboot: is_loaded(facts), ..Action::new(Step::Driver, "remove-left-files", kind, &args) })
}

/// Removes packages by their exact names, with what cannot stay without them.
fn remove_packages(id: &str, entries: &[&LedgerEntry], facts: &Facts, answers: &Answers) -> Action {
    let names: BTreeSet<&str> = entries.iter().filter_map(|entry| package_name(entry)).collect();
    let packages: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let along: Vec<_> =
        entries.iter().filter_map(|entry| goes_along(entry)).filter(|_| id == DRIVER_PACKAGES).collect();
    let others_too = answers.despite.contains(&check_id(id));
    let family = distros::family(facts.host.system()).map(|family| family.name).unwrap_or_default();
    let is_known = !family.is_empty();
    let own =
        packages.iter().filter(|name| along.iter().all(|other| other.name != **name)).cloned().collect::<Vec<_>>();
    let args = [("packages", own.join(", ")), ("count", own.len().to_string()), ("along", in_a_line(&along))];
    let goes_along = !along.is_empty();
    let is_driver = entries.iter().any(|entry| has_role(entry, Role::Driver));
    let kind = RemovePackages { family, packages, is_driver, along, others_too };
    let mut action = Action::new(Step::Driver, id, kind, &args);
    if goes_along {
        "remove-packages-and-more".clone_into(&mut action.why);
    }
    if !is_known {
        action.blocked = Some("unknown-package-manager".to_owned());
    }
    action
}

fn goes_along(entry: &LedgerEntry) -> Option<GoesAlong> {
    let name = package_name(entry).filter(|_| !entry.needs.is_empty())?.to_owned();
    let is_others = !matches!(role(entry), Some(Role::Driver | Role::Toolkit));
    Some(GoesAlong { name, needs: entry.needs.clone(), is_others })
}

/// Trees that no uninstaller of this plan takes away: their driver is gone, and still they build modules for every new
/// kernel.
fn left_dkms<'a>(
    facts: &Facts,
    trees: impl Iterator<Item = &'a LedgerEntry>,
    runfiles: &[&LedgerEntry],
    packages: &[&LedgerEntry],
) -> Vec<Action> {
    let belongs = |version: &str| {
        runfiles.iter().any(|entry| entry.name == version) || packages.iter().any(|entry| entry.name.contains(version))
    };
    let tree = |entry: &LedgerEntry| {
        let (module, version) = entry.name.split_once(' ')?;
        (!belongs(version)).then(|| {
            let kind = RemoveDkms {
                module: module.to_owned(),
                version: version.to_owned(),
                tree: entry.source.clone().into(),
            };
            let args = [("tree", entry.name.clone()), ("folder", entry.source.clone())];
            let id = format!("remove-dkms:{module}/{version}");
            let action = Action::new(Step::Driver, &id, kind, &args);
            Action { needs_reboot: is_loaded(facts), ..action }
        })
    };
    trees.filter_map(tree).collect()
}

/// Unloads the modules when nobody holds them any more; otherwise only the reboot gets them out. Its failure is no
/// harm: the reboot is planned behind it.
fn unload(facts: &Facts, stopped: impl Fn(&str) -> bool) -> Option<Action> {
    let is_stopped = |holder: &Holder| holder.pod.is_none() && holder.unit.as_deref().is_some_and(&stopped);
    let knows_holders = !facts.unknown.contains_key("driver.holders");
    let all_stopped = facts.driver.holders.iter().all(is_stopped);
    let modules = unload_modules::in_order(&facts.driver.modules).filter(|modules| !modules.is_empty())?;
    // With nobody there, every user must be another module: a console of the kernel is in no list of processes.
    let quiet = facts.driver.modules.iter().filter(|module| modules::is_driver(&module.name)).all(|module| {
        !facts.driver.holders.is_empty() || module.refcount.is_none_or(|count| count == module.used_by.len() as u64)
    });
    if !(knows_holders && all_stopped && quiet) {
        return None;
    }
    let kind = UnloadModules { modules };
    let args = [("modules", kind.modules.join(" "))];
    let action = Action::new(Step::Driver, "unload-modules", kind, &args);
    Some(Action { may_fail: true, ..action })
}

/// Old toolkits: one in the place of the new one goes, the others are offered, unless they go with the driver already.
pub(super) fn toolkits(facts: &Facts, answers: &Answers, driver_goes: bool) -> Vec<Action> {
    let packages: Vec<_> =
        entries(facts, &[Origin::Deb, Origin::Rpm]).filter(|entry| has_role(entry, Role::Toolkit)).collect();
    // What needs the driver goes with it.
    let left: Vec<_> = packages.iter().copied().filter(|entry| entry.needs.is_empty() || !driver_goes).collect();
    let mut actions: Vec<_> =
        entries(facts, &[Origin::CudaToolkit]).filter_map(|entry| remove_toolkit(entry, &packages, answers)).collect();
    if !left.is_empty() {
        let action = remove_packages("remove-toolkit-packages", &left, facts, answers);
        actions.push(Action { optional: true, ..action });
    }
    actions
}

fn remove_toolkit(entry: &LedgerEntry, packages: &[&LedgerEntry], answers: &Answers) -> Option<Action> {
    let there: Version = entry.name.parse().ok()?;
    let prefix = Path::new(&entry.source);
    let wanted = answers.cuda();
    let new_prefix =
        wanted.map(|version| answers.cuda_prefix.clone().map_or_else(|| default_prefix(version), Into::into));
    let is_wanted = wanted.is_some_and(|wanted| wanted.starts_with(&there) || *wanted == there);
    let from_packages =
        packages.iter().any(|entry| entry.name.contains(&format!("-{}-{}", there.part(0), there.part(1))));
    if is_wanted || from_packages {
        return None;
    }
    let blocking = new_prefix.as_deref() == Some(prefix);
    let kind = RemoveToolkit { uninstaller: uninstaller(&there, prefix) };
    let args = [("version", there.to_string()), ("prefix", entry.source.clone())];
    let mut action = Action::new(Step::Driver, &format!("remove-toolkit:{}", entry.source), kind, &args);
    if blocking {
        "remove-toolkit-in-the-way".clone_into(&mut action.why);
    }
    Some(Action { optional: !blocking, ..action })
}
