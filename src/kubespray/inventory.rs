//! The inventory as Ansible sees it: groups, hosts, and every definition of a variable in the order in which they
//! override each other.

mod assemble;
mod files;
mod ini;
mod literal;
mod load;
mod sources;
mod words;
mod yaml;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;

pub use files::{VarsFile, VarsFolder, Vault};
use ini::HostLine;
pub use literal::value as ini_value;
pub use load::{Unread, UnreadKind};
pub use sources::{Ignored, sources};
pub use words::expand_hosts;

use super::Level;

/// Groups and hosts of one inventory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inventory {
    groups: BTreeMap<Arc<str>, Group>,
    hosts: Vec<Host>,
    host_index: HashMap<Arc<str>, usize, foldhash::fast::RandomState>,
    /// What Ansible refuses to read; it then drops that whole file.
    pub problems: Vec<Problem>,
    /// Files beside the inventory's own in its folder that Ansible warns of and passes over, such as a README.
    pub strays: Vec<Problem>,
    /// Files for which Ansible asks somebody else: nobody here knows their hosts and groups.
    pub unread: Vec<Unread>,
}

/// A group.
#[derive(Debug, Clone, Default, PartialEq)]
struct Group {
    priority: i64,
    children: Vec<String>,
    /// Numbers of its hosts.
    hosts: Vec<usize>,
    vars: Vec<Definition>,
}

#[derive(Debug, Clone, PartialEq)]
struct Host {
    name: Arc<str>,
    /// The groups that it was put into itself.
    groups: Vec<Arc<str>>,
    vars: Vec<Definition>,
    /// Lines whose variables come after those of `vars`.
    lines: Vec<HostLine>,
}

impl Host {
    /// Returns its variables in the order of the files.
    fn definitions(&self) -> impl Iterator<Item = Definition> {
        self.vars.iter().cloned().chain(self.lines.iter().flat_map(HostLine::definitions))
    }
}

/// One definition of a variable.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// The variable.
    pub name: String,
    /// Its value, templates raw.
    pub value: Value,
    /// The file; many definitions share one.
    pub file: Arc<Path>,
    /// The line, from 1.
    pub line: usize,
    /// The place in Ansible's order of precedence.
    pub level: Level,
}

/// A host that shall be in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The host.
    pub host: String,
    /// The group.
    pub group: String,
    /// Variables for its line, where the host is new: `ansible_host` and `ip`.
    pub vars: Vec<(String, String)>,
}

/// A line that Ansible refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl Problem {
    fn new(file: &Path, line: usize, what: String) -> Self {
        Self { file: file.to_owned(), line, what }
    }
}

impl Inventory {
    /// Tells whether all hosts and groups are known; if not, nothing follows from what is missing.
    pub fn is_known(&self) -> bool {
        self.unread.is_empty() && self.problems.is_empty()
    }

    /// Returns an inventory with the two groups that always exist.
    pub fn empty() -> Self {
        let mut inventory = Self::default();
        inventory.add_group("all");
        inventory.add_group("ungrouped");
        inventory
    }

    /// Tells whether the group exists.
    pub fn has_group(&self, name: &str) -> bool {
        self.groups.contains_key(name)
    }

    /// Returns the names of all groups, sorted.
    pub fn group_names(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(AsRef::as_ref)
    }

    /// Returns the names of all hosts in the order of the inventory.
    pub fn host_names(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(|host| &*host.name)
    }

    /// Tells whether the host exists.
    pub fn has_host(&self, name: &str) -> bool {
        self.host_index.contains_key(name)
    }

    /// Returns the hosts of a group and of all groups below it, in Ansible's order (`groups['name']`).
    pub fn hosts_of(&self, group: &str) -> Vec<&str> {
        let mut hosts = Vec::new();
        let (mut queue, mut seen) = (vec![group], BTreeSet::new());
        while !queue.is_empty() {
            let mut next = Vec::new();
            for name in queue {
                let Some(group) = self.groups.get(name).filter(|_| seen.insert(name)) else { continue };
                hosts.extend(group.hosts.iter().map(|index| &*self.hosts[*index].name));
                next.extend(group.children.iter().map(String::as_str));
            }
            queue = next;
        }
        let mut known = HashSet::with_capacity(hosts.len());
        hosts.retain(|host| known.insert(*host));
        hosts
    }

