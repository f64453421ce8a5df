//! Finds a daemon among the processes, and since when it runs.

use std::path::Path;

use jiff::Timestamp;

use super::reader::Reader;
use crate::text::printable;

/// Where the kernel shows its processes.
const PROC: &str = "/proc";
/// The control groups of systemd's services, version 2 and 1.
const SERVICES: [&str; 2] = ["/sys/fs/cgroup/system.slice", "/sys/fs/cgroup/systemd/system.slice"];
/// How many ticks `/proc/PID/stat` counts a second: `USER_HZ`, 100 on every architecture that NVIDIA builds for.
/// Source: proc(5).
const TICKS: i64 = 100;

/// A daemon that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Daemon {
    /// Process id.
    pub pid: u32,
    /// The program: the file it runs, or what its command line begins with where that is hidden.
    pub program: String,
    /// Its arguments, without the program.
    pub arguments: Vec<String>,
    /// Since when; the kernel tells it to a second.
    pub started: Option<Timestamp>,
}

/// Returns the process of this name: that of its unit, else the oldest on the machine.
pub(super) fn find(reader: &Reader<'_>, name: &str) -> Option<Daemon> {
    let is_it = |pid: &u32| reader.host.files.read_value(format!("{PROC}/{pid}/comm")).is_ok_and(|comm| comm == name);
    let of_unit = SERVICES
        .iter()
        .find_map(|folder| reader.host.files.read_text(format!("{folder}/{name}.service/cgroup.procs")).ok());
    let pids: Vec<u32> = match of_unit {
        Some(text) => text.lines().filter_map(|line| line.trim().parse().ok()).collect(),
        None => reader
            .host
            .files
            .list(Path::new(PROC))
            .unwrap_or_default()
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect(),
    };
    let pid = pids.into_iter().filter(is_it).min()?;
    let line = reader.host.files.read_text(format!("{PROC}/{pid}/cmdline")).unwrap_or_default();
    let mut words = line.split('\0').filter(|word| !word.is_empty()).map(printable);
    let first = words.next().unwrap_or_default();
    let file = reader.host.files.read_link(Path::new(&format!("{PROC}/{pid}/exe"))).ok();
    // Replaced while it runs: the kernel says so behind the path.
    let program = file.map_or(first, |path| printable(path.to_string_lossy().trim_end_matches(" (deleted)")));
    Some(Daemon { pid, program, arguments: words.collect(), started: started(reader, pid) })
}

fn started(reader: &Reader<'_>, pid: u32) -> Option<Timestamp> {
    let ticks = parse_start(&reader.host.files.read_text(format!("{PROC}/{pid}/stat")).ok()?)?;
    let boot = parse_boot(&reader.host.files.read_text(format!("{PROC}/stat")).ok()?)?;
    Timestamp::from_second(boot.checked_add(ticks / TICKS)?).ok()
}

/// Reads `starttime`, field 22 of `pid (name) state …`, in ticks since boot; the name may hold anything.
pub(super) fn parse_start(stat: &str) -> Option<i64> {
    stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

/// Reads the time of the boot, in seconds since 1970.
pub(super) fn parse_boot(stat: &str) -> Option<i64> {
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_when_a_process_began() {
        let stat = "812 (containerd (x) ) S 1 812 812 0 -1 4194560 9 0 0 0 5 3 0 0 20 0 12 0 4321 19 0\n";
        assert_eq!(parse_start(stat), Some(4321));
        assert_eq!(parse_boot("cpu 1 2\nbtime 1764000000\n"), Some(1_764_000_000));
        assert_eq!((parse_start("812 (x"), parse_boot("")), (None, None));
    }
}
