//! The story of a simulated machine: its lesson opens and closes the demo, its hint stands in the help, and a choice
//! behind which it does not go on is named before it is taken.

use super::{
    App,
    row::{Row, Tone},
};
use crate::{finding::Severity, host::Story, i18n::msg, owner};

/// Says what this is and what one learns, above the footer until the first key. Who comes back knows it.
pub(super) fn open(app: &mut App) {
    let Some(lesson) = text(app, |story| &story.lesson).filter(|_| app.session.done.is_empty()) else { return };
    let lesson = lesson.to_owned();
    app.say(Severity::Info, app.text(msg::wizard::story::opens(&lesson)));
}

/// Returns what the help says of the story.
pub(super) fn rows(app: &App, cells: usize) -> Vec<Row> {
    let parts = [
        (msg::wizard::story::lesson(), text(app, |story| &story.lesson)),
        (msg::wizard::story::hint(), text(app, |story| &story.hint)),
        (msg::wizard::story::solved(), text(app, |story| &story.solved)),
    ];
    let mut rows = Vec::new();
    for (heading, text) in parts.into_iter().filter_map(|(heading, text)| Some((heading, text?))) {
        rows.push(Row::new(Tone::Heading, app.text(heading)));
        rows.extend(Row::wrapped(Tone::Text, &format!("  {text}"), cells));
        rows.push(Row::new(Tone::Text, ""));
    }
    rows
}

/// Returns what the story has taught, for the end of it.
pub(super) fn closing(app: &App) -> Vec<String> {
    let texts = [text(app, |story| &story.lesson), text(app, |story| &story.solved)];
    texts.into_iter().flatten().map(str::to_owned).collect()
}

/// Says that the story does not go on for the chosen owner, and what is shown instead; tells whether it does.
pub(super) fn goes_on(app: &mut App) -> bool {
    let owner = app.answers.driver_owner;
    let goes_on = app.settings.story.as_ref().is_none_or(|story| story.goes_on_for(owner.name()));
    if !goes_on {
        let title = app.text(owner::of(owner).title());
        app.say(Severity::Warning, app.text(msg::wizard::story::ends_here(&title)));
    }
    goes_on
}

fn text(app: &App, of: impl Fn(&Story) -> &std::collections::BTreeMap<String, String>) -> Option<&str> {
    Story::text(of(app.settings.story.as_ref()?), app.settings.lang)
}
