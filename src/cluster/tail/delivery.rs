//! What was delivered of one pod's log: each line once, with the steps that it tells.

use jiff::Timestamp;

use super::{
    Gap, TailEvent,
    line::Times,
    resume::{self, Resume, Seam},
};
use crate::{
    cluster::phases::{Phases, Said, Step},
    host::command::PIECE,
    text::printable_bytes,
};

/// What the kubelet writes into the log stream itself when the log file is gone.
const LOG_GONE: &[u8] = b"unable to retrieve container logs for ";
/// Lines of the past that are delivered together.
const PAST: usize = 10_000;

/// What was delivered of one pod's log, and what is being delivered.
pub(super) struct Delivery {
    /// How the log tells its steps.
    phases: &'static Phases,
    resume: Resume,
    times: Times,
    /// Whether the kubelet said that the log is gone.
    pub gone: bool,
    /// Whether the next stream is the first one of its attempt: it begins at the beginning.
    fresh: bool,
    /// A last line that may be half a one, with its time.
    half: Option<(Timestamp, Vec<u8>)>,
    /// Whether the last piece of a line was as long as a piece can be.
    filled: bool,
    /// The step that was told last.
    step: Option<Step>,
    /// How the attempt is, as it was told last.
    said: Option<Said>,
}

impl Delivery {
    pub(super) fn new(phases: &'static Phases) -> Self {
        Self {
            phases,
            resume: Resume::default(),
            times: Times::default(),
            gone: false,
            fresh: false,
            half: None,
            filled: false,
            step: None,
            said: None,
        }
    }

    pub(super) fn begin_attempt(&mut self) {
        self.step = None;
        self.said = None;
        self.fresh = true;
    }

    /// Returns how the attempt is, as far as anybody has said.
    pub(super) fn said(&self) -> Option<Said> {
        self.said
    }

    /// Tells how the attempt is, unless that was told last.
    pub(super) fn say(&mut self, said: Said, on_event: &mut dyn FnMut(TailEvent)) {
        if self.said.replace(said) != Some(said) {
            on_event(TailEvent::Said(said));
        }
    }

    pub(super) fn begin_stream(&mut self) -> Option<Timestamp> {
        if std::mem::take(&mut self.fresh) {
            self.resume.begin_anew();
            return None;
        }
        self.resume.begin()
    }

    /// Tells whether nothing of the attempt was asked for yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Delivers the beginning of an attempt that only the node's own files still have. The stream that follows is as
    /// fresh as before.
    pub(super) fn take_past(&mut self, lines: &[Vec<u8>], on_event: &mut dyn FnMut(TailEvent)) {
        if lines.is_empty() {
            return;
        }
        self.resume.begin_anew();
        self.fill(lines, on_event);
    }

    /// Delivers what is new in all lines of an attempt, as the node's own files have them. Tells whether there were
    /// any.
    pub(super) fn take_rest(&mut self, lines: &[Vec<u8>], on_event: &mut dyn FnMut(TailEvent)) -> bool {
        let since = self.begin_stream();
        let mut times = Times::default();
        let is_new = |line: &&Vec<u8>| times.split(line).is_none_or(|(at, _)| since.is_none_or(|since| at >= since));
        let rest: Vec<Vec<u8>> = lines.iter().filter(is_new).cloned().collect();
        self.fill(&rest, on_event);
        !lines.is_empty()
    }

    /// Says how many lines came from the node's own files, and delivers them.
    fn fill(&mut self, lines: &[Vec<u8>], on_event: &mut dyn FnMut(TailEvent)) {
        let before = self.resume.delivered();
        let mut held = Vec::new();
        for lines in lines.chunks(PAST) {
            self.take(lines, &Vec::new, &mut |event| held.push(event));
        }
        let filled = self.resume.delivered() - before;
        if filled > 0 {
            on_event(TailEvent::Lost { reason: Gap::Filled { lines: filled } });
        }
        held.into_iter().for_each(on_event);
    }

