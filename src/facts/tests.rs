//! Whole machines, made as folders and read through the same seam as a real one.

mod families;
mod headers;
mod machine;
mod oddities;
mod processes;
mod recorded;
mod robust;

use std::path::Path;

use machine::Machine;

use super::*;
use crate::{
    finding::Finding,
    host::{Host, NvmlAnswer},
    i18n::{Lang, msg},
};

/// What the catalog says of the two cards of these tests; the real catalog has tests of its own.
fn two_cards(device: &PciDevice, _name: Option<&str>) -> Option<Gpu> {
    let model = |name: &str, chip: &str, architecture: &str, capability: &str| Gpu {
        name: name.into(),
        chip: chip.into(),
        architecture: architecture.into(),
        compute_capability: capability.into(),
        catalog: CatalogMatch::Device,
        ..Gpu::default()
    };
    match device.device_id.as_str() {
        "1db6" => Some(Gpu {
            first_branch: Some(384),
            last_branch: Some(580),
            kernel_module: KernelModule::ProprietaryOnly,
            ..model("Tesla V100-PCIE-32GB", "GV100", "volta", "7.0")
        }),
        "2335" => Some(Gpu { first_branch: Some(550), ..model("NVIDIA H200", "GH100", "hopper", "9.0") }),
        _ => None,
    }
}

fn look_at(machine: &Machine) -> Facts {
    let mut facts = probe_with(&Host::local(machine.root()), &two_cards);
    // The folder lies on a disk of this machine.
    facts.host.free_space.clear();
    facts.findings.iter().for_each(assert_finding_has_texts);
    facts.unknown.values().for_each(assert_unknown_has_text);
    facts
}

pub(super) fn assert_finding_has_texts(finding: &Finding) {
    for part in ["message", "remedy"] {
        assert_text(&format!("finding.{}.{part}", finding.id), &finding.args);
    }
}

fn assert_unknown_has_text(reason: &Unknown) {
    assert_text(&format!("unknown.{}", reason.id), &reason.args);
}

/// Both languages must have a text for `key`, and `args` a value for each of its places.
pub(super) fn assert_text(key: &str, args: &BTreeMap<String, String>) {
    let place = regex::Regex::new(r"\{([a-z_]+)\}").unwrap();
    for lang in [Lang::En, Lang::Ko] {
        assert!(lang.has(key), "{key} in {lang:?}");
        for found in place.captures_iter(&lang.text(key, &[])) {
            assert!(args.contains_key(&found[1]), "{key} needs {}", &found[1]);
        }
    }
}

fn ids(facts: &Facts) -> Vec<&str> {
    facts.findings.iter().map(|finding| finding.id.as_str()).collect()
}

fn snapshot(name: &str, facts: &Facts) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::assert_snapshot!(format!("detect-{name}-json"), serde_json::to_string_pretty(facts).unwrap());
        insta::assert_snapshot!(format!("detect-{name}"), report(facts, Lang::En));
        insta::assert_snapshot!(format!("detect-{name}-ko"), report(facts, Lang::Ko));
    });
}

#[test]
fn the_seed() {
    let machine = Machine::seed();
    let facts = look_at(&machine);
    assert_eq!(facts.usable_gpu(), Some(true));
    assert_eq!(facts.driver.loaded_version.as_deref(), Some("418.87.00"));
    assert_eq!((facts.host.os_id.as_str(), facts.host.os_version.as_str()), ("centos", "7.8.2003"));
    assert_eq!((facts.host.gcc_version.as_deref(), facts.host.glibc_version.as_deref()), (Some("4.8.5"), Some("2.17")));
    snapshot("seed", &facts);
}

#[test]
fn an_h200_whose_kernel_counts_no_users() {
    let facts = look_at(&Machine::h200());
    assert_eq!(facts.usable_gpu(), Some(true));
    assert_eq!(facts.driver.loaded_kind, Some(ModuleKind::Open));
    assert_eq!(facts.driver.nvml, Some(NvmlAnswer::NotAsked));
    snapshot("h200", &facts);
}

