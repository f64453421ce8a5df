//! Step 3 on a real inventory: after `apply` the real `ansible-inventory` sees the new values, and `undo` restores the bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "support/folder.rs"]
mod folder;
#[path = "support/program.rs"]
mod program;

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use folder::copy;
use program::{Place, shared, tool};
use serde_json::Value;

/// Returns every file below a folder with its bytes.
fn bytes(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(bytes(&path));
        } else {
            all.insert(path.display().to_string(), fs::read(&path).unwrap());
        }
    }
    all
}

fn ansible_sees(inventory: &Path, host: &str) -> Value {
    let output = Command::new(tool("ansible-inventory"))
        .args(["-i", inventory.to_str().unwrap(), "--host", host])
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn real_ansible_sees_the_new_values_and_undo_restores_the_bytes() {
    for release in ["v2.14.2", "v2.25.1"] {
        let place = Place::new();
        let checkout = place.path(&format!("kubespray-{}", release.trim_start_matches('v')));
        copy(&shared().join("data/kubespray-inventories").join(release), &checkout);
        copy(&checkout.join("sample"), &checkout.join("inventory/mycluster"));
        let inventory = checkout.join("inventory/mycluster/hosts.ini");
        fs::copy(checkout.join("local/hosts.ini"), &inventory).unwrap();
        let before = bytes(&checkout);
        let text = format!(
            "driver_owner: installer-pod\ndriver_version: \"450.51.06\"\ngpus: [\"10de:1db6\"]\nkubespray: {}\ninventory: {}\nnode: node1\nrun_playbooks: false\n",
            checkout.display(),
            inventory.display(),
        );
        let answers = place.write("answers.yaml", &text);
        let args = ["apply", "--steps", "3", "--yes", "--answers", answers.to_str().unwrap()];
        let ran = place.run(args).demand(0);
        assert!(ran.stdout.contains("-- done: edit-file"), "{}", ran.stdout);
        let seen = ansible_sees(&inventory, "node1");
        assert_eq!(seen["nvidia_accelerator_enabled"], Value::Bool(true), "{release}");
        assert_eq!(seen["nvidia_gpu_nodes"], serde_json::json!(["node1"]), "{release}");
        assert_eq!(seen["nvidia_driver_version"], "450.51.06", "{release}");
        assert_eq!(seen["nvidia_gpu_flavor"], "tesla", "{release}");
        let after = bytes(&checkout);
        place.run(args).demand(0);
        assert_eq!(bytes(&checkout), after, "{release}: a second run changes nothing");
        place.run(["undo", "--yes"]).demand(0);
        assert_eq!(bytes(&checkout), before, "{release}");
    }
}

#[test]
fn a_file_that_somebody_else_changed_is_not_undone() {
    let place = Place::new();
    let checkout = place.path("kubespray-2.14.2");
    copy(&shared().join("data/kubespray-inventories/v2.14.2"), &checkout);
    let inventory = checkout.join("sample/hosts.ini");
    fs::copy(checkout.join("local/hosts.ini"), &inventory).unwrap();
    let text = format!(
        "driver_owner: installer-pod\ngpus: [\"10de:1db6\"]\ncuda_version: \"11.0\"\nkubespray: {}\ninventory: {}\nnode: node1\nrun_playbooks: false\n",
        checkout.display(),
        inventory.display(),
    );
    let answers = place.write("answers.yaml", &text);
    place.run(["apply", "--steps", "3", "--yes", "--answers", answers.to_str().unwrap()]).demand(0);
    let file = checkout.join("sample/group_vars/k8s-cluster/k8s-cluster.yml");
    let changed = fs::read_to_string(&file).unwrap() + "# a colleague's line\n";
    fs::write(&file, &changed).unwrap();
    let undone = place.run(["undo", "--yes"]).demand(1);
    assert!(undone.stdout.contains("was changed since"), "{}", undone.stdout);
    assert_eq!(fs::read_to_string(&file).unwrap(), changed);
}
