//! The seed's story and its Error 1, told by the headless face on a simulated machine.

use crate::support::{
    lines,
    program::{Place, Ran},
};
use serde_json::Value;

const ANSWERS: &str = "driver_owner: installer-pod\ncuda_version: \"11.0\"\nreboot: now\n";

fn apply(place: &Place, scenario: &str, answers: &str) -> Ran {
    let file = place.write("answers.yaml", answers);
    place.run([&format!("--demo={scenario}"), "--speed", "0", "apply", "--yes", "--answers", file.to_str().unwrap()])
}

fn report(place: &Place, scenario: &str) -> Value {
    place.run([&format!("--demo={scenario}"), "report", "--format", "json"]).demand(0).json()
}

/// Returns id and status of everything that was done, in order.
fn done(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    report["actions"].as_array().unwrap().iter().map(|action| (text(&action["id"]), text(&action["status"]))).collect()
}

#[test]
fn the_seeds_story_from_bare_card_to_verified_node() {
    let place = Place::new();
    let first = apply(&place, "seed", ANSWERS).demand(3);
    assert!(first.stdout.contains("-- done: remove-runfile-driver"), "{}", first.stdout);
    assert!(first.stdout.contains("driver not touched"), "{}", first.stdout);
    let second = apply(&place, "seed", ANSWERS).demand(0);
    assert!(second.stdout.contains("Updating host's ld cache... DONE."), "{}", second.stdout);
    assert!(second.stdout.contains("| NVIDIA-SMI 450.51.06    Driver Version: 450.51.06    CUDA Version: 11.0     |"));
    let report = report(&place, "seed");
    assert_eq!(report["verdict"]["verdict"], "ok");
    assert_eq!(report["simulated"], "seed");
    assert!(
        report["verdict"]["checks"].as_array().unwrap().iter().all(|check| check["state"] == "pass"),
        "{}",
        report["verdict"]
    );
    let ids: Vec<_> = done(&report).into_iter().map(|(id, _)| id.split(':').next().unwrap().to_owned()).collect();
    let expected = [
        "stop-unit",
        "remove-runfile-driver",
        "fetch-runfile",
        "install-toolkit",
        "set-paths",
        "reboot",
        "edit-file",
        "edit-file",
        "run-playbook",
        "watch-installer",
        "test-pod",
    ];
    assert_eq!(ids, expected);
    place.run(["--demo", "verify"]).demand(0);
    let text = place.run(["--demo", "report"]).demand(0).stdout;
    assert!(text.contains("Simulated (seed)"), "{text}");
}

#[test]
fn a_second_apply_changes_nothing() {
    let place = Place::new();
    apply(&place, "seed", ANSWERS).demand(3);
    apply(&place, "seed", ANSWERS).demand(0);
    let before = done(&report(&place, "seed"));
    let again = apply(&place, "seed", ANSWERS).demand(0);
    assert!(!again.stdout.contains("nvidia-uninstall --silent"), "{}", again.stdout);
    let after = done(&report(&place, "seed"));
    // The test pod alone runs again: a test of the past proves nothing about now.
    assert_eq!(after.len(), before.len() + 1);
}

#[test]
fn the_seeds_error_one_is_named_and_the_second_try_works() {
    let place = Place::new();
    let keep = format!("{ANSWERS}leave_out: [remove-runfile-driver]\ndespite: [host-driver]\n");
    let failed = apply(&place, "already-loaded", &keep).demand(1);
    assert!(failed.stdout.contains("appears to already be loaded"), "{}", failed.stdout);
    assert!(
        failed.stdout.contains("-- failed: watch-installer\n   | The kernel module nvidia is already loaded"),
        "{}",
        failed.stdout
    );
    apply(&place, "already-loaded", ANSWERS).demand(3);
    apply(&place, "already-loaded", ANSWERS).demand(0);
    assert_eq!(report(&place, "already-loaded")["verdict"]["verdict"], "ok");
}

#[test]
fn undo_walks_back_what_can_be_walked_back() {
    let place = Place::new();
    apply(&place, "seed", ANSWERS).demand(3);
    apply(&place, "seed", ANSWERS).demand(0);
    let listed = place.run(["--demo", "undo"]).demand(0).stdout;
    assert!(listed.contains("Nothing was changed"), "{listed}");
    // What cannot be taken back is said, and the exit status says that something was kept.
    let undone = place.run(["--demo", "--speed", "0", "undo", "--yes"]).demand(1).stdout;
    for id in ["set-paths", "install-toolkit", "fetch-runfile"] {
        assert!(lines::tell(&undone, "undone", id), "{undone}");
    }
    assert!(lines::tell(&undone, "undone", "edit-file"), "{undone}");
    assert!(lines::tell(&undone, "kept", "remove-runfile-driver"), "{undone}");
    assert_eq!(
        place.run(["--demo", "detect", "--json"]).json()["driver"]["ledger"]
            .to_string()
            .matches("cuda-toolkit")
            .count(),
        0
    );
}
