//! Workspace: the machine, the language and the session that a command line asks for.

use std::path::{Path, PathBuf};

use crate::{
    answers::Answers,
    cli::Global,
    error::Expected,
    host::{
        Host,
        replay::{self, Scenario, Speed},
    },
    i18n::Lang,
    plan::reboot::BOOT_ID,
    session::{Session, store::Store},
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
    /// Opens what the options ask for. A simulated machine comes back in the state it was left in, unless a new session is wanted.
    pub fn open(global: &Global) -> Result<Self, Expected> {
        let lang = global.lang.unwrap_or_else(|| Lang::from_env(|name| std::env::var(name).ok()));
        let hint = "`gpunode scenarios` lists what is built in";
        let scenario = match (&global.demo, &global.replay) {
            (Some(name), _) => Some(Scenario::built_in(name).map_err(|error| Expected::new(error.to_string(), hint))?),
            (None, Some(path)) => Some(Scenario::load(path).map_err(|error| Expected::new(error.to_string(), hint))?),
            (None, None) => None,
        };
        let Some(scenario) = scenario else {
            let root = global.root.clone().unwrap_or_else(|| PathBuf::from("/"));
            if !root.is_dir() {
                return Err(Expected::new(
                    format!("{} is not a folder", root.display()),
                    "give the folder that holds etc, proc, sys with `--root`",
                ));
            }
            let session_path = global.session.clone().unwrap_or_else(|| default_session(Path::new("session.yaml")));
            return Ok(Self { host: Host::local(&root), lang, session_path, title: None });
        };
        let place = Path::new("simulated").join(&scenario.name).join("session.yaml");
        let session_path = global.session.clone().unwrap_or_else(|| default_session(&place));
        let title = scenario.about.title.get(lang.code()).or_else(|| scenario.about.title.get("en")).cloned();
        let state = machine_state(&session_path);
        if global.new {
            // A new session means a new simulated machine too; a state that is not there is what we want.
            let _ = std::fs::remove_file(&state);
        }
        let host = replay::host(scenario, Some(state), Speed(global.speed))
            .map_err(|error| Expected::new(error.to_string(), "begin anew with `--new`, or give another `--session FILE`"))?;
        Ok(Self { host, lang, session_path, title })
    }

    /// Returns what identifies the machine in its session file.
    pub fn machine(&self) -> String {
        match &self.host.simulation {
            Some(simulation) => format!("simulated:{}", simulation.scenario),
            None => self.host.files.read_value("/etc/machine-id").unwrap_or_else(|_| "unknown".to_owned()),
        }
    }

    /// Returns the machine's name.
    pub fn hostname(&self) -> String {
        let places = ["/proc/sys/kernel/hostname", "/etc/hostname"];
        places.iter().find_map(|path| self.host.files.read_value(path).ok()).unwrap_or_else(|| "localhost".to_owned())
    }

    /// Returns the boot that is running.
    pub fn boot_id(&self) -> String {
        self.host.files.read_value(BOOT_ID).unwrap_or_default()
    }

    /// Opens and locks the session; a new one is made where there is none, or where a new one is wanted.
    pub fn session(&self, new: bool) -> Result<(Store, Session), Expected> {
        let store = Store::open(&self.session_path)?;
        if new {
            store.retire()?;
        }
        let session = match store.load()? {
            Some(session) => self.own(session)?,
            None => Session { answers: self.story_answers(), ..Session::new(self.machine(), self.hostname(), self.host.clock.now()) },
        };
        Ok((store, session))
    }

    /// Reads the session without locking it.
    pub fn look(&self) -> Result<Session, Expected> {
        self.peek()?.ok_or_else(|| {
            Expected::new(
                format!("there is no session in {}", self.session_path.display()),
                "start one with `gpunode`, or name it with `--session FILE`",
            )
        })
    }

    /// Reads the session without locking it, if there is one; another machine's is refused.
    pub fn peek(&self) -> Result<Option<Session>, Expected> {
        crate::session::store::load(&self.session_path)?.map(|session| self.own(session)).transpose()
    }

    /// Returns what the person of a simulated story has decided before.
    pub fn story_answers(&self) -> Option<Answers> {
        self.host.simulation.as_ref().and_then(|simulation| simulation.answers.clone())
    }

    /// Refuses another machine's session: its journal would be about the wrong host.
    fn own(&self, session: Session) -> Result<Session, Expected> {
        if session.machine == self.machine() {
            return Ok(session);
        }
        Err(Expected::new(
            format!("{} is the session of another machine ({})", self.session_path.display(), crate::text::printable(&session.hostname)),
            "it was left as it is; name another one with `--session FILE`, or begin anew with `--new`",
        ))
    }
}

/// Returns where the state of a simulated machine is kept.
fn machine_state(session: &Path) -> PathBuf {
    session.with_extension("machine.yaml")
}

/// Returns the session's usual place: below `/var/lib` for root, else below `$XDG_STATE_HOME` or `~/.local/state`. A simulated
/// machine never puts anything below `/var/lib`.
fn default_session(name: &Path) -> PathBuf {
    let is_demo = name.components().count() > 1;
    if rustix::process::geteuid().is_root() && !is_demo {
        return Path::new("/var/lib/gpunode").join(name);
    }
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = variable("XDG_STATE_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/state")));
    state.unwrap_or_else(std::env::temp_dir).join("gpunode").join(name)
}
