//! Pane of step 3: every variable with the file and line that win, what will change, and what the role will do with it.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    overlay,
    widgets::{CUT, Column, Ui, columns, draw, first_row, is_wide, left, split_columns, split_rows},
};
use crate::{
    i18n::{Message, msg},
    kubespray::{Preview, Variable, Verdict},
    plan::Step,
    text::cut_middle,
    wizard::{
        Slot, cut_end,
        variables::{State, changed_lines, order, proposals, short_path, state, value_text, verdict_texts},
        wrap,
    },
};

/// Draws step 3.
pub(super) fn draw_pane(ui: &Ui, frame: &mut Frame, area: Rect) {
    let Some(preview) = &ui.app.variables.preview else {
        let mut lines = vec![ui.rule(&ui.text(msg::wizard::variables::title()), area.width, true), Line::default()];
        match &ui.app.variables.error {
            Some(error) => lines.extend(ui.failure(error, area.width)),
            None => lines.push(ui.loading(msg::wizard::variables::loading())),
        }
        return draw(frame, area, lines);
    };
    let head = verdict(ui, preview, area);
    let (top, below) = split_rows(area, head.len());
    draw(frame, top, head);
    if is_wide(area) {
        let (main, side) = split_columns(below, below.width * 3 / 5);
        let findings = findings(ui, preview, main, usize::from(main.height) / 3);
        let (upper, lower) = split_rows(main, usize::from(main.height).saturating_sub(findings.len()));
        table(ui, frame, upper, preview);
        draw(frame, lower, findings);
        let mut lines = details(ui, preview, side.width, true);
        let changed = changed_lines(ui.app, usize::from(side.width).saturating_sub(5));
        if !changed.is_empty() {
            lines.extend([Line::default(), ui.rule(&ui.text(msg::wizard::diff::title()), side.width, false)]);
            lines.extend(changed.iter().map(|row| overlay::line(ui, row)));
        }
        return draw(frame, side, lines);
    }
    // The part below keeps its height whatever is in it, so that the table does not jump.
    let height = if preview.findings.is_empty() { DETAILS } else { LOWER };
    let (upper, lower) = split_rows(below, usize::from(below.height).saturating_sub(height));
    table(ui, frame, upper, preview);
    let lines = if ui.app.variables.on_findings {
        findings(ui, preview, lower, LOWER - 1)
    } else {
        let findings = findings(ui, preview, lower, if preview.findings.is_empty() { 0 } else { 2 });
        let lines = details(ui, preview, lower.width, false);
        [clipped(ui, lines, height - findings.len(), msg::wizard::variables::rest_in_why()), findings].concat()
    };
    draw(frame, lower, lines);
}

/// Rows of details below the table of a small screen.
const DETAILS: usize = 5;
/// Rows of details and findings below the table of a small screen.
const LOWER: usize = 8;

/// What the role will do: always in view.
fn verdict(ui: &Ui, preview: &Preview, area: Rect) -> Vec<Line<'static>> {
    let cells = area.width;
    let (why, instead) = verdict_texts(ui.app, &preview.capability);
    let (glyph, style) = match preview.capability.verdict {
        Verdict::Works => ("✓", ui.theme.good()),
        Verdict::NoOp => ("!", ui.theme.warning()),
        Verdict::Broken => ("✗", ui.theme.error()),
        Verdict::Unknown => ("?", ui.theme.warning()),
        Verdict::Unused => ("·", ui.theme.dim()),
    };
    let names =
        [preview.release.as_deref(), preview.inventory_host.as_deref(), Some(preview.container_manager.as_str())];
    let title = format!(
        "{} · {}",
        ui.text(msg::wizard::variables::role()),
        names.into_iter().flatten().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" · ")
    );
    let mut lines = vec![ui.rule(&title, cells, false)];
    let word = ui.text(preview.capability.verdict.title());
    let texts = wrap(&format!("{word}: {why}"), usize::from(cells).saturating_sub(6));
    for (index, text) in texts.into_iter().enumerate() {
        lines.push(Line::from(vec![
            Span::styled(format!("   {} ", if index == 0 { glyph } else { " " }), style),
            Span::raw(text),
        ]));
    }
    lines.extend(instead.iter().flat_map(|text| ui.dim_wrapped(text, 5, cells)));
    if area.height > 24 {
        lines.push(Line::default());
    }
    lines
}

