//! The capability verdict: every row of what the real roles showed, and the whole grid of releases, systems, container
//! managers and versions of ansible-core.

use std::{fs, path::Path};

use crate::support::kubespray::{Checkout, cluster_vars, one_node};
use Verdict::{Broken, NoOp, Works};
use gpunode::{
    host::local::LocalFiles,
    kubespray::{Preview, PreviewRequest, Verdict, preview},
};
use serde_json::{Value, json};

const ON: &str = "nvidia_accelerator_enabled: true\nnvidia_gpu_nodes: [node1]\n";
const SEED: &str = "nvidia_accelerator_enabled: true\nnvidia_gpu_nodes: [node1]\nnvidia_driver_install_container: true\nnvidia_driver_install_supported: true\nnvidia_driver_version: \"450.51.06\"\n";

/// Looks at a checkout as if it were alone on its machine, with this ansible-core in its own environment.
fn look(checkout: &Checkout, os: &str, core: Option<&str>) -> Preview {
    if let Some(core) = core {
        let environment = checkout.path.join("venv");
        fs::create_dir_all(environment.join(format!("lib/python3.11/site-packages/ansible_core-{core}.dist-info")))
            .unwrap();
        fs::create_dir_all(environment.join("bin")).unwrap();
        fs::write(environment.join("bin/ansible-playbook"), "").unwrap();
    }
    let root = checkout.path.parent().unwrap();
    let below = |path: &Path| Path::new("/").join(path.strip_prefix(root).unwrap());
    let request = PreviewRequest {
        checkout: Some(below(&checkout.path)),
        inventory: Some(below(&checkout.inventory)),
        control_plane_os: Some(os.to_owned()),
        hostname: "node1".to_owned(),
        ..Default::default()
    };
    preview(&LocalFiles::new(root), &request).unwrap()
}

fn with_vars(release: &str, vars: &str) -> Checkout {
    let checkout = one_node(release);
    checkout.add(cluster_vars(release), vars);
    checkout
}

fn value(preview: &Preview, name: &str) -> Value {
    preview.variable(name).unwrap().value.clone().unwrap_or(Value::Null)
}

/// One row: what it says, then release, system, ansible-core, inventory, and what we must say.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str, Verdict, &'static str);

const CONTAINER_TRUE: &str =
    "nvidia_accelerator_enabled: true\nnvidia_gpu_nodes: [node1]\nnvidia_driver_install_container: true\n";
const OWN: &str =
    "nvidia_accelerator_enabled: true\nnvidia_gpu_nodes: [node1]\nnvidia_driver_install_container: myreg/x:1\n";
const OWN_SUPPORTED: &str = "nvidia_accelerator_enabled: true\nnvidia_gpu_nodes: [node1]\nnvidia_driver_install_container: myreg/x:1\nnvidia_driver_install_supported: true\n";

