//! Overlay: the text of whatever stands in front of the screen, as rows with a tone. The view only colours them.

use std::path::Path;

use super::{
    App, Dialog,
    ask::Ask,
    chain::RemedyAction,
    confirm, help,
    row::{Row, Tone},
    run, test_pod, variables, wrap,
};
use crate::{
    i18n::{Message, msg},
    plan::remedy::RemedyId,
    second_boot,
};

/// What stands in front of the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its heading.
    pub title: String,
    /// Its rows.
    pub lines: Vec<Row>,
    /// A short question in a box; else a text that takes the body of the screen.
    pub boxed: bool,
    /// Row and cell of the cursor, where text is typed.
    pub cursor: Option<(usize, usize)>,
}

/// Returns the rows that are in view of a text that takes the body.
pub fn height(app: &App) -> usize {
    usize::from(app.size.1.saturating_sub(5)).max(1)
}

/// Returns the text in front, if there is any.
pub fn document(app: &App) -> Option<Document> {
    let dialog = app.dialog.as_ref()?;
    let cells = usize::from(app.size.0.saturating_sub(6)).min(110);
    let narrow = cells.min(64);
    let text = |title: Message, lines| Document { title: app.text(title), lines, boxed: false, cursor: None };
    let question = |title: Message, lines| Document { title: app.text(title), lines, boxed: true, cursor: None };
    let document = match dialog {
        Dialog::Help => text(msg::wizard::help::title(), help::rows(app, cells)),
        Dialog::Confirm => text(msg::wizard::confirm::title(), confirm_rows(app, cells)),
        Dialog::TestPod(actions) => text(msg::wizard::test::title(), test_pod::rows(app, actions, cells)),
        Dialog::Preflight => text(msg::wizard::preflight::title(), confirm::check_rows(app, cells)),
        Dialog::Diff => text(msg::wizard::diff::title(), diff_rows(app, cells)),
        Dialog::Why => text(msg::wizard::why::title(), super::why::rows(app, cells)),
        Dialog::Changes(changes) => text(msg::wizard::changes::title(), changes_rows(app, changes, cells)),
        Dialog::AskCancel => question(
            msg::wizard::cancel::title(),
            paragraphs(
                app,
                Some(msg::wizard::cancel::text()),
                [msg::wizard::cancel::yes(), msg::wizard::cancel::no()],
                narrow,
            ),
        ),
        Dialog::AskReboot => question(msg::wizard::reboot::title(), reboot_rows(app, narrow)),
        Dialog::AskQuit => question(msg::wizard::quit::title(), quit_rows(app, narrow)),
        Dialog::Diagnosis => diagnosis(app, narrow)?,
        Dialog::Offer(id) => offer(app, *id, narrow)?,
        Dialog::Ask(ask) => asking(app, ask, narrow),
    };
    // What has no room in a box is a text that scrolls: no answer of it is out of reach.
    let fits = document.lines.len() + 5 <= usize::from(app.size.1.saturating_sub(4)) || document.cursor.is_some();
    Some(Document { boxed: document.boxed && fits, ..document })
}

/// Sentences, then what each answer does.
fn paragraphs(app: &App, text: Option<Message>, answers: impl IntoIterator<Item = Message>, cells: usize) -> Vec<Row> {
    let mut rows: Vec<_> = text.into_iter().flat_map(|text| Row::wrapped(Tone::Text, &app.text(text), cells)).collect();
    rows.push(Row::new(Tone::Text, ""));
    rows.extend(answers.into_iter().flat_map(|text| answer(&app.text(text), cells)));
    rows
}

/// `Enter  what happens`: the lines after the first stand under the text.
fn answer(text: &str, cells: usize) -> Vec<Row> {
    let (key, rest) = text.split_once(' ').unwrap_or((text, ""));
    let lines = wrap(rest.trim_start(), cells.saturating_sub(8));
    let row = |(index, line): (usize, &String)| {
        Row::new(Tone::Text, format!("{:<6} {line}", if index == 0 { key } else { "" }))
    };
    lines.iter().enumerate().map(row).collect()
}

