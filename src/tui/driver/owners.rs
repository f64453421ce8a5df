//! The question of step 2 about the owner: how each one fits this node, and why.

use ratatui::{
    style::Style,
    text::{Line, Span},
};

use crate::{
    answers::DriverOwner,
    i18n::msg,
    owner::{self, Fit, Works},
    text,
    tui::widgets::{Ui, is_wide_enough},
    wizard::{driver::Part, wrap},
};

/// Cells of the names.
const NAME: usize = 16;
/// Where the words behind a name begin.
const INDENT: usize = 7 + NAME;

/// Returns the owners. Where there is room beside the names, each has its reason there; else the chosen one has it
/// below the list.
pub(super) fn lines(ui: &Ui, cells: u16) -> Vec<Line<'static>> {
    let focus = ui.app.driver.part == Part::Owner;
    let mut lines = vec![ui.rule(&ui.text(msg::wizard::choice::owner()), cells, focus)];
    for owner in DriverOwner::ALL {
        lines.extend(row(ui, owner, focus, cells));
    }
    if !is_wide_enough(cells)
        && let Some(fit) = fit(ui, ui.app.answers.driver_owner)
    {
        lines.extend(ui.dim_wrapped(&ui.text(fit.reason.clone()), 5, cells));
    }
    lines
}

fn fit<'a>(ui: &'a Ui, owner: DriverOwner) -> Option<&'a Fit> {
    ui.app.driver.owners.iter().find(|fit| fit.owner == owner)
}

fn row(ui: &Ui, owner: DriverOwner, focus: bool, cells: u16) -> Vec<Line<'static>> {
    let chosen = ui.app.answers.driver_owner == owner;
    let style = if chosen && focus { ui.theme.selected() } else { Style::new() };
    let mut spans = vec![
        ui.mark(chosen && focus, focus),
        Span::styled(if chosen { "● " } else { "○ " }, if chosen { ui.theme.accent() } else { ui.theme.dim() }),
        Span::styled(text::fit(&ui.text(owner::of(owner).title()), NAME, "…"), style),
    ];
    let Some(fit) = fit(ui, owner) else {
        spans.push(Span::styled(format!("  {}", ui.text(owner::of(owner).summary())), ui.theme.dim()));
        return vec![Line::from(spans)];
    };
    spans.push(glyph(ui, fit));
    let word = ui.text(fit.word());
    if !is_wide_enough(cells) {
        spans.push(Span::raw(word));
        return vec![Line::from(spans)];
    }
    let room = usize::from(cells).saturating_sub(INDENT + 1);
    let told = wrap(&format!("{word}: {}", ui.text(fit.reason.clone())), room);
    let mut told = told.into_iter();
    spans.push(Span::styled(told.next().unwrap_or_default(), ui.theme.dim()));
    std::iter::once(Line::from(spans)).chain(told.map(|more| ui.dim(format!("{}{more}", " ".repeat(INDENT))))).collect()
}

/// The mark before the word: a star for the one to take, a cross for what cannot work.
fn glyph(ui: &Ui, fit: &Fit) -> Span<'static> {
    match (fit.recommended, fit.works) {
        (true, _) => Span::styled("★ ", ui.theme.accent()),
        (false, Works::No) => Span::styled("✗ ", ui.theme.error()),
        (false, Works::Partly) => Span::styled("! ", ui.theme.warning()),
        (false, Works::Yes) => Span::raw("  "),
    }
}
