//! The one loop that does things.

use std::path::PathBuf;

use super::{Event, Outcome};
use crate::{
    error::Expected,
    host::{Cancel, Exit, Host, command::Job},
    plan::{
        Action, Kind, Step,
        act::{Failure, Work},
    },
    session::{PendingReboot, Record, Session, Status, store::Store},
};

/// Runs the planned actions of one step on a machine, with every intent and result on disk.
pub struct Runner<'a> {
    /// The machine.
    pub host: &'a Host,
    /// Where the session is kept.
    pub store: &'a Store,
    /// The session.
    pub session: &'a mut Session,
    /// Set when the user stops the run.
    pub cancel: &'a Cancel,
}

impl Runner<'_> {
    /// Runs what is still to be done of `step`. The error is about the session file: nothing is done that cannot be journalled.
    pub fn run(&mut self, step: Step, emit: &mut dyn FnMut(Event)) -> Result<Outcome, Expected> {
        let actions: Vec<Action> = self.session.plan.of(step).filter(|action| !action.skipped).cloned().collect();
        let total = actions.len();
        for (index, action) in actions.into_iter().enumerate() {
            if let Some(name) = &action.blocked {
                emit(Event::Line(action.blocked_text(crate::i18n::Lang::En).unwrap_or_else(|| name.clone())));
                return Ok(Outcome::Failed { id: action.id, exit: None });
            }
            if matches!(action.kind, Kind::Reboot(_)) {
                if let Some(outcome) = self.reboot(&action)? {
                    return Ok(outcome);
                }
                continue;
            }
            emit(Event::Started { index, total, action: Box::new(action.clone()) });
            let record = self.one(&action, emit)?;
            emit(Event::Ended { id: action.id.clone(), status: record.status, evidence: record.evidence.clone() });
            match record.status {
                Status::Cancelled => return Ok(Outcome::Cancelled),
                Status::Failed if action.may_fail => {}
                Status::Failed => return Ok(Outcome::Failed { id: action.id, exit: record.exit }),
                _ => {}
            }
        }
        self.session.finish(step);
        self.save()?;
        Ok(Outcome::Done)
    }

    /// Journals a planned reboot that has happened meanwhile; tells whether there was one.
    pub fn settle_reboot(&mut self) -> Result<bool, Expected> {
        let planned = self.session.plan.of(Step::Driver).find(|action| matches!(action.kind, Kind::Reboot(_))).cloned();
        let Some(action) = planned.filter(|_| self.session.reboot.is_some()) else { return Ok(false) };
        if self.reboot(&action)?.is_some() {
            return Ok(false);
        }
        self.session.finish(Step::Driver);
        self.save()?;
        Ok(true)
    }

    /// Records that a reboot is needed, or that it happened.
    fn reboot(&mut self, action: &Action) -> Result<Option<Outcome>, Expected> {
        let Kind::Reboot(reboot) = &action.kind else { return Ok(None) };
        if let Some(proof) = action.kind.act().done(self.host) {
            if self.session.reboot.take().is_some() || !self.session.is_done(&action.id) {
                self.add(action, Status::Done, proof, None)?;
            }
            return Ok(None);
        }
        self.session.reboot = Some(PendingReboot { why: action.why.clone(), boot_id: reboot.boot_id.clone() });
        self.save()?;
        Ok(Some(Outcome::RebootNeeded))
    }

    /// Does one action, or finds that nothing is left to do.
    fn one(&mut self, action: &Action, emit: &mut dyn FnMut(Event)) -> Result<Record, Expected> {
        let act = action.kind.act();
        let interrupted = self.session.record(&action.id).filter(|record| record.status == Status::Intent).cloned();
        if let Some(record) = interrupted {
            return self.recover(action, record, emit);
        }
        if let Some(proof) = act.done(self.host) {
            let done_before = self.session.record(&action.id).filter(|record| record.status.is_done()).cloned();
            // What we did ourselves keeps its own record, and with it the way back.
            return done_before.map_or_else(|| self.add(action, Status::AlreadyDone, proof, None), Ok);
        }
        if self.session.is_done(&action.id) && matches!(action.kind, Kind::RunPlaybook(_) | Kind::BlacklistNouveau(_)) {
            // Only the journal can know about these.
            return self.session.record(&action.id).cloned().ok_or_else(|| unjournalled(action));
        }
        let log = self.log_path(action)?;
        let undo = match act.undo(&self.work(log.clone(), emit, &mut |_| Ok(()))?) {
            Ok(undo) => undo,
            Err(failure) => return self.add(action, Status::Failed, vec![failure.message], None),
        };
        // All of it in one write: an intent without its fingerprints could prove nothing after a power cut.
        let before = act.before(self.host);
        let mut record = self.record(action, Status::Intent, Vec::new(), Some(log));
        record.undo = Some(undo);
        record.before = before;
        self.push(&record)?;
        self.execute(action, record, emit)
    }

    /// An action caught in the middle: what still runs is followed, what is done is proven, what is neither is done again.
    fn recover(&mut self, action: &Action, record: Record, emit: &mut dyn FnMut(Event)) -> Result<Record, Expected> {
        if let (Some(job), Some(log)) = (&record.job, &record.log) {
            let exit = self.work(log.clone(), emit, &mut |_| Ok(()))?.follow(job);
            if exit == Exit::Cancelled {
                return self.close(record, Err(Failure { message: "stopped".to_owned(), exit: Some(exit) }));
            }
        }
        let before = record.before.clone();
        match action.kind.act().done(self.host) {
            Some(_) => {
                let proof = action.kind.act().prove(self.host, &before);
                self.close(record, proof)
            }
            None => self.execute(action, record, emit),
        }
    }

    fn execute(&mut self, action: &Action, record: Record, emit: &mut dyn FnMut(Event)) -> Result<Record, Expected> {
        let act = action.kind.act();
        let log = record.log.clone().unwrap_or_default();
        let before = record.before.clone();
        let mut journal = JobJournal { store: self.store, session: self.session.clone(), now: self.host.clock.now() };
        let mut job = None;
        let hits;
        let result = {
            let mut on_job = |started: &Job| {
                job = Some(started.clone());
                journal.write(started)
            };
            let mut work = Work {
                host: self.host,
                folder: self.store.folder().map_err(|error| folder_failure(&error))?,
                log,
                cancel: self.cancel,
                emit,
                notes: Vec::new(),
                hits: Vec::new(),
                journal_job: &mut on_job,
            };
            let result = act.execute(&mut work);
            hits = work.hits;
            result.map(|()| work.notes)
        };
        let record = Record { job, hits, ..record };
        let result = result.and_then(|notes| Ok([act.prove(self.host, &before)?, notes].concat()));
        self.close(record, result)
    }

    /// Journals how an action ended.
    fn close(&mut self, mut record: Record, result: Result<Vec<String>, Failure>) -> Result<Record, Expected> {
        record.ended = Some(self.host.clock.now());
        match result {
            Ok(proof) => {
                record.status = Status::Done;
                record.exit = None;
                record.evidence = proof;
            }
            Err(failure) => {
                let stopped = failure.exit == Some(Exit::Cancelled) || self.cancel.is_cancelled();
                record.status = if stopped { Status::Cancelled } else { Status::Failed };
                record.exit = failure.exit;
                record.evidence = vec![failure.message];
            }
        }
        self.update(&record)?;
        Ok(record)
    }

    fn add(&mut self, action: &Action, status: Status, evidence: Vec<String>, log: Option<PathBuf>) -> Result<Record, Expected> {
        let record = self.record(action, status, evidence, log);
        self.push(&record)?;
        Ok(record)
    }

    fn push(&mut self, record: &Record) -> Result<(), Expected> {
        self.session.journal.push(record.clone());
        self.save()
    }

    fn record(&self, action: &Action, status: Status, evidence: Vec<String>, log: Option<PathBuf>) -> Record {
        let now = self.host.clock.now();
        let ended = (status != Status::Intent).then_some(now);
        Record {
            action: action.clone(),
            status,
            started: now,
            ended,
            log,
            job: None,
            exit: None,
            before: std::collections::BTreeMap::new(),
            evidence,
            hits: Vec::new(),
            undo: None,
        }
    }

    /// Replaces the newest record of the same action.
    fn update(&mut self, record: &Record) -> Result<(), Expected> {
        if let Some(place) = self.session.journal.iter_mut().rev().find(|old| old.action.id == record.action.id) {
            *place = record.clone();
        }
        self.save()
    }

    fn save(&mut self) -> Result<(), Expected> {
        self.store.save(self.session, self.host.clock.now())
    }

    fn work<'w>(
        &'w self,
        log: PathBuf,
        emit: &'w mut dyn FnMut(Event),
        journal_job: &'w mut dyn FnMut(&Job) -> Result<(), Failure>,
    ) -> Result<Work<'w>, Expected> {
        let folder = self.store.folder().map_err(|error| folder_failure(&error))?;
        Ok(Work { host: self.host, folder, log, cancel: self.cancel, emit, notes: Vec::new(), hits: Vec::new(), journal_job })
    }

    /// Returns a new log file's path: each attempt has its own.
    fn log_path(&self, action: &Action) -> Result<PathBuf, Expected> {
        let folder = self.store.folder().map_err(|error| folder_failure(&error))?;
        Ok(folder.join(format!("{:03}-{}.log", self.session.journal.len() + 1, action.name())))
    }
}

/// Writes the job into the intent's record while the action runs.
struct JobJournal<'a> {
    store: &'a Store,
    session: Session,
    now: jiff::Timestamp,
}

impl JobJournal<'_> {
    fn write(&mut self, job: &Job) -> Result<(), Failure> {
        if let Some(record) = self.session.journal.last_mut() {
            record.job = Some(job.clone());
        }
        self.store.save(&mut self.session, self.now).map_err(|error| Failure::new(error.to_string()))
    }
}

fn folder_failure(error: &std::io::Error) -> Expected {
    Expected::new(
        format!("cannot make the folder for logs beside the session: {error}"),
        "make room or choose another place with `--session FILE`",
    )
}

fn unjournalled(action: &Action) -> Expected {
    Expected::new(format!("the journal has lost the record of {}", action.id), "please report this as a bug")
}
