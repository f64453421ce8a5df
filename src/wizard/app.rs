//! App: everything the screen can show, in one value.

use std::{collections::BTreeMap, path::PathBuf};

use jiff::{Timestamp, tz::TimeZone};

use super::{
    ask::Ask,
    chain::ChainRow,
    confirm,
    detect::Detect,
    driver::DriverStep,
    keymap::Context,
    message::{Draft, Effect, EffectId, Order, Slot},
    overlay, plan,
    run::Run,
    variables::Variables,
    verify::Verify,
    watch::Watch,
};
use crate::{
    answers::{Answers, DriverOwner},
    engine::Outcome,
    finding::Severity,
    host::Story,
    i18n::{Lang, Message},
    owner,
    plan::{Action, Plan, Step, remedy::RemedyId},
    secret::Secret,
    session::{Session, lock_owner::LockOwner},
};

/// Columns below which nothing but "make it larger" is shown.
pub(super) const MIN_COLUMNS: u16 = 80;
/// Rows below which nothing but "make it larger" is shown.
pub(super) const MIN_ROWS: u16 = 24;

/// How colours are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colors {
    /// The sixteen of every colour terminal.
    #[default]
    Sixteen,
    /// The 256 of xterm.
    Many,
    /// None: bold and reverse only.
    None,
}

/// What does not change while the wizard runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The language.
    pub lang: Lang,
    /// Only ASCII glyphs.
    pub ascii: bool,
    /// How colours are made.
    pub colors: Colors,
    /// The title of the simulated machine; absent on a real one.
    pub simulated: Option<String>,
    /// What the simulated machine teaches.
    pub story: Option<Story>,
    /// Where the session is.
    pub session_path: PathBuf,
    /// The command that comes back to it.
    pub again: String,
    /// Whether this process may change the machine, or none is changed.
    pub may_change: bool,
    /// The zone of the times shown.
    pub zone: TimeZone,
}

impl Settings {
    /// Reads what the environment says of the terminal: `NO_COLOR`, `TERM`, `COLORTERM`, and the locale. The Linux
    /// console and a vt100 lack the glyphs even in a UTF-8 locale.
    pub fn from_env(get: &impl Fn(&str) -> Option<String>, lang: Lang, session_path: PathBuf) -> Self {
        let value = |name: &str| get(name).filter(|value| !value.is_empty());
        let term = value("TERM").unwrap_or_default();
        let locale =
            ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| value(name)).unwrap_or_default().to_lowercase();
        let old = term == "linux" || term.starts_with("vt");
        let colors = if value("NO_COLOR").is_some() || term == "dumb" || term.starts_with("vt") {
            Colors::None
        } else if term.contains("256color") || value("COLORTERM").is_some() {
            Colors::Many
        } else {
            Colors::Sixteen
        };
        let ascii = old || !(locale.contains("utf-8") || locale.contains("utf8"));
        Self {
            lang,
            ascii,
            colors,
            simulated: None,
            story: None,
            session_path,
            again: "gpunode".to_owned(),
            may_change: true,
            zone: TimeZone::system(),
        }
    }
}

/// What fills the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// Step 1.
    Detect,
    /// Step 2: owner, toolkit, driver.
    Choice,
    /// Step 2: what will be done.
    Plan,
    /// Actions of step 2 or 3 run or have run.
    Run,
    /// Step 3.
    Variables,
    /// Step 4.
    Verify,
    /// The end.
    Summary,
    /// Another gpunode holds the session.
    Watch,
}

/// What stands in front of the screen.
#[derive(Debug, Clone, PartialEq)]
pub enum Dialog {
    /// What this step is about.
    Help,
    /// The commands and diffs before they are run.
    Confirm,
    /// What the pre-flight says.
    Preflight,
    /// The proposed edits.
    Diff,
    /// Why the selected variable has its value.
    Why,
    /// What has changed since the session was left.
    Changes(Vec<String>),
    /// Stop the run?
    AskCancel,
    /// Reboot?
    AskReboot,
    /// Leave?
    AskQuit,
    /// A known failure.
    Diagnosis,
    /// Something that may be done, of what is offered now.
    Offer(RemedyId),
    /// The test pod, before it runs: its plan.
    TestPod(Vec<Action>),
    /// A line of text is asked for.
    Ask(Ask),
}

