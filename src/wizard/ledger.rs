//! The driver ledger as people read it: a row for each kind of thing, and what becomes of it under the chosen owner.

use crate::{
    answers::DriverOwner,
    facts::{
        DriverFacts, LedgerEntry, Module, Origin,
        modules::{self, ModuleRole},
        packages,
    },
};

/// What becomes of a thing on the host under the chosen owner of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It is, or brings, another driver than the owner's.
    MustGo,
    /// It uses the driver, and keeps it in the kernel.
    MustStop,
    /// It is what the owner brought, or would use.
    Owners,
    /// It is no driver.
    Stays,
}

impl Fate {
    /// Returns the name in the locale files, `wizard.fate.<name>`.
    pub fn name(self) -> &'static str {
        match self {
            Self::MustGo => "must-go",
            Self::MustStop => "must-stop",
            Self::Owners => "owners",
            Self::Stays => "stays",
        }
    }
}

/// Entries of one kind and one fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<'a> {
    /// How they came here.
    pub origin: Origin,
    /// What becomes of them.
    pub fate: Fate,
    /// The entries; never empty.
    pub entries: Vec<&'a LedgerEntry>,
}

/// Returns the groups of a ledger, in its order.
pub fn groups(driver: &DriverFacts, owner: DriverOwner) -> Vec<Group<'_>> {
    let mut all: Vec<Group<'_>> = Vec::new();
    for entry in &driver.ledger {
        let fate = fate(driver, owner, entry);
        match all.iter_mut().find(|group| group.origin == entry.origin && group.fate == fate) {
            Some(group) => group.entries.push(entry),
            None => all.push(Group { origin: entry.origin, fate, entries: vec![entry] }),
        }
    }
    all
}

