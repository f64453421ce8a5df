//! The newest lines of a log, joined.
//!
//! NVIDIA's installer wraps its messages at about 72 columns and indents what follows, and its kernel module begins
//! each line of a message with `NVRM:`, so that no message is to be found in a single line.

use std::{collections::VecDeque, ops::Range};

use regex::{Captures, Regex};

use super::{
    needles::{Needles, Set},
    prefix,
};

/// How many lines are joined: the longest known message that matters takes five.
pub(super) const LINES: usize = 8;
/// How much of one line is looked at at once, in bytes.
pub(super) const LINE_BYTES: usize = 8 << 10;
/// How much of a long line is looked at twice, in bytes, so that no message is cut: more than the longest one.
pub(super) const OVERLAP: usize = 2 << 10;
/// How much of a long line is shown with a match, in bytes.
const SHOWN: usize = 1 << 10;
/// How much of it before the match, in bytes.
const LEAD: usize = 200;
/// A longer line was not wrapped, so nothing before it belongs to it and nothing after it continues it. In bytes.
const WRAPPED: usize = 160;

/// Joined lines with single spaces, and where each begins.
#[derive(Debug, Default)]
pub(super) struct Window {
    text: String,
    lines: VecDeque<Line>,
    /// The newest line by itself, without its prefix.
    newest: String,
    /// Whether `text` holds less of the newest line than `newest` does.
    shortened: bool,
    /// Whether the kernel says the newest line.
    kernel: bool,
}

#[derive(Debug)]
struct Line {
    number: u64,
    /// Where it begins in the joined text.
    start: usize,
    needles: Set,
}

/// A place where a pattern matches.
pub(super) struct Matched<'w> {
    pub captures: Captures<'w>,
    /// Line of the log in which it begins.
    pub number: u64,
    /// All lines that it touches, joined.
    pub line: &'w str,
}

impl Window {
    /// Adds a line; the oldest one makes room.
    pub(super) fn push(&mut self, number: u64, line: &str, needles: &Needles) {
        let bare = prefix::strip(line);
        let before = std::mem::take(&mut self.newest);
        append(&mut self.newest, &bare.text[..bare.text.floor_char_boundary(LINE_BYTES)]);
        self.kernel = bare.kernel;
        let last = self.lines.back().map_or(0, |line| self.text.len() - line.start);
        if self.newest.len() > WRAPPED || last > WRAPPED {
            self.text.clear();
            self.lines.clear();
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
            let gone = self.lines.front().map_or(self.text.len(), |line| line.start);
            self.text.drain(..gone);
            self.lines.iter_mut().for_each(|line| line.start -= gone);
        }
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        let own = if self.lines.is_empty() { &self.newest } else { prefix::own(&before, &self.newest) };
        self.shortened = own.len() < self.newest.len();
        self.lines.push_back(Line { number, start: self.text.len(), needles: needles.of(&self.newest) });
        self.text.push_str(own);
    }

    /// Returns the needles of all lines.
    pub(super) fn needles(&self) -> Set {
        self.lines.iter().fold(0, |set, line| set | line.needles)
    }

    /// Returns the newest line.
    pub(super) fn newest(&self) -> &str {
        &self.newest
    }

    /// Tells whether the kernel says the newest line.
    pub(super) fn is_kernel(&self) -> bool {
        self.kernel
    }

    /// Returns a match that ends in the newest line: of the joined lines, else of that line alone.
    pub(super) fn find(&self, regex: &Regex) -> Option<Matched<'_>> {
        let new_from = self.lines.back()?.start;
        let joined = regex.find_iter(&self.text).find(|found| found.end() > new_from);
        if let Some(captures) = joined.and_then(|found| regex.captures_at(&self.text, found.start())) {
            let matched = captures.get_match().range();
            let (number, lines) = self.lines_of(matched.clone());
            return Some(Matched { captures, number, line: shown(&self.text, lines, &matched) });
        }
        self.shortened.then(|| self.find_in_newest(regex)).flatten()
    }

    /// Returns a match in the newest line alone.
    pub(super) fn find_in_newest(&self, regex: &Regex) -> Option<Matched<'_>> {
        let captures = regex.captures(&self.newest)?;
        let line = shown(&self.newest, 0..self.newest.len(), &captures.get_match().range());
        Some(Matched { captures, number: self.lines.back()?.number, line })
    }

    /// Returns the number of the line in which a match begins, and the place of all lines that it touches.
    fn lines_of(&self, matched: Range<usize>) -> (u64, Range<usize>) {
        let first = self.lines.iter().rfind(|line| line.start <= matched.start).or(self.lines.front());
        let after =
            self.lines.iter().map(|line| line.start).find(|start| *start >= matched.end).unwrap_or(self.text.len());
        first.map_or((0, 0..after), |line| (line.number, line.start..after))
    }

    /// Returns up to `count` lines before the one with this number.
    pub(super) fn before(&self, number: u64, count: usize) -> Vec<String> {
        let at = self.lines.iter().position(|line| line.number >= number).unwrap_or(self.lines.len());
        let end = |index: usize| self.lines.get(index + 1).map_or(self.text.len(), |line| line.start);
        let line = |index: usize| self.text[self.lines[index].start..end(index)].trim().to_owned();
        (at.saturating_sub(count)..at).map(line).filter(|line| !line.is_empty()).collect()
    }

    /// Forgets all lines: their words are told, and shall not be told again.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.lines.clear();
        self.newest.clear();
    }
}

