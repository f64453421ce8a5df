//! What NVML, NVIDIA's management library, says of a machine.

pub mod child;
mod library;
pub mod search;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// Asks NVML. The library can hang for ever and can crash; an implementation comes through both.
pub trait Gpus: Send + Sync {
    /// Returns NVML's answer, or [`NvmlAnswer::TimedOut`] after `deadline`. Blocks until then.
    fn query(&self, deadline: Duration) -> NvmlAnswer;
}

/// All that asking NVML can lead to. Every case is a fact about the machine, none an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NvmlAnswer {
    /// It answered.
    Answer {
        /// Version of the loaded driver.
        driver_version: String,
        /// Newest CUDA version that the driver supports, `major.minor`.
        cuda_version: Option<String>,
        /// The GPUs it sees.
        gpus: Vec<NvmlGpu>,
        /// GPUs that it counts but that do not answer, each in NVML's words: `GPU 3: …`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        silent: Vec<String>,
    },
    /// No `libnvidia-ml.so.1` in any of these places.
    NoLibrary(Vec<PathBuf>),
    /// The library is there, but no driver is loaded.
    NoDriver,
    /// The library and the loaded module are of different versions: updated without a reboot.
    Mismatch,
    /// Not allowed to ask.
    NoPermission,
    /// It gave no answer in time.
    TimedOut,
    /// The library crashed, by this signal.
    Crashed(i32),
    /// It failed otherwise; NVML's own words.
    Failed(String),
    /// Not asked, because the machine is only a picture (`--root`).
    NotAsked,
}

/// One GPU as NVML describes it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NvmlGpu {
    /// PCI address, `0000:18:00.0`.
    pub pci_address: String,
    /// Product name.
    pub name: String,
    /// `GPU-…`.
    pub uuid: String,
    /// Memory in MiB; absent with libraries before R510, which lack the call that is used.
    pub memory_mib: Option<u64>,
    /// Temperature in degrees Celsius.
    pub temperature_c: Option<u32>,
    /// Whether error-correcting memory is on.
    pub ecc: Option<bool>,
    /// Whether MIG (multi-instance GPU) is on.
    pub mig: Option<bool>,
    /// Current PCI Express generation.
    pub pcie_generation: Option<u32>,
    /// Current PCI Express width in lanes.
    pub pcie_width: Option<u32>,
    /// What the card is to this machine.
    pub virtualization: Option<Virtualization>,
}

/// What a card is to the machine that sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Virtualization {
    /// The card itself, on bare metal.
    None,
    /// The whole card, handed to this virtual machine.
    PassThrough,
    /// A part of a card, made by a driver on the hypervisor; only NVIDIA's guest driver (GRID) works with it.
    Vgpu,
    /// The card itself, whose parts this machine hands to virtual machines.
    Host,
}

/// Returns NVML of this machine, or of the picture below `root`, which is not asked.
pub fn local(root: &Path) -> Arc<dyn Gpus> {
    if root == Path::new("/") { Arc::new(LocalGpus) } else { Arc::new(NotAsked) }
}

/// NVML of this machine.
struct LocalGpus;

impl Gpus for LocalGpus {
    fn query(&self, deadline: Duration) -> NvmlAnswer {
        let root = Path::new("/");
        let candidates = search::candidates(root);
        match (search::has_driver(root), candidates.len()) {
            (false, 1) => NvmlAnswer::NoLibrary(search::places(root)),
            (false, _) => NvmlAnswer::NoDriver,
            // The link leads to this program even after its file was replaced.
            (true, _) => child::ask(Path::new("/proc/self/exe"), &candidates, deadline)
                .unwrap_or_else(|| NvmlAnswer::NoLibrary(search::places(root))),
        }
    }
}

/// Returns a PCI address in the kernel's form: NVML writes the domain with eight digits and upper case
/// (`00000000:3B:00.0`). Text that is not such an address comes back in lower case.
pub fn normalise_address(address: &str) -> String {
    let lower = address.to_ascii_lowercase();
    let parts = lower.split_once(':').and_then(|(domain, rest)| Some((u32::from_str_radix(domain, 16).ok()?, rest)));
    match parts {
        Some((domain, rest)) => format!("{domain:04x}:{rest}"),
        None => lower,
    }
}

/// NVML of a machine that is only a folder.
struct NotAsked;

impl Gpus for NotAsked {
    fn query(&self, _deadline: Duration) -> NvmlAnswer {
        NvmlAnswer::NotAsked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_take_the_kernels_form() {
        assert_eq!(normalise_address("00000000:3B:00.0"), "0000:3b:00.0");
        assert_eq!(normalise_address("00010000:18:00.0"), "10000:18:00.0");
        assert_eq!(normalise_address("nonsense:"), "nonsense:");
    }

    #[test]
    fn a_folder_is_not_asked() {
        assert_eq!(local(Path::new("/tmp")).query(Duration::from_secs(1)), NvmlAnswer::NotAsked);
    }
}
