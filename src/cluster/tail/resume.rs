//! Every line exactly once, over streams that break and are taken up again.
//!
//! A log only grows at its end, so what was delivered is its beginning. A stream that is taken up with `--since-time`
//! begins with what was delivered since that second: that many lines are passed over, by count, so that equal lines of
//! equal times are told apart by nothing but their number. If its first line is not the one that was delivered first
//! since then, the log was rotated meanwhile: then the longest end of what was delivered that the stream begins with is
//! passed over.

use std::collections::VecDeque;

use jiff::Timestamp;

/// Overlap when a stream is taken up again, in seconds: `--since-time` is cut to whole seconds, and the two outputs of
/// a container may be written in slightly another order than their times.
pub const OVERLAP: i64 = 3;
/// Lines that are remembered (16 bytes each): more than one file of a rotated log holds (10 MiB by default).
const REMEMBERED: usize = 1 << 18;

/// What was delivered of one log.
#[derive(Debug, Default)]
pub struct Resume {
    /// How many lines of each of the newest seconds were delivered, and the first of them.
    seconds: VecDeque<Second>,
    /// The newest lines: their second and hash.
    recent: VecDeque<(i64, u64)>,
    newest: i64,
    /// Time of the last line, for lines that have none.
    last: Option<Timestamp>,
    delivered: u64,
    mode: Mode,
}

#[derive(Debug)]
struct Second {
    at: i64,
    count: u64,
    /// Place among all delivered lines, and hash, of the first.
    first: (u64, u64),
}

/// What happens with the lines of the present stream.
#[derive(Debug, Default)]
enum Mode {
    /// All are new.
    #[default]
    Through,
    /// The first line decides.
    Undecided { since: i64 },
    /// As `Undecided`, for another container's log.
    Fresh { known: Vec<u64> },
    /// So many lines were delivered before; the hashes of the last of them are known.
    Skip { left: u64, known: VecDeque<u64> },
    /// The log was rotated: lines are held until it is clear which of them are new.
    Align(Align),
}

/// A line that waits for what is decided, with its time.
type Held = (Option<Timestamp>, Vec<u8>);

/// Looks for the longest end of what was delivered that the stream begins with.
#[derive(Debug, Default)]
struct Align {
    known: Vec<u64>,
    /// Another container's log: that nothing of it is known is as it should be.
    fresh: bool,
    held: Vec<Held>,
    candidates: Vec<Candidate>,
}

/// One place in what was delivered where the stream may begin.
#[derive(Debug)]
struct Candidate {
    place: usize,
    /// So many lines of the stream were delivered before, if this is the place.
    complete: Option<usize>,
}

/// What a stream has shown besides its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seam {
    /// The stream goes on where the last one ended.
    Whole,
    /// Nothing of what was delivered is in it: the log was rotated, and lines between may be missing.
    Gap,
}

impl Resume {
    /// Begins a new stream, and returns from where it has to be asked for; from its beginning if nothing was delivered.
    pub fn begin(&mut self) -> Option<Timestamp> {
        if self.delivered == 0 {
            self.mode = Mode::Through;
            return None;
        }
        let since = self.newest - OVERLAP;
        self.mode = Mode::Undecided { since };
        Timestamp::from_second(since).ok()
    }

    /// Begins a stream of another container's log, which is read from its beginning. Only lines that were taken for its
    /// predecessor's by mistake can be in it.
    pub fn begin_anew(&mut self) {
        let known: Vec<_> = self.recent.iter().map(|(_, hash)| *hash).collect();
        self.mode = if known.is_empty() { Mode::Through } else { Mode::Fresh { known } };
    }

    /// Returns how many lines were delivered.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Returns the hash of the line that was delivered last.
    pub fn last_hash(&self) -> Option<u64> {
        self.recent.back().map(|(_, hash)| *hash)
    }

    /// Notes a line that was delivered by other means.
    pub fn note(&mut self, at: Option<Timestamp>, text: &[u8]) {
        self.remember(at, hash(at, text));
    }

