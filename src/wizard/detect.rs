//! Step 1: what is in this machine.

use super::{App, Dialog, Screen, Slot, keymap::Intent, ledger::groups, message::Effect, navigate, story};
use crate::{
    facts::{Facts, Origin},
    finding::Severity,
    i18n::msg,
    owner::Disposition,
};

/// A part of the screen that the arrow keys move in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    /// The cards.
    #[default]
    Cards,
    /// The driver ledger.
    Ledger,
    /// The findings.
    Findings,
    /// The machine around them.
    Host,
}

/// Where the user is in step 1. The facts are the session's.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Detect {
    /// Facts of this run of the program have arrived.
    pub probed: bool,
    /// The user has asked for the look that is under way.
    pub asked: bool,
    /// What has changed since the user last asked.
    pub news: Vec<String>,
    /// Why the last probe failed as a whole.
    pub error: Option<String>,
    /// Where the arrow keys move.
    pub part: Part,
    /// The selected card.
    pub card: usize,
    /// The selected ledger entry.
    pub entry: usize,
    /// The selected finding.
    pub finding: usize,
    /// The line of the machine's facts in view.
    pub line: usize,
}

/// Takes in new facts; what was selected stays selected, wherever it stands now.
pub(super) fn take(app: &mut App, facts: Facts) {
    let selected = Selected::of(app);
    app.session.facts = facts;
    if !app.detect.probed {
        story::open(app);
    }
    app.detect.probed = true;
    app.detect.error = None;
    selected.find_again(app);
}

/// Takes in what the package manager offers. A probe that came meanwhile is newer than the rest of these facts, so only
/// the offer and what follows from it is taken.
pub(super) fn take_offer(app: &mut App, facts: &Facts) {
    let selected = Selected::of(app);
    app.session.facts.keep_asked(facts);
    selected.find_again(app);
}

/// Says what has changed while the user looks on: in the line above the keys, so that nothing on the screen moves away.
/// Who asks for a look is told all that came since the last time, even if it is nothing.
pub(super) fn tell(app: &mut App, changes: Vec<String>) {
    let (first, count) = (changes.first().cloned(), changes.len());
    app.detect.news.extend(changes);
    if !std::mem::take(&mut app.detect.asked) {
        let Some(first) = first else { return };
        let with_count = app.text(msg::wizard::detect::changes((count - 1).to_string(), &first));
        return app.say(Severity::Info, if count == 1 { first } else { with_count });
    }
    match std::mem::take(&mut app.detect.news).as_slice() {
        [] => app.say(Severity::Info, app.text(msg::wizard::detect::unchanged())),
        [one] => app.say(Severity::Info, one.clone()),
        all if app.dialog.is_none() => app.open(Dialog::Changes(all.to_vec())),
        all => app.detect.news = all.to_vec(),
    }
}

/// What is selected, by what it is and not by where it stands.
struct Selected {
    card: Option<String>,
    group: Option<(Origin, Disposition)>,
    finding: Option<String>,
}

impl Selected {
    fn of(app: &App) -> Self {
        let facts = &app.session.facts;
        let groups = groups(&facts.driver, app.answers.driver_owner);
        Self {
            card: facts.gpus.get(app.detect.card).map(|gpu| gpu.pci_address.clone()),
            group: groups.get(app.detect.entry).map(|group| (group.origin, group.disposition)),
            finding: facts.findings.get(app.detect.finding).map(|finding| finding.id.clone()),
        }
    }

    /// What is gone leaves its place to what stands there now.
    fn find_again(self, app: &mut App) {
        let facts = &app.session.facts;
        let groups = groups(&facts.driver, app.answers.driver_owner);
        let place =
            |found: Option<usize>, before: usize, len: usize| found.unwrap_or(before).min(len.saturating_sub(1));
        let card = facts.gpus.iter().position(|gpu| Some(&gpu.pci_address) == self.card.as_ref());
        let group = groups.iter().position(|group| Some((group.origin, group.disposition)) == self.group);
        let finding = facts.findings.iter().position(|finding| Some(&finding.id) == self.finding.as_ref());
        let (cards, entries, findings) = (facts.gpus.len(), groups.len(), facts.findings.len());
        app.detect.card = place(card, app.detect.card, cards);
        app.detect.entry = place(group, app.detect.entry, entries);
        app.detect.finding = place(finding, app.detect.finding, findings);
    }
}

/// Facts of the machine that have a row; what is not known comes below them.
pub const HOST_ROWS: usize = 9;

pub(super) fn intend(app: &mut App, intent: Intent) {
    let facts = &app.session.facts;
    let entries = groups(&facts.driver, app.answers.driver_owner).len();
    let rows = |part: Part| match part {
        Part::Cards => facts.gpus.len(),
        Part::Ledger => entries,
        Part::Findings => facts.findings.len(),
        Part::Host => HOST_ROWS + facts.unknown.len(),
    };
    let waits = app.waits_for(Slot::Probe);
    let state = &mut app.detect;
    match intent {
        Intent::Accept if state.probed => {
            app.mark(crate::plan::Step::Detect, true);
            navigate::enter(app, Screen::Choice);
        }
        Intent::Accept => app.say_until(Slot::Probe, msg::wizard::notice::probing()),
        Intent::Refresh if waits => {
            app.detect.asked = true;
            app.say_until(Slot::Probe, msg::wizard::notice::probing());
        }
        Intent::Refresh => {
            app.detect.asked = true;
            app.order(Effect::Probe);
            app.say_until(Slot::Probe, msg::wizard::notice::probing());
        }
        Intent::NextPart | Intent::PreviousPart => {
            const ORDER: [Part; 4] = [Part::Cards, Part::Ledger, Part::Findings, Part::Host];
            let here = ORDER.iter().position(|part| *part == state.part).unwrap_or(0);
            let steps: [usize; 3] = if intent == Intent::NextPart { [1, 2, 3] } else { [3, 2, 1] };
            let next = steps.into_iter().map(|step| ORDER[(here + step) % ORDER.len()]).find(|part| rows(*part) > 0);
            state.part = next.unwrap_or(state.part);
        }
        _ => {
            let len = rows(state.part);
            let index = match state.part {
                Part::Cards => &mut state.card,
                Part::Ledger => &mut state.entry,
                Part::Findings => &mut state.finding,
                Part::Host => &mut state.line,
            };
            *index = navigate::moved(*index, intent, len);
        }
    }
}
