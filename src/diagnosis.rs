//! Known failures recognised in logs, events and statuses.
//!
//! [`Diagnosis`] takes a log line by line and says when a known failure shows; [`over_reader`] looks through a log of
//! any size; [`over_stack`] looks through what the cluster says. The signatures are data: `assets/signatures.yaml`,
//! with their texts in the locale files.
//!
//! A line goes this way: what stands before its message is taken off (`prefix`), it is joined with the lines before it
//! (`window`), the words that it holds (`needles`) say which patterns of the `table` may match, and what a match names
//! is looked up (`refine`).

mod hit;
mod needles;
mod prefix;
mod refine;
mod scan;
mod signature_id;
mod stack;
mod table;
#[cfg(test)]
mod tests;
mod window;
mod xid;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use hit::{Hit, Report};
use refine::{Args, Refined};
pub use scan::over_reader;
pub use signature_id::SignatureId;
pub use stack::{over_part, over_stack, over_test};
pub(crate) use table::TABLE as SIGNATURES;
use table::{Pattern, Role};
pub use table::{Refine, Remedy, Signature, Source, Stage, Table, table};
use window::{LINES, Window};

/// What a line of a log brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A known failure.
    Hit(Hit),
    /// What comes now shows that failures told before are over.
    TakenBack(Vec<SignatureId>),
}

/// How many failures are remembered as told.
const TOLD: usize = 1000;
/// What stands in a text for a value that nothing names.
const UNKNOWN: &str = "…";
/// How many lines before it are shown with what nobody knows.
const CONTEXT: usize = 3;

/// Looks through a log. Memory is bounded: some joined lines, and what was told.
///
/// One cause is told once: the same signature with the same values is not told again in one attempt. What only says
/// that something failed ("unable to load the module") is kept until the attempt is over, and told only when nothing
/// more telling was found; what is harmless by itself is told in its place, when it may be the cause.
#[derive(Debug, Default)]
pub struct Diagnosis {
    window: Window,
    line_number: u64,
    /// The newest lines in which nothing can show: a message may begin in them.
    quiet: VecDeque<String>,
    /// How many of the next lines may belong to a message that shows already.
    due: usize,
    /// What was told in this attempt.
    told: BTreeSet<(SignatureId, Args)>,
    /// What may be the cause.
    hint: Option<Hit>,
    /// The best of what says that something failed, with its place in the table.
    fallback: Option<(usize, Hit)>,
    /// Values that the log named earlier, such as the kernel.
    values: BTreeMap<String, String>,
}

impl Diagnosis {
    /// Takes the next line of the log; returns what shows with it.
    pub fn push(&mut self, line: &str) -> Option<Event> {
        self.line_number += 1;
        if line.len() > window::LINE_BYTES {
            return self.push_long(&prefix::strip(line).text);
        }
        if table().needles.may_hold(line) {
            self.due = LINES;
        }
        if self.due == 0 {
            self.keep_quiet(line);
            return None;
        }
        self.due -= 1;
        let first = self.line_number - self.quiet.len() as u64;
        for (number, quiet) in (first..).zip(self.quiet.drain(..)) {
            self.window.push(number, &quiet, &table().needles);
        }
        self.window.push(self.line_number, line, &table().needles);
        self.look()
    }

    /// Takes a line, or more of the line that came last, that is too long to be looked at at once: the first thing that
    /// shows in it counts. No message was wrapped to be so long, so that none goes on into or out of it.
    fn push_long(&mut self, line: &str) -> Option<Event> {
        self.quiet.clear();
        self.window.clear();
        self.due = 0;
        for piece in window::pieces(line).filter(|piece| table().needles.may_hold(piece)) {
            self.window.push(self.line_number, piece, &table().needles);
            let shown = self.look();
            self.window.clear();
            if shown.is_some() {
                return shown;
            }
        }
        None
    }

    /// Looks at the newest lines.
    fn look(&mut self) -> Option<Event> {
        for pattern in table().candidates(self.window.needles()) {
            if !allowed(pattern, &[Source::Log, Source::Event]) || self.is_settled(pattern) {
                continue;
            }
            let found = pattern.regex().and_then(|regex| match pattern.role {
                Role::Fallback(index) if is_of_any(index) => self.window.find_in_newest(regex),
                _ => self.window.find(regex),
            });
            let Some(found) = found else { continue };
            let values = pattern.values(&found.captures);
            match pattern.role {
                Role::Context => self.values.extend(values),
                Role::Success(index) => {
                    self.window.clear();
                    return self.succeed(index);
                }
                Role::Telling(index) => {
                    let Some(hit) = self.hit(index, values, Some(found.number), found.line) else { continue };
                    self.window.clear();
                    return self.tell(hit).map(Event::Hit);
                }
                Role::Hint(index) => {
                    let hit = self.hit(index, values, Some(found.number), found.line);
                    self.hint = self.hint.take().or(hit);
                }
                Role::Fallback(index) => {
                    let context = self.window.before(found.number, CONTEXT);
                    let hit = self.hit(index, values, Some(found.number), found.line);
                    self.fallback = hit.map(|hit| (index, Hit { context, ..hit }));
                    break;
                }
            }
        }
        None
    }

    /// Takes lines that came together; returns what shows with them, each with the place of its last line among them.
    pub fn read<L: AsRef<str>>(&mut self, lines: &[L]) -> Vec<(usize, Event)> {
        lines.iter().enumerate().filter_map(|(index, line)| Some((index, self.push(line.as_ref())?))).collect()
    }

