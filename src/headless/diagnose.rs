//! `gpunode diagnose`: known failures in a log.

use std::{
    io::{self, Read},
    path::Path,
};

use super::{print, print_json};
use crate::{
    bounded,
    diagnosis::{self, Hit},
    error::{Expected, reason},
    exit_code::ExitCode,
    i18n::{Lang, msg},
    workspace::Workspace,
};

/// Prints the hits. Exit: 0 nothing known, 1 hits.
pub(super) fn run(workspace: &Workspace, file: Option<&Path>, json: bool) -> Result<ExitCode, Expected> {
    let name = file.map_or_else(|| "standard input".to_owned(), |path| path.display().to_string());
    let failed = |error: &io::Error| {
        Expected::new(msg::error::log::unreadable(&name, reason(error)), msg::error::log::unreadable::hint())
    };
    let mut reader: Box<dyn Read> = match file {
        Some(path) => Box::new(bounded::open(path).map_err(|error| failed(&error))?),
        None => Box::new(io::stdin().lock()),
    };
    let report = diagnosis::over_reader(&mut *reader).map_err(|error| failed(&error))?;
    let code = if report.hits.is_empty() { ExitCode::Ok } else { ExitCode::Negative };
    if json {
        print_json(&report)?;
    } else if report.hits.is_empty() {
        print(&msg::diagnose::nothing().text(workspace.lang))?;
    } else {
        let hits: Vec<_> = report.hits.iter().map(|hit| text(hit, &name, workspace.lang)).collect();
        print(&hits.join("\n"))?;
    }
    Ok(code)
}

/// Writes a hit down: where and what, the lines that show it, why, and what to do.
fn text(hit: &Hit, name: &str, lang: Lang) -> String {
    let mut text = format!("{name}:{}: {}\n", hit.line_number.unwrap_or(0), hit.signature);
    for line in hit.context.iter().chain([&hit.line]) {
        text += &format!("  | {line}\n");
    }
    text + &format!("  {}\n  -> {}\n", hit.cause(lang), hit.remedy(lang))
}
