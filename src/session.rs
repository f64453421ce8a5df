//! Session: facts, answers, plan and the journal of what happened, in one file.

pub mod lock;
pub mod lock_owner;
mod migrate;
pub mod seal;
pub mod store;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use crate::{
    answers::Answers,
    cluster::check::VerifyReport,
    diagnosis::{Hit, SignatureId},
    facts::Facts,
    host::{Exit, command::Job},
    i18n::{Lang, Message, msg},
    plan::{
        Action, Plan, Step, Witness,
        action::{target::Target, undo::Undo},
    },
    prediction::{Outcome, Prediction},
    second_boot::SecondBoot,
};

/// The session file's schema version: 2 since a record may name another machine and an undo is journalled like an
/// action, 3 since the file ends with a mark, so that a copy that was cut off is seen, 4 since an undo holds data and
/// no command line, 5 since a second boot is noted. It goes up with every field that an older gpunode would lose. Older
/// files are migrated; newer ones are refused and left alone.
pub const SCHEMA_VERSION: u32 = 5;

/// All that a wizard knows and has done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// See [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The machine it belongs to: the content of `/etc/machine-id`, or `simulated:<scenario>`.
    pub machine: String,
    /// The machine's name, for people.
    pub hostname: String,
    /// When it began.
    pub created: jiff::Timestamp,
    /// When it was last written.
    pub updated: jiff::Timestamp,
    /// The step where the user is.
    pub step: Step,
    /// Steps that are done.
    #[serde(default)]
    pub done: Vec<Step>,
    /// The facts of the last probe.
    #[serde(default)]
    pub facts: Facts,
    /// What the user has answered so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Answers>,
    /// The actions that were confirmed.
    #[serde(default)]
    pub plan: Plan,
    /// What happened, oldest first.
    #[serde(default)]
    pub journal: Vec<Record>,
    /// A reboot that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot: Option<PendingReboot>,
    /// The last verdict of step 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<VerifyReport>,
    /// What was proved on one boot and on a later one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_boot: Option<SecondBoot>,
    /// What the pre-flight of step 2 foretold, and what came of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub predictions: Vec<Prediction>,
    /// The seals of the plans, by step: see [`seal`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub seals: BTreeMap<Step, String>,
    /// The steps whose plan was made on another machine: they are shown, and not run here.
    #[serde(skip)]
    pub foreign_plans: BTreeSet<Step>,
}

impl Session {
    /// Makes an empty session for a machine.
    pub fn new(machine: String, hostname: String, now: jiff::Timestamp) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            machine,
            hostname,
            created: now,
            updated: now,
            step: Step::Detect,
            done: Vec::new(),
            facts: Facts::default(),
            answers: None,
            plan: Plan::default(),
            journal: Vec::new(),
            reboot: None,
            verdict: None,
            second_boot: None,
            predictions: Vec::new(),
            seals: BTreeMap::new(),
            foreign_plans: BTreeSet::new(),
        }
    }

    /// Keeps new predictions; of the old ones, those whose outcome is known stay.
    pub fn keep_predictions(&mut self, predictions: Vec<Prediction>) {
        self.predictions.retain(|old| old.outcome.is_some() && predictions.iter().all(|new| new.id != old.id));
        self.predictions.extend(predictions);
    }

    /// Compares the predictions with how an action ended.
    pub(crate) fn compare(&mut self, record: &Record) {
        let status = record.status;
        let ended = match status {
            Status::Failed => Some(Outcome::Failed),
            _ => status.is_done().then_some(Outcome::Fine),
        };
        let shown: Vec<&SignatureId> = record.hits.iter().map(|hit| &hit.signature).collect();
        let about = |prediction: &&mut Prediction| prediction.action.as_ref() == Some(&record.action.id);
        self.predictions.iter_mut().filter(about).for_each(|prediction| prediction.compare(ended, &shown));
    }

    /// Returns the newest record of an action.
    pub fn record(&self, id: &str) -> Option<&Record> {
        self.journal.iter().rev().find(|record| record.action.id == id)
    }

    /// Returns the title of a planned action.
    pub fn title(&self, id: &str, lang: Lang) -> String {
        self.plan
            .actions
            .iter()
            .find(|action| action.id == id)
            .map_or_else(|| id.to_owned(), |action| action.title(lang))
    }

    /// Tells whether an action is in effect as far as the journal knows.
    pub fn is_done(&self, id: &str) -> bool {
        self.record(id).is_some_and(|record| record.status.is_done())
    }

    /// Tells whether the journal alone proves that this very action is in effect. What was done to an inventory does
    /// not show that its present values are at work once a file of it was changed again.
    pub fn attests(&self, action: &Action) -> bool {
        let Some(place) = self.journal.iter().rposition(|record| record.action.id == action.id) else { return false };
        let record = &self.journal[place];
        let is_of_inventory = |action: &Action| matches!(action.kind.properties().target, Target::Inventory(_));
        let is_edit = |later: &Record| {
            later.status == Status::Done
                && is_of_inventory(&later.action)
                && later.action.kind.properties().witness == Witness::Machine
        };
        let is_overtaken = || is_of_inventory(action) && self.journal[place..].iter().any(is_edit);
        record.status.is_done() && !record.is_foreign && record.action.kind == action.kind && !is_overtaken()
    }

    /// Replaces the actions of one step by newly planned ones. The step is open again, and with it the verdict; the
    /// variables stay done, for they follow from the answers and not from what is done to the host.
    pub fn replan(&mut self, step: Step, actions: Vec<Action>) {
        self.foreign_plans.remove(&step);
        self.plan.actions.retain(|action| action.step != step);
        self.plan.actions.extend(actions);
        self.plan.actions.sort_by_key(|action| action.step);
        self.done.retain(|done| *done != step && *done != Step::Verify);
    }

    /// Opens steps again whose work no longer follows from the answers. Their actions are planned anew; what the
    /// journal says of them stays. Whatever is opened, the verdict is about another node than the one that is wanted
    /// now.
    pub fn invalidate(&mut self, steps: &[Step]) {
        if steps.is_empty() {
            return;
        }
        self.plan.actions.retain(|action| !steps.contains(&action.step));
        self.reopen(steps);
    }

    /// As [`Self::invalidate`], but the plan stays to be looked at: whoever calls this plans anew.
    pub fn reopen(&mut self, steps: &[Step]) {
        if steps.is_empty() {
            return;
        }
        self.done.retain(|done| !steps.contains(done) && *done != Step::Verify);
        self.verdict = None;
    }

    /// Tells whether a step has a plan that may be run here.
    pub fn has_plan(&self, step: Step) -> bool {
        self.plan.of(step).next().is_some() && !self.foreign_plans.contains(&step)
    }

    /// Tells whether a record is about another machine than the session's own: step 3 may have been done on the Ansible
    /// host.
    pub fn is_elsewhere(&self, record: &Record, here: &str) -> bool {
        record.done_on.as_ref().map_or(&self.machine, |place| &place.machine) != here
    }

    /// Marks a step as done.
    pub fn finish(&mut self, step: Step) {
        if !self.done.contains(&step) {
            self.done.push(step);
            self.done.sort();
        }
    }
}

