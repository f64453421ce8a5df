//! Secrets in every file and every output that a report or a recording reads: none of them ever comes out, whatever its
//! form.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use gpunode::{
    answers::Answers,
    engine::Runner,
    facts,
    headless::record,
    host::{
        Cancel, Command, CommandError, Commands, Exit, FileKind, Host, Line,
        command::{Job, Liveness, Note, Stream},
        replay::{self, Scenario, Speed},
    },
    i18n::Lang,
    plan::Step,
    report::{Report, redact::Redactor},
    session::{Session, store::Store},
    steps,
};
use proptest::{prelude::*, test_runner::TestRunner};

/// Adds lines to what every command prints.
struct Leaky {
    inner: Arc<dyn Commands>,
    lines: Vec<String>,
}

impl Commands for Leaky {
    fn locate(&self, program: &str) -> Option<PathBuf> {
        self.inner.locate(program)
    }

    fn run(&self, command: &Command, cancel: &Cancel, on_line: &mut dyn FnMut(Line)) -> Result<Exit, CommandError> {
        let ended = self.inner.run(command, cancel, on_line);
        for line in &self.lines {
            on_line(Line { stream: Stream::Stdout, bytes: line.clone().into_bytes() });
            on_line(Line { stream: Stream::Stderr, bytes: line.clone().into_bytes() });
        }
        ended
    }

    fn start(&self, command: &Command, log: &Path, note: &mut Note<'_>) -> Result<Job, CommandError> {
        self.inner.start(command, log, note)
    }

    fn liveness(&self, log: &Path) -> Liveness {
        self.inner.liveness(log)
    }

    fn find(&self, log: &Path) -> Option<Job> {
        self.inner.find(log)
    }

    fn follow(&self, job: &Job, offset: u64, cancel: &Cancel, on_line: &mut dyn FnMut(Line)) -> Exit {
        let ended = self.inner.follow(job, offset, cancel, on_line);
        self.lines.iter().for_each(|line| on_line(Line { stream: Stream::Stdout, bytes: line.clone().into_bytes() }));
        ended
    }
}

/// What people call a secret: passwords, keys, tokens and phrases, by the forms that they have.
fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{3,5}[0-9]{3,6}[A-Z]{2,4}",
        "[A-Za-z0-9]{10,40}",
        "[0-9a-f]{32,64}",
        "[A-Za-z0-9+/]{22,60}==",
        "eyJ[A-Za-z0-9_-]{20,40}\\.[A-Za-z0-9_-]{20,60}\\.[A-Za-z0-9_-]{20,43}",
        "AKIA[A-Z0-9]{16}",
        "ghp_[A-Za-z0-9]{36}",
        "[a-z]{6,9}-[a-z]{6,9}-[a-z]{6,9}-[0-9]{2}",
        "[a-f0-9]{6}\\.[a-f0-9]{16}",
        "[A-Za-z0-9!$%^&*]{12,24}",
    ]
}

/// The sentences in which a secret stands where programs and people put it.
fn sentences(secret: &str) -> Vec<String> {
    [
        "password: S",
        "registry_password: \"S\"",
        "kubeadm_certificate_key: S",
        "client_key_data: S",
        "anything_at_all: S",
        "- name: S",
        "passphrase S",
        "the code is S.",
        "curl: (22) https://me:S@mirror.corp.example/x: 403",
        "proxy=http://me:S@proxy:3128/",
        "https://git.corp.example/x.git?access_token=S&y=1",
        "https://mirror.corp.example/S/repo/Packages",
        "Authorization: Bearer S",
        "Authorization: Basic S",
        "+ sshpass -p S ssh root@node1",
        "docker login -u me -p S registry",
        "{\"auths\":{\"r\":{\"auth\":\"S\"}}}",
        "-----BEGIN RSA PRIVATE KEY-----\nS\n-----END RSA PRIVATE KEY-----",
        "export AWS_SECRET_ACCESS_KEY=S",
        "kubeadm join 10.0.0.1:6443 --token S --discovery-token-ca-cert-hash sha256:S",
        "PRETTY_NAME=\"S\"",
        "baseurl=https://S:x@repo.corp.example/el7",
        "ERROR: S",
        "S",
    ]
    .map(|sentence| sentence.replace('S', "\u{1}").replace('\u{1}', secret))
    .to_vec()
}

#[test]
fn no_secret_passes_in_any_sentence() {
    let redactor = Redactor::new(["node1", "/root/kubespray-2.14.2/inventory/mycluster/inventory.ini"]);
    let mut tried = 0;
    let mut runner = TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() });
    runner
        .run(&secret(), |secret| {
            for sentence in sentences(&secret) {
                let shown = redactor.text(&sentence);
                prop_assert!(!shown.contains(&secret), "{sentence:?} became {shown:?}");
            }
            Ok(())
        })
        .unwrap();
    tried += 256 * sentences("").len();
    println!("redaction: {tried} sentences with a secret");
}

