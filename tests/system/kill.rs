//! Crash safety: the program is killed wherever it writes, and at any moment, and every time it comes to the same end.
//!
//! The kernel does the killing at named places: `strace` delivers SIGKILL as the program enters its n-th rename, the
//! moment at which an intent or a result becomes the truth on disk. No product code knows of it.

use std::{
    collections::BTreeMap,
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use crate::support::program::{Place, killed_at_rename, tool, was_killed};
use serde_json::Value;

const ANSWERS: &str = "driver_owner: installer-pod\ncuda_version: \"11.0\"\nreboot: now\n";

/// What is left when all is over: the machine, and the journal's newest word on each action.
#[derive(Debug, PartialEq)]
struct End {
    machine: Value,
    actions: BTreeMap<String, String>,
    verdict: Value,
}

fn end(place: &Place) -> End {
    let report = place.run(["--demo", "report", "--format", "json"]).demand(0).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let actions = report["actions"].as_array().unwrap();
    let machine = fs::read_to_string(place.path("state/session.machine.yaml")).unwrap();
    let mut machine: Value = serde_yaml::from_str(&machine).unwrap();
    // Process ids and logs are numbered by attempt.
    machine.as_object_mut().unwrap().remove("jobs");
    // Looking at a log and running the test pod again are harmless; everything else happens once.
    machine["history"].as_array_mut().unwrap().retain(|command| !command.as_str().unwrap().starts_with("kubectl"));
    End {
        machine,
        // What was so already is done just as well: a killed run finds its own work.
        actions: actions
            .iter()
            .map(|action| (text(&action["id"]), text(&action["status"]).replace("already_done", "done")))
            .collect(),
        verdict: report["verdict"]["verdict"].clone(),
    }
}

fn apply(place: &Place, speed: &str) -> Command {
    let file = place.write("answers.yaml", ANSWERS);
    let mut command =
        place.command(["--demo", "--speed", speed, "apply", "--yes", "--answers", file.to_str().unwrap()]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs to the end, over the reboot.
fn finish(place: &Place) {
    let file = place.write("answers.yaml", ANSWERS);
    let run = || place.run(["--demo", "--speed", "0", "apply", "--yes", "--answers", file.to_str().unwrap()]);
    let first = run();
    if first.code == 3 {
        run().demand(0);
    } else {
        first.demand(0);
    }
}

/// How many kills at moments that nobody chose. With `GPUNODE_KILLS` set, every write is killed at too.
fn wanted_kills() -> Option<usize> {
    std::env::var("GPUNODE_KILLS").ok().and_then(|text| text.parse().ok())
}

/// One write in five is killed at in a run of the tests, another one each time; all of them with `GPUNODE_KILLS` set.
#[test]
fn killed_at_every_write_it_comes_to_the_same_end() {
    let undisturbed = Place::new();
    finish(&undisturbed);
    let expected = end(&undisturbed);
    assert_eq!(expected.verdict, "ok");
    let (first, stride) =
        if wanted_kills().is_some() { (1, 1) } else { (1 + any_moment().as_micros() as usize % 5, 5) };
    let mut kills = 0;
    // The first run ends at the reboot; `after` is how many runs were undisturbed before the one that is killed.
    for after in [0, 1] {
        for number in (first..).step_by(stride) {
            let place = Place::new();
            (0..after).for_each(|_| assert_eq!(apply(&place, "0").status().unwrap().code(), Some(3)));
            if !was_killed(killed_at_rename(&apply(&place, "0"), number)) {
                break;
            }
            kills += 1;
            // The session on disk is whole after every kill.
            if place.session().exists() {
                place.run(["--demo", "status"]).demand(0);
            }
            finish(&place);
            assert_eq!(end(&place), expected, "killed at write {number} after {after} runs");
        }
    }
    println!("killed at {kills} writes, each time to the same end");
    assert!(kills * stride > 30, "only {kills} writes were found to be killed at");
}

/// Kills at moments that nobody chose.
#[test]
fn killed_at_any_moment_it_comes_to_the_same_end() {
    let wanted = wanted_kills().unwrap_or(20);
    let undisturbed = Place::new();
    finish(&undisturbed);
    let expected = end(&undisturbed);
    let mut kills = 0;
    while kills < wanted {
        let place = Place::new();
        // The longer it takes, the longer it is left alone: on a busy machine it would never come to its end.
        for tries in 0.. {
            let wait = any_moment() + Duration::from_millis(10) * tries;
            let mut child = apply(&place, "100").spawn().unwrap();
            std::thread::sleep(wait);
            match child.try_wait().unwrap() {
                Some(status) if status.code() == Some(0) => break,
                Some(status) => {
                    assert_eq!(status.code(), Some(3), "after {kills} kills, in {}", place.folder.path().display());
                }
                None => {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    kills += 1;
                }
            }
        }
        assert_eq!(end(&place), expected, "after {kills} kills");
    }
}

/// Up to 400 ms, from the clock's last digits: each run kills elsewhere, and a failure shows in the state, not in the
/// moment.
fn any_moment() -> Duration {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Duration::from_micros(u64::from(now.subsec_nanos() / 100 % 400_000))
}

/// A power cut loses what was not synced: each write of the session is synced before its name is given, and the folder
/// after it, before anything else happens to the machine.
#[test]
fn what_is_renamed_was_synced_and_its_folder_is_synced_after() {
    let place = Place::new();
    let plain = apply(&place, "0");
    let trace = place.path("trace");
    let mut command = Command::new(tool("strace"));
    command.args(["-f", "-y", "-o", trace.to_str().unwrap(), "-e", "trace=fsync,fdatasync,rename,renameat,renameat2"]);
    command.arg(plain.get_program()).args(plain.get_args()).env_clear();
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.current_dir(place.folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    let text = fs::read_to_string(trace).unwrap();
    let calls: Vec<&str> = text.lines().filter(|line| line.contains("sync(") || line.contains("rename")).collect();
    let mut renames = 0;
    for (place, call) in calls.iter().enumerate().filter(|(_, call)| call.contains("rename")) {
        renames += 1;
        let temporary = call.split('"').nth(1).unwrap();
        assert!(
            calls[place - 1].contains("sync(") && calls[place - 1].contains(temporary),
            "not synced before: {call}"
        );
        assert!(
            calls[place + 1].contains("fsync(") && calls[place + 1].contains("/state>"),
            "folder not synced after: {call}"
        );
    }
    assert!(renames > 15, "{renames}");
}
