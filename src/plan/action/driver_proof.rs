//! The proof of exclusion: fingerprints of everything that is a driver on a host, taken before and after a toolkit is
//! installed.

use std::{collections::BTreeMap, path::Path};

use super::kind::sha256;
use crate::{
    facts::{self, Origin},
    host::{FileKind, Host},
};

/// Where cuda-installer logs for root, from CUDA 10.1 on.
pub const INSTALLER_LOG: &str = "/var/log/cuda-installer.log";
/// What it writes when it starts the driver inside the runfile.
const DRIVER_STEP: &str = "Executing NVIDIA-Linux-";
/// How much of the log is read at a time, in bytes.
const PIECE: usize = 1 << 20;
/// Longest line of it that is told.
const LINE: usize = 400;
/// Name of the log's own fingerprint.
const LOG_KEY: &str = "log of cuda-installer";

/// Folders in which a driver puts its files, and how deep to look.
const PLACES: &[(&str, usize)] = &[
    ("/usr/bin", 0),
    ("/usr/sbin", 0),
    ("/usr/local/bin", 0),
    ("/usr/lib", 1),
    ("/usr/lib64", 1),
    ("/usr/lib32", 0),
    ("/usr/lib/firmware/nvidia", 2),
    ("/usr/lib/modprobe.d", 0),
    ("/usr/lib/systemd/system", 0),
    ("/usr/lib/xorg/modules", 2),
    ("/usr/share/vulkan/icd.d", 0),
    ("/usr/share/glvnd/egl_vendor.d", 0),
    ("/usr/src", 0),
    ("/etc/modprobe.d", 0),
    ("/etc/systemd/system", 0),
    ("/etc/OpenCL/vendors", 0),
    ("/etc/X11", 1),
    ("/var/lib/dkms", 2),
    ("/var/lib/nvidia", 0),
    // Modules of every kernel: dkms builds for all of them.
    ("/lib/modules", 7),
];

/// Tells whether a name is that of a driver's file. A toolkit brings none of these outside its prefix.
fn is_driver_file(name: &str) -> bool {
    const STARTS: [&str; 10] = [
        "libcuda.so",
        "libnvidia-",
        "libnvcuvid",
        "nvidia",
        "libGLX_nvidia",
        "libEGL_nvidia",
        "libGLESv1_CM_nvidia",
        "libGLESv2_nvidia",
        "10_nvidia",
        "xorg.conf",
    ];
    STARTS.iter().any(|start| name.starts_with(start))
}

/// Returns a fingerprint by name: length and time of each driver file and module file, each driver entry of the ledger
/// with the package database, and how far the installer's log had come.
pub fn fingerprints(host: &Host) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (place, depth) in PLACES {
        collect(host, Path::new(place), *depth, &mut found);
    }
    let ledger = facts::driver_ledger(host);
    let driver = ledger.iter().filter(|entry| !matches!(entry.origin, Origin::CudaToolkit | Origin::Unit));
    found.extend(driver.map(|entry| (format!("{} {}", entry.origin.name(), entry.name), entry.source.clone())));
    let len = host.files.meta(Path::new(INSTALLER_LOG)).map_or(0, |meta| meta.len);
    found.insert(LOG_KEY.to_owned(), format!("{len} {}", log_mark(host, len)));
    found
}

/// Returns how many things were fingerprinted.
pub fn count(before: &BTreeMap<String, String>) -> usize {
    before.keys().filter(|name| *name != LOG_KEY).count()
}

/// Says what has changed since, one sentence a thing; nothing is the proof.
pub fn changes(host: &Host, before: &BTreeMap<String, String>) -> Vec<String> {
    let mut after = fingerprints(host);
    if !before.contains_key(LOG_KEY) {
        // An earlier version of this program looked at less: only what both have seen can be compared.
        let both: BTreeMap<_, _> =
            before.iter().filter(|(name, _)| name.starts_with('/')).map(|(a, b)| (a.clone(), b.clone())).collect();
        after.retain(|name, _| both.contains_key(name));
        return differences(&both, &after);
    }
    let mut changes = differences(before, &after);
    changes.extend(driver_step(host, before).map(|line| format!("{INSTALLER_LOG} says \"{line}\"")));
    changes
}

fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let appeared = after.keys().filter(|name| !before.contains_key(*name)).map(|name| format!("{name} appeared"));
    let gone = before.keys().filter(|name| !after.contains_key(*name)).map(|name| format!("{name} is gone"));
    let is_other = |name: &str, print: &String| name != LOG_KEY && after.get(name).is_some_and(|now| now != print);
    let changed =
        before.iter().filter(|(name, print)| is_other(name, print)).map(|(name, _)| format!("{name} changed"));
    appeared.chain(gone).chain(changed).collect()
}

/// Returns a digest of what stands right before `end` in the installer's log: nobody knows how long it has become over
/// the years, and a log that only grew still has it there.
fn log_mark(host: &Host, end: u64) -> String {
    let from = end.saturating_sub(PIECE as u64);
    let len = usize::try_from(end - from).unwrap_or(PIECE);
    sha256(&host.files.read_at(Path::new(INSTALLER_LOG), from, len).unwrap_or_default())
}

