//! `gpunode apply`: does it, with progress as lines.

use super::{progress::Progress, read_answers};
use crate::{
    answers::{Answers, Reboot as RebootAnswer},
    cli::ApplyArgs,
    cluster::check::Verdict,
    console,
    engine::{Event, Outcome},
    error::Expected,
    exit_code::ExitCode,
    facts,
    host::Cancel,
    i18n::msg,
    owner, plan,
    plan::{Step, action::reboot::Reboot},
    prediction::Forecast,
    preflight,
    session::{Session, Status, store::Store},
    step_driver::{self, StepDriver},
    steps,
    workspace::Workspace,
};

/// Applies the answers. Exit: 0 done, 1 failed, 3 reboot needed.
pub(super) fn run(workspace: &Workspace, new: bool, args: &ApplyArgs) -> Result<ExitCode, Expected> {
    let wanted = read_answers(&args.answers)?;
    if !args.yes {
        return Err(Expected::new(msg::error::apply::no_yes(), msg::error::apply::no_yes::hint()));
    }
    let cancel = Cancel::default();
    crate::signals::cancel_on_signal(&cancel)?;
    let (store, session) = workspace.any_session(new)?;
    let progress = Progress::new(args.json, workspace.lang);
    let mut run = Apply { workspace, store, session, cancel, progress: progress.clone(), began: false };
    let ended = run.all(&wanted, args).map_err(|error| {
        // What was begun is not "not begun", however it ended.
        let error = if run.began { error.code(ExitCode::Negative) } else { error };
        progress.broken(&error);
        error
    });
    progress.end(ended?)
}

fn wants(args: &ApplyArgs, step: Step) -> bool {
    if args.steps.is_empty() { step.number() <= args.until } else { args.steps.contains(&step.number()) }
}

/// One run of `apply`.
struct Apply<'a> {
    workspace: &'a Workspace,
    store: Store,
    session: Session,
    cancel: Cancel,
    progress: Progress,
    /// An action was begun.
    began: bool,
}

