//! What this program reads out of an inventory, held against the real `ansible-inventory`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "support/program.rs"]
mod program;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use gpunode::{
    host::Host,
    kubespray::inventory::{Inventory, VarsFolder},
};
use program::{Place, shared, tool};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Map, Value};

/// Variables that Ansible sets by itself.
const ANSIBLE_OWN: [&str; 1] = ["ansible_group_priority"];

/// Asks Ansible for all variables of all hosts.
fn ansible(inventory: &Path) -> BTreeMap<String, Map<String, Value>> {
    let output = Command::new(tool("ansible-inventory"))
        .args(["-i", inventory.to_str().unwrap(), "--list"])
        .env("LC_ALL", "C.UTF-8")
        .env("ANSIBLE_LOCALHOST_WARNING", "False")
        .env("ANSIBLE_INVENTORY_UNPARSED_WARNING", "False")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let Value::Object(hosts) = listed["_meta"]["hostvars"].clone() else { return BTreeMap::new() };
    hosts.into_iter().map(|(host, values)| (host, values.as_object().cloned().unwrap_or_default())).collect()
}

/// Reads the same with the program's own reader.
fn ours(inventory: &Path, host: &str) -> Map<String, Value> {
    let machine = Host::local(Path::new("/"));
    let read = Inventory::load(&*machine.files, inventory).unwrap();
    let folder = VarsFolder::read(&*machine.files, inventory.parent().unwrap(), true);
    let definitions = read.definitions(host, &[folder]);
    let mut values: Map<String, Value> = definitions.into_iter().map(|definition| (definition.name, definition.value)).collect();
    ANSIBLE_OWN.iter().for_each(|name| drop(values.remove(*name)));
    values
}

/// Demands the same values for every host; returns how many were compared.
#[track_caller]
fn compare(inventory: &Path) -> usize {
    let mut compared = 0;
    for (host, mut expected) in ansible(inventory) {
        ANSIBLE_OWN.iter().for_each(|name| drop(expected.remove(*name)));
        let found = ours(inventory, &host);
        for name in expected.keys().chain(found.keys()) {
            assert_eq!(found.get(name), expected.get(name), "{host}: {name} in {}", inventory.display());
        }
        compared += expected.len();
    }
    compared
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn every_real_inventory_reads_as_ansible_reads_it() {
    let mut compared = 0;
    for release in fs::read_dir(shared().join("data/kubespray-inventories")).unwrap().map(|entry| entry.unwrap().path()) {
        if !release.is_dir() {
            continue;
        }
        let place = Place::new();
        let folder = place.path("inventory");
        copy(&release.join("sample"), &folder);
        for name in ["local/hosts.ini", "generated/hosts.yaml"] {
            if release.join(name).is_file() {
                let inventory = folder.join(name.replace('/', "-"));
                fs::copy(release.join(name), &inventory).unwrap();
                compared += compare(&inventory);
            }
        }
    }
    assert!(compared > 1000, "only {compared} values were compared");
}

/// Values as people write them into an inventory line or an INI section.
const INI_VALUES: &[&str] = &[
    "1",
    "01",
    "1.10",
    "450.80",
    "true",
    "True",
    "no",
    "yes",
    "None",
    "'x y'",
    "\"a\"",
    "[1, 'b']",
    "{'a': 1}",
    "a=b",
    "v1.2.3",
    "0x10",
    "1e3",
    "1_000",
    "-5",
    "it's",
    "{{ other }}",
];
/// Values as people write them into a variables file.
const YAML_VALUES: &[&str] = &[
    "1",
    "0644",
    "1.10",
    "450.80",
    "true",
    "yes",
    "off",
    "null",
    "~",
    "'x'",
    "\"a\\tb\"",
    "[1, b]",
    "{a: 1, b: [c]}",
    "1_000",
    "12:30:45",
    "0000:18:00.0",
    "0x1F",
    "1e3",
    "v1.2.3",
    "a # b",
    "\n  - x\n  - y",
    "\n  k: v",
    "|\n  two\n  lines",
    ">-\n  one\n  line",
    "\"{{ other }}\"",
];

#[derive(Debug, Clone)]
struct Made {
    ini: String,
    files: BTreeMap<String, String>,
}

fn name(prefix: &'static str, count: usize) -> impl Strategy<Value = String> {
    (0..count).prop_map(move |n| format!("{prefix}{n}"))
}

fn pair(values: &'static [&'static str]) -> impl Strategy<Value = (String, String)> {
    (name("v", 6), prop::sample::select(values)).prop_map(|(name, value)| (name, value.to_owned()))
}

