//! The real inventories of eight releases held against the real `ansible-inventory`, as they are and after our edits.

use std::{fs, path::Path};

use crate::support::{
    kubespray::{Checkout, RELEASES, files, inventories_of},
    oracle::{HostVars, Oracle},
};
use gpunode::{
    answers::{Answers, DriverOwner},
    host::Files,
    kubespray::{
        config::Config,
        edit,
        inventory::{Ignored, Inventory, VarsFolder},
        preview,
    },
    owner,
};
use serde_json::json;

fn read(inventory: &Path) -> Inventory {
    Inventory::load(&files(), inventory, &Ignored::new(&Config::default())).unwrap()
}

/// What we say about every host that has variables.
fn ours(inventory: &Path, playbooks: &Path) -> HostVars {
    let read = read(inventory);
    assert!(read.problems.is_empty(), "{:?}", read.problems);
    let base = inventory.parent().unwrap();
    let folders = [VarsFolder::read(&files(), base, false), VarsFolder::read(&files(), playbooks, true)];
    let vars = |host: &str| {
        read.definitions(host, &folders).into_iter().map(|definition| (definition.name, definition.value)).collect()
    };
    let all: HostVars = read.host_names().map(|host| (host.to_owned(), vars(host))).collect();
    all.into_iter().filter(|(_, vars)| !vars.is_empty()).collect()
}

#[test]
fn every_variable_of_every_real_inventory_is_equal() {
    let mut oracle = Oracle::start();
    for release in RELEASES {
        for name in inventories_of(release) {
            let checkout = Checkout::of(release, name);
            if name.starts_with("sample") {
                // The sample's hosts are comments; as real lines they get all the group's variables.
                let text = fs::read_to_string(&checkout.inventory).unwrap().replace("\n# node", "\nnode");
                fs::write(&checkout.inventory, text).unwrap();
            }
            checkout
                .add("group_vars/all/zz.yml", "docker_storage_options: -s overlay2\nnvidia_driver_version: 450.80\n");
            match oracle.hosts(&checkout.inventory, &checkout.path) {
                Ok(theirs) => {
                    assert!(
                        theirs.values().all(|vars| vars.len() > 20),
                        "{release} {name}: Ansible sees the group variables"
                    );
                    assert_eq!(ours(&checkout.inventory, &checkout.path), theirs, "{release} {name}");
                }
                // One old inventory names a group that it does not declare.
                Err(_) => assert!(!read(&checkout.inventory).problems.is_empty(), "{release} {name}"),
            }
        }
    }
}

#[test]
fn after_an_edit_ansible_sees_the_new_values_and_the_old_bytes_come_back() {
    let mut oracle = Oracle::start();
    for release in RELEASES {
        let groups = if release < "v2.16" {
            ["kube-master", "kube-node", "k8s-cluster"]
        } else {
            ["kube_control_plane", "kube_node", "k8s_cluster"]
        };
        let [control_plane, node, cluster] = groups;
        let text =
            format!("[{control_plane}]\nnode1\n[{node}]\nnode1\n[{cluster}:children]\n{control_plane}\n{node}\n");
        let checkout = Checkout::with_inventory(release, &text);
        let mut request = checkout.request();
        request.control_plane_os = Some("centos-7".to_owned());
        let mut answers = Answers::new(DriverOwner::InstallerPod);
        answers.driver_version = Some("450.80".parse().unwrap());
        let before = preview(&files(), &request).unwrap();
        let changes = owner::values(&before, &answers);
        let edits = edit::propose(&files(), &before, &changes, &[]).unwrap();
        assert!(!edits.is_empty());
        for edit in &edits {
            assert_eq!(fs::read_to_string(&edit.path).unwrap(), edit.before);
            files().write(&edit.path, edit.after.as_bytes(), 0o644).unwrap();
        }
        let seen = oracle.hosts(&checkout.inventory, &checkout.path).unwrap().remove("node1").unwrap();
        for change in &changes {
            assert_eq!(seen.get(&change.variable), change.value.as_ref(), "{release} {}", change.variable);
        }
        assert_eq!(seen["nvidia_driver_version"], json!("450.80"));
        for edit in &edits {
            files().write(&edit.path, edit.before.as_bytes(), 0o644).unwrap();
        }
        let undone = oracle.hosts(&checkout.inventory, &checkout.path).unwrap().remove("node1").unwrap();
        assert!(!undone.contains_key("nvidia_accelerator_enabled"), "{release}");
        assert_eq!(preview(&files(), &request).unwrap(), before, "{release}");
    }
}

