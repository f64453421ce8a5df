//! The nodes' reports: JSON files of the collection's action plugin, which are replaced as wholes while Ansible runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    sync::Arc,
};

use jiff::Timestamp;
use serde::Deserialize;

use super::FleetNode;
use crate::{
    cluster::check::VerifyReport,
    host::{FileKind, Files},
    i18n::{Message, msg},
};

/// The newest form of a report that this program reads: `FORM` of the action plugin.
const FORM: u32 = 1;
/// How the names of the reports end.
const ENDING: &str = ".json";
/// Largest report that is read: the chain and the journal of one node.
const MOST: u64 = 4 << 20;

/// What was being done to a node when its report was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Doing {
    /// The program was compared and copied.
    Binary,
    /// Step 1.
    Detect,
    /// Steps of the plan.
    Prepare,
    /// Step 4.
    Verify,
    /// What was done was taken back.
    Undo,
}

/// How that went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It goes on.
    Running,
    /// It went well.
    Ok,
    /// It failed.
    Failed,
    /// The node did not answer.
    Unreachable,
    /// The node has no NVIDIA card.
    NoCard,
    /// It has to be booted again, or is being booted.
    Reboot,
    /// It works, and not for long.
    Temporary,
    /// It could not be told.
    Unknown,
}

/// One node's report.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct NodeReport {
    /// The form of the file.
    pub form: u32,
    /// The node's name in the inventory.
    pub node: String,
    /// When it was written, by the controller's clock.
    pub written: Timestamp,
    /// What was being done.
    pub doing: Doing,
    /// How that went.
    pub state: Outcome,
    /// What went wrong, in a sentence.
    #[serde(default)]
    pub text: String,
    /// What to do about it.
    #[serde(default)]
    pub help: String,
    /// What of step 1 is shown; absent before it.
    #[serde(default)]
    pub detect: Option<Detected>,
    /// Where the node's session stands; absent where it has none.
    #[serde(default)]
    pub status: Option<SessionState>,
    /// The newest verdict; absent before step 4.
    #[serde(default)]
    pub verify: Option<VerifyReport>,
}

/// What step 1 has found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Detected {
    /// The cards.
    pub gpus: Vec<Card>,
    /// The driver.
    pub driver: Driver,
    /// The machine.
    pub host: Machine,
    /// What a person should know, in English.
    pub findings: Vec<Remark>,
}

/// One card.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Card {
    /// Its name.
    pub name: String,
}

/// The driver that is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Driver {
    /// Its version; absent where none is loaded.
    pub loaded_version: Option<String>,
}

/// The machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Its system.
    pub os_name: String,
    /// Its kernel's release.
    pub kernel: String,
}

/// A finding, as the node has put it into words.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Remark {
    /// What was found.
    pub message: String,
    /// What to do.
    #[serde(default)]
    pub remedy: String,
}

/// Where the node's session stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SessionState {
    /// The four steps.
    pub steps: Vec<StepState>,
    /// What was done.
    #[serde(default)]
    pub journal: Vec<JournalLine>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StepState {
    /// Its number, from 1.
    pub step: usize,
    /// `done`, `here` or `open`.
    pub state: String,
}

/// One action.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct JournalLine {
    /// What it is.
    pub title: String,
    /// How far it came.
    pub status: String,
    /// What proves it, or what went wrong.
    #[serde(default)]
    pub evidence: Vec<String>,
}

/// A folder of reports, looked at again and again: only what has changed is read.
pub struct Reports {
    files: Arc<dyn Files>,
    folder: PathBuf,
    /// Nodes that are known without a report.
    expected: BTreeSet<String>,
    known: BTreeMap<String, (i128, u64, FleetNode)>,
}

impl Reports {
    /// Begins with nothing read. `expected` are the nodes of the inventory, if one is given.
    pub fn new(files: Arc<dyn Files>, folder: PathBuf, expected: impl IntoIterator<Item = String>) -> Self {
        Self { files, folder, expected: expected.into_iter().collect(), known: BTreeMap::new() }
    }

    /// Reads what has changed since the last look; tells whether anything has. A folder that is not there yet holds no
    /// reports where an inventory tells the nodes.
    pub fn look(&mut self) -> io::Result<bool> {
        let names = match self.files.list(&self.folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.expected.is_empty() => Vec::new(),
            Err(error) => return Err(error),
        };
        let is_report = |name: &String| name.strip_suffix(ENDING).is_some() && !name.starts_with('.');
        let names: BTreeSet<String> = names.into_iter().filter(is_report).collect();
        let before = self.known.len();
        self.known.retain(|name, _| names.contains(name));
        let mut changed = self.known.len() != before;
        for name in names {
            let path = self.folder.join(&name);
            // A file that has gone meanwhile is seen at the next look.
            let Ok(meta) = self.files.meta(&path) else { continue };
            let is_known =
                self.known.get(&name).is_some_and(|(modified, len, _)| (*modified, *len) == (meta.modified, meta.len));
            if is_known || meta.kind != FileKind::File {
                continue;
            }
            let stem = name.trim_end_matches(ENDING);
            let read = if meta.len > MOST {
                Err(msg::fleet::too_large(crate::text::bytes(MOST)))
            } else {
                self.files.read(&path).map_err(msg::failure::own_words).and_then(|bytes| parse(&bytes))
            };
            let node = match read {
                Ok(report) => FleetNode::of(report),
                Err(why) => FleetNode::unreadable(stem, why),
            };
            self.known.insert(name, (meta.modified, meta.len, node));
            changed = true;
        }
        Ok(changed)
    }

    /// Returns all nodes by their names: those of the reports, and those of the inventory that have none.
    pub fn nodes(&self) -> Vec<FleetNode> {
        let mut nodes: BTreeMap<String, FleetNode> =
            self.known.values().map(|(_, _, node)| (node.name.clone(), node.clone())).collect();
        for name in &self.expected {
            nodes.entry(name.clone()).or_insert_with(|| FleetNode::without_report(name));
        }
        nodes.into_values().collect()
    }
}

/// Reads one report; the error is why it cannot be.
fn parse(bytes: &[u8]) -> Result<NodeReport, Message> {
    #[derive(Deserialize)]
    struct Head {
        form: u32,
    }
    let form = serde_json::from_slice::<Head>(bytes).map_err(msg::failure::own_words)?.form;
    if form > FORM {
        return Err(msg::fleet::newer(form.to_string()));
    }
    serde_json::from_slice(bytes).map_err(msg::failure::own_words)
}