    /// Takes the next line of the stream in, and delivers what is new. A line without a time belongs to the one before
    /// it.
    pub fn take(
        &mut self,
        at: Option<Timestamp>,
        text: &[u8],
        deliver: &mut dyn FnMut(Option<Timestamp>, &[u8]),
    ) -> Seam {
        let hash = hash(at, text);
        match &mut self.mode {
            Mode::Undecided { since } => {
                let since = *since;
                self.decide(since, hash);
            }
            Mode::Fresh { known } => self.mode = Mode::Align(Align::new(std::mem::take(known), hash, true)),
            _ => {}
        }
        match &mut self.mode {
            Mode::Through | Mode::Undecided { .. } | Mode::Fresh { .. } => {}
            Mode::Skip { left, known } => {
                *left -= 1;
                let same = *left >= known.len() as u64 || known.pop_front() == Some(hash);
                if *left == 0 || !same {
                    self.mode = Mode::Through;
                }
                if same {
                    return Seam::Whole;
                }
            }
            Mode::Align(align) => {
                let Some((held, seam)) = align.take(at, text, hash) else { return Seam::Whole };
                self.mode = Mode::Through;
                for (at, text) in held {
                    self.remember(at, self::hash(at, &text));
                    deliver(at.or(self.last), &text);
                }
                return seam;
            }
        }
        self.remember(at, hash);
        deliver(at.or(self.last), text);
        Seam::Whole
    }

    fn decide(&mut self, since: i64, hash: u64) {
        let seconds = || self.seconds.iter().filter(|second| second.at >= since);
        let count: u64 = seconds().map(|second| second.count).sum();
        let known: VecDeque<u64> =
            self.recent.iter().filter(|(second, _)| *second >= since).map(|(_, hash)| *hash).collect();
        let first = seconds().map(|second| second.first).min().map(|(_, hash)| hash);
        self.mode = match first {
            None => Mode::Through,
            Some(first) if first == hash => Mode::Skip { left: count, known },
            Some(_) => Mode::Align(Align::new(known.into(), hash, false)),
        };
    }

    fn remember(&mut self, at: Option<Timestamp>, hash: u64) {
        self.last = at.or(self.last);
        let second = self.last.map_or(0, Timestamp::as_second);
        if self.delivered == 0 {
            self.newest = second;
        }
        self.newest = self.newest.max(second);
        self.recent.push_back((second, hash));
        if self.recent.len() > REMEMBERED {
            self.recent.pop_front();
        }
        if let Some(known) = self.seconds.iter_mut().rev().find(|known| known.at == second) {
            known.count += 1;
        } else {
            self.seconds.push_back(Second { at: second, count: 1, first: (self.delivered, hash) });
            let newest = self.newest;
            self.seconds.retain(|known| known.at >= newest - OVERLAP);
        }
        self.delivered += 1;
    }
}

impl Align {
    fn new(known: Vec<u64>, first: u64, fresh: bool) -> Self {
        let fits = |(place, hash): (usize, &u64)| (*hash == first).then_some(Candidate { place, complete: None });
        let candidates = known.iter().enumerate().filter_map(fits).collect();
        Self { known, fresh, held: Vec::new(), candidates }
    }

    /// Takes a line in; returns the lines that are new once that is clear.
    fn take(&mut self, at: Option<Timestamp>, text: &[u8], hash: u64) -> Option<(Vec<Held>, Seam)> {
        let index = self.held.len();
        self.held.push((at, text.to_owned()));
        let known = &self.known;
        self.candidates.retain_mut(|candidate| {
            let place = candidate.place + index;
            if candidate.complete.is_none() && place + 1 == known.len() && known[place] == hash {
                candidate.complete = Some(index + 1);
                return true;
            }
            candidate.complete.is_some() || known.get(place) == Some(&hash)
        });
        let old = match self.candidates.first() {
            None => 0,
            Some(Candidate { complete, .. }) => (*complete)?,
        };
        let seam = if self.candidates.is_empty() && !self.fresh { Seam::Gap } else { Seam::Whole };
        Some((self.held.split_off(old), seam))
    }
}

