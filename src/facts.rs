//! Facts: what is on this machine, read through the [`Host`](crate::host::Host), never guessed without saying so.
//!
//! `probe_*` functions read, `parse_*` functions are pure. A probe never fails: a fact is known, absent, or unknown,
//! and then [`Facts::unknown`] has the reason under the fact's name. The serialised form is the documented output of
//! `gpunode detect --json`.

mod boot;
pub mod cdi;
mod changes;
pub mod container_toolkit;
pub mod containerd;
mod devices;
pub mod engines;
pub mod excerpt;
mod findings;
mod fingerprint;
pub mod headers;
mod holders;
mod kernel;
mod ledger;
mod left_files;
pub mod modules;
mod node;
pub mod node_packages;
mod nvml;
mod os;
pub mod packages;
pub mod parse;
mod pci;
mod probe;
mod processes;
mod reader;
mod report;
mod runtime;
pub mod sources;
#[cfg(test)]
mod tests;
mod toml_text;
mod units;
mod unknown;
pub mod upgrades;

use std::collections::BTreeMap;

pub use crate::catalog::ModuleKind;
pub use boot::{InstalledKernel, NextKernel};
pub use changes::{Change, changes};
pub use devices::DriverLibrary;
pub use findings::missing_device_files;
pub use fingerprint::{Fingerprint, fingerprint};
pub use ledger::INSTALLER_POD_FOLDER;
pub use left_files::left_files;
pub use node::{NodeFacts, VALIDATIONS, examine};
pub use pci::{PciDevice, has_card};
pub use probe::{driver_ledger, probe, probe_all, probe_with};
pub use report::report;
use serde::{Deserialize, Serialize};
pub use units::Unit;
pub use unknown::Unknown;

use crate::{
    catalog::{CatalogMatch, KernelModule, distros::System},
    finding::Finding,
    host::{NvmlAnswer, Virtualization},
    version::Version,
};

/// All that step 1 finds out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The NVIDIA GPUs, in the order of their PCI addresses.
    pub gpus: Vec<Gpu>,
    /// The addresses of the switches (`NVSwitch`) that join the GPUs of an HGX or DGX board.
    pub nvswitches: Vec<String>,
    /// The cards that the answers expect (`10de:1db6`, one entry a card), for comparison; see [`Facts::expect`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expected_gpus: Vec<String>,
    /// Everything that is or could become a driver.
    pub driver: DriverFacts,
    /// The machine around the GPUs.
    pub host: HostFacts,
    /// What stands between the driver and a pod.
    pub node: NodeFacts,
    /// What a person should know, worst first.
    pub findings: Vec<Finding>,
    /// Facts that could not be learned: name (such as `host.gcc_version`) and reason.
    pub unknown: BTreeMap<String, Unknown>,
}

impl Facts {
    /// Returns the versions of the drivers that are loaded or installed here.
    pub fn driver_versions(&self) -> Vec<Version> {
        let loaded = self.driver.loaded_version.iter().filter_map(|version| version.parse().ok());
        loaded.chain(self.driver.ledger.iter().filter_map(packages::driver_version)).collect()
    }

    /// Tells whether this machine has a GPU that a node can offer: `None` when nothing can tell, because neither the
    /// PCI bus nor NVML could be read. A card whose last driver branch is older than what the device plugin takes does
    /// not count.
    pub fn usable_gpu(&self) -> Option<bool> {
        let seen_by_nvml = matches!(&self.driver.nvml, Some(NvmlAnswer::Answer { gpus, .. }) if !gpus.is_empty());
        if self.gpus.iter().any(Gpu::is_usable) {
            return Some(true);
        }
        if self.unknown.contains_key(pci::FACT) { seen_by_nvml.then_some(true) } else { Some(false) }
    }
}

/// One GPU on the PCI bus.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Gpu {
    /// `domain:bus:device.function`, such as `0000:18:00.0`.
    pub pci_address: String,
    /// Always `10de`, NVIDIA.
    pub vendor_id: String,
    /// Four hex digits.
    pub device_id: String,
    /// Four hex digits; empty when unreadable.
    pub subsystem_vendor_id: String,
    /// Four hex digits; empty when unreadable.
    pub subsystem_device_id: String,
    /// Product name.
    pub name: String,
    /// Chip code name, such as `GV100`.
    pub chip: String,
    /// Architecture, such as `volta`.
    pub architecture: String,
    /// CUDA compute capability, such as `7.0`.
    pub compute_capability: String,
    /// The kernel driver bound to it (`nvidia`, `nouveau`, `vfio-pci`).
    pub kernel_driver: Option<String>,
    /// How the catalog knows it.
    pub catalog: CatalogMatch,
    /// For a guess, what it rests on: a line of `pci.ids`, or a listed id of the same block; absent when nothing could
    /// be said.
    pub guessed_from: Option<String>,
    /// First driver branch that knows the card.
    pub first_branch: Option<u32>,
    /// Last driver branch that supports the card; absent while current branches do.
    pub last_branch: Option<u32>,
    /// Which kind of kernel module the card takes.
    pub kernel_module: KernelModule,
    /// How many virtual functions (SR-IOV) it has been split into, for virtual machines. They are on the bus too, but
    /// are no cards.
    pub virtual_functions: u32,
    /// What NVML adds, when a driver is loaded.
    pub nvml: Option<GpuNvml>,
}

