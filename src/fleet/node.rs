//! One node of a fleet: what its report says, in the few words by which nodes are compared.

use jiff::Timestamp;
use serde::Serialize;

use super::report::{Detected, Doing, JournalLine, NodeReport, Outcome, SessionState};
use crate::{
    cluster::check::{State, Verdict, VerifyReport},
    exit_code::ExitCode,
    i18n::{Message, msg},
    text::printable,
};

/// Where a node stands, the worst first: the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Something failed: an action, a check, a rule.
    Failed,
    /// It did not answer.
    Unreachable,
    /// Its report cannot be read.
    Unreadable,
    /// It could not be told.
    Unknown,
    /// It works, and not for long.
    Temporary,
    /// It has to be booted again, or is being booted.
    Booting,
    /// Something is being done to it.
    Working,
    /// What was done went well; whether the GPU works in a pod was not judged yet.
    Open,
    /// The inventory has it, and no run has come to it yet.
    NoReport,
    /// It has no NVIDIA card: nothing is wanted of it.
    NoCard,
    /// A pod computes on it.
    Verified,
}

impl Standing {
    /// Returns it in a word or two.
    pub fn title(self) -> Message {
        match self {
            Self::Failed => msg::fleet::standing::failed(),
            Self::Unreachable => msg::fleet::standing::unreachable(),
            Self::Unreadable => msg::fleet::standing::unreadable(),
            Self::Unknown => msg::fleet::standing::unknown(),
            Self::Temporary => msg::fleet::standing::temporary(),
            Self::Booting => msg::fleet::standing::booting(),
            Self::Working => msg::fleet::standing::working(),
            Self::Open => msg::fleet::standing::open(),
            Self::NoReport => msg::fleet::standing::no_report(),
            Self::NoCard => msg::fleet::standing::no_card(),
            Self::Verified => msg::fleet::standing::verified(),
        }
    }

    /// Tells whether a person has to look at it.
    pub fn is_trouble(self) -> bool {
        self <= Self::Temporary
    }
}

/// How far one of the four steps is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepMark {
    /// Its turn has not come.
    #[default]
    Open,
    /// It is the one that is worked on.
    Here,
    /// It is done.
    Done,
    /// It works, and not for long.
    Temporary,
    /// It could not be told.
    Unknown,
    /// It failed.
    Failed,
}

/// One node.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetNode {
    /// Its name in the inventory.
    pub name: String,
    /// Where it stands.
    pub standing: Standing,
    /// The four steps.
    pub steps: [StepMark; 4],
    /// Its cards in a few words, `8x NVIDIA H100`.
    pub cards: String,
    /// The driver that is loaded; empty for none.
    pub driver: String,
    /// Its system.
    pub os: String,
    /// Its kernel.
    pub kernel: String,
    /// What is the matter; of a fault of ours in the user's language, of the node's in English.
    pub text: Option<Message>,
    /// What to do about it, as the node says it.
    pub help: String,
    /// When its report was written.
    pub written: Option<Timestamp>,
    /// The chain, where it was judged.
    pub chain: Option<VerifyReport>,
    /// What was done.
    pub journal: Vec<JournalLine>,
    /// What step 1 has found, with what to do about it.
    pub findings: Vec<(String, String)>,
}

impl FleetNode {
    /// Makes a node of its report. What came from outside is made printable here.
    pub fn of(report: NodeReport) -> Self {
        let standing = standing(&report);
        let steps = marks(&report, standing);
        let detected = report.detect.unwrap_or_default();
        let broken = report.verify.as_ref().and_then(|verify| {
            let check = verify.checks.iter().find(|check| matches!(check.state, State::Fail | State::Unknown))?;
            Some(format!("{}: {}", check.title(crate::i18n::Lang::En), check.evidence))
        });
        let text = Some(report.text).filter(|text| !text.is_empty()).or(broken.filter(|_| standing.is_trouble()));
        Self {
            name: printable(&report.node),
            standing,
            steps,
            cards: cards(&detected),
            driver: printable(detected.driver.loaded_version.as_deref().unwrap_or_default()),
            os: printable(&detected.host.os_name),
            kernel: printable(&detected.host.kernel),
            text: text.map(|text| msg::failure::own_words(one_line(&text))),
            help: one_line(&report.help),
            written: Some(report.written),
            chain: report.verify,
            journal: report.status.map(|status| status.journal).unwrap_or_default(),
            findings: detected
                .findings
                .iter()
                .map(|found| (one_line(&found.message), one_line(&found.remedy)))
                .collect(),
        }
    }

