//! `gpunode scenarios`: the simulated machines, and making one of one's own.

use std::{fs, path::Path};

use super::print;
use crate::{
    cli::ScenarioVerb,
    error::{Expected, reason},
    exit_code::ExitCode,
    host::{
        Story,
        replay::{
            Scenario, check,
            failure::{self, Failure},
            scenario::About,
        },
    },
    i18n::{Lang, msg},
    private,
    workspace::Workspace,
};

/// What a new scenario begins as: every key with its meaning.
const TEMPLATE: [(&str, &str); 2] = [
    ("scenario.yaml", include_str!("../../assets/docs/new-scenario.yaml")),
    ("commands.yaml", include_str!("../../assets/docs/new-commands.yaml")),
];

/// Runs `gpunode scenarios` and what stands behind it.
pub(super) fn run(workspace: &Workspace, verb: Option<&ScenarioVerb>) -> Result<ExitCode, Expected> {
    match verb {
        None => list(workspace.lang),
        Some(ScenarioVerb::New { dir }) => begin(dir, workspace.lang),
        Some(ScenarioVerb::Check { dir }) => look(dir, workspace.lang),
        Some(ScenarioVerb::Reset) => reset(workspace),
    }
}

/// Prints names, titles and lessons: the machines, the failures to practise, and the folders that lie here.
fn list(lang: Lang) -> Result<ExitCode, Expected> {
    let mut text = String::new();
    let mut told = |name: &str, about: &About| {
        let of = |texts| Story::text(texts, lang).unwrap_or_default().to_owned();
        text += &format!("{name}\n  {}\n  {}\n  gpunode --demo={name}\n\n", of(&about.title), of(&about.lesson));
    };
    for name in Scenario::names() {
        told(&name, &failure::named(&name).map_err(|error| broken(&error))?.about);
    }
    for name in Failure::names() {
        told(&name, &failure::named(&name).map_err(|error| broken(&error))?.about);
    }
    let here = fs::read_dir(".").into_iter().flatten().flatten().map(|entry| entry.path());
    for folder in here.filter(|folder| folder.join("scenario.yaml").is_file()) {
        if let Ok(scenario) = failure::load(&folder) {
            told(&folder.display().to_string(), &scenario.about);
        }
    }
    print(&text)
}

fn broken(error: &crate::host::replay::ScenarioError) -> Expected {
    Expected::new(error.message(), msg::error::bug())
}

/// Writes a scenario that works and explains itself.
fn begin(dir: &Path, lang: Lang) -> Result<ExitCode, Expected> {
    let failed = |error: std::io::Error| {
        Expected::new(msg::error::edit::file(dir.display(), reason(&error)), msg::scenarios::new_hint())
    };
    if fs::read_dir(dir).is_ok_and(|mut there| there.next().is_some()) {
        return Err(Expected::new(msg::scenarios::not_empty(dir.display()), msg::scenarios::new_hint()));
    }
    let place = private::place(dir, Path::new("rootfs")).map_err(failed)?;
    fs::create_dir_all(&place).map_err(failed)?;
    for (name, text) in TEMPLATE {
        private::write(&place.with_file_name(name), text.as_bytes()).map_err(failed)?;
    }
    let shown = if dir.components().count() > 1 { dir.display().to_string() } else { format!("./{}", dir.display()) };
    print(&msg::scenarios::written(shown).text(lang))
}

/// Says what is wrong with a scenario, by file and line.
fn look(dir: &Path, lang: Lang) -> Result<ExitCode, Expected> {
    let faults = check::check(dir);
    if faults.is_empty() {
        return print(&msg::scenarios::sound(dir.display()).text(lang));
    }
    let lines: Vec<String> = faults.iter().map(|fault| format!("{fault}: {}", fault.what.text(lang))).collect();
    print(&lines.join("\n"))?;
    Ok(ExitCode::Negative)
}

/// Lets the simulated machine and its session begin anew.
fn reset(workspace: &Workspace) -> Result<ExitCode, Expected> {
    if workspace.host.simulation.is_none() {
        return Err(Expected::new(msg::scenarios::no_demo(), msg::scenarios::no_demo::hint()));
    }
    workspace.forget_machine();
    let (store, session) = workspace.session(true)?;
    drop((store, session));
    print(&msg::scenarios::reset(workspace.session_path.display()).text(workspace.lang))
}
