//! The running kernel: its release, its headers, its loaded GPU modules, Secure Boot, and the id of this boot.

use std::path::Path;

use super::{Module, ModuleKind, Unknown, modules, reader::Reader};
use crate::{host::Host, i18n::msg, text::printable, version::Version};

const SYSFS_MODULES: &str = "/sys/module";
const EFI_VARS: &str = "/sys/firmware/efi/efivars";

/// Returns the loaded modules that matter, and where they were seen: without `/proc/modules`, `/sys/module` shows them
/// too.
pub(super) fn probe_modules(reader: &mut Reader<'_>) -> (Vec<Module>, &'static str) {
    const MODULES: &str = "/proc/modules";
    match reader.host.files.read_text(MODULES) {
        Ok(text) => (parse_modules(&text), MODULES),
        Err(error) => {
            let modules = modules_in_sysfs(reader);
            if modules.is_empty() {
                reader.note("driver.modules", Unknown::from_io(Path::new(MODULES), &error));
            }
            (modules, SYSFS_MODULES)
        }
    }
}

/// Returns the names of the loaded modules that matter.
pub(super) fn loaded_names(host: &Host) -> Vec<String> {
    probe_modules(&mut Reader::new(host)).0.into_iter().map(|module| module.name).collect()
}

/// A folder of `/sys/module` is a loaded module, not one built into the kernel, if it has an `initstate`.
fn modules_in_sysfs(reader: &Reader<'_>) -> Vec<Module> {
    let files = &reader.host.files;
    let names = files.list(Path::new(SYSFS_MODULES)).unwrap_or_default();
    let folder = |name: &str| Path::new(SYSFS_MODULES).join(name);
    let loaded = names.into_iter().filter(|name| matters(name) && files.exists(folder(name).join("initstate")));
    loaded
        .map(|name| Module {
            refcount: files.read_value(folder(&name).join("refcnt")).ok().and_then(|text| text.parse().ok()),
            used_by: files.list(&folder(&name).join("holders")).unwrap_or_default(),
            name,
        })
        .collect()
}

/// Tells whether a module has to do with the cards.
pub(super) fn matters(name: &str) -> bool {
    // The kernel's own names are words; whatever else stands there is not to be shown.
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && modules::role(name).is_some()
}

/// Reads lines of `name size refcount users state address`; a kernel without unloading writes `-` for count and users.
pub fn parse_modules(text: &str) -> Vec<Module> {
    let module = |line: &str| {
        let mut fields = line.split_whitespace();
        let name = fields.next().filter(|name| matters(name))?.to_owned();
        let refcount = fields.nth(1).and_then(|count| count.parse().ok());
        let users = fields.next().unwrap_or_default().split(',').map(str::trim);
        let used_by = users.filter(|user| !matches!(*user, "" | "-")).map(printable).collect();
        Some(Module { name, refcount, used_by })
    };
    text.lines().filter_map(module).collect()
}

/// Returns version and kind of the loaded NVIDIA module.
pub(super) fn probe_loaded_driver(reader: &mut Reader<'_>) -> (Option<String>, Option<ModuleKind>) {
    const FACT: &str = "driver.loaded_version";
    if let Some(text) = reader.text_if_there(FACT, "/proc/driver/nvidia/version") {
        let (version, kind) = parse_driver_version(&text);
        if version.is_none() {
            reader.note(FACT, Unknown::from(msg::unknown::not_understood("/proc/driver/nvidia/version")));
        }
        return (version, kind);
    }
    let version = reader.host.files.read_value("/sys/module/nvidia/version").ok();
    (version.filter(|text| text.parse::<Version>().is_ok()), None)
}

/// Reads `NVRM version: NVIDIA UNIX x86_64 Kernel Module  418.87.00  Thu Aug …`, where an open module says
/// `Open Kernel Module`.
pub fn parse_driver_version(text: &str) -> (Option<String>, Option<ModuleKind>) {
    let Some(line) = text.lines().find(|line| line.starts_with("NVRM version:")) else { return (None, None) };
    let is_version = |word: &&str| word.contains('.') && word.parse::<Version>().is_ok();
    let version = line.split_whitespace().find(is_version).map(str::to_owned);
    let kind = if line.contains("Open Kernel Module") { ModuleKind::Open } else { ModuleKind::Proprietary };
    (version, Some(kind))
}

/// Returns `uname -r`.
pub(super) fn probe_release(reader: &mut Reader<'_>) -> String {
    reader.text("host.kernel", "/proc/sys/kernel/osrelease").map(|text| printable(text.trim())).unwrap_or_default()
}

