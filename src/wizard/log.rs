//! Log buffer: the last lines of something that prints, in bounded memory, with a place that stays put while it grows.

use std::collections::VecDeque;

/// Lines kept at most.
const MAX_LINES: usize = 10_000;
/// Bytes kept at most.
const MAX_BYTES: usize = 4 << 20;
/// Bytes kept of one line.
const MAX_LINE: usize = 8 << 10;

/// The last lines, and which of them are looked at.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LogBuffer {
    lines: VecDeque<String>,
    bytes: usize,
    /// Lines that were dropped at the front: the absolute number of the first line kept.
    dropped: usize,
    /// Absolute number of the line after the last one in view; absent while the end is followed.
    end: Option<usize>,
    query: String,
    /// How many of the lines kept have a hit.
    hits: usize,
    /// Absolute numbers of lines that show something known.
    marks: VecDeque<usize>,
    /// Absolute number of the first line that tells of the present; what is marked before it is of the past.
    present: usize,
}

impl LogBuffer {
    /// Adds a line; the oldest go when there is no room.
    pub fn push(&mut self, mut line: String) {
        if line.len() > MAX_LINE {
            line.truncate(line.floor_char_boundary(MAX_LINE));
        }
        self.bytes += line.len();
        self.hits += usize::from(has_hit(&line, &self.query));
        self.lines.push_back(line);
        while self.lines.len() > MAX_LINES || self.bytes > MAX_BYTES {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.len();
            self.hits -= usize::from(has_hit(&oldest, &self.query));
            self.dropped += 1;
            if self.marks.front().is_some_and(|mark| *mark < self.dropped) {
                self.marks.pop_front();
            }
        }
    }

    /// Marks the newest line as showing something known.
    pub fn mark(&mut self) {
        if let Some(newest) = self.total().checked_sub(1) {
            self.marks.push_back(newest);
        }
    }

    /// Returns how many lines kept show something known, without those of the past.
    pub fn mark_count(&self) -> usize {
        self.marks.iter().filter(|mark| **mark >= self.present).count()
    }

    /// Returns how many lines of the past show something known.
    pub fn past_mark_count(&self) -> usize {
        self.marks.len() - self.mark_count()
    }

    /// What was marked so far is of the past.
    pub fn begin_present(&mut self) {
        self.present = self.total();
    }

    /// Moves the view up to the next marked line; after the oldest comes the newest. Tells whether there is one.
    pub fn next_mark(&mut self) -> bool {
        let before = self.end.map_or(self.total(), |end| end.saturating_sub(1));
        let mark = self.marks.iter().rev().find(|mark| **mark < before).or_else(|| self.marks.back());
        if let Some(mark) = mark {
            self.end = Some(mark + 1);
        }
        mark.is_some()
    }

    /// Returns how many lines were dropped at the front.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Returns all lines kept, each with a line end.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.bytes + self.lines.len());
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Tells whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Returns how many lines are kept.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Tells whether new lines move into view.
    pub fn follows(&self) -> bool {
        self.end.is_none()
    }

    /// Returns how many lines there are below the view.
    pub fn below(&self) -> usize {
        self.end.map_or(0, |end| self.total().saturating_sub(end))
    }

    /// Returns the lines in a view of `height` rows, each with whether it is marked.
    pub fn window(&self, height: usize) -> impl Iterator<Item = (&str, bool)> {
        let end =
            self.end.unwrap_or(self.total()).saturating_sub(self.dropped).clamp(height.min(self.len()), self.len());
        let first = end.saturating_sub(height);
        let marked = move |index: usize| self.marks.binary_search(&(self.dropped + first + index)).is_ok();
        self.lines.range(first..end).enumerate().map(move |(index, line)| (line.as_str(), marked(index)))
    }

    /// Stops following, or follows again.
    pub fn toggle_pause(&mut self) {
        self.end = if self.follows() { Some(self.total()) } else { None };
    }

    /// Moves the view up by `rows`, and stays there.
    pub fn up(&mut self, rows: usize) {
        let end = self.end.unwrap_or(self.total()).saturating_sub(rows);
        self.end = Some(end.max(self.dropped + 1).min(self.total()));
    }

    /// Moves the view down by `rows`; at the end it follows again.
    pub fn down(&mut self, rows: usize) {
        self.end = self.end.map(|end| end.saturating_add(rows)).filter(|end| *end < self.total());
    }

    /// Moves the view to the first line kept, given its height.
    pub fn to_first(&mut self, height: usize) {
        self.end = Some((self.dropped + height).min(self.total()));
    }

    /// Moves the view to the end and follows.
    pub fn to_last(&mut self) {
        self.end = None;
    }

    /// Returns the text that is searched; empty when there is no search.
    pub fn query(&self) -> &str {
        &self.query
    }

    /// Searches for `query` and moves the view to its last hit.
    pub fn search(&mut self, query: &str) {
        query.clone_into(&mut self.query);
        self.hits = self.lines.iter().filter(|line| has_hit(line, query)).count();
        self.end = None;
        self.next_hit();
    }

