//! Why a fact is not known.

use std::{collections::BTreeMap, io, path::Path};

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use crate::{
    host::{Command, CommandError, Output},
    i18n::{Lang, Message, msg},
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
    /// Returns the reason as a sentence.
    pub fn text(&self, lang: Lang) -> String {
        Message::named(format!("unknown.{}", self.id), &self.args).text(lang)
    }

    /// The reason why `path` could not be read.
    pub(super) fn from_io(path: &Path, error: &io::Error) -> Self {
        let path = path.to_string_lossy();
        match error.kind() {
            io::ErrorKind::NotFound => msg::unknown::not_there(path).into(),
            io::ErrorKind::PermissionDenied => msg::unknown::not_allowed(path).into(),
            _ => msg::unknown::not_readable(error, path).into(),
        }
    }

    /// The reason why what `command` printed is no answer.
    pub(super) fn from_output(command: &Command, output: &Output) -> Self {
        let first_line = output.stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let error = if first_line.is_empty() {
            output.exit.to_string()
        } else {
            format!("{}: {}", output.exit, first_line.trim())
        };
        msg::unknown::no_answer(command, error).into()
    }

    /// The reason why `command` gave no answer.
    pub(super) fn from_command(command: &Command, error: &CommandError) -> Self {
        let command = command.to_string();
        match error {
            CommandError::NotAMachine(_) => msg::unknown::only_a_folder(command).into(),
            other => msg::unknown::no_answer(command, other).into(),
        }
    }
}

/// Values come from files and programs, so they are made printable.
impl From<Message> for Unknown {
    fn from(message: Message) -> Self {
        let args = message.plain_args().into_iter().map(|(name, value)| (name, printable(&value))).collect();
        Self { id: message.id().to_owned(), args }
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
