//! What a value is in the eyes of Ansible: its text, and whether it is true. `bool` reads words, a bare condition has
//! Python's truth.

use serde_json::Value;

/// Returns the value as Jinja prints it into a text: Python's spelling.
pub fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => "None".to_owned(),
        other => other.to_string(),
    }
}

/// Returns the value as Ansible's filter `bool` sees it.
pub(super) fn as_bool(value: &Value) -> bool {
    match value {
        Value::Bool(is) => *is,
        Value::String(text) => matches!(text.to_lowercase().as_str(), "yes" | "on" | "1" | "true" | "t" | "y"),
        Value::Number(number) => number.as_f64() == Some(1.0),
        _ => false,
    }
}

/// Returns the value as a bare `when: name` sees it: Python's truth.
pub(super) fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}
