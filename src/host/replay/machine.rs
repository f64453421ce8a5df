//! The state of a simulated machine, kept in one file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{
    Scenario, ScenarioError, derive,
    packages::{self, Apt, Package},
    rule::{Flags, Rule, holds, lines_under},
};
use crate::{bounded, host::NvmlAnswer, private};

/// A simulated machine.
pub struct Machine {
    /// What it was made from.
    pub scenario: Scenario,
    path: Option<PathBuf>,
    state: Mutex<State>,
}

/// What became of the machine since its scenario began.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct State {
    /// Flags in force.
    pub flags: Flags,
    /// How often it was rebooted.
    pub boots: u32,
    /// Files written, as text by path.
    pub written: BTreeMap<PathBuf, String>,
    /// Paths removed, with all below them.
    pub removed: BTreeSet<PathBuf>,
    /// Detached commands: by process id.
    pub jobs: BTreeMap<u32, Job>,
    /// The commands that changed the machine, in the order in which their effects came about.
    pub history: Vec<String>,
}

/// A detached command of a simulated machine.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Job {
    /// The rule that answers it.
    pub rule: Rule,
    /// Whether its effects have come about.
    pub ended: bool,
    /// The file it writes to.
    pub log: PathBuf,
}

impl Machine {
    /// Opens a machine: as its state file has it, or as the scenario begins.
    pub fn open(scenario: Scenario, path: Option<PathBuf>) -> Result<Self, ScenarioError> {
        let installed = scenario
            .packages
            .values()
            .filter(|package| package.installed)
            .map(|package| packages::installed(&package.name));
        let begin =
            State { flags: scenario.about.flags.iter().cloned().chain(installed).collect(), ..State::default() };
        let state = match path.as_deref().map(|path| bounded::read(path, bounded::MOST)) {
            Some(Ok(bytes)) => serde_yaml::from_slice(&bytes).map_err(|error| ScenarioError::Unreadable {
                file: path.as_deref().unwrap_or(Path::new("")).display().to_string(),
                reason: crate::text::printable(&error.to_string()),
            })?,
            Some(Err(_)) | None => begin,
        };
        Ok(Self { scenario, path, state: Mutex::new(state) })
    }

