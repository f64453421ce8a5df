//! Carries out the wizard's effects: the one place where the full-screen wizard touches the machine, the cluster and
//! the session.

mod cluster;
mod look_on;
mod node;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    os::unix::process::CommandExt,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use self::look_on::LookOn;
use crate::{
    answers::{Answers, DriverOwner},
    cli::Global,
    error::{Expected, reason},
    exit_code::ExitCode,
    facts::{self, Facts, headers},
    host::Cancel,
    i18n::msg,
    plan::{Action, Plan, Step},
    prediction::Prediction,
    private,
    report::Report,
    secret::Secret,
    session::{self, Session, store::Store},
    step_driver::{self, StepDriver},
    steps,
    tui::{self, Performer, Reply, RunError},
    wizard::{Answer, App, Draft, Effect, EffectId, Settings},
    workspace::Workspace,
};

/// Starts the full-screen wizard, or goes on where it was. While another gpunode holds the session, it only looks on.
pub fn wizard(workspace: &Workspace, global: &Global) -> Result<ExitCode, Expected> {
    tui::demand()?;
    if std::env::var("TERM").is_ok_and(|term| term == "dumb") {
        return Err(Expected::new(msg::error::terminal::dumb(), msg::error::terminal::dumb::hint()));
    }
    let get = |name: &str| std::env::var(name).ok();
    let mut settings = Settings::from_env(&get, workspace.lang, workspace.session_path.clone());
    settings.ascii |= global.ascii;
    settings.simulated.clone_from(&workspace.title);
    settings.story = workspace.host.simulation.as_ref().map(|simulation| simulation.story.clone());
    settings.may_change = workspace.title.is_some() || rustix::process::geteuid().is_root();
    settings.again = global.again(std::env::args_os(), &get);
    // What others hold is looked at, and taken over once they have let go and the user says so.
    if let Some(holder) = session::store::holder(&workspace.session_path) {
        let app = App::looking_on(workspace.look()?, settings, holder);
        let code = show(app, Arc::new(LookOn { path: workspace.session_path.clone() }))?;
        return if code == ExitCode::Ok { Err(start_over()) } else { Ok(code) };
    }
    let (store, session) = workspace.session(global.new)?;
    let app = App::new(session.clone(), settings, (80, 24));
    let performer = Perform {
        workspace: workspace.clone(),
        store,
        session: Mutex::new(session),
        running: Mutex::default(),
        draft: Mutex::default(),
        in_run: AtomicBool::default(),
        looked: AtomicBool::default(),
    };
    let again = app.settings.again.clone();
    let performer = Arc::new(performer);
    let code = show(app, Arc::clone(&performer) as Arc<dyn Performer>)?;
    performer.say_farewell(&again);
    Ok(code)
}

/// Starts this program over in its own place: the machine is another one by now, and the thread that reads keys cannot
/// be called back from its wait. Comes back only when that fails.
fn start_over() -> Expected {
    let error = match std::env::current_exe() {
        Ok(program) => std::process::Command::new(program).args(std::env::args_os().skip(1)).exec(),
        Err(error) => error,
    };
    Expected::new(msg::error::restart(reason(&error)), msg::error::restart::hint())
}

fn show(app: App, performer: Arc<dyn Performer>) -> Result<ExitCode, Expected> {
    tui::run(app, performer).map_err(|error| match error {
        RunError::NoTerminal(error) => error,
        RunError::Io(error) => {
            Expected::new(msg::error::terminal::failed(reason(&error)), msg::error::terminal::failed::hint())
        }
    })
}

/// Time between two looks at whether the machine has changed.
const PULSE_EVERY: Duration = Duration::from_secs(2);

/// The wizard's hands.
struct Perform {
    workspace: Workspace,
    store: Store,
    session: Mutex<Session>,
    /// How to stop what is under way.
    running: Mutex<HashMap<EffectId, Cancel>>,
    /// The newest draft that is not kept yet.
    draft: Mutex<Option<Draft>>,
    /// A run has the session, for as long as it takes; at its end it keeps the draft that came meanwhile.
    in_run: AtomicBool,
    /// Whether the machine was looked at since this program began.
    looked: AtomicBool,
}

impl Perform {
    /// Leaves on the terminal where it stands. A run has the session until it ends: who leaves in the middle of one, or
    /// has lost the terminal, does not wait for it and is told what is on disk.
    fn say_farewell(&self, again: &str) {
        let session = match self.session.try_lock() {
            Ok(session) => Some(session.clone()),
            Err(_) => self.store.load().ok().flatten(),
        };
        let Some(session) = session else { return };
        let report = self.store.folder().ok().map(|folder| folder.join("report.md")).filter(|path| path.is_file());
        for line in crate::report::farewell(&session, report.as_deref(), again, self.workspace.lang) {
            // Whoever has closed the terminal reads nothing any more.
            let _ = crate::console::say(&line);
        }
    }
}

