//! The headless face: each command of the command line, one file each, over the same steps and the same engine as the
//! wizard.

mod ansible;
mod apply;
mod detect;
mod diagnose;
mod drivers;
mod fleet;
mod lab;
mod plan;
mod progress;
mod record;
mod report;
mod scenarios;
mod status;
mod tail;
mod undo;
mod vars;
mod verify;

pub use record::record;

use std::{
    io::{self, Write},
    path::Path,
    sync::LazyLock,
};

use clap::CommandFactory;
use serde::Serialize;

use crate::{
    answers::Answers,
    bounded,
    cli::{Cli, Global, Verb},
    error::{Expected, reason},
    exit_code::ExitCode,
    i18n::msg,
    packed::packed,
    text::{printable_json, printable_lines},
    workspace::Workspace,
};

/// The notices that the licences of linked crates ask for; `tests/notices` writes them.
static NOTICES: LazyLock<String> = packed!("THIRD-PARTY-NOTICES.txt");

/// Runs one command.
pub fn run(global: &Global, verb: &Verb) -> Result<ExitCode, Expected> {
    match verb {
        Verb::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "gpunode", &mut text);
            return print_raw(&String::from_utf8_lossy(&text));
        }
        Verb::Man => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut text).map_err(|error| output_failed(&error))?;
            return print_raw(&String::from_utf8_lossy(&text));
        }
        Verb::Licences => return print_raw(&NOTICES),
        Verb::Lab { what } => return lab::run(global.lang(), what),
        _ => {}
    }
    let workspace = Workspace::open(global)?;
    match verb {
        Verb::Detect { json } => detect::run(&workspace, *json),
        Verb::Drivers(args) => drivers::run(&workspace, args),
        Verb::Vars(args) => vars::run(&workspace, args),
        Verb::Plan { answers, json } => plan::run(&workspace, answers.as_deref(), *json),
        Verb::Apply(args) => apply::run(&workspace, global.new, args),
        Verb::Tail { file, answers, cluster } => tail::run(&workspace, file.as_deref(), answers.as_deref(), cluster),
        Verb::Diagnose { file, json } => diagnose::run(&workspace, file.as_deref(), *json),
        Verb::Verify { json, after_boot, answers, cluster } => {
            let asked = verify::Asked { json: *json, after_boot: *after_boot, answers: answers.as_deref() };
            verify::run(&workspace, &asked, cluster)
        }
        Verb::Status { json } => status::run(&workspace, *json),
        Verb::Undo { yes, json } => undo::run(&workspace, *yes, *json),
        Verb::Report { format, answers } => report::run(&workspace, *format, *answers),
        Verb::Record { file } => record::run(&workspace, file),
        Verb::Scenarios { what } => scenarios::run(&workspace, what.as_ref()),
        Verb::Fleet(args) => fleet::run(&workspace, global, args),
        Verb::Ansible { folder, binary } => ansible::run(&workspace, global, folder, binary),
        Verb::Completions { .. } | Verb::Man | Verb::Licences | Verb::Lab { .. } => Ok(ExitCode::Ok),
    }
}

/// Prints text to standard output, nothing of which a terminal could take for a command.
fn print(text: &str) -> Result<ExitCode, Expected> {
    print_raw(&printable_lines(text))
}

fn print_json(value: &impl Serialize) -> Result<ExitCode, Expected> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Expected::new(msg::error::output::json(error), msg::error::bug()))?;
    print_raw(&printable_json(&text))
}

/// Prints text of this program's own. A reader that went away (`| head`) is not an error of ours.
fn print_raw(text: &str) -> Result<ExitCode, Expected> {
    let mut out = io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    match write!(out, "{text}{end}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(output_failed(&error)),
        _ => Ok(ExitCode::Ok),
    }
}

fn output_failed(error: &io::Error) -> Expected {
    Expected::new(msg::error::output::stdout(reason(error)), msg::error::output::stdout::hint())
}

/// Reads an answers file.
fn read_answers(path: &Path) -> Result<Answers, Expected> {
    let text = bounded::read_text(path, bounded::MOST_BY_HAND).map_err(|error| {
        Expected::new(
            msg::error::answers::unreadable(path.display(), reason(&error)),
            msg::error::answers::unreadable::hint(),
        )
    })?;
    Answers::parse(&text, &path.display().to_string())
}

/// Returns the answers of the file, or of the session, or none.
fn answers_or_session(workspace: &Workspace, file: Option<&Path>) -> Result<Answers, Expected> {
    if let Some(file) = file {
        return read_answers(file);
    }
    let answers = workspace.peek()?.and_then(|session| session.answers);
    Ok(answers
        .or_else(|| workspace.story_answers())
        .unwrap_or_else(|| crate::steps::first_answers(&workspace.host, &crate::facts::probe(&workspace.host))))
}
