//! Drift: what somebody else has changed since the journal was written, to be shown before a session goes on; and what was not
//! somebody else.

use std::path::Path;

use crate::{
    facts::Change,
    host::Host,
    plan::{ActionSpec, action::kind::sha256, action::undo::Undo},
    session::{Record, Session, Status},
};

/// Returns what is no longer as this program left it: files that it wrote, and things it installed that are gone. What was done on
/// another machine cannot be looked at from here.
pub fn drift(host: &Host, session: &Session) -> Vec<Change> {
    let here = host.identity();
    let newest = |id: &str, place: usize| session.journal.iter().rposition(|record| record.action.id == id) == Some(place);
    let mut found = Vec::new();
    for (place, record) in session.journal.iter().enumerate() {
        if record.status != Status::Done || session.is_elsewhere(record, &here) || !newest(&record.action.id, place) {
            continue;
        }
        match &record.undo {
            Some(Undo::RestoreFiles(files)) => {
                for file in files {
                    let path = file.path.display().to_string();
                    match host.files.read(&file.path).map(|bytes| sha256(&bytes)) {
                        Ok(sum) if sum == file.written_sha256 => {}
                        Ok(_) => found.push(Change::new("file-edited", &[("path", &path)])),
                        Err(_) => found.push(Change::new("file-gone", &[("path", &path)])),
                    }
                }
            }
            Some(Undo::Run { gone: Some(path), .. }) if !host.files.exists(path) => {
                found.push(Change::new("file-gone", &[("path", &path.display().to_string())]));
            }
            _ => {}
        }
    }
    found
}

/// Tells whether a change of the machine is this program's own work. A run or an undo that was killed has not looked at the machine
/// since, so the session still has the facts from before.
pub fn is_own(session: &Session, change: &Change) -> bool {
    let walked_back = |record: &Record| matches!(record.status, Status::Undoing | Status::Undone);
    session.journal.iter().any(|record| {
        (record.status != Status::Undone && brings_about(record, change, Direction::Done))
            || (walked_back(record) && brings_about(record, change, Direction::Undone))
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Done,
    Undone,
}

fn brings_about(record: &Record, change: &Change, direction: Direction) -> bool {
    use Direction::{Done, Undone};
    let arg = |name: &str| change.args.get(name).map_or("", String::as_str);
    let what = arg("what");
    let is_package = |packages: &[String]| {
        matches!(arg("origin"), "deb" | "rpm")
            && packages
                .iter()
                .any(|name| what.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '-'])))
    };
    let lets_go = matches!(change.id.as_str(), "driver" | "driver-unloaded" | "gpu-driver" | "gpu-unbound" | "module-unloaded");
    let takes = matches!(change.id.as_str(), "driver" | "driver-loaded" | "gpu-driver" | "gpu-bound" | "module-loaded");
    let (added, removed) = (change.id == "ledger-added", change.id == "ledger-removed");
    match (&record.action.kind, direction) {
        (ActionSpec::StopUnit(_) | ActionSpec::UnloadModules(_) | ActionSpec::BlacklistNouveau(_), Done) => lets_go,
        (ActionSpec::RemoveRunfileDriver(_), Done) => lets_go || (removed && matches!(arg("origin"), "runfile" | "module-file" | "dkms")),
        (ActionSpec::RemoveDkms(_), Done) => lets_go || (removed && matches!(arg("origin"), "dkms" | "module-file")),
        (ActionSpec::RemovePackages(action), Done) => {
            let files = matches!(arg("origin"), "dkms" | "module-file" | "cuda-toolkit");
            lets_go || (removed && (files || is_package(&action.packages)))
        }
        (ActionSpec::RemovePackages(action), Undone) => {
            let files = matches!(arg("origin"), "dkms" | "module-file" | "cuda-toolkit");
            takes || (added && (files || is_package(&action.packages)))
        }
        (ActionSpec::InstallPackages(action), Done) => change.id == "headers-added" || (added && is_package(&action.packages)),
        (ActionSpec::InstallToolkit(action), Done) => added && Path::new(arg("where")) == action.prefix,
        (ActionSpec::InstallToolkit(action), Undone) => removed && Path::new(arg("where")) == action.prefix,
        (ActionSpec::RemoveToolkit(action), Done) => {
            removed && arg("origin") == "cuda-toolkit" && action.uninstaller.starts_with(arg("where"))
        }
        (ActionSpec::RunPlaybook(_) | ActionSpec::WatchInstaller(_), Done) => takes || (added && arg("origin") == "installer-pod"),
        _ => false,
    }
}
