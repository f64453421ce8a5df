//! A session that survives anything: damage, a full disk, another machine, an older gpunode, a second admin, somebody
//! else's edits.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::{
    lines,
    program::{Place, Ran, killed_at_rename, tool},
};
use serde_json::Value;

const ANSWERS: &str = "driver_owner: installer-pod\ncuda_version: \"11.0\"\nreboot: now\n";

fn apply(place: &Place, more: &[&str]) -> Ran {
    let file = place.write("answers.yaml", ANSWERS);
    let args = ["--demo", "--speed", "0", "apply", "--yes", "--answers", file.to_str().unwrap()];
    place.run(args.iter().chain(more))
}

fn undo(place: &Place) -> Ran {
    place.run(["--demo", "--speed", "0", "undo", "--yes"])
}

/// Puts a session of an older gpunode where this one looks for it.
fn old_session(place: &Place, name: &str) -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sessions");
    for (file, ending) in [(format!("{name}.yaml"), "yaml"), (format!("{name}.machine.yaml"), "machine.yaml")] {
        if let Ok(text) = fs::read_to_string(fixtures.join(file)) {
            let session = place.session().display().to_string();
            place.write(&format!("state/session.{ending}"), &text.replace("@SESSION@", &session));
        }
    }
    fs::set_permissions(place.path("state"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::read_to_string(place.session()).unwrap()
}

#[test]
fn sessions_of_older_schemas_are_read() {
    for (name, records) in [("v1-reboot", 4), ("v1-interrupted", 3), ("v1-done", 10), ("v2-reboot", 5), ("v2-done", 11)]
    {
        let place = Place::new();
        let before = old_session(&place, name);
        let status = place.run(["--demo", "status", "--json"]).demand(0).json();
        assert_eq!(status["schema_version"], 5, "{name}");
        assert_eq!(status["journal"].as_array().unwrap().len(), records, "{name}");
        assert_eq!(fs::read_to_string(place.session()).unwrap(), before, "looking changed {name}");
        place.run(["--demo", "report"]).demand(0);
    }
}

#[test]
fn an_interrupted_session_of_an_older_schema_comes_to_its_end_and_a_copy_is_kept() {
    for (name, schema) in [("v1-reboot", 1), ("v1-interrupted", 1), ("v2-reboot", 2)] {
        let place = Place::new();
        let before = old_session(&place, name);
        let first = apply(&place, &[]);
        assert!(matches!(first.code, 0 | 3), "{name}: {}{}", first.stdout, first.stderr);
        apply(&place, &[]).demand(0);
        assert_eq!(fs::read_to_string(place.path(&format!("state/session.yaml.schema-{schema}"))).unwrap(), before);
        let report = place.run(["--demo", "report", "--format", "json"]).demand(0).json();
        assert_eq!(report["verdict"]["verdict"], "ok", "{name}");
    }
}

#[test]
fn a_damaged_session_is_kept_and_every_way_out_is_named() {
    let place = Place::new();
    apply(&place, &["--until", "1"]).demand(0);
    let whole = fs::read(place.session()).unwrap();
    let truncated = &whole[..whole.len() / 2];
    let garbage: Vec<u8> = (0..2000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("binary", &garbage),
        ("truncated", truncated),
        ("newer", b"schema_version: 99\n"),
        ("list", b"- a\n"),
    ] {
        fs::write(place.session(), bytes).unwrap();
        for command in [&["status"][..], &["report"], &["undo", "--yes"]] {
            let ran = place.run(["--demo"].iter().chain(command));
            assert_eq!(ran.code, 2, "{name} {command:?}: {}", ran.stdout);
            assert!(
                ran.stderr.contains("session.yaml") && ran.stderr.contains("--session FILE"),
                "{name}: {}",
                ran.stderr
            );
        }
        apply(&place, &[]).demand(2);
        assert_eq!(fs::read(place.session()).unwrap(), bytes, "{name} was changed");
    }
    // The way out that is offered works, and what was there stays beside.
    let file = place.write("answers.yaml", ANSWERS);
    place
        .run(["--demo", "--new", "--speed", "0", "apply", "--yes", "--until", "1", "--answers", file.to_str().unwrap()])
        .demand(0);
    assert_eq!(fs::read(place.path("state/session.yaml.1")).unwrap(), b"- a\n");
}

/// Runs the program with a small file system of its own at `folder`.
fn on_a_small_disk(place: &Place, kib: u32, fill: bool, args: &[&str]) -> Ran {
    let folder = place.path("small");
    fs::create_dir_all(&folder).unwrap();
    let plain = place.command(args);
    let mount = format!("mount -t tmpfs -o size={kib}k tmpfs \"$0\"");
    let rest = if fill { "dd if=/dev/zero of=\"$0/filler\" bs=1k 2>/dev/null" } else { "true" };
    let look = "test ! -s \"$0/s.yaml\" || tail -n 1 \"$0/s.yaml\" | grep -qx '[.][.][.]' || echo HALF-WRITTEN";
    let script = format!("{mount} && {{ {rest}; \"$@\"; code=$?; {look}; exit $code; }}");
    let mut command = Command::new(tool("unshare"));
    command
        .args(["--map-root-user", "--mount", "sh", "-c", &script])
        .arg(&folder)
        .arg(plain.get_program())
        .args(plain.get_args());
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", place.folder.path())
        .stdin(Stdio::null());
    Ran::from(command.output().unwrap())
}

#[test]
fn a_full_disk_stops_the_run_and_never_leaves_half_a_file() {
    let place = Place::new();
    let file = place.write("answers.yaml", ANSWERS);
    let session = place.path("small/s.yaml");
    let args = [
        "--demo",
        "--speed",
        "0",
        "--session",
        session.to_str().unwrap(),
        "apply",
        "--yes",
        "--answers",
        file.to_str().unwrap(),
    ];
    let mut refused = 0;
    // From no room at all to room for a part of the run.
    for kib in [4, 12, 20, 28, 36, 44] {
        let ran = on_a_small_disk(&place, kib, false, &args);
        assert!(!ran.stdout.contains("HALF-WRITTEN"), "{kib} KiB: {}", ran.stdout);
        if ran.code == 2 || ran.code == 1 {
            refused += 1;
            assert!(ran.stderr.contains("s.yaml") || ran.stderr.contains("small"), "{kib} KiB: {}", ran.stderr);
            assert!(ran.stderr.contains("help: "), "{kib} KiB: {}", ran.stderr);
        }
    }
    assert!(refused >= 2, "the disk was never full");
    let full = on_a_small_disk(&place, 64, true, &args).demand(2);
    assert!(full.stderr.contains("No space left on device"), "{}", full.stderr);
}

#[test]
fn a_folder_that_cannot_be_written_and_no_home_are_said() {
    let place = Place::new();
    let file = place.write("answers.yaml", ANSWERS);
    // /proc takes no files, from anybody.
    let args = ["--demo", "--session", "/proc/s.yaml", "apply", "--yes", "--answers", file.to_str().unwrap()];
    place.run(args).demand_error(2, &["/proc", "--session FILE"]);
    let mut homeless = place.command([
        "--demo",
        "--speed",
        "0",
        "apply",
        "--yes",
        "--until",
        "1",
        "--answers",
        file.to_str().unwrap(),
    ]);
    let ran = Ran::from(
        homeless.env_remove("HOME").env_remove("GPUNODE_SESSION").env("TMPDIR", place.folder.path()).output().unwrap(),
    );
    ran.demand(0);
    let uid = fs::metadata(place.folder.path()).unwrap().uid();
    let folder = place.path(&format!("gpunode-{uid}"));
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn a_session_that_somebody_else_could_have_planted_is_not_opened() {
    let place = Place::new();
    apply(&place, &["--until", "1"]).demand(0);
    let real = place.path("real.yaml");
    fs::rename(place.session(), &real).unwrap();
    symlink(&real, place.session()).unwrap();
    place.run(["--demo", "status"]).demand_error(2, &["symbolic link"]);
    fs::remove_file(place.session()).unwrap();
    fs::hard_link(&real, place.session()).unwrap();
    place.run(["--demo", "status"]).demand_error(2, &["hard link"]);
    fs::remove_file(&real).unwrap();
    fs::set_permissions(place.session(), fs::Permissions::from_mode(0o666)).unwrap();
    place.run(["--demo", "status"]).demand_error(2, &["written by others"]);
    fs::set_permissions(place.session(), fs::Permissions::from_mode(0o600)).unwrap();
    // The folder for logs and backups, and a log in it.
    let victim = place.write("victim/kept", "kept");
    fs::remove_dir_all(place.path("state/session.yaml.d")).ok();
    symlink(victim.parent().unwrap(), place.path("state/session.yaml.d")).unwrap();
    apply(&place, &[]).demand(1);
    assert_eq!(fs::read_dir(victim.parent().unwrap()).unwrap().count(), 1);
    fs::remove_file(place.path("state/session.yaml.d")).unwrap();
    fs::create_dir(place.path("state/session.yaml.d")).unwrap();
    for number in 1..9 {
        for name in ["remove-runfile-driver", "fetch-runfile", "install-toolkit"] {
            symlink(&victim, place.path(&format!("state/session.yaml.d/{number:03}-{name}.log"))).unwrap();
        }
    }
    apply(&place, &[]);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "kept");
}

#[test]
fn what_is_written_is_for_the_owner_only() {
    let place = Place::new();
    apply(&place, &[]).demand(3);
    apply(&place, &[]).demand(0);
    let mut seen = 0;
    let mut folders = vec![place.path("state")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let meta = entry.metadata().unwrap();
            seen += 1;
            assert_eq!(meta.mode() & 0o077, 0, "{}: {:o}", entry.path().display(), meta.mode());
            folders.extend(meta.is_dir().then(|| entry.path()));
        }
    }
    assert!(seen > 8, "{seen}");
}

