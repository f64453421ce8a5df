//! Why a fact is not known.

use std::{collections::BTreeMap, io, path::Path};

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use crate::{
    host::{Command, CommandError, Output},
    i18n::Lang,
    text::printable,
};

/// The reason why a fact is not known, without a language: the text is `unknown.<id>` of the locale files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Unknown {
    /// Stable name, such as `not-allowed`.
    pub id: String,
    /// Values for the text.
    #[serde(default)]
    pub args: BTreeMap<String, String>,
}

impl Unknown {
    /// Makes a reason; `args` are the values of its text.
    pub fn new(id: &str, args: &[(&str, &str)]) -> Self {
        Self { id: id.to_owned(), args: args.iter().map(|(name, value)| ((*name).to_owned(), printable(value))).collect() }
    }

    /// Returns the reason as a sentence.
    pub fn text(&self, lang: Lang) -> String {
        let args: Vec<_> = self.args.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        lang.text(&format!("unknown.{}", self.id), &args)
    }

    /// The reason why `path` could not be read.
    pub(super) fn from_io(path: &Path, error: &io::Error) -> Self {
        let path = path.to_string_lossy();
        match error.kind() {
            io::ErrorKind::NotFound => Self::new("not-there", &[("path", &path)]),
            io::ErrorKind::PermissionDenied => Self::new("not-allowed", &[("path", &path)]),
            _ => Self::new("not-readable", &[("path", &path), ("error", &error.to_string())]),
        }
    }

    /// The reason why what `command` printed is no answer.
    pub(super) fn from_output(command: &Command, output: &Output) -> Self {
        let first_line = output.stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let error = if first_line.is_empty() { output.exit.to_string() } else { format!("{}: {}", output.exit, first_line.trim()) };
        Self::new("no-answer", &[("command", &command.to_string()), ("error", &error)])
    }

    /// The reason why `command` gave no answer.
    pub(super) fn from_command(command: &Command, error: &CommandError) -> Self {
        let command = command.to_string();
        match error {
            CommandError::NotAMachine(_) => Self::new("only-a-folder", &[("command", &command)]),
            other => Self::new("no-answer", &[("command", &command), ("error", &other.to_string())]),
        }
    }
}

/// JSON carries the English text beside the parts that it is made of.
impl Serialize for Unknown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Unknown", 3)?;
        out.serialize_field("reason", &self.text(Lang::En))?;
        out.serialize_field("id", &self.id)?;
        out.serialize_field("args", &self.args)?;
        out.end()
    }
}
