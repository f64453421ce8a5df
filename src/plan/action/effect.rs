//! Effects: what an action changes on the machine, as a later look at the machine shows it. So our own work is told
//! from that of others, and the pre-flight knows what a plan will bring about.

use std::path::{Path, PathBuf};

use crate::facts::{Change, LedgerEntry, Origin};

/// One change that an action brings about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A driver is gone from the host; it lets go of the cards at once or at the next boot.
    RemovesDriver,
    /// A driver lets go of the cards.
    FreesCards,
    /// A driver takes the cards.
    TakesCards,
    /// A program that uses the driver ends; without a driver it cannot be started again.
    StopsDriverUser,
    /// No pod comes to this node; a run that fails lets them in again.
    KeepsPodsAway,
    /// The driver's modules leave the running kernel.
    EmptiesKernel,
    /// The kernel's own drivers keep off the cards from the next boot on.
    BansConflictingDriver,
    /// Entries of the ledger come.
    Adds(Entries),
    /// Entries of the ledger go.
    Removes(Entries),
    /// Kernel headers come.
    AddsHeaders,
}

/// Entries of the driver ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entries {
    /// All of one origin.
    Of(Origin),
    /// Packages of these names.
    Packages(Vec<String>),
    /// What has this place.
    At(PathBuf),
}

impl Effect {
    /// Tells whether a change of the machine is this effect.
    pub fn explains(&self, change: &Change) -> bool {
        let id = change.id.as_str();
        let arg = |name: &str| change.args.get(name).map_or("", String::as_str);
        let hold = |entries: &Entries| entries.hold(arg("origin"), arg("what"), arg("where"));
        match self {
            Self::RemovesDriver
            | Self::FreesCards
            | Self::StopsDriverUser
            | Self::EmptiesKernel
            | Self::BansConflictingDriver => {
                matches!(id, "driver" | "driver-unloaded" | "gpu-driver" | "gpu-unbound" | "module-unloaded")
            }
            Self::TakesCards => matches!(id, "driver" | "driver-loaded" | "gpu-driver" | "gpu-bound" | "module-loaded"),
            Self::Adds(entries) => id == "ledger-added" && hold(entries),
            Self::Removes(entries) => id == "ledger-removed" && hold(entries),
            Self::AddsHeaders => id == "headers-added",
            Self::KeepsPodsAway => false,
        }
    }

    /// Tells whether this entry of the ledger is gone afterwards.
    pub fn removes(&self, entry: &LedgerEntry) -> bool {
        matches!(self, Self::Removes(entries) if entries.hold(entry.origin.name(), &entry.name, &entry.source))
    }

    /// Returns what taking the action back brings about.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::RemovesDriver
            | Self::FreesCards
            | Self::StopsDriverUser
            | Self::EmptiesKernel
            | Self::BansConflictingDriver => Self::TakesCards,
            Self::TakesCards => Self::FreesCards,
            Self::Adds(entries) => Self::Removes(entries),
            Self::Removes(entries) => Self::Adds(entries),
            Self::AddsHeaders => Self::AddsHeaders,
            Self::KeepsPodsAway => Self::KeepsPodsAway,
        }
    }
}

impl Entries {
    fn hold(&self, origin: &str, what: &str, place: &str) -> bool {
        let begins = |name: &String| {
            what.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '-']))
        };
        match self {
            Self::Of(own) => origin == own.name(),
            Self::Packages(names) => matches!(origin, "deb" | "rpm") && names.iter().any(begins),
            Self::At(own) => Path::new(place) == own,
        }
    }
}
