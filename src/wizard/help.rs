//! Help: what the step is about, why, the commands it will run, and its words for a newcomer.

use super::{
    App, Screen, confirm, driver, footer, plan,
    row::{Row, Tone},
    story,
};
use crate::{
    i18n::{
        Message, msg,
        msg::wizard::{help, word},
    },
    owner::{self, Fit},
    plan::Step,
};

/// A word, and what it means.
type Word = (fn() -> Message, fn() -> Message);

/// Returns the words that a step explains.
fn words(step: Step) -> &'static [Word] {
    match step {
        Step::Detect => &[
            (word::ledger, word::ledger::text),
            (word::owner, word::owner::text),
            (word::nouveau, word::nouveau::text),
            (word::compute, word::compute::text),
            (word::headers, word::headers::text),
        ],
        Step::Driver => &[
            (word::owner, word::owner::text),
            (word::daemonset, word::daemonset::text),
            (word::toolkit, word::toolkit::text),
            (word::branch, word::branch::text),
            (word::runfile, word::runfile::text),
            (word::headers, word::headers::text),
            (word::preflight, word::preflight::text),
        ],
        Step::Variables => &[
            (word::role, word::role::text),
            (word::inventory, word::inventory::text),
            (word::precedence, word::precedence::text),
            (word::playbook, word::playbook::text),
            (word::daemonset, word::daemonset::text),
        ],
        Step::Verify => &[
            (word::daemonset, word::daemonset::text),
            (word::device_plugin, word::device_plugin::text),
            (word::allocatable, word::allocatable::text),
            (word::taint, word::taint::text),
        ],
    }
}

/// Returns what happens on the screen, why, and what stands there for no commands.
fn topic(app: &App) -> [Message; 3] {
    match app.screen {
        Screen::Detect => [help::detect::what(), help::detect::why(), help::detect::none()],
        Screen::Choice => [help::choice::what(), help::choice::why(), help::choice::none()],
        Screen::Plan => [help::plan::what(), help::plan::why(), help::plan::none()],
        Screen::Run => [help::run::what(), help::run::why(), help::run::none()],
        Screen::Variables => [help::variables::what(), help::variables::why(), help::variables::none()],
        Screen::Verify | Screen::Summary => [help::verify::what(), help::verify::why(), help::verify::none()],
        Screen::Watch => [help::watch::what(), help::watch::why(), help::watch::none()],
    }
}

/// Returns the help for the screen.
pub(super) fn rows(app: &App, cells: usize) -> Vec<Row> {
    let [what, why, none] = topic(app);
    let mut rows = Vec::new();
    for (heading, text) in [(help::what(), what), (help::why(), why)] {
        rows.push(Row::new(Tone::Heading, app.text(heading)));
        rows.extend(Row::wrapped(Tone::Text, &format!("  {}", app.text(text)), cells));
        rows.push(Row::new(Tone::Text, ""));
    }
    rows.extend(story::rows(app, cells));
    rows.extend(selected_action(app, cells));
    rows.extend(owners(app, cells));
    rows.extend(selected_driver(app, cells));
    rows.extend(selected_link(app, cells));
    rows.extend(keys(app, cells));
    rows.push(Row::new(Tone::Heading, app.text(help::commands())));
    let actions = confirm::to_do(app.session.plan.of(app.step()));
    let commands: Vec<_> = actions.iter().flat_map(|action| &action.commands).map(ToString::to_string).collect();
    if commands.is_empty() {
        rows.extend(Row::wrapped(Tone::Dim, &format!("  {}", app.text(none)), cells));
    }
    rows.extend(commands.iter().flat_map(|command| confirm::command_rows(command, cells)));
    rows.push(Row::new(Tone::Text, ""));
    rows.push(Row::new(Tone::Heading, app.text(help::words())));
    for (word, meaning) in words(app.step()) {
        rows.push(Row::new(Tone::Command, format!("  {}", app.text(word()))));
        rows.extend(Row::wrapped(Tone::Text, &format!("    {}", app.text(meaning())), cells));
    }
    rows
}

/// Every owner with its reason: beside a small table only the chosen one has room for it.
fn owners(app: &App, cells: usize) -> Vec<Row> {
    let lang = app.settings.lang;
    let fits = app.driver.owners.iter().filter(|_| app.screen == Screen::Choice);
    let told = |fit: &Fit| {
        format!("  {} · {}: {}", owner::of(fit.owner).title().text(lang), fit.word().text(lang), fit.reason.text(lang))
    };
    let mut rows: Vec<Row> = fits.flat_map(|fit| Row::wrapped(Tone::Text, &told(fit), cells)).collect();
    if !rows.is_empty() {
        rows.insert(0, Row::new(Tone::Heading, app.text(msg::wizard::choice::owner())));
        rows.push(Row::new(Tone::Text, ""));
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
    let heading = Row::new(Tone::Heading, format!("{}: {}", app.text(msg::wizard::choice::details()), row.version));
    let texts = texts.flat_map(|text| Row::wrapped(Tone::Text, &text, cells));
    std::iter::once(heading).chain(texts).chain([Row::new(Tone::Text, "")]).collect()
}

/// All that there is to say of the link that is selected in the chain.
fn selected_link(app: &App, cells: usize) -> Vec<Row> {
    let Some(link) = app.verify.chain.get(app.verify.selected).filter(|_| app.screen == Screen::Verify) else {
        return Vec::new();
    };
    let mut rows = Row::wrapped(Tone::Heading, &link.title, cells);
    let told = [&link.about, &link.detail, &link.remedy].into_iter().filter(|text| !text.is_empty());
    rows.extend(told.flat_map(|text| Row::wrapped(Tone::Text, &format!("  {text}"), cells)));
    rows.push(Row::new(Tone::Text, ""));
    rows
}

/// Every key of the screen: the line at the bottom names as many as have room.
fn keys(app: &App, cells: usize) -> Vec<Row> {
    let rows = footer::hints(app).into_iter().flat_map(|hint| {
        let text = format!("  {:<6} {}", hint.caps, hint.text);
        Row::wrapped(Tone::Text, &text, cells)
    });
    std::iter::once(Row::new(Tone::Heading, app.text(help::keys())))
        .chain(rows)
        .chain([Row::new(Tone::Text, "")])
        .collect()
}

/// All that there is to say of the action that is selected in the plan: beside a long list it has no room.
fn selected_action(app: &App, cells: usize) -> Vec<Row> {
    let rows = plan::rows(app);
    let Some(row) = rows.get(app.driver.action).filter(|_| app.screen == Screen::Plan) else { return Vec::new() };
    let lang = app.settings.lang;
    let texts =
        [vec![row.action.reason(lang)], row.action.details(app.settings.lang), vec![plan::undo(app, row.action)]]
            .concat();
    let mut lines = Row::wrapped(Tone::Heading, &row.action.title(lang), cells);
    lines.extend(texts.iter().flat_map(|text| Row::wrapped(Tone::Text, &format!("  {text}"), cells)));
    lines.push(Row::new(Tone::Text, ""));
    lines
}
