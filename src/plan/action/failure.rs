//! Why an action failed.

use std::{fmt::Display, path::Path};

use crate::{
    error::reason,
    host::{Command, Exit},
    i18n::{Arg, Message, msg},
};

/// Why an action failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A sentence for the journal and the screen.
    pub message: Message,
    /// How its command ended, if it was a command.
    pub exit: Option<Exit>,
}

impl Failure {
    /// Makes a failure from a sentence.
    pub fn new(message: Message) -> Self {
        Self { message, exit: None }
    }

    /// Makes a failure of what another program or the operating system said, in its own words.
    pub fn own_words(words: impl Display) -> Self {
        Self::new(msg::failure::own_words(words))
    }

    /// Makes the failure of a command.
    pub fn command(command: &Command, exit: Exit) -> Self {
        Self { message: msg::failure::command(command, ended(exit)), exit: Some(exit) }
    }
}

/// Returns how a command ended, as part of a sentence.
pub fn ended(exit: Exit) -> Message {
    match exit {
        Exit::Code(code) => msg::failure::exit::code(code),
        Exit::Signal(signal) => msg::failure::exit::signal(signal),
        Exit::TimedOut => msg::failure::exit::timed_out(),
        Exit::Cancelled => msg::failure::exit::stopped(),
        Exit::Unseen => msg::failure::exit::unseen(),
    }
}

/// Returns the failure of a file operation, which `tell` makes of the path and the reason.
pub fn file_failure(tell: impl FnOnce(String, Arg) -> Message, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(tell(path.display().to_string(), reason(error)))
}
