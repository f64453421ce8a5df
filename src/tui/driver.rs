//! Pane of step 2: who owns the driver, which toolkit, which driver.

mod owners;
mod ways;

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::widgets::{Column, Ui, columns, draw, first_row, is_wide, left, right, split_columns, split_rows};
use crate::{
    choice::DriverRow,
    i18n::msg,
    text::{bytes, width},
    wizard::{
        Slot,
        driver::{Part, chosen_toolkit},
    },
};

const DRIVERS: [Column; 6] = [left(11), left(10), right(5), left(16), left(13), right(9)];

/// Draws the choice.
pub(super) fn draw_pane(ui: &Ui, frame: &mut Frame, area: Rect) {
    // The rules of the headings part the questions where there is no room for empty rows.
    let gap = (area.height >= 30).then(Line::default);
    let mut lines = owners::lines(ui, area.width);
    lines.extend(gap.clone());
    lines.extend(toolkit(ui, area.width));
    lines.extend(gap);
    let (top, rest) = split_rows(area, lines.len());
    draw(frame, top, lines);
    if ways::draw_list(ui, frame, rest) {
        return;
    }
    let (table, side) = if is_wide(area) { split_columns(rest, 84) } else { (rest, Rect { width: 0, ..rest }) };
    let details = details(ui, if side.width > 0 { side.width } else { table.width });
    if side.width > 0 {
        drivers(ui, frame, table);
        let mut lines = vec![ui.rule(&ui.text(msg::wizard::choice::details()), side.width, false)];
        lines.extend(details.concat());
        return draw(frame, side, lines);
    }
    // The table keeps four rows; what is known of the chosen one has the rest, the telling first.
    let most = usize::from(table.height).saturating_sub(7);
    let wanted = details.iter().map(Vec::len).sum::<usize>();
    let (table, below) = split_rows(table, usize::from(table.height).saturating_sub(wanted.min(most) + 1));
    drivers(ui, frame, table);
    let lines = std::iter::once(Line::default()).chain(whole(ui, details, usize::from(below.height).saturating_sub(1)));
    draw(frame, below, lines.collect());
}

/// As many of the texts as have room in full: none is broken off in the middle. The last row then says that there is
/// more.
fn whole(ui: &Ui, texts: Vec<Vec<Line<'static>>>, room: usize) -> Vec<Line<'static>> {
    if texts.iter().map(Vec::len).sum::<usize>() <= room {
        return texts.concat();
    }
    let mut lines = Vec::new();
    for text in texts {
        if lines.len() + text.len() >= room {
            break;
        }
        lines.extend(text);
    }
    lines.push(ui.dim(format!("   … {}", ui.text(msg::wizard::plan::all_in_help()))));
    lines
}

fn toolkit(ui: &Ui, cells: u16) -> Vec<Line<'static>> {
    let focus = ui.app.driver.part == Part::Cuda;
    let mut lines = vec![ui.rule(&ui.text(msg::wizard::choice::cuda()), cells, focus)];
    if ui.app.driver.table.is_none() {
        lines.push(if ui.app.driver.error.is_some() {
            ui.dim("   -")
        } else {
            ui.loading(msg::wizard::choice::loading())
        });
        return lines;
    }
    let rows = ui.app.driver.toolkits();
    let none = ui.text(msg::wizard::cuda::none());
    let names: Vec<_> =
        rows.iter().map(|row| row.map_or_else(|| none.clone(), |row| row.version.to_string())).collect();
    let here =
        rows.iter().position(|row| row.map(|row| &row.version) == ui.app.answers.cuda()).unwrap_or(rows.len() - 1);
    let mut spans = vec![ui.mark(focus, focus)];
    // As many neighbours as there is room for, the chosen one always among them.
    let room = usize::from(cells).saturating_sub(12);
    let (mut first, mut last, mut used) = (here, here, width(&names[here]) + 5);
    loop {
        let grow = |index: usize| used + width(&names[index]) + 4 <= room;
        if first > 0 && grow(first - 1) {
            first -= 1;
            used += width(&names[first]) + 4;
        } else if last + 1 < names.len() && grow(last + 1) {
            last += 1;
            used += width(&names[last]) + 4;
        } else {
            break;
        }
    }
    spans.push(Span::styled(if first > 0 { "‹ " } else { "  " }, ui.theme.dim()));
    for (index, name) in names.iter().enumerate().take(last + 1).skip(first) {
        let (glyph, style) = match (index == here, focus) {
            (true, true) => ("● ", ui.theme.selected()),
            (true, false) => ("● ", Style::new()),
            (false, _) => ("  ", ui.theme.dim()),
        };
        spans.push(Span::styled(glyph, ui.theme.accent()));
        spans.push(Span::styled(format!("{name}  "), style));
    }
    spans.push(Span::styled(if last + 1 < names.len() { "›" } else { "" }, ui.theme.dim()));
    lines.push(Line::from(spans));
    lines
}

