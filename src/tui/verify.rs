//! Pane of step 4: the chain on one side, the installer's log on the other.

use std::ops::Range;

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::widgets::{CUT, Ui, draw, first_row, is_wide, split_columns, split_rows};
use crate::{
    i18n::msg,
    text::{fit, width},
    wizard::{
        Slot,
        chain::{ChainRow, ChainState},
        cut_end,
        verify::Part,
        wrap,
    },
};

/// Rows kept below the chain for what the selected link is and what to do.
const DETAILS: usize = 3;
/// Rows of the chain beside a log at most, where both share a narrow screen.
const ROWS: usize = 8;
/// Cells of the log beside the chain.
const LOG: u16 = 83;
/// Cells of the chain beside the log, at least.
const NARROWEST: u16 = 36;
/// Cells below which what was seen of a link does not stand beside its title: it is told below, in full.
const SEEN: usize = 16;

/// Draws step 4.
pub(super) fn draw_pane(ui: &Ui, frame: &mut Frame, area: Rect) {
    let state = &ui.app.verify;
    if is_wide(area) {
        // The log gets the 79 columns of nvidia-smi's table behind its mark and before its edge; the chain has the rest.
        let (main, side) = split_columns(area, area.width.saturating_sub(LOG).clamp(NARROWEST, area.width / 2));
        draw(frame, main, chain(ui, main.width, usize::from(main.height)));
        return right_side(ui, frame, side);
    }
    // With little room the chain gives way, but for its heading, to whatever is being read.
    let rows = match (state.part, state.chain.is_empty()) {
        // A cluster that gives no answer is all there is to tell.
        (Part::Chain, true) if state.chain_error.is_some() => 8,
        (Part::Chain, true) => 3,
        (Part::Chain, false) => state.chain.len().min(ROWS) + DETAILS + 2,
        (Part::Log | Part::TestPod, _) => 2,
    };
    let (top, rest) = split_rows(area, rows);
    let mut lines = chain(ui, top.width, usize::from(top.height));
    lines.truncate(rows - 1);
    draw(frame, top, lines);
    right_side(ui, frame, rest);
}

fn chain(ui: &Ui, cells: u16, height: usize) -> Vec<Line<'static>> {
    let app = ui.app;
    let state = &app.verify;
    let focus = state.part == Part::Chain;
    let title = if state.chain.is_empty() {
        app.text(msg::wizard::verify::cluster())
    } else {
        app.text(msg::wizard::verify::chain(state.passed(), state.chain.len()))
    };
    let mut lines = vec![ui.rule(&title, cells, focus)];
    if let Some(error) = &state.chain_error {
        lines.extend(ui.failure(error, cells).into_iter().take(height.saturating_sub(3)));
    }
    if state.chain.is_empty() {
        lines.push(ui.loading(if state.chain_error.is_some() {
            msg::wizard::verify::trying()
        } else {
            msg::wizard::verify::looking()
        }));
        return lines;
    }
    let all = usize::from(cells).saturating_sub(6);
    let widest = state.chain.iter().map(|row| width(&row.title)).max().unwrap_or(0);
    let beside = all.saturating_sub(widest + 2) >= SEEN;
    let titles = widest.min(if beside { usize::from(cells) * 3 / 5 } else { all });
    let room = height.saturating_sub(DETAILS + 2).max(1);
    let room = room.saturating_sub(lines.len() - 1).max(1);
    let entries = entries(&state.chain, state.selected, room);
    let place = entries.iter().position(|links| links.contains(&state.selected)).unwrap_or(0);
    let first = first_row(place, entries.len(), room);
    let below = entries.iter().skip(first + room).map(Range::len).sum::<usize>();
    if below > 0 && focus {
        lines[0] = ui.rule(&format!("{title} · {}", app.text(msg::wizard::more_below(below))), cells, focus);
    }
    for links in entries.iter().skip(first).take(room) {
        let Some(row) = state.chain.get(links.start) else { continue };
        let selected = links.contains(&state.selected) && focus;
        if links.len() == 1 {
            lines.push(link(ui, row, (titles, cells), selected, focus));
        } else {
            lines.push(folded(ui, &state.chain[links.clone()], cells, focus));
        }
    }
    lines.extend(under_chain(ui, cells, height, lines.len()));
    lines
}

