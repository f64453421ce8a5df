//! A run: the confirmed actions of a step, how far they are, and what they print.

use super::{
    App, Dialog, Screen, Slot,
    ask::{self, Subject},
    confirm,
    keymap::Intent,
    log::LogBuffer,
    message::Effect,
    navigate, story,
};
use crate::{
    diagnosis::Hit,
    engine::{Event, Outcome, Progress},
    finding::Severity,
    i18n::{Lang, msg},
    plan::{Action, Step},
    second_boot,
    secret::Secret,
    session::{PendingReboot, Session, Status},
};

/// How far one action is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowState {
    /// Its turn has not come.
    Waiting,
    /// The user left it out.
    LeftOut,
    /// It runs.
    Active,
    /// It ended.
    Ended(Status),
}

/// One action of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The action.
    pub action: Action,
    /// How far it is.
    pub state: RowState,
    /// What proves it, or what went wrong.
    pub evidence: Vec<String>,
}

/// The run of a step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Run {
    /// The step.
    pub step: Step,
    /// Its actions.
    pub rows: Vec<Row>,
    /// Progress of the active one.
    pub progress: Option<Progress>,
    /// What is printed.
    pub log: LogBuffer,
    /// Known failures that showed in it.
    pub hits: Vec<Hit>,
    /// How it ended; absent while it runs.
    pub outcome: Option<Outcome>,
    /// The effect itself failed: why.
    pub error: Option<String>,
    /// `sudo` wanted a password.
    pub needs_password: bool,
    /// The stop was asked for.
    pub stopping: bool,
}

impl Run {
    /// Tells whether it ended badly.
    pub fn failed(&self) -> bool {
        self.error.is_some() || matches!(self.outcome, Some(Outcome::Failed { .. }))
    }

    /// Returns the place of the active action, or of the last that ended.
    pub fn current(&self) -> Option<usize> {
        let active = self.rows.iter().position(|row| row.state == RowState::Active);
        active.or_else(|| self.rows.iter().rposition(|row| matches!(row.state, RowState::Ended(_))))
    }

    /// Takes an event in.
    pub(super) fn take(&mut self, event: Event, lang: Lang) {
        match event {
            Event::Started { action, .. } => {
                self.progress = None;
                self.log.push(format!("== {}", action.title(lang)));
                match self.rows.iter_mut().find(|row| row.action.id == action.id) {
                    Some(row) => row.state = RowState::Active,
                    None => self.rows.push(Row { action: *action, state: RowState::Active, evidence: Vec::new() }),
                }
            }
            Event::Line(line) => self.log.push(line),
            Event::Hit(hit) => {
                self.log.push(format!("! {}", hit.cause(lang)));
                self.log.push(format!("  {}", hit.remedy(lang)));
                self.hits.push(*hit);
            }
            Event::Progress(progress) => self.progress = Some(progress),
            Event::PasswordNeeded => self.needs_password = true,
            Event::Ended { id, status, evidence, failure } => {
                self.progress = None;
                if let Some(row) = self.rows.iter_mut().find(|row| row.action.id == id) {
                    row.state = RowState::Ended(status);
                    row.evidence = failure.map_or(evidence, |failure| vec![failure.text(lang)]);
                }
            }
        }
    }

    /// Nothing runs any more: what still looks active was not heard of to its end.
    fn settle(&mut self) {
        for row in self.rows.iter_mut().filter(|row| row.state == RowState::Active) {
            row.state = RowState::Ended(Status::Intent);
        }
        self.progress = None;
        self.stopping = false;
    }
}

/// Starts the actions that were confirmed.
pub(super) fn begin(app: &mut App) {
    if !story::goes_on(app) {
        return;
    }
    let step = app.step();
    // Who confirms a plan that adds this machine to the inventory has said that it may be added.
    app.answers.add_node |= confirm::newcomer(app).is_some();
    let actions: Vec<Action> = app.actions(step).into_iter().cloned().collect();
    let row = |action: &Action| Row {
        action: action.clone(),
        state: if action.skipped { RowState::LeftOut } else { RowState::Waiting },
        evidence: Vec::new(),
    };
    app.run = Run { step, rows: actions.iter().map(row).collect(), ..Run::default() };
    navigate::enter(app, Screen::Run);
    app.order(Effect::RunStep { step, actions, answers: Box::new(app.answers.clone()), secret: app.secret.clone() });
}

/// Takes the password that `sudo` wants, and goes on where the run stopped. What was done stays done.
pub(super) fn take_password(app: &mut App, text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err(app.text(msg::wizard::ask::error::password()));
    }
    // A file of passwords ends with a line end; Ansible takes the line.
    app.secret = Some(Secret::new(format!("{text}\n")));
    begin(app);
    Ok(())
}

