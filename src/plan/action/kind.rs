//! What every kind of action can do, and what the engine lends it while it does it.

mod event;
mod running;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

pub use event::{ActionEvent, Progress};
pub(super) use running::tell;
use sha2::{Digest, Sha256};

use crate::{
    diagnosis::Hit,
    host::{Cancel, Command, Exit, Host, command::Job},
    plan::action::undo::{SavedFile, Undo},
    private,
    secret::Secret,
};

/// One kind of action. Nothing here remembers anything: the journal does.
pub trait ActionKind {
    /// Returns what proves that the wanted state holds, or nothing. Asked before (done already?) and after (did it work?).
    fn done(&self, host: &Host) -> Option<Vec<String>>;

    /// Returns fingerprints of what must not change, taken before anything is done.
    fn before(&self, _host: &Host) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// Makes backups and returns how to take the action back.
    fn undo(&self, work: &ActionContext<'_>) -> Result<Undo, Failure>;

    /// Does it. Doing it a second time must be harmless: that is what happens after a power cut.
    fn execute(&self, work: &mut ActionContext<'_>) -> Result<(), Failure>;

    /// Tells from the log of its command how an end went that nobody saw, for what the machine itself cannot show; nothing if the log
    /// does not tell either, and then it is done again.
    fn ended(&self, _log: &str) -> Option<Result<(), Failure>> {
        None
    }

    /// Removes what only the execution needed. Called at its end, however it ended, also when only a later start saw that.
    fn tidy(&self, _host: &Host) -> Result<(), Failure> {
        Ok(())
    }

    /// Proves that it worked; by default the wanted state must hold.
    fn prove(&self, host: &Host, _before: &BTreeMap<String, String>) -> Result<Vec<String>, Failure> {
        self.done(host).ok_or_else(|| Failure::new("the wanted state did not come about"))
    }
}

/// Sees every line of a command's output and may tell the face something.
pub type Watch<'w> = dyn FnMut(&str, &mut dyn FnMut(ActionEvent)) + 'w;

/// Why an action failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A sentence for the journal and the screen.
    pub message: String,
    /// How its command ended, if it was a command.
    pub exit: Option<Exit>,
}

impl Failure {
    /// Makes a failure from a sentence.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: None }
    }

    /// Makes the failure of a command.
    pub fn command(command: &Command, exit: Exit) -> Self {
        Self { message: format!("`{command}` ended with {exit}"), exit: Some(exit) }
    }
}

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

    /// Copies a file's present bytes into the session's folder and returns the record for its undo. `written` is what will be written.
    pub fn save_file(&self, path: &Path, written: &[u8]) -> Result<SavedFile, Failure> {
        let backup = match self.host.files.read(path) {
            Ok(bytes) => {
                let name = path.display().to_string().trim_start_matches('/').replace('/', "%");
                let backup = self.folder.join(format!("{name}.{}", &sha256(&bytes)[..12]));
                private::write(&backup, &bytes)
                    .map_err(|error| Failure::new(format!("cannot keep a backup in {}: {error}", backup.display())))?;
                Some(backup)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Failure::new(format!("cannot read {}: {error}", path.display()))),
        };
        Ok(SavedFile { path: path.to_owned(), backup, written_sha256: sha256(written) })
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

/// Returns the failure of a file operation.
pub fn file_failure(verb: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot {verb} {}: {error}", path.display()))
}
