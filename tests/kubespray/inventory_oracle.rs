//! Our reading of made-up inventories held against the real Ansible: values of every host, and hosts of every group.
//!
//! A few hundred each time; more by hand with `GPUNODE_ORACLE_CASES=5000`. One Ansible answers them all.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::support::{
    oracle::{HostVars, Oracle},
    worlds::{VAULT_PASSWORD, World, world},
};
use gpunode::{
    host::{Files, local::LocalFiles},
    kubespray::{
        config::Config,
        inventory::{Ignored, Inventory, VarsFolder, Vault},
    },
};
use proptest::test_runner::{Config as ProptestConfig, TestCaseError, TestRunner};

struct Read {
    inventory: Inventory,
    folders: [VarsFolder; 2],
}

impl Read {
    fn new(root: &Path, world: &World) -> Self {
        let files = LocalFiles::new(Path::new("/"));
        let path = root.join(world.inventory);
        let inventory = Inventory::load(&files, &path, &Ignored::new(&Config::default())).unwrap();
        let base = if files.list(&path).is_ok() { path } else { path.parent().unwrap().to_owned() };
        Self {
            inventory,
            folders: [VarsFolder::read(&files, &base, false), VarsFolder::read(&files, &root.join("playbooks"), true)],
        }
    }

    fn hosts(&self) -> HostVars {
        let vars = |host: &str| {
            let definitions = self.inventory.definitions(host, &self.folders);
            definitions.into_iter().map(|definition| (definition.name, definition.value)).collect()
        };
        let all: HostVars = self.inventory.host_names().map(|host| (host.to_owned(), vars(host))).collect();
        all.into_iter().filter(|(_, vars)| !vars.is_empty()).collect()
    }

    /// What we say that Ansible will refuse: only files that some group or host answers to are read by Ansible at all.
    fn problems(&self) -> Vec<String> {
        let folders = self.folders.iter();
        let refused = folders
            .flat_map(VarsFolder::files)
            .filter_map(|file| file.error.as_ref().map(|error| format!("{}: {error}", file.path.display())));
        self.inventory
            .problems
            .iter()
            .map(|problem| format!("{}:{}: {}", problem.file.display(), problem.line, problem.what))
            .chain(refused)
            .collect()
    }

    fn vaulted(&self) -> Vec<PathBuf> {
        self.folders
            .iter()
            .flat_map(VarsFolder::files)
            .filter(|file| file.vault == Vault::Encrypted)
            .map(|file| file.path.clone())
            .collect()
    }
}

#[derive(Default)]
struct Tally {
    equal: usize,
    refused: usize,
    partly: usize,
    hosts: usize,
    values: usize,
    vaulted: usize,
}

fn check(world: &World, oracle: &mut Oracle, tally: &mut Tally) -> Result<(), TestCaseError> {
    let root = tempfile::tempdir().unwrap();
    world.write(root.path());
    let inventory = root.path().join(world.inventory);
    fs::write(inventory.parent().unwrap().join("vault-password"), VAULT_PASSWORD).unwrap();
    let ours = Read::new(root.path(), world);
    let told = || format!("{:#?}", world.files).replace("\\n", "\n    ");
    let theirs = match oracle.hosts(&inventory, &root.path().join("playbooks")) {
        Err(why) => {
            tally.refused += 1;
            let named = !ours.problems().is_empty();
            return if named {
                Ok(())
            } else {
                Err(TestCaseError::fail(format!("Ansible refuses: {why}\n{}", told())))
            };
        }
        Ok(theirs) => theirs,
    };
    if !ours.inventory.problems.is_empty() && world.inventory == "inv" {
        // In a folder Ansible goes on with the next file, and keeps what it had read of this one.
        tally.partly += 1;
        return Ok(());
    }
    if !ours.inventory.problems.is_empty() {
        return Err(TestCaseError::fail(format!("Ansible reads what we refuse: {:?}\n{}", ours.problems(), told())));
    }
    let mut mine = ours.hosts();
    let mut theirs_open = theirs.clone();
    if !ours.vaulted().is_empty() {
        // We name what is encrypted and do not open it; Ansible has the password.
        tally.vaulted += 1;
        for vars in theirs_open.values_mut() {
            vars.remove("vaulted");
        }
        theirs_open.retain(|_, vars| !vars.is_empty());
        mine.retain(|_, vars| !vars.is_empty());
    }
    if mine != theirs_open {
        let differing = theirs_open
            .keys()
            .chain(mine.keys())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .filter(|host| mine.get(*host) != theirs_open.get(*host));
        let lines: Vec<String> = differing
            .map(|host| format!("{host}\n  ours   {:?}\n  theirs {:?}", mine.get(host), theirs_open.get(host)))
            .collect();
        return Err(TestCaseError::fail(format!("{}\n{}", lines.join("\n"), told())));
    }
    for (group, hosts) in oracle.groups(&inventory) {
        if matches!(group.as_str(), "all" | "ungrouped") {
            continue;
        }
        let mine = ours.inventory.hosts_of(&group);
        // Of groups far below, Ansible's own order is that of a Python set.
        let sorted = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let theirs: Vec<&str> = hosts.iter().map(String::as_str).collect();
        if sorted(&mine) != sorted(&theirs) || mine.first() != theirs.first() && !is_deep(&ours.inventory, &group) {
            return Err(TestCaseError::fail(format!("{group}: ours {mine:?}, theirs {theirs:?}\n{}", told())));
        }
    }
    tally.equal += 1;
    tally.hosts += mine.len();
    tally.values += mine.values().map(serde_json::Map::len).sum::<usize>();
    Ok(())
}

/// Tells whether a group has children that have children.
fn is_deep(inventory: &Inventory, group: &str) -> bool {
    inventory.children_of(group).iter().any(|child| !inventory.children_of(child).is_empty())
}

#[test]
fn made_up_inventories_are_read_as_ansible_reads_them() {
    let cases = std::env::var("GPUNODE_ORACLE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(150);
    let config =
        ProptestConfig { cases, max_shrink_iters: 400, failure_persistence: None, ..ProptestConfig::default() };
    let (oracle, tally) = (RefCell::new(Oracle::start()), RefCell::new(Tally::default()));
    let result =
        TestRunner::new(config).run(&world(), |world| check(&world, &mut oracle.borrow_mut(), &mut tally.borrow_mut()));
    let tally = tally.into_inner();
    println!(
        "{} equal ({} hosts, {} values, {} with a vault), {} refused by both, {} partly read",
        tally.equal, tally.hosts, tally.values, tally.vaulted, tally.refused, tally.partly
    );
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(tally.equal * 2 > usize::try_from(cases).unwrap(), "most of what is made up can be read");
}