/// Cells for the word of the state, in any language.
const STATE: usize = 10;

fn widths(cells: u16) -> [Column; 3] {
    let rest = usize::from(cells).saturating_sub(3 + 38 + 2 + 2 + STATE);
    [left(38), left(rest), left(STATE)]
}

fn table(ui: &Ui, frame: &mut Frame, area: Rect, preview: &Preview) {
    use msg::wizard::variables::col;
    let app = ui.app;
    let loading = app.waits_for(Slot::Preview) || app.waits_for(Slot::Plan);
    let title = if loading {
        format!("{} {}", ui.text(msg::wizard::variables::title()), super::theme::spinner(app.ticks))
    } else {
        ui.text(msg::wizard::variables::title())
    };
    let room = usize::from(area.height).saturating_sub(2);
    let order = order(app, preview);
    let here = order.iter().position(|index| *index == app.variables.selected).unwrap_or(0);
    let first = first_row(here, order.len(), room);
    let below = preview.variables.len().saturating_sub(first + room);
    let title = if below > 0 { format!("{title} · {}", ui.text(msg::wizard::more_below(below))) } else { title };
    let mut lines = vec![ui.rule(&title, area.width, !app.variables.on_findings)];
    let heads = [col::name(), col::value(), col::state()].map(|head| ui.text(head));
    lines.push(ui.dim(format!("   {}", columns(&widths(area.width), &heads))));
    let proposals = proposals(app.actions(Step::Variables));
    let rows = order.iter().filter_map(|index| Some((*index, preview.variables.get(*index)?))).skip(first).take(room);
    lines.extend(rows.map(|(index, variable)| {
        row(ui, variable, &state(ui.app, variable, &proposals), index == app.variables.selected, area.width)
    }));
    draw(frame, area, lines);
}

fn row(ui: &Ui, variable: &Variable, state: &State, selected: bool, cells: u16) -> Line<'static> {
    use msg::wizard::variables::state as word;
    let (value, word, style) = match state {
        State::Changes(new) => (format!("→ {}", value_text(Some(new))), word::changes(), ui.theme.good()),
        State::TakenOut => ("→ -".to_owned(), word::taken_out(), ui.theme.good()),
        State::Kept => (value_text(variable.value.as_ref()), word::kept(), ui.theme.accent()),
        State::Role => (value_text(variable.value.as_ref()), word::role(), ui.theme.dim()),
        State::Set => (value_text(variable.value.as_ref()), word::set(), Style::new()),
        State::Default => (value_text(variable.value.as_ref()), word::default(), ui.theme.dim()),
        State::Unset => ("-".to_owned(), word::unset(), ui.theme.dim()),
    };
    let [name_column, value_column, _] = widths(cells);
    let name = columns(&[name_column], &[&variable.name]);
    let value = columns(&[value_column], &[&value]);
    let name_style = if selected { ui.theme.selected() } else { Style::new() };
    Line::from(vec![
        ui.mark(selected, !ui.app.variables.on_findings),
        Span::styled(name, name_style),
        Span::styled(format!("  {value}  "), style),
        Span::styled(cut_end(&ui.text(word), STATE), style),
    ])
}

