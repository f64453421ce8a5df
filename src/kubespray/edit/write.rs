//! Values written as YAML that PyYAML reads back as they are: every text in double quotes.

use serde_json::{Map, Value};

use crate::kubespray::yaml11::plain;

/// Writes a value on one line.
pub(super) fn inline(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let pairs: Vec<_> = map.iter().map(|(name, item)| format!("{}: {}", quoted(name), inline(item))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        Value::String(text) => quoted(text),
        // JSON's numbers, `true` and `null` are YAML too.
        scalar => scalar.to_string(),
    }
}

/// A text in double quotes. JSON leaves some characters as they are that YAML refuses or takes for the end of a line.
fn quoted(text: &str) -> String {
    let needs_escape =
        |c: &char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    let escaped = |c: char| if needs_escape(&c) { format!("\\u{:04x}", c as u32) } else { c.to_string() };
    Value::from(text).to_string().chars().map(escaped).collect()
}

/// Writes `name: value`, a list or mapping with one line an item, without the last line end.
pub(super) fn block(name: &str, value: &Value, indent: &str, newline: &str) -> String {
    let lines = match value {
        Value::Array(items) if !items.is_empty() => self::items(items, &format!("{indent}  ")),
        Value::Object(map) if !map.is_empty() => {
            map.iter().map(|(key, item)| format!("{indent}  {}: {}", quoted(key), inline(item))).collect()
        }
        value => return format!("{indent}{name}: {}", inline(value)),
    };
    format!("{indent}{name}:{newline}{}", lines.join(newline))
}

/// Writes the items of a list, one a line; of a mapping, one line a key.
pub(super) fn items(items: &[Value], indent: &str) -> Vec<String> {
    items.iter().flat_map(|item| self::item(item, indent)).collect()
}

fn item(item: &Value, indent: &str) -> Vec<String> {
    let Value::Object(map) = item else { return vec![format!("{indent}- {}", inline(item))] };
    let mut lines = members(map, &format!("{indent}  "));
    match lines.first_mut() {
        Some(first) => *first = format!("{indent}- {}", first.trim_start()),
        None => lines.push(format!("{indent}- {{}}")),
    }
    lines
}

/// Writes the keys of a mapping, one a line, mappings within it below them.
pub(super) fn members(map: &Map<String, Value>, indent: &str) -> Vec<String> {
    let member = |(key, value): (&String, &Value)| match value {
        Value::Object(inner) if !inner.is_empty() => {
            let mut lines = vec![format!("{indent}{}:", self::key(key))];
            lines.extend(members(inner, &format!("{indent}  ")));
            lines
        }
        value => vec![format!("{indent}{}: {}", self::key(key), inline(value))],
    };
    map.iter().flat_map(member).collect()
}

/// A key without quotes where nobody could take it for anything but a text.
fn key(key: &str) -> String {
    let is_word = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_word && plain(key).is_string() { key.to_owned() } else { quoted(key) }
}

/// Returns how the lines of a text end.
pub(super) fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}
