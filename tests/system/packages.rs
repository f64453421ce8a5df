//! Step 2 on a Debian system of its own: real dpkg and apt, real makeself archives, the built program as root in a
//! chroot.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{lines, world::World};

const DRIVER: [&str; 5] = [
    "nvidia-driver-535",
    "libnvidia-compute-535",
    "nvidia-dkms-535",
    "nvidia-utils-535",
    "xserver-xorg-video-nvidia-535",
];
const TOOLKIT: [&str; 3] = ["cuda-toolkit-11-0", "libcublas-11-0", "nsight-compute-2020.1.2"];
/// Names that a glob would catch and that must stay.
const DECOYS: [&str; 12] = [
    "libnvidia-container1",
    "libnvidia-container-tools",
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "xserver-xorg-video-nouveau",
    "nvtop",
    "barracuda-tools",
    "cuda-keyring",
    "nvidia-cudnn",
    "firmware-misc-nonfree",
    "libdrm-nouveau2",
    "datacenter-gpu-manager",
];

fn with_packages() -> World {
    let world = World::debian();
    for name in DRIVER.iter().chain(&TOOLKIT).chain(&DECOYS) {
        world.install_deb(name, "535.183.01-1", "");
    }
    world.write("etc/apt/sources.list", "deb [trusted=yes] file:/repository ./\n");
    world.demand("apt-get", &["update", "-o", "Acquire::Languages=none"]);
    world
}

fn names(lists: &[&[&str]]) -> BTreeSet<String> {
    lists.concat().into_iter().map(str::to_owned).collect()
}

/// Returns what was foretold and what came of it, by the check's name.
fn predictions(world: &World) -> BTreeMap<String, (String, String)> {
    let session = gpunode::session::store::load(&world.path("var/lib/gpunode/session.yaml")).unwrap().unwrap();
    let name = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let entry = |prediction: gpunode::prediction::Prediction| {
        let value = serde_json::to_value(&prediction).unwrap();
        (prediction.id, (name(value["says"].clone()), name(value["outcome"].clone())))
    };
    session.predictions.into_iter().map(entry).collect()
}

const NO_CUDA: &str = "driver_owner: installer-pod\ncuda_version: none\nreboot: never\n";

#[test]
fn exactly_the_drivers_packages_go_and_an_undo_brings_them_back() {
    let world = with_packages();
    let text = world.apply(NO_CUDA, 0);
    assert_eq!(world.installed(), names(&[&TOOLKIT, &DECOYS]), "{text}");
    assert!(text.contains("$ DEBIAN_FRONTEND=noninteractive apt-get"), "{text}");
    assert!(text.contains("not in the package database any more: libnvidia-compute-535"), "{text}");
    let undone = world.gpunode(&["undo", "--yes"], 0);
    assert_eq!(world.installed(), names(&[&DRIVER, &TOOLKIT, &DECOYS]), "{undone}");
}

#[test]
fn old_toolkit_packages_go_when_they_are_asked_for() {
    let world = with_packages();
    let text = world.apply(
        &format!("{NO_CUDA}take_in: [remove-toolkit-packages]\nleave_out: [remove-packages]\ndespite: [host-driver]\n"),
        0,
    );
    assert_eq!(world.installed(), names(&[&DRIVER, &DECOYS]), "{text}");
}

#[test]
fn a_package_of_somebody_else_that_needs_the_driver_stops_the_removal() {
    let world = with_packages();
    world.install_deb("render-farm", "1.0", "Depends: libnvidia-compute-535\n");
    let text = world.apply(NO_CUDA, 1);
    assert!(text.contains("(package → what it needs): render-farm → libnvidia-compute-535"), "{text}");
    assert!(text.contains("nothing was changed"), "{text}");
    assert_eq!(world.installed().len(), DRIVER.len() + TOOLKIT.len() + DECOYS.len() + 1);
    assert_eq!(predictions(&world)["removal"].0, "will_fail");
    // Seen and wanted all the same, it goes and comes back with the rest.
    let text = world.apply(&format!("{NO_CUDA}despite: [removal]\n"), 0);
    assert_eq!(world.installed(), names(&[&TOOLKIT, &DECOYS]), "{text}");
    let undone = world.gpunode(&["undo", "--yes"], 0);
    assert!(world.installed().contains("render-farm"), "{undone}");
}

