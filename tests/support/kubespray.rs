//! Inventories of eight Kubespray releases, laid out as a checkout: our own ones of tests/fixtures/kubespray, or the
//! real ones.
//!
//! With `GPUNODE_INVENTORIES=shared` every test that asks here runs on what Kubespray itself has
//! (data/kubespray-inventories of the folder beside the checkout): third-party files, which this repository does not
//! copy. `tests/run` runs both where they are there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{folder::copy, shared};
use gpunode::{
    host::local::LocalFiles,
    kubespray::{GpuRole, PreviewRequest},
};
use tempfile::TempDir;

/// The releases that are laid out.
pub const RELEASES: [&str; 8] =
    ["v2.12.10", "v2.14.2", "v2.16.0", "v2.18.2", "v2.22.2", "v2.25.1", "v2.26.1", "v2.31.0"];

/// Those of them with an inventory from Kubespray's builder, which wrote YAML.
const GENERATED: [&str; 4] = ["v2.12.10", "v2.14.2", "v2.16.0", "v2.26.1"];

const GPU_ROLE: &str = "roles/kubernetes-apps/container_engine_accelerator/nvidia_gpu";

/// Lays out a release's files: `roles`, `sample`, `local/hosts.ini` and, where there is one, `generated/hosts.yaml`.
pub fn lay_out(release: &str, to: &Path) {
    if std::env::var_os("GPUNODE_INVENTORIES").is_some_and(|which| which == "shared") {
        copy(&shared::data("kubespray-inventories").join(release), to);
    } else {
        Own::of(release).write(to);
    }
}

/// Lays out a checkout with an inventory of one machine, and returns both.
pub fn site(folder: &Path) -> (PathBuf, PathBuf) {
    let checkout = folder.join("kubespray-2.14.2");
    lay_out("v2.14.2", &checkout);
    copy(&checkout.join("sample"), &checkout.join("inventory/mycluster"));
    let inventory = checkout.join("inventory/mycluster/hosts.ini");
    fs::copy(checkout.join("local/hosts.ini"), &inventory).unwrap();
    (checkout, inventory)
}

/// Returns the answers that edit such an inventory; the paths are as the program sees them.
pub fn answers_for(checkout: &Path, inventory: &Path) -> String {
    format!(
        "driver_owner: installer-pod\ndriver_version: \"450.51.06\"\ngpus: [\"10de:1db6\"]\nkubespray: {}\ninventory: {}\nnode: node1\nrun_playbooks: false\n",
        checkout.display(),
        inventory.display(),
    )
}

/// Returns the inventories of a release, by their path in what [`lay_out`] writes.
pub fn inventories_of(release: &str) -> Vec<&'static str> {
    let generated = GENERATED.contains(&release).then_some("generated/hosts.yaml");
    ["sample/inventory.ini", "local/hosts.ini"].into_iter().chain(generated).collect()
}

/// Our own group variables; `cluster` stands for the group of the whole cluster.
const VARS: [&str; 7] = [
    "all/all.yml",
    "all/docker.yml",
    "all/containerd.yml",
    "all/site.yml",
    "etcd.yml",
    "cluster/k8s-cluster.yml",
    "cluster/addons.yml",
];

/// Our own files, in the words of a release.
struct Own {
    /// Minor number of the release: the 14 of v2.14.2.
    minor: u32,
}

impl Own {
    fn of(release: &str) -> Self {
        Self { minor: release.split('.').nth(1).unwrap().parse().unwrap() }
    }

