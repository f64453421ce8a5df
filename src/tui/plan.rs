//! Pane of step 2: what will be done, what each action runs, and what is left alone.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::widgets::{CUT, Ui, draw, first_row, is_wide, split_columns, split_rows};
use crate::{
    plan::{Action, Step},
    text::{cut_middle, width},
    wizard::{
        Slot,
        driver::{chosen_toolkit, is_needed_by_pod},
        wrap,
    },
};

/// Draws the plan of step 2.
pub fn draw_pane(ui: &Ui, frame: &mut Frame, area: Rect) {
    let actions = ui.app.actions(Step::Driver);
    if let Some(error) = &ui.app.driver.plan_error {
        let lines = [vec![ui.rule(&ui.t("plan.title"), area.width, true)], ui.failure(error, area.width)].concat();
        return draw(frame, area, lines);
    }
    if actions.is_empty() {
        let text = if ui.app.waits_for(Slot::Plan) {
            ui.loading("plan.loading")
        } else {
            Line::from(vec![Span::styled("   ✓ ", ui.theme.good()), Span::raw(ui.t("plan.nothing"))])
        };
        return draw(frame, area, vec![ui.rule(&ui.t("plan.title"), area.width, true), Line::default(), text]);
    }
    let (main, side) = if is_wide(area) { split_columns(area, area.width / 2) } else { (area, Rect { width: 0, ..area }) };
    let untouched = untouched(ui, main.width);
    let room = usize::from(main.height).saturating_sub(untouched.len() + if side.width > 0 { 2 } else { 10 });
    let lines = list(ui, &actions, main.width, room.clamp(2, actions.len()));
    let (top, rest) = split_rows(main, lines.len() + 1);
    draw(frame, top, lines);
    let selected = actions.get(ui.app.driver.action).copied();
    if side.width > 0 {
        draw(frame, rest, untouched);
        return draw(frame, side, details(ui, selected, side.width));
    }
    let (middle, bottom) = split_rows(rest, usize::from(rest.height).saturating_sub(untouched.len()));
    draw(frame, middle, details(ui, selected, area.width));
    draw(frame, bottom, untouched);
}

fn list(ui: &Ui, actions: &[&Action], cells: u16, room: usize) -> Vec<Line<'static>> {
    let count = actions.iter().filter(|action| !action.skipped).count().to_string();
    let total = actions.len().to_string();
    let mut lines = vec![ui.rule(&ui.app.tr("plan.heading", &[("count", &count), ("total", &total)]), cells, true)];
    let here = ui.app.driver.action;
    let first = first_row(here, actions.len(), room);
    for (index, action) in actions.iter().enumerate().skip(first).take(room) {
        let selected = index == here;
        let (mark, style) = match (action.skipped, &action.blocked) {
            (true, _) => ("[ ] ", ui.theme.dim()),
            (false, Some(_)) => ("[✗] ", ui.theme.error()),
            (false, None) => ("[✓] ", ui.theme.good()),
        };
        let reboot = if action.needs_reboot { format!("  {}", ui.t("plan.reboot")) } else { String::new() };
        let text = cut_middle(&action.title(ui.app.settings.lang), usize::from(cells).saturating_sub(8 + width(&reboot)), CUT);
        let text_style = match (selected, action.skipped) {
            (true, _) => ui.theme.selected(),
            (false, true) => ui.theme.dim(),
            (false, false) => Style::new(),
        };
        lines.push(Line::from(vec![
            ui.mark(selected, true),
            Span::styled(mark, style),
            Span::styled(text, text_style),
            Span::styled(reboot, ui.theme.warning()),
        ]));
    }
    lines
}

fn details(ui: &Ui, action: Option<&Action>, cells: u16) -> Vec<Line<'static>> {
    let Some(action) = action else { return Vec::new() };
    let lang = ui.app.settings.lang;
    let room = usize::from(cells).saturating_sub(6);
    let mut lines = vec![ui.rule(&ui.t("plan.details"), cells, false)];
    let plain = |text: &str| wrap(text, room).into_iter().map(|line| Line::raw(format!("   {line}"))).collect::<Vec<_>>();
    let toned = |glyph: &str, text: &str, style: Style| {
        let row = |(index, line): (usize, String)| {
            Line::from(vec![Span::styled(format!("   {} ", if index == 0 { glyph } else { " " }), style), Span::raw(line)])
        };
        wrap(text, room - 2).into_iter().enumerate().map(row).collect::<Vec<_>>()
    };
    if action.skipped && is_needed_by_pod(ui.app, action) {
        lines.extend(toned("!", &ui.t("plan.pod-needs-it"), ui.theme.warning()));
    }
    if let Some(blocked) = action.blocked_text(lang) {
        lines.extend(toned("✗", &blocked, ui.theme.error()));
    }
    lines.extend(plain(&action.reason(lang)));
    for command in &action.commands {
        let text = wrap(&crate::text::printable(&command.to_string()), room - 2);
        let row =
            |(index, line): (usize, String)| Line::styled(format!("   {} {line}", if index == 0 { "$" } else { " " }), ui.theme.accent());
        lines.extend(text.into_iter().enumerate().map(row));
    }
    lines.extend(ui.dim_wrapped(&action.undo_text(lang), 3, cells));
    lines
}

/// What the plan leaves alone; with a toolkit, what happens to the driver inside its runfile.
fn untouched(ui: &Ui, cells: u16) -> Vec<Line<'static>> {
    let mut lines = vec![ui.rule(&ui.t("plan.untouched"), cells, false)];
    if let Some(row) = chosen_toolkit(ui.app) {
        let driver = row.bundled_driver.as_ref().map_or_else(String::new, ToString::to_string);
        lines.extend(
            wrap(&ui.app.tr("plan.runfile", &[("file", &row.file), ("driver", &driver)]), usize::from(cells) - 6)
                .into_iter()
                .map(|line| Line::raw(format!("   {line}"))),
        );
    }
    lines.extend(ui.dim_wrapped(&ui.t("plan.others"), 3, cells));
    lines
}
