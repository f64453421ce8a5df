//! Pane of step 2: what will be done, what each action runs, and what is left alone.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::widgets::{CUT, Ui, draw, first_row, is_wide, split_columns, split_rows};
use crate::{
    i18n::msg,
    plan::Action,
    prediction::Forecast,
    text::{cut_middle, width},
    wizard::{
        Slot,
        driver::chosen_toolkit,
        plan::{ActionStatus, Next, Row, count_checks, leaves_two_drivers, next, rows, undo},
        wrap,
    },
};

/// Lines that the details of the selected action keep beside a long list, where both stand in one column.
const DETAILS: usize = 5;

/// Draws the plan of step 2.
pub(super) fn draw_pane(ui: &Ui, frame: &mut Frame, area: Rect) {
    let rows = rows(ui.app);
    let title = || ui.rule(&ui.text(msg::wizard::plan::title()), area.width, true);
    if let Some(error) = &ui.app.driver.plan_error {
        return draw(frame, area, [vec![title()], ui.failure(error, area.width)].concat());
    }
    if rows.is_empty() {
        let text = if ui.app.waits_for(Slot::Plan) {
            ui.loading(msg::wizard::plan::loading())
        } else {
            Line::from(vec![Span::styled("   ✓ ", ui.theme.good()), Span::raw(ui.text(msg::wizard::plan::nothing()))])
        };
        return draw(frame, area, vec![title(), Line::default(), text]);
    }
    let (main, side) =
        if is_wide(area) { split_columns(area, area.width / 2) } else { (area, Rect { width: 0, ..area }) };
    let wide = side.width > 0;
    let untouched = untouched(ui, main.width);
    let below = state(ui, main.width, if wide { usize::MAX } else { 1 });
    let others = 1 + below.len() + untouched.len() + if wide { 0 } else { DETAILS };
    let free = usize::from(main.height).saturating_sub(others);
    let room = free.clamp(3, rows.len().max(3));
    let mut lines = list(ui, &rows, main.width, room, free);
    lines.extend(below);
    if usize::from(main.height) > others + room {
        lines.push(Line::default());
    }
    let (top, rest) = split_rows(main, lines.len());
    draw(frame, top, lines);
    let selected = rows.get(ui.app.driver.action);
    if wide {
        draw(frame, rest, untouched);
        return draw(frame, side, details(ui, selected, side.width, usize::from(side.height)));
    }
    let (middle, bottom) = split_rows(rest, usize::from(rest.height).saturating_sub(untouched.len()));
    draw(frame, middle, details(ui, selected, area.width, usize::from(middle.height)));
    draw(frame, bottom, untouched);
}

/// The heading counts every action once.
fn heading(ui: &Ui, rows: &[Row], below: usize) -> String {
    use msg::wizard::plan::count as name;
    let count = |wanted: &[ActionStatus]| rows.iter().filter(|row| wanted.contains(&row.status)).count();
    let ahead = count(&[ActionStatus::Ahead, ActionStatus::Blocked]);
    let done = count(&[ActionStatus::Done]);
    let (left_out, offered) = (count(&[ActionStatus::LeftOut]), count(&[ActionStatus::Offered]));
    let title = if ahead == 0 && done > 0 { msg::wizard::plan::title_done() } else { msg::wizard::plan::title() };
    let counts = [
        (ahead, name::ahead(ahead)),
        (done, name::done(done)),
        (left_out, name::left_out(left_out)),
        (offered, name::offered(offered)),
        (below, msg::wizard::more_below(below)),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text);
    std::iter::once(title).chain(counts).map(|text| ui.text(text)).collect::<Vec<_>>().join(" · ")
}

/// `room` rows of the list, which may take up to `free` rows of the screen.
fn list(ui: &Ui, rows: &[Row], cells: u16, room: usize, free: usize) -> Vec<Line<'static>> {
    let here = ui.app.driver.action;
    let first = first_row(here, rows.len(), room);
    let below = rows.len().saturating_sub(first + room);
    let mut lines = vec![ui.rule(&heading(ui, rows, below), cells, true)];
    let shown = rows.iter().enumerate().skip(first).take(room);
    let whole: Vec<Line> = shown.clone().flat_map(|(index, row)| line(ui, row, index == here, cells, true)).collect();
    // A title takes a second row where all of them have room; else its middle is left out.
    lines.extend(if whole.len() <= free {
        whole
    } else {
        shown.flat_map(|(index, row)| line(ui, row, index == here, cells, false)).collect()
    });
    lines
}

