//! A finding: something a person should know before going on, with its evidence and its remedy.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use crate::i18n::{Lang, Message, msg};

/// How much a finding matters. The order is the order of display: worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It will not work like this.
    Error,
    /// It may not work, or not as wanted.
    Warning,
    /// Good to know.
    Info,
}

/// One finding. Its texts are looked up by its id: `finding.<id>.message` and `finding.<id>.remedy` of the locale
/// files, with `args` filled in, so that the value itself has no language.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Finding {
    /// Stable name, such as `driver-must-go`.
    pub id: String,
    /// How much it matters.
    pub severity: Severity,
    /// Where it was read: a file with line, or a command.
    pub evidence: String,
    /// Values for the texts.
    #[serde(default)]
    pub args: BTreeMap<String, String>,
}

impl Finding {
    /// Makes a finding from the constructor of its texts in `msg::finding`.
    #[expect(clippy::needless_pass_by_value, reason = "the texts are made where the finding is")]
    pub fn of(text: Message, severity: Severity, evidence: impl Into<String>) -> Self {
        Self { id: text.id().to_owned(), severity, evidence: evidence.into(), args: text.plain_args() }
    }

    /// Adds a value that programs want, and the texts do not name.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.args.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        self
    }

    /// Returns what was found, as a sentence.
    pub fn message(&self, lang: Lang) -> String {
        self.text(lang, "message")
    }

    /// Returns what to do about it.
    pub fn remedy(&self, lang: Lang) -> String {
        self.text(lang, "remedy")
    }

    /// Returns what is the matter and what to do about it.
    pub fn explained(&self) -> Message {
        msg::failure::explained(self.told("remedy"), self.told("message"))
    }

    /// Returns one part of what is told of it.
    pub fn told(&self, part: &str) -> Message {
        Message::named(format!("finding.{}.{part}", self.id), &self.args)
    }

    fn text(&self, lang: Lang, part: &str) -> String {
        self.told(part).text(lang)
    }
}

/// JSON carries the English texts: it is a contract for programs, and programs do not follow `LANG`.
impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Finding", 6)?;
        out.serialize_field("id", &self.id)?;
        out.serialize_field("severity", &self.severity)?;
        out.serialize_field("message", &self.message(Lang::En))?;
        out.serialize_field("evidence", &self.evidence)?;
        out.serialize_field("remedy", &self.remedy(Lang::En))?;
        out.serialize_field("args", &self.args)?;
        out.end()
    }
}
