//! Files of a driver that nobody accounts for: an uninstaller leaves what was changed since, and a package manager what
//! it did not bring. A module among them is loaded at the next boot.
//! Source: nvidia-installer's `backup.c` (a file whose checksum differs from its record is left) and its file list;
//! dpkg-query(1) and rpm(8) for the owner of a file.

use std::path::{Path, PathBuf};

use super::{LedgerEntry, Origin, packages, reader::Reader};
use crate::{
    host::{Command, CommandError, FileKind, Host},
    version::Version,
};

/// Folders of libraries and, by their names, the driver's libraries; a version of the driver follows.
const LIBRARY_FOLDERS: [&str; 6] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/lib/i386-linux-gnu",
    "/usr/lib32",
];
const LIBRARIES: [&str; 11] = [
    "libcuda.so.",
    "libcudadebugger.so.",
    "libnvcuvid.so.",
    "libnvoptix.so.",
    "libnvidia-",
    "libGLX_nvidia.so.",
    "libEGL_nvidia.so.",
    "libGLESv1_CM_nvidia.so.",
    "libGLESv2_nvidia.so.",
    "libvdpau_nvidia.so.",
    "libglxserver_nvidia.so.",
];
/// Folders of rules and options that act on the driver's modules, and how such a file's name ends.
const SETTINGS: [(&str, &str); 4] = [
    ("/etc/udev/rules.d", ".rules"),
    ("/usr/lib/udev/rules.d", ".rules"),
    ("/etc/modprobe.d", ".conf"),
    ("/usr/lib/modprobe.d", ".conf"),
];

/// Returns the files that nobody accounts for, as the machine is now.
pub fn left_files(host: &Host) -> Vec<PathBuf> {
    let mut reader = Reader::new(host);
    probe(&mut reader, &super::driver_ledger(host)).into_iter().map(PathBuf::from).collect()
}

/// Returns the files that nobody accounts for. While an uninstaller, a package or a dkms tree of a driver is there, the
/// files are its.
pub(super) fn probe(reader: &mut Reader<'_>, ledger: &[LedgerEntry]) -> Vec<String> {
    let is_explained = |entry: &LedgerEntry| {
        matches!(entry.origin, Origin::Runfile | Origin::Dkms | Origin::Operator) || packages::is_driver_package(entry)
    };
    if ledger.iter().any(is_explained) {
        return Vec::new();
    }
    let has_pod = ledger.iter().any(|entry| entry.origin == Origin::InstallerPod);
    let modules = ledger.iter().filter(|entry| entry.origin == Origin::ModuleFile).map(|entry| entry.source.clone());
    let modules = modules.filter(|path| !(has_pod && is_of_pod(path)));
    let mut found: Vec<String> = modules.chain(libraries(reader)).chain(settings(reader)).collect();
    found.sort();
    found.dedup();
    let owned = owned(reader, &found);
    found.retain(|path| !owned.iter().any(|other| spelled_alike(path, other)));
    found
}

/// `/lib/modules/RELEASE/video`: where the installer pod puts its modules; a runfile's are in `kernel/drivers/video`.
fn is_of_pod(path: &str) -> bool {
    path.split('/').nth(4) == Some("video")
}

fn libraries(reader: &Reader<'_>) -> Vec<String> {
    let is_driver = |name: &String| {
        let version = name.split_once(".so.").and_then(|(_, version)| version.parse::<Version>().ok());
        let is_drivers =
            version.is_some_and(|version| (100..1000).contains(&version.branch()) && version.as_str().contains('.'));
        is_drivers && LIBRARIES.iter().any(|start| name.starts_with(start))
    };
    LIBRARY_FOLDERS.iter().flat_map(|folder| plain_files(reader, folder, &is_driver)).collect()
}

