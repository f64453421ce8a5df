//! What is told of a failure that showed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use super::{
    signature_id::SignatureId,
    table::{Remedy, table},
};
use crate::i18n::{Lang, Message, msg};

/// A known failure that showed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Hit {
    /// Name of the signature.
    pub signature: SignatureId,
    /// Line of the log, from 1, in which its text begins; absent for what the cluster says.
    pub line_number: Option<u64>,
    /// The line, or the event: safe for a terminal. Wrapped lines are joined, what stood before the message is left
    /// out.
    pub line: String,
    /// The lines before it, where the line alone does not say why.
    #[serde(default)]
    pub context: Vec<String>,
    /// Values for the texts, from the line.
    #[serde(default)]
    pub args: BTreeMap<String, String>,
}

impl Hit {
    /// Returns why this happens.
    pub fn cause(&self, lang: Lang) -> String {
        self.text(lang, "cause")
    }

    /// Returns what to do.
    pub fn remedy(&self, lang: Lang) -> String {
        self.text(lang, "remedy")
    }

    /// Returns what to do, by kind.
    pub fn remedy_kind(&self) -> Remedy {
        table().signature(&self.signature).map_or(Remedy::Instruction, |signature| signature.remedy)
    }

    /// Tells whether this is a cause, and not only that something failed.
    pub fn says_why(&self) -> bool {
        table()
            .signature(&self.signature)
            .is_none_or(|signature| signature.fallback.is_empty() || !signature.patterns.is_empty())
    }

    /// Returns the cause and what to do about it.
    pub fn explained(&self) -> Message {
        msg::failure::explained(self.told("remedy"), self.told("cause"))
    }

    /// Returns one part of what is told of it.
    pub fn told(&self, part: &str) -> Message {
        Message::named(format!("signature.{}.{part}", self.signature), &self.args)
    }

    fn text(&self, lang: Lang, part: &str) -> String {
        self.told(part).text(lang)
    }
}

/// JSON carries the English texts.
impl Serialize for Hit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Hit", 8)?;
        out.serialize_field("signature", &self.signature)?;
        out.serialize_field("line_number", &self.line_number)?;
        out.serialize_field("line", &self.line)?;
        out.serialize_field("context", &self.context)?;
        out.serialize_field("cause", &self.cause(Lang::En))?;
        out.serialize_field("remedy", &self.remedy(Lang::En))?;
        out.serialize_field("args", &self.args)?;
        out.serialize_field("remedy_kind", &self.remedy_kind())?;
        out.end()
    }
}

/// All hits of a log: the documented output of `gpunode diagnose --json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The hits, in the order of the log.
    pub hits: Vec<Hit>,
}
