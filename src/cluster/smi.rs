//! Reads the table that `nvidia-smi` prints: a pod's output is all there is to parse, and its `-q` forms need
//! arguments.

use serde::{Deserialize, Serialize};

use crate::version::Version;

/// What `nvidia-smi` shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Smi {
    /// Version of the driver.
    pub driver_version: Version,
    /// Newest CUDA version that the driver supports; absent before 410.
    pub cuda_version: Option<Version>,
    /// The GPUs.
    pub gpus: Vec<SmiGpu>,
}

/// One GPU of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmiGpu {
    /// Index.
    pub index: u32,
    /// Name, cut short by older releases: `Tesla V100-PCIE...`.
    pub name: String,
    /// PCI address, `00000000:18:00.0`.
    pub bus_id: String,
    /// Memory in MiB.
    pub memory_mib: Option<u64>,
}

/// Parses the table, old shape (up to 530) and new; nothing if there is none in `text`.
pub fn parse(text: &str) -> Option<Smi> {
    let driver_version = word_after(text, "Driver Version:")?.parse().ok()?;
    let cuda_version = word_after(text, "CUDA Version:").and_then(|word| word.parse().ok());
    let mut gpus: Vec<SmiGpu> = Vec::new();
    for line in text.lines().take_while(|line| !line.contains("Processes:")) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, first, second, ..] = cells[..] else { continue };
        if let Some(gpu) = gpu(first, second) {
            gpus.push(gpu);
        } else if let (Some(total), Some(gpu)) = (memory(second), gpus.last_mut()) {
            gpu.memory_mib.get_or_insert(total);
        }
    }
    Some(Smi { driver_version, cuda_version, gpus })
}

/// Tells whether two PCI addresses mean the same card: the kernel writes `0000:18:00.0`, nvidia-smi `00000000:18:00.0`.
pub fn same_address(one: &str, other: &str) -> bool {
    let plain = |address: &str| address.trim_start_matches('0').to_ascii_lowercase();
    plain(one) == plain(other)
}

/// Returns the word that follows a label.
fn word_after<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    text.split_once(label)?.1.split_whitespace().next()
}

/// Reads `0  Tesla V100-PCIE...  Off` and `00000000:18:00.0 Off`.
fn gpu(first: &str, second: &str) -> Option<SmiGpu> {
    let bus_id = second.split_whitespace().next().filter(|word| word.matches(':').count() == 2)?;
    let (index, rest) = first.split_once(char::is_whitespace)?;
    let (name, _persistence) = rest.trim().rsplit_once(char::is_whitespace)?;
    Some(SmiGpu {
        index: index.parse().ok()?,
        name: name.trim().to_owned(),
        bus_id: bus_id.to_owned(),
        memory_mib: None,
    })
}

/// Reads the total of `0MiB / 32510MiB`.
fn memory(cell: &str) -> Option<u64> {
    cell.split_once('/')?.1.trim().strip_suffix("MiB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_old_table() {
        let smi = parse(include_str!("../../tests/fixtures/logs/logs-ok.txt")).unwrap();
        assert_eq!(smi.driver_version.as_str(), "450.51.06");
        assert_eq!(smi.cuda_version.unwrap().as_str(), "11.0");
        let gpu = SmiGpu {
            index: 0,
            name: "Tesla V100-PCIE...".into(),
            bus_id: "00000000:18:00.0".into(),
            memory_mib: Some(32510),
        };
        assert_eq!(smi.gpus, [gpu]);
    }

    #[test]
    fn reads_the_new_table() {
        let smi = parse(include_str!("../../tests/fixtures/logs/nvidia-smi-580.txt")).unwrap();
        assert_eq!(smi.driver_version.as_str(), "580.159.04");
        let gpu = SmiGpu {
            index: 0,
            name: "NVIDIA H200".into(),
            bus_id: "00000000:00:06.0".into(),
            memory_mib: Some(143_771),
        };
        assert_eq!(smi.gpus, [gpu]);
    }

    #[test]
    fn text_without_a_table_is_none() {
        assert_eq!(parse(""), None);
        assert_eq!(parse("Failed to initialize NVML: Driver/library version mismatch"), None);
    }
}
