//! Step 3 on a real inventory: after `apply` the real `ansible-inventory` sees the new values, and `undo` restores the
//! bytes.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use crate::support::{
    folder::copy,
    kubespray::lay_out,
    program::{Place, tool},
};
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
        lay_out(release, &checkout);
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
    lay_out("v2.14.2", &checkout);
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

/// Answers for a copy of a release's sample whose inventory is one machine of that name.
fn site(place: &Place, release: &str, host: &str) -> (std::path::PathBuf, std::path::PathBuf) {
    let checkout = place.path(&format!("kubespray-{}", release.trim_start_matches('v')));
    lay_out(release, &checkout);
    let inventory = checkout.join("sample/hosts.ini");
    let text = fs::read_to_string(checkout.join("local/hosts.ini")).unwrap().replace("node1", host);
    fs::write(&inventory, text).unwrap();
    (checkout, inventory)
}

#[test]
fn a_session_is_carried_to_the_ansible_host_and_done_there() {
    let node = Place::new();
    let text = "driver_owner: installer-pod\ndriver_version: \"450.51.06\"\ngpus: [\"10de:1db6\"]\nnode: gpu-a\n";
    let answers = node.write("answers.yaml", text);
    node.run(["apply", "--steps", "3", "--yes", "--answers", answers.to_str().unwrap()]).demand(0);
    let file = fs::read_to_string(node.path("state/gpu-vars.yml")).unwrap();
    assert!(file.contains("group_vars/k8s_cluster/gpu-vars.yml") && file.contains("ansible-playbook -i"), "{file}");
    assert!(!file.contains("-e @"), "{file}");

    let (checkout, inventory) = site(&node, "v2.25.1", "cp1");
    let carried = fs::read_to_string(node.session()).unwrap();
    let machine = carried.lines().find(|line| line.starts_with("machine: ")).unwrap().to_owned();
    let hostname = carried.lines().find(|line| line.starts_with("hostname: ")).unwrap().to_owned();
    let carried =
        carried.replace(&machine, "machine: 1111aaaa2222bbbb3333cccc4444dddd").replace(&hostname, "hostname: gpu-a");
    let session = node.write("carried/session.yaml", &carried);
    let text =
        format!("{text}kubespray: {}\ninventory: {}\nrun_playbooks: false\n", checkout.display(), inventory.display());
    let answers = node.write("there.yaml", &text);
    let args = [
        "--session",
        session.to_str().unwrap(),
        "apply",
        "--steps",
        "3",
        "--yes",
        "--answers",
        answers.to_str().unwrap(),
    ];
    // Nobody has said yet that the inventory may get another host.
    let before = fs::read_to_string(&inventory).unwrap();
    node.run(args).demand_error(2, &["gpu-a is not in the inventory", "add_node: true", "cp1"]);
    assert_eq!(fs::read_to_string(&inventory).unwrap(), before);
    node.write("there.yaml", &format!("{text}add_node: true\n"));
    let ran = node.run(args).demand(0).stdout;
    assert!(ran.contains("was carried here") && ran.contains("-- done: edit-file"), "{ran}");
    let hosts = fs::read_to_string(&inventory).unwrap();
    assert!(
        hosts.lines().any(|line| line == "gpu-a"),
        "the node joins without an address, which only itself knows: {hosts}"
    );
    assert_eq!(ansible_sees(&inventory, "gpu-a")["nvidia_gpu_nodes"], serde_json::json!(["gpu-a"]));
}

#[test]
fn values_of_the_answers_are_checked_and_written() {
    let place = Place::new();
    let (checkout, inventory) = site(&place, "v2.25.1", "node1");
    let apply = |variables: &str| {
        let text = format!(
            "driver_owner: installer-pod\ngpus: [\"10de:1db6\"]\nnode: node1\nkubespray: {}\ninventory: {}\nrun_playbooks: false\nvariables:\n{variables}",
            checkout.display(),
            inventory.display()
        );
        let answers = place.write("answers.yaml", &text);
        place.run(["apply", "--steps", "3", "--yes", "--answers", answers.to_str().unwrap()])
    };
    let before = bytes(&checkout);
    apply("  nvidia_driver_install_container: true\n")
        .demand_error(2, &["nvidia_driver_install_container", "an image"]);
    apply("  nvidia_driver_version: 450.80\n").demand_error(2, &["nvidia_driver_version", "quotes"]);
    apply("  nvidia_no_such_thing: x\n").demand_error(2, &["nvidia_no_such_thing"]);
    assert_eq!(bytes(&checkout), before, "nothing was written");
    apply("  nvidia_driver_install_container: my.reg:5000/img:1\n  nvidia_driver_install_supported: true\n  nvidia_gpu_flavor: null\n  node_labels: {nvidia.com/gpu: \"true\"}\n").demand(0);
    let seen = ansible_sees(&inventory, "node1");
    assert_eq!(
        (&seen["nvidia_driver_install_container"], &seen["nvidia_driver_install_supported"]),
        (&"my.reg:5000/img:1".into(), &true.into())
    );
    assert_eq!(seen["node_labels"], serde_json::json!({"nvidia.com/gpu": "true"}));
    assert!(seen.get("nvidia_gpu_flavor").is_none(), "left as it is");
    assert!(checkout.join("sample/host_vars/node1/gpu.yml").exists(), "labels are for this node alone");
    place.run(["undo", "--yes"]).demand(0);
    assert_eq!(bytes(&checkout).len(), before.len());
    assert_eq!(bytes(&checkout), before);
}

