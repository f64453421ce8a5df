//! Reads a machine for the probes and notes what it could not learn, so that no probe ever fails.

use std::{collections::BTreeMap, io, path::Path};

use super::Unknown;
use crate::host::{Command, Host};

/// Tells whether a file's name ends with `.end`.
pub(super) fn has_end(name: &str, end: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == end)
}

/// A fact, with what could not be learned on the way to it.
pub(super) type Learned<T> = (T, BTreeMap<String, Unknown>);

/// Runs a probe with a reader of its own.
pub(super) fn with_reader<T>(host: &Host, probe: impl FnOnce(&mut Reader<'_>) -> T) -> Learned<T> {
    let mut reader = Reader::new(host);
    let fact = probe(&mut reader);
    (fact, reader.unknown)
}

/// One probe's view of the machine, with what it could not learn.
pub(super) struct Reader<'a> {
    pub host: &'a Host,
    pub unknown: BTreeMap<String, Unknown>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(host: &'a Host) -> Self {
        Self { host, unknown: BTreeMap::new() }
    }

    /// Notes why `fact` is not known; the first reason stays.
    pub(super) fn note(&mut self, fact: &str, reason: Unknown) {
        self.unknown.entry(fact.to_owned()).or_insert(reason);
    }

    /// Reads a file that every machine has: without it the fact is unknown.
    pub(super) fn text(&mut self, fact: &str, path: impl AsRef<Path>) -> Option<String> {
        let result = self.host.files.read_text(&path);
        self.known(fact, path.as_ref(), result)
    }

    /// Reads a file that some machines have: without it the fact is absent, unreadable it is unknown.
    pub(super) fn text_if_there(&mut self, fact: &str, path: impl AsRef<Path>) -> Option<String> {
        let result = self.host.files.read_text(&path);
        self.known_if_there(fact, path.as_ref(), result)
    }

    /// Lists a folder that some machines have.
    pub(super) fn list_if_there(&mut self, fact: &str, path: impl AsRef<Path>) -> Vec<String> {
        let result = self.host.files.list(path.as_ref());
        self.known_if_there(fact, path.as_ref(), result).unwrap_or_default()
    }

    /// Runs a query and returns what it printed; without success the fact is unknown.
    pub(super) fn command(&mut self, fact: &str, command: &Command) -> Option<String> {
        match self.host.commands.capture(command) {
            Ok(output) if output.exit.is_success() => Some(output.stdout),
            Ok(output) => {
                self.note(fact, Unknown::from_output(command, &output));
                None
            }
            Err(error) => {
                self.note(fact, Unknown::from_command(command, &error));
                None
            }
        }
    }

    /// Returns the first of `paths` that is there.
    pub(super) fn first_there(&self, paths: &[&'static str]) -> Option<&'static str> {
        paths.iter().find(|path| self.host.files.exists(path)).copied()
    }

    fn known<T>(&mut self, fact: &str, path: &Path, result: io::Result<T>) -> Option<T> {
        result.map_err(|error| self.note(fact, Unknown::from_io(path, &error))).ok()
    }

    fn known_if_there<T>(&mut self, fact: &str, path: &Path, result: io::Result<T>) -> Option<T> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            other => self.known(fact, path, other),
        }
    }
}
