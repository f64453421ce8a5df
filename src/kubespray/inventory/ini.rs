//! Ansible's INI inventories: sections of hosts, children and variables. It is not the INI of other programs.
//! Source: ansible-core, `plugins/inventory/ini.py`.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{Definition, Inventory, Level, Problem, literal, words};
use crate::text::is_plain;

#[derive(Clone, Copy, PartialEq)]
enum Section {
    Hosts,
    Children,
    Vars,
}

/// Adds an INI inventory. At the first line that Ansible refuses, reading ends with a problem; what stood before it
/// stays.
pub(super) fn read(text: &str, file: &Path, inventory: &mut Inventory) -> Result<(), Problem> {
    let mut reader = Reader {
        inventory,
        file: file.into(),
        group: "ungrouped".to_owned(),
        section: Section::Hosts,
        pending: BTreeMap::new(),
    };
    for (index, line) in lines(text).enumerate() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with(['#', ';']) {
            reader.line(line, index + 1).map_err(|what| Problem::new(file, index + 1, what))?;
        }
    }
    reader.undeclared().map_or(Ok(()), Err)
}

/// Python's `splitlines`, which knows more line ends than most programs.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let is_odd =
        |c: char| matches!(c, '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    // Nearly no file has one of the other ends in it: they are control characters, or not ASCII.
    let is_plain = is_plain(text) && !text.contains('\r');
    text.lines().flat_map(move |line| {
        let whole = is_plain.then_some(line);
        whole.into_iter().chain((!is_plain).then(|| line.split(is_odd)).into_iter().flatten())
    })
}

/// A group that was named before it was declared.
struct Pending {
    line: usize,
    /// The groups that want it as a child; empty for the group of a `[name:vars]`.
    parents: Vec<String>,
}

struct Reader<'a> {
    inventory: &'a mut Inventory,
    file: Arc<Path>,
    group: String,
    section: Section,
    pending: BTreeMap<String, Pending>,
}

impl Reader<'_> {
    fn line(&mut self, line: &str, number: usize) -> Result<(), String> {
        if let Some((name, section)) = header(line)? {
            return self.open(name, section, number);
        }
        match self.section {
            Section::Hosts => self.host(line, number),
            Section::Vars => {
                let (name, value) = line.split_once('=').ok_or_else(|| format!("expected key=value, got `{line}`"))?;
                self.inventory.set_group_var(
                    &self.group,
                    name.trim().to_owned(),
                    literal::value(value.trim()),
                    &self.file,
                    number,
                )
            }
            Section::Children => self.child(line, number),
        }
    }

    fn open(&mut self, name: &str, section: Section, number: usize) -> Result<(), String> {
        name.clone_into(&mut self.group);
        self.section = section;
        if !self.inventory.has_group(name) {
            if section == Section::Vars && !self.pending.contains_key(name) {
                self.pending.insert(name.to_owned(), Pending { line: number, parents: Vec::new() });
            }
            self.inventory.add_group(name);
        }
        if section != Section::Vars
            && let Some(pending) = self.pending.remove(name)
        {
            pending.parents.iter().try_for_each(|parent| self.inventory.add_child(parent, name))?;
        }
        Ok(())
    }

    fn host(&mut self, line: &str, number: usize) -> Result<(), String> {
        let tokens = words::split(line).map_err(|problem| format!("{problem} in `{line}`"))?;
        let Some((pattern, assignments)) = tokens.split_first() else { return Ok(()) };
        if pattern == "---" {
            return Err("`---` starts a YAML file, and this is read as INI".to_owned());
        }
        let (names, port) = words::expand_hosts(pattern)?;
        if port.is_none() && pattern.trim().ends_with(':') {
            return Err(format!("`{pattern}` ends with a colon; a port would stand behind it"));
        }
        if line.contains(char::REPLACEMENT_CHARACTER) {
            return Err(format!(
                "`{}` stands for bytes that are not UTF-8; only comments may have them",
                char::REPLACEMENT_CHARACTER
            ));
        }
        if let Some(token) = assignments.iter().find(|token| !token.contains('=')) {
            return Err(format!("expected key=value behind the host, got `{token}`"));
        }
        let said = (!assignments.is_empty()).then(|| Arc::from(line));
        for name in &names {
            let host = self.inventory.add_host(name, port, &self.group, &self.file, number);
            if let Some(said) = &said {
                self.inventory
                    .set_host_line(host, HostLine { text: Arc::clone(said), file: Arc::clone(&self.file), number })?;
            }
        }
        Ok(())
    }

    fn child(&mut self, line: &str, number: usize) -> Result<(), String> {
        let name = group_name(line).ok_or_else(|| format!("expected a group name, got `{line}`"))?;
        if self.inventory.has_group(name) {
            return self.inventory.add_child(&self.group, name);
        }
        let pending =
            self.pending.entry(name.to_owned()).or_insert_with(|| Pending { line: number, parents: Vec::new() });
        pending.parents.push(self.group.clone());
        Ok(())
    }

    /// Names the first group that was used and never declared: Ansible then drops the whole file.
    fn undeclared(&self) -> Option<Problem> {
        let (name, pending) = self.pending.iter().min_by_key(|(_, pending)| pending.line)?;
        let what = match pending.parents.last() {
            Some(parent) => format!("[{parent}:children] names the group `{name}`, which is declared nowhere"),
            None => format!("[{name}:vars] is for a group that is declared nowhere"),
        };
        Some(Problem::new(&self.file, pending.line, what))
    }
}

