//! Step 1: what is in this machine.

use super::{App, Screen, keymap::Intent, navigate};
use crate::{
    answers::DriverOwner,
    facts::{Facts, LedgerEntry, Origin},
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
}

/// Where the user is in step 1. The facts are the session's.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Detect {
    /// Facts of this run of the program have arrived.
    pub probed: bool,
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
}

/// Tells whether a thing on the host has to go before this owner can bring its driver.
pub fn must_go(owner: DriverOwner, entry: &LedgerEntry) -> bool {
    let of_the_host =
        matches!(entry.origin, Origin::LoadedModule | Origin::Runfile | Origin::Rpm | Origin::Deb | Origin::Dkms | Origin::ModuleFile);
    match owner {
        DriverOwner::InstallerPod => of_the_host || entry.origin == Origin::Operator,
        DriverOwner::Host => matches!(entry.origin, Origin::InstallerPod | Origin::Operator),
        DriverOwner::Operator => entry.origin == Origin::InstallerPod,
    }
}

/// Takes in what the package manager offers. A probe that came meanwhile is newer than the rest of these facts, so only the offer and
/// what follows from it is taken.
pub(super) fn take_offer(app: &mut App, facts: &Facts) {
    app.session.facts.keep_offer(facts);
    keep_selection(app);
}

/// Keeps the selections within lists that may have become shorter.
pub(super) fn keep_selection(app: &mut App) {
    let facts = &app.session.facts;
    let within = |index: usize, len: usize| index.min(len.saturating_sub(1));
    app.detect.card = within(app.detect.card, facts.gpus.len());
    app.detect.entry = within(app.detect.entry, facts.driver.ledger.len());
    app.detect.finding = within(app.detect.finding, facts.findings.len());
}

pub(super) fn intend(app: &mut App, intent: Intent) {
    let facts = &app.session.facts;
    let (cards, entries, findings) = (facts.gpus.len(), facts.driver.ledger.len(), facts.findings.len());
    let state = &mut app.detect;
    match intent {
        Intent::Accept if state.probed => {
            app.mark(crate::plan::Step::Detect, true);
            navigate::enter(app, Screen::Choice);
        }
        Intent::NextPart | Intent::PreviousPart => {
            let order = [(Part::Cards, cards), (Part::Ledger, entries), (Part::Findings, findings)];
            let here = order.iter().position(|(part, _)| *part == state.part).unwrap_or(0);
            let steps: [usize; 2] = if intent == Intent::NextPart { [1, 2] } else { [2, 1] };
            let next = steps.into_iter().map(|step| order[(here + step) % 3]).find(|(_, len)| *len > 0);
            state.part = next.map_or(state.part, |(part, _)| part);
        }
        _ => match state.part {
            Part::Cards => state.card = navigate::moved(state.card, intent, cards),
            Part::Ledger => state.entry = navigate::moved(state.entry, intent, entries),
            Part::Findings => state.finding = navigate::moved(state.finding, intent, findings),
        },
    }
}
