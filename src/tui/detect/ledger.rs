//! The driver ledger: a row for each kind of thing, with its owner's verdict, and the entries of the selected one.

use ratatui::{
    style::Style,
    text::{Line, Span},
};

use crate::{
    facts::{Holder, ModuleKind, Origin},
    owner::Disposition,
    text::width,
    tui::{
        sections::Section,
        widgets::{Ui, columns, left},
    },
    wizard::{
        detect::Part,
        ledger::{Group, groups},
    },
};

/// Entries of a group that are listed below it.
const LISTED: usize = 6;

/// Returns the section of the ledger.
pub fn section(ui: &Ui, cells: u16) -> Section {
    let app = ui.app;
    let focus = app.detect.part == Part::Ledger;
    let title = format!("{} · {}", ui.t("detect.ledger"), loaded(ui));
    let mut section = Section { title, focus, least: 4, ..Section::default() };
    let groups = groups(&app.session.facts.driver, app.answers.driver_owner);
    section.place = Some((app.detect.entry, groups.len()));
    for (index, group) in groups.iter().enumerate() {
        let here = index == app.detect.entry;
        let start = section.body.len();
        section.body.push(row(ui, group, here, cells));
        if here {
            section.selected = start..section.body.len();
        }
    }
    if groups.is_empty() {
        section.body.push(ui.dim(format!("   {}", ui.t("detect.no-ledger"))));
    }
    section
}

/// The loaded driver, for the heading.
fn loaded(ui: &Ui) -> String {
    let driver = &ui.app.session.facts.driver;
    let Some(version) = &driver.loaded_version else { return ui.t("detect.not-loaded") };
    let kind = match driver.loaded_kind {
        Some(ModuleKind::Open) => "open",
        Some(ModuleKind::Proprietary) => "proprietary",
        None => "unknown",
    };
    ui.app.tr("detect.loaded", &[("version", version), ("kind", &ui.t(&format!("detect.kind.{kind}")))])
}

fn row(ui: &Ui, group: &Group, here: bool, cells: u16) -> Line<'static> {
    let focus = ui.app.detect.part == Part::Ledger;
    let fate = ui.t(&format!("fate.{}", group.disposition.name()));
    let widest = [Disposition::MustGo, Disposition::MustStop, Disposition::Owners, Disposition::Stays]
        .map(|all| width(&ui.t(&format!("fate.{}", all.name()))));
    let rest = usize::from(cells).saturating_sub(3 + 14 + 2 + 2 + 2 + widest.into_iter().max().unwrap_or(0) + 1);
    let what = group.what(&ui.app.session.facts.driver);
    let values = [origin(ui, group.origin), what, group.place().to_owned()];
    let text = columns(&[left(14), left(rest - rest * 9 / 20), left(rest * 9 / 20)], &values);
    let style = if here && focus { ui.theme.selected() } else { Style::new() };
    let verdict = match group.disposition {
        Disposition::MustGo => ui.theme.error(),
        Disposition::MustStop => ui.theme.warning(),
        Disposition::Owners => ui.theme.good(),
        Disposition::Stays => ui.theme.dim(),
    };
    Line::from(vec![ui.mark(here && focus, focus), Span::styled(text, style), Span::styled(format!("  {fate}"), verdict)])
}

/// Returns what becomes of the group under the chosen owner and why, then each entry whole.
pub fn details(ui: &Ui, group: &Group, cells: u16) -> Vec<Line<'static>> {
    let owner = ui.t(&format!("owner.{}", ui.app.answers.driver_owner.name()));
    let mut texts = vec![ui.app.tr(why(group), &[("owner", &owner)])];
    if group.entries.len() > 1 || width(&group.entries[0].r#where) > 20 {
        texts.extend(group.entries.iter().take(LISTED).map(|entry| format!("{}  {}", entry.what, entry.r#where)));
    }
    if group.entries.len() > LISTED {
        texts.push(ui.app.tr("detect.more", &[("count", &(group.entries.len() - LISTED).to_string())]));
    }
    if group.origin == Origin::LoadedModule {
        let holders = &ui.app.session.facts.driver.holders;
        texts.extend(holders.iter().take(LISTED).map(|holder| ui.app.tr("detect.holder", &[("holder", &held_by(holder))])));
    }
    texts.iter().flat_map(|text| ui.dim_wrapped(text, 3, cells)).collect()
}

fn why(group: &Group) -> &'static str {
    match (group.disposition, group.origin) {
        (Disposition::MustGo, Origin::LoadedModule) if group.entries.iter().any(|entry| entry.what.starts_with("no")) => "fate.why.rival",
        (Disposition::MustGo, Origin::LoadedModule) => "fate.why.loaded",
        (Disposition::MustGo, _) => "fate.why.other-driver",
        (Disposition::MustStop, _) => "fate.why.uses-driver",
        (Disposition::Owners, _) => "fate.why.owners",
        (Disposition::Stays, _) => "fate.why.no-driver",
    }
}

/// A holder as people know it: its pod, else its unit, with the process.
fn held_by(holder: &Holder) -> String {
    let known = holder.pod_name.clone().or_else(|| holder.pod.clone()).or_else(|| holder.unit.clone());
    let process = format!("{} (pid {})", holder.command, holder.pid);
    known.map_or(process.clone(), |name| format!("{name}: {process}"))
}

fn origin(ui: &Ui, origin: Origin) -> String {
    ui.t(&format!("origin.{}", origin.name()))
}