fn line(ui: &Ui, row: &Row, selected: bool, cells: u16, whole: bool) -> Vec<Line<'static>> {
    let (mark, style) = match row.status {
        ActionStatus::Done => ("[✓] ", ui.theme.good()),
        ActionStatus::LeftOut | ActionStatus::Offered => ("[ ] ", ui.theme.dim()),
        ActionStatus::Blocked => ("[✗] ", ui.theme.error()),
        ActionStatus::Ahead => ("[•] ", ui.theme.accent()),
    };
    let is_reboot = row.action.is_reboot();
    let (word, word_style) = match row.status {
        ActionStatus::Done => (Some(msg::wizard::plan::done()), ui.theme.dim()),
        ActionStatus::Offered => (Some(msg::wizard::plan::offered()), ui.theme.dim()),
        ActionStatus::LeftOut => (Some(msg::wizard::run::left_out()), ui.theme.dim()),
        ActionStatus::Ahead if is_reboot && ui.app.session.reboot.is_some() => {
            (Some(msg::wizard::plan::pending()), ui.theme.warning())
        }
        ActionStatus::Ahead if row.action.needs_reboot && !is_reboot => {
            (Some(msg::wizard::plan::reboot()), ui.theme.warning())
        }
        ActionStatus::Ahead | ActionStatus::Blocked => (None, ui.theme.dim()),
    };
    let word = word.map(|word| format!("  {}", ui.text(word))).unwrap_or_default();
    let (title, room) = (row.action.title(ui.app.settings.lang), usize::from(cells).saturating_sub(8 + width(&word)));
    let text_style = match (selected, row.status) {
        (true, _) => ui.theme.selected(),
        (false, ActionStatus::LeftOut | ActionStatus::Offered) => ui.theme.dim(),
        (false, _) => Style::new(),
    };
    let texts = if whole { wrap(&title, room) } else { vec![cut_middle(&title, room, CUT)] };
    let first = |text: &str| {
        Line::from(vec![
            ui.mark(selected, true),
            Span::styled(mark, style),
            Span::styled(text.to_owned(), text_style),
            Span::styled(word.clone(), word_style),
        ])
    };
    let row = |(index, text): (usize, &String)| {
        if index == 0 { first(text) } else { Line::styled(format!("{}{text}", " ".repeat(7)), text_style) }
    };
    texts.iter().enumerate().map(row).collect()
}

/// What stands below the list: the reboot that is waited for, or what the pre-flight says of what is ahead.
fn state(ui: &Ui, cells: u16, most: usize) -> Vec<Line<'static>> {
    let told = |glyph: &str, style: Style, text: &str| {
        let row = |(index, text): (usize, String)| {
            let glyph = if index == 0 { glyph } else { " " };
            Line::from(vec![Span::styled(format!("   {glyph} "), style), Span::raw(text)])
        };
        let rows = wrap(text, usize::from(cells).saturating_sub(6)).into_iter().enumerate().map(row);
        std::iter::once(Line::default()).chain(rows).collect::<Vec<_>>()
    };
    match next(ui.app) {
        _ if ui.app.waits_for(Slot::Plan) => checks(ui, cells, most),
        Next::Reboot => told("!", ui.theme.warning(), &ui.text(msg::wizard::plan::reboot_pending())),
        Next::GoOn => told("✓", ui.theme.good(), &ui.text(msg::wizard::plan::all_done())),
        Next::Review => checks(ui, cells, most),
    }
}

/// What the selected action is for and what it runs; what has no room is told in the help.
fn details(ui: &Ui, row: Option<&Row>, cells: u16, room: usize) -> Vec<Line<'static>> {
    let Some(row) = row else { return Vec::new() };
    let mut lines = all_details(ui, row.action, cells);
    if lines.len() > room {
        lines.truncate(room.saturating_sub(1));
        lines.push(ui.dim(format!("   … {}", ui.text(msg::wizard::plan::all_in_help()))));
    }
    lines
}

