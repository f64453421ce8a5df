//! What every kind of action can do, and what the engine lends it while it does it.

mod event;
mod running;

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

pub use super::failure::{Failure, ended, file_failure};
pub use event::{ActionEvent, Progress};
pub(super) use running::tell;
use sha2::{Digest, Sha256};

use super::{
    properties::{Preview, Properties},
    undo::{self, SavedFile, Undo, WayBack},
};
use crate::{
    diagnosis::{self, Hit},
    host::{Cancel, Host, command::Job},
    i18n::msg,
    private,
    secret::Secret,
    text,
};

/// A longer line of a log is read in pieces.
const LONGEST_LINE: u64 = 64 << 10;

/// One kind of action. Nothing here remembers anything: the journal does. No method has a default, so that a new kind
/// answers everything.
pub trait ActionKind {
    /// Returns what everybody may ask of it.
    fn properties(&self) -> Properties;

    /// Returns what is shown of it before it is done.
    fn preview(&self) -> Preview;

    /// Tells whether its parameters are such that nothing else than this action can come of them. Asked before every
    /// run and every undo: a session's file may come from anywhere.
    fn validate(&self) -> Result<(), Failure>;

    /// Returns what proves that the wanted state holds, or nothing. Asked before anything is done: done already?
    fn check(&self, host: &Host) -> Option<Vec<String>>;

    /// Makes backups, and finds what is needed for proof and way back and will not be there afterwards.
    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure>;

    /// Does it. Doing it a second time must be harmless: that is what happens after a power cut.
    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure>;

    /// Judges what came of it, from the machine and from all that was printed. The same judge for a run that was
    /// watched to its end and for one that a later start found.
    fn judge(&self, host: &Host, traces: &Traces<'_>) -> Verdict;

    /// Returns how it is taken back, made anew from its parameters and what was prepared.
    fn way_back(&self, host: &Host, undo: &Undo) -> Result<WayBack, Failure>;
}

/// What is journalled with the intent.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// For the way back.
    pub undo: Undo,
    /// For the proof: fingerprints by name of what must not change.
    pub before: BTreeMap<String, String>,
}

impl From<Undo> for Prepared {
    fn from(undo: Undo) -> Self {
        Self { undo, before: BTreeMap::new() }
    }
}

/// What an execution left to be judged by.
#[derive(Debug, Clone, Copy)]
pub struct Traces<'a> {
    /// As [`Prepared::before`].
    pub before: &'a BTreeMap<String, String>,
    /// The log of its commands; it may not be there.
    pub log: &'a Path,
    /// What the execution itself saw; absent when a later start judges.
    pub notes: Option<&'a [String]>,
    /// Somebody saw that its last command ended well.
    pub ended_well: bool,
}

impl Traces<'_> {
    /// Reads the log line by line, from its beginning; a log that cannot be read has none.
    pub fn each_line(&self, on_line: &mut dyn FnMut(&str)) {
        let Ok(file) = private::open_existing(self.log) else { return };
        let mut lines = BufReader::new(file);
        let mut bytes = Vec::new();
        while matches!(lines.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes), Ok(1..)) {
            on_line(&text::printable_bytes(bytes.trim_ascii_end()));
            bytes.clear();
        }
    }

    /// Returns the line of the log that shows this failure.
    pub fn signature(&self, id: &str) -> Option<String> {
        let mut found = None;
        self.each_line(&mut |line| found = found.take().or_else(|| diagnosis::shown_by(&id.into(), line)));
        found
    }
}

/// What came of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It worked, and this proves it.
    Proven(Vec<String>),
    /// It failed for good: doing it again would not help.
    Failed(Failure),
    /// The wanted state has not come about: a watched execution has failed, an interrupted one is done again.
    Unfinished,
}

impl Verdict {
    /// Judges by the wanted state alone.
    pub fn by(proof: Option<Vec<String>>) -> Self {
        proof.map_or(Self::Unfinished, Self::Proven)
    }
}

/// Sees every line of a command's output and may tell the face something.
pub type Watch<'w> = dyn FnMut(&str, &mut dyn FnMut(ActionEvent)) + 'w;

/// What the engine lends an action.
pub struct ActionContext<'a> {
    /// The machine.
    pub host: &'a Host,
    /// The session's folder for backups.
    pub folder: PathBuf,
    /// The action's log file.
    pub log: PathBuf,
    /// Set when the user stops the run.
    pub cancel: &'a Cancel,
    /// The password for `sudo`, where one was given for this run.
    pub secret: Option<&'a Secret>,
    /// Told to the face.
    pub emit: &'a mut dyn FnMut(ActionEvent),
    /// What an execution saw that belongs into the proof.
    pub notes: Vec<String>,
    /// Known failures that showed in what was printed.
    pub hits: Vec<Hit>,
    /// Journals a detached command before anybody waits for it.
    pub journal_job: &'a mut dyn FnMut(&Job) -> Result<(), Failure>,
}

impl ActionContext<'_> {
    /// Reports progress.
    pub fn progress(&mut self, progress: Progress) {
        (self.emit)(ActionEvent::Progress(progress));
    }

    /// Writes a file that everybody may read; one that is there keeps its mode.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.host.files.write(path, bytes, 0o644);
        written.map_err(|error| file_failure(msg::failure::cannot_write, path, &error))
    }

    /// Copies a file's present bytes into the session's folder and returns the record for its undo. `written` is what
    /// will be written.
    pub fn save_file(&self, path: &Path, written: &[u8]) -> Result<SavedFile, Failure> {
        let before_sha256 = match self.host.files.read(path) {
            Ok(bytes) => {
                let sum = sha256(&bytes);
                let backup = undo::backup(&self.folder, &sum);
                private::write(&backup, &bytes)
                    .map_err(|error| file_failure(msg::failure::no_backup, &backup, &error))?;
                Some(sum)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(file_failure(msg::failure::cannot_read, path, &error)),
        };
        Ok(SavedFile { path: path.to_owned(), before_sha256, written_sha256: sha256(written), is_removed: false })
    }

    /// As [`Self::save_file`], for a file that will be removed.
    pub fn save_removed(&self, path: &Path) -> Result<SavedFile, Failure> {
        Ok(SavedFile { is_removed: true, ..self.save_file(path, &[])? })
    }
}

/// Returns the SHA-256 of `bytes` in hex.
pub fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
