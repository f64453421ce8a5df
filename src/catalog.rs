//! Catalog: what NVIDIA's cards, drivers and CUDA toolkits are, and which fit which.
//!
//! The facts, with their sources, are in `assets/catalog`: one row a line, so that a question about one card or one
//! toolkit parses that line and no other. Nothing here knows this machine: the judgement over the rows is
//! [`choice`](crate::choice)'s.

pub mod cuda;
pub mod distros;
pub mod drivers;
pub mod gpu_operator;
pub mod gpus;
pub mod host_driver;
mod rows;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::i18n::{Message, msg};

/// Kind of a driver branch. Source: NVIDIA's data-center driver lifecycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BranchKind {
    /// Long-term support branch, three years.
    #[serde(rename = "LTSB")]
    LongTerm,
    /// Production branch, one year.
    #[serde(rename = "PB", alias = "production")]
    Production,
    /// New-feature branch, until the next branch.
    #[serde(rename = "NFB", alias = "new_feature")]
    NewFeature,
    /// From before these kinds.
    #[serde(
        rename = "legacy",
        alias = "long_lived",
        alias = "short_lived",
        alias = "cuda_dev_or_short_lived",
        alias = "production_pre_LTSB_scheme"
    )]
    Legacy,
}

impl BranchKind {
    /// Tells whether NVIDIA means it for production: a long-term support or a production branch.
    pub fn is_for_production(self) -> bool {
        matches!(self, Self::LongTerm | Self::Production)
    }

    /// Returns what NVIDIA calls the kind; nothing for a branch from before these kinds.
    pub fn title(self) -> Option<Message> {
        match self {
            Self::LongTerm => Some(msg::drivers::kind::ltsb()),
            Self::Production => Some(msg::drivers::kind::pb()),
            Self::NewFeature => Some(msg::drivers::kind::nfb()),
            Self::Legacy => None,
        }
    }
}

impl fmt::Display for BranchKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::LongTerm => "LTSB",
            Self::Production => "PB",
            Self::NewFeature => "NFB",
            Self::Legacy => "legacy",
        })
    }
}

/// How sure the catalog is about a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CatalogMatch {
    /// Device and subsystem id are listed.
    Exact,
    /// The device id is listed.
    Device,
    /// Only the chip was worked out from the name in pci.ids, or nothing at all.
    #[default]
    Guess,
}

/// Which kind of NVIDIA kernel module a card takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelModule {
    /// Before Turing: the open module does not know the card.
    ProprietaryOnly,
    /// Turing to Hopper.
    #[default]
    Either,
    /// Blackwell and newer.
    OpenRequired,
}

/// Kind of NVIDIA's kernel module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModuleKind {
    /// NVIDIA's open kernel module.
    Open,
    /// NVIDIA's closed kernel module.
    Proprietary,
}

/// A machine architecture that NVIDIA's installers are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit Arm servers (NVIDIA's "sbsa" runfiles).
    Aarch64,
    /// Anything else: the catalog has no installer for it.
    Other,
}

impl Architecture {
    /// Returns the architecture that `uname -m` names. Where it could not be learned (a folder without a loader),
    /// `x86_64` is assumed, which the finding `architecture-not-known` says.
    pub fn from_uname(machine: &str) -> Self {
        match machine {
            "x86_64" | "amd64" | "" => Self::X86_64,
            "aarch64" | "arm64" => Self::Aarch64,
            _ => Self::Other,
        }
    }
}
