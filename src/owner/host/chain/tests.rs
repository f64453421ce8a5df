//! Each link of the machine broken in each of its ways, on facts of the shape that the probes find.

use super::*;
use crate::{
    cluster::check::Verdict,
    facts::{
        DriverLibrary, Gpu, LedgerEntry, NextKernel, Unit,
        cdi::CdiSpec,
        container_toolkit::ToolkitFacts,
        containerd::{ConfigFile, ContainerdFacts, ContainerdProcess, Startable, config},
        engines::{CrioFacts, EngineFile},
        node_packages::NodePackage,
    },
    host::NvmlGpu,
    second_boot::{BootNote, SecondBoot},
};

const ENTRY: &str = "version = 3\n[plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.nvidia.options]\n\
    BinaryName = \"/usr/bin/nvidia-container-runtime\"\nSystemdCgroup = true\n";

fn at(second: i64) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_second(second).ok()
}

/// A machine on which every link holds.
fn machine() -> Facts {
    let card = Gpu { pci_address: "0000:18:00.0".into(), kernel_driver: Some("nvidia".into()), ..Gpu::default() };
    let mut facts = Facts { gpus: vec![card], ..Facts::default() };
    facts.driver.loaded_version = Some("580.65.06".into());
    facts.driver.libraries =
        vec![DriverLibrary { path: "/usr/lib64/libnvidia-ml.so.580.65.06".into(), version: Some("580.65.06".into()) }];
    facts.driver.device_nodes = ["/dev/nvidia-uvm", "/dev/nvidia0", "/dev/nvidiactl"].map(str::to_owned).into();
    facts.driver.char_links = vec!["/dev/char/195:0".into()];
    let nvml = NvmlGpu { uuid: "GPU-1".into(), ..NvmlGpu::default() };
    facts.driver.nvml = Some(NvmlAnswer::Answer {
        driver_version: "580.65.06".into(),
        cuda_version: None,
        gpus: vec![nvml],
        silent: vec![],
    });
    facts.host.boot_id = "b".into();
    facts.host.container_runtime = Some("containerd".into());
    facts.host.next_kernel = Some(NextKernel { release: "6.8.0-45-generic".into(), source: "/boot".into() });
    facts.node.units =
        vec![Unit { name: "nvidia-persistenced".into(), file: "/x".into(), is_enabled: true, is_running: true }];
    let programs = vec!["/usr/bin/nvidia-ctk".into(), "/usr/bin/nvidia-container-cli".into()];
    facts.node.toolkit =
        Some(ToolkitFacts { programs, info: Some(CliInfo::Ok(Some("580.65.06".into()))), ..ToolkitFacts::default() });
    facts.node.containerd = Some(ContainerdFacts {
        version: Some("2.1.9".into()),
        effective: Some(config::parse(ENTRY).unwrap()),
        process: Some(ContainerdProcess { started: at(200), ..ContainerdProcess::default() }),
        root: Some(ConfigFile {
            path: "/etc/containerd/config.toml".into(),
            is_read: true,
            modified: at(100),
            config: config::parse(ENTRY).ok(),
        }),
        binaries: [("/usr/bin/nvidia-container-runtime".into(), Startable::Yes)].into(),
        ..ContainerdFacts::default()
    });
    facts.node.is_examined = true;
    facts
}

/// Judges with the findings that step 1 makes of these facts.
fn checks(facts: &Facts) -> Vec<Check> {
    let mut facts = facts.clone();
    facts.expect(&[]);
    let found = judge(&NodeEvidence { facts: &facts, preview: None, second_boot: None });
    for check in &found {
        for lang in [crate::i18n::Lang::En, crate::i18n::Lang::Ko] {
            let texts = [check.cause(lang), check.remedy(lang), Some(check.title(lang))];
            assert!(texts.into_iter().flatten().all(|text| !text.is_empty() && !text.contains('{')), "{check:?}");
        }
    }
    found
}

fn state(facts: &Facts, id: CheckId) -> (State, String) {
    let checks = checks(facts);
    let check = checks.iter().find(|check| check.id == id).unwrap_or_else(|| panic!("{id:?} is left out"));
    (check.state, check.because.as_ref().map(|cause| cause.id.clone()).unwrap_or_default())
}

#[track_caller]
fn broken(id: CheckId, expected: State, cause: &str, change: impl FnOnce(&mut Facts)) {
    let mut facts = machine();
    change(&mut facts);
    assert_eq!(state(&facts, id), (expected, cause.to_owned()));
}

fn containerd(facts: &mut Facts) -> &mut ContainerdFacts {
    facts.node.containerd.as_mut().unwrap()
}

#[test]
fn a_machine_in_order_passes_all_but_what_needs_an_inventory_and_a_boot() {
    let open: Vec<_> = checks(&machine())
        .into_iter()
        .filter(|check| check.state != State::Pass)
        .map(|check| (check.id, check.state))
        .collect();
    assert_eq!(open, [(CheckId::RuntimeLasts, State::Unknown), (CheckId::SecondBoot, State::NotJudged)]);
}

