//! Drift: what somebody else has changed since the journal was written, to be shown before a session goes on; and what
//! was not somebody else.

use crate::{
    facts::Change,
    host::Host,
    i18n::msg,
    plan::{
        Step,
        action::{
            kind::sha256,
            undo::{SavedFile, WayBack},
        },
    },
    session::{Record, Session, Status},
};

/// Returns what is no longer as this program left it: files that it wrote, and things it installed that are gone. What
/// was done on another machine cannot be looked at from here.
pub fn drift(host: &Host, session: &Session) -> Vec<Change> {
    standing(host, session).filter_map(|(record, way_back)| changed_by(host, record, &way_back)).flatten().collect()
}

/// Looks anew at what a step has left on this machine; nothing where it has left nothing that can be looked at.
pub fn look_again(host: &Host, session: &Session, step: Step) -> Option<Vec<Change>> {
    let looked = standing(host, session).filter(|(record, _)| record.action.step == step);
    looked.filter_map(|(record, way_back)| changed_by(host, record, &way_back)).reduce(|all, some| [all, some].concat())
}

/// The newest done record of each action of this machine, with its way back.
fn standing<'s>(host: &'s Host, session: &'s Session) -> impl Iterator<Item = (&'s Record, WayBack)> {
    let here = host.identity();
    let newest =
        |id: &str, place: usize| session.journal.iter().rposition(|record| record.action.id == id) == Some(place);
    session.journal.iter().enumerate().filter_map(move |(place, record)| {
        let is_looked_at = !record.is_foreign
            && record.status == Status::Done
            && !session.is_elsewhere(record, &here)
            && newest(&record.action.id, place);
        let undo = record.undo.as_ref().filter(|_| is_looked_at)?;
        Some((record, record.action.kind.way_back(host, undo).ok()?))
    })
}

/// Returns what of one record is no longer so; nothing where that cannot be seen.
fn changed_by(host: &Host, record: &Record, way_back: &WayBack) -> Option<Vec<Change>> {
    match way_back {
        WayBack::Restore { files, .. } => Some(files.iter().filter_map(|file| changed(host, file)).collect()),
        WayBack::Run { gone: Some(path), .. } if host.files.exists(path) => Some(Vec::new()),
        WayBack::Run { gone: Some(path), .. } => {
            Some(vec![Change::from(msg::change::file_gone(path.display().to_string()))])
        }
        WayBack::Reinstall(_) => {
            let is_so = record.action.kind.check(host).is_some();
            let text = || msg::change::no_longer(&record.action.id);
            Some((!is_so).then(|| Change::from(text())).into_iter().collect())
        }
        _ => None,
    }
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