    /// Returns the state to read it.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and keeps it.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> std::io::Result<T> {
        let mut state = self.state();
        let result = change(&mut state);
        if let Some(path) = &self.path {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let text = serde_yaml::to_string(&*state).map_err(std::io::Error::other)?;
            private::write(path, text.as_bytes())?;
        }
        Ok(result)
    }

    /// Returns NVML's answer under the present flags.
    pub fn nvml(&self) -> NvmlAnswer {
        let state = self.state();
        let rule = self.scenario.about.nvml.iter().find(|rule| holds(&rule.when, &state.flags));
        let answer = rule.map_or(NvmlAnswer::NoLibrary(Vec::new()), |rule| rule.answer.clone());
        match &self.scenario.about.driver {
            Some(driver) => driver.answered(answer, &state.written),
            None => answer,
        }
    }

    /// Returns the rule that answers `argv` now, filled in: one of the scenario's, else apt's answer.
    pub fn rule(&self, argv: &[String], input: Option<&str>) -> Option<Rule> {
        let flags = self.state().flags.clone();
        let reads =
            |rule: &Rule| rule.input.as_ref().is_none_or(|text| input.is_some_and(|input| input.contains(text)));
        let fits = |rule: &Rule| rule.captures(argv, &flags).filter(|_| reads(rule) && self.finds(&rule.found));
        let filled = |rule: &Rule| {
            let captures = fits(rule)?;
            let mut rule = Rule { output: self.told(&rule.output), errors: self.told(&rule.errors), ..rule.clone() };
            rule = rule.filled(&captures, input.unwrap_or_default());
            derive::sized(&mut rule, argv);
            Some(rule)
        };
        let written = self.scenario.rules.iter().find_map(filled);
        written.or_else(|| self.with_apt(&flags, |apt| apt.answer(argv)).flatten())
    }

    /// Returns a text of the story with the driver that was chosen.
    fn told(&self, text: &str) -> String {
        let state = self.state();
        self.scenario
            .about
            .driver
            .as_ref()
            .map_or_else(|| text.to_owned(), |driver| driver.told(text, &state.written).into_owned())
    }

    /// Returns what a rule prints from files: one of the scenario's, and one of the machine's.
    pub fn printed(&self, rule: &Rule) -> String {
        let file = rule.output_file.as_ref().and_then(|name| Some((name, self.scenario.outputs.get(name)?)));
        let own = file
            .map(|(name, bytes)| lines_under(name, &String::from_utf8_lossy(bytes), &self.state().flags))
            .unwrap_or_default();
        let there = rule.prints.as_ref().and_then(|path| self.bytes(path)).unwrap_or_default();
        self.told(&own) + &String::from_utf8_lossy(&there)
    }

    /// Lends what apt sees under these flags; nothing where the scenario says nothing of packages.
    fn with_apt<T>(&self, flags: &Flags, ask: impl FnOnce(&Apt<'_>) -> T) -> Option<T> {
        let is_offered = |package: &Package| holds(&package.when, flags) && self.finds(&package.found);
        let all = &self.scenario.packages;
        (!all.is_empty()).then(|| ask(&Apt { all, is_offered: &is_offered, flags }))
    }

    /// Tells whether each file, or a file below it, has a line with its text.
    fn finds(&self, wanted: &BTreeMap<PathBuf, String>) -> bool {
        let has = |path: &PathBuf, text: &String| {
            let bytes = self.bytes(path).unwrap_or_default();
            let lines = String::from_utf8_lossy(&bytes);
            lines.lines().any(|line| !line.trim_start().starts_with('#') && line.contains(text))
        };
        wanted.is_empty() || {
            let paths = self.paths();
            wanted.iter().all(|(place, text)| paths.iter().any(|path| path.starts_with(place) && has(path, text)))
        }
    }

    /// Returns a database that is made from what is installed.
    fn database(&self, path: &Path, flags: &Flags) -> Option<Vec<u8>> {
        let is = |database: &str| path == Path::new(database);
        match () {
            () if is(packages::STATUS) => self.with_apt(flags, |apt| apt.status().into_bytes()),
            () if is(packages::STATES) => self.with_apt(flags, |apt| apt.states().into_bytes()),
            () => None,
        }
    }

    /// Lets the effects of a rule come about; the job that had it to do has ended in the same moment.
    pub fn apply(&self, rule: &Rule, job: Option<u32>) -> std::io::Result<()> {
        self.change(|state| {
            if let Some(job) = job.and_then(|pid| state.jobs.get_mut(&pid)) {
                job.ended = true;
            }
            if rule.changes() {
                self.effects(rule, state);
            }
        })
    }

    fn effects(&self, rule: &Rule, state: &mut State) {
        state.history.push(rule.command.join(" "));
        change_flags(&mut state.flags, &rule.set, &rule.clear);
        for path in &rule.remove {
            state.written.retain(|written, _| !written.starts_with(path));
            state.removed.insert(path.clone());
        }
        for (path, text) in &rule.write {
            let bytes = text.strip_prefix('@').and_then(|name| self.scenario.outputs.get(name));
            let text = bytes.map_or_else(|| text.clone(), |bytes| String::from_utf8_lossy(bytes).into_owned());
            state.removed.remove(path);
            state.written.insert(path.clone(), text);
        }
        if rule.reboot {
            state.boots += 1;
            state.jobs.clear();
            for boot in &self.scenario.about.on_boot {
                if holds(&boot.when, &state.flags) {
                    change_flags(&mut state.flags, &boot.set, &boot.clear);
                }
            }
        }
    }

    /// Returns the bytes of a file, or nothing where there is none.
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        if path == Path::new("/proc/sys/kernel/random/boot_id") {
            return Some(format!("00000000-0000-4000-8000-{:012}\n", state.boots).into_bytes());
        }
        if let Some(bytes) = self.database(path, &state.flags) {
            return Some(bytes);
        }
        if let Some(text) = state.written.get(path) {
            return Some(text.clone().into_bytes());
        }
        if is_removed(path, &state) {
            return None;
        }
        let bytes = self.layered(path, &state)?;
        match (&self.scenario.about.driver, std::str::from_utf8(bytes)) {
            (Some(driver), Ok(text)) => Some(driver.told(text, &state.written).into_owned().into_bytes()),
            _ => Some(bytes.clone()),
        }
    }

    /// Looks through the layers, from the top down.
    fn layered(&self, path: &Path, state: &State) -> Option<&Vec<u8>> {
        for layer in self.scenario.about.layers.iter().rev().filter(|layer| holds(&layer.when, &state.flags)) {
            let files = layer.folder.as_ref().and_then(|folder| self.scenario.layers.get(folder));
            if let Some(bytes) = files.and_then(|files| files.get(path)) {
                return Some(bytes);
            }
            if layer.hide.iter().any(|hidden| path.starts_with(hidden)) {
                return None;
            }
        }
        self.scenario.layers.get("rootfs")?.get(path)
    }

    /// Returns the symbolic links that are there now.
    pub fn links(&self) -> BTreeMap<PathBuf, PathBuf> {
        let state = self.state();
        let active = self.scenario.about.layers.iter().filter(|layer| holds(&layer.when, &state.flags));
        let all = self.scenario.about.links.iter().chain(active.flat_map(|layer| &layer.links));
        all.filter(|(link, _)| !is_removed(link, &state)).map(|(link, target)| (link.clone(), target.clone())).collect()
    }

    /// Tells whether a folder is there, whatever is in it.
    pub fn has_folder(&self, path: &Path) -> bool {
        self.scenario.about.folders.contains(path) && !is_removed(path, &self.state())
    }

    /// Tells whether a path that is not here is known not to be there: a recording knows only what was asked.
    pub fn is_known_absent(&self, path: &Path) -> bool {
        let is_absent = || self.scenario.about.absent.iter().any(|gone| path.starts_with(gone));
        !self.scenario.recorded || is_absent() || is_removed(path, &self.state())
    }

    /// Tells whether there is a file at `path` now.
    fn has(&self, path: &Path, state: &State) -> bool {
        state.written.contains_key(path) || (!is_removed(path, state) && self.layered(path, state).is_some())
    }

    /// Returns every path that has a file or a link now, or is a folder of its own.
    pub fn paths(&self) -> BTreeSet<PathBuf> {
        let state = self.state();
        let known = self.scenario.layers.values().flat_map(BTreeMap::keys).chain(state.written.keys());
        let mut all: BTreeSet<PathBuf> = known.filter(|path| self.has(path, &state)).cloned().collect();
        drop(state);
        if !self.scenario.packages.is_empty() {
            all.extend([packages::STATUS, packages::STATES].map(PathBuf::from));
        }
        all.extend(self.links().into_keys());
        all.extend(self.scenario.about.folders.iter().filter(|folder| self.has_folder(folder)).cloned());
        all
    }
}

fn is_removed(path: &Path, state: &State) -> bool {
    state.removed.iter().any(|gone| path.starts_with(gone))
}

fn change_flags(flags: &mut Flags, set: &[String], clear: &[String]) {
    flags.retain(|flag| !clear.contains(flag));
    flags.extend(set.iter().cloned());
}
