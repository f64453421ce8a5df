//! Help: what the step is about, why, the commands it will run, and its words for a newcomer.

use super::{
    App, Screen, confirm, driver, footer, plan,
    row::{Row, Tone},
};
use crate::plan::Step;

/// The words explained, by step: `wizard.word.<name>` and `wizard.word.<name>.text`.
const WORDS: [(Step, &[&str]); 4] = [
    (Step::Detect, &["ledger", "owner", "nouveau", "compute", "headers"]),
    (Step::Driver, &["owner", "daemonset", "toolkit", "branch", "runfile", "headers", "preflight"]),
    (Step::Variables, &["role", "inventory", "precedence", "playbook", "daemonset"]),
    (Step::Verify, &["daemonset", "device-plugin", "allocatable", "taint"]),
];

fn topic(app: &App) -> &'static str {
    match app.screen {
        Screen::Detect => "detect",
        Screen::Choice => "choice",
        Screen::Plan => "plan",
        Screen::Run => "run",
        Screen::Variables => "variables",
        Screen::Verify | Screen::Summary => "verify",
        Screen::Watch => "watch",
    }
}

/// Returns the help for the screen.
pub(super) fn rows(app: &App, cells: usize) -> Vec<Row> {
    let topic = topic(app);
    let mut rows = Vec::new();
    for part in ["what", "why"] {
        rows.push(Row::new(Tone::Heading, app.t(&format!("help.{part}"))));
        rows.extend(Row::wrapped(Tone::Text, &format!("  {}", app.t(&format!("help.{topic}.{part}"))), cells));
        rows.push(Row::new(Tone::Text, ""));
    }
    rows.extend(selected_action(app, cells));
    rows.extend(selected_driver(app, cells));
    rows.extend(keys(app, cells));
    rows.push(Row::new(Tone::Heading, app.t("help.commands")));
    let actions = confirm::to_do(app.session.plan.of(app.step()));
    let commands: Vec<_> = actions.iter().flat_map(|action| &action.commands).map(ToString::to_string).collect();
    if commands.is_empty() {
        rows.extend(Row::wrapped(Tone::Dim, &format!("  {}", app.t(&format!("help.{topic}.none"))), cells));
    }
    rows.extend(commands.iter().flat_map(|command| confirm::command_rows(command, cells)));
    rows.push(Row::new(Tone::Text, ""));
    rows.push(Row::new(Tone::Heading, app.t("help.words")));
    for word in WORDS.iter().filter(|(step, _)| *step == app.step()).flat_map(|(_, words)| *words) {
        rows.push(Row::new(Tone::Command, format!("  {}", app.t(&format!("word.{word}")))));
        rows.extend(Row::wrapped(Tone::Text, &format!("    {}", app.t(&format!("word.{word}.text"))), cells));
    }
    rows
}

/// All that there is to say of the driver and the toolkit that are selected.
fn selected_driver(app: &App, cells: usize) -> Vec<Row> {
    let Some(row) = app.driver.chosen(&app.answers).filter(|_| app.screen == Screen::Choice) else { return Vec::new() };
    let toolkit = driver::chosen_toolkit(app);
    let notes = row.notes.iter().chain(toolkit.into_iter().flat_map(|toolkit| &toolkit.notes));
    let told = row.reason.iter().chain(notes).map(|reason| reason.text(app.settings.lang));
    let addresses = row.url.iter().chain(toolkit.map(|toolkit| &toolkit.file)).cloned();
    let texts = told.chain(addresses).map(|text| format!("  {text}"));
    let heading = Row::new(Tone::Heading, format!("{}: {}", app.t("choice.details"), row.version));
    let texts = texts.flat_map(|text| Row::wrapped(Tone::Text, &text, cells));
    std::iter::once(heading).chain(texts).chain([Row::new(Tone::Text, "")]).collect()
}

/// Every key of the screen: the line at the bottom names as many as have room.
fn keys(app: &App, cells: usize) -> Vec<Row> {
    let rows = footer::hints(app).into_iter().flat_map(|hint| {
        let text = format!("  {:<6} {}", hint.caps, hint.text);
        Row::wrapped(Tone::Text, &text, cells)
    });
    std::iter::once(Row::new(Tone::Heading, app.t("help.keys"))).chain(rows).chain([Row::new(Tone::Text, "")]).collect()
}

/// All that there is to say of the action that is selected in the plan: beside a long list it has no room.
fn selected_action(app: &App, cells: usize) -> Vec<Row> {
    let rows = plan::rows(app);
    let Some(row) = rows.get(app.driver.action).filter(|_| app.screen == Screen::Plan) else { return Vec::new() };
    let lang = app.settings.lang;
    let texts = [vec![row.action.reason(lang)], row.action.details(app.settings.lang), vec![plan::undo(app, row.action)]].concat();
    let mut lines = Row::wrapped(Tone::Heading, &row.action.title(lang), cells);
    lines.extend(texts.iter().flat_map(|text| Row::wrapped(Tone::Text, &format!("  {text}"), cells)));
    lines.push(Row::new(Tone::Text, ""));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::Lang;

    #[test]
    fn every_topic_and_word_has_its_texts() {
        let topics = ["detect", "choice", "plan", "run", "variables", "verify", "watch"];
        let keys = topics.iter().flat_map(|topic| ["what", "why", "none"].map(|part| format!("wizard.help.{topic}.{part}")));
        let words =
            WORDS.iter().flat_map(|(_, words)| *words).flat_map(|word| [format!("wizard.word.{word}"), format!("wizard.word.{word}.text")]);
        for key in keys.chain(words) {
            assert!(Lang::En.has(&key) && Lang::Ko.has(&key), "{key}");
        }
    }
}