impl Performer for Perform {
    fn perform(&self, effect: Effect, reply: &Reply) {
        let answer = match effect {
            Effect::Probe => self.probe(),
            Effect::Fingerprint => return self.watch_fingerprint(reply),
            Effect::AskPackages => self.ask_packages(),
            Effect::LoadTable { answers } => Answer::Table(self.table(&answers)),
            Effect::LoadPreview { answers } => Answer::Preview(self.preview(&answers)),
            Effect::MakePlan { step, answers } => Answer::Planned(self.plan(step, &answers)),
            Effect::Preflight { actions, answers } => Answer::Checked(self.preflight(&actions, &answers)),
            Effect::RunStep { step, actions, answers, secret } => self.run_step(step, actions, *answers, secret, reply),
            Effect::Reboot => self.reboot(),
            Effect::FollowNode { answers } => return self.follow_node(&answers, reply),
            Effect::Remedy { action } => self.remedy(*action, reply),
            Effect::SaveLog { path, text } => self.save_log(path, &text),
            Effect::PlanTestPod { answers } => Answer::TestPlanned(self.plan_test(&answers)),
            Effect::RunTestPod { actions } => self.test_pod(actions, reply),
            Effect::Verify { answers } => self.verify(&answers),
            Effect::SaveSession(draft) => self.save(*draft),
            Effect::WriteReport => {
                Answer::ReportWritten(self.write_report().map_err(|error| error.line(self.workspace.lang)))
            }
            Effect::Cancel(id) => return self.cancel(id),
            // The runtime itself leaves; looking on has a performer of its own.
            Effect::Quit(_) | Effect::Watch => return,
        };
        reply.send(answer);
    }
}

impl Perform {
    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step_driver<'a>(&'a self, session: &'a mut Session) -> StepDriver<'a> {
        StepDriver { host: &self.workspace.host, store: &self.store, session }
    }

    fn facts(&self) -> Facts {
        self.session().facts.clone()
    }

    /// Registers an order that can be stopped.
    fn begin(&self, reply: &Reply) -> Cancel {
        let cancel = Cancel::default();
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(reply.id(), cancel.clone());
        cancel
    }