impl Group<'_> {
    /// Returns what they are, in one line.
    pub fn what(&self, driver: &DriverFacts) -> String {
        if self.origin == Origin::LoadedModule {
            return self.modules(driver);
        }
        self.entries.iter().map(|entry| entry.what.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The modules with the counts of their users.
    fn modules(&self, driver: &DriverFacts) -> String {
        let name = |entry: &&LedgerEntry| entry.what.split(' ').next().unwrap_or_default().to_owned();
        let counted = |name: String| {
            let is_it = |module: &&Module| module.name == name;
            match driver.modules.iter().find(is_it).and_then(|module| module.refcount) {
                Some(count) => format!("{name} ({count})"),
                None => name,
            }
        };
        self.entries.iter().map(name).map(counted).collect::<Vec<_>>().join(", ")
    }

    /// Returns where they are: the place of one, the folder that several share, or where the first one is.
    pub fn place(&self) -> &str {
        let first = self.entries.first().map_or("", |entry| entry.r#where.as_str());
        let folder = |path: &str| path.rsplit_once('/').map_or(0, |(folder, _)| folder.len());
        let shared = &first[..folder(first)];
        let all_there = self.entries.iter().all(|entry| entry.r#where.get(..folder(&entry.r#where)) == Some(shared));
        let differ = self.entries.iter().any(|entry| entry.r#where != first);
        if differ && all_there && !shared.is_empty() { shared } else { first }
    }
}

/// Returns what becomes of an entry. A loaded module is the installer pod's own when nothing else brought a driver.
fn fate(driver: &DriverFacts, owner: DriverOwner, entry: &LedgerEntry) -> Fate {
    let name = entry.what.split(' ').next().unwrap_or_default();
    let role = (entry.origin == Origin::LoadedModule).then(|| modules::role(name)).flatten();
    match entry.origin {
        _ if role == Some(ModuleRole::Conflicting) => Fate::MustGo,
        Origin::CudaToolkit => Fate::Stays,
        Origin::Rpm | Origin::Deb if !packages::goes_with_driver(entry) => Fate::Stays,
        Origin::InstallerPod if owner == DriverOwner::InstallerPod => Fate::Owners,
        Origin::Operator if owner == DriverOwner::Operator => Fate::Owners,
        Origin::InstallerPod | Origin::Operator => Fate::MustGo,
        Origin::LoadedModule if role == Some(ModuleRole::Passthrough) => Fate::Stays,
        Origin::LoadedModule | Origin::Unit if is_brought_by(driver, owner) => Fate::Owners,
        // GPU Operator works with a driver that the host has.
        Origin::Unit if owner == DriverOwner::InstallerPod => Fate::MustStop,
        _ if owner == DriverOwner::InstallerPod => Fate::MustGo,
        _ => Fate::Owners,
    }
}

/// Tells whether the owner's own driver is the only one here.
fn is_brought_by(driver: &DriverFacts, owner: DriverOwner) -> bool {
    let has = |origin: Origin| driver.ledger.iter().any(|entry| entry.origin == origin);
    let on_host = has(Origin::Runfile) || driver.ledger.iter().any(packages::is_driver_package);
    match owner {
        DriverOwner::InstallerPod => has(Origin::InstallerPod) && !on_host,
        DriverOwner::Operator => has(Origin::Operator) && !on_host,
        DriverOwner::Host => on_host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn driver(entries: &[(Origin, &str, &str)]) -> DriverFacts {
        let entry = |(origin, what, place): &(Origin, &str, &str)| LedgerEntry::new(*origin, *what, *place);
        DriverFacts { ledger: entries.iter().map(entry).collect(), ..DriverFacts::default() }
    }

    fn fates(driver: &DriverFacts, owner: DriverOwner) -> Vec<(Origin, Fate)> {
        groups(driver, owner).iter().map(|group| (group.origin, group.fate)).collect()
    }

    const HOST: [(Origin, &str, &str); 8] = [
        (Origin::LoadedModule, "nvidia_uvm 535.183.01", "/proc/modules"),
        (Origin::LoadedModule, "nvidia 535.183.01", "/proc/modules"),
        (Origin::Deb, "cuda-toolkit-12-4 12.4.1-1", "/var/lib/dpkg/status"),
        (Origin::Deb, "nvidia-driver-535 535.183.01-0ubuntu1", "/var/lib/dpkg/status"),
        (Origin::ModuleFile, "nvidia.ko", "/lib/modules/6.8.0/updates/dkms/nvidia.ko"),
        (Origin::ModuleFile, "nvidia-uvm.ko", "/lib/modules/6.8.0/updates/dkms/nvidia-uvm.ko"),
        (Origin::Unit, "nvidia-persistenced", "/proc/88"),
        (Origin::CudaToolkit, "12.4.1", "/usr/local/cuda-12.4"),
    ];

    #[test]
    fn a_toolkit_stays_and_a_driver_goes_when_the_pod_brings_its_own() {
        let expected = [
            (Origin::LoadedModule, Fate::MustGo),
            (Origin::Deb, Fate::Stays),
            (Origin::Deb, Fate::MustGo),
            (Origin::ModuleFile, Fate::MustGo),
            (Origin::Unit, Fate::MustStop),
            (Origin::CudaToolkit, Fate::Stays),
        ];
        assert_eq!(fates(&driver(&HOST), DriverOwner::InstallerPod), expected);
    }

    #[test]
    fn what_the_host_owns_is_the_hosts() {
        assert!(fates(&driver(&HOST), DriverOwner::Host).iter().all(|(_, fate)| matches!(fate, Fate::Owners | Fate::Stays)));
        let pods = driver(&[(Origin::LoadedModule, "nvidia 450.51.06", "/proc/modules"), (Origin::InstallerPod, "450.51.06", "/home")]);
        assert_eq!(fates(&pods, DriverOwner::InstallerPod), [(Origin::LoadedModule, Fate::Owners), (Origin::InstallerPod, Fate::Owners)]);
        assert_eq!(fates(&pods, DriverOwner::Operator)[1], (Origin::InstallerPod, Fate::MustGo));
    }

    #[test]
    fn nouveau_goes_whoever_owns_the_driver_and_vfio_stays() {
        let rivals = driver(&[(Origin::LoadedModule, "nouveau", "/proc/modules"), (Origin::LoadedModule, "vfio_pci", "/proc/modules")]);
        for owner in [DriverOwner::InstallerPod, DriverOwner::Host, DriverOwner::Operator] {
            assert_eq!(fates(&rivals, owner), [(Origin::LoadedModule, Fate::MustGo), (Origin::LoadedModule, Fate::Stays)]);
        }
    }

    #[test]
    fn a_group_says_in_one_line_what_and_where() {
        let mut driver = driver(&HOST);
        driver.modules = vec![Module { name: "nvidia".into(), refcount: Some(2), used_by: Vec::new() }];
        let groups = groups(&driver, DriverOwner::InstallerPod);
        assert_eq!((groups[0].what(&driver).as_str(), groups[0].place()), ("nvidia_uvm, nvidia (2)", "/proc/modules"));
        assert_eq!((groups[3].what(&driver).as_str(), groups[3].place()), ("nvidia.ko, nvidia-uvm.ko", "/lib/modules/6.8.0/updates/dkms"));
        assert_eq!(groups[5].place(), "/usr/local/cuda-12.4");
    }
}
