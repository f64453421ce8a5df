//! Values written as YAML that PyYAML reads back as they are: every text in double quotes.

use serde_json::Value;

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
    let needs_escape = |c: &char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
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

/// Writes the items of a list, one a line.
pub(super) fn items(items: &[Value], indent: &str) -> Vec<String> {
    items.iter().map(|item| format!("{indent}- {}", inline(item))).collect()
}
