//! Every key of the answers with values that are a word of some other program's language: whatever is taken, no command
//! ever gets them in the place of an option, as a second line, or as a part of its configuration.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use clap::Parser;
use gpunode::{
    answers::Answers,
    cli::Cli,
    engine::{Runner, undo},
    facts::{self, Facts},
    host::{
        Cancel, Command, CommandError, Commands, Exit, Host, Line,
        command::{Job, Liveness, Note},
        replay::{self, Scenario, Speed},
    },
    plan::{Action, Step},
    session::{
        Session,
        store::{self, Store},
    },
    steps,
};

/// What marks a hostile value wherever it comes out.
const MARK: &str = "zzq";

/// Writes down what is run and passes it on.
struct Recorder {
    inner: Arc<dyn Commands>,
    ran: Arc<Mutex<Vec<Command>>>,
}

impl Recorder {
    fn note(&self, command: &Command) {
        // What is refused is not run; the machine's side refuses it too.
        if command.demand_plain().is_ok() {
            self.ran.lock().unwrap().push(command.clone());
        }
    }
}

impl Commands for Recorder {
    fn locate(&self, program: &str) -> Option<PathBuf> {
        self.inner.locate(program)
    }

    fn run(&self, command: &Command, cancel: &Cancel, on_line: &mut dyn FnMut(Line)) -> Result<Exit, CommandError> {
        self.note(command);
        self.inner.run(command, cancel, on_line)
    }

    fn start(&self, command: &Command, log: &Path, note: &mut Note<'_>) -> Result<Job, CommandError> {
        self.note(command);
        self.inner.start(command, log, note)
    }

    fn liveness(&self, log: &Path) -> Liveness {
        self.inner.liveness(log)
    }

    fn find(&self, log: &Path) -> Option<Job> {
        self.inner.find(log)
    }

    fn follow(&self, job: &Job, offset: u64, cancel: &Cancel, on_line: &mut dyn FnMut(Line)) -> Exit {
        self.inner.follow(job, offset, cancel, on_line)
    }
}

fn hostile() -> Vec<String> {
    let forms = [
        "-zzq",
        "--zzq",
        "--all zzq",
        "zzq\nsecond",
        "\nzzq",
        "zzq\rx",
        "zzq\0x",
        "zzq\"x",
        "zzq'x",
        "zzq\\x",
        "{{ zzq }}",
        "{% zzq %}",
        "$(zzq)",
        "`zzq`",
        "zzq x",
        "../zzq",
        "/../zzq",
        "/zzq\n/x",
        "/zzq",
        "/-zzq",
        "/zzq,x",
        "/zzq:x",
        "@zzq",
        "~zzq",
        "!zzq",
        "all:zzq",
        "zzq*",
        "zzq[1-9]",
        "http://zzq\nproxy = x",
        "http://zzq\"",
        "http://me:zzq@x",
        "http://zzq/{a,b}",
        "file:///zzq",
        "-Kzzq",
        "zzq\u{202e}x",
        "/zzq\u{2028}x",
        "/zzq\u{e0041}",
        "ｚzzq",
        "zzq",
        "zzq/x:1",
        "zzq=x:NoSchedule",
    ];
    forms
        .map(str::to_owned)
        .into_iter()
        .chain(["a".repeat(65_536) + MARK, format!("/{}", "b/".repeat(32_768)) + MARK])
        .collect()
}

/// The keys that hold texts, each with how a value stands in it.
const TEXTS: [&str; 20] = [
    "driver_version",
    "driver_source",
    "driver_branch",
    "local_repository",
    "local_repository_sha256",
    "repository_key",
    "package_mirror",
    "cuda_version",
    "cuda_runfile",
    "cuda_runfile_sha256",
    "cuda_prefix",
    "cuda_tmpdir",
    "cuda_mirror",
    "proxy",
    "kubespray",
    "inventory",
    "node",
    "kubeconfig",
    "test_image",
    "test_image_file",
];
const LISTS: [&str; 5] = ["gpus", "gpu_nodes", "leave_out", "take_in", "despite"];
const VARIABLES: [&str; 6] = [
    "nvidia_driver_version",
    "nvidia_gpu_nodes",
    "nvidia_url_end",
    "kube_override_hostname",
    "node_labels",
    "nvidia_gpu_device_plugin_container",
];

/// Keys that hold neither texts of any kind nor lists: nothing but their own words is taken.
const OTHERS: [&str; 7] =
    ["driver_owner", "run_playbooks", "cuda_sample", "remove_taint", "reboot", "add_node", "unheard_of"];