/// Asks the run to stop; it answers with its end.
pub(super) fn cancel(app: &mut App) {
    if let Some(id) = app.live_id(Slot::Run) {
        app.run.stopping = true;
        app.order(Effect::Cancel(id));
    }
}

/// The run ended.
pub(super) fn ended(app: &mut App, outcome: Outcome, session: Session) {
    app.run.settle();
    app.session.journal = session.journal;
    app.session.reboot = session.reboot;
    app.dialog.take_if(|dialog| *dialog == Dialog::AskCancel);
    if matches!(outcome, Outcome::Failed { .. }) && app.run.needs_password && app.dialog.is_none() {
        // One that was given before was wrong.
        app.secret = None;
        ask::open(app, Subject::SudoPassword, "");
    }
    let done = matches!(outcome, Outcome::Done);
    let reboot = matches!(outcome, Outcome::RebootNeeded);
    app.run.outcome = Some(outcome);
    app.mark(app.run.step, done);
    if reboot {
        let boot_id = app.session.facts.host.boot_id.clone();
        app.session.reboot.get_or_insert_with(|| PendingReboot { why: "reboot".to_owned(), boot_id });
        if app.dialog.is_none() {
            app.open(Dialog::AskReboot);
        }
    }
    app.save();
}

/// The effect failed as a whole.
pub(super) fn broke(app: &mut App, error: String) {
    app.run.settle();
    app.run.outcome = Some(Outcome::Failed { id: String::new(), exit: None });
    app.run.error = Some(error);
}

/// Reboots for the proof that all of it comes up again.
pub(super) fn prove_again(app: &mut App) {
    let boot_id = app.session.facts.host.boot_id.clone();
    app.session.reboot = Some(PendingReboot { why: second_boot::WHY.to_owned(), boot_id });
    app.save();
    app.order(Effect::Reboot);
}

/// The machine has booted since the reboot was asked for: the step that waited for it is done, or the whole chain is
/// judged again.
pub(super) fn rebooted(app: &mut App) {
    let why = app.session.reboot.take().map(|reboot| reboot.why);
    if why.as_deref() == Some(second_boot::WHY) {
        app.mark(Step::Verify, false);
        navigate::enter(app, Screen::Verify);
        let text = app.text(msg::wizard::notice::second_boot());
        app.say(Severity::Info, text);
        return app.save();
    }
    app.mark(Step::Driver, true);
    if waits_in_step_two(app) {
        app.dialog.take_if(|dialog| *dialog == Dialog::AskReboot);
        onward(app, Step::Driver);
    }
    app.save();
}

/// Goes on after a step.
pub(super) fn onward(app: &mut App, step: Step) {
    let screen = if following(app, step) == Step::Variables { Screen::Variables } else { Screen::Verify };
    navigate::enter(app, screen);
}

/// Returns the step after `step`: the next one, or past the variables when they are done and nothing has called them
/// into question.
fn following(app: &App, step: Step) -> Step {
    let variables_next = step == Step::Driver && !app.session.done.contains(&Step::Variables);
    if variables_next { Step::Variables } else { Step::Verify }
}

/// Returns the step that goes on once the machine has booted.
pub(super) fn after_reboot(app: &App) -> Step {
    if waits_in_step_two(app) { following(app, Step::Driver) } else { app.step() }
}

/// Tells whether the screen is one that a reboot leads away from; a reboot asked for in step 4 comes back there.
fn waits_in_step_two(app: &App) -> bool {
    matches!(app.screen, Screen::Run | Screen::Plan | Screen::Choice)
}

pub(super) fn intend(app: &mut App, intent: Intent) {
    match (intent, &app.run.outcome) {
        (Intent::Up, _) => app.run.log.up(1),
        (Intent::Down, _) => app.run.log.down(1),
        (Intent::PageUp, _) => app.run.log.up(10),
        (Intent::PageDown, _) => app.run.log.down(10),
        (Intent::First, _) => app.run.log.to_first(10),
        (Intent::Last, _) => app.run.log.to_last(),
        (Intent::Cancel, None) if !app.run.stopping => app.open(Dialog::AskCancel),
        (Intent::Accept, Some(Outcome::RebootNeeded)) => app.open(Dialog::AskReboot),
        (Intent::Accept, Some(Outcome::Done)) => {
            onward(app, app.run.step);
        }
        (Intent::Retry, Some(Outcome::Failed { .. } | Outcome::Cancelled)) => begin(app),
        (Intent::Back | Intent::Accept, Some(_)) => {
            let back = if app.run.step == Step::Driver { Screen::Plan } else { Screen::Variables };
            navigate::enter(app, back);
        }
        _ => {}
    }
}
