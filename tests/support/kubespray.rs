//! Real inventories of eight Kubespray releases, laid out as a checkout in a temporary folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::folder::copy;
use gpunode::{host::local::LocalFiles, kubespray::PreviewRequest};
use tempfile::TempDir;

/// The releases of the data folder.
pub const RELEASES: [&str; 8] = ["v2.12.10", "v2.14.2", "v2.16.0", "v2.18.2", "v2.22.2", "v2.25.1", "v2.26.1", "v2.31.0"];

/// Returns the folder with the inventories of all releases.
pub fn data() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var_os("GPUNODE_SHARED").map(PathBuf::from);
    let places = shared.into_iter().chain([root.join("../shared"), root.join("../../shared")]);
    let found = places.map(|place| place.join("data/kubespray-inventories")).find(|place| place.is_dir());
    found.expect("the Kubespray inventories: set GPUNODE_SHARED to the folder that holds data/kubespray-inventories")
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
    /// Lays out the release with its own sample `group_vars` and this inventory file (`local/hosts.ini`, …) of the data folder.
    pub fn of(release: &str, inventory: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(release);
        let from = data().join(release);
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
