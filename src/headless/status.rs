//! `gpunode status`: where the session stands, and whether what was done still is so.

use std::{collections::BTreeMap, sync::mpsc, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{print, print_json};
use crate::{
    cluster::check::{Check, State, Verdict, VerifyReport},
    engine::drift::look_again,
    error::{Expected, reason},
    exit_code::ExitCode,
    facts::{self, Change},
    i18n::{Lang, Message, msg},
    plan::Step,
    session::{Record, Session, lock_owner::LockOwner, store},
    steps, worker,
    workspace::Workspace,
};

/// How long the cluster is waited for: an API server that is gone answers nothing at all.
const PATIENCE: Duration = Duration::from_secs(15);

/// Prints where the session stands, who has it open, and what has changed since it was left.
pub(super) fn run(workspace: &Workspace, json: bool) -> Result<ExitCode, Expected> {
    let session = workspace.look()?;
    let status = Status {
        holder: store::holder(&workspace.session_path),
        changes: since(workspace, &session),
        standing: standing(workspace, &session),
        rebooted: session.reboot.as_ref().map(|reboot| reboot.boot_id != workspace.boot_id()),
        session,
    };
    if json { print_json(&status.json(workspace)) } else { print(&status.text(workspace)) }
}

/// Returns what has changed since the session was left. Of one that was carried here nobody can tell.
fn since(workspace: &Workspace, session: &Session) -> Vec<Change> {
    if workspace.is_carried(session) {
        return Vec::new();
    }
    steps::since(&workspace.host, session, &facts::probe(&workspace.host))
}

/// How far a step is.
#[derive(Debug, Clone, Copy, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum StepState {
    Done,
    Here,
    Open,
}

/// What a new look at a done step shows.
enum Standing {
    /// It is as it was.
    Holds,
    /// Its files or things are not as they were left.
    Changed(Vec<Change>),
    /// These checks of the chain do not pass.
    Failing(Vec<Check>),
    /// Nobody could tell, and why.
    NotLooked(Message),
}

impl Standing {
    /// What is not as it was, a sentence or title each.
    fn what(&self, lang: Lang) -> Vec<String> {
        match self {
            Self::Holds => Vec::new(),
            Self::Changed(changes) => changes.iter().map(|change| change.text(lang)).collect(),
            Self::Failing(checks) => checks.iter().map(|check| check.title(lang)).collect(),
            Self::NotLooked(why) => vec![why.text(lang)],
        }
    }

    fn text(&self, lang: Lang) -> String {
        let what = self.what(lang).join("; ");
        let text = match self {
            Self::Holds => msg::status::now_holds(),
            Self::Changed(_) | Self::Failing(_) => msg::status::now_broken(what),
            Self::NotLooked(_) => msg::status::now_not_looked(what),
        };
        text.text(lang)
    }

    fn json(&self) -> Value {
        let state = match self {
            Self::Holds => "holds",
            Self::Changed(_) | Self::Failing(_) => "broken",
            Self::NotLooked(_) => "not-looked",
        };
        json!({"state": state, "why": self.what(Lang::En)})
    }
}

/// Looks at each done step anew.
fn standing(workspace: &Workspace, session: &Session) -> BTreeMap<Step, Standing> {
    let done = session.done.iter().copied();
    let look = |step| match step {
        _ if workspace.is_carried(session) => Standing::NotLooked(msg::status::not_here(&session.hostname)),
        Step::Detect => Standing::Holds,
        Step::Driver | Step::Variables => match look_again(&workspace.host, session, step) {
            None => Standing::NotLooked(msg::status::nothing_left()),
            Some(changes) if changes.is_empty() => Standing::Holds,
            Some(changes) => Standing::Changed(changes),
        },
        Step::Verify => look_at_cluster(workspace, session),
    };
    done.map(|step| (step, look(step))).collect()
}

/// Judges the GPU's chain anew. Whoever does not answer in time is not waited for: this command only tells.
fn look_at_cluster(workspace: &Workspace, session: &Session) -> Standing {
    let (host, session) = (workspace.host.clone(), session.clone());
    let (tell, told) = mpsc::sync_channel(1);
    let work = move || {
        let answers = steps::answers_of(&host, &session);
        // Nobody listens any more when it took too long.
        let _ = tell.send(steps::verdict(&host, &session, &answers));
    };
    if let Err(error) = worker::spawn(work) {
        return Standing::NotLooked(msg::status::no_thread(reason(&error)));
    }
    match told.recv_timeout(PATIENCE) {
        Err(_) => Standing::NotLooked(msg::status::no_answer(PATIENCE.as_secs())),
        Ok(report) => {
            let is_bad = |check: &Check| matches!(check.state, State::Fail | State::Temporary);
            match report.verdict {
                Verdict::Ok => Standing::Holds,
                Verdict::Unknown => Standing::NotLooked(why_unknown(&report)),
                Verdict::Failed | Verdict::Temporary => {
                    Standing::Failing(report.checks.into_iter().filter(is_bad).collect())
                }
            }
        }
    }
}

