//! The last pane: what is there, what was changed, what proves it.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::widgets::{CUT, Ui, draw, split_rows};
use crate::{
    i18n::msg,
    text::fit,
    wizard::{SummaryFact, chain::ChainState, summary},
};

/// Draws the summary.
pub(super) fn draw_pane(ui: &Ui, frame: &mut Frame, area: Rect) {
    let (head, body) = split_rows(area, 2);
    let facts: Vec<_> = summary(ui.app).iter().flat_map(|fact| lines(ui, fact, area.width)).collect();
    let first = ui.app.scroll.min(facts.len().saturating_sub(usize::from(body.height)));
    let more = facts.len().saturating_sub(first + usize::from(body.height));
    let below = if more > 0 { format!(" · {}", ui.app.text(msg::wizard::more_below(more))) } else { String::new() };
    let lasts = ui.app.verify.checks.iter().all(|row| row.state != ChainState::Temporary);
    let title = if lasts { msg::wizard::summary::title() } else { msg::wizard::summary::title_temporary() };
    let done = Line::from(vec![
        Span::styled(" ✓ ", ui.theme.good()),
        Span::styled(ui.text(title), ui.theme.strong()),
        Span::styled(below, ui.theme.dim()),
    ]);
    draw(frame, head, vec![done]);
    draw(frame, body, facts.into_iter().skip(first).collect());
}

/// A fact in full, on as many rows as it takes.
fn lines(ui: &Ui, fact: &SummaryFact, cells: u16) -> Vec<Line<'static>> {
    let (head, indent) = match fact {
        SummaryFact::Heading(text) => return vec![ui.rule(text, cells, false)],
        SummaryFact::Value(name, _) => {
            (Span::styled(format!("   {}  ", fit(name, 14, CUT)), ui.theme.dim()), SummaryFact::NAME)
        }
        SummaryFact::State(state, _) => {
            let (glyph, style) = ui.theme.chain(*state, ui.app.ticks);
            (Span::styled(format!("   {glyph} "), style), 5)
        }
        SummaryFact::Detail(_) => (Span::raw(" ".repeat(5)), 5),
        SummaryFact::Blank => (Span::raw(""), 0),
    };
    let style = if matches!(fact, SummaryFact::Detail(_)) { ui.theme.dim() } else { Style::new() };
    let row = |(index, text): (usize, String)| {
        let lead = if index == 0 { head.clone() } else { Span::raw(" ".repeat(indent)) };
        Line::from(vec![lead, Span::styled(text, style)])
    };
    fact.rows(cells.into()).into_iter().enumerate().map(row).collect()
}
