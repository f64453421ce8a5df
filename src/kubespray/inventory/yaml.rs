//! Ansible's YAML inventories: groups with `hosts`, `children` and `vars`.
//! Source: ansible-core, `plugins/inventory/yaml.py`.

use std::path::Path;

use serde_json::Value;

use super::{Inventory, Problem, words};
use crate::kubespray::yaml11::{self, Entry, Node, NodeKind};

/// Adds a YAML inventory. At the first thing that Ansible refuses, reading ends with a problem; what stood before it stays.
pub fn read(text: &str, file: &Path, inventory: &mut Inventory) -> Result<(), Problem> {
    let root = yaml11::parse(text).map_err(|error| Problem::new(file, error.line, error.message))?;
    let Some(Node { kind: NodeKind::Map(groups), .. }) = root else {
        return Err(Problem::new(file, 1, "a YAML inventory is a mapping of groups".to_owned()));
    };
    let mut reader = Reader { inventory, file };
    groups.iter().try_for_each(|group| reader.group(group))
}

struct Reader<'a> {
    inventory: &'a mut Inventory,
    file: &'a Path,
}

impl Reader<'_> {
    fn problem(&self, line: usize, what: String) -> Problem {
        Problem::new(self.file, line, what)
    }

    fn group(&mut self, group: &Entry) -> Result<(), Problem> {
        if !is_section(&group.value) {
            // Ansible skips what is no mapping, with a warning.
            return Ok(());
        }
        self.inventory.add_group(&group.key);
        for section in group.value.entries() {
            match section.key.as_str() {
                "vars" => {
                    for var in self.section(section, &group.key)? {
                        self.inventory.set_group_var(&group.key, &var.key, var.value.value(), self.file, var.line);
                    }
                }
                "children" => {
                    for child in self.section(section, &group.key)? {
                        self.group(&child)?;
                        if is_section(&child.value) {
                            let added = self.inventory.add_child(&group.key, &child.key);
                            added.map_err(|what| self.problem(child.line, what))?;
                        }
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

    /// Returns the entries of `hosts`, `children` or `vars`; a single name counts as an entry without a value.
    fn section(&self, section: &Entry, group: &str) -> Result<Vec<Entry>, Problem> {
        match &section.value.kind {
            NodeKind::Map(entries) => Ok(entries.clone()),
            NodeKind::Scalar(Value::Null) => Ok(Vec::new()),
            NodeKind::Scalar(Value::String(name)) => {
                let nothing = Node { kind: NodeKind::Scalar(Value::Null), ..section.value.clone() };
                Ok(vec![Entry { key: name.clone(), line: section.value.line, start: section.value.start, value: nothing }])
            }
            _ => Err(self.problem(section.line, format!("`{}` of the group `{group}` must be a mapping", section.key))),
        }
    }

    fn host(&mut self, host: &Entry, group: &str) -> Result<(), Problem> {
        let (names, port) = words::expand_hosts(&host.key).map_err(|what| self.problem(host.line, what))?;
        for name in &names {
            self.inventory.add_host(name, group);
            for var in host.value.entries() {
                self.inventory.set_host_var(name, &var.key, var.value.value(), self.file, var.line);
            }
            if let Some(port) = port {
                self.inventory.set_host_var(name, "ansible_port", port.into(), self.file, host.line);
            }
        }
        Ok(())
    }
}

fn is_section(node: &Node) -> bool {
    node.is_null() || matches!(node.kind, NodeKind::Map(_))
}
