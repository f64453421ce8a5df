//! Detached jobs of this machine: how one is begun, and how anybody can tell later whether it still runs.
//!
//! A job's output goes to a log file, and the file is locked (flock) through the very description that is the job's
//! standard output. The lock lasts as long as any process of the job has it, whoever was killed, and everybody sees it:
//! from another PID namespace, and without `/proc`. And a job does nothing before its note is on disk: until then it
//! waits for a word on its standard input.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::{process, programs};
use crate::{
    host::{Command, CommandError, command::Job, command::Liveness},
    private,
    secret::Secret,
};

/// Waits for the word, then becomes the program; without the word nothing is run. Values come in as `"$@"`, so that no
/// text of this script ever holds one.
const HOLD: &str = r#"IFS= read -r word && [ "$word" = go ] && exec "$@""#;
/// As [`HOLD`], and before that lays the first argument over `/tmp`, in a mount namespace of its own. The arguments up
/// to `--` are what the command names below `/tmp`: they are laid in there first, so that they stay where they are.
const HOLD_WITH_TMP: &str = r#"
IFS= read -r word && [ "$word" = go ] || exit 125
tmp=$1
shift
while [ "$1" != -- ]; do
    at=$tmp${1#/tmp}
    if [ -d "$1" ]; then mkdir -p -- "$at"; else mkdir -p -- "${at%/*}" && : > "$at"; fi || exit 125
    mount --bind -- "$1" "$at" || exit 125
    shift
done
shift
mount --rbind -- "$tmp" /tmp || exit 125
exec "$@""#;
/// Begins a mount namespace that no other sees. Old versions of `unshare` cannot say so, and then there is none.
const OWN_MOUNTS: [&str; 3] = ["--mount", "--propagation", "private"];
const WORD: &[u8] = b"go\n";

/// A job that was begun.
pub(super) struct Begun {
    pub job: Job,
    pub handle: duct::Handle,
}

/// Starts a job. `note` writes it down; when that fails, the job ends without having done anything.
pub(super) fn start(
    command: &Command,
    log: &Path,
    note: &mut dyn FnMut(&Job) -> Result<(), String>,
) -> Result<Begun, CommandError> {
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
    let namespace = command.own_tmp.as_deref().and_then(own_mounts);
    let mut argv = Vec::new();
    if let (Some(unshare), Some(tmp)) = (namespace, &command.own_tmp) {
        argv.push(unshare.into_os_string());
        argv.extend(OWN_MOUNTS.map(Into::into));
        argv.extend([shell.into_os_string(), "-c".into(), HOLD_WITH_TMP.into(), "gpunode-job".into(), tmp.into()]);
        argv.extend(
            kept_of_tmp(command).map_err(|error| process::failed(command, &error))?.into_iter().map(Into::into),
        );
        argv.push("--".into());
    } else {
        argv.extend([shell.into_os_string(), "-c".into(), HOLD.into(), "gpunode-job".into()]);
    }
    process::expression_with(command, argv)
}

/// Returns what a command names below `/tmp`, which has to stay there for it. What is not there yet is a folder to be:
/// it is made now, for in the command's own `/tmp` it would be lost. Each must be such that nobody else can have put it
/// there, or change it.
fn kept_of_tmp(command: &Command) -> io::Result<BTreeSet<PathBuf>> {
    let below = |text: &str| {
        Some(PathBuf::from(text.rsplit('=').next()?))
            .filter(|path| path.starts_with("/tmp") && path != Path::new("/tmp"))
    };
    let argv = command.argv();
    let named: BTreeSet<PathBuf> = argv.iter().chain(command.env.values()).filter_map(|text| below(text)).collect();
    let is_within = |path: &Path| path.ancestors().skip(1).any(|folder| named.contains(folder));
    let kept: BTreeSet<PathBuf> = named.iter().filter(|path| !is_within(path)).cloned().collect();
    for path in &kept {
        if fs::symlink_metadata(path).is_err() {
            DirBuilder::new().recursive(true).mode(0o755).create(path)?;
        }
        private::demand_trusted(path)?;
    }
    Ok(kept)
}

/// Returns the program that makes a mount namespace, where this user may make one and there is a folder to lay over.
fn own_mounts(folder: &Path) -> Option<PathBuf> {
    let unshare = programs::tool("unshare").filter(|_| folder.is_dir())?;
    let mount = programs::tool("mount")?;
    // Tried for real: a container or a security module may forbid either.
    let words = OWN_MOUNTS.map(Into::into).into_iter().chain([
        mount.into_os_string(),
        "--bind".into(),
        folder.into(),
        "/tmp".into(),
    ]);
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Runs a script in a `/tmp` of its own and returns what it printed; nothing where this user may make no namespace.
    fn run_with_own_tmp(folder: &Path, script: &'static str, named: &[&Path]) -> Option<Result<String, CommandError>> {
        let tmp = folder.join("own");
        DirBuilder::new().recursive(true).mode(0o700).create(&tmp).unwrap();
        own_mounts(&tmp)?;
        let command = Command::new("sh", ["-c", script, "sh"])
            .operands(named.iter().map(|path| path.display()))
            .own_tmp(&tmp)
            .detached();
        let log = folder.join("log");
        Some(start(&command, &log, &mut |_| Ok(())).map(|begun| {
            begun.handle.wait().unwrap();
            fs::read_to_string(log).unwrap()
        }))
    }

    #[test]
    fn what_a_command_names_below_tmp_stays_and_all_else_is_gone() {
        let own = tempfile::Builder::new().prefix("gpunode-kept").tempdir_in("/tmp").unwrap();
        let planted = tempfile::NamedTempFile::new_in("/tmp").unwrap();
        fs::write(own.path().join("file"), "mine").unwrap();
        let made = own.path().join("not/there/yet");
        // The folder itself, which also holds the new `/tmp`, and a file and a folder in it.
        let script = r#"cat "$2"; [ -e "$4" ] && echo seen; mkdir -p "$3" && echo there > "$3/x"; echo > /tmp/cuda-installer.log; ls /tmp"#;
        let hidden = Path::new("/var").join("..").join(planted.path().strip_prefix("/").unwrap());
        let Some(ran) = run_with_own_tmp(own.path(), script, &[own.path(), &own.path().join("file"), &made, &hidden])
        else {
            return;
        };
        let name = own.path().file_name().unwrap().to_str().unwrap();
        assert_eq!(ran.unwrap(), format!("minecuda-installer.log\n{name}\n"));
        let _ = planted;
    }

    #[test]
    fn a_folder_to_be_below_tmp_is_made_before_and_kept() {
        let own = tempfile::tempdir().unwrap();
        let target = tempfile::Builder::new().prefix("gpunode-prefix").tempdir_in("/tmp").unwrap();
        let made = target.path().join("a/b");
        let Some(ran) = run_with_own_tmp(own.path(), r#"echo there > "$1/x""#, &[&made]) else { return };
        assert_eq!((ran.unwrap().as_str(), fs::read_to_string(made.join("x")).unwrap().as_str()), ("", "there\n"));
    }

    #[test]
    fn what_somebody_else_may_have_put_below_tmp_stops_it() {
        let own = tempfile::tempdir().unwrap();
        let target = tempfile::Builder::new().prefix("gpunode-planted").tempdir_in("/tmp").unwrap();
        let link = target.path().join("link");
        std::os::unix::fs::symlink("/etc", &link).unwrap();
        let open = target.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        for path in [link, open] {
            let Some(ran) = run_with_own_tmp(own.path(), "echo ran", &[&path]) else { return };
            assert!(ran.is_err(), "{} was taken", path.display());
        }
    }
}
