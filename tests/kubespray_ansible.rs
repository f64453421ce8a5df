//! More of our reading held against the real `ansible-inventory` than `kubespray_oracle` does: YAML inventories, variables beside the
//! playbooks, host ranges, quoting, files that Ansible refuses, and the values that it sees after our edits of each release's files.
//!
//! Ansible is looked for in the folder `GPUNODE_ANSIBLE_BIN`, then in `target/venv/bin`, then in PATH; without it these tests fail.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may stop a test")]

#[path = "support/kubespray.rs"]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use gpunode::{
    answers::{Answers, DriverOwner},
    host::Files,
    kubespray::{
        edit,
        inventory::{Inventory, VarsFolder},
        preview, values,
    },
};
use proptest::{prelude::*, sample::select, test_runner::Config};
use serde_json::{Map, Value, json};
use support::{Checkout, RELEASES, data, files};

type HostVars = BTreeMap<String, Map<String, Value>>;

fn ansible_inventory() -> PathBuf {
    let own = std::env::var_os("GPUNODE_ANSIBLE_BIN").map(PathBuf::from);
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = own.into_iter().chain([venv]).chain(std::env::split_paths(&path));
    let found = places.map(|place| place.join("ansible-inventory")).find(|program| program.is_file());
    found.expect("`ansible-inventory` is needed: python3 -m venv target/venv && target/venv/bin/pip install 'ansible-core>=2.18,<2.19'")
}

/// What Ansible says about every host. `None` when it cannot parse the inventory.
fn theirs(inventory: &Path, playbooks: &Path) -> Option<HostVars> {
    let output = Command::new(ansible_inventory())
        .args(["--list", "--playbook-dir"])
        .arg(playbooks)
        .arg("-i")
        .arg(inventory)
        .current_dir(inventory.parent().unwrap())
        .env("ANSIBLE_INVENTORY_UNPARSED_FAILED", "true")
        .env("ANSIBLE_NOCOLOR", "1")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    if !output.status.success() {
        return None;
    }
    let list: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    Some(serde_json::from_value(list["_meta"]["hostvars"].clone()).unwrap())
}

/// What we say about every host that has variables.
fn ours(inventory: &Path, playbooks: &Path) -> HostVars {
    let read = Inventory::load(&files(), inventory).unwrap();
    assert!(read.problems.is_empty(), "{:?}", read.problems);
    let base = inventory.parent().unwrap();
    let folders = [VarsFolder::read(&files(), base, false), VarsFolder::read(&files(), playbooks, true)];
    let vars = |host: &str| read.definitions(host, &folders).into_iter().map(|definition| (definition.name, definition.value)).collect();
    let all: HostVars = read.host_names().map(|host| (host.to_owned(), vars(host))).collect();
    all.into_iter().filter(|(_, vars)| !vars.is_empty()).collect()
}

/// Tells whether we name a line that cannot be read.
fn is_refused(inventory: &Path, playbooks: &Path) -> bool {
    let folders = [(inventory.parent().unwrap(), false), (playbooks, true)];
    let is_bad = |(base, beside): (&Path, bool)| VarsFolder::read(&files(), base, beside).files().any(|file| file.error.is_some());
    !Inventory::load(&files(), inventory).unwrap().problems.is_empty() || folders.into_iter().any(is_bad)
}

fn inventories_of(release: &str) -> Vec<String> {
    let candidates = ["sample/inventory.ini", "local/hosts.ini", "generated/hosts.yaml"];
    candidates.into_iter().filter(|name| data().join(release).join(name).is_file()).map(str::to_owned).collect()
}