#[test]
fn a_toolkit_that_needs_the_driver_is_in_the_plan_as_going() {
    let world = with_packages();
    world.install_deb(
        "libcuinj64-11.8",
        "11.8",
        "Source: nvidia-cuda-toolkit\nDepends: libnvidia-compute-535 | libcuda.so.1\n",
    );
    world.install_deb("cuda-runtime-12-2", "12.2", "Depends: nvidia-driver-535\n");
    world.write("root/answers.yaml", NO_CUDA);
    let plan = world.gpunode(&["plan", "--answers", "/root/answers.yaml"], 0);
    assert!(plan.contains("cuda-runtime-12-2 → nvidia-driver-535, libcuinj64-11.8 → libnvidia-compute-535"), "{plan}");
    world.apply(NO_CUDA, 0);
    assert_eq!(world.installed(), names(&[&TOOLKIT, &DECOYS]));
}

#[test]
fn an_undo_brings_marks_back_and_nothing_that_was_not_there() {
    let world = with_packages();
    world.install_deb("nvidia-kernel-common-535", "535.183.01-1", "Recommends: nvidia-prime\n");
    world.install_deb("nvidia-prime", "0.8", "");
    world.demand("dpkg", &["--purge", "nvidia-prime"]);
    world.demand("apt-get", &["update", "-o", "Acquire::Languages=none"]);
    world.demand("apt-mark", &["auto", "libnvidia-compute-535", "nvidia-utils-535"]);
    world.demand("apt-mark", &["hold", "nvidia-dkms-535"]);
    let before = (world.installed(), world.demand("apt-mark", &["showauto"]), world.demand("apt-mark", &["showhold"]));
    world.apply(NO_CUDA, 0);
    assert_ne!(world.installed(), before.0);
    let undone = world.gpunode(&["undo", "--yes"], 0);
    let after = (world.installed(), world.demand("apt-mark", &["showauto"]), world.demand("apt-mark", &["showhold"]));
    assert_eq!(after, before, "{undone}");
}

#[test]
fn no_other_driver_is_installed_in_the_place_of_the_one_that_goes() {
    let world = with_packages();
    // Left alone, apt would meet mumax3's dependency with it.
    world.install_deb("libnvidia-tesla-cuda1", "525.147.05-1", "Provides: libcuda.so.1\n");
    world.demand("dpkg", &["--purge", "libnvidia-tesla-cuda1"]);
    world.install_deb("libcuda1", "535.183.01-1", "Provides: libcuda.so.1\n");
    world.install_deb("mumax3", "3.10", "Depends: libcuda1 | libcuda.so.1\n");
    world.demand("apt-get", &["update", "-o", "Acquire::Languages=none"]);
    let text = world.apply(NO_CUDA, 1);
    assert!(text.contains("mumax3 → libcuda1"), "{text}");
    world.apply(&format!("{NO_CUDA}despite: [removal]\n"), 0);
    assert_eq!(world.installed(), names(&[&TOOLKIT, &DECOYS]));
}

#[test]
fn what_would_fail_later_is_said_before_anything_is_done() {
    let world = World::debian();
    world.write("root/cuda_11.0.3_450.51.06_linux.run", "not the whole file");
    world.write("proc/mounts", "/dev/sda1 / ext4 rw 0 0\ntmpfs /var/lib tmpfs rw,noexec 0 0\n");
    std::fs::remove_file(world.path("usr/lib/x86_64-linux-gnu/libxml2.so.2")).unwrap();
    let answers =
        "driver_owner: installer-pod\ncuda_version: \"11.0.3\"\ncuda_runfile: /root/cuda_11.0.3_450.51.06_linux.run\n";
    let text = world.apply(answers, 1);
    for id in ["local-runfile", "mounts", "libxml2"] {
        assert_eq!(predictions(&world)[id].0, "will_fail", "{id}: {text}");
    }
    assert!(text.contains("/var/lib is mounted noexec"), "{text}");
    assert!(text.contains("18 bytes, not 3112522594"), "{text}");
    assert!(text.contains("nothing was changed"), "{text}");
    assert!(!text.contains("-- "), "no action begins: {text}");
    let plan = world.gpunode(&["plan", "--json", "--answers", "/root/answers.yaml"], 0);
    assert!(
        plan.contains("\"says\": \"will_fail\"") && plan.contains("\"checked\": \"Mounts (noexec, read-only)\""),
        "{plan}"
    );
}

