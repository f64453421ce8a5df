//! What step 4 shows: the links of the chain, the installer's phases, and known failures, as plain rows in the user's language.

use crate::{
    cluster::verify::{Check, State, VerifyReport},
    i18n::Lang,
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
    /// Nobody could tell.
    Unknown,
}

/// One link between DaemonSet and test pod, for display.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChainRow {
    /// Stable name, such as `daemonset`.
    pub id: String,
    /// Its name in the user's language.
    pub title: String,
    /// Its state.
    pub state: ChainState,
    /// What was seen, a short sentence in the user's language.
    pub detail: String,
}

impl ChainRow {
    /// Returns the checks of a report as rows.
    pub fn of(report: &VerifyReport, lang: Lang) -> Vec<Self> {
        let row = |check: &Check| Self {
            id: check.id.clone(),
            title: check.title(lang),
            state: match check.state {
                State::Pass => ChainState::Pass,
                State::Fail => ChainState::Fail,
                State::Unknown => ChainState::Unknown,
            },
            detail: check.because.as_ref().map_or_else(|| check.evidence.clone(), |finding| finding.message(lang)),
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// The remedy as something the wizard can do.
    pub action: Option<RemedyAction>,
}

/// A remedy that the wizard can carry out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemedyAction {
    /// Go back to step 2 with everything that was left out taken in again.
    BackToDriver,
}
