//! The program: parses the command line, chooses a face, and turns its end into an exit code.

use std::process::ExitCode;

use clap::Parser;
use gpunode::{cli::Cli, error::Expected, headless, host::nvml::child, text::printable};

fn main() -> ExitCode {
    if let Some(code) = child::run_if_asked(std::env::args_os()) {
        return code;
    }
    if let Err(error) = color_eyre::config::HookBuilder::default().install() {
        eprintln!("gpunode: cannot set up error reports: {error}");
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap knows the streams and the status: help to standard output with 0, mistakes to standard error with 2.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match headless::run(&cli) {
        Ok(code) => code.into(),
        Err(error) => report(&error),
    }
}

/// One line of what happened, one line of what to do.
fn report(error: &Expected) -> ExitCode {
    eprintln!("gpunode: {}", printable(&error.to_string()));
    eprintln!("  help: {}", printable(error.hint()));
    error.exit_code().into()
}
