//! The program: parses the command line, chooses a face, and turns its end into an exit code.

#![warn(clippy::disallowed_macros, clippy::disallowed_methods)]

use std::process::ExitCode;

use clap::Parser;
use gpunode::{
    cli::{Cli, usage_error},
    console::complain,
    error::Expected,
    exit_code, headless,
    host::nvml::child,
    i18n::Lang,
    perform, plain,
    text::printable,
    workspace::Workspace,
};

fn main() -> ExitCode {
    if let Some(code) = child::run_if_asked(std::env::args_os()) {
        return code;
    }
    if let Err(error) = color_eyre::config::HookBuilder::default().install() {
        complain(&format!("gpunode: cannot set up error reports: {error}"));
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let words: Vec<_> = std::env::args_os().collect();
            if let Some(error) = usage_error(&error, &words) {
                return report(&error, Lang::from_env(|name| std::env::var(name).ok()));
            }
            // Help and version, which clap prints in its colours.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
    };
    match face(&cli) {
        Ok(code) => code.into(),
        Err(error) => report(&error, cli.global.lang()),
    }
}

/// A command is answered without a screen; without one, the wizard asks, on the whole screen or line by line.
fn face(cli: &Cli) -> Result<exit_code::ExitCode, Expected> {
    let global = &cli.global;
    match &cli.command {
        Some(verb) => headless::run(global, verb),
        None if global.plain => plain::run(&Workspace::open(global)?, global),
        None => perform::wizard(&Workspace::open(global)?, global),
    }
}

/// One line of what happened, one line of what to do.
fn report(error: &Expected, lang: Lang) -> ExitCode {
    complain(&format!("gpunode: {}", printable(&error.text(lang))));
    complain(&format!("  help: {}", printable(&error.hint(lang))));
    error.exit_code().into()
}
