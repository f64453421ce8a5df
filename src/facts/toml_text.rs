//! Reads TOML.

use toml::{Table, de::Error};

use crate::text::printable;

/// Returns what a text says; the error is the parser's, in one line.
pub(super) fn table(text: &str) -> Result<Table, String> {
    text.parse().map_err(|error: Error| printable(&error.message().replace('\n', " ")))
}

/// Returns the value of the first `key = "value"` of a TOML file that is not commented out; an empty one means the
/// default.
pub fn parse_toml(text: &str, key: &str) -> Option<String> {
    let value = |line: &str| {
        let value = line.trim_start().strip_prefix(key)?.trim_start().strip_prefix('=')?.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        Some(value[1..].split(quote).next()?.to_owned()).filter(|value| !value.is_empty())
    };
    text.lines().find_map(value).map(|value| printable(&value))
}
