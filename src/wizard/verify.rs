//! Step 4: the chain from DaemonSet to test pod, the installer's log, and what a known failure means.

use super::{
    App, Dialog, Screen, Slot,
    chain::{ChainRow, ChainState, Diagnosis, Phase, RemedyAction},
    driver,
    keymap::Intent,
    log::LogBuffer,
    message::Effect,
    navigate,
};
use crate::{finding::Severity, plan::Step};

/// What the right side shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    /// The chain.
    #[default]
    Chain,
    /// The installer's log.
    Log,
    /// The output of the test pod.
    TestPod,
}

/// Where the user is in step 4.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Verify {
    /// The links.
    pub chain: Vec<ChainRow>,
    /// Why they could not be looked at.
    pub chain_error: Option<String>,
    /// The selected link.
    pub selected: usize,
    /// Where the arrow keys move.
    pub part: Part,
    /// The installer's log.
    pub log: LogBuffer,
    /// The installer's phases.
    pub phases: Vec<Phase>,
    /// What the tail does or waits for.
    pub state: String,
    /// The search text while it is typed.
    pub typing: Option<String>,
    /// The last known failure.
    pub diagnosis: Option<Diagnosis>,
    /// What the test pod printed, or why it did not run.
    pub test: Option<Result<Vec<String>, String>>,
    /// The first line in view of what the test pod printed.
    pub test_top: usize,
    /// The last verdict, one row a check.
    pub checks: Vec<ChainRow>,
}

impl Verify {
    /// Takes new rows in and keeps the selected one.
    pub(super) fn take_chain(&mut self, rows: Vec<ChainRow>) {
        let id = self.chain.get(self.selected).map(|row| row.id.clone());
        let place = rows.iter().position(|row| Some(&row.id) == id.as_ref());
        self.selected = place.unwrap_or(self.selected.min(rows.len().saturating_sub(1)));
        self.chain = rows;
        self.chain_error = None;
    }

    /// Returns how many links are as they should be.
    pub fn passed(&self) -> usize {
        self.chain.iter().filter(|row| row.state == ChainState::Pass).count()
    }
}

/// A known failure was recognised: it is shown at once, but one that is shown already is not shown again.
pub(super) fn diagnosed(app: &mut App, diagnosis: Diagnosis) {
    let new = app.verify.diagnosis.as_ref().is_none_or(|old| old.signature != diagnosis.signature);
    app.verify.diagnosis = Some(diagnosis);
    if new && app.dialog.is_none() && app.screen == Screen::Verify {
        app.open(Dialog::Diagnosis);
    }
}

/// All checks were made.
pub(super) fn verified(app: &mut App, rows: Vec<ChainRow>, ok: bool) {
    app.verify.take_chain(rows.clone());
    app.verify.checks = rows;
    app.mark(Step::Verify, ok);
    app.save();
    if ok {
        app.dialog = None;
        navigate::enter(app, Screen::Summary);
    } else {
        let text = app.t("notice.not-verified");
        app.say(Severity::Warning, text);
    }
}

/// Does what the diagnosis offers.
pub(super) fn remedy(app: &mut App) {
    match app.verify.diagnosis.as_ref().and_then(|diagnosis| diagnosis.action) {
        Some(RemedyAction::BackToDriver) => {
            driver::leave_out_nothing(app);
            app.verify.diagnosis = None;
            app.mark(Step::Driver, false);
            navigate::enter(app, Screen::Plan);
            // What was probed at the start may be long ago: the plan must see the driver that is there now.
            app.order(Effect::Probe);
        }
        None => {}
    }
}

pub(super) fn intend(app: &mut App, intent: Intent) {
    if app.verify.typing.is_some() {
        return search(app, intent);
    }
    match intent {
        Intent::Back => navigate::enter(app, Screen::Variables),
        Intent::NextPart | Intent::PreviousPart => next_part(&mut app.verify),
        Intent::Search => {
            app.verify.part = Part::Log;
            app.verify.typing = Some(String::new());
        }
        Intent::NextHit => drop(app.verify.log.next_hit()),
        Intent::Pause => app.verify.log.toggle_pause(),
        Intent::TestPod if !app.waits_for(Slot::TestPod) => run_test_pod(app),
        Intent::Accept if app.verify.diagnosis.is_some() => app.open(Dialog::Diagnosis),
        // The next thing to do when all else is well: a verdict without a pod that used the GPU would be half a verdict.
        Intent::Accept if only_the_test_is_missing(&app.verify) && !app.waits_for(Slot::TestPod) => run_test_pod(app),
        Intent::Accept if !app.waits_for(Slot::Verify) => {
            app.order(Effect::Verify { answers: Box::new(app.answers.clone()) });
        }
        _ => scroll(&mut app.verify, intent),
    }
}

fn run_test_pod(app: &mut App) {
    app.verify.part = Part::TestPod;
    app.verify.test = None;
    app.verify.test_top = 0;
    app.order(Effect::RunTestPod { answers: Box::new(app.answers.clone()) });
}

/// Tells whether every link passes but the test pod, which has not run yet.
fn only_the_test_is_missing(state: &Verify) -> bool {
    let (test, others): (Vec<_>, Vec<_>) = state.chain.iter().partition(|row| row.id == "test-pod");
    state.test.is_none()
        && !others.is_empty()
        && others.iter().all(|row| row.state == ChainState::Pass)
        && test.iter().any(|row| row.state != ChainState::Pass)
}

fn next_part(state: &mut Verify) {
    state.part = match state.part {
        Part::Chain => Part::Log,
        Part::Log if state.test.is_some() => Part::TestPod,
        Part::Log | Part::TestPod => Part::Chain,
    };
}

fn scroll(state: &mut Verify, intent: Intent) {
    match state.part {
        Part::Chain => {
            state.selected = navigate::moved(state.selected, intent, state.chain.len());
            return;
        }
        Part::TestPod => {
            let length = state.test.as_ref().and_then(|test| test.as_ref().ok()).map_or(0, Vec::len);
            state.test_top = navigate::moved(state.test_top, intent, length);
            return;
        }
        Part::Log => {}
    }
    match intent {
        Intent::Up => state.log.up(1),
        Intent::Down => state.log.down(1),
        Intent::PageUp => state.log.up(10),
        Intent::PageDown => state.log.down(10),
        Intent::First => state.log.to_first(10),
        Intent::Last => state.log.to_last(),
        _ => {}
    }
}

fn search(app: &mut App, intent: Intent) {
    let Some(mut text) = app.verify.typing.take() else { return };
    match intent {
        Intent::Type(c) => text.push(c),
        Intent::Erase => drop(text.pop()),
        Intent::Accept => {
            app.verify.log.search(&text);
            if app.verify.log.hit_count() == 0 && !text.is_empty() {
                let notice = app.tr("notice.no-hit", &[("text", &text)]);
                app.say(Severity::Info, notice);
            }
            return;
        }
        _ => return app.verify.log.search(""),
    }
    app.verify.typing = Some(text);
}
