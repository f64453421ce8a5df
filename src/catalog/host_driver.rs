//! Where packages of the driver come from, for an owner that installs them on the host:
//! `assets/catalog/host-driver.yaml`. Data with its sources, and which row is about this machine; the judgement over it
//! is the owner's.

use std::{collections::BTreeMap, sync::OnceLock};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{BranchKind, ModuleKind, distros::System, drivers};
use crate::{
    i18n::{Message, msg},
    version::Version,
};

const HOST_DRIVER: &str = include_str!("../../assets/catalog/host-driver.yaml");

/// A source of packages, as the answers name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriverSource {
    /// Ubuntu's archive, with modules that Canonical has built and signed.
    UbuntuPrecompiled,
    /// Ubuntu's archive, with modules that dkms builds here.
    UbuntuDkms,
    /// Debian's archive.
    Debian,
    /// NVIDIA's network repository, with modules that are built here (on SLES: signed by SUSE).
    Nvidia,
    /// NVIDIA's network repository, with modules that NVIDIA has built.
    NvidiaPrecompiled,
    /// NVIDIA's local repository: one file, for a machine that reaches no server.
    LocalRepository,
}

impl DriverSource {
    /// All of them, in the order in which they are tried where nobody has chosen.
    pub const ALL: [Self; 6] = [
        Self::UbuntuPrecompiled,
        Self::Nvidia,
        Self::UbuntuDkms,
        Self::Debian,
        Self::NvidiaPrecompiled,
        Self::LocalRepository,
    ];

    /// Returns its name in answers and JSON; the texts are `source.<name>` of the locale files.
    pub fn name(self) -> &'static str {
        match self {
            Self::UbuntuPrecompiled => "ubuntu-precompiled",
            Self::UbuntuDkms => "ubuntu-dkms",
            Self::Debian => "debian",
            Self::Nvidia => "nvidia",
            Self::NvidiaPrecompiled => "nvidia-precompiled",
            Self::LocalRepository => "local-repository",
        }
    }

    /// Returns what it is, for a person.
    pub fn title(self) -> Message {
        match self {
            Self::UbuntuPrecompiled => msg::source::ubuntu_precompiled(),
            Self::UbuntuDkms => msg::source::ubuntu_dkms(),
            Self::Debian => msg::source::debian(),
            Self::Nvidia => msg::source::nvidia(),
            Self::NvidiaPrecompiled => msg::source::nvidia_precompiled(),
            Self::LocalRepository => msg::source::local_repository(),
        }
    }
}

/// How the kernel module comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Build {
    /// It is in a package.
    Precompiled,
    /// dkms builds it for each kernel, with headers and a compiler.
    Dkms,
}

/// Where a source's packages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// In the distribution's own archive, which the machine has.
    Archive,
    /// In NVIDIA's CUDA repository.
    Cuda,
}

/// How a source keeps the driver on its branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PinKind {
    /// By nothing before it is installed: the transaction is looked at, and held afterwards.
    None,
    /// By preferences of apt.
    Preferences,
    /// By a package of NVIDIA's that brings such preferences.
    Package,
    /// By a stream of a dnf module.
    ModuleStream,
    /// By locks of dnf or zypper.
    Versionlock,
}

/// A branch, as packages have it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackagedBranch {
    /// 580.
    pub branch: u32,
    /// The kinds of kernel module that it has.
    pub modules: Vec<ModuleKind>,
    /// Whether it is proposed for a node without being asked for.
    pub for_nodes: bool,
    kind: Option<BranchKind>,
    eol: Option<Date>,
    /// Where this is from.
    pub source: String,
    /// Whether that was confirmed.
    #[serde(default = "yes")]
    pub verified: bool,
}

impl PackagedBranch {
    /// Returns how long NVIDIA supports the branch.
    pub fn kind(&self) -> BranchKind {
        self.kind.or_else(|| drivers::branches().get(&self.branch).map(|row| row.kind)).unwrap_or(BranchKind::Legacy)
    }

    /// Returns the day support ends or ended.
    pub fn eol(&self) -> Option<Date> {
        self.eol.or_else(|| drivers::branches().get(&self.branch).and_then(|row| row.eol))
    }
}

/// A key that signs a repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Its name in this catalog.
    pub id: String,
    /// The file's name beside the repository.
    pub file: String,
    /// Its fingerprint, 40 hexadecimal digits; absent where none was confirmed.
    pub fingerprint: Option<String>,
    /// Where this is from.
    pub source: String,
    /// Whether the fingerprint was confirmed.
    #[serde(default = "yes")]
    pub verified: bool,
}

/// A folder of NVIDIA's repository for one system.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Repository {
    system: String,
    folder: String,
    key: String,
    #[serde(default = "yes")]
    verified: bool,
}

/// The packages of a source, by the kind of module.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct PackageNames {
    since: Option<u32>,
    until: Option<u32>,
    open: Option<Vec<String>>,
    proprietary: Option<Vec<String>>,
}

