//! Adding a host to an inventory as text: one line in a section, nothing else. The guard reads the new text again and
//! demands the old inventory and the new member, exactly.

use std::{collections::HashSet, path::Path};

use super::write::newline;
use crate::kubespray::{
    inventory::{Inventory, Member},
    yaml11::{self, Entry, Node, NodeKind},
};

/// Returns the text of an inventory file with the member added; the error says why it cannot be done safely.
pub fn add(text: &str, file: &Path, member: &Member) -> Result<String, String> {
    let is_yaml = matches!(file.extension().and_then(|ending| ending.to_str()), Some("yaml" | "yml"))
        || (file.extension().is_none()
            && text
                .lines()
                .map(str::trim)
                .find(|line| !line.is_empty() && !line.starts_with('#'))
                .is_some_and(|line| line == "---" || line.ends_with(':')));
    let after = if is_yaml { in_yaml(text, member) } else { Some(in_ini(text, member)) };
    let after = after.ok_or("it is written in a way that this program cannot change safely")?;
    if is_exactly(text, &after, file, member) {
        Ok(after)
    } else {
        Err("the change would not read back as exactly that".to_owned())
    }
}

/// The guard.
fn is_exactly(before: &str, after: &str, file: &Path, member: &Member) -> bool {
    let read = |text: &str| {
        let mut inventory = Inventory::empty();
        inventory.add_source(text, file);
        inventory
    };
    let (old, new) = (read(before), read(after));
    if !old.is_known() || !new.is_known() {
        return false;
    }
    let members: HashSet<&str> = old.hosts_of(&member.group).into_iter().collect();
    let added: Vec<&str> = new.hosts_of(&member.group).into_iter().filter(|host| !members.contains(host)).collect();
    let values = |inventory: &Inventory, host: &str| -> Vec<(String, serde_json::Value)> {
        inventory.definitions(host, &[]).into_iter().map(|definition| (definition.name, definition.value)).collect()
    };
    let is_same = |host: &str| values(&old, host) == values(&new, host) && old.groups_of(host) == new.groups_of(host);
    let has_vars = member.vars.iter().all(|(name, value)| new.host_text(&member.host, name).as_ref() == Some(value));
    let hosts: Vec<&str> = new.host_names().filter(|host| *host != member.host).collect();
    added == [member.host.as_str()]
        && has_vars
        && hosts.iter().eq(old.host_names().filter(|host| *host != member.host).collect::<Vec<_>>().iter())
        && hosts.iter().all(|host| is_same(host))
}

/// Puts a line behind the line that ends at or before `at`.
fn with_line(text: &str, at: usize, line: &str) -> String {
    let newline = newline(text);
    let (head, tail) = text.split_at(at);
    if head.is_empty() || head.ends_with('\n') {
        format!("{head}{line}{newline}{tail}")
    } else {
        format!("{head}{newline}{line}{tail}")
    }
}

/// Behind the last host of `[group]`; a new section at the end where there is none.
fn in_ini(text: &str, member: &Member) -> String {
    let words: Vec<String> = member.vars.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    let line = format!("{}{}", member.host, words.concat());
    let header = |line: &str| {
        let inner = line.trim().strip_prefix('[')?.split_once(']')?.0.to_owned();
        (inner == member.group || inner == format!("{}:hosts", member.group)).then_some(())
    };
    let (mut at, mut end, mut inside) = (0, None, false);
    for part in text.split_inclusive('\n') {
        let is_header = part.trim_start().starts_with('[') && !part.trim().starts_with("[[");
        if is_header {
            inside = end.is_none() && header(part).is_some();
        }
        at += part.len();
        let says_something = !part.trim().is_empty() && !part.trim_start().starts_with(['#', ';']);
        if inside && says_something {
            end = Some(at);
        }
    }
    if let Some(end) = end {
        return with_line(text, end, &line);
    }
    let newline = newline(text);
    let gap = if text.is_empty() || text.ends_with("\n\n") || text.ends_with("\r\n\r\n") { "" } else { newline };
    let start = if text.is_empty() || text.ends_with('\n') { "" } else { newline };
    format!("{text}{start}{gap}[{}]{newline}{line}{newline}", member.group)
}

