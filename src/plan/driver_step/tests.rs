//! What is planned for which machine.

use super::*;
use crate::{
    answers::DriverOwner,
    facts::{Holder, LedgerEntry, Module, packages::Role},
    i18n::{Lang, msg},
    owner,
    plan::ActionSpec,
};

fn places() -> Places<'static> {
    Places { session: Path::new("/s/session.yaml"), downloads: Path::new("/d") }
}

/// A node with a V100 and a runfile driver that is loaded.
fn node() -> Facts {
    let mut facts = Facts::default();
    facts.host.root = true;
    facts.host.architecture = "x86_64".to_owned();
    facts.host.gcc_version = Some("4.8.5".to_owned());
    facts.driver.loaded_version = Some("418.87.00".to_owned());
    facts.driver.modules = vec![Module { name: "nvidia".to_owned(), ..Module::default() }];
    facts.driver.ledger = vec![LedgerEntry::new(Origin::Runfile, "418.87.00", "/usr/bin/nvidia-uninstall")];
    facts
}

fn answers(owner: DriverOwner) -> Answers {
    Answers { cuda_version: "11.0.3".to_owned().try_into().ok(), ..Answers::new(owner) }
}

fn ids(facts: &Facts, answers: &Answers) -> Vec<String> {
    owner::driver_step(facts, answers, places()).into_iter().map(|action| action.id).collect()
}

#[test]
fn the_seeds_node_is_cleaned_equipped_and_rebooted() {
    let planned = ids(&node(), &answers(DriverOwner::InstallerPod));
    assert_eq!(
        planned,
        [
            "remove-runfile-driver",
            "unload-modules",
            "fetch-runfile",
            "install-toolkit",
            "set-paths",
            "greeting",
            "reboot"
        ]
    );
}

#[test]
fn no_command_ever_installs_the_driver() {
    for action in owner::driver_step(&node(), &answers(DriverOwner::InstallerPod), places()) {
        assert!(
            action.commands.iter().all(|command| !command.args.iter().any(|arg| arg.starts_with("--driver"))),
            "{action:?}"
        );
    }
}

#[test]
fn the_hosts_own_driver_stays_when_the_host_is_the_owner() {
    assert_eq!(ids(&node(), &answers(DriverOwner::Host)), ["fetch-runfile", "install-toolkit", "set-paths"]);
}

#[test]
fn without_the_removal_there_is_no_reboot() {
    let answers = Answers { leave_out: vec!["remove-runfile-driver".to_owned()], ..answers(DriverOwner::InstallerPod) };
    let planned = owner::driver_step(&node(), &answers, places());
    assert!(planned[0].skipped);
    assert!(planned.iter().all(|action| action.id != "reboot"));
}

#[test]
fn a_driver_that_is_loaded_but_gone_from_disk_still_needs_the_reboot() {
    let mut facts = node();
    facts.driver.ledger.clear();
    assert!(ids(&facts, &answers(DriverOwner::InstallerPod)).contains(&"reboot".to_owned()));
    // What the installer pod has loaded is as it should be.
    facts.driver.ledger.push(LedgerEntry::new(Origin::InstallerPod, "450.51.06", ""));
    assert!(!ids(&facts, &answers(DriverOwner::InstallerPod)).contains(&"reboot".to_owned()));
}

#[test]
fn without_root_what_needs_it_is_blocked_and_shown() {
    let mut facts = node();
    facts.host.root = false;
    let planned = owner::driver_step(&facts, &answers(DriverOwner::InstallerPod), places());
    assert_eq!(planned[0].blocked.as_deref(), Some("needs-root"));
    assert_eq!(super::tests::planned(&planned, "fetch-runfile").blocked, None);
}

#[test]
fn an_unknown_runfile_without_a_checksum_is_blocked() {
    let mut wanted = answers(DriverOwner::InstallerPod);
    wanted.cuda_version = "99.1".to_owned().try_into().ok();
    wanted.cuda_runfile = "/root/x.run".parse().ok();
    let planned = owner::driver_step(&node(), &wanted, places());
    let install = planned.iter().find(|action| action.id == "install-toolkit").unwrap();
    assert_eq!(install.blocked.as_deref(), Some("no-checksum"));
}

