//! Pane of step 3: every variable with the file and line that win, what will change, and what the role will do with it.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::widgets::{CUT, Column, Ui, columns, draw, first_row, is_wide, left, split_columns, split_rows};
use crate::{
    kubespray::{Preview, Variable, Verdict},
    plan::Step,
    text::cut_middle,
    wizard::{
        Slot,
        variables::{State, proposals, short_path, state, value_text, verdict_texts},
        wrap,
    },
};

/// Draws step 3.
pub fn draw_pane(ui: &Ui, frame: &mut Frame, area: Rect) {
    let Some(preview) = &ui.app.variables.preview else {
        let mut lines = vec![ui.rule(&ui.t("variables.title"), area.width, true), Line::default()];
        match &ui.app.variables.error {
            Some(error) => lines.extend(ui.failure(error, area.width)),
            None => lines.push(ui.loading("variables.loading")),
        }
        return draw(frame, area, lines);
    };
    let (main, side) = if is_wide(area) { split_columns(area, area.width * 3 / 5) } else { (area, Rect { width: 0, ..area }) };
    let head = verdict(ui, preview, area.width);
    let (top, _) = split_rows(area, head.len());
    let below = |area: Rect| split_rows(area, head.len()).1;
    let (main, side) = (below(main), below(side));
    draw(frame, top, head);
    if side.width > 0 {
        let findings = findings(ui, preview, main, 10);
        let (upper, lower) = split_rows(main, usize::from(main.height).saturating_sub(findings.len()));
        table(ui, frame, upper, preview);
        draw(frame, lower, findings);
        return draw(frame, side, details(ui, preview, side.width, true));
    }
    let lower_lines = {
        let mut lines = details(ui, preview, main.width, false);
        lines.truncate(5);
        lines.extend(findings(ui, preview, main, 4));
        lines
    };
    let (upper, lower) = split_rows(main, usize::from(main.height).saturating_sub(lower_lines.len()));
    table(ui, frame, upper, preview);
    draw(frame, lower, lower_lines);
}

/// What the role will do: always in view.
fn verdict(ui: &Ui, preview: &Preview, cells: u16) -> Vec<Line<'static>> {
    let (why, instead) = verdict_texts(ui.app, &preview.capability);
    let (glyph, style, word) = match preview.capability.verdict {
        Verdict::Works => ("✓", ui.theme.good(), "works"),
        Verdict::NoOp => ("!", ui.theme.warning(), "no-op"),
        Verdict::Broken => ("✗", ui.theme.error(), "broken"),
        Verdict::Unknown => ("?", ui.theme.warning(), "unknown"),
    };
    let names = [preview.release.as_deref(), preview.inventory_host.as_deref(), Some(preview.container_manager.as_str())];
    let title = format!(
        "{} · {}",
        ui.t("variables.role"),
        names.into_iter().flatten().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" · ")
    );
    let mut lines = vec![ui.rule(&title, cells, false)];
    let word = ui.t(&format!("variables.verdict.{word}"));
    let texts = wrap(&format!("{word}: {why}"), usize::from(cells).saturating_sub(6));
    for (index, text) in texts.into_iter().take(2).enumerate() {
        lines.push(Line::from(vec![Span::styled(format!("   {} ", if index == 0 { glyph } else { " " }), style), Span::raw(text)]));
    }
    lines.extend(instead.iter().flat_map(|text| ui.dim_wrapped(text, 5, cells)).take(2));
    lines.push(Line::default());
    lines
}

fn widths(cells: u16) -> [Column; 3] {
    let rest = usize::from(cells).saturating_sub(3 + 38 + 2 + 2 + 10);
    [left(38), left(rest), left(8)]
}

