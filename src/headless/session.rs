//! `gpunode status` and `gpunode undo`: looking at the session, and walking it back.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{print, print_json, progress::Progress};
use crate::{
    engine::undo::{UndoResult, candidates, prospect, undo_all},
    error::Expected,
    exit_code::ExitCode,
    facts::{self, Change},
    host::Cancel,
    i18n::{Lang, msg},
    plan::Step,
    session::{Record, Session, lock_owner::LockOwner, store},
    steps,
    workspace::Workspace,
};

/// Prints where the session stands, who has it open, and what has changed since it was left.
pub(super) fn status(workspace: &Workspace, json: bool) -> Result<ExitCode, Expected> {
    let session = workspace.look()?;
    let status = Status {
        holder: store::holder(&workspace.session_path),
        changes: since(workspace, &session),
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

struct Status {
    session: Session,
    holder: Option<LockOwner>,
    changes: Vec<Change>,
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
                StepState::Done => msg::status::done_as_of(self.as_of(step).strftime("%Y-%m-%d %H:%M UTC").to_string()),
                StepState::Here => msg::status::here(),
                StepState::Open => msg::status::open(),
            };
            text += &format!("  {} {title} {}\n", step.number(), word.text(lang));
        }
        // A chain that was whole then may be broken now, and only the cluster knows.
        if self.session.done.contains(&Step::Verify) {
            text += &(msg::status::verify_anew().text(lang) + "\n");
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
        let step = |step: Step| json!({"step": step.number(), "state": self.state(step), "as_of": as_of(step)});
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

/// Shows what an undo would do, and does it with `--yes`. Exit: 0 all of it is undone, 1 something was kept, 130 it was
/// stopped.
pub(super) fn undo(workspace: &Workspace, yes: bool, json: bool) -> Result<ExitCode, Expected> {
    let lang = workspace.lang;
    let progress = Progress::new(json, lang);
    let session = workspace.look()?;
    if !yes {
        let line =
            |record: &&Record| format!("  {}: {}\n", record.action.title(lang), prospect(&session, record, lang));
        let found = candidates(&session);
        if found.is_empty() {
            return print(&msg::undo::nothing().text(lang));
        }
        let listed: String = found.iter().map(line).collect();
        print(&(msg::undo::would().text(lang) + "\n" + &listed))?;
        return print(&msg::undo::with_yes().text(lang));
    }
    let cancel = Cancel::default();
    crate::signals::cancel_on_signal(&cancel)?;
    let (store, mut session) = workspace.any_session(false)?;
    let walked = undo_all(&workspace.host, &store, &mut session, &cancel, &mut |event| progress.event(&event));
    let results = walked.inspect_err(|error| progress.broken(error))?;
    for (action, result) in &results {
        progress.undo(action, result);
    }
    if results.is_empty() {
        progress.say(msg::undo::nothing());
    }
    let any = |wanted: fn(&UndoResult) -> bool| results.iter().any(|(_, result)| wanted(result));
    progress.end(if any(|result| *result == UndoResult::Stopped) {
        ExitCode::Quit
    } else if any(|result| matches!(result, UndoResult::Kept(_))) {
        ExitCode::Negative
    } else {
        ExitCode::Ok
    })
}
