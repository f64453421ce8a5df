//! The one loop that does things.

use std::path::{Path, PathBuf};

use super::{Event, Outcome};
use crate::{
    error::{Expected, reason},
    exit_code::ExitCode,
    host::{
        Cancel, Exit, Host,
        command::{Job, Liveness},
    },
    i18n::{Lang, Message, msg},
    plan::{
        Action, Step, Witness,
        action::kind::{ActionContext, ActionEvent, Failure, Traces, Verdict, ended, file_failure},
    },
    secret::Secret,
    session::{PendingReboot, Place, Record, Session, Status, lock::Locks, store::Store},
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
    /// The password for `sudo`, where one was asked for.
    pub secret: Option<Secret>,
}

impl Runner<'_> {
    /// Runs what is still to be done of `step`. The error is about the session file: nothing is done that cannot be
    /// journalled.
    pub fn run(&mut self, step: Step, emit: &mut dyn FnMut(Event)) -> Result<Outcome, Expected> {
        if self.session.foreign_plans.contains(&step) {
            return Err(Expected::new(
                msg::error::session::foreign_plan(step.number()),
                msg::error::session::foreign_plan::hint(step.number()),
            ));
        }
        let actions: Vec<Action> = self.session.plan.of(step).filter(|action| !action.skipped).cloned().collect();
        let total = actions.len();
        let mut locks = self.lock(&actions)?;
        for (index, action) in actions.into_iter().enumerate() {
            if let Some(name) = &action.blocked {
                emit(Event::Line(action.blocked_text(Lang::En).unwrap_or_else(|| name.clone())));
                return Ok(Outcome::Failed { id: action.id, exit: None });
            }
            if action.is_reboot() {
                if let Some(outcome) = self.reboot(&action)? {
                    return Ok(outcome);
                }
                continue;
            }
            emit(Event::Started { index, total, action: Box::new(action.clone()) });
            let record = self.one(&action, &mut locks, &mut |told| emit(told.into()))?;
            if self.session.predictions.iter().any(|prediction| prediction.action.as_ref() == Some(&action.id)) {
                self.session.compare(&record);
                self.save()?;
            }
            let (status, evidence, failure) = (record.status, record.evidence.clone(), record.failure.clone());
            emit(Event::Ended { id: action.id.clone(), status, evidence, failure });
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

    /// Locks what actions change. Parameters that are none lead nowhere; they are told of when their turn comes.
    fn lock(&self, actions: &[Action]) -> Result<Locks, Expected> {
        let wanted = actions.iter().filter(|action| action.blocked.is_none() && action.kind.validate().is_ok());
        Locks::take(self.host, self.store, wanted.map(|action| action.kind.properties().target))
    }

    /// Journals a planned reboot that has happened meanwhile; tells whether there was one.
    pub fn settle_reboot(&mut self) -> Result<bool, Expected> {
        let planned = self.session.plan.of(Step::Driver).find(|action| action.is_reboot()).cloned();
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
        let Some(boot_id) = action.kind.properties().until_reboot_of else { return Ok(None) };
        if let Some(proof) = action.kind.check(self.host) {
            if self.session.reboot.take().is_some() || !self.session.is_done(&action.id) {
                self.add(action, Status::Done, proof, None)?;
            }
            return Ok(None);
        }
        self.session.reboot = Some(PendingReboot { why: action.why.clone(), boot_id });
        self.save()?;
        Ok(Some(Outcome::RebootNeeded))
    }

    /// Does one action, or finds that nothing is left to do.
    fn one(
        &mut self,
        action: &Action,
        locks: &mut Locks,
        emit: &mut dyn FnMut(ActionEvent),
    ) -> Result<Record, Expected> {
        if let Err(failure) = action.kind.validate() {
            return self.fail(action, failure);
        }
        let known = self.session.record(&action.id).cloned();
        let here = self.host.identity();
        let is_done = known.as_ref().is_some_and(|record| record.status.is_done());
        match known {
            // What another machine began, or somebody wrote, is not gone on with.
            Some(record) if !record.is_foreign && record.status == Status::Intent => {
                return self.recover(action, record, locks, emit);
            }
            // What the Ansible host has done cannot be looked at from here.
            Some(record) if is_done && self.session.is_elsewhere(&record, &here) => return Ok(record),
            Some(record) if action.kind.properties().witness == Witness::Journal && self.session.attests(action) => {
                return Ok(record);
            }
            known => {
                if let Some(proof) = action.kind.check(self.host) {
                    if let Some(known) = known.as_ref().filter(|record| !record.is_foreign) {
                        self.clear_left_scratch(action, known, emit);
                    }
                    // What we did ourselves keeps its own record, and with it the way back.
                    let done_before = known.filter(|record| is_done && !record.is_foreign);
                    return done_before.map_or_else(|| self.add(action, Status::AlreadyDone, proof, None), Ok);
                }
            }
        }
        self.begin(action, locks, emit)
    }

    /// Journals the intent with all that will be needed later, and does it.
    fn begin(
        &mut self,
        action: &Action,
        locks: &mut Locks,
        emit: &mut dyn FnMut(ActionEvent),
    ) -> Result<Record, Expected> {
        let log = self.log_path(action)?;
        let prepared = match action.kind.prepare(&self.context(log.clone(), emit, &mut |_| Ok(()))?) {
            Ok(prepared) => prepared,
            Err(failure) => return self.fail(action, failure),
        };
        // One write: an intent without its undo and its before would be half a truth after a power cut.
        let intent = self.record(action, Status::Intent, Some(log));
        let record = Record { undo: Some(prepared.undo), before: prepared.before, ..intent };
        self.session.journal.push(record.clone());
        self.save()?;
        self.execute(action, record, locks, emit)
    }

    /// An action caught in the middle: what still runs is followed, what is done is proven, what is neither is done
    /// again.
    fn recover(
        &mut self,
        action: &Action,
        mut record: Record,
        locks: &mut Locks,
        emit: &mut dyn FnMut(ActionEvent),
    ) -> Result<Record, Expected> {
        // What is done and judged is what was planned now; the record only says how far it came.
        record.action = action.clone();
        let exit = self.follow_job(&mut record, emit)?;
        if exit.is_none_or(|exit| exit == Exit::Unseen) {
            self.demand_ended(&record)?;
        }
        let failed = |message: Message| Verdict::Failed(Failure { message, exit });
        let verdict = match exit {
            Some(Exit::Cancelled) => failed(msg::failure::stopped()),
            Some(exit) if !exit.is_success() && exit != Exit::Unseen => failed(msg::failure::its_command(ended(exit))),
            // Nobody saw an end, or not that of all there was to do: the machine tells, or what was printed.
            exit => self.judge(&record, None, exit == Some(Exit::Code(0))),
        };
        match verdict {
            Verdict::Unfinished => self.execute(action, record, locks, emit),
            verdict => self.close(record, verdict),
        }
    }

    /// Demands that nothing of a record's job runs any more. Where that cannot be told, nothing is begun beside it and
    /// nothing cleared: the user has to look.
    fn demand_ended(&self, record: &Record) -> Result<(), Expected> {
        let Some(log) = &record.log else { return Ok(()) };
        let id = &record.action.id;
        let what = match self.host.commands.liveness(log) {
            Liveness::Ended => return Ok(()),
            Liveness::Running => msg::error::job::runs(id, log.display()),
            Liveness::Unknown(why) => msg::error::job::unknown(id, log.display(), why),
        };
        Err(Expected::new(what, msg::error::job::hint(log.display())).code(ExitCode::Negative))
    }

    /// Asks the action for its judgement; the same for what was watched and for what was found.
    fn judge(&self, record: &Record, notes: Option<&[String]>, ended_well: bool) -> Verdict {
        let log = record.log.as_deref().unwrap_or(Path::new(""));
        record.action.kind.judge(self.host, &Traces { before: &record.before, log, notes, ended_well })
    }

    /// Follows the job of a record to its end, if there is one. Killed between the start and its note in the journal,
    /// the job is found by the log that the intent names, and noted now.
    fn follow_job(&mut self, record: &mut Record, emit: &mut dyn FnMut(ActionEvent)) -> Result<Option<Exit>, Expected> {
        let Some(log) = record.log.clone() else { return Ok(None) };
        if record.job.is_none() {
            record.job = self.host.commands.find(&log);
            self.update(record)?;
        }
        let Some(job) = record.job.clone() else { return Ok(None) };
        Ok(Some(self.context(log, emit, &mut |_| Ok(()))?.follow(&job)))
    }

    fn execute(
        &mut self,
        action: &Action,
        record: Record,
        locks: &mut Locks,
        emit: &mut dyn FnMut(ActionEvent),
    ) -> Result<Record, Expected> {
        let mut journal = JobJournal { store: self.store, session: self.session.clone(), now: self.host.clock.now() };
        let mut job = None;
        let mut on_job = |started: &Job| {
            job = Some(started.clone());
            locks.note(&started.log).map_err(Failure::own_words)?;
            journal.write(started)
        };
        let mut context = self.context(record.log.clone().unwrap_or_default(), emit, &mut on_job)?;
        let result = action.kind.execute(&mut context);
        let (hits, notes) = (context.hits, context.notes);
        let record = Record { job, hits, ..record };
        let verdict = result.map_or_else(Verdict::Failed, |()| self.judge(&record, Some(&notes), true));
        let verdict =
            if let Verdict::Proven(proof) = verdict { Verdict::Proven([proof, notes].concat()) } else { verdict };
        self.close(record, verdict)
    }

    /// Journals how an action ended.
    fn close(&mut self, mut record: Record, verdict: Verdict) -> Result<Record, Expected> {
        record.ended = Some(self.host.clock.now());
        match self.tidied(&record, verdict) {
            Ok(proof) => {
                record.status = Status::Done;
                record.exit = None;
                record.evidence = proof;
                record.failure = None;
            }
            Err(failure) => {
                let stopped = failure.exit == Some(Exit::Cancelled) || self.cancel.is_cancelled();
                record.status = if stopped { Status::Cancelled } else { Status::Failed };
                record.exit = failure.exit;
                record.evidence = vec![failure.message.text(Lang::En)];
                record.failure = Some(failure.message);
            }
        }
        self.update(&record)?;
        Ok(record)
    }

    /// Removes what only the execution needed: one that was stopped may leave gigabytes behind. While its log is
    /// locked, it still runs, and what it works in is not taken away from it.
    fn tidied(&self, record: &Record, verdict: Verdict) -> Result<Vec<String>, Failure> {
        let removed = self.clear_scratch(record);
        match verdict {
            Verdict::Proven(proof) => removed.map(|()| proof),
            Verdict::Failed(failure) => Err(failure),
            Verdict::Unfinished => Err(Failure::new(msg::failure::not_reached())),
        }
    }

    fn clear_scratch(&self, record: &Record) -> Result<(), Failure> {
        let Some(folder) = record.action.kind.properties().scratch else { return Ok(()) };
        self.demand_ended(record).map_err(|error| Failure::new(error.message()))?;
        self.host.files.remove_all(&folder).map_err(|error| file_failure(msg::failure::cannot_remove, &folder, &error))
    }

    /// Removes what an earlier run of this action could not remove, whatever stopped it; says so where it stays. The
    /// folder is that of the present plan, and the lock of the machine is held: nobody else works in it.
    fn clear_left_scratch(&self, action: &Action, known: &Record, emit: &mut dyn FnMut(ActionEvent)) {
        if let Err(failure) = self.clear_scratch(&Record { action: action.clone(), ..known.clone() }) {
            emit(ActionEvent::Line(failure.message.text(Lang::En)));
        }
    }

    /// Journals an action that failed before anything was done.
    fn fail(&mut self, action: &Action, failure: Failure) -> Result<Record, Expected> {
        let evidence = vec![failure.message.text(Lang::En)];
        let record = self.record(action, Status::Failed, None);
        self.push(Record { evidence, failure: Some(failure.message), ..record })
    }

    fn add(
        &mut self,
        action: &Action,
        status: Status,
        evidence: Vec<String>,
        log: Option<PathBuf>,
    ) -> Result<Record, Expected> {
        let record = self.record(action, status, log);
        self.push(Record { evidence, ..record })
    }

    fn push(&mut self, record: Record) -> Result<Record, Expected> {
        let record = Record { ended: Some(self.host.clock.now()), ..record };
        self.session.journal.push(record.clone());
        self.save()?;
        Ok(record)
    }

    fn record(&self, action: &Action, status: Status, log: Option<PathBuf>) -> Record {
        Record {
            action: action.clone(),
            status,
            done_on: self.elsewhere(),
            started: self.host.clock.now(),
            ended: None,
            log,
            job: None,
            exit: None,
            before: std::collections::BTreeMap::new(),
            evidence: Vec::new(),
            hits: Vec::new(),
            undo: None,
            seal: None,
            failure: None,
            is_foreign: false,
        }
    }

    /// Returns this machine when it is not the session's own.
    fn elsewhere(&self) -> Option<Place> {
        let machine = self.host.identity();
        (machine != self.session.machine).then(|| Place { machine, hostname: self.host.name() })
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

    fn context<'w>(
        &'w self,
        log: PathBuf,
        emit: &'w mut dyn FnMut(ActionEvent),
        journal_job: &'w mut dyn FnMut(&Job) -> Result<(), Failure>,
    ) -> Result<ActionContext<'w>, Expected> {
        let folder = self.store.folder().map_err(|error| folder_failure(&error))?;
        let (host, cancel, secret) = (self.host, self.cancel, self.secret.as_ref());
        Ok(ActionContext { host, folder, log, cancel, secret, emit, notes: Vec::new(), hits: Vec::new(), journal_job })
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
        self.store.save(&mut self.session, self.now).map_err(|error| Failure::new(error.message()))
    }
}

fn folder_failure(error: &std::io::Error) -> Expected {
    Expected::new(msg::error::session::folder_for_logs(reason(error)), msg::error::session::folder_for_logs::hint())
}
