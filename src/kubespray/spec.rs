//! The variables that matter for a GPU node: the one table of what is known about each of them.

/// What is known about one variable.
#[derive(Debug, PartialEq, Eq)]
pub struct VariableSpec {
    /// Its name.
    pub name: &'static str,
    /// Where it is read, and so in which file it belongs.
    pub scope: Scope,
    /// What its values are like.
    pub shape: Shape,
    /// The minor number of the Kubespray release 2.x that first has it; `None`: all that this program knows have it.
    pub since: Option<u32>,
}

/// Where a variable is read, and so which file takes it when nobody sets it yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// By the GPU role, which runs on the first host of the control plane: the cluster's file.
    ControlPlane,
    /// By tasks on every node, with one value for the cluster: the cluster's file.
    Nodes,
    /// By the tasks that install Docker on a node, and by nobody under another container manager: Docker's file.
    Docker,
    /// By tasks on the one node that it is about: the node's own file.
    OneNode,
    /// By tasks on a GPU node: the file of the group of GPU nodes, or the node's own.
    GpuNode,
    /// As [`Self::GpuNode`], and only by those that install containerd.
    Containerd,
}

/// What the values of a variable are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `true` or `false`.
    Bool,
    /// A driver version.
    Version,
    /// The address of a folder, with its last slash.
    BaseUrl,
    /// The address of a file.
    Url,
    /// A kind of card that the role knows.
    Flavor,
    /// A container image.
    Image,
    /// A container image, or `false` for none.
    ImageOrFalse,
    /// The name of a host.
    Name,
    /// A list of names of hosts.
    Names,
    /// An amount of memory.
    Quantity,
    /// A container manager.
    Manager,
    /// Labels of Kubernetes: a mapping.
    Labels,
    /// Taints of Kubernetes: a list.
    Taints,
    /// Runtimes of containerd: a list of mappings.
    Runtimes,
    /// Any text but none.
    Text,
}

/// The driver that the installer pod brings; the answers call it `driver_version`.
pub const DRIVER_VERSION: &str = "nvidia_driver_version";
/// Set by the role itself for the flavors it knows.
pub const DOWNLOAD_URL: &str = "nvidia_driver_download_url_default";

const fn spec(name: &'static str, scope: Scope, shape: Shape, since: Option<u32>) -> VariableSpec {
    VariableSpec { name, scope, shape, since }
}

/// Those of the GPU role first, in the order of its `defaults/main.yml`; then what it needs beside them.
static TABLE: [VariableSpec; 26] = [
    spec("nvidia_accelerator_enabled", Scope::Nodes, Shape::Bool, None),
    spec(DRIVER_VERSION, Scope::ControlPlane, Shape::Version, None),
    spec("nvidia_gpu_tesla_base_url", Scope::ControlPlane, Shape::BaseUrl, None),
    spec("nvidia_gpu_gtx_base_url", Scope::ControlPlane, Shape::BaseUrl, None),
    spec("nvidia_gpu_flavor", Scope::ControlPlane, Shape::Flavor, None),
    spec("nvidia_url_end", Scope::ControlPlane, Shape::Text, None),
    spec("nvidia_driver_install_container", Scope::ControlPlane, Shape::ImageOrFalse, None),
    spec("nvidia_driver_install_centos_container", Scope::ControlPlane, Shape::Image, Some(9)),
    spec("nvidia_driver_install_ubuntu_container", Scope::ControlPlane, Shape::Image, Some(9)),
    spec("nvidia_driver_install_supported", Scope::ControlPlane, Shape::Bool, None),
    spec("nvidia_gpu_device_plugin_container", Scope::ControlPlane, Shape::Image, Some(9)),
    spec("nvidia_gpu_nodes", Scope::Nodes, Shape::Names, None),
    spec("nvidia_gpu_device_plugin_memory", Scope::ControlPlane, Shape::Quantity, Some(9)),
    spec(DOWNLOAD_URL, Scope::ControlPlane, Shape::Url, None),
    spec("container_manager", Scope::Nodes, Shape::Manager, None),
    spec("docker_storage_options", Scope::Docker, Shape::Text, None),
    spec("node_labels", Scope::GpuNode, Shape::Labels, None),
    spec("node_taints", Scope::GpuNode, Shape::Taints, None),
    spec("kube_override_hostname", Scope::OneNode, Shape::Name, None),
    spec("containerd_additional_runtimes", Scope::Containerd, Shape::Runtimes, Some(18)),
    spec("containerd_default_runtime", Scope::Containerd, Shape::Text, Some(18)),
    spec("containerd_use_systemd_cgroup", Scope::Containerd, Shape::Bool, Some(18)),
    spec("containerd_version", Scope::Containerd, Shape::Text, Some(18)),
    spec("containerd_extra_args", Scope::Containerd, Shape::Text, Some(25)),
    spec("enable_cdi", Scope::Containerd, Shape::Bool, Some(24)),
    spec("ubuntu_kernel_unattended_upgrades_disabled", Scope::GpuNode, Shape::Bool, Some(25)),
];

impl VariableSpec {
    /// Returns all variables, in the order of the preview.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        TABLE.iter()
    }

    /// Returns what is known about a variable; `None` for one that is none of ours.
    pub fn of(name: &str) -> Option<&'static Self> {
        TABLE.iter().find(|spec| spec.name == name)
    }

    /// Tells whether the variable means something under this container manager.
    pub fn is_for(&self, container_manager: &str) -> bool {
        self.scope != Scope::Containerd || container_manager == "containerd"
    }
}

impl Scope {
    /// Tells whether the tasks that read it run on the node itself; else its value on the control plane counts.
    pub fn is_read_on_node(self) -> bool {
        self != Self::ControlPlane
    }

    /// Tells whether one value holds for the whole cluster.
    pub fn is_of_cluster(self) -> bool {
        matches!(self, Self::ControlPlane | Self::Nodes | Self::Docker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubespray::release::{self, Release};

    #[test]
    fn the_variables_of_the_role_are_those_of_its_defaults() {
        let newest = release::role_defaults(release::newest().unwrap());
        let missing: Vec<_> = newest.keys().filter(|name| VariableSpec::of(name).is_none()).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let names: std::collections::BTreeSet<_> = VariableSpec::all().map(|spec| spec.name).collect();
        assert_eq!(names.len(), VariableSpec::all().count(), "each has one line");
    }

    #[test]
    fn the_images_are_variables_since_2_9() {
        let missing_in = |release: &str| {
            let release = Release::parse(release).unwrap();
            VariableSpec::all().filter(|spec| !release.has(spec)).count()
        };
        assert_eq!((missing_in("v2.8.5"), missing_in("v2.9.0"), missing_in("v2.31.0")), (11, 7, 0));
    }
}
