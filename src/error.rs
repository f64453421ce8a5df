//! Errors a user can do something about, apart from bugs.

use std::{fmt, io};

use crate::{
    exit_code::ExitCode,
    i18n::{Arg, Lang, Message, msg},
};

/// An error that was to be expected: one line of what happened, one line of what to do. Everything else that fails is a
/// bug and is reported by color-eyre with its trace.
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

    /// Returns the same error told in another way, with what happened as a part of it.
    #[must_use]
    pub fn map(self, tell: impl FnOnce(Arg) -> Message) -> Self {
        Self { what: tell(self.what).into(), ..self }
    }

    /// Returns what happened.
    pub fn text(&self, lang: Lang) -> String {
        self.what.text(lang).into_owned()
    }

    /// Returns what happened, as a message.
    pub fn message(&self) -> Message {
        msg::failure::own_words(self.what.clone())
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

/// Returns why the operating system refused, in words of the catalog where it is one of the common reasons.
pub fn reason(error: &io::Error) -> Arg {
    if error.raw_os_error().is_none() {
        return error.into();
    }
    match error.kind() {
        io::ErrorKind::NotFound => msg::error::io::not_found().into(),
        io::ErrorKind::PermissionDenied => msg::error::io::denied().into(),
        io::ErrorKind::StorageFull => msg::error::io::full().into(),
        io::ErrorKind::ReadOnlyFilesystem => msg::error::io::read_only().into(),
        io::ErrorKind::IsADirectory => msg::error::io::folder().into(),
        io::ErrorKind::NotADirectory => msg::error::io::no_folder().into(),
        io::ErrorKind::AlreadyExists => msg::error::io::exists().into(),
        _ => error.into(),
    }
}
