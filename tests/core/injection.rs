//! Every key of the answers with values that are a word of some other program's language: whatever is taken, no command ever gets them in
//! the place of an option, as a second line, or as a part of its configuration.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use gpunode::{
    answers::Answers,
    engine::Runner,
    facts,
    host::{
        Cancel, Command, CommandError, Commands, Exit, Host, Line,
        command::{Job, Liveness, Note},
        replay::{self, Scenario, Speed},
    },
    plan::Step,
    session::{Session, store::Store},
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
    forms.map(str::to_owned).into_iter().chain(["a".repeat(65_536) + MARK, format!("/{}", "b/".repeat(32_768)) + MARK]).collect()
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

/// Plans all steps, runs the second, judges and takes back, on a simulated machine.
fn go_through(answers: &Answers, from: &str, runs: bool) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let ran = Arc::new(Mutex::new(Vec::new()));
    let mut host: Host = replay::host(Scenario::built_in("seed").unwrap(), None, Speed(0.0)).unwrap();
    host.commands = Arc::new(Recorder { inner: Arc::clone(&host.commands), ran: Arc::clone(&ran) });
    let store = Store::open(&folder.path().join("s.yaml")).unwrap();
    let mut session = Session::new(host.identity(), host.name(), host.clock.now());
    session.facts = facts::probe(&host);
    session.answers = Some(answers.clone());
    for step in [Step::Driver, Step::Variables, Step::Verify] {
        let Ok(actions) = steps::Planner::new(&host, &session.facts, answers).plan_step(step, store.path()) else { continue };
        for command in actions.iter().flat_map(|action| action.commands.iter()).filter(|command| command.demand_plain().is_ok()) {
            demand_harmless(command, from);
        }
        // What the pre-flight asks is asked; what it says is not what this is about.
        let _ = steps::Planner::new(&host, &session.facts, answers).preflight(&actions, None);
        session.replan(step, actions);
    }
    let cancel = Cancel::default();
    let mut runner = Runner { host: &host, store: &store, session: &mut session, cancel: &cancel, secret: None };
    for step in [Step::Driver, Step::Variables].into_iter().filter(|_| runs) {
        let _ = runner.run(step, &mut |_| {});
    }
    steps::verdict(&host, &session, answers);
    if runs {
        let _ = gpunode::engine::undo::undo_all(&host, &store, &mut session, &cancel, &mut |_| {});
    }
    let ran = ran.lock().unwrap();
    ran.iter().for_each(|command| demand_harmless(command, from));
    ran.len()
}

#[test]
fn no_value_of_the_answers_becomes_a_word_of_another_language() {
    let (mut tried, mut taken, mut commands) = (0, 0, 0);
    let text = |value: &str| serde_json::to_string(value).unwrap();
    for value in hostile() {
        let of_text = TEXTS.iter().map(|key| format!("{key}: {}\n", text(&value)));
        let of_list = LISTS.iter().map(|key| format!("{key}: [{}]\n", text(&value)));
        let of_variable = VARIABLES.iter().flat_map(|name| {
            [format!("variables: {{{name}: {}}}\n", text(&value)), format!("variables: {{{name}: [{}]}}\n", text(&value))]
        });
        let of_name = [format!("variables: {{{}: x}}\n", text(&value))];
        for line in of_text.chain(of_list).chain(of_variable).chain(of_name) {
            tried += 1;
            let yaml = format!("driver_owner: installer-pod\ncuda_version: \"11.0.3\"\nremove_taint: true\n{line}");
            let yaml = if line.starts_with("cuda_version") { yaml.replacen("cuda_version: \"11.0.3\"\n", "", 1) } else { yaml };
            let from: String = line.chars().take(120).collect();
            let Ok(answers) = Answers::parse(&yaml, "a.yaml") else { continue };
            taken += 1;
            // Long values and ids alone go into no command that others do not.
            let goes_nowhere = value.len() > 1000 || ["leave_out", "take_in", "despite"].iter().any(|key| line.starts_with(key));
            // One in six is planned and asked about, one in sixty run and taken back too: a simulated machine takes its time.
            if !goes_nowhere && taken % 6 == 0 {
                commands += go_through(&answers, &from, taken % 60 == 0);
            }
        }
    }
    println!("{tried} values tried, {taken} taken, {commands} commands looked at");
    assert!(tried > 1000 && taken > 60 && commands > 100, "{tried} {taken} {commands}");
}
