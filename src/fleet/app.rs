//! The state of the fleet's screen, and what a key does to it. Pure: reading the reports and drawing are others' work.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{FleetNode, Group, Show, Table};
use crate::{i18n::Lang, wizard::Key};

/// What happens to the screen.
#[derive(Debug, Clone, PartialEq)]
pub enum FleetMsg {
    /// A key.
    Key(Key),
    /// The terminal has another size.
    Resize(u16, u16),
    /// The reports have changed.
    News(Vec<FleetNode>),
    /// The reports cannot be read any more.
    Lost(String),
    /// Time has gone on.
    Tick(Timestamp),
}

/// One row of the table: a group, or a node of an open one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// Equal nodes, by their places.
    Group(Vec<usize>),
    /// One node that has no equal.
    Node(usize),
    /// One node of the unfolded group above.
    Member(usize),
}

/// The state.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetApp {
    /// The language.
    pub lang: Lang,
    /// What is looked at, for the heading.
    pub source: String,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// The nodes.
    pub table: Table,
    /// Which are shown.
    pub show: Show,
    /// What they hold.
    pub search: String,
    /// The search is being typed.
    pub is_typing: bool,
    /// The rows.
    pub rows: Vec<Row>,
    /// The selected row.
    pub selected: usize,
    /// The node whose chain fills the screen.
    pub opened: Option<String>,
    /// The first line of that.
    pub top: usize,
    /// The keys are explained.
    pub is_helping: bool,
    /// Why the reports cannot be read.
    pub lost: Option<String>,
    /// The time of now.
    pub now: Timestamp,
    /// Groups that are unfolded, by the name of their first node.
    unfolded: BTreeSet<String>,
}

impl FleetApp {
    /// Begins with these nodes.
    pub fn new(nodes: Vec<FleetNode>, source: String, lang: Lang, now: Timestamp) -> Self {
        let mut app = Self {
            lang,
            source,
            size: (80, 24),
            table: Table::new(nodes, lang),
            show: Show::All,
            search: String::new(),
            is_typing: false,
            rows: Vec::new(),
            selected: 0,
            opened: None,
            top: 0,
            is_helping: false,
            lost: None,
            now,
            unfolded: BTreeSet::new(),
        };
        app.arrange();
        app
    }

    /// Returns the node whose chain fills the screen.
    pub fn opened_node(&self) -> Option<&FleetNode> {
        let name = self.opened.as_ref()?;
        self.table.nodes.iter().find(|node| node.name == *name)
    }

    /// Returns the node that the selected row is about: of a group, the first.
    pub fn selected_node(&self) -> Option<&FleetNode> {
        self.node_of(self.rows.get(self.selected)?)
    }

    /// Returns the node that a row is about.
    pub fn node_of(&self, row: &Row) -> Option<&FleetNode> {
        let index = match row {
            Row::Group(nodes) => *nodes.first()?,
            Row::Node(index) | Row::Member(index) => *index,
        };
        self.table.nodes.get(index)
    }

    /// How many rows a page has.
    fn page(&self) -> usize {
        usize::from(self.size.1).saturating_sub(12).max(1)
    }

    /// Lays the rows out anew; the selection stays on its node.
    fn arrange(&mut self) {
        let before = self.selected_node().map(|node| node.name.clone());
        let was_group = matches!(self.rows.get(self.selected), Some(Row::Group(_)));
        let groups = self.table.narrowed(self.show, &self.search);
        self.rows = groups.iter().flat_map(|group| self.rows_of(group)).collect();
        let is_same = |row: &Row| self.node_of(row).is_some_and(|node| Some(&node.name) == before.as_ref());
        let exact = self.rows.iter().position(|row| is_same(row) && matches!(row, Row::Group(_)) == was_group);
        let found = exact.or_else(|| self.rows.iter().position(is_same));
        self.selected = found.unwrap_or(self.selected).min(self.rows.len().saturating_sub(1));
    }

    fn rows_of(&self, group: &Group) -> Vec<Row> {
        if let [one] = group.nodes[..] {
            return vec![Row::Node(one)];
        }
        let head = Row::Group(group.nodes.clone());
        let is_open = group.nodes.iter().any(|node| self.unfolded.contains(&self.table.nodes[*node].name));
        let inside = group.nodes.iter().filter(|_| is_open).map(|node| Row::Member(*node));
        std::iter::once(head).chain(inside).collect()
    }

    /// Tells whether a row is a group that is unfolded.
    pub fn is_unfolded(&self, row: &Row) -> bool {
        matches!(row, Row::Group(nodes) if nodes.iter().any(|node| self.unfolded.contains(&self.table.nodes[*node].name)))
    }
}

