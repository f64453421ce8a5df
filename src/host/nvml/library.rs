//! The calls of NVIDIA's library, through nvml-wrapper. Only [`child`](super::child) comes here: they may hang, and
//! they may crash.

use std::ffi::OsStr;

use nvml_wrapper::{
    Device, Nvml, cuda_driver_version_major, cuda_driver_version_minor,
    enum_wrappers::device::{GpuVirtualizationMode, TemperatureSensor},
    error::NvmlError,
};
use serde::{Deserialize, Serialize};

use super::{NvmlAnswer, NvmlGpu, Virtualization, normalise_address};
use crate::text::printable;

/// What one library leads to. Goes from the child to who asks as one line of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Told {
    /// It was loaded and asked.
    Answer(NvmlAnswer),
    /// The loader refused it, in its words: it is not there, or made for another machine.
    NotLoaded(String),
}

/// Loads the library and asks it everything.
pub(super) fn ask(library: &OsStr) -> Told {
    // A statically linked build cannot load any library and would call a working driver missing.
    if cfg!(target_env = "musl") {
        return Told::Answer(NvmlAnswer::Failed("this build of gpunode cannot load libraries".to_owned()));
    }
    match read_all(library) {
        Ok(answer) => Told::Answer(answer),
        Err(NvmlError::LibloadingError(error)) => Told::NotLoaded(printable(&error.to_string())),
        Err(error) => Told::Answer(failure_of(&error)),
    }
}

fn failure_of(error: &NvmlError) -> NvmlAnswer {
    match error {
        NvmlError::DriverNotLoaded => NvmlAnswer::NoDriver,
        NvmlError::LibRmVersionMismatch => NvmlAnswer::Mismatch,
        NvmlError::NoPermission => NvmlAnswer::NoPermission,
        other => NvmlAnswer::Failed(other.to_string()),
    }
}

fn read_all(library: &OsStr) -> Result<NvmlAnswer, NvmlError> {
    let nvml = Nvml::builder().lib_path(library).init()?;
    let driver_version = nvml.sys_driver_version()?;
    let cuda = |version| format!("{}.{}", cuda_driver_version_major(version), cuda_driver_version_minor(version));
    let cuda_version = nvml.sys_cuda_driver_version().ok().map(cuda);
    let (mut gpus, mut silent) = (Vec::new(), Vec::new());
    for index in 0..nvml.device_count()? {
        match nvml.device_by_index(index).and_then(|device| read_gpu(&device)) {
            Ok(gpu) => gpus.push(gpu),
            Err(error) => silent.push(format!("GPU {index}: {error}")),
        }
    }
    // The process ends now, and with it all that `nvmlShutdown` would take its time to free.
    std::mem::forget(nvml);
    Ok(NvmlAnswer::Answer { driver_version, cuda_version, gpus, silent })
}

/// Returns what one card says; only its address is indispensable.
fn read_gpu(device: &Device<'_>) -> Result<NvmlGpu, NvmlError> {
    Ok(NvmlGpu {
        pci_address: normalise_address(&device.pci_info()?.bus_id),
        name: device.name().unwrap_or_default(),
        uuid: device.uuid().unwrap_or_default(),
        memory_mib: device.memory_info().ok().map(|memory| memory.total >> 20),
        temperature_c: device.temperature(TemperatureSensor::Gpu).ok(),
        ecc: device.is_ecc_enabled().ok().map(|state| state.currently_enabled),
        mig: device.mig_mode().ok().map(|mode| mode.current != 0),
        pcie_generation: device.current_pcie_link_gen().ok(),
        pcie_width: device.current_pcie_link_width().ok(),
        virtualization: device.virtualization_mode().ok().as_ref().map(virtualization),
    })
}

fn virtualization(mode: &GpuVirtualizationMode) -> Virtualization {
    match mode {
        GpuVirtualizationMode::Bare => Virtualization::None,
        GpuVirtualizationMode::PassThrough => Virtualization::PassThrough,
        GpuVirtualizationMode::Vgpu => Virtualization::Vgpu,
        GpuVirtualizationMode::HostVgpu | GpuVirtualizationMode::HostVsga => Virtualization::Host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_not_there_was_not_loaded() {
        assert!(matches!(ask(OsStr::new("/nonexistent/libnvidia-ml.so.1")), Told::NotLoaded(_)));
    }

    #[test]
    fn errors_become_facts() {
        assert_eq!(failure_of(&NvmlError::DriverNotLoaded), NvmlAnswer::NoDriver);
        assert_eq!(failure_of(&NvmlError::LibRmVersionMismatch), NvmlAnswer::Mismatch);
        assert_eq!(failure_of(&NvmlError::NoPermission), NvmlAnswer::NoPermission);
        assert!(matches!(failure_of(&NvmlError::GpuLost), NvmlAnswer::Failed(_)));
    }
}
