//! Why a variable has its value: Ansible's 22 places in order, which of them say something, and what has no effect at
//! all.

use std::path::Path;

use super::{
    App,
    row::{Row, Tone},
    variables::{short_path, value_text},
};
use crate::i18n::msg;
use crate::kubespray::{Level, Preview, Variable};

/// Returns the page about the selected variable.
pub(super) fn rows(app: &App, cells: usize) -> Vec<Row> {
    let Some(preview) = &app.variables.preview else { return Vec::new() };
    let Some(variable) = preview.variables.get(app.variables.selected) else { return Vec::new() };
    let mut rows =
        Row::wrapped(Tone::Heading, &format!("{} = {}", variable.name, value_text(variable.value.as_ref())), cells);
    rows.extend(Row::wrapped(Tone::Text, &summary(app, preview, variable), cells));
    rows.push(Row::new(Tone::Text, ""));
    if variable.winner.is_some() {
        rows.push(Row::new(Tone::Heading, app.text(msg::wizard::why::who())));
        rows.extend(setters(app, preview, variable, cells));
        rows.push(Row::new(Tone::Text, ""));
    }
    if !variable.ignored.is_empty() {
        rows.push(Row::new(Tone::Heading, app.text(msg::wizard::why::ignored())));
        for ignored in &variable.ignored {
            let why = ignored.why.text().text(app.settings.lang);
            let text = format!("  {}: {why}", place(preview, &ignored.file, ignored.line));
            rows.extend(Row::wrapped(Tone::Warning, &text, cells));
        }
        rows.push(Row::new(Tone::Text, ""));
    }
    rows.push(Row::new(Tone::Heading, app.text(msg::wizard::why::levels())));
    rows.extend(Level::ALL.into_iter().rev().map(|level| level_row(app, variable, level)));
    rows.push(Row::new(Tone::Text, ""));
    rows.extend(Row::wrapped(Tone::Dim, &app.text(msg::wizard::why::old_guides()), cells));
    rows
}

fn place(preview: &Preview, file: &Path, line: usize) -> String {
    format!("{}:{line}", short_path(preview, file))
}

/// One sentence: who wins, and why nobody else does.
fn summary(app: &App, preview: &Preview, variable: &Variable) -> String {
    let Some(winner) = &variable.winner else {
        return app.text(if variable.value.is_some() {
            msg::wizard::why::built_in()
        } else {
            msg::wizard::why::nobody()
        });
    };
    let (level, number, place) =
        (winner.level.title(), winner.level.number(), place(preview, &winner.file, winner.line));
    app.text(if variable.shadowed.is_empty() {
        msg::wizard::why::alone(level, number, place)
    } else {
        msg::wizard::why::strongest(level, number, place)
    })
}

/// Who sets it: the winner, and what it beats.
fn setters(app: &App, preview: &Preview, variable: &Variable, cells: usize) -> Vec<Row> {
    let row = |tone, glyph: &str, level: Level, what: String| {
        let name = crate::text::fit(&app.text(level.title()), 20, "…");
        let text = format!("{glyph} {:>2} {name}  {what}", level.number());
        Row::new(tone, crate::text::cut_middle(&text, cells, "…"))
    };
    let winner = variable.winner.iter().map(|winner| {
        let what = place(preview, &winner.file, winner.line);
        row(Tone::Command, "▸", winner.level, what)
    });
    let beaten = variable.shadowed.iter().map(|shadowed| {
        let what = format!("{} = {}", place(preview, &shadowed.file, shadowed.line), value_text(Some(&shadowed.value)));
        row(Tone::Text, "·", shadowed.level, what)
    });
    winner.chain(beaten).collect()
}

/// One of the 22 places, with a mark where something sets the variable.
fn level_row(app: &App, variable: &Variable, level: Level) -> Row {
    let is_winner = variable.winner.as_ref().is_some_and(|winner| winner.level == level);
    let is_beaten = variable.shadowed.iter().any(|shadowed| shadowed.level == level);
    let (glyph, tone) = match (is_winner, is_beaten) {
        (true, _) => ("▸", Tone::Command),
        (false, true) => ("·", Tone::Text),
        (false, false) => (" ", Tone::Dim),
    };
    Row::new(tone, format!("{glyph} {:>2} {}", level.number(), app.text(level.title())))
}
