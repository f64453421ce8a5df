//! This machine, or a picture of one below a root folder.

mod commands;
mod files;
mod jobs;
mod process;
mod programs;

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

pub use commands::LocalCommands;
pub use files::LocalFiles;

use super::{
    Cancel, Clock, Command, CommandError, Commands, Exit, Line, clock,
    command::{Job, Liveness, Note},
};

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> jiff::Timestamp {
        clock::now()
    }

    fn sleep(&self, duration: Duration, cancel: &Cancel) -> bool {
        const STEP: Duration = Duration::from_millis(50);
        let end = clock::later(duration);
        while !cancel.is_cancelled() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(STEP));
        }
        false
    }
}

/// The commands of a machine that is only a folder: there are none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCommands;

impl Commands for NoCommands {
    fn locate(&self, _program: &str) -> Option<PathBuf> {
        None
    }

    fn run(&self, command: &Command, _cancel: &Cancel, _on_line: &mut dyn FnMut(Line)) -> Result<Exit, CommandError> {
        Err(CommandError::NotAMachine(command.program.clone()))
    }

    fn start(&self, command: &Command, _log: &Path, _note: &mut Note<'_>) -> Result<Job, CommandError> {
        Err(CommandError::NotAMachine(command.program.clone()))
    }

    fn liveness(&self, _log: &Path) -> Liveness {
        Liveness::Ended
    }

    fn find(&self, _log: &Path) -> Option<Job> {
        None
    }

    fn follow(&self, _job: &Job, _offset: u64, _cancel: &Cancel, _on_line: &mut dyn FnMut(Line)) -> Exit {
        Exit::Unseen
    }
}
