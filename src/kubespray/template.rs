//! Templates in values: `{{ name }}` is filled in; anything that needs Jinja itself stays as it is written.

use std::collections::HashMap;

use serde_json::Value;

/// Names that may lead to each other; more is a circle.
const DEPTH_LIMIT: usize = 20;

/// The values that a template can name.
pub type Values = HashMap<String, Value>;

/// Fills in every plain `{{ name }}`, also in lists and mappings. A text that is nothing but one name takes that value's type. A text with
/// anything else of Jinja in it, or with a name that nobody defines, comes back as it is.
pub fn resolve(value: &Value, values: &Values) -> Value {
    resolve_within(value, values, 0)
}

fn resolve_within(value: &Value, values: &Values, depth: usize) -> Value {
    match value {
        Value::String(text) if text.contains("{{") || text.contains("{%") => {
            text_value(text, values, depth).unwrap_or_else(|| value.clone())
        }
        Value::Array(items) => items.iter().map(|item| resolve_within(item, values, depth)).collect(),
        Value::Object(map) => Value::Object(map.iter().map(|(name, item)| (name.clone(), resolve_within(item, values, depth))).collect()),
        other => other.clone(),
    }
}

fn text_value(text: &str, values: &Values, depth: usize) -> Option<Value> {
    if depth > DEPTH_LIMIT {
        return None;
    }
    let lookup = |name: &str| Some(resolve_within(values.get(name)?, values, depth + 1)).filter(|value| !is_template(value));
    let mut out = String::new();
    let mut rest = text;
    while let Some((head, name, tail)) = next_name(rest) {
        let value = lookup(name)?;
        if head.is_empty() && tail.is_empty() && rest.len() == text.len() {
            return Some(value);
        }
        out += head;
        out += &as_text(&value);
        rest = tail;
    }
    out += rest;
    (!is_template(&Value::String(out.clone()))).then_some(Value::String(out))
}

/// Finds the next `{{ name }}`: what stands before it, the name, and what stands behind it. By hand, for a pattern takes longer to compile than all
/// templates to fill in.
fn next_name(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(at) = text[from..].find("{{").map(|at| from + at) {
        let inner = text[at + 2..].trim_start();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, behind) = inner.split_at(inner.find(|c| !is_part(c)).unwrap_or(inner.len()));
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if let (true, Some(tail)) = (is_name, behind.trim_start().strip_prefix("}}")) {
            return Some((&text[..at], name, tail));
        }
        from = at + 1;
    }
    None
}

/// Tells whether a value still needs Jinja.
pub fn is_template(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains("{{") || text.contains("{%"))
}

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
pub fn as_bool(value: &Value) -> bool {
    match value {
        Value::Bool(is) => *is,
        Value::String(text) => matches!(text.to_lowercase().as_str(), "yes" | "on" | "1" | "true" | "t" | "y"),
        Value::Number(number) => number.as_f64() == Some(1.0),
        _ => false,
    }
}

/// Returns the value as a bare `when: name` sees it: Python's truth.
pub fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fills_in_plain_names_only() {
        let values: Values =
            [("a", json!("{{ b }}/x")), ("b", json!(1.5)), ("list", json!([1])), ("c", json!("{{ c }}")), ("t", json!(true))]
                .map(|(name, value)| (name.to_owned(), value))
                .into();
        for (text, expected) in [
            ("{{ list }}", json!([1])),
            ("u/{{a}}-{{ t }}", json!("u/1.5/x-True")),
            ("{{ c }}", json!("{{ c }}")),
            ("{{ missing }}/x", json!("{{ missing }}/x")),
            ("{{ b | int }}", json!("{{ b | int }}")),
            ("{% if b %}x{% endif %}", json!("{% if b %}x{% endif %}")),
            ("{{{ b }}}", json!("{1.5}")),
            ("{{ b }}{{ t }}", json!("1.5True")),
            ("{{b", json!("{{b")),
            ("plain", json!("plain")),
        ] {
            assert_eq!(resolve(&json!(text), &values), expected, "{text}");
        }
    }
}
