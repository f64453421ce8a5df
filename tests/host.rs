//! Step 2 on a Debian system of its own: real dpkg and apt, real makeself archives, the built program as root in a chroot.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "support/world.rs"]
mod world;

use std::collections::BTreeSet;

use world::World;

const DRIVER: [&str; 5] =
    ["nvidia-driver-535", "libnvidia-compute-535", "nvidia-dkms-535", "nvidia-utils-535", "xserver-xorg-video-nvidia-535"];
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
    let text = world.apply(&format!("{NO_CUDA}take_in: [remove-toolkit-packages]\nleave_out: [remove-packages]\n"), 0);
    assert_eq!(world.installed(), names(&[&DRIVER, &DECOYS]), "{text}");
}

#[test]
fn a_package_of_somebody_else_that_needs_the_driver_stops_the_removal() {
    let world = with_packages();
    world.install_deb("render-farm", "1.0", "Depends: libnvidia-compute-535\n");
    let text = world.apply(NO_CUDA, 1);
    assert!(text.contains("nothing was removed: render-farm would go too, and is not NVIDIA's"), "{text}");
    assert_eq!(world.installed().len(), DRIVER.len() + TOOLKIT.len() + DECOYS.len() + 1);
}

#[test]
fn a_package_of_nvidia_that_needs_the_driver_goes_with_it_and_is_named() {
    let world = with_packages();
    world.install_deb("cuda-runtime-12-2", "12.2", "Depends: nvidia-driver-535\n");
    let text = world.apply(NO_CUDA, 0);
    assert!(text.contains("removed with them, because they need them: cuda-runtime-12-2"), "{text}");
    assert_eq!(world.installed(), names(&[&TOOLKIT, &DECOYS]));
}
