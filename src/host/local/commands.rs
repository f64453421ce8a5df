//! Programs of this machine. Each runs in a session of its own (`setsid` of util-linux), so that a whole group can be
//! stopped, a program that asks the terminal fails at once instead of hanging, and a detached one outlives us.

use std::{
    collections::HashMap,
    io::{self, PipeReader, Read},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{
    jobs,
    process::{expression_with, failed, start_time},
    programs,
};
use crate::{
    host::{
        Cancel, Command, CommandError, Commands, Exit, Line, Stream,
        command::{Job, Liveness, Note, PIECE},
        splitter::Splitter,
    },
    secret::Secret,
    worker,
};

/// How often a running command is looked at.
const POLL: Duration = Duration::from_millis(20);
/// How long a stopped group may clean up before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// After how much silence nothing more is expected of a program that has ended: a daemon it left behind may hold the
/// pipe for ever.
const DRAIN: Duration = Duration::from_millis(300);
/// How long is waited for the output of a program that has ended, all waits together: such a daemon may also go on
/// printing.
const DRAIN_MOST: Duration = Duration::from_secs(3);
/// Bytes that are read at once.
const BUFFER: usize = 256 << 10;
/// A program that has written so short a time ago is likely to write more at once.
const BUSY: Duration = Duration::from_millis(3);
/// How long its output is left to gather then.
const GATHER: Duration = Duration::from_millis(1);

/// Runs programs of this machine.
#[derive(Debug, Default)]
pub struct LocalCommands {
    /// The detached children of this process: without the handle nobody would learn their exit status.
    jobs: Mutex<HashMap<u32, duct::Handle>>,
}

impl Commands for LocalCommands {
    fn locate(&self, program: &str) -> Option<PathBuf> {
        programs::locate(program).ok().flatten()
    }

    fn run(&self, command: &Command, cancel: &Cancel, on_line: &mut dyn FnMut(Line)) -> Result<Exit, CommandError> {
        let failed = |error: io::Error| failed(command, &error);
        let (stdout, stdout_writer) = io::pipe().map_err(failed)?;
        let (stderr, stderr_writer) = io::pipe().map_err(failed)?;
        let expression = expression(command)?.stdout_file(stdout_writer).stderr_file(stderr_writer);
        let (sender, receiver) = sync_channel(8);
        let errors = sender.clone();
        let meter = command.meter;
        // First the readers: where the system gives no more threads, nothing is begun.
        worker::spawn(move || read_lines(stdout, Stream::Stdout, meter, &sender)).map_err(failed)?;
        worker::spawn(move || read_lines(stderr, Stream::Stderr, meter, &errors)).map_err(failed)?;
        let handle = expression.start().map_err(failed)?;
        drop(expression);
        Ok(wait(&handle, command.deadline, cancel, &receiver, on_line))
    }

    fn start(&self, command: &Command, log: &Path, note: &mut Note<'_>) -> Result<Job, CommandError> {
        let jobs::Begun { job, handle } = jobs::start(command, log, note)?;
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).insert(job.pid, handle);
        Ok(job)
    }

    fn liveness(&self, log: &Path) -> Liveness {
        jobs::liveness(log)
    }

    fn find(&self, log: &Path) -> Option<Job> {
        jobs::find(log)
    }

    fn follow(&self, job: &Job, mut offset: u64, cancel: &Cancel, on_line: &mut dyn FnMut(Line)) -> Exit {
        let mut splitter = Splitter::default();
        let mut stop = None;
        loop {
            let ended = self.job_exit(job);
            let grown = read_log(&job.log, &mut offset, &mut splitter, on_line);
            if let Some(exit) = ended {
                splitter.finish(Stream::Stdout, on_line);
                return if stop.is_some() { Exit::Cancelled } else { exit };
            }
            if cancel.is_cancelled() {
                if !self.can_stop(job) {
                    // It runs where this process cannot reach it, and another may have its number here.
                    splitter.finish(Stream::Stdout, on_line);
                    return Exit::Unseen;
                }
                stop_group(job.pid, stop.get_or_insert_with(Stopping::default));
            }
            if !grown {
                thread::sleep(POLL);
            }
        }
    }
}