#[test]
fn links_modes_and_line_ends_stay_and_what_may_not_be_written_is_left() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let place = Place::new();
    let (checkout, inventory) = site(&place, "v2.25.1", "node1");
    let file = checkout.join("sample/group_vars/k8s_cluster/k8s-cluster.yml");
    // The file is a link into a folder of their own, with line ends of Windows and without the last one.
    let real = place.write("elsewhere/k8s.yml", &fs::read_to_string(&file).unwrap().trim_end().replace('\n', "\r\n"));
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    fs::remove_file(&file).unwrap();
    symlink(&real, &file).unwrap();
    let original = fs::read(&real).unwrap();
    let text = format!(
        "driver_owner: installer-pod\ndriver_version: \"550.54.15\"\ngpus: [\"10de:1db6\"]\nnode: node1\nkubespray: {}\ninventory: {}\nrun_playbooks: false\n",
        checkout.display(),
        inventory.display()
    );
    let answers = place.write("answers.yaml", &text);
    let args = ["apply", "--steps", "3", "--yes", "--answers", answers.to_str().unwrap()];
    place.run(args).demand(0);
    let written = fs::read_to_string(&real).unwrap();
    assert!(fs::symlink_metadata(&file).unwrap().is_symlink(), "the link is still one");
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(!written.replace("\r\n", "").contains('\n') && !written.ends_with('\n'), "line ends are theirs");
    assert_eq!(ansible_sees(&inventory, "node1")["nvidia_driver_version"], "550.54.15");
    place.run(["undo", "--yes"]).demand(0);
    assert_eq!(fs::read(&real).unwrap(), original);

    fs::set_permissions(&real, fs::Permissions::from_mode(0o444)).unwrap();
    let other = Place::new();
    other.run(args).demand_error(2, &["read-only", "chmod u+w"]);
    assert_eq!(fs::read(&real).unwrap(), original);
}

#[test]
fn a_change_between_preview_and_write_is_seen_and_nothing_is_written() {
    use gpunode::{
        engine::Runner,
        host::{Cancel, Host},
        plan::Step,
        session::{Session, Status, store::Store},
        steps,
    };
    let place = Place::new();
    let (checkout, inventory) = site(&place, "v2.25.1", "node1");
    let host = Host::local(Path::new("/"));
    let mut answers = gpunode::answers::Answers::new(gpunode::answers::DriverOwner::InstallerPod);
    let path = |path: &Path| path.display().to_string();
    (answers.kubespray, answers.inventory, answers.node) =
        (path(&checkout).parse().ok(), path(&inventory).parse().ok(), "node1".parse().ok());
    answers.run_playbooks = false;
    answers.gpus = Some(vec!["10de:1db6".parse().unwrap()]);
    let store = Store::open(&place.session()).unwrap();
    let actions = steps::Planner::new(&host, &gpunode::facts::Facts::default(), &answers)
        .plan_step(Step::Variables, store.path())
        .unwrap();
    let file = checkout.join("sample/group_vars/k8s_cluster/k8s-cluster.yml");
    let theirs = fs::read_to_string(&file).unwrap() + "# a colleague's line\n";
    fs::write(&file, &theirs).unwrap();
    let mut session = Session::new("m".to_owned(), "node1".to_owned(), host.clock.now());
    session.replan(Step::Variables, actions);
    let mut runner =
        Runner { host: &host, store: &store, session: &mut session, cancel: &Cancel::default(), secret: None };
    runner.run(Step::Variables, &mut |_| {}).unwrap();
    let record = session.journal.last().unwrap();
    assert!(
        record.status == Status::Failed && record.evidence[0].contains("changed by somebody else since the preview"),
        "{record:?}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), theirs);
}