/// One line above the footer, until the next key, or until what it speaks of is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How much it matters.
    pub severity: Severity,
    /// The sentence.
    pub text: String,
    /// What it waits for; with the answer to that it goes.
    pub until: Option<Slot>,
}

/// The state of a step in the line at the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// Not begun.
    Ahead,
    /// The user is here.
    Current,
    /// Done.
    Done,
    /// The last run of it failed.
    Failed,
}

/// Everything.
#[derive(Debug, Clone, PartialEq)]
pub struct App {
    /// What does not change.
    pub settings: Settings,
    /// The session as far as it is known here; its journal comes from the runs.
    pub session: Session,
    /// The answers so far.
    pub answers: Answers,
    /// Columns and rows.
    pub size: (u16, u16),
    /// What fills the screen.
    pub screen: Screen,
    /// What stands in front of it.
    pub dialog: Option<Dialog>,
    /// What the help, or the question whether to leave, was opened over, with its first line in view; it comes back
    /// when that is closed.
    pub(super) covered: Option<(Dialog, usize)>,
    /// First line in view of the text in front.
    pub scroll: usize,
    /// The password for `sudo`, for as long as the program runs.
    pub secret: Option<Secret>,
    /// One line above the footer.
    pub notice: Option<Notice>,
    /// The plan was accepted while it was being made: it is shown for confirmation as soon as it is there.
    pub accepted_early: bool,
    /// When the session was last saved, or why it was not.
    pub saved: Option<Result<Timestamp, String>>,
    /// Step 1.
    pub detect: Detect,
    /// Step 2.
    pub driver: DriverStep,
    /// The run of step 2 or 3.
    pub run: Run,
    /// Step 3.
    pub variables: Variables,
    /// Step 4.
    pub verify: Verify,
    /// What is seen of another gpunode that holds the session; then nothing can be changed from here.
    pub watch: Option<Watch>,
    /// Where the report is, or why it is nowhere.
    pub report: Option<Result<PathBuf, String>>,
    /// Tenths of a second that were waited; turns the spinner.
    pub ticks: u64,
    /// Quit was ordered: nothing more happens.
    pub leaving: bool,
    pub(super) outbox: Vec<Order>,
    next_id: u64,
    live: BTreeMap<Slot, EffectId>,
}

impl App {
    /// Makes the state for a new or resumed session; [`start`](super::start) then orders what the screen needs.
    pub fn new(session: Session, settings: Settings, size: (u16, u16)) -> Self {
        let answers = session.answers.clone().unwrap_or_else(|| Answers::new(DriverOwner::default()));
        let screen = match session.step {
            Step::Detect => Screen::Detect,
            Step::Driver if session.plan.of(Step::Driver).next().is_some() => Screen::Plan,
            Step::Driver => Screen::Choice,
            Step::Variables => Screen::Variables,
            Step::Verify => Screen::Verify,
        };
        Self {
            driver: DriverStep::resume(&answers),
            verify: Verify {
                checks: session.verdict.as_ref().map(|report| ChainRow::of(report, settings.lang)).unwrap_or_default(),
                ..Verify::default()
            },
            settings,
            session,
            answers,
            size,
            screen,
            dialog: None,
            covered: None,
            scroll: 0,
            secret: None,
            notice: None,
            accepted_early: false,
            saved: None,
            detect: Detect::default(),
            run: Run::default(),
            variables: Variables::default(),
            watch: None,
            report: None,
            ticks: 0,
            leaving: false,
            outbox: Vec::new(),
            next_id: 0,
            live: BTreeMap::new(),
        }
    }

    /// Makes the state of one who looks on while `holder` has the session.
    pub fn looking_on(session: Session, settings: Settings, holder: LockOwner) -> Self {
        Self {
            screen: Screen::Watch,
            watch: Some(Watch::new(holder)),
            ..Self::new(session, settings, (MIN_COLUMNS, MIN_ROWS))
        }
    }

