//! Sessions that this machine's gpunode has not written as they are: they are shown, and nothing of them is run or
//! taken back.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    process::{Command, Stdio},
};

use super::kill_real::{APPLY, world};
use crate::support::world::World;

const SESSION: &str = "var/lib/gpunode/session.yaml";
const EVIL: &str = "#!/bin/sh\necho evil >> /evil\n";

/// A world that has installed a toolkit, with a program that must never run.
fn installed() -> World {
    let world = world("");
    world.gpunode(&APPLY, 0);
    for path in ["opt/evil/bin/cuda-uninstaller", "opt/evil/bin/nvcc"] {
        world.write(path, EVIL);
        fs::set_permissions(world.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    }
    world
}

/// Changes the session's text; what is changed must be there.
fn forge(world: &World, change: impl Fn(&str) -> String) {
    let text = fs::read_to_string(world.path(SESSION)).unwrap();
    let forged = change(&text);
    assert_ne!(forged, text);
    gpunode::private::write(&world.path(SESSION), forged.as_bytes()).unwrap();
}

/// Leads each undo of an installation, and each installation that is planned, to the program that must never run.
fn lead_astray(text: &str) -> String {
    assert!(text.matches("prefix: /usr/local/cuda-11.0").count() >= 2, "{text}");
    text.replace("prefix: /usr/local/cuda-11.0", "prefix: /opt/evil")
}

/// Takes lines out, or puts others in their place.
fn lines(text: &str, change: impl Fn(&str) -> Option<String>) -> String {
    text.lines().filter_map(|line| change(line).map(|line| line + "\n")).collect()
}

/// Undo, a look, and the next run: nothing of what was forged is run, and what was there stays.
fn demand_harmless(world: &World, what: &str) {
    let shown = world.run("/usr/bin/gpunode", &["undo"]);
    let undone = world.run("/usr/bin/gpunode", &["undo", "--yes"]);
    let texts = [&shown.stdout, &shown.stderr, &undone.stdout, &undone.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(matches!(undone.status.code(), Some(1 | 2)), "{what}: {texts:?}");
    assert!(world.path("usr/local/cuda-11.0/bin/nvcc").exists(), "{what}: {texts:?}");
    let text = texts.concat();
    assert!(
        text.contains("has not made this entry") || text.contains("another machine") || text.contains("another user"),
        "{what}: {text}"
    );
    for args in [&["status"][..], &["report"], &["plan", "--answers", "/root/answers.yaml"], &APPLY] {
        let output = world.run("/usr/bin/gpunode", args);
        assert!(
            matches!(output.status.code(), Some(0..=2)),
            "{what} {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    assert!(!world.path("evil").exists(), "{what}: the forged program ran");
}

#[test]
fn a_session_that_somebody_changed_is_shown_and_not_run() {
    let world = installed();
    forge(&world, lead_astray);
    demand_harmless(&world, "changed parameters");
}

#[test]
fn records_without_a_seal_are_shown_and_not_run() {
    let world = installed();
    let is_seal = |line: &str| line.trim_start().starts_with("seal: ");
    forge(&world, |text| lead_astray(&lines(text, |line| (!is_seal(line)).then(|| line.to_owned()))));
    demand_harmless(&world, "no seal");
}

#[test]
fn a_session_of_another_machine_or_without_its_key_is_shown_and_not_run() {
    for what in ["another machine", "another key", "seals of another session"] {
        let world = installed();
        let put = |name: &'static str, value: &'static str| {
            move |line: &str| Some(if line.starts_with(name) { format!("{name}{value}") } else { line.to_owned() })
        };
        match what {
            "another machine" => {
                forge(&world, |text| lead_astray(&lines(text, put("machine: ", "0123456789abcdef0123456789abcdef"))));
            }
            "another key" => fs::remove_file(world.path("var/lib/gpunode/journal.key")).unwrap(),
            _ => forge(&world, |text| lines(text, put("created: ", "2020-01-01T00:00:00Z"))),
        }
        demand_harmless(&world, what);
    }
}

/// A user's own session, with seals of the user's own key, in the hands of root by `sudo`.
#[test]
fn a_callers_session_is_not_roots_program() {
    let world = World::debian();
    let home = world.path("home/kim");
    fs::create_dir_all(&home).unwrap();
    chown(&home, Some(1000), Some(1000)).unwrap();
    fs::set_permissions(world.root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    world.write(
        "answers.yaml",
        "driver_owner: installer-pod\ndriver_version: \"450.51.06\"\ngpus: [\"10de:1db6\"]\nnode: node1\n",
    );
    let run = |user: Option<&str>, args: &[&str]| {
        let mut command = Command::new("chroot");
        command
            .args(user.map(|user| format!("--userspec={user}:{user}")))
            .arg(world.root.path())
            .arg("/usr/bin/gpunode")
            .args(args);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin")
            .env("HOME", "/home/kim")
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null());
        command.env("GPUNODE_SESSION", "/home/kim/s/session.yaml");
        if user.is_none() {
            command.env("SUDO_UID", "1000").env("SUDO_USER", "kim");
        }
        let output = command.output().unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let apply = run(Some("1000"), &["apply", "--steps", "3", "--yes", "--answers", "/answers.yaml"]);
    assert_eq!(apply.0, Some(0), "{}", apply.1);
    let written = home.join("s/gpu-vars.yml");
    assert!(written.exists());
    assert!(home.join(".local/state/gpunode/journal.key").exists(), "the user has a key");
    let undone = run(None, &["undo", "--yes"]);
    assert_eq!(undone.0, Some(1), "{}", undone.1);
    assert!(undone.1.contains("has not made this entry"), "{}", undone.1);
    assert!(written.exists(), "root took back what the user's session says");
    // The user's own gpunode does.
    let session = home.join("s/session.yaml");
    chown(&session, Some(1000), Some(1000)).unwrap();
    let undone = run(Some("1000"), &["undo", "--yes"]);
    assert_eq!(undone.0, Some(0), "{}", undone.1);
    assert!(!written.exists());
}
