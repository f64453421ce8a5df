//! The choice: which drivers and toolkits fit these cards on this host, why the others do not, and which one to take.
//!
//! Several different cards share one driver, so a row fits only when it fits all of them. The rules are in `rules`, one
//! function each; `recommend` picks one of the rows that fit; `toolkits` judges the CUDA runfiles.

mod recommend;
mod report;
mod rules;
mod table;
#[cfg(test)]
mod tests;
mod toolkits;

use jiff::civil::Date;

use self::rules::Wanted;
pub use self::{
    report::report,
    table::{CudaRow, DriverRow, DriverTable, Reason},
    toolkits::{cuda_rows, pairing, runfile},
};
use crate::{
    catalog::{
        Architecture, BranchKind, KernelModule,
        drivers::{self, Driver},
        gpus::GpuModel,
    },
    facts::{Gpu, HostFacts},
    version::Version,
};

/// What the choice needs to know of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Product name, for the reasons.
    pub name: String,
    /// CUDA compute capability; absent when unknown, and then no toolkit is ruled out by it.
    pub compute_capability: Option<Version>,
    /// First driver branch that knows the card.
    pub first_branch: Option<u32>,
    /// Last driver branch that supports the card.
    pub last_branch: Option<u32>,
    /// Which kind of kernel module the card takes.
    pub kernel_module: KernelModule,
}

impl From<&Gpu> for Card {
    fn from(gpu: &Gpu) -> Self {
        Self {
            name: gpu.name.clone(),
            compute_capability: gpu.compute_capability.parse().ok(),
            first_branch: gpu.first_branch,
            last_branch: gpu.last_branch,
            kernel_module: gpu.kernel_module,
        }
    }
}

impl From<&GpuModel> for Card {
    fn from(model: &GpuModel) -> Self {
        Self {
            name: model.name.clone(),
            compute_capability: model.compute_capability.parse().ok(),
            first_branch: model.first_branch,
            last_branch: model.last_branch,
            kernel_module: model.kernel_module,
        }
    }
}

/// Where an owner's drivers come from, and what that rules out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Which releases there are.
    pub files: Files,
    /// The architectures for which there are any; empty when that depends on the release alone.
    pub architectures: &'static [Architecture],
    /// Whether the open kernel module can be had.
    pub has_open_module: bool,
    /// Whether the driver should be the release that a wanted toolkit carries, when there is one.
    pub follows_toolkit: bool,
    /// Whether a branch with long support comes before a newer one: what is installed on a node stays there.
    pub prefers_long_support: bool,
}

/// Which releases of the driver a source has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// Every one that the catalog has a file of.
    Any,
    /// Data-center releases.
    Datacenter,
    /// Data-center releases below `/tesla/` of NVIDIA's download server.
    Tesla,
}

/// What the host allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostLimits {
    /// The machine's architecture.
    pub architecture: Architecture,
    /// Version of `gcc`; absent when there is none or it is unknown.
    pub gcc_version: Option<Version>,
    /// Version of the C library; absent when unknown.
    pub glibc_version: Option<Version>,
    /// Where the drivers come from.
    pub source: Source,
    /// The day, for the ends of support.
    pub today: Date,
}

impl HostLimits {
    /// Takes from the facts what limits the choice.
    pub fn new(host: &HostFacts, source: Source, today: Date) -> Self {
        let version = |text: &Option<String>| text.as_deref().and_then(|text| text.parse().ok());
        Self {
            architecture: Architecture::from_uname(&host.architecture),
            gcc_version: version(&host.gcc_version),
            glibc_version: version(&host.glibc_version),
            source,
            today,
        }
    }
}

/// Judges every driver and every toolkit of the catalog for these cards, and recommends exactly one driver if any fits.
/// A wanted CUDA of `11.0` means its newest release.
pub fn driver_table(cards: &[Card], wanted_cuda: Option<&Version>, host: &HostLimits) -> DriverTable {
    let wanted = Wanted::new(wanted_cuda);
    let cuda_misfit = wanted.misfit(cards);
    let judge = |driver: &Driver| {
        let reason = rules::card_misfit(driver, cards, &host.source)
            .or_else(|| cuda_misfit.clone())
            .or_else(|| wanted.driver_misfit(driver))
            .or_else(|| rules::file_misfit(driver, host));
        let notes = if reason.is_none() { wanted.driver_limits(driver).into_iter().collect() } else { Vec::new() };
        DriverRow { fits: reason.is_none(), reason, notes, ..row(driver, host) }
    };
    let mut rows: Vec<DriverRow> = drivers::drivers().iter().map(judge).collect();
    if let Some((index, reason)) = recommend::recommend(&rows, wanted.toolkit(), &host.source) {
        rows[index].recommended = true;
        rows[index].reason = Some(reason);
    }
    let chosen = rows.iter().find(|row| row.recommended).map(|row| row.version.clone());
    let mut cuda = cuda_rows(cards, chosen.as_ref(), host);
    if let Some(toolkit) = wanted.toolkit() {
        for row in &mut cuda {
            row.wanted = row.version == toolkit.version;
            row.recommended = row.wanted && row.fits && chosen.is_some();
        }
    }
    DriverTable { drivers: rows, cuda }
}

/// The row of a driver before any judgement.
fn row(driver: &Driver, host: &HostLimits) -> DriverRow {
    let number = driver.version.branch();
    let branch = drivers::branches().get(&number);
    let file = driver.file(host.architecture);
    DriverRow {
        version: driver.version.clone(),
        branch: format!("R{number}"),
        release_date: driver.date,
        cuda_version: branch.and_then(|branch| branch.cuda.clone()),
        size_bytes: file.and_then(|file| file.size),
        url: file.map(|file| file.url.clone()),
        sha256: file.and_then(|file| file.sha256.clone()),
        kind: branch.map_or(BranchKind::Legacy, |branch| branch.kind),
        end_of_life: branch.and_then(|branch| branch.eol),
        ended: drivers::has_ended(number, host.today),
        datacenter: driver.datacenter,
        fits: true,
        reason: None,
        notes: Vec::new(),
        recommended: false,
    }
}
