//! The program: parses the command line, chooses a face, and turns its end into an exit code.

use std::process::ExitCode;

use clap::Parser;
use gpunode::{
    cli::{Cli, usage_error},
    error::Expected,
    headless,
    host::nvml::child,
    text::printable,
};

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
            let words: Vec<_> = std::env::args_os().collect();
            if let Some(error) = usage_error(&error, &words) {
                return report(&error);
            }
            // Help and version, which clap prints in its colours.
            let _ = error.print();
            return ExitCode::SUCCESS;
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
