//! Commands as values: shown, journalled, matched and run, and never a shell string.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::Cancel;
use crate::{
    i18n::{Message, msg},
    secret::Secret,
};

/// How a command is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A child of this program, read through a pipe; it dies with the program.
    #[default]
    Query,
    /// A process of its own session that writes to a log file and outlives this program.
    Detached,
}

/// A program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program's name, looked up in the machine's PATH, or its absolute path.
    pub program: String,
    /// Its arguments, each handed over as it is.
    pub args: Vec<String>,
    /// Variables set on top of the environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The folder to run in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<PathBuf>,
    /// When to give up; absent for commands whose length nobody can know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Duration>,
    /// What the program reads from its standard input; nothing if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// A secret that the program reads from its standard input instead. It is never written anywhere: a command that
    /// comes back from a session has none.
    #[serde(skip)]
    pub secret: Option<Secret>,
    /// How it is run.
    #[serde(default)]
    pub kind: Kind,
    /// Whether a carriage return ends a line too: the only way to see a progress meter move.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub meter: bool,
    /// Largest file that the program may write, in bytes; no limit if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_limit: Option<u64>,
    /// A folder that stands in the place of `/tmp` for the program, where this user may arrange that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_tmp: Option<PathBuf>,
    /// The operand for which the command is never run: in its place it would be an option, or a second line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl Command {
    /// Makes a command with a deadline of 20 seconds, enough for any query that is going to answer. The words are this
    /// program's own; a value from elsewhere is an [operand](Self::operand) or the value of an [option](Self::option).
    pub fn new(program: impl Into<String>, words: impl IntoIterator<Item = &'static str>) -> Self {
        Self {
            program: program.into(),
            args: words.into_iter().map(str::to_owned).collect(),
            env: BTreeMap::new(),
            cwd: None,
            deadline: Some(Duration::from_secs(20)),
            stdin: None,
            secret: None,
            kind: Kind::Query,
            meter: false,
            file_limit: None,
            own_tmp: None,
            refused: None,
        }
    }

    /// Makes a command from a line of the built-in catalog, or one that is only shown: its words are taken as they are.
    pub fn from_line(line: impl IntoIterator<Item = String>) -> Self {
        let mut words = line.into_iter();
        let program = words.next().unwrap_or_default();
        Self { args: words.collect(), ..Self::new(program, []) }
    }

    /// Adds words of this program's own.
    #[must_use]
    pub fn words(mut self, words: impl IntoIterator<Item = &'static str>) -> Self {
        self.args.extend(words.into_iter().map(str::to_owned));
        self
    }

    /// Adds a value from elsewhere, one argument. Where it could be taken for an option, or holds a control character,
    /// the command is refused as a whole.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "what a path or a number shows itself as is made for the call")]
    pub fn operand(mut self, value: impl ToString) -> Self {
        let value = value.to_string();
        if value.is_empty() || value.starts_with('-') || value.chars().any(char::is_control) {
            self.refused.get_or_insert_with(|| value.clone());
        }
        self.args.push(value);
        self
    }

    /// Adds a value that must read as a `T`, such as a node's name; the command is refused as a whole where it does
    /// not.
    #[must_use]
    pub fn operand_of<T: std::str::FromStr>(mut self, value: &str) -> Self {
        if value.parse::<T>().is_err() {
            self.refused.get_or_insert_with(|| value.to_owned());
        }
        self.operand(value)
    }

    /// Adds several values from elsewhere.
    #[must_use]
    pub fn operands(self, values: impl IntoIterator<Item = impl ToString>) -> Self {
        values.into_iter().fold(self, Self::operand)
    }

    /// Adds `--name=value` with a value from elsewhere, which cannot leave its argument.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "as above")]
    pub fn option(mut self, name: &'static str, value: impl ToString) -> Self {
        let value = value.to_string();
        if value.chars().any(char::is_control) {
            self.refused.get_or_insert_with(|| value.clone());
        }
        self.args.push(format!("{name}={value}"));
        self
    }

    /// Refuses a command with an operand that says more than a value. Every way to start a program asks this first.
    pub fn demand_plain(&self) -> Result<(), CommandError> {
        self.refused.as_ref().map_or(Ok(()), |operand| {
            let operand =
                crate::text::printable(&operand.chars().take(80).collect::<String>().escape_debug().to_string());
            Err(CommandError::Refused { program: self.program.clone(), operand })
        })
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// Sets the folder to run in.
    #[must_use]
    pub fn cwd(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cwd = Some(folder.into());
        self
    }

    /// Sets the deadline; `None` waits for as long as it takes.
    #[must_use]
    pub fn deadline(mut self, deadline: Option<Duration>) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets the text of the standard input.
    #[must_use]
    pub fn stdin(mut self, text: impl Into<String>) -> Self {
        self.stdin = Some(text.into());
        self
    }

    /// Makes a carriage return end a line too, for programs with a progress meter.
    #[must_use]
    pub fn meter(mut self) -> Self {
        self.meter = true;
        self
    }

    /// Sets the largest file that the program may write.
    #[must_use]
    pub fn file_limit(mut self, bytes: u64) -> Self {
        self.file_limit = Some(bytes);
        self
    }

    /// Gives a detached program a `/tmp` of its own: what another user has put into the real one is not there.
    #[must_use]
    pub fn own_tmp(mut self, folder: impl Into<PathBuf>) -> Self {
        self.own_tmp = Some(folder.into());
        self
    }

    /// Makes the command outlive this program; it has no deadline then.
    #[must_use]
    pub fn detached(mut self) -> Self {
        self.kind = Kind::Detached;
        self.deadline = None;
        self
    }

    /// Returns program and arguments as one list.
    pub fn argv(&self) -> Vec<String> {
        std::iter::once(&self.program).chain(&self.args).cloned().collect()
    }
}

