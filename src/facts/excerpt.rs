//! What a recording keeps of what the probes read: enough to find the same facts again, and nothing of the people and
//! the other things on the machine. Nothing here is a secret by its form; whoever writes it down takes those out.

use std::{path::Path, sync::LazyLock};

use regex::{Captures, Regex};

use super::{Facts, containerd, holders, kernel, node_packages, packages, runtime, sources, upgrades};

/// Longest text that is kept.
const LIMIT: usize = 64 << 10;
/// What stands for a file of which only its being there counts.
pub const ONLY_THERE: &str = "recorded: only that it is there\n";

/// Returns what is kept of a file, and whether that was picked line by line; else it is the whole file.
pub fn file(path: &Path, bytes: &[u8], facts: &Facts) -> (String, bool) {
    let whole = String::from_utf8_lossy(bytes);
    let picked = excerpt(path, &whole, facts);
    let is_picked = picked.is_some();
    let text = scrubbed(&picked.unwrap_or_else(|| whole.into_owned()));
    (if text.len() > LIMIT { ONLY_THERE.to_owned() } else { text }, is_picked)
}

/// Returns what is kept of a file that was read in pieces: the line with the C library's version, or the end itself if
/// that is text.
pub fn piece(bytes: &[u8]) -> String {
    let banner = String::from_utf8_lossy(bytes)
        .split(|c: char| c.is_control())
        .find(|line| line.contains(" release version "))
        .map(str::to_owned);
    let text = || std::str::from_utf8(bytes).ok().filter(|text| text.len() < 256).map(str::to_owned);
    banner.map(|line| line + "\n").or_else(text).unwrap_or_else(|| ONLY_THERE.to_owned())
}

/// Returns what is kept of the names in a folder.
pub fn names(folder: &Path, names: Vec<String>) -> Vec<String> {
    let only = |keep: &dyn Fn(&str) -> bool| names.iter().filter(|name| keep(name)).cloned().collect();
    match folder.to_str().unwrap_or_default() {
        // Names of processes' folders come with what is kept of the processes; pods are somebody's work.
        "/proc" | "/var/log/pods" => Vec::new(),
        // The repositories may be the company's own.
        "/var/lib/apt/lists" => names
            .iter()
            .any(|name| name.contains("_Packages"))
            .then(|| "recorded_Packages".to_owned())
            .into_iter()
            .collect(),
        // What a process has open is told by the links that are kept.
        fds if fds.starts_with("/proc/") => Vec::new(),
        "/dev" => only(&|name| name.starts_with("nvidia")),
        "/dev/char" => only(&|name| {
            name.split(':').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= 195)
        }),
        // The files that are kept come by themselves.
        "/etc/apt/sources.list.d" | "/etc/zypp/repos.d" | "/boot" => Vec::new(),
        "/usr/local" => only(&|name| name.starts_with("cuda")),
        "/var/lib/dkms" => only(&|name| name.starts_with("nvidia")),
        _ => names,
    }
}

/// Returns what is kept of what a command printed.
pub fn output(argv: &[String], printed: &str) -> String {
    let is_list = argv.first().is_some_and(|program| program == "rpm") && argv.iter().any(|arg| arg == "-qa");
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    let text = match words.as_slice() {
        _ if is_list => packages::rpm_excerpt(printed),
        ["apt-config", "dump"] => upgrades::excerpt(printed),
        ["apt-cache", "policy", ..] => node_packages::policy_excerpt(printed),
        [_, .., "config", "dump"] => containerd::config::excerpt(printed),
        _ => printed.to_owned(),
    };
    scrubbed(&text)
}

/// Returns the part of a file that the facts rest on; nothing where all of it is kept.
fn excerpt(path: &Path, text: &str, facts: &Facts) -> Option<String> {
    let only = |keep: &dyn Fn(&str) -> bool| Some(lines(text.lines().filter(|line| keep(line))));
    let name = path.file_name()?.to_str()?;
    match path.to_str()? {
        "/var/lib/dpkg/status" => Some(packages::dpkg_excerpt(text)),
        "/proc/modules" => only(&|line| line.split(' ').next().is_some_and(kernel::matters)),
        "/proc/mounts" => Some(mounts(text, facts)),
        "/var/log/nvidia-installer.log" => only(&|line| line.starts_with("installer version:")),
        "/var/lib/nvidia/log" => Some(lines(text.lines().take(1))),
        "/home/kubernetes/bin/nvidia/.cache" => only(&|line| line.starts_with("CACHE_NVIDIA_DRIVER_VERSION=")),
        whole if whole.starts_with("/proc/") && name == "cmdline" => {
            text.split('\0').next().map(|program| format!("{program}\0"))
        }
        whole if whole.starts_with("/proc/") && name == "maps" => {
            Some(lines(holders::parse_maps(text.as_bytes()).iter().map(|path| format!("0-0 r--p 0 00:00 0 {path}"))))
        }
        "/proc/devices" => only(&|line| line.contains("nvidia") || line.starts_with("Block")),
        "/proc/stat" => only(&|line| line.starts_with("btime ")),
        "/etc/default/grub" => only(&|line| line.trim().starts_with("GRUB_DEFAULT=")),
        whole if whole.starts_with("/etc/yum.repos.d/") => {
            let moved = text.lines().filter(|line| line.contains("mirrorlist.centos.org"));
            Some(lines(moved) + &sources::excerpt(path, text).unwrap_or_default())
        }
        _ if name == "pci.ids" => {
            let is_ours = |line: &str| {
                facts
                    .gpus
                    .iter()
                    .any(|gpu| line.strip_prefix('\t').is_some_and(|rest| rest.starts_with(&gpu.device_id)))
            };
            let nvidia = text.split_once("\n10de  ").map_or("", |(_, rest)| rest);
            let devices = nvidia.lines().skip(1).take_while(|line| line.is_empty() || line.starts_with(['\t', '#']));
            Some("10de  NVIDIA Corporation\n".to_owned() + &lines(devices.filter(|line| is_ours(line))))
        }
        whole => sources::excerpt(path, text).or_else(|| runtime::settings_excerpt(whole, text)),
    }
}

/// Keeps the mounts that hold the folders whose free space is known, without what is mounted there.
fn mounts(text: &str, facts: &Facts) -> String {
    let holds = |point: &str| {
        facts.host.free_space.keys().any(|path| Path::new(path).starts_with(point))
            || point == "/opt"
            || point.starts_with("/usr")
    };
    let mount = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let [_, point, kind, options, ..] = words[..] else { return None };
        let options: Vec<_> = options.split(',').filter(|option| matches!(*option, "ro" | "rw" | "noexec")).collect();
        holds(point).then(|| format!("recorded {point} {kind} {} 0 0", options.join(",")))
    };
    lines(text.lines().filter_map(mount))
}

fn lines(lines: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    lines.into_iter().map(|line| format!("{}\n", line.as_ref())).collect()
}

/// Makes zeros of what tells one machine, boot, container or pod from another.
fn scrubbed(text: &str) -> String {
    static IDS: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(pod)?([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32,})").ok());
    let zeros = |found: &Captures<'_>| {
        let id: String = found[2].chars().map(|c| if c.is_ascii_hexdigit() { '0' } else { c }).collect();
        format!("{}{id}", found.get(1).map_or("", |pod| pod.as_str()))
    };
    IDS.as_ref().map_or_else(|| text.to_owned(), |ids| ids.replace_all(text, zeros).into_owned())
}
