//! What a parameter of an action may look like when it comes back from a session's file: a value that would be an
//! option, a pattern or another place to the program that it is handed to is refused.

use std::{path::Path, str::FromStr};

use super::failure::Failure;
use crate::{
    i18n::{Message, msg},
    input::{AbsolutePath, InputError},
};

/// A value of a type that answers have too, by the rule that stands there.
pub fn is<T: FromStr<Err = InputError>>(text: &str) -> Result<(), Failure> {
    text.parse::<T>().map(|_| ()).map_err(|error| Failure::new(error.0))
}

/// A path from the root.
pub fn path(path: &Path) -> Result<(), Failure> {
    path.to_str()
        .map_or_else(|| demand(false, msg::failure::wanted::path(), &path.display().to_string()), is::<AbsolutePath>)
}

/// As [`path`], if there is one.
pub fn path_if_any(path: Option<&Path>) -> Result<(), Failure> {
    path.map_or(Ok(()), self::path)
}

/// A word of a program's language that is no option: it begins with a letter or a digit, and has only these and
/// `marks`.
pub fn word(what: Message, text: &str, marks: &str) -> Result<(), Failure> {
    let fits = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c));
    demand(fits && text.len() <= 512, what, text)
}

/// Refuses what does not fit.
pub fn demand(fits: bool, what: Message, text: &str) -> Result<(), Failure> {
    if fits {
        Ok(())
    } else {
        Err(Failure::new(msg::failure::parameter(format!("{:?}", crate::text::printable(text)), what)))
    }
}
