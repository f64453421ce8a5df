//! Engine: runs a plan, for all faces the same way.
//!
//! For each action: check (done already?) -> journal the intent -> execute -> prove -> journal the result. An intent
//! without a result means: look, never assume.

pub mod drift;
mod release;
pub mod run;
pub mod undo;

pub use run::Runner;

pub use crate::plan::action::kind::Progress;

use crate::{
    diagnosis::Hit,
    host::Exit,
    i18n::{Lang, Message, msg},
    plan::{Action, action::kind::ActionEvent},
    session::Status,
};

/// What a face is told while a plan runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An action begins.
    Started {
        /// Its place among the actions that run, from 0.
        index: usize,
        /// How many run.
        total: usize,
        /// The action.
        action: Box<Action>,
    },
    /// It printed a line (made safe for a terminal).
    Line(String),
    /// A known failure showed in what it printed.
    Hit(Box<Hit>),
    /// How far it has come.
    Progress(Progress),
    /// `sudo` on a host wants a password: without one, the action is about to fail.
    PasswordNeeded,
    /// It ended.
    Ended {
        /// The action's id.
        id: String,
        /// How.
        status: Status,
        /// What proves it, or what went wrong.
        evidence: Vec<String>,
        /// What went wrong, for a reader of any language: told instead of the evidence, which has it in English.
        failure: Option<Message>,
    },
}

impl Event {
    /// Returns what a line-by-line face says of it. A progress meter is for eyes on a screen; lines stay greppable.
    pub fn line(&self, lang: Lang) -> Option<String> {
        Some(match self {
            Self::Started { index, total, action } => format!("-- {}/{total} {}", index + 1, action.title(lang)),
            Self::Line(line) => format!("   {line}"),
            Self::Hit(hit) => format!("   ! {}\n     {}", hit.cause(lang), hit.remedy(lang)),
            Self::Progress(_) => return None,
            Self::PasswordNeeded => format!("   {}", msg::apply::password_needed().text(lang)),
            Self::Ended { id, status, evidence, failure } => {
                let failure = failure.as_ref().map(|failure| vec![failure.text(lang)]);
                let evidence = failure.as_ref().unwrap_or(evidence);
                let evidence: String = evidence.iter().map(|line| format!("\n   | {line}")).collect();
                format!("-- {}: {id}{evidence}", status.name())
            }
        })
    }
}

impl From<ActionEvent> for Event {
    fn from(told: ActionEvent) -> Self {
        match told {
            ActionEvent::Line(line) => Self::Line(line),
            ActionEvent::Hit(hit) => Self::Hit(hit),
            ActionEvent::Progress(progress) => Self::Progress(progress),
            ActionEvent::PasswordNeeded => Self::PasswordNeeded,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Everything is done.
    Done,
    /// This action failed.
    Failed {
        /// Its id.
        id: String,
        /// How its command ended, if it was a command.
        exit: Option<Exit>,
    },
    /// The next thing is a reboot.
    RebootNeeded,
    /// The user stopped it.
    Cancelled,
}

#[cfg(test)]
mod tests;
