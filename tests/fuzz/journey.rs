//! A whole journey on a simulated machine: answers, the machine's files, an inventory, a log and a session go in as
//! they come; all steps are planned, asked about, run, judged, told and taken back. Nothing of it may panic, and what
//! is told is fit for a terminal.

use std::{path::Path, sync::OnceLock};

use gpunode::{
    answers::{Answers, DriverOwner},
    diagnosis::Diagnosis,
    engine::{Runner, undo},
    facts,
    headless::record,
    host::{
        Cancel, Host,
        replay::{self, Scenario, Speed},
    },
    i18n::Lang,
    plan::Step,
    report::Report,
    session::{
        Session,
        store::{self, Store},
    },
    steps, text,
};

/// What parts one document from the next in an input.
pub const BREAK: &str = "\n%%%%\n";
const INVENTORY: &str = "/root/kubespray-2.14.2/inventory/my-standalone-cluster";

/// The documents of an input, in the order in which they stand in it.
pub const DOCUMENTS: [&str; 9] =
    ["answers", "inventory", "cluster vars", "docker vars", "os-release", "modules", "dpkg status", "log", "session"];

/// Returns a valid input: the seed's own files.
pub fn seed() -> &'static str {
    static SEED: OnceLock<String> = OnceLock::new();
    SEED.get_or_init(|| {
        let host = machine();
        let file = |path: &str| host.files.read_text(Path::new(path)).unwrap_or_default();
        let answers = "driver_owner: installer-pod\ncuda_version: \"11.0\"\nnode: node1\nadd_node: true\nremove_taint: true\ngpus: [\"10de:1db6\"]\nvariables: {nvidia_gpu_flavor: tesla}\nleave_out: [greeting]\ndespite: [mounts]\nreboot: never\n";
        let log = "Checking cached version\nDownloading Nvidia installer\nERROR: Unable to load the kernel module 'nvidia.ko'.\nVerifying Nvidia installation\n";
        let session = Session::new(host.identity(), host.name(), host.clock.now());
        let parts = [
            answers.to_owned(),
            file(&format!("{INVENTORY}/inventory.ini")),
            file(&format!("{INVENTORY}/group_vars/k8s-cluster/k8s-cluster.yml")),
            file(&format!("{INVENTORY}/group_vars/all/docker.yml")),
            file("/etc/os-release"),
            file("/proc/modules"),
            "Package: nvidia-driver-535\nStatus: install ok installed\nVersion: 535.183.01-1\nArchitecture: amd64\nDepends: libc6\n".to_owned(),
            log.to_owned(),
            serde_json::to_string(&session).unwrap_or_default(),
        ];
        parts.join(BREAK)
    })
}

fn machine() -> Host {
    replay::host(Scenario::built_in("seed").expect("the scenario"), None, Speed(0.0)).expect("a machine")
}

/// Goes the whole way with one input.
pub fn journey(bytes: &[u8]) {
    let input = String::from_utf8_lossy(bytes);
    let mut documents = input.split(BREAK);
    let mut next = || documents.next().unwrap_or_default();
    let host = machine();
    let answers = Answers::parse(next(), "answers.yaml").unwrap_or_else(|_| Answers::new(DriverOwner::InstallerPod));
    for path in [
        &format!("{INVENTORY}/inventory.ini"),
        &format!("{INVENTORY}/group_vars/k8s-cluster/k8s-cluster.yml"),
        &format!("{INVENTORY}/group_vars/all/docker.yml"),
        "/etc/os-release",
        "/proc/modules",
        "/var/lib/dpkg/status",
    ] {
        host.files.write(Path::new(path), next().as_bytes(), 0o644).expect("a file of the machine");
    }
    diagnose(next());
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().join("s.yaml")).expect("a session file");
    let read = store::parse(next(), Path::new("s.yaml")).ok();
    go(&host, &store, &answers, read.map(|(session, _)| session));
}

fn diagnose(log: &str) {
    let mut diagnosis = Diagnosis::default();
    for line in log.lines() {
        let _ = diagnosis.push(&text::printable(line));
    }
    let _ = diagnosis.finish();
}

/// Plans, asks, runs, judges, tells and takes back: first what the session brings, then what the answers want.
fn go(host: &Host, store: &Store, answers: &Answers, session: Option<Session>) {
    let cancel = Cancel::default();
    if let Some(mut session) = session {
        tell(host, &session);
        let _ = undo::undo_all(host, store, &mut session, &cancel, &mut |_| {});
    }
    let mut session = Session::new(host.identity(), host.name(), host.clock.now());
    session.facts = facts::probe_all(host);
    session.facts.expect(answers.gpus.as_deref().unwrap_or_default());
    let answers = steps::driver_table(host, &session.facts, answers, answers.cuda())
        .map_or_else(|_| answers.clone(), |table| steps::complete(answers, &table));
    session.answers = Some(answers.clone());
    for step in [Step::Driver, Step::Variables] {
        let Ok(actions) = steps::Planner::new(host, &session.facts, &answers).plan_step(step, store.path()) else {
            continue;
        };
        if step == Step::Driver
            && let Ok(checks) = steps::Planner::new(host, &session.facts, &answers).preflight(&actions, None)
        {
            session.keep_predictions(checks);
        }
        session.replan(step, actions);
        let _ = Runner { host, store, session: &mut session, cancel: &cancel, secret: None }.run(step, &mut |_| {});
    }
    session.verdict = Some(steps::verdict(host, &session, &answers));
    tell(host, &session);
    let _ = undo::undo_all(host, store, &mut session, &cancel, &mut |_| {});
    tell(host, &session);
    let _ = record(host, &answers);
}

/// A report is text that a terminal may print, in every form and language.
fn tell(host: &Host, session: &Session) {
    let answers = steps::answers_of(host, session);
    let preview = steps::preview(host, &session.facts, &answers).ok();
    for lang in [Lang::En, Lang::Ko] {
        let report = Report::new(session, preview.as_ref(), lang);
        let _ = (text::printable_lines(&report.text(lang)), text::printable_lines(&report.markdown(lang)));
        assert!(report.json().is_object());
    }
}
