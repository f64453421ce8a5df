//! Walks back what was done, newest first, and looks each time whether it is still as we left it.

use std::fs;

use super::Event;
use crate::{
    error::Expected,
    host::{Cancel, Command, Exit, Host, Kind},
    plan::act::sha256,
    session::{Record, SavedFile, Session, Status, Undo, store::Store},
};

/// What undoing one record would do or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndoResult {
    /// It is taken back.
    Undone(String),
    /// It was left alone, and why.
    Kept(String),
}

/// Returns the records that an undo would look at, newest first.
pub fn candidates(session: &Session) -> Vec<&Record> {
    session
        .journal
        .iter()
        .rev()
        .filter(|record| record.status == Status::Done || record.status == Status::Failed && record.undo.is_some())
        .collect()
}

/// Takes everything back. What has changed since is left alone and said so; what fails is said so too, and the walk goes on.
pub fn undo_all(
    host: &Host,
    store: &Store,
    session: &mut Session,
    cancel: &Cancel,
    emit: &mut dyn FnMut(Event),
) -> Result<Vec<(String, UndoResult)>, Expected> {
    let places: Vec<usize> = (0..session.journal.len()).rev().collect();
    let mut results = Vec::new();
    for place in places {
        let record = &session.journal[place];
        let is_candidate = record.status == Status::Done || record.status == Status::Failed;
        let (true, Some(undo)) = (is_candidate, record.undo.clone()) else { continue };
        let id = record.action.id.clone();
        let result = one(host, store, &undo, cancel, emit);
        if matches!(result, UndoResult::Undone(_)) {
            session.journal[place].status = Status::Undone;
            session.done.retain(|step| *step < session.journal[place].action.step);
            store.save(session, host.clock.now())?;
        }
        results.push((id, result));
    }
    Ok(results)
}

fn one(host: &Host, store: &Store, undo: &Undo, cancel: &Cancel, emit: &mut dyn FnMut(Event)) -> UndoResult {
    match undo {
        Undo::Impossible(name) => UndoResult::Kept(crate::i18n::Lang::En.text(&format!("undo.{name}"), &[])),
        Undo::RestoreFiles(files) => restore_all(host, files),
        Undo::Run { command, gone } => {
            let is_gone = |host: &Host| gone.as_ref().is_some_and(|path| !host.files.exists(path));
            let what = gone.as_ref().map_or_else(|| format!("`{command}`"), |path| path.display().to_string());
            if is_gone(host) {
                return UndoResult::Kept(format!("{what} is gone already"));
            }
            match run(host, store, command, cancel, emit) {
                Err(error) => UndoResult::Kept(error),
                Ok(_) if is_gone(host) => UndoResult::Undone(format!("{what} is gone")),
                Ok(exit) if gone.is_none() && exit.is_success() => UndoResult::Undone(format!("{what} ended with exit status 0")),
                Ok(exit) => UndoResult::Kept(format!("`{command}` ended with {exit}; {what} is as it was")),
            }
        }
    }
}

fn run(host: &Host, store: &Store, command: &Command, cancel: &Cancel, emit: &mut dyn FnMut(Event)) -> Result<Exit, String> {
    emit(Event::Line(format!("$ {command}")));
    let mut show = |line: crate::host::Line| emit(Event::Line(crate::text::printable_bytes(&line.bytes)));
    match command.kind {
        Kind::Query => host.commands.run(command, cancel, &mut show).map_err(|error| error.to_string()),
        Kind::Detached => {
            let log = store.folder().map_err(|error| error.to_string())?.join("undo.log");
            // Each undo shows only its own output.
            let _ = fs::remove_file(&log);
            let job = host.commands.start(command, &log).map_err(|error| error.to_string())?;
            Ok(host.commands.follow(&job, 0, cancel, &mut show))
        }
    }
}

/// Restores files, all or none: one that somebody else changed keeps the others too.
fn restore_all(host: &Host, files: &[SavedFile]) -> UndoResult {
    for file in files {
        let found = host.files.read(&file.path).ok().map(|bytes| sha256(&bytes));
        if found.as_deref() != Some(file.written_sha256.as_str()) {
            return UndoResult::Kept(format!("{} was changed since; compare it with the backup by hand", file.path.display()));
        }
    }
    match files.iter().try_for_each(|file| restore(host, file)) {
        Ok(()) => {
            let names: Vec<_> = files.iter().map(|file| file.path.display().to_string()).collect();
            UndoResult::Undone(format!("{} restored", names.join(", ")))
        }
        Err(error) => UndoResult::Kept(error),
    }
}

fn restore(host: &Host, file: &SavedFile) -> Result<(), String> {
    let path = file.path.display();
    match &file.backup {
        Some(backup) => {
            let bytes = fs::read(backup).map_err(|error| format!("cannot read the backup {}: {error}", backup.display()))?;
            host.files.write(&file.path, &bytes, 0o644).map_err(|error| format!("cannot write {path}: {error}"))
        }
        None => host.files.remove(&file.path).map_err(|error| format!("cannot remove {path}: {error}")),
    }
}
