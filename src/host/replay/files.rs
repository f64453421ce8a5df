//! The files of a simulated machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use super::Machine;
use crate::{
    host::{
        FileKind, FileMeta, Files,
        files::{Checksum, NotRecorded},
    },
    private::Locked,
};

/// Links followed in one path before it counts as a circle.
const LINK_LIMIT: usize = 40;

/// Reads the machine's layers; writes go to its state.
pub(super) struct ReplayFiles(pub Arc<Machine>);

impl ReplayFiles {
    /// Follows the scenario's links.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        follow(&self.0.links(), path)
    }

    /// As [`Self::resolve`], for what is read: not everything may be.
    fn readable(&self, path: &Path) -> io::Result<PathBuf> {
        if self.0.scenario.about.denied.contains(path) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.resolve(path)
    }

    fn children(&self, folder: &Path) -> BTreeSet<String> {
        self.0
            .paths()
            .iter()
            .filter_map(|path| path.strip_prefix(folder).ok()?.components().next())
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect()
    }
}

/// Follows links.
pub fn follow(links: &BTreeMap<PathBuf, PathBuf>, path: &Path) -> io::Result<PathBuf> {
    let mut path = normal(path);
    for _ in 0..LINK_LIMIT {
        let Some((link, target)) = links.iter().find(|(link, _)| path.starts_with(link)) else { return Ok(path) };
        let rest = path.strip_prefix(link).unwrap_or(Path::new("")).to_owned();
        let base = link.parent().unwrap_or(Path::new("/")).join(target);
        path = normal(&if rest.as_os_str().is_empty() { base } else { base.join(rest) });
    }
    Err(rustix::io::Errno::LOOP.into())
}

/// Removes `.` and `..` from a path.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::Normal(name) => out.push(name),
            _ => {}
        }
    }
    out
}

/// What lies in a folder of programs can be run.
fn is_program(path: &Path) -> bool {
    path.parent().and_then(Path::file_name).is_some_and(|folder| folder == "bin" || folder == "sbin")
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Files for ReplayFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.bytes(&self.readable(path)?).ok_or_else(not_found)
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let bytes = self.read(path)?;
        let begin = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        Ok(bytes[begin..bytes.len().min(begin.saturating_add(len))].to_owned())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let folder = self.readable(path)?;
        let children = self.children(&folder);
        if children.is_empty() && !self.0.has_folder(&folder) {
            Err(not_found())
        } else {
            Ok(children.into_iter().collect())
        }
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        let folder = self.resolve(path.parent().unwrap_or(Path::new("/")))?;
        let link = path.file_name().map_or_else(|| folder.clone(), |name| folder.join(name));
        self.0.links().remove(&link).ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    fn meta(&self, asked: &Path) -> io::Result<FileMeta> {
        let path = self.resolve(asked)?;
        let about = &self.0.scenario.about;
        let modified = about.modified.get(&path).map_or(0, |time| time.as_nanosecond());
        let meta = |kind, len, mode| FileMeta { kind, len, mode, uid: 0, modified };
        if let Some(bytes) = self.0.bytes(&path) {
            let len = about.lengths.get(&path).copied().unwrap_or(bytes.len() as u64);
            let mode = if is_program(&path) { 0o755 } else { 0o644 };
            return Ok(meta(FileKind::File, len, mode));
        }
        if !self.children(&path).is_empty() || self.0.has_folder(&path) {
            return Ok(meta(FileKind::Folder, 0, 0o755));
        }
        let is_known = self.0.is_known_absent(&path) || self.0.is_known_absent(asked);
        Err(if is_known { not_found() } else { io::Error::other(NotRecorded) })
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.meta(path)?;
        self.resolve(path)
    }

    fn write(&self, path: &Path, bytes: &[u8], _mode: u32) -> io::Result<()> {
        let path = self.resolve(path)?;
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.0.change(|state| {
            state.removed.remove(&path);
            state.written.insert(path, text);
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.remove_all(path)
    }

    fn remove_all(&self, path: &Path) -> io::Result<()> {
        let path = normal(path);
        self.0.change(|state| {
            state.written.retain(|written, _| !written.starts_with(&path));
            state.removed.insert(path);
        })
    }

    /// A simulated machine keeps no gigabytes: a file has the digest that is asked for unless the scenario says that it
    /// is damaged.
    fn has_digest(&self, path: &Path, _digest: &Checksum) -> io::Result<bool> {
        self.meta(path)?;
        Ok(!self.0.scenario.about.damaged.contains(&self.resolve(path)?))
    }

    fn copy_private(&self, from: &Path, to: &Path) -> io::Result<()> {
        let bytes = self.read(from)?;
        self.write(to, &bytes, 0o600)
    }

    fn lock(&self, _path: &Path) -> io::Result<Option<Locked>> {
        Ok(None)
    }

    /// Nobody else is on a simulated machine.
    fn demand_trusted(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        let spaces = &self.0.scenario.about.free_space;
        let best =
            spaces.iter().filter(|(mount, _)| path.starts_with(mount)).max_by_key(|(mount, _)| mount.as_os_str().len());
        best.map(|(_, bytes)| *bytes).ok_or_else(not_found)
    }
}
