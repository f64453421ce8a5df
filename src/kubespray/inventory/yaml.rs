//! Ansible's YAML inventories: groups with `hosts`, `children` and `vars`.
//! Source: ansible-core, `plugins/inventory/yaml.py`.

use std::{
    collections::{
        HashMap,
        hash_map::Entry::{Occupied, Vacant},
    },
    path::Path,
    sync::Arc,
};

use serde_json::Value;

use super::{Inventory, Problem, words};
use crate::kubespray::{
    truth::is_truthy,
    yaml11::{self, Entry, Node, NodeKind},
};

/// Adds a YAML inventory. At the first thing that Ansible refuses, reading ends with a problem; what stood before it
/// stays.
pub(super) fn read(text: &str, file: &Path, inventory: &mut Inventory) -> Result<(), Problem> {
    let root = yaml11::parse(text).map_err(|error| Problem::new(file, error.line, error.message))?;
    let groups = root.as_ref().map(Node::entries).unwrap_or_default();
    if groups.is_empty() {
        return Err(Problem::new(file, 1, "a YAML inventory is a mapping of groups".to_owned()));
    }
    if let Some(plugin) = groups.iter().find(|entry| entry.key == "plugin" && is_truthy(&entry.value.value())) {
        let what = "this file configures an inventory plugin, which Ansible runs and this program does not".to_owned();
        return Err(Problem::new(file, plugin.line, what));
    }
    let mut reader = Reader { inventory, file: file.into() };
    effective(groups).into_iter().try_for_each(|group| reader.group(group))
}

struct Reader<'a> {
    inventory: &'a mut Inventory,
    file: Arc<Path>,
}

impl Reader<'_> {
    fn problem(&self, line: usize, what: String) -> Problem {
        Problem::new(&self.file, line, what)
    }

    fn group(&mut self, group: &Entry) -> Result<(), Problem> {
        if !is_section(&group.value) {
            // Ansible skips what is no mapping, with a warning.
            return Ok(());
        }
        self.demand_text(group, "group")?;
        self.inventory.add_group(&group.key);
        let sections: Vec<_> = effective(group.value.entries());
        for section in &sections {
            if matches!(section.key.as_str(), "vars" | "children" | "hosts") {
                self.section(section, &group.key)?;
            }
        }
        for section in sections {
            match section.key.as_str() {
                "vars" => {
                    for var in self.section(section, &group.key)? {
                        let set = self.inventory.set_group_var(
                            &group.key,
                            var.key.clone(),
                            var.value.value(),
                            &self.file,
                            var.line,
                        );
                        set.map_err(|what| self.problem(var.line, what))?;
                    }
                }
                "children" => {
                    for child in self.section(section, &group.key)? {
                        self.child(&child, &group.key)?;
                    }
                }
                "hosts" => {
                    for host in self.section(section, &group.key)? {
                        self.host(&host, &group.key)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn child(&mut self, child: &Entry, parent: &str) -> Result<(), Problem> {
        self.group(child)?;
        if self.inventory.has_group(&child.key) {
            return self.inventory.add_child(parent, &child.key).map_err(|what| self.problem(child.line, what));
        }
        if self.inventory.has_host(&child.key) {
            self.inventory.add_host(&child.key, None, parent, &self.file, child.line);
            return Ok(());
        }
        Err(self.problem(child.line, format!("`{}` must be a mapping to be a group", child.key)))
    }

    /// Names are texts; `10` or `yes` without quotes is none.
    fn demand_text(&self, entry: &Entry, what: &str) -> Result<(), Problem> {
        let problem =
            || self.problem(entry.line, format!("the {what} name `{}` is not a text; put it in quotes", entry.key));
        if entry.is_text { Ok(()) } else { Err(problem()) }
    }

    /// Returns the entries of `hosts`, `children` or `vars`; a single name counts as an entry without a value.
    fn section(&self, section: &Entry, group: &str) -> Result<Vec<Entry>, Problem> {
        match &section.value.kind {
            NodeKind::Map(entries) => Ok(effective(entries).into_iter().cloned().collect()),
            NodeKind::Scalar(Value::Null) => Ok(Vec::new()),
            NodeKind::Scalar(Value::String(name)) => {
                let nothing = Node { kind: NodeKind::Scalar(Value::Null), ..section.value.clone() };
                Ok(vec![Entry {
                    key: name.clone(),
                    line: section.value.line,
                    start: section.value.start,
                    is_text: true,
                    value: nothing,
                }])
            }
            _ => Err(self.problem(section.line, format!("`{}` of the group `{group}` must be a mapping", section.key))),
        }
    }

    fn host(&mut self, host: &Entry, group: &str) -> Result<(), Problem> {
        self.demand_text(host, "host")?;
        let (names, port) = words::expand_hosts(&host.key).map_err(|what| self.problem(host.line, what))?;
        if host.value.entries().is_empty() && is_truthy(&host.value.value()) && !names.is_empty() {
            return Err(self.problem(host.line, format!("the variables of `{}` must be a mapping", host.key)));
        }
        for name in &names {
            let index = self.inventory.add_host(name, port, group, &self.file, host.line);
            for var in host.value.entries() {
                let set = self.inventory.set_host_var(index, var.key.clone(), var.value.value(), &self.file, var.line);
                set.map_err(|what| self.problem(var.line, what))?;
            }
        }
        Ok(())
    }
}

fn is_section(node: &Node) -> bool {
    node.is_null() || matches!(node.kind, NodeKind::Map(_))
}

/// Of equal keys the last one counts, at the place of the first.
fn effective(entries: &[Entry]) -> Vec<&Entry> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut found: Vec<&Entry> = Vec::new();
    for entry in entries {
        match places.entry(&entry.key) {
            Vacant(place) => {
                place.insert(found.len());
                found.push(entry);
            }
            Occupied(place) => found[*place.get()] = entry,
        }
    }
    found
}
