//! Navigation: from screen to screen, and within a list.

use super::{App, Screen, Slot, keymap::Intent, message::Effect};
use crate::plan::Step;

/// Brings a screen up and orders what it needs.
pub(super) fn enter(app: &mut App, screen: Screen) {
    if app.screen == Screen::Verify && screen != Screen::Verify {
        app.give_up(Slot::Node);
    }
    if screen != Screen::Detect {
        app.give_up(Slot::Fingerprint);
    }
    app.screen = screen;
    app.scroll = 0;
    app.accepted_early = false;
    if app.session.step != app.step() {
        app.session.step = app.step();
        app.save();
    }
    let answers = Box::new(app.answers.clone());
    match screen {
        Screen::Choice => drop(app.order(Effect::LoadTable { answers })),
        Screen::Plan => drop(app.order(Effect::MakePlan { step: Step::Driver, answers })),
        Screen::Variables => {
            app.order(Effect::LoadPreview { answers: answers.clone() });
            app.order(Effect::MakePlan { step: Step::Variables, answers });
        }
        Screen::Verify => drop(app.order(Effect::FollowNode { answers })),
        Screen::Summary => drop(app.order(Effect::WriteReport)),
        Screen::Detect => drop(app.order(Effect::Fingerprint)),
        Screen::Run | Screen::Watch => {}
    }
}

/// Tells whether a filter or a search hides or marks a part of what the screen shows.
pub(super) fn narrowed(app: &App) -> bool {
    match app.screen {
        Screen::Choice => !app.driver.filter.is_empty(),
        Screen::Verify => !app.verify.log.query().is_empty(),
        _ => false,
    }
}

/// Shows all again.
pub(super) fn widen(app: &mut App) {
    match app.screen {
        Screen::Choice => app.driver.filter.clear(),
        _ => app.verify.log.search(""),
    }
}

/// Moves an index within a list of `len` rows.
pub(super) fn moved(index: usize, intent: Intent, len: usize) -> usize {
    let last = len.saturating_sub(1);
    match intent {
        Intent::Up => index.saturating_sub(1),
        Intent::Down => index + 1,
        Intent::PageUp => index.saturating_sub(8),
        Intent::PageDown => index + 8,
        Intent::First => 0,
        Intent::Last => last,
        _ => index,
    }
    .min(last)
}
