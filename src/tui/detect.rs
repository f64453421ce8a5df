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
    sections::{Section, draw_sections},
    widgets::{Ui, draw, is_wide, split_columns},
};
use crate::{
    finding::Severity,
    wizard::{Slot, detect::Part},
};

/// Draws step 1.
pub fn draw_pane(ui: &Ui, frame: &mut Frame, area: Rect) {
    let facts = &ui.app.session.facts;
    let known = ui.app.detect.probed || !facts.host.kernel.is_empty();
    if !known {
        return draw(frame, area, vec![ui.rule(&ui.t("detect.cards"), area.width, true), Line::default(), ui.loading("detect.probing")]);
    }
    if !is_wide(area) {
        let cells = area.width;
        let sections = [cards::section(ui, cells, true), ledger::section(ui, cells), findings(ui, cells), host::section(ui, cells)];
        return draw_sections(ui, frame, area, &sections);
    }
    let (main, side) = split_columns(area, area.width * 3 / 5);
    let cells = main.width;
    draw_sections(ui, frame, main, &[cards::section(ui, cells, false), ledger::section(ui, cells), findings(ui, cells)]);
    let details = Section { body: cards::details(ui, side.width), title: ui.t("detect.details"), weight: 1, ..Section::default() };
    draw_sections(ui, frame, side, &[details, host::section(ui, side.width)]);
}

fn findings(ui: &Ui, cells: u16) -> Section {
    let app = ui.app;
    let focus = app.detect.part == Part::Findings;
    let findings = &app.session.facts.findings;
    let mut title = vec![ui.t("findings")];
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let counts = [Severity::Error, Severity::Warning, Severity::Info].map(|severity| (ui.theme.severity(severity).0, count(severity)));
    title.extend(counts.iter().filter(|(_, count)| *count > 0).map(|(glyph, count)| format!("{glyph} {count}")));
    if app.waits_for(Slot::Probe) {
        title.push(ui.t("detect.again"));
    } else if app.waits_for(Slot::Packages) {
        title.push(ui.t("detect.asking-packages"));
    }
    let mut section = Section { title: title.join(" · "), focus, weight: 3, ..Section::default() };
    if findings.is_empty() {
        section.body = vec![Line::from(vec![Span::styled("   ✓ ", ui.theme.good()), Span::raw(ui.t("findings.none"))])];
        return section;
    }
    let here = app.detect.finding;
    let lines = ui.findings(findings, Some(here), focus, cells);
    let of_it = |(index, _): &&(usize, Line)| *index == here;
    let start = lines.iter().position(|line| of_it(&line)).unwrap_or(0);
    section.selected = start..start + lines.iter().filter(of_it).count();
    section.place = (here, findings.len());
    section.body = lines.into_iter().map(|(_, line)| line).collect();
    section
}
