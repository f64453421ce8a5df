//! Step 4: the chain to the test pod, the log of what is at work, and what a known failure means.

use super::{
    App, Dialog, Screen, Slot,
    ask::{self, Subject},
    chain::{ChainRow, ChainState, Diagnosis, Offer, Phase, RemedyAction, TailBatch},
    keymap::Intent,
    log::LogBuffer,
    message::Effect,
    navigate, plan, run,
};
use crate::{
    cluster::check::CheckId,
    finding::Severity,
    i18n::{Message, msg},
    plan::{Action, Step, remedy::RemedyId},
};

/// What the right side shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    /// The chain.
    #[default]
    Chain,
    /// The log of what is at work.
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
    /// Whose log is followed, as a title; empty before that is known.
    pub followed: String,
    /// The logs that were followed, one after the other.
    pub log: LogBuffer,
    /// The steps of what is followed.
    pub phases: Vec<Phase>,
    /// What the tail does or waits for.
    pub state: String,
    /// The search text while it is typed.
    pub typing: Option<String>,
    /// The last known failure.
    pub diagnosis: Option<Diagnosis>,
    /// Signatures that were shown already: one cause is told once.
    pub told: Vec<String>,
    /// What may be done at the user's wish.
    pub offers: Vec<Offer>,
    /// The offers of the last step were put; the summary is next.
    pub asked: bool,
    /// What the test pod printed, or why it did not run.
    pub test: Option<Result<Vec<String>, String>>,
    /// The plan of the test that was confirmed since this program began.
    pub confirmed: Option<Vec<Action>>,
    /// The first line in view of what the test pod printed.
    pub test_top: usize,
    /// The last verdict, one row a check.
    pub checks: Vec<ChainRow>,
}

impl Verify {
    /// Takes new rows in and keeps the selected one.
    pub(super) fn take_chain(&mut self, rows: Vec<ChainRow>) {
        let id = self.chain.get(self.selected).map(|row| row.id);
        let place = rows.iter().position(|row| Some(row.id) == id);
        // The first look goes to what is wrong, or to what is at work.
        let telling = || {
            [ChainState::Fail, ChainState::Active, ChainState::Temporary, ChainState::Unknown]
                .iter()
                .find_map(|state| rows.iter().position(|row| row.state == *state))
        };
        // The cursor stays with its link, until that is no longer what is wrong.
        let was_open = self.chain.get(self.selected).is_none_or(|row| row.state != ChainState::Pass);
        let is_good = place.is_none_or(|place| rows[place].state == ChainState::Pass);
        let place = if was_open && is_good { telling().or(place) } else { place };
        self.selected = place.unwrap_or(self.selected.min(rows.len().saturating_sub(1)));
        self.chain = rows;
        self.chain_error = None;
    }

    /// Tells whether this offer is put now: the taint stays out of the question until a pod has used the GPU here.
    pub(super) fn is_offered(&self, id: RemedyId) -> bool {
        let is_time = match id {
            RemedyId::RemoveTaint => self.test_passed(),
            RemedyId::SecondBoot => !self.checks.is_empty() && self.checks.iter().all(|row| row.state.is_fine()),
            RemedyId::RestartInstaller | RemedyId::Uncordon | RemedyId::PutTaint => true,
        };
        is_time && self.offer(id).is_some()
    }

    /// Returns the offer of this name, as long as it stands.
    pub(super) fn offer(&self, id: RemedyId) -> Option<&Offer> {
        self.offers.iter().find(|offer| offer.id == id)
    }

    /// Returns the first offer that is put now.
    pub(super) fn first_offer(&self) -> Option<RemedyId> {
        self.offered().next()
    }

    /// Returns what is put now, in order.
    fn offered(&self) -> impl Iterator<Item = RemedyId> {
        self.offers.iter().map(|offer| offer.id).filter(|id| self.is_offered(*id))
    }

