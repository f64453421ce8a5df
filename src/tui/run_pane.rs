//! Pane of a run: the actions with their state, how far the active one is, and what it prints.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::widgets::{CUT, Ui, draw, first_row, is_wide, split_columns, split_rows};
use crate::{
    engine::{Outcome, Progress},
    i18n::{Message, msg},
    session::Status,
    text::{bytes, cut_middle, width},
    wizard::run::{Row, RowState},
};

/// Draws a run.
pub(super) fn draw_pane(ui: &Ui, frame: &mut Frame, area: Rect) {
    let run = &ui.app.run;
    let (main, side) =
        if is_wide(area) { split_columns(area, area.width * 2 / 5) } else { (area, Rect { width: 0, ..area }) };
    let room = if side.width > 0 { usize::from(main.height).saturating_sub(8) } else { 7 };
    let mut lines = actions(ui, main.width, room.min(run.rows.len()));
    lines.push(Line::default());
    lines.extend(state(ui, main.width));
    if side.width > 0 {
        draw(frame, main, lines);
        return output(ui, frame, side);
    }
    lines.push(Line::default());
    let (top, rest) = split_rows(main, lines.len());
    draw(frame, top, lines);
    output(ui, frame, rest);
}

fn actions(ui: &Ui, cells: u16, room: usize) -> Vec<Line<'static>> {
    let run = &ui.app.run;
    let ended = run
        .rows
        .iter()
        .filter(|row| matches!(row.state, RowState::Ended(status) if status.is_done()))
        .count()
        .to_string();
    let total = run.rows.iter().filter(|row| row.state != RowState::LeftOut).count().to_string();
    let mut lines = vec![ui.rule(&ui.app.text(msg::wizard::run::heading(&ended, &total)), cells, false)];
    let first = first_row(run.current().unwrap_or(0), run.rows.len(), room);
    lines.extend(run.rows.iter().skip(first).take(room).map(|row| action_row(ui, row, cells)));
    lines
}

/// Draws an action with its state, and how it ended.
pub(super) fn action_row(ui: &Ui, row: &Row, cells: u16) -> Line<'static> {
    let (glyph, style) = ui.theme.run(row.state, ui.app.ticks);
    let word = match row.state {
        RowState::LeftOut => ui.text(msg::wizard::run::left_out()),
        RowState::Ended(status) => ui.text(ending(status)),
        RowState::Waiting | RowState::Active => String::new(),
    };
    let text_style = match row.state {
        RowState::Active => ui.theme.selected(),
        RowState::Waiting | RowState::LeftOut => ui.theme.dim(),
        RowState::Ended(_) => Style::new(),
    };
    let text =
        cut_middle(&row.action.title(ui.app.settings.lang), usize::from(cells).saturating_sub(8 + width(&word)), CUT);
    Line::from(vec![
        Span::styled(format!("   {glyph} "), style),
        Span::styled(text, text_style),
        Span::styled(format!("  {word}"), ui.theme.dim()),
    ])
}

fn ending(status: Status) -> Message {
    use msg::wizard::run::status as word;
    match status {
        Status::Intent | Status::Undoing => word::unseen(),
        Status::Done => word::done(),
        Status::AlreadyDone => word::already_done(),
        Status::Failed => word::failed(),
        Status::Cancelled => word::cancelled(),
        Status::Undone => word::undone(),
    }
}

