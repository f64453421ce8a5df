//! Pane of step 2: what will be done, what each action runs, and what is left alone.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::widgets::{CUT, Ui, bytes, draw, first_row, is_wide, split_columns, split_rows};
use crate::{
    plan::{Action, Kind, Step},
    session::Says,
    text::{cut_middle, width},
    wizard::{
        Slot,
        driver::{chosen_toolkit, count_checks, is_needed_by_pod},
        wrap,
    },
};

/// Draws the plan of step 2.
pub fn draw_pane(ui: &Ui, frame: &mut Frame, area: Rect) {
    let actions = ui.app.actions(Step::Driver);
    if let Some(error) = &ui.app.driver.plan_error {
        let lines = [vec![ui.rule(&ui.t("plan.title"), area.width, true)], ui.failure(error, area.width)].concat();
        return draw(frame, area, lines);
    }
    if actions.is_empty() {
        let text = if ui.app.waits_for(Slot::Plan) {
            ui.loading("plan.loading")
        } else {
            Line::from(vec![Span::styled("   ✓ ", ui.theme.good()), Span::raw(ui.t("plan.nothing"))])
        };
        return draw(frame, area, vec![ui.rule(&ui.t("plan.title"), area.width, true), Line::default(), text]);
    }
    let (main, side) = if is_wide(area) { split_columns(area, area.width / 2) } else { (area, Rect { width: 0, ..area }) };
    let untouched = untouched(ui, main.width);
    let checks = checks(ui, main.width, if side.width > 0 { usize::MAX } else { 1 });
    let others = untouched.len() + checks.len() + if side.width > 0 { 3 } else { 9 };
    let room = usize::from(main.height).saturating_sub(others);
    let mut lines = list(ui, &actions, main.width, room.clamp(3, actions.len().max(3)));
    lines.extend(checks);
    let (top, rest) = split_rows(main, lines.len() + 1);
    draw(frame, top, lines);
    let selected = actions.get(ui.app.driver.action).copied();
    if side.width > 0 {
        draw(frame, rest, untouched);
        return draw(frame, side, details(ui, selected, side.width));
    }
    let (middle, bottom) = split_rows(rest, usize::from(rest.height).saturating_sub(untouched.len()));
    draw(frame, middle, details(ui, selected, area.width));
    draw(frame, bottom, untouched);
}

fn list(ui: &Ui, actions: &[&Action], cells: u16, room: usize) -> Vec<Line<'static>> {
    let count = actions.iter().filter(|action| !action.skipped).count().to_string();
    let total = actions.len().to_string();
    let mut lines = vec![ui.rule(&ui.app.tr("plan.heading", &[("count", &count), ("total", &total)]), cells, true)];
    let here = ui.app.driver.action;
    let first = first_row(here, actions.len(), room);
    for (index, action) in actions.iter().enumerate().skip(first).take(room) {
        let selected = index == here;
        let done = ui.app.session.is_done(&action.id);
        let (mark, style) = match (action.skipped, &action.blocked) {
            _ if done => ("[✓] ", ui.theme.good()),
            (true, _) => ("[ ] ", ui.theme.dim()),
            (false, Some(_)) => ("[✗] ", ui.theme.error()),
            (false, None) => ("[•] ", ui.theme.accent()),
        };
        let word = match (done, action.skipped, action.optional) {
            (true, ..) => Some("plan.done"),
            (_, true, true) => Some("plan.offered"),
            (_, false, _) if action.needs_reboot => Some("plan.reboot"),
            _ => None,
        };
        let reboot = word.map(|key| format!("  {}", ui.t(key))).unwrap_or_default();
        let text = cut_middle(&action.title(ui.app.settings.lang), usize::from(cells).saturating_sub(8 + width(&reboot)), CUT);
        let text_style = match (selected, action.skipped) {
            (true, _) => ui.theme.selected(),
            (false, true) => ui.theme.dim(),
            (false, false) => Style::new(),
        };
        lines.push(Line::from(vec![
            ui.mark(selected, true),
            Span::styled(mark, style),
            Span::styled(text, text_style),
            Span::styled(reboot, if word == Some("plan.reboot") { ui.theme.warning() } else { ui.theme.dim() }),
        ]));
    }
    lines
}

