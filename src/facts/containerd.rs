//! containerd on this machine: its programs and process, the files of its configuration, and what it makes of them.
//!
//! The files tell what is meant, the process since when it is at work, and only `containerd config dump` what holds:
//! the rules by which files are merged differ between releases. The dump is asked for by `ask`, which takes its time;
//! the rest is read.

pub mod config;
pub mod merge;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::config::ContainerdConfig;
use super::{
    Unknown, processes,
    reader::{Reader, has_end},
};
use crate::{
    host::{Command, FileKind},
    i18n::msg,
    text::printable,
    version::Version,
};

/// Under which name what could not be learned stands in `Facts::unknown`.
pub const FACT: &str = "runtime.containerd";
/// As [`FACT`], for what containerd itself says.
pub const EFFECTIVE: &str = "runtime.containerd.effective";

/// Kubespray's program first (`bin_dir`), then the distribution's and docker's.
const PROGRAMS: [&str; 2] = [KUBESPRAYS, "/usr/bin/containerd"];
/// Where Kubespray puts containerd. Source: its role container-engine/containerd, `containerd_bin_dir`.
pub const KUBESPRAYS: &str = "/usr/local/bin/containerd";
/// The root file, for every way of installing containerd.
pub const ROOT_FILE: &str = "/etc/containerd/config.toml";
/// Folders in which tools put drop-ins: nvidia-ctk from 1.18.1 on, and 1.18.0. Source: toolkit#1404.
const DROP_IN_FOLDERS: [&str; 2] = ["/etc/containerd/conf.d", "/etc/containerd/config.d"];
/// What Kubespray's role writes beside the root file, and nobody else does.
const KUBESPRAY_SIGNS: [&str; 2] = ["/etc/containerd/cri-base.json", "/etc/kubernetes/kubelet.env"];

/// All that is known of containerd.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerdFacts {
    /// The programs of this name, Kubespray's first.
    pub programs: Vec<String>,
    /// The daemon, if it runs.
    pub process: Option<ContainerdProcess>,
    /// The root file.
    pub root: Option<ConfigFile>,
    /// The files beside it, taken in or not.
    pub drop_ins: Vec<ConfigFile>,
    /// The file by which it is known that Kubespray writes the root file.
    pub kubespray: Option<String>,
    /// For each program that a runtime names, whether it can be started.
    pub binaries: BTreeMap<String, Startable>,
    /// Its version, by `containerd --version`; absent while nobody asked.
    pub version: Option<String>,
    /// What holds, by `containerd config dump`; absent while nobody asked.
    pub effective: Option<ContainerdConfig>,
    /// Why containerd refuses its configuration, in its own words.
    pub refused: Option<String>,
}

/// The daemon.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerdProcess {
    /// Process id.
    pub pid: u32,
    /// The program it runs.
    pub program: String,
    /// The root file that its command line names; absent where it takes its own default.
    pub config: Option<String>,
    /// Since when.
    pub started: Option<Timestamp>,
}

/// A file of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigFile {
    /// Where it is.
    pub path: String,
    /// Whether containerd reads it: the root file does, or an import of it names it.
    pub is_read: bool,
    /// When it was written; absent where nobody can tell.
    pub modified: Option<Timestamp>,
    /// What it says; absent where it could not be read or is no TOML.
    pub config: Option<ContainerdConfig>,
}

/// Whether a program can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Startable {
    /// It is there and may be run.
    Yes,
    /// It is there, and its mode does not let it run.
    NotExecutable,
    /// It is not there.
    Missing,
}

impl ContainerdFacts {
    /// Returns its version as a number.
    pub fn release(&self) -> Option<Version> {
        self.version.as_ref()?.parse().ok()
    }

    /// Returns every file that containerd reads, the root file first.
    pub fn read_files(&self) -> impl Iterator<Item = &ConfigFile> {
        self.root.iter().chain(&self.drop_ins).filter(|file| file.is_read)
    }
}

