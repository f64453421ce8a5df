//! The tables of the choice: every driver and every toolkit of the catalog with its judgement.

use jiff::civil::Date;
use serde::Serialize;

use crate::{
    catalog::BranchKind,
    i18n::{Lang, Message},
    version::Version,
};

/// The driver table and the toolkit table for a set of cards: the documented output of `gpunode drivers --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DriverTable {
    /// Drivers, newest first.
    pub drivers: Vec<DriverRow>,
    /// CUDA toolkits, newest first.
    pub cuda: Vec<CudaRow>,
}

impl DriverTable {
    /// Returns the rows to show: what fits and is a data-center release, and what is recommended or wanted; with `all`,
    /// every row.
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
    /// Whether it is a data-center release, which is what servers run and what the `/tesla/` tree of the download
    /// server holds.
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
#[expect(clippy::struct_excessive_bools, reason = "each is an answer of its own in the documented JSON")]
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
    /// Whether it fits the cards, the host and some driver that fits them too: choosing it leads to that driver.
    #[serde(skip)]
    pub reachable: bool,
    /// Why it does not fit.
    pub reason: Option<Reason>,
    /// What to know although it fits, such as a host compiler that `nvcc` will refuse.
    pub notes: Vec<Reason>,
    /// The one that was asked for.
    pub wanted: bool,
    /// The one to take: the one that was asked for, or else the one that goes with the driver.
    pub recommended: bool,
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
