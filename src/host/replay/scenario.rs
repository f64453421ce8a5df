//! A scenario: a machine in a folder.
//!
//! ```text
//! scenario.yaml    title and lesson in both languages, first flags, layers, NVML's answers, what a reboot does
//! commands.yaml    rules: argv pattern, under which flags, output with delays, exit status, flags that change
//! packages.yaml    the packages that apt knows; it may be missing
//! rootfs/**        files as they are
//! <layer>/**       files that are there only under some flags
//! ```
//! A recorded machine is the same in one YAML file, with `files:` in place of the folders.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use include_dir::{Dir, include_dir};
use serde::{Deserialize, Serialize};

use super::derive::RecordedDriver;
use super::packages::{Package, Packages};
pub use super::rule::{Flags, Rule};
use crate::{
    bounded,
    host::NvmlAnswer,
    i18n::{Message, msg},
};

static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/assets/scenarios");

/// A machine to simulate.
#[derive(Debug, Clone, Default)]
pub struct Scenario {
    /// Its name: the folder's or file's name.
    pub name: String,
    /// `scenario.yaml`.
    pub about: About,
    /// `commands.yaml`.
    pub rules: Vec<Rule>,
    /// Files by layer, `rootfs` among them, and by path on the machine.
    pub layers: BTreeMap<String, BTreeMap<PathBuf, Vec<u8>>>,
    /// `packages.yaml`.
    pub packages: Packages,
    /// Files that rules print, by their path in the scenario.
    pub outputs: BTreeMap<String, Vec<u8>>,
    /// Whether it was recorded: what it does not hold was not asked then. A story that somebody wrote is all there is.
    pub recorded: bool,
}

/// A text by language code.
pub type Texts = BTreeMap<String, String>;

/// The head of a scenario.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The built-in scenario that this one is a variation of: what is not given here comes from there, and its rules
    /// come after ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// What the person of this story has decided before: an answers file, read by whoever plans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<serde_json::Value>,
    /// The failure to practise that happens on this machine: one of those that `gpunode scenarios` lists. It changes
    /// state, logs and objects together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// One line, by language code.
    #[serde(default)]
    pub title: Texts,
    /// What one learns from it, by language code.
    #[serde(default)]
    pub lesson: Texts,
    /// Where to look, for those who are stuck, by language code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hint: Texts,
    /// What a solution must show, by language code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub solved: Texts,
    /// The owners of the driver for whom the story goes on behind the plan; none named are all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stories: Vec<String>,
    /// The driver in the pod that it was recorded with; another that is chosen takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<RecordedDriver>,
    /// Flags in force at the start.
    #[serde(default)]
    pub flags: Flags,
    /// Free bytes by path.
    #[serde(default)]
    pub free_space: BTreeMap<PathBuf, u64>,
    /// Symbolic links: path and target.
    #[serde(default)]
    pub links: BTreeMap<PathBuf, PathBuf>,
    /// Lengths of files that are too large to be here, by path.
    #[serde(default)]
    pub lengths: BTreeMap<PathBuf, u64>,
    /// When files were last written, by path, where that counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub modified: BTreeMap<PathBuf, jiff::Timestamp>,
    /// Files whose content is not what it should be: they fail every check of their digest.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub damaged: BTreeSet<PathBuf>,
    /// Folders that are there whether or not anything is in them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub folders: BTreeSet<PathBuf>,
    /// Paths that may not be read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub denied: BTreeSet<PathBuf>,
    /// Paths that are known not to be there, with all below them. It counts in a recording, where else nothing is
    /// known.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub absent: BTreeSet<PathBuf>,
    /// Programs that are known not to be installed. It counts as [`Self::absent`] does.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub missing: BTreeSet<String>,
    /// Programs that exist although no rule runs them.
    #[serde(default)]
    pub programs: BTreeSet<String>,
    /// Layers above `rootfs`, lowest first.
    #[serde(default)]
    pub layers: Vec<Layer>,
    /// NVML's answers; the first whose flags hold is given.
    #[serde(default)]
    pub nvml: Vec<NvmlRule>,
    /// What a reboot changes, in order.
    #[serde(default)]
    pub on_boot: Vec<BootRule>,
}

