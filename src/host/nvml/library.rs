//! NVML of this machine: finds `libnvidia-ml.so.1`, loads it on a thread of its own and asks.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use nvml_wrapper::{
    Device, Nvml, cuda_driver_version_major, cuda_driver_version_minor, enum_wrappers::device::TemperatureSensor, error::NvmlError,
};

use super::{Gpus, NvmlAnswer, NvmlGpu, normalise_address};

/// The library's name, as the loader looks for it.
const LIBRARY: &str = "libnvidia-ml.so.1";

/// Folders outside the loader's path, 64-bit ones first. The last ones are the installer pod's and the GPU Operator's.
const FOLDERS: [&str; 9] = [
    "/usr/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib",
    "/usr/local/nvidia/lib64",
    "/home/kubernetes/bin/nvidia/lib64",
    "/run/nvidia/driver/usr/lib64",
    "/run/nvidia/driver/usr/lib/x86_64-linux-gnu",
    "/run/nvidia/driver/usr/lib/aarch64-linux-gnu",
];

/// Signs of a loaded driver. Without one NVML is not asked, because it would run `nvidia-modprobe` and load the driver itself.
const DRIVER_SIGNS: [&str; 3] = ["/proc/driver/nvidia/version", "/sys/module/nvidia/version", "/dev/nvidiactl"];

/// NVML of this machine.
pub(super) struct LocalGpus;

impl Gpus for LocalGpus {
    fn query(&self, deadline: Duration) -> NvmlAnswer {
        within(deadline, ask)
    }
}

/// Asks on a thread that is left behind when it does not answer: a call that hangs in the kernel cannot be stopped.
fn within(deadline: Duration, ask: impl FnOnce() -> NvmlAnswer + Send + 'static) -> NvmlAnswer {
    let (sender, receiver) = mpsc::channel();
    let spawned = thread::Builder::new().name("nvml".to_owned()).spawn(move || {
        // Nobody listens any more after the deadline; that is no error here.
        let _ = sender.send(ask());
    });
    match spawned.map(|_| receiver.recv_timeout(deadline)) {
        Ok(Ok(answer)) => answer,
        Ok(Err(RecvTimeoutError::Timeout)) => NvmlAnswer::TimedOut,
        Ok(Err(RecvTimeoutError::Disconnected)) => NvmlAnswer::Failed("the NVML thread ended without an answer".to_owned()),
        Err(error) => NvmlAnswer::Failed(error.to_string()),
    }
}

fn ask() -> NvmlAnswer {
    let places: Vec<PathBuf> = FOLDERS.iter().map(|folder| Path::new(folder).join(LIBRARY)).collect();
    let found: Vec<&PathBuf> = places.iter().filter(|path| path.exists()).collect();
    if !DRIVER_SIGNS.iter().any(|path| Path::new(path).exists()) {
        return if found.is_empty() { NvmlAnswer::NoLibrary(places) } else { NvmlAnswer::NoDriver };
    }
    // A statically linked build cannot load any library and would call a working driver missing.
    if cfg!(target_env = "musl") {
        return NvmlAnswer::Failed("this build of gpunode cannot load libraries".to_owned());
    }
    let candidates = std::iter::once(OsStr::new(LIBRARY)).chain(found.iter().map(|path| path.as_os_str()));
    first_answer(candidates, &read_all).unwrap_or(NvmlAnswer::NoLibrary(places))
}

/// Returns the first answer; a library that cannot be loaded or that is of another version than the driver is passed over, since a
/// driver from a pod has its library elsewhere than what an old host driver left behind.
fn first_answer<'a>(
    candidates: impl Iterator<Item = &'a OsStr>,
    read: &dyn Fn(&OsStr) -> Result<NvmlAnswer, NvmlError>,
) -> Option<NvmlAnswer> {
    let mut failure = None;
    for candidate in candidates {
        match read(candidate) {
            Ok(answer) => return Some(answer),
            Err(NvmlError::LibRmVersionMismatch) => failure = Some(NvmlAnswer::Mismatch),
            Err(NvmlError::LibloadingError(_)) if candidate == LIBRARY => {}
            Err(error @ NvmlError::LibloadingError(_)) => failure = failure.or(Some(NvmlAnswer::Failed(error.to_string()))),
            Err(error) => return Some(failure_of(&error)),
        }
    }
    failure
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
    // A card that does not answer is left out: the count then differs from the PCI bus, which is a finding.
    let gpus = (0..nvml.device_count()?).filter_map(|index| read_gpu(&nvml.device_by_index(index).ok()?)).collect();
    Ok(NvmlAnswer::Answer { driver_version, cuda_version, gpus })
}

/// Returns what one card says; only its address is indispensable.
fn read_gpu(device: &Device<'_>) -> Option<NvmlGpu> {
    Some(NvmlGpu {
        pci_address: normalise_address(&device.pci_info().ok()?.bus_id),
        name: device.name().unwrap_or_default(),
        uuid: device.uuid().unwrap_or_default(),
        memory_mib: device.memory_info().ok().map(|memory| memory.total >> 20),
        temperature_c: device.temperature(TemperatureSensor::Gpu).ok(),
        ecc: device.is_ecc_enabled().ok().map(|state| state.currently_enabled),
        mig: device.mig_mode().ok().map(|mode| mode.current != 0),
        pcie_generation: device.current_pcie_link_gen().ok(),
        pcie_width: device.current_pcie_link_width().ok(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_library() -> NvmlError {
        Nvml::builder().lib_path(OsStr::new("/nonexistent/libnvidia-ml.so.1")).init().err().unwrap()
    }

    #[test]
    fn a_call_that_hangs_is_a_fact_after_the_deadline() {
        let (_keep, never) = mpsc::channel::<()>();
        let hang = move || {
            let _ = never.recv();
            NvmlAnswer::NoDriver
        };
        assert_eq!(within(Duration::from_millis(10), hang), NvmlAnswer::TimedOut);
    }

    #[test]
    fn a_thread_that_dies_is_a_failure() {
        assert!(matches!(within(Duration::from_secs(30), || panic!("on purpose")), NvmlAnswer::Failed(_)));
    }

    #[test]
    fn a_library_of_another_version_is_passed_over_for_one_that_answers() {
        let read = |path: &OsStr| match path.to_str() {
            Some(LIBRARY) => Err(no_library()),
            Some("/old") => Err(NvmlError::LibRmVersionMismatch),
            _ => Ok(NvmlAnswer::Answer { driver_version: "450.51.06".into(), cuda_version: None, gpus: Vec::new() }),
        };
        let all = [LIBRARY, "/old", "/pod"].map(OsStr::new);
        assert!(matches!(first_answer(all.into_iter(), &read), Some(NvmlAnswer::Answer { .. })));
        assert_eq!(first_answer(all[..2].iter().copied(), &read), Some(NvmlAnswer::Mismatch));
        assert_eq!(first_answer(all[..1].iter().copied(), &read), None);
    }

    #[test]
    fn a_library_that_is_there_but_cannot_be_loaded_is_a_failure() {
        let answer = first_answer([OsStr::new("/there")].into_iter(), &|_| Err(no_library()));
        assert!(matches!(answer, Some(NvmlAnswer::Failed(_))), "{answer:?}");
    }

    #[test]
    fn errors_become_facts() {
        assert_eq!(failure_of(&NvmlError::DriverNotLoaded), NvmlAnswer::NoDriver);
        assert_eq!(failure_of(&NvmlError::NoPermission), NvmlAnswer::NoPermission);
        assert!(matches!(failure_of(&NvmlError::GpuLost), NvmlAnswer::Failed(_)));
    }
}
