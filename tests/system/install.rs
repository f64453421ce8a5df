//! Step 2 of owner `host` on a Debian system of its own: real apt and dpkg, the built program as root in a chroot, made packages with the
//! real names of Debian's archive and of NVIDIA's repository. What the kernel and systemd would do is played.

use crate::support::world::World;

const DRIVER: [&str; 4] = ["nvidia-open-kernel-dkms", "nvidia-smi", "libcuda1", "nvidia-modprobe"];
const TOOLKIT: [&str; 4] = ["nvidia-container-toolkit", "nvidia-container-toolkit-base", "libnvidia-container-tools", "libnvidia-container1"];
const PLAYED: &str = "driver_owner: host\ndriver_source: debian\ncuda_version: none\nreboot: never\nleave_out: [load-modules, \
    'enable-unit:nvidia-persistenced.service', 'enable-unit:nvidia-cdi-refresh.path', 'enable-unit:nvidia-cdi-refresh.service', device-links, \
    blacklist-nouveau, 'add-repository:gpunode-nvidia-container-toolkit']\ngpus: ['10de:2331']\n";

/// A Debian 12 whose archive has the driver, an H100, and a kernel with headers.
fn with_archive() -> World {
    let world = World::debian();
    world.write("sys/bus/pci/devices/0000:18:00.0/device", "0x2331\n");
    for (name, fields) in [
        ("nvidia-open-kernel-dkms", "Depends: nvidia-kernel-support, dkms\nRecommends: docker.io\n"),
        ("nvidia-smi", "Depends: libcuda1 (= 535.261.03-1~deb12u1)\n"),
        ("libcuda1", "Recommends: nvidia-driver\n"),
        ("nvidia-kernel-support", ""),
        ("nvidia-driver", ""),
    ] {
        world.offer_deb(name, "535.261.03-1~deb12u1", fields);
    }
    world.offer_deb("nvidia-modprobe", "535.161.07-1~deb12u1", "");
    world.offer_deb("nvidia-persistenced", "535.171.04-1~deb12u1", "");
    for name in TOOLKIT {
        world.offer_deb(name, "1.20.0-1", "");
        world.offer_deb(name, "1.17.4-1", "");
    }
    for name in ["dkms", "linux-headers-6.1.0-18-amd64", "build-essential", "docker.io"] {
        world.offer_deb(name, "3.0", "");
    }
    world.write("etc/apt/sources.list", "deb [trusted=yes] file:/repository ./\n");
    world.update();
    world
}

/// All that dpkg and apt say of the packages.
fn packages(world: &World) -> String {
    let list = world.demand("dpkg-query", &["--show", "--showformat=${Package} ${Version} ${Status}\n"]);
    format!("{list}held: {}manual: {}", world.demand("apt-mark", &["showhold"]), world.demand("apt-mark", &["showmanual"]))
}

#[test]
fn debians_driver_is_installed_held_and_taken_back_to_the_byte() {
    let world = with_archive();
    let before = packages(&world);
    world.write("root/answers.yaml", PLAYED);
    let plan = world.gpunode(&["plan", "--answers", "/root/answers.yaml"], 0);
    for line in [
        "apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends nvidia-open-kernel-dkms nvidia-smi libcuda1 nvidia-modprobe",
        "+Pin: version 535.*",
        "linux-headers-6.1.0-18-amd64 build-essential dkms",
        "1.20.0-1",
    ] {
        assert!(plan.contains(line), "{line}: {plan}");
    }
    let text = world.apply(PLAYED, 0);
    let there = world.installed();
    assert!(DRIVER.iter().chain(&TOOLKIT).chain(&["nvidia-persistenced", "nvidia-kernel-support"]).all(|name| there.contains(*name)), "{text}");
    assert!(!there.contains("docker.io") && !there.contains("nvidia-driver"), "what is only recommended came along: {text}");
    let held = world.demand("apt-mark", &["showhold"]);
    assert!(DRIVER.iter().chain(&TOOLKIT).all(|name| held.lines().any(|line| line == *name)), "{held}");
    assert!(text.contains("all packages of the driver are of version 535.261.03"), "{text}");
    assert!(text.contains("a simulated upgrade touches none of them"), "{text}");
    // A second run finds all of it done.
    let again = world.apply(PLAYED, 0);
    assert!(!again.contains("$ DEBIAN_FRONTEND"), "{again}");
    // A newer branch in the archive changes nothing: held and pinned.
    world.offer_deb("libcuda1", "550.163.01-2", "");
    world.update();
    let upgrade = world.demand("apt-get", &["--simulate", "dist-upgrade"]);
    assert!(!upgrade.contains("Inst libcuda1"), "{upgrade}");
    let undone = world.gpunode(&["undo", "--yes"], 0);
    assert_eq!(packages(&world), before, "{undone}");
    for file in ["etc/apt/preferences.d/gpunode-nvidia-driver", "etc/apt/apt.conf.d/52gpunode-hold"] {
        assert!(!world.path(file).exists(), "{file}: {undone}");
    }
}

