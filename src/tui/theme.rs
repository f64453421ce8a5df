//! Theme: one accent colour for where you are, and a colour with its glyph for how bad something is.

use ratatui::style::{Color, Modifier, Style};

use crate::{
    finding::Severity,
    session::Status,
    wizard::{Colors, chain::ChainState, run::RowState},
};

/// The spinner, one glyph a tenth of a second.
const SPINNER: [&str; 8] = ["⠋", "⠙", "⠸", "⠴", "⠦", "⠇", "⠏", "⠛"];

/// The styles of the wizard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Theme {
    colors: Colors,
}

impl Theme {
    /// Makes the theme for a terminal.
    pub(super) fn new(colors: Colors) -> Self {
        Self { colors }
    }

    fn paint(self, sixteen: Color, many: u8) -> Style {
        match self.colors {
            Colors::Sixteen => Style::new().fg(sixteen),
            Colors::Many => Style::new().fg(Color::Indexed(many)),
            Colors::None => Style::new(),
        }
    }

    /// Where the user is.
    pub(super) fn accent(self) -> Style {
        self.paint(Color::Cyan, 80)
    }

    /// The selected row.
    pub(super) fn selected(self) -> Style {
        self.accent().add_modifier(Modifier::BOLD)
    }

    /// Headings.
    #[expect(clippy::unused_self, reason = "asked of the theme like every other style")]
    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is there for those who look for it.
    pub(super) fn dim(self) -> Style {
        self.paint(Color::DarkGray, 245)
    }

    /// What stands behind a question.
    pub(super) fn behind(self) -> Style {
        if self.colors == Colors::None { Style::new().add_modifier(Modifier::DIM) } else { self.dim() }
    }

    /// As it should be.
    pub(super) fn good(self) -> Style {
        self.paint(Color::Green, 114)
    }

    /// May not work.
    pub(super) fn warning(self) -> Style {
        self.paint(Color::Yellow, 179)
    }

    /// Will not work.
    pub(super) fn error(self) -> Style {
        self.paint(Color::LightRed, 203)
    }

    /// A line that is being typed.
    #[expect(clippy::unused_self, reason = "asked of the theme like every other style")]
    pub(super) fn field(self) -> Style {
        Style::new().add_modifier(Modifier::UNDERLINED)
    }

    /// Found text.
    #[expect(clippy::unused_self, reason = "asked of the theme like every other style")]
    pub(super) fn hit(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The glyph and the style of a severity.
    pub(super) fn severity(self, severity: Severity) -> (&'static str, Style) {
        match severity {
            Severity::Error => ("✗", self.error()),
            Severity::Warning => ("!", self.warning()),
            Severity::Info => ("i", self.accent()),
        }
    }

    /// The glyph and the style of a link or phase.
    pub(super) fn chain(self, state: ChainState, ticks: u64) -> (&'static str, Style) {
        match state {
            ChainState::Pending | ChainState::NotJudged => ("·", self.dim()),
            ChainState::Active => (spinner(ticks), self.accent()),
            ChainState::Pass => ("✓", self.good()),
            ChainState::Fail => ("✗", self.error()),
            ChainState::Temporary => ("!", self.warning()),
            ChainState::Unknown => ("?", self.warning()),
        }
    }

    /// The glyph and the style of an action in a run.
    pub(super) fn run(self, state: RowState, ticks: u64) -> (&'static str, Style) {
        match state {
            RowState::Waiting => ("·", self.dim()),
            RowState::LeftOut => ("-", self.dim()),
            RowState::Active => (spinner(ticks), self.accent()),
            RowState::Ended(Status::Done | Status::AlreadyDone) => ("✓", self.good()),
            RowState::Ended(Status::Failed) => ("✗", self.error()),
            RowState::Ended(Status::Cancelled | Status::Intent | Status::Undoing | Status::Undone) => {
                ("!", self.warning())
            }
        }
    }
}

/// Returns the spinner's glyph of now.
pub(super) fn spinner(ticks: u64) -> &'static str {
    SPINNER[usize::try_from(ticks % SPINNER.len() as u64).unwrap_or(0)]
}