/// Nothing of a hostile value may be an option, a line of its own, or more than one word.
fn demand_harmless(command: &Command, from: &str) {
    let own_options = ["--limit=", "--toolkitpath=", "--installpath=", "--tmpdir=", "--limit-bytes=", "--since-time="];
    for word in command.args.iter().filter(|word| word.contains(MARK)) {
        let is_value = own_options.iter().any(|option| word.starts_with(option));
        assert!(!word.starts_with('-') || is_value, "{from}: {word:?} is an option in {command}");
        assert!(!word.chars().any(char::is_control), "{from}: {word:?} has a control character in {command}");
    }
    assert!(!command.program.contains(MARK) || command.program.starts_with('/'), "{from}: {command}");
    let manifest = command.args.iter().any(|word| word == "apply");
    if let Some(input) = command.stdin.as_deref().filter(|input| input.contains(MARK) && !manifest) {
        let body = input.strip_suffix('\n').unwrap_or(input);
        assert!(!body.contains('\n') && body.matches('"').count() == 2 && !body.contains('\\'), "{from}: {input:?}");
    }
}

/// A simulated machine whose commands are written down.
fn recording() -> (Host, Arc<Mutex<Vec<Command>>>) {
    let ran = Arc::new(Mutex::new(Vec::new()));
    let mut host: Host = replay::host(Scenario::built_in("seed").unwrap(), None, Speed(0.0)).unwrap();
    host.commands = Arc::new(Recorder { inner: Arc::clone(&host.commands), ran: Arc::clone(&ran) });
    (host, ran)
}

/// What is on that machine, which no answer changes.
fn seed() -> &'static Facts {
    static FACTS: OnceLock<Facts> = OnceLock::new();
    FACTS.get_or_init(|| facts::probe(&recording().0))
}

/// What was done in all.
#[derive(Default)]
struct Counts {
    tried: AtomicUsize,
    taken: AtomicUsize,
    asked: AtomicUsize,
    run: AtomicUsize,
    commands: AtomicUsize,
}

impl Counts {
    fn add(counter: &AtomicUsize, more: usize) {
        counter.fetch_add(more, Ordering::Relaxed);
    }

    fn get(counter: &AtomicUsize) -> usize {
        counter.load(Ordering::Relaxed)
    }
}

/// Plans all steps and asks the pre-flight and the cluster; tells whether the value is anywhere in the plan.
fn plan_all(host: &Host, answers: &Answers, from: &str) -> (Vec<(Step, Vec<Action>)>, bool) {
    let mut planned = Vec::new();
    let mut is_in = false;
    for step in [Step::Driver, Step::Variables, Step::Verify] {
        let Ok(actions) =
            steps::Planner::new(host, seed(), answers).plan_step(step, Path::new("/nowhere/session.yaml"))
        else {
            continue;
        };
        for command in
            actions.iter().flat_map(|action| action.commands.iter()).filter(|command| command.demand_plain().is_ok())
        {
            demand_harmless(command, from);
        }
        is_in |= format!("{actions:?}").contains(MARK);
        planned.push((step, actions));
    }
    (planned, is_in)
}

/// Asks all that is asked of the machine and the cluster with these answers.
fn ask_all(host: &Host, answers: &Answers, planned: &[(Step, Vec<Action>)]) {
    for (_, actions) in planned.iter().filter(|(step, _)| *step == Step::Driver) {
        // What is asked counts here; what it says is not what this is about.
        let _ = steps::Planner::new(host, seed(), answers).preflight(actions, None);
    }
    let mut session = Session::new(host.identity(), host.name(), host.clock.now());
    session.answers = Some(answers.clone());
    session.facts = seed().clone();
    steps::verdict(host, &session, answers);
}

/// Runs steps 2 and 3 and takes all back, on a machine of its own.
fn run_and_undo(answers: &Answers, planned: Vec<(Step, Vec<Action>)>) -> Vec<Command> {
    let folder = tempfile::tempdir().unwrap();
    let (host, ran) = recording();
    let store = Store::open(&folder.path().join("s.yaml")).unwrap();
    let mut session = Session::new(host.identity(), host.name(), host.clock.now());
    session.facts = seed().clone();
    session.answers = Some(answers.clone());
    for (step, actions) in planned {
        session.replan(step, actions);
    }
    let cancel = Cancel::default();
    let mut runner = Runner { host: &host, store: &store, session: &mut session, cancel: &cancel, secret: None };
    for step in [Step::Driver, Step::Variables] {
        let _ = runner.run(step, &mut |_| {});
    }
    let _ = undo::undo_all(&host, &store, &mut session, &cancel, &mut |_| {});
    std::mem::take(&mut *ran.lock().unwrap())
}