    /// Tells whether the test pod passes in the last judgement, and no later test has failed.
    fn test_passed(&self) -> bool {
        let judged = self.chain.iter().any(|row| row.id == CheckId::TestPod && row.state == ChainState::Pass);
        judged && !matches!(self.test, Some(Err(_)))
    }

    /// Returns how many links are as they should be.
    pub fn passed(&self) -> usize {
        self.chain.iter().filter(|row| row.state == ChainState::Pass).count()
    }
}

/// Lines of the log have come.
pub(super) fn take_lines(app: &mut App, batch: &TailBatch) {
    let mut findings = batch.findings.iter().peekable();
    for (index, line) in batch.lines.iter().enumerate() {
        app.verify.log.push(line.clone());
        if findings.next_if_eq(&&index).is_some() {
            app.verify.log.mark();
        }
    }
}

/// The cluster was looked at.
pub(super) fn take_chain(app: &mut App, rows: Vec<ChainRow>, offers: Vec<Offer>, failures: Vec<Diagnosis>) {
    app.verify.take_chain(rows);
    app.verify.offers = offers;
    // What an earlier look has proved is over when it no longer shows.
    if app.session.done.contains(&Step::Verify) && !all_pass(&app.verify) {
        app.mark(Step::Verify, false);
    }
    // What the cluster no longer shows is over; it may come again.
    let still = |signature: &str| failures.iter().any(|failure| failure.signature == signature);
    let over = app.verify.diagnosis.take_if(|old| !old.from_log && !still(&old.signature));
    if let Some(over) = over {
        app.verify.told.retain(|signature| *signature != over.signature);
        app.dialog.take_if(|dialog| *dialog == Dialog::Diagnosis);
    }
    if matches!(app.dialog, Some(Dialog::Offer(id)) if !app.verify.is_offered(id)) {
        app.dialog = None;
    }
    for failure in failures {
        diagnosed(app, failure);
    }
}

/// A known failure was recognised: it is shown at once, but one that was shown already is not shown again.
pub(super) fn diagnosed(app: &mut App, diagnosis: Diagnosis) {
    let new = !app.verify.told.contains(&diagnosis.signature);
    let same = app.verify.diagnosis.as_ref().is_some_and(|old| old.signature == diagnosis.signature);
    if new || same || app.verify.diagnosis.is_none() {
        if new {
            app.verify.told.push(diagnosis.signature.clone());
        }
        app.verify.diagnosis = Some(diagnosis);
    }
    if new && app.dialog.is_none() && app.screen == Screen::Verify && app.verify.typing.is_none() {
        app.open(Dialog::Diagnosis);
    }
}

/// The installer has succeeded: what its log told before is of the past.
pub(super) fn recovered(app: &mut App) {
    app.verify.diagnosis.take_if(|diagnosis| diagnosis.from_log);
    app.verify.told.clear();
    app.verify.log.begin_present();
    if app.verify.diagnosis.is_none() {
        app.dialog.take_if(|dialog| *dialog == Dialog::Diagnosis);
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
        last_step(app);
    } else {
        let text = not_verified(app);
        app.say(Severity::Warning, text);
    }
}

/// Says which checks failed; where none did, which are not known yet.
fn not_verified(app: &App) -> String {
    let titles = |state: ChainState| {
        let rows = app.verify.checks.iter().filter(move |row| row.state == state);
        rows.map(|row| row.title.as_str()).collect::<Vec<_>>().join(", ")
    };
    let failed = titles(ChainState::Fail);
    if !failed.is_empty() {
        app.text(msg::wizard::notice::not_verified(&failed))
    } else if only_the_test_is_missing(&app.verify) {
        app.text(msg::wizard::verify::test_none())
    } else {
        app.text(msg::wizard::notice::not_known_yet(titles(ChainState::Unknown)))
    }
}

