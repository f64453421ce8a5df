//! System calls that fail, and kills of runs that must fail: whatever is disturbed, the next run comes to the verdict
//! of an undisturbed one, and the runfile never runs twice beside itself.
//!
//! `strace` lets the n-th call of the program's main thread fail; the programs that it runs are left alone. No product
//! code knows of it.

use std::{
    fs,
    process::{Command, Stdio},
};

use super::kill_real::{APPLY, end, sample, world};
use crate::support::{
    program::{tool, was_killed},
    world::World,
};

/// Calls that write the journal, read files and make them; with how it fails, and one in how many is tried without
/// `GPUNODE_KILLS`.
const CALLS: [(&str, &str, usize); 5] = [
    ("fsync", "EIO", 6),
    ("renameat", "ENOSPC", 4),
    ("write", "ENOSPC", 25),
    ("openat", "EIO", 120),
    ("flock", "ENOLCK", 2),
];

/// A runfile that ends with an error, and one that touches the driver and says nothing of it.
const MUST_FAIL: [(&str, &str); 2] = [
    ("error", "exit 1\n"),
    ("driver", "mkdir -p /usr/lib/x86_64-linux-gnu; echo x > /usr/lib/x86_64-linux-gnu/libcuda.so.450.51.06\n"),
];

/// Runs `apply` under strace with these words; returns what strace has written of the calls.
fn traced(world: &World, words: &[&str]) -> (std::process::ExitStatus, String) {
    let plain = world.command("/usr/bin/gpunode", &APPLY);
    let trace = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("timeout");
    command
        .arg("120")
        .arg(tool("strace"))
        .arg("-o")
        .arg(trace.path())
        .args(words)
        .arg(plain.get_program())
        .args(plain.get_args())
        .env_clear();
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let status =
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    (status, fs::read_to_string(trace.path()).unwrap_or_default())
}

/// How often an undisturbed run makes a call.
fn calls(extra: &str, call: &str) -> usize {
    let world = world(extra);
    let (_, trace) = traced(&world, &["-e", &format!("trace={call}")]);
    trace.lines().filter(|line| line.starts_with(&format!("{call}("))).count()
}

/// Lets the `number`-th call fail. Tells whether it came that far.
fn disturb(world: &World, call: &str, error: &str, number: usize) -> bool {
    let inject = format!("inject={call}:error={error}:when={number}");
    let (status, trace) = traced(world, &["-e", &format!("trace={call}"), "-e", &inject]);
    assert!(!matches!(status.code(), None | Some(101 | 124 | 134)), "{call} {number} failing with {error}: {status}");
    trace.contains("(INJECTED)")
}

/// Kills at the `number`-th rename.
fn kill(world: &World, number: usize) -> bool {
    let (status, _) =
        traced(world, &["-f", "-e", "trace=renameat", "-e", &format!("inject=renameat:signal=KILL:when={number}")]);
    was_killed(status)
}

#[test]
fn a_run_with_a_failing_system_call_comes_to_the_same_end_and_runs_once() {
    let undisturbed = world("");
    undisturbed.gpunode(&APPLY, 0);
    let expected = end(&undisturbed);
    let mut counts = Vec::new();
    for (call, error, one_in) in CALLS {
        let (first, stride) = sample(one_in);
        let all = calls("", call);
        let mut injections = 0;
        for number in (first..=all).step_by(stride) {
            let world = world("");
            injections += usize::from(disturb(&world, call, error, number));
            world.gpunode(&APPLY, 0);
            assert_eq!(end(&world), expected, "{call} {number} of {all} failed with {error}");
        }
        counts.push(format!("{injections} of {all} {call}"));
    }
    println!("failing calls, each time to the same end: {}", counts.join(", "));
}

/// What the journal says of the installation; nothing before it was begun.
fn verdict(world: &World) -> Option<String> {
    let output = world.run("/usr/bin/gpunode", &["status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    let records = status["journal"].as_array()?.clone();
    let record = records.iter().rev().find(|record| record["id"] == "install-toolkit")?;
    record["status"].as_str().map(str::to_owned)
}

/// After a disturbed run that must fail: whoever has not heard of the failure yet hears of it from the next run.
fn demand_failure(world: &World, what: &str) {
    if verdict(world).as_deref() != Some("failed") {
        world.gpunode(&APPLY, 1);
    }
    assert_eq!(verdict(world).as_deref(), Some("failed"), "{what}");
}

#[test]
fn a_run_that_must_fail_fails_after_every_kill_too() {
    for (name, extra) in MUST_FAIL {
        let (first, stride) = sample(4);
        let mut kills = 0;
        for number in (first..).step_by(stride) {
            let world = world(extra);
            if !kill(&world, number) {
                break;
            }
            kills += 1;
            demand_failure(&world, &format!("{name}: killed at write {number}"));
        }
        println!("{name}: killed at {kills} writes, each time failed");
        assert!(kills * stride >= 4, "only {kills} writes were found to be killed at");
    }
}

#[test]
fn a_run_that_must_fail_fails_after_every_failing_system_call_too() {
    for (name, extra) in MUST_FAIL {
        for (call, error, one_in) in CALLS.into_iter().filter(|(call, ..)| *call != "openat") {
            let (first, stride) = sample(one_in * 2);
            let all = calls(extra, call);
            let mut injections = 0;
            for number in (first..=all).step_by(stride) {
                let world = world(extra);
                injections += usize::from(disturb(&world, call, error, number));
                demand_failure(&world, &format!("{name}: {call} {number} of {all} failed with {error}"));
            }
            println!("{name}: {injections} of {all} {call}, each time failed");
        }
    }
}

/// The note of the started installer cannot be written: nothing has begun, nothing is cleared, and the next run begins
/// it once.
#[test]
fn a_note_that_cannot_be_written_begins_nothing() {
    let probe = world("");
    let (_, trace) = traced(&probe, &["-e", "trace=fsync,flock"]);
    // The log of the job is locked right before its note is written.
    let before = trace
        .lines()
        .take_while(|line| !line.contains("flock(") || !is_of_the_log(&trace, line))
        .filter(|line| line.starts_with("fsync("))
        .count();
    assert!(before > 0, "{trace}");
    let world = world("");
    assert!(disturb(&world, "fsync", "EIO", before + 1));
    assert!(!world.path("runs").exists(), "it was begun without a note");
    world.gpunode(&APPLY, 0);
    assert_eq!(fs::read_to_string(world.path("runs")).unwrap(), "ran\n");
}

/// The last lock that is taken without waiting is that of the installer's log.
fn is_of_the_log(trace: &str, line: &str) -> bool {
    trace.lines().rfind(|other| other.contains("LOCK_EX|LOCK_NB")) == Some(line)
}
