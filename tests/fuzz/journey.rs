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

/// The documents of an input, in the order in which they stand in it.
pub const DOCUMENTS: [&str; 10] = [
    "answers",
    "inventory",
    "cluster vars",
    "vars of the container engine",
    "os-release",
    "modules",
    "dpkg status",
    "log",
    "session",
    "machine",
];

/// A simulated machine, and where its inventory lies.
struct Machine {
    scenario: &'static str,
    inventory: &'static str,
    cluster_vars: &'static str,
    engine_vars: &'static str,
}

const MACHINES: [Machine; 2] = [
    Machine {
        scenario: "seed",
        inventory: "/root/kubespray-2.14.2/inventory/my-standalone-cluster",
        cluster_vars: "group_vars/k8s-cluster/k8s-cluster.yml",
        engine_vars: "group_vars/all/docker.yml",
    },
    Machine {
        scenario: "ubuntu-2404",
        inventory: "/root/kubespray/inventory/mycluster",
        cluster_vars: "group_vars/k8s_cluster/k8s-cluster.yml",
        engine_vars: "group_vars/all/containerd.yml",
    },
];

impl Machine {
    /// The machine that an input names; what names none is of the first.
    fn of(name: &str) -> &'static Self {
        MACHINES.iter().find(|machine| machine.scenario == name.trim()).unwrap_or(&MACHINES[0])
    }

    fn host(&self) -> Host {
        replay::host(Scenario::built_in(self.scenario).expect("the scenario"), None, Speed(0.0)).expect("a machine")
    }

    /// The files that an input changes, in its documents' order.
    fn files(&self) -> [String; 6] {
        let inventory = |file: &str| format!("{}/{file}", self.inventory);
        [
            inventory("inventory.ini"),
            inventory(self.cluster_vars),
            inventory(self.engine_vars),
            "/etc/os-release".to_owned(),
            "/proc/modules".to_owned(),
            "/var/lib/dpkg/status".to_owned(),
        ]
    }
}

/// Answers of every owner; each is tried on every machine.
const ANSWERS: [&str; 3] = [
    "driver_owner: installer-pod\ncuda_version: \"11.0\"\nnode: node1\nadd_node: true\nremove_taint: true\ngpus: [\"10de:1db6\"]\nvariables: {nvidia_gpu_flavor: tesla}\nleave_out: [greeting]\ndespite: [mounts]\nreboot: never\n",
    "driver_owner: host\ndriver_source: ubuntu-precompiled\ndriver_branch: 580\nenroll_key: true\nhold: true\npackage_mirror: https://mirror/repos\nrepository_key: \"0123456789ABCDEF0123456789ABCDEF01234567\"\ncuda_version: none\nnode: node1\nadd_node: true\ncuda_sample: true\nreboot: now\n",
    "driver_owner: operator\ncuda_version: none\nnode: node1\nadd_node: true\nrun_playbooks: false\nremove_taint: true\nreboot: never\n",
];

/// Valid inputs: each owner with each machine's own files.
pub fn seeds() -> &'static [String] {
    static SEEDS: OnceLock<Vec<String>> = OnceLock::new();
    SEEDS.get_or_init(|| MACHINES.iter().flat_map(|machine| ANSWERS.map(|answers| seed(machine, answers))).collect())
}

fn seed(machine: &Machine, answers: &str) -> String {
    assert!(Answers::parse(answers, "answers.yaml").is_ok(), "{:?}", Answers::parse(answers, "answers.yaml"));
    let host = machine.host();
    let log = "Checking cached version\nDownloading Nvidia installer\nERROR: Unable to load the kernel module 'nvidia.ko'.\nVerifying Nvidia installation\n";
    let session = Session::new(host.identity(), host.name(), host.clock.now());
    let dpkg = "Package: nvidia-driver-535\nStatus: install ok installed\nVersion: 535.183.01-1\nArchitecture: amd64\nDepends: libc6\n";
    let mut parts = vec![answers.to_owned()];
    parts.extend(machine.files()[..5].iter().map(|path| host.files.read_text(Path::new(path)).unwrap_or_default()));
    let session = serde_json::to_string(&session).unwrap_or_default();
    parts.extend([dpkg.to_owned(), log.to_owned(), session, machine.scenario.to_owned()]);
    parts.join(BREAK)
}

/// Goes the whole way with one input.
pub fn journey(bytes: &[u8]) {
    let input = String::from_utf8_lossy(bytes);
    let mut documents = input.split(BREAK);
    let machine = Machine::of(input.split(BREAK).nth(DOCUMENTS.len() - 1).unwrap_or_default());
    let mut next = || documents.next().unwrap_or_default();
    let host = machine.host();
    let answers = Answers::parse(next(), "answers.yaml").unwrap_or_else(|_| Answers::new(DriverOwner::InstallerPod));
    for path in machine.files() {
        host.files.write(Path::new(&path), next().as_bytes(), 0o644).expect("a file of the machine");
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