    /// The attempt is over: returns what only says that it failed, or what may be the cause, if nothing more telling
    /// was found. What follows is another attempt.
    pub fn finish(&mut self) -> Option<Hit> {
        let ended = std::mem::take(self);
        self.line_number = ended.line_number;
        let (_, fallback) = ended.fallback.filter(|_| ended.told.is_empty())?;
        let mut hit = ended.hint.unwrap_or(fallback);
        // What the log names only after it.
        for (name, value) in hit.args.iter_mut().filter(|(_, value)| *value == UNKNOWN) {
            value.clone_from(ended.values.get(name).unwrap_or(&UNKNOWN.to_owned()));
        }
        Some(hit)
    }

    /// Looks through a whole text.
    pub fn over(text: &str) -> Report {
        // A slice cannot fail to be read.
        over_reader(&mut text.as_bytes()).unwrap_or_default()
    }

    /// Keeps a line in which nothing can show.
    fn keep_quiet(&mut self, line: &str) {
        let mut kept =
            if self.quiet.len() < LINES - 1 { String::new() } else { self.quiet.pop_front().unwrap_or_default() };
        kept.clear();
        kept.push_str(line);
        self.quiet.push_back(kept);
        self.window.clear();
    }

    /// Counts whole lines in which nothing can show.
    fn pass(&mut self, lines: u64) {
        self.line_number += lines;
        self.quiet.clear();
        self.window.clear();
    }

    /// Tells whether the next line may belong to a message that shows already.
    fn is_due(&self) -> bool {
        self.due > 0
    }

    /// Tells whether a pattern that only says that something failed need not be looked for: a better one is held, the
    /// line only sounds so, or the kernel says it, who says much about other devices.
    fn is_settled(&self, pattern: &Pattern) -> bool {
        let Role::Fallback(index) = pattern.role else { return false };
        let held = self.fallback.as_ref().is_some_and(|(held, _)| *held <= index);
        held || (is_of_any(index) && self.window.is_kernel()) || table().is_harmless(self.window.newest())
    }

    /// Makes a hit of a match; nothing when it turns out to be no failure.
    fn hit(&self, index: usize, values: Args, number: Option<u64>, line: &str) -> Option<Hit> {
        hit(index, values, &self.values, number, line)
    }

    fn tell(&mut self, hit: Hit) -> Option<Hit> {
        let once = table().signature(&hit.signature).is_some_and(|signature| signature.once);
        let values = if once { Args::new() } else { hit.args.clone() };
        let new = self.told.len() < TOLD && self.told.insert((hit.signature.clone(), values));
        new.then_some(hit)
    }

    /// What was told of the stages that a success proves is taken back; it may show again.
    fn succeed(&mut self, success: usize) -> Option<Event> {
        let proves = &table().successes[success].proves;
        let over = |id: &SignatureId| table().signature(id).is_some_and(|signature| proves.contains(&signature.stage));
        self.hint.take_if(|hint| over(&hint.signature));
        self.fallback.take_if(|(_, hit)| over(&hit.signature));
        let gone: BTreeSet<_> = self.told.iter().map(|(id, _)| id.clone()).filter(over).collect();
        self.told.retain(|(id, _)| !gone.contains(id));
        (!gone.is_empty()).then(|| Event::TakenBack(gone.into_iter().collect()))
    }
}

/// Finds what a line of a status or of an event shows; the most telling pattern first.
fn find(line: &str, source: Source) -> Option<Hit> {
    let mut window = Window::default();
    window.push(1, line, &table().needles);
    table().candidates(window.needles()).filter(|pattern| allowed(pattern, &[source])).find_map(|pattern| {
        let (Role::Telling(index) | Role::Hint(index) | Role::Fallback(index)) = pattern.role else { return None };
        let found = window.find(pattern.regex()?)?;
        hit(index, pattern.values(&found.captures), &BTreeMap::new(), None, found.line)
    })
}

/// Returns the words of a line if it alone shows this failure, whatever else is known of the log.
pub fn shown_by(id: &SignatureId, line: &str) -> Option<String> {
    let mut window = Window::default();
    window.push(1, line, &table().needles);
    let is_this = |pattern: &&Pattern| matches!(pattern.role, Role::Telling(i) | Role::Hint(i) | Role::Fallback(i) if table().list()[i].id == *id);
    let mut patterns = table().candidates(window.needles()).filter(is_this).filter_map(Pattern::regex);
    patterns.find_map(|regex| Some(window.find(regex)?.line.to_owned()))
}

/// Tells whether a signature is of anything that fails: its patterns are so general that they must not reach over
/// lines.
fn is_of_any(index: usize) -> bool {
    table().list()[index].stage == Stage::Any
}

/// Tells whether a pattern's words are said in one of these places.
fn allowed(pattern: &Pattern, sources: &[Source]) -> bool {
    let (Role::Telling(index) | Role::Hint(index) | Role::Fallback(index)) = pattern.role else { return true };
    table().list()[index].sources.iter().any(|source| sources.contains(source))
}

fn hit(index: usize, values: Args, known: &Args, line_number: Option<u64>, line: &str) -> Option<Hit> {
    let signature = &table().list()[index];
    let mut args = values;
    let refined = signature.refine.map_or(Refined::Same, |how| refine::refine(how, &mut args, line));
    let id = match refined {
        Refined::Nothing => return None,
        Refined::As(id) => id,
        Refined::Same => signature.id.clone(),
    };
    for name in table().names(index) {
        args.entry(name.to_owned()).or_insert_with(|| known.get(name).cloned().unwrap_or_else(|| UNKNOWN.to_owned()));
    }
    Some(Hit { signature: id, line_number, line: line.to_owned(), context: Vec::new(), args })
}