fn details(ui: &Ui, action: Option<&Action>, cells: u16) -> Vec<Line<'static>> {
    let Some(action) = action else { return Vec::new() };
    let lang = ui.app.settings.lang;
    let room = usize::from(cells).saturating_sub(6);
    let mut lines = vec![ui.rule(&ui.t("plan.details"), cells, false)];
    let plain = |text: &str| wrap(text, room).into_iter().map(|line| Line::raw(format!("   {line}"))).collect::<Vec<_>>();
    let toned = |glyph: &str, text: &str, style: Style| {
        let row = |(index, line): (usize, String)| {
            Line::from(vec![Span::styled(format!("   {} ", if index == 0 { glyph } else { " " }), style), Span::raw(line)])
        };
        wrap(text, room - 2).into_iter().enumerate().map(row).collect::<Vec<_>>()
    };
    if action.skipped && is_needed_by_pod(ui.app, action) {
        lines.extend(toned("!", &ui.t("plan.pod-needs-it"), ui.theme.warning()));
    }
    if let Some(blocked) = action.blocked_text(lang) {
        lines.extend(toned("✗", &blocked, ui.theme.error()));
    }
    lines.extend(plain(&action.reason(lang)));
    for command in &action.commands {
        let text = wrap(&crate::text::printable(&command.to_string()), room - 2);
        let row =
            |(index, line): (usize, String)| Line::styled(format!("   {} {line}", if index == 0 { "$" } else { " " }), ui.theme.accent());
        lines.extend(text.into_iter().enumerate().map(row));
    }
    lines.extend(particulars(ui, action).iter().flat_map(|text| plain(text)));
    lines.extend(ui.dim_wrapped(&action.undo_text(lang), 3, cells));
    lines
}

/// What an action of the runfile has to be told beside its command.
fn particulars(ui: &Ui, action: &Action) -> Vec<String> {
    match &action.kind {
        Kind::FetchRunfile(fetch) => {
            let size = fetch.size.map_or_else(|| "?".to_owned(), bytes);
            vec![ui.app.tr("plan.fetch", &[("size", &size), ("checksum", fetch.checksum.value())])]
        }
        Kind::InstallToolkit(install) => {
            let (prefix, tmpdir) = (install.prefix.display().to_string(), install.unpack_folder().display().to_string());
            vec![ui.app.tr("plan.touches", &[("prefix", &prefix), ("tmpdir", &tmpdir)]), ui.t("plan.touches-not")]
        }
        _ => Vec::new(),
    }
}

/// What the pre-flight says: its count, and the worst of what it found.
fn checks(ui: &Ui, cells: u16, most: usize) -> Vec<Line<'static>> {
    let app = ui.app;
    let count = |says| count_checks(app, says);
    if app.waits_for(Slot::Preflight) || app.waits_for(Slot::Plan) {
        return vec![Line::default(), ui.loading("preflight.checking")];
    }
    let line = |glyph: &'static str, style: Style, text: &str| {
        let text = cut_middle(text, usize::from(cells).saturating_sub(6), CUT);
        Line::from(vec![Span::styled(format!("   {glyph} "), style), Span::raw(text)])
    };
    if app.driver.checks_error.is_some() {
        return vec![Line::default(), line("!", ui.theme.warning(), &ui.t("preflight.failed"))];
    }
    let (fail, unknown, ok) = (count(Says::WillFail), count(Says::Unknown), count(Says::Ok).to_string());
    if fail + unknown == 0 {
        return vec![Line::default(), line("✓", ui.theme.good(), &app.tr("preflight.fine", &[("ok", &ok)]))];
    }
    let args = [("fail", fail.to_string()), ("unknown", unknown.to_string()), ("ok", ok)];
    let args: Vec<_> = args.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let style = if fail > 0 { ui.theme.error() } else { ui.theme.warning() };
    let mut lines = vec![
        Line::default(),
        line(if fail > 0 { "✗" } else { "!" }, style, &app.tr(if fail > 0 { "preflight.counts" } else { "preflight.untold" }, &args)),
    ];
    let worst =
        [Says::WillFail, Says::Unknown].into_iter().flat_map(|says| app.driver.checks.iter().filter(move |check| check.says == says));
    lines.extend(worst.take(most).map(|check| {
        let (glyph, style) = if check.says == Says::WillFail { ("✗", ui.theme.error()) } else { ("!", ui.theme.warning()) };
        let text = format!("{}: {}", check.title(app.settings.lang), crate::text::printable(&check.evidence));
        let text = crate::wizard::cut_end(&text, usize::from(cells).saturating_sub(8));
        Line::from(vec![Span::styled(format!("     {glyph} "), style), Span::styled(text, ui.theme.dim())])
    }));
    lines
}

/// What the plan leaves alone; with a toolkit, what happens to the driver inside its runfile.
fn untouched(ui: &Ui, cells: u16) -> Vec<Line<'static>> {
    let mut lines = vec![ui.rule(&ui.t("plan.untouched"), cells, false)];
    if let Some(row) = chosen_toolkit(ui.app) {
        let driver = row.bundled_driver.as_ref().map_or_else(String::new, ToString::to_string);
        lines.extend(
            wrap(&ui.app.tr("plan.runfile", &[("file", &row.file), ("driver", &driver)]), usize::from(cells) - 6)
                .into_iter()
                .map(|line| Line::raw(format!("   {line}"))),
        );
    }
    lines.extend(ui.dim_wrapped(&ui.t("plan.others"), 3, cells));
    lines
}
