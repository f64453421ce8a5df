//! `gpunode plan`: all actions with commands and diffs; changes nothing.

use std::path::Path;

use serde_json::{Value, json};

use super::{answers_or_session, print, print_json};
use crate::{
    answers::Answers,
    error::Expected,
    exit_code::ExitCode,
    facts::{self, Facts},
    finding::Finding,
    i18n::{Lang, Message, msg},
    kubespray, owner, plan,
    plan::{Action, Step},
    preflight, steps,
    workspace::Workspace,
};

/// Prints the plan of all steps.
pub(super) fn run(workspace: &Workspace, answers: Option<&Path>, json: bool) -> Result<ExitCode, Expected> {
    let wanted = answers_or_session(workspace, answers)?;
    let mut facts = facts::probe_all(&workspace.host);
    facts.expect(wanted.gpus.as_deref().unwrap_or_default());
    if let Err(error) = steps::demand_card(&facts, &wanted) {
        return Err(nothing_planned(workspace, &facts, &wanted, json, error));
    }
    let table = steps::driver_table(&workspace.host, &facts, &wanted, wanted.cuda())?;
    steps::check(&wanted, &facts, &table)?;
    let answers = steps::complete(&wanted, &table);
    let planner = steps::Planner::new(&workspace.host, &facts, &answers);
    let (actions, missing) = all_steps(&planner, workspace);
    if missing.is_none() {
        plan::known::demand(&answers, &actions)?;
    }
    let states: Vec<State> = actions.iter().map(|action| state(workspace, action)).collect();
    let planned = || actions.iter().zip(&states);
    let is_open = |(_, state): &(&Action, &State)| **state != State::Done;
    let open: Vec<Action> = planned().filter(is_open).map(|(action, _)| action.clone()).collect();
    let predictions = planner.preflight(&open, None)?;
    let variables = planner.planned_preview().ok();
    // What keeps `apply` from beginning comes first.
    let newcomer = variables
        .as_ref()
        .and_then(|preview| steps::newcomer(&facts, &answers, preview))
        .map(|newcomer| newcomer.finding());
    if json {
        print_json(&json!({
            "owner": answers.driver_owner,
            "owners": planner.owners(),
            "actions": planned().map(|(action, state)| describe(action, *state)).collect::<Vec<_>>(),
            "preflight": predictions.iter().map(preflight::describe).collect::<Vec<_>>(),
            "findings": newcomer.iter().collect::<Vec<_>>(),
            "variables": variables.map(|preview| json!({"capability": preview.capability, "findings": preview.findings})),
        }))?;
    } else {
        let lang = workspace.lang;
        let text: String = planned().map(|(action, state)| paragraph(lang, action, *state)).collect();
        let root = roots_part(lang, &actions);
        let findings = variables.map(|preview| kubespray::report_planned(&preview, lang)).unwrap_or_default();
        let first = newcomer.map(|finding| told("!", &finding, lang)).unwrap_or_default();
        print(&format!("{first}{}\n", owner::report(planner.owners(), lang)))?;
        print(&format!(
            "{text}{root}{findings}{}\n{}",
            msg::preflight::title().text(lang),
            preflight::report(&predictions, lang)
        ))?;
    }
    match missing {
        // What can be planned was shown; what is missing is said with it.
        Some((step, error)) => Err(error.map(|why| msg::error::plan::step(step.number(), why))),
        None => Ok(ExitCode::Ok),
    }
}

/// Returns the actions of every step that can be planned, and the last step that cannot be, with the reason.
fn all_steps(planner: &steps::Planner<'_>, workspace: &Workspace) -> (Vec<Action>, Option<(Step, Expected)>) {
    let mut actions = Vec::new();
    let mut missing = None;
    for step in Step::ALL {
        match planner.plan_step(step, &workspace.session_path) {
            Ok(planned) => actions.extend(planned),
            Err(error) => missing = Some((step, error)),
        }
    }
    (actions, missing)
}

fn told(glyph: &str, finding: &Finding, lang: Lang) -> String {
    format!("{glyph} {}\n    {}\n\n", finding.message(lang), finding.remedy(lang))
}

/// Prints what there is to say of a machine without a card, and nothing of a plan; returns the error that it ends with.
fn nothing_planned(workspace: &Workspace, facts: &Facts, answers: &Answers, json: bool, error: Expected) -> Expected {
    let found: Vec<Finding> = facts.card_finding().into_iter().collect();
    let (none, owner): ([Value; 0], _) = ([], answers.driver_owner);
    let printed = if json {
        let object = json!({"owner": owner, "owners": none, "actions": none, "preflight": none, "findings": found, "variables": null});
        print_json(&object)
    } else {
        print(&found.iter().map(|finding| told("✗", finding, workspace.lang)).collect::<String>())
    };
    printed.err().unwrap_or(error)
}

/// Whether an action is still to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Needed,
    Done,
    Blocked,
}

impl State {
    fn title(self) -> Message {
        match self {
            Self::Needed => msg::plan::state::needed(),
            Self::Done => msg::plan::state::done(),
            Self::Blocked => msg::plan::state::blocked(),
        }
    }
}

fn state(workspace: &Workspace, action: &Action) -> State {
    let is_done = !action.is_reboot() && action.kind.check(&workspace.host).is_some();
    match &action.blocked {
        _ if is_done => State::Done,
        Some(_) => State::Blocked,
        None => State::Needed,
    }
}

fn describe(action: &Action, state: State) -> Value {
    json!({
        "id": action.id,
        "step": action.step.number(),
        "title": action.title(Lang::En),
        "state": state,
        "left_out": action.skipped,
        "optional": action.optional,
        "why": action.blocked_text(Lang::En).unwrap_or_else(|| action.reason(Lang::En)),
        "commands": action.commands.iter().map(crate::host::Command::argv).collect::<Vec<_>>(),
        "diff": action.diff,
        "needs_root": action.needs_root,
        "root_because": action.needs_root.then(|| action.root_text(Lang::En)),
        "needs_reboot": action.needs_reboot,
        "undo": action.undo_text(Lang::En),
    })
}

/// Lists what this user cannot do, each with why it is root's; nothing for root.
fn roots_part(lang: Lang, actions: &[Action]) -> String {
    let rows: String = actions
        .iter()
        .filter(|action| action.lacks_root() && !action.skipped)
        .map(|action| format!("  {}: {}\n", action.title(lang), action.root_text(lang)))
        .collect();
    if rows.is_empty() {
        rows
    } else {
        format!("{}\n{rows}{}\n\n", msg::plan::root().text(lang), msg::plan::root::others().text(lang))
    }
}

fn paragraph(lang: Lang, action: &Action, state: State) -> String {
    let state = match (action.skipped, action.optional) {
        (true, true) => msg::plan::state::offered(),
        (true, false) => msg::plan::state::left_out(),
        (false, _) => state.title(),
    };
    let state = state.text(lang);
    let why = action.blocked_text(lang).unwrap_or_else(|| action.reason(lang));
    let mut text = format!("{} [{state}] {}\n    {why}\n", action.step.number(), action.title(lang));
    for command in &action.commands {
        text += &format!("    $ {command}\n");
    }
    for line in action.diff.iter().flat_map(|diff| diff.lines()) {
        text += &format!("    {}\n", crate::text::printable(line));
    }
    text + "\n"
}
