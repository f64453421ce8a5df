//! Which lines were delivered: what makes an overlap safe.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

use jiff::Timestamp;

/// Overlap when a stream is taken up again, in seconds: `--since-time` is cut to whole seconds, and the two outputs of a container may be
/// written in slightly another order than their times.
pub(super) const OVERLAP: i64 = 3;
/// Most lines that are remembered (16 bytes each); of older ones only the time.
const LIMIT: usize = 200_000;

/// Remembers the newest lines of one pod by time and hash.
#[derive(Debug, Default)]
pub(super) struct Seen {
    window: VecDeque<(Timestamp, u64)>,
    /// Everything up to here was delivered and forgotten.
    forgotten: Option<Timestamp>,
    newest: Option<Timestamp>,
    /// How often each remembered line may still come again in this stream.
    again: HashMap<(Timestamp, u64), u32>,
}

impl Seen {
    /// Prepares for a new stream, which may repeat what was delivered, each line as often as it was.
    pub fn begin_stream(&mut self) {
        self.again.clear();
        for line in &self.window {
            *self.again.entry(*line).or_default() += 1;
        }
    }

    /// Tells whether a line is new, and remembers it. A line without a time takes that of the line before it.
    pub fn accept(&mut self, at: Option<Timestamp>, text: &[u8]) -> bool {
        let Some(at) = at.or(self.newest) else { return true };
        if self.forgotten.is_some_and(|forgotten| at <= forgotten) {
            return false;
        }
        let key = (at, hash(text));
        if let Some(left) = self.again.get_mut(&key).filter(|left| **left > 0) {
            *left -= 1;
            return false;
        }
        self.remember(key);
        true
    }

    fn remember(&mut self, key: (Timestamp, u64)) {
        self.newest = self.newest.max(Some(key.0));
        self.window.push_back(key);
        let edge = self.newest.map_or(i64::MIN, |newest| newest.as_second() - 2 * OVERLAP);
        while self.window.front().is_some_and(|(at, _)| at.as_second() < edge || self.window.len() > LIMIT) {
            let gone = self.window.pop_front().map(|(at, _)| at);
            self.forgotten = self.forgotten.max(gone);
        }
    }

    /// Returns from where a stream has to be taken up again: whole seconds, as `--since-time` takes them.
    pub fn since(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.newest?.as_second() - OVERLAP).ok()
    }
}

fn hash(text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millisecond: i64) -> Option<Timestamp> {
        Timestamp::from_millisecond(1_700_000_000_000 + millisecond).ok()
    }

    #[test]
    fn equal_lines_of_equal_times_are_counted() {
        let mut seen = Seen::default();
        seen.begin_stream();
        assert!(seen.accept(at(0), b"x") && seen.accept(at(0), b"x"));
        seen.begin_stream();
        assert!(!seen.accept(at(0), b"x") && !seen.accept(at(0), b"x"));
        assert!(seen.accept(at(0), b"x"), "a third one is new");
    }

    proptest! {
        /// A log that is read in pieces, each from some seconds before the end of the last one, comes out whole.
        #[test]
        fn any_cuts_give_the_log(steps in prop::collection::vec((0i64..900, 0u8..3), 1..80), cuts in prop::collection::vec(0usize..80, 0..6)) {
            let mut time = 0;
            let log: Vec<_> = steps.iter().map(|(step, text)| { time += step; (time, vec![*text]) }).collect();
            let mut seen = Seen::default();
            let mut out = Vec::new();
            let mut ends: Vec<_> = cuts.iter().map(|cut| cut % log.len()).collect();
            ends.sort_unstable();
            ends.push(log.len());
            for end in ends {
                let since = seen.since();
                seen.begin_stream();
                for (time, text) in log[..end].iter().filter(|(time, _)| since.is_none_or(|since| at(*time) >= Some(since))) {
                    if seen.accept(at(*time), text) {
                        out.push((*time, text.clone()));
                    }
                }
            }
            prop_assert_eq!(out, log);
        }
    }
}