/// Returns the line in which the installer's log tells of a driver step of this run. What stood there before is of an
/// earlier run, if the log still has it in its place; a run may also begin the log anew. It is read in pieces.
pub(super) fn driver_step(host: &Host, before: &BTreeMap<String, String>) -> Option<String> {
    let old = before
        .get(LOG_KEY)
        .and_then(|print| print.split_once(' '))
        .and_then(|(len, hash)| Some((len.parse::<u64>().ok()?, hash)));
    let now = host.files.meta(Path::new(INSTALLER_LOG)).ok()?.len;
    let mut at = old.filter(|(len, hash)| now >= *len && log_mark(host, *len) == *hash).map_or(0, |(len, _)| len);
    // The end of a piece may be the beginning of the words that are looked for.
    let mut carried = Vec::new();
    loop {
        let piece = host.files.read_at(Path::new(INSTALLER_LOG), at, PIECE).ok().filter(|piece| !piece.is_empty());
        let is_end = piece.is_none();
        at += piece.as_ref().map_or(0, Vec::len) as u64;
        carried.extend(piece.unwrap_or_default());
        let text = String::from_utf8_lossy(&carried);
        if let Some(line) = text.lines().find(|line| line.contains(DRIVER_STEP)) {
            return Some(crate::text::printable(&crate::text::cut_middle(line.trim(), LINE, "…")));
        }
        if is_end {
            return None;
        }
        carried.drain(..carried.len().saturating_sub(LINE));
    }
}

fn collect(host: &Host, folder: &Path, depth: usize, found: &mut BTreeMap<String, String>) {
    for name in host.files.list(folder).unwrap_or_default() {
        let path = folder.join(&name);
        if is_driver_file(&name) {
            if let Ok(meta) = host.files.meta(&path) {
                found.insert(path.display().to_string(), format!("{} bytes, changed {}", meta.len, meta.modified));
            }
        } else if depth > 0
            && host.files.read_link(&path).is_err()
            && host.files.meta(&path).is_ok_and(|meta| meta.kind == FileKind::Folder)
        {
            collect(host, &path, depth - 1, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_is_named() {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let before = map(&[("a", "1"), ("b", "1"), ("c", "1"), (LOG_KEY, "1")]);
        let after = map(&[("a", "1"), ("b", "2"), ("d", "1"), (LOG_KEY, "2")]);
        assert_eq!(differences(&before, &after), ["d appeared", "c is gone", "b changed"]);
    }

    #[test]
    fn a_driver_step_of_this_run_is_told_from_one_of_the_past() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::local(folder.path());
        let log = folder.path().join("var/log/cuda-installer.log");
        let write = |text: &str| {
            std::fs::create_dir_all(log.parent().unwrap()).unwrap();
            std::fs::write(&log, text).unwrap();
        };
        write("[INFO]: Executing NVIDIA-Linux-x86_64-418.87.00.run\n");
        let before = fingerprints(&host);
        assert_eq!(driver_step(&host, &before), None);
        write("[INFO]: Executing NVIDIA-Linux-x86_64-418.87.00.run\n[INFO]: Driver not installed.\n");
        assert_eq!(changes(&host, &before), Vec::<String>::new());
        // A log that was begun anew is all of this run.
        write("[INFO]: Executing NVIDIA-Linux-x86_64-450.51.06.run\n");
        assert!(driver_step(&host, &before).is_some_and(|line| line.contains("450.51.06")));
    }

    #[test]
    fn a_log_of_any_length_is_looked_through() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::local(folder.path());
        let log = folder.path().join("var/log/cuda-installer.log");
        std::fs::create_dir_all(log.parent().unwrap()).unwrap();
        let add = |text: &[u8]| {
            use std::io::Write;
            std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap().write_all(text).unwrap();
        };
        // More than is ever read as a whole, most of it in one line, and sparse.
        add(b"[INFO]: Executing NVIDIA-Linux-x86_64-418.87.00.run\n");
        std::fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(100 << 20).unwrap();
        let before = fingerprints(&host);
        assert_eq!(driver_step(&host, &before), None);
        // The words fall on the border of two pieces.
        add(&vec![b'x'; PIECE - 8]);
        add(b"\n[INFO]: Executing NVIDIA-Linux-x86_64-450.51.06.run --silent\n");
        assert_eq!(
            driver_step(&host, &before).as_deref(),
            Some("[INFO]: Executing NVIDIA-Linux-x86_64-450.51.06.run --silent")
        );
    }

    #[test]
    fn a_driver_file_is_told_from_a_toolkits() {
        assert!(
            is_driver_file("libcuda.so.450.51.06") && is_driver_file("nvidia-smi") && is_driver_file("nvidia.ko.xz")
        );
        assert!(!is_driver_file("libcublas.so.11") && !is_driver_file("libcudart.so"));
    }
}