/// Returns the lines of a match, of long ones what stands around it.
fn shown<'t>(text: &'t str, lines: Range<usize>, matched: &Range<usize>) -> &'t str {
    if lines.len() <= SHOWN {
        return text[lines].trim();
    }
    let start = text.floor_char_boundary(matched.start.saturating_sub(LEAD).max(lines.start));
    text[start..text.floor_char_boundary(lines.end.min(start + SHOWN))].trim()
}

/// Cuts a long line into pieces that are looked at one by one, each beginning in the one before it.
pub(super) fn pieces(line: &str) -> impl Iterator<Item = &str> {
    let starts = (0..line.len()).step_by(LINE_BYTES - OVERLAP);
    starts.take_while(|start| *start == 0 || start + OVERLAP < line.len()).map(|start| {
        let start = line.floor_char_boundary(start);
        &line[start..line.floor_char_boundary(start + LINE_BYTES)]
    })
}

/// Appends a line with single spaces between its words. Quotes that structured logs escape, once or several times over,
/// are quotes, and the line ends that they write as `\n` are spaces.
fn append(text: &mut String, line: &str) {
    let line = crate::text::printable(line);
    let start = text.len();
    if line.contains('\\') {
        let plain = unescape(&line);
        append_words(text, start, &plain);
    } else {
        append_words(text, start, &line);
    }
}

fn append_words(text: &mut String, start: usize, line: &str) {
    for word in line.split_ascii_whitespace() {
        if text.len() > start {
            text.push(' ');
        }
        text.push_str(word);
    }
}

fn unescape(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        while chars.next_if_eq(&'\\').is_some() {}
        match chars.peek() {
            Some('"') => {}
            Some('n' | 't') => {
                chars.next();
                out.push(' ');
            }
            _ => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_quotes_are_quotes_however_often() {
        let mut text = String::new();
        append(&mut text, r#"err="no runtime for \\\"nvidia\\\" is\n configured" C:\x"#);
        assert_eq!(text, r#"err="no runtime for "nvidia" is configured" C:\x"#);
    }

    #[test]
    fn every_message_of_a_long_line_is_whole_in_one_of_its_pieces() {
        let message = "é".repeat(OVERLAP / 2);
        for before in [0, 1, LINE_BYTES - OVERLAP, LINE_BYTES - 1, LINE_BYTES, 3 * LINE_BYTES - 7] {
            for after in [0, 1, OVERLAP, LINE_BYTES] {
                let line = format!("{}{message}{}", "x".repeat(before), "y".repeat(after));
                assert!(pieces(&line).any(|piece| piece.contains(&message)), "{before} {after}");
                assert!(pieces(&line).all(|piece| piece.len() <= LINE_BYTES));
            }
        }
        assert_eq!(pieces("short").collect::<Vec<_>>(), ["short"]);
    }

    #[test]
    fn the_lines_before_a_match_are_kept() {
        let needles = Needles::new(&["none".to_owned()]);
        let mut window = Window::default();
        for (number, line) in (1..).zip(["one", "two", "three", "four"]) {
            window.push(number, line, &needles);
        }
        assert_eq!(window.before(4, 2), ["two", "three"]);
        assert_eq!(window.find(&Regex::new("three (f)").unwrap()).unwrap().number, 3);
        assert!(window.find(&Regex::new("one two").unwrap()).is_none(), "it is old");
    }
}