fn confirm_rows(app: &App, cells: usize) -> Vec<Row> {
    let actions = app.to_confirm();
    let lead = match app.settings.simulated {
        Some(_) => msg::wizard::confirm::lead_simulated(actions.len()),
        None => msg::wizard::confirm::lead(actions.len()),
    };
    let mut rows = Row::wrapped(Tone::Dim, &app.text(lead), cells);
    let (for_good, blocking) = (confirm::for_good(app), confirm::blocking(app));
    if for_good > 0 {
        rows.extend(Row::wrapped(Tone::Warning, &app.text(msg::wizard::confirm::for_good(for_good)), cells));
    }
    if blocking > 0 {
        rows.extend(Row::wrapped(Tone::Error, &app.text(msg::wizard::confirm::blocking(blocking)), cells));
    }
    if let Some(newcomer) = confirm::newcomer(app) {
        let finding = newcomer.finding();
        rows.extend(Row::wrapped(Tone::Warning, &finding.message(app.settings.lang), cells));
        rows.extend(Row::wrapped(Tone::Warning, &app.text(msg::wizard::confirm::newcomer()), cells));
    }
    rows.push(Row::new(Tone::Text, ""));
    rows.extend(confirm::warnings(app, cells));
    rows.extend(confirm::rows(app, &actions, cells));
    rows
}

/// One file after the other, each with what will happen to it.
fn diff_rows(app: &App, cells: usize) -> Vec<Row> {
    let edits = variables::edits(app);
    let Some(action) = edits.get(app.variables.file) else { return Vec::new() };
    let path = action.id.split_once(':').map_or("", |(_, path)| path);
    let path = app
        .variables
        .preview
        .as_ref()
        .map_or_else(|| path.to_owned(), |preview| variables::short_path(preview, Path::new(path)));
    let place = app.text(msg::wizard::diff::place(edits.len().to_string(), (app.variables.file + 1).to_string()));
    let (tone, fate) = if action.skipped {
        (Tone::Warning, msg::wizard::diff::refused())
    } else {
        (Tone::Text, msg::wizard::diff::accepted())
    };
    let mut rows = vec![Row::new(Tone::Heading, crate::text::cut_middle(&path, cells, "…"))];
    rows.extend(Row::wrapped(tone, &format!("{place} · {}", app.text(fate)), cells));
    rows.extend(Row::wrapped(Tone::Dim, &app.text(msg::wizard::diff::lead()), cells));
    rows.push(Row::new(Tone::Text, ""));
    // The path stands above already.
    let is_path = |row: &Row| row.text.starts_with("  --- ") || row.text.starts_with("  +++ ");
    rows.extend(
        action
            .diff
            .iter()
            .flat_map(|diff| confirm::diff_rows(diff, cells))
            .filter(|row| row.tone != Tone::Dim || !is_path(row)),
    );
    rows
}

fn changes_rows(app: &App, changes: &[String], cells: usize) -> Vec<Row> {
    let mut rows = Row::wrapped(Tone::Dim, &app.text(msg::wizard::changes::lead()), cells);
    rows.push(Row::new(Tone::Text, ""));
    rows.extend(changes.iter().flat_map(|change| Row::wrapped(Tone::Text, &format!("  {change}"), cells)));
    rows
}

/// Why it was asked for, by the reason of its action.
fn reboot_reason(why: &str) -> Option<Message> {
    match why {
        "reboot" => Some(msg::reboot::reboot()),
        "reboot-for-nouveau" => Some(msg::reboot::reboot_for_nouveau()),
        second_boot::WHY => Some(msg::reboot::second_boot()),
        "reboot-unless-unloaded" => Some(msg::reboot::reboot_unless_unloaded()),
        _ => None,
    }
}

fn reboot_rows(app: &App, cells: usize) -> Vec<Row> {
    let why = app.session.reboot.as_ref().and_then(|reboot| reboot_reason(&reboot.why)).map(|why| app.text(why));
    let mut rows: Vec<_> = why.iter().flat_map(|why| Row::wrapped(Tone::Text, why, cells)).collect();
    let (step, command) = (run::after_reboot(app).number(), &app.settings.again);
    let (text, yes) = match app.settings.simulated {
        Some(_) => (msg::wizard::reboot::text_simulated(step), msg::wizard::reboot::yes_simulated()),
        None => (msg::wizard::reboot::text(command, step), msg::wizard::reboot::yes()),
    };
    rows.extend(Row::wrapped(Tone::Text, &app.text(text), cells));
    rows.extend(paragraphs(app, None, [yes, msg::wizard::reboot::no()], cells));
    rows
}

