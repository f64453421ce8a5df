//! The needles: words of which every pattern holds one. A line without any of them shows nothing, and that is what has
//! to be fast.

use aho_corasick::{AhoCorasick, Span, packed};

/// Which needles a text holds, a bit each.
pub(super) type Set = u128;

/// How many needles are looked for at once: measured, the fewest passes that the vector search does not slow down for.
const AT_ONCE: usize = 48;

/// The needles, ready to be looked for.
pub(super) struct Needles {
    /// Some of them each, with the processor's vector instructions; empty where it has none.
    packed: Vec<packed::Searcher>,
    /// For the needles of one line, and where there is no `packed`.
    every: Option<AhoCorasick>,
}

impl Needles {
    pub(super) fn new(words: &[String]) -> Self {
        let packed: Option<Vec<_>> = words.chunks(AT_ONCE).map(packed::Searcher::new).collect();
        Self { packed: packed.unwrap_or_default(), every: AhoCorasick::new(words).ok() }
    }

    /// Looks for needles in a text, from its start to its end.
    pub(super) fn finder<'n, 't>(&'n self, text: &'t [u8]) -> Finder<'n, 't> {
        Finder { needles: self, text, next: vec![Next::At(0); self.packed.len().max(1)] }
    }

    /// Tells whether a line may hold one. A colour may stand in the middle of a word, so that it is seen only when it
    /// is gone.
    pub(super) fn may_hold(&self, line: &str) -> bool {
        let line = line.as_bytes();
        memchr::memchr(0x1b, line).is_some()
            || (0..self.packed.len().max(1)).any(|part| self.find(part, line, 0).is_some())
    }

    /// Returns the needles of a text.
    pub(super) fn of(&self, text: &str) -> Set {
        let bits = |every: &AhoCorasick| {
            every.find_overlapping_iter(text).fold(0, |set, found| set | 1 << found.pattern().as_u32())
        };
        self.every.as_ref().map_or(Set::MAX, bits)
    }

    /// Returns where in `text` the first needle of one part of them begins, from `from` on.
    fn find(&self, part: usize, text: &[u8], from: usize) -> Option<usize> {
        match (self.packed.get(part), &self.every) {
            (Some(packed), _) => packed.find_in(text, Span { start: from, end: text.len() }).map(|found| found.start()),
            (None, Some(every)) => every.find(&text[from..]).map(|found| from + found.start()),
            (None, None) => (from < text.len()).then_some(from),
        }
    }
}

/// Finds needle after needle in one text, which is read once for each part of the needles.
pub(super) struct Finder<'n, 't> {
    needles: &'n Needles,
    text: &'t [u8],
    next: Vec<Next>,
}

#[derive(Debug, Clone, Copy)]
enum Next {
    /// Searched up to here, where a needle begins (or the text).
    At(usize),
    /// There is none any more.
    End,
}

impl Finder<'_, '_> {
    /// Returns where the first needle from `from` on begins; `from` never goes back.
    pub(super) fn next(&mut self, from: usize) -> Option<usize> {
        for (part, next) in self.next.iter_mut().enumerate() {
            if matches!(*next, Next::At(at) if at < from || at == 0) {
                *next = self.needles.find(part, self.text, from).map_or(Next::End, Next::At);
            }
        }
        self.next.iter().filter_map(|next| if let Next::At(at) = next { Some(*at) } else { None }).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needles_that_overlap_are_all_seen() {
        let needles = Needles::new(&["abcd".to_owned(), "cdef".to_owned(), "zzzz".to_owned()]);
        assert_eq!(needles.of("x abcdef"), 0b11);
        assert_eq!(needles.of("nothing"), 0);
        assert!(needles.may_hold("0 zzzz") && needles.may_hold("za\u{1b}[1mbcd") && !needles.may_hold("abc def"));
    }

    #[test]
    fn all_parts_of_the_needles_are_found_in_their_order() {
        let words: Vec<_> = (0..60).map(|number| format!("<{number:04}>")).collect();
        let needles = Needles::new(&words);
        let text = "<0059> <0000> x <0030> <0000>".as_bytes();
        let mut finder = needles.finder(text);
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(at) = finder.next(from) {
            found.push(at);
            from = at + 1;
        }
        assert_eq!(found, [0, 7, 16, 23]);
    }
}
