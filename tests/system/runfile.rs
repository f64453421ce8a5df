//! Step 2 with real makeself archives, as root in a Debian of its own: toolkit only, proven, and taken back; and every
//! way to fail.

use std::{
    fs,
    io::Read,
    os::unix::fs::{PermissionsExt, chown, symlink},
    process::Stdio,
    time::{Duration, Instant},
};

use crate::support::{lines, runfile, world::World};
use gpunode::plan::action::kind::sha256;

const FILE: &str = "/root/cuda_11.0.3_450.51.06_linux.run";
const NVCC: &str = "/usr/local/cuda-11.0/bin/nvcc";

/// The catalog's size of this toolkit is looked for on the disk, and the archive of these tests is tiny: a small disk
/// is none of their business.
const DESPITE: &str = "\"space:/var/lib/gpunode\", \"space:/tmp\"";

/// A world with a runfile whose installer does this besides the toolkit, and the answers for it.
fn world(extra: &str) -> (World, String) {
    let world = World::debian();
    let file = runfile::make(&world.path("root"), extra);
    let answers = format!(
        "driver_owner: installer-pod\ncuda_version: \"11.0.3\"\ncuda_runfile: {FILE}\ncuda_runfile_sha256: \"{}\"\ndespite: [{DESPITE}]\n",
        sha256(&fs::read(file).unwrap())
    );
    (world, answers)
}

#[test]
fn a_toolkit_is_installed_proven_found_by_login_shells_and_removed() {
    let (world, answers) = world("");
    let text = world.apply(&answers, 0);
    assert!(text.contains("did not install the CUDA Driver"), "{text}");
    assert!(text.contains("driver not touched"), "{text}");
    assert!(text.contains("a login shell finds nvcc: Cuda compilation tools, release 11.0"), "{text}");
    assert!(world.path("etc/ld.so.conf.d/gpunode-cuda.conf").exists() && world.path(NVCC).exists());
    assert!(!world.path("var/lib/gpunode/downloads/gpunode-unpack").exists(), "what was unpacked is cleared away");
    // A second run finds it done.
    assert!(!world.apply(&answers, 0).contains("Incomplete installation"));
    let undone = world.gpunode(&["undo", "--yes"], 0);
    assert!(
        lines::tell(&undone, "undone", "install-toolkit") && lines::tell(&undone, "undone", "set-paths"),
        "{undone}"
    );
    assert!(!world.path("usr/local/cuda-11.0").exists() && !world.path("etc/profile.d/gpunode-cuda.sh").exists());
}

#[test]
fn a_prefix_of_ones_own_puts_nothing_on_everybodys_path() {
    let (world, answers) = world("");
    world.apply(&format!("{answers}cuda_prefix: /opt/cuda\n"), 0);
    assert!(world.path("opt/cuda/bin/nvcc").exists());
    assert_eq!(fs::read_dir(world.path("etc/profile.d")).unwrap().count(), 0);
}

#[test]
fn a_runfile_that_touches_the_driver_is_caught_by_name() {
    for (cheat, found) in [
        (
            "mkdir -p /usr/lib/x86_64-linux-gnu; echo x > /usr/lib/x86_64-linux-gnu/libcuda.so.450.51.06\n",
            "libcuda.so.450.51.06 appeared",
        ),
        (
            "mkdir -p /lib/modules/6.1.0-18-amd64/updates/dkms; echo x > /lib/modules/6.1.0-18-amd64/updates/dkms/nvidia.ko\n",
            "nvidia.ko appeared",
        ),
        ("mkdir -p /var/lib/dkms/nvidia/450.51.06\n", "dkms nvidia 450.51.06 appeared"),
        ("echo 'nvidia 18202459 0 - Live 0x0' >> /proc/modules\n", "loaded-module nvidia appeared"),
        ("printf '#!/bin/sh\\n' > /usr/bin/nvidia-uninstall\n", "/usr/bin/nvidia-uninstall appeared"),
        (
            "printf '\\nPackage: nvidia-driver-535\\nStatus: install ok installed\\nVersion: 535\\n' >> /var/lib/dpkg/status\n",
            "deb nvidia-driver-535 535 appeared",
        ),
        (
            "echo '[INFO]: Executing NVIDIA-Linux-x86_64-450.51.06.run' > /var/log/cuda-installer.log\n",
            "ran its driver's installer",
        ),
    ] {
        let (world, answers) = world(cheat);
        let text = world.apply(&answers, 1);
        assert!(text.contains("-- failed: install-toolkit") && text.contains(found), "{cheat}: {text}");
        world.gpunode(&["undo", "--yes"], 0);
        assert!(!world.path("usr/local/cuda-11.0").exists());
    }
}

