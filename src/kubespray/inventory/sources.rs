//! Which files make up an inventory: the file itself, or those of a folder that `ansible.cfg` does not tell Ansible to
//! pass over.

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
/// Files and folders that are looked at, but for variables: an inventory of a thousand hosts is one file, and one file
/// for each still fits.
const ENTRIES: usize = 2_000;

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
            let own = |text: &str| {
                text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
            };
            found.map_or_else(|| usual.iter().map(|item| (*item).to_owned()).collect(), own)
        };
        let endings = config
            .get("inventory", "ignore_extensions")
            .or_else(|| config.get("defaults", "inventory_ignore_extensions"));
        let patterns =
            config.get("inventory", "ignore_patterns").or_else(|| config.get("defaults", "inventory_ignore_patterns"));
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
    let mut left = ENTRIES;
    if !collect(files, path, &|name| ignored.has(name, &patterns), 0, &mut left, &mut found) {
        return Err(Expected::new(
            msg::error::inventory::vast(path.display(), ENTRIES),
            msg::error::inventory::vast::hint(),
        ));
    }
    if found.is_empty() {
        return Err(Expected::new(msg::error::inventory::empty(path.display()), msg::error::inventory::empty::hint()));
    }
    Ok(found)
}

/// Adds the files below a folder; false once more was looked at than an inventory has.
fn collect(
    files: &dyn Files,
    folder: &Path,
    is_ignored: &dyn Fn(&str) -> bool,
    depth: usize,
    left: &mut usize,
    found: &mut Vec<PathBuf>,
) -> bool {
    for name in files.list(folder).unwrap_or_default().iter().filter(|name| !is_ignored(name)) {
        let Some(fewer) = left.checked_sub(1) else { return false };
        *left = fewer;
        let path = folder.join(name);
        match files.meta(&path).map(|meta| meta.kind) {
            Ok(FileKind::Folder)
                if depth < DEPTH_LIMIT && !collect(files, &path, is_ignored, depth + 1, left, found) =>
            {
                return false;
            }
            Ok(FileKind::File) => found.push(path),
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::local::LocalFiles;

    #[test]
    fn a_folder_with_more_than_an_inventory_has_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let files = LocalFiles::new(Path::new("/"));
        let look = || sources(&files, folder.path(), &Ignored::new(&Config::default())).map(|found| found.len());
        for host in 0..ENTRIES {
            std::fs::write(folder.path().join(format!("{host}.yml")), "").unwrap();
        }
        // Variables do not count: they are looked up by name.
        std::fs::create_dir(folder.path().join("host_vars")).unwrap();
        assert_eq!(look().unwrap(), ENTRIES);
        std::fs::create_dir(folder.path().join("more")).unwrap();
        let error = look().unwrap_err().to_string();
        assert!(error.contains("no folder of an inventory") && error.contains("2000"), "{error}");
        assert!(sources(&files, Path::new("/"), &Ignored::new(&Config::default())).is_err());
    }
}
