//! Which kernel modules have to do with the cards, by name: NVIDIA's driver, other drivers that can hold a card, and
//! those that only carry NVIDIA's name. One list for what is loaded and for what lies in `/lib/modules`.

/// What a kernel module is to a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModuleRole {
    /// A part of NVIDIA's driver, or of its own helpers that use it (`GPUDirect` storage, peer memory).
    Driver,
    /// A driver of the kernel that keeps NVIDIA's off the card.
    Conflicting,
    /// Sets a card aside for a virtual machine.
    Passthrough,
}

/// The parts of NVIDIA's driver behind `nvidia` and the flavour. Source: the `.ko` files of drivers 390 to 595, of the
/// GRID host driver (`vgpu_vfio`) and of NVIDIA's `nvidia-fs` (`GPUDirect` storage).
const PARTS: [&str; 7] = ["", "uvm", "modeset", "drm", "peermem", "fs", "vgpu_vfio"];

/// Drivers of the kernel that bind to a card: the modules' names, and those on the PCI bus where they differ (nova says
/// `NovaCore`).
const CONFLICTING: [&str; 7] = ["nouveau", "nova", "nova_core", "nova_drm", "NovaCore", "nvidiafb", "rivafb"];

/// Stand-ins that hold a card for a virtual machine. Source: the kernel's drivers/vfio and drivers/xen;
/// `nvgrace_gpu_vfio_pci` is that of Grace Hopper.
const PASSTHROUGH: [&str; 6] =
    ["vfio_pci", "nvgrace_gpu_vfio_pci", "pci_stub", "xen_pciback", "pciback", "uio_pci_generic"];

/// Returns what a loaded module, or a driver on the PCI bus, is to a card; nothing for all others, such as
/// `nvidia_cspmu` (performance counters of Grace), `nvidia_vrs_pseq` (a voltage regulator) or
/// `nvidia_wmi_ec_backlight`.
pub fn role(name: &str) -> Option<ModuleRole> {
    let name = name.replace('-', "_");
    if is_part(&name) || name == "nv_peer_mem" {
        Some(ModuleRole::Driver)
    } else if CONFLICTING.contains(&name.as_str()) {
        Some(ModuleRole::Conflicting)
    } else if PASSTHROUGH.contains(&name.as_str()) {
        Some(ModuleRole::Passthrough)
    } else {
        None
    }
}

/// Tells whether a loaded module is one of NVIDIA's driver.
pub fn is_driver(name: &str) -> bool {
    role(name) == Some(ModuleRole::Driver)
}

/// Tells whether a file name is a module of NVIDIA's driver: `nvidia-uvm.ko.xz`, Debian's `nvidia-current-drm.ko`, but
/// not the kernel's own `nvidiafb.ko`.
pub(super) fn is_driver_file(name: &str) -> bool {
    let Some((stem, end)) = name.split_once(".ko") else { return false };
    matches!(end, "" | ".xz" | ".zst" | ".gz") && is_part(&stem.replace('-', "_"))
}

/// Tells whether a name is `nvidia`, a flavour of it (`nvidia_current`, `nvidia_tesla_470`, `nvidia_legacy_390xx`,
/// `nvidia_open`), and a part.
fn is_part(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("nvidia") else { return false };
    let words: Vec<&str> = rest.split('_').skip(1).collect();
    if !rest.is_empty() && !rest.starts_with('_') {
        return false;
    }
    let is_branch = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    let part = match words.as_slice() {
        ["tesla" | "legacy", branch, part @ ..] if is_branch(branch) => part,
        ["current" | "open", "open", part @ ..] | ["current" | "open", part @ ..] | part => part,
    };
    PARTS.contains(&part.join("_").as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_parts_and_flavours_of_the_driver_are_told_from_what_only_has_the_name() {
        for name in [
            "nvidia",
            "nvidia_uvm",
            "nvidia_peermem",
            "nvidia_fs",
            "nvidia_vgpu_vfio",
            "nvidia_current",
            "nvidia_current_drm",
            "nvidia_current_open_uvm",
            "nvidia_open_modeset",
            "nvidia_tesla_470",
            "nvidia_tesla_470_uvm",
            "nvidia_legacy_390xx_drm",
            "nv_peer_mem",
        ] {
            assert_eq!(role(name), Some(ModuleRole::Driver), "{name}");
        }
        for name in [
            "nvidia_cspmu",
            "nvidia_vrs_pseq",
            "nvidia_wmi_ec_backlight",
            "nvidia_ffa_ec",
            "nvidia_cspmu_uvm",
            "nvidiafoo",
            "nvidia_tesla",
            "i2c_nvidia_gpu",
            "typec_nvidia",
            "nvgpu",
            "nvme",
            "",
        ] {
            assert_eq!(role(name), None, "{name}");
        }
    }

    #[test]
    fn a_name_on_the_bus_is_a_name_of_a_module() {
        assert_eq!(role("vfio-pci"), Some(ModuleRole::Passthrough));
        assert_eq!(role("nvgrace-gpu-vfio-pci"), Some(ModuleRole::Passthrough));
        assert_eq!(
            (role("nvidiafb"), role("NovaCore")),
            (Some(ModuleRole::Conflicting), Some(ModuleRole::Conflicting))
        );
        assert_eq!(role("ast"), None);
    }

    #[test]
    fn only_the_drivers_module_files_count() {
        for name in [
            "nvidia.ko",
            "nvidia-uvm.ko.xz",
            "nvidia_drm.ko.zst",
            "nvidia-current-modeset.ko",
            "nvidia-peermem.ko",
            "nvidia-tesla-470.ko",
        ] {
            assert!(is_driver_file(name), "{name}");
        }
        for name in [
            "nvidiafb.ko",
            "nvidia-wmi-ec-backlight.ko",
            "i2c-nvidia-gpu.ko",
            "nvidia",
            "typec_nvidia.ko.xz",
            "nvidia.ko.bak",
        ] {
            assert!(!is_driver_file(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_name_makes_it_panic(name in any::<String>()) {
            let _ = (role(&name), is_driver_file(&name), role(&format!("nvidia_{name}")), is_driver_file(&format!("nvidia{name}.ko")));
        }
    }
}