const ROWS: [Row; 26] = [
    // Section 1.3: the precedence results.
    (
        "seed's values in group_vars | CentOS 7.8 | image atzedevries:2, URL tesla/450.51.06",
        "v2.14.2",
        "centos-7.8",
        "2.9.27",
        SEED,
        Works,
        "works",
    ),
    (
        "only nvidia_accelerator_enabled: true | Ubuntu 20.04 | nothing rendered or applied, no error",
        "v2.14.2",
        "ubuntu-20.04",
        "2.9.27",
        "nvidia_accelerator_enabled: true\n",
        NoOp,
        "os-not-listed",
    ),
    (
        "only nvidia_accelerator_enabled: true | Ubuntu 22.04 | nothing rendered or applied, no error",
        "v2.31.0",
        "ubuntu-22.04",
        "2.18.4",
        "nvidia_accelerator_enabled: true\n",
        NoOp,
        "os-not-listed",
    ),
    (
        "only nvidia_accelerator_enabled: true | RHEL 7 | nothing rendered or applied, no error",
        "v2.14.2",
        "rhel-7.8",
        "2.9.27",
        "nvidia_accelerator_enabled: true\n",
        NoOp,
        "os-not-listed",
    ),
    (
        "container: true, supported: true | Ubuntu 20.04 (v2.14.2) | applied with image \"True\"",
        "v2.14.2",
        "ubuntu-20.04",
        "2.9.27",
        SEED,
        Broken,
        "image-true",
    ),
    (
        "container: true, supported: true | Ubuntu 22.04 (v2.31.0) | applied with image \"True\"",
        "v2.31.0",
        "ubuntu-22.04",
        "2.18.4",
        SEED,
        Broken,
        "image-true",
    ),
    (
        "container: myreg/x:1 | CentOS 7 | ignored (include_vars wins)",
        "v2.14.2",
        "centos-7",
        "2.9.27",
        OWN,
        Works,
        "works",
    ),
    (
        "container: myreg/x:1 + supported: true | Ubuntu 22.04, v2.31.0 | works",
        "v2.31.0",
        "ubuntu-22.04",
        "2.18.4",
        OWN_SUPPORTED,
        Works,
        "works-with-own-image",
    ),
    (
        "container: myreg/x:1, supported unset | Ubuntu 22.04, v2.31.0 | file written, not applied",
        "v2.31.0",
        "ubuntu-22.04",
        "2.18.4",
        OWN,
        NoOp,
        "image-not-applied",
    ),
    (
        "same, ansible-core 2.19 | v2.31.0 | fails \"Conditionals must have a boolean result\"",
        "v2.31.0",
        "ubuntu-22.04",
        "2.19.14",
        OWN_SUPPORTED,
        Broken,
        "strict-core",
    ),
    (
        "nvidia_gpu_flavor: geforce | any | fatal 'nvidia_driver_download_url_default' is undefined",
        "v2.14.2",
        "centos-7",
        "2.9.27",
        "nvidia_accelerator_enabled: true\nnvidia_gpu_nodes: [node1]\nnvidia_gpu_flavor: geforce\n",
        Broken,
        "unknown-flavor",
    ),
    (
        "flavor custom + own nvidia_driver_download_url_default | any | your URL is used",
        "v2.14.2",
        "centos-7",
        "2.9.27",
        "nvidia_accelerator_enabled: true\nnvidia_gpu_nodes: [node1]\nnvidia_gpu_flavor: custom\nnvidia_driver_download_url_default: file:///root/x.run\n",
        Works,
        "works",
    ),
    (
        "nvidia_gpu_nodes set, nvidia_accelerator_enabled unset | any | play node-label fatal",
        "v2.14.2",
        "centos-7",
        "2.9.27",
        "nvidia_gpu_nodes: [node1]\n",
        Broken,
        "switch-missing",
    ),
    (
        "enabled, no nvidia_gpu_nodes | any | DaemonSets exist, DESIRED 0 (no label)",
        "v2.14.2",
        "centos-7",
        "2.9.27",
        "nvidia_accelerator_enabled: true\n",
        Works,
        "works",
    ),
    // Section 6: what the real roles render.
    (
        "2.18 | v2.31 | Ubuntu 22.04 | only enabled, nodes, flavor | nothing rendered, nothing applied, exit 0",
        "v2.31.0",
        "ubuntu-22.04",
        "2.18.4",
        "nvidia_accelerator_enabled: true\nnvidia_gpu_nodes: [node1]\nnvidia_gpu_flavor: tesla\n",
        NoOp,
        "os-not-listed",
    ),
    (
        "2.18 | v2.31 | Ubuntu 22.04 | container: true | manifests written with image \"True\", none applied",
        "v2.31.0",
        "ubuntu-22.04",
        "2.18.4",
        CONTAINER_TRUE,
        NoOp,
        "image-true-not-applied",
    ),
    (
        "2.18 | v2.31 | Ubuntu 22.04 | + supported: true | applied with image \"True\"",
        "v2.31.0",
        "ubuntu-22.04",
        "2.18.4",
        SEED,
        Broken,
        "image-true",
    ),
    (
        "2.18 | v2.31 | Ubuntu 22.04 | container: my/img:1 + supported: true | applied with my/img:1",
        "v2.31.0",
        "ubuntu-22.04",
        "2.18.4",
        OWN_SUPPORTED,
        Works,
        "works-with-own-image",
    ),
    (
        "2.18 | v2.31 | Ubuntu 18.04 | container: my/img:1 | ignored, default image applied",
        "v2.31.0",
        "ubuntu-18.04",
        "2.18.4",
        OWN,
        Works,
        "works",
    ),
    (
        "2.18 | v2.31 | Ubuntu 18.04 | ubuntu_container: my/img:1 | applied with my/img:1",
        "v2.31.0",
        "ubuntu-18.04",
        "2.18.4",
        "nvidia_accelerator_enabled: true\nnvidia_gpu_nodes: [node1]\nnvidia_driver_install_ubuntu_container: myreg/x:1\n",
        Works,
        "works",
    ),
    (
        "2.18 | v2.31 | CentOS 7.9 | the seed | written with image \"True\", none applied",
        "v2.31.0",
        "centos-7.9",
        "2.18.4",
        CONTAINER_TRUE,
        NoOp,
        "image-true-not-applied",
    ),
    (
        "2.18 | v2.25.0 | CentOS 7.9 | the seed | applied, atzedevries/nvidia-centos-driver-installer:2",
        "v2.25.1",
        "centos-7.9",
        "2.18.4",
        SEED,
        Works,
        "works",
    ),
    (
        "2.19 | v2.31 | any working path | container is a string | fatal",
        "v2.31.0",
        "ubuntu-18.04",
        "2.19.0",
        ON,
        Broken,
        "strict-core",
    ),
    (
        "2.18 | v2.31 | any | nvidia_gpu_nodes set, enabled unset | fatal on every host",
        "v2.31.0",
        "ubuntu-22.04",
        "2.18.4",
        "nvidia_gpu_nodes: [node1]\n",
        Broken,
        "switch-missing",
    ),
    (
        "flavor in capitals is a flavor (the role compares in lower case)",
        "v2.14.2",
        "centos-7",
        "2.9.27",
        "nvidia_accelerator_enabled: true\nnvidia_gpu_nodes: [node1]\nnvidia_gpu_flavor: TESLA\n",
        Works,
        "works",
    ),
    ("v2.26.0: vars/centos-7.yml deleted", "v2.26.1", "centos-7.9", "2.16.0", ON, NoOp, "os-not-listed"),
];

