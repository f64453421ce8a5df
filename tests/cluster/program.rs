//! `gpunode verify` and `gpunode tail` as a user runs them: the built program, the real `kubectl`, and our test API
//! server.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use crate::support::{
    apiserver::{ApiServer, Mood, running, terminated},
    program::{Place, Ran},
};
use serde_json::json;

const LOG: &str = include_str!("../fixtures/logs/logs-ok.txt");

#[test]
fn verify_judges_recorded_moments() {
    for (moment, code, verdict) in [
        ("11-init-crashloop", 1, "failed"),
        ("30-node-not-labelled", 1, "failed"),
        ("20-image-pull-backoff", 1, "failed"),
    ] {
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

/// `gpunode tail | head`: whoever reads along goes away, and the tail ends at once and without a word, be the log fast
/// or silent.
#[test]
fn tail_ends_when_its_reader_has_gone() {
    for flood in [true, false] {
        let server = ApiServer::start("02-init-running");
        let pod = server.state().installer_name();
        server.change(|state| state.flood = flood);
        let line =
            |number: u32| server.write(&pod, 0, &format!("2026-11-23T21:00:{number:02}Z"), &format!("line {number}"));
        if !flood {
            line(0);
        }
        let place = Place::new();
        let kubeconfig = server.kubeconfig();
        let mut command = place.command(["tail", "--node", "node1", "--kubeconfig", kubeconfig.to_str().unwrap()]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        while !text.contains("line 0") {
            text.clear();
            assert!(output.read_line(&mut text).unwrap() > 0, "the tail ended");
        }
        drop(output);
        let gone = Instant::now();
        if !flood {
            // It shows with the next line, as for any program.
            line(1);
        }
        let ended = child.wait_with_output().unwrap();
        assert!(gone.elapsed() < Duration::from_secs(5), "{:?}", gone.elapsed());
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    }
}

/// What cannot be written is an exit status with a sentence.
#[test]
fn a_full_disk_is_told() {
    let server = ApiServer::start("05-running");
    let pod = server.state().installer_name();
    server.write(&pod, 0, "2026-11-23T21:00:00Z", "Updating host's ld cache... DONE.");
    server.change(|state| state.log(&pod, 0).ended = true);
    let kubeconfig = server.kubeconfig();
    for command in [&["tail"][..], &["verify"], &["verify", "--json"]] {
        let place = Place::new();
        let args = [command, &["--node", "node1", "--kubeconfig", kubeconfig.to_str().unwrap()]].concat();
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ran = Ran::from(place.command(args).stdout(full).output().unwrap());
        assert!(
            ran.code > 0 && ran.stderr.contains("No space left on device"),
            "{command:?}: {} {}",
            ran.code,
            ran.stderr
        );
    }
}

/// An API server that restarts is waited for; one that stays away is a verdict.
#[test]
fn verify_waits_for_an_api_server_that_restarts() {
    let server = ApiServer::start("1.36/70-all-good");
    server.change(|state| state.mood = Mood::Status(500));
    let place = Place::new();
    let kubeconfig = server.kubeconfig();
    let args = ["verify", "--json", "--node", "node1", "--kubeconfig", kubeconfig.to_str().unwrap()];
    let child = place.command(args).stdout(Stdio::piped()).spawn().unwrap();
    server.until("it has asked in vain", |state| state.requests.len() >= 3);
    server.change(|state| state.mood = Mood::Well);
    let ran = Ran::from(child.wait_with_output().unwrap());
    let states = |report: &serde_json::Value| {
        report["checks"].as_array().unwrap().iter().filter(|check| check["state"] == "pass").count()
    };
    assert!(states(&ran.json()) >= 5, "{}", ran.stdout);
    server.change(|state| state.mood = Mood::Status(500));
    let report = place.run(args).demand(2).json();
    assert_eq!((report["verdict"].as_str(), states(&report)), (Some("unknown"), 0), "{report}");
}

/// Two files in `--kubeconfig` or `$KUBECONFIG`, a context without a cluster, an expired certificate: each in its own
/// words.
#[test]
fn kubeconfigs_of_every_kind_are_told_apart() {
    let server = ApiServer::start("1.36/70-all-good");
    let place = Place::new();
    let whole = std::fs::read_to_string(server.kubeconfig()).unwrap();
    let (contexts, users) = whole.split_once("contexts:").unwrap();
    let clusters = place.write("clusters", contexts);
    let users = place.write("users", &format!("apiVersion: v1\nkind: Config\ncontexts:{users}"));
    let two = format!("{}:{}", clusters.display(), users.display());
    let passes =
        |ran: &Ran| ran.json()["checks"].as_array().unwrap().iter().filter(|check| check["state"] == "pass").count();
    let given = place.run(["verify", "--json", "--node", "node1", "--kubeconfig", &two]);
    let found =
        Ran::from(place.command(["verify", "--json", "--node", "node1"]).env("KUBECONFIG", &two).output().unwrap());
    assert!(passes(&given) >= 5 && passes(&found) == passes(&given), "{} {}", given.stdout, found.stdout);
    let told = |kubeconfig: &std::path::Path| {
        let ran =
            place.run(["verify", "--json", "--node", "node1", "--kubeconfig", kubeconfig.to_str().unwrap()]).demand(2);
        let checks = ran.json()["checks"].as_array().unwrap().clone();
        checks.iter().find(|check| check["id"] == "api").unwrap()["evidence"].as_str().unwrap().to_owned()
    };
    let lacks = place.write(
        "lacks",
        "apiVersion: v1\nkind: Config\ncurrent-context: t\ncontexts: [{name: t, context: {user: t}}]\nusers: [{name: t, user: {}}]\n",
    );
    let text = told(&lacks);
    assert!(text.contains("lacks: current-context, cluster: -") && !text.contains("/etc/kubernetes"), "{text}");
    // The server knows these credentials no more; why is in their certificate.
    server.change(|state| state.mood = Mood::Status(401));
    let tls = format!("{}/tests/fixtures/tls", env!("CARGO_MANIFEST_DIR"));
    let user = format!("user: {{client-certificate: {tls}/expired.pem, client-key: {tls}/key.pem}}");
    let expired = place.write("expired", &whole.replace("user: {}", &user));
    let text = told(&expired);
    assert!(text.contains("certificate") && text.contains("notAfter 20"), "{text}");
}
