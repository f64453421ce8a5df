//! `gpunode diagnose`: known failures in a log.

use std::{
    io::{self, BufRead, BufReader},
    path::Path,
};

use serde_json::json;

use super::{print, print_json};
use crate::{
    bounded,
    diagnosis::Diagnosis,
    error::{Expected, reason},
    exit_code::ExitCode,
    i18n::msg,
    workspace::Workspace,
};

/// Longest line that is looked at; the rest of it is passed over.
const LINE_LIMIT: usize = 64 << 10;

/// Lines that are looked at together.
const BATCH: usize = 256;

/// Prints the hits. Exit: 0 nothing known, 1 hits.
pub fn run(workspace: &Workspace, file: Option<&Path>, json: bool) -> Result<ExitCode, Expected> {
    let name = file.map_or_else(|| "standard input".to_owned(), |path| path.display().to_string());
    let failed = |error: &io::Error| Expected::new(msg::error::log::unreadable(&name, reason(error)), msg::error::log::unreadable::hint());
    let mut reader: Box<dyn BufRead> = match file {
        Some(path) => Box::new(BufReader::new(bounded::open(path).map_err(|error| failed(&error))?)),
        None => Box::new(io::stdin().lock()),
    };
    let mut diagnosis = Diagnosis::default();
    let mut hits = Vec::new();
    let mut lines = Vec::with_capacity(BATCH);
    while let Some(line) = next_line(&mut *reader).map_err(|error| failed(&error))? {
        lines.push(crate::text::printable_bytes(&line));
        if lines.len() == BATCH {
            hits.extend(diagnosis.read(&lines).into_iter().map(|(_, hit)| hit));
            lines.clear();
        }
    }
    hits.extend(diagnosis.read(&lines).into_iter().map(|(_, hit)| hit));
    hits.extend(diagnosis.finish());
    let code = if hits.is_empty() { ExitCode::Ok } else { ExitCode::Negative };
    if json {
        print_json(&json!({ "hits": hits }))?;
    } else if hits.is_empty() {
        print(&msg::diagnose::nothing().text(workspace.lang))?;
    } else {
        for hit in &hits {
            let lang = workspace.lang;
            print(&format!(
                "{name}:{}: {}\n  {}\n  {}\n  -> {}\n",
                hit.line_number.unwrap_or(0),
                hit.signature,
                hit.line,
                hit.cause(lang),
                hit.remedy(lang)
            ))?;
        }
    }
    Ok(code)
}

/// Reads one line of bounded length; a log of any size or shape fits into memory.
fn next_line(reader: &mut dyn BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok((!line.is_empty()).then_some(line));
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        line.extend_from_slice(&part[..part.len().min(LINE_LIMIT.saturating_sub(line.len()))]);
        let used = end.map_or(buffer.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            return Ok(Some(line));
        }
    }
}