#[test]
fn every_row_of_what_the_real_roles_showed() {
    for (says, release, os, core, vars, verdict, reason) in ROWS {
        let found = look(&with_vars(release, vars), os, Some(core));
        assert_eq!((found.capability.verdict, found.capability.reason.as_str()), (verdict, reason), "{says}");
        assert_eq!(found.capability.instead.is_none(), verdict == Works, "{says}");
        assert!(!found.capability.why.starts_with("capability."), "no text for {reason}");
    }
}

#[test]
fn the_values_that_those_rows_speak_of() {
    let seed = look(&with_vars("v2.14.2", SEED), "centos-7.8", None);
    assert_eq!(value(&seed, "nvidia_driver_install_container"), json!("atzedevries/nvidia-centos-driver-installer:2"));
    assert_eq!(
        value(&seed, "nvidia_driver_download_url_default"),
        json!("https://us.download.nvidia.com/tesla/450.51.06/NVIDIA-Linux-x86_64-450.51.06.run")
    );
    let ubuntu = look(
        &with_vars("v2.31.0", &format!("{ON}nvidia_driver_install_ubuntu_container: my/img:1\n")),
        "ubuntu-18.04",
        None,
    );
    assert_eq!(value(&ubuntu, "nvidia_driver_install_container"), json!("my/img:1"));
    let custom = format!("{ON}nvidia_gpu_flavor: custom\nnvidia_driver_download_url_default: file:///root/x.run\n");
    assert_eq!(
        value(&look(&with_vars("v2.14.2", &custom), "centos-7", None), "nvidia_driver_download_url_default"),
        json!("file:///root/x.run")
    );
    // With tesla or gtx the role's own address wins.
    let tesla = format!("{ON}nvidia_driver_download_url_default: file:///root/x.run\n");
    assert!(
        value(&look(&with_vars("v2.14.2", &tesla), "centos-7", None), "nvidia_driver_download_url_default")
            .as_str()
            .unwrap()
            .contains("tesla/390.87")
    );
}