#[test]
fn cards_and_driver() {
    broken(CheckId::Cards, State::Fail, "no-gpu", |facts| facts.gpus.clear());
    broken(CheckId::CardsBound, State::Fail, "nova-bound", |facts| {
        facts.gpus[0].kernel_driver = Some("NovaCore".into());
    });
    broken(CheckId::CardsBound, State::Fail, "", |facts| facts.gpus[0].kernel_driver = None);
    broken(CheckId::HostDriver, State::Fail, "", |facts| facts.driver.loaded_version = None);
    broken(CheckId::HostDriver, State::Fail, "driver-beyond-last-branch", |facts| {
        facts.gpus[0].last_branch = Some(470);
    });
    broken(CheckId::DriverLibrary, State::Fail, "driver-library-differs", |facts| {
        facts.driver.libraries[0].version = Some("580.95.05".into());
    });
    broken(CheckId::DriverLibrary, State::Fail, "nvml-mismatch", |facts| {
        facts.driver.nvml = Some(NvmlAnswer::Mismatch);
    });
    broken(CheckId::DeviceFiles, State::Fail, "device-files-missing", |facts| drop(facts.driver.device_nodes.pop()));
    broken(CheckId::DeviceFiles, State::Temporary, "char-links-missing", |facts| facts.driver.char_links.clear());
    broken(CheckId::Nvml, State::Fail, "nvml-timeout", |facts| facts.driver.nvml = Some(NvmlAnswer::TimedOut));
    broken(CheckId::Nvml, State::Unknown, "", |facts| facts.driver.nvml = Some(NvmlAnswer::NotAsked));
}

#[test]
fn switches_and_services() {
    let board = |facts: &mut Facts| facts.nvswitches = vec!["0000:07:00.0".into()];
    broken(CheckId::Fabric, State::Fail, "no-fabric-manager", board);
    let managed = |facts: &mut Facts| {
        board(facts);
        facts.driver.ledger = vec![LedgerEntry::new(Origin::Unit, "nvidia-fabricmanager", "x")];
    };
    broken(CheckId::Fabric, State::Unknown, "", managed);
    broken(CheckId::Fabric, State::Fail, "fabric-not-joined", |facts| {
        managed(facts);
        facts.node.fabric = vec!["Completed/Success".into(), "In Progress/N/A".into()];
    });
    broken(CheckId::Fabric, State::Pass, "", |facts| {
        managed(facts);
        facts.node.fabric = vec!["Completed/Success".into()];
    });
    broken(CheckId::Persistence, State::Temporary, "persistence-off", |facts| facts.node.units[0].is_running = false);
    broken(CheckId::Persistence, State::Temporary, "persistence-off", |facts| facts.node.units.clear());
}

#[test]
fn the_next_boot() {
    let packaged = |facts: &mut Facts, held: bool| {
        facts.driver.ledger =
            vec![LedgerEntry::new(Origin::Deb, "nvidia-dkms-580 580.65.06-0ubuntu1", "/var/lib/dpkg/status")];
        let held = held.then(|| "apt-mark hold".to_owned());
        facts.node.packages = vec![NodePackage { name: "nvidia-dkms-580".into(), held, ..NodePackage::default() }];
    };
    broken(CheckId::NextBoot, State::Temporary, "driver-not-held", |facts| packaged(facts, false));
    broken(CheckId::NextBoot, State::Pass, "", |facts| packaged(facts, true));
    broken(CheckId::NextBoot, State::Temporary, "no-module-for-next-kernel", |facts| {
        packaged(facts, true);
        facts.driver.kernels =
            vec![crate::facts::InstalledKernel { release: "6.8.0-45-generic".into(), ..Default::default() }];
    });
    broken(CheckId::NextBoot, State::Unknown, "", |facts| facts.host.next_kernel = None);
}

#[test]
fn toolkit_and_specification() {
    broken(CheckId::ContainerToolkit, State::Fail, "toolkit-missing", |facts| facts.node.toolkit = None);
    broken(CheckId::ContainerToolkit, State::Fail, "toolkit-sees-no-driver", |facts| {
        facts.node.toolkit.as_mut().unwrap().info = Some(CliInfo::Failed("initialization error".into()));
    });
    broken(CheckId::ContainerToolkit, State::Unknown, "", |facts| facts.node.toolkit.as_mut().unwrap().info = None);
    let spec = |version: &str, cards: usize| CdiSpec {
        path: "/var/run/cdi/nvidia.yaml".into(),
        kind: "nvidia.com/gpu".into(),
        driver_version: Some(version.into()),
        cards: (0..cards).map(|card| format!("/dev/nvidia{card}")).collect(),
        ..CdiSpec::default()
    };
    broken(CheckId::Cdi, State::Fail, "cdi-stale", |facts| facts.node.cdi = vec![spec("570.1", 1)]);
    broken(CheckId::Cdi, State::Fail, "cdi-short", |facts| facts.node.cdi = vec![spec("580.65.06", 0)]);
    broken(CheckId::Cdi, State::Pass, "", |facts| facts.node.cdi = vec![spec("580.65.06", 1)]);
}