/// Hashes a line, eight bytes at a time: a line that is passed over by mistake would need the same hash in the same
/// place.
pub(super) fn hash(at: Option<Timestamp>, text: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    let nanos = at.map_or(0, Timestamp::as_nanosecond);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a hash")]
    let start = mix(text.len() as u64, nanos as u64);
    let mut words = text.chunks_exact(8);
    let hash = words.by_ref().fold(start, |hash, word| mix(hash, word.try_into().map_or(0, u64::from_le_bytes)));
    words.remainder().iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Line = (i64, Vec<u8>);

    fn time(millisecond: i64) -> Option<Timestamp> {
        Timestamp::from_millisecond(1_700_000_000_000 + millisecond).ok()
    }

    /// Reads `file` (the part of the log that the node still has) as kubectl would, and keeps what is delivered.
    fn read(resume: &mut Resume, file: &[Line], out: &mut Vec<Line>) -> Seam {
        let since = resume.begin();
        let mut seam = Seam::Whole;
        for (at, text) in file.iter().filter(|(at, _)| since.is_none_or(|since| time(*at) >= Some(since))) {
            let now = resume.take(time(*at), text, &mut |at, text| {
                let at = at.unwrap().as_millisecond() - 1_700_000_000_000;
                out.push((at, text.to_owned()));
            });
            seam = if now == Seam::Gap { Seam::Gap } else { seam };
        }
        seam
    }

    #[test]
    fn equal_lines_of_equal_times_are_told_apart_by_their_number() {
        let log: Vec<Line> = (0..50_000).map(|_| (0, b"x".to_vec())).collect();
        let (mut resume, mut out) = (Resume::default(), Vec::new());
        for end in [1, 2, 30_000, 30_001, 50_000] {
            read(&mut resume, &log[..end], &mut out);
            assert_eq!(out.len(), end);
        }
    }

    #[test]
    fn more_lines_in_a_second_than_are_remembered_come_once() {
        let line = |n: usize| (0, n.to_string().into_bytes());
        let log: Vec<Line> = (0..REMEMBERED + 1000).map(line).collect();
        let (mut resume, mut out) = (Resume::default(), Vec::new());
        read(&mut resume, &log[..REMEMBERED + 500], &mut out);
        read(&mut resume, &log, &mut out);
        assert!(out == log);
    }

    #[test]
    fn a_rotated_log_that_shares_nothing_is_a_gap() {
        let line = |n: i64| (n * 100, n.to_string().into_bytes());
        let (mut resume, mut out) = (Resume::default(), Vec::new());
        read(&mut resume, &(0..20).map(line).collect::<Vec<_>>(), &mut out);
        assert_eq!(read(&mut resume, &(25..30).map(line).collect::<Vec<_>>(), &mut out), Seam::Gap);
        assert_eq!(out, (0..20).chain(25..30).map(line).collect::<Vec<_>>());
    }

    fn log(steps: &[(i64, u8)]) -> Vec<Line> {
        let mut now = 0;
        steps
            .iter()
            .map(|(step, text)| {
                now += step;
                (now, vec![*text])
            })
            .collect()
    }

    proptest! {
        /// A log that is read in pieces, each from some seconds before the end of the last one, comes out whole: also
        /// with equal lines of equal times, and with times that run back a little.
        #[test]
        fn any_cuts_give_the_log(
            steps in prop::collection::vec((-300i64..900, 0u8..3), 1..80),
            cuts in prop::collection::vec(0usize..80, 0..6),
        ) {
            let log = log(&steps);
            let (mut resume, mut out) = (Resume::default(), Vec::new());
            let mut ends: Vec<_> = cuts.iter().map(|cut| cut % log.len()).collect();
            ends.sort_unstable();
            ends.push(log.len());
            for end in ends {
                read(&mut resume, &log[..end], &mut out);
            }
            prop_assert_eq!(out, log);
        }

        /// The same while the log is rotated: a new reader gets only the newest file. Lines differ, but their times may
        /// be equal.
        #[test]
        fn rotations_lose_and_double_nothing_that_is_still_there(
            steps in prop::collection::vec(prop_oneof![Just(0i64), 0i64..700], 1..80),
            events in prop::collection::vec((1usize..12, 0usize..12), 1..12),
        ) {
            let mut now = 0;
            let log: Vec<Line> = steps.iter().enumerate().map(|(n, step)| { now += step; (now, n.to_string().into_bytes()) }).collect();
            let (mut resume, mut out) = (Resume::default(), Vec::<Line>::new());
            let (mut end, mut start, mut gone) = (0, 0, 0);
            for (more, back) in events {
                end = (end + more).min(log.len());
                // The file begins anywhere before the end, but never earlier than before.
                start = start.max(end.saturating_sub(back + 1));
                let before = out.len();
                let seam = read(&mut resume, &log[start..end], &mut out);
                let missing = start.saturating_sub(before + gone);
                if missing > 0 {
                    prop_assert_eq!(seam, if before == 0 { Seam::Whole } else { Seam::Gap });
                }
                gone += missing;
                prop_assert_eq!(&out[before..], &log[(before + gone).min(end)..end]);
            }
        }
    }
}
