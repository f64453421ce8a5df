//! Step 3: the Kubespray variables, where each value comes from, and what will change.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use super::{
    App, Dialog, Screen, Slot,
    ask::{self, Source, Subject},
    confirm,
    keymap::Intent,
    message::Effect,
    navigate, plan,
    row::{Row, Tone},
};
use crate::{
    finding::Severity,
    i18n::{Message, msg},
    input::InputError,
    kubespray::{Capability, Level, Preview, Variable, rules, spec::DRIVER_VERSION},
    owner,
    plan::{Action, ActionSpec, Step},
};

/// Where the user is in step 3.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Variables {
    /// The preview that was last loaded.
    pub preview: Option<Preview>,
    /// Why there is none.
    pub error: Option<String>,
    /// Why there is no plan.
    pub plan_error: Option<String>,
    /// The selected variable.
    pub selected: usize,
    /// Whether the findings have the focus, and not the table.
    pub on_findings: bool,
    /// The selected finding.
    pub finding: usize,
    /// The file whose diff is shown, among those that the plan edits.
    pub file: usize,
}

/// What happens to a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nobody sets it.
    Unset,
    /// The role's default holds.
    Default,
    /// The inventory sets it.
    Set,
    /// The role sets it itself, whatever the inventory says.
    Role,
    /// The plan changes it to this.
    Changes(Value),
    /// The plan takes it out.
    TakenOut,
    /// The plan would change it; a person has said to leave it.
    Kept,
}

impl Variables {
    /// Takes a new preview in and keeps the selected variable.
    pub(super) fn take(&mut self, preview: Preview) {
        let name = self
            .preview
            .as_ref()
            .and_then(|old| old.variables.get(self.selected))
            .map(|variable| variable.name.clone());
        let place = preview.variables.iter().position(|variable| Some(&variable.name) == name.as_ref());
        self.selected = place.unwrap_or(self.selected.min(preview.variables.len().saturating_sub(1)));
        self.finding = self.finding.min(preview.findings.len().saturating_sub(1));
        self.on_findings &= !preview.findings.is_empty();
        self.preview = Some(preview);
        self.error = None;
    }
}

/// Returns the new values that the edits of the plan write, by variable.
pub fn proposals<'a>(actions: impl IntoIterator<Item = &'a Action>) -> BTreeMap<&'a str, Option<&'a Value>> {
    let edits = actions.into_iter().filter(|action| !action.skipped).filter_map(|action| match &action.kind {
        ActionSpec::EditFile(edit) => Some(edit),
        _ => None,
    });
    edits.flat_map(|edit| &edit.changes).map(|change| (change.variable.as_str(), change.value.as_ref())).collect()
}

/// Returns what happens to a variable.
pub fn state(app: &App, variable: &Variable, proposals: &BTreeMap<&str, Option<&Value>>) -> State {
    if app.answers.variables.get(&variable.name).is_some_and(Value::is_null) {
        return State::Kept;
    }
    match (proposals.get(variable.name.as_str()), &variable.winner) {
        (Some(Some(value)), _) => State::Changes((*value).clone()),
        (Some(None), _) => State::TakenOut,
        (None, Some(place)) if place.level == Level::RoleDefaults => State::Default,
        (None, Some(place)) if matches!(place.level, Level::IncludeVars | Level::SetFact) => State::Role,
        (None, Some(_)) => State::Set,
        // The release does it by itself, and no file here says so.
        (None, None) if variable.value.is_some() => State::Default,
        (None, None) => State::Unset,
    }
}

/// Returns the places of the variables in the order of the screen: first those that the plan changes, or would, then
/// those that somebody has set.
pub fn order(app: &App, preview: &Preview) -> Vec<usize> {
    let proposals = proposals(app.actions(Step::Variables));
    let rank = |index: &usize| match state(app, &preview.variables[*index], &proposals) {
        State::Changes(_) | State::TakenOut | State::Kept => 0,
        State::Set => 1,
        State::Role | State::Default | State::Unset => 2,
    };
    let mut order: Vec<usize> = (0..preview.variables.len()).collect();
    order.sort_by_key(rank);
    order
}

