//! Redact: what must not stand in a report that people pass on. Values of words that name a secret, passwords in addresses, and tokens.

use std::{borrow::Cow, sync::OnceLock};

use regex::Regex;
use serde_json::Value;

/// What stands in place of a secret.
const HIDDEN: &str = "[hidden]";
/// What a secret looks like; the group `keep` stays.
const PATTERNS: [&str; 4] = [
    // password=…, "token": "…", ansible_become_pass: …, --api-key …
    r#"(?i)(?P<keep>[\w.-]*(?:passw(?:or)?d|_pass\b|secret|token|api[_-]?key|private[_-]?key|credential)[\w.-]*["']?\s*(?:[=:]\s*|\s+(?:is\s+)?)["']?)(?P<value>[^\s"',}\]]+)"#,
    // https://user:password@host
    r"(?P<keep>[a-z][a-z0-9+.-]*://[^\s/:@]+:)(?P<value>[^\s/@]+)@",
    // Authorization: Bearer …
    r"(?i)(?P<keep>\b(?:bearer|basic)\s+)(?P<value>[A-Za-z0-9+/=._-]{12,})",
    // A Kubernetes service account's token.
    r"(?P<keep>)(?P<value>\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)",
];

/// Returns `text` without secrets.
pub fn text(text: &str) -> String {
    patterns().iter().fold(text.to_owned(), |text, pattern| match pattern.replace_all(&text, replacement(pattern)) {
        Cow::Borrowed(_) => text,
        Cow::Owned(redacted) => redacted,
    })
}

/// Takes the secrets out of every text of a value; a field whose name says that it is one is hidden whole.
pub fn value(value: &mut Value) {
    match value {
        Value::String(string) => *string = text(string),
        Value::Array(items) => items.iter_mut().for_each(self::value),
        Value::Object(fields) => fields.iter_mut().for_each(|(name, field)| {
            let probe = format!("{name}=x");
            if field.is_string() && text(&probe) != probe {
                *field = HIDDEN.into();
            } else {
                self::value(field);
            }
        }),
        _ => {}
    }
}

fn replacement(pattern: &Regex) -> String {
    // The address keeps its `@`, which is part of the match.
    let end = if pattern.as_str().ends_with('@') { "@" } else { "" };
    format!("${{keep}}{HIDDEN}{end}")
}

fn patterns() -> &'static [Regex] {
    static ALL: OnceLock<Vec<Regex>> = OnceLock::new();
    ALL.get_or_init(|| PATTERNS.iter().filter_map(|pattern| Regex::new(pattern).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        assert_eq!(patterns().len(), PATTERNS.len());
    }

    #[test]
    fn secrets_go_and_the_rest_stays() {
        for (before, after) in [
            ("ansible_become_pass: hunter2", "ansible_become_pass: [hidden]"),
            ("+registry_password: \"s3cret\"", "+registry_password: \"[hidden]\""),
            ("-e vault_token=abc.def", "-e vault_token=[hidden]"),
            ("https://me:pw@mirror.local/x.run", "https://me:[hidden]@mirror.local/x.run"),
            ("Authorization: Bearer abcdefghijklmnop", "Authorization: Bearer [hidden]"),
            ("docker login --password hunter2 x", "docker login --password [hidden] x"),
            ("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJl.c2lnbmF0dXJl", "[hidden]"),
        ] {
            assert_eq!(text(before), after);
        }
        for same in [
            "https://us.download.nvidia.com/tesla/450.51.06/NVIDIA-Linux-x86_64-450.51.06.run",
            "nvidia_driver_version: \"450.51.06\"",
            "GPU-cbeaa910-0000-0000-0000-000000000000",
            "kubectl taint nodes node1 nvidia.com/gpu-",
        ] {
            assert_eq!(text(same), same);
        }
    }

    #[test]
    fn fields_that_name_a_secret_are_hidden() {
        let mut json = serde_json::json!({"a": {"bind_password": "x", "list": ["token=y"]}, "n": 1});
        value(&mut json);
        assert_eq!(json, serde_json::json!({"a": {"bind_password": HIDDEN, "list": [format!("token={HIDDEN}")]}, "n": 1}));
    }
}
