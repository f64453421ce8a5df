//! Footer: what the keys do here and now, in words, as many of them as have room. The help names them all.

use super::{
    App, Screen,
    driver::Part,
    keymap::{self, Binding, Context},
    navigate::narrowed,
    plan::{Next, next},
    verify,
};

/// A key, or several of one kind, and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The keys as they are printed.
    pub caps: String,
    /// What they do.
    pub text: String,
}

/// Those that have room on every screen.
const ALWAYS: [&str; 5] = ["help", "unfilter", "stop-search", "back", "quit"];

/// Returns all keys that do something on the screen, whatever stands in front of it.
pub fn hints(app: &App) -> Vec<Hint> {
    told(app, app.context_behind()).into_iter().map(|(binding, label)| hint(app, binding, label)).collect()
}

/// Returns the keys that have room in `cells` cells, the last ones going first. Where some are missing, the help's hint says that it has
/// them all.
pub fn fitting(app: &App, cells: usize) -> Vec<Hint> {
    let mut all = told(app, app.context());
    let mut dropped = false;
    loop {
        let with = |label| if label == "help" && dropped { "all-keys" } else { label };
        let hints: Vec<_> = all.iter().map(|(binding, label)| hint(app, binding, with(label))).collect();
        let used: usize = hints.iter().map(|hint| crate::text::width(&hint.caps) + crate::text::width(&hint.text) + 3).sum();
        // Behind the last one nothing has to be kept apart.
        let last = all.iter().rposition(|(_, label)| !ALWAYS.contains(label));
        match last.filter(|_| used > cells + 2) {
            Some(last) => drop(all.remove(last)),
            None => return hints,
        }
        dropped = true;
    }
}

fn hint(app: &App, binding: &Binding, label: &str) -> Hint {
    let caps = if app.settings.ascii { binding.caps.replace("↑↓", "Up/Dn") } else { binding.caps.to_owned() };
    Hint { caps, text: app.t(&format!("key.{label}")) }
}

fn told(app: &App, context: Context) -> Vec<(&'static Binding, &'static str)> {
    keymap::bindings(context).iter().filter_map(|binding| Some((binding, label(app, binding)?))).collect()
}

/// What a key does as things stand; nothing where it does nothing.
fn label(app: &App, binding: &Binding) -> Option<&'static str> {
    let log = &app.verify.log;
    Some(match binding.label {
        "" => return None,
        "take" if app.driver.part == Part::Driver => "to-plan",
        "take" => "go-on",
        "all" if app.driver.all => "fitting",
        "review" => match next(app) {
            Next::Review => "review",
            Next::Reboot => "reboot",
            Next::GoOn => "go-on",
        },
        "check" => verify::enter_label(app),
        "pause" if !log.follows() => "resume",
        "unfilter" if !narrowed(app) => return None,
        "unfilter" if app.screen == Screen::Verify => "stop-search",
        "offers" if app.verify.offers.is_empty() => return None,
        "next-hit" if log.query().is_empty() => return None,
        "next-finding" if log.mark_count() == 0 => return None,
        "save-log" if log.is_empty() => return None,
        label => label,
    })
}
