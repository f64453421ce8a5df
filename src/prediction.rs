//! Predictions: what the pre-flight of step 2 says of the run, and what then happened.

mod check_kind;

pub use check_kind::CheckKind;
use serde::{Deserialize, Serialize};

use crate::{
    diagnosis::SignatureId,
    i18n::{Lang, Message, msg},
};

/// One thing that was checked before anything was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prediction {
    /// Stable name, such as `secure-boot` or `space:/var`; what stands before a colon names the texts.
    pub id: String,
    /// What will happen.
    pub says: Forecast,
    /// What was seen, and where, in English.
    pub evidence: String,
    /// The same for every language; absent where the evidence is what the machine itself says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Message>,
    /// The action that shows whether it comes true; absent when none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The known failures that it would be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<String>,
    /// What happened; absent until the action has ended, and when it failed for a reason that nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// What a prediction says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forecast {
    /// Nothing is in the way.
    Ok,
    /// It will fail: `apply` does not begin, and the wizard wants a typed `y`.
    WillFail,
    /// What was seen is bad, and whether it comes to a failure does not depend on this program: advice.
    Warning,
    /// Nobody was told: what was asked did not answer, or may not be read.
    Unknown,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It went well.
    Fine,
    /// This very thing failed.
    Failed,
}

impl Forecast {
    /// Returns it in a word or two.
    pub fn title(self) -> Message {
        match self {
            Self::Ok => msg::preflight::says::ok(),
            Self::WillFail => msg::preflight::says::will_fail(),
            Self::Warning => msg::preflight::says::warning(),
            Self::Unknown => msg::preflight::says::unknown(),
        }
    }

    /// Returns the name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::WillFail => "will_fail",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
        }
    }
}

/// What was seen: a text of ours, or words of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// A text of the locale files.
    Seen(Message),
    /// As the machine says it.
    Raw(String),
}

impl From<Message> for Evidence {
    fn from(seen: Message) -> Self {
        Self::Seen(seen)
    }
}

impl From<String> for Evidence {
    fn from(text: String) -> Self {
        Self::Raw(text)
    }
}

impl From<&str> for Evidence {
    fn from(text: &str) -> Self {
        Self::Raw(text.to_owned())
    }
}

impl Prediction {
    /// Makes a prediction from the kind of its check, or from what [`CheckKind::on`] returns.
    pub fn new(id: impl Into<String>, says: Forecast, evidence: impl Into<Evidence>) -> Self {
        let (evidence, seen) = match evidence.into() {
            Evidence::Seen(seen) => (seen.text(Lang::En), Some(seen)),
            Evidence::Raw(text) => (text, None),
        };
        let id = id.into();
        Self { id, says, evidence, seen, action: None, signatures: Vec::new(), outcome: None }
    }

    /// Names the action that it is about, and the known failures that it would be.
    #[must_use]
    pub fn about(mut self, action: &str, signatures: &[&str]) -> Self {
        self.action = Some(action.to_owned());
        self.signatures = signatures.iter().map(|signature| (*signature).to_owned()).collect();
        self
    }

    /// Tells whether it keeps `apply` from beginning, unless the answers name it under `despite`.
    pub fn stops(&self) -> bool {
        self.says == Forecast::WillFail
    }

    /// Returns what was seen, safe for a terminal.
    pub fn evidence_text(&self, lang: Lang) -> String {
        crate::text::printable(&self.seen.as_ref().map_or_else(|| self.evidence.clone(), |seen| seen.text(lang)))
    }

    /// Returns what was checked.
    pub fn title(&self, lang: Lang) -> String {
        CheckKind::of(&self.id).map_or_else(|| self.id.clone(), |kind| kind.title().text(lang))
    }

    /// Returns what to do about it; nothing when there is nothing to do.
    pub fn remedy(&self, lang: Lang) -> Option<String> {
        CheckKind::of(&self.id).filter(|_| self.says != Forecast::Ok).map(|kind| kind.remedy().text(lang))
    }

    /// Tells whether it came true; nothing while that is not known, or if it said nothing.
    pub fn was_right(&self) -> Option<bool> {
        match (self.says, self.outcome?) {
            (Forecast::Warning | Forecast::Unknown, _) => None,
            (Forecast::Ok, outcome) => Some(outcome == Outcome::Fine),
            (Forecast::WillFail, outcome) => Some(outcome == Outcome::Failed),
        }
    }

    /// Compares it with how its action ended, and the known failures that showed.
    pub(crate) fn compare(&mut self, ended: Option<Outcome>, shown: &[&SignatureId]) {
        let is_this = shown.iter().any(|shown| self.signatures.iter().any(|name| **shown == name.as_str()));
        self.outcome = match ended {
            // A failure that was foretold is taken to be the one that came.
            Some(Outcome::Failed) => (is_this || self.says == Forecast::WillFail).then_some(Outcome::Failed),
            ended => ended,
        };
    }
}
