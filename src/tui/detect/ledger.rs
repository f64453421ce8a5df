//! The driver ledger: a row for each kind of thing, with its owner's verdict, and the entries of the selected one.

use ratatui::{
    style::Style,
    text::{Line, Span},
};

use crate::{
    answers::DriverOwner,
    facts::{Holder, ModuleKind, Origin},
    i18n::{Message, msg},
    owner::{self, Disposition},
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
pub(super) fn section(ui: &Ui, cells: u16) -> Section {
    let app = ui.app;
    let focus = app.detect.part == Part::Ledger;
    let title = format!("{} · {}", ui.text(msg::wizard::detect::ledger()), loaded(ui));
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
        section.body.push(ui.dim(format!("   {}", ui.text(msg::wizard::detect::no_ledger()))));
    }
    section
}

/// The loaded driver, for the heading.
fn loaded(ui: &Ui) -> String {
    let driver = &ui.app.session.facts.driver;
    let Some(version) = &driver.loaded_version else { return ui.text(msg::wizard::detect::not_loaded()) };
    let kind = match driver.loaded_kind {
        Some(ModuleKind::Open) => msg::wizard::detect::kind::open(),
        Some(ModuleKind::Proprietary) => msg::wizard::detect::kind::proprietary(),
        None => msg::wizard::detect::kind::unknown(),
    };
    ui.app.text(msg::wizard::detect::loaded(kind, version))
}

fn row(ui: &Ui, group: &Group, here: bool, cells: u16) -> Line<'static> {
    let focus = ui.app.detect.part == Part::Ledger;
    let told = ui.text(fate(group.disposition));
    let widest = [Disposition::MustGo, Disposition::MustStop, Disposition::Owners, Disposition::Stays]
        .map(|all| width(&ui.text(fate(all))));
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
    Line::from(vec![
        ui.mark(here && focus, focus),
        Span::styled(text, style),
        Span::styled(format!("  {told}"), verdict),
    ])
}

/// Returns what becomes of the group under the chosen owner and why, then each entry whole.
pub(super) fn details(ui: &Ui, group: &Group, cells: u16) -> Vec<Line<'static>> {
    let mut texts = vec![ui.text(why(group, ui.app.answers.driver_owner))];
    if group.entries.len() > 1 || width(&group.entries[0].source) > 20 {
        texts.extend(group.entries.iter().take(LISTED).map(|entry| format!("{}  {}", entry.name, entry.source)));
    }
    if group.entries.len() > LISTED {
        texts.push(ui.app.text(msg::wizard::detect::more((group.entries.len() - LISTED).to_string())));
    }
    if group.origin == Origin::LoadedModule {
        let holders = &ui.app.session.facts.driver.holders;
        texts.extend(
            holders.iter().take(LISTED).map(|holder| ui.app.text(msg::wizard::detect::holder(held_by(holder)))),
        );
    }
    texts.iter().flat_map(|text| ui.dim_wrapped(text, 3, cells)).collect()
}

fn fate(disposition: Disposition) -> Message {
    match disposition {
        Disposition::MustGo => msg::wizard::fate::must_go(),
        Disposition::MustStop => msg::wizard::fate::must_stop(),
        Disposition::Owners => msg::wizard::fate::owners(),
        Disposition::Stays => msg::wizard::fate::stays(),
    }
}

fn why(group: &Group, owner: DriverOwner) -> Message {
    let owner = owner::of(owner).title();
    match (group.disposition, group.origin) {
        (Disposition::MustGo, Origin::LoadedModule)
            if group.entries.iter().any(|entry| entry.name.starts_with("no")) =>
        {
            msg::wizard::fate::why::rival(owner)
        }
        (Disposition::MustGo, Origin::LoadedModule) => msg::wizard::fate::why::loaded(owner),
        (Disposition::MustGo, _) => msg::wizard::fate::why::other_driver(owner),
        (Disposition::MustStop, _) => msg::wizard::fate::why::uses_driver(owner),
        (Disposition::Owners, _) => msg::wizard::fate::why::owners(owner),
        (Disposition::Stays, _) => msg::wizard::fate::why::no_driver(owner),
    }
}

/// A holder as people know it: its pod, else its unit, with the process.
fn held_by(holder: &Holder) -> String {
    let known = holder.pod_name.clone().or_else(|| holder.pod.clone()).or_else(|| holder.unit.clone());
    let process = format!("{} (pid {})", holder.command, holder.pid);
    known.map_or(process.clone(), |name| format!("{name}: {process}"))
}

fn origin(ui: &Ui, origin: Origin) -> String {
    use msg::wizard::origin as name;
    ui.text(match origin {
        Origin::LoadedModule => name::loaded_module(),
        Origin::Runfile => name::runfile(),
        Origin::Rpm => name::rpm(),
        Origin::Deb => name::deb(),
        Origin::Dkms => name::dkms(),
        Origin::ModuleFile => name::module_file(),
        Origin::InstallerPod => name::installer_pod(),
        Origin::Operator => name::operator(),
        Origin::Unit => name::unit(),
        Origin::CudaToolkit => name::cuda_toolkit(),
    })
}
