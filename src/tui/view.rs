//! View: the frame around every pane: where you are at the top, what the keys do at the bottom.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::Clear,
};

use super::{
    ascii, detect, driver, overlay, plan, run_pane, summary,
    theme::Theme,
    variables, verify, watch,
    widgets::{CUT, Ui, draw, split_rows},
};
use crate::{
    i18n::msg,
    plan::Step,
    text::{cut_middle, width},
    wizard::{App, Dialog, Screen, StepState, footer as hints, wrap},
};

/// Draws the state.
pub fn view(app: &App, frame: &mut Frame) {
    let ui = Ui { app, theme: Theme::new(app.settings.colors) };
    let area = frame.area();
    if area.width < 80 || area.height < 24 {
        too_small(&ui, frame, area);
    } else {
        whole(&ui, frame, area);
    }
    if app.settings.ascii {
        ascii::replace(frame.buffer_mut(), app.ticks);
    }
}

fn whole(ui: &Ui, frame: &mut Frame, area: Rect) {
    let (top, rest) = split_rows(area, 2);
    let (body, bottom) = split_rows(rest, usize::from(rest.height) - 2);
    draw(frame, top, vec![header(ui, top.width), stepper(ui)]);
    draw(frame, bottom, vec![Line::default(), footer(ui, bottom.width)]);
    let document = crate::wizard::overlay::document(ui.app);
    match document.as_ref().filter(|document| !document.boxed) {
        Some(document) => overlay::text(ui, frame, body, document),
        None => pane(ui, frame, body),
    }
    if let Some(document) = document.filter(|document| document.boxed) {
        overlay::question(ui, frame, body, &document);
    }
    notice(ui, frame, Rect { height: area.height - 1, ..area });
}

fn pane(ui: &Ui, frame: &mut Frame, body: Rect) {
    match ui.app.screen {
        Screen::Detect => detect::draw_pane(ui, frame, body),
        Screen::Choice => driver::draw_pane(ui, frame, body),
        Screen::Plan => plan::draw_pane(ui, frame, body),
        Screen::Run => run_pane::draw_pane(ui, frame, body),
        Screen::Variables => variables::draw_pane(ui, frame, body),
        Screen::Verify => verify::draw_pane(ui, frame, body),
        Screen::Summary => summary::draw_pane(ui, frame, body),
        Screen::Watch => watch::draw_pane(ui, frame, body),
    }
}

fn too_small(ui: &Ui, frame: &mut Frame, area: Rect) {
    let (columns, rows) = (area.width.to_string(), area.height.to_string());
    let mut text = ui.app.text(msg::wizard::too_small(&columns, &rows));
    if ui.app.dialog == Some(Dialog::AskQuit) {
        text = format!("{} {}", ui.text(msg::wizard::quit::title()), ui.text(msg::wizard::too_small::quit()));
    }
    let lines = crate::wizard::wrap(&text, usize::from(area.width).saturating_sub(2))
        .into_iter()
        .map(|line| Line::raw(format!(" {line}")));
    draw(frame, area, lines.collect());
}

/// Program, machine, and at the right whether it is a simulated one.
fn header(ui: &Ui, cells: u16) -> Line<'static> {
    let host = &ui.app.session.facts.host;
    let hostname = if host.hostname.is_empty() { &ui.app.session.hostname } else { &host.hostname };
    let parts: Vec<_> = [hostname, &host.os_name, &host.kernel]
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(String::as_str)
        .collect();
    let simulated = ui.app.settings.simulated.as_ref().map(|_| ui.text(msg::wizard::simulated()));
    let looking_on = ui.app.watch.as_ref().map(|_| ui.text(msg::wizard::looking_on()));
    let reboot = ui.app.session.reboot.as_ref().map(|_| ui.text(msg::wizard::reboot_pending()));
    let not_root = (!ui.app.settings.may_change).then(|| ui.text(msg::wizard::not_root()));
    let right: Vec<_> = not_root.into_iter().chain(reboot).chain(looking_on).chain(simulated).collect();
    let right = right.join(" · ");
    // The story's title stands there only where everything else has its room.
    let title =
        ui.app.settings.simulated.as_ref().map(|title| format!("{title} · ")).filter(|title| title.len() > " · ".len());
    let all = width(&parts.join(" · ")) + width(&right) + 14;
    let title = title.filter(|title| cells >= 120 && all + width(title) <= usize::from(cells)).unwrap_or_default();
    let right = title + &right;
    let room = usize::from(cells).saturating_sub(width(&right) + 14);
    // Where they have no room together, the system gives way first, then the kernel: a name that is cut is none.
    let fewer = [parts.clone(), [parts.first(), parts.last()].into_iter().flatten().copied().collect()];
    let machine = fewer.iter().map(|parts| parts.join(" · ")).find(|text| width(text) <= room);
    let machine = machine.unwrap_or_else(|| cut_middle(parts.first().unwrap_or(&""), room, CUT));
    let fill = room.saturating_sub(width(&machine));
    Line::from(vec![
        Span::styled(" gpunode", ui.theme.strong()),
        Span::styled(format!("   {machine}"), ui.theme.dim()),
        Span::raw(" ".repeat(fill + 2)),
        Span::styled(right, ui.theme.warning()),
    ])
}