/// What the first check that could not be made says of it.
fn why_unknown(report: &VerifyReport) -> Message {
    let unknown = report.checks.iter().find(|check| check.state == State::Unknown);
    let evidence = unknown.map(|check| check.evidence.clone()).unwrap_or_default();
    msg::failure::own_words(crate::text::printable(&evidence))
}

struct Status {
    session: Session,
    holder: Option<LockOwner>,
    changes: Vec<Change>,
    /// Each done step as it is now.
    standing: BTreeMap<Step, Standing>,
    /// Whether a reboot that was asked for has happened; absent when none was.
    rebooted: Option<bool>,
}

impl Status {
    fn state(&self, step: Step) -> StepState {
        match () {
            () if self.session.done.contains(&step) => StepState::Done,
            () if step == self.session.step => StepState::Here,
            () => StepState::Open,
        }
    }

    /// Returns when a done step was looked at last: at the end of its newest action, else when the session was saved.
    fn as_of(&self, step: Step) -> Timestamp {
        let ended =
            self.session.journal.iter().filter(|record| record.action.step == step).filter_map(|record| record.ended);
        ended.max().unwrap_or(self.session.updated)
    }

    fn text(&self, workspace: &Workspace) -> String {
        let lang = workspace.lang;
        let file = workspace.session_path.display().to_string();
        let mut text = msg::status::head(&file, &self.session.hostname).text(lang) + "\n";
        text += &self.holder.iter().map(|holder| msg::status::held(holder).text(lang) + "\n").collect::<String>();
        for step in Step::ALL {
            let title = crate::text::fit(&step.title().text(lang), 24, "…");
            let word = match self.state(step) {
                StepState::Done => {
                    let now = self.standing.get(&step).map(|standing| standing.text(lang));
                    let time = self.as_of(step).strftime("%Y-%m-%d %H:%M UTC").to_string();
                    msg::status::done_as_of(now.unwrap_or_default(), time)
                }
                StepState::Here => msg::status::here(),
                StepState::Open => msg::status::open(),
            };
            text += &format!("  {} {title} {}\n", step.number(), word.text(lang));
        }
        if let Some(rebooted) = self.rebooted {
            text += &format!(
                "{}\n",
                (if rebooted { msg::status::reboot_done() } else { msg::status::reboot_needed() }).text(lang)
            );
        }
        text += &self.changes.iter().map(|change| change.text(lang) + "\n").collect::<String>();
        text + &journal(&self.session, lang)
    }

    fn json(&self, workspace: &Workspace) -> Value {
        let as_of = |step| self.session.done.contains(&step).then(|| self.as_of(step));
        let now = |step| self.standing.get(&step).map(Standing::json);
        let step = |step: Step| json!({"step": step.number(), "state": self.state(step), "as_of": as_of(step), "now": now(step)});
        let record = |record: &Record| {
            json!({
                "id": record.action.id, "step": record.action.step.number(), "title": record.action.title(Lang::En),
                "status": record.status.name(), "started": record.started, "ended": record.ended,
                "done_on": record.done_on.as_ref().map(|place| &place.hostname), "evidence": record.evidence,
            })
        };
        json!({
            "session": workspace.session_path, "machine": self.session.machine, "hostname": self.session.hostname,
            "schema_version": self.session.schema_version, "updated": self.session.updated, "holder": self.holder,
            "steps": Step::ALL.map(step), "rebooted": self.rebooted,
            "changes": self.changes.iter().map(|change| change.text(Lang::En)).collect::<Vec<_>>(),
            "journal": self.session.journal.iter().map(record).collect::<Vec<_>>(),
        })
    }
}

/// Returns the journal, a line a record.
pub(super) fn journal(session: &Session, lang: Lang) -> String {
    let line = |record: &Record| {
        let status = record.status.title().text(lang);
        let place = record
            .done_on
            .as_ref()
            .map(|place| format!(" @{}", crate::text::printable(&place.hostname)))
            .unwrap_or_default();
        // What proved it then is not so any more once it was taken back.
        let proof = record.evidence.first().filter(|_| record.status != crate::session::Status::Undone);
        let failure = record.failure.as_ref().map(|failure| failure.text(lang));
        let evidence = failure.as_ref().or(proof).map(|line| format!("\n      {line}")).unwrap_or_default();
        format!("  [{status}{place}] {}{evidence}\n", record.action.title(lang))
    };
    session.journal.iter().map(line).collect()
}