fn all_details(ui: &Ui, action: &Action, cells: u16) -> Vec<Line<'static>> {
    let lang = ui.app.settings.lang;
    let room = usize::from(cells).saturating_sub(6);
    let mut lines = vec![ui.rule(&ui.text(msg::wizard::plan::details()), cells, false)];
    let plain =
        |text: &str| wrap(text, room).into_iter().map(|line| Line::raw(format!("   {line}"))).collect::<Vec<_>>();
    let toned = |glyph: &str, text: &str, style: Style| {
        let row = |(index, line): (usize, String)| {
            Line::from(vec![
                Span::styled(format!("   {} ", if index == 0 { glyph } else { " " }), style),
                Span::raw(line),
            ])
        };
        wrap(text, room - 2).into_iter().enumerate().map(row).collect::<Vec<_>>()
    };
    if action.skipped && leaves_two_drivers(action) {
        lines.extend(toned("!", &ui.text(msg::wizard::plan::two_drivers()), ui.theme.warning()));
    }
    if let Some(blocked) = action.blocked_text(lang) {
        lines.extend(toned("✗", &blocked, ui.theme.error()));
    }
    lines.extend(plain(&action.reason(lang)));
    for command in &action.commands {
        let text = wrap(&crate::text::printable(&command.to_string()), room - 2);
        let row = |(index, line): (usize, String)| {
            Line::styled(format!("   {} {line}", if index == 0 { "$" } else { " " }), ui.theme.accent())
        };
        lines.extend(text.into_iter().enumerate().map(row));
    }
    lines.extend(action.details(ui.app.settings.lang).iter().flat_map(|text| plain(text)));
    lines.extend(ui.dim_wrapped(&undo(ui.app, action), 3, cells));
    lines
}

/// What the pre-flight says: its count, and the worst of what it found.
fn checks(ui: &Ui, cells: u16, most: usize) -> Vec<Line<'static>> {
    let app = ui.app;
    let count = |says| count_checks(app, says);
    if app.waits_for(Slot::Preflight) || app.waits_for(Slot::Plan) {
        return vec![Line::default(), ui.loading(msg::wizard::preflight::checking())];
    }
    let line = |glyph: &'static str, style: Style, text: &str| {
        let text = cut_middle(text, usize::from(cells).saturating_sub(6), CUT);
        Line::from(vec![Span::styled(format!("   {glyph} "), style), Span::raw(text)])
    };
    if app.driver.checks_error.is_some() {
        return vec![Line::default(), line("!", ui.theme.warning(), &ui.text(msg::wizard::preflight::failed()))];
    }
    let not_fine = [Forecast::WillFail, Forecast::Warning, Forecast::Unknown];
    if not_fine.into_iter().all(|says| count(says) == 0) {
        let ok = count(Forecast::Ok).to_string();
        return vec![Line::default(), line("✓", ui.theme.good(), &app.text(msg::wizard::preflight::fine(&ok)))];
    }
    let (glyph, style) =
        if count(Forecast::WillFail) > 0 { ("✗", ui.theme.error()) } else { ("!", ui.theme.warning()) };
    let mut lines = vec![Line::default(), line(glyph, style, &counts(app))];
    let worst = not_fine.into_iter().flat_map(|says| app.driver.checks.iter().filter(move |check| check.says == says));
    lines.extend(worst.take(most).map(|check| {
        let (glyph, style) =
            if check.says == Forecast::WillFail { ("✗", ui.theme.error()) } else { ("!", ui.theme.warning()) };
        let title = check.title(app.settings.lang);
        let text = format!("{title}: {}", check.evidence_text(app.settings.lang));
        // What has no room in full is told by `p`.
        let text = if width(&text) + 8 > usize::from(cells) { title } else { text };
        Line::from(vec![Span::styled(format!("     {glyph} "), style), Span::styled(text, ui.theme.dim())])
    }));
    lines
}

/// How many checks say what, worst first, but for what none says.
fn counts(app: &crate::wizard::App) -> String {
    use msg::wizard::preflight::counts as text;
    let [fail, warning, unknown, ok] =
        [Forecast::WillFail, Forecast::Warning, Forecast::Unknown, Forecast::Ok].map(|says| count_checks(app, says));
    let parts = [
        (fail, text::fail(fail)),
        (warning, text::warning(warning)),
        (unknown, text::unknown(unknown)),
        (ok, text::ok(ok)),
    ];
    let told: Vec<String> = parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| app.text(text)).collect();
    app.text(msg::wizard::preflight::counts(told.join(", ")))
}

/// What the plan leaves alone; with a toolkit, what happens to the driver inside its runfile.
fn untouched(ui: &Ui, cells: u16) -> Vec<Line<'static>> {
    let mut lines = vec![ui.rule(&ui.text(msg::wizard::plan::untouched()), cells, false)];
    if let Some(row) = chosen_toolkit(ui.app) {
        let driver = row.bundled_driver.as_ref().map_or_else(String::new, ToString::to_string);
        lines.extend(
            wrap(&ui.app.text(msg::wizard::plan::runfile(&driver, &row.file)), usize::from(cells) - 6)
                .into_iter()
                .map(|line| Line::raw(format!("   {line}"))),
        );
    }
    lines.extend(ui.dim_wrapped(&ui.text(msg::wizard::plan::others()), 3, cells));
    lines
}
