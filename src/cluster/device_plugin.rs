//! NVIDIA's device plugin by itself, on a node whose host has the driver: its one workload, and the links from the card
//! to the test pod.

use super::{
    check::CheckId,
    kubespray::INSTALLER,
    phases,
    workload::{Done, FollowedLog, Link, Missing, Role, Rule, StackSpec, Workload},
};

/// NVIDIA's device plugin by itself. Source: NVIDIA/k8s-device-plugin, static manifest and Helm chart, v0.14 to v0.19.
pub const DEVICE_PLUGIN: Workload = Workload {
    role: Role::DevicePlugin,
    name: "nvidia-device-plugin-daemonset",
    labels: &[
        ("name", "nvidia-device-plugin-ds"),
        ("app.kubernetes.io/name", "nvidia-device-plugin"),
        ("app", "nvidia-device-plugin-daemonset"),
        ("k8s-app", "nvidia-gpu-device-plugin"),
    ],
    containers: &["nvidia-device-plugin-ctr", "nvidia-device-plugin", "nvidia-gpu-device-plugin"],
    done: Done::Ready,
    missing: Missing::DevicePlugin,
};

/// What is watched in step 4.
pub static STACK: StackSpec = StackSpec {
    namespace: None,
    workloads: &[DEVICE_PLUGIN],
    foreign: &[&INSTALLER],
    stops_at_first: true,
    // h1 to h20 of owners.md 5.1, with the cluster's own three where they come in.
    links: &[
        Link::new(CheckId::Cards, Rule::OnNode),
        Link::new(CheckId::CardsBound, Rule::OnNode),
        Link::new(CheckId::HostDriver, Rule::OnNode),
        Link::new(CheckId::DriverLibrary, Rule::OnNode),
        Link::new(CheckId::DeviceFiles, Rule::OnNode),
        Link::new(CheckId::Nvml, Rule::OnNode),
        Link::new(CheckId::Fabric, Rule::OnNode),
        Link::new(CheckId::Persistence, Rule::OnNode),
        Link::new(CheckId::NextBoot, Rule::OnNode),
        Link::new(CheckId::ContainerToolkit, Rule::OnNode),
        Link::new(CheckId::Cdi, Rule::OnNode),
        Link::new(CheckId::Runtime, Rule::OnNode),
        Link::new(CheckId::RuntimeLasts, Rule::OnNode),
        Link::new(CheckId::RuntimeInUse, Rule::OnNode),
        Link::new(CheckId::Api, Rule::Api),
        Link::new(CheckId::NodeReady, Rule::NodeReady),
        Link::new(CheckId::NoInstaller, Rule::Absent(&INSTALLER)),
        Link::new(CheckId::RuntimeClass, Rule::RuntimeClass("nvidia")),
        Link::new(CheckId::Schedulable, Rule::Wanted(&[Role::DevicePlugin])),
        Link::new(CheckId::DevicePlugin, Rule::Registered),
        Link::new(CheckId::Capacity, Rule::Allocatable),
        Link::new(CheckId::TestPod, Rule::TestPod),
        Link::new(CheckId::SecondBoot, Rule::OnNode),
    ],
    logs: &[FollowedLog {
        role: Role::DevicePlugin,
        containers: DEVICE_PLUGIN.containers,
        phases: &phases::DEVICE_PLUGIN,
    }],
};
