//! Today's cluster, told by the headless and the plain face on a simulated machine: from a bare card to a pod that
//! computes, with the driver on the host; and choices that the story does not expect.

use std::process::Stdio;

use crate::support::program::{Place, Ran};
use serde_json::Value;

const DEMO: &str = "--demo=ubuntu-2404";
const ANSWERS: &str = "driver_owner: host\ncuda_version: none\nreboot: now\n";

fn apply(place: &Place, answers: &str) -> Ran {
    let file = place.write("answers.yaml", answers);
    place.run([DEMO, "--speed", "0", "apply", "--yes", "--answers", file.to_str().unwrap()])
}

fn json(place: &Place, args: &[&str]) -> Value {
    let ran = place.run([&[DEMO], args].concat());
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ran.stdout, ran.stderr))
}

/// Ids of what was done, with their status, in order.
fn done(place: &Place) -> Vec<(String, String)> {
    let report = json(place, &["report", "--format", "json"]);
    let text = |value: &Value| value.as_str().unwrap().split(':').next().unwrap().to_owned();
    report["actions"].as_array().unwrap().iter().map(|action| (text(&action["id"]), text(&action["status"]))).collect()
}

#[test]
fn from_a_bare_card_to_a_pod_that_computes() {
    let place = Place::new();
    let first = apply(&place, ANSWERS).demand(3).stdout;
    for told in
        ["Setting up linux-modules-nvidia-580-server-open-generic", "-- done: install-driver", "-- done: hold-packages"]
    {
        assert!(first.contains(told), "{told}\n{first}");
    }
    // The machine is what the commands made of it, before the reboot and after.
    let now = json(&place, &["detect", "--json"]);
    assert_eq!(now["driver"]["loaded_version"], "580.178.04");
    assert_eq!(now["gpus"][0]["kernel_driver"], "nvidia");
    let second = apply(&place, ANSWERS).demand(0).stdout;
    assert!(second.contains("| NVIDIA-SMI 580.178.04"), "{second}");
    assert!(second.contains("runtimeclass.node.k8s.io/nvidia serverside-applied"), "{second}");
    let report = json(&place, &["report", "--format", "json"]);
    assert_eq!(
        (&report["verdict"]["verdict"], &report["simulated"]),
        (&Value::from("ok"), &Value::from("ubuntu-2404"))
    );
    let done = done(&place);
    assert!(
        done.iter().all(|(_, status)| ["done", "already-done", "already_done"].contains(&status.as_str())),
        "{done:?}"
    );
    place.run([DEMO, "verify"]).demand(0);
    // A second time, nothing is left to do but to look again.
    let third = apply(&place, ANSWERS).demand(0).stdout;
    assert!(!third.contains("apt-get") && !third.contains("serverside-applied"), "{third}");
    place.run([DEMO, "report"]).demand(0).stdout.find("Simulated (ubuntu-2404)").unwrap();
}

/// What was proved is proved again after a boot, and the report carries it.
#[test]
fn a_second_boot_proves_the_whole_chain_again() {
    let place = Place::new();
    let verify = || place.run([DEMO, "--speed", "0", "verify", "--after-boot"]);
    apply(&place, ANSWERS).demand(3);
    // A chain that does not hold is none to prove again.
    assert!(verify().demand(1).stdout.contains("Nothing is noted"));
    apply(&place, ANSWERS).demand(0);
    let first = verify().demand(0).stdout;
    assert!(first.contains("The simulated machine was booted again") && !first.contains("Certificate"), "{first}");
    let second = verify().demand(0).stdout;
    let boots: Vec<&str> = second.lines().filter_map(|line| line.split_once(", boot ")?.1.split(':').next()).collect();
    assert!(second.contains("Certificate") && boots.len() == 2 && boots[0] != boots[1], "{second}");
    let report = place.run([DEMO, "report"]).demand(0).stdout;
    assert!(boots.iter().all(|boot| report.contains(boot)) && report.contains("Certificate"), "{report}");
    let json = json(&place, &["report", "--format", "json"]);
    assert_eq!(json["second_boot"]["proven"]["boot_id"], boots[1]);
    // What a later look says without the flag is the same.
    assert!(place.run([DEMO, "verify"]).demand(0).stdout.contains(boots[1]));
}

#[test]
fn the_recommended_owner_is_the_hosts_on_every_face() {
    let place = Place::new();
    for args in [&["plan", "--json"][..], &["vars", "--json"], &["drivers", "--json"]] {
        let told = json(&place, args);
        assert_eq!(told["owner"], "host", "{args:?}");
        let best: Vec<&Value> =
            told["owners"].as_array().unwrap().iter().filter(|fit| fit["recommended"] == true).collect();
        assert_eq!((best.len(), &best[0]["owner"]), (1, &Value::from("host")), "{args:?}");
    }
    // The seed's machine keeps its own.
    assert_eq!(place.run(["--demo", "vars", "--json"]).json()["owner"], "installer-pod");
}

#[test]
fn an_owner_that_cannot_work_is_not_begun() {
    let place = Place::new();
    let refused = apply(&place, "driver_owner: installer-pod\ncuda_version: none\n").demand(1);
    let told = refused.stdout.clone() + &refused.stderr;
    assert!(told.contains("its GPU role would do nothing") && told.contains("owner"), "{told}");
    assert!(!told.contains("-- 1/"), "{told}");
}

#[test]
fn what_the_story_does_not_expect_ends_in_sensible_words() {
    // The module stays away: the test pod says what is missing, and nothing is claimed.
    let place = Place::new();
    apply(&place, &format!("{ANSWERS}leave_out: [install-driver]\n"));
    let told = apply(&place, &format!("{ANSWERS}leave_out: [install-driver]\n"));
    let text = told.stdout + &told.stderr;
    assert!(text.contains("-- failed:") && !text.contains("no rule"), "{text}");
    // The playbooks are not run: step 4 finds no runtime.
    let place = Place::new();
    let refused = format!("{ANSWERS}run_playbooks: false\n");
    apply(&place, &refused).demand(3);
    let told = apply(&place, &refused).demand(1);
    let text = told.stdout + &told.stderr;
    assert!(text.contains("failed: watch-device-plugin") && !text.contains("no rule"), "{text}");
    assert!(place.run([DEMO, "verify"]).demand(1).stdout.contains("nvidia"));
}

#[test]
fn undo_takes_the_hosts_driver_back() {
    let place = Place::new();
    apply(&place, ANSWERS).demand(3);
    apply(&place, ANSWERS).demand(0);
    let undone = place.run([DEMO, "--speed", "0", "undo", "--yes"]).stdout;
    assert!(
        undone.contains("Removing nvidia-headless-no-dkms-580-server-open") || undone.contains("apt-get"),
        "{undone}"
    );
    let now = json(&place, &["detect", "--json"]);
    assert!(!now["driver"]["ledger"].to_string().contains("nvidia-headless"), "{now}");
}

/// The questions, one after the other, each answered with its default but those that change the machine.
#[test]
fn the_plain_face_walks_the_same_way() {
    let place = Place::new();
    let mut command = place.command([DEMO, "--speed", "0", "--plain"]);
    command.env("TERM", "dumb").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Detect: go on; owner and toolkit: the defaults; run step 2, reboot, run step 3, run step 4.
    let answers = "\n\n\n\ny\ny\ny\ny\ny\n";
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), answers.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("host: a driver installed on this machine"), "{text}");
    assert!(text.contains("(recommended)") && text.contains("(does not work)"), "{text}");
    assert!(output.status.code() != Some(2), "{text}");
}
