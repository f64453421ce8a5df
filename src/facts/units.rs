//! Services of the driver: whether each is installed, is started at boot, and runs. Read from systemd's folders,
//! without asking it. Source: systemd.unit(5), "Unit file load path"; what an enabled unit is: systemctl(1), `enable`.

use serde::{Deserialize, Serialize};

use super::{LedgerEntry, Origin, reader::Reader};

/// The units that matter, with the package that brings each. Source: owners.md 2.5 to 2.7.
const UNITS: [&str; 6] =
    ["nvidia-persistenced", "nvidia-fabricmanager", "nvidia-cdi-refresh", "nvidia-dcgm", "nvidia-imex", "nvidia-gridd"];
/// Where unit files are, the administrator's first.
const FOLDERS: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
/// Targets that start a unit at boot when it is linked below them.
const WANTS: [&str; 3] = ["multi-user.target.wants", "graphical.target.wants", "basic.target.wants"];

/// A service of the driver.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Unit {
    /// Its name, without `.service`.
    pub name: String,
    /// Its file.
    pub file: String,
    /// Whether it is started at boot.
    pub is_enabled: bool,
    /// Whether its process runs; of a unit that works once and ends, never.
    pub is_running: bool,
}

/// Returns the units that are installed.
pub(super) fn probe(reader: &Reader<'_>) -> Vec<Unit> {
    let files = &reader.host.files;
    let unit = |name: &&str| {
        let file = FOLDERS.iter().map(|folder| format!("{folder}/{name}.service")).find(|path| files.exists(path))?;
        // The unit may itself be started by a path or a timer of its name.
        let ends = ["service", "path", "timer"];
        let linked = |folder: &str| {
            WANTS.iter().any(|wants| ends.iter().any(|end| is_link(reader, &format!("{folder}/{wants}/{name}.{end}"))))
        };
        Some(Unit {
            name: (*name).to_owned(),
            file,
            is_enabled: FOLDERS.iter().any(|folder| linked(folder)),
            is_running: false,
        })
    };
    UNITS.iter().filter_map(unit).collect()
}

/// A link counts even where its target is gone: systemd says so too.
fn is_link(reader: &Reader<'_>, path: &str) -> bool {
    let path = std::path::Path::new(path);
    reader.host.files.exists(path) || reader.host.files.read_link(path).is_ok()
}

/// Notes which of the units run, by the processes of the ledger.
pub(super) fn note_running(units: &mut [Unit], ledger: &[LedgerEntry]) {
    for unit in units {
        unit.is_running = ledger.iter().any(|entry| entry.origin == Origin::Unit && entry.name == unit.name);
    }
}
