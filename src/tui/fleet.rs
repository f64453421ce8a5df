//! The fleet's screen: the table of groups and nodes, and one node's chain.
//!
//! ```text
//!  gpunode fleet   inventory.ini                          40 nodes · 2 failed
//!  ── Nodes · the odd ones first ────────────────────────────────────────────
//!  ▸ ✗ gpu17              1  ✓✗··  8x NVIDIA H100      -           failed
//!    ✓ gpu01 … gpu40     37  ✓✓✓✓  8x NVIDIA H100      580.178.04  verified
//!  ── gpu17 ─────────────────────────────────────────────────────────────────
//!    what is the matter, and what to do
//!
//!  Enter open  ↑↓ select  / find  f show  ? help  q quit
//! ```

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    ascii,
    theme::Theme,
    widgets::{CUT, columns, draw, first_row, heading, left, right, row_mark, split_rows},
};
use crate::{
    fleet::{
        FleetNode, Show, Standing, StepMark,
        app::{FleetApp, Row},
    },
    i18n::{Message, msg},
    text::{cut_middle, width},
    wizard::{
        Colors,
        chain::{ChainRow, ChainState},
        cut_end, wrap,
    },
};

/// Lines below the table that say more of the selected row.
const DETAILS: usize = 7;

/// How the terminal is drawn on.
#[derive(Debug, Clone, Copy)]
pub struct FleetLook {
    /// How colours are made.
    pub colors: Colors,
    /// Only ASCII glyphs.
    pub ascii: bool,
}

/// What the parts of the screen are drawn from.
struct Pane<'a> {
    app: &'a FleetApp,
    theme: Theme,
    ascii: bool,
}

/// Draws the state.
pub fn fleet_view(app: &FleetApp, look: FleetLook, frame: &mut Frame) {
    let pane = Pane { app, theme: Theme::new(look.colors), ascii: look.ascii };
    let area = frame.area();
    if area.width < 80 || area.height < 24 {
        let text = pane.text(msg::wizard::too_small(area.width.to_string(), area.height.to_string()));
        let lines = wrap(&text, usize::from(area.width).saturating_sub(2));
        draw(frame, area, lines.into_iter().map(|line| Line::raw(format!(" {line}"))).collect());
    } else {
        pane.whole(frame, area);
    }
    if look.ascii {
        ascii::replace(frame.buffer_mut(), 0);
    }
}