/// Puts a line into every file of a simulated machine that people and programs write, as a foreign line of its own
/// kind. The kernel's are left.
fn poison(host: &Host, folder: &Path, secret: &str, files: &mut usize) {
    for name in host.files.list(folder).unwrap_or_default() {
        let path = folder.join(&name);
        match host.files.meta(&path).map(|meta| meta.kind) {
            Ok(FileKind::Folder) if path.ancestors().count() < 12 => poison(host, &path, secret, files),
            Ok(FileKind::File) => {
                let Ok(text) = host.files.read_text(&path) else { continue };
                let is_yaml = path.extension().is_some_and(|end| end == "yml" || end == "yaml");
                let is_list = text.trim_start().starts_with(['{', '[']);
                let line = if is_yaml && !is_list {
                    format!("zz_foreign_{files}: \"{secret}\"\n")
                } else {
                    format!("# {secret}\n{secret}\n")
                };
                if !is_yaml && text.lines().count() < 2 {
                    continue;
                }
                *files += usize::from(
                    host.files.write(&path, format!("{}\n{line}", text.trim_end()).as_bytes(), 0o644).is_ok(),
                );
            }
            _ => {}
        }
    }
}

#[test]
fn no_secret_of_a_machine_comes_out_of_a_report_or_a_recording() {
    let answers =
        Answers::parse("driver_owner: installer-pod\ncuda_version: \"11.0.3\"\nremove_taint: true\n", "a.yaml")
            .unwrap();
    let secrets =
        ["Tr0ub4dor3xkq", "c0ffee00deadbeefc0ffee00deadbeef", "Zm9vYmFyLXNlY3JldA==", "qwopzmx-lkjhgf-vbnmty-42"];
    for secret in secrets {
        let folder = tempfile::tempdir().unwrap();
        let mut host = replay::host(Scenario::built_in("seed").unwrap(), None, Speed(0.0)).unwrap();
        let mut files = 0;
        for top in ["/etc", "/root", "/var", "/usr", "/opt", "/home"] {
            poison(&host, Path::new(top), secret, &mut files);
        }
        assert!(files > 10, "{files}");
        host.commands = Arc::new(Leaky { inner: Arc::clone(&host.commands), lines: sentences(secret) });
        let store = Store::open(&folder.path().join("s.yaml")).unwrap();
        let mut session = Session::new(host.identity(), host.name(), host.clock.now());
        session.facts = facts::probe_all(&host);
        session.answers = Some(answers.clone());
        for step in [Step::Driver, Step::Variables] {
            let Ok(actions) = steps::Planner::new(&host, &session.facts, &answers).plan_step(step, store.path()) else {
                continue;
            };
            if let Ok(checks) = steps::Planner::new(&host, &session.facts, &answers).preflight(&actions, None) {
                session.keep_predictions(checks);
            }
            session.replan(step, actions);
            let cancel = Cancel::default();
            let _ = Runner { host: &host, store: &store, session: &mut session, cancel: &cancel, secret: None }
                .run(step, &mut |_| {});
        }
        session.verdict = Some(steps::verdict(&host, &session, &answers));
        // Whatever came into the session by an older version or another way.
        for record in &mut session.journal {
            record.evidence.extend(sentences(secret));
        }
        let preview = steps::preview(&host, &session.facts, &answers).ok();
        for lang in [Lang::En, Lang::Ko] {
            let report = Report::new(&session, preview.as_ref(), lang);
            for told in [report.text(lang), report.markdown(lang), report.json().to_string()] {
                assert!(!told.contains(secret), "{secret} in {told}");
            }
        }
        let recording = serde_yaml::to_string(&record(&host, &answers)).unwrap();
        assert!(!recording.contains(secret), "{secret} in {recording}");
        println!("redaction: {secret} in {files} files and {} lines of every command", sentences(secret).len());
    }
}

/// What a supporter needs stays: what the machine is, what was decided, which commands ran, and how each ended.
#[test]
fn a_report_stays_readable() {
    let place = crate::support::program::Place::new();
    let answers =
        place.write("a.yaml", "driver_owner: installer-pod\ncuda_version: \"11.0\"\nremove_taint: true\nreboot: now\n");
    let apply = ["--demo", "--speed", "0", "apply", "--yes", "--answers", answers.to_str().unwrap()];
    place.run(apply).demand(3);
    place.run(apply).demand(0);
    let report = place.run(["--demo", "report"]).demand(0).stdout;
    let hidden = report.matches("[hidden]").count();
    let words = report.split_whitespace().count();
    assert!(hidden * 50 < words, "{hidden} of {words} pieces are hidden:\n{report}");
    for whole in [
        "CentOS Linux 7.8",
        "3.10.0-1160.2.2.el7.x86_64",
        "Tesla V100-PCIE-32GB (10de:1db6)",
        "nvidia_driver_version = 450.51.06",
        "/root/kubespray-2.14.2",
        "+nvidia_accelerator_enabled: true",
        "taint nodes node1 nvidia.com/gpu-",
        "nvidia-uninstall --silent",
        "What proves it",
    ] {
        assert!(report.contains(whole), "{whole} in:\n{report}");
    }
    println!("report: {hidden} of {words} pieces hidden");
}
