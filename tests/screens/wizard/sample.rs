//! A made-up machine for the screens: the seed's node, with one Tesla V100 and a leftover driver.

use std::{collections::BTreeMap, path::PathBuf};

use gpunode::{
    answers::{Answers, DriverOwner},
    catalog::{BranchKind, CudaRow, DriverRow, DriverTable, Reason},
    cluster::{
        GpuStack,
        check::CheckId,
        kubespray,
        objects::{DaemonSet, Node, Pod},
        verify::{self, CheckInput, Tested},
        workload::Role,
    },
    facts::{CatalogMatch, DriverFacts, Facts, Gpu, HostFacts, KernelModule, LedgerEntry, Module, ModuleKind, Origin},
    finding::{Finding, Severity},
    host::Command,
    i18n::Lang,
    kubespray::{Capability, Ignored, Level, Place, Preview, Shadowed, Variable, Verdict},
    plan::{
        Action, ActionSpec, Plan, Step,
        action::greeting::Greeting,
        action::reboot::Reboot,
        action::remove_runfile_driver::RemoveRunfileDriver,
        remedy::{self, RemedyId},
    },
    session::{Prediction, Record, Says, Session, Status},
    wizard::{
        Answer, Colors, Settings,
        chain::{ChainRow, ChainState, Diagnosis, Offer, Phase, RemedyAction, TailBatch},
    },
};
use jiff::{Timestamp, tz::TimeZone};

pub fn settings(lang: Lang, ascii: bool) -> Settings {
    Settings {
        lang,
        ascii,
        colors: if ascii { Colors::None } else { Colors::Sixteen },
        simulated: Some("The seed's node".to_owned()),
        session_path: PathBuf::from("/var/lib/gpunode/session.yaml"),
        again: "gpunode --demo --session /var/lib/gpunode/session.yaml".to_owned(),
        zone: TimeZone::UTC,
    }
}

pub fn session() -> Session {
    let now: Timestamp = "2026-11-24T14:02:11Z".parse().expect("a time");
    Session::new("simulated:seed".to_owned(), "node1".to_owned(), now)
}

fn gpu(address: &str) -> Gpu {
    Gpu {
        pci_address: address.to_owned(),
        vendor_id: "10de".to_owned(),
        device_id: "1db6".to_owned(),
        subsystem_vendor_id: "10de".to_owned(),
        subsystem_device_id: "124a".to_owned(),
        name: "Tesla V100-PCIE-32GB".to_owned(),
        chip: "GV100".to_owned(),
        architecture: "volta".to_owned(),
        compute_capability: "7.0".to_owned(),
        kernel_driver: Some("nvidia".to_owned()),
        catalog: CatalogMatch::Exact,
        first_branch: Some(384),
        last_branch: Some(580),
        kernel_module: KernelModule::ProprietaryOnly,
        ..Gpu::default()
    }
}

fn entry(origin: Origin, what: &str, place: &str) -> LedgerEntry {
    LedgerEntry::new(origin, what, place)
}

pub fn facts() -> Facts {
    let module = |name: &str, count| Module { name: name.to_owned(), refcount: Some(count), used_by: Vec::new() };
    Facts {
        gpus: vec![gpu("0000:18:00.0")],
        driver: DriverFacts {
            loaded_version: Some("418.87.00".to_owned()),
            loaded_kind: Some(ModuleKind::Proprietary),
            modules: vec![module("nvidia", 2), module("nvidia_modeset", 1), module("nvidia_drm", 0)],
            ledger: vec![
                entry(Origin::LoadedModule, "nvidia 418.87.00", "/proc/modules"),
                entry(Origin::LoadedModule, "nvidia_drm 418.87.00", "/proc/modules"),
                entry(Origin::LoadedModule, "nvidia_modeset 418.87.00", "/proc/modules"),
                entry(Origin::Runfile, "418.87.00", "/usr/bin/nvidia-uninstall"),
                entry(Origin::ModuleFile, "nvidia.ko", "/lib/modules/3.10.0-1160.2.2.el7.x86_64/kernel/drivers/video/nvidia.ko"),
                entry(Origin::Unit, "nvidia-persistenced", "/proc/1187"),
                entry(Origin::CudaToolkit, "10.1", "/usr/local/cuda-10.1"),
            ],
            ..DriverFacts::default()
        },
        host: HostFacts {
            hostname: "node1".to_owned(),
            os_id: "centos".to_owned(),
            os_version: "7.8.2003".to_owned(),
            os_name: "CentOS Linux 7.8".to_owned(),
            kernel: "3.10.0-1160.2.2.el7.x86_64".to_owned(),
            architecture: "x86_64".to_owned(),
            gcc_version: Some("4.8.5".to_owned()),
            glibc_version: Some("2.17".to_owned()),
            boot_id: "boot-1".to_owned(),
            container_runtime: Some("docker".to_owned()),
            storage_driver: Some("overlay2".to_owned()),
            root: true,
            free_space: BTreeMap::from([("/".to_owned(), 41_000_000_000), ("/tmp".to_owned(), 41_000_000_000)]),
            ..HostFacts::default()
        },
        findings: vec![
            finding("driver-loaded", Severity::Error, "/proc/driver/nvidia/version", &[("version", "418.87.00")]),
            finding(
                "no-kernel-headers",
                Severity::Warning,
                "/lib/modules/3.10.0-1160.2.2.el7.x86_64/build",
                &[("kernel", "3.10.0-1160.2.2.el7.x86_64")],
            ),
        ],
        ..Facts::default()
    }
}

