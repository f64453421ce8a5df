//! The driver ledger: everything on the machine that is or could become a driver, each with how it came here.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use super::{DriverFacts, LedgerEntry, Module, Origin, Unknown, modules, reader::Reader};
use crate::{host::FileKind, i18n::msg, text::printable, version::Version};

/// What stands in the ledger where a version could not be learned.
const NO_VERSION: &str = "unknown";

/// Where the kernels have their modules, a folder each.
const MODULES: &str = "/lib/modules";

/// Folders below `/lib/modules/RELEASE` where installers put modules: `extra` and `weak-updates` (rpm), `updates`
/// (dkms, SUSE), `misc`, `kernel/drivers/video` (runfile), `kernel/nvidia-…` (Ubuntu's signed modules), `video`
/// (installer pod).
const MODULE_FOLDERS: [&str; 7] =
    ["extra", "updates", "weak-updates", "misc", "kernel/drivers/video", "kernel/drivers/char/drm", "video"];

/// How deep below such a folder modules are looked for; a link in a circle ends there too.
const MODULE_DEPTH: usize = 5;

const UNINSTALLERS: [&str; 2] = ["/usr/bin/nvidia-uninstall", "/usr/local/bin/nvidia-uninstall"];
/// Where Kubespray's installer pod puts the driver. Source: the role's template nvidia-driver-install-daemonset.yml.
pub const INSTALLER_POD_FOLDER: &str = "/home/kubernetes/bin/nvidia";
const OPERATOR_FOLDER: &str = "/run/nvidia/driver";

/// Returns the ledger entries that come from files, in the order of [`Origin`].
pub(super) fn probe_files(reader: &mut Reader<'_>, release: &str) -> Vec<LedgerEntry> {
    let mut found = Vec::new();
    found.extend(probe_runfile(reader));
    found.extend(probe_dkms(reader));
    found.extend(probe_module_files(reader, release));
    found.extend(probe_installer_pod(reader));
    found.extend(probe_operator(reader));
    found.extend(probe_toolkits(reader));
    found
}

/// Returns the entries of the loaded modules, seen at `place`.
pub(super) fn loaded_modules(driver: &DriverFacts, place: &str) -> Vec<LedgerEntry> {
    let entry = |module: &Module| {
        let version = driver.loaded_version.as_deref().filter(|_| modules::is_driver(&module.name));
        let what = version.map_or_else(|| module.name.clone(), |version| format!("{} {version}", module.name));
        entry(Origin::LoadedModule, what, place)
    };
    driver.modules.iter().map(entry).collect()
}

fn entry(origin: Origin, what: impl Into<String>, place: impl AsRef<Path>) -> LedgerEntry {
    LedgerEntry::new(origin, what, printable(&place.as_ref().to_string_lossy()))
}

fn probe_runfile(reader: &mut Reader<'_>) -> Option<LedgerEntry> {
    let uninstaller = reader.first_there(&UNINSTALLERS)?;
    Some(entry(Origin::Runfile, runfile_version(reader), uninstaller))
}

/// The installer's own record starts with the version, but only root may read it; its log names it for everybody.
fn runfile_version(reader: &mut Reader<'_>) -> String {
    const LOG: &str = "/var/log/nvidia-installer.log";
    let record = reader.host.files.read_text("/var/lib/nvidia/log").ok();
    let version = record.and_then(|text| version_of(text.lines().next()?));
    let version = version.or_else(|| parse_installer_log(&reader.host.files.read_text(LOG).ok()?));
    version.unwrap_or_else(|| {
        reader.note("driver.ledger.runfile", Unknown::from(msg::unknown::not_understood(LOG)));
        NO_VERSION.to_owned()
    })
}

/// Returns the version of the last install in the log.
pub fn parse_installer_log(text: &str) -> Option<String> {
    text.lines().rev().find_map(|line| version_of(line.strip_prefix("installer version:")?))
}

fn version_of(text: &str) -> Option<String> {
    let text = text.trim();
    text.parse::<Version>().is_ok().then(|| text.to_owned())
}

/// Files of the service that licenses the guest driver of a vGPU (`nvidia-gridd`); no other driver brings them.
/// Source: NVIDIA vGPU User Guide, "Licensing NVIDIA vGPU".
const VGPU_GUEST: [&str; 3] = ["/usr/bin/nvidia-gridd", "/etc/nvidia/gridd.conf", "/etc/nvidia/ClientConfigToken"];

