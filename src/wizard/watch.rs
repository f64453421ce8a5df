//! Looking on: what another gpunode does with the session, live, without a hand in it.

use super::{
    App,
    keymap::Intent,
    log::LogBuffer,
    message::{Answer, Effect},
    run::{Row, RowState},
};
use crate::{
    exit_code::ExitCode,
    plan::Action,
    session::{Record, Session, Status, lock_owner::LockOwner},
};

/// What is seen of the other gpunode. The session is the app's, as it was last read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Watch {
    /// Who holds the session; nobody once it was let go.
    pub holder: Option<LockOwner>,
    /// The log that is followed.
    pub source: Option<String>,
    /// Its lines.
    pub log: LogBuffer,
}

impl Watch {
    /// Begins to look on.
    pub fn new(holder: LockOwner) -> Self {
        Self { holder: Some(holder), ..Self::default() }
    }
}

/// Returns what was done, what is being done, and what is planned after it.
pub fn rows(session: &Session) -> Vec<Row> {
    let recorded = session.journal.iter().map(|record| row(record.action.clone(), state(record)));
    let is_ahead = |action: &&Action| action.step == session.step && session.record(&action.id).is_none();
    let planned = session.plan.actions.iter().filter(is_ahead);
    let ahead =
        planned.map(|action| row(action.clone(), if action.skipped { RowState::LeftOut } else { RowState::Waiting }));
    recorded.chain(ahead).collect()
}

fn row(action: Action, state: RowState) -> Row {
    Row { action, state, evidence: Vec::new() }
}

fn state(record: &Record) -> RowState {
    match record.status {
        Status::Intent | Status::Undoing => RowState::Active,
        status => RowState::Ended(status),
    }
}

/// Takes in what was read of the session and its newest log.
pub(super) fn take(app: &mut App, answer: Answer) {
    let (Some(watch), Answer::Watched { session, holder, source, lines }) = (&mut app.watch, answer) else { return };
    if source != watch.source {
        watch.log = LogBuffer::default();
        watch.source = source;
    }
    for line in lines {
        watch.log.push(line);
    }
    watch.holder = holder;
    app.session = *session;
}

pub(super) fn intend(app: &mut App, intent: Intent) {
    let Some(watch) = &mut app.watch else { return };
    match intent {
        Intent::Up => watch.log.up(1),
        Intent::Down => watch.log.down(1),
        Intent::PageUp => watch.log.up(10),
        Intent::PageDown => watch.log.down(10),
        Intent::First => watch.log.to_first(10),
        Intent::Last => watch.log.to_last(),
        // The session is free: the wizard starts over, and this time it is the one that holds it.
        Intent::Accept if watch.holder.is_none() => {
            app.leaving = true;
            app.order(Effect::Quit(ExitCode::Ok));
        }
        _ => {}
    }
}