/// The seed's last step: what keeps other pods off the node is asked about once, then comes the summary.
fn last_step(app: &mut App) {
    match last_question(app) {
        Some(id) => app.open(Dialog::Offer(id)),
        None => navigate::enter(app, Screen::Summary),
    }
    app.verify.asked = true;
}

/// Returns the offer that stands before the summary, unless it was put already.
fn last_question(app: &App) -> Option<RemedyId> {
    app.verify.offered().find(|id| id.is_last_step()).filter(|_| !app.verify.asked)
}

/// Does what is offered.
pub(super) fn take_offer(app: &mut App, id: RemedyId) {
    let Some(action) = app.verify.offer(id).map(|offer| offer.action.clone()) else { return };
    if id == RemedyId::SecondBoot {
        return run::prove_again(app);
    }
    if id == RemedyId::RemoveTaint {
        app.answers.remove_taint = true;
        app.session.answers = Some(app.answers.clone());
    }
    app.order(Effect::Remedy { action: Box::new(action) });
}

/// An offer was declined: the next one, or on to the end.
pub(super) fn decline(app: &mut App, declined: RemedyId) {
    let more =
        app.verify.offered().skip_while(|id| *id != declined).skip(1).find(|id| !app.verify.asked || id.is_last_step());
    match more {
        Some(next) => app.open(Dialog::Offer(next)),
        None if app.session.done.contains(&Step::Verify) && app.verify.asked && app.screen == Screen::Verify => {
            navigate::enter(app, Screen::Summary);
        }
        None => {}
    }
}

/// A remedy was done, or not.
pub(super) fn remedied(app: &mut App, result: Result<Vec<String>, String>) {
    match result {
        Ok(proof) => {
            let text = app.text(msg::wizard::notice::remedied(proof.first().map_or("", String::as_str)));
            app.say(Severity::Info, text);
            app.verify.diagnosis = None;
            app.verify.told.clear();
            if app.session.done.contains(&Step::Verify) && app.screen == Screen::Verify {
                navigate::enter(app, Screen::Summary);
            }
        }
        Err(error) => app.say(Severity::Error, error),
    }
}

/// Does what the diagnosis offers.
pub(super) fn remedy(app: &mut App) {
    let Some(action) = app.verify.diagnosis.as_ref().and_then(|diagnosis| diagnosis.action.clone()) else { return };
    match action {
        RemedyAction::BackToDriver => {
            plan::leave_out_nothing(app);
            forget(app);
            app.mark(Step::Driver, false);
            navigate::enter(app, Screen::Plan);
            // What was probed at the start may be long ago: the plan must see the driver that is there now.
            app.order(Effect::Probe);
        }
        RemedyAction::ToVariables => {
            forget(app);
            app.mark(Step::Variables, false);
            navigate::enter(app, Screen::Variables);
        }
        RemedyAction::Reboot => app.open(Dialog::AskReboot),
        RemedyAction::Run(action) => drop(app.order(Effect::Remedy { action })),
    }
}

/// What was diagnosed is being mended: if it shows again, it is told again.
fn forget(app: &mut App) {
    app.verify.diagnosis = None;
    app.verify.told.clear();
}

/// Takes a typed kubeconfig, or the file for the log.
pub(super) fn take_text(app: &mut App, subject: &Subject, text: &str) -> Result<(), String> {
    if !text.is_empty() && !text.starts_with('/') {
        return Err(app.text(msg::wizard::ask::error::absolute()));
    }
    if *subject == Subject::Kubeconfig {
        let path = (!text.is_empty()).then(|| text.parse()).transpose();
        app.answers.kubeconfig = path.map_err(|error: crate::input::InputError| error.text(app.settings.lang))?;
        app.session.answers = Some(app.answers.clone());
        app.mark(Step::Verify, false);
        app.save();
        app.verify.chain.clear();
        app.verify.chain_error = None;
        navigate::enter(app, Screen::Verify);
    } else if !text.is_empty() {
        app.order(Effect::SaveLog { path: text.into(), text: app.verify.log.text() });
    }
    Ok(())
}