/// Takes a message in; tells whether the screen is to be left.
pub fn update(app: &mut FleetApp, msg: FleetMsg) -> bool {
    match msg {
        FleetMsg::Resize(columns, rows) => app.size = (columns, rows),
        FleetMsg::Tick(now) => app.now = now,
        FleetMsg::Lost(why) => app.lost = Some(why),
        FleetMsg::News(nodes) => {
            app.lost = None;
            // The selection is kept by the node's name, so the rows are compared before and after.
            let before = app.selected_node().map(|node| node.name.clone());
            app.table = Table::new(nodes, app.lang);
            app.rows.clear();
            app.arrange();
            let is_same = |row: &Row| app.node_of(row).is_some_and(|node| Some(&node.name) == before.as_ref());
            app.selected = app.rows.iter().position(is_same).unwrap_or(app.selected);
        }
        FleetMsg::Key(Key::Interrupt) => return true,
        FleetMsg::Key(key) if app.is_helping => {
            app.is_helping = false;
            return key == Key::Char('q');
        }
        FleetMsg::Key(key) if app.is_typing => type_key(app, key),
        FleetMsg::Key(key) if app.opened.is_some() => return key_in_node(app, key),
        FleetMsg::Key(key) => return key_in_table(app, key),
    }
    false
}

fn type_key(app: &mut FleetApp, key: Key) {
    match key {
        Key::Enter => app.is_typing = false,
        Key::Esc => {
            app.is_typing = false;
            app.search.clear();
        }
        Key::Backspace => drop(app.search.pop()),
        Key::EraseLine => app.search.clear(),
        Key::EraseWord => {
            let kept = app.search.trim_end().rfind(' ').map_or(0, |at| at + 1);
            app.search.truncate(kept);
        }
        Key::Char(c) if !crate::text::is_unsafe(c) => app.search.push(c),
        _ => {}
    }
    app.arrange();
}

fn key_in_node(app: &mut FleetApp, key: Key) -> bool {
    match key {
        Key::Char('q') => return true,
        Key::Esc | Key::Left | Key::Char('b') | Key::Enter => app.opened = None,
        Key::Up | Key::Char('k') => app.top = app.top.saturating_sub(1),
        Key::Down | Key::Char('j') => app.top += 1,
        Key::PageUp => app.top = app.top.saturating_sub(app.page()),
        Key::PageDown | Key::Char(' ') => app.top += app.page(),
        Key::Home | Key::Char('g') => app.top = 0,
        Key::Char('?') => app.is_helping = true,
        Key::Char('n') => neighbour(app, 1),
        Key::Char('p') => neighbour(app, -1),
        _ => {}
    }
    false
}

/// Opens the node of the next row that is another one.
fn neighbour(app: &mut FleetApp, by: isize) {
    let mut at = app.selected;
    while let Some(next) = at.checked_add_signed(by).filter(|next| *next < app.rows.len()) {
        at = next;
        let name = app.node_of(&app.rows[at]).map(|node| node.name.clone());
        if name.is_some() && name != app.opened {
            (app.selected, app.opened, app.top) = (at, name, 0);
            return;
        }
    }
}

fn key_in_table(app: &mut FleetApp, key: Key) -> bool {
    let last = app.rows.len().saturating_sub(1);
    match key {
        Key::Char('q') => return true,
        Key::Esc => {
            app.search.clear();
            app.show = Show::All;
            app.arrange();
        }
        Key::Up | Key::Char('k') => app.selected = app.selected.saturating_sub(1),
        Key::Down | Key::Char('j') => app.selected = (app.selected + 1).min(last),
        Key::PageUp => app.selected = app.selected.saturating_sub(app.page()),
        Key::PageDown => app.selected = (app.selected + app.page()).min(last),
        Key::Home | Key::Char('g') => app.selected = 0,
        Key::End | Key::Char('G') => app.selected = last,
        Key::Char('/') => app.is_typing = true,
        Key::Char('f') => {
            app.show = app.show.next();
            app.arrange();
        }
        Key::Char('?') => app.is_helping = true,
        Key::Left | Key::Right | Key::Char(' ') => fold(app),
        Key::Enter => match app.rows.get(app.selected) {
            Some(Row::Group(_)) => fold(app),
            Some(Row::Node(index) | Row::Member(index)) => {
                app.opened = app.table.nodes.get(*index).map(|node| node.name.clone());
                app.top = 0;
            }
            None => {}
        },
        _ => {}
    }
    false
}

/// Unfolds the selected group, or folds it again.
fn fold(app: &mut FleetApp) {
    let Some(Row::Group(nodes)) = app.rows.get(app.selected).cloned() else { return };
    let names = nodes.iter().map(|node| app.table.nodes[*node].name.clone());
    if app.is_unfolded(&app.rows[app.selected]) {
        let gone: BTreeSet<String> = names.collect();
        app.unfolded.retain(|name| !gone.contains(name));
    } else {
        app.unfolded.extend(names.take(1));
    }
    app.arrange();
}