/// Returns the sign of a vGPU's guest driver.
pub(super) fn probe_vgpu_guest(reader: &Reader<'_>) -> Option<String> {
    reader.first_there(&VGPU_GUEST).map(ToOwned::to_owned)
}

fn probe_dkms(reader: &mut Reader<'_>) -> Vec<LedgerEntry> {
    const DKMS: &str = "/var/lib/dkms";
    let names = reader.list_if_there("driver.ledger.dkms", DKMS);
    let is_driver = |name: &&String| {
        name.starts_with("nvidia") && !name.starts_with("nvidia-fs") && !name.starts_with("nvidia-peermem")
    };
    let mut found = Vec::new();
    for name in names.iter().filter(is_driver) {
        let folder = Path::new(DKMS).join(name);
        let versions = reader
            .list_if_there("driver.ledger.dkms", &folder)
            .into_iter()
            .filter(|version| version.starts_with(|c: char| c.is_ascii_digit()));
        found.extend(
            versions.map(|version| entry(Origin::Dkms, printable(&format!("{name} {version}")), folder.join(&version))),
        );
    }
    found
}

/// Modules of every kernel that is installed: a driver that was built for another one explains why none is loaded, and
/// is loaded once that kernel boots again. `release` is the running one; where `/lib/modules` cannot be listed it is
/// looked at alone.
fn probe_module_files(reader: &mut Reader<'_>, release: &str) -> Vec<LedgerEntry> {
    let mut kernels: Vec<String> = reader.host.files.list(Path::new(MODULES)).unwrap_or_default();
    kernels.extend((!release.is_empty()).then(|| release.to_owned()));
    kernels.sort();
    kernels.dedup();
    let mut paths: Vec<PathBuf> =
        kernels.iter().flat_map(|kernel| modules_of(reader, &Path::new(MODULES).join(kernel))).collect();
    paths.sort();
    let name = |path: &PathBuf| path.file_name().map(|name| printable(&name.to_string_lossy())).unwrap_or_default();
    paths.iter().map(|path| entry(Origin::ModuleFile, name(path), path)).collect()
}

/// Returns the driver's modules of one kernel, whose folder is `root`.
fn modules_of(reader: &Reader<'_>, root: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = MODULE_FOLDERS.iter().map(|folder| root.join(folder)).collect();
    let kernel = reader.host.files.list(&root.join("kernel")).unwrap_or_default();
    folders.extend(kernel.iter().filter(|name| name.starts_with("nvidia")).map(|name| root.join("kernel").join(name)));
    let mut paths = Vec::new();
    for folder in folders {
        collect_modules(reader, &folder, MODULE_DEPTH, &mut paths);
    }
    paths
}

/// Returns the release of the kernel that a module file was built for: `/lib/modules/RELEASE/…`.
pub(super) fn kernel_of(path: &str) -> Option<&str> {
    path.strip_prefix(MODULES)?.strip_prefix('/')?.split('/').next()
}

/// What the kernel puts behind a module that it signs (`MODULE_SIG_STRING`).
const SIGNATURE: &[u8] = b"~Module signature appended~\n";

/// Returns the module files of the ledger that carry no signature.
pub(super) fn probe_unsigned(reader: &Reader<'_>, ledger: &[LedgerEntry]) -> Vec<String> {
    let is_unsigned = |path: &Path| {
        let len = reader.host.files.meta(path).ok()?.len;
        let offset = len.checked_sub(SIGNATURE.len() as u64)?;
        Some(reader.host.files.read_at(path, offset, SIGNATURE.len()).ok()? != SIGNATURE)
    };
    let is_plain = |entry: &&LedgerEntry| {
        entry.origin == Origin::ModuleFile && Path::new(&entry.source).extension() == Some(OsStr::new("ko"))
    };
    let files = ledger.iter().filter(is_plain);
    files
        .filter(|entry| is_unsigned(Path::new(&entry.source)) == Some(true))
        .map(|entry| entry.source.clone())
        .collect()
}

fn collect_modules(reader: &Reader<'_>, folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for name in reader.host.files.list(folder).unwrap_or_default() {
        let path = folder.join(&name);
        if modules::is_driver_file(&name) {
            found.push(path);
        } else if depth > 0
            && !name.contains(".ko")
            && reader.host.files.meta(&path).is_ok_and(|meta| meta.kind == FileKind::Folder)
        {
            collect_modules(reader, &path, depth - 1, found);
        }
    }
}