    /// Returns a file of tests/fixtures/kubespray with this release's names.
    fn text(&self, name: &str) -> String {
        let path = shared::fixture("kubespray").join(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if self.minor >= 16 {
            return text;
        }
        let names = [
            ("kube_control_plane", "kube-master"),
            ("kube_node", "kube-node"),
            ("k8s_cluster", "k8s-cluster"),
            ("calico_rr", "calico-rr"),
        ];
        names.into_iter().fold(text, |text, (new, old)| text.replace(new, old))
    }

    /// One machine: the first releases name a group that is not there, and the last ones none for the whole cluster.
    fn single(&self) -> String {
        let text = self.text("single.ini");
        match self.minor {
            ..16 => text,
            16..27 => text.replace("calico-rr\n", ""),
            _ => text.split_once("\n[k8s_cluster").unwrap().0.to_owned(),
        }
    }

    fn write(&self, to: &Path) {
        let put = |name: &str, text: String| {
            let path = to.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let cluster = if self.minor < 16 { "k8s-cluster" } else { "k8s_cluster" };
        for name in VARS {
            let mut text = self.text(&format!("group_vars/{name}"));
            if self.minor < 18 {
                text = text.replace("container_manager: containerd", "container_manager: docker");
            }
            put(&format!("sample/group_vars/{}", name.replace("cluster/", &format!("{cluster}/"))), text);
        }
        put("sample/inventory.ini", self.text(if self.minor < 27 { "sample.ini" } else { "sample-implicit.ini" }));
        put("local/hosts.ini", self.single());
        if GENERATED.iter().any(|release| Self::of(release).minor == self.minor) {
            put("generated/hosts.yaml", self.text("hosts.yaml"));
        }
        put(&format!("{GPU_ROLE}/defaults/main.yml"), self.role_defaults());
        for (os, image) in [("centos-7", "centos"), ("ubuntu-16", "ubuntu"), ("ubuntu-18", "ubuntu")] {
            if os == "centos-7" && self.minor >= 26 {
                continue;
            }
            let image =
                format!("nvidia_driver_install_container: \"{{{{ nvidia_driver_install_{image}_container }}}}\"");
            put(&format!("{GPU_ROLE}/vars/{os}.yml"), format!("---\n{image}\nnvidia_driver_install_supported: true\n"));
        }
    }

    /// The role's values as our own catalog has them; the real files are held against it where they are there.
    fn role_defaults(&self) -> String {
        let (registry, plugin) = match self.minor {
            ..13 => ("gcr.io/google-containers", "k8s.gcr.io"),
            13..20 => ("k8s.gcr.io", "k8s.gcr.io"),
            _ => ("registry.k8s.io", "registry.k8s.io"),
        };
        let values = include_str!("../../assets/catalog/kubespray-role.yaml");
        let (_, values) = values.split_once('\n').unwrap();
        format!("---\n{}", values.replace("{registry}", registry).replace("{plugin_registry}", plugin))
    }
}

/// A checkout in a temporary folder.
pub struct Checkout {
    _root: TempDir,
    /// The checkout.
    pub path: PathBuf,
    /// Its inventory file.
    pub inventory: PathBuf,
}

impl Checkout {
    /// Lays out the release with its own sample `group_vars` and this inventory file (`local/hosts.ini`, …) of the data
    /// folder.
    pub fn of(release: &str, inventory: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(release);
        let from = root.path().join("laid-out");
        lay_out(release, &from);
        copy(&from.join("roles"), &path.join("roles"));
        copy(&from.join("sample"), &path.join("inventory/sample"));
        copy(&from.join("sample/group_vars"), &path.join("inventory/mycluster/group_vars"));
        let name = Path::new(inventory).file_name().unwrap();
        let inventory_path = path.join("inventory/mycluster").join(name);
        fs::write(&inventory_path, fs::read(from.join(inventory)).unwrap()).unwrap();
        fs::write(path.join("cluster.yml"), "").unwrap();
        Self { _root: root, path, inventory: inventory_path }
    }

    /// As [`Checkout::of`], with another text for the inventory.
    pub fn with_inventory(release: &str, text: &str) -> Self {
        let checkout = Self::of(release, "sample/inventory.ini");
        fs::write(&checkout.inventory, text).unwrap();
        checkout
    }

    /// Appends lines to a file below the inventory's folder; the file is made if it is not there.
    pub fn add(&self, name: &str, lines: &str) -> &Self {
        let path = self.inventory.parent().unwrap().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(&path, before + lines).unwrap();
        self
    }

    /// Asks for this checkout's preview on the machine `node1`.
    pub fn request(&self) -> PreviewRequest {
        PreviewRequest {
            checkout: Some(self.path.clone()),
            inventory: Some(self.inventory.clone()),
            node: None,
            hostname: "node1".to_owned(),
            control_plane_os: None,
            release: None,
            gpu_role: GpuRole::Installs,
        }
    }
}

/// The files of this machine.
pub fn files() -> LocalFiles {
    LocalFiles::new(Path::new("/"))
}

/// The folder of group variables that the release's own inventories use.
pub fn cluster_vars(release: &str) -> &'static str {
    if matches!(release, "v2.12.10" | "v2.14.2") {
        "group_vars/k8s-cluster/k8s-cluster.yml"
    } else {
        "group_vars/k8s_cluster/k8s-cluster.yml"
    }
}

/// A checkout of a release whose inventory is this one machine.
pub fn one_node(release: &str) -> Checkout {
    Checkout::with_inventory(
        release,
        match cluster_vars(release) {
            "group_vars/k8s-cluster/k8s-cluster.yml" => {
                "node1 ansible_connection=local\n[kube-master]\nnode1\n[etcd]\nnode1\n[kube-node]\nnode1\n[k8s-cluster:children]\nkube-node\nkube-master\n"
            }
            _ => {
                "node1 ansible_connection=local\n[kube_control_plane]\nnode1\n[etcd]\nnode1\n[kube_node]\nnode1\n[k8s_cluster:children]\nkube_node\nkube_control_plane\n"
            }
        },
    )
}
