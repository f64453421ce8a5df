//! Joins what NVML says with the cards on the PCI bus.

use std::collections::BTreeMap;

use super::{Gpu, GpuNvml, reader::Reader};
use crate::host::{Command, NvmlAnswer, NvmlGpu, nvml::normalise_address};

/// Asks NVML; a library before R510 does not tell the memory, then `nvidia-smi` is asked for it.
pub(super) fn probe(reader: &mut Reader<'_>, deadline: std::time::Duration) -> NvmlAnswer {
    let mut answer = reader.host.gpus.query(deadline);
    if let NvmlAnswer::Answer { gpus, .. } = &mut answer
        && gpus.iter().any(|gpu| gpu.memory_mib.is_none())
    {
        let query =
            Command::new("nvidia-smi", ["--query-gpu=pci.bus_id,memory.total", "--format=csv,noheader,nounits"]);
        let sizes = reader.command("gpus.nvml.memory_mib", &query).map(|text| parse_memory(&text)).unwrap_or_default();
        for gpu in gpus {
            gpu.memory_mib = gpu.memory_mib.or_else(|| sizes.get(&gpu.pci_address).copied());
        }
    }
    answer
}

/// Reads lines of `00000000:18:00.0, 32510`.
pub fn parse_memory(text: &str) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        let (address, mib) = line.split_once(',')?;
        Some((normalise_address(address.trim()), mib.trim().parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}

/// Adds to each card what NVML says of it; the PCI address is what both know.
pub(super) fn join(gpus: &mut [Gpu], answer: &NvmlAnswer) {
    let NvmlAnswer::Answer { driver_version, cuda_version, gpus: seen, .. } = answer else { return };
    for gpu in gpus {
        let found = seen.iter().find(|nvml| nvml.pci_address == gpu.pci_address);
        gpu.nvml = found.map(|nvml| detail(nvml, driver_version, cuda_version.as_deref()));
    }
}

fn detail(nvml: &NvmlGpu, driver_version: &str, cuda_version: Option<&str>) -> GpuNvml {
    GpuNvml {
        uuid: nvml.uuid.clone(),
        memory_mib: nvml.memory_mib,
        driver_version: driver_version.to_owned(),
        cuda_version: cuda_version.map(str::to_owned),
        temperature_c: nvml.temperature_c,
        ecc: nvml.ecc,
        mig: nvml.mig,
        pcie_generation: nvml.pcie_generation,
        pcie_width: nvml.pcie_width,
        virtualization: nvml.virtualization,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_by_address() {
        let mut gpus =
            ["0000:18:00.0", "0000:3b:00.0"].map(|address| Gpu { pci_address: address.into(), ..Gpu::default() });
        let seen = NvmlGpu {
            pci_address: "0000:3b:00.0".into(),
            uuid: "GPU-1".into(),
            memory_mib: Some(32510),
            ..NvmlGpu::default()
        };
        let answer = NvmlAnswer::Answer {
            driver_version: "450.51.06".into(),
            cuda_version: Some("11.0".into()),
            gpus: vec![seen],
            silent: vec![],
        };
        join(&mut gpus, &answer);
        assert_eq!(gpus[0].nvml, None);
        let nvml = gpus[1].nvml.as_ref().unwrap();
        assert_eq!(
            (nvml.uuid.as_str(), nvml.memory_mib, nvml.driver_version.as_str()),
            ("GPU-1", Some(32510), "450.51.06")
        );
    }

    #[test]
    fn reads_what_nvidia_smi_says_of_the_memory() {
        let sizes = parse_memory("00000000:3B:00.0, 32510\n00000000:86:00.0, [N/A]\nnonsense\n");
        assert_eq!(sizes, BTreeMap::from([("0000:3b:00.0".to_owned(), 32510)]));
    }
}
