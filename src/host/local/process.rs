//! A process of this machine: how it is begun, and what `/proc` says of it while it lives.

use std::{ffi::OsString, io, path::Path};

use super::programs;
use crate::{
    bounded,
    host::{Command, CommandError},
};

/// Makes the error of a command that could not be begun.
pub(super) fn failed(command: &Command, error: &io::Error) -> CommandError {
    CommandError::Failed { program: command.program.clone(), reason: error.to_string() }
}

/// Makes the expression for a command, after looking the program up: `setsid` would only say "exit status 127". `by`
/// are the words of a program that starts it.
pub(super) fn expression_with(command: &Command, by: Vec<OsString>) -> Result<duct::Expression, CommandError> {
    command.demand_plain()?;
    let missing = |name: &str| CommandError::NotFound(name.to_owned());
    let program = programs::locate(&command.program).map_err(|error| failed(command, &error))?;
    let program = program.ok_or_else(|| missing(&command.program))?;
    let setsid = programs::tool("setsid").ok_or_else(|| missing("setsid"))?;
    let limit = command.file_limit.zip(programs::tool("prlimit"));
    let limit = limit.map(|(bytes, prlimit)| [prlimit.into_os_string(), format!("--fsize={bytes}").into()]);
    let argv = by
        .into_iter()
        .chain(limit.into_iter().flatten())
        .chain([program.into_os_string()])
        .chain(command.args.iter().map(Into::into));
    let mut expression = duct::cmd(setsid, argv).unchecked().env("PATH", programs::path());
    // Answers are parsed, so they must not be translated.
    if !command.env.contains_key("LC_ALL") {
        expression = expression.env("LC_ALL", "C");
    }
    for (name, value) in &command.env {
        expression = expression.env(name, value);
    }
    if let Some(folder) = &command.cwd {
        expression = expression.dir(folder);
    }
    Ok(expression)
}

/// Returns the kernel's start time of a process that is alive (a zombie is not).
pub(super) fn start_time(pid: u32) -> Option<u64> {
    stat_field(pid, 22)
}

/// Returns the session of a process that is alive.
pub(super) fn session_of(pid: u32) -> Option<u32> {
    stat_field(pid, 6).and_then(|session| session.try_into().ok())
}

/// Returns a field of `/proc/PID/stat` by its number in proc(5), from the third, the state, on: the name before it may
/// hold anything.
fn stat_field(pid: u32, number: usize) -> Option<u64> {
    let stat = bounded::read(Path::new(&format!("/proc/{pid}/stat")), bounded::MOST).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    (fields.first() != Some(&"Z")).then(|| fields.get(number - 3)?.parse().ok()).flatten()
}
