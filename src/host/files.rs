//! The files of a machine.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::private::Locked;

/// Reads and changes files. Paths are absolute and as the machine itself sees them; an implementation puts them below
/// its root.
pub trait Files: Send + Sync {
    /// Reads a whole file. Files of more than 64 MiB are refused with [`io::ErrorKind::FileTooLarge`].
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Reads at most `len` bytes from `offset` on: an empty answer is the end of the file.
    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>>;

    /// Returns the names in a folder, sorted.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Returns what a symbolic link says, unresolved.
    fn read_link(&self, path: &Path) -> io::Result<PathBuf>;

    /// Returns facts about a path; links are followed.
    fn meta(&self, path: &Path) -> io::Result<FileMeta>;

    /// Returns the path with every link followed.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;

    /// Replaces or creates a file as a whole, durably: after a crash the file has the old or the new bytes, nothing
    /// else. A link is followed; the mode and the owner of an existing file are kept, a new one gets `mode`. Missing
    /// folders are made (0755).
    fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()>;

    /// Removes a file or a link; a path that is not there is fine.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes a folder with all that is below it; links below it are removed, not followed. A path that is not there
    /// is fine.
    fn remove_all(&self, path: &Path) -> io::Result<()>;

    /// Tells whether a file has this digest. It is opened once and read to its end: a path that is changed meanwhile
    /// changes nothing.
    fn has_digest(&self, path: &Path, digest: &Checksum) -> io::Result<bool>;

    /// Copies a file to `to`, a new file that only this user can read: what was at `to` is removed first.
    fn copy_private(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Locks a file, made when it is not there, against every other gpunode that reaches it. Nobody else is on a
    /// simulated machine: nothing is locked there.
    fn lock(&self, path: &Path) -> io::Result<Option<Locked>>;

    /// Refuses what somebody else than root or this user could change: the file or folder itself, or any folder above
    /// it. A folder with the sticky bit (`/tmp`) is fine above, for in it nobody can move what is another's. The error
    /// names the place.
    fn demand_trusted(&self, path: &Path) -> io::Result<()>;

    /// Returns the bytes that an unprivileged user can still write to the file system of `path`.
    fn free_space(&self, path: &Path) -> io::Result<u64>;
}

/// The published checksum of a file's content, in hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Checksum {
    /// SHA-256.
    Sha256(String),
    /// MD5, all that NVIDIA publishes for some releases.
    Md5(String),
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// Something else: a device, a socket.
    Other,
}

/// Facts about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMeta {
    /// What it is.
    pub kind: FileKind,
    /// Length in bytes.
    pub len: u64,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Time of the last change in nanoseconds since 1970; 0 on a simulated machine.
    pub modified: i128,
}

/// The error where a recording holds nothing of a path: it may have been there or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this recording does not tell whether it is there")]
pub struct NotRecorded;

impl NotRecorded {
    /// Tells whether an error is this one.
    pub fn is(error: &io::Error) -> bool {
        error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()).is_some()
    }
}

impl dyn Files + '_ {
    /// Reads a file as text; what is not UTF-8 becomes U+FFFD.
    pub fn read_text(&self, path: impl AsRef<Path>) -> io::Result<String> {
        Ok(match String::from_utf8(self.read(path.as_ref())?) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }

    /// Reads the one value of a file below `/sys` or `/proc`, without the white space around it.
    pub fn read_value(&self, path: impl AsRef<Path>) -> io::Result<String> {
        Ok(self.read_text(path)?.trim().to_owned())
    }

    /// Tells whether something is at `path`.
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.meta(path.as_ref()).is_ok()
    }
}
