//! Runs one action on this machine by the program's own engine, with its session in a scratch folder.

use std::{path::Path, sync::Arc, time::Duration};

use gpunode::{
    engine::{Event, Outcome, Runner},
    host::{Cancel, Clock, Host},
    plan::{Action, ActionSpec, Step},
    session::{Record, Session, store::Store},
};

/// What came of it.
pub struct Done {
    /// How the run ended.
    pub outcome: Outcome,
    /// The action's record in the journal.
    pub record: Record,
    /// All that the face was told.
    pub events: Vec<Event>,
}

impl Done {
    /// Returns all printed lines as one text.
    pub fn lines(&self) -> String {
        let line = |event: &Event| if let Event::Line(line) = event { Some(line.clone() + "\n") } else { None };
        self.events.iter().filter_map(line).collect()
    }

    /// Returns the signatures that showed.
    pub fn hits(&self) -> Vec<&str> {
        self.record.hits.iter().map(|hit| hit.signature.as_str()).collect()
    }
}

/// A clock that does not wait: pauses between two tries cost a test nothing.
pub struct NoWait;

impl Clock for NoWait {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn sleep(&self, _duration: Duration, cancel: &Cancel) -> bool {
        !cancel.is_cancelled()
    }
}

/// Returns this machine, without pauses.
pub fn machine() -> Host {
    Host { clock: Arc::new(NoWait), ..Host::local(Path::new("/")) }
}

/// Runs one action; `on_event` sees every event and may stop the run.
pub fn run(host: &Host, folder: &Path, kind: ActionSpec, on_event: &mut dyn FnMut(&Event, &Cancel)) -> Done {
    let store = Store::open(&folder.join("state/session.yaml")).unwrap();
    let mut session =
        store.load().unwrap().unwrap_or_else(|| Session::new("test".to_owned(), "test".to_owned(), host.clock.now()));
    let action = Action {
        id: "tested".to_owned(),
        step: Step::Driver,
        kind,
        why: String::new(),
        args: Vec::new(),
        skipped: false,
        optional: false,
        may_fail: false,
        blocked: None,
        commands: Vec::new(),
        diff: None,
        needs_root: false,
        needs_reboot: false,
        undo: String::new(),
    };
    session.replan(Step::Driver, vec![action]);
    let cancel = Cancel::default();
    let mut events = Vec::new();
    let mut runner = Runner { host, store: &store, session: &mut session, cancel: &cancel, secret: None };
    let outcome = runner.run(Step::Driver, &mut |event| {
        on_event(&event, &cancel);
        events.push(event);
    });
    let record = session.record("tested").unwrap().clone();
    Done { outcome: outcome.unwrap(), record, events }
}