impl LocalCommands {
    /// Returns how a job ended, or nothing while it runs. A job of an earlier process leaves no status behind.
    fn job_exit(&self, job: &Job) -> Option<Exit> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        match jobs.get(&job.pid) {
            Some(handle) => match handle.try_wait() {
                Ok(None) => None,
                Ok(Some(output)) => Some(exit_of(output.status)),
                Err(_) => Some(Exit::Unseen),
            },
            None if start_time(job.pid) == Some(job.started) || jobs::liveness(&job.log) == Liveness::Running => None,
            None => Some(Exit::Unseen),
        }
    }

    /// Tells whether the process of a job's number here is the job.
    fn can_stop(&self, job: &Job) -> bool {
        let is_child = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&job.pid);
        is_child || start_time(job.pid) == Some(job.started)
    }
}

/// Makes the expression for a query, with what it reads.
fn expression(command: &Command) -> Result<duct::Expression, CommandError> {
    let expression = expression_with(command, Vec::new())?;
    let input = command.secret.as_ref().map(Secret::reveal).or(command.stdin.as_deref());
    Ok(match input {
        Some(text) => expression.stdin_bytes(text.as_bytes()),
        None => expression.stdin_null(),
    })
}

/// Waits for a child, passing on its lines and keeping its deadline.
fn wait(
    handle: &duct::Handle,
    deadline: Option<Duration>,
    cancel: &Cancel,
    lines: &Receiver<Vec<Line>>,
    on_line: &mut dyn FnMut(Line),
) -> Exit {
    let pid = handle.pids().first().copied().unwrap_or(0);
    let begin = Instant::now();
    let mut stopping: Option<(Exit, Stopping)> = None;
    let mut ended: Option<Exit> = None;
    let (mut silent, mut waited) = (Duration::ZERO, Duration::ZERO);
    loop {
        let asked = Instant::now();
        let batch = lines.recv_timeout(POLL);
        if ended.is_some() {
            // Only waiting counts: what has been printed is passed on, however long those who take it need for it.
            waited += asked.elapsed();
            silent = if batch.is_ok() { Duration::ZERO } else { silent + asked.elapsed() };
        }
        let open = match batch {
            Ok(batch) => {
                batch.into_iter().for_each(&mut *on_line);
                true
            }
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        };
        if ended.is_none() {
            ended = match handle.try_wait() {
                Ok(None) => None,
                Ok(Some(output)) => Some(exit_of(output.status)),
                Err(_) => Some(Exit::Unseen),
            };
        }
        if let Some(exit) = ended
            && (!open || silent >= DRAIN || waited >= DRAIN_MOST)
        {
            return stopping.map_or(exit, |(why, _)| why);
        }
        if stopping.is_none() {
            let why = if cancel.is_cancelled() { Some(Exit::Cancelled) } else { None };
            let late = deadline.is_some_and(|limit| begin.elapsed() > limit).then_some(Exit::TimedOut);
            stopping = why.or(late).map(|why| (why, Stopping::default()));
        }
        if let Some((_, state)) = &mut stopping {
            stop_group(pid, state);
        }
        if !open {
            // Both streams are closed: what is left is the exit itself, which mostly follows at once.
            let _ = handle.wait_timeout(POLL);
        }
    }
}

/// How far stopping a group has come.
#[derive(Debug, Default)]
struct Stopping {
    asked: Option<Instant>,
    killed: bool,
}

/// Asks a process group to end, and kills it when it has not after the grace time.
fn stop_group(pid: u32, state: &mut Stopping) {
    let Some(group) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    // A group that is already gone needs no signal, so errors mean nothing here.
    match state.asked {
        None => {
            state.asked = Some(Instant::now());
            let _ = kill_process_group(group, Signal::TERM);
        }
        Some(at) if !state.killed && at.elapsed() > GRACE => {
            state.killed = true;
            let _ = kill_process_group(group, Signal::KILL);
        }
        Some(_) => {}
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unseen,
    }
}

fn read_lines(mut pipe: PipeReader, stream: Stream, meter: bool, sender: &SyncSender<Vec<Line>>) {
    let mut splitter = Splitter::with_meter(meter);
    let mut buffer = vec![0; BUFFER];
    // A larger pipe lets more gather; where the system refuses, the usual one does.
    let _ = rustix::pipe::fcntl_setpipe_size(&pipe, BUFFER);
    let mut heard: Option<Instant> = None;
    loop {
        let mut batch = Vec::new();
        // A program that writes line by line wakes its reader with each of them, and the two keep each other from
        // working.
        if heard.is_some_and(|at| at.elapsed() < BUSY) {
            thread::sleep(GATHER);
        }
        let read = pipe.read(&mut buffer);
        heard = Some(Instant::now());
        match read {
            Ok(0) | Err(_) => {
                splitter.finish(stream, &mut |line| batch.push(line));
                let _ = sender.send(batch);
                return;
            }
            Ok(len) => splitter.push(&buffer[..len], stream, &mut |line| batch.push(line)),
        }
        if sender.send(batch).is_err() {
            return;
        }
    }
}

