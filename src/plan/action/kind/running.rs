//! Running a command for an action: its output, and the logs it writes beside, are shown, kept and looked through for
//! known failures while it runs.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use super::{ActionContext, Failure, Watch};
use crate::{
    diagnosis::{Diagnosis, Event, Hit},
    host::{
        Command, Exit, Files, Kind as CommandKind, Line, Stream,
        command::{Job, PIECE},
        splitter::Splitter,
    },
    i18n::{Lang, msg},
    plan::action::kind::ActionEvent,
    text,
};

/// How often a program's own log is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Bytes of such a log that are read between two looks at the rest: a program that writes without end must not be all
/// that is looked at.
const AT_A_LOOK: u64 = 4 << 20;
/// Bytes of such a log that are shown of one run: the largest that NVIDIA's installers write have some megabytes.
const SHOWN: u64 = 64 << 20;

impl ActionContext<'_> {
    /// Runs a command; shows and logs its output. A status other than 0 is a failure.
    pub fn run(&mut self, command: &Command) -> Result<(), Failure> {
        self.run_watching(command, &mut |_, _| {})
    }

    /// As [`Self::run`]; `watch` sees every line and may report progress.
    pub fn run_watching(&mut self, command: &Command, watch: &mut Watch<'_>) -> Result<(), Failure> {
        let exit = match command.kind {
            CommandKind::Query => self.query(command, watch)?,
            CommandKind::Detached => {
                let job = self.start(command)?;
                self.follow_with(&job, Vec::new(), watch)
            }
        };
        ended(command, exit)
    }

    /// As [`Self::run`] for a detached command that writes a log of its own: what `logs` gain while it runs is shown
    /// too.
    pub fn run_with_logs(&mut self, command: &Command, logs: &[&Path]) -> Result<(), Failure> {
        // Old lines tell of the past.
        let logs: Vec<_> = logs.iter().map(|log| OwnLog::at_its_end(&*self.host.files, log)).collect();
        let job = self.start(command)?;
        let exit = self.follow_with(&job, logs, &mut |_, _| {});
        ended(command, exit)
    }

    /// Follows a detached command that runs already; used after a restart of this program too.
    pub fn follow(&mut self, job: &Job) -> Exit {
        self.follow_with(job, Vec::new(), &mut |_, _| {})
    }

    /// Says something of its own, which may be a known failure.
    pub fn tell(&mut self, line: String) {
        show(line, &mut Diagnosis::default(), &mut self.hits, &mut *self.emit);
    }

    fn start(&mut self, command: &Command) -> Result<Job, Failure> {
        (self.emit)(ActionEvent::Line(format!("$ {command}")));
        let mut note = |job: &Job| (self.journal_job)(job).map_err(|failure| failure.message.text(Lang::En));
        self.host.commands.start(command, &self.log, &mut note).map_err(Failure::own_words)
    }

    fn query(&mut self, command: &Command, watch: &mut Watch<'_>) -> Result<Exit, Failure> {
        (self.emit)(ActionEvent::Line(format!("$ {command}")));
        let mut log = crate::private::append(&self.log).ok();
        let emit = &mut *self.emit;
        let exit = self.host.commands.run(command, self.cancel, &mut |line| {
            if let Some(log) = &mut log {
                // The log is a convenience; the run does not stop because it cannot be written.
                let _ = log.write_all(&[&line.bytes[..], b"\n"].concat());
            }
            let line = text::printable_bytes(&line.bytes);
            watch(&line, emit);
            if !command.meter || !is_meter(&line) {
                emit(ActionEvent::Line(line));
            }
        });
        exit.map_err(Failure::own_words)
    }

    /// The job is waited for on a thread of its own, so that the logs are looked at while it prints nothing. Where the
    /// system gives no thread, they are looked at when it prints something, and at its end.
    fn follow_with(&mut self, job: &Job, logs: Vec<OwnLog>, watch: &mut Watch<'_>) -> Exit {
        let (host, cancel, emit) = (self.host, self.cancel, &mut *self.emit);
        let mut show = Followed::new(&*host.files, logs, &mut self.hits, watch);
        let exit = thread::scope(|scope| {
            let (sender, lines) = mpsc::sync_channel::<Line>(256);
            let begun = thread::Builder::new().spawn_scoped(scope, move || {
                host.commands.follow(job, 0, cancel, &mut |line| {
                    // Nobody stops listening before the job has ended.
                    let _ = sender.send(line);
                })
            });
            let Ok(waiting) = begun else {
                return host.commands.follow(job, 0, cancel, &mut |line| show.line(&line, emit));
            };
            let patience = if show.logs.is_empty() { Duration::from_hours(1) } else { LOOK };
            loop {
                match lines.recv_timeout(patience) {
                    Ok(line) => show.line(&line, emit),
                    Err(RecvTimeoutError::Timeout) => show.logs(false, emit),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            waiting.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
        });
        show.end(emit);
        exit
    }
}

/// What is shown of a job while it is followed: its output, and the logs that it writes by itself.
struct Followed<'a, 'w> {
    files: &'a dyn Files,
    /// Each source has a diagnosis of its own: the lines of one message come from one source.
    output: Diagnosis,
    logs: Vec<(OwnLog, Diagnosis)>,
    looked: Instant,
    hits: &'a mut Vec<Hit>,
    watch: &'a mut Watch<'w>,
}

impl<'a, 'w> Followed<'a, 'w> {
    fn new(files: &'a dyn Files, logs: Vec<OwnLog>, hits: &'a mut Vec<Hit>, watch: &'a mut Watch<'w>) -> Self {
        let logs = logs.into_iter().map(|log| (log, Diagnosis::default())).collect();
        Self { files, output: Diagnosis::default(), logs, looked: Instant::now(), hits, watch }
    }

    fn line(&mut self, line: &Line, emit: &mut dyn FnMut(ActionEvent)) {
        let line = text::printable_bytes(&line.bytes);
        (self.watch)(&line, emit);
        show(line, &mut self.output, self.hits, emit);
        if self.looked.elapsed() >= LOOK {
            self.logs(false, emit);
        }
    }

    fn logs(&mut self, all: bool, emit: &mut dyn FnMut(ActionEvent)) {
        self.looked = Instant::now();
        for (log, diagnosis) in &mut self.logs {
            log.read_on(self.files, all, &mut |line| show(line, diagnosis, self.hits, emit));
        }
    }

    /// Nothing more is printed: what only says that it failed counts now.
    fn end(mut self, emit: &mut dyn FnMut(ActionEvent)) {
        self.logs(true, emit);
        for diagnosis in self.logs.iter_mut().map(|(_, diagnosis)| diagnosis).chain([&mut self.output]) {
            tell(diagnosis.finish().map(Event::Hit), self.hits, emit);
        }
    }
}

/// A probe decides about what nobody saw the end of.
fn ended(command: &Command, exit: Exit) -> Result<(), Failure> {
    match exit {
        Exit::Code(0) | Exit::Unseen => Ok(()),
        exit => Err(Failure::command(command, exit)),
    }
}

/// Shows a line, and the known failure that it ends.
fn show(line: String, diagnosis: &mut Diagnosis, hits: &mut Vec<Hit>, emit: &mut dyn FnMut(ActionEvent)) {
    let hit = diagnosis.push(&line);
    emit(ActionEvent::Line(line));
    tell(hit, hits, emit);
}

/// Tells a known failure, and forgets what a later success takes back. An installer writes the same to its log and to
/// its output: it is told once.
pub(crate) fn tell(event: Option<Event>, hits: &mut Vec<Hit>, emit: &mut dyn FnMut(ActionEvent)) {
    match event {
        Some(Event::Hit(hit))
            if !hits.iter().any(|other| other.signature == hit.signature && other.args == hit.args) =>
        {
            emit(ActionEvent::Hit(Box::new(hit.clone())));
            hits.push(hit);
        }
        Some(Event::TakenBack(over)) => hits.retain(|hit| !over.contains(&hit.signature)),
        Some(Event::Hit(_)) | None => {}
    }
}

/// A log that a program writes by itself, and how far it was read.
struct OwnLog {
    path: PathBuf,
    offset: u64,
    /// Bytes that were read in this run.
    read: u64,
    lines: Splitter,
}

impl OwnLog {
    fn at_its_end(files: &dyn Files, path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            offset: files.meta(path).map_or(0, |meta| meta.len),
            read: 0,
            lines: Splitter::default(),
        }
    }

    /// Hands over the lines that were added, a long one in pieces; with `all`, the last one too although it is not
    /// ended.
    fn read_on(&mut self, files: &dyn Files, all: bool, on_line: &mut dyn FnMut(String)) {
        if files.meta(&self.path).map_or(0, |meta| meta.len) < self.offset {
            // The program began its log anew.
            self.offset = 0;
            self.lines = Splitter::default();
        }
        let mut show = |line: Line| on_line(text::printable_bytes(&line.bytes));
        let until = if all { SHOWN } else { SHOWN.min(self.read + AT_A_LOOK) };
        while self.read < until {
            let Ok(bytes) = files.read_at(&self.path, self.offset, PIECE) else { break };
            if bytes.is_empty() {
                break;
            }
            self.offset += bytes.len() as u64;
            self.read += bytes.len() as u64;
            self.lines.push(&bytes, Stream::Stdout, &mut show);
        }
        if all {
            self.lines.finish(Stream::Stdout, &mut show);
            let left = files.meta(&self.path).map_or(0, |meta| meta.len).saturating_sub(self.offset);
            if left > 0 {
                on_line(msg::run::log_cut(left, self.path.display()).text(Lang::En));
            }
        }
    }
}