fn drivers(ui: &Ui, frame: &mut Frame, area: Rect) {
    use msg::wizard::choice::col;
    let app = ui.app;
    let focus = app.driver.part == Part::Driver;
    let card =
        app.session.facts.gpus.first().map_or_else(|| ui.text(msg::wizard::choice::no_card()), |gpu| gpu.name.clone());
    let mut title = match app.answers.cuda() {
        Some(version) => app.text(msg::wizard::choice::driver(&card, format!("CUDA {}", version.major_minor()))),
        None => app.text(msg::wizard::choice::driver_alone(&card)),
    };
    if app.waits_for(Slot::Table) && app.driver.table.is_some() {
        title = format!("{title} {}", super::theme::spinner(app.ticks));
    }
    if let Some(name) = app.driver.sort.title() {
        title = format!("{title} · {}", ui.text(name));
    }
    if !app.driver.filter.is_empty() {
        title = format!("{title} · / {}", app.driver.filter);
    }
    let rows = app.driver.rows();
    let chosen = rows.iter().position(|row| Some(&row.version) == app.answers.driver_version.as_ref());
    let room = usize::from(area.height).saturating_sub(2);
    // Where there is room, a row that does not fit has its reason below it; else only the selected one has, in the
    // details.
    let explains = room >= 12 && rows.iter().any(|row| !row.fits);
    let room = if explains { room / 3 } else { room };
    let first = first_row(chosen.unwrap_or(0), rows.len(), room);
    let below = rows.len().saturating_sub(first + room);
    if below > 0 && app.driver.error.is_none() {
        title = format!("{title} · {}", ui.text(msg::wizard::more_below(below)));
    }
    let mut lines = vec![ui.rule(&title, area.width, focus)];
    match (&app.driver.error, rows.is_empty()) {
        (Some(error), _) => lines.extend(ui.failure(error, area.width)),
        (None, true) if app.driver.table.is_none() => {
            lines.extend([Line::default(), ui.loading(msg::wizard::choice::loading())]);
        }
        (None, true) if !app.driver.filter.is_empty() => {
            lines.push(ui.dim(format!("   {}", ui.text(msg::wizard::choice::none_matches()))));
        }
        (None, true) => lines.push(ui.dim(format!("   {}", ui.text(msg::wizard::choice::none_fits())))),
        (None, false) => {
            let heads = [col::version(), col::released(), col::cuda(), col::branch(), col::support(), col::size()]
                .map(|head| ui.text(head));
            lines.push(ui.dim(format!("   {}", columns(&DRIVERS, &heads))));
            for (index, row) in rows.iter().enumerate().skip(first).take(room) {
                lines.push(driver(ui, row, chosen == Some(index), focus));
                lines.extend(misfit(ui, row, area.width).into_iter().filter(|_| explains));
            }
        }
    }
    draw(frame, area, lines);
}

