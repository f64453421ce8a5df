//! The comparison with nvidia-smi that is run on machines with a GPU, on what was recorded on one: it must find what is
//! equal equal, and what is not different.

use std::{fs, process::Command};

use crate::support::shared;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/against-nvidia-smi");

/// The recorded machine, as a file of `gpunode record` would have it; the card is cooler by two degrees than when
/// nvidia-smi looked.
const MACHINE: &str = r#"
about:
  title: {en: "An H200 in a virtual machine"}
  nvml:
  - answer: !answer
      driver_version: 580.159.04
      cuda_version: "13.0"
      gpus:
      - {pci_address: "0000:00:06.0", name: NVIDIA H200, uuid: GPU-00000000-0000-4000-8000-000000000001, memory_mib: 143771,
         temperature_c: 36, ecc: true, mig: false, pcie_generation: 5, pcie_width: 16, virtualization: pass_through}
commands:
- {command: [uname, -m], output: x86_64}
files:
  /etc/os-release: "ID=ubuntu\nVERSION_ID=\"24.04\"\n"
  /proc/sys/kernel/osrelease: 6.18.44-fc-v657-gpu
  /proc/driver/nvidia/version: "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build\n"
  /sys/bus/pci/devices/0000:00:06.0/vendor: "0x10de"
  /sys/bus/pci/devices/0000:00:06.0/device: "0x2335"
  /sys/bus/pci/devices/0000:00:06.0/class: "0x030200"
  /sys/bus/pci/devices/0000:00:06.0/subsystem_vendor: "0x10de"
  /sys/bus/pci/devices/0000:00:06.0/subsystem_device: "0x18bf"
"#;

/// Compares what gpunode says of `machine` with the recorded answer of nvidia-smi; returns whether they agree, and the
/// table.
fn compare(machine: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let (recording, json) = (folder.path().join("machine.yaml"), folder.path().join("detect.json"));
    fs::write(&recording, machine).unwrap();
    let detect = Command::new(env!("CARGO_BIN_EXE_gpunode"))
        .args(["detect", "--json", "--speed", "0", "--replay"])
        .arg(&recording)
        .env("GPUNODE_SESSION", folder.path().join("session.yaml"))
        .output()
        .unwrap();
    assert!(detect.status.success(), "{}", String::from_utf8_lossy(&detect.stderr));
    fs::write(&json, detect.stdout).unwrap();
    let smi = shared::fixture("machine-h200/nvidia-smi-q.xml");
    let output = Command::new("python3").arg(SCRIPT).arg("--recorded").args([&json, &smi]).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_real_cards_values_are_the_same() {
    let (same, table) = compare(MACHINE);
    assert!(same, "{table}");
    assert_eq!(table.matches(" = |").count(), 14, "{table}");
}

#[test]
fn each_value_that_differs_is_named() {
    for (value, other, name) in [
        ("143771,", "143770,", "memory MiB"),
        ("36,", "30,", "temperature"),
        ("0x18bf", "0x18be", "board"),
        ("pcie_width: 16", "pcie_width: 8", "PCIe lanes"),
        ("ecc: true", "ecc: false", "ECC"),
    ] {
        let (same, table) = compare(&MACHINE.replace(value, other));
        assert!(!same, "{table}");
        let lines: Vec<_> = table.lines().filter(|line| line.contains("DIFFERS")).collect();
        assert!(lines.len() == 1 && lines[0].contains(name), "{table}");
    }
}