    /// Returns a message in the user's language.
    #[expect(clippy::needless_pass_by_value, reason = "a message is made where it is told")]
    pub fn text(&self, message: Message) -> String {
        message.text(self.settings.lang)
    }

    /// Returns the step that the screen belongs to.
    pub fn step(&self) -> Step {
        match self.screen {
            Screen::Detect => Step::Detect,
            Screen::Choice | Screen::Plan => Step::Driver,
            Screen::Run => self.run.step,
            Screen::Variables => Step::Variables,
            Screen::Verify | Screen::Summary => Step::Verify,
            Screen::Watch => self.session.step,
        }
    }

    /// Returns the state of a step for the line at the top.
    pub fn step_state(&self, step: Step) -> StepState {
        let failed = self.run.step == step && self.run.failed();
        match () {
            () if self.screen == Screen::Summary => StepState::Done,
            () if failed => StepState::Failed,
            () if step == self.step() => StepState::Current,
            () if self.session.done.contains(&step) => StepState::Done,
            () => StepState::Ahead,
        }
    }

    /// Tells whether the terminal is too small to show the wizard.
    pub fn too_small(&self) -> bool {
        self.size.0 < MIN_COLUMNS || self.size.1 < MIN_ROWS
    }

    /// Returns what keys mean now.
    pub fn context(&self) -> Context {
        if let Some(dialog) = &self.dialog {
            return match dialog {
                Dialog::Confirm if confirm::wants_letter(self) => Context::ConfirmForGood,
                Dialog::Confirm | Dialog::TestPod(_) => Context::Confirm,
                Dialog::AskCancel => Context::AskCancel,
                Dialog::AskReboot => Context::AskReboot,
                Dialog::AskQuit => Context::AskQuit,
                Dialog::Ask(_) => Context::Ask,
                Dialog::Diagnosis if self.verify.diagnosis.as_ref().is_some_and(|found| found.action.is_some()) => {
                    Context::Diagnosis
                }
                Dialog::Offer(_) => Context::Offer,
                Dialog::Diff => Context::Diff,
                Dialog::Help | Dialog::Preflight | Dialog::Why | Dialog::Changes(_) | Dialog::Diagnosis => {
                    Context::Reading
                }
            };
        }
        if self.too_small() { Context::TooSmall } else { self.context_behind() }
    }

    /// Returns what keys mean on the screen behind whatever stands in front of it.
    pub(super) fn context_behind(&self) -> Context {
        match self.screen {
            Screen::Detect => Context::Detect,
            Screen::Choice => Context::Choice,
            Screen::Plan => Context::Plan,
            Screen::Run => match self.run.outcome {
                None => Context::Running,
                Some(Outcome::Done) => Context::RunOver,
                Some(Outcome::RebootNeeded) => Context::RebootDue,
                Some(Outcome::Failed { .. } | Outcome::Cancelled) => Context::RunFailed,
            },
            Screen::Watch if self.watch.as_ref().is_some_and(|watch| watch.holder.is_none()) => Context::WatchOver,
            Screen::Watch => Context::Watch,
            Screen::Variables => Context::Variables,
            Screen::Verify if self.verify.typing.is_some() => Context::Search,
            Screen::Verify => Context::Verify,
            Screen::Summary => Context::Summary,
        }
    }

    /// Tells whether an order of this kind is under way.
    pub fn waits_for(&self, slot: Slot) -> bool {
        self.live.contains_key(&slot)
    }

    /// Tells whether anything on the screen moves with time: a spinner, or the next look at the cluster.
    pub fn wants_ticks(&self) -> bool {
        self.screen == Screen::Verify || self.live.keys().any(|slot| !matches!(slot, Slot::Save | Slot::Fingerprint))
    }

    /// Returns the actions of a step as last planned, with what was left out.
    pub fn actions(&self, step: Step) -> Vec<&Action> {
        self.session.plan.of(step).collect()
    }

    /// Tells whether commands of `actions` cannot work because this process is not root.
    pub fn lacks_root(&self, actions: &[&Action]) -> bool {
        let host = &self.session.facts.host;
        !host.root
            && self.settings.simulated.is_none()
            && actions.iter().any(|action| action.needs_root && !action.skipped)
    }