fn entry(origin: Origin, what: &str, place: &str) -> LedgerEntry {
    LedgerEntry::new(origin, what, place)
}

fn holder(unit: Option<&str>, pod: Option<&str>) -> Holder {
    Holder { pid: 7, unit: unit.map(str::to_owned), pod: pod.map(str::to_owned), ..Holder::default() }
}

fn planned<'a>(actions: &'a [Action], id: &str) -> &'a Action {
    actions.iter().find(|action| action.id == id).unwrap_or_else(|| panic!("{id} is not in {actions:?}"))
}

#[test]
fn the_drivers_daemons_are_stopped_and_the_services_of_others_only_offered() {
    let mut facts = node();
    facts.driver.ledger.push(entry(Origin::Unit, "nvidia-persistenced", "/proc/7"));
    facts.driver.holders = vec![
        holder(Some("nvidia-persistenced.service"), None),
        holder(Some("jupyter.service"), None),
        holder(Some("kubelet.service"), None),
    ];
    let actions = owner::driver_step(&facts, &answers(DriverOwner::InstallerPod), places());
    let ids: Vec<_> = actions.iter().map(|action| action.id.as_str()).collect();
    assert_eq!(
        ids[..3],
        ["stop-unit:jupyter.service", "stop-unit:nvidia-persistenced.service", "remove-runfile-driver"]
    );
    assert!(actions[0].skipped && actions[0].optional && !actions[1].skipped);
    assert!(!ids.contains(&"unload-modules"), "jupyter and the kubelet hold the GPU on");
}

#[test]
fn modules_are_unloaded_when_all_who_hold_them_are_stopped() {
    let mut facts = node();
    facts.driver.holders = vec![holder(Some("nvidia-persistenced.service"), None)];
    let actions = owner::driver_step(&facts, &answers(DriverOwner::InstallerPod), places());
    let unload = planned(&actions, "unload-modules");
    assert_eq!(unload.commands[0].to_string(), "rmmod nvidia");
    assert!(unload.may_fail);
    assert!(matches!(&planned(&actions, "reboot").kind, ActionSpec::Reboot(reboot) if reboot.unless_unloaded));
    let stays = Answers {
        leave_out: vec!["stop-unit:nvidia-persistenced.service".to_owned()],
        ..answers(DriverOwner::InstallerPod)
    };
    assert!(owner::driver_step(&facts, &stays, places()).iter().all(|action| action.id != "unload-modules"));
    // A process of a person, a pod, or a list that could not be read: only the reboot is sure.
    for other in [holder(None, None), holder(Some("x.service"), Some("pod"))] {
        facts.driver.holders = vec![other];
        assert!(!ids(&facts, &answers(DriverOwner::InstallerPod)).contains(&"unload-modules".to_owned()));
    }
    facts.driver.holders.clear();
    facts.unknown.insert("driver.holders".to_owned(), msg::unknown::processes_hidden(3).into());
    assert!(!ids(&facts, &answers(DriverOwner::InstallerPod)).contains(&"unload-modules".to_owned()));
}

#[test]
fn a_console_of_the_kernel_keeps_the_modules_although_no_process_does() {
    let mut facts = node();
    facts.driver.modules[0].refcount = Some(1);
    assert!(!ids(&facts, &answers(DriverOwner::InstallerPod)).contains(&"unload-modules".to_owned()));
    facts.driver.modules[0].refcount = Some(0);
    assert!(ids(&facts, &answers(DriverOwner::InstallerPod)).contains(&"unload-modules".to_owned()));
}

