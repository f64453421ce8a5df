//! The pod's log files on the node: what was rotated away stands there for a while, when the API server can no longer
//! give it.
//!
//! Source: kubelet, `/var/log/pods/NAMESPACE_NAME_UID/CONTAINER/N.log`; on rotation `N.log.TIME`, of which all but the
//! newest are compressed (`pkg/kubelet/logs/container_log_manager.go`). Lines as the container runtime interface
//! demands them (`TIME STREAM P|F TEXT`), or docker's JSON.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::host::{Host, command::PIECE};

/// Where the kubelet keeps the logs of pods.
const FOLDER: &str = "/var/log/pods";
/// Most that is read of one file, unpacked: the kubelet rotates at 10 MiB unless it is told otherwise.
const MOST: u64 = 256 << 20;

/// The log files of one container, as far as this user may read them.
pub(super) struct PodFiles<'a> {
    host: &'a Host,
    folder: PathBuf,
}

impl<'a> PodFiles<'a> {
    /// Names the files; whether there are any shows when they are read.
    pub(super) fn new(host: &'a Host, (namespace, pod, uid): (&str, &str, &str), container: &str) -> Self {
        Self { host, folder: Path::new(FOLDER).join(format!("{namespace}_{pod}_{uid}")).join(container) }
    }

    /// Returns the lines of one attempt that were rotated away, oldest first, each as `kubectl logs --timestamps` would
    /// print it.
    pub(super) fn rotated(&self, attempt: u32) -> Vec<Vec<u8>> {
        self.files(attempt, false).iter().flat_map(|file| self.lines(file)).collect()
    }

    /// Returns all lines of one attempt.
    pub(super) fn all(&self, attempt: u32) -> Vec<Vec<u8>> {
        self.files(attempt, true).iter().flat_map(|file| self.lines(file)).collect()
    }

    /// Returns the names of the files, oldest first; the time in their names sorts.
    fn files(&self, attempt: u32, current: bool) -> Vec<String> {
        let newest = format!("{attempt}.log");
        let mut names = self.host.files.list(&self.folder).unwrap_or_default();
        names.retain(|name| {
            name.strip_prefix(&newest).is_some_and(|rest| rest.starts_with('.')) && extension(name) != "tmp"
        });
        names.sort();
        names.extend(current.then_some(newest));
        names
    }

    fn lines(&self, name: &str) -> Vec<Vec<u8>> {
        let Ok(bytes) = self.host.files.read(&self.folder.join(name)) else { return Vec::new() };
        let mut text = Vec::new();
        if extension(name) == "gz" {
            // What can be unpacked of a file that is being written counts.
            let _ = flate2::read::GzDecoder::new(bytes.as_slice()).take(MOST).read_to_end(&mut text);
        } else {
            text = bytes;
        }
        joined(&text)
    }
}

fn extension(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
}

/// Joins the pieces that a runtime cuts long lines into, and cuts them where a stream of kubectl is cut.
fn joined(text: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    let mut open: Option<Vec<u8>> = None;
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Some((time, piece, ends)) = parse(line) else { continue };
        let whole = open.get_or_insert_with(|| [time.as_bytes(), b" "].concat());
        whole.extend_from_slice(&piece);
        if ends {
            let whole = open.take().unwrap_or_default();
            lines.extend(whole.chunks(PIECE).map(<[u8]>::to_vec));
        }
    }
    lines
}

/// Takes a line apart: its time, its text, and whether the text ends with it.
fn parse(line: &[u8]) -> Option<(String, Vec<u8>, bool)> {
    #[derive(Deserialize)]
    struct Docker {
        log: String,
        time: String,
    }
    if line.starts_with(b"{") {
        let Docker { log, time } = serde_json::from_slice(line).ok()?;
        let text = log.strip_suffix('\n');
        return Some((time, text.unwrap_or(&log).as_bytes().to_vec(), text.is_some()));
    }
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let (time, _stream, tags) = (parts.next()?, parts.next()?, parts.next()?);
    let partial = tags.split(|byte| *byte == b':').any(|tag| tag == b"P");
    Some((String::from_utf8(time.to_vec()).ok()?, parts.next().unwrap_or_default().to_vec(), !partial))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn reads_what_the_kubelet_left_behind_in_order() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("var/log/pods/kube-system_p_u/c");
        std::fs::create_dir_all(&folder).unwrap();
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed
            .write_all(b"2026-11-27T17:00:00.1Z stdout F one\n2026-11-27T17:00:00.2Z stdout P tw\n2026-11-27T17:00:00.2Z stdout F o\n")
            .unwrap();
        std::fs::write(folder.join("0.log.20261127-170001.gz"), packed.finish().unwrap()).unwrap();
        std::fs::write(
            folder.join("0.log.20261127-170002"),
            "2026-11-27T17:00:01Z stderr F three\n2026-11-27T17:00:01Z stderr F \n",
        )
        .unwrap();
        std::fs::write(
            folder.join("0.log"),
            "2026-11-27T17:00:02Z stdout F four\n{\"log\":\"five\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-27T17:00:03Z\"}\n",
        )
        .unwrap();
        std::fs::write(folder.join("10.log"), "2026-11-27T17:00:02Z stdout F another attempt\n").unwrap();
        let host = Host::local(root.path());
        let files = PodFiles::new(&host, ("kube-system", "p", "u"), "c");
        let text = |lines: Vec<Vec<u8>>| {
            lines
                .iter()
                .map(|line| String::from_utf8_lossy(line).split_once(' ').unwrap().1.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(text(files.rotated(0)), ["one", "two", "three", ""]);
        assert_eq!(text(files.all(0)), ["one", "two", "three", "", "four", "five"]);
        assert_eq!(text(files.all(1)), [] as [&str; 0]);
        assert_eq!(files.all(10).len(), 1);
    }
}
