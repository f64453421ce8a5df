//! Whatever lies in the place of a file that a command reads: an error at once, or what it says is read; never a wait,
//! a panic, or a gigabyte of memory.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::{
    folder,
    kubespray::{answers_for, site},
    program::{Place, Ran, tool},
};

/// Most memory that a command may ask for: its address space also holds its code and its threads' stacks.
const MEMORY: u64 = 2 << 30;

/// What may lie in a file's place.
const BAD: [&str; 13] = [
    "pipe",
    "device",
    "folder",
    "socket",
    "huge",
    "deep",
    "deep-block",
    "aliases",
    "binary",
    "empty",
    "missing",
    "dangling",
    "circle",
];

fn put(kind: &str, at: &Path) {
    let _ = fs::remove_file(at).or_else(|_| fs::remove_dir_all(at));
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    let write = |text: String| fs::write(at, text).unwrap();
    match kind {
        "pipe" => assert!(Command::new("mkfifo").arg(at).status().unwrap().success()),
        "device" => std::os::unix::fs::symlink("/dev/zero", at).unwrap(),
        "folder" => fs::create_dir(at).unwrap(),
        "socket" => rustix::fs::mknodat(rustix::fs::CWD, at, rustix::fs::FileType::Socket, 0o600.into(), 0).unwrap(),
        // A hole takes no disk.
        "huge" => File::create(at).unwrap().set_len(80 << 20).unwrap(),
        "deep" => write("[".repeat(200_000)),
        "deep-block" => write("- ".repeat(100_000) + "x\n"),
        "aliases" => {
            let level = |n: u32| format!("l{n}: &l{n} [{}]\n", vec![format!("*l{}", n - 1); 10].join(", "));
            write("l0: &l0 x\n".to_owned() + &(1..12).map(level).collect::<String>());
        }
        "binary" => {
            fs::write(at, (0..100_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>())
                .unwrap();
        }
        "empty" => write(String::new()),
        "dangling" => std::os::unix::fs::symlink("nowhere", at).unwrap(),
        "circle" => std::os::unix::fs::symlink(at, at).unwrap(),
        _ => {}
    }
}

/// One input file and the command lines that read it; both are made anew for each kind.
struct Input {
    name: &'static str,
    /// The file, in the place.
    file: PathBuf,
    lines: Vec<Vec<String>>,
}

fn inputs(place: &Place) -> Vec<Input> {
    let (checkout, inventory) = site(place.folder.path());
    let answers = place
        .write("good.yaml", "driver_owner: installer-pod\ncuda_version: none\ngpus: [\"10de:1db6\"]\nreboot: never\n");
    let edits = place.write("edits.yaml", &answers_for(&checkout, &inventory));
    let (answers, edits) = (answers.display().to_string(), edits.display().to_string());
    let bad = |name: &str| place.path(&format!("bad/{name}"));
    let text = |path: &Path| path.display().to_string();
    let words = |line: &[&str]| line.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let input = |name, file: &Path, lines: &[&[&str]]| Input {
        name,
        file: file.to_owned(),
        lines: lines.iter().map(|line| words(line)).collect(),
    };
    let file = text(&bad("answers.yaml"));
    let session = text(&bad("session.yaml"));
    let replay = text(&bad("machine.yaml"));
    let kubeconfig = text(&bad("admin.conf"));
    let log = text(&bad("log"));
    let vars = ["vars", "--kubespray", &text(&checkout), "--inventory", &text(&inventory), "--node", "node1"]
        .map(str::to_owned);
    let vars: Vec<&str> = vars.iter().map(String::as_str).collect();
    let plan = ["plan", "--answers", &edits];
    let in_inventory = |name: &str| inventory.with_file_name(name);
    vec![
        input(
            "answers",
            &bad("answers.yaml"),
            &[
                &["--demo", "plan", "--answers", &file],
                &["--demo", "apply", "--yes", "--answers", &file],
                &["--demo", "verify", "--answers", &file],
                &["--demo", "tail", "--answers", &file],
            ],
        ),
        input(
            "session",
            &bad("session.yaml"),
            &[
                &["--demo", "--session", &session, "status"],
                &["--demo", "--session", &session, "undo", "--yes"],
                &["--demo", "--session", &session, "report"],
                &["--demo", "--session", &session, "plan", "--answers", &answers],
                &[
                    "--demo",
                    "--speed",
                    "0",
                    "--session",
                    &session,
                    "apply",
                    "--until",
                    "1",
                    "--yes",
                    "--answers",
                    &answers,
                ],
            ],
        ),
        input("recording", &bad("machine.yaml"), &[&["--replay", &replay, "detect"], &["--replay", &replay, "status"]]),
        input("scenario", &bad("machine.yaml/scenario.yaml"), &[&["--replay", &replay, "detect"]]),
        input("commands of a scenario", &bad("machine.yaml/commands.yaml"), &[&["--replay", &replay, "detect"]]),
        input("file of a scenario", &bad("machine.yaml/rootfs/etc/os-release"), &[&["--replay", &replay, "detect"]]),
        input(
            "kubeconfig",
            &bad("admin.conf"),
            &[
                &["verify", "--kubeconfig", &kubeconfig, "--node", "node1"],
                &["tail", "--kubeconfig", &kubeconfig, "--node", "node1"],
            ],
        ),
        input("log", &bad("log"), &[&["diagnose", &log], &["tail", "--file", &log]]),
        input("inventory", &inventory, &[&vars, &plan]),
        input("variables of a group", &in_inventory("group_vars/all/all.yml"), &[&vars, &plan]),
        input("variables of a host", &in_inventory("host_vars/node1.yml"), &[&vars, &plan]),
        input("ansible.cfg", &checkout.join("ansible.cfg"), &[&vars]),
        input(
            "defaults of the role",
            &checkout.join("roles/kubernetes-apps/container_engine_accelerator/nvidia_gpu/defaults/main.yml"),
            &[&vars],
        ),
        input(
            "file of the machine",
            &place.path("root/etc/os-release"),
            &[&["--root", &text(&place.path("root")), "detect"]],
        ),
        input(
            "modules of the machine",
            &place.path("root/proc/modules"),
            &[&["--root", &text(&place.path("root")), "detect"]],
        ),
    ]
}

/// Runs a command with bounds on its time and its memory.
fn run(place: &Place, line: &[String]) -> Ran {
    let plain = place.command(line);
    let mut command = Command::new("timeout");
    command.arg("20").arg(tool("prlimit")).arg(format!("--as={MEMORY}"));
    command.arg(plain.get_program()).args(plain.get_args()).env_clear();
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    Ran::from(command.current_dir(place.folder.path()).stdin(Stdio::null()).output().unwrap())
}

#[test]
fn whatever_lies_in_the_place_of_an_input_is_an_answer_at_once() {
    let good = Place::new();
    inputs(&good);
    let (mut ran, mut index) = (0, 0);
    for kind in BAD {
        let place = Place::new();
        folder::copy(good.folder.path(), place.folder.path());
        for input in inputs(&place) {
            index += 1;
            if !crate::outputs::is_sampled(index) {
                continue;
            }
            let kept = fs::read(&input.file).ok();
            if input.file.starts_with(place.path("bad/machine.yaml/")) {
                let _ = fs::remove_file(place.path("bad/machine.yaml"));
                put("folder", &place.path("bad/machine.yaml"));
                fs::write(
                    place.path("bad/machine.yaml/scenario.yaml"),
                    "title: {en: x, ko: x}\nlesson: {en: x, ko: x}\n",
                )
                .unwrap();
            }
            put(kind, &input.file);
            for line in &input.lines {
                let ended = run(&place, line);
                ran += 1;
                let what =
                    format!("{} as {kind}: gpunode {}\n{}{}", input.name, line.join(" "), ended.stdout, ended.stderr);
                assert!(matches!(ended.code, 0..=2), "{}: {what}", ended.code);
                if ended.code == 2 && ended.stdout.is_empty() {
                    ended.demand_error(2, &[]);
                }
            }
            let _ = fs::remove_file(&input.file).or_else(|_| fs::remove_dir_all(&input.file));
            if let Some(bytes) = kept {
                fs::write(&input.file, bytes).unwrap();
            }
        }
    }
    println!("{} kinds of files, {ran} runs", BAD.len());
    assert!(ran > 90, "{ran}");
}