#[test]
fn what_needs_the_driver_is_planned_to_go_with_it_and_others_only_when_that_was_seen() {
    let mut facts = node();
    facts.host.os_id = "debian".to_owned();
    let needing = |what: &str, role, needs: &str| LedgerEntry {
        role: Some(role),
        needs: vec![needs.to_owned()],
        ..entry(Origin::Deb, what, "/var/lib/dpkg/status")
    };
    facts.driver.ledger = vec![
        entry(Origin::Deb, "libcuda1 535.261.03-1", "/var/lib/dpkg/status"),
        entry(Origin::Deb, "nvidia-cuda-dev 11.8.89~11.8.0-5", "/var/lib/dpkg/status"),
        needing("libcuinj64-11.8 11.8.87~11.8.0-5", Role::Toolkit, "libcuda1"),
        needing("python3-pycuda 2022.2.2", Role::Other, "libcuda1"),
    ];
    let mut answers = answers(DriverOwner::InstallerPod);
    let actions = owner::driver_step(&facts, &answers, places());
    let action = planned(&actions, "remove-packages");
    let ActionSpec::RemovePackages(kind) = &action.kind else { panic!("another kind") };
    assert_eq!(kind.packages, ["libcuda1", "libcuinj64-11.8", "python3-pycuda"]);
    assert_eq!(
        kind.along.iter().map(|along| (along.to_string(), along.is_others)).collect::<Vec<_>>(),
        [("libcuinj64-11.8 → libcuda1".to_owned(), false), ("python3-pycuda → libcuda1".to_owned(), true)]
    );
    assert!(
        !kind.others_too && action.reason(Lang::En).contains("libcuinj64-11.8 → libcuda1, python3-pycuda → libcuda1")
    );
    let ActionSpec::RemovePackages(toolkit) = &planned(&actions, "remove-toolkit-packages").kind else {
        panic!("another kind")
    };
    assert_eq!(toolkit.packages, ["nvidia-cuda-dev"]);

    answers.despite = vec!["removal".to_owned()];
    let ActionSpec::RemovePackages(kind) =
        &planned(&owner::driver_step(&facts, &answers, places()), "remove-packages").kind.clone()
    else {
        panic!("another kind")
    };
    assert!(kind.others_too);
    // A driver that stays takes nothing along.
    answers.leave_out = vec!["remove-packages".to_owned()];
    let actions = owner::driver_step(&facts, &answers, places());
    let ActionSpec::RemovePackages(toolkit) = &planned(&actions, "remove-toolkit-packages").kind else {
        panic!("another kind")
    };
    assert_eq!(toolkit.packages, ["libcuinj64-11.8", "nvidia-cuda-dev"]);
}

#[test]
fn packages_go_by_their_names_and_come_back_by_their_versions() {
    let mut facts = node();
    facts.host.os_id = "rocky".to_owned();
    facts.host.os_version = "9.4".to_owned();
    facts.driver.ledger = vec![
        entry(Origin::Rpm, "kmod-nvidia-latest-dkms-535.183.01-1.el9.x86_64", "/var/lib/rpm"),
        entry(Origin::Rpm, "cuda-toolkit-11-0-11.0.3-1.x86_64", "/var/lib/rpm"),
        entry(Origin::CudaToolkit, "11.0.3", "/usr/local/cuda-11.0"),
        entry(Origin::Dkms, "nvidia 535.183.01", "/var/lib/dkms/nvidia/535.183.01"),
        entry(Origin::Dkms, "nvidia 470.57.02", "/var/lib/dkms/nvidia/470.57.02"),
    ];
    let actions = owner::driver_step(&facts, &answers(DriverOwner::InstallerPod), places());
    let ActionSpec::RemovePackages(kind) = &planned(&actions, "remove-packages").kind else { panic!("another kind") };
    assert_eq!(kind.packages, ["kmod-nvidia-latest-dkms"]);
    assert_eq!((kind.family.as_str(), kind.is_driver), ("rhel-9", true));
    assert!(planned(&actions, "remove-toolkit-packages").skipped, "only offered");
    // Its own tree goes with the package, the one of nobody by dkms; the packaged toolkit has no uninstaller.
    assert!(
        actions.iter().all(|action| action.id != "remove-dkms:nvidia/535.183.01" && action.name() != "remove-toolkit")
    );
    assert_eq!(planned(&actions, "remove-dkms:nvidia/470.57.02").commands[0].argv()[..2], ["dkms", "remove"]);
}