    /// Makes a node whose report cannot be read.
    pub fn unreadable(name: &str, why: Message) -> Self {
        Self { text: Some(why), ..Self::bare(name, Standing::Unreadable) }
    }

    /// Makes a node that no run has come to.
    pub fn without_report(name: &str) -> Self {
        Self::bare(name, Standing::NoReport)
    }

    fn bare(name: &str, standing: Standing) -> Self {
        Self {
            name: printable(name),
            standing,
            steps: [StepMark::Open; 4],
            cards: String::new(),
            driver: String::new(),
            os: String::new(),
            kernel: String::new(),
            text: None,
            help: String::new(),
            written: None,
            chain: None,
            journal: Vec::new(),
            findings: Vec::new(),
        }
    }
}

fn one_line(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| printable(line.trim())).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

/// Equal cards are counted, in the order of the bus.
fn cards(detected: &Detected) -> String {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for card in &detected.gpus {
        let name = printable(&card.name);
        match counted.iter_mut().find(|(other, _)| *other == name) {
            Some((_, count)) => *count += 1,
            None => counted.push((name, 1)),
        }
    }
    let text = |(name, count): &(String, usize)| if *count == 1 { name.clone() } else { format!("{count}x {name}") };
    counted.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn standing(report: &NodeReport) -> Standing {
    match report.state {
        Outcome::Running => Standing::Working,
        Outcome::Failed => Standing::Failed,
        Outcome::Unreachable => Standing::Unreachable,
        Outcome::NoCard => Standing::NoCard,
        Outcome::Reboot => Standing::Booting,
        Outcome::Temporary => Standing::Temporary,
        Outcome::Unknown => Standing::Unknown,
        Outcome::Ok => match report.verify.as_ref().map(|verify| verify.verdict) {
            None => Standing::Open,
            Some(Verdict::Ok) => Standing::Verified,
            Some(Verdict::Failed) => Standing::Failed,
            Some(Verdict::Temporary) => Standing::Temporary,
            Some(Verdict::Unknown) => Standing::Unknown,
        },
    }
}

fn marks(report: &NodeReport, standing: Standing) -> [StepMark; 4] {
    let mut marks = [StepMark::Open; 4];
    if report.detect.is_some() {
        marks[0] = StepMark::Done;
    }
    for step in report.status.iter().flat_map(|status: &SessionState| &status.steps) {
        let mark = match step.state.as_str() {
            "done" => StepMark::Done,
            "here" => StepMark::Here,
            _ => StepMark::Open,
        };
        if let Some(place) = step.step.checked_sub(1).and_then(|place| marks.get_mut(place)) {
            *place = mark.max(*place);
        }
    }
    if let Some(verify) = &report.verify {
        marks[3] = match verify.verdict {
            Verdict::Ok => StepMark::Done,
            Verdict::Failed => StepMark::Failed,
            Verdict::Temporary => StepMark::Temporary,
            Verdict::Unknown => StepMark::Unknown,
        };
    }
    // A run that failed did so in the first step that is not done; before step 4, that is never the verdict's.
    if standing == Standing::Failed && !marks.contains(&StepMark::Failed) && report.doing != Doing::Undo {
        let at = marks.iter().position(|mark| *mark != StepMark::Done).unwrap_or(3);
        marks[at] = StepMark::Failed;
    }
    marks
}

/// Returns how `gpunode fleet` ends, as `verify` does: nodes without a card do not count.
pub fn exit_code<'a>(nodes: impl IntoIterator<Item = &'a FleetNode>) -> ExitCode {
    let standings: Vec<Standing> =
        nodes.into_iter().map(|node| node.standing).filter(|standing| *standing != Standing::NoCard).collect();
    let any = |wanted: &[Standing]| standings.iter().any(|standing| wanted.contains(standing));
    if any(&[Standing::Failed, Standing::Unreachable]) {
        ExitCode::Negative
    } else if standings.is_empty() || !standings.iter().all(|s| matches!(s, Standing::Verified | Standing::Temporary)) {
        ExitCode::Usage
    } else if any(&[Standing::Temporary]) {
        ExitCode::Temporary
    } else {
        ExitCode::Ok
    }
}
