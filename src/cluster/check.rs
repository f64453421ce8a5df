//! The checks of step 4 and their verdict: the documented output of `gpunode verify --json`.

mod id;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

pub use id::CheckId;

use super::ClusterError;
use crate::{finding::Finding, i18n::Lang};

/// The verdict over all checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every check passed, the test pod's too: the node is a working GPU node.
    Ok,
    /// At least one check failed.
    Failed,
    /// It works, and not for long: what it rests on is gone with the next Kubespray run, boot or upgrade.
    Temporary,
    /// Nothing failed, but something could not be told, or no pod has used the GPU yet.
    Unknown,
}

/// The state of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Pass,
    /// Not as it should be.
    Fail,
    /// As it should be now, and no longer after the next Kubespray run, boot or upgrade.
    Temporary,
    /// Could not be told.
    Unknown,
    /// Nobody looked: a link before it is broken, or only the node itself can tell.
    #[serde(rename = "not-judged")]
    NotJudged,
}

impl State {
    /// Tells whether it keeps no pod from its GPU.
    pub fn is_fine(self) -> bool {
        matches!(self, Self::Pass | Self::Temporary | Self::NotJudged)
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Check {
    /// Which one.
    pub id: CheckId,
    /// The result.
    pub state: State,
    /// What was seen, in the words of `kubectl`.
    pub evidence: String,
    /// Why, where that was worked out.
    #[serde(default)]
    pub because: Option<Finding>,
    /// The known failure that shows in its pod's status, events or log.
    #[serde(default)]
    pub known: Option<KnownFailure>,
    /// Why the cluster gave no answer.
    #[serde(default)]
    pub cluster: Option<ClusterError>,
}

/// A known failure, as far as a verdict tells it. Texts: `signature.<id>.cause` and `.remedy`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KnownFailure {
    /// Name of the signature.
    pub signature: String,
    /// The line that shows it, safe for a terminal.
    pub line: String,
    /// Values for the texts.
    #[serde(default)]
    pub args: BTreeMap<String, String>,
}

/// The result of all checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// All in one word.
    pub verdict: Verdict,
    /// The checks, in the order of the chain.
    pub checks: Vec<Check>,
}

impl Check {
    /// Makes a check that needs no reason.
    pub(crate) fn new(id: CheckId, state: State, evidence: impl Into<String>) -> Self {
        Self { id, state, evidence: evidence.into(), because: None, known: None, cluster: None }
    }

    /// Makes a check that these credentials cannot make.
    pub(super) fn unread(id: CheckId, refusal: &ClusterError) -> Self {
        Self { cluster: Some(refusal.clone()), ..Self::new(id, State::Unknown, refusal.detail()) }
    }

    /// Adds what was worked out.
    #[must_use]
    pub(crate) fn because(mut self, finding: Option<Finding>) -> Self {
        self.because = finding;
        self
    }

    /// Tells whether nobody judged it who could have: only the second boot may wait.
    fn lacks_judgement(&self) -> bool {
        self.state == State::NotJudged && self.id != CheckId::SecondBoot
    }

    /// Returns the name of the check.
    pub fn title(&self, lang: Lang) -> String {
        self.id.title().text(lang)
    }

    /// Returns why it did not pass, as a sentence, where that is known.
    pub fn cause(&self, lang: Lang) -> Option<String> {
        if self.state == State::Pass {
            return None;
        }
        let worked_out = || self.because.as_ref().map(|finding| finding.message(lang));
        let refused = || self.cluster.as_ref().map(|error| error.message(lang));
        self.known.as_ref().map(|known| known.cause(lang)).or_else(worked_out).or_else(refused)
    }

