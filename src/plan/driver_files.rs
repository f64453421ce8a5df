//! Fingerprints of everything that is a driver on a host: the before and after of the proof of exclusion.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    facts::{self, Origin},
    host::{FileKind, Host},
};

/// Folders in which a driver puts its files, and how deep to look.
const PLACES: &[(&str, usize)] = &[
    ("/usr/bin", 0),
    ("/usr/sbin", 0),
    ("/usr/lib", 1),
    ("/usr/lib64", 0),
    ("/usr/lib32", 0),
    ("/etc/modprobe.d", 0),
    ("/usr/lib/modprobe.d", 0),
    ("/var/lib/dkms", 2),
];

/// Names of files that belong to a driver. A toolkit brings none of these outside its prefix.
fn is_driver_file(name: &str) -> bool {
    name.starts_with("libcuda.so")
        || name.starts_with("libnvidia-")
        || name.starts_with("libnvcuvid")
        || name.starts_with("nvidia")
        || name.starts_with("libGLX_nvidia")
}

/// Returns a fingerprint by name: length and time of each driver file and module file, and each driver entry of the ledger.
pub fn fingerprints(host: &Host) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (place, depth) in PLACES {
        collect(host, Path::new(place), *depth, &mut found);
    }
    let facts = facts::probe(host);
    collect(host, &PathBuf::from("/lib/modules").join(&facts.host.kernel), 6, &mut found);
    let driver = facts.driver.ledger.iter().filter(|entry| entry.origin != Origin::CudaToolkit && entry.origin != Origin::Unit);
    found.extend(driver.map(|entry| (format!("{:?} {}", entry.origin, entry.what), entry.r#where.clone())));
    found
}

/// Says what differs, one sentence a thing.
pub fn changes(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let appeared = after.keys().filter(|name| !before.contains_key(*name)).map(|name| format!("{name} appeared"));
    let gone = before.keys().filter(|name| !after.contains_key(*name)).map(|name| format!("{name} is gone"));
    let changed = before.iter().filter(|(name, print)| after.get(*name).is_some_and(|now| now != *print));
    appeared.chain(gone).chain(changed.map(|(name, _)| format!("{name} changed"))).collect()
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
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<BTreeMap<_, _>>();
        let before = map(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let after = map(&[("a", "1"), ("b", "2"), ("d", "1")]);
        assert_eq!(changes(&before, &after), ["d appeared", "c is gone", "b changed"]);
    }

    #[test]
    fn a_driver_file_is_told_from_a_container_toolkit() {
        assert!(is_driver_file("libcuda.so.450.51.06"));
        assert!(is_driver_file("nvidia-smi"));
        assert!(!is_driver_file("libcublas.so.11"));
    }
}