/// Where the selected value comes from, what it beats, and what will become of it.
fn details(ui: &Ui, preview: &Preview, cells: u16, full: bool) -> Vec<Line<'static>> {
    let Some(variable) = preview.variables.get(ui.app.variables.selected) else { return Vec::new() };
    let mut lines = vec![ui.rule(&variable.name, cells, false)];
    let place = |path: &std::path::Path, line: usize| format!("{}:{line}", short_path(preview, path));
    let proposals = proposals(ui.app.actions(Step::Variables));
    let mut row = |name: Message, value: String, style: Style| {
        let lines_of = if full {
            wrap(&value, usize::from(cells).saturating_sub(20))
        } else {
            vec![cut_middle(&value, usize::from(cells).saturating_sub(20), CUT)]
        };
        for (index, text) in lines_of.into_iter().enumerate() {
            let label = if index == 0 { ui.text(name.clone()) } else { String::new() };
            lines.push(Line::from(vec![
                Span::styled(format!("   {}  ", crate::text::fit(&label, 12, "")), ui.theme.dim()),
                Span::styled(text, style),
            ]));
        }
    };
    row(msg::wizard::variables::now(), value_text(variable.value.as_ref()), Style::new());
    if let State::Changes(new) = state(ui.app, variable, &proposals) {
        row(
            msg::wizard::variables::new(),
            format!("{}   {}", value_text(Some(&new)), ui.text(msg::wizard::variables::keep_hint())),
            ui.theme.good(),
        );
    }
    match &variable.winner {
        Some(winner) => row(
            msg::wizard::variables::winner(),
            format!("{} ({})", place(&winner.file, winner.line), ui.text(winner.level.title())),
            Style::new(),
        ),
        None => row(msg::wizard::variables::winner(), ui.text(msg::wizard::variables::nobody()), ui.theme.dim()),
    }
    for shadowed in &variable.shadowed {
        row(
            msg::wizard::variables::shadowed(),
            format!("{} = {}", place(&shadowed.file, shadowed.line), value_text(Some(&shadowed.value))),
            ui.theme.dim(),
        );
    }
    for ignored in &variable.ignored {
        let why = ignored.why.text().text(ui.app.settings.lang);
        row(
            msg::wizard::variables::ignored(),
            format!("{}: {why}", place(&ignored.file, ignored.line)),
            ui.theme.warning(),
        );
    }
    lines
}

/// The findings around the selected one, which has its remedy and evidence where there is room.
fn findings(ui: &Ui, preview: &Preview, area: Rect, room: usize) -> Vec<Line<'static>> {
    if preview.findings.is_empty() {
        return Vec::new();
    }
    let focus = ui.app.variables.on_findings;
    let count = preview.findings.len().to_string();
    let title = ui.app.text(msg::wizard::variables::findings(&count));
    let title = if focus { title } else { format!("{title} · {}", ui.text(msg::wizard::variables::to_findings())) };
    let selected = ui.app.variables.finding;
    let rows = ui.findings(&preview.findings, focus.then_some(selected), focus, area.width);
    let first = rows.iter().position(|(index, _)| *index == selected).unwrap_or(0);
    let first = if focus { first.min(rows.len().saturating_sub(room)) } else { 0 };
    let lines = rows.into_iter().skip(first).map(|(_, line)| line).collect();
    let rest = if focus { msg::wizard::variables::rest_below() } else { msg::wizard::variables::rest_in_findings() };
    [vec![ui.rule(&title, area.width, focus)], clipped(ui, lines, room, rest)].concat()
}

/// As many lines as have room; where some have none, the last row says where the rest is.
fn clipped(ui: &Ui, mut lines: Vec<Line<'static>>, room: usize, rest: Message) -> Vec<Line<'static>> {
    if lines.len() > room && room > 0 {
        lines.truncate(room - 1);
        lines.push(ui.dim(format!("   … {}", ui.text(rest))));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        i18n::{Lang, msg::wizard::variables::state as word},
        text::width,
    };

    #[test]
    fn every_state_has_room_for_its_word() {
        for lang in [Lang::En, Lang::Ko] {
            for word in [
                word::changes(),
                word::taken_out(),
                word::kept(),
                word::role(),
                word::set(),
                word::default(),
                word::unset(),
            ] {
                let text = word.text(lang);
                assert!(width(&text) <= STATE, "{text}");
            }
        }
    }
}
