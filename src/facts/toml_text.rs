//! Reads TOML.

use toml::{Table, de::Error};

use crate::text::printable;

/// Returns what a text says; the error is the parser's, in one line.
pub(super) fn table(text: &str) -> Result<Table, String> {
    text.parse().map_err(|error: Error| printable(&error.message().replace('\n', " ")))
}
