//! The commands of a simulated machine.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Machine, Speed,
    machine::Job as JobState,
    packages,
    rule::{Rule, holds},
};
use crate::{
    bounded,
    host::{
        Cancel, Clock, Command, CommandError, Commands, Exit, Line, Stream, clock,
        command::{Job, Liveness, Note},
        local::SystemClock,
    },
    private,
};

/// Answers commands by the scenario's rules.
pub(super) struct ReplayCommands {
    /// The machine.
    pub machine: Arc<Machine>,
    /// How fast it answers.
    pub speed: Speed,
}

impl Commands for ReplayCommands {
    fn locate(&self, program: &str) -> Option<PathBuf> {
        let name = program.rsplit('/').next().unwrap_or(program);
        let flags = self.machine.state().flags.clone();
        // What a rule runs only under some flags is installed only then.
        let known = |rule: &Rule| {
            rule.command.first().is_some_and(|word| word == program || word == name) && holds(&rule.when, &flags)
        };
        let scenario = &self.machine.scenario;
        let is_apt = !scenario.packages.is_empty() && packages::PROGRAMS.contains(&name);
        let is_program = is_apt || scenario.about.programs.contains(name) || scenario.rules.iter().any(known);
        is_program.then(|| {
            if program.starts_with('/') { PathBuf::from(program) } else { Path::new("/usr/bin").join(program) }
        })
    }

    fn run(&self, command: &Command, cancel: &Cancel, on_line: &mut dyn FnMut(Line)) -> Result<Exit, CommandError> {
        let rule = self.find(command)?;
        Ok(self.play(&rule, 0, cancel, on_line).unwrap_or_else(|| self.end(&rule, None)))
    }

    fn start(&self, command: &Command, log: &Path, note: &mut Note<'_>) -> Result<Job, CommandError> {
        let rule = self.find(command)?;
        let failed = |error: std::io::Error| CommandError::Failed {
            program: command.program.clone(),
            reason: error.to_string(),
        };
        private::append(log).map_err(failed)?;
        let pid = self.machine.change(|state| {
            let pid = state.jobs.keys().max().copied().unwrap_or(4000) + 1;
            state.jobs.insert(pid, JobState { rule, ended: false, log: log.to_owned() });
            pid
        });
        let job = Job { pid: pid.map_err(failed)?, started: 1, log: log.to_owned() };
        if let Err(reason) = note(&job) {
            self.machine.change(|state| state.jobs.remove(&job.pid)).map_err(failed)?;
            return Err(CommandError::Unnoted { program: command.program.clone(), reason });
        }
        Ok(job)
    }

    fn liveness(&self, log: &Path) -> Liveness {
        if Commands::find(self, log).is_some() { Liveness::Running } else { Liveness::Ended }
    }

    fn find(&self, log: &Path) -> Option<Job> {
        let state = self.machine.state();
        let (pid, _) = state.jobs.iter().find(|(_, job)| job.log == log && !job.ended)?;
        Some(Job { pid: *pid, started: 1, log: log.to_owned() })
    }

    fn follow(&self, job: &Job, _offset: u64, cancel: &Cancel, on_line: &mut dyn FnMut(Line)) -> Exit {
        let state = self.machine.state().jobs.get(&job.pid).cloned();
        let Some(JobState { rule, ended, .. }) = state else { return Exit::Unseen };
        // What was printed before this program was killed stands in the log: a simulated job goes on from there.
        let printed = bounded::read_text(&job.log, bounded::MOST).unwrap_or_default();
        for line in printed.lines() {
            on_line(Line { stream: Stream::Stdout, bytes: line.as_bytes().to_owned() });
        }
        if ended {
            return Exit::Code(rule.exit);
        }
        let mut log = private::append(&job.log).ok();
        let stopped = self.play(&rule, printed.lines().count(), cancel, &mut |line| {
            if let Some(log) = &mut log {
                // A log that cannot be written costs only the resume of a demo.
                let _ = log.write_all(&[&line.bytes[..], b"\n"].concat());
            }
            on_line(line);
        });
        stopped.unwrap_or_else(|| self.end(&rule, Some(job.pid)))
    }
}

impl ReplayCommands {
    /// Returns the rule that answers. A program called by its path must be there as a file, as on a real machine.
    fn find(&self, command: &Command) -> Result<Rule, CommandError> {
        command.demand_plain()?;
        let is_file = || self.machine.bytes(Path::new(&command.program)).is_some();
        if command.program.starts_with('/') && !is_file() {
            return Err(self.unanswered(command, self.machine.is_known_absent(Path::new(&command.program))));
        }
        let is_missing = || self.locate(&command.program).is_none() && self.is_known_missing(&command.program);
        self.machine
            .rule(&command.argv(), command.stdin.as_deref())
            .ok_or_else(|| self.unanswered(command, is_missing()))
    }

    /// Tells whether a program that is not here is known not to be there: a recording knows only what was asked.
    fn is_known_missing(&self, program: &str) -> bool {
        !self.machine.scenario.recorded || self.machine.scenario.about.missing.contains(program)
    }

    fn unanswered(&self, command: &Command, is_missing: bool) -> CommandError {
        match (is_missing, self.machine.scenario.recorded) {
            (true, _) => CommandError::NotFound(command.program.clone()),
            (false, true) => CommandError::NotRecorded(command.to_string()),
            (false, false) => CommandError::NoRule(command.to_string()),
        }
    }

    /// Prints the lines of a rule from `skip` on, at its pace; returns an exit only when it was stopped.
    fn play(&self, rule: &Rule, skip: usize, cancel: &Cancel, on_line: &mut dyn FnMut(Line)) -> Option<Exit> {
        let text = self.machine.printed(rule);
        let stdout = rule.output.lines().chain(text.lines()).map(|line| (Stream::Stdout, line));
        let lines = stdout.chain(rule.errors.lines().map(|line| (Stream::Stderr, line)));
        if !self.pause(if skip == 0 { rule.delay } else { 0.0 }, cancel) {
            return Some(Exit::Cancelled);
        }
        for (stream, line) in lines.skip(skip) {
            on_line(Line { stream, bytes: line.as_bytes().to_owned() });
            if !self.pause(rule.pace, cancel) {
                return Some(Exit::Cancelled);
            }
        }
        cancel.is_cancelled().then_some(Exit::Cancelled)
    }

    /// Waits; `false` when cancelled.
    fn pause(&self, seconds: f64, cancel: &Cancel) -> bool {
        seconds <= 0.0 || SystemClock.sleep(self.speed.scale(clock::seconds(seconds)), cancel)
    }

    fn end(&self, rule: &Rule, job: Option<u32>) -> Exit {
        if job.is_none() && !rule.changes() {
            return Exit::Code(rule.exit);
        }
        match self.machine.apply(rule, job) {
            Ok(()) => Exit::Code(rule.exit),
            Err(_) => Exit::Unseen,
        }
    }
}