/// The four steps with their states.
fn stepper(ui: &Ui) -> Line<'static> {
    let mut spans = vec![Span::raw(" ")];
    for step in Step::ALL {
        if step != Step::Detect {
            spans.push(Span::styled(" ── ", ui.theme.dim()));
        }
        let here = step == ui.app.step() && ui.app.screen != Screen::Summary;
        let (glyph, style) = match ui.app.step_state(step) {
            StepState::Ahead => ("· ", ui.theme.dim()),
            StepState::Current => ("[", ui.theme.selected()),
            StepState::Done => ("✓ ", ui.theme.good()),
            StepState::Failed => ("✗ ", ui.theme.error()),
        };
        // The mark of the cursor stands on the screen once, so the step has brackets.
        let end = if glyph == "[" { "]" } else { "" };
        let name = format!("{} {}{end}", step.number(), ui.text(step.short_title()));
        spans.push(Span::styled(glyph, style));
        spans.push(Span::styled(
            name,
            if here {
                ui.theme.selected()
            } else if glyph == "· " {
                ui.theme.dim()
            } else {
                Style::new()
            },
        ));
    }
    Line::from(spans)
}

/// What is said once, above the footer: all of it, over the last rows of the pane where one row is not enough.
fn notice(ui: &Ui, frame: &mut Frame, area: Rect) {
    let Some(notice) = &ui.app.notice else { return };
    let (glyph, style) = ui.theme.severity(notice.severity);
    let lines = wrap(&notice.text, usize::from(area.width).saturating_sub(4));
    let line = |(index, text): (usize, String)| {
        Line::from(vec![Span::styled(format!(" {} ", if index == 0 { glyph } else { " " }), style), Span::raw(text)])
    };
    let lines: Vec<_> = lines.into_iter().enumerate().map(line).collect();
    let (_, place) = split_rows(area, usize::from(area.height).saturating_sub(lines.len()));
    frame.render_widget(Clear, place);
    draw(frame, place, lines);
}

/// The keys, and when the session was saved.
fn footer(ui: &Ui, cells: u16) -> Line<'static> {
    let mut spans = vec![Span::raw(" ")];
    for hint in hints::fitting(ui.app, usize::from(cells).saturating_sub(1)) {
        spans.push(Span::styled(hint.caps, ui.theme.accent()));
        spans.push(Span::styled(format!(" {}  ", hint.text), ui.theme.dim()));
    }
    let room = usize::from(cells).saturating_sub(spans.iter().map(Span::width).sum::<usize>() + 1);
    // The keys come first: with little room a save is not told, and a failed one by its mark alone.
    let fitting = saved(ui).into_iter().find(|(text, _)| width(text) <= room);
    if let Some((text, style)) = fitting {
        spans.push(Span::raw(" ".repeat(room - width(&text))));
        spans.push(Span::styled(text, style));
    }
    Line::from(spans)
}

/// When the session was saved; that it was not, in its forms from long to short.
fn saved(ui: &Ui) -> Vec<(String, Style)> {
    match &ui.app.saved {
        None => Vec::new(),
        Some(Ok(at)) => {
            let time = at.to_zoned_datetime(ui.app.settings.zone.clone()).strftime("%H:%M:%S").to_string();
            vec![(ui.app.text(msg::wizard::saved(&time)), ui.theme.dim())]
        }
        Some(Err(_)) => vec![(ui.text(msg::wizard::not_saved()), ui.theme.error()), ("✗".to_owned(), ui.theme.error())],
    }
}
