//! The table: equal nodes are one group, and the odd ones stand first.

use std::collections::BTreeMap;

use super::{FleetNode, Standing, StepMark};
use crate::i18n::Lang;

/// Which nodes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Show {
    /// All of them.
    #[default]
    All,
    /// Those that a person has to look at.
    Trouble,
    /// Those that something is being done to.
    Moving,
    /// Those that are verified.
    Verified,
}

impl Show {
    /// Returns the next one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::All => Self::Trouble,
            Self::Trouble => Self::Moving,
            Self::Moving => Self::Verified,
            Self::Verified => Self::All,
        }
    }

    fn takes(self, standing: Standing) -> bool {
        match self {
            Self::All => true,
            Self::Trouble => standing.is_trouble(),
            Self::Moving => matches!(standing, Standing::Working | Standing::Booting),
            Self::Verified => standing == Standing::Verified,
        }
    }
}

/// Nodes that are equal in all that the table shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Their places among the nodes, by name.
    pub nodes: Vec<usize>,
}

/// The nodes, grouped.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// The nodes, by name.
    pub nodes: Vec<FleetNode>,
    /// The groups: the worst first, of those the smallest.
    pub groups: Vec<Group>,
    /// What of each node is searched, in small letters: a key has no time to put it together.
    searched: Vec<String>,
}

/// What makes nodes equal.
type Key<'a> = (Standing, [StepMark; 4], &'a str, &'a str, &'a str, &'a str, String);

impl Table {
    /// Groups nodes that are sorted by name; what is searched is in the user's language.
    pub fn new(nodes: Vec<FleetNode>, lang: Lang) -> Self {
        let groups = grouped(&nodes, |_| true);
        let searched = nodes.iter().map(|node| searched(node, lang)).collect();
        Self { nodes, groups, searched }
    }

    /// Returns the groups of the nodes that are shown and that hold all words of `search`, whatever their case.
    pub fn narrowed(&self, show: Show, search: &str) -> Vec<Group> {
        if show == Show::All && search.is_empty() {
            return self.groups.clone();
        }
        let words: Vec<String> = search.to_lowercase().split_whitespace().map(str::to_owned).collect();
        let holds = |index: usize| words.iter().all(|word| self.searched[index].contains(word.as_str()));
        grouped(&self.nodes, |index| show.takes(self.nodes[index].standing) && holds(index))
    }

    /// Counts the nodes of each standing, the worst first.
    pub fn counts(&self) -> BTreeMap<Standing, usize> {
        self.nodes.iter().fold(BTreeMap::new(), |mut counts, node| {
            *counts.entry(node.standing).or_default() += 1;
            counts
        })
    }
}

fn grouped(nodes: &[FleetNode], is_wanted: impl Fn(usize) -> bool) -> Vec<Group> {
    let mut groups: BTreeMap<Key<'_>, Vec<usize>> = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate().filter(|(index, _)| is_wanted(*index)) {
        let broken = if node.standing.is_trouble() { cause(node) } else { String::new() };
        let key = (node.standing, node.steps, &*node.cards, &*node.driver, &*node.os, &*node.kernel, broken);
        groups.entry(key).or_default().push(index);
    }
    let mut groups: Vec<(Standing, Group)> = groups.into_iter().map(|(key, nodes)| (key.0, Group { nodes })).collect();
    groups.sort_by_key(|(standing, group)| (*standing, group.nodes.len(), group.nodes[0]));
    groups.into_iter().map(|(_, group)| group).collect()
}

/// What nodes in trouble have in common: the broken link of the chain, or the sentence without the node's own name.
fn cause(node: &FleetNode) -> String {
    let text = node.text.as_ref().map(|text| text.text(Lang::En)).unwrap_or_default();
    text.replace(&node.name, "")
}

fn searched(node: &FleetNode, lang: Lang) -> String {
    let text = node.text.as_ref().map(|text| text.text(lang)).unwrap_or_default();
    let title = node.standing.title().text(lang);
    [&*node.name, &node.cards, &node.driver, &node.os, &node.kernel, &text, &title].join("\n").to_lowercase()
}
