//! Running a command for an action: its output, and the logs it writes beside, are shown, kept and looked through for known failures
//! while it runs.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use super::{ActionContext, Failure, Watch};
use crate::{
    diagnosis::{Diagnosis, Event, Hit},
    host::{Command, Exit, Files, Kind as CommandKind, Line, command::Job},
    i18n::Lang,
    plan::action::kind::ActionEvent,
    text,
};

/// How often a program's own log is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Bytes of such a log that are read at once.
const PIECE: usize = 64 << 10;

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
                self.follow_with(&job, &[], watch)
            }
        };
        ended(command, exit)
    }

    /// As [`Self::run`] for a detached command that writes a log of its own: what `logs` gain while it runs is shown too.
    pub fn run_with_logs(&mut self, command: &Command, logs: &[&Path]) -> Result<(), Failure> {
        // Old lines tell of the past.
        let logs: Vec<_> = logs.iter().map(|log| OwnLog::at_its_end(&*self.host.files, log)).collect();
        let job = self.start(command)?;
        let exit = self.follow_with(&job, &logs, &mut |_, _| {});
        ended(command, exit)
    }

    /// Follows a detached command that runs already; used after a restart of this program too.
    pub fn follow(&mut self, job: &Job) -> Exit {
        self.follow_with(job, &[], &mut |_, _| {})
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

    /// The job is waited for on a thread of its own, so that the logs are looked at while it prints nothing.
    fn follow_with(&mut self, job: &Job, logs: &[OwnLog], watch: &mut Watch<'_>) -> Exit {
        let (host, cancel, emit, hits) = (self.host, self.cancel, &mut *self.emit, &mut self.hits);
        // Each source has its own: the lines of one message come from one source.
        let mut output = Diagnosis::default();
        let mut logs: Vec<_> = logs.iter().map(|log| (log.clone(), Diagnosis::default())).collect();
        thread::scope(|scope| {
            let (sender, lines) = mpsc::sync_channel::<Line>(256);
            let waiting = scope.spawn(move || {
                host.commands.follow(job, 0, cancel, &mut |line| {
                    // Nobody stops listening before the job has ended.
                    let _ = sender.send(line);
                })
            });
            loop {
                let next = lines.recv_timeout(if logs.is_empty() { Duration::from_hours(1) } else { LOOK });
                if let Ok(line) = &next {
                    let line = text::printable_bytes(&line.bytes);
                    watch(&line, emit);
                    show(line, &mut output, hits, emit);
                }
                let ended = next == Err(RecvTimeoutError::Disconnected);
                for (log, diagnosis) in &mut logs {
                    log.read_on(&*host.files, ended, &mut |line| show(line, diagnosis, hits, emit));
                }
                if ended {
                    break;
                }
            }
            // Nothing more is printed: what only says that it failed counts now.
            for diagnosis in logs.iter_mut().map(|(_, diagnosis)| diagnosis).chain([&mut output]) {
                tell(diagnosis.finish().map(Event::Hit), hits, emit);
            }
            waiting.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
        })
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

/// Tells a known failure, and forgets what a later success takes back. An installer writes the same to its log and to its output: it is
/// told once.
pub(crate) fn tell(event: Option<Event>, hits: &mut Vec<Hit>, emit: &mut dyn FnMut(ActionEvent)) {
    match event {
        Some(Event::Hit(hit)) if !hits.iter().any(|other| other.signature == hit.signature && other.args == hit.args) => {
            emit(ActionEvent::Hit(Box::new(hit.clone())));
            hits.push(hit);
        }
        Some(Event::TakenBack(over)) => hits.retain(|hit| !over.contains(&hit.signature)),
        Some(Event::Hit(_)) | None => {}
    }
}

/// A log that a program writes by itself, and how far it was read.
#[derive(Clone)]
struct OwnLog {
    path: PathBuf,
    offset: u64,
    rest: Vec<u8>,
}

impl OwnLog {
    fn at_its_end(files: &dyn Files, path: &Path) -> Self {
        Self { path: path.to_owned(), offset: files.meta(path).map_or(0, |meta| meta.len), rest: Vec::new() }
    }

    /// Hands over the lines that were added; with `all`, the last one too although it is not ended.
    fn read_on(&mut self, files: &dyn Files, all: bool, on_line: &mut dyn FnMut(String)) {
        if files.meta(&self.path).map_or(0, |meta| meta.len) < self.offset {
            // The program began its log anew.
            self.offset = 0;
            self.rest.clear();
        }
        while let Ok(bytes) = files.read_at(&self.path, self.offset, PIECE) {
            if bytes.is_empty() {
                break;
            }
            self.offset += bytes.len() as u64;
            self.rest.extend_from_slice(&bytes);
        }
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            on_line(text::printable_bytes(&line[..end]));
        }
        if all && !self.rest.is_empty() {
            on_line(text::printable_bytes(&std::mem::take(&mut self.rest)));
        }
    }
}

/// A progress meter is for the gauge, not for the log on the screen.
fn is_meter(line: &str) -> bool {
    let mut words = line.split_whitespace();
    words.next().is_some_and(|word| word.parse::<u32>().is_ok()) && words.count() >= 10 || line.contains("Xferd") || line.contains("Dload")
}
