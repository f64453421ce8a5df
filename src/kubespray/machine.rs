//! Which inventory host this machine is, and which ansible-core it has.

use std::collections::BTreeSet;

use super::inventory::Inventory;
use crate::host::Files;

/// Returns the inventory host of this machine: the one that was asked for, or by name, by short name, by address, or
/// the only one.
pub(super) fn identify(
    files: &dyn Files,
    inventory: &Inventory,
    asked: Option<&str>,
    hostname: &str,
) -> Option<String> {
    if let Some(node) = asked {
        return inventory.has_host(node).then(|| node.to_owned());
    }
    let hosts: Vec<&str> = inventory.host_names().collect();
    let addresses = if is_here(files, hostname) { addresses(files) } else { Vec::new() };
    let own: BTreeSet<String> = addresses.into_iter().chain([hostname.to_owned()]).collect();
    let has_own_address = |host: &&&str| {
        let mut values = ["ansible_host", "ip", "access_ip"].iter().filter_map(|name| inventory.host_text(host, name));
        values.any(|value| own.contains(value.as_str())) || own.contains(**host)
    };
    let is_short_name = |host: &&&str| !hostname.is_empty() && short(host) == short(hostname);
    let by_name = hosts.iter().find(|host| **host == hostname);
    let found = by_name
        .or_else(|| only(hosts.iter().filter(is_short_name)))
        .or_else(|| only(hosts.iter().filter(has_own_address)));
    found.or_else(|| only(hosts.iter())).map(|host| (*host).to_owned())
}

/// Tells whether the machine of this name is the one whose files are read: a session may have been carried to the
/// Ansible host.
pub(super) fn is_here(files: &dyn Files, hostname: &str) -> bool {
    files.read_value("/proc/sys/kernel/hostname").map_or(true, |name| is_same_name(&name, hostname))
}

/// Tells whether two names are of one machine: the same, or one is the other without its domain.
pub(super) fn is_same_name(one: &str, other: &str) -> bool {
    !one.is_empty() && short(one) == short(other)
}

/// An address is no name with dots to be cut.
fn short(name: &str) -> &str {
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    if is_address { name } else { name.split('.').next().unwrap_or(name) }
}

fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}

/// Returns this machine's IPv4 addresses from the kernel's routing table, without the loopback's.
pub(super) fn addresses(files: &dyn Files) -> Vec<String> {
    let text = files.read_text("/proc/net/fib_trie").unwrap_or_default();
    let mut found = Vec::new();
    let mut last = "";
    for line in text.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address;
        } else if line == "/32 host LOCAL" && !last.starts_with("127.") {
            found.push(last.to_owned());
        }
    }
    found
}