impl Pane<'_> {
    #[expect(clippy::needless_pass_by_value, reason = "a message is made where it is told")]
    fn text(&self, message: Message) -> String {
        message.text(self.app.lang)
    }

    fn whole(&self, frame: &mut Frame, area: Rect) {
        let (top, rest) = split_rows(area, 1);
        let (body, bottom) = split_rows(rest, usize::from(rest.height) - 2);
        draw(frame, top, vec![self.header(top.width)]);
        draw(frame, bottom, vec![self.notice(), self.footer(bottom.width)]);
        if self.app.is_helping {
            draw(frame, body, self.help(body.width));
        } else if let Some(node) = self.app.opened_node() {
            self.node(frame, body, node);
        } else {
            self.table(frame, body);
        }
    }

    /// Program, what is looked at, and at the right how many nodes stand where.
    fn header(&self, cells: u16) -> Line<'static> {
        let counts = self.app.table.counts();
        let told = counts.iter().map(|(standing, count)| format!("{count} {}", self.text(standing.title())));
        let total = self.text(msg::fleet::nodes(self.app.table.nodes.len()));
        let right = std::iter::once(total).chain(told).collect::<Vec<_>>().join(" · ");
        let right = cut_end(&right, usize::from(cells).saturating_sub(18));
        let left = cut_middle(&self.app.source, usize::from(cells).saturating_sub(width(&right) + 20), CUT);
        let gap = usize::from(cells).saturating_sub(width(&left) + width(&right) + 18);
        Line::from(vec![
            Span::styled(" gpunode fleet", self.theme.strong()),
            Span::styled(format!("   {left}"), self.theme.dim()),
            Span::raw(" ".repeat(gap)),
            Span::raw(right),
        ])
    }

    fn table(&self, frame: &mut Frame, area: Rect) {
        let app = self.app;
        let (upper, lower) = split_rows(area, usize::from(area.height).saturating_sub(DETAILS));
        let mut lines = vec![heading(self.theme, &self.title(), area.width, true)];
        let widths = widths(area.width);
        let names = [
            msg::fleet::column::node(),
            msg::fleet::column::count(),
            msg::fleet::column::steps(),
            msg::fleet::column::cards(),
            msg::fleet::column::driver(),
            msg::fleet::column::standing(),
        ];
        let names = names.map(|name| self.text(name));
        lines.push(Line::styled(format!("     {}", columns(&widths, &names)), self.theme.dim()));
        let height = usize::from(upper.height).saturating_sub(2);
        let first = first_row(app.selected, app.rows.len(), height);
        let shown = app.rows.iter().enumerate().skip(first).take(height);
        lines.extend(shown.map(|(index, row)| self.row(row, index == app.selected, &widths)));
        if app.rows.is_empty() {
            lines.push(Line::styled(format!("   {}", self.text(msg::fleet::none_shown())), self.theme.dim()));
        }
        draw(frame, upper, lines);
        draw(frame, lower, self.details(lower));
    }

    fn title(&self) -> String {
        let show = match self.app.show {
            Show::All => msg::fleet::show::all(),
            Show::Trouble => msg::fleet::show::trouble(),
            Show::Moving => msg::fleet::show::moving(),
            Show::Verified => msg::fleet::show::verified(),
        };
        let show = self.text(show);
        if self.app.search.is_empty() && !self.app.is_typing {
            return show;
        }
        format!("{show} · / {}{}", self.app.search, if self.app.is_typing { "_" } else { "" })
    }

    fn row(&self, row: &Row, selected: bool, widths: &[super::widgets::Column]) -> Line<'static> {
        let Some(node) = self.app.node_of(row) else { return Line::default() };
        let (glyph, style) = self.glyph(node.standing);
        let (name, count) = match row {
            Row::Group(nodes) => (self.name_of_group(nodes), nodes.len().to_string()),
            Row::Member(_) => (format!("  {}", node.name), String::new()),
            Row::Node(_) => (node.name.clone(), "1".to_owned()),
        };
        let values = [name, count, steps(node), dash(&node.cards), dash(&node.driver), self.standing(node)];
        let text_style = if selected { self.theme.selected() } else { Style::new() };
        Line::from(vec![
            row_mark(self.theme, selected, true),
            Span::styled(format!("{glyph} "), style),
            Span::styled(columns(widths, &values), text_style),
        ])
    }

    fn name_of_group(&self, nodes: &[usize]) -> String {
        let name = |index: Option<&usize>| index.map_or("", |index| self.app.table.nodes[*index].name.as_str());
        format!("{} … {}", name(nodes.first()), name(nodes.last()))
    }

    /// The standing in words, with how long it has been so while something goes on.
    fn standing(&self, node: &FleetNode) -> String {
        let title = self.text(node.standing.title());
        let moving = matches!(node.standing, Standing::Working | Standing::Booting);
        match node.written.filter(|_| moving) {
            Some(written) => {
                let minutes = (self.app.now.as_second() - written.as_second()).max(0) / 60;
                format!("{title} {}", self.text(msg::fleet::minutes(minutes.to_string())))
            }
            None => title,
        }
    }

    fn glyph(&self, standing: Standing) -> (&'static str, Style) {
        match standing {
            Standing::Failed | Standing::Unreachable | Standing::Unreadable => ("✗", self.theme.error()),
            Standing::Unknown => ("?", self.theme.warning()),
            Standing::Temporary => ("!", self.theme.warning()),
            Standing::Booting | Standing::Working => ("▸", self.theme.accent()),
            Standing::Open | Standing::NoReport => ("·", self.theme.dim()),
            Standing::NoCard => ("-", self.theme.dim()),
            Standing::Verified => ("✓", self.theme.good()),
        }
    }

    /// What there is to say of the selected row.
    fn details(&self, area: Rect) -> Vec<Line<'static>> {
        let Some(node) = self.app.selected_node() else { return Vec::new() };
        let row = &self.app.rows[self.app.selected];
        let cells = usize::from(area.width).saturating_sub(6);
        let title = match row {
            Row::Group(nodes) => self.text(msg::fleet::nodes(nodes.len())),
            Row::Node(_) | Row::Member(_) => node.name.clone(),
        };
        let mut lines = vec![heading(self.theme, &title, area.width, false)];
        let mut say = |text: &str, style: Style| {
            lines.extend(wrap(text, cells).into_iter().map(|line| Line::styled(format!("   {line}"), style)));
        };
        if let Some(text) = &node.text {
            say(&text.text(self.app.lang), Style::new());
        }
        if !node.help.is_empty() {
            say(&node.help, self.theme.accent());
        }
        if let Row::Group(nodes) = row {
            let names: Vec<&str> =
                nodes.iter().take(64).map(|node| self.app.table.nodes[*node].name.as_str()).collect();
            say(&names.join(" "), self.theme.dim());
        }
        let machine: Vec<_> = [&node.os, &node.kernel].into_iter().filter(|part| !part.is_empty()).cloned().collect();
        if !machine.is_empty() {
            say(&machine.join(" · "), self.theme.dim());
        }
        lines.truncate(usize::from(area.height));
        lines
    }

    /// One node: the chain, what was found, and what was done.
    fn node(&self, frame: &mut Frame, area: Rect, node: &FleetNode) {
        let mut lines = self.node_lines(node, area.width);
        let room = usize::from(area.height);
        let top = self.app.top.min(lines.len().saturating_sub(room));
        draw(frame, area, lines.drain(top..).take(room).collect());
    }

    fn node_lines(&self, node: &FleetNode, cells: u16) -> Vec<Line<'static>> {
        let room = usize::from(cells).saturating_sub(6);
        let title = format!("{} · {}", node.name, self.standing(node));
        let mut lines = vec![heading(self.theme, &title, cells, true)];
        let wrapped = |text: &str, style: Style| {
            wrap(text, room).into_iter().map(move |line| Line::styled(format!("   {line}"), style)).collect::<Vec<_>>()
        };
        let machine = [&node.cards, &node.driver, &node.os, &node.kernel];
        let machine: Vec<_> = machine.into_iter().filter(|part| !part.is_empty()).map(String::as_str).collect();
        lines.extend(wrapped(&machine.join(" · "), self.theme.dim()));
        lines.extend(node.text.iter().flat_map(|text| wrapped(&text.text(self.app.lang), self.theme.error())));
        lines.extend(
            Some(&node.help).filter(|help| !help.is_empty()).into_iter().flat_map(|help| wrapped(help, Style::new())),
        );
        if let Some(written) = node.written {
            let time = written.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
            lines.extend(wrapped(&self.text(msg::fleet::written(time)), self.theme.dim()));
        }
        if let Some(report) = &node.chain {
            lines.push(heading(self.theme, &self.text(msg::fleet::chain()), cells, false));
            for row in ChainRow::of(report, self.app.lang) {
                self.link(&row, room, &mut lines);
            }
        }
        if !node.findings.is_empty() {
            lines.push(heading(self.theme, &self.text(msg::fleet::findings()), cells, false));
            for (message, remedy) in &node.findings {
                lines.extend(wrapped(message, Style::new()));
                lines.extend(wrapped(remedy, self.theme.dim()));
            }
        }
        if !node.journal.is_empty() {
            lines.push(heading(self.theme, &self.text(msg::fleet::journal()), cells, false));
            for line in &node.journal {
                let text = format!("[{}] {}", line.status, line.title);
                lines.extend(wrapped(&crate::text::printable(&text), Style::new()));
                let proof = line.evidence.first().map(|proof| crate::text::printable(proof)).unwrap_or_default();
                lines.push(Line::styled(format!("     {}", cut_end(&proof, room.saturating_sub(2))), self.theme.dim()));
            }
        }
        lines
    }

    /// One link of the chain; a broken one with what to do.
    fn link(&self, row: &ChainRow, room: usize, lines: &mut Vec<Line<'static>>) {
        let (glyph, style) = self.theme.chain(row.state, 0);
        let title = Span::raw(row.title.clone());
        let detail = cut_end(&row.detail, room.saturating_sub(width(&row.title) + 4));
        let detail = Span::styled(format!("  {detail}"), self.theme.dim());
        lines.push(Line::from(vec![Span::styled(format!("   {glyph} "), style), title, detail]));
        if !matches!(row.state, ChainState::Pass | ChainState::NotJudged) {
            let told = [&row.detail, &row.remedy].into_iter().filter(|text| !text.is_empty());
            let more = told.flat_map(|text| wrap(text, room.saturating_sub(2)));
            lines.extend(more.map(|line| Line::raw(format!("     {line}"))));
        }
    }

    fn help(&self, cells: u16) -> Vec<Line<'static>> {
        let mut lines = vec![heading(self.theme, &self.text(msg::fleet::help::title()), cells, true)];
        let texts =
            [msg::fleet::help::table(), msg::fleet::help::steps(), msg::fleet::help::keys(), msg::fleet::help::exit()];
        for text in texts {
            let wrapped = wrap(&self.text(text), usize::from(cells).saturating_sub(6));
            lines.extend(wrapped.into_iter().map(|line| Line::raw(format!("   {line}"))));
            lines.push(Line::default());
        }
        lines
    }

    fn notice(&self) -> Line<'static> {
        let lost = self.app.lost.as_ref().map(|why| self.text(msg::fleet::lost(why.as_str())));
        Line::styled(format!(" {}", lost.unwrap_or_default()), self.theme.warning())
    }

    fn footer(&self, cells: u16) -> Line<'static> {
        use msg::wizard::key;
        let arrows = if self.ascii { "Up/Dn" } else { "↑↓" };
        let keys = if self.app.is_typing {
            vec![("Enter", key::find()), ("Esc", key::stop_search())]
        } else if self.app.opened.is_some() {
            vec![
                ("Esc", key::back()),
                (arrows, key::scroll()),
                ("n p", msg::fleet::key::neighbour()),
                ("?", key::help()),
                ("q", key::quit()),
            ]
        } else {
            let open = msg::fleet::key::open();
            vec![
                ("Enter", open),
                (arrows, key::select()),
                ("/", key::find()),
                ("f", msg::fleet::key::show()),
                ("?", key::help()),
                ("q", key::quit()),
            ]
        };
        let mut spans = Vec::new();
        let mut used = 0;
        for (cap, label) in keys {
            let label = self.text(label);
            used += width(cap) + width(&label) + 3;
            if used <= usize::from(cells) + 2 {
                spans.push(Span::styled(format!(" {cap}"), self.theme.accent()));
                spans.push(Span::raw(format!(" {label} ")));
            }
        }
        Line::from(spans)
    }
}

/// The widths of the columns; a wide screen gives the most to names and cards.
fn widths(cells: u16) -> [super::widgets::Column; 6] {
    let spare = usize::from(cells).saturating_sub(80);
    let (names, cards) = (spare / 4, spare / 3);
    [left(17 + names), right(4), left(5), left(15 + cards), left(10 + spare / 10), left(14 + spare / 5)]
}

fn steps(node: &FleetNode) -> String {
    let glyph = |mark: &StepMark| match mark {
        StepMark::Open => "·",
        StepMark::Here => "▸",
        StepMark::Done => "✓",
        StepMark::Temporary => "!",
        StepMark::Unknown => "?",
        StepMark::Failed => "✗",
    };
    node.steps.iter().map(glyph).collect()
}

fn dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}
