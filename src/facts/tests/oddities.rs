//! Machines that are easily taken for something else: a GPU in a chip, modules that only have the name, a driver for
//! another kernel, a card in somebody else's hands.

use super::{ids, look_at, machine::Machine};

#[test]
fn a_module_that_only_has_nvidias_name_is_no_driver() {
    let machine = Machine::ubuntu().gpu("0009:01:00.0", "2342", "10de 16eb", None).file(
        "/proc/modules",
        "nvidia_cspmu 16384 0 - Live 0x0\narm_cspmu_module 32768 1 nvidia_cspmu, Live 0x0\nnvidia_vrs_pseq 1 0 - Live 0x0\n",
    );
    let facts = look_at(&machine);
    assert!(facts.driver.modules.is_empty() && facts.driver.ledger.is_empty(), "{:?}", facts.driver);
}

#[test]
fn a_tegra_needs_no_card() {
    for (path, text) in [
        ("/etc/nv_tegra_release", "# R36 (release)\n"),
        ("/sys/devices/soc0/family", "Tegra\n"),
        ("/proc/device-tree/compatible", "nvidia,p3767-0000\0nvidia,tegra234\0"),
    ] {
        let facts = look_at(&Machine::ubuntu().file(path, text));
        assert_eq!(ids(&facts)[0], "gpu-in-chip", "{path}");
        assert!(!ids(&facts).contains(&"no-gpu"));
        assert_eq!(facts.host.tegra.as_deref(), Some(path));
    }
    assert_eq!(ids(&look_at(&Machine::ubuntu().file("/sys/devices/soc0/family", "Snapdragon\n")))[0], "no-gpu");
}

#[test]
fn a_driver_for_another_kernel_explains_why_none_is_loaded() {
    let machine = || Machine::ubuntu().gpu("0000:01:00.0", "1b80", "10de 119e", None).file("/proc/modules", "");
    let old = "/lib/modules/5.15.0-80-generic/updates/dkms/nvidia.ko";
    let facts = look_at(&machine().file(old, ""));
    assert!(ids(&facts).contains(&"module-of-another-kernel"), "{:?}", ids(&facts));
    assert!(facts.driver.ledger.iter().any(|entry| entry.source == old));
    let here = look_at(&machine().file(old, "").file("/lib/modules/5.15.0-91-generic/updates/dkms/nvidia.ko", ""));
    assert!(!ids(&here).contains(&"module-of-another-kernel"));
}

#[test]
fn any_driver_but_nvidias_that_holds_a_card_is_told_by_its_name() {
    let bound = |driver| {
        look_at(&Machine::ubuntu().gpu("0000:01:00.0", "1db6", "10de 124a", Some(driver)).file("/proc/modules", ""))
    };
    for (driver, id) in [
        ("nvidiafb", "other-driver-bound"),
        ("somethingnew", "other-driver-bound"),
        ("NovaCore", "nova-bound"),
        ("pci-stub", "vfio-bound"),
        ("nvgrace-gpu-vfio-pci", "vfio-bound"),
    ] {
        let facts = bound(driver);
        let finding = facts
            .findings
            .iter()
            .find(|finding| finding.id == id)
            .unwrap_or_else(|| panic!("{driver}: {:?}", ids(&facts)));
        assert!(id == "nova-bound" || finding.message(crate::i18n::Lang::En).contains(driver), "{finding:?}");
    }
}

#[test]
fn the_guest_driver_of_a_vgpu_is_told_by_its_licence_service() {
    let machine = Machine::ubuntu()
        .gpu("0000:02:00.0", "1eb8", "10de 130f", Some("nvidia"))
        .file("/etc/nvidia/gridd.conf", "FeatureType=2\n");
    assert!(ids(&look_at(&machine)).contains(&"vgpu-guest"));
}

#[test]
fn an_architecture_that_cannot_be_learned_is_told() {
    let machine = Machine::empty().file("/proc/sys/kernel/osrelease", "5.15.0-91-generic\n").gpu(
        "0000:01:00.0",
        "1db6",
        "10de 124a",
        None,
    );
    assert!(ids(&look_at(&machine)).contains(&"architecture-not-known"));
    assert!(!ids(&look_at(&machine.file("/lib/ld-linux-aarch64.so.1", ""))).contains(&"architecture-not-known"));
}
