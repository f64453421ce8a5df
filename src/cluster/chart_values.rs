//! The values of a Helm chart: what is set, why, and how it goes together with what others have set.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What stands in a values file, with a comment for each value that is set for a reason of ours.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChartValues {
    values: Map<String, Value>,
    comments: BTreeMap<String, String>,
}

/// A value that two want differently; the user's counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// The value, its parts between dots.
    pub key: String,
    /// What would have been set.
    pub ours: String,
    /// What the user has set.
    pub theirs: String,
}

impl ChartValues {
    /// Sets a value. The comment stands above it in the file.
    pub fn set(&mut self, key: &str, value: impl Into<Value>, comment: String) {
        let (parents, last) = key.rsplit_once('.').unwrap_or(("", key));
        let mut map = &mut self.values;
        for part in parents.split('.').filter(|part| !part.is_empty()) {
            let entry = map.entry(part).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(inner) = entry else { return };
            map = inner;
        }
        map.insert(last.to_owned(), value.into());
        self.comments.insert(key.to_owned(), comment);
    }

    /// Returns a value by its key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let mut parts = key.split('.');
        let first = self.values.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    }

    /// Returns all values.
    pub fn values(&self) -> Value {
        Value::Object(self.values.clone())
    }

    /// Lays the user's values over these. Theirs count; lists are joined, for Helm itself would replace them. What
    /// both have, and differently, is named.
    pub fn overlay(&mut self, theirs: &Value) -> Vec<Clash> {
        let mut clashes = Vec::new();
        if let Value::Object(map) = theirs {
            overlay(&mut self.values, map, "", &mut clashes);
        }
        clashes
    }

    /// Lays these values over those of an installed release: what nobody wants otherwise stays.
    pub fn over_installed(&mut self, installed: &Value) {
        let Value::Object(installed) = installed else { return };
        let mut below = installed.clone();
        replace(&mut below, &self.values);
        self.values = below;
    }

    /// Writes the file: a head, then every value, with its comment above it.
    pub fn text(&self, head: &str) -> String {
        let mut out: String = head.lines().map(|line| format!("# {line}\n").replace("#  \n", "#\n")).collect();
        write(&self.values, "", 0, &self.comments, &mut out);
        out
    }
}

fn overlay(ours: &mut Map<String, Value>, theirs: &Map<String, Value>, prefix: &str, clashes: &mut Vec<Clash>) {
    for (name, value) in theirs {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match (ours.get_mut(name), value) {
            (Some(Value::Object(inner)), Value::Object(more)) => overlay(inner, more, &key, clashes),
            (Some(Value::Array(own)), Value::Array(more)) => join(own, more, &key, clashes),
            (Some(own), value) => {
                if own != value {
                    clashes.push(clash(&key, own, value));
                }
                *own = value.clone();
            }
            (None, value) => {
                ours.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Elements with a name (variables of an environment) are one by it; others are one if they are the same.
fn join(own: &mut Vec<Value>, more: &[Value], key: &str, clashes: &mut Vec<Clash>) {
    for value in more {
        let name = value.get("name").filter(|name| name.is_string());
        let same = own.iter().position(|other| other == value || name.is_some() && other.get("name") == name);
        match same.and_then(|index| own.get_mut(index)) {
            Some(other) if other == value => {}
            Some(other) => {
                let name = name.and_then(Value::as_str).unwrap_or_default();
                clashes.push(clash(&format!("{key}[{name}]"), other, value));
                *other = value.clone();
            }
            None => own.push(value.clone()),
        }
    }
}

fn clash(key: &str, ours: &Value, theirs: &Value) -> Clash {
    let shown = |value: &Value| crate::text::printable(&value.to_string());
    Clash { key: crate::text::printable(key), ours: shown(ours), theirs: shown(theirs) }
}

/// Puts every value of `over` in the place of what is there; mappings are gone through.
fn replace(map: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (name, value) in over {
        match (map.get_mut(name), value) {
            (Some(Value::Object(inner)), Value::Object(more)) => replace(inner, more),
            _ => {
                map.insert(name.clone(), value.clone());
            }
        }
    }
}

fn write(map: &Map<String, Value>, prefix: &str, depth: usize, comments: &BTreeMap<String, String>, out: &mut String) {
    let indent = "  ".repeat(depth);
    for (name, value) in map {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        for line in comments.get(&key).into_iter().flat_map(|comment| comment.lines()) {
            out.push_str(&format!("{indent}# {line}\n"));
        }
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                out.push_str(&format!("{indent}{}:\n", yaml_key(name)));
                write(inner, &key, depth + 1, comments, out);
            }
            value => {
                let one: BTreeMap<&str, &Value> = [(name.as_str(), value)].into();
                let text = serde_yaml::to_string(&one).unwrap_or_default();
                text.lines().for_each(|line| out.push_str(&format!("{indent}{line}\n")));
            }
        }
    }
}

/// A key as YAML writes it, in quotes where it needs them.
fn yaml_key(name: &str) -> String {
    serde_yaml::to_string(name).unwrap_or_default().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ours() -> ChartValues {
        let mut values = ChartValues::default();
        values.set("driver.enabled", false, "The host has one.".to_owned());
        values.set("toolkit.env", json!([{"name": "A", "value": "true"}]), "Two\nlines".to_owned());
        values.set("daemonsets.tolerations", json!([{"key": "a"}]), String::new());
        values
    }

    #[test]
    fn the_file_says_why_and_reads_back() {
        let text = ours().text("Head\n\nof it");
        assert!(
            text.starts_with("# Head\n") && text.contains("driver:\n  # The host has one.\n  enabled: false\n"),
            "{text}"
        );
        assert!(text.contains("toolkit:\n  # Two\n  # lines\n  env:\n"), "{text}");
        let back: Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(back, ours().values());
    }

    #[test]
    fn the_users_values_count_are_joined_and_clashes_are_named() {
        let mut values = ours();
        let theirs = json!({"driver": {"enabled": true, "version": "580.126.20"}, "mine": {"a: b": "x: # y\n"},
            "toolkit": {"env": [{"name": "A", "value": "false"}, {"name": "B", "value": "1"}]},
            "daemonsets": {"tolerations": [{"key": "b"}, {"key": "a"}]}});
        let clashes = values.overlay(&theirs);
        let keys: Vec<_> = clashes.iter().map(|clash| clash.key.as_str()).collect();
        assert_eq!(keys, ["driver.enabled", "toolkit.env[A]"]);
        assert_eq!(values.get("daemonsets.tolerations"), Some(&json!([{"key": "a"}, {"key": "b"}])));
        assert_eq!(values.get("toolkit.env").unwrap().as_array().map(Vec::len), Some(2));
        assert_eq!(values.get("driver.enabled"), Some(&json!(true)));
        let back: Value = serde_yaml::from_str(&values.text("")).unwrap();
        assert_eq!(back, values.values(), "{}", values.text(""));
    }

    #[test]
    fn what_is_installed_stays_unless_it_is_wanted_otherwise() {
        let mut values = ours();
        values.over_installed(
            &json!({"driver": {"enabled": true, "rdma": {"enabled": true}}, "mig": {"strategy": "mixed"}}),
        );
        assert_eq!(values.get("driver.enabled"), Some(&json!(false)));
        assert_eq!(values.get("driver.rdma.enabled"), Some(&json!(true)));
        assert_eq!(values.get("mig.strategy"), Some(&json!("mixed")));
        values.over_installed(&Value::Null);
        assert_eq!(values.get("mig.strategy"), Some(&json!("mixed")));
    }
}