/// How far the active action is, or how the run ended.
fn state(ui: &Ui, cells: u16) -> Vec<Line<'static>> {
    let run = &ui.app.run;
    let toned = |glyph: &'static str, style: Style, text: Message| {
        let row = |(index, text): (usize, String)| {
            let glyph = if index == 0 { glyph } else { " " };
            Line::from(vec![Span::styled(format!("   {glyph} "), style), Span::raw(text)])
        };
        let lines = crate::wizard::wrap(&ui.text(text), usize::from(cells).saturating_sub(6));
        lines.into_iter().enumerate().map(row).collect::<Vec<_>>()
    };
    let Some(outcome) = &run.outcome else {
        return vec![if run.stopping {
            ui.loading(msg::wizard::run::stopping())
        } else {
            progress(ui, run.progress.as_ref(), cells)
        }];
    };
    match outcome {
        Outcome::Done => toned("✓", ui.theme.good(), msg::wizard::run::done()),
        Outcome::RebootNeeded => toned("!", ui.theme.warning(), msg::wizard::run::reboot_needed()),
        Outcome::Cancelled => toned("!", ui.theme.warning(), msg::wizard::run::cancelled()),
        Outcome::Failed { id, exit } => {
            let mut lines = toned("✗", ui.theme.error(), msg::wizard::run::failed());
            let evidence = run.rows.iter().filter(|row| row.action.id == *id).flat_map(|row| row.evidence.clone());
            let reasons =
                run.error.clone().into_iter().chain(evidence).chain(exit.map(|exit| exit.to_string())).take(3);
            lines.extend(known_failure(ui, cells));
            lines.extend(reasons.flat_map(|reason| ui.dim_wrapped(&reason, 5, cells)));
            lines
        }
    }
}

/// The last known failure that showed: why, and what to do.
fn known_failure(ui: &Ui, cells: u16) -> Vec<Line<'static>> {
    let lang = ui.app.settings.lang;
    let Some(hit) = ui.app.run.hits.last() else { return Vec::new() };
    let plain = |text: String| {
        crate::wizard::wrap(&text, usize::from(cells).saturating_sub(6))
            .into_iter()
            .map(|line| Line::raw(format!("     {line}")))
    };
    plain(hit.cause(lang)).chain(plain(hit.remedy(lang))).collect()
}

fn progress(ui: &Ui, progress: Option<&Progress>, cells: u16) -> Line<'static> {
    let Some(progress) = progress else { return ui.loading(msg::wizard::run::working()) };
    let amount = |value: u64| if progress.unit == "bytes" { bytes(value) } else { value.to_string() };
    let mut text = amount(progress.done);
    if let Some(total) = progress.total {
        text = ui.app.text(msg::wizard::run::of(&text, amount(total)));
    }
    if progress.unit != "bytes" {
        text = format!("{text} {}", ui.text(msg::wizard::run::tasks()));
    }
    if let Some(rate) = progress.rate.filter(|rate| *rate > 0) {
        text = format!("{text} · {}/s", bytes(rate));
        if let Some(left) = progress.total.map(|total| total.saturating_sub(progress.done) / rate) {
            text = format!(
                "{text} · {}",
                ui.app.text(msg::wizard::run::remaining(format!("{}:{:02}", left / 60, left % 60)))
            );
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a gauge of a few dozen cells")]
    let ratio = progress.total.filter(|total| *total > 0).map(|total| progress.done as f64 / total as f64);
    let mut spans = vec![Span::raw("   ")];
    if let Some(ratio) = ratio {
        spans.extend(ui.gauge(ratio, (usize::from(cells) / 4).clamp(10, 32)));
        spans.push(Span::raw(format!(" {:>3.0}%  ", ratio.clamp(0.0, 1.0) * 100.0)));
    }
    let used: usize = spans.iter().map(Span::width).sum();
    spans
        .push(Span::styled(crate::wizard::cut_end(&text, usize::from(cells).saturating_sub(used + 1)), ui.theme.dim()));
    Line::from(spans)
}

fn output(ui: &Ui, frame: &mut Frame, area: Rect) {
    let log = &ui.app.run.log;
    let (head, body) = split_rows(area, 1);
    let below = log.below();
    let title =
        if below > 0 { ui.app.text(msg::wizard::log::paused(below)) } else { ui.text(msg::wizard::run::output()) };
    draw(frame, head, vec![ui.rule(&title, area.width, false)]);
    draw(frame, body, ui.log(log, body));
}