/// Prints the command as a person would type it, quoted where a shell needs it. For display only: nothing is ever run
/// from this text.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.env {
            write!(f, "{name}={} ", quote(value))?;
        }
        write!(f, "{}", quote(&self.program))?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", quote(arg)))
    }
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Which of its two outputs a command wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Longest piece of a line that is handed over at once, in bytes. A piece of this length is always followed by the rest
/// of its line, which may be empty: so a line can be put together again, and is cut at the same places whenever it is
/// read.
pub const PIECE: usize = 64 << 10;

/// One line of output, without its line end. Lines of [`PIECE`] bytes and more come in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where it was written to. A detached command writes both to one file: all is [`Stream::Stdout`].
    pub stream: Stream,
    /// The bytes as they came: not safe for a terminal (see [`crate::text::printable_bytes`]).
    pub bytes: Vec<u8>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It ended with this status.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It was stopped at its deadline.
    TimedOut,
    /// It was stopped because the user asked for it.
    Cancelled,
    /// It ended while nobody watched (this program was killed and came back): only a probe can tell how it went.
    Unseen,
}

impl Exit {
    /// Tells whether the command ended with status 0.
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(signal) => write!(f, "killed by signal {signal}"),
            Self::TimedOut => f.write_str("gave no answer in time"),
            Self::Cancelled => f.write_str("stopped"),
            Self::Unseen => f.write_str("ended unseen"),
        }
    }
}

/// Why a command could not even be started.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommandError {
    /// The program is not on this machine.
    #[error("`{0}` is not installed")]
    NotFound(String),
    /// The machine is only a picture (`--root`), so nothing can be run on it.
    #[error("`{0}` was not run: this is a folder, not a running machine")]
    NotAMachine(String),
    /// A simulated machine has no rule for this command.
    #[error("the simulated machine has no answer for `{0}`")]
    NoRule(String),
    /// A recorded machine was not asked this.
    #[error("this recording does not know `{0}`: it shows detection and planning, not changes")]
    NotRecorded(String),
    /// An operand would be an option, or holds a control character.
    #[error("`{program}` was not run: `{operand}` is no plain value, and in its place it would say something else")]
    Refused {
        /// The program.
        program: String,
        /// The operand.
        operand: String,
    },
    /// An earlier start of the same work has not ended.
    #[error("what was begun before still runs: its log {} is locked by it; wait for its end or stop it, then run this again", .0.display())]
    StillRuns(PathBuf),
    /// The start could not be written down, so nothing was begun.
    #[error("`{program}` was not begun: that it runs could not be written down ({reason})")]
    Unnoted {
        /// The program.
        program: String,
        /// Why not.
        reason: String,
    },
    /// The operating system refused.
    #[error("cannot run `{program}`: {reason}")]
    Failed {
        /// The program.
        program: String,
        /// What the operating system said.
        reason: String,
    },
}

