//! The session file: one YAML file, written atomically and durably, mode 0600, locked against a second wizard.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{SCHEMA_VERSION, Session, lock_owner::LockOwner, migrate::migrate, seal::Seal};
use crate::{
    bounded,
    error::{Expected, reason},
    i18n::{Arg, msg},
    private,
};

/// The last line of the file, YAML's end of a document: most files that were cut off are good YAML too, with a part of
/// the journal gone.
const END: &str = "...\n";

/// An open, locked session file with the folder for logs and backups beside it.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    /// What the session is signed with; nothing on a simulated machine.
    seal: Option<Seal>,
    /// Where this user's locks of things lie; nothing on a simulated machine.
    locks: Option<PathBuf>,
    /// Held for as long as this value lives; the kernel lets go of it when the process dies, however it dies.
    _lock: File,
}

/// What the name of a session's folder for logs and backups ends with.
const FOLDER: &str = ".d";

impl Store {
    /// Opens the place of a session and locks it.
    pub fn open(path: &Path) -> Result<Self, Expected> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let failed = |error: &io::Error| {
            Expected::new(
                msg::error::session::place(folder.display(), reason(error)),
                msg::error::session::place::hint(),
            )
        };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failed(&error))?;
        private::demand_owner(folder).map_err(|error| failed(&error))?;
        let mut lock = private::open_lock(&lock_path(path)).map_err(|error| failed(&error))?;
        if let Err(error) = lock.try_lock() {
            return Err(match error {
                TryLockError::WouldBlock => held(path, &mut lock),
                TryLockError::Error(error) => failed(&error),
            });
        }
        // Who holds it is a courtesy to a second wizard; the lock itself does not depend on the text.
        let text = serde_yaml::to_string(&LockOwner::me()).unwrap_or_default();
        let _ = lock.set_len(0).and_then(|()| lock.write_all(text.as_bytes()));
        Ok(Self { path: path.to_owned(), seal: None, locks: None, _lock: lock })
    }

    /// Signs with this from now on.
    #[must_use]
    pub fn sealed(self, seal: Option<Seal>) -> Self {
        Self { seal, ..self }
    }

    /// Locks what it changes by files in this folder from now on.
    #[must_use]
    pub fn locking_in(self, folder: Option<PathBuf>) -> Self {
        Self { locks: folder, ..self }
    }

    /// Returns the folder for locks of things, made on first use; nothing where nobody else can be.
    pub fn locks(&self) -> io::Result<Option<&Path>> {
        let Some(folder) = &self.locks else { return Ok(None) };
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        private::demand_owner(folder)?;
        Ok(Some(folder))
    }

    /// Returns what the session is signed with.
    pub fn seal(&self) -> Option<&Seal> {
        self.seal.as_ref()
    }

    /// Reads the session, if there is one. Of a file that an older gpunode wrote a copy is kept: the next save is in
    /// the new schema.
    pub fn load(&self) -> Result<Option<Session>, Expected> {
        let Some(text) = read(&self.path)? else { return Ok(None) };
        let (session, schema) = parse(&text, &self.path)?;
        if schema < SCHEMA_VERSION {
            let copy = with_suffix(&self.path, &format!(".schema-{schema}"));
            private::write(&copy, text.as_bytes()).map_err(|error| {
                Expected::new(
                    msg::error::session::copy(copy.display(), reason(&error)),
                    msg::error::session::copy::hint(),
                )
            })?;
        }
        Ok(Some(session))
    }

    /// Writes the session; afterwards it survives a power cut.
    pub fn save(&self, session: &mut Session, now: jiff::Timestamp) -> Result<(), Expected> {
        session.updated = now;
        if let Some(seal) = &self.seal {
            seal.sign(session);
        }
        let text = serde_yaml::to_string(session)
            .map_err(|error| Expected::new(msg::error::session::yaml(error), msg::error::bug()))?;
        private::write(&self.path, (text + END).as_bytes()).map_err(|error| {
            Expected::new(msg::error::write(self.path.display(), reason(&error)), msg::error::session::write::hint())
        })
    }

    /// Moves a session that is finished or not wanted out of the way and returns where it is now.
    pub fn retire(&self) -> Result<Option<PathBuf>, Expected> {
        if fs::symlink_metadata(&self.path).is_err() {
            return Ok(None);
        }
        let is_free =
            |path: &PathBuf| [path, &with_suffix(path, FOLDER)].iter().all(|path| fs::symlink_metadata(path).is_err());
        let free = (1..10_000).map(|n| with_suffix(&self.path, &format!(".{n}"))).find(is_free);
        let target = free.unwrap_or_else(|| with_suffix(&self.path, ".old"));
        fs::rename(&self.path, &target).map_err(|error| {
            Expected::new(
                msg::error::session::r#move(self.path.display(), reason(&error)),
                msg::error::session::r#move::hint(),
            )
        })?;
        // Its logs and backups go with it: the next session numbers its own from the beginning, and must not read
        // these.
        let (folder, kept) = (with_suffix(&self.path, FOLDER), with_suffix(&target, FOLDER));
        match fs::rename(&folder, kept) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Expected::new(
                msg::error::session::r#move(folder.display(), reason(&error)),
                msg::error::session::r#move::hint(),
            )),
            _ => Ok(Some(target)),
        }
    }

    /// Returns the session's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the folder for logs and backups, made on first use.
    pub fn folder(&self) -> io::Result<PathBuf> {
        let folder = with_suffix(&self.path, FOLDER);
        private::folder(&folder)?;
        // The working directory may change; what is in the journal must not depend on it.
        folder.canonicalize()
    }
}