fn quit_rows(app: &App, cells: usize) -> Vec<Row> {
    let path = app.settings.session_path.display().to_string();
    let saved = match &app.saved {
        Some(Err(error)) => Row::wrapped(Tone::Error, &app.text(msg::wizard::quit::unsaved(error)), cells),
        _ => Row::wrapped(Tone::Text, &app.text(msg::wizard::quit::kept(&path)), cells),
    };
    let runs = app
        .waits_for(super::Slot::Run)
        .then(|| Row::wrapped(Tone::Warning, &app.text(msg::wizard::quit::run()), cells));
    let back = Row::wrapped(Tone::Text, &app.text(msg::wizard::quit::back()), cells);
    let again = confirm::command_rows(&app.settings.again, cells);
    let answers = paragraphs(app, None, [msg::wizard::quit::yes(), msg::wizard::quit::no()], cells);
    [saved, runs.unwrap_or_default(), back, again, answers].concat()
}

fn diagnosis(app: &App, cells: usize) -> Option<Document> {
    let found = app.verify.diagnosis.as_ref()?;
    let blank = || vec![Row::new(Tone::Text, "")];
    let (go, commands) = match &found.action {
        None => (None, Vec::new()),
        Some(RemedyAction::BackToDriver) => (Some(msg::wizard::diagnosis::go()), Vec::new()),
        Some(RemedyAction::ToVariables) => (Some(msg::wizard::diagnosis::to_variables()), Vec::new()),
        Some(RemedyAction::Reboot) => (Some(msg::wizard::diagnosis::reboot()), Vec::new()),
        Some(RemedyAction::Run(action)) => (Some(msg::wizard::diagnosis::run()), commands(&action.commands, cells)),
    };
    let answers = go.into_iter().chain([msg::wizard::diagnosis::close()]);
    // A line of a log can be very long; its beginning tells enough.
    let evidence = Row::wrapped(Tone::Dim, &found.evidence_line, cells).into_iter().take(4).collect();
    let lines = [
        evidence,
        blank(),
        Row::wrapped(Tone::Text, &found.cause, cells),
        blank(),
        Row::wrapped(Tone::Heading, &found.remedy, cells),
        commands,
        paragraphs(app, None, answers, cells),
    ]
    .concat();
    Some(Document { title: found.title.clone(), lines, boxed: true, cursor: None })
}

fn commands(commands: &[crate::host::Command], cells: usize) -> Vec<Row> {
    commands.iter().flat_map(|command| confirm::command_rows(&command.to_string(), cells)).collect()
}

/// What may be done, what Kubespray will do about it, and the command.
fn offer(app: &App, id: RemedyId, cells: usize) -> Option<Document> {
    let offer = app.verify.offer(id)?;
    let mut lines = Vec::new();
    for (place, text) in offer.texts.iter().enumerate() {
        lines.extend(Row::wrapped(if place == 0 { Tone::Text } else { Tone::Dim }, text, cells));
        lines.push(Row::new(Tone::Text, ""));
    }
    lines.extend(commands(&offer.action.commands, cells));
    lines.extend(paragraphs(app, None, [msg::wizard::offer::yes(), msg::wizard::offer::no()], cells));
    Some(Document { title: offer.action.title(app.settings.lang), lines, boxed: true, cursor: None })
}

/// A question with its field: the field keeps its place whatever is said below it.
fn asking(app: &App, ask: &Ask, cells: usize) -> Document {
    let (title, text) = ask.subject.texts();
    let mut lines = Row::wrapped(Tone::Text, &app.text(text), cells);
    lines.push(Row::new(Tone::Text, ""));
    let room = cells.saturating_sub(1);
    // On a console without the glyph its stand-in would be taken for a part of the text.
    let mark = if app.settings.ascii { "..." } else { "…" };
    let (shown, column) = if ask.subject.is_secret() { (String::new(), 0) } else { ask.field.window(room, mark) };
    let cursor = Some((lines.len(), column));
    lines.push(Row::new(Tone::Field, crate::text::fit(&shown, room, "")));
    let error = ask.error.as_deref().unwrap_or_default();
    lines.extend(Row::wrapped(Tone::Error, error, cells));
    Document { title: app.text(title), lines, boxed: true, cursor }
}
