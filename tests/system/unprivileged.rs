//! Without root: looking, planning and simulating work, and what needs root is said with its reason.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use crate::support::program::{Place, Ran, tool};

/// Runs the program as a user who owns nothing, by `setpriv` where the tests themselves run as root.
fn as_nobody(place: &Place, args: &[&str]) -> Ran {
    let plain = place.command(args);
    if !rustix::process::geteuid().is_root() {
        return place.run(args);
    }
    // The build folder may be closed to others, so the program is copied to where they can read it.
    let program = place.path("gpunode");
    fs::copy(plain.get_program(), &program).unwrap();
    for path in [place.folder.path().to_owned(), place.path("home")] {
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::os::unix::fs::chown(place.path("home"), Some(65534), Some(65534)).unwrap();
    let mut command = Command::new(tool("setpriv"));
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program).args(args);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", place.path("home"))
        .env("LANG", "C.UTF-8");
    command.current_dir(place.path("home"));
    Ran::from(command.output().unwrap())
}

#[test]
fn looking_and_simulating_take_no_root() {
    let place = Place::new();
    assert!(matches!(as_nobody(&place, &["detect", "--json"]).code, 1 | 2));
    as_nobody(&place, &["drivers", "--gpu", "10de:1db6"]).demand(0);
    let answers = place.write("a.yaml", "driver_owner: installer-pod\ncuda_version: \"11.0\"\nreboot: now\n");
    fs::set_permissions(&answers, fs::Permissions::from_mode(0o644)).unwrap();
    let answers = answers.to_str().unwrap();
    as_nobody(&place, &["--demo", "--speed", "0", "apply", "--yes", "--answers", answers]).demand(3);
    as_nobody(&place, &["--demo", "--speed", "0", "apply", "--yes", "--answers", answers]).demand(0);
    as_nobody(&place, &["--demo", "report"]).demand(0);
}

#[test]
fn what_needs_root_is_blocked_with_its_reason_and_changes_nothing() {
    let place = Place::new();
    let answers =
        place.write("a.yaml", "driver_owner: installer-pod\ncuda_version: \"11.0.3\"\ngpus: [\"10de:1db6\"]\n");
    fs::set_permissions(&answers, fs::Permissions::from_mode(0o644)).unwrap();
    let answers = answers.to_str().unwrap();
    let plan = as_nobody(&place, &["plan", "--json", "--answers", answers]);
    let actions = plan.json()["actions"].clone();
    let blocked: Vec<_> = actions
        .as_array()
        .unwrap()
        .iter()
        .filter(|action| action["step"] == 2 && action["state"] == "blocked")
        .collect();
    assert!(!blocked.is_empty(), "{actions}");
    assert!(blocked.iter().all(|action| action["why"].as_str().unwrap().contains("root")), "{blocked:?}");
    // Each says why it is root's, and what can be done without them.
    let set_paths = blocked.iter().find(|action| action["id"] == "set-paths").unwrap();
    assert!(
        set_paths["root_because"] == "it writes to /etc"
            && set_paths["why"].as_str().unwrap().contains("it writes to /etc")
    );
    let text = as_nobody(&place, &["plan", "--answers", answers]).stdout;
    assert!(
        text.contains("Only root can do these")
            && text.contains("PATH: it writes to /etc")
            && text.contains("run as this user"),
        "{text}"
    );
    let refused = as_nobody(&place, &["apply", "--yes", "--steps", "2", "--answers", answers]);
    refused.demand_error(
        1,
        &["only root can do this", "it writes to /etc", "nothing was changed", "leave_out: [", "set-paths"],
    );
    // Root's own place is closed, and that is said.
    let closed = as_nobody(&place, &["--session", "/root/closed/session.yaml", "--demo", "status"]);
    assert_eq!(closed.code, 2, "{}", closed.stdout);
}
