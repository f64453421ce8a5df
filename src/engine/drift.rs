//! Drift: what somebody else has changed since the journal was written, to be shown before a session goes on.

use crate::{
    facts::Change,
    host::Host,
    plan::act::sha256,
    session::{Session, Status, Undo},
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
