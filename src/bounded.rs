//! Bounded: the one way in which this program opens and reads a file that it does not keep itself.
//!
//! A path may lead to a pipe that nobody writes to, a device without an end, or a file larger than the memory; YAML may
//! be nested or repeat itself until its reader gives up. Each of that is an error here, at once, whoever reads.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::OFlags;
use saphyr_parser::{Event, Parser};

/// Largest file that is read as a whole: package databases are the largest that there are.
pub const MOST: u64 = 64 << 20;
/// Largest file that a person writes or hands over: answers, a recording, a file of a scenario.
pub const MOST_BY_HAND: u64 = 16 << 20;
/// Deepest nesting of YAML that is read; the session's own is below 20.
const DEPTH: usize = 64;

/// Opens a regular file for reading. Links are followed, but nothing is waited for: a pipe or a device in the file's
/// place is refused.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(path, OFlags::empty())
}

/// As [`open`]; `flags` are added.
pub(crate) fn open_with(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = (flags | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    match file.metadata()?.file_type() {
        kind if kind.is_file() => Ok(file),
        kind if kind.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
    }
}

/// Reads a whole file of at most `most` bytes.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_all(open(path)?, most)
}

/// Reads a file of at most `most` bytes as text.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read(path, most)?).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// Reads an open file of at most `most` bytes. Files of /proc have length 0 and any amount of content; any other is as
/// long as it says, also while somebody writes on.
pub fn read_all(file: File, most: u64) -> io::Result<Vec<u8>> {
    let len = file.metadata()?.len();
    if len > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0) + 1);
    let limit = if len == 0 { most } else { len };
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Refuses YAML that is nested too deeply, or that names a part of itself: neither has a place in a file that this
/// program reads by its own schema, and both make small files large in memory. What is no YAML at all is left for the
/// reader to say.
pub fn check_yaml(text: &str) -> Result<(), String> {
    let mut depth = 0usize;
    for event in Parser::new_from_str(text) {
        // What this parser does not take, the reader may: it must not be deep either.
        let Ok((event, span)) = event else { return demand_flat(text) };
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
            Event::SequenceEnd | Event::MappingEnd => depth = depth.saturating_sub(1),
            Event::Alias(_) => {
                return Err(format!(
                    "line {}: an alias (`*name`) is not taken here; write the value out",
                    span.start.line()
                ));
            }
            _ => {}
        }
        if depth > DEPTH {
            return Err(format!("line {}: nested more than {DEPTH} deep", span.start.line()));
        }
    }
    Ok(())
}

/// Counts brackets, whatever stands between them.
fn demand_flat(text: &str) -> Result<(), String> {
    let mut depth = 0usize;
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH {
            return Err(format!("nested more than {DEPTH} deep"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_of_a_size_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert_eq!(read(&pipe, MOST).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(read(Path::new("/dev/zero"), MOST).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(read(folder.path(), MOST).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        let large = folder.path().join("large");
        std::fs::write(&large, [b'x'; 11]).unwrap();
        assert_eq!(read(&large, 10).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read(&large, 11).unwrap().len(), 11);
        assert!(!read(Path::new("/proc/self/status"), MOST).unwrap().is_empty());
    }

    #[test]
    fn yaml_that_grows_is_refused_at_once() {
        let begin = std::time::Instant::now();
        for deep in ["[".repeat(200_000), "{a: ".repeat(100_000), "- ".repeat(100_000)] {
            assert!(check_yaml(&deep).is_err());
        }
        assert!(check_yaml("a: &x [1]\nb: *x\n").unwrap_err().contains("alias"));
        assert_eq!(check_yaml("a: {b: [1, {c: d}]}\n# [[[[\ne: \"[[[[\"\n"), Ok(()));
        assert!(begin.elapsed().as_secs() < 5);
    }
}