    /// Delivers what is new of a batch of lines. `past` is asked for all lines that the node's own files have, when the
    /// stream does not go on where the last one ended.
    pub(super) fn take(
        &mut self,
        lines: &[Vec<u8>],
        past: &dyn Fn() -> Vec<Vec<u8>>,
        on_event: &mut dyn FnMut(TailEvent),
    ) {
        let mut batch = Batch { lines: Vec::with_capacity(lines.len()), ..Batch::new(self.phases) };
        for line in lines {
            // The rest of a line that filled its last piece.
            let filled = std::mem::replace(&mut self.filled, line.len() == PIECE);
            if filled && line.is_empty() {
                continue;
            }
            let (at, text) = match self.times.split(line) {
                Some((at, text)) => (Some(at), text),
                None if line.starts_with(LOG_GONE) => {
                    self.gone = true;
                    continue;
                }
                None => (None, line.as_slice()),
            };
            let last = self.resume.last_hash();
            let (half, place) = (&mut self.half, batch.lines.len());
            let mut first = None;
            let seam = self.resume.take(at, text, &mut |at, text| {
                if let Some((half_at, half)) = half.take()
                    && (Some(half_at) != at || !text.starts_with(&half))
                {
                    batch.push(&half);
                }
                first.get_or_insert_with(|| resume::hash(at, text));
                batch.push(text);
            });
            if seam == Seam::Gap {
                let missing = last.zip(first).and_then(|(last, first)| between(&past(), last, first));
                batch.gap |= missing.is_none();
                batch.insert(place, &missing.unwrap_or_default());
            }
        }
        self.deliver(batch, on_event);
    }

    /// Delivers a batch, and then what its newest words say of the attempt.
    fn deliver(&mut self, batch: Batch, on_event: &mut dyn FnMut(TailEvent)) {
        let said = batch.lines.iter().rev().find_map(|line| self.phases.said(line));
        batch.deliver(&mut self.step, on_event);
        if let Some(said) = said {
            self.say(said, on_event);
        }
    }

    /// Keeps a line that may be half a one. One that two streams have ended with is whole: it is delivered.
    pub(super) fn hold(&mut self, line: &[u8], on_event: &mut dyn FnMut(TailEvent)) {
        let new = self.times.split(line).map(|(at, text)| (at, text.to_vec()));
        // The stream began with some seconds of overlap, and nothing has come since.
        let told = self.resume.last_hash();
        let new = new.filter(|(at, text)| told != Some(resume::hash(Some(*at), text)));
        let is_whole = new.is_some() && self.half == new;
        self.half = new;
        if is_whole {
            self.flush_half(on_event);
        }
    }

    /// Delivers a last line of which no more will come.
    pub(super) fn flush_half(&mut self, on_event: &mut dyn FnMut(TailEvent)) {
        if let Some((at, text)) = self.half.take() {
            self.resume.note(Some(at), &text);
            let mut batch = Batch::new(self.phases);
            batch.push(&text);
            self.deliver(batch, on_event);
        }
    }
}

/// Returns the texts of the lines between two that are known by their hashes; nothing unless both are there.
fn between(lines: &[Vec<u8>], last: u64, first: u64) -> Option<Vec<Vec<u8>>> {
    let mut times = Times::default();
    let split: Vec<_> = lines.iter().filter_map(|line| times.split(line)).collect();
    let hash = |(at, text): &(Timestamp, &[u8])| resume::hash(Some(*at), text);
    let begin = split.iter().rposition(|line| hash(line) == last)? + 1;
    let length = split[begin..].iter().position(|line| hash(line) == first)?;
    Some(split[begin..begin + length].iter().map(|(_, text)| text.to_vec()).collect())
}

/// What is delivered together.
struct Batch {
    lines: Vec<String>,
    steps: Vec<Step>,
    gap: bool,
    /// How many lines the node's own files have filled in.
    filled: u64,
    phases: &'static Phases,
}

impl Batch {
    fn new(phases: &'static Phases) -> Self {
        Self { lines: Vec::new(), steps: Vec::new(), gap: false, filled: 0, phases }
    }

    fn push(&mut self, text: &[u8]) {
        let text = printable_bytes(text);
        self.steps.extend(self.phases.step(&text));
        self.lines.push(text);
    }

    /// Puts lines that were missing into their place.
    fn insert(&mut self, place: usize, texts: &[Vec<u8>]) {
        self.filled += texts.len() as u64;
        let texts: Vec<_> = texts.iter().map(|text| printable_bytes(text)).collect();
        self.lines.splice(place..place, texts);
    }

    fn deliver(self, step: &mut Option<Step>, on_event: &mut dyn FnMut(TailEvent)) {
        if self.gap {
            on_event(TailEvent::Lost { reason: Gap::Rotated });
        }
        if self.filled > 0 {
            on_event(TailEvent::Lost { reason: Gap::Filled { lines: self.filled } });
        }
        if !self.lines.is_empty() {
            on_event(TailEvent::Lines(self.lines));
        }
        for new in self.steps {
            if step.replace(new) != Some(new) {
                on_event(TailEvent::Phase(new));
            }
        }
    }
}
