//! The question of step 2 about source and branch of the packages, where the host owns the driver.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use crate::{
    i18n::msg,
    owner::Way,
    tui::widgets::{Ui, draw, first_row},
    wizard::driver::{Part, ways},
};

/// Draws the ways; tells whether there are any.
pub(super) fn draw_list(ui: &Ui, frame: &mut Frame, area: Rect) -> bool {
    let ways = ways(ui.app);
    if ways.is_empty() {
        return false;
    }
    let app = ui.app;
    let focus = app.driver.part == Part::Driver;
    let card =
        app.session.facts.gpus.first().map_or_else(|| ui.text(msg::wizard::choice::no_card()), |gpu| gpu.name.clone());
    let chosen = ways.iter().position(|way| way.is_chosen(&app.answers)).unwrap_or_default();
    // The chosen one has its reason below it; the others too where there is room for all of them.
    let room = usize::from(area.height).saturating_sub(1);
    let whole: Vec<Vec<Line>> =
        ways.iter().enumerate().map(|(i, way)| row(ui, way, i == chosen, focus, area)).collect();
    let all = whole.iter().map(Vec::len).sum::<usize>() <= room;
    let below = whole[chosen].len() - 1;
    let shown = room.saturating_sub(if all { 0 } else { below }).max(1);
    let first = if all { 0 } else { first_row(chosen, ways.len(), shown) };
    let left = if all { 0 } else { ways.len().saturating_sub(first + shown) };
    let mut title = app.text(msg::wizard::choice::ways(&card));
    if left > 0 {
        title = format!("{title} · {}", ui.text(msg::wizard::more_below(left)));
    }
    let mut lines = vec![ui.rule(&title, area.width, focus)];
    for (index, rows) in whole.into_iter().enumerate().skip(first).take(if all { ways.len() } else { shown }) {
        let most = if all || index == chosen { rows.len() } else { 1 };
        lines.extend(rows.into_iter().take(most));
    }
    draw(frame, area, lines);
    true
}

fn row(ui: &Ui, way: &Way, chosen: bool, focus: bool, area: Rect) -> Vec<Line<'static>> {
    let style = match (chosen, way.course.is_ok()) {
        (true, _) if focus => ui.theme.selected(),
        (true, _) => ui.theme.strong(),
        (false, true) => Style::new(),
        (false, false) => ui.theme.dim(),
    };
    let glyph = match (&way.course, way.is_recommended()) {
        (Err(_), _) => Span::styled("✗ ", ui.theme.error()),
        (Ok(_), true) => Span::styled("★ ", ui.theme.accent()),
        (Ok(_), false) => Span::raw("  "),
    };
    let lang = ui.app.settings.lang;
    let room = usize::from(area.width).saturating_sub(6);
    let title = crate::text::cut_middle(&way.title(lang), room, "…");
    let mut lines = vec![Line::from(vec![ui.mark(chosen, focus), glyph, Span::styled(title, style)])];
    lines.extend(ui.dim_wrapped(&way.reason(lang), 5, area.width));
    lines
}
