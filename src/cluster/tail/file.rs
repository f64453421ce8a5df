//! The tail of a file: without a cluster, or of the installer's own log on the node.

use std::{io::ErrorKind, path::Path};

use super::{Gap, Options, Outcome, TailEvent, Wait};
use crate::{
    cluster::phases::{self, Phases, Step},
    host::{Cancel, Host},
    text::printable_bytes,
};

/// How much is read at once.
const CHUNK: usize = 256 << 10;
/// Longest line that is handed over in one piece.
const LINE_LIMIT: usize = 64 << 10;
/// How much of the beginning of a file tells whether it is still the same one.
const HEAD: usize = 256;

/// Reads the log at `path` and hands over its lines; with `keep_on` it waits for more (and for the file) until `cancel`
/// is set. The last event is [`TailEvent::Ended`]. Blocks: call it on a worker.
pub fn file(
    host: &Host,
    path: &Path,
    keep_on: bool,
    options: Options,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(TailEvent),
) {
    let mut reader = Reader { on_event, rest: Vec::new(), step: None, success: None };
    let mut place = Place::default();
    let outcome = loop {
        if cancel.is_cancelled() {
            break Outcome::Cancelled;
        }
        match place.read_on(host, path, &mut reader) {
            Ok(true) => {}
            Ok(false) if !keep_on => {
                reader.finish();
                break reader.success.take().unwrap_or(Outcome::EndOfFile);
            }
            Ok(false) => drop(host.clock.sleep(options.poll, cancel)),
            Err(error) if keep_on && error.kind() == ErrorKind::NotFound => {
                if !std::mem::replace(&mut place.missing, true) {
                    (reader.on_event)(TailEvent::Waiting { why: Wait::NoFile { path: path.display().to_string() } });
                }
                host.clock.sleep(options.poll, cancel);
            }
            Err(error) => break Outcome::Unreadable { reason: format!("{}: {error}", path.display()) },
        }
    };
    (reader.on_event)(TailEvent::Ended { outcome });
}

/// Where in which file the reader is.
#[derive(Default)]
struct Place {
    offset: u64,
    /// How the file begins.
    head: Vec<u8>,
    /// Whether it was told that the file is not there.
    missing: bool,
}

impl Place {
    /// Reads the next part; tells whether there was any.
    fn read_on(&mut self, host: &Host, path: &Path, reader: &mut Reader<'_>) -> std::io::Result<bool> {
        if self.is_another(host, path)? {
            reader.finish();
            *self = Self::default();
            (reader.on_event)(TailEvent::Lost { reason: Gap::FileReplaced });
        }
        let bytes = host.files.read_at(path, self.offset, CHUNK)?;
        self.missing = false;
        if self.head.len() < HEAD && self.offset < HEAD as u64 {
            let more = HEAD - self.head.len();
            self.head.extend(bytes.iter().take(more));
        }
        self.offset += bytes.len() as u64;
        reader.push(&bytes);
        Ok(!bytes.is_empty())
    }

    /// A log that was rotated is shorter, or begins differently.
    fn is_another(&self, host: &Host, path: &Path) -> std::io::Result<bool> {
        if self.offset == 0 {
            return Ok(false);
        }
        Ok(host.files.meta(path)?.len < self.offset || host.files.read_at(path, 0, self.head.len())? != self.head)
    }
}

/// Cuts the bytes into lines.
struct Reader<'a> {
    on_event: &'a mut dyn FnMut(TailEvent),
    rest: Vec<u8>,
    step: Option<Step>,
    /// How it ended, while its last line says that all went well.
    success: Option<Outcome>,
}

/// Logs that a file may hold.
const KNOWN: [&Phases; 2] = [&phases::INSTALLER_IMAGE, &phases::DEVICE_PLUGIN];