#[test]
fn a_card_held_by_nouveau() {
    let machine = Machine::ubuntu()
        .gpu("0000:01:00.0", "1db6", "10de 1214", Some("nouveau"))
        .file("/proc/modules", "nouveau 1 4 - Live 0x0\n");
    let facts = look_at(&machine);
    assert_eq!(facts.gpus[0].kernel_driver.as_deref(), Some("nouveau"));
    assert_eq!(facts.driver.modules[0].refcount, Some(4));
    assert!(ids(&facts).contains(&"nouveau-bound"), "{:?}", ids(&facts));
}

#[test]
fn siblings_of_the_card_and_switches_are_no_gpus() {
    let machine = Machine::ubuntu()
        .gpu("0000:01:00.0", "1db6", "10de 1214", None)
        .pci("0000:01:00.1", "0x10de", "0x10f7", "0x040300")
        .pci("0000:01:00.2", "0x10de", "0x1ad6", "0x0c0330")
        .pci("0000:05:00.0", "0x10de", "0x22a3", "0x068000")
        .pci("0000:00:02.0", "0x8086", "0x3e92", "0x030000");
    let facts = look_at(&machine);
    assert_eq!(facts.gpus.iter().map(|gpu| gpu.pci_address.as_str()).collect::<Vec<_>>(), ["0000:01:00.0"]);
}

#[test]
fn a_card_that_the_catalog_does_not_know_is_shown_as_a_guess() {
    let ids_file = "10de  NVIDIA Corporation\n\t2bb5  GB202GL [RTX PRO 6000]\n";
    let machine =
        Machine::ubuntu().gpu("0000:01:00.0", "2bb5", "10de 204e", None).file("/usr/share/misc/pci.ids", ids_file);
    let facts = look_at(&machine);
    let gpu = &facts.gpus[0];
    assert_eq!((gpu.name.as_str(), gpu.chip.as_str(), gpu.catalog), ("RTX PRO 6000", "GB202GL", CatalogMatch::Guess));
    assert!(ids(&facts).contains(&"catalog-guess"));
}

#[test]
fn without_proc_modules_the_modules_are_unknown_with_a_reason() {
    let facts = look_at(&Machine::ubuntu().gpu("0000:01:00.0", "1db6", "10de 1214", None));
    assert_eq!(facts.unknown["driver.modules"].text(Lang::En), "/proc/modules is not there");
    assert_eq!(facts.driver.modules, []);
}

#[test]
fn without_proc_modules_sysfs_tells_what_is_loaded() {
    let machine = Machine::ubuntu()
        .file("/sys/module/nvidia/initstate", "live\n")
        .file("/sys/module/nvidia/refcnt", "3\n")
        .file("/sys/module/nvidia/version", "535.183.01\n")
        .file("/sys/module/nvidia/holders/nvidia_uvm/x", "");
    let facts = look_at(&machine);
    assert_eq!(
        facts.driver.modules,
        [Module { name: "nvidia".into(), refcount: Some(3), used_by: vec!["nvidia_uvm".into()] }]
    );
    assert_eq!(facts.driver.loaded_version.as_deref(), Some("535.183.01"));
    assert!(!facts.unknown.contains_key("driver.modules"));
}

#[test]
fn without_a_pci_bus_nobody_can_tell() {
    let machine = Machine::empty();
    let facts = look_at(&machine);
    assert_eq!(facts.usable_gpu(), None);
    let finding = facts.findings.iter().find(|finding| finding.id == "no-pci-bus").unwrap();
    // It was not told: nothing bad was seen.
    assert_eq!(finding.severity, crate::finding::Severity::Warning);
    snapshot("nothing", &facts);
}

#[test]
fn a_machine_without_a_gpu_says_so() {
    let facts = look_at(&Machine::ubuntu());
    assert_eq!(facts.usable_gpu(), Some(false));
    assert_eq!(ids(&facts)[0], "no-gpu");
}

#[test]
fn a_container_says_so() {
    assert!(ids(&look_at(&Machine::ubuntu().file("/.dockerenv", ""))).contains(&"container"));
}

#[test]
fn a_card_too_old_for_the_device_plugin_is_not_usable() {
    let machine = Machine::ubuntu().gpu("0000:01:00.0", "06d1", "10de 0771", None);
    let fermi = |_: &PciDevice, _: Option<&str>| {
        Some(Gpu { catalog: CatalogMatch::Exact, last_branch: Some(340), ..Gpu::default() })
    };
    assert_eq!(probe_with(&Host::local(machine.root()), &fermi).usable_gpu(), Some(false));
}

