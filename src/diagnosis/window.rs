//! The newest lines of a log, joined.
//!
//! NVIDIA's installer wraps its messages at about 72 columns and indents what follows, so that no message is to be found in a single line.

use std::collections::VecDeque;

use super::Signatures;

/// How many lines are joined: the longest known message that matters takes five.
pub(super) const LINES: usize = 8;
/// How much of one line is looked at, in bytes.
const LINE_BYTES: usize = 8 << 10;
/// A longer line was not wrapped, so nothing before it belongs to it and nothing after it continues it. In bytes.
const WRAPPED: usize = 160;

/// Joined lines with single spaces, and where each begins.
#[derive(Debug, Default)]
pub(super) struct Window {
    text: String,
    /// Line number and offset in `text` of each line.
    lines: VecDeque<(u64, usize)>,
    /// Matches that end before this are old.
    new_from: usize,
}

impl Window {
    /// Adds a line; the oldest one makes room.
    pub fn push(&mut self, number: u64, line: &str) {
        let line = without_time(line);
        let cut = line.floor_char_boundary(LINE_BYTES);
        let last = self.lines.back().map_or(0, |(_, start)| self.text.len() - start);
        if cut > WRAPPED || last > WRAPPED {
            self.text.clear();
            self.lines.clear();
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
            let gone = self.lines.front().map_or(self.text.len(), |(_, start)| *start);
            self.text.drain(..gone);
            self.lines.iter_mut().for_each(|(_, start)| *start -= gone);
        }
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.new_from = self.text.len();
        self.lines.push_back((number, self.text.len()));
        append(&mut self.text, &line[..cut]);
    }

    /// Tells whether any signature shows in the lines, joined to those before them; then they have to be taken one by one.
    pub fn may_match<'l>(&mut self, lines: impl Iterator<Item = &'l str>, signatures: &Signatures) -> bool {
        let length = self.text.len();
        for line in lines {
            let line = without_time(line);
            self.text.push(' ');
            append(&mut self.text, &line[..line.floor_char_boundary(LINE_BYTES)]);
        }
        let found = signatures.may_match(&self.text);
        self.text.truncate(length);
        found
    }

    /// Returns the joined lines.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns where the newest line begins.
    pub fn new_from(&self) -> usize {
        self.new_from
    }

    /// Returns the number of the line in which a match begins, and all lines that it touches, joined.
    pub fn lines_of(&self, start: usize, end: usize) -> (u64, String) {
        let first = self.lines.iter().rposition(|(_, from)| *from <= start).unwrap_or(0);
        let after = self.lines.iter().map(|(_, from)| *from).find(|from| *from >= end).unwrap_or(self.text.len());
        let (number, from) = self.lines.get(first).copied().unwrap_or_default();
        (number, self.text[from..after].trim().to_owned())
    }

    /// Forgets all lines: their words are told, and no umbrella shall tell them again.
    pub fn clear(&mut self) {
        self.text.clear();
        self.lines.clear();
    }
}

/// Appends a line with single spaces between its words.
fn append(text: &mut String, line: &str) {
    let line = crate::text::printable(line);
    let start = text.len();
    for word in line.split_ascii_whitespace() {
        if text.len() > start {
            text.push(' ');
        }
        text.push_str(word);
    }
}

/// Returns a line without the time that `kubectl logs --timestamps` puts before it: it would stand in the middle of a wrapped message.
fn without_time(line: &str) -> &str {
    // Most lines have none, and that is to be seen at once.
    if line.as_bytes().get(4) != Some(&b'-') {
        return line;
    }
    match line.split_once(' ') {
        Some((time, rest)) if time.len() >= 20 && time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok() => rest,
        _ => line,
    }
}
