//! `gpunode lab`: a sheet for a class, and how far everybody is.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::print;
use crate::{
    bounded,
    cli::LabVerb,
    error::Expected,
    exit_code::ExitCode,
    host::{
        Story,
        replay::failure::{self, Failure},
    },
    i18n::{Lang, msg},
};

/// Runs `gpunode lab`.
pub(super) fn run(lang: Lang, verb: &LabVerb) -> Result<ExitCode, Expected> {
    match verb {
        LabVerb::Sheet { names } => sheet(names, lang),
        LabVerb::Table { files } => table(files, lang),
    }
}

/// Prints the exercise sheet: each scenario with its task, what to write down, and what a solution must show.
fn sheet(names: &[String], lang: Lang) -> Result<ExitCode, Expected> {
    let names = if names.is_empty() { Failure::names() } else { names.to_vec() };
    let mut text = format!("# {}\n\n{}\n", msg::lab::title().text(lang), msg::lab::lead().text(lang));
    for (index, name) in names.iter().enumerate() {
        let scenario = if name.contains('/') { failure::load(name.as_ref()) } else { failure::named(name) };
        let about = scenario.map_err(|error| Expected::new(error.message(), msg::error::scenario::hint()))?.about;
        let of = |texts| Story::text(texts, lang).unwrap_or_default();
        text += &format!(
            "\n## {}. {}\n\n{}\n\n    gpunode --demo={name} --new --lang {}\n\n",
            index + 1,
            of(&about.title),
            of(&about.lesson),
            lang.code()
        );
        text += &format!(
            "- [ ] {}\n- [ ] {}\n- [ ] {}\n",
            msg::lab::cause().text(lang),
            msg::lab::mend().text(lang),
            msg::lab::proof(of(&about.solved)).text(lang)
        );
    }
    text += &format!("\n{}\n\n    gpunode --demo=NAME status --json > me.json\n", msg::lab::hand_in().text(lang));
    print(&text)
}

/// Prints a table for the trainer from the students' `status --json` files, those who are furthest behind first.
fn table(files: &[PathBuf], lang: Lang) -> Result<ExitCode, Expected> {
    let mut rows = files.iter().map(|file| row(file, lang)).collect::<Result<Vec<_>, _>>()?;
    rows.sort();
    let mut text = format!("{}\n|---|---|---|---|---|\n", msg::lab::head().text(lang));
    for (_, cells) in rows {
        text += &format!("| {} |\n", cells.join(" | "));
    }
    print(&text)
}

/// Returns how many steps are done, and the cells of a student's row.
fn row(file: &Path, lang: Lang) -> Result<(usize, Vec<String>), Expected> {
    let unreadable = |why: String| Expected::new(msg::error::edit::file(file.display(), why), msg::lab::table_hint());
    let text = bounded::read_text(file, bounded::MOST).map_err(|error| unreadable(error.to_string()))?;
    let status: Value = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    let steps = status["steps"].as_array().ok_or_else(|| unreadable("no `steps`".to_owned()))?;
    let is = |step: &Value, state: &str| step["state"] == state;
    let done = steps.iter().filter(|step| is(step, "done")).count();
    let here = steps.iter().find(|step| is(step, "here")).map_or_else(String::new, |step| step["step"].to_string());
    let journal = status["journal"].as_array().cloned().unwrap_or_default();
    let failed = journal.iter().filter(|record| record["status"] == "failed").count();
    let machine = status["machine"].as_str().unwrap_or_default();
    let name = file.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let verdict = if done == steps.len() { msg::lab::solved() } else { msg::lab::open(&here) };
    let cells = [
        name,
        machine.strip_prefix("simulated:").unwrap_or(machine).to_owned(),
        format!("{done}/{}", steps.len()),
        failed.to_string(),
        verdict.text(lang),
    ];
    // A bar would be a new column.
    Ok((done, cells.map(|cell| cell.replace('|', "/")).to_vec()))
}