fn driver(version: &str, date: &str, cuda: &str, kind: BranchKind, end: &str, fits: bool) -> DriverRow {
    let parsed: gpunode::version::Version = version.parse().expect("a version");
    DriverRow {
        branch: format!("R{}", parsed.branch()),
        version: parsed,
        release_date: date.parse().ok(),
        cuda_version: Some(cuda.to_owned()),
        size_bytes: Some(143_100_000),
        url: Some(format!("https://us.download.nvidia.com/tesla/{version}/NVIDIA-Linux-x86_64-{version}.run")),
        sha256: None,
        kind,
        end_of_life: end.parse().ok(),
        ended: true,
        datacenter: true,
        fits,
        reason: None,
        notes: Vec::new(),
        recommended: false,
    }
}

fn cuda(version: &str, bundled: &str) -> CudaRow {
    let parsed: gpunode::version::Version = version.parse().expect("a version");
    CudaRow {
        file: format!("cuda_{version}_{bundled}_linux.run"),
        url: "https://developer.download.nvidia.com/compute/cuda".to_owned(),
        size_bytes: Some(3_000_000_000),
        sha256: None,
        md5: None,
        min_driver: bundled.parse().ok(),
        bundled_driver: bundled.parse().ok(),
        default_prefix: format!("/usr/local/cuda-{}", parsed.major_minor()),
        version: parsed,
        fits: true,
        reason: None,
        notes: Vec::new(),
        wanted: false,
        recommended: false,
    }
}

pub fn table() -> DriverTable {
    let mut drivers = vec![
        driver("470.82.01", "2021-10-26", "11.4", BranchKind::LongTerm, "2024-07-31", true),
        driver("450.80.02", "2020-09-30", "11.0", BranchKind::LongTerm, "2023-07-31", true),
        driver("450.51.06", "2020-07-28", "11.0", BranchKind::LongTerm, "2023-07-31", true),
        driver("440.95.01", "2020-06-24", "10.2", BranchKind::Production, "2020-11-30", false),
    ];
    drivers[2].recommended = true;
    drivers[2].reason = Some(reason("recommended-bundled", &[("cuda", "11.0.3")]));
    drivers[3].reason = Some(reason("older-than-cuda-needs", &[("cuda", "11.0"), ("driver", "450.51.06")]));
    DriverTable { drivers, cuda: vec![cuda("11.4.2", "470.57.02"), cuda("11.0.3", "450.51.06"), cuda("10.2.89", "440.33.01")] }
}

/// A reason as a session would carry it.
pub fn reason(id: &str, args: &[(&str, &str)]) -> Reason {
    let message = serde_json::json!({"key": format!("reason.{id}"), "args": args});
    Reason(serde_json::from_value(message).expect("a message"))
}

