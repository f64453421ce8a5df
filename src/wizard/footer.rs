//! Footer: what the keys do here and now, in words, as many of them as have room. The help names them all.

use super::{
    App, Screen,
    driver::Part,
    keymap::{self, Binding, Context, Label},
    navigate::narrowed,
    plan::{Next, next},
    verify,
};
use crate::i18n::{Message, msg::wizard::key};

/// A key, or several of one kind, and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The keys as they are printed.
    pub caps: String,
    /// What they do.
    pub text: String,
}

/// Returns all keys that do something on the screen, whatever stands in front of it.
pub fn hints(app: &App) -> Vec<Hint> {
    told(app, app.context_behind()).into_iter().map(|(binding, label)| hint(app, binding, label)).collect()
}

/// Returns the keys that have room in `cells` cells, the last ones going first. Where some are missing, the help's hint
/// says that it has them all.
pub fn fitting(app: &App, cells: usize) -> Vec<Hint> {
    let mut all = told(app, app.context());
    loop {
        let hints: Vec<_> = all.iter().map(|(binding, label)| hint(app, binding, label.clone())).collect();
        let used: usize =
            hints.iter().map(|hint| crate::text::width(&hint.caps) + crate::text::width(&hint.text) + 3).sum();
        // Behind the last one nothing has to be kept apart.
        let last = all.iter().rposition(|(binding, _)| !binding.label.stays());
        match last.filter(|_| used > cells + 2) {
            Some(last) => drop(all.remove(last)),
            None => return hints,
        }
        let help = all.iter_mut().filter(|(binding, _)| matches!(binding.label, Label::Help));
        help.for_each(|(_, label)| *label = key::all_keys());
    }
}

fn hint(app: &App, binding: &Binding, label: Message) -> Hint {
    // The toolkits stand in a row, everything else in a column.
    let in_row = app.screen == Screen::Choice && app.driver.part == Part::Cuda && app.dialog.is_none();
    let caps = if in_row { binding.caps.replace("↑↓", "←→") } else { binding.caps.to_owned() };
    let caps = if app.settings.ascii { caps.replace("↑↓", "Up/Dn").replace("←→", "Left/Right") } else { caps };
    Hint { caps, text: app.text(label) }
}

fn told(app: &App, context: Context) -> Vec<(&'static Binding, Message)> {
    keymap::bindings(context).iter().filter_map(|binding| Some((binding, label(app, binding.label)?))).collect()
}

/// What a key does as things stand; nothing where it does nothing.
fn label(app: &App, label: Label) -> Option<Message> {
    let log = &app.verify.log;
    match label {
        Label::Silent => None,
        Label::Words(words) => Some(words()),
        Label::Help => Some(key::help()),
        Label::Back => Some(key::back()),
        Label::Quit => Some(key::quit()),
        Label::StopSearch => Some(key::stop_search()),
        Label::Unfilter if app.screen == Screen::Verify => narrowed(app).then(key::stop_search),
        Label::Unfilter => narrowed(app).then(key::unfilter),
        Label::Take if app.driver.part == Part::Driver => Some(key::to_plan()),
        Label::Take => Some(key::go_on()),
        Label::All => Some(if app.driver.all { key::fitting() } else { key::all() }),
        Label::Review => Some(match next(app) {
            Next::Review => key::review(),
            Next::Reboot => key::reboot(),
            Next::GoOn => key::go_on(),
        }),
        Label::Check => Some(verify::enter_label(app)),
        Label::Pause => Some(if log.follows() { key::pause() } else { key::resume() }),
        Label::Offers => app.verify.first_offer().map(|_| key::offers()),
        Label::NextHit => (!log.query().is_empty()).then(key::next_hit),
        Label::NextFinding => (log.mark_count() > 0).then(key::next_finding),
        Label::SaveLog => (!log.is_empty()).then(key::save_log),
    }
}
