//! Where NVIDIA's library can be, and whether there is a driver that it could speak to.

use std::path::{Path, PathBuf};

/// The library's name, as the loader looks for it.
pub const LIBRARY: &str = "libnvidia-ml.so.1";

/// Folders outside the loader's path, 64-bit ones first. The last ones are the installer pod's and the GPU Operator's.
const FOLDERS: [&str; 10] = [
    "usr/lib64",
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib/x86_64-linux-gnu/nvidia/current",
    "usr/lib",
    "usr/local/nvidia/lib64",
    "home/kubernetes/bin/nvidia/lib64",
    "run/nvidia/driver/usr/lib64",
    "run/nvidia/driver/usr/lib/x86_64-linux-gnu",
    "run/nvidia/driver/usr/lib/aarch64-linux-gnu",
];

/// Signs of a loaded driver. Without one NVML is not asked, because it would run `nvidia-modprobe` and load the driver
/// itself.
const DRIVER_SIGNS: [&str; 3] = ["proc/driver/nvidia/version", "sys/module/nvidia/version", "dev/nvidiactl"];

/// Returns all places below `root` that are looked at, in their order.
pub fn places(root: &Path) -> Vec<PathBuf> {
    FOLDERS.iter().map(|folder| root.join(folder).join(LIBRARY)).collect()
}

/// Returns what to ask, in order: the loader's own choice, then each library that is there and not the same file as one
/// before.
pub fn candidates(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from(LIBRARY)];
    let mut real = Vec::new();
    for place in places(root) {
        // `/usr/lib64` may be a link to `/usr/lib`, and one library is asked once.
        if let Ok(file) = place.canonicalize()
            && !real.contains(&file)
        {
            real.push(file);
            found.push(place);
        }
    }
    found
}

/// Tells whether a driver is loaded on the machine below `root`.
pub fn has_driver(root: &Path) -> bool {
    DRIVER_SIGNS.iter().any(|sign| root.join(sign).exists())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn libraries_are_asked_in_the_order_of_their_owners_and_each_once() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["run/nvidia/driver/usr/lib64", "home/kubernetes/bin/nvidia/lib64", "usr/lib"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
            fs::write(root.path().join(folder).join(LIBRARY), folder).unwrap();
        }
        symlink("lib", root.path().join("usr/lib64")).unwrap();
        let expected = ["usr/lib64", "home/kubernetes/bin/nvidia/lib64", "run/nvidia/driver/usr/lib64"];
        let expected = expected.map(|folder| root.path().join(folder).join(LIBRARY));
        assert_eq!(candidates(root.path())[0], Path::new(LIBRARY), "the loader's path comes first");
        assert_eq!(candidates(root.path())[1..], expected);
    }

    #[test]
    fn a_driver_shows_in_proc() {
        let root = tempfile::tempdir().unwrap();
        assert!(!has_driver(root.path()));
        fs::create_dir_all(root.path().join("proc/driver/nvidia")).unwrap();
        fs::write(root.path().join("proc/driver/nvidia/version"), "").unwrap();
        assert!(has_driver(root.path()));
    }
}
