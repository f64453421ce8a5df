//! The seed's node on its way: what the product itself makes of the built-in scenario, and of a recorded cluster.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use crate::support::shared;
use gpunode::{
    answers::Answers,
    choice::{DriverTable, Reason},
    cluster::{
        GpuStack,
        check::CheckId,
        kubespray,
        objects::{DaemonSet, Node, Pod},
        phases,
        verify::{self, CheckInput, Tested},
        workload::Role,
    },
    facts::Facts,
    host::{
        Cancel, Clock, Host,
        replay::{self, Speed, scenario::Scenario},
    },
    i18n::Lang,
    kubespray::Preview,
    plan::{
        Action, Plan, Step,
        remedy::{self, RemedyId},
    },
    prediction::Prediction,
    session::{Record, Session, Status},
    steps,
    wizard::{
        Answer, Colors, Settings,
        chain::{ChainRow, ChainState, Diagnosis, Offer, Phase, RemedyAction, TailBatch},
    },
};
use jiff::{Timestamp, tz::TimeZone};

const NOW: &str = "2026-11-24T14:02:11Z";

pub fn settings(lang: Lang, ascii: bool) -> Settings {
    Settings {
        may_change: true,
        story: None,
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
    let now: Timestamp = NOW.parse().expect("a time");
    Session::new("simulated:seed".to_owned(), "node1".to_owned(), now)
}

/// What the wizard knows of the machine: the built-in scenario, looked at by the same code that looks at a real one.
struct Machine {
    host: Host,
    facts: Facts,
    answers: Answers,
}

/// A clock that stands: dates on the screens do not depend on the day of the test.
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        NOW.parse().expect("a time")
    }

    fn sleep(&self, _duration: Duration, cancel: &Cancel) -> bool {
        !cancel.is_cancelled()
    }
}

/// What somebody has written into the inventory: an old version, a variable that nobody reads, and a folder that no
/// group has.
const EDITED: [(&str, &str); 2] = [
    ("k8s-cluster/k8s-cluster.yml", "nvidia_driver_version: \"384.111\"\nnvidia_driver_install: true\n"),
    ("k8s_cluster/gpu.yml", "---\nnvidia_driver_version: \"418.87.00\"\n"),
];

fn machine() -> &'static Machine {
    static SEED: OnceLock<Machine> = OnceLock::new();
    SEED.get_or_init(|| {
        let scenario = Scenario::built_in("seed").expect("the scenario");
        let host = Host { clock: Arc::new(Standing), ..replay::host(scenario, None, Speed(0.0)).expect("a machine") };
        for (name, text) in EDITED {
            let path = Path::new("/root/kubespray-2.14.2/inventory/my-standalone-cluster/group_vars").join(name);
            let before = host.files.read_text(&path).unwrap_or_default();
            host.files.write(&path, (before + text).as_bytes(), 0o644).expect("an edit");
        }
        let facts = gpunode::facts::probe(&host);
        let story =
            host.simulation.as_ref().and_then(|simulation| simulation.answers.clone()).expect("the story's answers");
        let story: Answers = serde_json::from_value(story).expect("answers");
        let table = steps::driver_table(&host, &facts, &story, story.cuda()).expect("a table");
        let answers = steps::complete(&story, &table);
        Machine { host, facts, answers }
    })
}

pub fn facts() -> Facts {
    machine().facts.clone()
}

/// How each owner fits the machine.
pub fn owners() -> Vec<gpunode::owner::Fit> {
    let Machine { host, facts, answers } = machine();
    steps::owners(host, facts, answers)
}

pub fn answers() -> Answers {
    machine().answers.clone()
}

pub fn table() -> DriverTable {
    table_for(machine().answers.cuda())
}

/// The table for another toolkit than the machine's answers want.
pub fn table_for(cuda: Option<&gpunode::version::Version>) -> DriverTable {
    let Machine { host, facts, answers } = machine();
    steps::driver_table(host, facts, answers, cuda).expect("a table").shown(true)
}

/// A reason as a session would carry it.
pub fn reason(id: &str, args: &[(&str, &str)]) -> Reason {
    let message = serde_json::json!({"key": format!("reason.{id}"), "args": args});
    Reason(serde_json::from_value(message).expect("a message"))
}

pub fn plan(step: Step) -> Plan {
    let Machine { host, facts, answers } = machine();
    let session = Path::new("/var/lib/gpunode/session.yaml");
    Plan { actions: steps::Planner::new(host, facts, answers).plan_step(step, session).expect("a plan") }
}

/// The plan of the test pod alone.
pub fn test_plan() -> Vec<gpunode::plan::Action> {
    plan(Step::Verify).actions.into_iter().filter(|action| action.name() == "test-pod").collect()
}

/// What the pre-flight says of the plan of step 2.
pub fn checks() -> Vec<Prediction> {
    let Machine { host, facts, answers } = machine();
    steps::Planner::new(host, facts, answers).preflight(&plan(Step::Driver).actions, None).expect("a pre-flight")
}

