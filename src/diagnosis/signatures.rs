//! The table of signatures, read and compiled at first use.

use std::{collections::BTreeMap, sync::OnceLock};

use regex::{Regex, RegexSet};
use serde::{Deserialize, Serialize};

use super::Hit;

const TABLE: &str = include_str!("../../assets/signatures.yaml");

/// One known failure.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// Stable name.
    pub id: String,
    /// Where its words are said.
    #[serde(rename = "where")]
    pub sources: Vec<Source>,
    /// Regular expressions over joined lines.
    #[serde(default)]
    pub patterns: Vec<String>,
    /// Patterns of what is said about any failure of its kind: told only when nothing else is found in the same attempt.
    #[serde(default)]
    pub umbrella: Vec<String>,
    /// The action that remedies it; absent: a person has to.
    #[serde(default)]
    pub action: Option<String>,
    /// Where the wording was seen.
    pub source: String,
}

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A log line.
    Log,
    /// An event of the cluster.
    Event,
    /// The status of an object of the cluster.
    Status,
}

/// What kind of remedy there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Remedy {
    /// This action of a plan.
    Action(String),
    /// The text tells a person what to do.
    Instruction,
}

/// The compiled table.
pub struct Signatures {
    list: Vec<Signature>,
    /// All patterns at once: most lines match none, and that is what has to be fast.
    set: RegexSet,
    /// Each pattern with its signature, in the order of the set.
    patterns: Vec<Pattern>,
}

struct Pattern {
    /// Index of the signature.
    index: usize,
    regex: Regex,
    umbrella: bool,
}

/// A place where a signature matches.
pub(super) struct Found {
    pub index: usize,
    pub umbrella: bool,
    pub start: usize,
    pub end: usize,
    args: BTreeMap<String, String>,
}

/// Returns all signatures. The table is part of the program and its test reads it, so that an unreadable one, which would be empty here,
/// cannot be shipped.
pub fn all() -> &'static Signatures {
    static ALL: OnceLock<Signatures> = OnceLock::new();
    ALL.get_or_init(|| {
        let signatures: Vec<Signature> = serde_yaml::from_str(TABLE).unwrap_or_default();
        let compile =
            |(index, pattern, umbrella): (usize, &String, bool)| Some(Pattern { index, regex: Regex::new(pattern).ok()?, umbrella });
        let telling =
            signatures.iter().enumerate().flat_map(|(index, signature)| signature.patterns.iter().map(move |p| (index, p, false)));
        let umbrellas =
            signatures.iter().enumerate().flat_map(|(index, signature)| signature.umbrella.iter().map(move |p| (index, p, true)));
        // All that is telling stands before all umbrellas, whatever the order of the table.
        let patterns: Vec<_> = telling.chain(umbrellas).filter_map(compile).collect();
        let set = RegexSet::new(patterns.iter().map(|pattern| pattern.regex.as_str())).unwrap_or_default();
        Signatures { list: signatures, set, patterns }
    })
}

impl Signatures {
    /// Returns all signatures, in the order of the table.
    pub fn list(&self) -> &[Signature] {
        &self.list
    }

    /// Tells whether any pattern matches anywhere.
    pub(super) fn may_match(&self, text: &str) -> bool {
        self.set.is_match(text)
    }

    /// Finds the first pattern of the table that matches `text` and ends behind `new_from`.
    pub(super) fn find(&self, text: &str, new_from: usize, sources: &[Source]) -> Option<Found> {
        let applies = |pattern: &&Pattern| self.list[pattern.index].sources.iter().any(|source| sources.contains(source));
        self.set.matches(text).iter().map(|place| &self.patterns[place]).filter(applies).find_map(|pattern| {
            let captures = pattern.regex.captures_iter(text).find(|captures| captures.get_match().end() > new_from)?;
            let whole = captures.get_match();
            let value = |name: &str| captures.name(name).map(|value| (name.to_owned(), value.as_str().to_owned()));
            // Texts may use any group of the signature, also one that this pattern lacks.
            let mut args = self.groups(pattern.index);
            args.extend(pattern.regex.capture_names().flatten().filter_map(value));
            Some(Found { index: pattern.index, umbrella: pattern.umbrella, start: whole.start(), end: whole.end(), args })
        })
    }

    /// Returns the named groups of all patterns of a signature, each with an ellipsis as its value.
    fn groups(&self, signature: usize) -> BTreeMap<String, String> {
        let own = self.patterns.iter().filter(|pattern| pattern.index == signature);
        own.flat_map(|pattern| pattern.regex.capture_names().flatten()).map(|name| (name.to_owned(), "…".to_owned())).collect()
    }
}

impl Found {
    pub(super) fn hit(self, line_number: Option<u64>, line: String) -> Hit {
        let signature = &all().list[self.index];
        let remedy_kind = signature.action.clone().map_or(Remedy::Instruction, Remedy::Action);
        Hit { signature: signature.id.clone(), line_number, line, args: self.args, remedy_kind }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::i18n::Lang;

    #[test]
    fn the_table_is_sound() {
        let signatures: Vec<Signature> = serde_yaml::from_str(TABLE).unwrap();
        let patterns: usize = signatures.iter().map(|signature| signature.patterns.len() + signature.umbrella.len()).sum();
        assert_eq!(all().patterns.len(), patterns, "a pattern does not compile");
        assert_eq!(all().set.len(), patterns);
        let ids: HashSet<_> = signatures.iter().map(|signature| &signature.id).collect();
        assert_eq!(ids.len(), signatures.len(), "an id is used twice");
        assert!(signatures.iter().all(|signature| !signature.source.is_empty() && !signature.sources.is_empty()));
    }

    #[test]
    fn every_failure_mode_of_the_domain_notes_has_a_signature() {
        let modes = "module-loaded already-loaded-crash headers-ubuntu headers-centos repo-eol dns download-404 download-corrupt kernel-source \
                     cc-mismatch build-error nouveau secure-boot load-failed unknown-symbol unsupported-gpu needs-open-module nvml-mismatch \
                     gpu-handle overlay-aufs image-true image-pull no-pods no-daemonsets test-pod-pending test-image-gone";
        for mode in modes.split(' ') {
            assert!(all().list().iter().any(|signature| signature.id == mode), "{mode}");
        }
    }

    #[test]
    fn every_signature_has_its_texts_and_fills_their_arguments() {
        let argument = Regex::new(r"\{([a-z_]+)\}").unwrap();
        for (index, signature) in all().list().iter().enumerate() {
            let groups = all().groups(index);
            for lang in [Lang::En, Lang::Ko] {
                for part in ["cause", "remedy"] {
                    let key = format!("signature.{}.{part}", signature.id);
                    assert!(lang.has(&key), "{key}");
                    for found in argument.captures_iter(&lang.text(&key, &[])) {
                        assert!(groups.contains_key(&found[1]), "{key} wants {}", &found[1]);
                    }
                }
            }
        }
    }
}