#[test]
fn edits_of_somebody_else_are_shown_before_it_goes_on_and_kept_by_undo() {
    let place = Place::new();
    apply(&place, &[]).demand(3);
    apply(&place, &[]).demand(0);
    let machine = place.path("state/session.machine.yaml");
    let edited = fs::read_to_string(&machine)
        .unwrap()
        .replace("nvidia_gpu_flavor: \\\"tesla\\\"", "nvidia_gpu_flavor: \\\"gtx\\\"");
    let edited = edited.replace("nvidia_gpu_flavor: \"tesla\"", "nvidia_gpu_flavor: \"gtx\"");
    fs::write(&machine, edited).unwrap();
    let status = place.run(["--demo", "status"]).demand(0).stdout;
    assert!(status.contains("k8s-cluster.yml was edited since"), "{status}");
    let undone = undo(&place).demand(1).stdout;
    assert!(undone.contains("k8s-cluster.yml was changed since"), "{undone}");
    assert!(fs::read_to_string(&machine).unwrap().contains("gtx"));
}

#[test]
fn an_undo_that_is_killed_at_any_write_goes_on_to_the_same_end() {
    let end = |place: &Place| {
        let text = fs::read_to_string(place.path("state/session.machine.yaml")).unwrap();
        let mut machine: Value = serde_yaml::from_str(&text).unwrap();
        machine.as_object_mut().unwrap().remove("jobs");
        let journal = place.run(["--demo", "status", "--json"]).demand(0).json()["journal"].clone();
        let states: Vec<_> =
            journal.as_array().unwrap().iter().map(|record| record["status"].as_str().unwrap().to_owned()).collect();
        (machine, states)
    };
    let done = || {
        let place = Place::new();
        apply(&place, &[]).demand(3);
        apply(&place, &[]).demand(0);
        place
    };
    let undisturbed = done();
    undo(&undisturbed).demand(1);
    let expected = end(&undisturbed);
    let mut kills = 0;
    // One write in four; `GPUNODE_KILLS` takes them all.
    let stride = if std::env::var_os("GPUNODE_KILLS").is_some() { 1 } else { 4 };
    for number in (1..).step_by(stride) {
        let place = done();
        let plain = place.command(["--demo", "--speed", "0", "undo", "--yes"]);
        let status = killed_at_rename(&plain, number);
        if status.code() == Some(1) {
            break;
        }
        kills += 1;
        undo(&place).demand(1);
        assert_eq!(end(&place), expected, "killed at write {number}");
    }
    assert!(kills * stride > 10, "{kills}");
}

