//! The Ansible collection: written out by the program and run by the real ansible-playbook over simulated machines of
//! all kinds, good and bad, each with files of its own.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::support::program::{Place, Ran, tool};

/// What `ansible-playbook` did on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Recap {
    changed: u32,
    unreachable: u32,
    failed: u32,
}

/// A controller with an inventory of simulated machines.
struct Controller {
    place: Place,
    binary: PathBuf,
}

impl Controller {
    /// Writes the collection with a binary that is small enough to be copied a dozen times.
    fn new() -> Self {
        let place = Place::new();
        let binary = place.path("gpunode");
        let mut strip = Command::new("strip");
        strip.arg("-o").arg(&binary).arg(env!("CARGO_BIN_EXE_gpunode"));
        let stripped = strip.status().expect("strip");
        assert!(stripped.success());
        let controller = Self { place, binary };
        controller.gpunode(&["ansible", "collections"]).demand(0);
        let stand_in = "collections/ansible_collections/kubernetes_sigs/kubespray";
        controller
            .place
            .write(&format!("{stand_in}/galaxy.yml"), "namespace: kubernetes_sigs\nname: kubespray\nversion: 2.31.0\n");
        let count = controller.place.path("kubespray-runs").display().to_string();
        controller.place.write(
            &format!("{stand_in}/playbooks/cluster.yml"),
            &format!(
                "- hosts: gpu_node\n  gather_facts: false\n  tasks:\n    - ansible.builtin.shell: echo run >> {count}\n      run_once: true\n      delegate_to: localhost\n"
            ),
        );
        controller
    }

    fn gpunode(&self, args: &[&str]) -> Ran {
        let mut command = Command::new(&self.binary);
        command.args(args).env_clear().env("HOME", self.place.folder.path()).env("LANG", "C.UTF-8");
        command.current_dir(self.place.folder.path()).stdin(std::process::Stdio::null());
        Ran::from(command.output().expect("the program starts"))
    }

    /// Writes the inventory: each line is a host with variables of its own.
    fn inventory(&self, hosts: &[String]) {
        let folder = self.place.folder.path().display();
        let binary = self.binary.display();
        let text = format!(
            "[gpu_node]\n{}\n[gpu_node:vars]\nansible_python_interpreter=/usr/bin/python3\ngpunode_controller_binary={binary}\n\
             gpunode_binary={folder}/nodes/{{{{ inventory_hostname }}}}/gpunode\ngpunode_session={folder}/nodes/{{{{ inventory_hostname }}}}/session.yaml\n",
            hosts.join("\n")
        );
        self.place.write("inventory.ini", &text);
        for host in hosts {
            fs::create_dir_all(self.node(host.split(' ').next().unwrap())).unwrap();
        }
        self.place.write(
            "group_vars/gpu_node.yml",
            "gpunode_options: ['--demo=ubuntu-2404', '--speed', '0']\ngpunode_drain: false\ngpunode_answers: {driver_owner: host, cuda_version: none}\n",
        );
    }

    fn node(&self, host: &str) -> PathBuf {
        self.place.path("nodes").join(host)
    }

    fn host_vars(&self, host: &str, text: &str) {
        self.place.write(&format!("host_vars/{host}.yml"), text);
    }

    /// Runs a playbook of the collection; returns exit status, output and the recap of each host.
    fn play(&self, name: &str, args: &[&str]) -> (i32, String, BTreeMap<String, Recap>) {
        let mut command = Command::new(tool("ansible-playbook"));
        command.args(["-i", "inventory.ini", &format!("gpunode.gpunode.{name}"), "--forks", "6"]).args(args);
        command.current_dir(self.place.folder.path()).env("HOME", self.place.folder.path());
        command.env("ANSIBLE_COLLECTIONS_PATH", self.place.path("collections")).env("ANSIBLE_NOCOLOR", "1");
        command.env("LANG", "C.UTF-8").env("LC_ALL", "C.UTF-8").env_remove("GPUNODE_SESSION");
        let ran = command.output().expect("ansible-playbook");
        let text = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
        let recaps = text.split("PLAY RECAP").nth(1).unwrap_or_default().lines().filter_map(recap).collect();
        (ran.status.code().unwrap_or(-1), text, recaps)
    }

