//! Widgets: the few forms that every pane is made of.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::Paragraph,
};

use super::theme::{Theme, spinner};
use crate::{
    finding::Finding,
    i18n::Message,
    text::{cut_middle, fit, width},
    wizard::{App, cut_end, log, log::LogBuffer, wrap},
};

/// Mark where the middle of a long value was cut out.
pub(super) const CUT: &str = "…";

/// What every pane draws from.
pub(super) struct Ui<'a> {
    /// The state.
    pub app: &'a App,
    /// The styles.
    pub theme: Theme,
}

impl Ui<'_> {
    /// Returns a message in the user's language.
    #[expect(clippy::needless_pass_by_value, reason = "a message is made where it is told")]
    pub(super) fn text(&self, message: Message) -> String {
        message.text(self.app.settings.lang)
    }

    /// As [`heading`].
    pub(super) fn rule(&self, title: &str, cells: u16, focus: bool) -> Line<'static> {
        heading(self.theme, title, cells, focus)
    }

    /// Returns a quiet line that says what is being waited for.
    pub(super) fn loading(&self, message: Message) -> Line<'static> {
        Line::from(vec![
            Span::styled(format!("   {} ", spinner(self.app.ticks)), self.theme.accent()),
            Span::styled(self.text(message), self.theme.dim()),
        ])
    }

    /// Returns lines that say why something is not there.
    pub(super) fn failure(&self, error: &str, cells: u16) -> Vec<Line<'static>> {
        let lines = wrap(error, usize::from(cells).saturating_sub(6));
        let line = |(index, text): (usize, String)| {
            let glyph = if index == 0 { "✗" } else { " " };
            Line::from(vec![Span::styled(format!("   {glyph} "), self.theme.error()), Span::raw(text)])
        };
        lines.into_iter().enumerate().map(line).collect()
    }

    /// Returns a row of a list: the mark of the selected one, then the text.
    pub(super) fn item(&self, text: impl Into<String>, selected: bool, focus: bool) -> Line<'static> {
        let style = if selected && focus { self.theme.selected() } else { Style::new() };
        Line::from(vec![self.mark(selected, focus), Span::styled(text.into(), style)])
    }

    /// As [`row_mark`].
    pub(super) fn mark(&self, selected: bool, focus: bool) -> Span<'static> {
        row_mark(self.theme, selected, focus)
    }

    /// Returns a quiet line.
    pub(super) fn dim(&self, text: impl Into<String>) -> Line<'static> {
        Line::styled(text.into(), self.theme.dim())
    }

    /// Returns dim wrapped lines with an indent.
    pub(super) fn dim_wrapped(&self, text: &str, indent: usize, cells: u16) -> Vec<Line<'static>> {
        let lines = wrap(text, usize::from(cells).saturating_sub(indent + 1));
        lines.into_iter().map(|line| self.dim(format!("{}{line}", " ".repeat(indent)))).collect()
    }

    /// Returns the findings, worst first; the selected one with evidence and remedy.
    pub(super) fn findings(
        &self,
        findings: &[Finding],
        selected: Option<usize>,
        focus: bool,
        cells: u16,
    ) -> Vec<(usize, Line<'static>)> {
        let mut lines = Vec::new();
        for (index, finding) in findings.iter().enumerate() {
            let here = selected == Some(index);
            lines.extend(self.finding(finding, here, focus, cells).into_iter().map(|line| (index, line)));
            if here {
                lines.extend(self.finding_details(finding, 5, cells).into_iter().map(|line| (index, line)));
            }
        }
        lines
    }

    /// Returns what a finding says.
    pub(super) fn finding(&self, finding: &Finding, here: bool, focus: bool, cells: u16) -> Vec<Line<'static>> {
        let (glyph, style) = self.theme.severity(finding.severity);
        let text_style = if here && focus { self.theme.strong() } else { Style::new() };
        let line = |(row, text): (usize, String)| {
            let mark = if row == 0 { self.mark(here && focus, focus) } else { Span::raw("   ") };
            let glyph = Span::styled(format!("{} ", if row == 0 { glyph } else { " " }), style);
            Line::from(vec![mark, glyph, Span::styled(text, text_style)])
        };
        let lines = wrap(&finding.message(self.app.settings.lang), usize::from(cells).saturating_sub(6));
        lines.into_iter().enumerate().map(line).collect()
    }

    /// Returns what to do about a finding, and what shows it.
    pub(super) fn finding_details(&self, finding: &Finding, indent: usize, cells: u16) -> Vec<Line<'static>> {
        let more = [finding.remedy(self.app.settings.lang), finding.evidence.clone()];
        more.iter().filter(|text| !text.is_empty()).flat_map(|text| self.dim_wrapped(text, indent, cells)).collect()
    }

    /// Returns a gauge: the done part, and the text behind it.
    pub(super) fn gauge(&self, ratio: f64, cells: usize) -> Vec<Span<'static>> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a few dozen cells"
        )]
        let done = ((ratio.clamp(0.0, 1.0) * cells as f64).round() as usize).min(cells);
        vec![
            Span::styled("━".repeat(done), self.theme.accent()),
            Span::styled("─".repeat(cells - done), self.theme.dim()),
        ]
    }

    /// Returns the lines of a log in view, hits marked.
    pub(super) fn log(&self, log: &LogBuffer, area: Rect) -> Vec<Line<'static>> {
        let cells = usize::from(area.width).saturating_sub(4);
        let line = |(text, marked)| self.log_line(&cut_end(text, cells), log.query(), marked);
        log.window(usize::from(area.height)).map(line).collect()
    }

    fn log_line(&self, text: &str, query: &str, marked: bool) -> Line<'static> {
        let mut spans = vec![if marked { Span::styled(" ✗ ", self.theme.error()) } else { Span::raw("   ") }];
        let mut at = 0;
        for range in log::hits(text, query) {
            spans.push(Span::raw(text[at..range.start].to_owned()));
            spans.push(Span::styled(text[range.clone()].to_owned(), self.theme.hit()));
            at = range.end;
        }
        spans.push(Span::raw(text[at..].to_owned()));
        Line::from(spans)
    }
}