pub fn preview() -> Preview {
    let Machine { host, facts, answers } = machine();
    steps::preview(host, facts, answers).expect("a preview")
}

/// Step 3 for a machine that the inventory does not know by this name.
pub fn newcomer(name: &str) -> (Answers, Preview, Plan) {
    let Machine { host, facts, answers } = machine();
    let answers = Answers { node: Some(name.parse().expect("a name")), ..answers.clone() };
    let session = Path::new("/var/lib/gpunode/session.yaml");
    let planner = steps::Planner::new(host, facts, &answers);
    let preview = planner.planned_preview().expect("a preview");
    let actions = planner.plan_step(Step::Variables, session).expect("a plan");
    (answers, preview, Plan { actions })
}

/// The rows of step 4 while the installer is at work, or when all is well: two recorded moments of a cluster.
pub fn chain(running: bool, lang: Lang) -> Vec<ChainRow> {
    let moment = if running { "41-testpod-after-capacity" } else { "02-init-running" };
    let path = shared::fixture("cluster").join(moment).with_extension("json");
    let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).expect("a recording")).expect("JSON");
    let list = |key: &str| json[key].clone();
    let node: Node = serde_json::from_value(list("node")).expect("a node");
    let (sets, pods): (Vec<DaemonSet>, Vec<Pod>) = (
        serde_json::from_value(list("daemonsets")).expect("DaemonSets"),
        serde_json::from_value(list("pods")).expect("pods"),
    );
    let stack = GpuStack::from_objects(&kubespray::STACK, "node1", Some(&node), &sets, &pods, &[]);
    let log = "device-plugin registered with the kubelet".to_owned();
    let logs = [(Role::DevicePlugin, log)].into();
    let at = NOW.parse().expect("a time");
    let tested =
        Tested { passed: true, at, evidence: "nvidia-smi 450.51.06: Tesla V100-PCIE-32GB".to_owned(), known: None };
    let tested = running.then_some(&tested);
    let report = verify::checks(&CheckInput {
        stack: &stack,
        spec: &kubespray::STACK,
        logs: &logs,
        host_driver: None,
        on_node: &[],
        cards: None,
        tested,
    });
    let mut rows = ChainRow::of(&report, lang);
    if !running {
        // What the wizard does while the installer is at work.
        for row in rows.iter_mut().skip_while(|row| row.id != CheckId::Installer) {
            row.state = if row.id == CheckId::Installer { ChainState::Active } else { ChainState::Pending };
        }
    }
    rows
}

/// What the tail says as the installer of that moment begins.
pub fn tail_state(lang: Lang) -> String {
    let pod = "nvidia-driver-installer-knw94";
    lang.text("tail.started", &[("attempt", "1"), ("pod", pod)])
}

/// The installer's steps in the middle of its work.
pub fn phases(lang: Lang) -> Vec<Phase> {
    let state = |phase: phases::Phase| match phase.cmp(&phases::Phase::Run) {
        Ordering::Less => ChainState::Pass,
        Ordering::Equal => ChainState::Active,
        Ordering::Greater => ChainState::Pending,
    };
    phases::Phase::INSTALLER.map(|phase| Phase { title: phase.text(lang), state: state(phase) }).to_vec()
}

/// The log of an installer in the middle of its work.
pub fn log() -> Vec<&'static str> {
    let mut lines = include_str!("../../fixtures/logs/installer-begins.txt").lines().collect::<Vec<_>>();
    lines.push("Running Nvidia installer...");
    lines
}

/// A failure that the log shows: a driver is loaded on the host already.
pub fn diagnosis(lang: Lang) -> Diagnosis {
    let report = gpunode::diagnosis::Diagnosis::over(include_str!("../../fixtures/logs/logs-loaded.txt"));
    let hit = report.hits.first().expect("a known failure");
    Diagnosis {
        signature: hit.signature.to_string(),
        title: lang.text("wizard.diagnosis.title", &[("id", &hit.signature.to_string())]),
        cause: hit.cause(lang),
        evidence_line: hit.line.clone(),
        remedy: hit.remedy(lang),
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
    let texts =
        ["message", "next_run.flag", "durable"].map(|part| lang.text(&format!("offer.{}.{part}", id.name()), &args));
    Offer {
        id,
        texts: texts.to_vec(),
        action: remedy::remove_taint(Some("/etc/kubernetes/admin.conf".into()), "node1"),
    }
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

/// The record of an action that went well.
pub fn done(action: Action) -> Record {
    let at: Timestamp = NOW.parse().expect("a time");
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
        failure: None,
        undo: None,
        seal: None,
        is_foreign: false,
    }
}

/// A finding as a session would carry it.
pub fn finding(id: &str, severity: gpunode::finding::Severity, evidence: String) -> gpunode::finding::Finding {
    gpunode::finding::Finding { id: id.to_owned(), severity, evidence, args: std::collections::BTreeMap::new() }
}
