//! Workspace: the machine, the language and the session that a command line asks for.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    answers::Answers,
    cli::Global,
    error::{Expected, reason},
    host::{
        Host,
        replay::{self, Scenario, ScenarioError, Speed, failure},
    },
    i18n::{Lang, msg},
    plan::action::reboot::BOOT_ID,
    session::{
        Session,
        seal::{self, Seal},
        store::{self, Store},
    },
};

/// What every command works with.
#[derive(Clone)]
pub struct Workspace {
    /// The machine.
    pub host: Host,
    /// The language of the texts.
    pub lang: Lang,
    /// Where the session is.
    pub session_path: PathBuf,
    /// The scenario's title in the user's language, for a simulated machine.
    pub title: Option<String>,
}

impl Workspace {
    /// Opens what the options ask for. A simulated machine comes back in the state it was left in, unless a new session
    /// is wanted.
    pub fn open(global: &Global) -> Result<Self, Expected> {
        let lang = global.lang();
        let refused = |error: ScenarioError| Expected::new(error.message(), msg::error::scenario::hint());
        let scenario = match (&global.demo, &global.replay) {
            // An own folder is named as it is written: with a slash.
            (Some(name), _) if name.contains('/') => Some(failure::load(Path::new(name)).map_err(refused)?),
            (Some(name), _) => Some(failure::named(name).map_err(refused)?),
            (None, Some(path)) => Some(failure::load(path).map_err(refused)?),
            (None, None) => None,
        };
        let Some(scenario) = scenario else {
            let root = global.root.clone().unwrap_or_else(|| PathBuf::from("/"));
            if !root.is_dir() {
                return Err(Expected::new(
                    msg::error::session::root(root.display()),
                    msg::error::session::root::hint(),
                ));
            }
            let session_path = session_path(global, Path::new("session.yaml"));
            return Ok(Self { host: Host::local(&root), lang, session_path, title: None });
        };
        let place = Path::new("simulated").join(&scenario.name).join("session.yaml");
        let session_path = session_path(global, &place);
        let title = scenario.about.title.get(lang.code()).or_else(|| scenario.about.title.get("en")).cloned();
        let state = machine_state(&session_path);
        if global.new {
            // A new session means a new simulated machine too; a state that is not there is what we want.
            let _ = std::fs::remove_file(&state);
        }
        story_of(&scenario).map_err(refused)?;
        let host = replay::host(scenario, Some(state), Speed(global.speed))
            .map_err(|error| Expected::new(error.message(), msg::error::scenario::state_hint()))?;
        Ok(Self { host, lang, session_path, title })
    }

    /// Forgets what became of a simulated machine: it begins as its scenario does when it is opened next. A state that is
    /// not there is what we want.
    pub fn forget_machine(&self) {
        if self.host.simulation.is_some() {
            let _ = std::fs::remove_file(machine_state(&self.session_path));
        }
    }

    /// Returns the boot that is running.
    pub fn boot_id(&self) -> String {
        self.host.files.read_value(BOOT_ID).unwrap_or_default()
    }

    /// Opens and locks this machine's session; a new one is made where there is none, or where a new one is wanted.
    pub fn session(&self, new: bool) -> Result<(Store, Session), Expected> {
        let (store, session) = self.any_session(new)?;
        if self.is_carried(&session) {
            return Err(self.foreign(&session));
        }
        Ok((store, session))
    }

    /// As [`Self::session`], but the session may have been carried here from another machine: the Ansible host may do
    /// step 3 of it.
    pub fn any_session(&self, new: bool) -> Result<(Store, Session), Expected> {
        let locks = self.host.simulation.is_none().then(state_folder);
        let store = Store::open(&self.session_path)?.sealed(self.seal()?).locking_in(locks);
        if new {
            store.retire()?;
        }
        let session = match store.load()? {
            Some(session) => self.verified(self.same_world(session)?, store.seal()),
            None => self.new_session(),
        };
        Ok((store, session))
    }

    /// Tells whether a session was carried here from another machine.
    pub fn is_carried(&self, session: &Session) -> bool {
        session.machine != self.host.identity()
    }

    /// Reads the session without locking it. While another gpunode is about to write its first, that is an empty one.
    pub fn look(&self) -> Result<Session, Expected> {
        let begins = || store::holder(&self.session_path).map(|_| self.new_session());
        self.peek()?.or_else(begins).ok_or_else(|| {
            Expected::new(msg::error::session::none(self.session_path.display()), msg::error::session::none::hint())
        })
    }