/// Returns a heading with a rule to the right edge; the heading of the part in focus has the accent.
pub(super) fn heading(theme: Theme, title: &str, cells: u16, focus: bool) -> Line<'static> {
    let cells = usize::from(cells);
    let title = cut_middle(title, cells.saturating_sub(8), CUT);
    let rest = cells.saturating_sub(width(&title) + 6);
    let style = if focus { theme.selected() } else { theme.strong() };
    // Where the arrow keys move shows without colour too.
    let (glyph, stroke) = if focus { ("━", theme.accent()) } else { ("─", theme.dim()) };
    let line = |count: usize| Span::styled(glyph.repeat(count), stroke);
    Line::from(vec![Span::raw(" "), line(2), Span::raw(" "), Span::styled(title, style), Span::raw(" "), line(rest)])
}

/// Returns the mark in front of a list row: the cursor, of which a screen has one, or what stays chosen while it is
/// elsewhere.
pub(super) fn row_mark(theme: Theme, selected: bool, focus: bool) -> Span<'static> {
    match (selected, focus) {
        (true, true) => Span::styled(" ▸ ", theme.selected()),
        (true, false) => Span::styled(" ● ", theme.dim()),
        (false, _) => Span::raw("   "),
    }
}

/// One column of a table.
#[derive(Clone, Copy)]
pub(super) struct Column {
    /// Cells.
    pub cells: usize,
    /// Numbers stand at the right.
    pub right: bool,
}

/// A column of text.
pub(super) const fn left(cells: usize) -> Column {
    Column { cells, right: false }
}

/// A column of numbers.
pub(super) const fn right(cells: usize) -> Column {
    Column { cells, right: true }
}

/// Returns the values in their columns, two cells apart.
pub(super) fn columns<T: AsRef<str>>(columns: &[Column], values: &[T]) -> String {
    let cell = |(column, value): (&Column, &T)| {
        let text = value.as_ref();
        if column.right {
            let cut = cut_middle(text, column.cells, CUT);
            format!("{}{cut}", " ".repeat(column.cells.saturating_sub(width(&cut))))
        } else {
            fit(text, column.cells, CUT)
        }
    };
    columns.iter().zip(values).map(cell).collect::<Vec<_>>().join("  ")
}

/// Returns the first row in view of a list, so that the selected one is in the middle as far as there are rows.
pub(super) fn first_row(selected: usize, rows: usize, height: usize) -> usize {
    selected.saturating_sub(height / 2).min(rows.saturating_sub(height))
}

/// Draws lines from the top of an area; what does not fit is not drawn.
pub(super) fn draw(frame: &mut Frame, area: Rect, lines: Vec<Line<'static>>) {
    frame.render_widget(Paragraph::new(lines), area);
}

/// Splits off the first `rows` rows of an area.
pub(super) fn split_rows(area: Rect, rows: usize) -> (Rect, Rect) {
    let rows = u16::try_from(rows).unwrap_or(u16::MAX).min(area.height);
    (Rect { height: rows, ..area }, Rect { y: area.y + rows, height: area.height - rows, ..area })
}

/// Splits an area into a left part of `cells` cells and the rest.
pub(super) fn split_columns(area: Rect, cells: u16) -> (Rect, Rect) {
    let cells = cells.min(area.width);
    (Rect { width: cells, ..area }, Rect { x: area.x + cells, width: area.width - cells, ..area })
}

/// Tells whether there is room for details beside a table.
pub(super) fn is_wide(area: Rect) -> bool {
    is_wide_enough(area.width)
}

/// As [`is_wide`], of a width.
pub(super) fn is_wide_enough(cells: u16) -> bool {
    cells >= 120
}
