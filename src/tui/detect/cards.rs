//! The cards as a table, and the details of the selected one.

use std::collections::BTreeSet;

use ratatui::text::Line;

use crate::{
    catalog::{CatalogMatch, KernelModule},
    facts::{Gpu, GpuNvml},
    host::{NvmlAnswer, Virtualization},
    i18n::msg,
    text::bytes,
    tui::{
        sections::Section,
        widgets::{Column, Ui, columns, left, right},
    },
    wizard::detect::Part,
};

/// The columns; the card's name gets what the others leave.
fn table(cells: u16) -> [Column; 6] {
    const OTHERS: usize = 3 + 12 + 7 + 4 + 9 + 10 + 5 * 2 + 1;
    [left(12), left(usize::from(cells).saturating_sub(OTHERS).clamp(8, 48)), left(7), right(4), right(9), left(10)]
}

/// Returns the section of the cards.
pub(super) fn section(ui: &Ui, cells: u16) -> Section {
    let app = ui.app;
    let focus = app.detect.part == Part::Cards;
    let gpus = &app.session.facts.gpus;
    let mut section = Section { title: title(ui, gpus), focus, least: 4, ..Section::default() };
    if let Some(error) = &app.detect.error {
        section.head.extend(ui.failure(error, cells));
    }
    if gpus.is_empty() {
        section.body.extend(ui.dim_wrapped(&ui.text(msg::wizard::detect::no_cards()), 3, cells));
        return section;
    }
    let table = table(cells);
    let heads = {
        use msg::wizard::detect::col;
        [col::pci(), col::card(), col::chip(), col::compute(), col::memory(), col::bound()].map(|head| ui.text(head))
    };
    section.head.push(ui.dim(format!("   {}", columns(&table, &heads))));
    let line = |(index, gpu)| ui.item(columns(&table, &row(ui, gpu)), index == app.detect.card, focus);
    section.body = gpus.iter().enumerate().map(line).collect();
    section.selected = app.detect.card..app.detect.card + 1;
    section.place = Some((app.detect.card, gpus.len()));
    section
}

/// Several cards of one kind are told in the heading: eight equal rows need no reading.
fn title(ui: &Ui, gpus: &[Gpu]) -> String {
    let names: BTreeSet<&str> = gpus.iter().map(|gpu| gpu.name.as_str()).collect();
    match names.first() {
        Some(name) if names.len() == 1 && gpus.len() > 1 => {
            format!("{} · {} × {name}", ui.text(msg::wizard::detect::cards()), gpus.len())
        }
        _ => ui.text(msg::wizard::detect::cards()),
    }
}

fn row(ui: &Ui, gpu: &Gpu) -> [String; 6] {
    let asked = matches!(ui.app.session.facts.driver.nvml, Some(NvmlAnswer::Answer { .. }));
    let memory = match gpu.nvml.as_ref().and_then(|nvml| nvml.memory_mib) {
        Some(mib) => bytes(mib << 20),
        // Its driver has it, but it says nothing: the eye should stop here.
        None if asked && gpu.nvml.is_none() && gpu.kernel_driver.as_deref() == Some("nvidia") => {
            ui.text(msg::wizard::detect::silent())
        }
        None => "-".to_owned(),
    };
    let bound = gpu.kernel_driver.clone().unwrap_or_else(|| "-".to_owned());
    // A guess is marked where it stands.
    let chip = if gpu.catalog == CatalogMatch::Guess && !gpu.chip.is_empty() {
        format!("{}?", gpu.chip)
    } else {
        gpu.chip.clone()
    };
    [gpu.pci_address.clone(), gpu.name.clone(), chip, gpu.compute_capability.clone(), memory, bound]
}