impl CommandError {
    /// Returns it as a message.
    pub fn message(&self) -> Message {
        match self {
            Self::NotFound(program) => msg::error::command::not_found(program),
            Self::NotAMachine(command) => msg::error::command::no_machine(command),
            Self::NoRule(command) => msg::error::command::no_rule(command),
            Self::NotRecorded(command) => msg::error::command::not_recorded(command),
            Self::Refused { program, operand } => msg::error::command::refused(operand, program),
            Self::StillRuns(log) => msg::error::command::still_runs(log.display()),
            Self::Unnoted { program, reason } => msg::error::command::unnoted(program, reason),
            Self::Failed { program, reason } => msg::error::command::failed(program, reason),
        }
    }

    /// Tells whether this says nothing of the machine, but only of what is known of a simulated one.
    pub fn is_of_the_picture(&self) -> bool {
        matches!(self, Self::NoRule(_) | Self::NotRecorded(_))
    }
}

/// All that a command printed, for queries with a short answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub exit: Exit,
    /// Standard output, lossily as UTF-8.
    pub stdout: String,
    /// Standard error, lossily as UTF-8.
    pub stderr: String,
}

/// Starts programs on a machine. Every call blocks: call it on a worker thread.
pub trait Commands: Send + Sync {
    /// Returns where a program is in the machine's PATH.
    fn locate(&self, program: &str) -> Option<PathBuf>;

    /// Runs a [`Kind::Query`] command to its end and hands over each line as it comes. The whole process group is
    /// stopped (TERM, then KILL) at the deadline or once `cancel` is set.
    fn run(&self, command: &Command, cancel: &Cancel, on_line: &mut dyn FnMut(Line)) -> Result<Exit, CommandError>;

    /// Starts a [`Kind::Detached`] command whose output goes to `log`, and returns what is needed to find it again. It
    /// does nothing before `note` has written that down, and nothing at all when `note` fails. While another still
    /// writes to `log`, none is begun.
    fn start(&self, command: &Command, log: &Path, note: &mut Note<'_>) -> Result<Job, CommandError>;

    /// Tells whether a job that writes to `log` still runs, whoever began it and from wherever one looks.
    fn liveness(&self, log: &Path) -> Liveness;

    /// Finds a job that still runs by the log it writes to: this program may have been killed after the start and
    /// before it could note the process id.
    fn find(&self, log: &Path) -> Option<Job>;

    /// Follows a started job until it ends and hands over the lines of its log from byte `offset` on. Stops the job's
    /// whole session once `cancel` is set.
    fn follow(&self, job: &Job, offset: u64, cancel: &Cancel, on_line: &mut dyn FnMut(Line)) -> Exit;
}

/// Writes a job down before it begins; the error is why it cannot be.
pub type Note<'n> = dyn FnMut(&Job) -> Result<(), String> + 'n;

/// Whether a job runs. Not seen alive is not dead: only what is known to have ended may be cleared away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Liveness {
    /// It runs, or something that it has started does.
    Running,
    /// Nothing of it runs any more.
    Ended,
    /// It cannot be told, and why.
    Unknown(String),
}

/// A detached command that was started: enough to recognise it after this program was killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its process id, which is also its session and process group.
    pub pid: u32,
    /// The kernel's start time of the process (field 22 of `/proc/PID/stat`), so that a reused pid is not mistaken for
    /// it.
    pub started: u64,
    /// The file that its output goes to.
    pub log: PathBuf,
}

impl dyn Commands {
    /// Runs a query and returns all it printed, at most 16 MiB of each stream.
    pub fn capture(&self, command: &Command) -> Result<Output, CommandError> {
        const LIMIT: usize = 16 << 20;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let exit = self.run(command, &Cancel::default(), &mut |line| {
            let target = if line.stream == Stream::Stdout { &mut stdout } else { &mut stderr };
            if target.len() + line.bytes.len() < LIMIT {
                target.extend_from_slice(&line.bytes);
                target.push(b'\n');
            }
        })?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Output { exit, stdout: text(stdout), stderr: text(stderr) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_quotes_what_a_shell_would_take_apart() {
        let command = Command::new("yum", ["remove", "-y", "a b", "it's", ""]).env("LANG", "C");
        assert_eq!(command.to_string(), r"LANG=C yum remove -y 'a b' 'it'\''s' ''");
    }
}
