//! Overlay: help, diffs and the confirmation fill the body; a short question stands in a box.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph},
};

use super::widgets::{Ui, draw, split_rows};
use crate::{
    i18n::msg,
    text::width,
    wizard::{
        overlay::{Document, height},
        row::{Row, Tone},
    },
};

fn style(ui: &Ui, tone: Tone) -> Style {
    match tone {
        Tone::Heading => ui.theme.strong(),
        Tone::Text => Style::new(),
        Tone::Dim => ui.theme.dim(),
        Tone::Command => ui.theme.accent(),
        Tone::Added => ui.theme.good(),
        Tone::Removed | Tone::Error => ui.theme.error(),
        Tone::Warning => ui.theme.warning(),
        Tone::Field => ui.theme.field(),
    }
}

/// Returns a row in its tone.
pub(super) fn line(ui: &Ui, row: &Row) -> Line<'static> {
    Line::from(vec![Span::raw("   "), Span::styled(row.text.clone(), style(ui, row.tone))])
}

/// Draws a text over the body.
pub(super) fn text(ui: &Ui, frame: &mut Frame, area: Rect, document: &Document) {
    let height = height(ui.app);
    let first = ui.app.scroll.min(document.lines.len().saturating_sub(height));
    let more = document.lines.len().saturating_sub(first + height);
    let (heading, rest) = split_rows(area, 1);
    let mut title = document.title.clone();
    if more > 0 {
        title = format!("{title} · {}", ui.app.text(msg::wizard::more_below(more)));
    }
    draw(frame, heading, vec![ui.rule(&title, area.width, true)]);
    let lines = document.lines.iter().skip(first).take(height).map(|row| line(ui, row));
    draw(frame, rest, lines.collect());
}

/// Draws a question in a box in the middle of the body.
pub(super) fn question(ui: &Ui, frame: &mut Frame, area: Rect, document: &Document) {
    let widest =
        document.lines.iter().map(|row| width(&row.text)).chain([width(&document.title) + 2]).max().unwrap_or(0);
    let cells = u16::try_from(widest + 8).unwrap_or(area.width).clamp(40, area.width.saturating_sub(4));
    let rows = u16::try_from(document.lines.len() + 4).unwrap_or(area.height).min(area.height);
    let place =
        Rect { x: area.x + (area.width - cells) / 2, y: area.y + (area.height - rows) / 2, width: cells, height: rows };
    let title = Span::styled(format!(" {} ", document.title), ui.theme.selected());
    // What stands behind is not for now: it is dimmed, and no word of it is cut by the box.
    frame.buffer_mut().set_style(area, Style::reset().patch(ui.theme.behind()));
    frame.render_widget(Clear, Rect { x: area.x, width: area.width, ..place });
    let lines: Vec<_> =
        std::iter::once(Line::default()).chain(document.lines.iter().map(|row| line(ui, row))).collect();
    frame.render_widget(
        Paragraph::new(lines).block(Block::bordered().border_style(ui.theme.accent()).title(title)),
        place,
    );
    if let Some((row, column)) = document.cursor {
        // The border, the empty line below it, and the indent of every row.
        let (row, column) = (u16::try_from(row).unwrap_or(u16::MAX), u16::try_from(column).unwrap_or(u16::MAX));
        let at = (place.x.saturating_add(4).saturating_add(column), place.y.saturating_add(2).saturating_add(row));
        if place.contains(at.into()) {
            frame.set_cursor_position(at);
        }
    }
}