    fn report(&self, host: &str) -> Value {
        let text = fs::read_to_string(self.place.path(".gpunode-reports").join(format!("{host}.json"))).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

fn recap(line: &str) -> Option<(String, Recap)> {
    let (host, counts) = line.split_once(" : ")?;
    let count = |name: &str| {
        let text = counts.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
        text.parse().ok()
    };
    let recap = Recap { changed: count("changed")?, unreachable: count("unreachable")?, failed: count("failed")? };
    Some((host.trim().to_owned(), recap))
}

/// All that is below a folder: path, time of the last change and length.
fn tree(folder: &Path) -> Vec<(PathBuf, std::time::SystemTime, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let meta = entry.metadata().unwrap();
        if meta.is_dir() {
            found.extend(tree(&entry.path()));
        } else {
            found.push((entry.path(), meta.modified().unwrap(), meta.len()));
        }
    }
    found.sort();
    found
}

/// An ssh that is no ssh: it runs what it is told here, and can lose its machine in the middle of `apply`.
const SSH: &str = r#"#!/bin/sh
here=$(dirname "$0")
for last; do :; done
[ -e "$here/dead" ] && { echo "ssh: connect to host: Connection timed out" >&2; exit 255; }
case $last in *python3*AnsiballZ_gpunode.py*) echo >> "$here/calls" ;; esac
# The fourth call is `apply`, after the binary, detection and plan.
if [ -e "$here/dies" ] && [ "$(cat "$here/calls" 2>/dev/null | wc -l)" = 4 ]; then
    setsid sh -c "$last" >/dev/null 2>&1 &
    child=$!
    until grep -q 'status: done' "$here/session.yaml" 2>/dev/null; do sleep 0.05; done
    kill -9 -$child
    touch "$here/dead"
    echo "ssh: connect to host: Connection timed out" >&2
    exit 255
fi
exec sh -c "$last"
"#;

