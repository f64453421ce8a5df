//! What the inventory lacks for this machine to be a node: the host itself, or its place in the group of the nodes.

use std::path::{Path, PathBuf};

use super::{
    Preview,
    context::KubesprayContext,
    inventory::{Ignored, Inventory, Member, sources},
    machine,
};
use crate::{
    finding::{Finding, Severity},
    host::Files,
    i18n::msg,
};

/// How many names that there are, are told of for one that there is not.
const NEAREST: usize = 3;

/// A machine that the inventory does not have, and that would be written into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newcomer {
    /// Its name.
    pub name: String,
    /// The group of the nodes.
    pub group: String,
    /// The inventory.
    pub file: PathBuf,
    /// Hosts that there are, those with the most similar names first.
    pub nearest: Vec<String>,
}

impl Newcomer {
    /// Returns what a person should know before it is written down.
    pub fn finding(&self) -> Finding {
        let text = msg::finding::node_is_added(&self.group, &self.name, self.nearest.join(", "));
        Finding::of(text, Severity::Warning, self.file.display().to_string())
    }
}

impl Preview {
    /// Returns the machine if the inventory does not have it; one that is only in no group of nodes is no newcomer.
    pub fn newcomer(&self) -> Option<Newcomer> {
        let (file, member) = self.layout.members.last()?;
        let nearest = alike(&member.host, self.layout.hosts.as_deref().unwrap_or_default());
        let newcomer = Newcomer { name: member.host.clone(), group: member.group.clone(), file: file.clone(), nearest };
        self.inventory_host.is_none().then_some(newcomer)
    }

    /// Returns the first of `names` that is no host of the inventory, with those that are most like it; the newcomer
    /// counts as one.
    pub fn stranger<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Option<(&'n str, Vec<String>)> {
        let hosts = self.layout.hosts.as_deref()?;
        let is_host = |name: &str| name == self.layout.subject || hosts.iter().any(|host| host == name);
        let name = names.into_iter().find(|name| !is_host(name))?;
        Some((name, alike(name, hosts)))
    }
}

/// Returns the names that are most like one that there is not.
fn alike(name: &str, hosts: &[String]) -> Vec<String> {
    let mut hosts: Vec<&String> = hosts.iter().collect();
    hosts.sort_by_cached_key(|host| (strsim::damerau_levenshtein(name, host), (*host).clone()));
    hosts.into_iter().take(NEAREST).cloned().collect()
}

/// Returns the names of the inventory's own hosts; nothing where not all of them are known.
pub(super) fn known_hosts(context: &KubesprayContext) -> Option<Vec<String>> {
    context.inventory_path.as_ref().filter(|_| context.inventory.is_known())?;
    let is_future = |name: &str| context.inventory_host.is_none() && name == context.subject;
    Some(context.inventory.host_names().filter(|name| !is_future(name)).map(str::to_owned).collect())
}

/// Returns the lines to add, each with its file; nothing when the machine is a node already, or when there is no
/// inventory.
pub(super) fn members(files: &dyn Files, context: &KubesprayContext) -> Vec<(PathBuf, Member)> {
    // Who does not know the hosts does not add one.
    let Some(path) = context.inventory_path.as_ref().filter(|_| context.inventory.is_known()) else {
        return Vec::new();
    };
    let group = &context.groups.node;
    let is_node = context.inventory_host.as_ref().is_some_and(|host| context.inventory.is_in(host, group));
    if is_node || context.subject.is_empty() {
        return Vec::new();
    }
    let read = Source::read_all(files, path, &context.ignored);
    let in_file = |group: &str| {
        read.iter().find(|source| source.has_hosts(group)).or(read.first()).map(|source| source.path.clone())
    };
    let member = |group: &str, vars| Member { host: context.subject.clone(), group: group.to_owned(), vars };
    let mut found = Vec::new();
    // Older inventories list every host with its address in [all] and then only by name; newer ones list it where it
    // belongs.
    let has_all = read.iter().any(|source| source.has_hosts("all"));
    let is_new = context.inventory_host.is_none();
    let vars = if is_new { vars(files, context) } else { Vec::new() };
    if is_new && has_all {
        found.extend(in_file("all").map(|path| (path, member("all", vars.clone()))));
    }
    found.extend(in_file(group).map(|path| (path, member(group, if is_new && has_all { Vec::new() } else { vars }))));
    found
}

/// One file of the inventory, read by itself.
struct Source {
    path: PathBuf,
    inventory: Inventory,
    /// It lists hosts under `all`, or has an empty section for them.
    has_all: bool,
}

impl Source {
    fn read_all(files: &dyn Files, path: &Path, ignored: &Ignored) -> Vec<Self> {
        let read = |path: PathBuf| {
            let mut inventory = Inventory::empty();
            let text = files.read_text(&path).unwrap_or_default();
            inventory.add_source(&text, &path);
            let has_all =
                inventory.has_members("all") || text.lines().any(|line| line.trim_start().starts_with("[all]"));
            Self { path, inventory, has_all }
        };
        sources(files, path, ignored).unwrap_or_default().into_iter().map(read).collect()
    }

    fn has_hosts(&self, group: &str) -> bool {
        if group == "all" { self.has_all } else { self.inventory.has_members(group) }
    }
}

/// `ansible_host` and, where the others have it, `ip`: only this machine's own address is known here.
fn vars(files: &dyn Files, context: &KubesprayContext) -> Vec<(String, String)> {
    if !context.is_here || !machine::is_same_name(&context.subject, &context.hostname) {
        return Vec::new();
    }
    let known = |name: &str| -> Vec<String> {
        context.inventory.host_names().filter_map(|host| context.inventory.host_text(host, name)).collect()
    };
    let (hosts, ips) = (known("ansible_host"), known("ip"));
    let Some(address) = nearest(machine::addresses(files), hosts.iter().chain(&ips)) else { return Vec::new() };
    let mut vars = vec![("ansible_host".to_owned(), address.clone())];
    if !ips.is_empty() {
        vars.push(("ip".to_owned(), address));
    }
    vars
}

/// Of several addresses the one that has most in common with those of the other hosts.
fn nearest<'a>(own: Vec<String>, others: impl Iterator<Item = &'a String>) -> Option<String> {
    let others: Vec<&String> = others.collect();
    let common = |address: &String| {
        let shared =
            |other: &&String| address.bytes().zip(other.bytes()).take_while(|(mine, theirs)| mine == theirs).count();
        others.iter().map(shared).max().unwrap_or(0)
    };
    // `max_by_key` takes the last of equals, and the first is the machine's own first.
    own.into_iter().rev().max_by_key(common)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_beside_the_others_is_taken() {
        let own = ["172.17.0.1", "10.0.5.9", "192.168.1.4"].map(str::to_owned).to_vec();
        let others = ["10.0.5.1".to_owned(), "10.0.5.2".to_owned()];
        assert_eq!(nearest(own.clone(), others.iter()).as_deref(), Some("10.0.5.9"));
        assert_eq!(nearest(own, std::iter::empty()).as_deref(), Some("172.17.0.1"));
        assert_eq!(nearest(Vec::new(), others.iter()), None);
    }
}
