//! `gpunode record`: this machine as a scenario in one file, without its names, addresses and serial numbers.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::print;
use crate::{
    error::Expected,
    exit_code::ExitCode,
    facts,
    host::{
        FileKind, Host, NvmlAnswer,
        replay::scenario::{About, NvmlRule, Recording, Rule},
    },
    private,
    workspace::Workspace,
};

/// Files that step 1 reads, taken as they are.
const FILES: &[&str] = &[
    "/etc/os-release",
    "/usr/lib/os-release",
    "/etc/centos-release",
    "/etc/redhat-release",
    "/proc/modules",
    "/proc/driver/nvidia/version",
    "/proc/sys/kernel/osrelease",
    "/proc/version",
    "/var/lib/nvidia/log",
    "/usr/bin/nvidia-uninstall",
];
/// What is read of each PCI device.
const PCI_FILES: &[&str] = &["vendor", "device", "class", "subsystem_vendor", "subsystem_device", "revision"];
const PCI: &str = "/sys/bus/pci/devices";
/// Longest text file that is taken; of others only their being there is.
const LIMIT: u64 = 64 << 10;

/// Writes the recording.
pub fn run(workspace: &Workspace, file: &Path) -> Result<ExitCode, Expected> {
    let recording = record(&workspace.host);
    let text = serde_yaml::to_string(&recording)
        .map_err(|error| Expected::new(format!("cannot write the recording: {error}"), "please report this as a bug"))?;
    private::write(file, text.as_bytes())
        .map_err(|error| Expected::new(format!("cannot write {}: {error}", file.display()), "choose another file"))?;
    print(&workspace.lang.text("record.written", &[("file", &file.display().to_string()), ("count", &recording.files.len().to_string())]))
}

fn record(host: &Host) -> Recording {
    let facts = facts::probe(host);
    let mut files = BTreeMap::new();
    let mut links = BTreeMap::new();
    for path in FILES {
        take(host, Path::new(path), &mut files);
    }
    for address in host.files.list(Path::new(PCI)).unwrap_or_default() {
        let device = Path::new(PCI).join(&address);
        if host.files.read_value(device.join("vendor")).is_ok_and(|vendor| vendor == "0x10de") {
            for name in PCI_FILES {
                take(host, &device.join(name), &mut files);
            }
            if let Ok(target) = host.files.read_link(&device.join("driver")) {
                links.insert(device.join("driver"), target);
            }
        }
    }
    // Names of machines and people have no place in a bug report.
    files.insert("/proc/sys/kernel/hostname".into(), "node1\n".to_owned());
    files.insert("/etc/machine-id".into(), "00000000000000000000000000000000\n".to_owned());
    let answer = anonymous(facts.driver.nvml.clone().unwrap_or(NvmlAnswer::NotAsked));
    let about = About {
        title: BTreeMap::from([("en".to_owned(), format!("A recorded machine: {} {}", facts.host.os_name, facts.host.kernel))]),
        free_space: facts.host.free_space.iter().map(|(path, bytes)| (PathBuf::from(path), *bytes)).collect(),
        links,
        programs: BTreeSet::new(),
        nvml: vec![NvmlRule { when: Vec::new(), answer }],
        ..About::default()
    };
    Recording { about, commands: rules(&facts), files }
}

/// Takes a file's text; of one that is long or no text, only that it is there.
fn take(host: &Host, path: &Path, files: &mut BTreeMap<PathBuf, String>) {
    let Ok(meta) = host.files.meta(path) else { return };
    if meta.kind != FileKind::File {
        return;
    }
    let text = if meta.len <= LIMIT { host.files.read(path).ok().and_then(|bytes| String::from_utf8(bytes).ok()) } else { None };
    files.insert(path.to_owned(), text.unwrap_or_else(|| "recorded: only that it is there\n".to_owned()));
}

/// Takes serial numbers out of NVML's answer.
fn anonymous(answer: NvmlAnswer) -> NvmlAnswer {
    match answer {
        NvmlAnswer::Answer { driver_version, cuda_version, mut gpus, silent } => {
            for (index, gpu) in gpus.iter_mut().enumerate() {
                gpu.uuid = format!("GPU-00000000-0000-0000-0000-{index:012}");
            }
            NvmlAnswer::Answer { driver_version, cuda_version, gpus, silent }
        }
        other => other,
    }
}

/// Returns rules for the commands that step 1 asks.
fn rules(facts: &facts::Facts) -> Vec<Rule> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let uname = Rule { command: words(&["uname", "-m"]), output: facts.host.architecture.clone(), ..Rule::default() };
    let gcc = facts.host.gcc_version.clone().map(|output| Rule { command: words(&["gcc", "..."]), output, ..Rule::default() });
    std::iter::once(uname).chain(gcc).collect()
}
