//! Catalog: what NVIDIA's cards, drivers and CUDA toolkits are, and which fit which.
//!
//! The facts, with their sources, are in `assets/catalog`: one row a line, so that a question about one card or one toolkit parses
//! that line and no other. [`choice`] is the judgement over them: which rows fit these cards on this host, and which one to take.

pub mod choice;
pub mod cuda;
pub mod distros;
pub mod drivers;
pub mod gpus;
pub mod host_driver;
mod report;
mod rows;

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    i18n::{Lang, Message, msg},
    version::Version,
};

pub use report::report;

/// The driver table and the toolkit table for a set of cards: the documented output of `gpunode drivers --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DriverTable {
    /// Drivers, newest first.
    pub drivers: Vec<DriverRow>,
    /// CUDA toolkits, newest first.
    pub cuda: Vec<CudaRow>,
}

impl DriverTable {
    /// Returns the rows to show: what fits and is a data-center release, and what is recommended or wanted; with `all`, every row.
    #[must_use]
    pub fn shown(&self, all: bool) -> Self {
        let drivers = self.drivers.iter().filter(|row| all || row.recommended || (row.fits && row.datacenter));
        let cuda = self.cuda.iter().filter(|row| all || row.fits || row.wanted);
        Self { drivers: drivers.cloned().collect(), cuda: cuda.cloned().collect() }
    }

    /// Returns the recommended driver; absent when none fits.
    pub fn recommended(&self) -> Option<&DriverRow> {
        self.drivers.iter().find(|row| row.recommended)
    }

    /// Returns the toolkit that goes with the recommended driver; absent when none fits.
    pub fn recommended_cuda(&self) -> Option<&CudaRow> {
        self.cuda.iter().find(|row| row.recommended)
    }
}

/// One driver.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "a row of the documented JSON, where each is a column of its own")]
pub struct DriverRow {
    /// `450.51.06`.
    pub version: Version,
    /// `R450`.
    pub branch: String,
    /// The day of its release.
    pub release_date: Option<Date>,
    /// Newest CUDA version the branch supports, `11.0`.
    pub cuda_version: Option<String>,
    /// Size of the installer in bytes.
    pub size_bytes: Option<u64>,
    /// Where NVIDIA has it, for the host's architecture.
    pub url: Option<String>,
    /// Checksum of the installer.
    pub sha256: Option<String>,
    /// Kind of the branch.
    pub kind: BranchKind,
    /// The day NVIDIA's support of the branch ends or ended.
    pub end_of_life: Option<Date>,
    /// Whether support has ended: by its date, or, for a branch without one, because a later branch's has.
    pub ended: bool,
    /// Whether it is a data-center release, which is what servers run and what the `/tesla/` tree of the download server holds.
    pub datacenter: bool,
    /// Whether it fits all cards and the wanted CUDA.
    pub fits: bool,
    /// Why it does not fit, or why it is recommended.
    pub reason: Option<Reason>,
    /// What to know although it fits: a driver below the wanted toolkit's own runs it with limits.
    pub notes: Vec<Reason>,
    /// The one recommended row.
    pub recommended: bool,
}

/// One CUDA toolkit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CudaRow {
    /// `11.0.3`.
    pub version: Version,
    /// The runfile's name.
    pub file: String,
    /// Where NVIDIA has it.
    pub url: String,
    /// Size in bytes.
    pub size_bytes: Option<u64>,
    /// Checksum.
    pub sha256: Option<String>,
    /// Checksum as NVIDIA publishes it.
    pub md5: Option<String>,
    /// The oldest driver it runs on without compatibility rules.
    pub min_driver: Option<Version>,
    /// The driver inside the runfile, which is never installed.
    pub bundled_driver: Option<Version>,
    /// `/usr/local/cuda-11.0`.
    pub default_prefix: String,
    /// Whether it fits the cards, the host and the driver.
    pub fits: bool,
    /// Why it does not fit.
    pub reason: Option<Reason>,
    /// What to know although it fits, such as a host compiler that `nvcc` will refuse.
    pub notes: Vec<Reason>,
    /// The one that was asked for.
    pub wanted: bool,
    /// The one to take: the one that was asked for, or else the one that goes with the driver.
    pub recommended: bool,
}

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
    /// Returns the architecture that `uname -m` names. Where it could not be learned (a folder without a loader), `x86_64` is assumed, which
    /// the finding `architecture-not-known` says.
    pub fn from_uname(machine: &str) -> Self {
        match machine {
            "x86_64" | "amd64" | "" => Self::X86_64,
            "aarch64" | "arm64" => Self::Aarch64,
            _ => Self::Other,
        }
    }
}

/// Why a driver or a toolkit fits or does not, without a language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(pub Message);

impl Reason {
    /// Returns its stable name, such as `older-than-cuda-needs`.
    pub fn id(&self) -> &str {
        self.0.id()
    }

    /// Returns the reason as a sentence.
    pub fn text(&self, lang: Lang) -> String {
        self.0.text(lang)
    }
}

/// JSON carries the English text.
impl Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text(Lang::En))
    }
}