fn action(id: &str, step: Step, args: &[(&str, &str)], commands: Vec<Command>) -> Action {
    let name = id.split(':').next().unwrap_or(id).to_owned();
    Action {
        id: id.to_owned(),
        step,
        // The screens do not look at it.
        kind: ActionSpec::Reboot(Reboot { boot_id: String::new(), unless_unloaded: false }),
        why: name.clone(),
        args: args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        skipped: false,
        optional: false,
        may_fail: false,
        blocked: None,
        commands,
        diff: None,
        needs_root: true,
        needs_reboot: name == "reboot",
        undo: name,
    }
}

pub fn plan(step: Step) -> Plan {
    let file = "cuda_11.0.3_450.51.06_linux.run";
    let local = format!("/var/lib/gpunode/{file}");
    let url = format!("https://developer.download.nvidia.com/compute/cuda/11.0.3/local_installers/{file}");
    let prefix = "/usr/local/cuda-11.0";
    let old = [("version", "418.87.00")];
    let mut actions = match step {
        Step::Driver => vec![
            action("remove-runfile-driver", step, &old, vec![Command::new("/usr/bin/nvidia-uninstall", ["--silent"])]),
            action("install-packages", step, &[("packages", "gcc, make")], vec![Command::new("yum", ["install", "-y", "gcc", "make"])]),
            action("fetch-runfile", step, &[("file", file)], vec![Command::new("curl", ["-fL", "-C", "-", "-o"]).operands([&local, &url])]),
            action(
                "install-toolkit",
                step,
                &[("version", "11.0.3"), ("prefix", prefix)],
                vec![Command::new("sh", []).operand(&local).words(["--silent", "--toolkit", "--toolkitpath=/usr/local/cuda-11.0"])],
            ),
            action("set-paths", step, &[("prefix", prefix)], Vec::new()),
            action("reboot", step, &old, vec![Command::new("systemctl", ["reboot"])]),
        ],
        Step::Variables => {
            let playbook = ["-i", "inventory/my-cluster/inventory.ini", "-b", "cluster.yml", "--tags", "nvidia_gpu"];
            vec![
                action("edit-file:k8s-cluster.yml", step, &[("file", "k8s-cluster.yml")], Vec::new()),
                action("run-playbook:cluster.yml", step, &[("playbook", "cluster.yml")], vec![Command::new("ansible-playbook", playbook)]),
            ]
        }
        _ => Vec::new(),
    };
    if step == Step::Driver {
        for action in &mut actions[1..5] {
            action.kind = ActionSpec::Greeting(Greeting { boot_id: String::new(), session: PathBuf::new() });
        }
        let uninstaller = PathBuf::from("/usr/bin/nvidia-uninstall");
        actions[0].kind = ActionSpec::RemoveRunfileDriver(RemoveRunfileDriver { uninstaller, version: "418.87.00".to_owned() });
    }
    if step == Step::Variables {
        actions[0].diff = Some(DIFF.to_owned());
    }
    Plan { actions }
}

const DIFF: &str = "--- a/inventory/my-cluster/group_vars/k8s-cluster/k8s-cluster.yml
+++ b/inventory/my-cluster/group_vars/k8s-cluster/k8s-cluster.yml
@@ -318,6 +318,11 @@
 ## Container Engine Acceleration
 ## Enable container acceleration feature, for example use gpu acceleration in containers
 # nvidia_accelerator_enabled: true
+nvidia_accelerator_enabled: true
 ## Nvidia GPU driver install. Install will by done by a (init) pod running as a daemonset.
 # nvidia_gpu_nodes:
 #   - kube-gpu-001
+nvidia_gpu_nodes:
+  - node1
-nvidia_driver_version: \"384.111\"
+nvidia_driver_version: \"450.51.06\"
";