/// Returns who has a session open, without touching it; nobody if the lock is free.
pub fn holder(path: &Path) -> Option<LockOwner> {
    let mut lock = private::open_existing(&lock_path(path)).ok()?;
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => read_holder(&mut lock),
        _ => None,
    }
}

/// Reads a session file without locking it.
pub fn load(path: &Path) -> Result<Option<Session>, Expected> {
    let Some(text) = read(path)? else { return Ok(None) };
    parse(&text, path).map(|(session, _)| Some(session))
}

fn read(path: &Path) -> Result<Option<String>, Expected> {
    match private::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| damaged(path, "", msg::error::session::not_text())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Expected::new(
            msg::error::session::unreadable(path.display(), reason(&error)),
            msg::error::session::unreadable::hint(),
        )),
    }
}

/// Reads a session's text, and the schema it was written in: that first, so that a newer file is recognised whatever
/// else it holds. Pure: `path` is only a name.
pub fn parse(text: &str, path: &Path) -> Result<(Session, u32), Expected> {
    #[derive(serde::Deserialize)]
    struct Head {
        schema_version: u32,
    }
    bounded::check_yaml(text).map_err(|why| damaged(path, "", &why))?;
    let refused = |error: serde_yaml::Error| {
        let line = error.location().map_or_else(String::new, |at| format!(":{}", at.line()));
        damaged(path, &line, crate::text::printable(&error.to_string()))
    };
    let Head { schema_version } = serde_yaml::from_str(text).map_err(refused)?;
    if schema_version > SCHEMA_VERSION {
        return Err(Expected::new(
            msg::error::session::newer(path.display(), SCHEMA_VERSION, schema_version),
            msg::error::session::newer::hint(),
        ));
    }
    if schema_version == SCHEMA_VERSION {
        if !text.trim_end().ends_with(END.trim_end()) {
            return Err(damaged(path, "", msg::error::session::cut_off(END.trim_end())));
        }
        return Ok((serde_yaml::from_str(text).map_err(refused)?, schema_version));
    }
    let old = migrate(serde_yaml::from_str(text).map_err(refused)?, schema_version);
    Ok((serde_yaml::from_value(old).map_err(refused)?, schema_version))
}

fn damaged(path: &Path, line: &str, why: impl Into<Arg>) -> Expected {
    let place = format!("{}{line}", path.display());
    Expected::new(msg::error::session::damaged(place, why), msg::error::session::damaged::hint())
}

fn held(path: &Path, lock: &mut File) -> Expected {
    let what = match read_holder(lock) {
        Some(holder) => msg::error::session::held_by(path.display(), holder),
        None => msg::error::session::held(path.display()),
    };
    Expected::new(what, msg::error::session::held::hint())
}

/// Reads who holds a lock that is held. In the first moment the holder has not written its name yet.
fn read_holder(lock: &mut File) -> Option<LockOwner> {
    const TRIES: usize = 40;
    let mut read = || {
        let mut text = String::new();
        lock.rewind().ok()?;
        lock.take(4096).read_to_string(&mut text).ok()?;
        LockOwner::parse(&text)
    };
    (0..TRIES).find_map(|number| {
        if number > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        read()
    })
}

fn lock_path(path: &Path) -> PathBuf {
    with_suffix(path, ".lock")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn session() -> Session {
        Session::new("machine".to_owned(), "node1".to_owned(), jiff::Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_session_comes_back_as_it_was_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/session.yaml");
        let store = Store::open(&path).unwrap();
        let mut written = session();
        store.save(&mut written, jiff::Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(store.load().unwrap().unwrap(), written);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_second_wizard_is_refused_and_told_who_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.yaml");
        let _first = Store::open(&path).unwrap();
        let error = Store::open(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
    }

    #[test]
    fn a_session_that_was_cut_off_anywhere_is_no_session() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.yaml");
        let mut written = session();
        Store::open(&path).unwrap().save(&mut written, jiff::Timestamp::UNIX_EPOCH).unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        assert_eq!(parse(&whole, &path).unwrap().0, written);
        for end in 0..whole.trim_end().len() {
            assert!(parse(&whole[..end], &path).is_err(), "{}", &whole[..end]);
        }
    }

    #[test]
    fn damaged_and_newer_files_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.yaml");
        let store = Store::open(&path).unwrap();
        for (text, expected) in
            [("", "not a session"), ("\u{0}", "not a session"), ("schema_version: 99\n", "newer gpunode")]
        {
            fs::write(&path, text).unwrap();
            let error = store.load().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn retired_sessions_pile_up_beside_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("s.yaml")).unwrap();
        for n in 1..3 {
            store.save(&mut session(), jiff::Timestamp::UNIX_EPOCH).unwrap();
            fs::write(store.folder().unwrap().join("001-fetch-runfile.log"), "of the session before").unwrap();
            assert_eq!(store.retire().unwrap().unwrap(), folder.path().join(format!("s.yaml.{n}")));
            assert!(folder.path().join(format!("s.yaml.{n}.d/001-fetch-runfile.log")).exists());
            assert_eq!(
                fs::read_dir(store.folder().unwrap()).unwrap().count(),
                0,
                "the next session begins with an empty folder"
            );
        }
        assert_eq!(store.retire().unwrap(), None);
    }
}