/// A progress meter is for the gauge, not for the log on the screen.
fn is_meter(line: &str) -> bool {
    let mut words = line.split_whitespace();
    words.next().is_some_and(|word| word.parse::<u32>().is_ok()) && words.count() >= 10
        || line.contains("Xferd")
        || line.contains("Dload")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::local::LocalFiles;

    /// Reads what is written in `writes`, with a look after each, and returns the lengths of the lines.
    fn lengths(writes: &[&[u8]]) -> Vec<usize> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.log");
        let files = LocalFiles::new(Path::new("/"));
        std::fs::write(&path, "of the past\n").unwrap();
        let (mut log, mut lines) = (OwnLog::at_its_end(&files, &path), Vec::new());
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        for write in writes {
            file.write_all(write).unwrap();
            log.read_on(&files, false, &mut |line| lines.push(line.len()));
        }
        log.read_on(&files, true, &mut |line| lines.push(line.len()));
        lines
    }

    #[test]
    fn a_log_without_a_line_end_comes_in_pieces() {
        let megabyte = vec![b'x'; 1 << 20];
        assert_eq!(lengths(&[&megabyte[..]; 10]), [PIECE; 160]);
    }

    #[test]
    fn a_million_lines_come_one_by_one() {
        assert_eq!(lengths(&["line\n".repeat(1_000_000).as_bytes(), b"last"]).len(), 1_000_001);
    }

    #[test]
    fn a_log_that_is_too_long_is_cut_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.log");
        let files = LocalFiles::new(Path::new("/"));
        let mut log = OwnLog::at_its_end(&files, &path);
        // A hole takes no disk.
        std::fs::File::create(&path).unwrap().set_len(SHOWN + 10).unwrap();
        let (mut count, mut last) = (0, String::new());
        log.read_on(&files, false, &mut |_| count += 1);
        assert_eq!(log.read, AT_A_LOOK, "one look is bounded");
        log.read_on(&files, true, &mut |line| {
            count += 1;
            last = line;
        });
        assert!(last.contains("10 more bytes") && last.contains("own.log"), "{last}");
        assert_eq!(count, (SHOWN / PIECE as u64) + 1);
    }

    #[test]
    fn a_log_that_begins_anew_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.log");
        let files = LocalFiles::new(Path::new("/"));
        std::fs::write(&path, "one and a half").unwrap();
        let (mut log, mut lines) = (OwnLog::at_its_end(&files, &path), Vec::new());
        std::fs::write(&path, "new\n").unwrap();
        log.read_on(&files, true, &mut |line| lines.push(line));
        assert_eq!(lines, ["new"]);
    }
}