/// Companions of the driver.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Companion {
    packages: Vec<String>,
    packages_until_580: Option<Vec<String>>,
    /// The unit that runs it.
    pub unit: Option<String>,
    /// Whether these names were confirmed.
    #[serde(default = "yes")]
    pub verified: bool,
}

impl Companion {
    /// Returns its packages for a branch.
    pub fn packages(&self, branch: u32) -> Vec<String> {
        let names = self.packages_until_580.as_ref().filter(|_| branch <= LAST_SUFFIXED).unwrap_or(&self.packages);
        names.iter().map(|name| name.replace("{branch}", &branch.to_string())).collect()
    }
}

/// The last branch whose packages in NVIDIA's repository carry its number in their names.
const LAST_SUFFIXED: u32 = 580;

/// A source of packages on some systems.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "a row of the catalog, where each is a column of its own")]
pub struct Source {
    /// Which one.
    pub id: DriverSource,
    systems: Vec<String>,
    /// How its modules come about.
    pub build: Build,
    /// Where its packages are.
    pub repository: Place,
    branches: Vec<u32>,
    #[serde(default)]
    since: BTreeMap<u32, String>,
    #[serde(default)]
    only: BTreeMap<u32, String>,
    /// How it keeps its branch.
    pub pin: PinKind,
    pin_package: Option<String>,
    #[serde(default)]
    stream: BTreeMap<ModuleKind, String>,
    /// What has to be there first, beside headers and a compiler.
    #[serde(default)]
    pub prerequisites: Vec<String>,
    /// dkms stands in EPEL there.
    #[serde(default)]
    pub needs_epel: bool,
    /// Where a card takes either kind of module, the proprietary one is the better kept.
    #[serde(default)]
    pub proprietary_first: bool,
    /// Its modules are signed with a key that firmware does not know by itself.
    #[serde(default)]
    pub enrolls_key: bool,
    recipes: Vec<PackageNames>,
    /// The daemon that keeps the driver initialised.
    pub persistenced: Option<Companion>,
    /// What joins the cards of a board with `NVSwitch`.
    pub fabric_manager: Option<Companion>,
    /// What boards with the fifth generation of `NVLink` need besides.
    pub nvlink5: Option<Companion>,
    /// Memory across nodes. Offered by no plan: it needs a domain of nodes that this program does not know.
    pub imex: Option<Companion>,
    /// Where this is from.
    pub source: String,
    /// Whether that was confirmed.
    #[serde(default = "yes")]
    pub verified: bool,
}

impl Source {
    /// Tells whether it has packages for a system.
    pub fn is_for(&self, machine: System<'_>) -> bool {
        self.systems.iter().any(|system| is_system(machine, system))
    }

    /// Returns the branches that it has on a system, oldest first.
    pub fn branches(&self, machine: System<'_>) -> Vec<u32> {
        let newest = |branch: &u32| self.since.get(branch).is_none_or(|since| is_system(machine, since));
        let only = |branch: &u32| self.only.get(branch).is_none_or(|only| is_system(machine, only));
        self.branches.iter().copied().filter(|branch| newest(branch) && only(branch)).collect()
    }

    /// Returns the packages of a branch with this kind of module, their places filled in; none where it has no such
    /// module.
    pub fn packages(&self, branch: u32, module: ModuleKind, machine: System<'_>) -> Option<Vec<String>> {
        let row = self.recipes.iter().find(|row| {
            row.since.is_none_or(|since| branch >= since) && row.until.is_none_or(|until| branch <= until)
        })?;
        let names = match module {
            ModuleKind::Open => row.open.as_ref(),
            ModuleKind::Proprietary => row.proprietary.as_ref(),
        };
        let is_built = packaged_branch(branch).is_none_or(|row| row.modules.contains(&module));
        let fill =
            |name: &String| name.replace("{branch}", &branch.to_string()).replace("{flavour}", &flavour(machine));
        names.filter(|_| is_built).map(|names| names.iter().map(fill).collect())
    }

    /// Returns the package that keeps the branch, where there is one.
    pub fn pin_package(&self, branch: u32) -> Option<String> {
        self.pin_package.as_ref().map(|name| name.replace("{branch}", &branch.to_string()))
    }

    /// Returns the stream of a dnf module that has the branch.
    pub fn stream(&self, branch: u32, module: ModuleKind) -> Option<String> {
        self.stream.get(&module).map(|name| name.replace("{branch}", &branch.to_string()))
    }
}

/// The kernel of an Ubuntu release's first day.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct UbuntuKernel {
    release: String,
    kernel: String,
}

/// A system whose packages are those of another.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Like {
    system: String,
    r#as: String,
}

/// Where the container toolkit's packages are, for one package manager.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolkitRepository {
    /// The folder.
    pub address: String,
    /// What apt's entry names behind the address.
    pub suite: Option<String>,
    key: String,
    /// Where the key's file is.
    pub key_address: String,
}

