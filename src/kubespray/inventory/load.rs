//! Which files of an inventory are read, as what, and which are somebody else's.

use std::{
    mem,
    path::{Path, PathBuf},
};

use super::{Inventory, Problem, ini, sources, sources::Ignored, yaml};
use crate::{
    error::{Expected, reason},
    host::Files,
    i18n::msg,
};

/// How a compiled program begins.
const ELF: &[u8] = b"\x7fELF";

/// A source that Ansible reads and this program does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The file.
    pub file: PathBuf,
    /// Why it is not read.
    pub kind: UnreadKind,
}

/// Why a source is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnreadKind {
    /// It is a program, which Ansible runs as whoever calls it.
    Program,
    /// It names the inventory plugin that Ansible asks.
    Plugin(String),
    /// It is TOML, which hardly anybody writes.
    Toml,
}

impl Inventory {
    /// Reads an inventory file, or the files of an inventory folder that are not ignored.
    pub fn load(files: &dyn Files, path: &Path, ignored: &Ignored) -> Result<Self, Expected> {
        let mut inventory = Self::empty();
        let sources = sources(files, path, ignored)?;
        for file in &sources {
            let bytes = files.read(file).map_err(|error| unreadable(file, &error))?;
            if bytes.starts_with(ELF) {
                inventory.unread.push(Unread { file: file.clone(), kind: UnreadKind::Program });
                continue;
            }
            inventory.add_source(&String::from_utf8_lossy(&bytes), file);
        }
        // In a folder a file that nobody means as an inventory does no harm while others are read.
        let is_stray = |problem: &Problem| sources.len() > 1 && is_no_inventory(&problem.file);
        (inventory.strays, inventory.problems) = mem::take(&mut inventory.problems).into_iter().partition(is_stray);
        Ok(inventory)
    }

    /// Adds what one file says. What Ansible refuses in it becomes a problem. Pure: `file` is only a name.
    pub fn add_source(&mut self, text: &str, file: &Path) {
        if let Some(kind) = unread(text, file) {
            return self.unread.push(Unread { file: file.to_owned(), kind });
        }
        // Ansible tries these endings, and no ending, as YAML first, and then as INI whatever the ending says.
        let is_yaml =
            matches!(file.extension().and_then(|ending| ending.to_str()), None | Some("yaml" | "yml" | "json"));
        let Some(not_yaml) =
            (if is_yaml { yaml::read(text, file, self).err() } else { Some(Problem::new(file, 1, String::new())) })
        else {
            return;
        };
        if let Err(not_ini) = ini::read(text, file, self) {
            self.problems.push(if is_yaml && looks_like_yaml(text) { not_yaml } else { not_ini });
        }
    }
}

/// Tells whether Ansible would ask somebody else for what a source says. Source: ansible-core,
/// `plugins/inventory/{script,auto,toml}.py`.
fn unread(text: &str, file: &Path) -> Option<UnreadKind> {
    let ending = file.extension().and_then(|ending| ending.to_str());
    if text.starts_with("#!") {
        return Some(UnreadKind::Program);
    }
    if ending == Some("toml") {
        return Some(UnreadKind::Toml);
    }
    let plugin = text
        .lines()
        .find_map(|line| line.strip_prefix("plugin:"))
        .filter(|_| matches!(ending, Some("yml" | "yaml")))?;
    Some(UnreadKind::Plugin(plugin.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned()))
}

/// Tells by its name that nobody means a file of an inventory's folder as an inventory.
fn is_no_inventory(file: &Path) -> bool {
    const NAMES: [&str; 5] = ["README", "LICENSE", "NOTES", "Makefile", "Dockerfile"];
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let ending = file.extension().and_then(|ending| ending.to_str());
    NAMES.iter().any(|known| name.starts_with(known)) || !matches!(ending, None | Some("yml" | "yaml" | "json"))
}

fn looks_like_yaml(text: &str) -> bool {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    first.is_some_and(|line| line == "---" || line.starts_with('{') || (line.ends_with(':') && !line.starts_with('[')))
}

fn unreadable(file: &Path, error: &std::io::Error) -> Expected {
    Expected::new(
        msg::error::inventory::unreadable(file.display(), reason(error)),
        msg::error::inventory::unreadable::hint(),
    )
}