/// Behind the last host of the group's `hosts`, or below `hosts:` where it is empty.
fn in_yaml(text: &str, member: &Member) -> Option<String> {
    let root = yaml11::parse(text).ok()??;
    let group = find(&root, &member.group)?;
    let newline = newline(text);
    let lines = |indent: &str| {
        let key =
            if yaml11::plain(&member.host).is_string() { member.host.clone() } else { format!("\"{}\"", member.host) };
        let vars = member.vars.iter().map(|(name, value)| format!("{indent}  {name}: \"{value}\""));
        std::iter::once(format!("{indent}{key}:")).chain(vars).collect::<Vec<_>>().join(newline)
    };
    let hosts = group.value.entries().iter().find(|entry| entry.key == "hosts");
    match hosts {
        Some(Entry { value: Node { kind: NodeKind::Map(entries), start, .. }, .. })
            if !text[*start..].starts_with('{') =>
        {
            let (first, last) = (entries.first()?, entries.last()?);
            Some(with_line(
                text,
                line_end(text, last.value.end.max(last.start + last.key.len())),
                &lines(&indent_of(text, first.start)?),
            ))
        }
        Some(hosts) if hosts.value.is_null() => {
            let indent = format!("{}  ", indent_of(text, hosts.start)?);
            Some(with_line(text, line_end(text, hosts.start), &lines(&indent)))
        }
        Some(_) => None,
        None => {
            // A group without `hosts` gets them as its first part.
            let inner = match group.value.entries().first() {
                Some(first) if !text[group.value.start..].starts_with('{') => indent_of(text, first.start)?,
                None if group.value.is_null() => format!("{}  ", indent_of(text, group.start)?),
                _ => return None,
            };
            let block = format!("{inner}hosts:{newline}{}", lines(&format!("{inner}  ")));
            Some(with_line(text, line_end(text, group.start), &block))
        }
    }
}

/// Finds a group at any depth; where it is named more than once, the one that says most about itself.
fn find<'n>(node: &'n Node, name: &str) -> Option<&'n Entry> {
    let mut found: Vec<&Entry> = Vec::new();
    let mut queue: Vec<&Entry> = node.entries().iter().collect();
    while let Some(entry) = queue.pop() {
        if entry.key == name {
            found.push(entry);
        }
        let children = entry.value.entries().iter().find(|part| part.key == "children");
        queue.extend(children.into_iter().flat_map(|children| children.value.entries()));
    }
    found.into_iter().max_by_key(|entry| entry.value.entries().len())
}

fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |end| at + end + 1)
}