#[test]
fn an_old_toolkit_is_offered_and_one_in_the_way_goes() {
    let mut facts = node();
    facts.driver.ledger = vec![
        entry(Origin::CudaToolkit, "10.0.130", "/usr/local/cuda-10.0"),
        entry(Origin::CudaToolkit, "11.0.2", "/usr/local/cuda-11.0"),
    ];
    let actions = owner::driver_step(&facts, &answers(DriverOwner::InstallerPod), places());
    let old = planned(&actions, "remove-toolkit:/usr/local/cuda-10.0");
    assert!(old.skipped && old.commands[0].program.ends_with("/bin/uninstall_cuda_10.0.pl"));
    let blocking = planned(&actions, "remove-toolkit:/usr/local/cuda-11.0");
    assert!(!blocking.skipped && blocking.why == "remove-toolkit-in-the-way");
    let taken = Answers { take_in: vec![old.id.clone()], ..answers(DriverOwner::InstallerPod) };
    assert!(!planned(&owner::driver_step(&facts, &taken, places()), &old.id).skipped);
}

#[test]
fn the_greeting_is_offered_with_the_reboot() {
    let wanted = Answers { take_in: vec!["greeting".to_owned()], ..answers(DriverOwner::InstallerPod) };
    let actions = owner::driver_step(&node(), &wanted, places());
    let ids: Vec<_> = actions.iter().rev().map(|action| action.id.as_str()).take(2).collect();
    assert_eq!(ids, ["reboot", "greeting"]);
    assert!(actions.iter().all(|action| !action.skipped));
    assert!(planned(&actions, "greeting").diff.as_ref().unwrap().contains("--session %s"));
}

#[test]
fn a_mirror_stands_in_for_nvidias_server() {
    let wanted = Answers { cuda_mirror: "http://mirror/cuda/".parse().ok(), ..answers(DriverOwner::InstallerPod) };
    let actions = owner::driver_step(&node(), &wanted, places());
    let ActionSpec::FetchRunfile(kind) = &planned(&actions, "fetch-runfile").kind else { panic!("another kind") };
    assert_eq!(kind.url, "http://mirror/cuda/11.0.3/local_installers/cuda_11.0.3_450.51.06_linux.run");
    // Every address of the catalog has what a mirror replaces.
    for file in crate::catalog::cuda::toolkits().iter().flat_map(|toolkit| toolkit.runfiles.values()) {
        assert!(file.url.contains(".nvidia.com/compute/cuda/"), "{}", file.url);
    }
}

#[test]
fn every_action_has_its_texts_in_both_languages() {
    use crate::i18n::Lang;
    let mut facts = node();
    facts.driver.ledger.extend([
        entry(Origin::Deb, "nvidia-driver-535 535", "x"),
        entry(Origin::Deb, "cuda-toolkit-10-2 10.2", "x"),
        entry(Origin::CudaToolkit, "9.0.176", "/usr/local/cuda-9.0"),
        entry(Origin::CudaToolkit, "11.0.2", "/usr/local/cuda-11.0"),
        entry(Origin::Dkms, "nvidia 470.1", "/var/lib/dkms/nvidia/470.1"),
    ]);
    facts.driver.holders =
        vec![holder(Some("nvidia-persistenced.service"), None), holder(Some("jupyter.service"), None)];
    facts.host.gcc_version = None;
    facts.host.os_id = "debian".to_owned();
    facts.gpus = vec![crate::facts::Gpu { kernel_driver: Some("nouveau".to_owned()), ..crate::facts::Gpu::default() }];
    let actions = owner::driver_step(&facts, &answers(DriverOwner::InstallerPod), places());
    assert!(actions.len() > 12, "{actions:?}");
    for action in &actions {
        for lang in [Lang::En, Lang::Ko] {
            for key in
                [format!("action.{}", action.name()), format!("why.{}", action.why), format!("undo.{}", action.undo)]
            {
                assert!(lang.has(&key), "{key}");
            }
            let texts = action.title(lang) + &action.reason(lang) + &action.undo_text(lang);
            assert!(!texts.contains('{'), "{texts}");
        }
    }
}
