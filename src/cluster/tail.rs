//! The live tail of the driver installer: every line once, across restarts, back-off, pods made anew and broken
//! connections.
//!
//! [`follow()`] is a small state machine over one question, "which pod, which attempt, does it run?", which the one
//! watcher ([`live`](super::live)) answers. A running attempt is streamed with `kubectl logs -f --timestamps`; whenever
//! a stream ends, for whatever reason, the question is asked again, and what may be missing is fetched with some
//! seconds of overlap, of which [`resume::Resume`] passes over what was delivered before.

mod delivery;
mod file;
mod follow;
pub mod line;
mod pod_files;
pub mod resume;
mod stream;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use file::file;
pub use follow::{follow, follow_live};

use super::{
    ClusterError,
    phases::{Said, Step},
    workload::{FollowedLog, Workload},
};
use crate::i18n::{Lang, Message, msg};

/// How to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Ends at the first failed attempt instead of waiting for the next one.
    pub once: bool,
    /// How often the cluster, or a file, is asked for news.
    pub poll: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { once: false, poll: Duration::from_secs(2) }
    }
}

/// What the tail has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TailEvent {
    /// Nothing to read yet; said once for each reason.
    Waiting {
        /// Why.
        why: Wait,
    },
    /// There is still nothing to read, for the same reason.
    Idle,
    /// What follows is of this workload's log.
    Turned {
        /// Whose log it is.
        workload: &'static Workload,
        /// Which log, with its steps.
        log: &'static FollowedLog,
    },
    /// The lines that follow are of this attempt.
    PodStarted {
        /// The pod's name.
        pod: String,
        /// How often the container was started before, from 0.
        attempt: u32,
    },
    /// Lines of the log, safe for a terminal, without their times: all that came together.
    Lines(Vec<String>),
    /// A step of the installer began or is done; comes after the lines that say so.
    Phase(Step),
    /// A program that runs on says how it is, or the cluster says that it works; again only when that changes.
    Said(Said),
    /// Something was interrupted; lines may be missing only where the reason says so.
    Lost {
        /// What.
        reason: Gap,
    },
    /// The end.
    Ended {
        /// How.
        outcome: Outcome,
    },
}

/// Why there is nothing to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "wait", rename_all = "kebab-case")]
pub enum Wait {
    /// The cluster gives no answer.
    Cluster(ClusterError),
    /// No pod of this DaemonSet for this node.
    NoPod {
        /// The name of the DaemonSet.
        name: String,
    },
    /// The pod's container has not started.
    Pod {
        /// The pod's name.
        pod: String,
        /// Its status as `kubectl get pods` shows it.
        status: String,
        /// What the scheduler or the kubelet says about it.
        words: String,
    },
    /// The container failed and is started again soon.
    BackOff {
        /// The pod's name.
        pod: String,
        /// Exit status of the failed attempt.
        exit_code: i32,
        /// How often it was started anew.
        restarts: u32,
        /// Why it could not be started, in the runtime's words.
        words: String,
    },
    /// The log file is not there.
    NoFile {
        /// Its path.
        path: String,
    },
}

impl Wait {
    /// Returns the reason as a sentence.
    pub fn text(&self, lang: Lang) -> String {
        match self {
            Self::Cluster(state) => state.message(lang),
            Self::NoPod { name } => msg::wait::no_pod(name).text(lang),
            Self::Pod { pod, status, words } => msg::wait::pod(pod, status, words).text(lang),
            Self::BackOff { pod, exit_code, restarts, words } => {
                let text = msg::wait::back_off(exit_code, pod, restarts).text(lang);
                if words.is_empty() { text } else { format!("{text} {words}") }
            }
            Self::NoFile { path } => msg::wait::no_file(path).text(lang),
        }
    }
}

