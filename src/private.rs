//! Private files: this program's own session, logs and backups, for the owner's eyes only, in places where others may
//! write too.
//!
//! A session may lie in `/tmp`, and a session is a plan that root carries out. So nothing of ours is ever opened
//! through a symbolic link, through a second hard link, or when it belongs to somebody who could not have written it
//! honestly.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use atomic_write_file::{AtomicWriteFile, unix::OpenOptionsExt as _};
use rustix::fs::OFlags;

use crate::bounded;

/// Session files are small; a larger one is none.
const READ_LIMIT: u64 = 64 << 20;

/// Writes a file for the owner's eyes only, whole or not at all, durably. What was at `path` is replaced, a link itself
/// and not its target.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Owner and mode are set below: where the crate fails to set one, it leaves its temporary file behind.
    let before = fs::symlink_metadata(path).ok().filter(Metadata::is_file);
    let mut file = AtomicWriteFile::options().mode(0o600).preserve_mode(false).preserve_owner(false).open(path)?;
    if let Some(before) = before {
        // Root by `sudo` leaves a user's session to its user.
        let _ = fchown(file.as_file(), Some(before.uid()), Some(before.gid()));
    }
    file.as_file().set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.commit().inspect_err(|_| sweep(path, bytes))
}

/// Removes what a write of the same bytes to `target` has left beside it when it failed or was killed in its last
/// moment: the whole new text under the name that [`AtomicWriteFile`] gives before the right one. Whatever differs is
/// somebody else's.
pub(crate) fn sweep(target: &Path, bytes: &[u8]) {
    let (Some(folder), Some(name)) = (target.parent(), target.file_name().and_then(|name| name.to_str())) else {
        return;
    };
    let is_ours = |path: &Path| {
        let random =
            path.file_name().and_then(|other| other.to_str()?.strip_prefix('.')?.strip_prefix(name)?.strip_prefix('.'));
        random.is_some_and(|random| random.len() == 6 && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
            && fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == bytes.len() as u64)
            && bounded::read(path, bounded::MOST).is_ok_and(|left| left == bytes)
    };
    let left = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    for path in left.filter(|path| is_ours(path)) {
        // It is only in the way of the eyes; what cannot be removed stays.
        let _ = fs::remove_file(path);
    }
}

/// Reads a file of ours. Refused: a link, a device, a file of somebody else or that others can write.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = open_existing(path)?;
    let mut bytes = Vec::new();
    file.take(READ_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > READ_LIMIT { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// Opens a log to add to it, made when it is not there.
pub fn append(path: &Path) -> io::Result<File> {
    open(OpenOptions::new().create(true).append(true), path)
}

/// Makes a new file; one that is there is an error.
pub fn create(path: &Path) -> io::Result<File> {
    open(OpenOptions::new().create_new(true).write(true), path)
}

/// Opens a file to be locked, made when it is not there.
pub fn open_lock(path: &Path) -> io::Result<File> {
    open(OpenOptions::new().create(true).read(true).write(true).truncate(false), path)
}

/// What came of a try to lock a file.
#[derive(Debug)]
pub enum Locked {
    /// It is locked now, for as long as this is open; the kernel lets go of it when the process dies, however it dies.
    Ours(File),
    /// Somebody else has it.
    Theirs(File),
}

/// Locks a file, made when it is not there. Whoever has it may remove it, so a lock counts only while the file has its
/// name.
pub fn lock(path: &Path) -> io::Result<Locked> {
    const TRIES: usize = 10;
    for _ in 0..TRIES {
        let file = open_lock(path)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(Locked::Theirs(file)),
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) => {}
        }
        let (open, named) = (file.metadata()?, fs::symlink_metadata(path));
        if named.is_ok_and(|named| (named.dev(), named.ino()) == (open.dev(), open.ino())) {
            return Ok(Locked::Ours(file));
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// Opens a file that is there, for reading and locking.
pub fn open_existing(path: &Path) -> io::Result<File> {
    open(OpenOptions::new().read(true), path)
}

/// Makes a folder that only the owner can enter, or takes one that is there if nobody else could have put things into
/// it.
pub fn folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let meta = fs::symlink_metadata(path)?;
            if !meta.is_dir() {
                return Err(refused("is not a folder"));
            }
            demand_ours(&meta)
        }
        other => other,
    }
}

/// Refuses a folder of somebody else, who could take away and bring back what we put there.
pub fn demand_owner(folder: &Path) -> io::Result<()> {
    let meta = fs::metadata(folder)?;
    if is_ours(&meta) { Ok(()) } else { Err(refused(&format!("belongs to another user (uid {})", meta.uid()))) }
}

/// Refuses a path that somebody else than root or this user can change: as sshd does with `StrictModes`, the file or
/// folder and every folder above it must belong to one of them, and nobody else may write there. The path must be free
/// of links.
pub fn demand_trusted(path: &Path) -> io::Result<()> {
    demand_chain(path, 0o022)
}

/// Makes a folder that a person has named, or takes the one that is there, and returns where `within` is in it. Refused:
/// a folder that somebody else can change, and a link on the way from the folder to there; a link in the name itself is
/// that person's word.
pub fn place(folder: &Path, within: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let place = fs::canonicalize(folder)?.join(within);
    let there = place.ancestors().find(|path| fs::symlink_metadata(path).is_ok());
    there.map_or(Ok(()), demand_owned)?;
    Ok(place)
}

