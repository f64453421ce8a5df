//! Confirmation: every command and every changed line, before anything happens.

use unicode_width::UnicodeWidthChar;

use super::{
    App,
    row::{Row, Tone},
    wrap::wrap,
};
use crate::{
    i18n::msg,
    kubespray::Newcomer,
    plan::{Action, Step},
    prediction::{Forecast, Prediction},
    preflight, steps,
    text::{cut_middle, width},
};

/// Returns the actions that will be done: not the ones left out.
pub fn to_do<'a>(actions: impl IntoIterator<Item = &'a Action>) -> Vec<&'a Action> {
    actions.into_iter().filter(|action| !action.skipped).collect()
}

/// How many actions of those to confirm cannot be taken back.
pub(super) fn for_good(app: &App) -> usize {
    app.to_confirm().iter().filter(|action| action.is_for_good()).count()
}

/// How many checks say that the actions to confirm will fail; `apply` would not begin.
pub(super) fn blocking(app: &App) -> usize {
    if app.step() == Step::Driver { preflight::blocking(&app.driver.checks, &app.answers).count() } else { 0 }
}

/// Tells whether a careless Enter must not do: something is for good, will fail, or is a name that the inventory does
/// not know.
pub(super) fn wants_letter(app: &App) -> bool {
    for_good(app) + blocking(app) > 0 || newcomer(app).is_some()
}

/// Returns this machine if the actions to confirm write it into an inventory that does not have it.
pub(super) fn newcomer(app: &App) -> Option<Newcomer> {
    let preview = app.variables.preview.as_ref().filter(|_| app.step() == Step::Variables)?;
    steps::newcomer(&app.session.facts, &app.answers, preview)
}

/// Returns what the actions will do, line by line, at most `cells` wide.
pub(super) fn rows(app: &App, actions: &[&Action], cells: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for (index, action) in actions.iter().enumerate() {
        if index > 0 {
            rows.push(Row::new(Tone::Text, ""));
        }
        let title = format!("{}. {}", index + 1, action.title(app.settings.lang));
        rows.extend(Row::wrapped(Tone::Heading, &title, cells));
        for command in &action.commands {
            rows.extend(command_rows(&command.to_string(), cells));
        }
        rows.extend(action.diff.iter().flat_map(|diff| diff_rows(diff, cells)));
        if action.is_for_good() {
            rows.extend(Row::wrapped(Tone::Warning, &format!("  {}", action.undo_text(app.settings.lang)), cells));
        }
        if action.needs_reboot {
            rows.extend(Row::wrapped(
                Tone::Warning,
                &format!("  {}", app.text(msg::wizard::confirm::needs_reboot())),
                cells,
            ));
        }
    }
    rows
}

/// What the pre-flight has against the plan of step 2, before the plan itself.
pub(super) fn warnings(app: &App, cells: usize) -> Vec<Row> {
    let checks: Vec<_> = app.driver.checks.iter().filter(|check| check.says == Forecast::WillFail).collect();
    if app.step() != Step::Driver || checks.is_empty() {
        return Vec::new();
    }
    let mut rows: Vec<_> = checks.iter().flat_map(|check| check_row(app, check, cells)).collect();
    rows.push(Row::new(Tone::Text, ""));
    rows
}

/// All that the pre-flight says, worst first.
pub(super) fn check_rows(app: &App, cells: usize) -> Vec<Row> {
    if let Some(error) = &app.driver.checks_error {
        return Row::wrapped(Tone::Error, error, cells);
    }
    let mut rows = Row::wrapped(Tone::Dim, &app.text(msg::wizard::preflight::lead()), cells);
    let of = |says| app.driver.checks.iter().filter(move |check| check.says == says);
    for check in of(Forecast::WillFail).chain(of(Forecast::Warning)).chain(of(Forecast::Unknown)) {
        rows.push(Row::new(Tone::Text, ""));
        rows.extend(check_row(app, check, cells));
    }
    rows.push(Row::new(Tone::Text, ""));
    rows.extend(of(Forecast::Ok).flat_map(|check| check_row(app, check, cells)));
    rows
}

/// A check: what it says, what was seen, and what to do.
fn check_row(app: &App, check: &Prediction, cells: usize) -> Vec<Row> {
    let lang = app.settings.lang;
    let says = check.says.title().text(lang);
    let tone = match check.says {
        Forecast::WillFail => Tone::Error,
        Forecast::Warning | Forecast::Unknown => Tone::Warning,
        Forecast::Ok => Tone::Text,
    };
    let mut rows = Row::wrapped(tone, &format!("{}: {says}", check.title(lang)), cells);
    rows.extend(Row::wrapped(Tone::Dim, &format!("  {}", check.evidence_text(lang)), cells));
    rows.extend(check.remedy(lang).iter().flat_map(|remedy| Row::wrapped(Tone::Text, &format!("  {remedy}"), cells)));
    rows
}

/// A command as it would be typed; lines after the first are indented.
pub(super) fn command_rows(command: &str, cells: usize) -> Vec<Row> {
    let lines = wrap(&crate::text::printable(command), cells.saturating_sub(6));
    let row = |(index, line): (usize, &String)| {
        Row::new(Tone::Command, format!("  {} {line}", if index == 0 { "$" } else { "   " }))
    };
    lines.iter().enumerate().map(row).collect()
}

/// A unified diff. Who approves a line sees all of it: what is too long goes on in the next row, under a mark.
pub(super) fn diff_rows(diff: &str, cells: usize) -> Vec<Row> {
    let rows = |line: &str| {
        let tone = match line.as_bytes() {
            [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] | [b'@', ..] => Tone::Dim,
            [b'+', ..] => Tone::Added,
            [b'-', ..] => Tone::Removed,
            _ => Tone::Text,
        };
        let line = crate::text::printable(line);
        // Of a file's name both ends matter, and the action's title has it in full.
        if tone == Tone::Dim {
            return vec![Row::new(tone, format!("  {}", cut_middle(&line, cells.saturating_sub(2), "…")))];
        }
        let parts = broken(&line, cells.saturating_sub(4));
        let row = |(index, part): (usize, String)| {
            Row::new(tone, format!("{}{part}", if index == 0 { "  " } else { "  … " }))
        };
        parts.into_iter().enumerate().map(row).collect()
    };
    diff.lines().flat_map(rows).collect()
}

/// Breaks a line after `cells` cells, wherever that is: its blanks carry meaning.
fn broken(line: &str, cells: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    for c in line.chars() {
        let mut used = parts.last().map_or(0, |part| width(part));
        used += c.width().unwrap_or(0);
        if used > cells.max(2) {
            parts.push(String::new());
        }
        parts.last_mut().into_iter().for_each(|part| part.push(c));
    }
    parts
}