fn table(ui: &Ui, frame: &mut Frame, area: Rect, preview: &Preview) {
    let app = ui.app;
    let loading = app.waits_for(Slot::Preview) || app.waits_for(Slot::Plan);
    let title = if loading { format!("{} {}", ui.t("variables.title"), super::theme::spinner(app.ticks)) } else { ui.t("variables.title") };
    let mut lines = vec![ui.rule(&title, area.width, true)];
    let heads = ["name", "value", "state"].map(|head| ui.t(&format!("variables.col.{head}")));
    lines.push(ui.dim(format!("   {}", columns(&widths(area.width), &heads))));
    let proposals = proposals(app.actions(Step::Variables));
    let room = usize::from(area.height).saturating_sub(3);
    let first = first_row(app.variables.selected, preview.variables.len(), room);
    let rows = preview.variables.iter().enumerate().skip(first).take(room);
    lines
        .extend(rows.map(|(index, variable)| row(ui, variable, &state(variable, &proposals), index == app.variables.selected, area.width)));
    draw(frame, area, lines);
}

fn row(ui: &Ui, variable: &Variable, state: &State, selected: bool, cells: u16) -> Line<'static> {
    let (value, word, style) = match state {
        State::Changes(new) => (format!("→ {new}"), "changes", ui.theme.good()),
        State::Set => (value_text(variable.value.as_ref()), "set", Style::new()),
        State::Default => (value_text(variable.value.as_ref()), "default", ui.theme.dim()),
        State::Unset => ("-".to_owned(), "unset", ui.theme.dim()),
    };
    let [name_column, value_column, _] = widths(cells);
    let name = columns(&[name_column], &[&variable.name]);
    let value = columns(&[value_column], &[&value]);
    let name_style = if selected { ui.theme.selected() } else { Style::new() };
    Line::from(vec![
        ui.mark(selected, true),
        Span::styled(name, name_style),
        Span::styled(format!("  {value}  "), style),
        Span::styled(ui.t(&format!("variables.state.{word}")), style),
    ])
}

/// Where the selected value comes from, what it beats, and what will become of it.
fn details(ui: &Ui, preview: &Preview, cells: u16, full: bool) -> Vec<Line<'static>> {
    let Some(variable) = preview.variables.get(ui.app.variables.selected) else { return Vec::new() };
    let mut lines = vec![ui.rule(&variable.name, cells, false)];
    let place = |path: &std::path::Path, line: usize| format!("{}:{line}", short_path(preview, path));
    let proposals = proposals(ui.app.actions(Step::Variables));
    let mut row = |key: &str, value: String, style: Style| {
        let lines_of = if full {
            wrap(&value, usize::from(cells).saturating_sub(20))
        } else {
            vec![cut_middle(&value, usize::from(cells).saturating_sub(20), CUT)]
        };
        for (index, text) in lines_of.into_iter().enumerate() {
            let label = if index == 0 { ui.t(&format!("variables.{key}")) } else { String::new() };
            lines.push(Line::from(vec![
                Span::styled(format!("   {}  ", crate::text::fit(&label, 12, "")), ui.theme.dim()),
                Span::styled(text, style),
            ]));
        }
    };
    row("now", value_text(variable.value.as_ref()), Style::new());
    if let State::Changes(new) = state(variable, &proposals) {
        row("new", new, ui.theme.good());
    }
    match &variable.winner {
        Some(winner) => row("winner", format!("{} ({})", place(&winner.file, winner.line), level(ui, winner.level)), Style::new()),
        None => row("winner", ui.t("variables.nobody"), ui.theme.dim()),
    }
    for shadowed in &variable.shadowed {
        row("shadowed", format!("{} = {}", place(&shadowed.file, shadowed.line), value_text(Some(&shadowed.value))), ui.theme.dim());
    }
    for ignored in &variable.ignored {
        let why = ui.app.settings.lang.text(&format!("ignored.{}", ignored.why), &[]);
        row("ignored", format!("{}: {why}", place(&ignored.file, ignored.line)), ui.theme.warning());
    }
    lines
}

/// Ansible's own name of a level of precedence.
fn level(ui: &Ui, level: crate::kubespray::Level) -> String {
    let name = serde_json::to_value(level).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
    ui.t(&format!("level.{name}"))
}

fn findings(ui: &Ui, preview: &Preview, area: Rect, room: usize) -> Vec<Line<'static>> {
    if preview.findings.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::default(), ui.rule(&ui.t("findings"), area.width, false)];
    lines.extend(ui.findings(&preview.findings, Some(0), false, area.width).into_iter().map(|(_, line)| line).take(room));
    lines
}