    /// Tells whether a host is in a group or in one below it.
    pub fn is_in(&self, host: &str, group: &str) -> bool {
        self.groups_of(host).contains(&group)
    }

    /// Tells whether hosts were put into the group itself.
    pub fn has_members(&self, group: &str) -> bool {
        self.groups.get(group).is_some_and(|group| !group.hosts.is_empty())
    }

    /// Returns the groups right below a group.
    pub fn children_of(&self, group: &str) -> &[String] {
        self.groups.get(group).map(|group| group.children.as_slice()).unwrap_or_default()
    }

    /// Returns a text that the inventory file itself gives the host, such as `ansible_host`.
    pub fn host_text(&self, host: &str, name: &str) -> Option<String> {
        let host = &self.hosts[*self.host_index.get(host)?];
        let of_lines = host.lines.iter().filter(|line| line.may_set(name)).flat_map(HostLine::definitions);
        let all =
            host.vars.iter().filter(|var| var.name == name).cloned().chain(of_lines.filter(|var| var.name == name));
        all.last().and_then(|definition| definition.value.as_str().map(str::to_owned))
    }

    /// Returns every definition that reaches `host`, weakest first: the inventory's own and those of `group_vars` and
    /// `host_vars` in `folders`.
    pub fn definitions(&self, host: &str, folders: &[VarsFolder]) -> Vec<Definition> {
        let groups = self.groups_of(host);
        let mut found: Vec<Definition> = Vec::new();
        for name in &groups {
            found.extend(self.groups.get(*name).into_iter().flat_map(|group| group.vars.iter().cloned()));
        }
        for folder in folders {
            found.extend(folder.group("all"));
        }
        for folder in folders {
            found.extend(groups.iter().filter(|name| **name != "all").flat_map(|name| folder.group(name)));
        }
        if let Some(index) = self.host_index.get(host) {
            found.extend(self.hosts[*index].definitions());
        }
        for folder in folders {
            found.extend(folder.host(host));
        }
        found
    }

    /// Returns the host's groups, weakest first: by depth, then priority, then name.
    pub fn groups_of(&self, host: &str) -> Vec<&str> {
        let parents = self.parents();
        let mut found: BTreeSet<&str> = BTreeSet::from(["all"]);
        let own = self.host_index.get(host).map(|index| self.hosts[*index].groups.as_slice()).unwrap_or_default();
        let mut queue: Vec<&str> = own.iter().map(AsRef::as_ref).collect();
        while let Some(name) = queue.pop() {
            if found.insert(name) {
                queue.extend(parents.get(name).into_iter().flatten());
            }
        }
        // A host that has a real group is not ungrouped, whatever the file says.
        if found.iter().all(|name| matches!(*name, "all" | "ungrouped")) {
            found.insert("ungrouped");
        } else if own.iter().any(|name| &**name == "ungrouped") {
            found.remove("ungrouped");
        }
        let mut depths = HashMap::new();
        let mut sorted: Vec<&str> = found.into_iter().collect();
        sorted.sort_by_key(|name| {
            (depth(name, &parents, &mut depths), self.groups.get(*name).map_or(1, |group| group.priority), *name)
        });
        sorted
    }

    fn parents(&self) -> HashMap<&str, Vec<&str>> {
        let mut parents: HashMap<&str, Vec<&str>> = HashMap::new();
        for (name, group) in &self.groups {
            for child in &group.children {
                parents.entry(child.as_str()).or_default().push(&**name);
            }
        }
        parents
    }
}

/// The length of the longest way from `all`; groups without a parent hang below it.
fn depth<'g>(name: &'g str, parents: &HashMap<&'g str, Vec<&'g str>>, known: &mut HashMap<&'g str, usize>) -> usize {
    if name == "all" {
        return 0;
    }
    if let Some(depth) = known.get(name) {
        return *depth;
    }
    let above = parents.get(name).into_iter().flatten().map(|parent| depth(parent, parents, known)).max().unwrap_or(0);
    known.insert(name, above + 1);
    above + 1
}
