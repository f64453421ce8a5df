//! Detached jobs of this machine: how one is begun, and how anybody can tell later whether it still runs.
//!
//! A job's output goes to a log file, and the file is locked (flock) through the very description that is the job's standard output. The
//! lock lasts as long as any process of the job has it, whoever was killed, and everybody sees it: from another PID namespace, and
//! without `/proc`. And a job does nothing before its note is on disk: until then it waits for a word on its standard input.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::Path,
};

use super::{process, programs};
use crate::{
    host::{Command, CommandError, command::Job, command::Liveness},
    private,
    secret::Secret,
};

/// Waits for the word, then becomes the program; without the word nothing is run. Values come in as `"$@"`, so that no text of this
/// script ever holds one.
const HOLD: &str = r#"IFS= read -r word && [ "$word" = go ] && exec "$@""#;
/// As [`HOLD`], and before that lays the first argument over `/tmp`, in a mount namespace of its own.
const HOLD_WITH_TMP: &str = r#"IFS= read -r word && [ "$word" = go ] || exit 125; mount --bind -- "$1" /tmp || exit 125; shift; exec "$@""#;
/// Begins a mount namespace that no other sees. Old versions of `unshare` cannot say so, and then there is none.
const OWN_MOUNTS: [&str; 3] = ["--mount", "--propagation", "private"];
const WORD: &[u8] = b"go\n";

/// A job that was begun.
pub(super) struct Begun {
    pub job: Job,
    pub handle: duct::Handle,
}

/// Starts a job. `note` writes it down; when that fails, the job ends without having done anything.
pub(super) fn start(command: &Command, log: &Path, note: &mut dyn FnMut(&Job) -> Result<(), String>) -> Result<Begun, CommandError> {
    let failed = |error: io::Error| process::failed(command, &error);
    command.demand_plain()?;
    let file = private::append(log).map_err(failed)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(CommandError::StillRuns(log.to_owned())),
        // On a file system without locks, the process itself has to tell, as far as it can.
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    let (input, mut word) = io::pipe().map_err(failed)?;
    // In this order: the outermost is applied first, and an error must not reach the terminal that a wizard draws on.
    let handle = held(command)?.stdin_file(input).stderr_to_stdout().stdout_file(file).start().map_err(failed)?;
    let pid = handle.pids().first().copied().unwrap_or(0);
    let job = Job { pid, started: process::start_time(pid).unwrap_or(0), log: log.to_owned() };
    if let Err(reason) = note(&job) {
        drop(word);
        // It reads the end of its input and ends; how does not matter.
        let _ = handle.wait();
        return Err(CommandError::Unnoted { program: command.program.clone(), reason });
    }
    let input = command.secret.as_ref().map(Secret::reveal).or(command.stdin.as_deref()).unwrap_or_default();
    // A job that has ended already reads nothing: its exit tells why.
    let _ = word.write_all(WORD).and_then(|()| word.write_all(input.as_bytes()));
    Ok(Begun { job, handle })
}

/// Makes the expression of a held command.
fn held(command: &Command) -> Result<duct::Expression, CommandError> {
    let missing = |name: &str| CommandError::NotFound(name.to_owned());
    let shell = programs::tool("sh").ok_or_else(|| missing("sh"))?;
    let namespace = command.own_tmp.as_deref().filter(|_| !names_tmp(command)).and_then(own_mounts);
    let mut argv = Vec::new();
    if let (Some(unshare), Some(tmp)) = (namespace, &command.own_tmp) {
        argv.push(unshare.into_os_string());
        argv.extend(OWN_MOUNTS.map(Into::into));
        argv.extend([shell.into_os_string(), "-c".into(), HOLD_WITH_TMP.into(), "gpunode-job".into(), tmp.into()]);
    } else {
        argv.extend([shell.into_os_string(), "-c".into(), HOLD.into(), "gpunode-job".into()]);
    }
    process::expression_with(command, argv)
}

/// Tells whether a command names something below `/tmp`: a folder laid over it would hide that from the command.
fn names_tmp(command: &Command) -> bool {
    let is_there = |text: &str| text.rsplit('=').next().is_some_and(|path| path.starts_with("/tmp/"));
    command.argv().iter().any(|text| is_there(text)) || command.env.iter().any(|(_, value)| is_there(value))
}

/// Returns the program that makes a mount namespace, where this user may make one and there is a folder to lay over.
fn own_mounts(folder: &Path) -> Option<std::path::PathBuf> {
    let unshare = programs::tool("unshare").filter(|_| folder.is_dir())?;
    let mount = programs::tool("mount")?;
    // Tried for real: a container or a security module may forbid either.
    let words = OWN_MOUNTS.map(Into::into).into_iter().chain([mount.into_os_string(), "--bind".into(), folder.into(), "/tmp".into()]);
    let tried = duct::cmd(&unshare, words).stdin_null().stdout_null().stderr_null().unchecked().run();
    tried.is_ok_and(|output| output.status.success()).then_some(unshare)
}

/// Tells whether a job that writes to `log` still runs, by its lock.
pub(super) fn liveness(log: &Path) -> Liveness {
    let file = match private::open_existing(log) {
        Ok(file) => file,
        // No log, no job: it is opened before anything is begun.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Liveness::Ended,
        Err(error) => return Liveness::Unknown(error.to_string()),
    };
    match file.try_lock_shared() {
        Ok(()) => Liveness::Ended,
        Err(TryLockError::WouldBlock) => Liveness::Running,
        Err(TryLockError::Error(error)) => Liveness::Unknown(error.to_string()),
    }
}

/// Finds the job that writes to `log` by its standard output.
pub(super) fn find(log: &Path) -> Option<Job> {
    let log = log.canonicalize().ok()?;
    let pids = fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let mut writers = pids.filter(|pid| fs::read_link(format!("/proc/{pid}/fd/1")).is_ok_and(|target| target == log));
    // The job is the leader of its session; its children write to the same log.
    let pid = writers.find(|pid| process::session_of(*pid) == Some(*pid))?;
    Some(Job { pid, started: process::start_time(pid)?, log })
}

/// Reads what a log has gained, from `offset` on, at most `most` bytes.
pub(super) fn read_on(log: &Path, offset: u64, most: u64) -> io::Result<Vec<u8>> {
    use io::{Read, Seek};
    let mut file: File = private::open_existing(log)?;
    file.seek(io::SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
