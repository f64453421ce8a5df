//! What everybody may ask of an action without knowing its kind: who may do it, whether it can be taken back, and what
//! it changes.

use std::path::PathBuf;

use super::{effect::Effect, target::Target};
use crate::{
    host::Command,
    i18n::{Message, msg},
};

/// The standing answers of one action. A literal of all fields in each action's file, or one of the makers below: a new
/// question does not compile until every action has answered it.
#[derive(Debug, Clone, PartialEq)]
pub struct Properties {
    /// Why only root can do it; absent where its user can.
    pub root: Option<RootReason>,
    /// Whether it can be taken back.
    pub reversal: Reversal,
    /// It takes away what is there, and is planned only while that is there: that it was done once says nothing about
    /// now.
    pub takes_away: bool,
    /// Who can tell whether it is done.
    pub witness: Witness,
    /// What it changes on the machine; taken back, it brings about the opposite.
    pub effects: Vec<Effect>,
    /// What it changes, and what no other gpunode may be changing meanwhile.
    pub target: Target,
    /// A folder that only its execution needs. It is removed when that ends, however it ended.
    pub scratch: Option<PathBuf>,
    /// The boot in which it was planned, where the action is the reboot itself: a run stops here until the boot is
    /// another one, and only a face may reboot, because it has to ask.
    pub until_reboot_of: Option<String>,
}

impl Properties {
    /// Of an action that changes this machine as root, takes nothing away, and tells whoever looks whether it is done.
    pub fn on_machine(root: RootReason, reversal: Reversal) -> Self {
        Self {
            root: Some(root),
            reversal,
            takes_away: false,
            witness: Witness::Machine,
            effects: Vec::new(),
            target: Target::Machine,
            scratch: None,
            until_reboot_of: None,
        }
    }

    /// Of an action that changes something in the cluster and nothing on this machine: no root, and who looks sees
    /// whether it is done.
    pub fn in_cluster(reversal: Reversal, target: Target) -> Self {
        Self {
            root: None,
            reversal,
            takes_away: false,
            witness: Witness::Machine,
            effects: Vec::new(),
            target,
            scratch: None,
            until_reboot_of: None,
        }
    }
}

/// Why an action is root's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootReason {
    /// It stops a service of the system.
    Service,
    /// The package manager is for root.
    Packages,
    /// It changes the kernel's modules.
    Kernel,
    /// It writes to `/etc`.
    Etc,
    /// It reboots the machine.
    Reboot,
    /// The container runtime answers only root.
    Runtime,
    /// Its files are in folders of root.
    Files,
}

impl RootReason {
    /// Returns the reason in a few words.
    pub fn message(self) -> Message {
        match self {
            Self::Service => msg::root::service(),
            Self::Packages => msg::root::packages(),
            Self::Kernel => msg::root::kernel(),
            Self::Etc => msg::root::etc(),
            Self::Reboot => msg::root::reboot(),
            Self::Runtime => msg::root::runtime(),
            Self::Files => msg::root::files(),
        }
    }
}

/// Whether an action can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reversal {
    /// As if it had not been.
    Whole,
    /// Not all of it comes back.
    Partly,
    /// What it took away is gone, or what it did to others stays.
    Impossible,
    /// What it brought stays, and harms nobody.
    Stays,
    /// There is nothing to take back.
    NothingLeft,
}

impl Reversal {
    /// Tells whether something is lost for good: such an action wants more than a press of Enter.
    pub fn loses(self) -> bool {
        matches!(self, Self::Partly | Self::Impossible)
    }

    /// Tells whether there is a way back.
    pub fn comes_back(self) -> bool {
        matches!(self, Self::Whole | Self::Partly)
    }

    /// Tells whether a walk back would look at the action.
    pub fn leaves_something(self) -> bool {
        self != Self::NothingLeft
    }
}

/// Who can tell whether an action is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// The machine, whenever it is looked at.
    Machine,
    /// Only the journal: the machine does not show it.
    Journal,
}

/// What is shown of an action before it is done.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Preview {
    /// The commands it runs.
    pub commands: Vec<Command>,
    /// The change of its files, as a unified diff.
    pub diff: Option<String>,
    /// What has to be told besides, a sentence each.
    pub details: Vec<Message>,
}

impl Preview {
    /// Makes the preview of an action that runs these commands and nothing else.
    pub fn of(commands: impl IntoIterator<Item = Command>) -> Self {
        Self { commands: commands.into_iter().collect(), ..Self::default() }
    }
}
