//! Changing variables in files that people own: only the lines of the variable change, and nothing is proposed that
//! does not read back as exactly that.

mod member;
mod revise;
mod text;
mod write;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use member::add as add_member;

use super::{
    Level, Place, Preview,
    inventory::Member,
    layout::GPU_GROUP,
    spec::{Scope, VariableSpec},
    yaml11,
};
use crate::{
    error::{Expected, reason},
    host::Files,
    i18n::{Arg, msg},
};

/// A variable and the value it shall have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The variable.
    pub variable: String,
    /// Its new value; none takes it out of every file that defines it.
    pub value: Option<Value>,
}

impl Change {
    /// Makes a change.
    pub fn new(variable: &str, value: impl Into<Value>) -> Self {
        Self { variable: variable.to_owned(), value: Some(value.into()) }
    }

    /// Makes a change that takes the variable out.
    pub fn take_out(variable: &str) -> Self {
        Self { variable: variable.to_owned(), value: None }
    }

    /// Returns the line that a person would write, or the key whose lines are to go.
    fn line(&self) -> String {
        self.value
            .as_ref()
            .map_or_else(|| format!("# {}:", self.variable), |value| write::block(&self.variable, value, "", "\n"))
    }
}

/// A file as it is and as it shall be. `before` is empty for a file that does not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEdit {
    /// The file.
    pub path: PathBuf,
    /// Its text now.
    pub before: String,
    /// Its text afterwards.
    pub after: String,
    /// The variables that get another value by it.
    pub changes: Vec<Change>,
}

impl FileEdit {
    /// Returns the change as a unified diff.
    pub fn diff(&self) -> String {
        let name = self.path.display().to_string();
        similar::TextDiff::from_lines(&self.before, &self.after)
            .unified_diff()
            .context_radius(3)
            .header(&name, &name)
            .to_string()
    }
}

/// Works out the edits that give the variables their values; nothing is written. A variable that already has its value
/// needs no edit, so a second call after writing returns nothing.
pub fn propose(
    files: &dyn Files,
    preview: &Preview,
    changes: &[Change],
    members: &[(PathBuf, Member)],
) -> Result<Vec<FileEdit>, Expected> {
    let mut edits = Edits { files, list: Vec::new() };
    for (path, member) in members {
        let edit = edits.of(path.clone())?;
        edit.after = member::add(&edit.after, &edit.path, member).map_err(|why| {
            Expected::new(
                msg::error::edit::file(edit.path.display(), why),
                msg::error::edit::member::hint(&member.group, &member.host),
            )
        })?;
    }
    for change in changes.iter().filter(|change| !becomes(preview, change)) {
        for path in targets(preview, change)? {
            let edit = edits.of(path)?;
            let after = set(&edit.after, change).map_err(|why| by_hand(&edit.path, change, why))?;
            if after != edit.after {
                edit.after = after;
                edit.changes.push(change.clone());
            }
        }
    }
    edits.list.retain(|edit| edit.before != edit.after);
    Ok(edits.list)
}

/// Tells whether a template of the inventory's becomes the wanted value already; it stays a template then.
fn becomes(preview: &Preview, change: &Change) -> bool {
    let variable = preview.variable(&change.variable).filter(|variable| variable.is_filled_in);
    variable.is_some_and(|variable| change.value.is_some() && variable.value == change.value)
}

/// The files that are being changed, each read once.
struct Edits<'f> {
    files: &'f dyn Files,
    list: Vec<FileEdit>,
}

impl Edits<'_> {
    fn of(&mut self, path: PathBuf) -> Result<&mut FileEdit, Expected> {
        let index = if let Some(index) = self.list.iter().position(|edit| edit.path == path) {
            index
        } else {
            let text = read(self.files, &path)?;
            self.list.push(FileEdit { path, before: text.clone(), after: text, changes: Vec::new() });
            self.list.len() - 1
        };
        Ok(&mut self.list[index])
    }
}

/// Returns a new file of variables with these values, for where there is no inventory to edit; `notes` stand above them
/// as comments.
pub fn vars_file(path: PathBuf, changes: Vec<Change>, notes: &str) -> FileEdit {
    let lines: Vec<String> = changes.iter().map(Change::line).collect();
    let notes: String = notes.lines().map(|line| format!("# {line}\n")).collect();
    let after = format!("---\n{notes}{}\n", lines.join("\n"));
    FileEdit { path, before: String::new(), after, changes }
}

/// The files that a change belongs into.
fn targets(preview: &Preview, change: &Change) -> Result<Vec<PathBuf>, Expected> {
    if change.value.is_some() {
        return Ok(vec![target(preview, change)?]);
    }
    let places = preview.variable(&change.variable).map(|variable| variable.places.as_slice()).unwrap_or_default();
    let mut files: Vec<PathBuf> = Vec::new();
    for place in places {
        if matches!(place.level, Level::InventoryGroupVars | Level::InventoryHostVars) {
            return Err(by_hand(&place.file, change, msg::error::edit::in_inventory(place.line, &change.variable)));
        }
        if !files.contains(&place.file) {
            files.push(place.file.clone());
        }
    }
    Ok(files)
}

