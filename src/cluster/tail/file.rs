//! The tail of a file: without a cluster, or of the installer's own log on the node.

use std::path::Path;

use super::{Loss, Options, Outcome, TailEvent, Wait};
use crate::{
    cluster::phases::{self, Step},
    host::{Cancel, Host},
    text::printable_bytes,
};

/// How much is read at once.
const CHUNK: usize = 64 << 10;
/// Longest line that is handed over in one piece.
const LINE_LIMIT: usize = 64 << 10;

/// Reads the log at `path` and hands over its lines; with `keep_on` it waits for more (and for the file) until `cancel` is set. The last
/// event is [`TailEvent::Ended`]. Blocks: call it on a worker.
pub fn file(host: &Host, path: &Path, keep_on: bool, options: Options, cancel: &Cancel, on_event: &mut dyn FnMut(TailEvent)) {
    let mut reader = Reader { on_event, rest: Vec::new(), step: None, success: false };
    let outcome = read(host, path, keep_on, options, cancel, &mut reader);
    (reader.on_event)(TailEvent::Ended { outcome });
}

fn read(host: &Host, path: &Path, keep_on: bool, options: Options, cancel: &Cancel, reader: &mut Reader<'_>) -> Outcome {
    let mut offset = 0;
    let mut waiting = false;
    while !cancel.is_cancelled() {
        match host.files.read_at(path, offset, CHUNK) {
            Ok(bytes) if !bytes.is_empty() => {
                offset += bytes.len() as u64;
                waiting = false;
                reader.push(&bytes);
                continue;
            }
            Ok(_) if !keep_on => {
                reader.finish();
                return if reader.success { Outcome::Succeeded } else { Outcome::EndOfFile };
            }
            Ok(_) if host.files.meta(path).is_ok_and(|meta| meta.len < offset) => {
                offset = 0;
                reader.finish();
                (reader.on_event)(TailEvent::Lost { reason: Loss::FileReplaced });
                continue;
            }
            Ok(_) => {}
            Err(error) if keep_on && error.kind() == std::io::ErrorKind::NotFound => {
                offset = 0;
                if !std::mem::replace(&mut waiting, true) {
                    (reader.on_event)(TailEvent::Waiting { why: Wait::NoFile { path: path.display().to_string() } });
                }
            }
            Err(error) => return Outcome::Unreadable { reason: format!("{}: {error}", path.display()) },
        }
        host.clock.sleep(options.poll, cancel);
    }
    Outcome::Cancelled
}

/// Cuts the bytes into lines.
struct Reader<'a> {
    on_event: &'a mut dyn FnMut(TailEvent),
    rest: Vec<u8>,
    step: Option<Step>,
    success: bool,
}

impl Reader<'_> {
    fn push(&mut self, bytes: &[u8]) {
        let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            self.rest.extend_from_slice(piece);
            if pieces.peek().is_some() || self.rest.len() >= LINE_LIMIT {
                self.line();
            }
        }
    }

    fn finish(&mut self) {
        if !self.rest.is_empty() {
            self.line();
        }
    }

    fn line(&mut self) {
        let text = printable_bytes(&std::mem::take(&mut self.rest));
        let step = phases::step(&text);
        self.success = phases::is_success(&text) || (self.success && text.is_empty());
        (self.on_event)(TailEvent::Line { text, at: None });
        if let Some(step) = step.filter(|step| self.step != Some(*step)) {
            self.step = Some(step);
            (self.on_event)(TailEvent::Phase(step));
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
            TailEvent::Line { text, .. } => Some(text.clone() + "\n"),
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
        assert!(matches!(&events[..], [TailEvent::Ended { outcome: Outcome::Unreadable { reason } }] if reason.starts_with("/no.log: ")));
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
                TailEvent::Line { text, .. } if text == "one" => fs::write(&path, "one\ntwo\n").unwrap(),
                TailEvent::Line { text, .. } if text == "two" => fs::write(&path, "x\n").unwrap(),
                TailEvent::Line { text, .. } if text == "x" => cancel.cancel(),
                _ => {}
            }
            seen.push(event);
        });
        assert_eq!(lines(&seen), "one\ntwo\nx\n");
        assert!(seen.contains(&TailEvent::Lost { reason: Loss::FileReplaced }));
        assert_eq!(seen.last(), Some(&TailEvent::Ended { outcome: Outcome::Cancelled }));
    }
}
