//! One gpunode at a time on one thing: two real processes with session files of their own, on one machine and on one
//! inventory.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::{
    kubespray::{answers_for, site},
    program::{Place, tool},
    runfile,
    world::World,
};
use gpunode::plan::action::kind::sha256;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const APPLY: [&str; 6] = ["apply", "--steps", "2", "--yes", "--answers", "/root/answers.yaml"];

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_mins(1), "{what} never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The command line with another session than the world's own.
fn with_session<'a>(args: &[&'a str], session: &'a str) -> Vec<&'a str> {
    [&["--session", session], args].concat()
}

/// A world whose runfile notes that it runs and waits for `/go`.
fn waiting_world() -> World {
    let world = World::debian();
    let wait = "echo ran >> /runs\nn=0; while [ $n -lt 600 ] && ! [ -e /go ]; do n=$((n+1)); sleep 0.1; done\n";
    let file = runfile::make(&world.path("root"), wait);
    let answers = format!(
        "driver_owner: installer-pod\ncuda_version: \"11.0.3\"\ncuda_runfile: /root/{}\ncuda_runfile_sha256: \"{}\"\ndespite: [\"space:/var/lib/gpunode\", \"space:/tmp\"]\n",
        file.file_name().unwrap().to_str().unwrap(),
        sha256(&fs::read(&file).unwrap())
    );
    world.write("root/answers.yaml", &answers);
    world
}

fn begin(world: &World) -> Child {
    let child = world.command("/usr/bin/gpunode", &APPLY).stdout(Stdio::null()).spawn().unwrap();
    wait_until("the installer", || world.path("runs").exists());
    child
}

#[test]
fn two_sessions_on_one_machine_never_begin_two_installers() {
    let world = waiting_world();
    let mut first = begin(&world);
    let second = "/root/second.yaml";
    let refused = world.gpunode(&with_session(&APPLY, second), 2);
    for words in [
        "another gpunode",
        &format!("pid {}", first.id()),
        "is changing this machine",
        "since 20",
        "/var/lib/gpunode/session.yaml",
        "nothing was begun",
    ] {
        assert!(refused.contains(words), "`{words}` is not in {refused}");
    }
    // Who only looks is not kept waiting.
    for args in [&["detect"][..], &["status"], &["plan", "--answers", "/root/answers.yaml"], &["undo"]] {
        let output = world.run("/usr/bin/gpunode", &with_session(args, second));
        assert!(matches!(output.status.code(), Some(0 | 1)), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    // The starter dies, and what it has started lives on: nobody begins another beside it.
    first.kill().unwrap();
    assert_eq!(first.wait().unwrap().signal(), Some(9));
    for session in [second, "/root/third.yaml"] {
        let refused = world.gpunode(&with_session(&APPLY, session), 2);
        assert!(refused.contains("still runs") && refused.contains("-install-toolkit.log"), "{refused}");
    }
    // The session that began it goes on with it.
    world.write("go", "");
    world.gpunode(&APPLY, 0);
    assert_eq!(fs::read_to_string(world.path("runs")).unwrap(), "ran\n");
    world.gpunode(&with_session(&APPLY, second), 0);
    assert_eq!(fs::read_to_string(world.path("runs")).unwrap(), "ran\n", "it is there already");
}

#[test]
fn an_undo_does_not_begin_while_another_session_changes_the_machine() {
    let world = waiting_world();
    world.write("go", "");
    let second = "/root/second.yaml";
    world.gpunode(&with_session(&APPLY, second), 0);
    fs::remove_file(world.path("go")).unwrap();
    fs::remove_file(world.path("runs")).unwrap();
    fs::remove_dir_all(world.path("usr/local/cuda-11.0")).unwrap();
    let mut first = begin(&world);
    let refused = world.gpunode(&with_session(&["undo", "--yes"], second), 2);
    assert!(refused.contains("is changing this machine"), "{refused}");
    world.write("go", "");
    assert!(first.wait().unwrap().success());
    world.gpunode(&with_session(&["undo", "--yes"], second), 0);
}

/// Runs a command under strace, which stops the program with SIGSTOP once it has locked the inventory and said so.
fn stopped_with_the_lock(plain: &Command, lock: &Path) -> Child {
    let mut command = Command::new(tool("strace"));
    command.args(["-f", "-o", "/dev/null", "-e", "trace=write", "-e", "inject=write:signal=STOP:when=1", "-P"]);
    command.arg(lock).arg(plain.get_program()).args(plain.get_args()).env_clear();
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.current_dir(plain.get_current_dir().unwrap_or(Path::new("/")));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// A stopped process; it goes on with the value's end, also where a test fails.
struct Stopped(Pid);

impl Drop for Stopped {
    fn drop(&mut self) {
        kill_process(self.0, Signal::CONT).unwrap();
    }
}

/// Two hosts with one folder: a system of its own has it at `/shared`, and this machine below that system's root.
struct Shared {
    world: World,
    place: Place,
    inventory: std::path::PathBuf,
    lock: std::path::PathBuf,
}

impl Shared {
    fn new() -> Self {
        let (world, place) = (World::debian(), Place::new());
        world.write("etc/machine-id", "another-machine\n");
        let (checkout, inventory) = site(&world.path("shared"));
        let below = |path: &Path| Path::new("/").join(path.strip_prefix(world.root.path()).unwrap());
        world.write("root/answers.yaml", &answers_for(&below(&checkout), &below(&inventory)));
        place.write("answers.yaml", &answers_for(&checkout, &inventory));
        let lock = inventory.with_file_name(".gpunode.lock");
        Self { world, place, inventory, lock }
    }

    fn there(&self) -> Command {
        self.world.command("/usr/bin/gpunode", &["apply", "--steps", "3", "--yes", "--answers", "/root/answers.yaml"])
    }

    fn here(&self) -> crate::support::program::Ran {
        self.place.run([
            "apply",
            "--steps",
            "3",
            "--yes",
            "--answers",
            self.place.path("answers.yaml").to_str().unwrap(),
        ])
    }

    fn variables(&self) -> String {
        fs::read_to_string(self.inventory.with_file_name("group_vars").join("k8s-cluster/k8s-cluster.yml")).unwrap()
    }
}

#[test]
fn two_hosts_never_edit_one_inventory_at_a_time() {
    let ansible_inventory = tool("ansible-inventory");
    let shared = Shared::new();
    let before = shared.variables();
    let mut first = stopped_with_the_lock(&shared.there(), &shared.lock);
    let claim = || serde_json::from_str::<Value>(&fs::read_to_string(&shared.lock).unwrap_or_default());
    wait_until("the lock of the inventory", || claim().is_ok());
    let claim = claim().unwrap();
    let pid = claim["holder"]["pid"].as_i64().unwrap();
    let stopped = Stopped(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap());
    let refused = shared.here();
    refused.demand_error(
        2,
        &[
            "another gpunode (world, ",
            &format!("pid {pid}"),
            "is changing the inventory in",
            "mycluster",
            "nothing was begun",
        ],
    );
    assert_eq!(shared.variables(), before);
    // Ansible does not read the lock, where the inventory is the folder either.
    let hosts = |path: &Path| {
        let output = Command::new(&ansible_inventory)
            .arg("-i")
            .arg(path)
            .args(["--list"])
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), errors.contains("gpunode.lock"))
    };
    let folder = shared.inventory.parent().unwrap();
    let with_lock = [hosts(folder), hosts(&shared.inventory)];
    drop(stopped);
    assert!(first.wait().unwrap().success());
    assert!(!shared.lock.exists(), "the lock goes with its holder");
    assert_ne!(shared.variables(), before);
    fs::write(folder.join("group_vars/k8s-cluster/k8s-cluster.yml"), before).unwrap();
    for (name, value) in
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).map(|path| (path.clone(), path))
    {
        assert!(!name.file_name().unwrap().to_str().unwrap().starts_with('.'), "{}", value.display());
    }
    assert!(with_lock.iter().all(|(_, _, is_read)| !is_read), "{with_lock:?}");
    shared.here().demand(0);
    assert!(!shared.lock.exists());
}