/// A machine on which something was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// As [`Session::machine`].
    pub machine: String,
    /// Its name, for people.
    pub hostname: String,
}

/// A reboot that is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingReboot {
    /// Why: `reboot.<name>` of the locale files.
    pub why: String,
    /// The boot in which it was asked for: another boot id means that it happened.
    pub boot_id: String,
}

/// What happened to one action. It is on disk as [`Status::Intent`] before anything is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The action as it was planned.
    pub action: Action,
    /// How far it came.
    pub status: Status,
    /// The machine it was done on, when that is not the session's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_on: Option<Place>,
    /// When it was begun.
    pub started: jiff::Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<jiff::Timestamp>,
    /// Its raw output, beside the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<PathBuf>,
    /// The detached command that does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
    /// How its last command ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// What was there before, to prove afterwards what did not change: fingerprints by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub before: BTreeMap<String, String>,
    /// What proves it, or what went wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// Known failures that showed while it ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hits: Vec<Hit>,
    /// What is needed to take it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
    /// Its seal: see [`seal`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,
    /// What went wrong in this run, for a reader of any language; the file has it in English, as evidence.
    #[serde(skip)]
    pub failure: Option<Message>,
    /// This machine's gpunode has not written it, or somebody has changed it since: it is shown, and neither run nor
    /// taken back.
    #[serde(skip)]
    pub is_foreign: bool,
}

/// How far an action came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Begun. Found in a file, it means: nobody knows, so look.
    Intent,
    /// Done and proven.
    Done,
    /// Found to be done already.
    AlreadyDone,
    /// Failed; the evidence says why.
    Failed,
    /// Stopped by the user.
    Cancelled,
    /// Being taken back. Found in a file, it means: nobody knows how far that came, so look.
    Undoing,
    /// Done, and taken back.
    Undone,
}

impl Status {
    /// Returns it in a word or two.
    pub fn title(self) -> Message {
        match self {
            Self::Intent => msg::record::intent(),
            Self::Done => msg::record::done(),
            Self::AlreadyDone => msg::record::already_done(),
            Self::Failed => msg::record::failed(),
            Self::Cancelled => msg::record::cancelled(),
            Self::Undoing => msg::record::undoing(),
            Self::Undone => msg::record::undone(),
        }
    }

    /// Returns the name in progress lines, and the last part of its text's key (`record.<name>`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Done => "done",
            Self::AlreadyDone => "already-done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        }
    }

    /// Tells whether the action is in effect.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Done | Self::AlreadyDone)
    }
}