/// The label and taint rows: the folder that is not named like the group, the name that is empty, and the label without
/// the switch.
#[test]
fn the_label_and_taint_rows() {
    let has = |preview: &Preview, id: &str| preview.findings.iter().any(|finding| finding.id == id);
    let right = look(&with_vars("v2.31.0", ON), "ubuntu-22.04", None);
    assert!(!has(&right, "wrong-folder-name"));
    let old = one_node("v2.31.0");
    old.add("group_vars/k8s-cluster/gpu.yml", ON);
    let old = look(&old, "ubuntu-22.04", None);
    assert!(has(&old, "wrong-folder-name"), "nothing, exit 0");
    assert_eq!(value(&old, "nvidia_gpu_nodes"), json!([]));
    let empty = look(&with_vars("v2.31.0", &format!("{ON}kube_override_hostname: ''\n")), "ubuntu-22.04", None);
    assert!(has(&empty, "empty-node-name"), "taint command has no node name");
    let label = one_node("v2.31.0");
    label.add("host_vars/node1.yml", "node_labels:\n  nvidia.com/gpu: \"true\"\n");
    let label = look(&label, "ubuntu-22.04", None);
    assert_eq!(value(&label, "node_labels"), json!({"nvidia.com/gpu": "true"}), "label only, no taint");
}

/// A machine with an inventory in the names of the release, switched on.
fn grid_machine(minor: u32, manager: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let [master, node, cluster] = if minor < 16 {
        ["kube-master", "kube-node", "k8s-cluster"]
    } else {
        ["kube_control_plane", "kube_node", "k8s_cluster"]
    };
    let inventory = format!("[{master}]\nnode1\n[{node}]\nnode1\n[{cluster}:children]\n{master}\n{node}\n");
    fs::create_dir_all(root.path().join("inv/group_vars")).unwrap();
    fs::write(root.path().join("inv/hosts.ini"), inventory).unwrap();
    fs::write(root.path().join(format!("inv/group_vars/{cluster}.yml")), format!("{ON}container_manager: {manager}\n"))
        .unwrap();
    root
}

/// Where there is no checkout, the table of releases answers: v2.7 to v2.31, every system, every container manager,
/// switched on.
#[test]
fn the_whole_grid_from_the_built_in_table() {
    let systems = [
        "centos-7",
        "centos-7.9",
        "centos-8",
        "rhel-7.8",
        "rhel-8.4",
        "rocky-8.9",
        "almalinux-9.3",
        "ol-7.9",
        "ubuntu-16.04",
        "ubuntu-18.04",
        "ubuntu-20.04",
        "ubuntu-22.04",
        "ubuntu-24.04",
        "debian-10",
        "debian-12",
        "fedora-39",
        "amzn-2",
        "opensuse-leap-15.6",
        "flatcar-3510",
    ];
    let mut count = 0;
    for minor in 7..=31 {
        for manager in ["docker", "containerd", "crio"] {
            let root = grid_machine(minor, manager);
            for os in systems {
                let request = PreviewRequest {
                    inventory: Some("/inv/hosts.ini".into()),
                    hostname: "node1".to_owned(),
                    control_plane_os: Some(os.to_owned()),
                    release: Some(format!("v2.{minor}.0")),
                    ..Default::default()
                };
                let found = preview(&LocalFiles::new(root.path()), &request).unwrap();
                // The facts: vars files for CentOS 7 (deleted in v2.26), Ubuntu 16 and 18; RHEL and Oracle are other
                // names.
                let listed = match os {
                    "centos-7" | "centos-7.9" => minor < 26,
                    "ubuntu-16.04" | "ubuntu-18.04" => true,
                    _ => false,
                };
                let expected = if listed { (Works, "works") } else { (NoOp, "os-not-listed") };
                assert_eq!(
                    (found.capability.verdict, found.capability.reason.as_str()),
                    expected,
                    "v2.{minor} {os} {manager}"
                );
                assert_eq!(found.container_manager, manager);
                count += 1;
            }
        }
    }
    assert_eq!(count, 25 * 19 * 3);
}