impl Apply<'_> {
    fn all(&mut self, wanted: &Answers, args: &ApplyArgs) -> Result<ExitCode, Expected> {
        self.prepare(wanted, args)?;
        let steps = || Step::ALL.into_iter().filter(|step| wants(args, *step));
        // Before the first begins, all of them are known to have a plan.
        let mut planned = Vec::new();
        for step in Step::ALL {
            match self.step_driver().planned(step) {
                Ok(actions) => planned.extend(actions),
                Err(error) if wants(args, step) => return Err(error),
                // What is not wanted now need not be possible now.
                Err(_) => {}
            }
        }
        plan::known::demand(wanted, &planned)?;
        if wants(args, Step::Variables) {
            let answers = self.step_driver().answers();
            steps::demand_known_node(&self.workspace.host, &self.session.facts, &answers)?;
        }
        for step in steps() {
            let code = self.step(step)?;
            if code != ExitCode::Ok {
                return Ok(code);
            }
        }
        self.progress.say(msg::apply::done());
        Ok(ExitCode::Ok)
    }

    fn step_driver(&mut self) -> StepDriver<'_> {
        StepDriver { host: &self.workspace.host, store: &self.store, session: &mut self.session }
    }

    /// Takes the answers into the session: what no longer follows from them is planned again, and only that.
    fn prepare(&mut self, wanted: &Answers, args: &ApplyArgs) -> Result<(), Expected> {
        let host = &self.workspace.host;
        let carried = self.workspace.is_carried(&self.session);
        if carried && Step::ALL.into_iter().any(|step| step != Step::Variables && wants(args, step)) {
            let (file, name) = (self.store.path().display(), crate::text::printable(&self.session.hostname));
            return Err(Expected::new(msg::error::apply::carried(file, name), msg::error::apply::carried::hint()));
        }
        // Of a session that was carried here, the facts are the node's; what this machine is does not matter.
        let mut facts = if carried { self.session.facts.clone() } else { facts::probe_all(host) };
        facts.expect(wanted.gpus.as_deref().unwrap_or_default());
        if carried {
            let path = self.store.path().display().to_string();
            self.progress.say(msg::apply::carried(&self.session.hostname, &path));
        }
        for change in steps::since(host, &self.session, &facts) {
            self.progress.changed(&change);
        }
        let table = steps::driver_table(host, &facts, wanted, wanted.cuda())?;
        steps::check(wanted, &facts, &table)?;
        let answers = steps::complete(wanted, &table);
        match &self.session.answers {
            Some(before) => self.session.invalidate(&owner::invalidated(before, &answers, &self.session.plan)),
            None => self.session.invalidate(&Step::ALL),
        }
        if carried && self.session.plan.of(Step::Variables).any(|action| action.name() == "write-vars-file") {
            // The node could only write a file to carry; here the inventory itself may be at hand.
            self.session.invalidate(&[Step::Variables]);
        }
        self.session.answers = Some(answers);
        self.session.facts = facts;
        self.store.save(&mut self.session, host.clock.now())
    }

    fn step(&mut self, step: Step) -> Result<ExitCode, Expected> {
        let progress = self.progress.clone();
        self.session.step = step;
        progress.step(step);
        self.step_driver().plan(step)?;
        if step == Step::Driver {
            self.preflight()?;
        }
        let (cancel, mut began) = (self.cancel.clone(), false);
        let mut show = |event: &Event| {
            began |= matches!(event, Event::Started { .. });
            progress.event(event);
        };
        // A program that reads JSON cannot be asked.
        let mut ask =
            || if progress.json { None } else { console::password(&msg::apply::password().text(progress.lang)) };
        let outcome = self.step_driver().run_asking(step, &cancel, &mut ask, &mut show);
        self.began |= began;
        let outcome = outcome?;
        match outcome {
            Outcome::Done if step == Step::Verify => self.verify(),
            Outcome::Done => Ok(ExitCode::Ok),
            Outcome::Failed { id, .. } => {
                let title = self.session.title(&id, progress.lang_of_values());
                progress.say_of(msg::apply::failed(&title), &[("id", &id), ("title", &title)]);
                Ok(ExitCode::Negative)
            }
            Outcome::Cancelled => {
                let stopped = self.session.journal.iter().rev().find(|record| record.status == Status::Cancelled);
                let id = stopped.map(|record| record.action.id.clone()).unwrap_or_default();
                let title = self.session.title(&id, progress.lang_of_values());
                progress.say_of(msg::apply::cancelled(), &[("id", &id), ("title", &title)]);
                Ok(ExitCode::Quit)
            }
            Outcome::RebootNeeded => self.reboot(),
        }
    }

    /// Says what would fail, and begins nothing while something surely would.
    fn preflight(&mut self) -> Result<(), Expected> {
        let lang = self.progress.lang_of_values();
        let predictions = self.step_driver().preflight(lang)?;
        predictions
            .iter()
            .filter(|prediction| prediction.says != Forecast::Ok)
            .for_each(|prediction| self.progress.prediction(prediction));
        let answers = self.step_driver().answers();
        let blocking: Vec<String> =
            preflight::blocking(&predictions, &answers).map(|prediction| prediction.id.clone()).collect();
        if blocking.is_empty() {
            return Ok(());
        }
        let ids = blocking.join(", ");
        let (what, hint) = (msg::error::apply::will_fail(&ids), msg::error::apply::will_fail::hint(&ids));
        Err(Expected::new(what, hint).code(ExitCode::Negative))
    }

    /// Judges the whole chain at the end.
    fn verify(&mut self) -> Result<ExitCode, Expected> {
        let report = self.step_driver().verdict()?;
        self.progress.verdict(&report);
        Ok(match report.verdict {
            Verdict::Ok => ExitCode::Ok,
            Verdict::Temporary => ExitCode::Temporary,
            Verdict::Failed | Verdict::Unknown => ExitCode::Negative,
        })
    }

    /// Reboots when the answers say so, else leaves it to the caller.
    fn reboot(&mut self) -> Result<ExitCode, Expected> {
        self.progress.say(msg::apply::reboot());
        if self.step_driver().answers().reboot == RebootAnswer::Now {
            self.progress.event(&Event::Line(format!("$ {}", Reboot::command())));
            step_driver::reboot(&self.workspace.host, &self.store)?;
        }
        Ok(ExitCode::RebootNeeded)
    }
}
