//! Change a file of the inventory as text: the new bytes were worked out and shown before.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict, file_failure, sha256},
    properties::{Preview, Properties, Reversal, Witness},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    host::Host,
    i18n::msg,
    input::Sha256,
    kubespray::edit::{Change, FileEdit},
};

/// Replaces the file's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditFile {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of the bytes that the change was worked out from.
    pub before_sha256: String,
    /// The new text.
    pub after: String,
    /// The variables that get another value by it, and those values. Older sessions do not have it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

impl From<&FileEdit> for EditFile {
    fn from(edit: &FileEdit) -> Self {
        Self {
            path: edit.path.clone(),
            before_sha256: sha256(edit.before.as_bytes()),
            after: edit.after.clone(),
            changes: edit.changes.clone(),
        }
    }
}

impl ActionKind for EditFile {
    fn properties(&self) -> Properties {
        Properties {
            root: None,
            reversal: Reversal::Whole,
            takes_away: false,
            witness: Witness::Machine,
            effects: Vec::new(),
            target: Target::Inventory(self.path.clone()),
            scratch: None,
            until_reboot_of: None,
        }
    }

    fn preview(&self) -> Preview {
        Preview::default()
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::path(&self.path)?;
        valid::is::<Sha256>(&self.before_sha256)
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let found = host.files.read(&self.path).ok()?;
        (found == self.after.as_bytes()).then(|| vec![format!("{} has the new text", self.path.display())])
    }

    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Files(vec![context.save_file(&self.path, self.after.as_bytes())?]).into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let found = match context.host.files.read(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(|error| file_failure(msg::failure::cannot_read, &self.path, &error))?,
        };
        if sha256(&found) != self.before_sha256 {
            return Err(Failure::new(msg::failure::changed_since_preview(self.path.display())));
        }
        context.write(&self.path, self.after.as_bytes())
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, _host: &Host, undo: &Undo) -> Result<WayBack, Failure> {
        undo.restore(&[&self.path])
    }
}
