//! Inventories that people reported, and others of their kinds: templates, forks, programs in the place of an
//! inventory, other roles' variables.

use std::{fs, path::Path};

use gpunode::{
    host::local::LocalFiles,
    kubespray::{GpuRole, Preview, PreviewRequest, Verdict, preview},
};
use tempfile::TempDir;

const PLAYS: &str = "- hosts: kube_control_plane\n  roles: []\n- hosts: kube_node\n  roles: []\n";
const HOSTS: &str = "[kube_control_plane]\ncp1 ip=192.0.2.1\n[etcd:children]\nkube_control_plane\n[gpu_nodes]\ngpu[1:3] ip=192.0.2.9\n\
    [kube_node:children]\ngpu_nodes\n[k8s_cluster:children]\nkube_control_plane\nkube_node\n";

/// A checkout of these files, below a folder of this name.
struct Fork {
    root: TempDir,
    name: &'static str,
}

impl Fork {
    fn new(name: &'static str, plays: &str) -> Self {
        Self { root: tempfile::tempdir().unwrap(), name }
            .file("cluster.yml", plays)
            .file("roles/x/tasks/main.yml", "[]\n")
    }

    fn file(self, path: &str, text: &str) -> Self {
        let path = self.root.path().join(self.name).join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Looks at the inventory `inventory/c/NAME` (or the folder, with an empty name) for a node.
    fn look(&self, inventory: &str, node: &str) -> Preview {
        let path = self.root.path().join(self.name);
        let request = PreviewRequest {
            inventory: Some(path.join("inventory/c").join(inventory)),
            checkout: Some(path),
            node: Some(node.to_owned()),
            hostname: node.to_owned(),
            control_plane_os: Some("ubuntu-22.04".to_owned()),
            release: None,
            gpu_role: GpuRole::Installs,
        };
        preview(&LocalFiles::new(Path::new("/")), &request).unwrap()
    }
}

fn ids(preview: &Preview) -> Vec<&str> {
    preview.findings.iter().map(|finding| finding.id.as_str()).collect()
}

fn value(preview: &Preview, name: &str) -> serde_json::Value {
    preview.variable(name).unwrap().value.clone().unwrap_or_default()
}

#[test]
fn a_template_is_judged_by_what_it_becomes() {
    let vars = "nvidia_accelerator_enabled: \"{{ 'gpu_nodes' in groups }}\"\nnvidia_gpu_nodes: \"{{ groups['gpu_nodes'] | default([]) }}\"\n\
        nvidia_driver_version: \"{{ gpu_driver | default('550.54.15') }}\"\n";
    let fork = Fork::new("kubespray-2.28.0", PLAYS)
        .file("inventory/c/hosts.ini", HOSTS)
        .file("inventory/c/group_vars/k8s_cluster/gpu.yml", vars);
    let preview = fork.look("hosts.ini", "gpu2");
    assert_eq!(value(&preview, "nvidia_gpu_nodes"), serde_json::json!(["gpu1", "gpu2", "gpu3"]));
    assert_eq!(value(&preview, "nvidia_accelerator_enabled"), serde_json::json!(true));
    assert_eq!(value(&preview, "nvidia_driver_version"), "550.54.15");
    let said = ids(&preview);
    for wrong in ["gpu-nodes-not-a-list", "gpu-nodes-switched-off", "not-among-gpu-nodes", "templated-value"] {
        assert!(!said.contains(&wrong), "{said:?}");
    }
}

#[test]
fn from_a_template_that_only_ansible_knows_nothing_follows() {
    for (name, template) in [
        ("nvidia_gpu_nodes", "{{ query('inventory_hostnames', 'gpu*') }}"),
        ("nvidia_accelerator_enabled", "{{ ansible_facts['pci'] is defined }}"),
        ("nvidia_gpu_flavor", "{{ hostvars['cp1'].flavor }}"),
        ("container_manager", "{{ lookup('env', 'CRI') }}"),
        ("nvidia_driver_install_container", "{% if true %}x/y:1{% endif %}"),
    ] {
        let rest = "nvidia_accelerator_enabled: true\nnvidia_gpu_nodes: [gpu2]\ndocker_storage_options: -s overlay2\n";
        let rest: String =
            rest.lines().filter(|line| !line.starts_with(name)).map(|line| format!("{line}\n")).collect();
        let fork = Fork::new("kubespray-2.28.0", PLAYS)
            .file("inventory/c/hosts.ini", HOSTS)
            .file("inventory/c/group_vars/k8s_cluster/gpu.yml", &format!("{rest}{name}: \"{template}\"\n"));
        let preview = fork.look("hosts.ini", "gpu2");
        assert_eq!(value(&preview, name), template);
        let said = ids(&preview);
        assert!(said.contains(&"templated-value"), "{name}: {said:?}");
        for wrong in [
            "gpu-nodes-not-a-list",
            "gpu-nodes-switched-off",
            "switch-without-gpu-nodes",
            "unknown-flavor",
            "image-true",
        ] {
            assert!(!said.contains(&wrong), "{name}: {said:?}");
        }
        assert!(name != "container_manager" || !said.contains(&"docker-only-setting"), "{said:?}");
        assert!(
            name == "container_manager" || preview.capability.verdict == Verdict::Unknown,
            "{name}: {:?}",
            preview.capability
        );
    }
}

#[test]
fn the_groups_are_those_of_the_plays_whatever_the_release_seems_to_be() {
    let old = HOSTS
        .replace("kube_control_plane", "kube-master")
        .replace("kube_node", "kube-node")
        .replace("k8s_cluster", "k8s-cluster");
    let old_plays = PLAYS.replace("kube_control_plane", "kube-master").replace("kube_node", "kube-node");
    // A fork whose files look older than its plays, the plays below `playbooks`, and a fork that is old.
    for (name, plays, hosts) in
        [("fork", PLAYS, HOSTS), ("kubespray-2.14.2", PLAYS, HOSTS), ("fork", old_plays.as_str(), old.as_str())]
    {
        let fork = Fork::new(name, plays).file("inventory/c/hosts.ini", hosts).file("facts.yml", "- hosts: all\n");
        let said = fork.look("hosts.ini", "gpu1");
        assert!(said.first_control_plane.as_deref() == Some("cp1"), "{name}: {:?}", ids(&said));
        for wrong in ["not-a-kube-node", "no-control-plane", "no-cluster-group"] {
            assert!(!ids(&said).contains(&wrong), "{name}: {:?}", ids(&said));
        }
    }
    // Nothing tells the release: the inventory's own spelling counts, and nothing is said to be missing that only some
    // releases need.
    let unknown = Fork::new("mine", "")
        .file("inventory/c/hosts.ini", &old.replace("[k8s-cluster:children]\nkube-master\nkube-node\n", ""));
    let said = unknown.look("hosts.ini", "gpu1");
    assert_eq!(said.first_control_plane.as_deref(), Some("cp1"));
    assert_eq!(
        ids(&said).iter().filter(|id| id.contains("cluster-group") || id.contains("kube-node")).count(),
        0,
        "{:?}",
        ids(&said)
    );
}

#[test]
fn of_an_inventory_that_was_not_read_nothing_is_said_to_be_missing() {
    for (file, text, id) in [
        ("hosts", "#!/usr/bin/env python3\nprint('{}')\n", "inventory-is-a-program"),
        ("hosts", "\u{7f}ELF\u{2}", "inventory-is-a-program"),
        (
            "openstack.yml",
            "---\nplugin: openstack.cloud.openstack  # clouds.yaml\nstrict: true\n",
            "inventory-is-a-plugin",
        ),
        ("hosts.toml", "[kube_node]\n", "inventory-is-toml"),
        ("hosts.ini", "[kube_node\nx\n", "inventory-refused"),
    ] {
        let vars = "nvidia_accelerator_enabled: true\ncontainer_manager: docker\n";
        let fork = Fork::new("kubespray-2.28.0", PLAYS)
            .file(&format!("inventory/c/{file}"), text)
            .file("inventory/c/group_vars/k8s_cluster/gpu.yml", vars);
        let said = fork.look(file, "gpu1");
        assert!(ids(&said).contains(&id), "{file}: {:?}", ids(&said));
        let derived = [
            "node-not-in-inventory",
            "not-a-kube-node",
            "no-control-plane",
            "no-cluster-group",
            "implicit-cluster-group",
            "wrong-folder-name",
            "gpu-node-not-in-inventory",
            "switch-without-gpu-nodes",
        ];
        assert!(!ids(&said).iter().any(|id| derived.contains(id)), "{file}: {:?}", ids(&said));
        assert_eq!(said.container_manager, "docker", "the cluster's variables are taken to reach the node");
        assert!(said.layout.members.is_empty(), "no host is added to {file}");
    }
}

#[test]
fn a_stray_file_in_the_folder_is_one_warning() {
    let fork = Fork::new("kubespray-2.28.0", PLAYS)
        .file("inventory/c/hosts.yaml", "all:\n  children:\n    kube_node: {hosts: {gpu1: {ip: 192.0.2.9}}}\n    kube_control_plane: {hosts: {cp1: {}}}\n    k8s_cluster: {children: {kube_node: {}, kube_control_plane: {}}}\n")
        .file("inventory/c/README.md", "# Our cluster\n\nAsk the admin first.\n");
    let said = fork.look("", "gpu1");
    assert_eq!(
        ids(&said).iter().filter(|id| id.starts_with("inventory-")).collect::<Vec<_>>(),
        [&"inventory-stray-file"]
    );
    assert!(!ids(&said).contains(&"no-control-plane") && said.inventory_host.as_deref() == Some("gpu1"));
}

#[test]
fn a_variable_of_another_role_is_not_invented() {
    let vars = "nvidia_driver_branch: '580'\nnvidia_driver_ubuntu_install_from_cuda_repo: true\nnvidia_docker_add_repo: true\n\
        nvidia_driver_install: true\nnvidia_gpu_device_plugin_mig_strategy: single\n";
    let fork = Fork::new("kubespray-2.28.0", PLAYS)
        .file("inventory/c/hosts.ini", HOSTS)
        .file("inventory/c/group_vars/all.yml", vars);
    let said = fork.look("hosts.ini", "gpu1");
    let count = |id: &str| ids(&said).iter().filter(|found| **found == id).count();
    assert_eq!(
        (count("variable-of-a-driver-role"), count("variable-of-another-role"), count("invented-variable")),
        (2, 1, 2),
        "{:?}",
        ids(&said)
    );
}