/// Returns what is known of containerd without starting it; nothing on a machine without.
pub(super) fn probe(reader: &mut Reader<'_>) -> Option<ContainerdFacts> {
    let programs: Vec<String> =
        PROGRAMS.iter().filter(|path| reader.host.files.exists(path)).map(|path| (*path).to_owned()).collect();
    if programs.is_empty() && !reader.host.files.exists(ROOT_FILE) {
        return None;
    }
    let process = processes::find(reader, "containerd").map(|found| ContainerdProcess {
        config: config_argument(&found.arguments),
        pid: found.pid,
        program: found.program,
        started: found.started,
    });
    let path = process.as_ref().and_then(|process| process.config.clone()).unwrap_or_else(|| ROOT_FILE.to_owned());
    let root = config_file(reader, Path::new(&path), true);
    let drop_ins = drop_ins(reader, root.as_ref());
    let kubespray = reader.first_there(&KUBESPRAY_SIGNS).map(str::to_owned);
    let mut facts = ContainerdFacts { programs, process, root, drop_ins, kubespray, ..ContainerdFacts::default() };
    facts.binaries = binaries(reader, &facts);
    Some(facts)
}

/// Returns the file that `-c FILE`, `--config FILE` or `--config=FILE` names.
fn config_argument(arguments: &[String]) -> Option<String> {
    let at = |(place, word): (usize, &String)| match word.strip_prefix("--config=") {
        Some(path) => Some(path.to_owned()),
        None if matches!(word.as_str(), "-c" | "--config") => arguments.get(place + 1).cloned(),
        None => None,
    };
    arguments.iter().enumerate().find_map(at)
}

fn config_file(reader: &mut Reader<'_>, path: &Path, is_read: bool) -> Option<ConfigFile> {
    let name = printable(&path.to_string_lossy());
    let text = reader.text_if_there(FACT, path);
    if text.is_none() && !reader.host.files.exists(path) {
        return None;
    }
    let config = text.and_then(|text| match config::parse(&text) {
        Ok(config) => Some(config),
        Err(error) => {
            reader.note(FACT, Unknown::from(msg::unknown::not_toml(error, &name)));
            None
        }
    });
    let modified = reader.host.files.meta(path).ok().map(|meta| meta.modified).filter(|nanoseconds| *nanoseconds != 0);
    let modified = modified.and_then(|nanoseconds| Timestamp::from_nanosecond(nanoseconds).ok());
    Some(ConfigFile { path: name, is_read, modified, config })
}

/// Returns the files beside the root file: those that it takes in, and those that lie where tools put them.
fn drop_ins(reader: &mut Reader<'_>, root: Option<&ConfigFile>) -> Vec<ConfigFile> {
    let folder =
        root.and_then(|root| Path::new(&root.path).parent()).unwrap_or(Path::new("/etc/containerd")).to_owned();
    let imports =
        root.and_then(|root| root.config.as_ref()).map(|config| config.imports.as_slice()).unwrap_or_default();
    let mut paths: BTreeMap<PathBuf, bool> = BTreeMap::new();
    for known in DROP_IN_FOLDERS {
        let names = reader.list_if_there(FACT, known);
        paths
            .extend(names.iter().filter(|name| has_end(name, "toml")).map(|name| (Path::new(known).join(name), false)));
    }
    for import in imports {
        paths.extend(matching(reader, &folder.join(import)).into_iter().map(|path| (path, true)));
    }
    paths.iter().filter_map(|(path, is_read)| config_file(reader, path, *is_read)).collect()
}

