//! Who holds the driver: processes with a GPU device open or a driver library mapped, with their systemd unit and pod.

use std::{collections::BTreeSet, io, path::Path};

use super::{Holder, LedgerEntry, Origin, Unknown, reader::Reader};
use crate::{i18n::msg, input::UnitName, text::printable};

/// Longest command line that is kept.
const COMMAND_LENGTH: usize = 200;

/// Where the kubelet keeps the logs of its pods, a folder each.
const POD_LOGS: &str = "/var/log/pods";

/// Daemons that use the driver: the name of the process, cut by the kernel to 15 characters, and the unit it belongs
/// to.
const DAEMONS: [(&str, &str); 4] = [
    ("nvidia-persiste", "nvidia-persistenced"),
    ("nv-fabricmanage", "nvidia-fabricmanager"),
    ("nv-hostengine", "nvidia-dcgm"),
    ("nvidia-imex", "nvidia-imex"),
];

/// Where the kernel shows its processes.
const PROC: &str = "/proc";

/// The devices through which a card can be held besides `/dev/nvidia*`: what other drivers make of it.
pub(super) type Devices = BTreeSet<String>;

/// Returns the holders, and the ledger entries of running daemons. Without `devices` nothing is loaded that could be
/// held, and only the daemons are looked for.
pub(super) fn probe(reader: &mut Reader<'_>, devices: Option<&Devices>) -> (Vec<Holder>, Vec<LedgerEntry>) {
    const FACT: &str = "driver.holders";
    let names = match reader.host.files.list(Path::new(PROC)) {
        Ok(names) => names,
        Err(error) => {
            reader.note(FACT, Unknown::from_io(Path::new(PROC), &error));
            return Default::default();
        }
    };
    let own =
        reader.host.files.read_link(Path::new("/proc/self")).ok().and_then(|path| path.to_str()?.parse::<u32>().ok());
    let mut pids: Vec<u32> =
        names.iter().filter_map(|name| name.parse().ok()).filter(|pid| Some(*pid) != own).collect();
    pids.sort_unstable();
    let daemons = pids.iter().filter_map(|pid| daemon(reader, *pid)).collect();
    let (mut holders, mut hidden) = (Vec::new(), 0);
    for pid in devices.iter().flat_map(|_| &pids) {
        match held_by(reader, *pid, devices.unwrap_or(&Devices::new())) {
            // Those that ask the driver on our behalf hold it too, but are gone in a moment.
            Ok(held) if !held.is_empty() && (own.is_none() || parent(reader, *pid) != own) => {
                holders.push(describe(reader, *pid, held));
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => hidden += 1,
            Ok(_) | Err(_) => {}
        }
    }
    if hidden > 0 {
        reader.note(FACT, Unknown::from(msg::unknown::processes_hidden(hidden)));
    }
    (holders, daemons)
}

fn parent(reader: &Reader<'_>, pid: u32) -> Option<u32> {
    parse_parent(&reader.host.files.read_text(format!("{PROC}/{pid}/stat")).ok()?)
}

/// Reads `pid (name) state parent …`; the name may hold anything, brackets and spaces too.
pub fn parse_parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

fn daemon(reader: &Reader<'_>, pid: u32) -> Option<LedgerEntry> {
    let name = reader.host.files.read_value(format!("/proc/{pid}/comm")).ok()?;
    let (_, unit) = DAEMONS.iter().find(|(process, _)| *process == name)?;
    Some(LedgerEntry::new(Origin::Unit, *unit, format!("/proc/{pid}")))
}

/// Returns what a process holds: GPU devices it has open, driver libraries and GPU memory it has mapped, each once. A
/// process that ended meanwhile is an error of its own kind.
fn held_by(reader: &Reader<'_>, pid: u32, devices: &Devices) -> io::Result<Vec<String>> {
    let files = &reader.host.files;
    let folder = format!("/proc/{pid}/fd");
    let names = files.list(Path::new(&folder))?;
    let targets = names.iter().filter_map(|name| files.read_link(&Path::new(&folder).join(name)).ok());
    let mut held: BTreeSet<String> = targets
        .map(|target| printable(&target.to_string_lossy()))
        .filter(|path| is_gpu_device(path) || devices.contains(path))
        .collect();
    match files.read(Path::new(&format!("/proc/{pid}/maps"))) {
        Ok(maps) => held.extend(parse_maps(&maps)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(held.into_iter().collect())
}

fn is_gpu_device(target: &str) -> bool {
    target
        .strip_prefix("/dev/nvidia")
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == 'c'))
}

/// Returns the GPU devices and driver libraries in a memory map (`start-end flags offset device inode path`).
pub fn parse_maps(maps: &[u8]) -> BTreeSet<String> {
    let path = |line: &[u8]| {
        let at = line.iter().position(|byte| *byte == b'/')?;
        let path = String::from_utf8_lossy(&line[at..]);
        let path = path.trim_end().trim_end_matches(" (deleted)");
        (is_gpu_device(path) || is_driver_library(path)).then(|| printable(path))
    };
    maps.split(|byte| *byte == b'\n').filter_map(path).collect()
}

/// Tells whether a file is a library of the driver. `libnvidia-container` is a tool of the container runtime.
fn is_driver_library(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.starts_with("libcuda.so") || (name.starts_with("libnvidia-") && !name.starts_with("libnvidia-container"))
}

fn describe(reader: &Reader<'_>, pid: u32, holds: Vec<String>) -> Holder {
    let files = &reader.host.files;
    let command =
        files.read_text(format!("/proc/{pid}/cmdline")).map(|text| parse_command_line(&text)).unwrap_or_default();
    let command =
        if command.is_empty() { files.read_value(format!("/proc/{pid}/comm")).unwrap_or_default() } else { command };
    let cgroup = files.read_text(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let pod = parse_pod(&cgroup);
    let pod_name = pod.as_deref().and_then(|uid| pod_name(reader, uid));
    Holder { pid, command, unit: parse_unit(&cgroup), pod, pod_name, holds }
}

/// Returns `namespace/name` of a pod: the kubelet keeps its logs in a folder that is named after both and its UID.
fn pod_name(reader: &Reader<'_>, uid: &str) -> Option<String> {
    let folders = reader.host.files.list(Path::new(POD_LOGS)).unwrap_or_default();
    folders.iter().find_map(|folder| parse_pod_folder(folder, uid))
}

/// Reads `namespace_name_uid`; neither namespace nor name can have an underscore.
pub fn parse_pod_folder(folder: &str, uid: &str) -> Option<String> {
    let (namespace, name) = folder.strip_suffix(uid)?.strip_suffix('_')?.split_once('_')?;
    Some(printable(&format!("{namespace}/{name}")))
}

/// Joins the arguments, which the kernel ends with a zero byte each.
pub fn parse_command_line(text: &str) -> String {
    let words = text.trim_end_matches('\0').replace(['\0', '\n', '\r'], " ");
    printable(words.trim()).chars().take(COMMAND_LENGTH).collect()
}

/// Returns the unit of `0::/system.slice/nvidia-persistenced.service`: the outermost service or scope, for what lies
/// below one was named by whoever runs in it, and may be called like a unit of the system.
pub fn parse_unit(cgroup: &str) -> Option<String> {
    let is_unit = |part: &&str| [".service", ".scope"].iter().any(|end| part.ends_with(end));
    let unit = cgroup.lines().find_map(|line| line.split('/').find(is_unit))?;
    unit.parse::<UnitName>().ok().map(String::from)
}

/// Returns the UID of `…/kubepods-burstable-pod0a1b…_….slice/…`: 36 characters, or 32 for a static pod; systemd writes
/// `_` for `-`.
pub fn parse_pod(cgroup: &str) -> Option<String> {
    cgroup.match_indices("pod").find_map(|(at, _)| {
        let is_uid = |c: &char| c.is_ascii_hexdigit() || matches!(c, '-' | '_');
        let uid: String = cgroup[at + 3..].chars().take_while(is_uid).collect();
        matches!(uid.len(), 32 | 36).then(|| uid.replace('_', "-"))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn finds_the_unit() {
        assert_eq!(
            parse_unit("0::/system.slice/nvidia-persistenced.service\n").as_deref(),
            Some("nvidia-persistenced.service")
        );
        let old = "9:cpu:/system.slice\n1:name=systemd:/user.slice/user-0.slice/session-3.scope\n";
        assert_eq!(parse_unit(old).as_deref(), Some("session-3.scope"));
        assert_eq!(parse_unit("0::/\n"), None);
        let user = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/sshd.service\n";
        assert_eq!(parse_unit(user).as_deref(), Some("user@1000.service"));
        assert_eq!(parse_unit("0::/system.slice/*.service\n"), None);
    }

    #[test]
    fn finds_the_pod_in_both_spellings() {
        let systemd = "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1f0c3f2e_9d52_4b8e_8c61_0f3b7a6d5e4c.slice/cri-containerd-ab.scope";
        assert_eq!(parse_pod(systemd).as_deref(), Some("1f0c3f2e-9d52-4b8e-8c61-0f3b7a6d5e4c"));
        let cgroupfs = "4:memory:/kubepods/burstable/pod1f0c3f2e-9d52-4b8e-8c61-0f3b7a6d5e4c/0123456789abcdef";
        assert_eq!(parse_pod(cgroupfs).as_deref(), Some("1f0c3f2e-9d52-4b8e-8c61-0f3b7a6d5e4c"));
        assert_eq!(parse_pod("0::/system.slice/podman.service"), None);
    }

    #[test]
    fn a_folder_of_logs_tells_the_name_of_a_pod() {
        let uid = "1f0c3f2e-9d52-4b8e-8c61-0f3b7a6d5e4c";
        assert_eq!(
            parse_pod_folder(&format!("kube-system_nvidia-driver-installer-gnxzz_{uid}"), uid).as_deref(),
            Some("kube-system/nvidia-driver-installer-gnxzz")
        );
        assert_eq!(parse_pod_folder("default_train_0", uid), None);
        assert_eq!(parse_pod_folder(uid, uid), None);
    }

    #[test]
    fn knows_devices_and_libraries_of_the_driver() {
        assert!(is_gpu_device("/dev/nvidia0") && is_gpu_device("/dev/nvidiactl") && is_gpu_device("/dev/nvidia-uvm"));
        assert_eq!(parse_parent("88 (a) b) S 7 88 88 0"), Some(7));
        assert!(!is_gpu_device("/dev/null") && !is_gpu_device("/dev/nvidia"));
        let maps = b"7f00 r-xp 0 08:01 1 /usr/lib64/libcuda.so.450.51.06\n7f00 r--p 0 08:01 1 /usr/lib64/libcuda.so.450.51.06\n\
            7f01 rw-s 0 00:06 9 /dev/nvidia0\n7f02 r-xp 0 08:01 1 /usr/lib64/libnvidia-container.so.1\n7f03 rw-p 0 00:00 0\n\
            7f04 r-xp 0 08:01 1 /usr/lib/libnvidia-ml.so.1 (deleted)\n";
        let held: Vec<_> = parse_maps(maps).into_iter().collect();
        assert_eq!(held, ["/dev/nvidia0", "/usr/lib/libnvidia-ml.so.1", "/usr/lib64/libcuda.so.450.51.06"]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parsers_panic(bytes in any::<Vec<u8>>()) {
            let text = String::from_utf8_lossy(&bytes);
            let _ = (parse_parent(&text), parse_unit(&text), parse_pod(&text), parse_pod(&format!("pod{text}")), parse_maps(&bytes), is_gpu_device(&text));
            prop_assert!(parse_command_line(&text).chars().count() <= COMMAND_LENGTH);
        }
    }
}
