//! What is watched in the cluster, as data: a driver owner's workloads, the links of its chain, and the log that is
//! followed.
//!
//! Nothing in this folder knows who the owner is: its room hands a [`StackSpec`] down.

use super::check::CheckId;
use crate::i18n::{Message, msg};

/// What a workload does for the GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Puts the driver on the node.
    Driver,
    /// Makes the container runtime able to hand a card to a container.
    Toolkit,
    /// Proves the others and lets them go on.
    Validator,
    /// Offers the cards to the kubelet.
    DevicePlugin,
}

/// When the container that matters has done what it is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// When it has ended with status 0: an init container that works once.
    Ended,
    /// When it is ready, and stays so.
    Ready,
}

/// Who has not brought a DaemonSet that is not in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Kubespray's GPU role.
    GpuRole,
    /// Whoever installs NVIDIA's device plugin.
    DevicePlugin,
    /// NVIDIA's GPU Operator.
    Operator,
}

impl Missing {
    /// Returns the texts of the finding that says so of a DaemonSet.
    pub fn text(self, set: &str) -> Message {
        match self {
            Self::GpuRole => msg::finding::daemonsets_missing(set),
            Self::DevicePlugin => msg::finding::device_plugin_missing(set),
            Self::Operator => msg::finding::operator_missing(set),
        }
    }
}

/// A DaemonSet whose pod does something for the GPU of a node.
#[derive(Debug, PartialEq, Eq)]
pub struct Workload {
    /// What it does.
    pub role: Role,
    /// The name that its DaemonSet usually has; said where there is none.
    pub name: &'static str,
    /// Labels of its pods, any of which is enough: charts and manifests of one program label differently.
    pub labels: &'static [(&'static str, &'static str)],
    /// The containers that matter, whichever of them the pod has.
    pub containers: &'static [&'static str],
    /// When that container is done.
    pub done: Done,
    /// What to say where the cluster has no such DaemonSet.
    pub missing: Missing,
}

/// One link of a chain: a check, and what it is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The check; its texts are `check.<id>`.
    pub check: CheckId,
    /// How it is judged.
    pub rule: Rule,
}

impl Link {
    /// Makes a link.
    pub const fn new(check: CheckId, rule: Rule) -> Self {
        Self { check, rule }
    }
}

/// How a link is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The API server answers.
    Api,
    /// The kubelet reports, and says that it is ready.
    NodeReady,
    /// The node has this label.
    Label(&'static str),
    /// The node has a label that begins and ends so: whatever is between them differs from release to release.
    LabelLike(&'static str, &'static str),
    /// The operator's own object says that all of its parts are in place.
    Policy,
    /// These roles' DaemonSets are there and want a pod on this node.
    Wanted(&'static [Role]),
    /// The role's container has done its work.
    Works(Role),
    /// As [`Rule::Works`], but a role that no DaemonSet has is left out: somebody else does its work.
    WorksIfThere(Role),
    /// The device plugin has told the kubelet of a card.
    Registered,
    /// No pod of this workload is on the node: two owners would fight over one card.
    Absent(&'static Workload),
    /// The kernel of this machine has NVIDIA's driver loaded. Left out where a DaemonSet has this role: it brings the
    /// driver.
    Loaded {
        /// The role that stands in for it.
        unless: Option<Role>,
    },
    /// What the machine itself says, judged beside the cluster. On another machine nobody can tell.
    OnNode,
    /// The cluster has the runtime class of this name, with a handler of the same name.
    RuntimeClass(&'static str),
    /// The node offers GPUs to pods.
    Allocatable,
    /// A pod of this session has used the GPU.
    TestPod,
}

/// A log that is followed until its workload is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowedLog {
    /// Whose log it is.
    pub role: Role,
    /// The containers whose logs tell, in the order in which they run; those that the pod does not have are passed
    /// over.
    pub containers: &'static [&'static str],
    /// Its steps, for a progress display, and how it says that all is well, or that nothing more will come.
    pub phases: &'static super::phases::Phases,
}

/// What is watched of one owner.
#[derive(Debug, PartialEq, Eq)]
pub struct StackSpec {
    /// The namespace of its DaemonSets; absent where charts put them anywhere.
    pub namespace: Option<&'static str>,
    /// Its workloads, in the order in which they depend on each other.
    pub workloads: &'static [Workload],
    /// Another owner's workload that must not be here.
    pub foreign: &'static [&'static Workload],
    /// Whether the first broken link is the verdict, and those behind it are not judged.
    pub stops_at_first: bool,
    /// The links, first to last.
    pub links: &'static [Link],
    /// The logs to follow, in the order in which their workloads depend on each other: see
    /// [`GpuStack::at_work`](super::GpuStack::at_work).
    pub logs: &'static [FollowedLog],
}

impl StackSpec {
    /// Returns the runtime class that is looked for.
    pub fn runtime_class(&self) -> Option<&'static str> {
        self.links.iter().find_map(|link| if let Rule::RuntimeClass(name) = link.rule { Some(name) } else { None })
    }

    /// Returns the workload of a role.
    pub fn workload(&self, role: Role) -> Option<&'static Workload> {
        self.workloads.iter().find(|workload| workload.role == role)
    }

    /// Returns all workloads that are looked for, the owner's first.
    pub fn all(&self) -> impl Iterator<Item = &'static Workload> {
        self.workloads.iter().chain(self.foreign.iter().copied())
    }

    /// Returns the check that judges a role.
    pub fn check_of(&self, role: Role) -> Option<CheckId> {
        let judges = |link: &&Link| match link.rule {
            Rule::Works(other) | Rule::WorksIfThere(other) => other == role,
            Rule::Registered => role == Role::DevicePlugin,
            _ => false,
        };
        self.links.iter().find(judges).map(|link| link.check)
    }
}

impl Workload {
    /// Returns what its log is called.
    pub fn log_title(&self) -> Message {
        match (self.role, self.missing) {
            (Role::Driver, Missing::GpuRole) => msg::log::installer(),
            (Role::Driver, _) => msg::log::driver(),
            (Role::Toolkit, _) => msg::log::toolkit(),
            (Role::Validator, _) => msg::log::validator(),
            (Role::DevicePlugin, _) => msg::log::device_plugin(),
        }
    }

    /// Tells whether these labels are a pod's of this workload.
    pub fn selects(&self, labels: &std::collections::BTreeMap<String, String>) -> bool {
        self.labels.iter().any(|(key, value)| labels.get(*key).is_some_and(|label| label == value))
    }
}
