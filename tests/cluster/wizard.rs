//! Step 4 of the wizard in a real terminal, with the real `kubectl` and our test API server.

use crate::support::{
    apiserver::{self, ApiServer, running, terminated},
    program::Place,
    terminal::Terminal,
};
use gpunode::{
    answers::{Answers, DriverOwner},
    plan::Step,
    session::Session,
};
use serde_json::json;

const ENTER: &str = "\r";

/// Opens the wizard at step 4 of a session of this machine.
fn at_step_four(server: &ApiServer, place: &Place) -> Terminal {
    let machine =
        std::fs::read_to_string("/etc/machine-id").map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned());
    let mut session = Session::new(machine, "node1".to_owned(), jiff::Timestamp::now());
    session.step = Step::Verify;
    session.done = vec![Step::Detect, Step::Driver, Step::Variables];
    session.answers = Some(Answers {
        kubeconfig: server.kubeconfig().display().to_string().parse().ok(),
        node: "node1".parse().ok(),
        ..Answers::new(DriverOwner::InstallerPod)
    });
    place.write("state/session.yaml", &(serde_yaml::to_string(&session).unwrap() + "...\n"));
    let mut screen = Terminal::start(&place.command([] as [&str; 0]), 100, 30, "xterm-256color");
    screen.wait_for("step 4", |screen| screen.contains("[4 Verify]") || screen.contains("Since you were here"));
    if screen.screen().contains("Since you were here") {
        screen.keys("\x1b");
    }
    screen
}

/// A log that never ends and comes as fast as it can be taken: keys do what they do, and memory stays where it is.
#[test]
fn keys_work_under_a_flood_and_memory_is_bounded() {
    let server = ApiServer::start("02-init-running");
    server.change(|state| state.flood = true);
    let place = Place::new();
    let mut screen = at_step_four(&server, &place);
    screen.wait("flood line");
    let megabytes = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    screen.keys(" ");
    screen.wait("stopped here");
    screen.keys(" ");
    screen.wait_for("following again", |screen| !screen.contains("stopped here"));
    screen.keys("/line 1");
    screen.wait("/ line 1");
    screen.keys(ENTER);
    screen.wait("\"line 1\" in");
    // The ring is full by far: some ten thousand lines are kept of what has come.
    screen.wait_for("many lines", |screen| {
        let number = screen
            .lines()
            .filter_map(|line| line.split("flood line ").nth(1)?.split_whitespace().next()?.parse::<u32>().ok())
            .max();
        screen.contains("newer lines") || number.is_some_and(|number| number > 50_000)
    });
    let used = megabytes(screen.pid());
    assert!(used < 64, "{used} MiB");
    screen.keys("q");
    screen.wait("Quit?");
    screen.keys(ENTER);
    assert_eq!(screen.end(), 130);
}

/// A cluster that refuses is a state to wait in, with what to do; another kubeconfig is a key away.
#[test]
fn another_kubeconfig_leads_out_of_a_wrong_one() {
    let wrong = ApiServer::start("05-running");
    wrong.change(|state| state.mood = apiserver::Mood::Status(403));
    let right = ApiServer::start("05-running");
    let place = Place::new();
    let mut screen = at_step_four(&wrong, &place);
    screen.wait("have the right granted");
    screen.keys("u");
    screen.wait("Kubeconfig");
    screen.keys("\x15");
    screen.keys(right.kubeconfig().to_str().unwrap());
    screen.keys(ENTER);
    screen.wait("Node has the GPU label");
    screen.wait("nvidia.com/gpu=true");
}

/// A node without its label: the diagnosis names it, y labels the node, and the chain goes on.
#[test]
fn a_missing_label_is_put_on_from_the_diagnosis() {
    let server = ApiServer::start("30-node-not-labelled");
    let place = Place::new();
    let mut screen = at_step_four(&server, &place);
    screen.wait("Known failure: no-pods");
    screen.wait("kubectl --kubeconfig");
    screen.wait("nvidia.com/gpu=true");
    screen.keys("y");
    server.until("the node is labelled", |state| state.node["metadata"]["labels"]["nvidia.com/gpu"] == "true");
    screen.wait("Done: node node1: label nvidia.com/gpu=true");
    let report = std::fs::read_to_string(place.session()).unwrap();
    let session: Session = serde_yaml::from_str(&report).unwrap();
    let record = session.record("label-node").unwrap();
    assert!(record.status.is_done() && record.undo.is_some(), "{record:?}");
}

/// The API server restarts under the wizard: that is a state to wait in, and the chain comes back by itself.
#[test]
fn an_api_server_that_restarts_is_waited_for() {
    let server = ApiServer::start("05-running");
    let place = Place::new();
    let mut screen = at_step_four(&server, &place);
    screen.wait("nvidia.com/gpu=true");
    server.change(|state| state.mood = apiserver::Mood::Status(500));
    server.break_streams("");
    screen.wait("The API server is in trouble");
    server.change(|state| state.mood = apiserver::Mood::Well);
    screen
        .wait_for("the chain again", |screen| screen.contains("nvidia.com/gpu=true") && !screen.contains("in trouble"));
}

/// The seed's Error 1 in the log leads to step 2; the log can be searched for it and saved.
#[test]
fn a_failure_in_the_log_is_marked_found_and_saved() {
    let server = ApiServer::start("02-init-running");
    let pod = server.state().installer_name();
    server.change(|state| state.container(0, running(), json!({})));
    for n in 0..40 {
        server.write(&pod, 0, &format!("2026-11-23T21:00:{n:02}Z"), &format!("building object {n}"));
    }
    server.write(
        &pod,
        0,
        "2026-11-23T21:00:41Z",
        "ERROR: An NVIDIA kernel module 'nvidia' appears to already be loaded in your kernel.",
    );
    for n in 0..30 {
        server.write(&pod, 0, &format!("2026-11-23T21:00:{:02}Z", 42 + n / 10), &format!("afterwards {n}"));
    }
    let place = Place::new();
    let mut screen = at_step_four(&server, &place);
    screen.wait("Known failure: module-loaded");
    screen.keys("\x1b");
    screen.wait("afterwards 29");
    screen.keys("f");
    screen.wait("✗ ERROR: An NVIDIA kernel module");
    screen.keys("l");
    screen.wait("Save the log");
    screen.keys(ENTER);
    screen.wait("The log is in");
    let saved = std::fs::read_to_string(place.path("state/installer.log")).unwrap();
    assert_eq!(saved.lines().count(), 71);
    // The installer fails and is started anew at the user's wish.
    server.change(|state| {
        state.log(&pod, 0).ended = true;
        state.container(1, json!({"waiting": {"reason": "CrashLoopBackOff"}}), terminated(1));
    });
    // What is offered has come once the failure is told; the taint is no offer before a test pod has passed.
    screen.wait("Known failure: crash-loop");
    screen.keys("\x1b");
    screen.keys("o");
    screen.wait("Delete the pod");
    screen.keys("y");
    server.until("the pod is deleted", |state| state.deleted.contains(&pod));
}
