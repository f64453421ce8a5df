//! Every trap of the facts: found where it is, with its place, and not where it is not.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::support::kubespray::{Checkout, cluster_vars, files, one_node};
use gpunode::{
    finding::{Finding, Severity},
    i18n::Lang,
    kubespray::{Preview, preview},
};

const ON: &str = "nvidia_accelerator_enabled: true\nnvidia_gpu_nodes: [node1]\n";

fn look(checkout: &Checkout, os: &str) -> Preview {
    let mut request = checkout.request();
    request.control_plane_os = Some(os.to_owned());
    preview(&files(), &request).unwrap()
}

fn find<'p>(preview: &'p Preview, id: &str) -> Option<&'p Finding> {
    preview.findings.iter().find(|finding| finding.id == id)
}

/// Demands the finding, with evidence that ends like this, and both languages.
#[track_caller]
fn demand(preview: &Preview, id: &str, evidence: &str) -> Severity {
    let finding = find(preview, id).unwrap_or_else(|| {
        panic!("no {id} among {:?}", preview.findings.iter().map(|finding| &finding.id).collect::<Vec<_>>())
    });
    assert!(finding.evidence.ends_with(evidence), "{id}: {}", finding.evidence);
    for lang in [Lang::En, Lang::Ko] {
        assert!(
            !finding.message(lang).contains('{') && !finding.message(lang).starts_with("finding."),
            "{}",
            finding.message(lang)
        );
        assert!(
            !finding.remedy(lang).contains('{') && !finding.remedy(lang).starts_with("finding."),
            "{}",
            finding.remedy(lang)
        );
    }
    finding.severity
}

/// A value in the cluster's own file, and the finding that it gives; the same release without the line has none.
#[track_caller]
fn by_line(release: &str, os: &str, vars: &str, id: &str) {
    let checkout = one_node(release);
    let file = cluster_vars(release);
    checkout.add(file, vars);
    let lines = fs::read_to_string(checkout.inventory.parent().unwrap().join(file)).unwrap().lines().count();
    let evidence = format!("{file}:{lines}");
    demand(&look(&checkout, os), id, &evidence);
    let clean = one_node(release);
    clean.add(file, ON);
    assert!(find(&look(&clean, os), id).is_none(), "{id} without a reason");
}

#[test]
fn values_that_the_role_cannot_use() {
    by_line("v2.31.0", "ubuntu-22.04", "nvidia_driver_install_container: true\n", "image-true");
    by_line("v2.31.0", "ubuntu-22.04", "nvidia_gpu_flavor: geforce\n", "unknown-flavor");
    by_line("v2.31.0", "ubuntu-22.04", "nvidia_driver_version: 450.80\n", "version-is-a-number");
    by_line("v2.31.0", "ubuntu-22.04", "nvidia_gpu_device_plugin_enabled: true\n", "invented-variable");
    by_line("v2.31.0", "ubuntu-22.04", "nvidia_driver_install: false\n", "invented-variable");
    by_line("v2.31.0", "ubuntu-22.04", "docker_storage_options: -s overlay2\n", "docker-only-setting");
    by_line("v2.31.0", "ubuntu-22.04", "kube_override_hostname: ''\n", "empty-node-name");
}

#[test]
fn one_switch_without_the_other() {
    by_line("v2.14.2", "centos-7", "nvidia_accelerator_enabled: true\n", "switch-without-gpu-nodes");
    by_line("v2.14.2", "centos-7", "nvidia_gpu_nodes: [node1]\n", "gpu-nodes-without-switch");
    by_line(
        "v2.14.2",
        "centos-7",
        "nvidia_gpu_nodes: [node1]\nnvidia_accelerator_enabled: no\n",
        "gpu-nodes-switched-off",
    );
    by_line(
        "v2.14.2",
        "centos-7",
        "nvidia_accelerator_enabled: true\nnvidia_gpu_nodes: [node9]\n",
        "gpu-node-not-in-inventory",
    );
}

#[test]
fn three_names_of_one_machine() {
    let checkout = one_node("v2.14.2");
    checkout.add("host_vars/node1.yml", "kube_override_hostname: gpu-a\n");
    let mut request = checkout.request();
    request.hostname = "box17".to_owned();
    let found = preview(&files(), &request).unwrap();
    demand(&found, "three-names", "inventory.ini");
    assert_eq!((found.inventory_host.as_deref(), found.node.as_deref()), (Some("node1"), Some("gpu-a")));
    assert!(find(&preview(&files(), &one_node("v2.14.2").request()).unwrap(), "three-names").is_none());
}

