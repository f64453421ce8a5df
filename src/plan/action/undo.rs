//! Undo: what an action leaves in the journal so that it can be taken back. Data only: the way back is made anew from
//! it and from the action's own parameters, by the action's own file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{failure::Failure, valid};
use crate::{host::Command, i18n::msg, input::Sha256};

/// What was found before an action, and is needed to take it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// The action's parameters say all.
    Parameters,
    /// The old bytes of files; each is put back only if the file still is as we left it.
    Files(Vec<SavedFile>),
    /// The packages that went.
    Packages(Box<RemovedPackages>),
    /// The packages that came, and what was there of those that were changed.
    Installed(Box<InstalledPackages>),
    /// The value of the node's GPU label, if it had one.
    Label(Option<String>),
    /// How a thing stood, in a word or two; absent where it was not there.
    Value(Option<String>),
    /// The packages that were not held, and the files that were written with their hold.
    Held(Held),
    /// Nothing is taken back.
    Nothing,
}

/// A file before and after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedFile {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of its old bytes, whose copy has this name; absent when the file was not there.
    pub before_sha256: Option<String>,
    /// SHA-256 of the bytes that we wrote.
    pub written_sha256: String,
    /// We wrote nothing, but took the file away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_removed: bool,
}

impl SavedFile {
    /// Refuses what is no path, or no name of a copy.
    pub(super) fn validate(&self) -> Result<(), Failure> {
        valid::path(&self.path)?;
        self.before_sha256.iter().chain([&self.written_sha256]).try_for_each(|sum| valid::is::<Sha256>(sum))
    }

    /// Returns where the copy of the old bytes is, below the session's folder.
    pub fn backup(&self, folder: &Path) -> Option<PathBuf> {
        self.before_sha256.as_ref().map(|sum| backup(folder, sum))
    }
}

/// Returns where a copy of bytes with this SHA-256 is kept.
pub(super) fn backup(folder: &Path, sha256: &str) -> PathBuf {
    folder.join(format!("backup-{sha256}"))
}

/// Packages before they went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedPackages {
    /// All that went.
    pub packages: Vec<RemovedPackage>,
    /// Their configuration files; one without a copy was not there.
    pub configuration: Vec<SavedFile>,
}

/// What a transaction brings, and what was there before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledPackages {
    /// The names of those that were not there.
    pub added: Vec<String>,
    /// Those that were there, and got another version, went, or were named and may have got another mark.
    pub before: RemovedPackages,
}

/// Packages that an action holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Their names, as the package manager takes them.
    pub names: Vec<String>,
    /// The files.
    pub files: Vec<SavedFile>,
}

/// A package before it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedPackage {
    /// Its name, as the package manager takes it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// It had come for the sake of others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_automatic: bool,
    /// The package manager was told to leave it alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_held: bool,
}

/// How packages become what they were.
#[derive(Debug, Clone, PartialEq)]
pub struct Reinstall {
    /// Removes those that were not there.
    pub remove: Option<Command>,
    /// Installs the same versions of all that went or were changed, and nothing that they only recommend.
    pub install: Option<Command>,
    /// Give back the marks of the packages (came for others, held).
    pub marks: Vec<Command>,
    /// Their configuration files.
    pub configuration: Vec<SavedFile>,
}

/// How an action is taken back.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "made once an undo, and taken apart at once")]
pub enum WayBack {
    /// By a command.
    Run {
        /// The command.
        command: Command,
        /// What must not be there any more afterwards.
        gone: Option<PathBuf>,
    },
    /// By installing packages again, as they were.
    Reinstall(Box<Reinstall>),
    /// By putting files back, and running what has to follow: what was made of them is made anew.
    Restore {
        /// The files.
        files: Vec<SavedFile>,
        /// The commands.
        then: Vec<Command>,
    },
    /// Not at all: `undo.<name>` of the locale files says why.
    Nothing,
}

impl Undo {
    /// Returns the way back by files, if they are files that this action writes.
    pub fn restore(&self, own: &[&Path]) -> Result<WayBack, Failure> {
        self.restore_then(own, Vec::new())
    }

    /// As [`Self::restore`], with what has to follow.
    pub fn restore_then(&self, own: &[&Path], then: Vec<Command>) -> Result<WayBack, Failure> {
        let Self::Files(files) = self else { return Err(Failure::new(msg::failure::no_saved_file())) };
        for file in files {
            if !own.contains(&file.path.as_path()) {
                return Err(Failure::new(msg::failure::not_its_file(file.path.display())));
            }
            file.validate()?;
        }
        Ok(WayBack::Restore { files: files.clone(), then })
    }
}
