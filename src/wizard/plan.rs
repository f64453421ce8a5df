//! The plan of step 2: what will be done and what was done, as rows, and the way from the plan to its run.

use super::{App, Dialog, Screen, Slot, keymap::Intent, message::Effect, navigate};
use crate::{
    finding::Severity,
    i18n::msg,
    plan::{Action, Step, Witness},
    prediction::{Forecast, Prediction},
};

/// How an action of the plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionStatus {
    /// It was done, and holds as far as is known.
    Done,
    /// It will be done.
    Ahead,
    /// It cannot be done as things stand.
    Blocked,
    /// The user left it out.
    LeftOut,
    /// It is done only at the user's wish.
    Offered,
}

/// One action of the plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<'a> {
    /// The action.
    pub action: &'a Action,
    /// How it stands.
    pub status: ActionStatus,
}

/// Returns what was done in step 2 and is no longer planned, such as a removal, and then what is planned.
pub fn rows(app: &App) -> Vec<Row<'_>> {
    let planned = app.actions(Step::Driver);
    let is_planned = |action: &Action| planned.iter().any(|other| other.id == action.id);
    let journal = app.session.journal.iter().map(|record| &record.action);
    let mut rows = Vec::<Row>::new();
    for action in
        journal.filter(|action| action.step == Step::Driver && !is_planned(action) && app.session.is_done(&action.id))
    {
        if rows.iter().all(|row| row.action.id != action.id) {
            rows.push(Row { action, status: ActionStatus::Done });
        }
    }
    rows.extend(planned.iter().map(|action| Row { action, status: status(app, action) }));
    rows
}

fn status(app: &App, action: &Action) -> ActionStatus {
    match (action.skipped, &action.blocked) {
        _ if is_done(app, action) => ActionStatus::Done,
        (true, _) if action.optional => ActionStatus::Offered,
        (true, _) => ActionStatus::LeftOut,
        (false, Some(_)) => ActionStatus::Blocked,
        (false, None) => ActionStatus::Ahead,
    }
}

/// Tells whether a planned action is done already. What takes something away is planned only while that is there: done
/// before, it has to be done again. An edit is planned only while the file is another, and with one to do the playbooks
/// are run again.
pub(super) fn is_done(app: &App, action: &Action) -> bool {
    let properties = action.kind.properties();
    let is_proven_by_machine = |other: &Action| !other.skipped && other.kind.properties().witness == Witness::Machine;
    match action.step {
        Step::Driver => !properties.takes_away && app.session.is_done(&action.id),
        Step::Variables if properties.witness == Witness::Journal => {
            app.session.attests(action) && !app.session.plan.of(Step::Variables).any(is_proven_by_machine)
        }
        _ => false,
    }
}

/// What comes next, when the plan is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The actions are shown for confirmation.
    Review,
    /// Only the reboot that was asked for is missing.
    Reboot,
    /// Nothing is left to do.
    GoOn,
}

/// Returns what comes after the plan of step 2.
pub fn next(app: &App) -> Next {
    let todo = app.to_confirm();
    match todo.as_slice() {
        [] if app.session.reboot.is_none() => Next::GoOn,
        all if app.session.reboot.is_some() && all.iter().all(|action| action.is_reboot()) => Next::Reboot,
        _ => Next::Review,
    }
}

/// Tells whether leaving this action out keeps a driver that is not the owner's: two of them fight over one card.
pub fn leaves_two_drivers(action: &Action) -> bool {
    action.removes_driver()
}

/// Returns how an action is taken back; the text says by itself where it cannot be.
pub fn undo(app: &App, action: &Action) -> String {
    let text = action.undo_text(app.settings.lang);
    if action.is_for_good() { text } else { app.text(msg::wizard::plan::undo(&text)) }
}

/// Keys while the plan of step 2 is looked at.
pub(super) fn intend(app: &mut App, intent: Intent) {
    match intent {
        Intent::Back => navigate::enter(app, Screen::Choice),
        Intent::ToggleAction => toggle(app),
        Intent::ShowChecks => app.open(Dialog::Preflight),
        Intent::Accept => confirm(app, Screen::Variables),
        _ => app.driver.action = navigate::moved(app.driver.action, intent, rows(app).len()),
    }
}

fn toggle(app: &mut App) {
    let selected = rows(app).get(app.driver.action).copied();
    let Some(action) = selected.filter(|row| row.status != ActionStatus::Done).map(|row| row.action.clone()) else {
        return;
    };
    let named = if action.optional { &mut app.answers.take_in } else { &mut app.answers.leave_out };
    match named.iter().position(|other| *other == action.id) {
        Some(place) => drop(named.remove(place)),
        None => named.push(action.id),
    }
    leave_out_changed(app);
}

/// Takes everything in again.
pub(super) fn leave_out_nothing(app: &mut App) {
    app.answers.leave_out.clear();
    leave_out_changed(app);
}

/// The plan depends on what is left out: without a removal, for one, no reboot is needed.
fn leave_out_changed(app: &mut App) {
    for action in &mut app.session.plan.actions {
        action.skipped = app.answers.leaves_out(&action.id, action.optional);
    }
    app.keep_answers();
    app.order(Effect::MakePlan { step: Step::Driver, answers: Box::new(app.answers.clone()) });
    app.save();
}

/// Orders the pre-flight of the plan that has just been made.
pub(super) fn preflight(app: &mut App) {
    let actions: Vec<Action> = app.actions(Step::Driver).into_iter().cloned().collect();
    app.order(Effect::Preflight { actions, answers: Box::new(app.answers.clone()) });
}

/// Takes in what the pre-flight says.
pub(super) fn checked(app: &mut App, checks: Result<Vec<Prediction>, String>) {
    (app.driver.checks, app.driver.checks_error) = match checks {
        Ok(checks) => (checks, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    if app.accepted_early && app.screen == Screen::Plan && app.dialog.is_none() {
        confirm(app, Screen::Variables);
    }
}

/// Returns how many checks say this.
pub fn count_checks(app: &App, says: Forecast) -> usize {
    app.driver.checks.iter().filter(|check| check.says == says).count()
}

/// Asks for confirmation of the step's actions; goes straight on to `onward` when there is nothing to do.
pub(super) fn confirm(app: &mut App, onward: Screen) {
    let checking = app.step() == Step::Driver && app.waits_for(Slot::Preflight);
    app.accepted_early = app.waits_for(Slot::Plan) || checking;
    if app.accepted_early {
        let (slot, key) = if checking {
            (Slot::Preflight, msg::wizard::notice::checking())
        } else {
            (Slot::Plan, msg::wizard::notice::plan_loading())
        };
        return app.say_until(slot, key);
    }
    let error = if app.step() == Step::Variables { &app.variables.plan_error } else { &app.driver.plan_error };
    if let Some(error) = error.clone() {
        return app.say(Severity::Error, error);
    }
    let next_of_plan = next(app);
    let todo = app.to_confirm();
    if todo.iter().any(|action| action.blocked.is_some()) {
        let text = app.text(msg::wizard::notice::blocked());
        app.say(Severity::Error, text);
    } else if app.lacks_root(&todo) {
        let text = app.text(msg::wizard::notice::root());
        app.say(Severity::Error, text);
    } else if app.step() == Step::Driver && next_of_plan == Next::Reboot {
        app.open(Dialog::AskReboot);
    } else if todo.is_empty() {
        app.mark(app.step(), true);
        app.save();
        navigate::enter(app, onward);
    } else {
        app.open(Dialog::Confirm);
    }
}
