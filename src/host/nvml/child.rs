//! Asks NVIDIA's library in a process of its own: this program again, started as `gpunode nvml-answer LIBRARY`.
//!
//! The library is code of somebody else that runs inside the one who loads it. It can hang for ever in the kernel and
//! it can crash, and neither a thread nor `catch_unwind` survives the latter. A child can be killed or be left behind,
//! and the wizard goes on.

use std::{
    ffi::OsString,
    io::Write,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitCode, Output},
    time::{Duration, Instant},
};

use super::{
    NvmlAnswer,
    library::{self, Told},
};

/// The word that makes this program the child. It is no command for people, so the command line does not know it.
pub const WORD: &str = "nvml-answer";

/// How long a killed child may take to go. One that waits in the kernel goes when the kernel lets it, and is not waited
/// for.
const REAP: Duration = Duration::from_millis(200);

/// Asks each library in turn until one answers; a library that cannot be loaded, crashes or is of another version than
/// the driver is passed over, since a driver from a pod has its library elsewhere than what an old host driver left
/// behind. `program` is this program's file. Returns `None` when no library could be loaded.
pub fn ask(program: &Path, libraries: &[PathBuf], deadline: Duration) -> Option<NvmlAnswer> {
    let end = crate::host::clock::later(deadline);
    let mut failure = None;
    for library in libraries {
        match ask_one(program, library, end.saturating_duration_since(Instant::now())) {
            Told::Answer(NvmlAnswer::Mismatch) => failure = Some(NvmlAnswer::Mismatch),
            Told::Answer(crash @ NvmlAnswer::Crashed(_)) => failure = failure.or(Some(crash)),
            Told::Answer(answer) => return Some(answer),
            // The loader's own choice has no folder; that it is not there means nothing.
            Told::NotLoaded(_) if library.components().count() == 1 => {}
            Told::NotLoaded(reason) => failure = failure.or(Some(NvmlAnswer::Failed(reason))),
        }
    }
    failure
}

fn ask_one(program: &Path, library: &Path, deadline: Duration) -> Told {
    let child = duct::cmd(program, [OsString::from(WORD), library.into()])
        .stdin_null()
        .stdout_capture()
        .stderr_null()
        .unchecked();
    let answer = match child.start() {
        Err(error) => NvmlAnswer::Failed(error.to_string()),
        Ok(handle) => match handle.wait_timeout(deadline) {
            Ok(Some(output)) => return read(output),
            Ok(None) => {
                // A child that is gone already needs no signal.
                let _ = handle.kill();
                let _ = handle.wait_timeout(REAP);
                NvmlAnswer::TimedOut
            }
            Err(error) => NvmlAnswer::Failed(error.to_string()),
        },
    };
    Told::Answer(answer)
}

/// Reads what a child left: its last line, since a library may print of its own, or the signal that ended it.
fn read(output: &Output) -> Told {
    let text = String::from_utf8_lossy(&output.stdout);
    let told = text.lines().rev().find_map(|line| serde_json::from_str(line).ok());
    told.unwrap_or_else(|| {
        Told::Answer(match output.status.signal() {
            Some(signal) => NvmlAnswer::Crashed(signal),
            None => NvmlAnswer::Failed(format!("the process that asks NVML ended with {}", output.status)),
        })
    })
}

/// Does the child's work if this process was started as one, and returns its exit status.
pub fn run_if_asked(mut args: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let library = match (args.nth(1), args.next(), args.next()) {
        (Some(word), Some(library), None) if word == WORD => library,
        _ => return None,
    };
    // Who asks may be killed: then nobody waits any more. A crash is told by its signal and needs no file of memory.
    // Both are niceties.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let no_core = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, no_core);
    let line = serde_json::to_string(&library::ask(&library)).unwrap_or_default();
    let written = writeln!(std::io::stdout(), "\n{line}");
    Some(if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use std::process::ExitStatus;

    use super::*;

    fn output(stdout: &str, status: i32) -> Output {
        Output { status: ExitStatus::from_raw(status), stdout: stdout.as_bytes().to_vec(), stderr: Vec::new() }
    }

    #[test]
    fn the_answer_is_the_last_line() {
        assert_eq!(read(&output("NVRM: hello\n\n{\"answer\":\"no_driver\"}\n", 0)), Told::Answer(NvmlAnswer::NoDriver));
        assert_eq!(read(&output("{\"not_loaded\":\"x\"}", 0)), Told::NotLoaded("x".into()));
    }

    #[test]
    fn a_child_without_an_answer_tells_how_it_ended() {
        assert_eq!(read(&output("", 11)), Told::Answer(NvmlAnswer::Crashed(11)));
        assert!(matches!(read(&output("garbage", 256)), Told::Answer(NvmlAnswer::Failed(_))));
    }

    #[test]
    fn only_its_own_word_makes_a_child() {
        let args = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>().into_iter();
        assert!(run_if_asked(args(&["gpunode"])).is_none());
        assert!(run_if_asked(args(&["gpunode", "detect", "--json"])).is_none());
        assert!(run_if_asked(args(&["gpunode", WORD])).is_none());
    }
}
