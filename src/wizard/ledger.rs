//! The driver ledger as people read it: a row for each kind of thing, and what becomes of it under the chosen owner.

use crate::{
    answers::DriverOwner,
    facts::{DriverFacts, LedgerEntry, Module, Origin},
    owner::{self, Disposition},
};

/// Entries of one kind and one disposition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<'a> {
    /// How they came here.
    pub origin: Origin,
    /// What becomes of them.
    pub disposition: Disposition,
    /// The entries; never empty.
    pub entries: Vec<&'a LedgerEntry>,
}

/// Returns the groups of a ledger, in its order.
pub fn groups(driver: &DriverFacts, owner: DriverOwner) -> Vec<Group<'_>> {
    let mut all: Vec<Group<'_>> = Vec::new();
    for entry in &driver.ledger {
        let disposition = owner::of(owner).disposition(driver, entry);
        match all.iter_mut().find(|group| group.origin == entry.origin && group.disposition == disposition) {
            Some(group) => group.entries.push(entry),
            None => all.push(Group { origin: entry.origin, disposition, entries: vec![entry] }),
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
        self.entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The modules with the counts of their users.
    fn modules(&self, driver: &DriverFacts) -> String {
        let name = |entry: &&LedgerEntry| entry.name.split(' ').next().unwrap_or_default().to_owned();
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
        let first = self.entries.first().map_or("", |entry| entry.source.as_str());
        let folder = |path: &str| path.rsplit_once('/').map_or(0, |(folder, _)| folder.len());
        let shared = &first[..folder(first)];
        let all_there = self.entries.iter().all(|entry| entry.source.get(..folder(&entry.source)) == Some(shared));
        let differ = self.entries.iter().any(|entry| entry.source != first);
        if differ && all_there && !shared.is_empty() { shared } else { first }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn driver(entries: &[(Origin, &str, &str)]) -> DriverFacts {
        let entry = |(origin, what, place): &(Origin, &str, &str)| LedgerEntry::new(*origin, *what, *place);
        DriverFacts { ledger: entries.iter().map(entry).collect(), ..DriverFacts::default() }
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
    fn a_group_says_in_one_line_what_and_where() {
        let mut driver = driver(&HOST);
        driver.modules = vec![Module { name: "nvidia".into(), refcount: Some(2), used_by: Vec::new() }];
        let groups = groups(&driver, DriverOwner::InstallerPod);
        assert_eq!((groups[0].what(&driver).as_str(), groups[0].place()), ("nvidia_uvm, nvidia (2)", "/proc/modules"));
        assert_eq!(
            (groups[3].what(&driver).as_str(), groups[3].place()),
            ("nvidia.ko, nvidia-uvm.ko", "/lib/modules/6.8.0/updates/dkms")
        );
        assert_eq!(groups[5].place(), "/usr/local/cuda-12.4");
    }
}
