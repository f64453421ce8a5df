//! The machine around the cards, and what could not be learned of it.

use ratatui::text::{Line, Span};

use crate::{
    facts::HostFacts,
    i18n::msg,
    text::{bytes, fit},
    tui::{sections::Section, widgets::Ui},
    wizard::{
        detect::{HOST_ROWS, Part},
        wrap,
    },
};

/// Cells of the names.
const NAMES: usize = 16;

/// Returns the section of the machine.
pub(super) fn section(ui: &Ui, cells: u16) -> Section {
    let focus = ui.app.detect.part == Part::Host;
    let facts = &ui.app.session.facts;
    let lang = ui.app.settings.lang;
    let unknown = facts
        .unknown
        .iter()
        .map(|(name, reason)| (ui.text(msg::wizard::host::unknown()), format!("{name}: {}", reason.text(lang))));
    let rows: Vec<_> =
        rows(ui, &facts.host).into_iter().chain(unknown).map(|(name, value)| row(ui, &name, &value, cells)).collect();
    let here = ui.app.detect.line.min(rows.len().saturating_sub(1));
    let start = rows.iter().take(here).map(Vec::len).sum();
    Section {
        title: ui.text(msg::wizard::detect::host()),
        place: Some((here, rows.len())),
        least: 4,
        selected: start..start + rows.get(here).map_or(0, Vec::len),
        most: 1 + rows.iter().map(Vec::len).sum::<usize>(),
        body: rows.into_iter().flatten().collect(),
        focus,
        ..Section::default()
    }
}

fn row(ui: &Ui, name: &str, value: &str, cells: u16) -> Vec<Line<'static>> {
    let room = usize::from(cells).saturating_sub(NAMES + 7);
    let line = |(index, text): (usize, String)| {
        let name = if index == 0 { name } else { "" };
        Line::from(vec![Span::styled(format!("   {}  ", fit(name, NAMES, "…")), ui.theme.dim()), Span::raw(text)])
    };
    wrap(value, room).into_iter().enumerate().map(line).collect()
}

fn rows(ui: &Ui, host: &HostFacts) -> [(String, String); HOST_ROWS] {
    use msg::wizard::host as name;
    let known = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let yes_no = |value: bool| ui.text(if value { msg::wizard::yes() } else { msg::wizard::no() });
    let space = host.free_space.iter().map(|(path, free)| format!("{path} {}", bytes(*free))).collect::<Vec<_>>();
    let runtime = [host.container_runtime.clone(), host.storage_driver.clone()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ");
    let rows = [
        (name::os(), host.os_name.clone()),
        (name::kernel(), format!("{} {}", host.kernel, host.architecture)),
        (name::headers(), headers(ui, host)),
        (name::gcc(), known(&host.gcc_version)),
        (name::glibc(), known(&host.glibc_version)),
        (name::secure_boot(), host.secure_boot.map_or_else(|| "-".to_owned(), yes_no)),
        (name::runtime(), if runtime.is_empty() { "-".to_owned() } else { runtime }),
        (name::packages(), known(&host.package_manager)),
        (name::space(), space.join(", ")),
    ];
    rows.map(|(name, value)| (ui.text(name), value))
}

fn headers(ui: &Ui, host: &HostFacts) -> String {
    match (host.kernel_headers, host.headers_offer.offered) {
        (true, _) => ui.text(msg::wizard::host::headers::there()),
        (false, Some(true)) => ui.app.text(msg::wizard::host::headers::offered(host.headers_offer.packages.join(", "))),
        (false, Some(false)) => {
            ui.app.text(msg::wizard::host::headers::not_offered(host.headers_offer.missing.join(", ")))
        }
        (false, None) => ui.text(msg::wizard::host::headers::not_there()),
    }
}
