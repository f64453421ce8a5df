//! What reaches the wizard (messages) and what it asks for (orders).

use std::{path::PathBuf, sync::Arc};

use jiff::Timestamp;

use super::chain::{ChainRow, Diagnosis, Offer, Phase, TailBatch};
use crate::{
    answers::Answers,
    choice::DriverTable,
    engine::{Event, Outcome},
    exit_code::ExitCode,
    facts::Facts,
    kubespray::Preview,
    owner::Fit,
    plan::{Action, Plan, Step},
    prediction::Prediction,
    secret::Secret,
    session::{Session, lock_owner::LockOwner},
};

/// Names one order for as long as the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectId(pub u64);

/// An effect with the id that its answers carry.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The id of every [`Answer`] to it.
    pub id: EffectId,
    /// What to do.
    pub effect: Effect,
}

/// Something that takes time or touches the machine. Data only: tests compare it.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Probe the machine, keep the facts in the session -> [`Answer::Probed`].
    Probe,
    /// Watch the machine -> [`Answer::MachineChanged`] each time it has changed, until it is cancelled.
    Fingerprint,
    /// Ask the package manager for what the machine lacks -> [`Answer::PackagesAsked`].
    AskPackages,
    /// Work out the driver table -> [`Answer::Table`].
    LoadTable {
        /// With the wanted CUDA and, once chosen, the driver.
        answers: Box<Answers>,
    },
    /// Work out the variable preview -> [`Answer::Preview`].
    LoadPreview {
        /// With checkout, inventory and node, as far as they are known.
        answers: Box<Answers>,
    },
    /// Make the plan of one step from the last facts -> [`Answer::Planned`].
    MakePlan {
        /// The step.
        step: Step,
        /// The answers so far.
        answers: Box<Answers>,
    },
    /// Run the pre-flight over the plan of step 2 -> [`Answer::Checked`].
    Preflight {
        /// The plan.
        actions: Vec<Action>,
        /// The answers that led to it.
        answers: Box<Answers>,
    },
    /// Run confirmed actions -> many [`Answer::Engine`], then [`Answer::RunEnded`].
    RunStep {
        /// The step.
        step: Step,
        /// What was confirmed, as it was shown. Skipped ones are in it, for the record.
        actions: Vec<Action>,
        /// The answers that led to them.
        answers: Box<Answers>,
        /// The password for `sudo`, where one was asked for.
        secret: Option<Secret>,
    },
    /// Reboot the machine -> [`Answer::Rebooted`] from a simulated one; a real one goes down.
    Reboot,
    /// Watch every link to the test pod, and follow the log of what is at work -> [`Answer::ChainRows`],
    /// [`Answer::ChainTrouble`], [`Answer::TailFollows`], [`Answer::TailLines`], [`Answer::TailPhases`],
    /// [`Answer::TailState`], [`Answer::Diagnosed`], [`Answer::Recovered`] until it is cancelled.
    FollowNode {
        /// With the kubeconfig.
        answers: Box<Answers>,
    },
    /// Do one thing on the cluster, journalled like every action -> [`Answer::Remedied`].
    Remedy {
        /// The action, as it was shown.
        action: Box<Action>,
    },
    /// Write the log that is kept into a file -> [`Answer::LogSaved`].
    SaveLog {
        /// The file.
        path: PathBuf,
        /// The lines.
        text: String,
    },
    /// Plan the test pod, so that it can be shown -> [`Answer::TestPlanned`].
    PlanTestPod {
        /// With image and kubeconfig.
        answers: Box<Answers>,
    },
    /// Run the test pod -> [`Answer::TestOutput`].
    RunTestPod {
        /// The plan that was shown and confirmed.
        actions: Vec<Action>,
    },
    /// Check everything, once and for the report -> [`Answer::Verified`].
    Verify {
        /// With the kubeconfig.
        answers: Box<Answers>,
    },
    /// Look on while another gpunode holds the session -> [`Answer::Watched`] again and again, until it lets go.
    Watch,
    /// Put this into the session file -> [`Answer::Saved`] or [`Answer::SaveFailed`].
    SaveSession(Box<Draft>),
    /// Write the report beside the session -> [`Answer::ReportWritten`].
    WriteReport,
    /// Stop this order: a tail ends, a run ends with [`Outcome::Cancelled`].
    Cancel(EffectId),
    /// Leave. The runtime does it, after the saves that are under way.
    Quit(ExitCode),
}

impl Effect {
    /// Returns what it is for; nothing for what nobody waits for.
    pub(super) fn slot(&self) -> Option<Slot> {
        Some(match self {
            Self::Probe => Slot::Probe,
            Self::Fingerprint => Slot::Fingerprint,
            Self::AskPackages => Slot::Packages,
            Self::LoadTable { .. } => Slot::Table,
            Self::LoadPreview { .. } => Slot::Preview,
            Self::MakePlan { .. } => Slot::Plan,
            Self::Preflight { .. } => Slot::Preflight,
            Self::RunStep { .. } => Slot::Run,
            Self::Reboot => Slot::Reboot,
            Self::FollowNode { .. } => Slot::Node,
            Self::Remedy { .. } => Slot::Remedy,
            Self::SaveLog { .. } => Slot::SaveLog,
            Self::PlanTestPod { .. } => Slot::TestPlan,
            Self::RunTestPod { .. } => Slot::TestPod,
            Self::Verify { .. } => Slot::Verify,
            Self::SaveSession(_) => Slot::Save,
            Self::WriteReport => Slot::Report,
            Self::Watch => Slot::Watch,
            Self::Cancel(_) | Self::Quit(_) => return None,
        })
    }
}