#[test]
fn garbage_everywhere_is_no_reason_to_fail() {
    let mut machine = Machine::seed();
    let garbage: Vec<u8> = (0u16..4096).map(|i| u8::try_from(i * 7 % 256).unwrap()).collect();
    for path in machine.files() {
        machine = machine.bytes(&path, &garbage);
    }
    let facts = look_at(&machine);
    let text = report(&facts, Lang::Ko) + &report(&facts, Lang::En);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
}

#[test]
fn links_in_a_circle_end() {
    let machine = Machine::ubuntu()
        .link("/sys/bus/pci/devices/0000:01:00.0", "0000:01:00.0")
        .link("/lib/modules/5.15.0-91-generic/extra", "/lib/modules/5.15.0-91-generic/extra")
        .link("/lib/modules/5.15.0-91-generic/updates/again", "/lib/modules/5.15.0-91-generic/updates")
        .link("/proc/modules", "/proc/modules")
        .link("/etc/daemon", "/etc/daemon");
    let facts = look_at(&machine);
    assert_eq!(facts.unknown["driver.modules"].id, "not-readable");
}

#[test]
fn an_old_pod_driver_beside_a_package_is_two_origins() {
    let status = "Package: nvidia-driver-535\nStatus: install ok installed\nVersion: 535.183.01-0ubuntu1\n";
    let machine = Machine::ubuntu()
        .file("/var/lib/dpkg/status", status)
        .file("/home/kubernetes/bin/nvidia/.cache", "CACHE_NVIDIA_DRIVER_VERSION=450.51.06\n");
    assert!(ids(&look_at(&machine)).contains(&"two-origins"));
}

#[test]
fn facts_survive_the_session_file() {
    let facts = look_at(&Machine::seed());
    let yaml = serde_yaml::to_string(&facts).unwrap();
    assert_eq!(serde_yaml::from_str::<Facts>(&yaml).unwrap(), facts);
    let json = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<Facts>(&json).unwrap(), facts);
}

#[test]
fn origins_have_one_name() {
    for origin in [Origin::LoadedModule, Origin::Runfile, Origin::Rpm, Origin::Deb, Origin::Dkms, Origin::ModuleFile] {
        assert_eq!(serde_json::to_value(origin).unwrap(), origin.name());
    }
    for origin in [Origin::InstallerPod, Origin::Operator, Origin::Unit, Origin::CudaToolkit] {
        assert_eq!(serde_json::to_value(origin).unwrap(), origin.name());
    }
}

#[test]
fn every_reason_has_a_text() {
    use std::io::{Error, ErrorKind};
    let path = Path::new("/x");
    for kind in [ErrorKind::NotFound, ErrorKind::PermissionDenied, ErrorKind::Other] {
        assert_unknown_has_text(&Unknown::from_io(path, &Error::from(kind)));
    }
    let command = crate::host::Command::new("rpm", ["-qa"]);
    for error in
        [crate::host::CommandError::NotFound("rpm".into()), crate::host::CommandError::NotAMachine("rpm".into())]
    {
        assert_unknown_has_text(&Unknown::from_command(&command, &error));
    }
    assert_unknown_has_text(&Unknown::from(msg::unknown::not_understood("/x")));
    assert_unknown_has_text(&Unknown::from(msg::unknown::kernel_not_known()));
    assert_unknown_has_text(&Unknown::from(msg::unknown::processes_hidden("3")));
}

/// Whatever runs these tests is a machine too; on one with a card this prints what was found (`--nocapture`).
#[test]
fn this_machine_can_be_looked_at() {
    let facts = probe(&Host::local(Path::new("/")));
    println!("{}\n{}", report(&facts, Lang::En), serde_json::to_string_pretty(&facts).unwrap());
    facts.findings.iter().for_each(assert_finding_has_texts);
    facts.unknown.values().for_each(assert_unknown_has_text);
    assert_eq!(facts.host.kernel, rustix::system::uname().release().to_str().unwrap());
    assert_eq!(facts.host.architecture, rustix::system::uname().machine().to_str().unwrap());
    assert_eq!(facts.host.root, rustix::process::geteuid().is_root());
    assert!(!facts.driver.holders.iter().any(|holder| holder.pid == std::process::id()));
}