/// A folder that looks like a machine with an inventory, to be read below `--root`.
fn carried(place: &Place) -> PathBuf {
    apply(place, &["--until", "2"]).demand(3);
    let text = fs::read_to_string(place.session()).unwrap();
    let text = text
        .replace("machine: simulated:seed", "machine: 1111aaaa2222bbbb3333cccc4444dddd")
        .replace("hostname: node1", "hostname: gpu-a");
    let session = place.write("carried/session.yaml", &text);
    fs::set_permissions(&session, fs::Permissions::from_mode(0o600)).unwrap();
    session
}

#[test]
fn a_carried_session_is_looked_at_and_only_its_third_step_is_done_elsewhere() {
    let place = Place::new();
    let session = carried(&place);
    let session = session.to_str().unwrap();
    let answers =
        place.write("carry.yaml", "driver_owner: installer-pod\ndriver_version: \"450.51.06\"\nnode: gpu-a\n");
    let answers = answers.to_str().unwrap();
    let before = fs::read_to_string(session).unwrap();
    let status = place.run(["--session", session, "status"]).demand(0).stdout;
    assert!(status.contains("gpu-a"), "{status}");
    place.run(["--session", session, "apply", "--yes", "--answers", answers]).demand_error(2, &["gpu-a", "--steps 3"]);
    assert_eq!(fs::read_to_string(session).unwrap(), before);
    let ran =
        place.run(["--session", session, "apply", "--yes", "--steps", "3", "--answers", answers]).demand(0).stdout;
    assert!(ran.contains("was carried here"), "{ran}");
    // The facts are still the node's, and the record says where it was done.
    let text = fs::read_to_string(session).unwrap();
    assert!(text.contains("Tesla V100-PCIE-32GB") && text.contains("done_on:"), "{text}");
    let here = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let status = place.run(["--session", session, "status", "--json"]).demand(0).json();
    let last = status["journal"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["done_on"], here.trim());
    // Undo here takes back what was done here, and leaves the node's work to the node.
    let undone = place.run(["--session", session, "undo", "--yes"]).demand(1).stdout;
    assert!(
        lines::tell(&undone, "undone", "write-vars-file") || lines::tell(&undone, "undone", "edit-file"),
        "{undone}"
    );
    assert!(undone.contains("it was done on gpu-a"), "{undone}");
}