/// Every key with every value, as a line of an answers file.
fn lines() -> Vec<String> {
    let text = |value: &str| serde_json::to_string(value).unwrap();
    let mut all = Vec::new();
    for value in hostile() {
        all.extend(TEXTS.iter().map(|key| format!("{key}: {}\n", text(&value))));
        all.extend(LISTS.iter().map(|key| format!("{key}: [{}]\n", text(&value))));
        all.extend(VARIABLES.iter().flat_map(|name| {
            [
                format!("variables: {{{name}: {}}}\n", text(&value)),
                format!("variables: {{{name}: [{}]}}\n", text(&value)),
            ]
        }));
        all.push(format!("variables: {{{}: x}}\n", text(&value)));
        all.extend(OTHERS.iter().map(|key| format!("{key}: {}\n", text(&value))));
    }
    all
}

fn try_line(line: &str, host: &Host, ran: &Mutex<Vec<Command>>, counts: &Counts) {
    Counts::add(&counts.tried, 1);
    let yaml =
        format!("driver_owner: installer-pod\ncuda_version: \"11.0.3\"\nremove_taint: true\nadd_node: true\n{line}");
    let yaml = if line.starts_with("cuda_version") { yaml.replacen("cuda_version: \"11.0.3\"\n", "", 1) } else { yaml };
    let yaml =
        if line.starts_with("driver_owner") { yaml.replacen("driver_owner: installer-pod\n", "", 1) } else { yaml };
    let from: String = line.chars().take(120).collect();
    let Ok(answers) = Answers::parse(&yaml, "a.yaml") else { return };
    let taken = counts.taken.fetch_add(1, Ordering::Relaxed);
    let (planned, is_in) = plan_all(host, &answers, &from);
    // Where the plan holds the value everything is asked; of the others, which are alike, one in four.
    if is_in || taken.is_multiple_of(4) {
        Counts::add(&counts.asked, 1);
        ask_all(host, &answers, &planned);
    }
    let mut commands = std::mem::take(&mut *ran.lock().unwrap());
    // A plan that does not hold the value runs as it does without it.
    if is_in {
        Counts::add(&counts.run, 1);
        commands.extend(run_and_undo(&answers, planned));
    }
    for command in &commands {
        demand_harmless(command, &from);
    }
    Counts::add(&counts.commands, commands.len());
}