/// The white space in front of a key that stands alone on its line.
fn indent_of(text: &str, start: usize) -> Option<String> {
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let indent = &text[line_start..start];
    indent.trim().is_empty().then(|| indent.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(group: &str, vars: &[(&str, &str)]) -> Member {
        let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Member { host: "gpu1".to_owned(), group: group.to_owned(), vars }
    }

    fn ini(text: &str, member: &Member) -> Result<String, String> {
        add(text, Path::new("/i/inventory.ini"), member)
    }

    fn yaml(text: &str, member: &Member) -> Result<String, String> {
        add(text, Path::new("/i/hosts.yaml"), member)
    }

    #[test]
    fn a_line_goes_behind_the_last_host_of_its_section() {
        let text = "[all]\nnode1 ansible_host=10.0.0.1 # first\n# node2\n\n[kube_node]\nnode1\n\n[etcd]\nnode1\n";
        assert_eq!(
            ini(text, &member("kube_node", &[])).unwrap(),
            "[all]\nnode1 ansible_host=10.0.0.1 # first\n# node2\n\n[kube_node]\nnode1\ngpu1\n\n[etcd]\nnode1\n"
        );
        let with_address = ini(text, &member("all", &[("ansible_host", "10.0.0.9"), ("ip", "10.0.0.9")])).unwrap();
        assert!(with_address.contains("# first\ngpu1 ansible_host=10.0.0.9 ip=10.0.0.9\n# node2\n"), "{with_address}");
        assert_eq!(ini("[kube_node]\r\nn\r\n", &member("kube_node", &[])).unwrap(), "[kube_node]\r\nn\r\ngpu1\r\n");
        assert_eq!(ini("[kube_node]\nn", &member("kube_node", &[])).unwrap(), "[kube_node]\nn\ngpu1");
        assert_eq!(ini("[kube_node]\n\n[x]\nn\n", &member("kube_node", &[])).unwrap(), "[kube_node]\ngpu1\n\n[x]\nn\n");
        assert_eq!(ini("n\n[x]\nn\n", &member("kube_node", &[])).unwrap(), "n\n[x]\nn\n\n[kube_node]\ngpu1\n");
    }

    #[test]
    fn sections_for_children_and_variables_are_not_taken_for_hosts() {
        let text = "[kube_node:children]\nrack1\n[rack1]\nn\n[kube_node:vars]\na=1\n";
        assert_eq!(ini(text, &member("kube_node", &[])).unwrap(), format!("{text}\n[kube_node]\ngpu1\n"));
    }

    #[test]
    fn a_host_that_is_there_only_gains_the_group() {
        let text = "[all]\ngpu1 ip=10.0.0.9\n[kube_node]\n";
        assert_eq!(ini(text, &member("kube_node", &[])).unwrap(), "[all]\ngpu1 ip=10.0.0.9\n[kube_node]\ngpu1\n");
        assert!(ini("[kube_node]\ngpu1\n", &member("kube_node", &[])).is_err(), "nothing is there to add");
    }

    #[test]
    fn yaml_gains_an_entry_in_its_own_style() {
        let text = "all:\n  hosts:\n    node1:\n      ansible_host: 10.0.0.1  # first\n  children:\n    kube_node:\n      hosts:\n        node1:\n    etcd:\n      hosts:\n        node1:\n";
        assert_eq!(
            yaml(text, &member("kube_node", &[])).unwrap(),
            text.replace(
                "    kube_node:\n      hosts:\n        node1:\n",
                "    kube_node:\n      hosts:\n        node1:\n        gpu1:\n"
            )
        );
        assert_eq!(
            yaml(text, &member("all", &[("ansible_host", "10.0.0.9")])).unwrap(),
            text.replace("# first\n", "# first\n    gpu1:\n      ansible_host: \"10.0.0.9\"\n")
        );
        assert_eq!(
            yaml("all:\n  children:\n    kube_node:\n      hosts:\n", &member("kube_node", &[])).unwrap(),
            "all:\n  children:\n    kube_node:\n      hosts:\n        gpu1:\n"
        );
        assert_eq!(
            yaml("all:\n  hosts:\n    n:\n  children:\n    kube_node:\n", &member("kube_node", &[])).unwrap(),
            "all:\n  hosts:\n    n:\n  children:\n    kube_node:\n      hosts:\n        gpu1:\n"
        );
    }

    #[test]
    fn what_cannot_be_changed_safely_is_refused() {
        assert!(yaml("all: {children: {kube_node: {hosts: {n: }}}}\n", &member("kube_node", &[])).is_err());
        assert!(yaml("{\"all\": {\"hosts\": {\"n\": null}}}", &member("all", &[])).is_err());
        assert!(ini("[kube_node]\nn x\n", &member("kube_node", &[])).is_err(), "Ansible refuses the file as it is");
        assert!(
            yaml(
                "all:\n  hosts:\n    n: &a\n      x: 1\n  children:\n    kube_node:\n      hosts: *a\n",
                &member("kube_node", &[])
            )
            .is_err()
        );
    }
}