/// Files that are there only under some flags.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// The folder in the scenario.
    #[serde(default)]
    pub folder: Option<String>,
    /// All of these must hold.
    #[serde(default)]
    pub when: Vec<String>,
    /// Paths that this layer takes away, with all below them.
    #[serde(default)]
    pub hide: Vec<PathBuf>,
    /// Symbolic links that it brings: path and target.
    #[serde(default)]
    pub links: BTreeMap<PathBuf, PathBuf>,
}

/// One answer of NVML.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NvmlRule {
    /// All of these must hold.
    #[serde(default)]
    pub when: Vec<String>,
    /// The answer.
    pub answer: NvmlAnswer,
}

/// What a reboot changes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootRule {
    /// All of these must hold.
    #[serde(default)]
    pub when: Vec<String>,
    /// Flags that come into force.
    #[serde(default)]
    pub set: Vec<String>,
    /// Flags that go.
    #[serde(default)]
    pub clear: Vec<String>,
}

/// A scenario in one file, as `gpunode record` writes it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// As `scenario.yaml`.
    pub about: About,
    /// As `commands.yaml`.
    #[serde(default)]
    pub commands: Vec<Rule>,
    /// As `rootfs`: text by path.
    #[serde(default)]
    pub files: BTreeMap<PathBuf, String>,
}

/// Why a scenario cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// No built-in scenario has this name.
    #[error("there is no built-in scenario `{name}`; there are: {known}")]
    Unknown {
        /// The name.
        name: String,
        /// All names.
        known: String,
    },
    /// A file of it cannot be read.
    #[error("{file}: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why, with a line where there is one.
        reason: String,
    },
}

impl ScenarioError {
    /// Returns it as a message.
    pub fn message(&self) -> Message {
        match self {
            Self::Unknown { name, known } => msg::error::scenario::unknown(known, name),
            Self::Unreadable { file, reason } => msg::error::edit::file(file, reason),
        }
    }
}

impl Scenario {
    /// Returns the names of the built-in scenarios; the first is the default of `--demo`.
    pub fn names() -> Vec<String> {
        let mut names: Vec<_> =
            BUILT_IN.dirs().filter_map(|dir| Some(dir.path().file_name()?.to_string_lossy().into_owned())).collect();
        names.sort_by_key(|name| (name != "seed", name.clone()));
        names
    }

    /// Returns a built-in scenario.
    pub fn built_in(name: &str) -> Result<Self, ScenarioError> {
        let unknown = || ScenarioError::Unknown { name: crate::text::printable(name), known: Self::names().join(", ") };
        let dir = BUILT_IN.get_dir(name).ok_or_else(unknown)?;
        let mut files = BTreeMap::new();
        collect_built_in(dir, dir.path(), &mut files);
        Self::from_files(name, files)
    }

