//! What each owner answers, held side by side.

use std::path::{Path, PathBuf};

use super::{Disposition::*, *};
use crate::{facts::Origin, plan::Plan};

type Entry = (Origin, &'static str);

fn driver(entries: &[Entry]) -> DriverFacts {
    let entry = |(origin, what): &Entry| LedgerEntry::new(*origin, *what, "/somewhere");
    DriverFacts { ledger: entries.iter().map(entry).collect(), ..DriverFacts::default() }
}

/// Demands of each entry what becomes of it under the installer pod, the host and the operator.
fn demand(table: &[(Entry, [Disposition; 3])]) {
    let entries: Vec<Entry> = table.iter().map(|(entry, _)| *entry).collect();
    let driver = driver(&entries);
    for (entry, (named, wanted)) in driver.ledger.iter().zip(table) {
        let found = DriverOwner::ALL.map(|owner| of(owner).disposition(&driver, entry));
        assert_eq!(found, *wanted, "{named:?}");
    }
}

#[test]
fn an_owner_is_found_by_its_name() {
    for owner in DriverOwner::ALL {
        assert_eq!(of(owner).id(), owner);
    }
}

#[test]
fn a_driver_of_the_host_goes_for_the_installer_pod_only() {
    demand(&[
        ((Origin::LoadedModule, "nvidia 580.95.05"), [MustGo, Owners, Owners]),
        ((Origin::LoadedModule, "vfio_pci"), [Stays, Stays, Stays]),
        ((Origin::Deb, "nvidia-driver-580 580.95.05-0ubuntu1"), [MustGo, Owners, Owners]),
        ((Origin::Deb, "cuda-toolkit-12-4 12.4.1-1"), [Stays, Stays, Stays]),
        ((Origin::Deb, "nvidia-container-toolkit 1.17.8-1"), [Stays, Stays, Stays]),
        ((Origin::Dkms, "nvidia 580.95.05"), [MustGo, Owners, Owners]),
        ((Origin::ModuleFile, "nvidia.ko"), [MustGo, Owners, Owners]),
        ((Origin::Unit, "nvidia-persistenced"), [MustStop, Owners, Owners]),
        ((Origin::CudaToolkit, "12.4.1"), [Stays, Stays, Stays]),
    ]);
    demand(&[
        ((Origin::LoadedModule, "nvidia 535.183.01"), [MustGo, Owners, Owners]),
        ((Origin::Runfile, "535.183.01"), [MustGo, Owners, Owners]),
        ((Origin::ModuleFile, "nvidia.ko"), [MustGo, Owners, Owners]),
    ]);
}

#[test]
fn the_kernels_own_drivers_go_whoever_owns_the_driver() {
    demand(&[
        ((Origin::LoadedModule, "nouveau"), [MustGo, MustGo, MustGo]),
        ((Origin::LoadedModule, "nova_core"), [MustGo, MustGo, MustGo]),
    ]);
}

#[test]
fn what_a_pod_brought_goes_with_it() {
    demand(&[
        ((Origin::LoadedModule, "nvidia 450.51.06"), [Owners, MustGo, MustGo]),
        ((Origin::InstallerPod, "450.51.06"), [Owners, MustGo, MustGo]),
        ((Origin::Unit, "dcgm"), [Owners, MustStop, MustStop]),
    ]);
    demand(&[
        ((Origin::LoadedModule, "nvidia 580.95.05"), [MustGo, MustGo, Owners]),
        ((Origin::Operator, "580.95.05"), [MustGo, MustGo, Owners]),
        ((Origin::Unit, "nvidia-fabricmanager"), [MustStop, MustStop, Owners]),
    ]);
}

#[test]
fn a_pods_driver_beside_one_of_the_host_is_the_one_that_goes() {
    demand(&[
        ((Origin::LoadedModule, "nvidia 580.95.05"), [MustGo, Owners, Owners]),
        ((Origin::Rpm, "kmod-nvidia-latest-dkms-580.95.05-1.el9.x86_64"), [MustGo, Owners, Owners]),
        ((Origin::InstallerPod, "450.51.06"), [Owners, MustGo, MustGo]),
        ((Origin::Operator, "580.95.05"), [MustGo, MustGo, Owners]),
    ]);
}

#[test]
fn what_a_removed_driver_left_behind_is_nobodys_but_the_hosts() {
    demand(&[
        ((Origin::Dkms, "nvidia 535.183.01"), [MustGo, Owners, MustGo]),
        ((Origin::ModuleFile, "nvidia.ko"), [MustGo, Owners, MustGo]),
    ]);
}

/// The numbers of the steps that an answer reopens, for each owner.
fn reopened(change: impl Fn(&mut Answers)) -> [Vec<u8>; 3] {
    DriverOwner::ALL.map(|owner| {
        let before = Answers::new(owner);
        let mut after = before.clone();
        change(&mut after);
        invalidated(&before, &after, &Plan::default()).into_iter().map(Step::number).collect()
    })
}

#[test]
fn each_answer_reopens_exactly_what_rests_on_it() {
    let all = |steps: &[u8]| [steps.to_vec(), steps.to_vec(), steps.to_vec()];
    assert_eq!(reopened(|_| {}), all(&[]));
    assert_eq!(reopened(|answers| answers.gpus = Some(vec!["10de:1db6".parse().unwrap()])), all(&[2, 3, 4]));
    assert_eq!(
        reopened(|answers| answers.driver_version = "580.95.05".parse().ok()),
        [vec![3, 4], vec![2, 4], vec![3, 4]]
    );
    assert_eq!(reopened(|answers| answers.cuda_version = "11.0.3".to_owned().try_into().ok()), all(&[2]));
    assert_eq!(reopened(|answers| answers.cuda_prefix = "/opt/cuda".parse().ok()), all(&[2]));
    assert_eq!(reopened(|answers| answers.node = "node2".parse().ok()), all(&[3, 4]));
    assert_eq!(reopened(|answers| answers.run_playbooks = false), all(&[3, 4]));
    assert_eq!(reopened(|answers| answers.test_image = "x".parse().ok()), all(&[4]));
    assert_eq!(reopened(|answers| answers.remove_taint = true), all(&[4]));
    assert_eq!(reopened(|answers| answers.leave_out = vec!["remove-packages".to_owned()]), all(&[2]));
    assert_eq!(reopened(|answers| answers.despite = vec!["removal".to_owned()]), all(&[2]));
    assert_eq!(reopened(|answers| answers.despite = vec!["mounts".to_owned()]), all(&[]));
    assert_eq!(reopened(|answers| answers.reboot = crate::answers::Reboot::Now), all(&[]));
}

#[test]
fn another_owner_reopens_everything() {
    for before in DriverOwner::ALL {
        for after in DriverOwner::ALL.into_iter().filter(|after| *after != before) {
            assert_eq!(
                invalidated(&Answers::new(before), &Answers::new(after), &Plan::default()),
                [Step::Driver, Step::Variables, Step::Verify]
            );
        }
    }
}

/// Below the owners nobody knows them: everything that depends on one is in its room. Tests may name them, and the
/// answers do.
#[test]
fn no_other_code_compares_owners() {
    let mut named = Vec::new();
    for path in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
        if name.starts_with("src/owner") || name == "src/answers.rs" || name.ends_with("tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let lines = code.lines().enumerate().filter(|(_, line)| {
            ["InstallerPod", "Host", "Operator"].iter().any(|owner| line.contains(&format!("DriverOwner::{owner}")))
        });
        named.extend(lines.map(|(index, line)| format!("{name}:{}: {}", index + 1, line.trim())));
    }
    assert!(named.is_empty(), "ask the owner instead:\n{}", named.join("\n"));
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .collect()
}

