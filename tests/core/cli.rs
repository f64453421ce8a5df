//! The command line as scripts see it: exit codes, JSON, and what it says about bad input.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

use crate::support::{
    kubespray::{RELEASES, inventories_of, lay_out},
    program::{self, Place},
};
use gpunode::host::replay::scenario::Recording;
use serde_json::Value;

#[test]
fn this_machine_has_no_gpu_and_says_so() {
    let ran = Place::new().run(["detect", "--json"]);
    // A test machine without a PCI bus at all cannot tell, which is its own exit status.
    assert!(matches!(ran.code, 1 | 2), "{}", ran.stderr);
    let facts = ran.json();
    assert_eq!(facts["gpus"], Value::Array(Vec::new()));
    let ids: Vec<_> =
        facts["findings"].as_array().unwrap().iter().map(|finding| finding["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"no-gpu") || ids.contains(&"no-pci-bus"), "{ids:?}");
    for key in ["os_id", "os_version", "kernel", "architecture", "boot_id"] {
        assert!(facts["host"][key].as_str().is_some_and(|value| !value.is_empty()), "host.{key}: {}", facts["host"]);
    }
}

#[test]
fn a_folder_is_read_as_a_machine() {
    let place = Place::new();
    let card = "root/sys/bus/pci/devices/0000:18:00.0";
    for (name, text) in [
        ("vendor", "0x10de"),
        ("device", "0x1db6"),
        ("class", "0x030200"),
        ("subsystem_vendor", "0x10de"),
        ("subsystem_device", "0x124a"),
    ] {
        place.write(&format!("{card}/{name}"), text);
    }
    place.write("root/etc/os-release", "ID=centos\nVERSION_ID=\"7\"\n");
    place.write("root/proc/modules", "nouveau 1662531 0 - Live 0x0\n");
    let root = place.path("root");
    let facts = place.run(["detect", "--json", "--root", root.to_str().unwrap()]).demand(0).json();
    assert_eq!(facts["gpus"][0]["name"], "Tesla V100-PCIE-32GB");
    assert_eq!(facts["gpus"][0]["compute_capability"], "7.0");
    assert_eq!(facts["gpus"][0]["kernel_module"], "proprietary_only");
    assert_eq!(facts["driver"]["modules"][0]["name"], "nouveau");
    assert_eq!(facts["host"]["os_id"], "centos");
}

#[test]
fn the_drivers_of_the_seed_are_recommended() {
    let place = Place::new();
    for (cuda, version, date) in [("10.2", "440.95.01", "2020-06-24"), ("11.0", "450.51.06", "2020-07-28")] {
        let table = place.run(["drivers", "--gpu", "10de:1db6", "--cuda", cuda, "--json"]).demand(0).json();
        let row = table["drivers"].as_array().unwrap().iter().find(|row| row["recommended"] == true).unwrap();
        assert_eq!((row["version"].as_str(), row["release_date"].as_str()), (Some(version), Some(date)));
        assert_eq!(row["cuda_version"], cuda);
    }
}

#[test]
fn an_unknown_cuda_version_is_named_as_such_with_those_around_it() {
    let place = Place::new();
    let drivers = |version: &str| place.run(["drivers", "--gpu", "10de:1db6", "--cuda", version]);
    drivers("11.9").demand_error(2, &["no CUDA toolkit 11.9", "11.8", "drivers --all"]);
    drivers("99").demand_error(2, &["no CUDA toolkit 99", "13."]);
    drivers("0").demand_error(2, &["no CUDA toolkit 0", "known nearby"]);
    drivers("11").demand(0);
    let answers = place.write("a.yaml", "driver_owner: installer-pod\ncuda_version: \"11.9\"\ngpus: [\"10de:1db6\"]\n");
    place.run(["plan", "--answers", answers.to_str().unwrap()]).demand_error(2, &["no CUDA toolkit 11.9", "11.8"]);
}

#[test]
fn every_inventory_of_every_release_can_be_previewed() {
    let place = Place::new();
    let mut previewed = 0;
    for release in RELEASES {
        let folder = place.path(release);
        lay_out(release, &folder);
        for inventory in inventories_of(release) {
            let inventory = folder.join(inventory);
            let (checkout, path) = (folder.to_str().unwrap(), inventory.to_str().unwrap());
            let ran = place.run([
                "vars",
                "--kubespray",
                checkout,
                "--inventory",
                path,
                "--control-plane-os",
                "centos-7",
                "--json",
            ]);
            assert!(matches!(ran.code, 0 | 1), "{path}: {}", ran.stderr);
            let preview = ran.json();
            assert_eq!(preview["release"].as_str(), Some(release), "{path}");
            assert!(preview["variables"].as_array().unwrap().len() >= 14, "{path}");
            assert!(
                ["works", "no_op", "broken", "unknown"].contains(&preview["capability"]["verdict"].as_str().unwrap()),
                "{path}"
            );
            previewed += 1;
        }
    }
    assert_eq!(previewed, 20, "8 samples, 8 of one machine, 4 generated ones");
}

#[test]
fn bad_input_gets_a_clear_error() {
    let place = Place::new();
    let typo = place.write("typo.yaml", "driver_owner: installer-pod\ndriver_verison: \"450.51.06\"\n");
    let unknown = place
        .write("unknown.yaml", "driver_owner: installer-pod\ndriver_version: \"450.99.99\"\ngpus: [\"10de:1db6\"]\n");
    let binary = place.path("binary.yaml");
    fs::write(&binary, [0, 159, 146, 150]).unwrap();
    let [typo, unknown, binary] = [&typo, &unknown, &binary].map(|path| path.to_str().unwrap());
    place.run(["plan", "--answers", typo]).demand_error(2, &["typo.yaml:2", "driver_verison"]);
    place.run(["plan", "--answers", unknown]).demand_error(2, &["450.99.99"]);
    place.run(["plan", "--answers", binary]).demand_error(2, &["binary.yaml"]);
    place.run(["plan", "--answers", "nowhere.yaml"]).demand_error(2, &["nowhere.yaml"]);
    place.run(["apply", "--answers", typo]).demand_error(2, &["driver_verison"]);
    place.run(["vars", "--kubespray", "/nowhere"]).demand_error(2, &["/nowhere"]);
    place.run(["detect", "--root", "/nowhere"]).demand_error(2, &["/nowhere"]);
    place.run(["--demo=nothing", "detect"]).demand_error(2, &["nothing", "seed"]);
    place.run(["--replay", typo, "detect"]).demand_error(2, &["typo.yaml"]);
    place.run(["drivers", "--gpu", "1234:zzzz"]).demand_error(2, &["1234:zzzz"]);
    place.run(["diagnose", "/nowhere"]).demand_error(2, &["/nowhere"]);
    place.run(["status"]).demand_error(2, &["session"]);
    place.run([] as [&str; 0]).demand_error(2, &["terminal"]);
}

#[test]
fn a_wrong_command_line_is_told_in_two_lines_like_every_error() {
    let place = Place::new();
    for (args, words) in [
        (&["detect", "--speed=-1"][..], &["--speed", "expected a number"][..]),
        (&["--nonsense"], &["--nonsense"]),
        (&["detect", "--jsn"], &["--jsn", "--json"]),
        (&["aplly"], &["aplly", "apply"]),
        (&["apply"], &["--answers <FILE>"]),
        (&["apply", "--until", "9", "--answers", "x"], &["--until", "1..=4"]),
        (&["--lang", "fr"], &["--lang", "en, ko"]),
        (&["--demo", "--replay", "x"], &["--demo", "--replay"]),
        (&["--demo", "nope"], &["nope", "--demo=NAME", "seed, already-loaded, ubuntu-2404"]),
        (&["--demo=nope"], &["nope", "seed, already-loaded, ubuntu-2404"]),
        (&["nope"], &["nope"]),
    ] {
        let ran = place.run(args).demand_error(2, words);
        assert!(ran.stderr.starts_with("gpunode: ") && ran.stderr.lines().count() == 2, "{args:?}: {}", ran.stderr);
    }
    assert!(place.run(["--help"]).demand(0).stdout.contains("Usage:"));
    assert!(place.run(["--version"]).demand(0).stderr.is_empty());
}

#[test]
fn a_variable_that_is_set_to_nothing_is_not_set() {
    let place = Place::new();
    let all = [
        "GPUNODE_SESSION",
        "XDG_STATE_HOME",
        "KUBECONFIG",
        "NO_COLOR",
        "LC_ALL",
        "LC_MESSAGES",
        "TERM",
        "TMPDIR",
        "SUDO_USER",
    ];
    let run = |args: &[&str]| {
        let mut command = place.command(args);
        command.envs(all.map(|name| (name, "")));
        program::Ran::from(command.output().unwrap())
    };
    let answers = place.write("a.yaml", "driver_owner: installer-pod\n");
    run(&["--demo", "--speed", "0", "apply", "--yes", "--until", "1", "--answers", answers.to_str().unwrap()])
        .demand(0);
    assert!(place.path(".local/state/gpunode/simulated/seed/session.yaml").exists());
    run(&["--demo", "status"]).demand(0);
    run(&["drivers", "--gpu", "10de:1db6"]).demand(0);
    // A relative place would be another one in each folder.
    let mut relative = place.command(["--demo", "status"]);
    program::Ran::from(relative.env("GPUNODE_SESSION", "").env("XDG_STATE_HOME", "state").output().unwrap()).demand(0);
    // Nor does an empty PATH run what lies in the present folder.
    let planted = place.write("gcc", "#!/bin/sh\necho 99.9\n");
    fs::set_permissions(&planted, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = place.command(["detect", "--json"]);
    let facts = program::Ran::from(command.env("PATH", "").output().unwrap()).json();
    assert_ne!(facts["host"]["gcc_version"], "99.9");
}

#[test]
fn nothing_is_changed_without_yes() {
    let place = Place::new();
    let answers = place.write("a.yaml", "driver_owner: installer-pod\n");
    place.run(["--demo", "apply", "--answers", answers.to_str().unwrap()]).demand_error(2, &["--yes"]);
    assert!(!place.session().exists());
}

#[test]
fn a_missing_kubectl_and_a_dead_api_server_are_told_apart() {
    let place = Place::new();
    let kubeconfig = "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: \"http://127.0.0.1:1\"}}]\n\
        contexts: [{name: c, context: {cluster: c, user: u}}]\ncurrent-context: c\nusers: [{name: u, user: {}}]\n";
    let kubeconfig = place.write("kubeconfig", kubeconfig);
    let dead =
        place.run(["verify", "--json", "--kubeconfig", kubeconfig.to_str().unwrap(), "--node", "node1"]).demand(2);
    assert_eq!(dead.json()["verdict"], "unknown");
    let scenario = place.write("bare.yaml", "about:\n  title: {en: bare}\nfiles: {/etc/hostname: \"node1\\n\"}\n");
    place.run(["--replay", scenario.to_str().unwrap(), "verify"]).demand_error(2, &["kubectl"]);
}

#[test]
fn a_session_of_another_machine_is_left_alone() {
    let place = Place::new();
    let answers = place.write("a.yaml", "driver_owner: installer-pod\ncuda_version: none\n");
    let answers = answers.to_str().unwrap();
    place.run(["--demo", "--speed", "0", "apply", "--answers", answers, "--yes", "--until", "1"]).demand(0);
    let before = fs::read(place.session()).unwrap();
    place
        .run(["--demo=already-loaded", "--speed", "0", "apply", "--answers", answers, "--yes"])
        .demand_error(2, &["another machine"]);
    assert_eq!(fs::read(place.session()).unwrap(), before);
}

#[test]
fn a_damaged_session_is_kept_and_named() {
    let place = Place::new();
    let answers = place.write("a.yaml", "driver_owner: installer-pod\n");
    for text in ["", "schema_version: 999\n", "\u{1}\u{2}"] {
        place.write("state/session.yaml", text);
        let args = ["--demo", "apply", "--yes", "--answers", answers.to_str().unwrap()];
        place.run(args).demand_error(2, &["session.yaml"]);
        assert_eq!(fs::read_to_string(place.session()).unwrap(), text);
    }
}

#[test]
fn diagnosis_reads_standard_input_and_knows_the_seeds_error() {
    let place = Place::new();
    let good = place.write("good.log", "Updating host's ld cache... DONE.\n");
    place.run(["diagnose", good.to_str().unwrap()]).demand(0);
    let bad = place.write(
        "bad.log",
        "ERROR: An NVIDIA kernel module 'nvidia' appears to already be loaded in your\n       kernel.\n",
    );
    let hits = place.run(["diagnose", "--json", bad.to_str().unwrap()]).demand(1).json();
    assert_eq!(hits["hits"][0]["signature"], "module-loaded");
    assert_eq!(hits["hits"][0]["line_number"], 1);
}

#[test]
fn a_recorded_machine_replays() {
    let place = Place::new();
    let file = place.path("machine.yaml");
    let file = file.to_str().unwrap();
    place.run(["--demo", "record", file]).demand(0);
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    let facts = place.run(["--replay", file, "detect", "--json"]).demand(0).json();
    assert_eq!(facts["gpus"][0]["device_id"], "1db6");
    assert_eq!(facts["driver"]["loaded_version"], "418.87.00");
    assert_eq!(facts["gpus"][0]["nvml"]["uuid"], "GPU-00000000-0000-0000-0000-000000000000");
}

/// Takes out of the facts what a recording must not hold (names, serial numbers, arguments of processes), or what
/// another moment answers differently.
fn comparable(mut facts: Value) -> Value {
    let host = facts["host"].as_object_mut().unwrap();
    for name in ["hostname", "boot_id", "root"] {
        host.remove(name);
    }
    for space in host["free_space"].as_object_mut().unwrap().values_mut() {
        *space = Value::Null;
    }
    for gpu in facts["gpus"].as_array_mut().unwrap() {
        for name in ["uuid", "temperature_c"] {
            gpu["nvml"].as_object_mut().map(|nvml| nvml.remove(name));
        }
    }
    for holder in facts["driver"]["holders"].as_array_mut().unwrap() {
        holder["command"] = holder["command"].as_str().unwrap().split(' ').next().into();
    }
    for gpu in facts["driver"]["nvml"]["answer"]["gpus"].as_array_mut().into_iter().flatten() {
        gpu["uuid"] = Value::Null;
        gpu["temperature_c"] = Value::Null;
    }
    facts
}

#[test]
fn a_recording_tells_the_same_story_as_its_machine() {
    for demo in [&[][..], &["--demo", "--speed", "0"], &["--demo=already-loaded", "--speed", "0"]] {
        let place = Place::new();
        let file = place.path("machine.yaml");
        let file = file.to_str().unwrap();
        let run = |args: &[&str]| place.run(demo.iter().chain(args));
        run(&["record", file]).demand(0);
        let live = run(&["detect", "--json"]);
        let replayed = place.run(["--replay", file, "detect", "--json"]).demand(live.code);
        assert_eq!(comparable(live.json()), comparable(replayed.json()), "{demo:?}");
        // The package manager was asked too.
        let plan = |machine: &[&str]| {
            let answers = place.write("a.yaml", "driver_owner: installer-pod\ncuda_version: none\n");
            let ran = place.run(machine.iter().chain(&["plan", "--json", "--answers", answers.to_str().unwrap()]));
            let plan: Value = serde_json::from_str(&ran.stdout).unwrap();
            plan["preflight"].as_array().unwrap().iter().find(|row| row["id"] == "headers").cloned()
        };
        assert_eq!(plan(demo), plan(&["--replay", file]), "{demo:?}");
    }
}

/// Writes answers that want a toolkit, and what else is said.
fn wants_toolkit(place: &Place, more: &str) -> String {
    let answers = place.write("toolkit.yaml", &format!("driver_owner: installer-pod\ncuda_version: \"11.0\"\n{more}"));
    answers.to_str().unwrap().to_owned()
}

/// Returns the pre-flight of a machine, by the checks' names; what another moment or inventory answers differently is
/// left out.
fn preflight(place: &Place, machine: &[&str], answers: &str) -> BTreeMap<String, Value> {
    let ran = place.run(machine.iter().chain(&["plan", "--json", "--answers", answers]));
    let plan: Value = serde_json::from_str(&ran.stdout).unwrap();
    let rows =
        plan["preflight"].as_array().unwrap().iter().map(|row| (row["id"].as_str().unwrap().to_owned(), row.clone()));
    rows.filter(|(id, _)| !id.starts_with("space:") && !id.starts_with("registry:")).collect()
}

#[test]
fn a_recording_foresees_what_its_machine_does() {
    for demo in [&[][..], &["--demo", "--speed", "0"], &["--demo=already-loaded", "--speed", "0"]] {
        let place = Place::new();
        let file = place.path("machine.yaml");
        let file = file.to_str().unwrap();
        // Nobody has decided on a toolkit yet.
        place.run(demo.iter().chain(&["record", file])).demand(0);
        let answers = wants_toolkit(&place, "gpus: [\"10de:1db6\"]\n");
        let (live, replayed) = (preflight(&place, demo, &answers), preflight(&place, &["--replay", file], &answers));
        assert!(live.contains_key("libxml2") && live.keys().eq(replayed.keys()), "{live:#?}\n{replayed:#?}");
        for (id, row) in replayed {
            // What the network answers is known for what was asked then; the arguments of processes are not kept.
            let is_unasked = row["evidence"].as_str().unwrap().contains("this recording does not know `curl");
            let is_same = row == live[&id] || (id == "holders" && row["says"] == live[&id]["says"]);
            assert!(is_same || (is_unasked && row["says"] == "unknown"), "{demo:?} {row:#}\n{:#}", live[&id]);
        }
    }
}

#[test]
fn a_recording_calls_nothing_missing_that_was_not_asked() {
    let place = Place::new();
    let file = place.path("machine.yaml");
    place.run(["--demo", "record", file.to_str().unwrap()]).demand(0);
    let mut recording: Recording = serde_yaml::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let is_other = |path: &Path| !path.ends_with("libxml2.so.2");
    recording.files.retain(|path, _| is_other(path));
    recording.about.absent.retain(|path| is_other(path));
    recording.commands.retain(|rule| rule.command[0] != "curl");
    fs::write(&file, serde_yaml::to_string(&recording).unwrap()).unwrap();
    let machine = ["--replay", file.to_str().unwrap()];
    let given = preflight(&place, &machine, &wants_toolkit(&place, "cuda_runfile: /mnt/cuda.run\n"));
    let mut rows = preflight(&place, &machine, &wants_toolkit(&place, ""));
    rows.insert("local-runfile".to_owned(), given["local-runfile"].clone());
    for id in ["libxml2", "local-runfile", "runfile-address"] {
        assert!(
            rows[id]["says"] == "unknown" && rows[id]["evidence"].as_str().unwrap().contains("this recording does not"),
            "{}",
            rows[id]
        );
    }
    place.run(machine.iter().chain(&["verify"])).demand_error(2, &["this recording does not know `kubectl`"]);
}

#[test]
fn a_recording_says_that_it_shows_no_changes() {
    let place = Place::new();
    let file = place.path("machine.yaml");
    let file = file.to_str().unwrap();
    place.run(["--demo", "record", file]).demand(0);
    let answers = wants_toolkit(&place, "");
    let applied =
        place.run(["--replay", file, "apply", "--yes", "--until", "2", "--answers", &answers]).demand(1).stdout;
    let undone = place.run(["--replay", file, "undo", "--yes"]).demand(1).stdout;
    for (text, command) in [
        (applied, "systemctl stop nvidia-persistenced.service"),
        (undone, "systemctl start nvidia-persistenced.service"),
    ] {
        let words = format!("this recording does not know `{command}`: it shows detection and planning, not changes");
        assert!(text.contains(&words) && !text.contains("is not installed"), "{text}");
    }
}

#[test]
fn the_other_commands_answer() {
    let place = Place::new();
    assert!(place.run(["scenarios"]).demand(0).stdout.contains("gpunode --demo=already-loaded"));
    assert!(place.run(["--lang", "ko", "scenarios"]).demand(0).stdout.contains("호스트"));
    assert!(place.run(["completions", "bash"]).demand(0).stdout.contains("_gpunode"));
    assert!(place.run(["man"]).demand(0).stdout.starts_with(".ie"));
    assert!(place.run(["--version"]).demand(0).stdout.starts_with("gpunode "));
    for verb in [
        "detect", "drivers", "vars", "plan", "apply", "tail", "diagnose", "verify", "status", "undo", "report",
        "record",
    ] {
        assert!(place.run([verb, "--help"]).demand(0).stdout.contains("Usage:"), "{verb}");
    }
}

#[test]
fn without_an_inventory_the_values_go_into_a_file_to_carry() {
    let place = Place::new();
    let answers = place.write(
        "a.yaml",
        "driver_owner: installer-pod\ndriver_version: \"450.51.06\"\ngpus: [\"10de:1db6\"]\nnode: node1\n",
    );
    let args = ["apply", "--steps", "3", "--yes", "--answers", answers.to_str().unwrap()];
    place.run(args).demand(0);
    let file = place.path("state/gpu-vars.yml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("nvidia_driver_version: \"450.51.06\""), "{text}");
    place.run(["undo", "--yes"]).demand(0);
    assert!(!file.exists());
}

#[test]
fn looking_at_a_simulated_machine_writes_nothing() {
    let place = Place::new();
    let session = place.path("elsewhere/session.yaml");
    for command in ["detect", "drivers", "vars", "plan"] {
        place.run(["--demo", "--session", session.to_str().unwrap(), command]);
        assert!(!place.path("elsewhere").exists(), "{command}");
    }
}

#[test]
fn a_plan_without_a_card_says_so_first() {
    let place = Place::new();
    place.write("root/etc/os-release", "ID=ubuntu\nVERSION_ID=\"24.04\"\n");
    place.write("root/sys/bus/pci/devices/.keep", "");
    let root = place.path("root");
    let plan = |answers: &str| {
        let answers = place.write("a.yaml", answers);
        place.run(["--root", root.to_str().unwrap(), "plan", "--answers", answers.to_str().unwrap()])
    };
    let without = plan("driver_owner: installer-pod\ncuda_version: \"11.0\"\n").demand(2);
    assert!(
        without.stdout.starts_with("✗ There is no NVIDIA GPU on the PCI bus.") && !without.stdout.contains("[needed]"),
        "{}",
        without.stdout
    );
    assert!(without.stderr.contains("nothing is planned") && without.stderr.contains("`gpus`"), "{}", without.stderr);
    let answers = place.write("a.yaml", "driver_owner: installer-pod\n");
    let apply = ["--root", root.to_str().unwrap(), "apply", "--yes", "--answers", answers.to_str().unwrap()];
    place.run(apply).demand_error(2, &["nothing is planned", "`gpus`"]);
    let plan = |answers: &str| plan(answers).stdout;
    assert!(
        !plan("driver_owner: installer-pod\ngpus: [\"10de:1db6\"]\n").contains("no NVIDIA GPU"),
        "one that will come was named"
    );
}

#[test]
fn a_recording_replaces_no_file_unasked() {
    let place = Place::new();
    let file = place.write("mine.yaml", "precious\n");
    place
        .run(["--demo", "record", file.to_str().unwrap()])
        .demand_error(2, &["mine.yaml", "left as it is", "another file"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious\n");
    std::os::unix::fs::symlink("nowhere", place.path("link.yaml")).unwrap();
    place.run(["--demo", "record", place.path("link.yaml").to_str().unwrap()]).demand_error(2, &["link.yaml"]);
}

#[test]
fn a_tail_without_an_installer_does_not_wait_for_ever() {
    let place = Place::new();
    place.run(["--demo", "--speed", "0", "tail"]).demand_error(2, &["DaemonSet"]);
}

#[test]
fn the_tail_of_a_file_ends_as_its_log_says() {
    let place = Place::new();
    for (text, code) in [
        ("Updating host's ld cache...\nUpdating host's ld cache... DONE.\n", 0),
        ("ERROR: An NVIDIA kernel module 'nvidia' appears to already be loaded in your\n       kernel.\n", 1),
        ("some line\n", 2),
        ("", 2),
    ] {
        let log = place.write("log", text);
        place.run(["tail", "--file", log.to_str().unwrap()]).demand(code);
    }
}

#[test]
fn a_log_that_cannot_be_read_is_an_error_with_what_to_do() {
    let place = Place::new();
    for (lang, words) in [("en", "The log cannot be read: nofile"), ("ko", "로그를 읽을 수 없습니다: nofile")]
    {
        let ran = place.run(["--lang", lang, "tail", "--file", "nofile"]).demand_error(2, &[words, "`--file`"]);
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn another_machines_session_is_not_looked_at_either() {
    let place = Place::new();
    let answers = place.write("a.yaml", "driver_owner: installer-pod\ncuda_version: none\n");
    place
        .run(["--demo", "--speed", "0", "apply", "--answers", answers.to_str().unwrap(), "--yes", "--until", "1"])
        .demand(0);
    for command in ["status", "undo", "report", "plan"] {
        place.run([command]).demand_error(2, &["another machine"]);
    }
}
