//! Walks back what was done, newest first, and looks each time whether it is still as we left it.
//!
//! An undo is journalled like an action: [`Status::Undoing`] is on disk before anything is taken back, so a walk that
//! was stopped or killed goes on where it was.

use std::path::{Path, PathBuf};

use super::Event;
use crate::{
    error::{Expected, reason},
    facts,
    host::{
        self, Cancel, Command, Exit, Host, Line,
        command::{Job, Liveness},
    },
    i18n::{Lang, Message, msg},
    plan::{
        Action, Effect,
        action::{
            kind::{ended, sha256},
            target::Target,
            undo::{Reinstall, SavedFile, Undo, WayBack},
        },
    },
    private,
    session::{Record, Session, Status, lock::Locks, store::Store},
};

/// What undoing one record did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndoResult {
    /// It is taken back.
    Undone(Message),
    /// It was left alone, and why.
    Kept(Message),
    /// The user stopped the walk here; this record and all older ones stay, and the next walk goes on with them.
    Stopped,
}

/// Returns the records that an undo would look at, newest first.
pub fn candidates(session: &Session) -> Vec<&Record> {
    session.journal.iter().rev().filter(|record| is_candidate(record)).collect()
}

/// Whatever may have left something behind: also what failed, was stopped, or was caught in the middle.
pub(super) fn is_candidate(record: &Record) -> bool {
    let leaves_something = record.action.kind.properties().reversal.leaves_something();
    record.undo.is_some() && leaves_something && !matches!(record.status, Status::AlreadyDone | Status::Undone)
}

/// Returns what will come of a record, a sentence.
pub fn prospect(session: &Session, record: &Record, lang: Lang) -> String {
    if record.is_foreign {
        return msg::undo::not_made_here().text(lang);
    }
    let place = session.journal.iter().position(|other| std::ptr::eq(other, record));
    let driver_is_gone = place.is_some_and(|place| lacks_driver(session, place));
    if driver_is_gone { msg::undo::unit_without_driver().text(lang) } else { record.action.undo_text(lang) }
}

/// Tells whether a record stopped a unit whose driver was removed afterwards: without it, the unit cannot start.
fn lacks_driver(session: &Session, place: usize) -> bool {
    let removes = |record: &Record| record.status.is_done() && record.action.removes_driver();
    let needs_driver = session.journal[place].action.has_effect(|effect| *effect == Effect::StopsDriverUser);
    needs_driver && session.journal[place..].iter().any(removes)
}

/// Takes everything back. What has changed since is left alone and said so; what fails is said so too, and the walk
/// goes on. At the end the machine is looked at again: what was taken back is nobody else's change.
pub fn undo_all(
    host: &Host,
    store: &Store,
    session: &mut Session,
    cancel: &Cancel,
    emit: &mut dyn FnMut(Event),
) -> Result<Vec<(Action, UndoResult)>, Expected> {
    let mut results = Vec::new();
    let is_ours = |record: &&Record| !record.is_foreign && !session.is_elsewhere(record, &host.identity());
    let wanted = candidates(session).into_iter().filter(is_ours).filter(|record| record.action.kind.validate().is_ok());
    let targets: Vec<Target> = wanted.map(|record| record.action.kind.properties().target).collect();
    let locks = Locks::take(host, store, targets)?;
    let mut walk = Walk { host, store, session, cancel, locks, emit };
    for place in (0..walk.session.journal.len()).rev() {
        if !is_candidate(&walk.session.journal[place]) {
            continue;
        }
        let action = walk.session.journal[place].action.clone();
        let result = if cancel.is_cancelled() { UndoResult::Stopped } else { walk.one(place)? };
        let stopped = result == UndoResult::Stopped;
        results.push((action, result));
        if stopped {
            break;
        }
    }
    if results.iter().any(|(_, result)| matches!(result, UndoResult::Undone(_)))
        && walk.session.machine == host.identity()
    {
        let mut facts = facts::probe(host);
        facts.keep_asked(&walk.session.facts);
        walk.session.facts = facts;
        store.save(walk.session, host.clock.now())?;
    }
    Ok(results)
}

struct Walk<'a> {
    host: &'a Host,
    store: &'a Store,
    session: &'a mut Session,
    cancel: &'a Cancel,
    locks: Locks,
    emit: &'a mut dyn FnMut(Event),
}

