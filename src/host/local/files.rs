//! Files below a root folder. Absolute links are taken as the machine in the folder would take them: from the root.

use std::{
    fs,
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt as _, PermissionsExt, fchown},
    path::{Component, Path, PathBuf},
};

use crate::{
    bounded,
    host::{FileKind, FileMeta, Files, files::Checksum},
    private,
};
use atomic_write_file::{AtomicWriteFile, unix::OpenOptionsExt};

/// Links followed in one path before it counts as a circle, as in Linux.
const LINK_LIMIT: usize = 40;

/// Files of this machine, below a root.
#[derive(Debug, Clone)]
pub struct LocalFiles {
    root: PathBuf,
}

impl LocalFiles {
    /// Reads and writes below `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Returns the real path of what the machine calls `path`; the last component is followed too. Parts that do not
    /// exist are kept.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        if self.root == Path::new("/") {
            return Ok(path.to_owned());
        }
        Ok(self.root.join(self.inner_path(path)?.strip_prefix("/").unwrap_or(path)))
    }

    /// Follows every link of `path` inside the root and returns the path as the machine sees it.
    fn inner_path(&self, path: &Path) -> io::Result<PathBuf> {
        let parts =
            |path: &Path| path.components().rev().map(|part| PathBuf::from(part.as_os_str())).collect::<Vec<_>>();
        let mut pending = parts(path);
        let mut done = PathBuf::from("/");
        let mut links = 0;
        while let Some(part) = pending.pop() {
            match part.components().next() {
                Some(Component::ParentDir) => {
                    done.pop();
                }
                Some(Component::Normal(name)) => {
                    match fs::read_link(self.root.join(done.strip_prefix("/").unwrap_or(&done)).join(name)) {
                        Ok(target) => {
                            links += 1;
                            if links > LINK_LIMIT {
                                return Err(rustix::io::Errno::LOOP.into());
                            }
                            if target.is_absolute() {
                                done = PathBuf::from("/");
                            }
                            pending.append(&mut parts(&target));
                        }
                        Err(_) => done.push(name),
                    }
                }
                _ => {}
            }
        }
        Ok(done)
    }
}