/// Reads what a log has gained; tells whether there was anything.
fn read_log(log: &Path, offset: &mut u64, splitter: &mut Splitter, on_line: &mut dyn FnMut(Line)) -> bool {
    let mut grown = false;
    while let Ok(bytes) = jobs::read_on(log, *offset, PIECE as u64) {
        if bytes.is_empty() {
            break;
        }
        grown = true;
        *offset += bytes.len() as u64;
        splitter.push(&bytes, Stream::Stdout, on_line);
    }
    grown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands() -> Box<dyn Commands> {
        Box::new(LocalCommands::default())
    }

    #[test]
    fn captures_both_streams_and_the_status() {
        let output = commands().capture(&Command::new("ls", ["/", "/nonexistent"])).unwrap();
        assert!(output.stdout.contains("etc"));
        assert!(output.stderr.contains("nonexistent"));
        assert_eq!(output.exit, Exit::Code(2));
    }

    #[test]
    fn a_missing_program_is_said_by_name() {
        let error = commands().capture(&Command::new("no-such-program", ["x"])).unwrap_err();
        assert_eq!(error.to_string(), "`no-such-program` is not installed");
    }

    #[test]
    fn a_deadline_stops_the_whole_group() {
        let command = Command::new("sh", ["-c", "sleep 300 & sleep 300"]).deadline(Some(Duration::from_millis(100)));
        assert_eq!(commands().capture(&command).unwrap().exit, Exit::TimedOut);
    }

    #[test]
    fn a_daemon_that_holds_the_pipe_does_not_hold_us() {
        let command = Command::new("sh", ["-c", "setsid sleep 5 & echo done"]);
        let output = commands().capture(&command).unwrap();
        assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(0), "done\n"));
    }

    #[test]
    fn standard_input_is_passed_on() {
        assert_eq!(commands().capture(&Command::new("cat", ["-"]).stdin("hello")).unwrap().stdout, "hello\n");
    }

    #[test]
    fn a_detached_job_is_followed_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let command = Command::new("sh", ["-c", "echo one; sleep 0.2; echo two >&2; exit 3"]).detached();
        let first = LocalCommands::default();
        let job = first.start(&command, &log, &mut |_| Ok(())).unwrap();
        // A second value knows nothing of the first one's children, as after a restart of this program.
        let mut lines = Vec::new();
        let exit = LocalCommands::default().follow(&job, 0, &Cancel::default(), &mut |line| lines.push(line.bytes));
        assert_eq!(lines, [b"one".to_vec(), b"two".to_vec()]);
        assert_eq!(exit, Exit::Unseen);
        assert_eq!(first.follow(&job, 0, &Cancel::default(), &mut |_| {}), Exit::Code(3));
    }

    #[test]
    fn a_job_is_found_by_the_log_it_writes_to() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let first = LocalCommands::default();
        let job =
            first.start(&Command::new("sh", ["-c", "sleep 300 & wait"]).detached(), &log, &mut |_| Ok(())).unwrap();
        let find = || LocalCommands::default().find(&log);
        // The child has its log before it has its session.
        while find().is_none() {
            thread::sleep(POLL);
        }
        assert_eq!(find().unwrap().pid, job.pid);
        let cancel = Cancel::default();
        cancel.cancel();
        assert_eq!(first.follow(&job, 0, &cancel, &mut |_| {}), Exit::Cancelled);
        assert_eq!(find(), None);
    }

    #[test]
    fn a_slow_listener_gets_all_that_a_program_has_printed() {
        let command = Command::new("sh", ["-c", "seq 1 100000"]);
        let mut count = 0;
        let exit = LocalCommands::default().run(&command, &Cancel::default(), &mut |_| {
            count += 1;
            // Longer than the silence after which nothing more is expected, while much is still on its way.
            if count == 1 {
                thread::sleep(DRAIN * 2);
            }
        });
        assert_eq!((exit.unwrap(), count), (Exit::Code(0), 100_000));
    }
}