/// The log was written, or not.
pub(super) fn log_saved(app: &mut App, result: Result<std::path::PathBuf, String>) {
    match result {
        Ok(path) => {
            let text = match app.verify.log.dropped() {
                0 => msg::wizard::notice::log_saved(path.display()),
                dropped => msg::wizard::notice::log_saved_part(dropped, path.display()),
            };
            app.say(Severity::Info, app.text(text));
        }
        Err(error) => app.say(Severity::Error, error),
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
        Intent::NextFinding => next_finding(app),
        Intent::AskKubeconfig => {
            let now = app.answers.kubeconfig.as_ref().map_or_else(String::new, |path| path.display().to_string());
            ask::open(app, Subject::Kubeconfig, &now);
        }
        Intent::SaveLog if !app.verify.log.is_empty() => {
            let folder = app.settings.session_path.parent().unwrap_or(std::path::Path::new("/")).join("installer.log");
            ask::open(app, Subject::LogFile, &folder.display().to_string());
        }
        Intent::Offers => match app.verify.first_offer() {
            Some(id) => app.open(Dialog::Offer(id)),
            None => app.say(Severity::Info, app.text(msg::wizard::notice::no_offer())),
        },
        Intent::Pause => app.verify.log.toggle_pause(),
        Intent::TestPod => plan_test(app),
        Intent::Accept if app.verify.diagnosis.is_some() => app.open(Dialog::Diagnosis),
        // The next thing to do when all else is well: a verdict without a pod that used the GPU would be half a
        // verdict.
        Intent::Accept if only_the_test_is_missing(&app.verify) && !app.waits_for(Slot::TestPod) => plan_test(app),
        Intent::Accept if !app.waits_for(Slot::Verify) => {
            app.order(Effect::Verify { answers: Box::new(app.answers.clone()) });
        }
        _ => scroll(&mut app.verify, intent),
    }
}

/// Returns what Enter does now.
pub(super) fn enter_label(app: &App) -> Message {
    use msg::wizard::key;
    match () {
        () if app.verify.diagnosis.is_some() => key::show_failure(),
        () if only_the_test_is_missing(&app.verify) => key::run_test(),
        // The checks are made once more, and lead on when they still pass.
        () if all_pass(&app.verify) && last_question(app).is_some() => key::go_on(),
        () if all_pass(&app.verify) => key::finish(),
        () => key::check(),
    }
}

fn next_finding(app: &mut App) {
    app.verify.part = Part::Log;
    if !app.verify.log.next_mark() {
        let text = app.text(msg::wizard::notice::no_finding());
        app.say(Severity::Info, text);
    }
}

/// Tells whether every link passes but the test pod, which has not run yet.
fn only_the_test_is_missing(state: &Verify) -> bool {
    let (test, others): (Vec<_>, Vec<_>) = state.chain.iter().partition(|row| row.id == CheckId::TestPod);
    state.test.is_none()
        && !others.is_empty()
        && others.iter().all(|row| row.state.is_fine())
        && test.iter().any(|row| row.state != ChainState::Pass)
}

/// Tells whether every link is as it should be.
fn all_pass(state: &Verify) -> bool {
    !state.chain.is_empty() && state.chain.iter().all(|row| row.state.is_fine())
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
                let notice = app.text(msg::wizard::notice::no_hit(&text));
                app.say(Severity::Info, notice);
            }
            return;
        }
        _ => return app.verify.log.search(""),
    }
    app.verify.typing = Some(text);
}

/// Asks for the plan of the test, unless a test is under way.
fn plan_test(app: &mut App) {
    if !app.waits_for(Slot::TestPod) && !app.waits_for(Slot::TestPlan) {
        app.order(Effect::PlanTestPod { answers: Box::new(app.answers.clone()) });
    }
}