#[test]
fn a_taint_that_the_installer_does_not_tolerate() {
    let checkout = one_node("v2.14.2");
    checkout.add("host_vars/node1.yml", "node_taints:\n  - dedicated=ml:NoSchedule\n  - nvidia.com/gpu=:NoSchedule\n");
    let found = look(&checkout, "centos-7");
    demand(&found, "extra-taint", "host_vars/node1.yml:1");
    assert_eq!(found.findings.iter().filter(|finding| finding.id == "extra-taint").count(), 1);
}

#[test]
fn what_becomes_of_the_taint_is_said_by_release() {
    for (release, id) in [
        ("v2.14.2", "taint-at-registration"),
        ("v2.22.2", "taint-at-registration"),
        ("v2.25.1", "taint-comes-back"),
        ("v2.31.0", "taint-comes-back"),
    ] {
        let checkout = one_node(release);
        checkout.add(cluster_vars(release), ON);
        let found = look(&checkout, "centos-7");
        assert_eq!(demand(&found, id, ""), Severity::Info, "{release}");
        assert_eq!(found.findings.iter().filter(|finding| finding.id.starts_with("taint-")).count(), 1, "{release}");
        demand(&found, "scale-without-daemonsets", "scale.yml");
    }
}

#[test]
fn images_of_a_frozen_registry() {
    let checkout = one_node("v2.14.2");
    checkout.add(cluster_vars("v2.14.2"), ON);
    demand(&look(&checkout, "ubuntu-18.04"), "frozen-registry", "vars/ubuntu-18.yml:2");
    let plugin = look(&checkout, "centos-7");
    demand(&plugin, "frozen-registry", "nvidia_gpu/defaults/main.yml:12");
    let new = one_node("v2.31.0");
    new.add(cluster_vars("v2.31.0"), ON);
    assert!(find(&look(&new, "ubuntu-18.04"), "frozen-registry").is_none(), "registry.k8s.io since v2.20");
}

#[test]
fn a_key_that_is_there_twice() {
    by_line("v2.14.2", "centos-7", "nvidia_gpu_flavor: gtx\nnvidia_gpu_flavor: tesla\n", "duplicate-key");
}

#[test]
fn what_is_encrypted_is_named_and_not_opened() {
    let checkout = one_node("v2.14.2");
    checkout.add("group_vars/all/secret.yml", "$ANSIBLE_VAULT;1.1;AES256\n3334\n");
    checkout.add("group_vars/all/value.yml", "nvidia_driver_version: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3334\n");
    let found = look(&checkout, "centos-7");
    demand(&found, "vaulted-file", "group_vars/all/secret.yml");
    demand(&found, "vaulted-value", "group_vars/all/value.yml:1");
}

#[test]
fn a_role_that_somebody_has_edited() {
    let checkout = one_node("v2.14.2");
    let defaults =
        checkout.path.join("roles/kubernetes-apps/container_engine_accelerator/nvidia_gpu/defaults/main.yml");
    assert!(find(&look(&checkout, "centos-7"), "role-edited").is_none());
    let text = fs::read_to_string(&defaults).unwrap().replace("390.87", "450.51.06");
    fs::write(&defaults, text).unwrap();
    demand(&look(&checkout, "centos-7"), "role-edited", "nvidia_gpu/defaults/main.yml:3");
}

#[test]
fn settings_of_ansible_and_of_the_folder() {
    let checkout = one_node("v2.31.0");
    fs::write(checkout.path.join("ansible.cfg"), "[defaults]\nhash_behaviour = merge\n").unwrap();
    fs::create_dir_all(checkout.path.join("playbooks")).unwrap();
    fs::write(checkout.path.join("playbooks/cluster.yml"), "").unwrap();
    fs::create_dir_all(checkout.path.join("group_vars")).unwrap();
    fs::write(checkout.path.join("group_vars/all.yml"), "nvidia_gpu_flavor: gtx\n").unwrap();
    fs::set_permissions(&checkout.path, fs::Permissions::from_mode(0o777)).unwrap();
    let found = look(&checkout, "ubuntu-22.04");
    demand(&found, "hash-merge", "ansible.cfg");
    demand(&found, "open-to-all", "v2.31.0");
    demand(&found, "not-beside-plays", "v2.31.0/group_vars");
    let flavor = found.variable("nvidia_gpu_flavor").unwrap();
    assert_eq!(
        (flavor.value.as_ref().unwrap().as_str(), flavor.ignored[0].why),
        (Some("tesla"), gpunode::kubespray::IgnoredWhy::NotBesidePlays)
    );
}