fn driver(ui: &Ui, row: &DriverRow, chosen: bool, focus: bool) -> Line<'static> {
    let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let kind = row.kind.title().map(|kind| kind.text(ui.app.settings.lang)).unwrap_or_default();
    let branch = format!("{} {kind}", row.branch);
    let size = row.size_bytes.map_or_else(|| "-".to_owned(), bytes);
    let values = [
        row.version.to_string(),
        or_dash(&row.release_date.map(|date| date.to_string())),
        or_dash(&row.cuda_version),
        branch,
        support(ui, row),
        size,
    ];
    let style = match (chosen, row.fits) {
        (true, _) if focus => ui.theme.selected(),
        (true, _) => ui.theme.strong(),
        (false, true) => Style::new(),
        (false, false) => ui.theme.dim(),
    };
    let (glyph, glyph_style) = match (row.recommended, row.fits) {
        (true, _) => ("★", ui.theme.accent()),
        (false, true) => ("", Style::new()),
        (false, false) => ("✗", ui.theme.error()),
    };
    Line::from(vec![
        ui.mark(chosen, focus),
        Span::styled(columns(&DRIVERS, &values), style),
        Span::styled(format!("  {glyph}"), glyph_style),
    ])
}

/// Why a row does not fit, below it.
fn misfit(ui: &Ui, row: &DriverRow, cells: u16) -> Vec<Line<'static>> {
    let reason = row.reason.as_ref().filter(|_| !row.fits).map(|reason| reason.text(ui.app.settings.lang));
    reason.map(|reason| ui.dim_wrapped(&reason, 5, cells)).unwrap_or_default()
}

/// When the support ends, or that it has ended.
fn support(ui: &Ui, row: &DriverRow) -> String {
    let month = row.end_of_life.map(|end| end.strftime("%Y-%m").to_string());
    match (month, row.ended) {
        (Some(month), true) => ui.app.text(msg::wizard::choice::ended(&month)),
        (None, true) => ui.text(msg::wizard::choice::ended_some_day()),
        (Some(month), false) => month,
        (None, false) => "-".to_owned(),
    }
}

/// What there is to say of the chosen driver, the telling first: the rows of each text.
fn details(ui: &Ui, cells: u16) -> Vec<Vec<Line<'static>>> {
    let app = ui.app;
    let Some(row) = app.driver.chosen(&app.answers) else { return Vec::new() };
    let mut lines = Vec::new();
    let room = usize::from(cells).saturating_sub(6);
    let toned = |glyph: &str, style: Style, text: &str| {
        let line = |(index, text): (usize, String)| {
            Line::from(vec![
                Span::styled(format!("   {} ", if index == 0 { glyph } else { " " }), style),
                Span::raw(text),
            ])
        };
        crate::wizard::wrap(text, room).into_iter().enumerate().map(line).collect::<Vec<_>>()
    };
    if let Some(reason) = &row.reason {
        let text = reason.text(app.settings.lang);
        lines.push(match (row.fits, row.recommended) {
            (false, _) => toned("✗", ui.theme.error(), &text),
            (true, true) => toned("★", ui.theme.accent(), &app.text(msg::wizard::choice::recommended(&text))),
            (true, false) => toned(" ", ui.theme.accent(), &text),
        });
    }
    // A star on what NVIDIA has given up wants a word; one reason has it already.
    if row.recommended && row.ended && row.reason.as_ref().is_none_or(|reason| reason.id() != "recommended-ended") {
        let text = if app.driver.has_newer_toolkit(&app.answers) {
            msg::wizard::choice::recommended_though_ended()
        } else {
            msg::wizard::choice::recommended_the_last()
        };
        lines.push(toned("!", ui.theme.warning(), &ui.text(text)));
    }
    let toolkit = chosen_toolkit(app);
    for note in row.notes.iter().chain(toolkit.iter().flat_map(|cuda| &cuda.notes)) {
        lines.push(toned("!", ui.theme.warning(), &note.text(app.settings.lang)));
    }
    let addresses = row.url.iter().chain(toolkit.map(|cuda| &cuda.file));
    let address = |text: &String| vec![ui.dim(format!("     {}", crate::text::cut_middle(text, room, "…")))];
    lines.extend(addresses.map(address));
    lines
}
