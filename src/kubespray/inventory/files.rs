//! `group_vars` and `host_vars`: which files Ansible reads for a group or host, and what they define.
//! Source: ansible-core, `DataLoader.find_vars_files` and `plugins/vars/host_group_vars.py`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;

use super::Definition;
use crate::{
    host::{FileKind, Files},
    kubespray::{
        Level,
        yaml11::{self, YamlError},
    },
};

/// In the order in which Ansible looks: the first that exists is the only one read, so a folder hides a file beside it.
const ENDINGS: [&str; 4] = ["", ".yml", ".yaml", ".json"];

/// Folders below folders.
const DEPTH_LIMIT: usize = 8;

/// `group_vars` and `host_vars` beside the inventory or beside the playbooks, read.
#[derive(Debug, Clone)]
pub struct VarsFolder {
    base: PathBuf,
    beside_playbook: bool,
    groups: BTreeMap<String, Vec<VarsFile>>,
    hosts: BTreeMap<String, Vec<VarsFile>>,
    /// Files that a folder of the same name hides from Ansible.
    pub hidden: Vec<VarsFile>,
}

/// One file of variables, read.
#[derive(Debug, Clone)]
pub struct VarsFile {
    /// The file.
    pub path: PathBuf,
    /// What it defines: name, line, value, in file order.
    pub vars: Vec<(String, usize, Value)>,
    /// Why it could not be read; Ansible stops at such a file.
    pub error: Option<YamlError>,
    /// Whether it is encrypted. It is named, not opened.
    pub vault: Vault,
}

/// Whether a file is encrypted with Ansible Vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vault {
    /// Plain text.
    Open,
    /// Encrypted as a whole.
    Encrypted,
}

impl VarsFolder {
    /// Reads `group_vars` and `host_vars` in `base`.
    pub fn read(files: &dyn Files, base: &Path, beside_playbook: bool) -> Self {
        Self::read_for(files, base, beside_playbook, &|_| true)
    }

    /// As [`Self::read`], but of `host_vars` only those of the hosts that are wanted: there may be a thousand.
    pub fn read_for(files: &dyn Files, base: &Path, beside_playbook: bool, is_wanted: &dyn Fn(&str) -> bool) -> Self {
        let mut hidden = Vec::new();
        let groups = read_all(files, &base.join("group_vars"), &|_| true, &mut hidden);
        let hosts = read_all(files, &base.join("host_vars"), is_wanted, &mut hidden);
        Self { base: base.to_owned(), beside_playbook, groups, hosts, hidden }
    }

    /// Returns the folder that holds `group_vars`.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Returns the names for which there are group variables.
    pub fn group_names(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    /// Returns all files that were read.
    pub fn files(&self) -> impl Iterator<Item = &VarsFile> {
        self.groups.values().chain(self.hosts.values()).flatten()
    }

    /// Returns what the group's files define, weakest first.
    pub fn group(&self, name: &str) -> Vec<Definition> {
        let level = match (name, self.beside_playbook) {
            ("all", false) => Level::GroupVarsAll,
            ("all", true) => Level::PlaybookGroupVarsAll,
            (_, false) => Level::GroupVars,
            (_, true) => Level::PlaybookGroupVars,
        };
        definitions(self.groups.get(name), level)
    }

    /// Returns what the host's files define, weakest first.
    pub fn host(&self, name: &str) -> Vec<Definition> {
        let level = if self.beside_playbook { Level::PlaybookHostVars } else { Level::HostVars };
        definitions(self.hosts.get(name), level)
    }
}

impl VarsFile {
    /// Reads one file of variables.
    pub fn read(files: &dyn Files, path: &Path) -> Self {
        Self::read_kind(files, path, kind(files, path))
    }

    /// As [`Self::read`], where it is known what the path is.
    fn read_kind(files: &dyn Files, path: &Path, kind: Option<FileKind>) -> Self {
        let mut file = Self { path: path.to_owned(), vars: Vec::new(), error: None, vault: Vault::Open };
        // A pipe or a device would keep whoever reads it waiting.
        if kind != Some(FileKind::File) {
            file.error = Some(YamlError { line: 1, message: "this is no regular file".to_owned() });
            return file;
        }
        match files.read_text(path) {
            Err(error) => file.error = Some(YamlError { line: 1, message: error.to_string() }),
            Ok(text) if text.starts_with("$ANSIBLE_VAULT") => file.vault = Vault::Encrypted,
            Ok(text) => match yaml11::parse_vars(&text) {
                Ok(entries) => {
                    file.vars = entries.into_iter().map(|entry| (entry.key, entry.line, entry.value.value())).collect();
                }
                Err(error) => file.error = Some(error),
            },
        }
        file
    }

    /// Returns what the file defines.
    pub fn definitions(&self, level: Level) -> impl Iterator<Item = Definition> {
        let file: Arc<Path> = Arc::from(self.path.as_path());
        self.vars.iter().map(move |(name, line, value)| Definition {
            name: name.clone(),
            value: value.clone(),
            file: Arc::clone(&file),
            line: *line,
            level,
        })
    }
}

fn definitions(files: Option<&Vec<VarsFile>>, level: Level) -> Vec<Definition> {
    files.into_iter().flatten().flat_map(|file| file.definitions(level)).collect()
}

fn read_all(
    files: &dyn Files,
    folder: &Path,
    is_wanted: &dyn Fn(&str) -> bool,
    hidden: &mut Vec<VarsFile>,
) -> BTreeMap<String, Vec<VarsFile>> {
    let names = files.list(folder).unwrap_or_default();
    let stems: BTreeSet<&str> = names.iter().filter_map(|name| stem(name)).filter(|name| is_wanted(name)).collect();
    let present: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let mut found = BTreeMap::new();
    for stem in stems {
        let mut candidates =
            ENDINGS.iter().map(|ending| format!("{stem}{ending}")).filter(|name| present.contains(name.as_str()));
        let Some(first) = candidates.next() else { continue };
        let path = folder.join(&first);
        let mut read = Vec::new();
        match kind(files, &path) {
            Some(FileKind::Folder) => read_below(files, &path, 0, &mut read),
            kind => read.push(VarsFile::read_kind(files, &path, kind)),
        }
        found.insert(stem.to_owned(), read);
        let others = candidates.map(|name| folder.join(name)).map(|path| (kind(files, &path), path));
        let others = others.filter(|(kind, _)| *kind != Some(FileKind::Folder));
        hidden.extend(others.map(|(kind, path)| VarsFile::read_kind(files, &path, kind)));
    }
    found
}

/// The group or host that a file or folder is for.
fn stem(name: &str) -> Option<&str> {
    let stem = ENDINGS[1..].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    (!stem.is_empty() && !stem.starts_with('.')).then_some(stem)
}

/// Reads the files of a folder and of the folders below it, in Ansible's order.
fn read_below(files: &dyn Files, folder: &Path, depth: usize, found: &mut Vec<VarsFile>) {
    for name in files.list(folder).unwrap_or_default() {
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let path = folder.join(&name);
        let ending = name.rfind('.').map_or("", |at| &name[at..]);
        match kind(files, &path) {
            // Deeper is a circle of links.
            Some(FileKind::Folder) if ending.is_empty() && depth < DEPTH_LIMIT => {
                read_below(files, &path, depth + 1, found);
            }
            Some(FileKind::Folder) => {}
            kind if ENDINGS.contains(&ending) => found.push(VarsFile::read_kind(files, &path, kind)),
            _ => {}
        }
    }
}

fn kind(files: &dyn Files, path: &Path) -> Option<FileKind> {
    files.meta(path).ok().map(|meta| meta.kind)
}