impl ToolkitRepository {
    /// Returns the key that signs it.
    pub fn key(&self) -> Option<&'static Key> {
        key(&self.key)
    }
}

/// NVIDIA's container toolkit.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerToolkit {
    /// The version to install.
    pub version: Version,
    /// The oldest that is kept.
    pub least: Version,
    /// Whether that was confirmed.
    pub least_verified: bool,
    /// The oldest that is kept with CRI-O.
    pub least_crio: Version,
    /// Its packages, all of one version.
    pub packages: Vec<String>,
    /// For apt.
    pub deb: ToolkitRepository,
    /// For dnf and zypper.
    pub rpm: ToolkitRepository,
    /// Where this is from.
    pub source: String,
}

#[derive(Debug, Deserialize)]
struct Catalog {
    branches: Vec<PackagedBranch>,
    ubuntu_kernels: Vec<UbuntuKernel>,
    keys: Vec<Key>,
    withdrawn_keys: Vec<String>,
    cuda_repositories: String,
    repositories: Vec<Repository>,
    like: Vec<Like>,
    sources: Vec<Source>,
    container_toolkit: ContainerToolkit,
}

fn yes() -> bool {
    true
}

/// A mistake in our own file leaves nothing to offer: a test reads it.
fn catalog() -> Option<&'static Catalog> {
    static ALL: OnceLock<Option<Catalog>> = OnceLock::new();
    ALL.get_or_init(|| serde_yaml::from_str(HOST_DRIVER).ok()).as_ref()
}

/// Returns all sources that have packages for a system, in the catalog's order.
pub fn sources(machine: System<'_>) -> impl Iterator<Item = &'static Source> {
    catalog().into_iter().flat_map(|catalog| &catalog.sources).filter(move |source| source.is_for(machine))
}

/// Returns a branch as packages have it.
pub fn packaged_branch(branch: u32) -> Option<&'static PackagedBranch> {
    catalog()?.branches.iter().find(|row| row.branch == branch)
}

/// Returns the key of this name.
pub fn key(id: &str) -> Option<&'static Key> {
    catalog()?.keys.iter().find(|key| key.id == id)
}

/// Returns the fingerprints of keys that NVIDIA has withdrawn.
pub fn withdrawn_keys() -> &'static [String] {
    catalog().map_or(&[], |catalog| &catalog.withdrawn_keys)
}

/// Returns what is known of the container toolkit.
pub fn container_toolkit() -> Option<&'static ContainerToolkit> {
    catalog().map(|catalog| &catalog.container_toolkit)
}

/// NVIDIA's CUDA repository for one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CudaRepository {
    /// Its folder on NVIDIA's server or a mirror.
    pub address: String,
    /// The key that signs it.
    pub key: &'static Key,
    /// Whether the folder was confirmed.
    pub verified: bool,
}

/// Returns the CUDA repository for a machine, below `mirror` where one is named.
pub fn cuda_repository(machine: System<'_>, architecture: &str, mirror: Option<&str>) -> Option<CudaRepository> {
    let row = catalog()?.repositories.iter().find(|row| is_system(machine, &row.system))?;
    let architecture = match architecture {
        "aarch64" => "sbsa",
        other => other,
    };
    let base = mirror.unwrap_or(&catalog()?.cuda_repositories).trim_end_matches('/');
    Some(CudaRepository {
        address: format!("{base}/{}/{architecture}", row.folder),
        key: key(&row.key)?,
        verified: row.verified,
    })
}

/// Tells whether a machine runs a system, as `ubuntu-24.04`, `rhel-9` or `debian`, or one whose packages are the same.
fn is_system(machine: System<'_>, system: &str) -> bool {
    let (id, version) = system
        .rsplit_once('-')
        .filter(|(_, version)| version.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or((system, ""));
    let like = catalog().into_iter().flat_map(|catalog| &catalog.like).find(|like| like.system == machine.id);
    let own = like.map_or(machine.id, |like| like.r#as.as_str());
    let there = machine.version;
    own == id
        && (version.is_empty()
            || there == version
            || there.strip_prefix(version).is_some_and(|rest| rest.starts_with('.')))
}

/// Returns the flavour of Ubuntu's running kernel, as its packages are named: `6.8.0-45-generic` is `generic`; the same
/// with another kernel than the release began with is `generic-hwe-24.04`.
pub fn flavour(machine: System<'_>) -> String {
    let flavour = machine.kernel.splitn(3, '-').nth(2).unwrap_or("generic");
    let first =
        catalog().into_iter().flat_map(|catalog| &catalog.ubuntu_kernels).find(|row| machine.version == row.release);
    let is_first =
        first.is_none_or(|row| machine.kernel.strip_prefix(&row.kernel).is_some_and(|rest| rest.starts_with('.')));
    if flavour == "generic" && !is_first { format!("generic-hwe-{}", machine.version) } else { flavour.to_owned() }
}

#[cfg(test)]
mod tests;
