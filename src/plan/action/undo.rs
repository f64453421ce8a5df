//! Undo: what an action leaves in the journal so that it can be taken back.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::host::Command;

/// What is needed to take an action back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// Put files back, each only if it still is as we left it.
    RestoreFiles(Vec<SavedFile>),
    /// Run a command.
    Run {
        /// The command.
        command: Command,
        /// What must not be there any more afterwards.
        gone: Option<PathBuf>,
    },
    /// Install packages again, as they were.
    Reinstall(Box<Reinstall>),
    /// Cannot be taken back: `undo.<name>` of the locale files says why.
    Impossible(String),
}

/// A file before and after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedFile {
    /// The file.
    pub path: PathBuf,
    /// The copy of its old bytes; absent when the file was not there.
    pub backup: Option<PathBuf>,
    /// SHA-256 of the bytes that we wrote.
    pub written_sha256: String,
}

/// What brings removed packages back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reinstall {
    /// Installs the same versions of all that went, and nothing that they only recommend.
    pub install: Command,
    /// Give back the marks of the packages (came for others, held).
    pub marks: Vec<Command>,
    /// The configuration files that went; one without a copy was not there.
    pub configuration: Vec<SavedFile>,
}