#[test]
fn every_variable_of_every_real_inventory_is_equal() {
    for release in RELEASES {
        for name in inventories_of(release) {
            let checkout = Checkout::of(release, &name);
            if name.starts_with("sample") {
                // The sample's hosts are comments; as real lines they get all the group's variables.
                let text = fs::read_to_string(&checkout.inventory).unwrap().replace("\n# node", "\nnode");
                fs::write(&checkout.inventory, text).unwrap();
            }
            checkout.add("group_vars/all/zz.yml", "docker_storage_options: -s overlay2\nnvidia_driver_version: 450.80\n");
            match theirs(&checkout.inventory, &checkout.path) {
                Some(theirs) => {
                    assert!(theirs.values().all(|vars| vars.len() > 20), "{release} {name}: Ansible sees the group variables");
                    assert_eq!(ours(&checkout.inventory, &checkout.path), theirs, "{release} {name}");
                }
                // One old inventory names a group that it does not declare.
                None => assert!(!Inventory::load(&files(), &checkout.inventory).unwrap().problems.is_empty(), "{release} {name}"),
            }
        }
    }
}

#[test]
fn after_an_edit_ansible_sees_the_new_values_and_the_old_bytes_come_back() {
    for release in RELEASES {
        let groups = if release < "v2.16" {
            ["kube-master", "kube-node", "k8s-cluster"]
        } else {
            ["kube_control_plane", "kube_node", "k8s_cluster"]
        };
        let [control_plane, node, cluster] = groups;
        let text = format!("[{control_plane}]\nnode1\n[{node}]\nnode1\n[{cluster}:children]\n{control_plane}\n{node}\n");
        let checkout = Checkout::with_inventory(release, &text);
        let mut request = checkout.request();
        request.control_plane_os = Some("centos-7".to_owned());
        let mut answers = Answers::new(DriverOwner::InstallerPod);
        answers.driver_version = Some("450.80".parse().unwrap());
        let before = preview(&files(), &request).unwrap();
        let changes = values::proposed(&before, &answers);
        let edits = edit::propose(&files(), &before, &changes).unwrap();
        assert!(!edits.is_empty());
        for edit in &edits {
            assert_eq!(fs::read_to_string(&edit.path).unwrap(), edit.before);
            files().write(&edit.path, edit.after.as_bytes(), 0o644).unwrap();
        }
        let seen = theirs(&checkout.inventory, &checkout.path).unwrap().remove("node1").unwrap();
        for change in &changes {
            assert_eq!(seen.get(&change.variable), Some(&change.value), "{release} {}", change.variable);
        }
        assert_eq!(seen["nvidia_driver_version"], json!("450.80"));
        for edit in &edits {
            files().write(&edit.path, edit.before.as_bytes(), 0o644).unwrap();
        }
        let undone = theirs(&checkout.inventory, &checkout.path).unwrap().remove("node1").unwrap();
        assert!(!undone.contains_key("nvidia_accelerator_enabled"), "{release}");
        assert_eq!(preview(&files(), &request).unwrap(), before, "{release}");
    }
}

// Generated inventories.

const GROUPS: [&str; 6] = ["k8s-cluster", "kube-node", "kube_node", "gpu", "a1", "z9"];
const NAMES: [&str; 5] = ["nvidia_driver_version", "nvidia_gpu_nodes", "nvidia_accelerator_enabled", "kube_override_hostname", "x"];

/// Values as people write them in an INI inventory, and a few that no one should.
const INI_VALUES: [&str; 24] = [
    "450.80",
    "450.51.06",
    "True",
    "true",
    "None",
    "0644",
    "0o17",
    "1_000",
    "1e3",
    "-5",
    "['node1', \"b\"]",
    "[node1]",
    "{'a': [1, (2,)]}",
    "'quoted'",
    "-s",
    "12:30",
    "a=b",
    "0x1f",
    "1.",
    "(1)",
    "'a' 'b'",
    "http://h/p",
    "{{ x }}",
    "\"\"",
];

