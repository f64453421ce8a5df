//! Update: (state, message) -> state and orders. Pure and total.

use super::{
    App, Dialog, Screen, Slot, answer,
    ask::{self, Ask, Subject},
    detect, driver,
    keymap::{self, Intent},
    message::{Effect, Msg, Order},
    navigate::{enter, narrowed, widen},
    overlay, plan, run, test_pod, variables, verify, watch,
};
use crate::{exit_code::ExitCode, i18n::msg};

/// Returns what the first screen needs.
pub fn start(app: &mut App) -> Vec<Order> {
    if app.watch.is_some() {
        app.order(Effect::Watch);
    } else {
        app.order(Effect::Probe);
        enter(app, app.screen);
    }
    std::mem::take(&mut app.outbox)
}

/// Takes a message in and returns what is to be done. After a quit nothing more happens.
pub fn update(app: &mut App, msg: Msg) -> Vec<Order> {
    if app.leaving {
        return Vec::new();
    }
    match msg {
        Msg::Key(key) => {
            app.notice = None;
            if let Some(intent) = keymap::meaning(app.context(), key) {
                intend(app, intent);
            }
        }
        Msg::Paste(text) => paste(app, &text),
        Msg::Resize(columns, rows) => {
            app.size = (columns, rows);
            app.scroll_by(0);
        }
        Msg::Tick => app.ticks = app.ticks.wrapping_add(1),
        Msg::Shutdown(_) => {
            app.save();
            leave(app);
        }
        Msg::Answer(id, answer) => {
            if let Some(slot) = app.slot_of(id) {
                answer::take(app, slot, answer);
            }
        }
    }
    std::mem::take(&mut app.outbox)
}

/// Pasted text goes where text is typed, up to its first line end; anywhere else its letters would be taken for keys.
fn paste(app: &mut App, text: &str) {
    let line = text.trim_start().lines().next().unwrap_or_default();
    for c in crate::text::printable(line).chars() {
        if !keymap::takes_text(app.context()) {
            return;
        }
        intend(app, Intent::Type(c));
    }
}

fn intend(app: &mut App, intent: Intent) {
    match intent {
        Intent::Interrupt if app.dialog == Some(Dialog::AskQuit) => leave(app),
        Intent::Quit if matches!(app.screen, Screen::Summary | Screen::Watch) && app.dialog.is_none() => leave(app),
        Intent::Quit | Intent::Interrupt => cover(app, Dialog::AskQuit),
        Intent::Help if app.dialog == Some(Dialog::Help) => close(app),
        Intent::Help => cover(app, Dialog::Help),
        Intent::Hesitate => app.say(crate::finding::Severity::Info, app.text(msg::wizard::notice::type_y())),
        // Esc closes; where nothing is open it does nothing.
        Intent::Leave if !narrowed(app) => {}
        Intent::Leave => widen(app),
        _ if matches!(app.dialog, Some(Dialog::Ask(_))) => asked(app, intent),
        _ if app.dialog.is_some() => in_front(app, intent),
        _ => match app.screen {
            Screen::Detect => detect::intend(app, intent),
            Screen::Choice => driver::choose(app, intent),
            Screen::Plan => plan::intend(app, intent),
            Screen::Run => run::intend(app, intent),
            Screen::Variables => variables::intend(app, intent),
            Screen::Verify => verify::intend(app, intent),
            Screen::Summary => at_the_end(app, intent),
            Screen::Watch => watch::intend(app, intent),
        },
    }
}

/// Opens the help, or the question whether to leave, over whatever is there.
fn cover(app: &mut App, dialog: Dialog) {
    if app.dialog != Some(Dialog::Help) {
        app.covered = app.dialog.take().map(|dialog| (dialog, app.scroll));
    }
    app.open(dialog);
}

/// Closes what is in front.
fn close(app: &mut App) {
    match app.dialog.take() {
        Some(Dialog::Offer(id)) => verify::decline(app, id),
        Some(Dialog::Help | Dialog::AskQuit) => {
            if let Some((dialog, scroll)) = app.covered.take().filter(|(dialog, _)| still_stands(app, dialog)) {
                app.open(dialog);
                app.scroll = scroll;
                app.scroll_by(0);
            }
        }
        _ => {}
    }
}

/// Tells whether there is still something to ask or to tell: while the help was read, it may have passed.
fn still_stands(app: &App, dialog: &Dialog) -> bool {
    match dialog {
        Dialog::AskCancel => app.waits_for(Slot::Run),
        Dialog::Diagnosis => app.verify.diagnosis.is_some(),
        Dialog::Offer(id) => app.verify.is_offered(*id),
        _ => true,
    }
}

fn in_front(app: &mut App, intent: Intent) {
    let page = isize::try_from(overlay::height(app)).unwrap_or(1);
    match intent {
        Intent::Up => app.scroll_by(-1),
        Intent::Down => app.scroll_by(1),
        Intent::PageUp => app.scroll_by(-page),
        Intent::PageDown => app.scroll_by(page),
        Intent::First => app.scroll_by(isize::MIN),
        Intent::Last => app.scroll_by(isize::MAX),
        Intent::Close => close(app),
        Intent::NextPart => variables::turn_file(app, true),
        Intent::PreviousPart => variables::turn_file(app, false),
        Intent::ToggleAction => variables::toggle_file(app),
        Intent::Accept => match app.dialog.take() {
            Some(Dialog::Confirm) => run::begin(app),
            Some(Dialog::AskCancel) => run::cancel(app),
            Some(Dialog::AskReboot) => drop(app.order(Effect::Reboot)),
            Some(Dialog::AskQuit) => leave(app),
            Some(Dialog::Diagnosis) => verify::remedy(app),
            Some(Dialog::Offer(id)) => verify::take_offer(app, id),
            Some(Dialog::TestPod(actions)) => test_pod::run(app, actions),
            _ => {}
        },
        _ => {}
    }
}

/// A key while a text is asked for. What cannot be taken stays where it is, with the reason.
fn asked(app: &mut App, intent: Intent) {
    match (intent, app.dialog.take()) {
        (Intent::Accept, Some(Dialog::Ask(ask))) => {
            if let Err(why) = take(app, &ask.subject, ask.field.text()) {
                app.dialog = Some(Dialog::Ask(Ask { error: Some(why), ..ask }));
            }
        }
        (_, dialog) => {
            app.dialog = dialog;
            ask::intend(app, intent);
        }
    }
}

/// The one place that knows who takes which text. The error says why a text cannot be taken.
fn take(app: &mut App, subject: &Subject, text: &str) -> Result<(), String> {
    match subject {
        Subject::Source(source) => variables::take_source(app, *source, text.trim()),
        Subject::Kubeconfig | Subject::LogFile => verify::take_text(app, subject, text.trim()),
        Subject::SudoPassword => run::take_password(app, text),
        Subject::Value { variable } => variables::take_value(app, variable, text.trim()),
        Subject::DriverFilter => {
            driver::take_filter(app, text.trim());
            Ok(())
        }
    }
}

fn at_the_end(app: &mut App, intent: Intent) {
    match intent {
        Intent::Accept => leave(app),
        Intent::Back => enter(app, Screen::Verify),
        Intent::Up => app.scroll_by(-1),
        Intent::Down => app.scroll_by(1),
        Intent::PageUp => app.scroll_by(-10),
        Intent::PageDown => app.scroll_by(10),
        _ => {}
    }
}

fn leave(app: &mut App) {
    app.leaving = true;
    let code = if app.screen == Screen::Summary { ExitCode::Ok } else { ExitCode::Quit };
    app.order(Effect::Quit(code));
}