#[test]
fn no_value_of_the_answers_becomes_a_word_of_another_language() {
    let (lines, counts, next) = (lines(), Counts::default(), AtomicUsize::new(0));
    let work = || {
        let (host, ran) = recording();
        while let Some(line) = lines.get(next.fetch_add(1, Ordering::Relaxed)) {
            try_line(line, &host, &ran, &counts);
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..thread::available_parallelism().map_or(2, usize::from)).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
    let [tried, taken, asked, run, commands] =
        [&counts.tried, &counts.taken, &counts.asked, &counts.run, &counts.commands].map(Counts::get);
    println!(
        "answers: {tried} values tried, {taken} taken and planned, {asked} of them with all questions, {run} run and undone, {commands} commands looked at"
    );
    assert!(tried > 1000 && taken > 60 && run > 20 && commands > 1000, "{tried} {taken} {run} {commands}");
}

/// Options of the command line are the same types as the answers: what one refuses, the other does too.
#[test]
fn no_option_takes_what_the_answers_refuse() {
    const OPTIONS: [(&[&str], &str, &str); 8] = [
        (&["vars", "--kubespray"], "kubespray", ""),
        (&["vars", "--inventory"], "inventory", ""),
        (&["vars", "--node"], "node", ""),
        (&["verify", "--kubeconfig"], "kubeconfig", ""),
        (&["verify", "--node"], "node", ""),
        (&["tail", "--kubeconfig"], "kubeconfig", ""),
        (&["drivers", "--gpu"], "gpus", "[]"),
        (&["drivers", "--cuda"], "cuda_version", ""),
    ];
    let (mut tried, mut taken) = (0, 0);
    for value in hostile() {
        for (words, key, list) in OPTIONS {
            // As its own word, and joined by `=`, where a leading dash is no option.
            let (last, first) = words.split_last().unwrap();
            let joined = format!("{last}={value}");
            let apart = [&["gpunode"], first, &[last, value.as_str()]].concat();
            let joined = [&["gpunode"], first, &[joined.as_str()]].concat();
            let quoted = serde_json::to_string(&value).unwrap();
            let line = if list.is_empty() { format!("{key}: {quoted}\n") } else { format!("{key}: [{quoted}]\n") };
            let is_answer = Answers::parse(&format!("driver_owner: host\n{line}"), "a.yaml").is_ok();
            for argv in [apart, joined] {
                tried += 1;
                let is_taken = Cli::try_parse_from(&argv).is_ok();
                taken += usize::from(is_taken);
                assert!(!is_taken || is_answer, "{argv:?} is taken, and {line:?} is not");
            }
        }
    }
    println!("options: {tried} values tried, {taken} taken");
    assert!(tried > 500, "{tried}");
}

/// Replaces the scalar at one place after the other by a hostile one.
fn forgeries(value: &serde_yaml::Value) -> Vec<serde_yaml::Value> {
    use serde_yaml::Value;
    match value {
        Value::String(_) => hostile().into_iter().filter(|text| text.len() < 200).step_by(3).map(Value::from).collect(),
        Value::Sequence(items) => {
            let at = |index: usize| forgeries(&items[index]).into_iter().map(move |forged| (index, forged));
            let forged = (0..items.len()).flat_map(at).map(|(index, forged)| {
                let mut items = items.clone();
                items[index] = forged;
                Value::Sequence(items)
            });
            forged.collect()
        }
        Value::Mapping(fields) => {
            let at = |(key, value): (&Value, &Value)| {
                forgeries(value).into_iter().map(|forged| (key.clone(), forged)).collect::<Vec<_>>()
            };
            let forged = fields.iter().flat_map(at).map(|(key, forged)| {
                let mut fields = fields.clone();
                fields.insert(key, forged);
                Value::Mapping(fields)
            });
            forged.collect()
        }
        _ => Vec::new(),
    }
}

/// A session that somebody else has written: whatever stands in its journal, undo and a second run start nothing with
/// it.
#[test]
fn no_forged_session_runs_a_word_of_its_own() {
    let answers =
        Answers::parse("driver_owner: installer-pod\ncuda_version: \"11.0.3\"\nremove_taint: true\n", "a.yaml")
            .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (host, _) = recording();
    let store = Store::open(&folder.path().join("s.yaml")).unwrap();
    let mut session = Session::new(host.identity(), host.name(), host.clock.now());
    (session.facts, session.answers) = (seed().clone(), Some(answers.clone()));
    plan_all(&host, &answers, "a session").0.into_iter().for_each(|(step, actions)| session.replan(step, actions));
    let cancel = Cancel::default();
    for step in [Step::Driver, Step::Variables] {
        let _ = Runner { host: &host, store: &store, session: &mut session, cancel: &cancel, secret: None }
            .run(step, &mut |_| {});
    }
    assert!(session.journal.len() > 3, "{:?}", session.journal);
    // A session of that one record: what else stands in it is read elsewhere.
    let mut alone = Session::new(host.identity(), host.name(), host.clock.now());
    alone.answers = Some(answers.clone());
    store.save(&mut alone, host.clock.now()).unwrap();
    let whole: serde_yaml::Value = serde_yaml::from_str(&std::fs::read_to_string(store.path()).unwrap()).unwrap();
    let (mut tried, mut taken, mut commands) = (0, 0, 0);
    let mut seen = BTreeSet::new();
    for record in &session.journal {
        let mut honest = whole.clone();
        honest["journal"] = serde_yaml::Value::Sequence(vec![serde_yaml::to_value(record).unwrap()]);
        read_back(&honest).expect("what was written is read");
        for forged in forgeries(&serde_yaml::to_value(record).unwrap()) {
            tried += 1;
            let mut whole = whole.clone();
            whole["journal"] = serde_yaml::Value::Sequence(vec![forged]);
            let Some(forged) = read_back(&whole) else { continue };
            taken += 1;
            if taken % FORGED != 0 || !seen.insert(format!("{:?}", forged.journal)) {
                continue;
            }
            commands += resume_and_undo(forged);
        }
    }
    println!("sessions: {tried} forged, {taken} read, {} undone, {commands} commands looked at", seen.len());
    assert!(tried > 1000 && seen.len() > 10, "{tried} {taken} {}", seen.len());
}

/// Reads a session as its file would be; a file that is whole ends in `...`.
fn read_back(session: &serde_yaml::Value) -> Option<Session> {
    let text = serde_yaml::to_string(session).unwrap() + "...\n";
    store::parse(&text, Path::new("s.yaml")).ok().map(|(session, _)| session)
}

/// Every how many forged sessions one is run.
const FORGED: usize = 31;

fn resume_and_undo(mut session: Session) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let (host, ran) = recording();
    let store = Store::open(&folder.path().join("s.yaml")).unwrap();
    let cancel = Cancel::default();
    for step in [Step::Driver, Step::Variables] {
        let _ = Runner { host: &host, store: &store, session: &mut session, cancel: &cancel, secret: None }
            .run(step, &mut |_| {});
    }
    let _ = undo::undo_all(&host, &store, &mut session, &cancel, &mut |_| {});
    let ran = ran.lock().unwrap();
    ran.iter().for_each(|command| demand_harmless(command, "a forged session"));
    ran.len()
}
