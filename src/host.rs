//! The seam: everything that touches a machine goes through [`Host`].
//!
//! A host is four small parts: its files, its commands, its GPUs as NVML sees them, and its clock. [`Host::local`] is
//! the real machine below a root prefix; [`replay`] is a machine made from a scenario folder. Nothing above this module
//! knows which of the two it has, but for [`Host::simulation`], which the screen must show.

pub mod clock;
pub mod command;
pub mod files;
pub mod local;
pub mod nvml;
pub mod replay;
pub mod splitter;
pub mod tape;

use std::{collections::BTreeMap, path::Path, sync::Arc};

pub use clock::{Cancel, Clock};
pub use command::{Command, CommandError, Commands, Exit, Kind, Line, Output, Stream};
pub use files::{FileKind, FileMeta, Files};
pub use nvml::{Gpus, NvmlAnswer, NvmlGpu, Virtualization};

use crate::i18n::Lang;

/// One machine. Cheap to clone and to send to a worker thread.
#[derive(Clone)]
pub struct Host {
    /// The machine's files.
    pub files: Arc<dyn Files>,
    /// Starts programs on the machine.
    pub commands: Arc<dyn Commands>,
    /// The machine's GPUs as NVML reports them.
    pub gpus: Arc<dyn Gpus>,
    /// Time on the machine.
    pub clock: Arc<dyn Clock>,
    /// What this machine simulates; absent on a real one.
    pub simulation: Option<Simulation>,
}

/// What a simulated machine says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulation {
    /// The scenario's name, as `--demo=NAME` takes it.
    pub scenario: String,
    /// Whether it is a recording: what it does not hold was not asked then.
    pub recorded: bool,
    /// What the person of the story has decided before: an answers file, unread. The machine does not know what it
    /// means.
    pub answers: Option<serde_json::Value>,
    /// What it teaches.
    pub story: Story,
}

impl Story {
    /// Returns one of its texts in a language, or else in English; nothing where it has none.
    pub fn text(texts: &BTreeMap<String, String>, lang: Lang) -> Option<&str> {
        let text = texts.get(lang.code()).or_else(|| texts.get(Lang::En.code()))?;
        (!text.is_empty()).then_some(text.as_str())
    }

    /// Tells whether the story goes on behind the plan for this owner of the driver.
    pub fn goes_on_for(&self, owner: &str) -> bool {
        self.owners.is_empty() || self.owners.iter().any(|name| name == owner)
    }
}

/// What a simulated machine teaches; each text by language code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Story {
    /// One line.
    pub title: BTreeMap<String, String>,
    /// What one learns.
    pub lesson: BTreeMap<String, String>,
    /// Where to look, for those who are stuck.
    pub hint: BTreeMap<String, String>,
    /// What a solution must show.
    pub solved: BTreeMap<String, String>,
    /// The owners of the driver for whom it goes on behind the plan; none named are all.
    pub owners: Vec<String>,
}

impl Host {
    /// Returns what tells this machine from others: its machine id, or the scenario it simulates.
    pub fn identity(&self) -> String {
        match &self.simulation {
            Some(simulation) => format!("simulated:{}", simulation.scenario),
            None => self.files.read_value("/etc/machine-id").unwrap_or_else(|_| "unknown".to_owned()),
        }
    }

    /// Returns the machine's name.
    pub fn name(&self) -> String {
        let places = ["/proc/sys/kernel/hostname", "/etc/hostname"];
        let name =
            places.iter().find_map(|path| self.files.read_value(path).ok()).unwrap_or_else(|| "localhost".to_owned());
        crate::text::printable(&name)
    }

    /// Returns this machine; all paths are read below `root` (`/` for the machine itself). With another root nothing is
    /// run and NVML is not asked: the folder is a picture of a machine, and this machine's commands would answer for
    /// the wrong one.
    pub fn local(root: &Path) -> Self {
        let commands: Arc<dyn Commands> = if root == Path::new("/") {
            Arc::new(local::LocalCommands::default())
        } else {
            Arc::new(local::NoCommands)
        };
        Self {
            files: Arc::new(local::LocalFiles::new(root)),
            commands,
            gpus: nvml::local(root),
            clock: Arc::new(local::SystemClock),
            simulation: None,
        }
    }
}