/// Returns a value on one line; `-` when there is none.
pub fn value_text(value: Option<&Value>) -> String {
    let item = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        None => "-".to_owned(),
        Some(Value::Array(items)) => format!("[{}]", items.iter().map(item).collect::<Vec<_>>().join(", ")),
        Some(value) => crate::text::printable(&item(value)),
    }
}

/// Returns why the verdict is what it is and what to set instead, in the user's language.
pub fn verdict_texts(app: &App, capability: &Capability) -> (String, Option<String>) {
    let lang = app.settings.lang;
    if capability.reason.is_empty() {
        return (capability.why.clone(), capability.instead.clone());
    }
    (capability.why(lang), capability.instead(lang))
}

/// Returns a path as people know it: below the checkout or the inventory, without the part that all have in common.
pub fn short_path(preview: &Preview, path: &std::path::Path) -> String {
    let bases = [preview.checkout.as_deref(), preview.inventory.as_deref().and_then(std::path::Path::parent)];
    let short = bases.into_iter().flatten().find_map(|base| path.strip_prefix(base).ok()).unwrap_or(path);
    crate::text::printable(&short.display().to_string())
}

pub(super) fn intend(app: &mut App, intent: Intent) {
    let len = app.variables.preview.as_ref().map_or(0, |preview| preview.variables.len());
    match intent {
        Intent::Back => navigate::enter(app, Screen::Plan),
        Intent::ShowDiff if !edits(app).is_empty() => {
            app.variables.file = app.variables.file.min(edits(app).len() - 1);
            app.open(Dialog::Diff);
        }
        Intent::ShowDiff => {
            let text = app.text(msg::wizard::notice::no_diff());
            app.say(Severity::Info, text);
        }
        Intent::NextPart | Intent::PreviousPart => {
            let any = app.variables.preview.as_ref().is_some_and(|preview| !preview.findings.is_empty());
            app.variables.on_findings = any && !app.variables.on_findings;
        }
        Intent::ShowWhy if len > 0 => app.open(Dialog::Why),
        Intent::EditValue => ask_value(app),
        Intent::ToggleAction => leave_value(app),
        Intent::AskCheckout => ask_source(app, Source::Checkout),
        Intent::AskInventory => ask_source(app, Source::Inventory),
        Intent::AskNode => ask_source(app, Source::Node),
        Intent::Accept if app.variables.preview.is_none() => match app.variables.error.clone() {
            Some(error) => app.say(Severity::Warning, error),
            None => app.say_until(Slot::Preview, msg::wizard::notice::preview_loading()),
        },
        Intent::Accept => plan::confirm(app, Screen::Verify),
        _ if app.variables.on_findings => {
            let count = app.variables.preview.as_ref().map_or(0, |preview| preview.findings.len());
            app.variables.finding = navigate::moved(app.variables.finding, intent, count);
        }
        _ => select(app, intent),
    }
}

/// Moves the cursor among the variables as they stand on the screen.
fn select(app: &mut App, intent: Intent) {
    let Some(preview) = &app.variables.preview else { return };
    let order = order(app, preview);
    let here = order.iter().position(|index| *index == app.variables.selected).unwrap_or(0);
    let next = order.get(navigate::moved(here, intent, order.len())).copied();
    app.variables.selected = next.unwrap_or(app.variables.selected);
}

/// Asks where the variables come from; what is read now stands in the field.
fn ask_source(app: &mut App, source: Source) {
    let preview = app.variables.preview.as_ref();
    let path = |path: Option<&Path>| path.map(|path| path.display().to_string());
    let (answer, found) = match source {
        Source::Checkout => {
            (path(app.answers.kubespray.as_deref()), preview.and_then(|preview| path(preview.checkout.as_deref())))
        }
        Source::Inventory => {
            (path(app.answers.inventory.as_deref()), preview.and_then(|preview| path(preview.inventory.as_deref())))
        }
        Source::Node => {
            (app.answers.node.clone().map(String::from), preview.and_then(|preview| preview.inventory_host.clone()))
        }
    };
    let now = found.or(answer).unwrap_or_default();
    ask::open(app, Subject::Source(source), &now);
}

