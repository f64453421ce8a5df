//! Paths that somebody else can change between a check and a use, places where others may write, and files that are in
//! the way.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::kill_real::{checkout, inventory_of, sample};
use crate::support::{
    kubespray::{answers_for, site},
    program::{Place, tool},
    runfile,
    world::World,
};
use gpunode::plan::action::kind::sha256;
use rustix::process::{Pid, Signal, kill_process};

const APPLY: [&str; 6] = ["apply", "--steps", "2", "--yes", "--answers", "/root/answers.yaml"];
const NAME: &str = "cuda_11.0.3_450.51.06_linux.run";

/// A world with a runfile in `folder`, the answers for it, and another file that must never run.
fn world(folder: &str) -> World {
    let world = World::debian();
    fs::create_dir_all(world.path(folder)).unwrap();
    let file = runfile::make(&world.path(folder), "");
    let answers = format!(
        "driver_owner: installer-pod\ncuda_version: \"11.0.3\"\ncuda_runfile: {folder}/{NAME}\ncuda_runfile_sha256: \"{}\"\ndespite: [\"space:/var/lib/gpunode\", \"space:/tmp\"]\n",
        sha256(&fs::read(file).unwrap())
    );
    world.write("root/answers.yaml", &answers);
    world.write("root/evil.run", "touch /evil\n");
    world
}

/// Makes a command that runs under strace with these words, for at most two minutes.
fn traced(plain: &Command, words: &[&str], trace: &Path) -> Command {
    let mut command = Command::new("timeout");
    command
        .arg("60")
        .arg(tool("strace"))
        .arg("-o")
        .arg(trace)
        .args(words)
        .arg(plain.get_program())
        .args(plain.get_args())
        .env_clear();
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.current_dir(plain.get_current_dir().unwrap_or(Path::new("/")));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn a_runfile_that_is_swapped_at_any_moment_never_runs() {
    let file = format!("/root/{NAME}");
    let words =
        |calls: &str, inject: &str| ["-e", &format!("trace={calls}"), "-P", &file, "-e", inject].map(str::to_owned);
    let calls = "openat,statx,readlink";
    let looked = world("/root");
    let trace = tempfile::NamedTempFile::new().unwrap();
    let plain = looked.command("/usr/bin/gpunode", &APPLY);
    assert!(
        traced(&plain, &words(calls, &format!("trace={calls}")).each_ref().map(String::as_str), trace.path())
            .status()
            .unwrap()
            .success()
    );
    let seen = fs::read_to_string(trace.path()).unwrap();
    // Each look at it, as the how manieth of its kind.
    let mut looks: Vec<(&str, usize)> = Vec::new();
    for call in
        seen.lines().filter(|line| line.contains(NAME)).filter_map(|line| line.split_once('(')).map(|(call, _)| call)
    {
        looks.push((call, looks.iter().filter(|(other, _)| *other == call).count() + 1));
    }
    assert!(looks.len() > 4, "{seen}");
    let mut swaps = 0;
    for by in ["file", "link"] {
        let (first, stride) = sample(3);
        for (call, number) in looks.iter().skip(first - 1).step_by(stride) {
            let world = world("/root");
            let trace = tempfile::NamedTempFile::new().unwrap();
            let inject = words(call, &format!("inject={call}:signal=STOP:when={number}"));
            let plain = world.command("/usr/bin/gpunode", &APPLY);
            let mut child = traced(&plain, &inject.each_ref().map(String::as_str), trace.path()).spawn().unwrap();
            let stopped = || fs::read_to_string(trace.path()).unwrap().contains("--- stopped by SIGSTOP ---");
            let begin = Instant::now();
            while !stopped() && child.try_wait().unwrap().is_none() {
                assert!(begin.elapsed() < Duration::from_mins(1), "it is not stopped at {call} {number}");
                std::thread::sleep(Duration::from_millis(10));
            }
            let swapped = world.path("root").join("swapped");
            if by == "file" {
                fs::copy(world.path("root/evil.run"), &swapped).unwrap();
            } else {
                symlink("/root/evil.run", &swapped).unwrap();
            }
            fs::rename(&swapped, world.path("root").join(NAME)).unwrap();
            for pid in child_of(&world) {
                // One of its short-lived programs may have ended meanwhile.
                let _ = kill_process(pid, Signal::CONT);
            }
            let code = child.wait().unwrap().code();
            swaps += 1;
            assert!(
                matches!(code, Some(0..=2)),
                "swapped for a {by} at call {number} of:\n{seen}\n{code:?}: {}",
                fs::read_to_string(trace.path()).unwrap()
            );
            assert!(!world.path("evil").exists(), "swapped for a {by} at {call} {number}, and run");
        }
    }
    println!("swapped {swaps} times, at {} looks at it", looks.len());
}

/// Returns the processes that run in a world.
fn child_of(world: &World) -> Vec<Pid> {
    let numbers =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<i32>().ok());
    let is_in = |pid: &i32| fs::read_link(format!("/proc/{pid}/root")).is_ok_and(|root| root == world.root.path());
    numbers.filter(is_in).filter_map(Pid::from_raw).collect()
}

