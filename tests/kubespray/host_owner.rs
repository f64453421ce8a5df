//! The values of the owner `host`, written into inventories and read back by a real `ansible-playbook`, whose play
//! makes the cluster group as Kubespray's does since v2.27: `ansible-inventory` alone does not see that group's
//! variables.

use std::{fs, process::Command};

use crate::support::{
    kubespray::{Checkout, files, one_node},
    program::tool,
};
use gpunode::{
    answers::{Answers, DriverOwner},
    host::Files,
    kubespray::{GpuRole, Preview, edit, playbook::PlaybookRun, preview},
    owner,
};
use serde_json::{Value, json};

const IMPLICIT: &str = "[kube_control_plane]\ncp1\n[etcd:children]\nkube_control_plane\n[kube_node]\nnode1\nnode2\n";
const GROUPED: &str = "[kube_control_plane]\ncp1\n[etcd:children]\nkube_control_plane\n[kube_node]\nnode2\n[kube_node:children]\ngpu_node\n[gpu_node]\nnode1\n";
const AT_TOP: &str = "[kube_control_plane]\ncp1\n[kube_node]\nnode1\nnode2\n[gpu_node]\nnode1\n";
const KATA: &str = "containerd_additional_runtimes:\n  # for the tenants\n  - name: kata\n    type: io.containerd.kata.v2  # static\n    engine: \"\"\n    root: \"\"\n    options: {}\n";

fn look(checkout: &Checkout) -> Preview {
    let mut request = checkout.request();
    request.gpu_role = GpuRole::StaysOff;
    preview(&files(), &request).unwrap()
}

fn host() -> Answers {
    Answers::new(DriverOwner::Host)
}

/// Works out the edits for the machine `node1` and writes them; a second look finds nothing to do.
fn write(checkout: &Checkout) -> Vec<edit::FileEdit> {
    let before = look(checkout);
    let edits = edit::propose(&files(), &before, &owner::values(&before, &host()), &[]).unwrap();
    for edit in &edits {
        files().write(&edit.path, edit.after.as_bytes(), 0o644).unwrap();
    }
    let after = look(checkout);
    assert_eq!(edit::propose(&files(), &after, &owner::values(&after, &host()), &[]).unwrap(), [], "done once is done");
    edits
}

/// What a play of all hosts sees of a variable, by host.
fn play_sees(checkout: &Checkout, name: &str) -> Value {
    let play = format!(
        "- hosts: all\n  gather_facts: false\n  connection: local\n  tasks:\n    - group_by:\n        key: k8s_cluster\n      when: \"'kube_node' in group_names or 'kube_control_plane' in group_names\"\n- hosts: all\n  gather_facts: false\n  connection: local\n  tasks:\n    - copy:\n        dest: \"{{{{ playbook_dir }}}}/seen-{{{{ inventory_hostname }}}}.json\"\n        content: \"{{{{ {{'it': {name} | default(none)}} | to_json }}}}\"\n"
    );
    let folder = checkout.path.join("playbooks");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("see.yml"), play).unwrap();
    let output = Command::new(tool("ansible-playbook"))
        .arg("-i")
        .arg(&checkout.inventory)
        .args(["playbooks/see.yml", "-e", "ansible_python_interpreter={{ ansible_playbook_python }}"])
        .current_dir(&checkout.path)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let seen = |host: &str| {
        let text = fs::read(folder.join(format!("seen-{host}.json"))).unwrap();
        (host.to_owned(), serde_json::from_slice::<Value>(&text).unwrap()["it"].clone())
    };
    Value::Object(["node1", "node2", "cp1"].map(seen).into_iter().collect())
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(|entry| entry["name"].as_str()).collect()
}

#[test]
fn the_play_sees_the_merged_list_on_the_gpu_node_alone() {
    for (inventory, file) in [
        (IMPLICIT, "host_vars/node1/gpu.yml"),
        (GROUPED, "group_vars/gpu_node/gpunode.yml"),
        (AT_TOP, "host_vars/node1/gpu.yml"),
    ] {
        for group in ["all", "k8s_cluster", "kube_node"] {
            let checkout = Checkout::with_inventory("v2.31.0", inventory);
            checkout.add(&format!("group_vars/{group}/runtimes.yml"), KATA);
            let edits = write(&checkout);
            assert_eq!(edits.len(), 1, "{group}: {edits:?}");
            assert!(edits[0].path.ends_with(file), "{group}: {}", edits[0].path.display());
            let seen = play_sees(&checkout, "containerd_additional_runtimes");
            assert_eq!(names(&seen["node1"]), ["kata", "nvidia"], "{group} {inventory}");
            assert_eq!(
                seen["node1"][1]["options"],
                json!({"BinaryName": "/usr/bin/nvidia-container-runtime", "SystemdCgroup": "true"})
            );
            assert_eq!(
                (names(&seen["node2"]), names(&seen["cp1"]).contains(&"nvidia")),
                (vec!["kata"], false),
                "{group}: nobody else"
            );
            assert_eq!(play_sees(&checkout, "node_labels")["node1"], json!({"nvidia.com/gpu.present": "true"}));
        }
    }
}

