//! Which files make up an inventory: the file itself, or those of a folder that `ansible.cfg` does not tell Ansible to pass over.

use std::path::{Path, PathBuf};

use regex::RegexSet;

use crate::{
    error::Expected,
    host::{FileKind, Files},
    i18n::msg,
    kubespray::config::Config,
};

/// Folders below folders; more is a circle of links.
const DEPTH_LIMIT: usize = 16;

/// Endings that Ansible passes over in a folder. Source: `ansible.cfg` of Kubespray, `inventory_ignore_extensions`.
const ENDINGS: [&str; 10] = ["~", ".orig", ".bak", ".ini", ".cfg", ".retry", ".pyc", ".pyo", ".creds", ".gpg"];
/// Source: the same, `ignore_patterns`.
const PATTERNS: [&str; 2] = ["artifacts", "credentials"];

/// What is passed over in a folder of inventories.
#[derive(Debug)]
pub struct Ignored {
    endings: Vec<String>,
    patterns: Vec<String>,
}

impl Ignored {
    /// Takes Kubespray's own settings where `config` says nothing.
    pub fn new(config: &Config) -> Self {
        let list = |found: Option<&str>, usual: &[&str]| -> Vec<String> {
            let own = |text: &str| text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect();
            found.map_or_else(|| usual.iter().map(|item| (*item).to_owned()).collect(), own)
        };
        let endings = config.get("inventory", "ignore_extensions").or_else(|| config.get("defaults", "inventory_ignore_extensions"));
        let patterns = config.get("inventory", "ignore_patterns").or_else(|| config.get("defaults", "inventory_ignore_patterns"));
        Self { endings: list(endings, &ENDINGS), patterns: list(patterns, &PATTERNS) }
    }

    /// A pattern that is none would stop Ansible; here it just matches nothing.
    fn patterns(&self) -> RegexSet {
        RegexSet::new(&self.patterns).unwrap_or_else(|_| RegexSet::empty())
    }

    fn has(&self, name: &str, patterns: &RegexSet) -> bool {
        name.starts_with('.')
            || matches!(name, "group_vars" | "host_vars" | "vars_plugins")
            || self.endings.iter().any(|ending| name.ends_with(ending.as_str()))
            || patterns.is_match(name)
    }
}

/// Returns the files that make up the inventory at `path`, in Ansible's order.
pub fn sources(files: &dyn Files, path: &Path, ignored: &Ignored) -> Result<Vec<PathBuf>, Expected> {
    if files.list(path).is_err() {
        return Ok(vec![path.to_owned()]);
    }
    let patterns = ignored.patterns();
    let mut found = Vec::new();
    collect(files, path, &|name| ignored.has(name, &patterns), 0, &mut found);
    if found.is_empty() {
        return Err(Expected::new(msg::error::inventory::empty(path.display()), msg::error::inventory::empty::hint()));
    }
    Ok(found)
}

fn collect(files: &dyn Files, folder: &Path, is_ignored: &dyn Fn(&str) -> bool, depth: usize, found: &mut Vec<PathBuf>) {
    for name in files.list(folder).unwrap_or_default().iter().filter(|name| !is_ignored(name)) {
        let path = folder.join(name);
        match files.meta(&path).map(|meta| meta.kind) {
            Ok(FileKind::Folder) if depth < DEPTH_LIMIT => collect(files, &path, is_ignored, depth + 1, found),
            Ok(FileKind::File) => found.push(path),
            _ => {}
        }
    }
}