/// A host line with its variables, checked but not yet taken apart: an inventory has thousands, and the variables of
/// one are asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HostLine {
    text: Arc<str>,
    file: Arc<Path>,
    number: usize,
}

impl HostLine {
    /// Returns the variables that the line gives its hosts.
    pub(super) fn definitions(&self) -> impl Iterator<Item = Definition> {
        let words = words::split(&self.text).unwrap_or_default();
        words.into_iter().skip(1).filter_map(|word| {
            let (name, value) = word.split_once('=')?;
            let (name, value, file) = (name.to_owned(), literal::value(value), Arc::clone(&self.file));
            Some(Definition { name, value, file, line: self.number, level: Level::InventoryHostVars })
        })
    }

    /// Tells whether the line may set a variable; quick, and never a wrong no.
    pub(super) fn may_set(&self, name: &str) -> bool {
        self.text.contains(name) || self.text.contains(['\'', '"', '\\'])
    }
}

/// Reads `[name]`, `[name:children]`, `[name:vars]`; other lines are `None`.
fn header(line: &str) -> Result<Option<(&str, Section)>, String> {
    let parsed = line.strip_prefix('[').and_then(|rest| rest.split_once(']')).filter(|(inner, tail)| {
        let tail = tail.trim_start();
        !inner.is_empty() && !inner.contains(char::is_whitespace) && (tail.is_empty() || tail.starts_with('#'))
    });
    let Some((inner, _)) = parsed else {
        let looks_like_one = line.starts_with('[') && line.ends_with(']');
        return if looks_like_one {
            Err(format!("`{line}` is not a section: spaces or other characters that may not be there"))
        } else {
            Ok(None)
        };
    };
    match inner.split_once(':') {
        None => Ok(Some((inner, Section::Hosts))),
        Some((name, "hosts")) => Ok(Some((name, Section::Hosts))),
        Some((name, "children")) => Ok(Some((name, Section::Children))),
        Some((name, "vars")) => Ok(Some((name, Section::Vars))),
        Some((_, kind)) => Err(format!("section `[{inner}]` has the unknown type `{kind}`")),
    }
}

fn group_name(line: &str) -> Option<&str> {
    let end = line.find(|c: char| c.is_whitespace()).unwrap_or(line.len());
    let (name, tail) = line.split_at(end);
    let tail = tail.trim_start();
    (!name.contains([':', ']']) && (tail.is_empty() || tail.starts_with('#'))).then_some(name)
}