/// As [`demand_trusted`], but a group may write: `/usr/local/bin` belongs to a group of administrators on some systems.
pub fn demand_owned(path: &Path) -> io::Result<()> {
    demand_chain(path, 0o002)
}

fn demand_chain(path: &Path, mask: u32) -> io::Result<()> {
    for place in path.ancestors() {
        let meta = fs::symlink_metadata(place)?;
        let refused = |why: &str| Err(refused_at(place, why));
        // In a folder with the sticky bit nobody can move or remove what is another's.
        let is_shared = place != path && meta.is_dir() && meta.mode() & 0o1000 != 0;
        if !is_ours(&meta) {
            return refused(&format!("belongs to another user (uid {})", meta.uid()));
        }
        // A link's mode says nothing.
        if meta.is_symlink() {
            return refused("is a symbolic link");
        }
        if meta.mode() & mask != 0 && !is_shared {
            return refused(&format!("can be written by others (mode {:o})", meta.mode() & 0o7777));
        }
    }
    Ok(())
}

fn refused_at(place: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {why}", place.display()))
}

fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    // Without NONBLOCK, a named pipe put in our place would hold us for ever.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
    let file = options.mode(0o600).custom_flags(flags).open(path).map_err(|error| {
        if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
            refused("is a symbolic link")
        } else {
            error
        }
    })?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(refused("is not a regular file"));
    }
    if meta.nlink() > 1 {
        return Err(refused("has a second name (a hard link)"));
    }
    demand_ours(&meta)?;
    // A program that inherits the file must not find it so: Ansible refuses to start then.
    let flags = rustix::fs::fcntl_getfl(&file)?;
    rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
    Ok(file)
}

/// Ours is what belongs to this user, to root, or to the user who called `sudo`.
fn is_ours(meta: &Metadata) -> bool {
    let me = rustix::process::geteuid().as_raw();
    let caller = std::env::var("SUDO_UID").ok().filter(|_| me == 0).and_then(|uid| uid.parse().ok());
    meta.uid() == me || meta.uid() == 0 || Some(meta.uid()) == caller
}

/// Ours, and what nobody else can write.
fn demand_ours(meta: &Metadata) -> io::Result<()> {
    if !is_ours(meta) {
        return Err(refused(&format!("belongs to another user (uid {})", meta.uid())));
    }
    if meta.mode() & 0o022 != 0 {
        return Err(refused(&format!("can be written by others (mode {:o})", meta.mode() & 0o777)));
    }
    Ok(())
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("it {why}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn why(result: io::Result<impl Sized>) -> String {
        result.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_is_written_is_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        write(&path, b"x").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let log = append(&folder.path().join("log")).unwrap();
        assert!(!rustix::fs::fcntl_getfl(&log).unwrap().contains(OFlags::NONBLOCK));
        assert_eq!(fs::metadata(folder.path().join("log")).unwrap().mode() & 0o777, 0o600);
        super::folder(&folder.path().join("d")).unwrap();
        assert_eq!(fs::metadata(folder.path().join("d")).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn links_and_pipes_in_our_place_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        fs::write(&victim, "kept").unwrap();
        fs::set_permissions(&victim, Permissions::from_mode(0o600)).unwrap();
        symlink(&victim, folder.path().join("link")).unwrap();
        fs::hard_link(&victim, folder.path().join("hard")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, folder.path().join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        assert_eq!(why(append(&folder.path().join("link"))), "it is a symbolic link");
        assert_eq!(why(read(&folder.path().join("link"))), "it is a symbolic link");
        assert_eq!(why(append(&folder.path().join("hard"))), "it has a second name (a hard link)");
        assert_eq!(why(read(&folder.path().join("pipe"))), "it is not a regular file");
        symlink(folder.path(), folder.path().join("d")).unwrap();
        assert_eq!(why(super::folder(&folder.path().join("d"))), "it is not a folder");
        // A write replaces the link, and what it pointed to stays.
        write(&folder.path().join("link"), b"new").unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "kept");
    }

    #[test]
    fn what_others_can_write_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        write(&path, b"x").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        assert_eq!(why(read(&path)), "it can be written by others (mode 666)");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        assert_eq!(why(super::folder(folder.path())), "it can be written by others (mode 777)");
    }

    #[test]
    fn a_named_folder_is_made_or_taken_and_a_link_in_it_is_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let (named, real) = (root.path().join("new/named"), root.path().canonicalize().unwrap());
        assert_eq!(place(&named, Path::new("a/b")).unwrap(), real.join("new/named/a/b"));
        symlink("new/named", root.path().join("link")).unwrap();
        assert_eq!(place(&root.path().join("link"), Path::new("a/b")).unwrap(), real.join("new/named/a/b"));
        // Whoever could put the link there would choose where root writes.
        symlink("/etc", named.join("a")).unwrap();
        assert_eq!(place(&named, Path::new("a/b")).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        fs::remove_file(named.join("a")).unwrap();
        fs::create_dir(named.join("a")).unwrap();
        fs::set_permissions(named.join("a"), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(place(&named, Path::new("a/b")).is_err());
    }
}
