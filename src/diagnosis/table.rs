//! The table of signatures, `assets/signatures.yaml`: read at first use, each pattern compiled when its words first
//! show.

use std::{
    collections::BTreeMap,
    sync::{LazyLock, OnceLock},
};

use regex::{Captures, Regex};
use serde::{Deserialize, Serialize};

use super::{
    needles::{Needles, Set},
    signature_id::SignatureId,
};

pub(crate) const TABLE: &str = include_str!("../../assets/signatures.yaml");

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    needles: Vec<String>,
    context: Vec<String>,
    harmless: Vec<String>,
    successes: Vec<Success>,
    signatures: Vec<Signature>,
}

/// What a program says when a part of the way is behind it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Success {
    /// Failures of these stages are over.
    pub proves: Vec<Stage>,
    patterns: Vec<String>,
}

/// One known failure.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// Stable name.
    pub id: SignatureId,
    /// Where its words are said.
    #[serde(rename = "where")]
    pub sources: Vec<Source>,
    /// The part of the way that fails.
    pub stage: Stage,
    /// Regular expressions over joined lines.
    #[serde(default)]
    pub patterns: Vec<String>,
    /// Patterns of what is harmless by itself: the cause only if the attempt fails and nothing tells more.
    #[serde(default)]
    pub hints: Vec<String>,
    /// Patterns of what is said about any failure of its kind: told only when nothing else is found in the same
    /// attempt.
    #[serde(default)]
    pub fallback: Vec<String>,
    /// What to do, by kind.
    #[serde(default)]
    pub remedy: Remedy,
    /// What is looked up, or decided, about the values of a match.
    #[serde(default)]
    pub refine: Option<Refine>,
    /// Values of the text that the log names elsewhere, or that are looked up.
    #[serde(default)]
    pub wants: Vec<String>,
    /// Whether it is told once in an attempt, whatever its values.
    #[serde(default)]
    pub once: bool,
    /// Where the wording was seen.
    pub source: String,
}

/// A part of the way to a pod that uses the card. A success takes back the failures of the stages that it proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Packages, repositories, downloads, unpacking.
    Fetch,
    /// Building the kernel module.
    Build,
    /// Loading it: nouveau, Secure Boot, symbols, what is in use.
    Load,
    /// The card itself, and what the kernel module says of it.
    Card,
    /// The container runtime, NVIDIA's toolkit, the driver inside a container.
    Runtime,
    /// Images.
    Image,
    /// The pod: scheduling, sandbox, volumes, end.
    Pod,
    /// The device plugin.
    Plugin,
    /// The GPU Operator and Helm: what they wait for.
    Operator,
    /// The host itself: disks. Nothing that an installer says proves them.
    Host,
    /// The CUDA toolkit's installer.
    Toolkit,
    /// Anything that says that it failed.
    Any,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// The text tells a person what to do.
    #[default]
    Instruction,
    /// Step 2 again: drivers that must go, prerequisites, another driver.
    DriverStep,
    /// Step 3 again: variables and playbooks.
    VariablesStep,
    /// A reboot of the node.
    Reboot,
    /// The label that the DaemonSets look for.
    LabelNode,
    /// The device plugin's pod is deleted, for its DaemonSet to make it anew.
    DeletePod,
}

/// What is looked up about a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Refine {
    /// The number of an Xid, in NVIDIA's list.
    Xid,
    /// The card and the driver, in the catalog.
    Card,
    /// The taints that are named.
    Taints,
    /// The releases of two compilers.
    Compilers,
}

/// What a pattern stands for. The order is the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// Values for the texts of what follows.
    Context,
    /// The success with this index.
    Success(usize),
    /// A failure and its cause: the signature with this index.
    Telling(usize),
    /// What may be the cause, if something fails.
    Hint(usize),
    /// That something failed, but not why.
    Fallback(usize),
}

/// A pattern of the table.
pub(super) struct Pattern {
    pub role: Role,
    text: String,
    regex: OnceLock<Option<Regex>>,
}

impl Pattern {
    fn new(role: Role, text: &str) -> Self {
        Self { role, text: text.to_owned(), regex: OnceLock::new() }
    }

    /// Returns the regular expression; a test demands that each compiles.
    pub(super) fn regex(&self) -> Option<&Regex> {
        self.regex.get_or_init(|| Regex::new(&self.text).ok()).as_ref()
    }

