//! Change a file of the inventory as text: the new bytes were worked out and shown before.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::kind::{ActionContext, ActionKind, Failure, file_failure, sha256};
use crate::{host::Host, plan::action::undo::Undo};

/// Replaces the file's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditFile {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of the bytes that the change was worked out from.
    pub before_sha256: String,
    /// The new text.
    pub after: String,
}

impl ActionKind for EditFile {
    fn done(&self, host: &Host) -> Option<Vec<String>> {
        let found = host.files.read(&self.path).ok()?;
        (found == self.after.as_bytes()).then(|| vec![format!("{} has the new text", self.path.display())])
    }

    fn undo(&self, work: &ActionContext<'_>) -> Result<Undo, Failure> {
        Ok(Undo::RestoreFiles(vec![work.save_file(&self.path, self.after.as_bytes())?]))
    }

    fn execute(&self, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        let found = match work.host.files.read(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(|error| file_failure("read", &self.path, &error))?,
        };
        if sha256(&found) != self.before_sha256 {
            let path = self.path.display();
            return Err(Failure::new(format!(
                "{path} was changed by somebody else since the preview; nothing was written, look at it again"
            )));
        }
        work.host.files.write(&self.path, self.after.as_bytes(), 0o644).map_err(|error| file_failure("write", &self.path, &error))
    }
}