/// Values as people write them in YAML.
const YAML_VALUES: [&str; 32] = [
    "450.80",
    "450.51.06",
    "\"450.80\"",
    "yes",
    "Off",
    "'yes'",
    "",
    "~",
    "0644",
    "0o17",
    "1_000",
    "1e3",
    "1.5e+3",
    "[node1, 'b', 12:30]",
    "{a: 1, yes: no}",
    "12:30:45",
    "0000:18:00.0",
    "52:54:00:12:34:56",
    "2020-07-08",
    "=",
    "-s overlay2",
    "a # c",
    "'it''s'",
    "\"tab\\tx\\u00e9\"",
    "\"{{a}}x\"",
    "0x1F",
    "0b11",
    ".5",
    "\n  - one\n  - two # c\n  -",
    "\n  k: v\n  l: [1]",
    "|\n  line\n  two",
    ">-\n  folded\n  text",
];

#[derive(Debug, Clone)]
struct Plan {
    yaml: bool,
    hosts: Vec<(usize, &'static str)>,
    children: Vec<(usize, usize)>,
    host_vars: Vec<(usize, &'static str)>,
    group_vars: Vec<(usize, usize, usize)>,
    priorities: Vec<(usize, i64)>,
    files: Vec<(usize, &'static str, usize, usize)>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let group = 0..GROUPS.len();
    let hosts =
        prop::collection::vec((group.clone(), select(vec!["node1", "node2", "gpu[01:03]", "r[a:b]-n[1:3:2]", "other.example.com"])), 1..7);
    let children = prop::collection::vec((group.clone(), group.clone()), 0..6);
    let host_vars = prop::collection::vec((0..INI_VALUES.len(), select(NAMES.to_vec())), 0..4);
    let group_vars = prop::collection::vec((group.clone(), 0..NAMES.len(), 0..YAML_VALUES.len()), 0..6);
    let priorities = prop::collection::vec((group, -2i64..20), 0..3);
    let place = select(vec![
        "group_vars/{}",
        "group_vars/{}.yml",
        "group_vars/{}.yaml",
        "group_vars/{}/a.yml",
        "group_vars/{}/sub/c.yaml",
        "group_vars/{}/b",
        "group_vars/all.yml",
        "group_vars/all/x.yml",
        "group_vars/{}/n.txt",
        "group_vars/{}/.hidden.yml",
        "host_vars/node1.yml",
        "host_vars/node2/v",
        "host_vars/gpu01.yaml",
        "playbooks/group_vars/{}.yml",
        "playbooks/group_vars/all/p.yml",
        "playbooks/host_vars/node1.yml",
    ]);
    let files = prop::collection::vec((0..GROUPS.len(), place, 0..NAMES.len(), 0..YAML_VALUES.len()), 0..9);
    (any::<bool>(), hosts, children, host_vars, group_vars, priorities, files).prop_map(
        |(yaml, hosts, children, host_vars, group_vars, priorities, files)| {
            // Only from a lower to a higher group, so that there is no circle.
            let children = children.into_iter().filter(|(parent, child)| parent < child).collect();
            Plan { yaml, hosts, children, host_vars, group_vars, priorities, files }
        },
    )
}

impl Plan {
    fn ini(&self) -> String {
        use std::fmt::Write;
        let mut out = "# generated\nsolo nvidia_gpu_flavor=tesla # comment\n".to_owned();
        for name in GROUPS {
            writeln!(out, "[{name}]").unwrap();
        }
        for (index, (group, hosts)) in self.hosts.iter().enumerate() {
            writeln!(out, "[{}] # hosts\n{hosts}{}", GROUPS[*group], self.line_vars(index)).unwrap();
        }
        for (parent, child) in &self.children {
            writeln!(out, "[{}:children]\n{}", GROUPS[*parent], GROUPS[*child]).unwrap();
        }
        for (group, name, value) in &self.group_vars {
            writeln!(out, "[{}:vars]\n{} = {}", GROUPS[*group], NAMES[*name], INI_VALUES[value % INI_VALUES.len()]).unwrap();
        }
        for (group, priority) in &self.priorities {
            writeln!(out, "[{}:vars]\nansible_group_priority={priority}", GROUPS[*group]).unwrap();
        }
        out
    }

    /// The variables behind a host, quoted in one of the ways that people quote.
    fn line_vars(&self, index: usize) -> String {
        let quote = |value: &str| match index % 3 {
            0 => format!("\"{}\"", value.replace('"', "\\\"")),
            1 if !value.contains('\'') => format!("'{value}'"),
            _ => value.replace(' ', ""),
        };
        let words: Vec<String> = self.host_vars.iter().map(|(value, name)| format!(" {name}={}", quote(INI_VALUES[*value]))).collect();
        words.concat()
    }

    fn yaml(&self) -> String {
        use std::fmt::Write;
        let mut out = "all:\n  children:\n".to_owned();
        for (index, name) in GROUPS.iter().enumerate() {
            writeln!(out, "    {name}:").unwrap();
            let priorities: BTreeMap<_, _> = self.priorities.iter().copied().collect();
            let mut vars: BTreeMap<&str, String> = BTreeMap::new();
            for (_, name, value) in self.group_vars.iter().filter(|(group, ..)| *group == index) {
                vars.insert(NAMES[*name], YAML_VALUES[*value].replace('\n', "\n        "));
            }
            vars.extend(priorities.get(&index).map(|priority| ("ansible_group_priority", priority.to_string())));
            section(&mut out, "vars", vars.iter().map(|(name, value)| format!("{name}: {value}")));
            let hosts: BTreeMap<_, _> =
                self.hosts.iter().enumerate().filter(|(_, (group, _))| *group == index).map(|(at, (_, hosts))| (*hosts, at)).collect();
            let values = |at: usize| {
                self.host_vars.iter().take(1).map(move |(value, name)| format!("\n          {name}: {}", YAML_VALUES[(value + at) % 24]))
            };
            section(&mut out, "hosts", hosts.iter().map(|(hosts, at)| format!("{}: {}", json!(hosts), values(*at).collect::<String>())));
            let children: BTreeSet<_> =
                self.children.iter().filter(|(parent, _)| *parent == index).map(|(_, child)| GROUPS[*child]).collect();
            section(&mut out, "children", children.iter().map(|child| format!("{child}:")));
        }
        out
    }
}

fn section(out: &mut String, name: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.map(|line| format!("        {line}\n")).collect();
    if !lines.is_empty() {
        *out = format!("{out}      {name}:\n{}", lines.concat());
    }
}

/// Every case starts Ansible, so there are few; more by hand with `GPUNODE_ORACLE_CASES=1000`.
fn cases() -> u32 {
    std::env::var("GPUNODE_ORACLE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(25)
}

proptest! {
    #![proptest_config(Config { cases: cases(), max_shrink_iters: 60, failure_persistence: None, ..Config::default() })]

    #[test]
    fn generated_inventories_are_equal(plan in plan()) {
        let root = tempfile::tempdir().unwrap();
        let inventory = root.path().join(if plan.yaml { "hosts.yaml" } else { "inventory.ini" });
        fs::write(&inventory, if plan.yaml { plan.yaml() } else { plan.ini() }).unwrap();
        for (group, place, name, value) in &plan.files {
            let path = root.path().join(place.replace("{}", GROUPS[*group]));
            // A place may be a file in one definition and a folder in the next; the first one stays.
            if path.is_dir() || fs::create_dir_all(path.parent().unwrap()).is_err() {
                continue;
            }
            let before = fs::read_to_string(&path).unwrap_or_default();
            fs::write(&path, format!("{before}{}: {}\n", NAMES[*name], YAML_VALUES[*value])).unwrap();
        }
        let playbooks = root.path().join("playbooks");
        fs::create_dir_all(&playbooks).unwrap();
        match theirs(&inventory, &playbooks) {
            Some(theirs) => prop_assert_eq!(ours(&inventory, &playbooks), theirs, "\n{}", fs::read_to_string(&inventory).unwrap()),
            // What Ansible refuses, we refuse.
            None => prop_assert!(is_refused(&inventory, &playbooks), "Ansible refuses:\n{}", fs::read_to_string(&inventory).unwrap()),
        }
    }
}
