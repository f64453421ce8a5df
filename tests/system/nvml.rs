//! NVML asked through the program itself, with libraries made for the occasion: each of their ends is a fact, and none
//! takes us along.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use gpunode::host::{
    NvmlAnswer, Virtualization,
    nvml::{child, search},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_gpunode");
/// Long enough for a busy machine; only those that hang use it up.
const PATIENCE: Duration = Duration::from_mins(1);

/// Libraries in a folder of this test.
struct Libraries(tempfile::TempDir);

impl Libraries {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Builds a library whose `nvmlInit_v2` returns `init`.
    fn build(&self, name: &str, init: &str) -> PathBuf {
        self.build_with(name, &[&format!("-DINIT={init}")])
    }

    fn build_with(&self, name: &str, defines: &[&str]) -> PathBuf {
        let file = self.0.path().join(name).join(search::LIBRARY);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/nvml.c");
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&file).args(defines).arg(source).status();
        assert!(built.unwrap().success(), "cc could not build the library");
        file
    }
}

fn ask(libraries: &[PathBuf]) -> Option<NvmlAnswer> {
    child::ask(Path::new(PROGRAM), libraries, PATIENCE)
}

#[test]
fn a_library_that_answers_is_believed() {
    let libraries = Libraries::new();
    let Some(NvmlAnswer::Answer { driver_version, cuda_version, gpus, silent }) = ask(&[libraries.build("ok", "0")])
    else {
        panic!("no answer");
    };
    assert_eq!((driver_version.as_str(), cuda_version.as_deref()), ("580.159.04", Some("13.0")));
    let addresses: Vec<_> = gpus.iter().map(|gpu| gpu.pci_address.as_str()).collect();
    assert_eq!(addresses, ["0000:3b:00.0", "0001:3b:00.0"], "domains are kept");
    let first = &gpus[0];
    assert_eq!((first.name.as_str(), first.uuid.as_str(), first.memory_mib), ("NVIDIA H200", "GPU-1", Some(143_771)));
    assert_eq!((first.temperature_c, first.ecc, first.mig), (Some(39), Some(true), Some(false)));
    assert_eq!((first.pcie_generation, first.pcie_width), (Some(5), Some(16)));
    assert_eq!(first.virtualization, Some(Virtualization::PassThrough));
    assert_eq!(silent.len(), 1, "the lost card is told");
    assert!(silent[0].starts_with("GPU 2: "), "{silent:?}");
}

#[test]
fn an_old_library_lacks_the_memory_and_nothing_else() {
    let libraries = Libraries::new();
    let old = libraries.build_with("old", &["-DINIT=0", "-DOLD"]);
    let Some(NvmlAnswer::Answer { gpus, .. }) = ask(&[old]) else { panic!("no answer") };
    assert_eq!((gpus[0].memory_mib, gpus[0].uuid.as_str()), (None, "GPU-1"));
}

#[test]
fn each_refusal_is_a_fact_of_its_own() {
    let libraries = Libraries::new();
    // The numbers are NVML's: no permission, driver not loaded, driver/library version mismatch.
    assert_eq!(ask(&[libraries.build("forbidden", "4")]), Some(NvmlAnswer::NoPermission));
    assert_eq!(ask(&[libraries.build("unloaded", "9")]), Some(NvmlAnswer::NoDriver));
    assert_eq!(ask(&[libraries.build("mismatch", "18")]), Some(NvmlAnswer::Mismatch));
    assert!(matches!(ask(&[libraries.build("unknown", "999")]), Some(NvmlAnswer::Failed(_))));
}

#[test]
fn a_library_that_crashes_takes_only_the_child_with_it() {
    const SIGSEGV: i32 = 11;
    let libraries = Libraries::new();
    assert_eq!(ask(&[libraries.build("crash", "crash()")]), Some(NvmlAnswer::Crashed(SIGSEGV)));
}

#[test]
fn a_library_that_never_returns_is_given_up_and_its_process_ended() {
    let libraries = Libraries::new();
    let hanging = libraries.build("hang", "hang()");
    let answer = child::ask(Path::new(PROGRAM), std::slice::from_ref(&hanging), Duration::from_millis(300));
    assert_eq!(answer, Some(NvmlAnswer::TimedOut));
    let asks = |pid: &fs::DirEntry| {
        let command = fs::read(pid.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(hanging.to_str().unwrap())
    };
    let left: Vec<_> = fs::read_dir("/proc").unwrap().filter_map(Result::ok).filter(asks).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_a_library_prints_is_no_answer() {
    let libraries = Libraries::new();
    assert!(matches!(ask(&[libraries.build("chatter", "chatter()")]), Some(NvmlAnswer::Answer { .. })));
}

#[test]
fn stale_broken_and_missing_libraries_are_passed_over_for_one_that_answers() {
    let libraries = Libraries::new();
    let missing = libraries.0.path().join("missing").join(search::LIBRARY);
    let broken = libraries.0.path().join("broken.so");
    fs::write(&broken, "no library").unwrap();
    let (mismatch, crash) = (libraries.build("mismatch", "18"), libraries.build("crash", "crash()"));
    let pod = libraries.build("pod", "0");
    let loader = PathBuf::from("libnvidia-ml.so.of-nobody");
    let all = [loader.clone(), missing, broken.clone(), crash.clone(), mismatch.clone(), pod];
    assert!(matches!(ask(&all), Some(NvmlAnswer::Answer { .. })));
    assert_eq!(ask(&[crash, mismatch]), Some(NvmlAnswer::Mismatch), "the mismatch says more than the crash");
    assert!(matches!(ask(&[broken]), Some(NvmlAnswer::Failed(_))), "it is there, but cannot be loaded");
    assert_eq!(ask(&[loader]), None);
}