#[test]
fn a_host_is_cleaned_in_order_and_an_unloaded_driver_needs_no_reboot() {
    let world = World::debian();
    world
        .write("proc/modules", "nvidia_uvm 1 0 - Live 0x0\nnvidia 1 1 nvidia_uvm, Live 0x0\ndrm 456166 0 - Live 0x0\n");
    world.write(
        "proc/driver/nvidia/version",
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  418.87.00  Thu Aug  8 15:35:46 CDT 2019\n",
    );
    world.write("proc/77/comm", "nvidia-persiste\n");
    world.write("proc/77/cmdline", "nvidia-persistenced\0");
    world.write("proc/77/cgroup", "0::/system.slice/nvidia-persistenced.service\n");
    world.write("proc/77/maps", "7f00-7f01 r-xp 0 08:01 7 /usr/lib/libnvidia-cfg.so.418.87.00\n");
    std::fs::create_dir_all(world.path("proc/77/fd")).unwrap();
    world.write("units/nvidia-persistenced.service", "");
    world.write("var/lib/dkms/nvidia/410.48/source", "");
    world.write("var/lib/nvidia/log", "418.87.00\n");
    world.program("/usr/bin/nvidia-uninstall", "rm /usr/bin/nvidia-uninstall\n");
    world.program("/usr/bin/systemctl", "case $1 in\n is-active) [ -e \"/units/$2\" ] && echo active || { echo inactive; exit 3; } ;;\n stop) rm \"/units/$2\"; rm -r /proc/77 ;;\n start) touch \"/units/$2\" ;;\nesac\n");
    world
        .program("/usr/sbin/rmmod", "echo 'drm 456166 0 - Live 0x0' > /proc/modules; rm /proc/driver/nvidia/version\n");
    let text = world.apply(NO_CUDA, 0);
    let calls: Vec<_> =
        world.calls().into_iter().filter(|call| !call.contains("is-active") && !call.starts_with("gcc")).collect();
    let expected = [
        "systemctl stop nvidia-persistenced.service",
        "nvidia-uninstall --silent",
        "dkms remove -m nvidia -v 410.48 --all",
        "rmmod nvidia_uvm nvidia",
    ];
    assert_eq!(calls, expected, "{text}");
    let undone = world.gpunode(&["undo", "--yes"], 1);
    assert!(lines::tell(&undone, "kept", "remove-runfile-driver"), "{undone}");
    // Without its driver the unit could not start.
    assert!(lines::tell(&undone, "kept", "stop-unit:nvidia-persistenced.service"), "{undone}");
    assert!(!world.path("units/nvidia-persistenced.service").exists(), "{undone}");
}

#[test]
fn modules_that_cannot_be_unloaded_leave_it_to_the_reboot() {
    let world = World::debian();
    world.write("proc/modules", "nvidia 1 0 - Live 0x0\n");
    world.write(
        "proc/driver/nvidia/version",
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  418.87.00  Thu Aug  8 15:35:46 CDT 2019\n",
    );
    world.program("/usr/bin/nvidia-uninstall", "rm /usr/bin/nvidia-uninstall\n");
    world.program("/usr/sbin/rmmod", "echo 'rmmod: ERROR: Module nvidia is in use' >&2; exit 1\n");
    let text = world.apply(&format!("{NO_CUDA}take_in: [greeting]\n"), 3);
    assert!(text.contains("-- failed: unload-modules"), "{text}");
    assert!(world.path("etc/profile.d/zz-gpunode-greeting.sh").exists(), "{text}");
    // The boot id tells that it happened.
    world.write("proc/sys/kernel/random/boot_id", "22222222-0000-4000-8000-000000000002\n");
    world.write("proc/modules", "");
    std::fs::remove_file(world.path("proc/driver/nvidia/version")).unwrap();
    let text = world.apply(&format!("{NO_CUDA}take_in: [greeting]\n"), 0);
    assert!(!text.contains("-- failed"), "{text}");
    // The greeting has removed itself meanwhile: nothing is left to take back.
    std::fs::remove_file(world.path("etc/profile.d/zz-gpunode-greeting.sh")).unwrap();
    world.gpunode(&["undo", "--yes"], 1);
}
