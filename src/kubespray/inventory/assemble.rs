//! How the groups and hosts of an inventory are put together: what its files say, and what Kubespray adds as it runs.

use std::{collections::BTreeSet, mem, path::Path, sync::Arc};

use serde_json::Value;

use super::{super::release::Groups, Definition, Group, Host, HostLine, Inventory, Level};

impl Inventory {
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

    pub(super) fn add_group(&mut self, name: &str) {
        self.groups.entry(name.into()).or_insert_with(|| Group { priority: 1, ..Group::default() });
    }

    /// Makes a group the child of another one; a circle is an error, as in Ansible.
    pub(super) fn add_child(&mut self, parent: &str, child: &str) -> Result<(), String> {
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
    pub(super) fn add_host(
        &mut self,
        name: &str,
        port: Option<u32>,
        group: &str,
        file: &Arc<Path>,
        line: usize,
    ) -> usize {
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

    pub(super) fn set_host_line(&mut self, index: usize, line: HostLine) -> Result<(), String> {
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

    pub(super) fn set_group_var(
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

    pub(super) fn set_host_var(
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
