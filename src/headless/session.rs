//! `gpunode status` and `gpunode undo`: looking at the session, and walking it back.

use super::print;
use crate::{
    engine::{
        Event,
        undo::{UndoResult, candidates, undo_all},
    },
    error::Expected,
    exit_code::ExitCode,
    facts,
    host::Cancel,
    i18n::Lang,
    plan::Step,
    session::Session,
    workspace::Workspace,
};

/// Prints where the session stands.
pub fn status(workspace: &Workspace) -> Result<ExitCode, Expected> {
    let session = workspace.look()?;
    let lang = workspace.lang;
    let mut text =
        lang.text("status.head", &[("file", &workspace.session_path.display().to_string()), ("machine", &session.hostname)]) + "\n";
    for step in Step::ALL {
        let state = if session.done.contains(&step) {
            "done"
        } else if step == session.step {
            "here"
        } else {
            "open"
        };
        text += &format!(
            "  {} {:<24} {}\n",
            step.number(),
            lang.text(&format!("step.{}", step.number()), &[]),
            lang.text(&format!("status.{state}"), &[])
        );
    }
    if let Some(reboot) = &session.reboot {
        let happened = if reboot.boot_id == workspace.boot_id() { "status.reboot-needed" } else { "status.reboot-done" };
        text += &format!("{}\n", lang.text(happened, &[]));
    }
    let changes = facts::changes(&session.facts, &facts::probe(&workspace.host));
    for change in changes {
        text += &format!("{}\n", change.text(lang));
    }
    text += &journal(&session, lang);
    print(&text)
}

/// Returns the journal, a line a record.
pub fn journal(session: &Session, lang: Lang) -> String {
    let line = |record: &crate::session::Record| {
        let status = lang.text(&format!("record.{}", record.status.name()), &[]);
        let evidence = record.evidence.first().map(|line| format!("\n      {line}")).unwrap_or_default();
        format!("  [{status}] {}{evidence}\n", record.action.title(lang))
    };
    session.journal.iter().map(line).collect()
}

/// Shows what an undo would do, and does it with `--yes`. Exit: 0 all of it is undone, 1 something was kept.
pub fn undo(workspace: &Workspace, yes: bool) -> Result<ExitCode, Expected> {
    let lang = workspace.lang;
    if !yes {
        let session = workspace.look()?;
        let line = |record: &&crate::session::Record| format!("  {}: {}\n", record.action.title(lang), record.action.undo_text(lang));
        let listed: String = candidates(&session).iter().map(line).collect();
        print(&(lang.text("undo.would", &[]) + "\n" + &listed))?;
        return print(&lang.text("undo.with-yes", &[]));
    }
    let cancel = Cancel::default();
    crate::signals::cancel_on_signal(&cancel)?;
    let (store, mut session) = workspace.session(false)?;
    let results = undo_all(&workspace.host, &store, &mut session, &cancel, &mut |event| {
        if let Event::Line(line) = event {
            let _ = print(&format!("   {line}"));
        }
    })?;
    let mut code = ExitCode::Ok;
    for (id, result) in &results {
        match result {
            UndoResult::Undone(what) => print(&format!("-- undone: {id}\n   | {what}"))?,
            UndoResult::Kept(why) => {
                code = ExitCode::Negative;
                print(&format!("-- kept: {id}\n   | {why}"))?
            }
        };
    }
    if results.is_empty() {
        print(&lang.text("undo.nothing", &[]))?;
    }
    Ok(code)
}
