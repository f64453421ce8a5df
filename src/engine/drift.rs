//! Drift: what somebody else has changed since the journal was written, to be shown before a session goes on; and what
//! was not somebody else.

use crate::{
    facts::Change,
    host::Host,
    i18n::msg,
    plan::action::{
        kind::sha256,
        undo::{SavedFile, WayBack},
    },
    session::{Record, Session, Status},
};

/// Returns what is no longer as this program left it: files that it wrote, and things it installed that are gone. What
/// was done on another machine cannot be looked at from here.
pub fn drift(host: &Host, session: &Session) -> Vec<Change> {
    let here = host.identity();
    let newest =
        |id: &str, place: usize| session.journal.iter().rposition(|record| record.action.id == id) == Some(place);
    let mut found = Vec::new();
    for (place, record) in session.journal.iter().enumerate() {
        if record.is_foreign
            || record.status != Status::Done
            || session.is_elsewhere(record, &here)
            || !newest(&record.action.id, place)
        {
            continue;
        }
        let way_back = record.undo.as_ref().and_then(|undo| record.action.kind.way_back(host, undo).ok());
        match way_back {
            Some(WayBack::Restore { files, .. }) => found.extend(files.iter().filter_map(|file| changed(host, file))),
            Some(WayBack::Run { gone: Some(path), .. }) if !host.files.exists(&path) => {
                found.push(Change::from(msg::change::file_gone(path.display().to_string())));
            }
            _ => {}
        }
    }
    found
}

/// Tells whether a file is no longer as it was written.
fn changed(host: &Host, file: &SavedFile) -> Option<Change> {
    let path = file.path.display();
    let text = match host.files.read(&file.path).map(|bytes| sha256(&bytes)) {
        Ok(sum) if sum == file.written_sha256 => return None,
        Ok(_) => msg::change::file_edited(path),
        Err(_) => msg::change::file_gone(path),
    };
    Some(Change::from(text))
}

/// Tells whether a change of the machine is this program's own work. A run or an undo that was killed has not looked at
/// the machine since, so the session still has the facts from before.
pub fn is_own(session: &Session, change: &Change) -> bool {
    let explains = |record: &Record| {
        let (done, walked_back) =
            (record.status != Status::Undone, matches!(record.status, Status::Undoing | Status::Undone));
        let mut effects = record.action.kind.properties().effects.into_iter();
        effects.any(|effect| (done && effect.explains(change)) || (walked_back && effect.reversed().explains(change)))
    };
    session.journal.iter().any(explains)
}
