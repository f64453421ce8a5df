//! Words: which pieces of a text may be shown to others. What is not known by its form or its words is hidden: a list
//! of what may pass has no gap where the next kind of secret goes through.
//!
//! A text falls into chunks at white space and punctuation. A chunk passes when it is a number, a version, a time, an
//! address on the PCI bus, a name that the report shows on purpose, or made of words that this program knows: those of
//! its own texts, of its signatures, of the cards' names, and of recorded logs (`assets/words.txt`). A secret of six
//! characters or more is none of these but by bad luck.

use std::{
    collections::HashSet,
    sync::{LazyLock, OnceLock},
};

use regex::Regex;

use crate::{catalog::gpus, diagnosis, i18n};

/// Words of other programs' logs.
const LOG_WORDS: &str = include_str!("../../assets/words.txt");
/// Most digits of one chunk: a version of a kernel has some sixteen, a key has more.
const MOST_DIGITS: usize = 20;

/// Forms of a whole chunk that pass.
const FORMS: [&str; 8] = [
    // A whole number, a decimal, a percentage, a size, a time span.
    r"^[+-]?\d{1,5}$",
    r"^\d{1,6}\.\d{1,6}$",
    r"^\d{1,6}(?:\.\d{1,3})?(?:%|B|[kKMGT]i?B|ms|s|m|h|d|W|C|bit|x)$",
    // A date as gcc writes it, and moments.
    r"^(?:19|20)\d{6}$",
    r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:?\d{2})?$",
    // A place on the PCI bus, a card by its ids, a register of the kernel's files.
    r"^(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$",
    r"^10de:[0-9a-f]{4}(?::[0-9a-f]{4}:[0-9a-f]{4})?$",
    r"^0x[0-9a-f]{1,8}$",
];
/// Forms of a part between connectors that pass: a number, a release of a distribution, klog's mark, an ordinal.
const PARTS: [&str; 3] = [
    r"^\d{1,5}$",
    r"^(?i:el|fc|rc|deb|amzn|ubuntu|rhel|sles|sle|lp|cuda|v|r|x|kmod|ib|eth|cm|card|gpu|nvidia|cu|g)\d{1,4}$",
    r"^[IWEF]\d{4}$",
];
/// What joins the parts of one name or version.
const CONNECTORS: [char; 5] = ['-', '_', '.', '+', '~'];

/// Returns whether a whole chunk passes. `names` are those that the report shows on purpose.
pub(super) fn passes(chunk: &str, names: &HashSet<String>) -> bool {
    if names.contains(chunk) || forms().iter().any(|form| form.is_match(chunk)) {
        return true;
    }
    let digits = chunk.bytes().filter(u8::is_ascii_digit).count();
    digits <= MOST_DIGITS && chunk.split([':', '@', '%', '^']).all(|piece| passes_piece(piece, names))
}

fn passes_piece(piece: &str, names: &HashSet<String>) -> bool {
    piece.is_empty() || names.contains(piece) || piece.split(CONNECTORS).all(is_part) || is_pod(piece)
}

/// A pod's name: two words or more, and the suffix that Kubernetes makes. Source: its `util/rand`, five of these
/// letters.
fn is_pod(piece: &str) -> bool {
    let Some((words, suffix)) = piece.rsplit_once('-') else { return false };
    let is_suffix = suffix.len() == 5 && suffix.bytes().all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte));
    is_suffix && words.contains('-') && words.split('-').all(is_word)
}

fn is_part(part: &str) -> bool {
    part.is_empty() || is_word(part) || parts().iter().any(|form| form.is_match(part)) || is_camel(part)
}

fn is_word(word: &str) -> bool {
    known().contains(word.to_lowercase().as_str())
}

/// `CrashLoopBackOff`: words of three letters or more that are written together.
fn is_camel(part: &str) -> bool {
    let mut words: Vec<String> = Vec::new();
    for c in part.chars() {
        match words.last_mut() {
            Some(word) if !c.is_uppercase() => word.push(c),
            _ => words.push(c.to_string()),
        }
    }
    words.len() > 1 && words.iter().all(|word| word.len() > 2 && is_word(word))
}

/// Returns the version that a chunk begins with; what stands behind it may be a name of one's own.
pub(super) fn version_of(chunk: &str) -> Option<&str> {
    static VERSION: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^\d{1,4}(?:\.\d{1,5}){1,3}(?:-\d{1,5})?").ok());
    VERSION.as_ref()?.find(chunk).map(|found| found.as_str())
}

fn compiled(patterns: &[&str]) -> Vec<Regex> {
    patterns.iter().filter_map(|pattern| Regex::new(pattern).ok()).collect()
}

fn forms() -> &'static [Regex] {
    static ALL: OnceLock<Vec<Regex>> = OnceLock::new();
    ALL.get_or_init(|| compiled(&FORMS))
}

fn parts() -> &'static [Regex] {
    static ALL: OnceLock<Vec<Regex>> = OnceLock::new();
    ALL.get_or_init(|| compiled(&PARTS))
}

/// Returns the words that pass, in small letters.
fn known() -> &'static HashSet<String> {
    static ALL: OnceLock<HashSet<String>> = OnceLock::new();
    ALL.get_or_init(|| {
        let own = i18n::texts().flat_map(words_of);
        let others =
            [diagnosis::SIGNATURES, gpus::GPUS.as_str()].into_iter().flat_map(words_of).filter(|word| !is_id(word));
        own.chain(others).map(str::to_lowercase).chain(LOG_WORDS.lines().map(str::to_owned)).collect()
    })
}

/// Splits a text of this program's own at everything that is no letter or digit; letters of another alphabet are words
/// of their own.
fn words_of(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split(|c: char| !c.is_alphanumeric()).flat_map(alphabets).filter(|word| !word.is_empty())
}

/// Splits a run where one alphabet ends and another begins: a particle of Korean stands right behind a name.
pub(super) fn alphabets(run: &str) -> impl Iterator<Item = &str> {
    let mut rest = run;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = rest.find(|c: char| c.is_ascii() != first.is_ascii()).unwrap_or(rest.len());
        let (part, behind) = rest.split_at(end);
        rest = behind;
        Some(part)
    })
}

/// Tells whether a word of the catalog is an id and no name.
fn is_id(word: &str) -> bool {
    word.len() > 12
        || (word.bytes().all(|byte| byte.is_ascii_hexdigit()) && word.bytes().any(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_compiles() {
        assert_eq!((forms().len(), parts().len()), (FORMS.len(), PARTS.len()));
    }

    #[test]
    fn what_is_known_passes_and_what_is_not_does_not() {
        let names = HashSet::from(["gpu-7".to_owned()]);
        for good in [
            "450.51.06",
            "3.10.0-1160.2.2.el7.x86_64",
            "0000:18:00.0",
            "10de:1db6",
            "V100-PCIE-32GB",
            "nvidia-driver-installer",
            "CrashLoopBackOff",
            "2026-11-24T14:02:11Z",
            "31.7",
            "gpu-7",
            "nvidia-driver-installer-588gl",
            "nvidia.ko",
            "0x10de",
        ] {
            assert!(passes(good, &names), "{good}");
        }
        for bad in [
            "hunter2",
            "s3cret",
            "AKIAIOSFODNN7EXAMPLE",
            "Zm9vYmFy",
            "0123456789",
            "a1b2c3d4",
            "eyJhbGciOiJSUzI1NiJ9",
            "gpu-8x9y",
        ] {
            assert!(!passes(bad, &names), "{bad}");
        }
    }
}