/// What was interrupted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "gap", rename_all = "kebab-case")]
pub enum Gap {
    /// The stream broke; it is taken up again where it was.
    Connection(ClusterError),
    /// The pod is gone before its log was read to the end.
    PodGone {
        /// The pod's name.
        pod: String,
    },
    /// The container was started anew more than once meanwhile: whole attempts are missing.
    AttemptsMissed {
        /// How many.
        count: u32,
    },
    /// The node has already deleted the log.
    LogGone,
    /// The log was rotated while nobody read it.
    Rotated,
    /// What the API server no longer has was read from the node's own files; nothing is missing here.
    Filled {
        /// How many lines.
        lines: u64,
    },
    /// The file became shorter: it was written anew, and is read from its start.
    FileReplaced,
}

impl Gap {
    /// Returns what happened, as a sentence.
    pub fn text(&self, lang: Lang) -> String {
        match self {
            Self::Connection(state) => msg::loss::connection(state.detail()).text(lang),
            Self::PodGone { pod } => msg::loss::pod_gone(pod).text(lang),
            Self::AttemptsMissed { count } => msg::loss::attempts_missed(count).text(lang),
            Self::LogGone => msg::loss::log_gone().text(lang),
            Self::Rotated => msg::loss::rotated().text(lang),
            Self::Filled { lines } => msg::loss::filled(lines).text(lang),
            Self::FileReplaced => msg::loss::file_replaced().text(lang),
        }
    }
}

/// How a tail ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The installer ended with status 0 and its log is complete; for a file: its success line was read.
    Succeeded,
    /// The last program that is followed runs, and all is well with it (only with [`Options::once`]).
    Works,
    /// It runs on, and says that it does nothing more (only with [`Options::once`]).
    GaveUp,
    /// The attempt failed (only with [`Options::once`]).
    Failed {
        /// Exit status.
        exit_code: i32,
    },
    /// The end of the file.
    EndOfFile,
    /// The file cannot be read.
    Unreadable {
        /// What the system said.
        reason: String,
    },
    /// The cluster refuses, and waiting will not change that.
    Refused(ClusterError),
    /// This driver owner has no log that tells of the driver.
    NoLog,
    /// The user stopped it.
    Cancelled,
}

impl Outcome {
    /// Returns how it ended, as a sentence.
    pub fn message(&self) -> Message {
        match self {
            Self::Succeeded => msg::tail::succeeded(),
            Self::Works => msg::tail::works(),
            Self::GaveUp => msg::tail::gave_up(),
            Self::Failed { exit_code } => msg::tail::failed(exit_code),
            Self::EndOfFile => msg::tail::end_of_file(),
            Self::Unreadable { reason } => msg::tail::unreadable(reason),
            Self::Refused(state) => state.told("message"),
            Self::NoLog => msg::tail::no_log(),
            Self::Cancelled => msg::tail::cancelled(),
        }
    }

    /// The same, in a language.
    pub fn text(&self, lang: Lang) -> String {
        self.message().text(lang)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_its_text() {
        let text = String::new;
        let waits = [
            Wait::NoPod { name: text() },
            Wait::Pod { pod: text(), status: text(), words: text() },
            Wait::BackOff { pod: text(), exit_code: 1, restarts: 2, words: text() },
            Wait::NoFile { path: text() },
        ];
        let losses = [
            Gap::Connection(ClusterError::NoKubectl),
            Gap::PodGone { pod: text() },
            Gap::AttemptsMissed { count: 1 },
            Gap::LogGone,
            Gap::Rotated,
            Gap::Filled { lines: 3 },
            Gap::FileReplaced,
        ];
        let outcomes = [
            Outcome::Succeeded,
            Outcome::Works,
            Outcome::GaveUp,
            Outcome::Failed { exit_code: 1 },
            Outcome::EndOfFile,
            Outcome::Unreadable { reason: text() },
            Outcome::NoLog,
            Outcome::Cancelled,
        ];
        for lang in [Lang::En, Lang::Ko] {
            let texts = waits.iter().map(|wait| wait.text(lang)).chain(losses.iter().map(|loss| loss.text(lang)));
            for text in texts.chain(outcomes.iter().map(|outcome| outcome.text(lang))) {
                assert!(text.contains(' '), "no text for {text}");
            }
        }
    }
}
