//! `gpunode undo`: walking the session back.

use super::{print, progress::Progress};
use crate::{
    engine::undo::{UndoResult, candidates, prospect, undo_all},
    error::Expected,
    exit_code::ExitCode,
    host::Cancel,
    i18n::msg,
    session::Record,
    workspace::Workspace,
};

/// Shows what an undo would do, and does it with `--yes`. Exit: 0 all of it is undone, 1 something was kept, 130 it was
/// stopped.
pub(super) fn run(workspace: &Workspace, yes: bool, json: bool) -> Result<ExitCode, Expected> {
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