    /// Returns the regular expression as it is written.
    #[cfg(test)]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the values of the named groups that took part in a match.
    pub(super) fn values(&self, captures: &Captures<'_>) -> BTreeMap<String, String> {
        let names = self.regex().into_iter().flat_map(|regex| regex.capture_names().flatten());
        names.filter_map(|name| Some((name.to_owned(), captures.name(name)?.as_str().trim().to_owned()))).collect()
    }
}

/// The table, ready for use.
pub struct Table {
    pub(super) needles: Needles,
    pub(super) successes: Vec<Success>,
    #[cfg(test)]
    words: Vec<String>,
    list: Vec<Signature>,
    /// What sounds like a failure and is none.
    harmless: Vec<Pattern>,
    /// In the order in which they are tried.
    patterns: Vec<Pattern>,
    /// For each needle, the patterns that hold it.
    holders: Vec<Vec<usize>>,
}

/// Returns the table. It is part of the program and its test reads it, so that an unreadable one, which would be empty
/// here, cannot be shipped.
pub fn table() -> &'static Table {
    static TABLE_: LazyLock<Table> = LazyLock::new(|| Table::new(serde_yaml::from_str(TABLE).unwrap_or_default()));
    &TABLE_
}

impl Table {
    fn new(file: File) -> Self {
        let mut patterns = Vec::new();
        patterns.extend(file.context.iter().map(|pattern| Pattern::new(Role::Context, pattern)));
        for (index, success) in file.successes.iter().enumerate() {
            patterns.extend(success.patterns.iter().map(|pattern| Pattern::new(Role::Success(index), pattern)));
        }
        for (index, signature) in file.signatures.iter().enumerate() {
            patterns.extend(signature.patterns.iter().map(|pattern| Pattern::new(Role::Telling(index), pattern)));
            patterns.extend(signature.hints.iter().map(|pattern| Pattern::new(Role::Hint(index), pattern)));
            patterns.extend(signature.fallback.iter().map(|pattern| Pattern::new(Role::Fallback(index), pattern)));
        }
        patterns.sort_by_key(|pattern| pattern.role);
        let held = |needle: &String| {
            (0..patterns.len()).filter(|index| patterns[*index].text.contains(needle.as_str())).collect()
        };
        let holders = file.needles.iter().map(held).collect();
        let harmless = file.harmless.iter().map(|pattern| Pattern::new(Role::Context, pattern)).collect();
        Self {
            needles: Needles::new(&file.needles),
            successes: file.successes,
            list: file.signatures,
            harmless,
            patterns,
            holders,
            #[cfg(test)]
            words: file.needles,
        }
    }

    /// Returns all signatures, in the order of the table.
    pub fn list(&self) -> &[Signature] {
        &self.list
    }

    /// Returns the signature of this name.
    pub fn signature(&self, id: &SignatureId) -> Option<&Signature> {
        self.list.iter().find(|signature| signature.id == *id)
    }

    /// Returns the patterns that may match a text with these needles, in the order in which they are tried.
    pub(super) fn candidates(&self, needles: Set) -> impl Iterator<Item = &Pattern> {
        let mut indices: Vec<usize> = Vec::new();
        for (_, holders) in self.holders.iter().enumerate().filter(|(bit, _)| needles >> bit & 1 == 1) {
            indices.extend(holders);
        }
        indices.sort_unstable();
        indices.dedup();
        indices.into_iter().map(|index| &self.patterns[index])
    }

    /// Returns the names that the texts of a signature may use: the groups of all its patterns, also those that the
    /// pattern which matched lacks, and what it wants.
    pub(super) fn names(&self, signature: usize) -> impl Iterator<Item = &str> {
        let own = move |pattern: &&Pattern| matches!(pattern.role, Role::Telling(i) | Role::Hint(i) | Role::Fallback(i) if i == signature);
        let groups = self
            .patterns
            .iter()
            .filter(own)
            .filter_map(Pattern::regex)
            .flat_map(|regex| regex.capture_names().flatten());
        groups.chain(self.list[signature].wants.iter().map(String::as_str))
    }

    #[cfg(test)]
    pub(super) fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.patterns.iter()
    }

    #[cfg(test)]
    pub(super) fn words(&self) -> &[String] {
        &self.words
    }

    /// Tells whether a line only sounds like a failure.
    pub(super) fn is_harmless(&self, line: &str) -> bool {
        self.harmless.iter().filter_map(Pattern::regex).any(|regex| regex.is_match(line))
    }
}
