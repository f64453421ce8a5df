//! Tape: a host that answers as the one behind it does, and keeps what it was asked and what it answered. A recording
//! is made of it, so that nothing a probe asks can be forgotten there.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    Cancel, Command, CommandError, Commands, Exit, FileMeta, Files, Host, Line, Stream,
    command::{Job, Liveness, Note},
    files::Checksum,
};
use crate::private::Locked;

/// What was asked, with the answers.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Files that were read as a whole.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    /// Files that were read in pieces: the last piece, where what was looked for was found.
    pub pieces: BTreeMap<PathBuf, Vec<u8>>,
    /// Paths that are not there.
    pub absent: BTreeSet<PathBuf>,
    /// Paths that are there.
    pub there: BTreeMap<PathBuf, FileMeta>,
    /// The names in folders.
    pub folders: BTreeMap<PathBuf, Vec<String>>,
    /// Symbolic links and what they say.
    pub links: BTreeMap<PathBuf, PathBuf>,
    /// Paths that this user may not read.
    pub denied: BTreeSet<PathBuf>,
    /// Free bytes by path.
    pub free_space: BTreeMap<PathBuf, u64>,
    /// Programs that are in the machine's PATH.
    pub programs: BTreeSet<String>,
    /// Programs that were to be run and are not installed.
    pub missing: BTreeSet<String>,
    /// Commands that came to an end, by their arguments.
    pub commands: BTreeMap<Vec<String>, Ran>,
}

/// How a command was answered.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Its standard output.
    pub output: String,
    /// Its standard error.
    pub errors: String,
    /// Its exit status.
    pub exit: i32,
}

/// What is being written down.
#[derive(Debug, Clone, Default)]
pub struct Tape(Arc<Mutex<Asked>>);

impl Tape {
    /// Returns the host that writes down what it is asked.
    pub fn listen(&self, host: &Host) -> Host {
        Host {
            files: Arc::new(TapedFiles { files: Arc::clone(&host.files), tape: self.clone() }),
            commands: Arc::new(TapedCommands { commands: Arc::clone(&host.commands), tape: self.clone() }),
            ..host.clone()
        }
    }

    /// Returns what was asked so far.
    pub fn asked(&self) -> Asked {
        self.now().clone()
    }

    fn now(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an answer about `path`, or that it may not be read.
    fn note<T>(&self, path: &Path, answer: io::Result<T>, keep: impl FnOnce(&mut Asked, &T)) -> io::Result<T> {
        match &answer {
            Ok(value) => keep(&mut self.now(), value),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.now().denied.insert(path.to_owned());
            }
            Err(_) => {}
        }
        answer
    }
}

struct TapedFiles {
    files: Arc<dyn Files>,
    tape: Tape,
}

impl Files for TapedFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.tape
            .note(path, self.files.read(path), |asked, bytes| drop(asked.files.insert(path.to_owned(), bytes.clone())))
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let piece = self.files.read_at(path, offset, len);
        self.tape.note(path, piece, |asked, bytes| drop(asked.pieces.insert(path.to_owned(), bytes.clone())))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.tape.note(path, self.files.list(path), |asked, names| {
            drop(asked.folders.insert(path.to_owned(), names.clone()));
        })
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        self.tape.note(path, self.files.read_link(path), |asked, target| {
            drop(asked.links.insert(path.to_owned(), target.clone()));
        })
    }

    fn meta(&self, path: &Path) -> io::Result<FileMeta> {
        let meta = self.files.meta(path);
        if meta.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            self.tape.now().absent.insert(path.to_owned());
        }
        self.tape.note(path, meta, |asked, meta| {
            asked.there.insert(path.to_owned(), *meta);
        })
    }

    /// Where it leads, and that something is there: a replay finds the same.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        let real = self.files.canonical(path)?;
        if real != path {
            self.tape.now().links.entry(path.to_owned()).or_insert_with(|| real.clone());
        }
        self.meta(&real).map(|_| real)
    }

    fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        self.files.write(path, bytes, mode)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files.remove(path)
    }

    fn remove_all(&self, path: &Path) -> io::Result<()> {
        self.files.remove_all(path)
    }

    fn has_digest(&self, path: &Path, digest: &Checksum) -> io::Result<bool> {
        self.files.has_digest(path, digest)
    }

    fn copy_private(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.files.copy_private(from, to)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Locked>> {
        self.files.lock(path)
    }

    fn demand_trusted(&self, path: &Path) -> io::Result<()> {
        self.files.demand_trusted(path)
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        self.tape.note(path, self.files.free_space(path), |asked, bytes| {
            asked.free_space.insert(path.to_owned(), *bytes);
        })
    }
}

struct TapedCommands {
    commands: Arc<dyn Commands>,
    tape: Tape,
}

impl Commands for TapedCommands {
    fn locate(&self, program: &str) -> Option<PathBuf> {
        let found = self.commands.locate(program)?;
        self.tape.now().programs.insert(program.to_owned());
        Some(found)
    }

    fn run(&self, command: &Command, cancel: &Cancel, on_line: &mut dyn FnMut(Line)) -> Result<Exit, CommandError> {
        let (mut output, mut errors) = (String::new(), String::new());
        let exit = self.commands.run(command, cancel, &mut |line| {
            let text = if line.stream == Stream::Stdout { &mut output } else { &mut errors };
            *text += &format!("{}\n", String::from_utf8_lossy(&line.bytes));
            on_line(line);
        });
        if let Err(CommandError::NotFound(program)) = &exit {
            self.tape.now().missing.insert(program.clone());
        }
        let exit = exit?;
        if let Exit::Code(exit) = exit {
            self.tape.now().commands.insert(command.argv(), Ran { output, errors, exit });
        }
        Ok(exit)
    }

    fn start(&self, command: &Command, log: &Path, note: &mut Note<'_>) -> Result<Job, CommandError> {
        self.commands.start(command, log, note)
    }

    fn liveness(&self, log: &Path) -> Liveness {
        self.commands.liveness(log)
    }

    fn find(&self, log: &Path) -> Option<Job> {
        self.commands.find(log)
    }

    fn follow(&self, job: &Job, offset: u64, cancel: &Cancel, on_line: &mut dyn FnMut(Line)) -> Exit {
        self.commands.follow(job, offset, cancel, on_line)
    }
}
