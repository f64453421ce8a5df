//! A whole log, of any size, from a reader: blocks without a needle are passed over, and only the lines around one are
//! looked at.

use std::io::{self, Read};

use memchr::{memchr, memchr_iter, memrchr};

use super::{Diagnosis, Event, Hit, Report, table::table, window};

/// How much is read at once.
const BLOCK: usize = 128 << 10;
/// How many hits are kept. A log that shows more different failures than that has told enough.
const HITS: usize = 500;
/// Lines that belong to a message with the one that holds the needle, on each side.
const AROUND: usize = window::LINES - 1;

/// Looks through everything that `reader` gives. Memory is bounded, whatever comes.
pub fn over_reader(reader: &mut dyn Read) -> io::Result<Report> {
    let mut scan = Scan::default();
    let mut block = vec![0; BLOCK];
    let mut held = 0;
    loop {
        let read = match reader.read(&mut block[held..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read == 0 {
            break;
        }
        let full = held + read;
        let from = memrchr(b'\n', &block[..full]).map_or(0, |end| end + 1);
        scan.lines(&block[..from]);
        block.copy_within(from..full, 0);
        held = full - from;
        if held == BLOCK {
            scan.long_line(&block);
            // What stands at the seam is seen whole with what follows.
            block.copy_within(BLOCK - window::OVERLAP.., 0);
            held = window::OVERLAP;
        }
    }
    scan.lines(&block[..held]);
    Ok(scan.finish())
}

#[derive(Default)]
struct Scan {
    diagnosis: Diagnosis,
    hits: Vec<Hit>,
    /// Whether the line that began in an earlier block has not ended.
    in_long_line: bool,
}

impl Scan {
    /// Takes whole lines.
    fn lines(&mut self, mut text: &[u8]) {
        if self.in_long_line && !text.is_empty() {
            let end = memchr(b'\n', text).map_or(text.len(), |end| end + 1);
            self.long_line(&text[..end]);
            text = &text[end..];
            self.in_long_line = false;
        }
        let mut at = 0;
        let mut needles = table().needles.finder(text);
        // A colour may stand in the middle of a word, so that a needle is seen only when it is gone.
        let coloured = memchr(0x1b, text).is_some();
        while at < text.len() {
            if self.diagnosis.is_due() || coloured {
                let end = memchr(b'\n', &text[at..]).map_or(text.len(), |end| at + end + 1);
                self.look(&text[at..end]);
                at = end;
                continue;
            }
            let Some(needle) = needles.next(at) else { break };
            let start = memrchr(b'\n', &text[at..needle]).map_or(at, |end| at + end + 1);
            let end = memchr(b'\n', &text[needle..]).map_or(text.len(), |end| needle + end + 1);
            self.pass(&text[at..start]);
            self.look(&text[start..end]);
            at = end;
        }
        self.pass(&text[at..]);
    }

    fn look(&mut self, line: &[u8]) {
        let event = self.diagnosis.push(&printable(line));
        self.note(event);
    }

    fn note(&mut self, event: Option<Event>) {
        match event {
            Some(Event::Hit(hit)) if self.hits.len() < HITS => self.hits.push(hit),
            Some(Event::TakenBack(over)) => self.hits.retain(|hit| !over.contains(&hit.signature)),
            Some(Event::Hit(_)) | None => {}
        }
    }

    /// Takes lines in which nothing can show: all but the newest are only counted.
    fn pass(&mut self, lines: &[u8]) {
        let newest = newest(lines);
        if newest > 0 {
            self.diagnosis.pass(memchr_iter(b'\n', &lines[..newest]).count() as u64);
        }
        lines[newest..].split_inclusive(|byte| *byte == b'\n').for_each(|line| self.look(line));
    }

    /// Takes the beginning of a line that does not end in one block, or more of it.
    fn long_line(&mut self, part: &[u8]) {
        if std::mem::replace(&mut self.in_long_line, true) {
            let event = self.diagnosis.push_long(&printable(part));
            self.note(event);
        } else {
            self.look(part);
        }
    }

    fn finish(mut self) -> Report {
        let last = self.diagnosis.finish();
        self.hits.extend(last);
        Report { hits: self.hits }
    }
}

fn printable(line: &[u8]) -> String {
    crate::text::printable_bytes(line.strip_suffix(b"\n").unwrap_or(line))
}

/// Returns where the newest lines begin that may belong to what follows.
fn newest(lines: &[u8]) -> usize {
    let ended = lines.strip_suffix(b"\n").unwrap_or(lines);
    memchr::memrchr_iter(b'\n', ended).nth(AROUND - 1).map_or(0, |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time, as a pipe may.
    struct Trickle<'t>(&'t [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let size = self.1.min(self.0.len()).min(buffer.len());
            buffer[..size].copy_from_slice(&self.0[..size]);
            self.0 = &self.0[size..];
            Ok(size)
        }
    }

    const FAILURE: &str = "ERROR: An NVIDIA kernel module 'nvidia' appears to already\n       be loaded in your\n       kernel.  This may\n";

    #[test]
    fn lines_are_counted_and_messages_found_wherever_they_are_cut() {
        for quiet in [0, 1, 5, 6, 7, 8, 9, 40] {
            let log = format!("{}{FAILURE}{}", "  CC [M]  nv.o\n".repeat(quiet), "  CC [M]  nv-acpi.o\n".repeat(quiet));
            for size in [1, 7, 50, 1 << 20] {
                let report = over_reader(&mut Trickle(log.as_bytes(), size)).unwrap();
                let hits: Vec<_> = report.hits.iter().map(|hit| (hit.signature.as_str(), hit.line_number)).collect();
                assert_eq!(
                    hits,
                    [("module-loaded", Some(quiet as u64 + 1))],
                    "{quiet} quiet lines, {size} bytes at a time"
                );
            }
        }
    }

    #[test]
    fn a_line_without_end_is_one_line_and_what_follows_is_seen() {
        let log = format!("{}\n{FAILURE}", "x".repeat(3 * BLOCK));
        assert_eq!(over_reader(&mut log.as_bytes()).unwrap().hits[0].line_number, Some(2));
    }

    /// Wherever in a line of any length a cause stands, it is found, and once.
    #[test]
    fn the_cause_at_the_end_of_a_long_line_is_found() {
        let cause = "error: Driver/library version mismatch";
        for length in [100, 8 << 10, 60 << 10, BLOCK - 20, BLOCK - 60, BLOCK, BLOCK + 1, 5 * BLOCK - 30] {
            for (end, after) in [("", ""), ("\n", ""), (" and so on\n", "quiet\n"), ("\n", FAILURE)] {
                let log = format!("first\n{} {cause}{end}{after}", "lorem ipsum ".repeat(length / 12));
                for size in [4096, 1 << 20] {
                    let report = over_reader(&mut Trickle(log.as_bytes(), size)).unwrap();
                    let hits: Vec<_> =
                        report.hits.iter().map(|hit| (hit.signature.as_str(), hit.line_number)).collect();
                    assert_eq!(hits[0], ("nvml-mismatch", Some(2)), "{length}");
                    assert_eq!(
                        hits.get(1..),
                        Some(&[("module-loaded", Some(3))][usize::from(after != FAILURE)..]),
                        "{length}"
                    );
                }
            }
        }
    }

    #[test]
    fn colours_in_the_middle_of_a_word_hide_nothing() {
        let log =
            "x\nFailed to ini\u{1b}[01;31mtialize NV\u{1b}[0mML: Driver/library vers\u{1b}[1mion mism\u{1b}[0match\n";
        assert_eq!(over_reader(&mut log.as_bytes()).unwrap().hits[0].signature, "nvml-mismatch");
    }
}
