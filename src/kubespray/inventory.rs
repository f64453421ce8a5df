//! The inventory as Ansible sees it: groups, hosts, and every definition of a variable in the order in which they
//! override each other.

mod files;
mod ini;
mod literal;
mod sources;
mod words;
mod yaml;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    mem,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;

pub use files::{VarsFile, VarsFolder, Vault};
use ini::HostLine;
pub use literal::value as ini_value;
pub use sources::{Ignored, sources};
pub use words::expand_hosts;

use super::{Level, release::Groups};
use crate::{
    error::{Expected, reason},
    host::Files,
    i18n::msg,
};

/// How a compiled program begins.
const ELF: &[u8] = b"\x7fELF";

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

/// A source that Ansible reads and this program does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The file.
    pub file: PathBuf,
    /// Why it is not read.
    pub kind: UnreadKind,
}

/// Why a source is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnreadKind {
    /// It is a program, which Ansible runs as whoever calls it.
    Program,
    /// It names the inventory plugin that Ansible asks.
    Plugin(String),
    /// It is TOML, which hardly anybody writes.
    Toml,
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
    /// Reads an inventory file, or the files of an inventory folder that are not ignored.
    pub fn load(files: &dyn Files, path: &Path, ignored: &Ignored) -> Result<Self, Expected> {
        let mut inventory = Self::empty();
        let sources = sources(files, path, ignored)?;
        for file in &sources {
            let bytes = files.read(file).map_err(|error| unreadable(file, &error))?;
            if bytes.starts_with(ELF) {
                inventory.unread.push(Unread { file: file.clone(), kind: UnreadKind::Program });
                continue;
            }
            inventory.add_source(&String::from_utf8_lossy(&bytes), file);
        }
        // In a folder a file that nobody means as an inventory does no harm while others are read.
        let is_stray = |problem: &Problem| sources.len() > 1 && is_no_inventory(&problem.file);
        (inventory.strays, inventory.problems) = mem::take(&mut inventory.problems).into_iter().partition(is_stray);
        Ok(inventory)
    }

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

    /// Adds what one file says. What Ansible refuses in it becomes a problem. Pure: `file` is only a name.
    pub fn add_source(&mut self, text: &str, file: &Path) {
        if let Some(kind) = unread(text, file) {
            return self.unread.push(Unread { file: file.to_owned(), kind });
        }
        // Ansible tries these endings, and no ending, as YAML first, and then as INI whatever the ending says.
        let is_yaml =
            matches!(file.extension().and_then(|ending| ending.to_str()), None | Some("yaml" | "yml" | "json"));
        let Some(not_yaml) =
            (if is_yaml { yaml::read(text, file, self).err() } else { Some(Problem::new(file, 1, String::new())) })
        else {
            return;
        };
        if let Err(not_ini) = ini::read(text, file, self) {
            self.problems.push(if is_yaml && looks_like_yaml(text) { not_yaml } else { not_ini });
        }
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

    /// Adds the groups that Kubespray makes at run time: `k8s_cluster` where the inventory has none (v2.27 and later),
    /// and the new spelling of groups that the inventory still writes with dashes (v2.16 and later).
    pub fn add_groups_of_run_time(&mut self, groups: &Groups, implicit_cluster: bool) {
        const SPELLINGS: [(&str, &str); 4] = [
            ("kube-master", "kube_control_plane"),
            ("kube-node", "kube_node"),
            ("calico-rr", "calico_rr"),
            ("k8s-cluster", "k8s_cluster"),
        ];
        if groups.has_dashes() {
            return;
        }
        for (old, new) in SPELLINGS {
            if self.has_group(old) {
                self.adopt(new, &[old]);
            }
        }
        if implicit_cluster && !self.has_group("k8s_cluster") {
            self.adopt("k8s_cluster", &["kube_control_plane", "kube_node", "calico_rr"]);
        }
    }

    /// Puts the hosts of `sources` into `group`, as Ansible's `group_by` does: as hosts, not as child groups.
    fn adopt(&mut self, group: &str, sources: &[&str]) {
        let hosts: Vec<String> = sources.iter().flat_map(|source| self.hosts_of(source)).map(str::to_owned).collect();
        self.add_group(group);
        for host in &hosts {
            if let Some(index) = self.host_index.get(host.as_str()).copied() {
                self.join(index, group);
            }
        }
    }

    /// Adds a host that does not exist yet as a member of `group`: the node that is going to be added.
    pub fn add_future_host(&mut self, name: &str, group: &str) {
        self.add_group(group);
        self.add_host(name, None, group, &Arc::from(Path::new("")), 0);
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

    fn add_group(&mut self, name: &str) {
        self.groups.entry(name.into()).or_insert_with(|| Group { priority: 1, ..Group::default() });
    }

    /// Makes a group the child of another one; a circle is an error, as in Ansible.
    fn add_child(&mut self, parent: &str, child: &str) -> Result<(), String> {
        if parent == child || self.is_below(parent, child) {
            return Err(format!("the group `{child}` would contain itself"));
        }
        self.add_group(child);
        let group = self.groups.entry(parent.into()).or_default();
        if !group.children.iter().any(|known| known == child) {
            group.children.push(child.to_owned());
        }
        Ok(())
    }

    fn is_below(&self, name: &str, ancestor: &str) -> bool {
        let (mut queue, mut seen) = (vec![ancestor], BTreeSet::new());
        while let Some(at) = queue.pop() {
            if at == name {
                return true;
            }
            if seen.insert(at) {
                queue.extend(
                    self.groups.get(at).into_iter().flat_map(|group| group.children.iter().map(String::as_str)),
                );
            }
        }
        false
    }

    /// Puts a host into a group and returns its number. A port counts where the host is named for the first time.
    fn add_host(&mut self, name: &str, port: Option<u32>, group: &str, file: &Arc<Path>, line: usize) -> usize {
        let index = self.host_index.get(name).copied().unwrap_or_else(|| self.new_host(name, port, file, line));
        self.join(index, group);
        index
    }

    fn new_host(&mut self, name: &str, port: Option<u32>, file: &Arc<Path>, line: usize) -> usize {
        let port = port.filter(|port| *port > 0).map(|port| Definition {
            name: "ansible_port".to_owned(),
            value: port.into(),
            file: Arc::clone(file),
            line,
            level: Level::InventoryHostVars,
        });
        let name: Arc<str> = name.into();
        self.host_index.insert(Arc::clone(&name), self.hosts.len());
        self.hosts.push(Host { name, groups: Vec::new(), vars: port.into_iter().collect(), lines: Vec::new() });
        self.hosts.len() - 1
    }

    /// Makes a known host a member of a group.
    fn join(&mut self, index: usize, group: &str) {
        let host = &mut self.hosts[index];
        if host.groups.iter().any(|known| &**known == group) {
            return;
        }
        let known = self.groups.get_key_value(group).map(|(name, _)| Arc::clone(name));
        let name = known.unwrap_or_else(|| group.into());
        self.groups.entry(Arc::clone(&name)).or_default().hosts.push(index);
        host.groups.push(name);
    }

    fn set_host_line(&mut self, index: usize, line: HostLine) -> Result<(), String> {
        let host = &mut self.hosts[index];
        if self.groups.contains_key(&host.name) {
            let mut vars = line.definitions();
            return vars.try_for_each(|var| self.set_host_var(index, var.name, var.value, &var.file, var.line));
        }
        if host.lines.is_empty() {
            // One line is all that nearly every host has.
            host.lines.reserve_exact(1);
        }
        host.lines.push(line);
        Ok(())
    }

    fn set_group_var(
        &mut self,
        group: &str,
        name: String,
        value: Value,
        file: &Arc<Path>,
        line: usize,
    ) -> Result<(), String> {
        let group = self.groups.entry(group.into()).or_default();
        if name == "ansible_group_priority" {
            group.priority =
                whole_number(&value).ok_or_else(|| format!("ansible_group_priority is not a number: {value}"))?;
            return Ok(());
        }
        let level = Level::InventoryGroupVars;
        group.vars.push(Definition { name, value, file: Arc::clone(file), line, level });
        Ok(())
    }

    fn set_host_var(
        &mut self,
        index: usize,
        name: String,
        value: Value,
        file: &Arc<Path>,
        line: usize,
    ) -> Result<(), String> {
        let host = &mut self.hosts[index];
        if self.groups.contains_key(&host.name) {
            // Of a host and a group with one name, Ansible gives the variables to the group.
            let group = Arc::clone(&host.name);
            return self.set_group_var(&group, name, value, file, line);
        }
        // What stood in a line before must stay before.
        let before: Vec<HostLine> = mem::take(&mut host.lines);
        host.vars.extend(before.iter().flat_map(HostLine::definitions));
        let level = Level::InventoryHostVars;
        host.vars.push(Definition { name, value, file: Arc::clone(file), line, level });
        Ok(())
    }
}

/// Python's `int(value)`.
#[expect(clippy::cast_possible_truncation, reason = "a priority with a fraction is cut, as in Python")]
fn whole_number(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(is) => Some(i64::from(*is)),
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|number| number as i64)),
        Value::String(text) => text.trim().replace('_', "").parse().ok(),
        _ => None,
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

