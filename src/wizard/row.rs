//! Rows: text with a tone, which the view only colours.

use super::wrap;

/// How a row looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Tone {
    Heading,
    Text,
    Dim,
    Command,
    Added,
    Removed,
    Warning,
    Error,
    /// A line that is being typed.
    Field,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// How it looks.
    pub tone: Tone,
    /// What it says.
    pub text: String,
}

impl Row {
    /// Makes a row.
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { tone, text: text.into() }
    }

    /// Makes rows of at most `cells` cells; they keep the indent of the first.
    pub fn wrapped(tone: Tone, text: &str, cells: usize) -> Vec<Self> {
        let indent = text.len() - text.trim_start().len();
        let lines = wrap(text.trim_start(), cells.saturating_sub(indent));
        lines.into_iter().map(|line| Self::new(tone, format!("{}{line}", " ".repeat(indent)))).collect()
    }
}
