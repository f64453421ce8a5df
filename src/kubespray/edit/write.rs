//! Values written as YAML that PyYAML reads back as they are: every text in double quotes.

use serde_json::Value;

/// Writes a value on one line.
pub fn inline(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let pairs: Vec<_> = map.iter().map(|(name, item)| format!("{}: {}", Value::from(name.as_str()), inline(item))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        // JSON's quoted texts, numbers, `true` and `null` are YAML too.
        scalar => scalar.to_string(),
    }
}

/// Writes `name: value`, a list or mapping with one line an item, without the last line end.
pub fn block(name: &str, value: &Value, indent: &str, newline: &str) -> String {
    let lines = match value {
        Value::Array(items) if !items.is_empty() => self::items(items, &format!("{indent}  ")),
        Value::Object(map) if !map.is_empty() => {
            map.iter().map(|(key, item)| format!("{indent}  {}: {}", Value::from(key.as_str()), inline(item))).collect()
        }
        value => return format!("{indent}{name}: {}", inline(value)),
    };
    format!("{indent}{name}:{newline}{}", lines.join(newline))
}

/// Writes the items of a list, one a line.
pub fn items(items: &[Value], indent: &str) -> Vec<String> {
    items.iter().map(|item| format!("{indent}- {}", inline(item))).collect()
}