#[test]
fn a_runfile_where_others_can_write_never_runs() {
    type Open = fn(&World);
    let mode = |world: &World, path: &str, mode: u32| {
        fs::set_permissions(world.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    let cases: [(&str, Open); 6] = [
        ("file for its group", |world| {
            fs::set_permissions(world.path("data/in").join(NAME), fs::Permissions::from_mode(0o664)).unwrap();
        }),
        ("folder for its group", |world| {
            fs::set_permissions(world.path("data/in"), fs::Permissions::from_mode(0o775)).unwrap();
        }),
        ("folder for all", |world| {
            fs::set_permissions(world.path("data/in"), fs::Permissions::from_mode(0o777)).unwrap();
        }),
        ("folder above for all", |world| {
            fs::set_permissions(world.path("data"), fs::Permissions::from_mode(0o777)).unwrap();
        }),
        ("folder of another", |world| chown(world.path("data/in"), Some(1000), None).unwrap()),
        ("folder above of another", |world| chown(world.path("data"), Some(1000), None).unwrap()),
    ];
    for (what, open) in cases {
        for by_link in [false, true] {
            let world = world("/data/in");
            mode(&world, "data", 0o755);
            open(&world);
            if by_link {
                symlink(format!("/data/in/{NAME}"), world.path("root").join(NAME)).unwrap();
                let answers = fs::read_to_string(world.path("root/answers.yaml")).unwrap();
                world.write("root/answers.yaml", &answers.replace("/data/in/", "/root/"));
            }
            let text = world.gpunode(&APPLY, 1);
            assert!(text.contains("can be changed by another user"), "{what}, link: {by_link}: {text}");
            assert!(!world.path("usr/local/cuda-11.0").exists(), "{what}");
        }
    }
}

#[test]
fn whatever_is_planted_in_the_place_of_the_users_log_stops_nobody() {
    for planted in ["pipe", "folder", "full folder"] {
        let world = world("/root");
        let log = world.path("tmp/cuda-installer.log");
        match planted {
            "pipe" => assert!(Command::new("mkfifo").arg(&log).status().unwrap().success()),
            _ => fs::create_dir(&log).unwrap(),
        }
        if planted == "full folder" {
            world.write("root/precious", "mine");
            symlink("/root", log.join("link")).unwrap();
        }
        chown(&log, Some(1000), None).unwrap();
        let mut command = Command::new("timeout");
        let plain = world.command("/usr/bin/gpunode", &APPLY);
        command.arg("120").arg(plain.get_program()).args(plain.get_args()).env_clear();
        for (name, value) in plain.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{planted}: {}", String::from_utf8_lossy(&output.stdout));
        assert!(planted != "full folder" || world.path("root/precious").exists());
    }
}

#[test]
fn programs_in_the_present_folder_or_where_others_can_write_do_not_run() {
    let world = world("/root");
    fs::create_dir_all(world.path("opt/open")).unwrap();
    for name in ["setsid", "sh", "mkdir", "dpkg-query", "curl", "unshare", "mount", "prlimit", "systemctl", "kubectl"] {
        // The present folder is the root of the world.
        for folder in ["", "opt/open/"] {
            world.write(&format!("{folder}{name}"), "#!/bin/bash\necho ran >> /evil\n");
            fs::set_permissions(world.path(&format!("{folder}{name}")), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    fs::set_permissions(world.path("opt/open"), fs::Permissions::from_mode(0o777)).unwrap();
    for path in
        [".:/usr/sbin:/usr/bin", ":/usr/bin", "/opt/open:/usr/bin", "./:opt/open:/opt/open/../open:/usr/bin", "."]
    {
        for args in
            [&["detect"][..], &["plan", "--answers", "/root/answers.yaml"], &APPLY, &["verify"], &["undo", "--yes"]]
        {
            // Set within the world: `chroot` itself is looked up out here.
            let path_within = format!("PATH={path}");
            let output = world.run("/usr/bin/env", &[&[path_within.as_str(), "/usr/bin/gpunode"], args].concat());
            assert!(
                matches!(output.status.code(), Some(0..=2)),
                "{path} {args:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            assert!(!world.path("evil").exists(), "with PATH={path}, {args:?} ran a program of somebody else's");
        }
    }
}

#[test]
fn an_edit_with_a_failing_system_call_leaves_nothing_behind() {
    let undisturbed = Place::new();
    let (folder, mut apply) = checkout(&undisturbed);
    let before = inventory_of(&folder);
    assert!(apply.output().unwrap().status.success());
    let expected = inventory_of(&folder);
    let mut counts = Vec::new();
    for (call, error) in [
        ("fchmod", "EPERM"),
        ("fchown", "EPERM"),
        ("fsync", "EIO"),
        ("renameat", "EROFS"),
        ("ftruncate", "EIO"),
        ("unlink", "EPERM"),
    ] {
        let trace = tempfile::NamedTempFile::new().unwrap();
        let place = Place::new();
        traced(&checkout(&place).1, &["-e", &format!("trace={call}")], trace.path()).status().unwrap();
        let all = fs::read_to_string(trace.path())
            .unwrap()
            .lines()
            .filter(|line| line.starts_with(&format!("{call}(")))
            .count();
        let (first, stride) = sample(3);
        let mut injections = 0;
        for number in (first..=all).step_by(stride) {
            let place = Place::new();
            let (folder, mut apply) = checkout(&place);
            let inject = format!("inject={call}:error={error}:when={number}");
            let status =
                traced(&apply, &["-e", &format!("trace={call}"), "-e", &inject], trace.path()).status().unwrap();
            let what = format!("{call} {number} of {all} failed with {error}");
            assert!(matches!(status.code(), Some(0..=2)), "{what}: {status}");
            injections += usize::from(fs::read_to_string(trace.path()).unwrap().contains("(INJECTED)"));
            for (path, bytes) in inventory_of(&folder) {
                // A lock that cannot be removed stays, and Ansible does not read it.
                let is_lock = call == "unlink" && path.ends_with(".gpunode.lock");
                assert!(
                    is_lock || before.get(&path) == Some(&bytes) || expected.get(&path) == Some(&bytes),
                    "{what}: {}",
                    path.display()
                );
            }
            assert!(apply.output().unwrap().status.success(), "{what}");
            assert_eq!(inventory_of(&folder), expected, "{what}");
        }
        counts.push(format!("{injections} of {all} {call}"));
    }
    println!("failing calls, each time to the same inventory: {}", counts.join(", "));
}

#[test]
fn an_inventory_deep_down_is_edited_and_put_back() {
    let place = Place::new();
    let deep = (0..12).fold(place.folder.path().to_owned(), |folder, _| folder.join("d".repeat(250)));
    let (checkout, inventory) = site(&deep);
    assert!(inventory.as_os_str().len() > 3000);
    let before = inventory_of(&checkout);
    let answers = place.write("answers.yaml", &answers_for(&checkout, &inventory));
    place.run(["apply", "--steps", "3", "--yes", "--answers", answers.to_str().unwrap()]).demand(0);
    assert_ne!(inventory_of(&checkout), before);
    place.run(["undo", "--yes"]).demand(0);
    assert_eq!(inventory_of(&checkout), before);
}