impl Gpu {
    /// The oldest driver branch that the Kubernetes device plugin runs on (384.81, its README).
    const OLDEST_BRANCH: u32 = 384;

    /// Returns the architecture as the name it is, `Volta`; the catalog and the JSON write it small.
    pub fn architecture_name(&self) -> String {
        let mut chars = self.architecture.chars();
        chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
    }

    /// Tells whether some driver serves both this card and the Kubernetes device plugin.
    pub fn is_usable(&self) -> bool {
        self.last_branch.is_none_or(|last| last >= Self::OLDEST_BRANCH)
    }
}

impl HostFacts {
    /// Returns what tells the family of its distribution.
    pub fn system(&self) -> System<'_> {
        System { id: &self.os_id, like: &self.os_like, version: &self.os_version, kernel: &self.kernel }
    }
}

/// What NVML adds to a card.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GpuNvml {
    /// `GPU-…`.
    pub uuid: String,
    /// Memory in MiB; absent when neither NVML nor `nvidia-smi` could tell.
    pub memory_mib: Option<u64>,
    /// Version of the loaded driver.
    pub driver_version: String,
    /// Newest CUDA version the driver supports.
    pub cuda_version: Option<String>,
    /// Degrees Celsius.
    pub temperature_c: Option<u32>,
    /// Error-correcting memory on.
    pub ecc: Option<bool>,
    /// Multi-instance GPU on.
    pub mig: Option<bool>,
    /// Current PCI Express generation.
    pub pcie_generation: Option<u32>,
    /// Current PCI Express lanes.
    pub pcie_width: Option<u32>,
    /// Whether the card is whole, handed to this virtual machine, or a part of one.
    pub virtualization: Option<Virtualization>,
}

/// Everything on the host that is or could become a driver.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DriverFacts {
    /// Version of the loaded NVIDIA module, from `/proc/driver/nvidia/version`.
    pub loaded_version: Option<String>,
    /// Open or proprietary.
    pub loaded_kind: Option<ModuleKind>,
    /// Loaded modules that matter: `nvidia*`, `nouveau`, `nova_core`, `vfio_pci`.
    pub modules: Vec<Module>,
    /// The ledger: every thing with its origin.
    pub ledger: Vec<LedgerEntry>,
    /// Files of a driver that no uninstaller, package or dkms tree accounts for; what an uninstaller has left, for one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_files: Vec<String>,
    /// Paths of module files that carry no signature; compressed ones cannot be told and are not among them.
    pub unsigned_modules: Vec<String>,
    /// The sign of NVIDIA's guest driver for a part of a card (vGPU): a file of its licence service; absent elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vgpu_guest: Option<String>,
    /// The kernels that are installed, with the driver's module of each, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kernels: Vec<InstalledKernel>,
    /// Its libraries on the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub libraries: Vec<DriverLibrary>,
    /// A `nvidia-smi` in a folder where the GPU Operator looks for one to tell whether the host has a driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smi: Option<String>,
    /// Its device files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub device_nodes: Vec<String>,
    /// The links `/dev/char/MAJOR:MINOR` of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub char_links: Vec<String>,
    /// Who holds the loaded module.
    pub holders: Vec<Holder>,
    /// NVML's answer.
    pub nvml: Option<NvmlAnswer>,
}

/// A loaded kernel module.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// How many users it has; absent where the kernel does not say.
    pub refcount: Option<u64>,
    /// The modules among its users.
    pub used_by: Vec<String>,
}

/// One line of the driver ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// How it came here.
    pub origin: Origin,
    /// What it is: a module with version, a package with version, a unit.
    #[serde(rename = "what")]
    pub name: String,
    /// Where it was seen: a path or a database.
    #[serde(rename = "where")]
    pub source: String,
    /// Of a package, what it brings; absent for what is no package, and in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<packages::Role>,
    /// Of a package that cannot stay without the driver, the packages that it needs and that go: the reason why it goes
    /// too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
}

impl LedgerEntry {
    /// Makes an entry of which only origin, name and place are known.
    pub fn new(origin: Origin, name: impl Into<String>, source: impl Into<String>) -> Self {
        Self { origin, name: name.into(), source: source.into(), role: None, needs: Vec::new() }
    }

