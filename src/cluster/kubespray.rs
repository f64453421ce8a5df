//! What Kubespray's role `nvidia_gpu` puts into a cluster: a DaemonSet that installs the driver, and one that offers
//! the GPUs.

use super::{
    GPU,
    check::CheckId,
    phases,
    workload::{Done, FollowedLog, Link, Missing, Role, Rule, StackSpec, Workload},
};

/// Kubespray's installer. Source: Kubespray's role `nvidia_gpu`, template nvidia-driver-install-daemonset.yml, all
/// releases.
pub const INSTALLER: Workload = Workload {
    role: Role::Driver,
    name: "nvidia-driver-installer",
    labels: &[("name", "nvidia-driver-installer")],
    containers: &["nvidia-driver-installer"],
    done: Done::Ended,
    missing: Missing::GpuRole,
};

/// Kubespray's device plugin, which is Google's. Source: the same role, template
/// k8s-device-plugin-nvidia-daemonset.yml.
const PLUGIN: Workload = Workload {
    role: Role::DevicePlugin,
    name: "nvidia-gpu-device-plugin",
    labels: &[("k8s-app", "nvidia-gpu-device-plugin")],
    containers: &["nvidia-gpu-device-plugin"],
    done: Done::Ready,
    missing: Missing::GpuRole,
};

/// What is watched in step 4.
pub static STACK: StackSpec = StackSpec {
    namespace: Some("kube-system"),
    workloads: &[INSTALLER, PLUGIN],
    foreign: &[],
    stops_at_first: false,
    links: &[
        Link::new(CheckId::Api, Rule::Api),
        Link::new(CheckId::NodeReady, Rule::NodeReady),
        Link::new(CheckId::NodeLabel, Rule::Label(GPU)),
        Link::new(CheckId::Daemonsets, Rule::Wanted(&[Role::Driver, Role::DevicePlugin])),
        Link::new(CheckId::Installer, Rule::Works(Role::Driver)),
        Link::new(CheckId::Plugin, Rule::Registered),
        Link::new(CheckId::Capacity, Rule::Allocatable),
        Link::new(CheckId::TestPod, Rule::TestPod),
    ],
    logs: &[FollowedLog { role: Role::Driver, containers: INSTALLER.containers, phases: &phases::INSTALLER_IMAGE }],
};