/// Tells whether Ansible would ask somebody else for what a source says. Source: ansible-core,
/// `plugins/inventory/{script,auto,toml}.py`.
fn unread(text: &str, file: &Path) -> Option<UnreadKind> {
    let ending = file.extension().and_then(|ending| ending.to_str());
    if text.starts_with("#!") {
        return Some(UnreadKind::Program);
    }
    if ending == Some("toml") {
        return Some(UnreadKind::Toml);
    }
    let plugin = text
        .lines()
        .find_map(|line| line.strip_prefix("plugin:"))
        .filter(|_| matches!(ending, Some("yml" | "yaml")))?;
    Some(UnreadKind::Plugin(plugin.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned()))
}

/// Tells by its name that nobody means a file of an inventory's folder as an inventory.
fn is_no_inventory(file: &Path) -> bool {
    const NAMES: [&str; 5] = ["README", "LICENSE", "NOTES", "Makefile", "Dockerfile"];
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let ending = file.extension().and_then(|ending| ending.to_str());
    NAMES.iter().any(|known| name.starts_with(known)) || !matches!(ending, None | Some("yml" | "yaml" | "json"))
}

fn looks_like_yaml(text: &str) -> bool {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    first.is_some_and(|line| line == "---" || line.starts_with('{') || (line.ends_with(':') && !line.starts_with('[')))
}

fn unreadable(file: &Path, error: &std::io::Error) -> Expected {
    Expected::new(
        msg::error::inventory::unreadable(file.display(), reason(error)),
        msg::error::inventory::unreadable::hint(),
    )
}
