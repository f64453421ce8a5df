//! Catalog: what NVIDIA's cards, drivers and CUDA toolkits are, and which fit which. Facts with sources in `assets/catalog`, read lazily.

use serde::Serialize;

use crate::version::Version;

/// The driver table and the toolkit table for a set of cards: the documented output of `gpunode drivers --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DriverTable {
    /// Drivers, newest first.
    pub drivers: Vec<DriverRow>,
    /// CUDA toolkits, newest first.
    pub cuda: Vec<CudaRow>,
}

/// One driver.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DriverRow {
    /// `450.51.06`.
    pub version: Version,
    /// `R450`.
    pub branch: String,
    /// `YYYY-MM-DD`.
    pub release_date: Option<String>,
    /// Newest CUDA version the branch supports, `11.0`.
    pub cuda_version: Option<String>,
    /// Size of the installer in bytes.
    pub size_bytes: Option<u64>,
    /// Where NVIDIA has it.
    pub url: Option<String>,
    /// Checksum of the installer.
    pub sha256: Option<String>,
    /// Kind of the branch as NVIDIA calls it: `LTSB`, `PB`, `NFB`, `legacy`.
    pub kind: String,
    /// End of support, `YYYY-MM-DD`.
    pub end_of_life: Option<String>,
    /// Whether it fits all cards and the wanted CUDA.
    pub fits: bool,
    /// Why it does not fit, or why it is recommended.
    pub reason: Option<Reason>,
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
}

/// A reason, without a language: the text is `reason.<id>` of the locale files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Stable name, such as `older-than-cuda-needs`.
    pub id: &'static str,
    /// Values for the text.
    pub args: Vec<(&'static str, String)>,
}

impl Reason {
    /// Returns the reason as a sentence.
    pub fn text(&self, lang: crate::i18n::Lang) -> String {
        let args: Vec<_> = self.args.iter().map(|(name, value)| (*name, value.as_str())).collect();
        lang.text(&format!("reason.{}", self.id), &args)
    }
}

/// JSON carries the English text.
impl Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text(crate::i18n::Lang::En))
    }
}