pub fn preview() -> Preview {
    let role = "/opt/kubespray/roles/kubernetes-apps/container_engine_accelerator/nvidia_gpu/defaults/main.yml";
    let group = "/opt/kubespray/inventory/my-cluster/group_vars/k8s-cluster/k8s-cluster.yml";
    let place = |file: &str, line, level| Some(Place { file: PathBuf::from(file), line, level });
    let names = [
        ("nvidia_accelerator_enabled", "false", 4),
        ("nvidia_gpu_flavor", "tesla", 8),
        ("nvidia_driver_install_container", "atzedevries/nvidia-centos-driver-installer:2", 10),
        ("nvidia_driver_install_supported", "true", 13),
        ("nvidia_gpu_nodes", "[]", 15),
        ("nvidia_gpu_device_plugin_memory", "30Mi", 16),
    ];
    let mut variables: Vec<_> = names
        .into_iter()
        .map(|(name, value, line)| Variable {
            name: name.to_owned(),
            value: Some(value.into()),
            is_filled_in: false,
            winner: place(role, line, Level::RoleDefaults),
            shadowed: Vec::new(),
            ignored: Vec::new(),
        })
        .collect();
    variables.insert(
        0,
        Variable {
            name: "nvidia_driver_version".to_owned(),
            value: Some("384.111".into()),
            is_filled_in: false,
            winner: place(group, 331, Level::GroupVars),
            shadowed: vec![Shadowed { file: PathBuf::from(role), line: 5, level: Level::RoleDefaults, value: "390.87".into() }],
            ignored: vec![Ignored {
                file: PathBuf::from("/opt/kubespray/inventory/my-cluster/group_vars/k8s_cluster/gpu.yml"),
                line: 2,
                why: gpunode::kubespray::IgnoredWhy::WrongFolderName,
            }],
        },
    );
    variables.push(Variable {
        name: "docker_storage_options".to_owned(),
        value: None,
        is_filled_in: false,
        winner: None,
        shadowed: Vec::new(),
        ignored: Vec::new(),
    });
    Preview {
        release: Some("v2.14.2".to_owned()),
        checkout: Some(PathBuf::from("/opt/kubespray")),
        inventory: Some(PathBuf::from("/opt/kubespray/inventory/my-cluster/inventory.ini")),
        node: Some("node1".to_owned()),
        inventory_host: Some("node1".to_owned()),
        first_control_plane: Some("node1".to_owned()),
        container_manager: "docker".to_owned(),
        variables,
        capability: Capability {
            verdict: Verdict::NoOp,
            reason: String::new(),
            args: std::collections::BTreeMap::new(),
            why: "nvidia_accelerator_enabled is false, so the role is skipped without a word.".to_owned(),
            instead: Some("The proposed edits switch it on for node1.".to_owned()),
        },
        findings: vec![
            finding(
                "wrong-folder-name",
                Severity::Error,
                "/opt/kubespray/inventory/my-cluster/group_vars/k8s_cluster",
                &[("folder", "k8s_cluster"), ("group", "k8s-cluster")],
            ),
            finding("invented-variable", Severity::Warning, group.to_owned() + ":340", &[("name", "nvidia_driver_install")]),
        ],
        layout: gpunode::kubespray::Layout::default(),
    }
}

/// The rows that step 4 makes of a recorded moment: all in place and tested, or the installer at work.
pub fn chain(running: bool) -> Vec<ChainRow> {
    let moment = if running { "41-testpod-after-capacity" } else { "02-init-running" };
    let path = format!("{}/tests/fixtures/cluster/{moment}.json", env!("CARGO_MANIFEST_DIR"));
    let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).expect("a recording")).expect("JSON");
    let list = |key: &str| json[key].clone();
    let node: Node = serde_json::from_value(list("node")).expect("a node");
    let (sets, pods): (Vec<DaemonSet>, Vec<Pod>) =
        (serde_json::from_value(list("daemonsets")).expect("DaemonSets"), serde_json::from_value(list("pods")).expect("pods"));
    let stack = GpuStack::from_objects(&kubespray::STACK, "node1", Some(&node), &sets, &pods, &[]);
    let log = "device-plugin registered with the kubelet".to_owned();
    let logs = [(Role::DevicePlugin, log)].into();
    let at = "2026-11-24T14:02:11Z".parse().expect("a time");
    let tested = Tested { passed: true, at, evidence: "nvidia-smi 450.51.06: Tesla V100-PCIE-32GB".to_owned(), known: None };
    let tested = running.then_some(&tested);
    let report = verify::checks(&CheckInput { stack: &stack, spec: &kubespray::STACK, logs: &logs, host_driver: None, tested });
    let mut rows = ChainRow::of(&report, Lang::En);
    if !running {
        // What the wizard does while the installer is at work.
        for row in rows.iter_mut().skip_while(|row| row.id != CheckId::Installer) {
            row.state = if row.id == CheckId::Installer { ChainState::Active } else { ChainState::Pending };
        }
    }
    rows
}

