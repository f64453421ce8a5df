//! The machine's fingerprint: a quick look at what shows that it has changed, taken every few seconds while a person
//! looks at step 1. What has changed, only the whole probe tells.

use std::path::Path;

use super::{kernel, pci};
use crate::host::Host;

/// Files whose coming, going or rewriting means another driver: databases of packages, uninstallers, what the owners
/// leave.
const WATCHED: [&str; 10] = [
    "/dev/nvidiactl",
    "/home/kubernetes/bin/nvidia/.cache",
    "/run/nvidia/driver/usr",
    "/usr/bin/nvidia-uninstall",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/usr/local",
    "/var/lib/dkms",
    "/var/lib/dpkg/status",
    "/var/lib/rpm/Packages",
    "/var/lib/rpm/rpmdb.sqlite",
];

/// What a quick look saw. Two that differ mean that the machine has changed; two that are equal prove nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(Vec<String>);

/// Takes the fingerprint: some dozen files, no command, no driver.
pub fn fingerprint(host: &Host) -> Fingerprint {
    let files = &host.files;
    let mut seen = kernel::loaded_names(host);
    seen.extend(files.read_text("/proc/driver/nvidia/version").ok());
    seen.extend(files.read_value("/proc/sys/kernel/random/boot_id").ok());
    seen.extend(pci::bindings(host));
    let stamp =
        |path: &&str| files.meta(Path::new(path)).ok().map(|meta| format!("{path} {} {}", meta.len, meta.modified));
    seen.extend(WATCHED.iter().filter_map(stamp));
    Fingerprint(seen)
}