    /// Reads a scenario from a folder or from one file.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let name = path.file_stem().map_or_else(|| "replay".to_owned(), |name| name.to_string_lossy().into_owned());
        let unreadable = |error: std::io::Error| ScenarioError::Unreadable {
            file: path.display().to_string(),
            reason: error.to_string(),
        };
        if fs::metadata(path).map_err(unreadable)?.is_dir() {
            let mut files = BTreeMap::new();
            collect_folder(path, path, &mut files).map_err(unreadable)?;
            return Self::from_files(&name, files);
        }
        let text = bounded::read_text(path, bounded::MOST).map_err(unreadable)?;
        let recording = Recording::parse(&path.display().to_string(), text.as_bytes())?;
        Ok(Self::recorded(&name, recording))
    }

    /// Makes a scenario from a recorded machine.
    pub fn recorded(name: &str, recording: Recording) -> Self {
        let rootfs = recording.files.into_iter().map(|(path, text)| (path, text.into_bytes())).collect();
        let layers = BTreeMap::from([("rootfs".to_owned(), rootfs)]);
        Self {
            name: name.to_owned(),
            about: recording.about,
            rules: recording.commands,
            layers,
            recorded: true,
            ..Self::default()
        }
    }

    /// Makes a scenario from its files by relative path.
    fn from_files(name: &str, files: BTreeMap<PathBuf, Vec<u8>>) -> Result<Self, ScenarioError> {
        let missing =
            |file: &str| ScenarioError::Unreadable { file: format!("{name}/{file}"), reason: "is missing".to_owned() };
        let about: About =
            parse("scenario.yaml", files.get(Path::new("scenario.yaml")).ok_or_else(|| missing("scenario.yaml"))?)?;
        let rules = match files.get(Path::new("commands.yaml")) {
            Some(bytes) => parse("commands.yaml", bytes)?,
            None if about.base.is_some() => Vec::new(),
            None => return Err(missing("commands.yaml")),
        };
        let packages: Vec<Package> =
            files.get(Path::new("packages.yaml")).map_or(Ok(Vec::new()), |bytes| parse("packages.yaml", bytes))?;
        let packages = packages.into_iter().map(|package| (package.name.clone(), package)).collect();
        let folders: BTreeSet<String> =
            about.layers.iter().filter_map(|layer| layer.folder.clone()).chain(["rootfs".to_owned()]).collect();
        let mut layers: BTreeMap<String, BTreeMap<PathBuf, Vec<u8>>> = BTreeMap::new();
        let mut outputs = BTreeMap::new();
        for (path, bytes) in files {
            let folder = folders.iter().find(|folder| path.starts_with(folder));
            if let Some((folder, inner)) = folder.and_then(|folder| Some((folder, path.strip_prefix(folder).ok()?))) {
                layers.entry(folder.clone()).or_default().insert(Path::new("/").join(inner), bytes);
            } else {
                outputs.insert(path.display().to_string(), bytes);
            }
        }
        let scenario = Self { name: name.to_owned(), about, rules, layers, packages, outputs, recorded: false };
        match scenario.about.base.clone() {
            Some(base) => Ok(scenario.over(Self::built_in(&base)?)),
            None => Ok(scenario),
        }
    }

    /// Lays this scenario over its base.
    pub(super) fn over(mut self, base: Self) -> Self {
        self.rules.extend(base.rules);
        for (layer, files) in base.layers {
            let ours = self.layers.entry(layer).or_default();
            for (path, bytes) in files {
                ours.entry(path).or_insert(bytes);
            }
        }
        for (name, package) in base.packages {
            self.packages.entry(name).or_insert(package);
        }
        for (path, bytes) in base.outputs {
            self.outputs.entry(path).or_insert(bytes);
        }
        let About { title, lesson, hint, solved, failure, flags, answers, .. } = self.about;
        let flags = if flags.is_empty() { base.about.flags.clone() } else { flags };
        self.about = About { answers, failure, title, lesson, hint, solved, flags, ..base.about };
        self
    }
}

impl Recording {
    /// Reads a recorded machine. Pure: `file` is only a name.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, ScenarioError> {
        parse(file, bytes)
    }
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(file: &str, bytes: &[u8]) -> Result<T, ScenarioError> {
    let unreadable =
        |reason: String| ScenarioError::Unreadable { file: file.to_owned(), reason: crate::text::printable(&reason) };
    let text = std::str::from_utf8(bytes).map_err(|error| unreadable(error.to_string()))?;
    bounded::check_yaml(text).map_err(unreadable)?;
    serde_yaml::from_str(text).map_err(|error| unreadable(error.to_string()))
}

fn collect_built_in(dir: &Dir<'_>, top: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for file in dir.files() {
        if let Ok(path) = file.path().strip_prefix(top) {
            files.insert(path.to_owned(), file.contents().to_owned());
        }
    }
    dir.dirs().for_each(|dir| collect_built_in(dir, top, files));
}

fn collect_folder(folder: &Path, top: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect_folder(&entry.path(), top, files)?;
        } else if let Ok(path) = entry.path().strip_prefix(top) {
            files.insert(path.to_owned(), bounded::read(&entry.path(), bounded::MOST_BY_HAND)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_scenario_loads_and_speaks_both_languages() {
        for name in Scenario::names() {
            let scenario = Scenario::built_in(&name).unwrap();
            for code in ["en", "ko"] {
                assert!(scenario.about.title.contains_key(code), "title of {name} in {code}");
                assert!(scenario.about.lesson.contains_key(code), "lesson of {name} in {code}");
            }
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        assert!(Scenario::built_in("nope").unwrap_err().to_string().contains("seed"));
    }
}
