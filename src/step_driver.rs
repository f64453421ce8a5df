//! Step driver: the way through the four steps that all faces share. A face only asks and shows; when it plans, checks,
//! runs, boots or judges, it does so here, so that the wizard, the questions and `apply` cannot come to different ends.
//!
//! ```text
//! answers ──▶ plan ──▶ preflight ──▶ run ──▶ look again ──▶ verdict
//!             (a begun one stays)    (the engine)           (kept for the report)
//! ```

use crate::{
    answers::Answers,
    cluster::check::VerifyReport,
    engine::{Event, Outcome, Runner},
    error::Expected,
    facts,
    host::{Cancel, Host},
    i18n::{Lang, msg},
    plan::{
        Action, Step,
        action::{reboot::Reboot, target::Target},
    },
    prediction::Prediction,
    secret::Secret,
    session::{Session, lock::Locks, store::Store},
    steps,
};

/// A session on a machine, on its way through the steps.
pub struct StepDriver<'a> {
    /// The machine.
    pub host: &'a Host,
    /// Where the session is kept.
    pub store: &'a Store,
    /// The session.
    pub session: &'a mut Session,
}

impl StepDriver<'_> {
    /// Returns the answers, or those that a session begins with.
    pub fn answers(&self) -> Answers {
        steps::answers_of(self.host, self.session)
    }

    /// Writes the session.
    pub fn save(&mut self) -> Result<(), Expected> {
        self.store.save(self.session, self.host.clock.now())
    }

    /// Returns the actions of a step as they would be done now. Of a plan that was begun they are its own: after a
    /// reboot the facts no longer show what had to go.
    pub fn planned(&self, step: Step) -> Result<Vec<Action>, Expected> {
        if self.session.has_plan(step) {
            return Ok(self.session.plan.of(step).cloned().collect());
        }
        steps::Planner::new(self.host, &self.session.facts, &self.answers()).plan_step(step, self.store.path())
    }

    /// As [`Self::planned`], and takes them into the session.
    pub fn plan(&mut self, step: Step) -> Result<Vec<Action>, Expected> {
        let actions = self.planned(step)?;
        if !self.session.has_plan(step) {
            self.session.replan(step, actions.clone());
        }
        Ok(actions)
    }

    /// Step 2: refuses what this user may not do, and foretells what would fail; the forecast is kept, and compared
    /// with what happens.
    pub fn preflight(&mut self, lang: Lang) -> Result<Vec<Prediction>, Expected> {
        let actions: Vec<Action> = self.session.plan.of(Step::Driver).cloned().collect();
        steps::demand_root(&actions, lang)?;
        let predictions = steps::Planner::new(self.host, &self.session.facts, &self.answers())
            .preflight(&actions, Some(self.session))?;
        self.session.keep_predictions(predictions.clone());
        self.save()?;
        Ok(predictions)
    }

    /// Does what is left of a step; where anything was begun, looks at the machine again: what comes next, and the
    /// report, are about the machine as it is then.
    pub fn run(
        &mut self,
        step: Step,
        cancel: &Cancel,
        secret: Option<Secret>,
        emit: &mut dyn FnMut(Event),
    ) -> Result<Outcome, Expected> {
        if step == Step::Variables {
            steps::demand_known_node(self.host, &self.session.facts, &self.answers())?;
        }
        let mut began = false;
        let mut tell = |event: Event| {
            began |= matches!(event, Event::Started { .. });
            emit(event);
        };
        let outcome =
            Runner { host: self.host, store: self.store, session: self.session, cancel, secret }.run(step, &mut tell);
        if began {
            self.look_again();
        }
        self.save()?;
        outcome
    }

    /// As [`Self::run`]; where `sudo` on a host wants a password, `ask` is asked for it, and the rest goes on. It is
    /// handed to Ansible through a pipe and kept nowhere.
    pub fn run_asking(
        &mut self,
        step: Step,
        cancel: &Cancel,
        ask: &mut dyn FnMut() -> Option<Secret>,
        tell: &mut dyn FnMut(&Event),
    ) -> Result<Outcome, Expected> {
        let mut secret = None;
        loop {
            let mut needed = false;
            let outcome = self.run(step, cancel, secret.take(), &mut |event| {
                needed |= event == Event::PasswordNeeded;
                tell(&event);
            })?;
            let wants = needed && matches!(outcome, Outcome::Failed { .. });
            let Some(typed) = wants.then(&mut *ask).flatten() else { return Ok(outcome) };
            secret = Some(typed);
        }
    }

    /// Of a session that was carried here the facts stay the node's.
    fn look_again(&mut self) {
        if self.session.machine == self.host.identity() {
            let mut facts = facts::probe(self.host);
            facts.keep_asked(&self.session.facts);
            self.session.facts = facts;
        }
    }

    /// Journals a planned reboot that has happened meanwhile; tells whether there was one.
    pub fn settle_reboot(&mut self) -> Result<bool, Expected> {
        let cancel = Cancel::default();
        Runner { host: self.host, store: self.store, session: self.session, cancel: &cancel, secret: None }
            .settle_reboot()
    }

    /// Judges the whole of step 4 and keeps the verdict for the report.
    pub fn verdict(&mut self) -> Result<VerifyReport, Expected> {
        let report = steps::verdict(self.host, self.session, &self.answers());
        self.session.verdict = Some(report.clone());
        self.save()?;
        Ok(report)
    }
}

/// Boots the machine, unless another gpunode is changing it. On a real one this program ends soon after; the session
/// goes on where it was.
pub fn reboot(host: &Host, store: &Store) -> Result<(), Expected> {
    let _lock = Locks::take(host, store, [Target::Machine])?;
    let command = Reboot::command();
    let output =
        host.commands.capture(&command).map_err(|error| Expected::new(error.message(), msg::error::reboot::hint()))?;
    if output.exit.is_success() {
        return Ok(());
    }
    Err(Expected::new(
        msg::error::command::ended(&command, output.exit, output.stderr.trim()),
        msg::error::reboot::hint(),
    ))
}

#[cfg(test)]
mod tests;
