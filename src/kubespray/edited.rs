//! Files as they will be once edits are written: for judging, before anybody says yes, the values that will be.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::edit::FileEdit;
use crate::{
    host::{FileKind, FileMeta, Files, files::Checksum},
    private::Locked,
};

/// A machine's files with edits laid over them. Nothing can be written through it.
pub struct Edited<'f> {
    files: &'f dyn Files,
    edits: &'f [FileEdit],
}

impl<'f> Edited<'f> {
    /// Lays edits over files.
    pub fn new(files: &'f dyn Files, edits: &'f [FileEdit]) -> Self {
        Self { files, edits }
    }

    fn edit(&self, path: &Path) -> Option<&'f FileEdit> {
        self.edits.iter().find(|edit| edit.path == path)
    }
}

/// For every operation that would change something.
fn read_only<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "these files are only looked at"))
}

impl Files for Edited<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.edit(path).map_or_else(|| self.files.read(path), |edit| Ok(edit.after.clone().into_bytes()))
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let Some(edit) = self.edit(path) else { return self.files.read_at(path, offset, len) };
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(edit.after.bytes().skip(offset).take(len).collect())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let below = self.edits.iter().filter_map(|edit| edit.path.strip_prefix(path).ok()?.iter().next());
        let new: Vec<String> = below.map(|name| name.to_string_lossy().into_owned()).collect();
        let mut names = match self.files.list(path) {
            Err(error) if new.is_empty() => return Err(error),
            listed => listed.unwrap_or_default(),
        };
        names.extend(new);
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        self.files.read_link(path)
    }

    fn meta(&self, path: &Path) -> io::Result<FileMeta> {
        let meta = |kind, len| FileMeta { kind, len, mode: 0o644, uid: 0, modified: 0 };
        let Err(error) = self.files.meta(path) else {
            let found = self.files.meta(path)?;
            return Ok(self.edit(path).map_or(found, |edit| FileMeta { len: edit.after.len() as u64, ..found }));
        };
        if let Some(edit) = self.edit(path) {
            return Ok(meta(FileKind::File, edit.after.len() as u64));
        }
        if self.edits.iter().any(|edit| edit.path.starts_with(path)) {
            Ok(meta(FileKind::Folder, 0))
        } else {
            Err(error)
        }
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.files.canonical(path)
    }

    fn write(&self, _path: &Path, _bytes: &[u8], _mode: u32) -> io::Result<()> {
        read_only()
    }

    fn remove(&self, _path: &Path) -> io::Result<()> {
        read_only()
    }

    fn remove_all(&self, _path: &Path) -> io::Result<()> {
        read_only()
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        self.files.free_space(path)
    }

    fn has_digest(&self, path: &Path, digest: &Checksum) -> io::Result<bool> {
        self.files.has_digest(path, digest)
    }

    fn copy_private(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        read_only()
    }

    fn lock(&self, _path: &Path) -> io::Result<Option<Locked>> {
        read_only()
    }

    fn demand_trusted(&self, path: &Path) -> io::Result<()> {
        self.files.demand_trusted(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::local::LocalFiles;

    #[test]
    fn what_is_edited_is_seen_and_nothing_is_written() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("a")).unwrap();
        std::fs::write(root.path().join("a/old.yml"), "x: 1\n").unwrap();
        let edit = |path: &str, after: &str| FileEdit {
            path: path.into(),
            before: String::new(),
            after: after.to_owned(),
            changes: Vec::new(),
        };
        let edits = [edit("/a/old.yml", "x: 2\n"), edit("/b/c/new.yml", "y: 1\n")];
        let files = LocalFiles::new(root.path());
        let edited = Edited::new(&files, &edits);
        assert_eq!(edited.read(Path::new("/a/old.yml")).unwrap(), b"x: 2\n");
        assert_eq!(edited.read_at(Path::new("/b/c/new.yml"), 2, 9).unwrap(), b" 1\n");
        assert_eq!(edited.list(Path::new("/b")).unwrap(), ["c"]);
        assert_eq!(edited.list(Path::new("/a")).unwrap(), ["old.yml"]);
        assert_eq!(edited.meta(Path::new("/b/c")).unwrap().kind, FileKind::Folder);
        assert_eq!(edited.meta(Path::new("/b/c/new.yml")).unwrap().kind, FileKind::File);
        assert!(edited.list(Path::new("/z")).is_err() && edited.meta(Path::new("/z")).is_err());
        assert!(
            edited.write(Path::new("/a/old.yml"), b"", 0o644).is_err()
                && edited.remove(Path::new("/a/old.yml")).is_err()
        );
        assert_eq!(files.read(Path::new("/a/old.yml")).unwrap(), b"x: 1\n");
    }
}