    /// Returns what to do; nothing when the check passed.
    pub fn remedy(&self, lang: Lang) -> Option<String> {
        match (self.state, &self.known, &self.because, &self.cluster) {
            (State::Pass, ..) | (State::NotJudged, None, None, None) => None,
            (_, Some(known), _, _) => Some(known.remedy(lang)),
            (_, _, Some(finding), _) => Some(finding.remedy(lang)),
            (_, _, _, Some(error)) => Some(error.remedy(lang)),
            (_, None, None, None) => Some(self.id.remedy().text(lang)),
        }
    }
}

impl KnownFailure {
    /// Returns why this happens.
    pub fn cause(&self, lang: Lang) -> String {
        self.text(lang, "cause")
    }

    /// Returns what to do.
    pub fn remedy(&self, lang: Lang) -> String {
        self.text(lang, "remedy")
    }

    fn text(&self, lang: Lang, part: &str) -> String {
        let args: Vec<_> = self.args.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        lang.text(&format!("signature.{}.{part}", self.signature), &args)
    }
}

/// JSON carries the English texts beside the values they are made of.
impl Serialize for KnownFailure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("KnownFailure", 5)?;
        out.serialize_field("signature", &self.signature)?;
        out.serialize_field("line", &self.line)?;
        out.serialize_field("cause", &self.cause(Lang::En))?;
        out.serialize_field("remedy", &self.remedy(Lang::En))?;
        out.serialize_field("args", &self.args)?;
        out.end()
    }
}

/// JSON carries the English texts beside the values they are made of.
impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Check", 8)?;
        out.serialize_field("id", &self.id)?;
        out.serialize_field("title", &self.title(Lang::En))?;
        out.serialize_field("state", &self.state)?;
        out.serialize_field("evidence", &self.evidence)?;
        out.serialize_field("remedy", &self.remedy(Lang::En))?;
        out.serialize_field("because", &self.because)?;
        out.serialize_field("known", &self.known)?;
        out.serialize_field("cluster", &self.cluster)?;
        out.end()
    }
}

impl VerifyReport {
    /// Makes the report over checks that were made.
    pub fn over(checks: Vec<Check>) -> Self {
        let any = |state: State| checks.iter().any(|check| check.state == state);
        let verdict = if any(State::Fail) {
            Verdict::Failed
        } else if any(State::Unknown) || checks.is_empty() || checks.iter().any(Check::lacks_judgement) {
            Verdict::Unknown
        } else if any(State::Temporary) {
            Verdict::Temporary
        } else {
            Verdict::Ok
        };
        Self { verdict, checks }
    }

    /// Returns the check of this name.
    pub fn check(&self, id: CheckId) -> Option<&Check> {
        self.checks.iter().find(|check| check.id == id)
    }

    /// Tells whether all is in place, and only no pod has used the GPU yet.
    pub fn lacks_only_the_test(&self) -> bool {
        let open = |check: &&Check| !check.state.is_fine() || check.lacks_judgement();
        self.checks.iter().filter(open).all(|check| check.id == CheckId::TestPod && check.state == State::Unknown)
            && self.checks.iter().any(|check| !check.state.is_fine())
    }

    /// Leaves the links behind the first broken one unjudged: what they show follows from it.
    pub fn stop_at_first(&mut self) {
        let broken = self.checks.iter().position(|check| check.state == State::Fail);
        for check in self.checks.iter_mut().skip(broken.map_or(usize::MAX, |place| place + 1)) {
            *check = Check::new(check.id, State::NotJudged, "");
        }
    }

    /// Says of a part's check which known failure shows there. What is at work and shows one fails: it tries again and
    /// again.
    pub fn explain(&mut self, id: CheckId, known: KnownFailure) {
        let unexplained = |check: &Check| check.known.is_none() && check.because.is_none() && check.cluster.is_none();
        let open = |check: &&mut Check| check.id == id && !check.state.is_fine() && unexplained(check);
        if let Some(check) = self.checks.iter_mut().find(open) {
            check.state = State::Fail;
            check.known = Some(known);
            *self = Self::over(std::mem::take(&mut self.checks));
        }
    }
}