/// The file that a change belongs into: where the variable is defined now, or else the cluster's own file.
fn target(preview: &Preview, change: &Change) -> Result<PathBuf, Expected> {
    let name = &change.variable;
    let scope = VariableSpec::of(name).map(|spec| spec.scope);
    let is_docker = scope == Some(Scope::Docker);
    if is_docker && preview.container_manager != "docker" {
        return Err(Expected::new(
            msg::error::edit::docker(&preview.container_manager),
            msg::error::edit::docker::hint(),
        ));
    }
    let winner = preview.variable(name).and_then(|variable| variable.winner.as_ref());
    if let Some(of_node) = scope.filter(|scope| !scope.is_of_cluster()) {
        return node_target(preview, change, of_node, winner);
    }
    match winner.map(|winner| (winner.level, winner)) {
        None | Some((Level::RoleDefaults, _)) => {
            let file = if is_docker { &preview.layout.docker_vars } else { &preview.layout.cluster_vars };
            file.clone().ok_or_else(no_inventory)
        }
        Some((Level::InventoryGroupVars | Level::InventoryHostVars, winner)) => {
            Err(by_hand(&winner.file, change, msg::error::edit::in_inventory(winner.line, name)))
        }
        Some((Level::IncludeVars | Level::SetFact, winner)) => {
            let what = msg::error::edit::overridden(winner.file.display(), name);
            Err(Expected::new(what, msg::error::edit::overridden::hint()))
        }
        Some((_, winner)) => Ok(winner.file.clone()),
    }
}

/// The file for what is not for the whole cluster: the node's own where it is there already, for it always wins; else
/// that of the group of GPU nodes, where the node is in one; else the node's own.
fn node_target(preview: &Preview, change: &Change, scope: Scope, winner: Option<&Place>) -> Result<PathBuf, Expected> {
    let layout = &preview.layout;
    let group = layout.gpu_vars.as_ref().filter(|_| scope != Scope::OneNode);
    let of_group =
        |place: &&Place| group.is_some() && place.level == Level::GroupVars && is_of_group(&place.file, GPU_GROUP);
    match winner {
        Some(place) if place.level == Level::InventoryHostVars => {
            Err(by_hand(&place.file, change, msg::error::edit::in_inventory(place.line, &change.variable)))
        }
        Some(place) if matches!(place.level, Level::HostVars | Level::PlaybookHostVars) || of_group(&place) => {
            Ok(place.file.clone())
        }
        _ => group.or(layout.node_vars.as_ref()).cloned().ok_or_else(no_inventory),
    }
}

/// Tells whether a file of `group_vars` is for this group.
fn is_of_group(file: &Path, group: &str) -> bool {
    file.ancestors().any(|part| part.file_stem().is_some_and(|name| name == group))
}

fn no_inventory() -> Expected {
    Expected::new(msg::error::edit::no_inventory(), msg::error::edit::no_inventory::hint())
}

fn read(files: &dyn Files, path: &Path) -> Result<String, Expected> {
    let mode = files.meta(path).map_or(0o644, |meta| meta.mode);
    if mode & 0o222 == 0 {
        // Root could write it all the same; somebody has said that it is not to be written.
        return Err(Expected::new(
            msg::error::edit::read_only(path.display()),
            msg::error::edit::read_only::hint(path.display()),
        ));
    }
    match files.read(path) {
        Ok(bytes) => String::from_utf8(bytes)
            .map_err(|_| Expected::new(msg::error::edit::no_text(path.display()), msg::error::edit::no_text::hint())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Expected::new(
            msg::error::edit::unreadable(path.display(), reason(&error)),
            msg::error::edit::unreadable::hint(),
        )),
    }
}

/// Returns the text of a vars file with the change made, checked by reading it back; the error says why it cannot be
/// made.
pub fn set(before: &str, change: &Change) -> Result<String, Arg> {
    if before.starts_with("$ANSIBLE_VAULT") {
        return Err(msg::error::edit::encrypted().into());
    }
    let entries = yaml11::parse_vars(before).map_err(Arg::from)?;
    let mut wanted: Map<String, Value> = entries.iter().map(|entry| (entry.key.clone(), entry.value.value())).collect();
    let own: Vec<_> = entries.iter().filter(|entry| entry.key == change.variable).collect();
    let Some(value) = &change.value else {
        let after = if own.is_empty() { Some(before.to_owned()) } else { revise::commented_out(before, &own) };
        wanted.remove(&change.variable);
        return after
            .filter(|after| reads_back(before, after, &wanted))
            .ok_or_else(|| msg::error::edit::r#unsafe().into());
    };
    let candidates = match own[..] {
        [] => text::additions(before, &entries, &change.variable, value),
        [only] if only.value.value() == *value => return Ok(before.to_owned()),
        [only] => text::replacement(before, only, value).into_iter().collect(),
        _ => return Err(msg::error::edit::twice(&change.variable).into()),
    };
    wanted.insert(change.variable.clone(), value.clone());
    let found = candidates.into_iter().find(|after| reads_back(before, after, &wanted));
    found.ok_or_else(|| msg::error::edit::r#unsafe().into())
}

/// The guard: the new text says what the old one said, with the change, and has every comment of it, in its order.
fn reads_back(before: &str, after: &str, wanted: &Map<String, Value>) -> bool {
    let comments = |text: &str| {
        text.lines().map(str::trim).filter(|line| line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
    };
    let Ok(entries) = yaml11::parse_vars(after) else { return false };
    let count = entries.len();
    let read: Map<String, Value> = entries.into_iter().map(|entry| (entry.key, entry.value.value())).collect();
    let had_duplicates = yaml11::parse_vars(before).is_ok_and(|entries| {
        let names: std::collections::BTreeSet<_> = entries.iter().map(|entry| &entry.key).collect();
        names.len() != entries.len()
    });
    let mut kept = comments(after).into_iter();
    read == *wanted
        && (had_duplicates || count == wanted.len())
        && comments(before).iter().all(|old| kept.any(|new| new == *old))
}

fn by_hand(path: &Path, change: &Change, why: impl Into<Arg>) -> Expected {
    let line = change.line();
    Expected::new(msg::error::edit::file(path.display(), why), msg::error::edit::by_hand(line))
}
