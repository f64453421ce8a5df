//! What each driver owner's stack is made of.
use super::{
    GPU,
    check::CheckId,
    phases,
    workload::{Done, FollowedLog, Link, Role, Rule, StackSpec, Workload},
};

/// Kubespray's installer. Source: Kubespray's role `nvidia_gpu`, template nvidia-driver-install-daemonset.yml, all releases.
pub static INSTALLER: Workload = Workload {
    role: Role::Driver,
    name: "nvidia-driver-installer",
    labels: &[("name", "nvidia-driver-installer")],
    containers: &["nvidia-driver-installer"],
    done: Done::Ended,
    missing: "daemonsets-missing",
};

/// Kubespray's device plugin, which is Google's. Source: the same role, template k8s-device-plugin-nvidia-daemonset.yml.
const PLUGIN: Workload = Workload {
    role: Role::DevicePlugin,
    name: "nvidia-gpu-device-plugin",
    labels: &[("k8s-app", "nvidia-gpu-device-plugin")],
    containers: &["nvidia-gpu-device-plugin"],
    done: Done::Ready,
    missing: "daemonsets-missing",
};

/// NVIDIA's device plugin by itself. Source: NVIDIA/k8s-device-plugin, static manifest and Helm chart, v0.14 to v0.19.
const DEVICE_PLUGIN: Workload = Workload {
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
    missing: "device-plugin-missing",
};

/// A workload of the GPU Operator. Source: the operator's DaemonSets of 26.3.3 and 26.7.0 on a real cluster.
const fn operand(role: Role, name: &'static str, labels: &'static [(&'static str, &'static str)], containers: &'static [&'static str]) -> Workload {
    Workload { role, name, labels, containers, done: Done::Ready, missing: "operator-missing" }
}

const fn link(check: CheckId, rule: Rule) -> Link {
    Link { check, rule }
}

/// Kubespray's installer pod.
pub static INSTALLER_POD: StackSpec = StackSpec {
    namespace: Some("kube-system"),
    workloads: &[
        Workload {
            role: Role::Driver,
            name: "nvidia-driver-installer",
            labels: &[("name", "nvidia-driver-installer")],
            containers: &["nvidia-driver-installer"],
            done: Done::Ended,
            missing: "daemonsets-missing",
        },
        PLUGIN,
    ],
    foreign: &[],
    links: &[
        link(CheckId::Api, Rule::Api),
        link(CheckId::NodeReady, Rule::NodeReady),
        link(CheckId::NodeLabel, Rule::Label(GPU)),
        link(CheckId::Daemonsets, Rule::Wanted(&[Role::Driver, Role::DevicePlugin])),
        link(CheckId::Installer, Rule::Works(Role::Driver)),
        link(CheckId::Plugin, Rule::Registered),
        link(CheckId::Capacity, Rule::Allocatable),
        link(CheckId::TestPod, Rule::TestPod),
    ],
    log: Some(FollowedLog { role: Role::Driver, phases: &phases::INSTALLER_IMAGE }),
};

/// The host's own driver.
pub static HOST: StackSpec = StackSpec {
    namespace: None,
    workloads: &[DEVICE_PLUGIN],
    foreign: &[&INSTALLER],
    links: &[
        link(CheckId::Api, Rule::Api),
        link(CheckId::NodeReady, Rule::NodeReady),
        link(CheckId::NoInstaller, Rule::Absent(&INSTALLER)),
        link(CheckId::HostDriver, Rule::Loaded { unless: None }),
        link(CheckId::DevicePlugin, Rule::Registered),
        link(CheckId::Capacity, Rule::Allocatable),
        link(CheckId::TestPod, Rule::TestPod),
    ],
    log: None,
};

/// NVIDIA GPU Operator.
pub static OPERATOR: StackSpec = StackSpec {
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
        operand(Role::Validator, "nvidia-operator-validator", &[("app", "nvidia-operator-validator")], &["nvidia-operator-validator"]),
        operand(Role::DevicePlugin, "nvidia-device-plugin-daemonset", &[("app", "nvidia-device-plugin-daemonset")], &["nvidia-device-plugin"]),
    ],
    foreign: &[&INSTALLER],
    links: &[
        link(CheckId::Api, Rule::Api),
        link(CheckId::NodeReady, Rule::NodeReady),
        link(CheckId::NoInstaller, Rule::Absent(&INSTALLER)),
        link(CheckId::GpuPresent, Rule::Label("nvidia.com/gpu.present")),
        link(CheckId::DriverPod, Rule::WorksIfThere(Role::Driver)),
        link(CheckId::HostDriver, Rule::Loaded { unless: Some(Role::Driver) }),
        link(CheckId::Toolkit, Rule::WorksIfThere(Role::Toolkit)),
        link(CheckId::Validator, Rule::Works(Role::Validator)),
        link(CheckId::DevicePlugin, Rule::Registered),
        link(CheckId::Capacity, Rule::Allocatable),
        link(CheckId::TestPod, Rule::TestPod),
    ],
    log: Some(FollowedLog { role: Role::Driver, phases: &phases::UNKNOWN }),
};

/// Temporary: until the owner's room says it.
pub fn of(owner: crate::answers::DriverOwner) -> &'static StackSpec {
    match owner {
        crate::answers::DriverOwner::InstallerPod => &INSTALLER_POD,
        crate::answers::DriverOwner::Host => &HOST,
        crate::answers::DriverOwner::Operator => &OPERATOR,
    }
}