impl Walk<'_> {
    /// Takes one record back, with its intent on disk before and its result after.
    fn one(&mut self, place: usize) -> Result<UndoResult, Expected> {
        let record = self.session.journal[place].clone();
        let Some(undo) = &record.undo else { return Ok(UndoResult::Kept(msg::failure::undo::no_way_back())) };
        if self.session.is_elsewhere(&record, &self.host.identity()) {
            let name = record.done_on.as_ref().map_or(&self.session.hostname, |place| &place.hostname);
            return Ok(UndoResult::Kept(msg::failure::undo::elsewhere(name)));
        }
        if record.is_foreign {
            return Ok(UndoResult::Kept(msg::undo::not_made_here()));
        }
        // While its job has its log locked, or nobody can tell, nothing is taken away from it and nothing begun beside
        // it.
        if let Some(alive) = record.log.as_ref().and_then(|log| self.alive(&record, log)) {
            return Ok(UndoResult::Kept(alive));
        }
        let was = if record.status == Status::Undoing { Status::Done } else { record.status };
        let kept = |text: Message| Ok(UndoResult::Kept(text));
        if lacks_driver(self.session, place) {
            return kept(msg::undo::unit_without_driver());
        }
        if *undo == Undo::Nothing && record.action.kind.properties().reversal.comes_back() {
            return kept(msg::failure::undo::no_way_back());
        }
        let way_back = record.action.kind.validate().and_then(|()| record.action.kind.way_back(self.host, undo));
        let result = match way_back {
            Err(failure) => return kept(failure.message),
            Ok(WayBack::Nothing) => return kept(record.action.undo_message()),
            Ok(WayBack::Restore { files, then }) => self.restore(place, &files, &then)?,
            Ok(WayBack::Run { command, gone }) => self.run(place, &record, &command, gone.as_ref())?,
            Ok(WayBack::Reinstall(back)) => self.reinstall(place, &record, &back)?,
        };
        match &result {
            UndoResult::Undone(_) => {
                self.session.done.retain(|step| *step < record.action.step);
                self.session.step = self.session.step.min(record.action.step);
                self.mark(place, Status::Undone, None)?;
            }
            UndoResult::Kept(_) => self.mark(place, was, record.job)?,
            UndoResult::Stopped => {}
        }
        Ok(result)
    }

    /// Puts files back, if nobody else has changed one of them since, and makes anew what was made of them.
    fn restore(&mut self, place: usize, files: &[SavedFile], then: &[Command]) -> Result<UndoResult, Expected> {
        let folder = match self.store.folder() {
            Ok(folder) => folder,
            Err(error) => return Ok(UndoResult::Kept(msg::failure::undo::no_backups(reason(&error)))),
        };
        let ours = match standing(self.host, files) {
            Ok(ours) => ours,
            Err(changed) => return Ok(UndoResult::Kept(changed)),
        };
        self.mark(place, Status::Undoing, None)?;
        let result = restore_all(self.host, &folder, &ours, files);
        let UndoResult::Undone(done) = result else { return Ok(result) };
        Ok(self
            .follow_up(then)
            .map_or(UndoResult::Undone(done), |failure| UndoResult::Kept(msg::failure::undo::followed(failure))))
    }

    /// Runs what has to follow, to the first that fails.
    fn follow_up(&mut self, commands: &[Command]) -> Option<Message> {
        commands.iter().find_map(|command| {
            (self.emit)(Event::Line(format!("$ {command}")));
            match self.host.commands.capture(command) {
                Ok(output) if output.exit.is_success() => None,
                Ok(output) => Some(msg::failure::undo::command_said(command, ended(output.exit), output.stderr.trim())),
                Err(error) => Some(msg::failure::own_words(error)),
            }
        })
    }

    fn mark(&mut self, place: usize, status: Status, job: Option<Job>) -> Result<(), Expected> {
        let record = &mut self.session.journal[place];
        record.status = status;
        record.job = job;
        self.store.save(self.session, self.host.clock.now())
    }

    /// Runs the undo's command, or follows it where an earlier walk has started it.
    fn run(
        &mut self,
        place: usize,
        record: &Record,
        command: &Command,
        gone: Option<&PathBuf>,
    ) -> Result<UndoResult, Expected> {
        let commands = self.host.commands.clone();
        let what = gone.map_or_else(|| format!("`{command}`"), |path| path.display().to_string());
        let is_gone = |host: &Host| gone.is_some_and(|path| !host.files.exists(path));
        let log = match self.store.folder() {
            Ok(folder) => folder.join(format!("{:03}-undo-{}.log", place + 1, record.action.name())),
            Err(error) => return Ok(UndoResult::Kept(msg::failure::undo::no_logs(reason(&error)))),
        };
        // A walk that was killed may have started it: it is followed to its end before anything else.
        let begun =
            (record.status == Status::Undoing).then(|| record.job.clone().or_else(|| commands.find(&log))).flatten();
        if begun.is_some_and(|job| self.follow(&job) == Exit::Cancelled) {
            return Ok(UndoResult::Stopped);
        }
        if is_gone(self.host) {
            return Ok(UndoResult::Undone(msg::failure::undo::gone(what)));
        }
        let exit = match self.start(place, command, &log)? {
            Ok(exit) => exit,
            Err(error) => return Ok(UndoResult::Kept(error)),
        };
        Ok(match exit {
            Exit::Cancelled => UndoResult::Stopped,
            _ if is_gone(self.host) => UndoResult::Undone(msg::failure::undo::gone(what)),
            exit if gone.is_none() && exit.is_success() => UndoResult::Undone(msg::failure::undo::ended_well(what)),
            exit => UndoResult::Kept(msg::failure::undo::as_it_was(command, ended(exit), what)),
        })
    }

    /// Removes packages that were not there, installs the others again, then gives them their marks and their
    /// configuration back. What fails of that says so, and is done again by the next walk.
    fn reinstall(&mut self, place: usize, record: &Record, back: &Reinstall) -> Result<UndoResult, Expected> {
        let mut done = msg::failure::undo::nothing_left();
        for command in back.remove.iter().chain(&back.install) {
            let result = self.run(place, record, command, None)?;
            let UndoResult::Undone(this) = result else { return Ok(result) };
            done = this;
        }
        if let Some(failure) = self.follow_up(&back.marks) {
            return Ok(UndoResult::Kept(msg::failure::undo::marks(failure)));
        }
        let folder = match self.store.folder() {
            Ok(folder) => folder,
            Err(error) => return Ok(UndoResult::Kept(msg::failure::undo::no_backups(reason(&error)))),
        };
        for file in &back.configuration {
            if let Err(error) = put_back(self.host, &folder, file) {
                return Ok(UndoResult::Kept(msg::failure::undo::configuration(error)));
            }
        }
        Ok(UndoResult::Undone(done))
    }

    /// Tells that a job with this log is not known to have ended.
    fn alive(&self, record: &Record, log: &Path) -> Option<Message> {
        let id = &record.action.id;
        match self.host.commands.liveness(log) {
            Liveness::Ended => None,
            Liveness::Running => Some(msg::error::job::runs(id, log.display())),
            Liveness::Unknown(why) => Some(msg::error::job::unknown(id, log.display(), why)),
        }
    }

    fn start(&mut self, place: usize, command: &Command, log: &Path) -> Result<Result<Exit, Message>, Expected> {
        if let Some(alive) = self.alive(&self.session.journal[place], log) {
            return Ok(Err(alive));
        }
        let commands = self.host.commands.clone();
        self.mark(place, Status::Undoing, None)?;
        (self.emit)(Event::Line(format!("$ {command}")));
        let job = match command.kind {
            host::Kind::Detached => {
                let mut note = |job: &Job| {
                    self.locks.note(&job.log).map_err(|error| error.to_string())?;
                    self.mark(place, Status::Undoing, Some(job.clone())).map_err(|error| error.to_string())
                };
                match commands.start(command, log, &mut note) {
                    Ok(job) => job,
                    Err(error) => return Ok(Err(msg::failure::own_words(error))),
                }
            }
            host::Kind::Query => {
                let emit = &mut *self.emit;
                let mut show = |line: Line| emit(Event::Line(crate::text::printable_bytes(&line.bytes)));
                return Ok(commands.run(command, self.cancel, &mut show).map_err(msg::failure::own_words));
            }
        };
        Ok(Ok(self.follow(&job)))
    }

    fn follow(&mut self, job: &Job) -> Exit {
        let emit = &mut *self.emit;
        self.host
            .commands
            .follow(job, 0, self.cancel, &mut |line| emit(Event::Line(crate::text::printable_bytes(&line.bytes))))
    }
}