#[test]
fn what_another_host_may_still_do_to_an_inventory_is_asked_and_not_guessed() {
    let shared = Shared::new();
    let before = shared.variables();
    let holder = serde_json::json!({"pid": 4711, "user": "root\u{1b}[2J", "since": "2026-11-27T10:00:00Z"});
    let claim = serde_json::json!({"holder": holder, "machine": "gone", "hostname": "ansible2", "session": "/s.yaml", "job": "/s.yaml.d/003-run-playbook.log"});
    let write = |claim: &Value| {
        gpunode::private::write(&shared.lock, claim.to_string().as_bytes()).unwrap();
    };
    write(&claim);
    let ran = shared
        .here()
        .demand_error(2, &["cut off while it changed the inventory", "ansible2", "003-run-playbook.log", "remove /"]);
    assert!(!ran.stderr.contains('\u{1b}'));
    assert_eq!(shared.variables(), before);
    // Here nothing of it runs: the log is not even there. And where it had begun nothing, there is nothing to ask.
    for (name, value) in [
        (
            "machine",
            Value::from(fs::read_to_string("/etc/machine-id").map_or("unknown".to_owned(), |id| id.trim().to_owned())),
        ),
        ("job", Value::Null),
    ] {
        let mut claim = claim.clone();
        claim[name] = value;
        if name == "machine" {
            claim["hostname"] = Value::from(fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim());
        }
        write(&claim);
        shared.here().demand(0);
        assert!(!shared.lock.exists());
        shared.place.run(["undo", "--yes"]).demand(0);
        assert_eq!(shared.variables(), before);
    }
}

#[test]
fn whatever_lies_in_the_place_of_a_lock_is_refused_and_kept() {
    for kind in ["link", "pipe", "folder", "writable", "garbage"] {
        let shared = Shared::new();
        let before = shared.variables();
        let precious = shared.place.write("precious", "mine");
        match kind {
            "link" => std::os::unix::fs::symlink(&precious, &shared.lock).unwrap(),
            "pipe" => assert!(Command::new("mkfifo").arg(&shared.lock).status().unwrap().success()),
            "folder" => fs::create_dir(&shared.lock).unwrap(),
            "writable" => {
                fs::write(&shared.lock, "{}").unwrap();
                fs::set_permissions(&shared.lock, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
            }
            _ => gpunode::private::write(&shared.lock, b"\0not a claim").unwrap(),
        }
        let ran = shared.here();
        assert_eq!(fs::read_to_string(&precious).unwrap(), "mine", "{kind}");
        if kind == "garbage" {
            ran.demand(0);
        } else {
            ran.demand_error(2, &["cannot lock the inventory", ".gpunode.lock"]);
            assert_eq!(shared.variables(), before, "{kind}");
        }
    }
}