/// Takes a typed checkout, inventory or node; an empty text means: look for it again.
pub(super) fn take_source(app: &mut App, source: Source, text: &str) -> Result<(), String> {
    let given = (!text.is_empty()).then(|| text.to_owned());
    match source {
        Source::Checkout => {
            if given.as_deref().is_some_and(|path| !path.starts_with('/')) {
                return Err(app.text(msg::wizard::ask::error::absolute()));
            }
            app.answers.kubespray = parse(app, given)?;
            // Of another checkout, the inventory is another one too.
            app.answers.inventory = None;
        }
        Source::Inventory => app.answers.inventory = parse(app, given)?,
        Source::Node => {
            if given.as_deref().is_some_and(|name| name.contains(char::is_whitespace)) {
                return Err(app.text(msg::wizard::ask::error::name()));
            }
            app.answers.node = parse(app, given)?;
        }
    }
    sources_changed(app);
    Ok(())
}

/// Reads a typed value; the error is a sentence for under the field.
fn parse<T: std::str::FromStr<Err = InputError>>(app: &App, text: Option<String>) -> Result<Option<T>, String> {
    text.map(|text| text.parse()).transpose().map_err(|error: InputError| error.text(app.settings.lang))
}

/// Another place to read from: nothing of the old picture may stay on the screen, and what was done for it no longer
/// counts.
fn sources_changed(app: &mut App) {
    app.variables.preview = None;
    app.variables.error = None;
    app.mark(Step::Variables, false);
    app.mark(Step::Verify, false);
    app.set_actions(Step::Variables, Vec::new());
    app.keep_answers();
    app.save();
    navigate::enter(app, Screen::Variables);
}

/// The variable that is selected.
fn selected(app: &App) -> Option<&Variable> {
    app.variables.preview.as_ref()?.variables.get(app.variables.selected)
}

/// Asks for another value; what the plan would write, or else what holds now, stands in the field.
fn ask_value(app: &mut App) {
    let Some(variable) = selected(app) else { return };
    let name = variable.name.clone();
    let chosen = app.answers.variables.get(&name).filter(|value| !value.is_null()).or(variable.value.as_ref());
    let planned = proposals(app.actions(Step::Variables)).remove(name.as_str()).flatten();
    let now = planned.or(chosen).map(rules::typed).unwrap_or_default();
    ask::open(app, Subject::Value { variable: name }, &now);
}

/// Takes a typed value; an empty text takes back what was typed before.
pub(super) fn take_value(app: &mut App, variable: &str, text: &str) -> Result<(), String> {
    if text.is_empty() {
        app.answers.variables.remove(variable);
    } else {
        let value = rules::parse(variable, text, &app.session.facts.driver_versions())
            .map_err(|wrong| app.text(wrong.message()))?;
        if let Some(reason) = unfit_driver(app, variable, &value) {
            return Err(app.text(reason));
        }
        app.answers.variables.insert(variable.to_owned(), value);
    }
    values_changed(app);
    Ok(())
}

/// Returns why no card here runs with a driver that was typed: what step 2 does not take, the editor does not either.
fn unfit_driver(app: &App, variable: &str, value: &Value) -> Option<Message> {
    let is_brought = variable == DRIVER_VERSION && owner::of(app.answers.driver_owner).brings_chosen_driver();
    let table = app.driver.table.as_ref().filter(|_| is_brought)?;
    let row = table.drivers.iter().find(|row| Some(row.version.as_str()) == value.as_str())?;
    let reason = row.reason.as_ref().filter(|_| !row.fits)?;
    Some(msg::preflight::seen::driver(&row.version, reason.0.clone()))
}

/// Tells whether the driver's owner would change a variable that nobody has typed a value for.
fn owner_changes(app: &App, name: &str) -> bool {
    let Some(preview) = &app.variables.preview else { return false };
    let changes = owner::of(app.answers.driver_owner).values(preview, &app.answers);
    changes.iter().any(|change| change.variable == name)
}

/// Leaves a variable as it is where the plan would change it, or lets the plan change it again.
fn leave_value(app: &mut App) {
    let Some(name) = selected(app).map(|variable| variable.name.clone()) else { return };
    let is_proposed = proposals(app.actions(Step::Variables)).contains_key(name.as_str());
    let before = app.answers.variables.remove(&name);
    // A value that was typed goes back to the old one too, not to the one that it had replaced.
    if is_proposed && !before.is_some_and(|value| value.is_null()) && owner_changes(app, &name) {
        app.answers.variables.insert(name, Value::Null);
    }
    values_changed(app);
}