fn ini_value(value: &str) -> String {
    if value.contains(' ') && !value.starts_with(['\'', '"']) { format!("\"{value}\"") } else { value.to_owned() }
}

/// Groups have parents of a smaller number only, so there are no circles.
fn inventory() -> impl Strategy<Value = Made> {
    let line = (name("h", 8), prop::collection::vec(pair(INI_VALUES), 0..3));
    let section = (
        prop::collection::vec(line, 0..4),
        prop::collection::vec(pair(INI_VALUES), 0..4),
        prop::collection::vec(1usize..4, 0..2),
        prop::option::of(0..20),
    );
    let file = (
        prop::sample::select(vec!["group_vars/all", "group_vars/g", "host_vars/h"]),
        0usize..5,
        prop::sample::select(vec!["", ".yml", ".yaml", "/main.yml"]),
        prop::collection::btree_map(name("v", 6), prop::sample::select(YAML_VALUES), 0..4),
    );
    (prop::collection::vec(section, 5), prop::collection::vec(file, 0..8)).prop_map(|(sections, files)| {
        let mut ini = String::new();
        for (index, (hosts, vars, children, priority)) in sections.into_iter().enumerate() {
            ini += &format!("[g{index}]\n");
            for (host, values) in hosts {
                let values: String = values.iter().map(|(name, value)| format!(" {name}={}", ini_value(value))).collect();
                ini += &format!("{host}{values}\n");
            }
            ini += &format!("[g{index}:vars]\n");
            vars.iter().for_each(|(name, value)| ini += &format!("{name}={value}\n"));
            ini += &priority.map(|priority| format!("ansible_group_priority={priority}\n")).unwrap_or_default();
            let children: Vec<_> = children.into_iter().map(|step| index + step).filter(|child| *child < 5).collect();
            if !children.is_empty() {
                ini += &format!("[g{index}:children]\n");
                children.iter().for_each(|child| ini += &format!("g{child}\n"));
            }
        }
        let mut made = BTreeMap::new();
        for (place, number, ending, values) in files {
            let base = if place.ends_with("all") { place.to_owned() } else { format!("{place}{number}") };
            // A file and a folder of one name cannot both be there.
            if made.keys().any(|other: &String| other.starts_with(&base)) {
                continue;
            }
            let text: String = values.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
            made.insert(format!("{base}{ending}"), format!("---\n{text}"));
        }
        Made { ini, files: made }
    })
}

#[test]
fn generated_inventories_read_as_ansible_reads_them() {
    // A few here; more by hand: GPUNODE_ORACLE_CASES=1000.
    let cases = std::env::var("GPUNODE_ORACLE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(25);
    let compared = std::cell::Cell::new(0);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 60, ..Config::default() };
    let result =
        TestRunner::new_with_rng(config, proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha))
            .run(&inventory(), |made| {
                let place = Place::new();
                let ini: PathBuf = place.write("inventory/hosts.ini", &made.ini);
                for (name, text) in &made.files {
                    place.write(&format!("inventory/{name}"), text);
                }
                compared.set(compared.get() + compare(&ini));
                Ok(())
            });
    result.unwrap_or_else(|error| panic!("{error}"));
    assert!(compared.get() > 10 * cases as usize, "only {} values were compared", compared.get());
}
