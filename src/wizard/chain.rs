//! What step 4 shows: the links of the chain, the installer's phases, and known failures, as plain rows in the user's
//! language.

use crate::{
    cluster::check::{Check, CheckId, State, VerifyReport},
    i18n::Lang,
    plan::{Action, remedy::RemedyId},
};

/// The state of a link or a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChainState {
    /// Its turn has not come.
    #[default]
    Pending,
    /// It is being worked on.
    Active,
    /// It is as it should be.
    Pass,
    /// It is not.
    Fail,
    /// It is as it should be, until the next Kubespray run, boot or upgrade.
    Temporary,
    /// Nobody could tell.
    Unknown,
    /// Nobody looked.
    NotJudged,
}

impl ChainState {
    /// Tells whether it keeps no pod from its GPU.
    pub fn is_fine(self) -> bool {
        matches!(self, Self::Pass | Self::Temporary | Self::NotJudged)
    }
}

/// One link between node and test pod, for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainRow {
    /// Its check.
    pub id: CheckId,
    /// Its name in the user's language.
    pub title: String,
    /// Its state.
    pub state: ChainState,
    /// What was seen, a short sentence in the user's language.
    pub detail: String,
    /// What this link is, for somebody who sees it for the first time.
    pub about: String,
    /// What to do, when it is not as it should be.
    pub remedy: String,
}

impl ChainRow {
    /// Returns the checks of a report as rows.
    pub fn of(report: &VerifyReport, lang: Lang) -> Vec<Self> {
        let row = |check: &Check| Self {
            id: check.id,
            title: check.title(lang),
            state: match check.state {
                State::Pass => ChainState::Pass,
                State::Fail => ChainState::Fail,
                State::Temporary => ChainState::Temporary,
                State::Unknown => ChainState::Unknown,
                State::NotJudged => ChainState::NotJudged,
            },
            about: check.id.about().text(lang),
            remedy: check.remedy(lang).unwrap_or_default(),
            detail: check.cause(lang).unwrap_or_else(|| check.evidence.clone()),
        };
        report.checks.iter().map(row).collect()
    }
}

/// One known phase of the installer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// Its name in the user's language.
    pub title: String,
    /// Its state.
    pub state: ChainState,
}

/// A known failure, for display.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis {
    /// Stable name of the signature.
    pub signature: String,
    /// What it is, a short title in the user's language.
    pub title: String,
    /// Why it happens.
    pub cause: String,
    /// The line that shows it.
    pub evidence_line: String,
    /// What to do.
    pub remedy: String,
    /// Whether the log shows it; else the cluster says so, for as long as it is so.
    pub from_log: bool,
    /// The remedy as something the wizard can do.
    pub action: Option<RemedyAction>,
}

/// A remedy that the wizard can carry out.
#[derive(Debug, Clone, PartialEq)]
pub enum RemedyAction {
    /// Go back to step 2 with everything that was left out taken in again.
    BackToDriver,
    /// Go back to step 3.
    ToVariables,
    /// Reboot.
    Reboot,
    /// Do this on the cluster, here and now.
    Run(Box<Action>),
}

/// Something that may be done at the user's wish, for display.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// Which remedy it is.
    pub id: RemedyId,
    /// What it is, what Kubespray does about it, how to make it last: sentences in the user's language.
    pub texts: Vec<String>,
    /// What does it.
    pub action: Action,
}

/// Lines of the installer's log that came together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TailBatch {
    /// The lines, safe for a terminal.
    pub lines: Vec<String>,
    /// Places among them that show a known failure.
    pub findings: Vec<usize>,
}