#[test]
fn a_changed_answer_plans_exactly_what_rests_on_it_again() {
    let place = Place::new();
    apply(&place, &[]).demand(3);
    apply(&place, &[]).demand(0);
    let answers = place.write(
        "other.yaml",
        &ANSWERS.replace("reboot: now", "reboot: now\ntest_image: docker.io/nvidia/cuda:11.0.3-base-ubuntu20.04"),
    );
    let args = ["--demo", "--speed", "0", "apply", "--yes", "--json", "--answers", answers.to_str().unwrap()];
    let ran = place.run(args).demand(0).stdout;
    let events: Vec<Value> = ran.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ended = |id: &str| events.iter().filter(|event| event["event"] == "ended" && event["id"] == id).count();
    assert_eq!(ended("test-pod"), 1, "{ran}");
    // Steps 2 and 3 still follow from the answers: nothing of them is done again.
    let commands: Vec<_> =
        events.iter().filter(|event| event["event"] == "line").map(|event| event["text"].to_string()).collect();
    assert!(!commands.iter().any(|line| line.contains("ansible-playbook") || line.contains("curl")), "{commands:?}");
}

#[test]
fn an_undo_that_is_stopped_goes_on_the_next_time() {
    let place = Place::new();
    apply(&place, &[]).demand(3);
    apply(&place, &[]).demand(0);
    let mut slow = place.command(["--demo", "--speed", "0.5", "undo", "--yes"]).stdout(Stdio::piped()).spawn().unwrap();
    // The first command of the walk is on its way once it is shown.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(slow.stdout.take().unwrap()));
    assert!(lines.any(|line| line.unwrap().contains("$ ")));
    rustix::process::kill_process(rustix::process::Pid::from_child(&slow), rustix::process::Signal::INT).unwrap();
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(rest.iter().any(|line| line.starts_with("-- stopped: ")), "{rest:?}");
    assert_eq!(slow.wait().unwrap().code(), Some(130));
    let undone = undo(&place).demand(1).stdout;
    assert!(
        lines::tell(&undone, "undone", "install-toolkit") && lines::tell(&undone, "undone", "fetch-runfile"),
        "{undone}"
    );
}