/// Tells whether the headers of the running kernel are there: where its modules point, or where the distributions put
/// them. A folder that a removed package left empty does not count.
pub(super) fn probe_headers(reader: &mut Reader<'_>, release: &str) -> bool {
    if release.is_empty() {
        reader.note("host.kernel_headers", Unknown::from(msg::unknown::kernel_not_known()));
        return false;
    }
    header_places(release).iter().any(|path| reader.host.files.exists(format!("{path}/Makefile")))
}

/// The places where headers of a kernel can be.
pub(super) fn header_places(release: &str) -> [String; 3] {
    [
        format!("/lib/modules/{release}/build"),
        format!("/usr/src/kernels/{release}"),
        format!("/usr/src/linux-headers-{release}"),
    ]
}

/// Tells whether Secure Boot is on. A machine that was not started by EFI has none; where `/sys/firmware` is hidden,
/// nobody knows.
pub(super) fn probe_secure_boot(reader: &mut Reader<'_>) -> Option<bool> {
    const FACT: &str = "host.secure_boot";
    let firmware = reader.list_if_there(FACT, "/sys/firmware");
    if !firmware.iter().any(|name| name == "efi") {
        return (!firmware.is_empty()).then_some(false);
    }
    let names = reader.list_if_there(FACT, EFI_VARS);
    let name = names.iter().find(|name| name.starts_with("SecureBoot-"))?;
    let path = Path::new(EFI_VARS).join(name);
    match reader.host.files.read(&path) {
        Ok(bytes) => parse_secure_boot(&bytes),
        Err(error) => {
            reader.note(FACT, Unknown::from_io(&path, &error));
            None
        }
    }
}

/// An EFI variable is four bytes of attributes and its value, here one byte.
pub fn parse_secure_boot(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [_, _, _, _, value] => Some(*value == 1),
        _ => None,
    }
}

/// Returns the kernel's random id of this boot.
pub(super) fn probe_boot_id(reader: &mut Reader<'_>) -> String {
    reader
        .text("host.boot_id", "/proc/sys/kernel/random/boot_id")
        .map(|text| printable(text.trim()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_the_modules_of_the_seed() {
        let text = "nvidia_drm 43690 0 - Live 0x0 (POE)\nnvidia_modeset 1091042 1 nvidia_drm, Live 0x0 (POE)\n\
            nvidia 18202459 1 nvidia_modeset, Live 0x0 (POE)\ndrm 456166 5 ast,ttm,drm_kms_helper,nvidia_drm, Live 0x0\n";
        let modules = parse_modules(text);
        let names: Vec<_> = modules.iter().map(|module| module.name.as_str()).collect();
        assert_eq!(names, ["nvidia_drm", "nvidia_modeset", "nvidia"]);
        assert_eq!(
            modules[2],
            Module { name: "nvidia".into(), refcount: Some(1), used_by: vec!["nvidia_modeset".into()] }
        );
    }

    #[test]
    fn a_kernel_that_cannot_unload_says_no_counts() {
        let modules =
            parse_modules("nvidia 14299136 - - Live 0xffffffffc0400000 (O)\nnvidia_wmi_ec_backlight 1 0 - Live 0x0\n");
        assert_eq!(modules, [Module { name: "nvidia".into(), refcount: None, used_by: vec![] }]);
    }

    #[test]
    fn reads_both_kinds_of_driver() {
        let old = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  418.87.00  Thu Aug  8 15:35:46 CDT 2019\nGCC version:  gcc version 4.8.5\n";
        assert_eq!(parse_driver_version(old), (Some("418.87.00".into()), Some(ModuleKind::Proprietary)));
        let open = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build  (nixbld@)  \n";
        assert_eq!(parse_driver_version(open), (Some("580.159.04".into()), Some(ModuleKind::Open)));
        assert_eq!(parse_driver_version("nothing"), (None, None));
    }

    #[test]
    fn secure_boot_is_the_last_of_five_bytes() {
        assert_eq!(parse_secure_boot(&[6, 0, 0, 0, 1]), Some(true));
        assert_eq!(parse_secure_boot(&[6, 0, 0, 0, 0]), Some(false));
        assert_eq!(parse_secure_boot(&[1]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parsers_panic(bytes in any::<Vec<u8>>()) {
            let text = String::from_utf8_lossy(&bytes);
            let _ = (parse_modules(&text), parse_driver_version(&text), parse_secure_boot(&bytes));
            let _ = parse_modules(&format!("nvidia {text}"));
            let _ = parse_driver_version(&format!("NVRM version: {text}"));
        }
    }
}