    fn new_session(&self) -> Session {
        Session {
            answers: self.story_answers(),
            ..Session::new(self.host.identity(), self.host.name(), self.host.clock.now())
        }
    }

    /// Reads the session without locking it, if there is one. It may have been carried here.
    pub fn peek(&self) -> Result<Option<Session>, Expected> {
        let Some(session) = store::load(&self.session_path)? else { return Ok(None) };
        let session = self.same_world(session)?;
        let seal = self.seal().unwrap_or_default();
        Ok(Some(self.verified(session, seal.as_ref())))
    }

    /// Returns what the person of a simulated story has decided before.
    pub fn story_answers(&self) -> Option<Answers> {
        // That they can be read was seen when the scenario was opened.
        serde_json::from_value(self.host.simulation.as_ref()?.answers.clone()?).ok()
    }

    /// Refuses a simulated machine's session on another machine, and the other way round: a story must never become a
    /// plan for root.
    fn same_world(&self, session: Session) -> Result<Session, Expected> {
        let simulated = |machine: &str| machine.starts_with("simulated:");
        let here = self.host.identity();
        if session.machine != here && (simulated(&session.machine) || simulated(&here)) {
            return Err(self.foreign(&session));
        }
        Ok(session)
    }

    /// Returns this user's key on this machine. A simulated machine needs none: nothing that it does is real.
    fn seal(&self) -> Result<Option<Seal>, Expected> {
        if self.host.simulation.is_some() {
            return Ok(None);
        }
        let folder = state_folder();
        let failed = |error: io::Error| {
            Expected::new(msg::error::session::key(folder.display(), reason(&error)), msg::error::session::key::hint())
        };
        Seal::open(&folder, &self.host.identity()).map(Some).map_err(failed)
    }

    /// Marks what this machine's gpunode has not written.
    fn verified(&self, mut session: Session, seal: Option<&Seal>) -> Session {
        if self.host.simulation.is_none() {
            seal::verify(seal, &mut session, &self.host.identity());
        }
        session
    }

    fn foreign(&self, session: &Session) -> Expected {
        let machine = crate::text::printable(&session.hostname);
        Expected::new(
            msg::error::session::foreign(self.session_path.display(), machine),
            msg::error::session::foreign::hint(),
        )
    }
}

/// Reads what the person of a story has decided before.
fn story_of(scenario: &Scenario) -> Result<Option<Answers>, ScenarioError> {
    let file = || Path::new(&scenario.name).join("scenario.yaml").display().to_string();
    let unreadable = |error| ScenarioError::Unreadable { file: file(), reason: format!("answers: {error}") };
    scenario
        .about
        .answers
        .clone()
        .map(serde_json::from_value)
        .transpose()
        .map_err(|error: serde_json::Error| unreadable(error))
}

/// Returns where the state of a simulated machine is kept.
fn machine_state(session: &Path) -> PathBuf {
    session.with_extension("machine.yaml")
}

/// Returns a variable of the environment that holds a path. Set to nothing, it is not set: that is how a script takes
/// one back.
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Returns where the session is: as the command line or `$GPUNODE_SESSION` says, else in its usual place.
fn session_path(global: &Global, name: &Path) -> PathBuf {
    global.session.clone().or_else(|| variable("GPUNODE_SESSION")).unwrap_or_else(|| default_session(name))
}

/// Returns this user's own folder on this machine, wherever the session is.
fn state_folder() -> PathBuf {
    default_session(Path::new("session.yaml")).parent().unwrap_or(Path::new("/")).to_owned()
}

/// Returns the session's usual place: below `/var/lib` for root, else below `$XDG_STATE_HOME` or `~/.local/state`. A
/// simulated machine never puts anything below `/var/lib`.
fn default_session(name: &Path) -> PathBuf {
    let is_demo = name.components().count() > 1;
    if rustix::process::geteuid().is_root() && !is_demo {
        return Path::new("/var/lib/gpunode").join(name);
    }
    // A relative one is invalid, and to be ignored. Source: the XDG Base Directory Specification.
    let state = variable("XDG_STATE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| variable("HOME").map(|home| home.join(".local/state")));
    match state {
        Some(state) => state.join("gpunode").join(name),
        // Without a home; the name tells users apart, and what another user has put there is refused when it is opened.
        None => variable("TMPDIR")
            .unwrap_or_else(|| PathBuf::from("/tmp"))
            .join(format!("gpunode-{}", rustix::process::geteuid().as_raw()))
            .join(name),
    }
}