/// Returns the files that still are as we left them; those that are as before need nothing. The error names a file that
/// is neither: one that somebody else changed keeps the others too.
fn standing<'f>(host: &Host, files: &'f [SavedFile]) -> Result<Vec<&'f SavedFile>, Message> {
    let mut ours = Vec::new();
    for file in files {
        let found = match host.files.read(&file.path) {
            Ok(bytes) => Some(sha256(&bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(msg::failure::cannot_read(file.path.display(), reason(&error))),
        };
        let ours_now = (!file.is_removed).then_some(file.written_sha256.as_str());
        if found.as_deref() == ours_now {
            ours.push(file);
        } else if found != file.before_sha256 {
            return Err(msg::failure::undo::changed(file.path.display()));
        }
    }
    Ok(ours)
}

fn restore_all(host: &Host, folder: &Path, ours: &[&SavedFile], all: &[SavedFile]) -> UndoResult {
    match ours.iter().try_for_each(|file| restore(host, folder, file)) {
        Ok(()) => {
            let names: Vec<_> = all.iter().map(|file| file.path.display().to_string()).collect();
            UndoResult::Undone(msg::failure::undo::restored(names.join(", ")))
        }
        Err(error) => UndoResult::Kept(error),
    }
}

/// Gives a file the bytes that it had, unless it has them already.
fn put_back(host: &Host, folder: &Path, file: &SavedFile) -> Result<(), Message> {
    let now = host.files.read(&file.path).ok().map(|bytes| sha256(&bytes));
    if now == file.before_sha256 { Ok(()) } else { restore(host, folder, file) }
}

fn restore(host: &Host, folder: &Path, file: &SavedFile) -> Result<(), Message> {
    let path = file.path.display();
    let Some(backup) = file.backup(folder) else {
        return host.files.remove(&file.path).map_err(|error| msg::failure::cannot_remove(path, reason(&error)));
    };
    let bytes = private::read(&backup)
        .map_err(|error| msg::failure::undo::unreadable_backup(backup.display(), reason(&error)))?;
    if file.before_sha256.as_ref() != Some(&sha256(&bytes)) {
        return Err(msg::failure::undo::bad_backup(backup.display()));
    }
    host.files.write(&file.path, &bytes, 0o644).map_err(|error| msg::failure::cannot_write(path, reason(&error)))
}