#[test]
fn old_names_of_groups_in_new_releases() {
    let text = "[kube-master]\nnode1\n[kube-node]\nnode1\n[k8s-cluster:children]\nkube-master\nkube-node\n";
    demand(&look(&Checkout::with_inventory("v2.31.0", text), "ubuntu-22.04"), "old-group-names", "inventory.ini");
    assert!(find(&look(&Checkout::with_inventory("v2.14.2", text), "centos-7"), "old-group-names").is_none());
    let mut request = Checkout::with_inventory("v2.31.0", text).request();
    let checkout = Checkout::with_inventory("v2.31.0", text);
    (request.checkout, request.inventory, request.release) =
        (Some(checkout.path.clone()), Some(checkout.inventory.clone()), Some("v2.27.0".to_owned()));
    assert_eq!(demand(&preview(&files(), &request).unwrap(), "old-group-names", "inventory.ini"), Severity::Warning);
}

#[test]
fn a_limit_that_needs_addresses() {
    demand(&look(&one_node("v2.26.1"), "ubuntu-22.04"), "limit-needs-ip", "inventory.ini");
    let with_ip = one_node("v2.26.1");
    with_ip.add("host_vars/node1.yml", "ip: 10.0.0.1\n");
    assert!(find(&look(&with_ip, "ubuntu-22.04"), "limit-needs-ip").is_none());
    assert!(find(&look(&one_node("v2.31.0"), "ubuntu-22.04"), "limit-needs-ip").is_none());
}

#[test]
fn variables_that_the_first_releases_lack() {
    let checkout = one_node("v2.12.10");
    checkout.add(cluster_vars("v2.12.10"), "nvidia_driver_install_centos_container: my/img:1\n");
    let mut request = checkout.request();
    assert!(find(&preview(&files(), &request).unwrap(), "not-in-release").is_none());
    request.release = Some("v2.8.5".to_owned());
    let found = preview(&files(), &request).unwrap();
    demand(&found, "not-in-release", "");
    demand(&found, "release-without-labels", "v2.8.5");
}

#[test]
fn a_checkout_demands_its_own_ansible() {
    let checkout = one_node("v2.22.2");
    fs::create_dir_all(checkout.path.join("playbooks")).unwrap();
    fs::write(
        checkout.path.join("playbooks/ansible_version.yml"),
        "- hosts: all\n  vars:\n    minimal_ansible_version: 2.12.0  # why\n    maximal_ansible_version: 2.13.0\n",
    )
    .unwrap();
    fs::create_dir_all(checkout.path.join("venv/bin")).unwrap();
    fs::write(checkout.path.join("venv/bin/ansible-playbook"), "").unwrap();
    fs::create_dir_all(checkout.path.join("venv/lib/python3.11/site-packages/ansible_core-2.18.0.dist-info")).unwrap();
    // Below a root, so that an Ansible of this machine does not get in between.
    let root = checkout.path.parent().unwrap();
    let below = |path: &std::path::Path| std::path::Path::new("/").join(path.strip_prefix(root).unwrap());
    let mut request = checkout.request();
    (request.checkout, request.inventory) = (Some(below(&checkout.path)), Some(below(&checkout.inventory)));
    let found = preview(&gpunode::host::local::LocalFiles::new(root), &request).unwrap();
    demand(&found, "ansible-core-unfit", "ansible-core 2.18.0");
    assert!(find(&found, "ansible-core-unfit").unwrap().message(Lang::En).contains("2.12.0"));
}

#[test]
fn pipes_and_garbage_are_errors_and_nobody_waits() {
    let checkout = one_node("v2.31.0");
    let pipe = |name: &str| {
        let path = checkout.inventory.parent().unwrap().join(name);
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    };
    let mut request = checkout.request();
    request.inventory = Some(pipe("pipe.ini"));
    assert!(preview(&files(), &request).unwrap_err().to_string().contains("neither a file nor a folder"));
    pipe("group_vars/all/pipe.yml");
    demand(&look(&checkout, "ubuntu-22.04"), "vars-file-refused", "pipe.yml:1");
    fs::write(&checkout.inventory, [0xff, 0xfe, 0, 1, b'[', b'\n', 0x80]).unwrap();
    demand(&look(&checkout, "ubuntu-22.04"), "inventory-refused", "inventory.ini:1");
    fs::write(&checkout.inventory, "#!/usr/bin/env python3\nprint('{}')\n").unwrap();
    demand(&look(&checkout, "ubuntu-22.04"), "inventory-is-a-program", "inventory.ini");
}
