//! NVIDIA's GPU Operator: its workloads, and the links from node feature discovery to the test pod.

use super::{
    check::CheckId,
    kubespray::INSTALLER,
    phases,
    workload::{Done, FollowedLog, Link, Missing, Role, Rule, StackSpec, Workload},
};

/// A workload of the GPU Operator. Source: the operator's DaemonSets of 26.3.3 and 26.7.0 on a real cluster.
const fn operand(
    role: Role,
    name: &'static str,
    labels: &'static [(&'static str, &'static str)],
    containers: &'static [&'static str],
) -> Workload {
    Workload { role, name, labels, containers, done: Done::Ready, missing: Missing::Operator }
}

/// What is watched in step 4.
pub static STACK: StackSpec = StackSpec {
    namespace: None,
    workloads: &[
        operand(
            Role::Driver,
            "nvidia-driver-daemonset",
            &[("app", "nvidia-driver-daemonset"), ("app.kubernetes.io/component", "nvidia-driver")],
            &["nvidia-driver-ctr"],
        ),
        operand(
            Role::Toolkit,
            "nvidia-container-toolkit-daemonset",
            &[("app", "nvidia-container-toolkit-daemonset")],
            &["nvidia-container-toolkit-ctr"],
        ),
        operand(
            Role::Validator,
            "nvidia-operator-validator",
            &[("app", "nvidia-operator-validator")],
            &["nvidia-operator-validator"],
        ),
        operand(
            Role::DevicePlugin,
            "nvidia-device-plugin-daemonset",
            &[("app", "nvidia-device-plugin-daemonset")],
            &["nvidia-device-plugin"],
        ),
    ],
    foreign: &[&INSTALLER],
    stops_at_first: false,
    // o1 to o15 of owners.md 5.1, with the cluster's own two where they come in.
    links: &[
        Link::new(CheckId::Api, Rule::Api),
        Link::new(CheckId::NodeReady, Rule::NodeReady),
        Link::new(CheckId::NodeFeatures, Rule::LabelLike("feature.node.kubernetes.io/pci-", "10de.present")),
        Link::new(CheckId::GpuPresent, Rule::Label("nvidia.com/gpu.present")),
        Link::new(CheckId::NoInstaller, Rule::Absent(&INSTALLER)),
        Link::new(CheckId::DriverPod, Rule::WorksIfThere(Role::Driver)),
        Link::new(CheckId::HostDriver, Rule::Loaded { unless: Some(Role::Driver) }),
        Link::new(CheckId::CardsBound, Rule::OnNode),
        Link::new(CheckId::Toolkit, Rule::WorksIfThere(Role::Toolkit)),
        Link::new(CheckId::Runtime, Rule::OnNode),
        Link::new(CheckId::RuntimeLasts, Rule::OnNode),
        Link::new(CheckId::RuntimeInUse, Rule::OnNode),
        Link::new(CheckId::RuntimeClass, Rule::RuntimeClass("nvidia")),
        Link::new(CheckId::Validator, Rule::Works(Role::Validator)),
        Link::new(CheckId::Validations, Rule::OnNode),
        Link::new(CheckId::DevicePlugin, Rule::Registered),
        Link::new(CheckId::Policy, Rule::Policy),
        Link::new(CheckId::Capacity, Rule::Allocatable),
        Link::new(CheckId::TestPod, Rule::TestPod),
        Link::new(CheckId::SecondBoot, Rule::OnNode),
    ],
    logs: &[
        FollowedLog {
            role: Role::Driver,
            containers: &["k8s-driver-manager", "nvidia-driver-ctr"],
            phases: &phases::DRIVER_CONTAINER,
        },
        FollowedLog {
            role: Role::Toolkit,
            containers: &["driver-validation", "nvidia-container-toolkit-ctr"],
            phases: &phases::UNKNOWN,
        },
        FollowedLog {
            role: Role::Validator,
            containers: &[
                "driver-validation",
                "toolkit-validation",
                "cuda-validation",
                "plugin-validation",
                "nvidia-operator-validator",
            ],
            phases: &phases::UNKNOWN,
        },
        FollowedLog {
            role: Role::DevicePlugin,
            containers: &["toolkit-validation", "nvidia-device-plugin"],
            phases: &phases::DEVICE_PLUGIN,
        },
    ],
};
