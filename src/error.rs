//! Errors a user can do something about, apart from bugs.

use std::fmt;

use crate::{
    exit_code::ExitCode,
    i18n::{Arg, Lang},
};

/// An error that was to be expected: one line of what happened, one line of what to do. Everything else that fails is a bug and is
/// reported by color-eyre with its trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    what: Arg,
    hint: Arg,
    code: ExitCode,
}

impl Expected {
    /// Makes an error from what happened and what to do; the exit code is [`ExitCode::Usage`].
    pub fn new(what: impl Into<Arg>, hint: impl Into<Arg>) -> Self {
        Self { what: what.into(), hint: hint.into(), code: ExitCode::Usage }
    }

    /// Sets the exit code.
    #[must_use]
    pub fn code(mut self, code: ExitCode) -> Self {
        self.code = code;
        self
    }

    /// Returns the exit code.
    pub fn exit_code(&self) -> ExitCode {
        self.code
    }

    /// Returns what happened.
    pub fn text(&self, lang: Lang) -> String {
        self.what.text(lang).into_owned()
    }

    /// Returns what to do.
    pub fn hint(&self, lang: Lang) -> String {
        self.hint.text(lang).into_owned()
    }

    /// Returns both as one line.
    pub fn line(&self, lang: Lang) -> String {
        format!("{} — {}", self.what.text(lang), self.hint.text(lang))
    }
}

/// What happened, in English, as JSON and logs have it.
impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what.text(Lang::En))
    }
}

impl std::error::Error for Expected {}