/// A machine with a PCI bus and no NVIDIA card on it.
fn without_card(controller: &Controller, host: &str) {
    let root = controller.node(host).join("root");
    for (file, text) in [("vendor", "0x1a03\n"), ("device", "0x2000\n"), ("class", "0x030000\n")] {
        let path = root.join("sys/bus/pci/devices/0000:03:00.0").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    controller.host_vars(host, &format!("gpunode_options: ['--root', '{}']\n", root.display()));
}

/// A dozen machines, half of them as machines are: each has something else.
fn mixed(controller: &Controller) {
    let mut hosts: Vec<String> = (1..=5).map(|number| format!("gpu0{number} ansible_connection=local")).collect();
    hosts.extend(["bare", "riscv", "half", "future", "clash"].map(|name| format!("{name} ansible_connection=local")));
    let dies = controller.node("dies").join("ssh").display().to_string();
    hosts.push(format!("dies ansible_connection=ssh ansible_host=127.0.0.1 ansible_ssh_executable={dies} ansible_ssh_transfer_method=piped"));
    hosts.push("away ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1".to_owned());
    controller.inventory(&hosts);
    without_card(controller, "bare");
    controller.host_vars("riscv", "gpunode_architecture: riscv64\n");
    let whole = fs::read(&controller.binary).unwrap();
    fs::write(controller.node("half").join("gpunode"), &whole[..whole.len() / 2]).unwrap();
    fs::write(controller.node("future").join("session.yaml"), "schema_version: 99\nmachine: x\n").unwrap();
    controller.host_vars("clash", "gpunode_host_answers: {driver_owner: operator}\n");
    controller.host_vars("dies", "gpunode_options: ['--demo=ubuntu-2404', '--speed', '5']\n");
    fs::write(&dies, SSH).unwrap();
    fs::set_permissions(&dies, fs::Permissions::from_mode(0o755)).unwrap();
}

const BATCHES: &str = r#"{"gpunode_batches": [1, 3, "100%"], "gpunode_max_fail_percentage": 60}"#;

#[test]
fn a_dozen_machines_each_by_its_name() {
    let controller = Controller::new();
    mixed(&controller);
    let before = tree(&controller.place.path("nodes"));
    let (_, checked, _) = controller.play("prepare", &["--check", "--diff", "-e", BATCHES]);
    let calls = controller.node("dies").join("calls");
    let after = tree(&controller.place.path("nodes")).into_iter().filter(|(path, ..)| *path != calls);
    assert_eq!(after.collect::<Vec<_>>(), before, "{checked}");
    assert!(!controller.place.path(".gpunode-reports").exists(), "{checked}");

    fs::remove_file(calls).unwrap();
    fs::write(controller.node("dies").join("dies"), "").unwrap();
    let (code, text, recaps) = controller.play("prepare", &["-e", BATCHES]);
    assert_ne!(code, 0, "{text}");
    for good in ["gpu01", "gpu02", "gpu03", "gpu04", "gpu05", "half"] {
        assert_eq!((recaps[good].failed, recaps[good].unreachable), (0, 0), "{good}\n{text}");
        let report = controller.report(good);
        assert_eq!(
            (&report["state"], &report["detect"]["driver"]["loaded_version"]),
            (&"ok".into(), &"580.178.04".into()),
            "{report}"
        );
        assert_eq!(report["status"]["steps"][1]["state"], "done", "{report}");
    }
    let told = |host: &str, state: &str, words: &str| {
        let report = controller.report(host);
        assert!(
            report["state"] == state && report["text"].as_str().unwrap().contains(words),
            "{host}: {report}\n{text}"
        );
    };
    assert_eq!((recaps["bare"].failed, recaps["bare"].unreachable), (0, 0), "{text}");
    told("bare", "no-card", "");
    told("riscv", "failed", "there is no gpunode for riscv64");
    told("future", "failed", "99");
    told("clash", "failed", "its driver_owner is operator, and its group's is host");
    told("away", "unreachable", "");
    told("dies", "unreachable", "");

    // The table has every node by its name, the bad ones first.
    let fleet = controller.gpunode(&["fleet", "-i", "inventory.ini", "--json"]).demand(1).json();
    let standings: BTreeMap<&str, &str> = fleet["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["node"].as_str().unwrap(), node["standing"].as_str().unwrap()))
        .collect();
    assert_eq!(standings.len(), 12);
    assert_eq!((standings["gpu01"], standings["dies"], standings["bare"]), ("open", "unreachable", "no-card"));
    assert_eq!(fleet["groups"][0]["standing"], "failed");

    // What was wrong is put right: the run is repeated, and who was done is left as it was.
    fs::remove_file(controller.place.path("host_vars/riscv.yml")).unwrap();
    fs::remove_file(controller.place.path("host_vars/clash.yml")).unwrap();
    fs::remove_file(controller.node("future").join("session.yaml")).unwrap();
    for file in ["dies", "dead"] {
        fs::remove_file(controller.node("dies").join(file)).unwrap();
    }
    let (_, text, recaps) = controller.play("prepare", &["-e", BATCHES]);
    for (host, recap) in &recaps {
        let was_done = host.starts_with("gpu") || host == "half" || host == "bare" || host == "away";
        assert_eq!(recap.changed == 0, was_done, "{host}\n{text}");
        assert_eq!((recap.failed, recap.unreachable), (0, u32::from(host == "away")), "{host}\n{text}");
    }
    let (_, text, recaps) = controller.play("prepare", &["-e", BATCHES]);
    assert!(recaps.values().all(|recap| recap.changed == 0 && recap.failed == 0), "{text}");
}

#[test]
fn a_canary_that_fails_stops_the_rest() {
    let controller = Controller::new();
    controller.inventory(&["gpu01", "gpu02", "gpu03"].map(|name| format!("{name} ansible_connection=local")));
    controller.host_vars("gpu01", "gpunode_host_answers: {driver_branch: '1'}\n");
    let (code, text, recaps) = controller.play("prepare", &[]);
    assert_ne!(code, 0, "{text}");
    assert_eq!(recaps["gpu01"].failed, 1, "{text}");
    assert!(!controller.node("gpu02").join("session.yaml").exists(), "{text}");
    assert_eq!(controller.report("gpu01")["state"], "failed");
}

#[test]
fn the_whole_way_with_one_run_of_kubespray_and_back() {
    let controller = Controller::new();
    // The simulated machine's own inventory has this name.
    controller.inventory(&["gpu1", "bare"].map(|name| format!("{name} ansible_connection=local")));
    without_card(&controller, "bare");
    for playbook in ["prepare", "inventory", "cluster"] {
        let (code, text, _) = controller.play(playbook, &[]);
        assert_eq!(code, 0, "{playbook}\n{text}");
    }
    assert_eq!(fs::read_to_string(controller.place.path("kubespray-runs")).unwrap(), "run\n");
    let fleet = controller.gpunode(&["fleet", "-i", "inventory.ini", "--json"]).demand(0).json();
    let standings = [&fleet["groups"][0]["standing"], &fleet["groups"][1]["standing"]];
    assert_eq!(standings, ["no-card", "verified"], "{fleet}");
    let (code, text, recaps) = controller.play("undo", &[]);
    assert!(code == 0 && recaps["gpu1"].changed > 0, "{text}");
    let (code, text, recaps) = controller.play("undo", &[]);
    assert!(code == 0 && recaps.values().all(|recap| recap.changed == 0), "{text}");
}

#[test]
fn the_collection_passes_its_lint() {
    let controller = Controller::new();
    let collection = controller.place.path("collections/ansible_collections/gpunode/gpunode");
    let bin = tool("ansible-lint").parent().unwrap().to_owned();
    let mut path = vec![bin];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let lint = Command::new(tool("ansible-lint"))
        .args(["--offline", "--nocolor", "--profile", "production", "."])
        .current_dir(&collection)
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("HOME", controller.place.folder.path())
        .env("ANSIBLE_COLLECTIONS_PATH", controller.place.path("collections"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&lint.stdout).into_owned() + &String::from_utf8_lossy(&lint.stderr);
    assert!(lint.status.success() && told.contains("Passed: 0 failure(s)"), "{told}");
}

#[test]
fn what_is_not_ours_is_refused() {
    let controller = Controller::new();
    let galaxy = controller.place.write("other/ansible_collections/gpunode/gpunode/galaxy.yml", "namespace: other\n");
    controller.gpunode(&["ansible", "other"]).demand_error(2, &["has another collection"]);
    assert_eq!(fs::read_to_string(galaxy).unwrap(), "namespace: other\n");
    let half = controller.place.write("half", "\u{7f}ELF");
    controller.gpunode(&["ansible", "new", "--binary", half.to_str().unwrap()]).demand_error(2, &["no Linux program"]);
    assert!(!controller.place.path("new").exists());
    controller.gpunode(&["fleet", "nowhere"]).demand_error(2, &["nowhere"]);
    controller.inventory(&["gpu01".to_owned()]);
    controller.gpunode(&["fleet", "-i", "inventory.ini", "--group", "gpus"]).demand_error(2, &["gpus"]);
    // Without a run, the nodes of the inventory are there, and nothing is claimed of them.
    let fleet = controller.gpunode(&["fleet", "-i", "inventory.ini", "--json"]).demand(2).json();
    assert_eq!(fleet["nodes"][0]["standing"], "no-report");
}
