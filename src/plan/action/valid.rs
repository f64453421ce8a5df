//! What a parameter of an action may look like when it comes back from a session's file: a value that would be an option, a pattern or
//! another place to the program that it is handed to is refused.

use std::path::{Component, Path};

use super::failure::Failure;
use crate::i18n::{Message, msg};

/// Longest name of a Kubernetes object. Source: RFC 1123, Kubernetes' "Object Names and IDs".
const NAME_LENGTH: usize = 253;

/// A path from the root, of plain parts.
pub fn path(path: &Path) -> Result<(), Failure> {
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let is_printable = path.to_str().is_some_and(|text| !text.chars().any(char::is_control));
    demand(path.is_absolute() && plain && is_printable, msg::failure::wanted::path(), &path.display().to_string())
}

/// As [`path`], if there is one.
pub fn path_if_any(path: Option<&Path>) -> Result<(), Failure> {
    path.map_or(Ok(()), self::path)
}

/// A name of a Kubernetes object: a subdomain of RFC 1123.
pub fn object_name(name: &str) -> Result<(), Failure> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| {
        let ends = [label.bytes().next(), label.bytes().last()].iter().all(|end| end.is_some_and(inner));
        ends && label.bytes().all(|byte| inner(byte) || byte == b'-')
    };
    demand(name.len() <= NAME_LENGTH && name.split('.').all(is_label), msg::failure::wanted::name(), name)
}

/// A word of a program's language that is no option: it begins with a letter or a digit, and has only these and `marks`.
pub fn word(what: Message, text: &str, marks: &str) -> Result<(), Failure> {
    let fits =
        text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c));
    demand(fits && text.len() <= 512, what, text)
}

/// 64 hexadecimal digits.
pub fn sha256(text: &str) -> Result<(), Failure> {
    demand(text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()), msg::failure::wanted::sha256(), text)
}

/// Refuses what does not fit.
pub fn demand(fits: bool, what: Message, text: &str) -> Result<(), Failure> {
    if fits { Ok(()) } else { Err(Failure::new(msg::failure::parameter(format!("{:?}", crate::text::printable(text)), what))) }
}