#[test]
fn a_failing_runfile_fails_the_step_with_cause_and_remedy_of_its_log() {
    let log = "echo '[ERROR]: Install of cuda-toolkit failed, quitting' > /var/log/cuda-installer.log\n";
    let (world, answers) =
        world(&format!("echo 'boost::filesystem::copy_file: No space left on device' >&2\n{log}exit 1\n"));
    // What an earlier run logged is of the past.
    world.write("var/log/cuda-installer.log", "[INFO]: Executing NVIDIA-Linux-x86_64-418.87.00.run\n");
    let text = world.apply(&answers, 1);
    assert!(text.contains("ended with exit status 1"), "{text}");
    assert!(text.contains("! A file system is full."), "{text}");
    assert!(text.contains("! cuda-installer could not install cuda-toolkit."), "{text}");
    assert!(!text.contains("started the installer of its driver"), "{text}");
}

#[test]
fn a_crash_of_the_installer_is_explained() {
    let (world, answers) = world("kill -SEGV $$\n");
    let text = world.apply(&answers, 1);
    assert!(text.contains("! cuda-installer crashed"), "{text}");
}

#[test]
fn a_wrong_checksum_never_runs() {
    let (world, answers) = world("touch /ran\n");
    fs::write(world.path(FILE), [fs::read(world.path(FILE)).unwrap(), b"x".to_vec()].concat()).unwrap();
    let text = world.apply(&answers, 1);
    assert!(text.contains("is not the file with checksum"), "{text}");
    assert!(!world.path("ran").exists() && !world.path(NVCC).exists());
}

#[test]
fn a_runfile_that_others_can_change_never_runs() {
    let (world, answers) = world("touch /ran\n");
    fs::set_permissions(world.path(FILE), fs::Permissions::from_mode(0o666)).unwrap();
    assert!(world.apply(&answers, 1).contains("can be changed by another user"));
    fs::set_permissions(world.path(FILE), fs::Permissions::from_mode(0o644)).unwrap();
    chown(world.path(FILE), Some(1000), None).unwrap();
    assert!(world.apply(&answers, 1).contains("can be changed by another user"));
    assert!(!world.path("ran").exists());
}

#[test]
fn a_log_of_another_user_and_a_link_in_its_place_are_cleared_away() {
    for planted in ["file", "link"] {
        let (world, answers) = world("[ ! -e /tmp/cuda-installer.log ] || exit 7\n");
        let log = world.path("tmp/cuda-installer.log");
        world.write("root/precious", "mine");
        if planted == "link" {
            symlink("/root/precious", &log).unwrap();
        } else {
            fs::write(&log, "").unwrap();
            chown(&log, Some(1000), None).unwrap();
        }
        world.apply(&answers, 0);
        assert_eq!(fs::read_to_string(world.path("root/precious")).unwrap(), "mine", "{planted}");
    }
}

#[test]
fn a_folder_to_unpack_in_that_another_user_has_planted_is_refused() {
    for planted in ["folder", "link"] {
        let (world, answers) = world("touch /ran\n");
        let folder = world.path("tmp/gpunode-unpack");
        if planted == "link" {
            fs::create_dir(world.path("tmp/trap")).unwrap();
            symlink("/tmp/trap", &folder).unwrap();
        } else {
            fs::create_dir(&folder).unwrap();
            chown(&folder, Some(1000), None).unwrap();
        }
        let text = world.apply(&format!("{answers}cuda_tmpdir: /tmp\n"), 1);
        assert!(text.contains("is a link or belongs to another user"), "{planted}: {text}");
        assert!(!world.path("ran").exists());
    }
}

#[test]
fn a_stop_ends_the_installer_with_all_that_it_started_and_clears_up() {
    let (world, answers) = world("sleep 300 &\necho $! > /child\necho waiting\nwait\n");
    world.write("root/answers.yaml", &answers);
    let mut command =
        world.command("/usr/bin/gpunode", &["apply", "--steps", "2", "--yes", "--answers", "/root/answers.yaml"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    let pid = loop {
        let text = fs::read_to_string(world.path("child")).unwrap_or_default();
        if let Ok(pid) = text.trim().parse::<i32>() {
            break pid;
        }
        assert!(begin.elapsed() < Duration::from_mins(1), "the installer does not start");
        std::thread::sleep(Duration::from_millis(20));
    };
    let gpunode = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(gpunode, rustix::process::Signal::TERM).unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{text}");
    assert!(text.contains("-- cancelled: install-toolkit"), "{text}");
    let alive = rustix::process::test_kill_process(rustix::process::Pid::from_raw(pid).unwrap()).is_ok();
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    assert!(!alive || state.contains(") Z "), "the installer's child lives on: {state}");
    assert!(!world.path("var/lib/gpunode/downloads/gpunode-unpack").exists());
}