/// What an order is for. Of each there is at most one under way; a newer one takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "as the effects of the same names")]
pub enum Slot {
    Probe,
    Fingerprint,
    Packages,
    Table,
    Preview,
    Plan,
    Preflight,
    Run,
    Reboot,
    Node,
    Remedy,
    SaveLog,
    TestPlan,
    TestPod,
    Verify,
    Save,
    Report,
    Watch,
}

/// The wizard's part of the session. Facts and journal are not in it: those who probe and run write them.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Where the user is.
    pub step: Step,
    /// Steps that are done.
    pub done: Vec<Step>,
    /// The answers; absent until the first choice.
    pub answers: Option<Answers>,
    /// The actions of all steps that have been planned, with what was left out.
    pub plan: Plan,
}

/// What comes back from an [`Effect`].
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The facts, and what has changed since the session was left, as sentences in the user's language.
    Probed {
        /// The facts of now.
        facts: Box<Facts>,
        /// What has changed; empty in a new session.
        changes: Vec<String>,
        /// Who may own the driver here; the recommended one is taken until somebody has chosen.
        owners: Vec<Fit>,
    },
    /// The machine is no longer as it was.
    MachineChanged,
    /// The facts, with what the package manager offers.
    PackagesAsked(Box<Facts>),
    /// The driver table, or why there is none.
    Table(Result<DriverTable, String>),
    /// The variable preview, or why there is none.
    Preview(Result<Box<Preview>, String>),
    /// The plan of the step that was asked for, or why there is none.
    Planned(Result<Plan, String>),
    /// What the pre-flight says, or why it says nothing.
    Checked(Result<Vec<Prediction>, String>),
    /// Something happened in a run.
    Engine(Event),
    /// A run ended.
    RunEnded {
        /// How.
        outcome: Outcome,
        /// The session with its journal as it is on disk now.
        session: Box<Session>,
    },
    /// The simulated machine has booted again.
    Rebooted,
    /// Lines of the installer's log. The sender waits while too many of these are on their way.
    TailLines(Arc<TailBatch>),
    /// Whose log is followed now, as a title.
    TailFollows(String),
    /// The known steps of what is followed, in order, each with its state.
    TailPhases(Vec<Phase>),
    /// What the tail does or waits for, as a short sentence.
    TailState(String),
    /// The state of every link, and what may be done.
    ChainRows {
        /// One row a link.
        rows: Vec<ChainRow>,
        /// What may be done at the user's wish.
        offers: Vec<Offer>,
        /// Known failures that the cluster shows now.
        failures: Vec<Diagnosis>,
    },
    /// The cluster gives no answer: why, and what to do. It is asked again and again.
    ChainTrouble(String),
    /// The installer has succeeded: what failed before is of the past.
    Recovered,
    /// A remedy was done, or why not: what proves it.
    Remedied(Result<Vec<String>, String>),
    /// The log is in this file, or why it is not.
    LogSaved(Result<PathBuf, String>),
    /// A known failure was recognised.
    Diagnosed(Diagnosis),
    /// The plan of the test, or why there is none.
    TestPlanned(Result<Vec<Action>, String>),
    /// The test pod ended: what it printed, or why it did not run.
    TestOutput(Result<Vec<String>, String>),
    /// All checks, and whether every one passed.
    Verified {
        /// One row a check.
        rows: Vec<ChainRow>,
        /// Whether the GPU is usable.
        ok: bool,
    },
    /// What another gpunode has made of the session.
    Watched {
        /// As it is on disk now.
        session: Box<Session>,
        /// Who holds it; nobody once it was let go.
        holder: Option<LockOwner>,
        /// The file name of the newest log.
        source: Option<String>,
        /// What that log has gained, safe for a terminal.
        lines: Vec<String>,
    },
    /// The session is on disk.
    Saved(Timestamp),
    /// The session could not be written, and why.
    SaveFailed(String),
    /// The report is in this file, or why it is not.
    ReportWritten(Result<PathBuf, String>),
    /// The effect itself failed (also: its worker panicked).
    Failed(String),
}

/// Anything that reaches [`update`](super::update()).
#[derive(Debug, Clone, PartialEq)]
pub enum Msg {
    /// A key.
    Key(Key),
    /// A text was pasted.
    Paste(String),
    /// The terminal has this many columns and rows now.
    Resize(u16, u16),
    /// A tenth of a second has passed. Only sent while [`App::wants_ticks`](super::App::wants_ticks).
    Tick,
    /// A signal asks the program to end.
    Shutdown(Signal),
    /// Something came back.
    Answer(EffectId, Answer),
}

/// A signal that ends the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Asked to end.
    Terminate,
    /// The terminal is gone.
    HangUp,
    /// Interrupted from outside (Ctrl-C at the keyboard is a [`Key`]).
    Interrupt,
}

/// A key as every console can send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are what stands on the keys")]
pub enum Key {
    Char(char),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    /// Ctrl-U.
    EraseLine,
    /// Ctrl-W.
    EraseWord,
    /// Ctrl-C.
    Interrupt,
}