fn settings(reader: &Reader<'_>) -> Vec<String> {
    let of = |(folder, end): &(&'static str, &'static str)| {
        plain_files(reader, folder, &|name| {
            name.contains("nvidia") && name.ends_with(end) && !name.starts_with("gpunode")
        })
    };
    let keeps_others_off = |path: &String| reader.host.files.read_text(path).is_ok_and(|text| only_blacklists(&text));
    SETTINGS.iter().flat_map(of).filter(|path| !keeps_others_off(path)).collect()
}

/// What only keeps nouveau away serves every driver of NVIDIA's.
fn only_blacklists(text: &str) -> bool {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines().next().is_some() && lines().all(|line| line.contains("nouveau") || line.contains("nova"))
}

/// Returns the files of a folder that are no links: a link goes where its target goes.
fn plain_files(reader: &Reader<'_>, folder: &str, is_ours: &dyn Fn(&String) -> bool) -> Vec<String> {
    let names = reader.host.files.list(Path::new(folder)).unwrap_or_default().into_iter().filter(is_ours);
    let paths = names.map(|name| Path::new(folder).join(name));
    let is_plain = |path: &PathBuf| {
        reader.host.files.read_link(path).is_err()
            && reader.host.files.meta(path).is_ok_and(|meta| meta.kind == FileKind::File)
    };
    paths.filter(is_plain).map(|path| path.display().to_string()).collect()
}

/// Returns those of the files that a package owns; all of them where the package manager does not answer, so that
/// nothing is taken for nobody's by mistake.
fn owned(reader: &mut Reader<'_>, paths: &[String]) -> Vec<String> {
    if paths.is_empty() {
        return Vec::new();
    }
    let other = paths.iter().filter_map(|path| other_spelling(path));
    let all: Vec<String> = paths.iter().cloned().chain(other).collect();
    let mut found = Vec::new();
    if packages::has_dpkg(reader.host) {
        let query = Command::new("dpkg-query", ["--search", "--"]).operands(&all);
        match reader.host.commands.capture(&query) {
            Ok(output) => {
                found.extend(output.stdout.lines().filter_map(|line| Some(line.rsplit_once(": ")?.1.to_owned())));
            }
            Err(error) => return unanswered(reader, &query, &error, all),
        }
    }
    if packages::has_rpm(reader.host) {
        let query = Command::new("rpm", ["--query", "--file"]).operands(&all).env("LC_ALL", "C");
        match reader.host.commands.capture(&query) {
            Ok(output) => {
                let is_nobodys =
                    |path: &&String| output.stdout.contains(&format!("{path} ")) || output.stderr.contains(*path);
                found.extend(all.iter().filter(|path| !is_nobodys(path)).cloned());
            }
            Err(error) => return unanswered(reader, &query, &error, all),
        }
    }
    found
}

fn unanswered(reader: &mut Reader<'_>, query: &Command, error: &CommandError, all: Vec<String>) -> Vec<String> {
    if !error.is_of_the_picture() {
        reader.note("driver.left_files", super::Unknown::from_command(query, error));
    }
    all
}

/// `/lib` and `/usr/lib` are one folder on all but old systems, and a package may name either.
fn other_spelling(path: &str) -> Option<String> {
    path.strip_prefix("/usr/lib/")
        .map(|rest| format!("/lib/{rest}"))
        .or_else(|| path.starts_with("/lib/").then(|| format!("/usr{path}")))
}

fn spelled_alike(path: &str, other: &str) -> bool {
    path == other || other_spelling(path).as_deref() == Some(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_keeps_nouveau_away_stays() {
        assert!(only_blacklists("# generated by nvidia-installer\nblacklist nouveau\noptions nouveau modeset=0\n"));
        assert!(!only_blacklists("options nvidia NVreg_DeviceFileMode=0660\n") && !only_blacklists(""));
    }

    #[test]
    fn one_folder_has_two_spellings() {
        assert!(spelled_alike("/lib/modules/6.1/x.ko", "/usr/lib/modules/6.1/x.ko"));
        assert!(spelled_alike("/usr/lib/udev/x", "/lib/udev/x") && !spelled_alike("/usr/bin/x", "/bin/x"));
    }
}