#[test]
fn a_group_of_gpu_nodes_at_the_top_is_told() {
    let told = |inventory: &str| {
        let checkout = Checkout::with_inventory("v2.31.0", inventory);
        look(&checkout).findings.iter().any(|finding| finding.id == "gpu-group-at-top")
    };
    assert!(told(AT_TOP) && !told(GROUPED) && !told(IMPLICIT));
}

#[test]
fn an_entry_that_is_there_is_mended_where_it_stands() {
    let checkout = Checkout::with_inventory("v2.27.1", IMPLICIT);
    let text = "# ours\nnode_labels:\n  tier: gpu  # kept\ncontainerd_additional_runtimes:\n  - name: nvidia  # by hand\n    type: io.containerd.runc.v2\n    options:\n      binaryName: /usr/local/bin/runc\n      BinaryName: /usr/bin/nvidia-container-runtime\n      SystemdCgroup: true\n";
    checkout.add("host_vars/node1.yml", text);
    let findings: Vec<String> = look(&checkout).findings.into_iter().map(|finding| finding.id).collect();
    assert!(findings.iter().any(|id| id == "runtime-both-spellings"), "{findings:?}");
    let edits = write(&checkout);
    assert_eq!(
        edits[0].after,
        "# ours\nnode_labels:\n  tier: gpu  # kept\n  \"nvidia.com/gpu.present\": \"true\"\ncontainerd_additional_runtimes:\n  - name: nvidia  # by hand\n    type: io.containerd.runc.v2\n    options:\n      # binaryName: /usr/local/bin/runc\n      BinaryName: /usr/bin/nvidia-container-runtime\n      SystemdCgroup: \"true\"\n    engine: \"\"\n    root: \"\"\n    base_runtime_spec: \"cri-base.json\"\nenable_cdi: true\n"
    );
    assert!(look(&checkout).findings.iter().all(|finding| !finding.id.starts_with("runtime-")));
    assert_eq!(play_sees(&checkout, "enable_cdi")["node1"], json!(true));
}

#[test]
fn cdi_is_switched_on_only_where_containerd_has_it_off() {
    for (release, extra, switched) in [
        ("v2.22.2", "", false),
        ("v2.25.1", "", true),
        ("v2.26.1", "", true),
        ("v2.31.0", "", false),
        ("v2.31.0", "containerd_version: 1.7.24\n", true),
    ] {
        let checkout = Checkout::with_inventory(
            release,
            "[kube_control_plane]\ncp1\n[kube_node]\nnode1\n[k8s_cluster:children]\nkube_node\n",
        );
        checkout.add("group_vars/k8s_cluster/x.yml", extra);
        let changes = owner::values(&look(&checkout), &host());
        assert_eq!(changes.iter().any(|change| change.variable == "enable_cdi"), switched, "{release} {extra}");
        let list = changes
            .iter()
            .find(|change| change.variable == "containerd_additional_runtimes")
            .unwrap()
            .value
            .clone()
            .unwrap();
        assert_eq!(list[0].get("engine").is_some(), release != "v2.31.0", "{release}");
    }
}

#[test]
fn the_cgroup_driver_is_the_clusters() {
    let checkout = Checkout::with_inventory("v2.31.0", IMPLICIT);
    checkout.add("group_vars/k8s_cluster/x.yml", "containerd_use_systemd_cgroup: false\n");
    let edits = write(&checkout);
    assert!(edits[0].after.contains("SystemdCgroup: \"false\""), "{}", edits[0].after);
}