impl Reader<'_> {
    fn push(&mut self, bytes: &[u8]) {
        let mut lines = Vec::new();
        let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            self.rest.extend_from_slice(piece);
            while self.rest.len() > LINE_LIMIT {
                let tail = self.rest.split_off(LINE_LIMIT);
                lines.push(printable_bytes(&std::mem::replace(&mut self.rest, tail)));
            }
            if pieces.peek().is_some() {
                lines.push(printable_bytes(&self.rest));
                self.rest.clear();
            }
        }
        self.deliver(lines);
    }

    fn finish(&mut self) {
        if !self.rest.is_empty() {
            let last = printable_bytes(&std::mem::take(&mut self.rest));
            self.deliver(vec![last]);
        }
    }

    fn deliver(&mut self, lines: Vec<String>) {
        let mut steps = Vec::new();
        for line in &lines {
            let success = KNOWN.iter().find(|log| log.is_success(line));
            let success = success.map(|log| if log.runs_on { Outcome::Works } else { Outcome::Succeeded });
            self.success = success.or_else(|| self.success.take().filter(|_| line.is_empty()));
            steps.extend(KNOWN.iter().find_map(|log| log.step(line)));
        }
        if !lines.is_empty() {
            (self.on_event)(TailEvent::Lines(lines));
        }
        for step in steps {
            if self.step.replace(step) != Some(step) {
                (self.on_event)(TailEvent::Phase(step));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;
    use crate::cluster::phases::Phase;

    fn events(host: &Host, path: &str) -> Vec<TailEvent> {
        let mut events = Vec::new();
        file(host, Path::new(path), false, Options::default(), &Cancel::default(), &mut |event| events.push(event));
        events
    }

    fn lines(events: &[TailEvent]) -> String {
        let text = |event: &TailEvent| match event {
            TailEvent::Lines(lines) => Some(lines.join("\n") + "\n"),
            _ => None,
        };
        events.iter().filter_map(text).collect()
    }

    #[test]
    fn reads_a_whole_file_with_its_phases() {
        let root = tempfile::tempdir().unwrap();
        let log = include_str!("../../../tests/fixtures/logs/logs-ok.txt");
        fs::write(root.path().join("ok.log"), log).unwrap();
        let events = events(&Host::local(root.path()), "/ok.log");
        assert_eq!(lines(&events), log);
        assert!(events.contains(&TailEvent::Phase(Step { phase: Phase::LdCache, done: true })));
        assert_eq!(events.last(), Some(&TailEvent::Ended { outcome: Outcome::Succeeded }));
    }

    #[test]
    fn a_file_that_is_not_there_is_said() {
        let root = tempfile::tempdir().unwrap();
        let events = events(&Host::local(root.path()), "/no.log");
        assert!(
            matches!(&events[..], [TailEvent::Ended { outcome: Outcome::Unreadable { reason } }] if reason.starts_with("/no.log: "))
        );
    }

    #[test]
    fn keeps_on_over_a_file_that_is_written_anew() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a.log");
        let cancel = Cancel::default();
        let options = Options { poll: Duration::from_millis(1), ..Options::default() };
        let mut seen = Vec::new();
        file(&Host::local(root.path()), Path::new("/a.log"), true, options, &cancel, &mut |event| {
            match &event {
                TailEvent::Waiting { .. } => fs::write(&path, "one\ntw").unwrap(),
                TailEvent::Lines(lines) if lines == &["one"] => fs::write(&path, "one\ntwo\n").unwrap(),
                TailEvent::Lines(lines) if lines == &["two"] => fs::write(&path, "x\n").unwrap(),
                // Rotated: the new file is longer than the old one was.
                TailEvent::Lines(lines) if lines == &["x"] => {
                    fs::write(&path, "another file\nof more lines\n").unwrap();
                }
                TailEvent::Lines(lines) if lines.len() == 2 => cancel.cancel(),
                _ => {}
            }
            seen.push(event);
        });
        assert_eq!(lines(&seen), "one\ntwo\nx\nanother file\nof more lines\n");
        assert!(seen.contains(&TailEvent::Lost { reason: Gap::FileReplaced }));
        assert_eq!(seen.last(), Some(&TailEvent::Ended { outcome: Outcome::Cancelled }));
    }
}
