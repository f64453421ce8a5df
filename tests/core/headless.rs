//! The headless face as scripts, configuration management and trainers use it: events, exit codes, the reboot protocol,
//! many nodes.

use std::{collections::BTreeSet, fs, process::Stdio};

use crate::support::program::{self, Place};
use serde_json::Value;

const ANSWERS: &str = "driver_owner: installer-pod\ncuda_version: \"11.0\"\nreboot: now\n";

fn events(place: &Place, args: &[&str], code: i32) -> Vec<Value> {
    let ran = place.run(args).demand(code);
    let broken = ran.stdout.contains(r#""event":"error""#);
    assert_eq!(ran.stderr.is_empty(), !broken, "an error, and nothing else, is on standard error too: {}", ran.stderr);
    ran.stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn names(events: &[Value]) -> BTreeSet<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

#[test]
fn every_line_of_a_run_is_an_event() {
    let place = Place::new();
    let answers = place.write("a.yaml", ANSWERS);
    let apply = ["--demo", "--speed", "0", "apply", "--json", "--yes", "--answers", answers.to_str().unwrap()];
    let first = events(&place, &apply, 3);
    assert_eq!(
        names(&first),
        BTreeSet::from(["step", "prediction", "started", "line", "progress", "ended", "reboot", "end"])
    );
    assert_eq!(first.last().unwrap()["exit"], 3);
    let second = events(&place, &apply, 0);
    let verdict = second.iter().find(|event| event["event"] == "verdict").unwrap();
    assert_eq!(verdict["verdict"], "ok");
    assert_eq!(second.last().unwrap()["exit"], 0);
    let started = first.iter().find(|event| event["event"] == "started").unwrap();
    for field in ["id", "step", "title", "index", "total"] {
        assert!(!started[field].is_null(), "{field}: {started}");
    }
    let undone = events(&place, &["--demo", "--speed", "0", "undo", "--json", "--yes"], 1);
    let results: BTreeSet<_> =
        undone.iter().filter(|event| event["event"] == "undo").map(|event| event["result"].as_str().unwrap()).collect();
    assert_eq!(results, BTreeSet::from(["undone", "kept"]));
}

/// Before anybody says yes, the findings of step 3 are those of the values that will be.
#[test]
fn a_plan_tells_what_the_written_values_will_lead_to() {
    let place = Place::new();
    let answers = place.write("a.yaml", ANSWERS);
    let ids = |value: &Value| -> BTreeSet<String> {
        value["findings"].as_array().unwrap().iter().map(|finding| finding["id"].as_str().unwrap().to_owned()).collect()
    };
    let json = |args: &[&str]| serde_json::from_str::<Value>(&place.run(args).stdout).unwrap();
    let now = ids(&json(&["--demo", "vars", "--json"]));
    let will_be = ids(&json(&["--demo", "plan", "--json", "--answers", answers.to_str().unwrap()])["variables"]);
    // The taint comes with the switch, and the switch is not on yet.
    assert!(!now.contains("taint-at-registration") && will_be.contains("taint-at-registration"), "{now:?} {will_be:?}");
    let text = place.run(["--demo", "plan", "--answers", answers.to_str().unwrap()]).demand(0).stdout;
    assert!(text.contains("Variables, once they are written"), "{text}");
}

/// What cannot be planned is said before anything is done, and what breaks in the middle is not "not begun": both end
/// with `end`.
#[test]
fn a_run_that_breaks_says_so_and_how_it_ends() {
    let place = Place::new();
    let answers = place.write("wrong.yaml", &format!("{ANSWERS}kubespray: /root/elsewhere\n"));
    let args = ["--demo", "--speed", "0", "apply", "--json", "--yes", "--answers", answers.to_str().unwrap()];
    let told = events(&place, &args, 2);
    assert!(!names(&told).contains("started"), "{told:?}");
    let [.., error, end] = &told[..] else { panic!("{told:?}") };
    assert!(error["event"] == "error" && error["text"].as_str().unwrap().contains("/root/elsewhere"), "{error}");
    assert!(!error["help"].as_str().unwrap().is_empty() && end["event"] == "end" && end["exit"] == 2, "{end}");

    let answers = place.write("a.yaml", ANSWERS);
    place.write("state/session.yaml.d", "no folder");
    let args = ["--demo", "--speed", "0", "apply", "--json", "--yes", "--answers", answers.to_str().unwrap()];
    let told = events(&place, &args, 1);
    assert!(told[told.len() - 2]["event"] == "error" && told[told.len() - 1]["exit"] == 1, "{told:?}");
}

#[test]
fn a_known_failure_of_the_installer_pod_is_an_event() {
    let place = Place::new();
    let answers =
        place.write("a.yaml", &format!("{ANSWERS}leave_out: [remove-runfile-driver]\ndespite: [host-driver]\n"));
    let told = events(
        &place,
        &["--demo=already-loaded", "--speed", "0", "apply", "--json", "--yes", "--answers", answers.to_str().unwrap()],
        1,
    );
    let hits: Vec<_> =
        told.iter().filter(|event| event["event"] == "hit").map(|event| event["signature"].as_str().unwrap()).collect();
    assert_eq!(hits, ["module-loaded"]);
}

#[test]
fn undo_without_a_session_is_no_clean_undo() {
    let place = Place::new();
    place.run(["--demo", "undo", "--yes"]).demand_error(2, &["there is no session"]);
}

#[test]
fn the_same_answers_file_does_on_twenty_nodes() {
    let place = Place::new();
    let answers = place.write("a.yaml", ANSWERS);
    let start = |node: &str| {
        let session = place.path(&format!("{node}/session.yaml"));
        let args = [
            "--demo",
            "--speed",
            "0",
            "--session",
            session.to_str().unwrap(),
            "apply",
            "--yes",
            "--answers",
            answers.to_str().unwrap(),
        ];
        place.command(args).stdout(Stdio::null()).spawn().unwrap()
    };
    let nodes: Vec<String> = (1..=20).map(|number| format!("node{number}")).collect();
    for code in [3, 0] {
        let mut running: Vec<_> = nodes.iter().map(|node| start(node)).collect();
        assert!(running.iter_mut().all(|child| child.wait().unwrap().code() == Some(code)));
    }
    let report = |node: &String| {
        let session = place.path(&format!("{node}/session.yaml"));
        place.run(["--demo", "--session", session.to_str().unwrap(), "report", "--format", "json"]).demand(0).json()["verdict"]["verdict"]
            .clone()
    };
    assert!(nodes.iter().map(report).all(|verdict| verdict == "ok"));
}

#[test]
fn a_second_apply_is_told_who_is_there_and_status_shows_it() {
    let place = Place::new();
    let answers = place.write("a.yaml", ANSWERS);
    let apply = ["--demo", "--speed", "1", "apply", "--yes", "--answers", answers.to_str().unwrap()];
    let mut first = place.command(apply).stdout(Stdio::null()).env("LOGNAME", "alice").spawn().unwrap();
    // The session is written once it is held.
    while fs::metadata(place.session()).is_err() {
        std::thread::yield_now();
    }
    place.run(apply).demand_error(2, &[&format!("pid {}", first.id()), "alice", "since"]);
    let held = place.run(["--demo", "status", "--json"]).demand(0).json();
    assert_eq!(held["holder"]["pid"], first.id());
    assert_eq!(held["holder"]["user"], "alice");
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(place.run(["--demo", "status", "--json"]).demand(0).json()["holder"].is_null());
}

#[test]
fn a_session_that_is_held_and_not_written_yet_is_told_with_its_holder() {
    let place = Place::new();
    let store = gpunode::session::store::Store::open(&place.session()).unwrap();
    let status = place.run(["--demo", "status"]).demand(0).stdout;
    assert!(status.contains(&format!("open in another gpunode: pid {}", std::process::id())), "{status}");
    let json = place.run(["--demo", "status", "--json"]).demand(0).json();
    assert_eq!(json["holder"]["pid"], std::process::id());
    drop(store);
    place.run(["--demo", "status"]).demand_error(2, &["no session"]);
}

/// Runs the plain face with these lines as its input.
fn asked(place: &Place, args: &[&str], input: &str) -> program::Ran {
    use std::io::Write as _;
    let mut child =
        place.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

#[test]
fn plain_questions_take_lines_where_there_are_no_arrow_keys() {
    let place = Place::new();
    let args = ["--demo", "--plain", "--ascii", "--speed", "0"];
    let ran = asked(&place, &args, "\n1\n\nx\n\ny\ny\ny\nhuh\ny\ny\n").demand(0);
    assert!(ran.stdout.is_ascii(), "{}", ran.stdout);
    for words in [
        "Number from 1 to 3, Enter for 1:",
        "Type a number from 1 to",
        "Type y or n.",
        "Take the taint off now?",
        "done: remove-taint",
    ] {
        assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
    }
    // Nobody there: the advice is what works.
    let ran = asked(&Place::new(), &args, "").demand_error(2, &["gpunode apply --answers FILE --yes"]);
    assert!(!ran.stderr.contains("--plain"), "{}", ran.stderr);
    let ran = asked(&Place::new(), &["--demo"], "").demand_error(2, &["gpunode apply --answers FILE --yes"]);
    assert!(!ran.stderr.contains("--plain"), "{}", ran.stderr);
}

#[test]
fn plain_questions_end_with_the_proof_in_the_report() {
    let place = Place::new();
    let ran = asked(&place, &["--demo", "--plain", "--speed", "0"], "y\n\n\n\ny\ny\ny\ny\ny\ny\n").demand(0);
    let report = place.run(["--demo", "report"]).demand(0).stdout;
    for text in [&ran.stdout, &report] {
        assert!(!text.contains("has not been checked yet") && text.contains("What proves it"), "{text}");
    }
    let report = place.run(["--demo", "report", "--format", "json"]).demand(0).json();
    assert_eq!(report["verdict"]["verdict"], "ok", "{}", report["verdict"]);
    // It was looked at after the driver had come.
    assert_eq!(report["facts"]["driver"]["loaded_version"], "450.51.06", "{}", report["facts"]["driver"]);
}

/// Half a log on a full disk must not look like a whole one: the work is done, and the exit status says that it was not
/// told.
#[test]
fn what_cannot_be_written_is_an_exit_status_with_a_sentence() {
    let place = Place::new();
    let answers = place.write("a.yaml", ANSWERS);
    let file = answers.to_str().unwrap();
    let log = place.write("x.log", "Failed to initialize NVML: Driver/library version mismatch\n");
    let full = |args: &[&str]| -> program::Ran {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        place.command(args).stdout(full).output().unwrap().into()
    };
    for args in [
        &["--demo", "--speed", "0", "apply", "--yes", "--answers", file][..],
        &["--demo", "--speed", "0", "apply", "--json", "--yes", "--answers", file],
        &["--demo", "status"],
        &["--demo", "status", "--json"],
        &["--demo", "report"],
        &["--demo", "plan"],
        &["--demo", "--speed", "0", "undo", "--yes"],
        &["diagnose", log.to_str().unwrap()],
        &["tail", "--file", log.to_str().unwrap()],
        &["--demo", "detect"],
        &["--demo", "drivers"],
        &["scenarios"],
    ] {
        let ran = full(args);
        assert!(
            ran.code > 0 && ran.stderr.contains("No space left on device"),
            "{args:?}: {} {}",
            ran.code,
            ran.stderr
        );
    }
    // The work itself was done: the second run goes on behind the reboot, and undo has walked it back.
    let status = place.run(["--demo", "status", "--json"]).demand(0).json();
    assert!(status["journal"].as_array().unwrap().iter().any(|record| record["status"] == "undone"), "{status}");
}

/// A reader that goes away is no failure, and does not stop the work.
#[test]
fn a_reader_that_goes_away_stops_nothing() {
    let place = Place::new();
    let answers = place.write("a.yaml", ANSWERS);
    let args = ["--demo", "--speed", "0", "apply", "--yes", "--answers", answers.to_str().unwrap()];
    let mut child = place.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ran: program::Ran = child.wait_with_output().unwrap().into();
    assert_eq!((ran.code, ran.stderr.as_str()), (3, ""), "a reboot is needed, as ever");
}

/// A newer driver chosen, 450 seen: the test pod fails, and nothing asks about the taint or speaks of success.
#[test]
fn plain_asks_nothing_about_the_taint_after_a_test_that_failed() {
    let place = Place::new();
    let demo = format!("--demo={}", place.recorded_demo());
    // The fourth answer is the driver: the newest of the table.
    let ran = asked(&place, &[&demo, "--plain", "--ascii", "--speed", "0"], "y\n1\n1\n1\ny\ny\ny\ny\ny\ny\n").demand(1);
    assert!(
        ran.stdout.contains("in the pod shows driver 450.51.06, and") && ran.stdout.contains("failed: test-pod"),
        "{}",
        ran.stdout
    );
    for words in ["Take the taint off", "it is a working GPU node", "is a working GPU node."] {
        assert!(!ran.stdout.contains(words), "{words}: {}", ran.stdout);
    }
    assert!(!ran.stderr.contains("working GPU node"), "{}", ran.stderr);
    let status = place.run([demo.as_str(), "status", "--json"]).demand(0).json();
    assert_ne!(status["steps"][3]["state"], "done", "{status}");
    place.run([demo.as_str(), "--speed", "0", "verify"]).demand(1);
}

#[test]
fn status_looks_again_at_each_step_that_was_done() {
    let place = Place::new();
    asked(&place, &["--demo", "--plain", "--speed", "0"], "y\n\n\n\ny\ny\ny\ny\ny\ny\n").demand(0);
    let text = place.run(["--demo", "status"]).demand(0).stdout;
    assert!(text.contains("4 Verify") && text.matches("; looked at now: still so").count() == 4, "{text}");
    let json = place.run(["--demo", "status", "--json"]).demand(0).json();
    for step in json["steps"].as_array().unwrap() {
        assert!(step["state"] == "done" && step["as_of"].as_str().is_some_and(|time| time.ends_with('Z')), "{step}");
    }
}

#[test]
fn plain_questions_end_with_a_failure_where_the_cluster_does_not_prove_it() {
    let place = Place::new();
    // Without a kubeconfig nothing can be seen; what would have looked is left out.
    let left_out = ANSWERS
        .replace("reboot: now", "reboot: now\nkubeconfig: /nowhere/admin.conf\nleave_out: [watch-installer, test-pod]");
    let answers = place.write("a.yaml", &left_out);
    let apply = ["--demo", "--speed", "0", "apply", "--yes", "--until", "3", "--answers", answers.to_str().unwrap()];
    place.run(apply).demand(3);
    place.run(apply).demand(0);
    let plain = ["--demo", "--plain", "--speed", "0"];
    let ran = asked(&place, &plain, "\ny\n").demand(1);
    assert!(
        ran.stdout.contains("What proves it") && !ran.stdout.contains("has not been checked yet"),
        "{}",
        ran.stdout
    );
    // Step 4 is not over: the next time it is judged again.
    let again = asked(&place, &plain, "y\n").demand(1).stdout;
    assert!(!again.contains("4 Verify - done") && again.contains("/nowhere/admin.conf"), "{again}");
}

#[test]
fn plain_asks_for_another_kubeconfig_while_the_node_is_not_to_be_seen() {
    let place = Place::new();
    let answers =
        place.write("a.yaml", &ANSWERS.replace("reboot: now", "reboot: now\nkubeconfig: /nowhere/admin.conf"));
    let apply = ["--demo", "--speed", "0", "apply", "--yes", "--until", "3", "--answers", answers.to_str().unwrap()];
    place.run(apply).demand(3);
    place.run(apply).demand(0);
    let ran = asked(&place, &["--demo", "--plain", "--speed", "0"], "/nor/here\n/etc/kubernetes/admin.conf\ny\nn\n")
        .demand(0);
    assert!(ran.stdout.contains("/nowhere/admin.conf") && ran.stdout.contains("/nor/here"), "{}", ran.stdout);
    let kept = place.run(["--demo", "report", "--answers"]).demand(0).stdout;
    assert!(kept.contains("kubeconfig: /etc/kubernetes/admin.conf"), "{kept}");
}

#[test]
fn a_node_that_the_inventory_does_not_have_is_not_added_unasked() {
    let place = Place::new();
    let wrong = format!("{ANSWERS}node: node11\n");
    let answers = place.write("a.yaml", &wrong);
    let file = answers.to_str().unwrap();
    let plan = ["--demo", "plan", "--answers", file];
    let text = place.run(plan).demand(0).stdout;
    assert!(text.starts_with("! node11 is not in the inventory") && text.contains("names like it: node1."), "{text}");
    let json = place.run(plan.iter().chain(&["--json"])).demand(0).json();
    assert_eq!(json["findings"][0]["id"], "node-is-added", "{}", json["findings"]);
    let apply = ["--demo", "--speed", "0", "apply", "--yes", "--answers", file];
    place.run(apply).demand_error(2, &["node11 is not in the inventory", "names like it: node1", "add_node: true"]);
    assert!(!place.run(["--demo", "status"]).stdout.contains("begun"), "nothing was done");
    place.write("a.yaml", &format!("{wrong}add_node: true\n"));
    place.run(apply).demand(3);
    // Step 3 alone, so that the questions begin with it.
    let place = Place::new();
    let answers = place.write("a.yaml", &wrong);
    let apply = ["--demo", "--speed", "0", "apply", "--yes", "--until", "2", "--answers", answers.to_str().unwrap()];
    place.run(apply).demand(3);
    place.run(apply).demand(0);
    let ran = asked(&place, &["--demo", "--plain", "--speed", "0"], "\n");
    assert!(
        ran.stdout.contains("1) It is node1") && ran.stdout.contains("2) It is new: add node11 to [kube-node]"),
        "{}",
        ran.stdout
    );
    let kept = |place: &Place| place.run(["--demo", "report", "--answers"]).demand(0).stdout;
    assert!(kept(&place).contains("node: node11") && !kept(&place).contains("add_node"), "Enter leaves it as it is");
    asked(&place, &["--demo", "--plain", "--speed", "0"], "1\nn\n").demand(130);
    assert!(kept(&place).contains("node: node1\n"), "{}", kept(&place));
}

#[test]
fn a_value_under_variables_is_read_as_the_key_of_its_meaning() {
    let place = Place::new();
    for (variable, why) in [
        ("nvidia_driver_version: \"999.99\"", "No driver has this version"),
        ("nvidia_gpu_nodes: [node_1]", "names of hosts"),
        ("nvidia_gpu_nodes: [node7]", "node7 is among the GPU nodes"),
        ("kube_override_hostname: --all", "names of hosts"),
        ("nvidia_driver_install_container: a b", "a container image"),
        ("nvidia_gpu_tesla_base_url: https://me:pw@mirror/", "the address of a folder"),
    ] {
        let answers = place.write("a.yaml", &format!("{ANSWERS}variables: {{{variable}}}\n"));
        for verb in [&["plan"][..], &["apply", "--yes"]] {
            let file = answers.to_str().unwrap();
            let args: Vec<&str> =
                ["--demo", "--speed", "0"].into_iter().chain(verb.iter().copied()).chain(["--answers", file]).collect();
            let ran = place.run(args).demand(2);
            assert!(ran.stderr.contains(why), "{verb:?} {variable}: {}", ran.stderr);
        }
    }
}

#[test]
fn long_lines_and_evidence_come_whole() {
    let place = Place::new();
    let answers = place.write("a.yaml", ANSWERS);
    let apply = ["--demo", "--speed", "0", "apply", "--yes", "--answers", answers.to_str().unwrap()];
    let text = place.run(apply).demand(3).stdout + &place.run(apply).demand(0).stdout;
    for whole in [
        "   node1                     : ok=32    changed=10    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0\n",
        "has the expected checksum b079c4e408adf88c3f1ffb8418a97dc4227c37935676b4bf4ca0beec6c328cc0\n",
    ] {
        assert!(text.contains(whole), "{whole}: {text}");
    }
}

#[test]
fn a_reader_that_goes_away_does_not_stop_the_work() {
    let place = Place::new();
    let answers = place.write("a.yaml", ANSWERS);
    let apply = ["--demo", "--speed", "20", "apply", "--yes", "--answers", answers.to_str().unwrap()];
    let mut child = place.command(apply).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn no_secret_is_left_anywhere() {
    let place = Place::new();
    let answers = place.write("a.yaml", ANSWERS);
    let secrets = ["tok3n-0f-kubeconfig", "b3come-passw0rd", "pr0xy-passw0rd"];
    let kubeconfig = format!("apiVersion: v1\nkind: Config\nusers: [{{name: u, user: {{token: {}}}}}]\n", secrets[0]);
    let kubeconfig = place.write("kubeconfig", &kubeconfig);
    let run = |args: &[&str]| {
        let mut command = place.command(args);
        command.env("ANSIBLE_BECOME_PASS", secrets[1]).env("KUBECONFIG", &kubeconfig);
        command.env("https_proxy", format!("http://user:{}@proxy:3128", secrets[2]));
        let output = command.output().unwrap();
        [output.stdout, output.stderr].concat()
    };
    let file = answers.to_str().unwrap();
    let recording = place.path("state/recording.yaml");
    let mut printed = Vec::new();
    for args in [
        &["--demo", "--speed", "0", "apply", "--yes", "--answers", file][..],
        &["--demo", "--speed", "0", "apply", "--yes", "--answers", file],
        &["--demo", "report"],
        &["--demo", "report", "--format", "json"],
        &["--demo", "status", "--json"],
        &["record", recording.to_str().unwrap()],
        &["detect", "--json"],
        &["verify", "--node", "n"],
    ] {
        printed.extend(run(args));
    }
    let mut folders = vec![place.path("state")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.metadata().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                printed.extend(fs::read(entry.path()).unwrap());
            }
        }
    }
    let text = String::from_utf8_lossy(&printed);
    assert!(text.len() > 50_000, "little was looked at: {}", text.len());
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} is in what was printed or kept");
    }
}