#[test]
fn a_new_node_joins_the_inventory_of_every_release_and_ansible_sees_it_there() {
    let mut oracle = Oracle::start();
    for release in RELEASES {
        let old = release < "v2.16";
        for name in inventories_of(release) {
            let checkout = Checkout::of(release, name);
            let mut request = checkout.request();
            request.node = Some("gpu9".to_owned());
            request.hostname = "ansible-host".to_owned();
            let before = preview(&files(), &request).unwrap();
            let group = if old { "kube-node" } else { "kube_node" };
            let groups_before =
                oracle.hosts(&checkout.inventory, &checkout.path).is_ok().then(|| oracle.groups(&checkout.inventory));
            if groups_before.is_none() {
                // An inventory that Ansible cannot read gets no host.
                assert!(before.layout.members.is_empty(), "{release} {name}");
                continue;
            }
            assert!(before.layout.members.iter().any(|(_, member)| member.group == group), "{release} {name}");
            let edits = edit::propose(&files(), &before, &[], &before.layout.members).unwrap();
            assert_eq!(edits.len(), 1, "{release} {name}");
            let added: Vec<&str> =
                edits[0].after.lines().filter(|line| !edits[0].before.lines().any(|old| old == *line)).collect();
            assert!(added.iter().all(|line| line.contains("gpu9")), "{release} {name}: {added:?}");
            files().write(&edits[0].path, edits[0].after.as_bytes(), 0o644).unwrap();
            let mut groups = oracle.groups(&checkout.inventory);
            assert_eq!(groups[group].last().map(String::as_str), Some("gpu9"), "{release} {name}");
            for hosts in groups.values_mut() {
                hosts.retain(|host| host != "gpu9");
            }
            let mut groups_before = groups_before.expect("readable before");
            // Who is in no group at all is counted as ungrouped, and that changes with the first real group.
            groups.remove("ungrouped");
            groups_before.remove("ungrouped");
            groups.retain(|_, hosts| !hosts.is_empty());
            groups_before.retain(|_, hosts| !hosts.is_empty());
            assert_eq!(groups, groups_before, "{release} {name}: nobody else has moved");
            let after = preview(&files(), &request).unwrap();
            assert_eq!(
                (after.inventory_host.as_deref(), after.layout.members.len()),
                (Some("gpu9"), 0),
                "{release} {name}"
            );
        }
    }
}

#[test]
fn what_we_write_is_what_ansible_reads_whatever_the_text() {
    let mut oracle = Oracle::start();
    let checkout = Checkout::of("v2.31.0", "local/hosts.ini");
    let file = checkout.path.join("inventory/mycluster/group_vars/all/zz.yml");
    let texts = [
        "yes",
        "12:30:45",
        "1_000",
        "2020-07-08",
        "=",
        "tab\there",
        "0644",
        "450.80",
        "0000:18:00.0",
        "#no",
        "a: b",
        "- x",
        "{{ y }}",
        "\"q\" 'q'",
        "back\\slash",
        "line\nbreak",
        "é한글😀",
        "\u{85}\u{2028}\u{feff}\u{7f}",
        " lead and trail ",
        "",
        "~",
        "!tag",
        "&a",
        "*a",
        "%x",
        "@x",
        "`x`",
        "null",
    ];
    let mut text = String::new();
    let changes: Vec<_> =
        texts.iter().enumerate().map(|(index, text)| edit::Change::new(&format!("v{index}"), *text)).collect();
    for change in &changes {
        text = edit::set(&text, change).unwrap();
    }
    let list = edit::Change::new("list", texts.to_vec());
    text = edit::set(&text, &list).unwrap();
    fs::write(&file, &text).unwrap();
    let seen = oracle.hosts(&checkout.inventory, &checkout.path).unwrap().remove("node1").unwrap();
    for change in changes.iter().chain([&list]) {
        assert_eq!(seen.get(&change.variable), change.value.as_ref(), "{text}");
    }
}
