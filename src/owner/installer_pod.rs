//! Kubespray's DaemonSet `nvidia-driver-installer`: the host must have no driver of its own.

use super::{
    Disposition, Owner,
    disposition::{has, is_on_host, of_any_owner},
};
use crate::{
    answers::DriverOwner,
    catalog::{
        Architecture,
        choice::{Files, Source},
    },
    cluster::{
        GPU, phases,
        check::CheckId,
        workload::{Done, FollowedLog, Link, Role, Rule, StackSpec, Workload},
    },
    facts::{DriverFacts, LedgerEntry, Origin},
    plan::{Changed, Step},
};

/// Kubespray's installer pod.
pub(super) struct InstallerPod;

impl Owner for InstallerPod {
    fn id(&self) -> DriverOwner {
        DriverOwner::InstallerPod
    }

    /// Nothing of another driver may stay. A loaded module is the pod's own when nothing else has brought a driver.
    fn disposition(&self, driver: &DriverFacts, entry: &LedgerEntry) -> Disposition {
        let is_the_pods = has(driver, Origin::InstallerPod) && !is_on_host(driver);
        of_any_owner(entry).unwrap_or(match entry.origin {
            Origin::InstallerPod => Disposition::Owners,
            Origin::LoadedModule | Origin::Unit if is_the_pods => Disposition::Owners,
            Origin::Unit => Disposition::MustStop,
            _ => Disposition::MustGo,
        })
    }

    /// The role's download address names `/tesla/` and `x86_64` whatever the node is, and its runfile asks for no open module.
    fn source(&self) -> Source {
        Source { files: Files::Tesla, architectures: &[Architecture::X86_64], has_open_module: false, follows_toolkit: true }
    }

    fn stack(&self) -> &'static StackSpec {
        &STACK
    }

    fn reopens(&self, changed: Changed) -> &'static [Step] {
        match changed {
            Changed::Owner | Changed::Cards => &[Step::Driver, Step::Variables, Step::Verify],
            // The host gets the toolkit, the pod gets the driver: each changes its own step.
            Changed::Toolkit => &[Step::Driver],
            Changed::DriverVersion | Changed::Inventory => &[Step::Variables, Step::Verify],
            Changed::Verification => &[Step::Verify],
        }
    }
}

/// Kubespray's installer. Source: Kubespray's role `nvidia_gpu`, template nvidia-driver-install-daemonset.yml, all releases.
pub(super) const INSTALLER: Workload = Workload {
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

/// What is watched in step 4.
static STACK: StackSpec = StackSpec {
    namespace: Some("kube-system"),
    workloads: &[
        INSTALLER,
        PLUGIN,
    ],
    foreign: &[],
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
    log: Some(FollowedLog { role: Role::Driver, phases: &phases::INSTALLER_IMAGE }),
};
