//! The test pod of step 4: its plan is shown before it runs; a plan that was confirmed is not asked about again.

use super::{
    App, Dialog, Screen, confirm,
    message::Effect,
    row::{Row, Tone},
    verify::Part,
};
use crate::{
    cluster::testpod::NAMESPACE,
    i18n::msg::wizard::test,
    plan::{Action, ActionSpec, action::test_pod::RunTestPod},
    text::cut_middle,
};

/// The plan is there: it runs when this very plan was confirmed before, else it is shown. Who has gone elsewhere
/// meanwhile asks again.
pub(super) fn planned(app: &mut App, made: Result<Vec<Action>, String>) {
    match made {
        Err(error) => refused(app, error),
        Ok(_) if app.screen != Screen::Verify => {}
        Ok(actions) if app.verify.confirmed.as_ref() == Some(&actions) => run(app, actions),
        Ok(actions) if app.dialog.is_none() && app.verify.typing.is_none() => app.open(Dialog::TestPod(actions)),
        Ok(_) => {}
    }
}

/// There is no plan: said where the pod's output would be.
pub(super) fn refused(app: &mut App, error: String) {
    app.verify.part = Part::TestPod;
    ended(app, Err(error));
}

/// Runs what was confirmed.
pub(super) fn run(app: &mut App, actions: Vec<Action>) {
    app.verify.part = Part::TestPod;
    app.verify.test = None;
    app.verify.test_top = 0;
    app.verify.confirmed = Some(actions.clone());
    app.order(Effect::RunTestPod { actions });
}

/// The test is over. After one that failed, nothing asks about the taint any more.
pub(super) fn ended(app: &mut App, output: Result<Vec<String>, String>) {
    app.verify.test = Some(output);
    if matches!(app.dialog, Some(Dialog::Offer(id)) if !app.verify.is_offered(id)) {
        app.dialog = None;
    }
}

/// Returns what the actions will do, at most `cells` wide.
pub(super) fn rows(app: &App, actions: &[Action], cells: usize) -> Vec<Row> {
    let lang = app.settings.lang;
    let mut rows = Row::wrapped(Tone::Dim, &app.text(test::lead()), cells);
    for (index, action) in confirm::to_do(actions).into_iter().enumerate() {
        rows.push(Row::new(Tone::Text, ""));
        rows.push(Row::new(Tone::Heading, cut_middle(&format!("{}. {}", index + 1, action.title(lang)), cells, "…")));
        match action.blocked_text(lang) {
            Some(why) => rows.extend(Row::wrapped(Tone::Error, &why, cells)),
            None => rows.extend(Row::wrapped(Tone::Text, &action.reason(lang), cells)),
        }
        rows.extend(action.commands.iter().flat_map(|command| confirm::command_rows(&command.to_string(), cells)));
        if let ActionSpec::TestPod(pod) = &action.kind {
            rows.extend(pod_rows(app, pod, cells));
        }
    }
    rows
}

/// Where the pod runs, from which images, by which commands, and all of its manifest.
fn pod_rows(app: &App, test: &RunTestPod, cells: usize) -> Vec<Row> {
    let (manifest, commands) = test.announced();
    let say = |text| Row::wrapped(Tone::Text, &app.text(text), cells);
    let lines = |text: &str| {
        text.lines().map(|line| Row::new(Tone::Dim, cut_middle(&format!("  {line}"), cells, "…"))).collect()
    };
    [
        say(test::place(NAMESPACE, &test.node)),
        say(test::images()),
        lines(&test.images.join("\n")),
        say(test::commands()),
        commands.iter().flat_map(|command| confirm::command_rows(&command.to_string(), cells)).collect(),
        say(test::manifest()),
        lines(&crate::text::printable_lines(&manifest)),
    ]
    .concat()
}
