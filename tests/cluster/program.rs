//! `gpunode verify` and `gpunode tail` as a user runs them: the built program, the real `kubectl`, and our test API server.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use crate::support::{
    apiserver::{ApiServer, running, terminated},
    program::Place,
};
use serde_json::json;

const LOG: &str = include_str!("../fixtures/logs/logs-ok.txt");

#[test]
fn verify_judges_recorded_moments() {
    for (moment, code, verdict) in
        [("11-init-crashloop", 1, "failed"), ("30-node-not-labelled", 1, "failed"), ("20-image-pull-backoff", 1, "failed")]
    {
        let server = ApiServer::start(moment);
        let place = Place::new();
        let kubeconfig = server.kubeconfig();
        let args = ["verify", "--json", "--node", "node1", "--kubeconfig", kubeconfig.to_str().unwrap()];
        let report = place.run(args).demand(code).json();
        assert_eq!(report["verdict"], verdict, "{moment}: {report}");
        let failed = report["checks"].as_array().unwrap().iter().find(|check| check["state"] == "fail").unwrap();
        assert!(failed["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{moment}: {failed}");
    }
}

/// Slow lines, a broken connection in the middle of one, and a pod that is replaced: every line comes once.
#[test]
fn tail_loses_and_doubles_nothing() {
    let server = ApiServer::start("02-init-running");
    let place = Place::new();
    let kubeconfig = server.kubeconfig();
    let mut command = place.command(["tail", "--node", "node1", "--kubeconfig", kubeconfig.to_str().unwrap()]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen: Vec<String> = Vec::new();
    let mut until = |wanted: &str, seen: &mut Vec<String>| loop {
        let line = output.next().unwrap_or_else(|| panic!("the tail ended before `{wanted}`: {seen:#?}")).unwrap();
        seen.push(line.clone());
        if line.contains(wanted) {
            return;
        }
    };
    let mut pod = String::new();
    server.change(|state| {
        pod = state.installer_name();
        state.container(0, running(), json!({}));
    });
    let lines: Vec<&str> = LOG.lines().filter(|line| !line.is_empty()).take(6).collect();
    let at = |second: usize| format!("2026-11-23T21:00:{second:02}Z");
    for (second, line) in lines[..3].iter().enumerate() {
        server.write(&pod, 0, &at(second), line);
    }
    until(lines[1], &mut seen);
    server.break_streams("2026-11-23T21:00:09Z half a li");
    for (second, line) in lines[3..].iter().enumerate() {
        server.write(&pod, 0, &at(second + 10), line);
    }
    until(lines[4], &mut seen);
    server.write(&pod, 0, &at(20), "Updating host's ld cache... DONE.");
    server.change(|state| {
        state.log(&pod, 0).ended = true;
        state.container(0, terminated(0), json!({}));
    });
    until("The driver is installed.", &mut seen);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    for line in &lines {
        let wanted = lines.iter().filter(|other| *other == line).count();
        assert_eq!(seen.iter().filter(|seen| seen == line).count(), wanted, "{line}: {seen:#?}");
    }
}
