//! The live tail through the real `kubectl`: every line once, whatever happens to streams, containers and pods.

use std::{
    fmt::Write as _,
    io::Write as _,
    path::Path,
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use crate::support::apiserver::{ApiServer, Mood, running, terminated};
use gpunode::{
    cluster::{
        Kubectl, kubespray,
        phases::Phase,
        tail::{self, Gap, Options, Outcome, TailEvent, Wait},
    },
    host::{Cancel, Host},
};
use serde_json::{Value, json};

/// A tail at work on another thread, and what it has said so far.
struct Tail {
    events: Receiver<TailEvent>,
    seen: Vec<TailEvent>,
    cancel: Cancel,
}

impl Tail {
    fn start(server: &ApiServer, once: bool) -> Self {
        Self::on(server.kubectl(), once)
    }

    /// Follows on the node itself, whose files stand below a folder.
    fn on_node(server: &ApiServer, root: &Path) -> Self {
        let (host, kubectl) = server.kubectl();
        Self::on((Host { files: Host::local(root).files, ..host }, kubectl), true)
    }

    fn on((host, kubectl): (Host, Kubectl), once: bool) -> Self {
        let (sender, events) = channel();
        let cancel = Cancel::default();
        thread::spawn({
            let cancel = cancel.clone();
            move || {
                let options = Options { once, poll: Duration::from_millis(50) };
                tail::follow(&host, &kubectl, ("node1", &kubespray::STACK), options, &cancel, &mut |event| {
                    // A test that failed listens no more.
                    let _ = sender.send(event);
                });
            }
        });
        Self { events, seen: Vec::new(), cancel }
    }

    /// Reads on until an event is so.
    fn until(&mut self, what: &str, holds: impl Fn(&TailEvent) -> bool) {
        loop {
            let event = self.events.recv_timeout(Duration::from_secs(15));
            let event = event.unwrap_or_else(|_| panic!("waited in vain for {what}; seen: {:#?}", self.seen));
            self.seen.push(event);
            if self.seen.last().is_some_and(&holds) {
                return;
            }
        }
    }

    fn until_line(&mut self, line: &str) {
        self.until(line, |event| matches!(event, TailEvent::Lines(lines) if lines.iter().any(|text| text == line)));
    }

    fn end(&mut self) -> Outcome {
        self.until("the end", |event| matches!(event, TailEvent::Ended { .. }));
        match self.seen.last() {
            Some(TailEvent::Ended { outcome }) => outcome.clone(),
            _ => unreachable!(),
        }
    }

    fn lines(&self) -> Vec<&str> {
        let mut all = Vec::new();
        for event in &self.seen {
            if let TailEvent::Lines(lines) = event {
                all.extend(lines.iter().map(String::as_str));
            }
        }
        all
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// The recorded good log: times and texts.
fn recorded() -> Vec<(String, String)> {
    let log = include_str!("../fixtures/logs/logs-ok-timestamps.txt");
    log.lines().filter_map(|line| line.split_once(' ')).map(|(at, text)| (at.to_owned(), text.to_owned())).collect()
}

#[test]
fn no_line_is_lost_or_doubled_over_broken_streams_and_a_new_pod() {
    let server = ApiServer::start("02-init-running");
    let first = server.state().installer_name();
    let mut tail = Tail::start(&server, false);
    server.until("a stream is open", |state| state.streams == 1);
    let log = recorded();
    let (before, after) = log.split_at(25);
    for (index, (at, text)) in before.iter().enumerate() {
        server.write(&first, 0, at, text);
        if index % 10 == 9 {
            tail.until_line(text);
            // The connection breaks inside the next line.
            let (at, text) = &before[index + 1];
            server.break_streams(&format!("{at} {}", &text[..text.len() / 2]));
        }
    }
    tail.until_line(&before[before.len() - 1].1);
    // The pod is made anew in the middle of the work; its log begins again.
    server.change(|state| {
        state.log(&first, 0).ended = true;
        state.replace_installer("nvidia-driver-installer-anew");
    });
    for (at, text) in after {
        server.write("nvidia-driver-installer-anew", 0, at, text);
    }
    tail.until_line("Updating host's ld cache... DONE.");
    server.change(|state| {
        state.log("nvidia-driver-installer-anew", 0).ended = true;
        state.container(0, terminated(0), json!({}));
    });
    assert_eq!(tail.end(), Outcome::Succeeded);
    let expected: Vec<_> = log.iter().map(|(_, text)| text.trim_end()).collect();
    let lines: Vec<_> = tail.lines().into_iter().map(str::trim_end).collect();
    assert_eq!(lines, expected);
    let started = tail.seen.iter().filter(|event| matches!(event, TailEvent::PodStarted { .. })).count();
    assert_eq!(started, 2);
    assert!(tail.seen.iter().any(|event| matches!(event, TailEvent::Lost { reason: Gap::Connection(_) })));
    assert!(
        tail.seen
            .iter()
            .any(|event| matches!(event, TailEvent::Phase(step) if step.phase == Phase::LdCache && step.done))
    );
    assert!(
        server.state().asked.iter().any(|query| query.contains("sinceTime=")),
        "streams were taken up again, not read anew"
    );
}

#[test]
fn a_container_that_restarts_is_followed_to_its_success() {
    let server = ApiServer::start("02-init-running");
    let pod = server.state().installer_name();
    server.change(|state| state.container(0, json!({"waiting": {"reason": "PodInitializing"}}), json!({})));
    let mut tail = Tail::start(&server, false);
    tail.until(
        "waiting",
        |event| matches!(event, TailEvent::Waiting { why: Wait::Pod { status, .. } } if status == "Init:0/1"),
    );
    server.change(|state| state.container(0, running(), json!({})));
    server.write(&pod, 0, "2026-11-23T20:59:06.1Z", "Running Nvidia installer...");
    tail.until_line("Running Nvidia installer...");
    // The rest of the first attempt is written while nobody can see it, and the container is already in back-off.
    server.change(|state| state.mood = Mood::Status(500));
    server.break_streams("");
    tail.until("an API server that is down", |event| matches!(event, TailEvent::Waiting { why: Wait::Cluster(_) }));
    server.write(&pod, 0, "2026-11-23T20:59:08.2Z", "ERROR: first failure");
    server.change(|state| {
        state.log(&pod, 0).ended = true;
        state.container(0, json!({"waiting": {"reason": "CrashLoopBackOff"}}), terminated(1));
        state.mood = Mood::Well;
    });
    tail.until("back-off", |event| matches!(event, TailEvent::Waiting { why: Wait::BackOff { exit_code: 1, .. } }));
    assert_eq!(tail.lines(), ["Running Nvidia installer...", "ERROR: first failure"]);
    server.write(&pod, 1, "2026-11-23T20:59:18.3Z", "Running Nvidia installer...");
    server.change(|state| state.container(1, running(), terminated(1)));
    tail.until_line("Running Nvidia installer...");
    // While the stream is broken the second attempt ends and the third is already over: all of it is still to be had.
    server.change(|state| state.mood = Mood::Status(500));
    server.break_streams("");
    server.write(&pod, 1, "2026-11-23T20:59:19.4Z", "ERROR: second failure");
    server.write(&pod, 2, "2026-11-23T20:59:39.5Z", "Updating host's ld cache... DONE.");
    server.change(|state| {
        state.log(&pod, 1).ended = true;
        state.log(&pod, 2).ended = true;
        state.container(2, terminated(0), terminated(1));
        state.mood = Mood::Well;
    });
    assert_eq!(tail.end(), Outcome::Succeeded);
    let expected = [
        "Running Nvidia installer...",
        "ERROR: first failure",
        "Running Nvidia installer...",
        "ERROR: second failure",
        "Updating host's ld cache... DONE.",
    ];
    assert_eq!(tail.lines(), expected);
}

#[test]
fn once_ends_at_the_first_failure_with_its_whole_log() {
    let server = ApiServer::start("11-init-crashloop");
    let pod = server.state().installer_name();
    server.change(|state| state.log(&pod, 2).ended = true);
    let text = include_str!("../fixtures/logs/logs-loaded.txt");
    for (index, line) in text.lines().enumerate() {
        server.write(&pod, 2, &format!("2026-11-23T20:59:2{index}.1Z"), line);
    }
    let mut tail = Tail::start(&server, true);
    assert_eq!(tail.end(), Outcome::Failed { exit_code: 1 });
    assert_eq!(tail.lines(), text.lines().collect::<Vec<_>>());
}

#[test]
fn a_cluster_that_refuses_ends_the_tail() {
    let server = ApiServer::start("05-running");
    server.change(|state| state.mood = Mood::Status(403));
    let mut tail = Tail::start(&server, false);
    assert!(matches!(tail.end(), Outcome::Refused(state) if state.id() == "forbidden"));
}

/// Lines as a real log has them, over breaks and rotations: each comes once, in order.
#[test]
fn odd_lines_come_once_over_breaks_and_rotations() {
    let server = ApiServer::start("02-init-running");
    let pod = server.state().installer_name();
    let mut tail = Tail::start(&server, false);
    server.until("a stream is open", |state| state.streams == 1);
    let long = "long ".repeat(40_000);
    let texts = [
        "one",
        "same",
        "same",
        "same",
        "\u{1b}[31mred\u{1b}[0m",
        " 10%\r 50%\r100%",
        "bell\u{7} null\u{0} \u{fffd}\u{fffd}",
        &long,
        "",
        "same",
        "last",
    ];
    // All within a millisecond, most of them at the same time.
    let at = |index: usize| format!("2026-11-23T21:00:00.{:09}Z", 500_000 + index / 4);
    let shown = |text: &str| gpunode::text::printable(text);
    for (index, text) in texts.iter().enumerate() {
        server.write(&pod, 0, &at(index), text);
        if index % 3 == 2 {
            let lines: usize = texts[..=index].iter().map(|text| text.len() / (64 << 10) + 1).sum();
            tail.until("the line before the break", |_| true);
            while tail.lines().len() + 1 < lines {
                tail.until("more lines", |_| true);
            }
            if index == 5 {
                // Whoever asks anew gets only the newest file.
                server.change(|state| state.log(&pod, 0).rotated = 3);
            }
            server.break_streams("");
        }
    }
    server.change(|state| {
        state.log(&pod, 0).ended = true;
        state.container(0, terminated(0), json!({}));
    });
    assert_eq!(tail.end(), Outcome::Succeeded);
    let pieces = |text: &str| {
        text.as_bytes().chunks(64 << 10).map(|piece| shown(&String::from_utf8_lossy(piece))).collect::<Vec<_>>()
    };
    // A long line comes in pieces: they are the same whenever it is read.
    let mut expected = Vec::new();
    for text in texts {
        if text.len() < 64 << 10 {
            expected.push(shown(text));
        } else {
            // The first piece also holds the time, which is not shown.
            let head = (64 << 10) - "2026-11-23T21:00:00.500000000Z ".len();
            expected.push(shown(&text[..head]));
            expected.extend(pieces(&text[head..]));
        }
    }
    assert_eq!(tail.lines(), expected);
}

/// The kubelet's files of the installer's attempts, as they stand on the node: `(file's name, lines)`.
fn on_disk(server: &ApiServer, files: &[(&str, std::ops::Range<usize>)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    put_on_disk(server, root.path(), files);
    root
}

fn put_on_disk(server: &ApiServer, root: &Path, files: &[(&str, std::ops::Range<usize>)]) {
    let pod = server.state().installer().clone();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let (meta, container) = (&pod["metadata"], &pod["status"]["initContainerStatuses"][0]["name"]);
    let name = format!("{}_{}_{}", word(&meta["namespace"]), word(&meta["name"]), word(&meta["uid"]));
    let folder = root.join("var/log/pods").join(name).join(word(container));
    std::fs::create_dir_all(&folder).unwrap();
    for (file, lines) in files {
        let mut text = String::new();
        for number in lines.clone() {
            writeln!(text, "{} stdout F line {number}", at(number)).unwrap();
        }
        let mut bytes = text.into_bytes();
        if Path::new(file).extension().is_some_and(|extension| extension == "gz") {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(&bytes).unwrap();
            bytes = packed.finish().unwrap();
        }
        std::fs::write(folder.join(file), bytes).unwrap();
    }
}

fn at(number: usize) -> String {
    format!("2026-11-23T21:{:02}:{:02}.5Z", number / 60, number % 60)
}

fn write_lines(server: &ApiServer, pod: &str, attempt: u64, lines: std::ops::Range<usize>) {
    for number in lines {
        server.write(pod, attempt, &at(number), &format!("line {number}"));
    }
}

fn numbered(lines: std::ops::Range<usize>) -> Vec<String> {
    lines.map(|number| format!("line {number}")).collect()
}

fn filled(tail: &Tail) -> Vec<u64> {
    let lines = |event: &TailEvent| match event {
        TailEvent::Lost { reason: Gap::Filled { lines } } => Some(*lines),
        _ => None,
    };
    tail.seen.iter().filter_map(lines).collect()
}

fn lost(tail: &Tail) -> Vec<&Gap> {
    let reason = |event: &'_ TailEvent| matches!(event, TailEvent::Lost { reason } if !matches!(reason, Gap::Filled { .. } | Gap::Connection(_)));
    tail.seen
        .iter()
        .filter(|event| reason(event))
        .map(|event| if let TailEvent::Lost { reason } = event { reason } else { unreachable!() })
        .collect()
}

/// Whoever begins to read gets the newest file only; on the node, as root, the older ones are read first.
#[test]
fn what_was_rotated_away_before_is_read_from_the_nodes_files() {
    let server = ApiServer::start("02-init-running");
    let pod = server.state().installer_name();
    write_lines(&server, &pod, 0, 0..50);
    server.change(|state| {
        state.log(&pod, 0).rotated = 40;
        state.log(&pod, 0).ended = true;
        state.container(0, terminated(0), json!({}));
    });
    let root =
        on_disk(&server, &[("0.log.20261123-210000.gz", 0..20), ("0.log.20261123-210020", 20..40), ("0.log", 40..50)]);
    let mut tail = Tail::on_node(&server, root.path());
    assert_eq!(tail.end(), Outcome::Succeeded);
    assert_eq!(tail.lines(), numbered(0..50));
    assert_eq!((filled(&tail), lost(&tail)), (vec![40], vec![]), "it is said");
}

/// The connection breaks, and the log is rotated twice meanwhile: the gap is filled, in its place, and said; without
/// the files it is told as a gap.
#[test]
fn a_gap_is_filled_from_the_nodes_files_or_told() {
    for on_node in [true, false] {
        let server = ApiServer::start("02-init-running");
        let pod = server.state().installer_name();
        write_lines(&server, &pod, 0, 0..20);
        let files: &[(&str, _)] =
            &[("0.log.20261123-210000.gz", 0..30), ("0.log.20261123-210020", 30..45), ("0.log", 45..60)];
        let root = on_disk(&server, &[]);
        let mut tail = Tail::on_node(&server, root.path());
        tail.until_line("line 19");
        server.change(|state| state.mood = Mood::Status(500));
        server.break_streams("");
        if on_node {
            put_on_disk(&server, root.path(), files);
        }
        write_lines(&server, &pod, 0, 20..60);
        server.change(|state| {
            state.log(&pod, 0).rotated = 45;
            state.log(&pod, 0).ended = true;
            state.container(0, terminated(0), json!({}));
            state.mood = Mood::Well;
        });
        assert_eq!(tail.end(), Outcome::Succeeded);
        let wanted = if on_node { numbered(0..60) } else { [numbered(0..20), numbered(45..60)].concat() };
        assert_eq!(tail.lines(), wanted, "{on_node}");
        assert_eq!(filled(&tail), if on_node { vec![25] } else { vec![] });
        assert_eq!(lost(&tail), if on_node { vec![] } else { vec![&Gap::Rotated] });
    }
}

/// The API server cannot reach the kubelet any more, or the kubelet has let the log go: what lies on the disk is read.
#[test]
fn a_log_that_the_api_server_cannot_give_is_read_from_the_nodes_files() {
    let server = ApiServer::start("11-init-crashloop");
    let pod = server.state().installer_name();
    server.change(|state| {
        let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "InternalError", "code": 500,
            "message": "Get \"https://192.0.2.2:10250/containerLogs/kube-system/x/y\": dial tcp 192.0.2.2:10250: connect: connection refused"});
        state.refused = vec![("/log?".to_owned(), body)];
    });
    let attempts = server.state().installer()["status"]["initContainerStatuses"][0]["restartCount"].as_u64().unwrap();
    let newest = format!("{attempts}.log");
    let root = on_disk(&server, &[(newest.as_str(), 0..10)]);
    let mut tail = Tail::on_node(&server, root.path());
    assert!(matches!(tail.end(), Outcome::Failed { .. }));
    assert_eq!(tail.lines(), numbered(0..10));
    assert_eq!((filled(&tail), lost(&tail)), (vec![10], vec![]), "{:?} {pod}", tail.seen);
    // Whose fault it is is told by its name.
    let kubelet = |event: &TailEvent| matches!(event, TailEvent::Waiting { why: Wait::Cluster(state) } if state.id() == "kubelet-down");
    assert!(tail.seen.iter().any(kubelet), "{:?}", tail.seen);
}

/// A recorded story of Kubernetes 1.36: the container crashes twice, the pod is deleted, a new one succeeds.
#[test]
fn the_recorded_crash_and_new_pod_are_followed_to_the_success() {
    let server = ApiServer::start("02-init-running");
    let recorded = include_str!("../fixtures/cluster/1.36/90-watch-crash-delete-ok.jsonl");
    let story: Vec<Value> = recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let is_installer = |line: &&Value| line["object"]["metadata"]["labels"]["name"] == "nvidia-driver-installer";
    let first = story.iter().find(is_installer).unwrap()["object"].clone();
    server.change(|state| {
        state.node["metadata"]["name"] = json!("node1");
        state.pods.retain(|pod| pod["metadata"]["labels"]["name"] != "nvidia-driver-installer");
        state.pods.push(first);
    });
    let mut tail = Tail::start(&server, false);
    let mut written: Vec<(String, u64)> = Vec::new();
    for line in story.iter().filter(is_installer) {
        let object = &line["object"];
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let status = &object["status"]["initContainerStatuses"][0];
        let restarts = status["restartCount"].as_u64().unwrap_or(0);
        // The story begins with a pod of before that is being deleted: its success is not the new one's.
        let leaving = !object["metadata"]["deletionTimestamp"].is_null();
        let begun = !leaving && (!status["state"]["running"].is_null() || !status["state"]["terminated"].is_null());
        if begun && !written.contains(&(name.clone(), restarts)) {
            written.push((name.clone(), restarts));
            server.write(&name, restarts, "2026-11-27T17:30:00Z", &format!("{name} attempt {restarts}"));
        }
        server.change(|state| {
            if begun {
                state.log(&name, restarts).ended = status["state"]["running"].is_null();
            }
            state.pods.retain(|pod| pod["metadata"]["uid"] != object["metadata"]["uid"]);
            if line["type"] != "DELETED" {
                state.pods.push(object.clone());
            }
        });
        let seen = format!("{name} attempt {restarts}");
        if begun && !tail.lines().contains(&seen.as_str()) {
            tail.until_line(&seen);
        }
    }
    assert_eq!(tail.end(), Outcome::Succeeded);
    let wanted: Vec<_> = written.iter().map(|(name, attempt)| format!("{name} attempt {attempt}")).collect();
    assert!(wanted.len() >= 3, "{wanted:?}");
    assert_eq!(tail.lines(), wanted, "each attempt's log once");
    // A pod that is gone before it was looked at once more may have had more to tell.
    assert!(lost(&tail).iter().all(|gap| matches!(gap, Gap::PodGone { .. })), "{:?}", lost(&tail));
}