/// Other values: the plan is made again, and what was done for the old ones no longer counts.
fn values_changed(app: &mut App) {
    app.mark(Step::Variables, false);
    app.mark(Step::Verify, false);
    app.session.answers = Some(app.answers.clone());
    app.order(Effect::MakePlan { step: Step::Variables, answers: Box::new(app.answers.clone()) });
    app.save();
}

/// Returns the edits of the plan, those that were refused too.
pub fn edits(app: &App) -> Vec<&Action> {
    app.session.plan.of(Step::Variables).filter(|action| action.diff.is_some()).collect()
}

/// Returns the changed lines of every edit, each file under its name, where there is room to see them beside the table.
pub fn changed_lines(app: &App, cells: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for action in edits(app) {
        let path = action.id.split_once(':').map_or("", |(_, path)| path);
        let path = app
            .variables
            .preview
            .as_ref()
            .map_or_else(|| path.to_owned(), |preview| short_path(preview, Path::new(path)));
        let tone = if action.skipped { Tone::Warning } else { Tone::Text };
        rows.push(Row::new(tone, crate::text::cut_middle(&path, cells, "…")));
        let lines = action.diff.iter().flat_map(|diff| confirm::diff_rows(diff, cells));
        rows.extend(lines.filter(|row| matches!(row.tone, Tone::Added | Tone::Removed)));
    }
    rows
}

/// Shows the diff of the next file, or of the one before.
pub(super) fn turn_file(app: &mut App, forward: bool) {
    let count = edits(app).len().max(1);
    app.variables.file = (app.variables.file + if forward { 1 } else { count - 1 }) % count;
    app.scroll = 0;
}

/// Refuses the edit of the file that is shown, or accepts it again.
pub(super) fn toggle_file(app: &mut App) {
    let Some(id) = edits(app).get(app.variables.file).map(|action| action.id.clone()) else { return };
    let left_out = &mut app.answers.leave_out;
    match left_out.iter().position(|other| *other == id) {
        Some(place) => drop(left_out.remove(place)),
        None => left_out.push(id.clone()),
    }
    let refused = left_out.contains(&id);
    for action in app.session.plan.actions.iter_mut().filter(|action| action.id == id) {
        action.skipped = refused;
    }
    app.mark(Step::Variables, false);
    app.session.answers = Some(app.answers.clone());
    app.save();
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;
    use crate::{
        kubespray::edit::{Change, FileEdit},
        plan::action::edit_file::EditFile,
    };

    fn edit(file: &str, changes: Vec<Change>) -> Action {
        let edit = FileEdit {
            path: PathBuf::from(file),
            before: String::new(),
            after: "# any text: true\n".to_owned(),
            changes,
        };
        Action::new(Step::Variables, &format!("edit-file:{file}"), EditFile::from(&edit), &[])
    }

    #[test]
    fn an_edit_tells_the_new_values_whatever_its_text_looks_like() {
        let labels = json!({"nvidia.com/gpu": "true"});
        let changes =
            vec![Change::new("nvidia_gpu_nodes", vec!["node1", "node2"]), Change::new("node_labels", labels.clone())];
        let mut refused = edit("/b.yml", vec![Change::new("container_manager", "docker")]);
        refused.skipped = true;
        let actions = [edit("/a.yml", changes), refused];
        let found = proposals(&actions);
        assert_eq!(
            found,
            BTreeMap::from([("nvidia_gpu_nodes", Some(&json!(["node1", "node2"]))), ("node_labels", Some(&labels))])
        );
    }

    #[test]
    fn an_edit_of_an_older_session_is_read_and_written_as_it_was() {
        let old = json!({"path": "/a.yml", "before_sha256": "00", "after": "x: 1\n"});
        let read: EditFile = serde_json::from_value(old.clone()).unwrap();
        assert!(read.changes.is_empty());
        assert_eq!(serde_json::to_value(&read).unwrap(), old, "the seal of its record stays good");
    }
}
