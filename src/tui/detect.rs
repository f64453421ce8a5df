//! Pane of step 1: the cards, everything that is or could become a driver, and what to know.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::widgets::{Column, Ui, columns, draw, first_row, is_wide, left, right, split_columns, split_rows};
use crate::{
    facts::{CatalogMatch, Gpu, KernelModule, LedgerEntry, ModuleKind, Origin},
    text::{fit, width},
    wizard::{
        Slot,
        detect::{Part, must_go},
    },
};

const CARDS: [Column; 5] = [left(12), left(32), left(8), right(7), left(10)];

/// Draws step 1.
pub fn draw_pane(ui: &Ui, frame: &mut Frame, area: Rect) {
    let facts = &ui.app.session.facts;
    let known = ui.app.detect.probed || !facts.host.kernel.is_empty();
    if !known {
        return draw(frame, area, vec![ui.rule(&ui.t("detect.cards"), area.width, true), Line::default(), ui.loading("detect.probing")]);
    }
    let (main, side) = if is_wide(area) { split_columns(area, area.width * 3 / 5) } else { (area, Rect { width: 0, ..area }) };
    let mut lines = cards(ui, main.width);
    if side.width == 0 {
        lines.extend(card_details(ui, main.width).into_iter().take(2));
    }
    lines.push(Line::default());
    lines.extend(ledger(ui, main));
    lines.push(Line::default());
    let (top, bottom) = split_rows(main, lines.len());
    draw(frame, top, lines);
    findings(ui, frame, bottom);
    if side.width > 0 {
        let mut lines = vec![ui.rule(&ui.t("detect.details"), side.width, false)];
        lines.extend(card_details(ui, side.width));
        lines.push(Line::default());
        lines.push(ui.rule(&ui.t("detect.host"), side.width, false));
        lines.extend(host(ui, side.width));
        draw(frame, side, lines);
    }
}

fn cards(ui: &Ui, cells: u16) -> Vec<Line<'static>> {
    let app = ui.app;
    let focus = app.detect.part == Part::Cards;
    let gpus = &app.session.facts.gpus;
    let mut lines = vec![ui.rule(&ui.t("detect.cards"), cells, focus)];
    if let Some(error) = &app.detect.error {
        lines.extend(ui.failure(error, cells));
    }
    if gpus.is_empty() {
        lines.push(ui.dim(format!("   {}", ui.t("detect.no-cards"))));
        return lines;
    }
    let heads = ["pci", "card", "chip", "compute", "bound"].map(|head| ui.t(&format!("detect.col.{head}")));
    lines.push(ui.dim(format!("   {}", columns(&CARDS, &heads))));
    let first = first_row(app.detect.card, gpus.len(), 4);
    for (index, gpu) in gpus.iter().enumerate().skip(first).take(4) {
        let bound = gpu.kernel_driver.clone().unwrap_or_else(|| "-".to_owned());
        let values = [gpu.pci_address.clone(), gpu.name.clone(), gpu.chip.clone(), gpu.compute_capability.clone(), bound];
        lines.push(ui.item(columns(&CARDS, &values), index == app.detect.card, focus));
    }
    lines
}

fn card_details(ui: &Ui, cells: u16) -> Vec<Line<'static>> {
    let Some(gpu) = ui.app.session.facts.gpus.get(ui.app.detect.card) else { return Vec::new() };
    let mut texts = vec![identity(ui, gpu), support(ui, gpu)];
    if let Some(nvml) = &gpu.nvml {
        let memory = nvml.memory_mib.map_or_else(|| "-".to_owned(), |mib| format!("{mib} MiB"));
        texts.push(ui.app.tr("detect.nvml", &[("memory", &memory), ("driver", &nvml.driver_version), ("uuid", &nvml.uuid)]));
    }
    texts.iter().flat_map(|text| ui.dim_wrapped(text, 3, cells)).collect()
}

fn identity(ui: &Ui, gpu: &Gpu) -> String {
    let id = format!("{}:{}", gpu.vendor_id, gpu.device_id);
    let subsystem = format!("{}:{}", gpu.subsystem_vendor_id, gpu.subsystem_device_id);
    let sure = match gpu.catalog {
        CatalogMatch::Exact => "exact",
        CatalogMatch::Device => "device",
        CatalogMatch::Guess => "guess",
    };
    let sure = ui.t(&format!("detect.catalog.{sure}"));
    [id, subsystem, gpu.architecture.clone(), sure].into_iter().filter(|part| part.len() > 1).collect::<Vec<_>>().join(" · ")
}

fn support(ui: &Ui, gpu: &Gpu) -> String {
    let first = gpu.first_branch.map_or_else(|| "?".to_owned(), |branch| branch.to_string());
    let last = gpu.last_branch.map_or_else(|| ui.t("detect.current"), |branch| branch.to_string());
    let module = match gpu.kernel_module {
        KernelModule::ProprietaryOnly => "proprietary",
        KernelModule::Either => "either",
        KernelModule::OpenRequired => "open",
    };
    let module = ui.t(&format!("detect.module.{module}"));
    ui.app.tr("detect.support", &[("first", &first), ("last", &last), ("module", &module)])
}