#[test]
fn the_gpu_roles_variables_go_with_their_comments_kept() {
    let checkout = one_node("v2.31.0");
    let text = "# gpu\nnvidia_accelerator_enabled: true  # on\nnvidia_gpu_nodes:\n  - node1\nnvidia_gpu_flavor: tesla\nother: 1\n";
    checkout
        .add("group_vars/all/gpu.yml", text)
        .add("group_vars/k8s_cluster/gpu.yml", "nvidia_driver_version: \"450.51.06\"\n");
    let edits = write(&checkout);
    let after =
        |name: &str| edits.iter().find(|edit| edit.path.ends_with(name)).map(|edit| edit.after.clone()).unwrap();
    assert_eq!(
        after("all/gpu.yml"),
        "# gpu\n# nvidia_accelerator_enabled: true  # on\n# nvidia_gpu_nodes:\n#   - node1\n# nvidia_gpu_flavor: tesla\nother: 1\n"
    );
    assert_eq!(after("k8s_cluster/gpu.yml"), "# nvidia_driver_version: \"450.51.06\"\n");
    // Who keeps the names of the nodes gets the switch, without which the play that sets labels fails.
    fs::write(checkout.inventory.with_file_name("group_vars").join("all/gpu.yml"), text).unwrap();
    let mut answers = host();
    answers.variables.insert("nvidia_gpu_nodes".to_owned(), Value::Null);
    let changes = owner::values(&look(&checkout), &answers);
    assert!(changes.contains(&edit::Change::new("nvidia_accelerator_enabled", false)), "{changes:?}");
    assert!(changes.iter().all(|change| change.variable != "nvidia_gpu_nodes"));
}

#[test]
fn what_is_not_known_is_not_replaced_but_told() {
    for value in
        ["\"{{ our_runtimes }}\"", "\"{{ lookup('env', 'X') }}\"", "!vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3061\n"]
    {
        let checkout = Checkout::with_inventory("v2.31.0", IMPLICIT);
        checkout.add("group_vars/k8s_cluster/x.yml", &format!("containerd_additional_runtimes: {value}\n"));
        let seen = look(&checkout);
        assert!(
            owner::values(&seen, &host()).iter().all(|change| change.variable != "containerd_additional_runtimes"),
            "{value}"
        );
        assert!(seen.findings.iter().any(|finding| finding.id == "runtimes-unknown"), "{value}");
    }
    let checkout = Checkout::with_inventory("v2.31.0", IMPLICIT);
    checkout.add(
        "group_vars/k8s_cluster/x.yml",
        "mine: [{name: kata, options: {}}]\ncontainerd_additional_runtimes: \"{{ mine }}\"\n",
    );
    write(&checkout);
    assert_eq!(names(&play_sees(&checkout, "containerd_additional_runtimes")["node1"]), ["kata", "nvidia"]);
}

#[test]
fn other_runtimes_get_no_entry_of_containerd() {
    for (manager, release) in [("crio", "v2.31.0"), ("docker", "v2.31.0")] {
        let checkout = Checkout::with_inventory(release, IMPLICIT);
        checkout
            .add("group_vars/k8s_cluster/k8s-cluster.yml", "")
            .add("group_vars/all/zz.yml", &format!("container_manager: {manager}\n"));
        let text =
            fs::read_to_string(checkout.inventory.with_file_name("group_vars").join("k8s_cluster/k8s-cluster.yml"))
                .unwrap();
        let path = checkout.inventory.with_file_name("group_vars").join("k8s_cluster/k8s-cluster.yml");
        fs::write(path, text.replace("container_manager: containerd", &format!("container_manager: {manager}")))
            .unwrap();
        let preview = look(&checkout);
        assert_eq!(preview.container_manager, manager);
        let changes = owner::values(&preview, &host());
        assert!(
            changes.iter().all(|change| !change.variable.starts_with("containerd_") && change.variable != "enable_cdi"),
            "{changes:?}"
        );
    }
}

fn argv(runs: &[PlaybookRun]) -> Vec<Vec<String>> {
    runs.iter().map(|run| run.command().argv().split_off(3)).collect()
}

#[test]
fn a_joined_node_gets_only_the_parts_that_read_the_values() {
    let checkout = Checkout::with_inventory("v2.31.0", IMPLICIT);
    let mut preview = look(&checkout);
    let runs = owner::of(DriverOwner::Host).playbooks(&preview, &host());
    assert_eq!(argv(&runs), [vec!["playbooks/facts.yml", "-b"], vec!["scale.yml", "-b", "--limit=node1"]]);
    preview.layout.has_joined = true;
    let runs = owner::of(DriverOwner::Host).playbooks(&preview, &host());
    let tags = "container-engine,node-label,node-taint";
    assert_eq!(
        argv(&runs),
        [vec!["playbooks/facts.yml", "-b"], vec!["cluster.yml", "-b", "--limit=node1", "--tags", tags]]
    );
    assert_eq!(runs.iter().map(PlaybookRun::configures_runtime).collect::<Vec<_>>(), [false, true]);
    preview.container_manager = "crio".to_owned();
    assert_eq!(
        argv(&owner::of(DriverOwner::Host).playbooks(&preview, &host()))[1].last().unwrap(),
        "node-label,node-taint"
    );
}