#[test]
fn a_name_that_brings_another_branch_is_refused_before_anything_is_installed() {
    let world = with_archive();
    // The package of the same name depends on another branch's library: a transitional package.
    world.offer_deb("nvidia-smi", "535.999.00-1", "Depends: libnvidia-ml1\n");
    world.offer_deb("libnvidia-ml1", "580.95.05-1", "");
    world.update();
    let before = packages(&world);
    let answers = PLAYED.replace("leave_out: [", "leave_out: [pin-driver, install-prerequisites, ");
    let text = world.apply(&answers, 1);
    assert!(text.contains("libnvidia-ml1") && text.contains("580.95.05-1") && text.contains("not of R535"), "{text}");
    assert_eq!(packages(&world), before);
}

#[test]
fn an_installation_that_takes_something_away_or_brings_an_engine_is_refused() {
    let world = with_archive();
    world.install_deb("render-farm", "1.0", "");
    world.offer_deb("libcuda1", "535.261.03-2", "Conflicts: render-farm\nProvides: libcuda1-abi\n");
    world.update();
    let answers = PLAYED.replace("leave_out: [", "leave_out: [install-prerequisites, ");
    let text = world.apply(&answers, 1);
    assert!(text.contains("render-farm"), "{text}");
    assert!(world.installed().contains("render-farm"));
    let world = with_archive();
    world.offer_deb("nvidia-container-toolkit", "1.20.0-1", "Depends: containerd\n");
    world.offer_deb("containerd", "1.6.20", "");
    world.update();
    let text = world.apply(&PLAYED.replace("leave_out: [", "leave_out: [install-prerequisites, "), 1);
    assert!(text.contains("containerd") && text.contains("second container engine"), "{text}");
    assert!(!world.installed().contains("containerd") && !world.installed().contains("nvidia-container-toolkit"));
}

#[test]
fn a_card_that_the_archive_does_not_know_is_refused_with_the_way() {
    let world = with_archive();
    world.write("root/answers.yaml", &PLAYED.replace("10de:2331", "10de:2901"));
    let plan = world.gpunode(&["plan", "--answers", "/root/answers.yaml"], 0);
    assert!(plan.contains("B200") && plan.contains("R535") && plan.contains("driver_source: nvidia"), "{plan}");
    let drivers = world.gpunode(&["drivers", "--owner", "host"], 0);
    assert!(drivers.contains("debian: R535") && drivers.contains("nvidia: R570"), "{drivers}");
}

#[test]
fn a_repository_is_added_with_its_own_key_and_no_other() {
    let world = with_archive();
    let key = std::fs::read_to_string("tests/fixtures/keys/test.asc").unwrap();
    let fingerprint = std::fs::read_to_string("tests/fixtures/keys/test.fingerprint").unwrap();
    world.write("mirror/debian12/x86_64/3bf863cc.pub", &key);
    // curl is real, and reads from a folder here.
    world.program("/usr/local/bin/curl", "for last; do :; done\nwhile [ \"$1\" != --output ]; do shift; done\ncp \"/mirror/${last#http://mirror.local/}\" \"$2\"\n");
    world.offer_deb("libnvidia-compute-580", "580.95.05-1", "");
    world.offer_deb("nvidia-dkms-580-open", "580.95.05-1", "");
    world.update();
    let answers = |key: &str| {
        PLAYED.replace("driver_source: debian", "driver_source: nvidia\npackage_mirror: http://mirror.local").replace("gpus:", &format!("repository_key: {key}\ngpus:"))
    };
    let text = world.apply(&answers("EB693B3035CD5710E231E123A4B469963BF863CC"), 1);
    assert!(text.contains(fingerprint.trim()) && text.contains("nothing was written"), "{text}");
    assert!(!world.path("usr/share/keyrings/gpunode-nvidia-cuda.asc").exists());
    // The right key, and lists that nobody serves: the entry does not stay behind.
    let text = world.apply(&answers(fingerprint.trim()), 1);
    assert!(text.contains("apt-get update"), "{text}");
    assert!(!world.path("etc/apt/sources.list.d/gpunode-nvidia-cuda.sources").exists(), "{text}");
}
