//! The live tail through the real `kubectl`: every line once, whatever happens to streams, containers and pods.

use std::{
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use crate::support::apiserver::{ApiServer, Mood, running, terminated};
use gpunode::{
    cluster::{
        kubespray,
        phases::Phase,
        tail::{self, Gap, Options, Outcome, TailEvent, Wait},
    },
    host::Cancel,
};
use serde_json::json;

/// A tail at work on another thread, and what it has said so far.
struct Tail {
    events: Receiver<TailEvent>,
    seen: Vec<TailEvent>,
    cancel: Cancel,
}

impl Tail {
    fn start(server: &ApiServer, once: bool) -> Self {
        let (host, kubectl) = server.kubectl();
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
    assert!(tail.seen.iter().any(|event| matches!(event, TailEvent::Phase(step) if step.phase == Phase::LdCache && step.done)));
    assert!(server.state().asked.iter().any(|query| query.contains("sinceTime=")), "streams were taken up again, not read anew");
}

#[test]
fn a_container_that_restarts_is_followed_to_its_success() {
    let server = ApiServer::start("02-init-running");
    let pod = server.state().installer_name();
    server.change(|state| state.container(0, json!({"waiting": {"reason": "PodInitializing"}}), json!({})));
    let mut tail = Tail::start(&server, false);
    tail.until("waiting", |event| matches!(event, TailEvent::Waiting { why: Wait::Pod { status, .. } } if status == "Init:0/1"));
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
    let pieces = |text: &str| text.as_bytes().chunks(64 << 10).map(|piece| shown(&String::from_utf8_lossy(piece))).collect::<Vec<_>>();
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