    fn end(&self, reply: &Reply) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&reply.id());
    }

    fn cancel(&self, id: EffectId) {
        if let Some(cancel) = self.running.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            cancel.cancel();
        }
    }

    fn probe(&self) -> Answer {
        let mut facts = facts::probe(&self.workspace.host);
        let mut session = self.session();
        facts.keep_asked(&session.facts);
        facts.expect(session.answers.as_ref().and_then(|answers| answers.gpus.as_deref()).unwrap_or_default());
        // What else happened while nobody was here is told once.
        let again = self.looked.swap(true, Ordering::SeqCst);
        let changes = if again {
            facts::changes(&session.facts, &facts)
        } else {
            steps::since(&self.workspace.host, &session, &facts)
        };
        let changes = changes.iter().map(|change| change.text(self.workspace.lang)).collect();
        session.facts = facts.clone();
        // A session that cannot be written is told by the save that follows every change.
        let mut driver = self.step_driver(&mut session);
        if !matches!(driver.settle_reboot(), Ok(true)) {
            let _ = driver.save();
        }
        let owners = steps::owners(
            &self.workspace.host,
            &facts,
            &session.answers.clone().unwrap_or_else(|| Answers::new(DriverOwner::default())),
        );
        Answer::Probed { facts: Box::new(facts), changes, owners }
    }

    /// Takes the machine's fingerprint until the order is cancelled. A simulated machine changes only by what we do to
    /// it.
    fn watch_fingerprint(&self, reply: &Reply) {
        let host = &self.workspace.host;
        if host.simulation.is_some() {
            return;
        }
        let cancel = self.begin(reply);
        let mut before = facts::fingerprint(host);
        while host.clock.sleep(PULSE_EVERY, &cancel) {
            let now = facts::fingerprint(host);
            if now != before && !reply.send(Answer::MachineChanged) {
                break;
            }
            before = now;
        }
        self.end(reply);
    }

    fn ask_packages(&self) -> Answer {
        let mut asked = self.facts();
        let answer = headers::ask(&self.workspace.host, &asked.host, headers::DEADLINE);
        asked.take_offer(answer);
        facts::examine(&self.workspace.host, &mut asked);
        let mut session = self.session();
        session.facts.keep_asked(&asked);
        Answer::PackagesAsked(Box::new(session.facts.clone()))
    }

    fn table(&self, answers: &Answers) -> Result<crate::choice::DriverTable, String> {
        let table = steps::driver_table(&self.workspace.host, &self.facts(), answers, answers.cuda())
            .map_err(|error| error.line(self.workspace.lang))?;
        Ok(table.shown(true))
    }

    fn preview(&self, answers: &Answers) -> Result<Box<crate::kubespray::Preview>, String> {
        let preview = steps::Planner::new(&self.workspace.host, &self.facts(), answers).planned_preview();
        preview.map(Box::new).map_err(|error| error.line(self.workspace.lang))
    }

    fn plan(&self, step: Step, answers: &Answers) -> Result<Plan, String> {
        let facts = self.facts();
        let table = steps::driver_table(&self.workspace.host, &facts, answers, answers.cuda())
            .map_err(|error| error.line(self.workspace.lang))?;
        let answers = steps::complete(answers, &table);
        let actions = steps::Planner::new(&self.workspace.host, &facts, &answers).plan_step(step, self.store.path());
        actions.map(|actions| Plan { actions }).map_err(|error| error.line(self.workspace.lang))
    }

    fn preflight(&self, actions: &[Action], answers: &Answers) -> Result<Vec<Prediction>, String> {
        let session = self.session().clone();
        let checks =
            steps::Planner::new(&self.workspace.host, &session.facts, answers).preflight(actions, Some(&session));
        let checks = checks.map_err(|error| error.line(self.workspace.lang))?;
        self.session().keep_predictions(checks.clone());
        Ok(checks)
    }

    fn run_step(
        &self,
        step: Step,
        actions: Vec<Action>,
        answers: Answers,
        secret: Option<Secret>,
        reply: &Reply,
    ) -> Answer {
        let cancel = self.begin(reply);
        let mut session = self.session();
        self.in_run.store(true, Ordering::SeqCst);
        session.step = step;
        session.answers = Some(answers);
        session.replan(step, actions);
        let result = self.step_driver(&mut session).run(step, &cancel, secret, &mut |event| {
            reply.send(Answer::Engine(event));
        });
        self.end(reply);
        self.keep_draft(&mut session);
        match result {
            Ok(outcome) => Answer::RunEnded { outcome, session: Box::new(session.clone()) },
            Err(error) => Answer::Failed(error.line(self.workspace.lang)),
        }
    }

    fn reboot(&self) -> Answer {
        step_driver::reboot(&self.workspace.host, &self.store)
            .map_or_else(|error| Answer::Failed(error.line(self.workspace.lang)), |()| Answer::Rebooted)
    }

    /// At the end of a run, keeps the step of the draft that came meanwhile; the run's own view of what is done is
    /// newer.
    fn keep_draft(&self, session: &mut Session) {
        // First this, then the look at the draft: one that comes later finds no run, and waits for the session.
        self.in_run.store(false, Ordering::SeqCst);
        if let Some(draft) = self.take_draft() {
            session.step = draft.step;
            let _ = self.store.save(session, self.workspace.host.clock.now());
        }
    }

    fn take_draft(&self) -> Option<Draft> {
        self.draft.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn save(&self, draft: Draft) -> Answer {
        let now = self.workspace.host.clock.now();
        *self.draft.lock().unwrap_or_else(PoisonError::into_inner) = Some(draft);
        if self.in_run.load(Ordering::SeqCst) {
            // It writes the session after every action; the draft follows it.
            return Answer::Saved(now);
        }
        // Whoever else has the session has it for a moment.
        let mut session = self.session();
        let Some(draft) = self.take_draft() else { return Answer::Saved(now) };
        session.step = draft.step;
        session.done = draft.done;
        session.answers = draft.answers;
        session.plan = draft.plan;
        match self.store.save(&mut session, now) {
            Ok(()) => Answer::Saved(now),
            Err(error) => Answer::SaveFailed(error.line(self.workspace.lang)),
        }
    }

    fn write_report(&self) -> Result<PathBuf, Expected> {
        let failed =
            |error: std::io::Error| Expected::new(msg::error::report(reason(&error)), msg::error::report::hint());
        let path = self.store.folder().map_err(failed)?.join("report.md");
        let session = self.session();
        let answers = steps::answers_of(&self.workspace.host, &session);
        let preview = steps::preview(&self.workspace.host, &session.facts, &answers).ok();
        let text = Report::new(&session, preview.as_ref(), self.workspace.lang).markdown(self.workspace.lang);
        private::write(&path, crate::text::printable_lines(&text).as_bytes()).map_err(failed)?;
        Ok(path)
    }
}