/// What is at work on the chain, or the details of its selected link, below the lines that are there already.
fn under_chain(ui: &Ui, cells: u16, height: usize, above: usize) -> Vec<Line<'static>> {
    let (app, state) = (ui.app, &ui.app.verify);
    if app.waits_for(Slot::Verify) {
        return vec![ui.loading(msg::wizard::verify::checking())];
    }
    if app.waits_for(Slot::Remedy) {
        return vec![ui.loading(msg::wizard::verify::remedying())];
    }
    let Some(row) = state.chain.get(state.selected) else { return Vec::new() };
    let mut lines = if height > 16 { vec![Line::default()] } else { Vec::new() };
    let room = height.saturating_sub(above + lines.len() + 1);
    let mut told = details(ui, row, cells);
    if told.len() > room {
        told.truncate(room.saturating_sub(1));
        told.push(ui.dim(format!("     … {}", ui.text(msg::wizard::plan::all_in_help()))));
    }
    lines.extend(told);
    lines
}

/// Returns what is shown of the chain, each entry by its links. Where there is no room for all of them, links that tell
/// nothing new (good ones, and those behind a broken one) stand together in one entry, unless the selected one is among
/// them.
fn entries(chain: &[ChainRow], selected: usize, room: usize) -> Vec<Range<usize>> {
    let folds = |row: &ChainRow| {
        matches!(row.state, ChainState::Pass | ChainState::NotJudged | ChainState::Pending) && chain.len() > room
    };
    let mut entries = Vec::new();
    let mut start = 0;
    for run in chain.chunk_by(|one, other| one.state == other.state && folds(one)) {
        let links = start..start + run.len();
        start = links.end;
        if links.contains(&selected) {
            entries.extend(links.map(|link| link..link + 1));
        } else {
            entries.push(links);
        }
    }
    entries
}

/// One link: its state, its title, what was seen of it.
fn link(ui: &Ui, row: &ChainRow, (titles, cells): (usize, u16), selected: bool, focus: bool) -> Line<'static> {
    let (glyph, style) = ui.theme.chain(row.state, ui.app.ticks);
    let room = usize::from(cells).saturating_sub(titles + 8);
    let detail = if room >= SEEN { cut_end(&row.detail, room) } else { String::new() };
    let title_style = if selected { ui.theme.selected() } else { Style::new() };
    Line::from(vec![
        ui.mark(selected, focus),
        Span::styled(format!("{glyph} "), style),
        Span::styled(fit(&cut_end(&row.title, titles), titles, CUT), title_style),
        Span::styled(format!("  {detail}"), if row.state == ChainState::Fail { style } else { ui.theme.dim() }),
    ])
}

/// Links of one state that stand together: how many, from which to which.
fn folded(ui: &Ui, rows: &[ChainRow], cells: u16, focus: bool) -> Line<'static> {
    let state = rows.first().map(|row| row.state).unwrap_or_default();
    let title = |row: Option<&ChainRow>| row.map_or_else(String::new, |row| row.title.clone());
    let text = msg::wizard::verify::folded(rows.len(), title(rows.first()), title(rows.last()));
    let (glyph, style) = ui.theme.chain(state, ui.app.ticks);
    Line::from(vec![
        ui.mark(false, focus),
        Span::styled(format!("{glyph} "), style),
        Span::styled(cut_end(&ui.text(text), usize::from(cells).saturating_sub(6)), ui.theme.dim()),
    ])
}

/// What the selected link is, what was seen of it, and what to do if it is not as it should be.
fn details(ui: &Ui, row: &ChainRow, cells: u16) -> Vec<Line<'static>> {
    let mut lines = ui.dim_wrapped(&row.about, 5, cells);
    // What has no room beside the title is told here in full.
    if row.state != ChainState::Pass && row.state != ChainState::Pending {
        let texts = if row.remedy.is_empty() { vec![&row.detail] } else { vec![&row.detail, &row.remedy] };
        for text in texts.into_iter().filter(|text| !text.is_empty()) {
            let wrapped = wrap(text, usize::from(cells).saturating_sub(6));
            lines.extend(wrapped.into_iter().map(|line| Line::raw(format!("     {line}"))));
        }
    } else if is_wide_text(&row.detail, cells) {
        lines.extend(ui.dim_wrapped(&row.detail, 5, cells));
    }
    lines
}

/// Tells whether a text has no room beside the title of a link.
fn is_wide_text(text: &str, cells: u16) -> bool {
    width(text) > usize::from(cells) / 3
}

