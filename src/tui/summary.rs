//! The last pane: what is there, what was changed, what proves it.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::widgets::{CUT, Ui, draw, split_rows};
use crate::{
    i18n::msg,
    text::{cut_middle, fit},
    wizard::{SummaryFact, chain::ChainState, summary},
};

/// Draws the summary.
pub(super) fn draw_pane(ui: &Ui, frame: &mut Frame, area: Rect) {
    let (head, body) = split_rows(area, 2);
    let room = usize::from(area.width).saturating_sub(6);
    let line = |fact: &SummaryFact| match fact {
        SummaryFact::Heading(text) => ui.rule(text, area.width, false),
        SummaryFact::Value(name, value) => Line::from(vec![
            Span::styled(format!("   {}  ", fit(name, 14, CUT)), ui.theme.dim()),
            Span::raw(cut_middle(value, room.saturating_sub(16), CUT)),
        ]),
        SummaryFact::State(state, text) => {
            let (glyph, style) = ui.theme.chain(*state, ui.app.ticks);
            Line::from(vec![Span::styled(format!("   {glyph} "), style), Span::raw(cut_middle(text, room, CUT))])
        }
        SummaryFact::Detail(text) => ui.dim(format!("     {}", cut_middle(text, room, CUT))),
        SummaryFact::Blank => Line::default(),
    };
    let facts = summary(ui.app);
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
    draw(frame, body, facts.iter().skip(first).map(line).collect());
}