    /// Orders an effect; one of the same kind that is under way is given up.
    pub(super) fn order(&mut self, effect: Effect) -> EffectId {
        self.next_id += 1;
        let id = EffectId(self.next_id);
        if let Some(slot) = effect.slot() {
            self.live.insert(slot, id);
        }
        self.outbox.push(Order { id, effect });
        id
    }

    /// Stops an order that is under way and drops what still comes of it.
    pub(super) fn give_up(&mut self, slot: Slot) {
        if let Some(id) = self.live.remove(&slot) {
            self.order(Effect::Cancel(id));
        }
    }

    /// Returns the order of this kind that is under way.
    pub(super) fn live_id(&self, slot: Slot) -> Option<EffectId> {
        self.live.get(&slot).copied()
    }

    /// Returns what the order `id` is for, unless it was given up.
    pub(super) fn slot_of(&self, id: EffectId) -> Option<Slot> {
        self.live.iter().find(|(_, live)| **live == id).map(|(slot, _)| *slot)
    }

    /// Notes that nothing more comes of this order.
    pub(super) fn finished(&mut self, slot: Slot) {
        self.live.remove(&slot);
        self.notice.take_if(|notice| notice.until == Some(slot));
    }

    /// Orders that the session is saved as it is now.
    pub(super) fn save(&mut self) {
        if self.watch.is_some() {
            return;
        }
        let draft = Draft {
            step: self.session.step,
            done: self.session.done.clone(),
            answers: self.session.answers.clone(),
            plan: self.session.plan.clone(),
        };
        self.order(Effect::SaveSession(Box::new(draft)));
    }

    /// Replaces the actions of one step in the plan.
    pub(super) fn set_actions(&mut self, step: Step, actions: Vec<Action>) {
        let mut all: Vec<_> =
            self.session.plan.actions.drain(..).filter(|action| action.step != step).chain(actions).collect();
        all.sort_by_key(|action| action.step);
        self.session.plan = Plan { actions: all };
    }

    /// Keeps the answers in the session; steps whose work no longer follows from them are open again.
    pub(super) fn keep_answers(&mut self) {
        if let Some(before) = &self.session.answers {
            let steps = owner::invalidated(before, &self.answers, &self.session.plan);
            self.session.reopen(&steps);
        }
        self.session.answers = Some(self.answers.clone());
    }

    /// Marks a step as done, or not.
    pub(super) fn mark(&mut self, step: Step, done: bool) {
        self.session.done.retain(|other| *other != step);
        if done {
            self.session.done.push(step);
            self.session.done.sort_unstable();
        }
    }

    /// Shows a line above the footer until the next key.
    pub(super) fn say(&mut self, severity: Severity, text: String) {
        self.notice = Some(Notice { severity, text, until: None });
    }

    /// Forecast it for as long as the answer to an order is awaited.
    pub(super) fn say_until(&mut self, slot: Slot, message: Message) {
        self.notice = Some(Notice { severity: Severity::Info, text: self.text(message), until: Some(slot) });
    }

    /// Puts a dialog in front.
    pub(super) fn open(&mut self, dialog: Dialog) {
        self.scroll = 0;
        self.dialog = Some(dialog);
    }

    /// Scrolls the text in front, not beyond its ends.
    pub(super) fn scroll_by(&mut self, rows: isize) {
        let (length, height) = match self.dialog {
            Some(_) => (overlay::document(self).map_or(0, |document| document.lines.len()), overlay::height(self)),
            None => (super::summary::height(self), usize::from(self.size.1.saturating_sub(6))),
        };
        self.scroll = self.scroll.saturating_add_signed(rows).min(length.saturating_sub(height));
    }

    /// Returns the actions that a confirmation is about: neither left out nor, in step 2, done already.
    pub fn to_confirm(&self) -> Vec<&Action> {
        let mut todo = confirm::to_do(self.session.plan.of(self.step()));
        todo.retain(|action| !plan::is_done(self, action));
        todo
    }
}