/// The ids of step 2's plan for each owner, on a machine with these things in its ledger and a driver loaded.
fn planned(entries: &[Entry]) -> [Vec<String>; 3] {
    let mut facts = Facts { driver: driver(entries), ..Facts::default() };
    facts.driver.loaded_version = Some("580.95.05".to_owned());
    let places = Places { session: Path::new("/s/session.yaml"), downloads: Path::new("/d") };
    let ids = |owner| {
        driver_step(&facts, &Answers::new(owner), places)
            .into_iter()
            .filter(|action| !action.optional)
            .map(|action| action.id)
    };
    DriverOwner::ALL.map(|owner| ids(owner).collect())
}

#[test]
fn another_owner_takes_over_in_an_order_that_never_leaves_two_drivers() {
    let none = Vec::<String>::new();
    // A pod that stayed would bring its driver back: it leaves first, and its modules with the next boot.
    assert_eq!(
        planned(&[(Origin::InstallerPod, "450.51.06")]),
        [
            none.clone(),
            vec_of(&["unlabel-node", "remove-pod-driver", "reboot"]),
            vec_of(&["unlabel-node", "remove-pod-driver", "reboot"])
        ]
    );
    assert_eq!(
        planned(&[(Origin::Operator, "580.95.05")]),
        [vec_of(&["take-operator-off", "reboot"]), vec_of(&["take-operator-off", "reboot"]), none.clone()]
    );
    // The host's driver stays beside the operator, and what a pod has left beside it goes without a reboot.
    let host = (Origin::Runfile, "580.95.05");
    assert_eq!(planned(&[host])[1..], [none.clone(), none]);
    assert_eq!(planned(&[host])[0], ["remove-runfile-driver", "reboot"]);
    assert_eq!(planned(&[host, (Origin::InstallerPod, "450.51.06")])[1], ["unlabel-node", "remove-pod-driver"]);
}

fn vec_of(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}