pub fn phases() -> Vec<Phase> {
    let phase = |title: &str, state| Phase { title: title.to_owned(), state };
    vec![
        phase("Cached version", ChainState::Pass),
        phase("Kernel headers", ChainState::Pass),
        phase("Download", ChainState::Pass),
        phase("Install", ChainState::Active),
        phase("Verify", ChainState::Pending),
        phase("ld cache", ChainState::Pending),
    ]
}

pub fn log() -> Vec<&'static str> {
    vec![
        "Checking cached version",
        "Cache file /usr/local/nvidia/.cache not found.",
        "Downloading kernel sources...",
        "Downloading kernel sources... DONE.",
        "Configuring installation directories... DONE.",
        "Downloading Nvidia installer... DONE.",
        "Running Nvidia installer...",
    ]
}

pub fn diagnosis() -> Diagnosis {
    Diagnosis {
        signature: "module-loaded".to_owned(),
        title: "A driver is loaded on the host already".to_owned(),
        cause:
            "The kernel module nvidia is already loaded on the host: a driver of the host starts at boot, or something is using the card."
                .to_owned(),
        evidence_line: "ERROR: An NVIDIA kernel module 'nvidia' appears to already be loaded in your kernel.".to_owned(),
        remedy: "Remove the host's driver in step 2, reboot, and come back here.".to_owned(),
        from_log: true,
        action: Some(RemedyAction::BackToDriver),
    }
}

/// The answer with these rows and nothing to offer.
pub fn rows(rows: Vec<ChainRow>) -> Answer {
    Answer::ChainRows { rows, offers: Vec::new(), failures: Vec::new() }
}

/// The answer with these lines, some of which show a failure.
pub fn lines(lines: &[&str], findings: &[usize]) -> Answer {
    let lines = lines.iter().map(|line| (*line).to_owned()).collect();
    Answer::TailLines(std::sync::Arc::new(TailBatch { lines, findings: findings.to_vec() }))
}

/// The seed's last step.
pub fn offer() -> Offer {
    let (id, lang) = (RemedyId::RemoveTaint, Lang::En);
    let args = [("node", "node1"), ("what", "nvidia.com/gpu:NoSchedule")];
    let texts = ["message", "next_run.flag", "durable"].map(|part| lang.text(&format!("offer.{}.{part}", id.name()), &args));
    Offer { id, texts: texts.to_vec(), action: remedy::remove_taint(Some("/etc/kubernetes/admin.conf".into()), "node1") }
}

pub fn nvidia_smi() -> Vec<String> {
    let table = "\
+-----------------------------------------------------------------------------+
| NVIDIA-SMI 450.51.06    Driver Version: 450.51.06    CUDA Version: 11.0     |
|-------------------------------+----------------------+----------------------+
|   0  Tesla V100-PCIE...  Off  | 00000000:18:00.0 Off |                    0 |
| N/A   33C    P0    37W / 250W |      0MiB / 32510MiB |      0%      Default |
+-------------------------------+----------------------+----------------------+";
    table.lines().map(str::to_owned).collect()
}

pub fn answers() -> Answers {
    Answers::new(DriverOwner::InstallerPod)
}

/// The record of an action that went well.
pub fn done(action: Action) -> Record {
    let at: Timestamp = "2026-11-24T14:02:11Z".parse().expect("a time");
    Record {
        action,
        status: Status::Done,
        done_on: None,
        started: at,
        ended: Some(at),
        log: None,
        job: None,
        exit: None,
        before: BTreeMap::new(),
        evidence: Vec::new(),
        hits: Vec::new(),
        undo: None,
    }
}

/// What the pre-flight says of the plan of step 2.
pub fn checks() -> Vec<Prediction> {
    vec![
        Prediction::new("host-driver", Says::Ok, "driver 418.87.00 is loaded; it goes in this step"),
        Prediction::new("holders", Says::Unknown, "2301 nvidia-smi --loop=5 (session-4.scope)"),
        Prediction::new("space:/var", Says::Ok, "/var: 60.0 GiB free, 9.6 GiB needed (download, unpacking)"),
    ]
}

/// A finding as a session would carry it.
pub fn finding(id: &str, severity: Severity, evidence: impl Into<String>, args: &[(&str, &str)]) -> Finding {
    let args = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Finding { id: id.to_owned(), severity, evidence: evidence.into(), args }
}
