//! What user space has of the driver: its device files, the links that containers need, and its libraries.

use std::{collections::BTreeSet, path::Path};

use serde::{Deserialize, Serialize};

use super::reader::Reader;
use crate::{host::nvml::search, text::printable, version::Version};

const NODES: &str = "driver.device_nodes";
const LINKS: &str = "driver.char_links";
/// The major number of the cards and of `nvidiactl`. Source: Linux, Documentation/admin-guide/devices.txt.
const CARDS_MAJOR: u32 = 195;

/// A driver library with its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverLibrary {
    /// The file that the loader ends at.
    pub path: String,
    /// The version in its name; absent where the name has none.
    pub version: Option<String>,
}

/// Returns the device files of the driver: `/dev/nvidia0`, `/dev/nvidiactl`, `/dev/nvidia-uvm`, ….
pub(super) fn probe_nodes(reader: &mut Reader<'_>) -> Vec<String> {
    const DEV: &str = "/dev";
    let names = reader.list_if_there(NODES, DEV);
    names.iter().filter(|name| name.starts_with("nvidia")).map(|name| printable(&format!("{DEV}/{name}"))).collect()
}

/// Returns the links `/dev/char/MAJOR:MINOR` of these device files, without which a container loses its cards when
/// systemd reloads. Source: nvidia-container-toolkit#48, #251, #1227.
pub(super) fn probe_char_links(reader: &mut Reader<'_>) -> Vec<String> {
    const CHAR: &str = "/dev/char";
    let devices = reader.text_if_there(LINKS, "/proc/devices").unwrap_or_default();
    let mut majors = parse_majors(&devices);
    majors.insert(CARDS_MAJOR);
    let is_ours = |name: &&String| {
        name.split_once(':').and_then(|(major, _)| major.parse().ok()).is_some_and(|n| majors.contains(&n))
    };
    let names = reader.list_if_there(LINKS, CHAR);
    names.iter().filter(is_ours).map(|name| printable(&format!("{CHAR}/{name}"))).collect()
}

/// Returns the major numbers that NVIDIA's modules have registered: that of `nvidia-uvm` is another after each boot.
/// Source: proc(5).
pub(super) fn parse_majors(devices: &str) -> BTreeSet<u32> {
    let line = |line: &str| {
        let (number, name) = line.trim().split_once(' ')?;
        name.trim().starts_with("nvidia").then(|| number.parse().ok())?
    };
    devices.lines().take_while(|line| !line.starts_with("Block")).filter_map(line).collect()
}

/// Returns the libraries of a driver that belong to the host; those of the installer pod and of the operator are in
/// folders of their own.
pub(super) fn probe_libraries(reader: &Reader<'_>) -> Vec<DriverLibrary> {
    let mut found: Vec<DriverLibrary> = Vec::new();
    for place in search::places(Path::new("/")) {
        if ["/home/", "/run/"].iter().any(|pods| place.starts_with(pods)) {
            continue;
        }
        let Ok(path) = reader.host.files.canonical(&place) else { continue };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let version = name
            .strip_prefix("libnvidia-ml.so.")
            .filter(|version| version.contains('.') && version.parse::<Version>().is_ok());
        let library = DriverLibrary { path: printable(&path.to_string_lossy()), version: version.map(str::to_owned) };
        if !found.contains(&library) {
            found.push(library);
        }
    }
    found
}

/// Returns the first `nvidia-smi` where the GPU Operator looks for a driver of the host. Source: gpu-operator#398,
/// #2150 (owners.md 3.4).
pub(super) fn probe_smi(reader: &Reader<'_>) -> Option<String> {
    const PLACES: [&str; 5] =
        ["/usr/bin/nvidia-smi", "/usr/sbin/nvidia-smi", "/bin/nvidia-smi", "/sbin/nvidia-smi", "/opt/bin/nvidia-smi"];
    reader.first_there(&PLACES).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_majors_are_those_of_characters() {
        let devices = "Character devices:\n  1 mem\n195 nvidia\n195 nvidia-frontend\n511 nvidia-uvm\n510 nvidia-caps\n\nBlock devices:\n  8 nvidia-x\n";
        assert_eq!(parse_majors(devices), [195, 510, 511].into());
    }
}