/// Returns the files that an import names. In a glob, the last part may have `*` and `?`.
/// Source: containerd's `resolveImports`, which is Go's `filepath.Glob`.
fn matching(reader: &Reader<'_>, import: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (import.parent(), import.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    if !name.contains(['*', '?']) {
        return vec![import.to_owned()];
    }
    let pattern = regex::escape(name).replace(r"\*", ".*").replace(r"\?", ".");
    let Ok(pattern) = regex::Regex::new(&format!("^{pattern}$")) else { return Vec::new() };
    let names = reader.host.files.list(folder).unwrap_or_default();
    names.iter().filter(|name| pattern.is_match(name)).map(|name| folder.join(name)).collect()
}

/// Looks at each program that a runtime names; one without a path is looked for where containerd would.
fn binaries(reader: &Reader<'_>, facts: &ContainerdFacts) -> BTreeMap<String, Startable> {
    let files = facts.root.iter().chain(&facts.drop_ins).filter_map(|file| file.config.as_ref());
    let programs = files.chain(&facts.effective).flat_map(|config| &config.runtimes).flat_map(|entry| &entry.binary);
    programs.map(|one| (one.value.clone(), startable(reader, &one.value))).collect()
}

fn startable(reader: &Reader<'_>, program: &str) -> Startable {
    const PATH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let places: Vec<PathBuf> = if program.starts_with('/') {
        vec![PathBuf::from(program)]
    } else {
        PATH.iter().map(|folder| Path::new(folder).join(program)).collect()
    };
    let modes: Vec<u32> = places
        .iter()
        .filter_map(|path| reader.host.files.meta(path).ok())
        .filter(|meta| meta.kind == FileKind::File)
        .map(|meta| meta.mode)
        .collect();
    match () {
        () if modes.iter().any(|mode| mode & 0o111 != 0) => Startable::Yes,
        () if modes.is_empty() => Startable::Missing,
        () => Startable::NotExecutable,
    }
}

/// Asks containerd for its version and for the configuration that holds. It reads the files anew: what the daemon has
/// read may be older.
pub(super) fn ask(reader: &mut Reader<'_>, facts: &mut ContainerdFacts) {
    let running = facts.process.as_ref().map(|process| process.program.clone());
    let Some(program) = running.filter(|program| program.starts_with('/')).or_else(|| facts.programs.first().cloned())
    else {
        return;
    };
    let version = reader.command(EFFECTIVE, &Command::new(program.clone(), ["--version"]));
    facts.version = version.as_deref().and_then(parse_version);
    let config = facts.process.as_ref().and_then(|process| process.config.clone());
    let command = Command::new(program, []);
    let command = match config {
        Some(config) => command.option("--config", config),
        None => command,
    };
    dump(reader, facts, &command.words(["config", "dump"]));
    facts.binaries = binaries(reader, facts);
}

fn dump(reader: &mut Reader<'_>, facts: &mut ContainerdFacts, command: &Command) {
    let output = match reader.host.commands.capture(command) {
        Ok(output) => output,
        Err(error) => return reader.note(EFFECTIVE, Unknown::from_command(command, &error)),
    };
    if !output.exit.is_success() {
        reader.note(EFFECTIVE, Unknown::from_output(command, &output));
        let last = output.stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        // Who may not read the file learns nothing of what is in it.
        if !last.is_empty() && !last.contains("permission denied") {
            facts.refused = Some(printable(last));
        }
        return;
    }
    match config::parse(&output.stdout) {
        Ok(config) => facts.effective = Some(config),
        Err(error) => reader.note(EFFECTIVE, Unknown::from(msg::unknown::not_toml(error, command))),
    }
}

/// Returns the version in `containerd github.com/containerd/containerd/v2 v2.1.9 HASH`, as far as it is numbers
/// (`1.6.20` of `1.6.20~ds1`).
pub fn parse_version(text: &str) -> Option<String> {
    let word = text.split_whitespace().nth(2)?.trim_start_matches('v');
    let numbers = word.split(|c: char| !c.is_ascii_digit() && c != '.').next()?.trim_end_matches('.');
    numbers.parse::<Version>().is_ok().then(|| numbers.to_owned())
}