fn right_side(ui: &Ui, frame: &mut Frame, area: Rect) {
    if ui.app.verify.part == Part::TestPod {
        return test_pod(ui, frame, area);
    }
    let state = &ui.app.verify;
    let focus = state.part == Part::Log;
    let mut lines = vec![ui.rule(&log_title(ui), area.width, focus)];
    lines.extend(phases(ui, area.width));
    if let Some(typing) = &state.typing {
        lines.push(Line::from(vec![
            Span::styled("   / ", ui.theme.accent()),
            Span::raw(typing.clone()),
            Span::styled(" ", ui.theme.hit()),
        ]));
    }
    if state.log.is_empty() {
        let text = if state.state.is_empty() { ui.text(msg::wizard::verify::waiting()) } else { state.state.clone() };
        let waiting = wrap(&text, usize::from(area.width).saturating_sub(8));
        let spin = super::theme::spinner(ui.app.ticks);
        let row = |(index, line): (usize, String)| {
            Line::from(vec![
                Span::styled(format!("   {} ", if index == 0 { spin } else { " " }), ui.theme.accent()),
                Span::styled(line, ui.theme.dim()),
            ])
        };
        lines.extend(waiting.into_iter().enumerate().map(row));
    }
    let (top, body) = split_rows(area, lines.len());
    draw(frame, top, lines);
    draw(frame, body, ui.log(&state.log, body));
}

fn log_title(ui: &Ui) -> String {
    let state = &ui.app.verify;
    let mut title =
        if state.followed.is_empty() { ui.text(msg::wizard::verify::log()) } else { state.followed.clone() };
    if !state.log.follows() {
        title = format!("{title} · {}", ui.app.text(msg::wizard::log::paused(state.log.below().to_string())));
    } else if !state.state.is_empty() && !state.log.is_empty() {
        title = format!("{title} · {}", state.state);
    }
    let (now, past) = (state.log.mark_count(), state.log.past_mark_count());
    for (count, text) in [(now, msg::wizard::log::findings(now)), (past, msg::wizard::log::findings_past(past))] {
        if count > 0 {
            title = format!("{title} · {}", ui.text(text));
        }
    }
    if !state.log.query().is_empty() {
        let count = state.log.hit_count().to_string();
        title = format!("{title} · {}", ui.app.text(msg::wizard::log::hits(&count, state.log.query())));
    }
    title
}

/// The phases in one or two lines, the active one with the accent.
fn phases(ui: &Ui, cells: u16) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut spans = vec![Span::raw("   ")];
    let mut used = 3;
    for phase in &ui.app.verify.phases {
        let (glyph, style) = ui.theme.chain(phase.state, ui.app.ticks);
        let wide = width(&phase.title) + 4;
        if used + wide > usize::from(cells) && used > 3 {
            lines.push(Line::from(std::mem::replace(&mut spans, vec![Span::raw("   ")])));
            used = 3;
        }
        used += wide;
        spans.push(Span::styled(format!("{glyph} "), style));
        spans.push(Span::styled(
            format!("{}  ", phase.title),
            if phase.state == ChainState::Active { ui.theme.selected() } else { ui.theme.dim() },
        ));
    }
    if spans.len() > 1 {
        lines.push(Line::from(spans));
    }
    lines
}

fn test_pod(ui: &Ui, frame: &mut Frame, area: Rect) {
    let state = &ui.app.verify;
    let room = usize::from(area.height).saturating_sub(1);
    let length = state.test.as_ref().and_then(|test| test.as_ref().ok()).map_or(0, Vec::len);
    let first = state.test_top.min(length.saturating_sub(room));
    let mut lines = vec![ui.rule(&ui.text(msg::wizard::verify::test_pod()), area.width, true)];
    match &state.test {
        _ if ui.app.waits_for(Slot::TestPod) => lines.push(ui.loading(msg::wizard::verify::test_running())),
        None => lines.push(ui.dim(format!("   {}", ui.text(msg::wizard::verify::test_none())))),
        Some(Err(error)) => lines.extend(ui.failure(error, area.width)),
        Some(Ok(output)) => {
            let cells = usize::from(area.width).saturating_sub(1);
            let row = |line: &String| Line::raw(format!(" {}", cut_end(&crate::text::printable(line), cells)));
            lines.extend(output.iter().skip(first).map(row));
        }
    }
    draw(frame, area, lines);
}