/// Returns what there is to say of a card.
pub(super) fn details(ui: &Ui, index: usize, cells: u16) -> Vec<Line<'static>> {
    let facts = &ui.app.session.facts;
    let Some(gpu) = facts.gpus.get(index) else { return Vec::new() };
    let mut texts = vec![support(ui, gpu)];
    texts.extend(gpu.nvml.as_ref().map(|nvml| measured(ui, nvml)));
    texts.push(identity(ui, gpu));
    if gpu.virtual_functions > 0 {
        texts.push(ui.app.text(msg::wizard::detect::virtual_functions(gpu.virtual_functions)));
    }
    texts.iter().flat_map(|text| ui.dim_wrapped(text, 3, cells)).collect()
}

fn identity(ui: &Ui, gpu: &Gpu) -> String {
    let device = format!("{}:{}", gpu.vendor_id, gpu.device_id);
    let board = format!("{}:{}", gpu.subsystem_vendor_id, gpu.subsystem_device_id);
    let sure = match (gpu.catalog, &gpu.guessed_from) {
        (CatalogMatch::Exact, _) => ui.text(msg::wizard::detect::catalog::exact()),
        (CatalogMatch::Device, _) => ui.text(msg::wizard::detect::catalog::device()),
        (CatalogMatch::Guess, Some(source)) => ui.app.text(msg::wizard::detect::catalog::guess(source)),
        (CatalogMatch::Guess, None) => ui.text(msg::wizard::detect::catalog::unknown()),
    };
    let board = (board.len() > 1).then(|| ui.app.text(msg::wizard::detect::board(&board)));
    [Some(device), board, Some(sure)].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// Architecture, drivers and modules that serve the card.
fn support(ui: &Ui, gpu: &Gpu) -> String {
    let branch = |branch: u32| format!("R{branch}");
    let drivers = match (gpu.first_branch.map(branch), gpu.last_branch.map(branch)) {
        (Some(first), Some(last)) => ui.app.text(msg::wizard::detect::drivers::range(&first, &last)),
        (Some(first), None) => ui.app.text(msg::wizard::detect::drivers::from(&first)),
        (None, Some(last)) => ui.app.text(msg::wizard::detect::drivers::to(&last)),
        (None, None) => ui.text(msg::wizard::detect::drivers::unknown()),
    };
    let module = match gpu.kernel_module {
        KernelModule::ProprietaryOnly => msg::wizard::detect::module::proprietary(),
        KernelModule::Either => msg::wizard::detect::module::either(),
        KernelModule::OpenRequired => msg::wizard::detect::module::open(),
    };
    let parts = [gpu.architecture_name(), drivers, ui.text(module)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

/// What NVML adds.
fn measured(ui: &Ui, nvml: &GpuNvml) -> String {
    let mut parts = vec![ui.app.text(msg::wizard::detect::nvml(nvml.cuda_version.as_deref().unwrap_or("?")))];
    parts.extend(nvml.memory_mib.map(|mib| format!("{mib} MiB")));
    parts.extend(nvml.temperature_c.map(|degrees| format!("{degrees} C")));
    parts.extend(
        nvml.pcie_generation.zip(nvml.pcie_width).map(|(generation, lanes)| format!("PCIe {generation} x{lanes}")),
    );
    let switch = |name: &str, on: Option<bool>| {
        on.map(|on| {
            format!("{name} {}", ui.text(if on { msg::wizard::detect::on() } else { msg::wizard::detect::off() }))
        })
    };
    parts.extend(switch("ECC", nvml.ecc));
    parts.extend(switch("MIG", nvml.mig));
    let part_of = match nvml.virtualization {
        Some(Virtualization::PassThrough) => Some(msg::wizard::detect::r#virtual::pass_through()),
        Some(Virtualization::Vgpu) => Some(msg::wizard::detect::r#virtual::vgpu()),
        Some(Virtualization::Host) => Some(msg::wizard::detect::r#virtual::host()),
        Some(Virtualization::None) | None => None,
    };
    parts.extend(part_of.map(|place| ui.text(place)));
    parts.push(nvml.uuid.clone());
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}