#[test]
fn a_clock_that_was_set_back_changes_nothing() {
    let place = Place::new();
    apply(&place, &[]).demand(3);
    let text = fs::read_to_string(place.session()).unwrap();
    let year = regex::Regex::new(r"20\d\d-(\d\d-\d\dT)").unwrap();
    fs::write(place.session(), year.replace_all(&text, "2093-$1").as_ref()).unwrap();
    place.run(["--demo", "status"]).demand(0);
    apply(&place, &[]).demand(0);
}

#[test]
fn after_an_undo_the_first_open_step_is_here_and_nothing_of_it_is_somebody_elses() {
    let place = Place::new();
    apply(&place, &[]).demand(3);
    apply(&place, &[]).demand(0);
    let first = undo(&place).demand(1).stdout;
    // The unit that stays stopped needs the driver that stays removed.
    assert!(
        lines::tell(&first, "kept", "stop-unit:nvidia-persistenced.service") && !first.contains("systemctl start"),
        "{first}"
    );
    // Only watched, and deleted already: neither is anything that was kept.
    assert!(!first.contains("watch-installer") && !first.contains("test-pod"), "{first}");
    let status = place.run(["--demo", "status", "--json"]).demand(0).json();
    let states: Vec<_> =
        status["steps"].as_array().unwrap().iter().map(|step| step["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["done", "here", "open", "open"]);
    assert_eq!(status["changes"], Value::Array(Vec::new()));
}

#[test]
fn what_only_watched_and_tested_leaves_nothing_to_keep() {
    let place = Place::new();
    apply(&place, &[]).demand(3);
    apply(&place, &[]).demand(0);
    undo(&place).demand(1);
    let text = fs::read_to_string(place.session()).unwrap();
    // As if only step 4 had been done.
    let mut session: gpunode::session::Session = serde_yaml::from_str(&text).unwrap();
    session.journal.retain(|record| record.action.step == gpunode::plan::Step::Verify);
    fs::write(place.session(), serde_yaml::to_string(&session).unwrap() + "...\n").unwrap();
    assert!(place.run(["--demo", "undo"]).demand(0).stdout.contains("nothing to take back"));
    undo(&place).demand(0);
}

#[test]
fn what_a_killed_run_did_itself_is_not_somebody_elses_change() {
    let place = Place::new();
    let file = place.write("answers.yaml", ANSWERS);
    let mut child = place.command(["--demo", "--speed", "0", "apply", "--yes", "--answers", file.to_str().unwrap()]);
    let mut running = child.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(running.stdout.take().unwrap()));
    // Killed as soon as the removal is journalled, long before the step's end, where the machine is looked at again.
    assert!(lines.any(|line| line.unwrap().starts_with("-- done: remove-runfile-driver")));
    running.kill().unwrap();
    running.wait().unwrap();
    let status = place.run(["--demo", "status", "--json"]).demand(0).json();
    let changes: Vec<_> = status["changes"].as_array().unwrap().iter().map(|change| change.as_str().unwrap()).collect();
    assert!(changes.iter().all(|change| change.contains("booted")), "{changes:?}");
    let resumed = apply(&place, &[]);
    assert!(
        !resumed.stdout.lines().any(|line| line.starts_with(".. ") && line.contains("418.87.00")),
        "{}",
        resumed.stdout
    );
}