    /// Moves the view up to the next hit; after the oldest comes the newest. Tells whether there is one.
    pub fn next_hit(&mut self) -> bool {
        let before = self.end.map_or(self.len(), |end| end.saturating_sub(self.dropped + 1)).min(self.len());
        let is_hit = |index: &usize| self.lines.get(*index).is_some_and(|line| has_hit(line, &self.query));
        let hit = (0..before).rev().find(is_hit).or_else(|| (before..self.len()).rev().find(is_hit));
        if let Some(index) = hit {
            self.end = Some(self.dropped + index + 1);
        }
        hit.is_some()
    }

    /// Returns how many lines have a hit.
    pub fn hit_count(&self) -> usize {
        self.hits
    }

    fn total(&self) -> usize {
        self.dropped + self.lines.len()
    }
}

fn has_hit(line: &str, query: &str) -> bool {
    !query.is_empty() && !hits(line, query).is_empty()
}

/// Returns the byte ranges of `line` where `query` stands; ASCII letters match in either case.
pub fn hits(line: &str, query: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let (haystack, needle) = (line.as_bytes(), query.as_bytes());
    if needle.is_empty() {
        return found;
    }
    let mut at = 0;
    while at + needle.len() <= haystack.len() {
        let range = at..at + needle.len();
        if haystack[range.clone()].eq_ignore_ascii_case(needle)
            && line.is_char_boundary(range.start)
            && line.is_char_boundary(range.end)
        {
            at = range.end;
            found.push(range);
        } else {
            at += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbered(count: usize) -> LogBuffer {
        let mut log = LogBuffer::default();
        (0..count).for_each(|n| log.push(format!("line {n}")));
        log
    }

    fn shown(log: &LogBuffer, height: usize) -> Vec<&str> {
        log.window(height).map(|(line, _)| line).collect()
    }

    #[test]
    fn follows_until_it_is_scrolled_and_then_stays() {
        let mut log = numbered(10);
        assert_eq!(shown(&log, 2), ["line 8", "line 9"]);
        log.up(3);
        assert_eq!(shown(&log, 2), ["line 5", "line 6"]);
        log.push("new".to_owned());
        assert_eq!((shown(&log, 2), log.below()), (vec!["line 5", "line 6"], 4));
        log.down(4);
        assert!(log.follows());
        assert_eq!(shown(&log, 1), ["new"]);
    }

    #[test]
    fn memory_is_bounded_and_the_place_survives_the_drop() {
        let mut log = numbered(MAX_LINES);
        log.up(5);
        let before: Vec<_> = shown(&log, 2).into_iter().map(str::to_owned).collect();
        (0..100).for_each(|_| log.push("x".repeat(100_000)));
        assert!(log.len() <= MAX_LINES && log.bytes <= MAX_BYTES);
        assert_eq!(shown(&log, 2), before);
        (0..2 * MAX_LINES).for_each(|_| log.push(String::new()));
        assert_eq!(shown(&log, 2).len(), 2);
    }

    #[test]
    fn search_walks_up_through_the_hits_and_round() {
        let mut log = numbered(30);
        log.search("LINE 1");
        assert_eq!((shown(&log, 1), log.hit_count()), (vec!["line 19"], 11));
        log.next_hit();
        assert_eq!(shown(&log, 1), ["line 18"]);
        (0..10).for_each(|_| assert!(log.next_hit()));
        assert_eq!(shown(&log, 1), ["line 19"]);
        assert_eq!(hits("가나 Error error", "ERROR"), [7..12, 13..18]);
    }

    #[test]
    fn marks_are_walked_up_and_round_and_go_with_their_lines() {
        let mut log = LogBuffer::default();
        for n in 0..20 {
            log.push(format!("line {n}"));
            if n % 5 == 0 {
                log.mark();
            }
        }
        let mut walk = || {
            assert!(log.next_mark());
            log.window(1).map(|(line, marked)| (line.to_owned(), marked)).next().unwrap()
        };
        for n in [15, 10, 5, 0, 15] {
            assert_eq!(walk(), (format!("line {n}"), true));
        }
        assert_eq!((log.mark_count(), log.past_mark_count()), (4, 0));
        log.begin_present();
        assert_eq!((log.mark_count(), log.past_mark_count()), (0, 4));
        assert!(log.next_mark(), "one can still go there");
        (0..MAX_LINES).for_each(|_| log.push(String::new()));
        assert_eq!((log.mark_count(), log.next_mark()), (0, false));
        assert_eq!(log.text().lines().count(), MAX_LINES);
    }

    proptest! {
        #[test]
        fn no_order_of_calls_panics(calls in prop::collection::vec((0u8..9, 0usize..50), 0..200)) {
            let mut log = numbered(3);
            for (call, n) in calls {
                match call {
                    0 => log.push(n.to_string()),
                    1 => log.up(n),
                    2 => log.down(n),
                    3 => log.toggle_pause(),
                    4 => log.search(&n.to_string()),
                    5 => log.to_first(n),
                    6 => log.mark(),
                    7 => { log.next_mark(); }
                    _ => { log.next_hit(); }
                }
                prop_assert!(log.window(n).count() <= n);
                prop_assert_eq!(log.hit_count(), log.lines.iter().filter(|line| has_hit(line, &log.query)).count());
            }
        }
    }
}