    /// Tells whether both are the same thing in the same place, whatever was learned of it.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.origin, &self.name, &self.source) == (other.origin, &other.name, &other.source)
    }
}

/// How a driver came to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A module that is loaded now.
    LoadedModule,
    /// A runfile install; `what` is the version, `where` its `nvidia-uninstall`.
    Runfile,
    /// An rpm package; `what` is `name-version-release.arch`.
    Rpm,
    /// A Debian package; `what` is `name version`.
    Deb,
    /// A dkms source tree.
    Dkms,
    /// A module file in `/lib/modules`.
    ModuleFile,
    /// What the installer pod left in `/home/kubernetes/bin/nvidia`.
    InstallerPod,
    /// What NVIDIA GPU Operator mounted at `/run/nvidia/driver`.
    Operator,
    /// A running unit that uses the driver (nvidia-persistenced, nvidia-fabricmanager, dcgm).
    Unit,
    /// A CUDA toolkit; `where` is its prefix.
    CudaToolkit,
}

impl Origin {
    /// Returns the name that JSON has, which is also the last part of the fact's name in [`Facts::unknown`]
    /// (`driver.ledger.rpm`).
    pub fn name(self) -> &'static str {
        match self {
            Self::LoadedModule => "loaded-module",
            Self::Runfile => "runfile",
            Self::Rpm => "rpm",
            Self::Deb => "deb",
            Self::Dkms => "dkms",
            Self::ModuleFile => "module-file",
            Self::InstallerPod => "installer-pod",
            Self::Operator => "operator",
            Self::Unit => "unit",
            Self::CudaToolkit => "cuda-toolkit",
        }
    }
}

/// A process that has a GPU device open or an NVIDIA library mapped.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// Its command line, cut to 200 characters.
    pub command: String,
    /// Its systemd unit.
    pub unit: Option<String>,
    /// The pod (UID) it runs in.
    pub pod: Option<String>,
    /// The pod as people call it, `namespace/name`, as far as this machine knows it without asking the cluster.
    pub pod_name: Option<String>,
    /// What it holds: device files and driver libraries, each once.
    pub holds: Vec<String>,
}

/// The machine around the GPUs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HostFacts {
    /// The host's name.
    pub hostname: String,
    /// `ID` of os-release.
    pub os_id: String,
    /// `VERSION_ID` of os-release, or the more exact one of `/etc/centos-release` (`7.8.2003`).
    pub os_version: String,
    /// A name for people: `CentOS Linux 7.8`.
    pub os_name: String,
    /// `ID_LIKE` of os-release, split.
    pub os_like: Vec<String>,
    /// `uname -r`.
    pub kernel: String,
    /// `uname -m`.
    pub architecture: String,
    /// Version of `gcc`.
    pub gcc_version: Option<String>,
    /// Version of the C library.
    pub glibc_version: Option<String>,
    /// Whether headers for the running kernel are installed.
    pub kernel_headers: bool,
    /// What the package manager says of them; filled in by [`headers::ask`], which takes its time.
    pub headers_offer: HeadersOffer,
    /// The kernel that boots next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_kernel: Option<NextKernel>,
    /// Whether Secure Boot is on; absent where the firmware does not say.
    pub secure_boot: Option<bool>,
    /// The kernel's random id of this boot.
    pub boot_id: String,
    /// `docker`, `containerd`, `cri-o`: what the kubelet uses, or what is there.
    pub container_runtime: Option<String>,
    /// The runtime's storage driver; of containerd, its snapshotter.
    pub storage_driver: Option<String>,
    /// The package manager: `apt`, `dnf`, `tdnf`, `yum`, `zypper`.
    pub package_manager: Option<String>,
    /// The sign that this is a container and not the node itself, a path; absent on a machine.
    pub container: Option<String>,
    /// The sign that the GPU is a part of this machine's chip (NVIDIA Tegra: a Jetson), a path; absent elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tegra: Option<String>,
    /// Whether this process may change the machine.
    pub root: bool,
    /// Free bytes by path: `/`, `/tmp`, `/var`.
    pub free_space: BTreeMap<String, u64>,
}

/// Whether the package manager offers headers for the running kernel.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HeadersOffer {
    /// The packages to install, as the package manager takes them (`kernel-devel-3.10.0-1160.2.2.el7.x86_64`); empty
    /// where the distribution is not known.
    pub packages: Vec<String>,
    /// Those among them that no repository offers.
    pub missing: Vec<String>,
    /// Whether all are offered. Absent while nobody was asked, and when the answer is not known: then
    /// [`Facts::unknown`] has the reason under [`headers::FACT`].
    pub offered: Option<bool>,
    /// The command that answered.
    pub asked: Option<String>,
}
