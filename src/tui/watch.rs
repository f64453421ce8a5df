//! Pane of one who looks on: who works here, what was done and is being done, and the newest log.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{
    run_pane::action_row,
    widgets::{Ui, draw, first_row, is_wide, split_columns, split_rows},
};
use crate::i18n::msg;
use crate::wizard::{
    run::RowState,
    watch::{Watch, rows},
};

/// Draws what is seen of the other gpunode.
pub(super) fn draw_pane(ui: &Ui, frame: &mut Frame, area: Rect) {
    let Some(watch) = &ui.app.watch else { return };
    let (main, side) =
        if is_wide(area) { split_columns(area, area.width * 2 / 5) } else { (area, Rect { width: 0, ..area }) };
    let mut lines = who(ui, watch, main.width);
    let room = if side.width > 0 { usize::from(main.height).saturating_sub(lines.len() + 1) } else { 6 };
    lines.extend(actions(ui, main.width, room));
    if side.width > 0 {
        draw(frame, main, lines);
        return log(ui, watch, frame, side);
    }
    lines.push(Line::default());
    let (top, rest) = split_rows(main, lines.len());
    draw(frame, top, lines);
    log(ui, watch, frame, rest);
}

fn who(ui: &Ui, watch: &Watch, cells: u16) -> Vec<Line<'static>> {
    let mut lines = vec![ui.rule(&ui.text(msg::wizard::watch::who()), cells, true)];
    let text = match &watch.holder {
        Some(holder) => ui.app.text(msg::wizard::watch::held(holder)),
        None => ui.text(msg::wizard::watch::free()),
    };
    lines.extend(
        crate::wizard::wrap(&text, usize::from(cells).saturating_sub(4))
            .into_iter()
            .map(|line| Line::raw(format!("   {line}"))),
    );
    lines.push(Line::default());
    lines
}

fn actions(ui: &Ui, cells: u16, room: usize) -> Vec<Line<'static>> {
    let rows = rows(&ui.app.session);
    let mut lines = vec![ui.rule(&ui.text(msg::wizard::watch::actions()), cells, false)];
    if rows.is_empty() {
        lines.push(ui.dim(format!("   {}", ui.text(msg::wizard::watch::nothing()))));
    }
    let here =
        rows.iter().position(|row| matches!(row.state, RowState::Active | RowState::Waiting)).unwrap_or(rows.len());
    lines.extend(rows.iter().skip(first_row(here, rows.len(), room)).take(room).map(|row| action_row(ui, row, cells)));
    lines
}

fn log(ui: &Ui, watch: &Watch, frame: &mut Frame, area: Rect) {
    let (head, body) = split_rows(area, 1);
    let title = watch.source.clone().unwrap_or_else(|| ui.text(msg::wizard::watch::log()));
    draw(frame, head, vec![ui.rule(&title, area.width, false)]);
    draw(frame, body, ui.log(&watch.log, body));
}