fn probe_installer_pod(reader: &mut Reader<'_>) -> Option<LedgerEntry> {
    let cache = Path::new(INSTALLER_POD_FOLDER).join(".cache");
    if let Some(text) = reader.text_if_there("driver.ledger.installer-pod", &cache) {
        return Some(entry(
            Origin::InstallerPod,
            parse_pod_cache(&text).unwrap_or_else(|| NO_VERSION.to_owned()),
            cache,
        ));
    }
    let left_over = ["drivers", "lib64", "bin"]
        .iter()
        .any(|name| reader.host.files.exists(Path::new(INSTALLER_POD_FOLDER).join(name)));
    left_over.then(|| entry(Origin::InstallerPod, NO_VERSION, INSTALLER_POD_FOLDER))
}

/// Returns the driver that the installer pod has cached (`CACHE_NVIDIA_DRIVER_VERSION=450.51.06`).
pub fn parse_pod_cache(text: &str) -> Option<String> {
    text.lines()
        .find_map(|line| version_of(line.trim().strip_prefix("CACHE_NVIDIA_DRIVER_VERSION=")?.trim_matches('"')))
}

/// GPU Operator mounts a driver container's root here; with a driver on the host the folder stays empty.
fn probe_operator(reader: &mut Reader<'_>) -> Option<LedgerEntry> {
    let root = Path::new(OPERATOR_FOLDER);
    if !reader.host.files.exists(root.join("usr")) {
        return None;
    }
    let folders = ["usr/lib64", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu"];
    let names = folders.iter().flat_map(|folder| reader.host.files.list(&root.join(folder)).unwrap_or_default());
    let version = names
        .filter_map(|name| version_of(name.strip_prefix("libnvidia-ml.so.")?))
        .find(|version| version.contains('.'));
    Some(entry(Origin::Operator, version.unwrap_or_else(|| NO_VERSION.to_owned()), root))
}

fn probe_toolkits(reader: &mut Reader<'_>) -> Vec<LedgerEntry> {
    let names = reader.list_if_there("driver.ledger.cuda-toolkit", "/usr/local");
    let folders = names.iter().filter(|name| name.starts_with("cuda-")).map(|name| Path::new("/usr/local").join(name));
    // `cuda-12` is a link to `cuda-12.4` where the packages made it: one toolkit, not two.
    let real: Vec<_> = folders.filter(|path| reader.host.files.read_link(path).is_err()).collect();
    real.iter().map(|path| entry(Origin::CudaToolkit, toolkit_version(reader, path), path)).collect()
}

fn toolkit_version(reader: &Reader<'_>, prefix: &Path) -> String {
    let json = reader.host.files.read_text(prefix.join("version.json")).ok();
    let text = reader.host.files.read_text(prefix.join("version.txt")).ok();
    let from_name = || prefix.to_string_lossy().split_once("cuda-").and_then(|(_, version)| version_of(version));
    let version = json
        .and_then(|json| parse_version_json(&json))
        .or_else(|| version_of(text?.lines().next()?.strip_prefix("CUDA Version")?));
    version.or_else(from_name).unwrap_or_else(|| NO_VERSION.to_owned())
}

/// Returns the version in the `version.json` of a toolkit, 11.0 and newer.
pub fn parse_version_json(text: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    version_of(json.get("cuda")?.get("version")?.as_str()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_install_of_the_log_counts() {
        let text = "nvidia-installer log file\ninstaller version: 410.48\n\ninstaller version: 418.87.00\n";
        assert_eq!(parse_installer_log(text).as_deref(), Some("418.87.00"));
    }

    #[test]
    fn reads_the_cache_of_the_installer_pod() {
        let text = "CACHE_KERNEL_VERSION=3.10.0-1160.2.2.el7.x86_64\nCACHE_NVIDIA_DRIVER_VERSION=450.51.06\n";
        assert_eq!(parse_pod_cache(text).as_deref(), Some("450.51.06"));
    }

    #[test]
    fn reads_the_version_of_a_toolkit() {
        assert_eq!(
            parse_version_json(r#"{"cuda": {"name": "CUDA SDK", "version": "11.0.3"}}"#).as_deref(),
            Some("11.0.3")
        );
        assert_eq!(parse_version_json("[]"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in any::<String>()) {
            let _ = (parse_installer_log(&text), parse_pod_cache(&text), parse_version_json(&text));
        }
    }
}
