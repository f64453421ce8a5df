//! Pane of step 1: the cards, everything that is or could become a driver, what to know, and the machine around them.

mod cards;
mod host;
mod ledger;

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    sections::{Section, draw_sections, fit},
    widgets::{Ui, draw, is_wide, split_columns},
};
use crate::{
    finding::Severity,
    i18n::msg,
    wizard::{Slot, detect::Part, ledger::groups},
};

/// Draws step 1.
pub(super) fn draw_pane(ui: &Ui, frame: &mut Frame, area: Rect) {
    let facts = &ui.app.session.facts;
    let known = ui.app.detect.probed || !facts.host.kernel.is_empty();
    if !known {
        return draw(
            frame,
            area,
            vec![
                ui.rule(&ui.text(msg::wizard::detect::cards()), area.width, true),
                Line::default(),
                ui.loading(msg::wizard::detect::probing()),
            ],
        );
    }
    let wide = is_wide(area);
    let (main, side) = if wide { split_columns(area, area.width * 3 / 5) } else { (area, area) };
    let mut lists = [cards::section(ui, main.width), ledger::section(ui, main.width), findings(ui, main.width, wide)];
    if wide && !fit(&lists, main.height) {
        lists[2] = findings(ui, main.width, false);
    }
    if wide {
        draw_sections(ui, frame, main, &lists, &[1, 2, 0]);
        return draw_sections(ui, frame, side, &[details(ui, side.width), host::section(ui, side.width)], &[1, 0]);
    }
    // The machine shares the last place with the details of what is selected in the lists.
    let last = if ui.app.detect.part == Part::Host { host::section(ui, main.width) } else { details(ui, main.width) };
    let most = details(ui, main.width).most.max(host::section(ui, main.width).most);
    let [cards, ledger, findings] = lists;
    let is_rack = cards.focus && cards.body.len() > LIST;
    let mut all = [cards, ledger, findings, Section { most, least: DETAILS, ..last }];
    if is_rack {
        // Many cards are a table to be read as one: while somebody reads it, the lists below make room for it.
        all[1].least = HEADING;
        all[2].least = HEADING;
        all[3].least = HEADING + CARD;
    }
    draw_sections(ui, frame, main, &all, if is_rack { &[0, 1, 2, 3] } else { &[1, 2, 0, 3] });
}

/// Rows that a list keeps with little room, and those of the details.
const LIST: usize = 4;
const DETAILS: usize = 7;
const HEADING: usize = 1;
/// Lines about one card.
const CARD: usize = 4;

/// What there is to say of what is selected where the arrow keys move.
fn details(ui: &Ui, cells: u16) -> Section {
    let detect = &ui.app.detect;
    let facts = &ui.app.session.facts;
    let groups = groups(&facts.driver, ui.app.answers.driver_owner);
    let card = |index| cards::details(ui, index, cells);
    let group = |index: usize| groups.get(index).map(|group| ledger::details(ui, group, cells)).unwrap_or_default();
    let finding = |index: usize| {
        facts.findings.get(index).map(|finding| ui.finding_details(finding, 3, cells)).unwrap_or_default()
    };
    let (title, body) = match detect.part {
        Part::Ledger => (msg::wizard::detect::details::ledger(), group(detect.entry)),
        Part::Findings => (msg::wizard::detect::details::finding(), finding(detect.finding)),
        Part::Cards | Part::Host => (msg::wizard::detect::details(), card(detect.card)),
    };
    // The place is as high as the longest of them wants, so that it stays where it is.
    let longest = (0..facts.gpus.len())
        .map(card)
        .chain((0..groups.len()).map(group))
        .chain((0..facts.findings.len()).map(finding));
    let most = 1 + longest.map(|lines| lines.len()).max().unwrap_or(0);
    Section { title: ui.text(title), body, most, least: DETAILS, ..Section::default() }
}

/// The findings; `whole` with what to do and what shows it, else that is told below the lists of the one that is
/// selected.
fn findings(ui: &Ui, cells: u16, whole: bool) -> Section {
    let app = ui.app;
    let focus = app.detect.part == Part::Findings;
    let findings = &app.session.facts.findings;
    let mut title = vec![ui.text(msg::wizard::findings())];
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let counts = [Severity::Error, Severity::Warning, Severity::Info]
        .map(|severity| (ui.theme.severity(severity).0, count(severity)));
    title.extend(counts.iter().filter(|(_, count)| *count > 0).map(|(glyph, count)| format!("{glyph} {count}")));
    if app.waits_for(Slot::Probe) {
        title.push(ui.text(msg::wizard::detect::again()));
    } else if app.waits_for(Slot::Packages) {
        title.push(ui.text(msg::wizard::detect::asking_packages()));
    }
    let mut section = Section { title: title.join(" · "), focus, least: LIST, ..Section::default() };
    if findings.is_empty() {
        section.body = vec![Line::from(vec![
            Span::styled("   ✓ ", ui.theme.good()),
            Span::raw(ui.text(msg::wizard::findings::none())),
        ])];
        return section;
    }
    let here = app.detect.finding;
    for (index, finding) in findings.iter().enumerate() {
        let start = section.body.len();
        section.body.extend(ui.finding(finding, index == here, focus, cells));
        if whole {
            section.body.extend(ui.finding_details(finding, 5, cells));
        }
        if index == here {
            section.selected = start..section.body.len();
        }
    }
    section.place = Some((here, findings.len()));
    section
}