#[test]
fn the_runtime_that_holds() {
    let effective = |facts: &mut Facts, text: &str| containerd(facts).effective = Some(config::parse(text).unwrap());
    broken(CheckId::Runtime, State::Fail, "runtime-missing", |facts| effective(facts, "version = 3\n"));
    broken(CheckId::Runtime, State::Unknown, "", |facts| containerd(facts).effective = None);
    broken(CheckId::Runtime, State::Fail, "containerd-refuses", |facts| {
        containerd(facts).refused = Some("unsupported".into());
    });
    let runc = ENTRY.replace("/usr/bin/nvidia-container-runtime", "/usr/local/bin/runc");
    broken(CheckId::Runtime, State::Fail, "runtime-is-runc", |facts| effective(facts, &runc));
    // The dump shows both spellings, and so does the file.
    let both = format!("{ENTRY}binaryName = \"/usr/local/bin/runc\"\n");
    broken(CheckId::Runtime, State::Fail, "runtime-two-spellings", |facts| {
        effective(facts, &both);
        containerd(facts).root.as_mut().unwrap().config = config::parse(&both).ok();
    });
    broken(CheckId::Runtime, State::Pass, "", |facts| {
        effective(facts, &both);
        containerd(facts).version = Some("1.7.27".into());
    });
    let text = ENTRY.replace("SystemdCgroup = true", "SystemdCgroup = \"True\"");
    broken(CheckId::Runtime, State::Fail, "runtime-switch-text", |facts| effective(facts, &text));
    broken(CheckId::Runtime, State::Fail, "runtime-program-missing", |facts| {
        containerd(facts).binaries.insert("/usr/bin/nvidia-container-runtime".into(), Startable::Missing);
    });
}

#[test]
fn other_engines() {
    let file = |path: &str, program: &str| EngineFile {
        path: path.into(),
        runtimes: [("nvidia".into(), program.into())].into(),
        default_runtime: None,
    };
    let crio = |facts: &mut Facts, files: Vec<EngineFile>| {
        facts.host.container_runtime = Some("cri-o".into());
        facts.node.crio = Some(CrioFacts { files, ..CrioFacts::default() });
    };
    let program = "/usr/bin/nvidia-container-runtime";
    broken(CheckId::Runtime, State::Fail, "runtime-missing", |facts| crio(facts, vec![]));
    broken(CheckId::Runtime, State::Pass, "", |facts| crio(facts, vec![file("/etc/crio/crio.conf", program)]));
    broken(CheckId::RuntimeLasts, State::Temporary, "runtime-not-in-inventory", |facts| {
        crio(facts, vec![file("/etc/crio/crio.conf", program)]);
    });
    broken(CheckId::RuntimeLasts, State::Pass, "", |facts| {
        crio(facts, vec![file("/etc/crio/crio.conf.d/99-nvidia.toml", program)]);
    });
}

#[test]
fn files_that_the_daemon_has_not_read() {
    broken(CheckId::RuntimeInUse, State::Fail, "containerd-older-than-file", |facts| {
        containerd(facts).root.as_mut().unwrap().modified = at(300);
    });
    broken(CheckId::RuntimeInUse, State::Unknown, "", |facts| containerd(facts).process = None);
}

#[test]
fn a_drop_in_lasts_until_the_next_run() {
    broken(CheckId::RuntimeLasts, State::Temporary, "runtime-will-vanish", |facts| {
        let containerd = containerd(facts);
        let drop_in =
            ConfigFile { path: "/etc/containerd/conf.d/99-nvidia.toml".into(), ..containerd.root.clone().unwrap() };
        containerd.root.as_mut().unwrap().config = config::parse("version = 3\n").ok();
        containerd.drop_ins = vec![drop_in];
        containerd.kubespray = Some("/etc/containerd/cri-base.json".into());
    });
}

#[test]
fn only_a_judgement_on_this_boot_counts() {
    let facts = machine();
    let note = |boot: &str| BootNote {
        boot_id: boot.into(),
        at: jiff::Timestamp::UNIX_EPOCH,
        verdict: Verdict::Ok,
        command: "x".into(),
    };
    let judged = |boots: &SecondBoot| {
        let checks = judge(&NodeEvidence { facts: &facts, preview: None, second_boot: Some(boots) });
        checks.last().unwrap().state
    };
    assert_eq!(judged(&SecondBoot { noted: note("a"), proven: Some(note("b")) }), State::Pass);
    assert_eq!(judged(&SecondBoot { noted: note("a"), proven: Some(note("c")) }), State::NotJudged);
    assert_eq!(judged(&SecondBoot { noted: note("b"), proven: None }), State::NotJudged);
}