impl Files for LocalFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        bounded::read(&self.resolve(path)?, bounded::MOST)
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut file = bounded::open(&self.resolve(path)?)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(len as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = fs::read_dir(self.resolve(path)?)?
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return fs::read_link(path) };
        fs::read_link(self.resolve(folder)?.join(name))
    }

    fn meta(&self, path: &Path) -> io::Result<FileMeta> {
        let meta = fs::metadata(self.resolve(path)?)?;
        let kind = match meta.file_type() {
            kind if kind.is_file() => FileKind::File,
            kind if kind.is_dir() => FileKind::Folder,
            _ => FileKind::Other,
        };
        let modified = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        Ok(FileMeta { kind, len: meta.len(), mode: meta.mode() & 0o7777, uid: meta.uid(), modified })
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.meta(path)?;
        if self.root == Path::new("/") { fs::canonicalize(path) } else { self.inner_path(path) }
    }

    fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        let mut target = self.resolve(path)?;
        if let Ok(real) = fs::canonicalize(&target) {
            target = real;
        } else if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        private::sweep(&target, bytes);
        let before = fs::metadata(&target).ok();
        let mode = before.as_ref().map_or(mode, |meta| meta.mode() & 0o7777);
        let mut options = AtomicWriteFile::options();
        // Owner and mode are set here and not by the crate: where that fails, the crate would leave its temporary file
        // behind.
        options.mode(0o600).preserve_mode(false).preserve_owner(false);
        let mut file = options.open(&target)?;
        if let Some(before) = before {
            // Only root can give a file away; another user's edit of a shared file makes it that user's.
            let _ = fchown(file.as_file(), Some(before.uid()), Some(before.gid()));
        }
        let written =
            file.write_all(bytes).and_then(|()| file.as_file().set_permissions(fs::Permissions::from_mode(mode)));
        match written {
            Ok(()) => file.commit().inspect_err(|_| private::sweep(&target, bytes)),
            Err(error) => {
                // It is only in the way of the eyes; the error that counts is the first.
                let _ = file.discard();
                Err(error)
            }
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        ignore_missing(fs::remove_file(self.resolve_parent(path)?))
    }

    fn remove_all(&self, path: &Path) -> io::Result<()> {
        let real = self.resolve_parent(path)?;
        match fs::symlink_metadata(&real) {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(real),
            Ok(_) => fs::remove_file(real),
            Err(error) => ignore_missing(Err(error)),
        }
    }

    fn has_digest(&self, path: &Path, digest: &Checksum) -> io::Result<bool> {
        let mut file = bounded::open(&self.resolve(path)?)?;
        Ok(match digest {
            Checksum::Sha256(hex) => digest_of::<sha2::Sha256>(&mut file)?.eq_ignore_ascii_case(hex),
            Checksum::Md5(hex) => digest_of::<md5::Md5>(&mut file)?.eq_ignore_ascii_case(hex),
        })
    }

    fn copy_private(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut from = bounded::open(&self.resolve(from)?)?;
        self.remove(to)?;
        let mut copy = private::create(&self.resolve_parent(to)?)?;
        io::copy(&mut from, &mut copy)?;
        copy.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<private::Locked>> {
        private::lock(&self.resolve_parent(path)?).map(Some)
    }

    fn demand_trusted(&self, path: &Path) -> io::Result<()> {
        private::demand_trusted(&fs::canonicalize(self.resolve(path)?)?)
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(self.resolve(path)?)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

impl LocalFiles {
    /// As `resolve`, but a link in the last place is meant itself.
    fn resolve_parent(&self, path: &Path) -> io::Result<PathBuf> {
        match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => Ok(self.resolve(folder)?.join(name)),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

/// Reads a file to its end and returns its digest in hex.
fn digest_of<D: sha2::Digest>(file: &mut fs::File) -> io::Result<String> {
    const PIECE: usize = 1 << 20;
    let (mut digest, mut buffer) = (D::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            len => digest.update(&buffer[..len]),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_stay_inside_the_root() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/real"), "inside").unwrap();
        symlink("/etc/real", root.path().join("etc/link")).unwrap();
        symlink("../../../etc/real", root.path().join("etc/up")).unwrap();
        let files = LocalFiles::new(root.path());
        assert_eq!(files.read(Path::new("/etc/link")).unwrap(), b"inside");
        assert_eq!(files.read(Path::new("/etc/up")).unwrap(), b"inside");
        assert_eq!(files.canonical(Path::new("/etc/link")).unwrap(), Path::new("/etc/real"));
    }

    #[test]
    fn links_in_a_circle_are_an_error() {
        let root = tempfile::tempdir().unwrap();
        symlink("/b", root.path().join("a")).unwrap();
        symlink("/a", root.path().join("b")).unwrap();
        let error = LocalFiles::new(root.path()).read(Path::new("/a")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::LOOP.raw_os_error()));
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let pipe = root.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let files = LocalFiles::new(Path::new("/"));
        assert_eq!(files.read(&pipe).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(files.read(Path::new("/dev/zero")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(files.read(root.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert!(!files.read(Path::new("/proc/self/status")).unwrap().is_empty(), "files of /proc are files");
    }

    #[test]
    fn write_keeps_the_mode_and_follows_links() {
        let root = tempfile::tempdir().unwrap();
        let real = root.path().join("real.yml");
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("real.yml", root.path().join("link.yml")).unwrap();
        let files = LocalFiles::new(Path::new("/"));
        files.write(&root.path().join("link.yml"), b"new", 0o600).unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert_eq!(fs::metadata(&real).unwrap().mode() & 0o777, 0o640);
        files.write(&root.path().join("sub/new.yml"), b"x", 0o600).unwrap();
        assert_eq!(fs::metadata(root.path().join("sub/new.yml")).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn removing_what_is_not_there_is_fine() {
        let root = tempfile::tempdir().unwrap();
        let files = LocalFiles::new(Path::new("/"));
        files.remove(&root.path().join("x")).unwrap();
        files.remove_all(&root.path().join("y")).unwrap();
    }
}