fn ledger(ui: &Ui, area: Rect) -> Vec<Line<'static>> {
    let app = ui.app;
    let driver = &app.session.facts.driver;
    let focus = app.detect.part == Part::Ledger;
    let mut lines = vec![ui.rule(&ui.t("detect.ledger"), area.width, focus)];
    lines.push(ui.dim(format!("   {}", crate::wizard::cut_end(&loaded(ui), usize::from(area.width).saturating_sub(4)))));
    let room = if area.height >= 40 { 14 } else { 4 };
    let first = first_row(app.detect.entry, driver.ledger.len(), room);
    let rows = driver.ledger.iter().enumerate().skip(first).take(room);
    lines.extend(rows.map(|(index, entry)| ledger_row(ui, entry, index == app.detect.entry, area.width)));
    if driver.ledger.is_empty() {
        lines.push(ui.dim(format!("   {}", ui.t("detect.no-ledger"))));
    }
    lines
}

fn loaded(ui: &Ui) -> String {
    let driver = &ui.app.session.facts.driver;
    let Some(version) = &driver.loaded_version else { return ui.t("detect.not-loaded") };
    let kind = match driver.loaded_kind {
        Some(ModuleKind::Open) => ui.t("detect.kind.open"),
        Some(ModuleKind::Proprietary) => ui.t("detect.kind.proprietary"),
        None => ui.t("detect.kind.unknown"),
    };
    let module = |module: &crate::facts::Module| match module.refcount {
        Some(count) => format!("{} ({count})", module.name),
        None => module.name.clone(),
    };
    let modules = driver.modules.iter().map(module).collect::<Vec<_>>().join(", ");
    ui.app.tr("detect.loaded", &[("version", version), ("kind", &kind), ("modules", &modules)])
}

fn ledger_row(ui: &Ui, entry: &LedgerEntry, selected: bool, cells: u16) -> Line<'static> {
    let focus = ui.app.detect.part == Part::Ledger;
    let go = if must_go(ui.app.answers.driver_owner, entry) { ui.t("detect.must-go") } else { String::new() };
    let rest = usize::from(cells).saturating_sub(3 + 15 + 2 + 2 + 2 + 1 + width(&ui.t("detect.must-go")));
    let text =
        columns(&[left(15), left(rest / 2), left(rest - rest / 2)], &[origin(ui, entry.origin), entry.what.clone(), entry.r#where.clone()]);
    let style = if selected && focus { ui.theme.selected() } else { Style::new() };
    Line::from(vec![ui.mark(selected && focus, focus), Span::styled(text, style), Span::styled(format!("  {go}"), ui.theme.error())])
}

fn origin(ui: &Ui, origin: Origin) -> String {
    let name = match origin {
        Origin::LoadedModule => "loaded-module",
        Origin::Runfile => "runfile",
        Origin::Rpm => "rpm",
        Origin::Deb => "deb",
        Origin::Dkms => "dkms",
        Origin::ModuleFile => "module-file",
        Origin::InstallerPod => "installer-pod",
        Origin::Operator => "operator",
        Origin::Unit => "unit",
        Origin::CudaToolkit => "cuda-toolkit",
    };
    ui.t(&format!("origin.{name}"))
}

fn findings(ui: &Ui, frame: &mut Frame, area: Rect) {
    let app = ui.app;
    let focus = app.detect.part == Part::Findings;
    let findings = &app.session.facts.findings;
    let (head, body) = split_rows(area, 1);
    let refresh = if app.waits_for(Slot::Probe) { format!(" · {}", ui.t("detect.again")) } else { String::new() };
    draw(frame, head, vec![ui.rule(&format!("{}{refresh}", ui.t("findings")), area.width, focus)]);
    if findings.is_empty() {
        return draw(frame, body, vec![Line::from(vec![Span::styled("   ✓ ", ui.theme.good()), Span::raw(ui.t("findings.none"))])]);
    }
    let lines = ui.findings(findings, Some(app.detect.finding), focus, area.width);
    let here = lines.iter().position(|(index, _)| *index == app.detect.finding).unwrap_or(0);
    let first = first_row(here, lines.len(), usize::from(body.height));
    draw(frame, body, lines.into_iter().skip(first).map(|(_, line)| line).collect());
}

fn host(ui: &Ui, cells: u16) -> Vec<Line<'static>> {
    let host = &ui.app.session.facts.host;
    let known = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let yes_no = |value: bool| ui.t(if value { "yes" } else { "no" });
    let space = host.free_space.iter().map(|(path, bytes)| format!("{path} {}", super::widgets::bytes(*bytes))).collect::<Vec<_>>();
    let rows = [
        ("os", host.os_name.clone()),
        ("kernel", host.kernel.clone()),
        ("headers", yes_no(host.kernel_headers)),
        ("gcc", known(&host.gcc_version)),
        ("glibc", known(&host.glibc_version)),
        ("secure-boot", host.secure_boot.map_or_else(|| "-".to_owned(), yes_no)),
        ("runtime", known(&host.container_runtime)),
        ("storage", known(&host.storage_driver)),
        ("space", space.join(", ")),
    ];
    let row = |(key, value): (&str, String)| {
        let value = crate::text::cut_middle(&value, usize::from(cells).saturating_sub(24), super::widgets::CUT);
        Line::from(vec![Span::styled(format!("   {}  ", fit(&ui.t(&format!("host.{key}")), 16, "")), ui.theme.dim()), Span::raw(value)])
    };
    rows.into_iter().map(row).collect()
}
