//! Redact: what must not stand in a report that people pass on. Values of words that name a secret, passwords in addresses, and tokens.

use std::{borrow::Cow, sync::OnceLock};

use regex::Regex;
use serde_json::Value;

/// What stands in place of a secret.
const HIDDEN: &str = "[hidden]";
/// What a secret looks like; the group `keep` stays.
const PATTERNS: [&str; 8] = [
    // password=…, "token": "…", ansible_become_pass: …, --api-key …
    r#"(?i)(?P<keep>[\w.-]*(?:passw(?:or)?d|_pass\b|secret|token|api[_-]?key|private[_-]?key|credential)[\w.-]*["']?\s*(?:[=:]\s*|\s+(?:is\s+)?)["']?)(?P<value>[^\s"',}\]]+)"#,
    // A key or certificate in PEM, from its first line on.
    r"(?s)(?P<keep>-----BEGIN )(?P<value>.*?)(?:-----END [A-Z ]*-----|$)",
    // https://user@host and https://user:password@host
    r"(?P<keep>[a-z][a-z0-9+.-]*://)(?P<value>[^\s/@:]+)@",
    // sshpass -p …, and what else is called a passphrase, a key or authentication.
    r"(?i)(?P<keep>\bsshpass\s+-p\s*)(?P<value>\S+)",
    r#"(?i)(?P<keep>[\w.-]*(?:passphrase|_key|key[_-]?data|\bauth)["']?\s*[=:]\s*["']?)(?P<value>[^\s"',}\]]+)"#,
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

/// Returns of a file's change only what this program changed: no lines of the file around it, and of the changed lines the values of the
/// variables that it writes, by their names. Every other value in an inventory is somebody's own.
pub fn diff(diff: &str) -> String {
    // A file of this program's own is all its own.
    let is_own = diff.lines().any(|line| line.starts_with("+++ /etc/") && (line.contains("/gpunode-") || line.contains("/zz-gpunode-")));
    let mut shows_items = false;
    let mut kept = String::new();
    for line in diff.lines() {
        let is_head = ["+++ ", "--- ", "@@"].iter().any(|start| line.starts_with(start));
        match line.split_at_checked(1) {
            _ if is_head => kept += &format!("{line}\n"),
            Some((sign @ ("+" | "-"), body)) if is_own => kept += &format!("{sign}{body}\n"),
            Some((sign @ ("+" | "-"), body)) => kept += &format!("{sign}{}\n", changed(body, &mut shows_items)),
            _ => shows_items = false,
        }
    }
    kept
}

/// Returns a changed line of an inventory. `shows_items`: the line before was the name of a variable of ours, whose items follow.
fn changed(body: &str, shows_items: &mut bool) -> String {
    let text = body.trim();
    let is_item = text.starts_with("- ") && *shows_items;
    let is_name = text.parse::<crate::input::NodeName>().is_ok();
    let is_section = text.starts_with('[') && text.ends_with(']') && !text.contains(char::is_whitespace);
    if text.is_empty() || is_item || is_name || is_section {
        return body.to_owned();
    }
    let name = text.split_once(':').map_or("", |(name, _)| name.trim_matches(['"', '\'', ' ']));
    *shows_items = crate::kubespray::spec::VariableSpec::of(name).is_some();
    match body.split_once(':') {
        Some(_) if *shows_items => body.to_owned(),
        Some((name, "")) => format!("{name}:"),
        Some((name, _)) if !name.contains(char::is_whitespace) || name.trim_start() == name.trim() => format!("{name}: {HIDDEN}"),
        _ => HIDDEN.to_owned(),
    }
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
            } else if let (true, Some(words)) = (name == "command", field.as_str()) {
                // The words of a program of somebody else may hold anything; its name is what matters.
                *field = words.split_whitespace().next().unwrap_or_default().into();
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

    #[test]
    fn of_a_change_only_our_own_lines_are_shown() {
        let shown = diff(
            "--- a/k8s-cluster.yml\n+++ b/k8s-cluster.yml\n@@ -1,4 +1,5 @@\n kubeadm_certificate_key: abcdef\n-docker_auth: Zm9v\n\
             +docker_auth: YmFy\n+nvidia_accelerator_enabled: true\n+nvidia_gpu_nodes:\n+  - node1\n+gpu-2\n+x ansible_password=y\n client_key_data: LS0t\n",
        );
        for secret in ["abcdef", "Zm9v", "YmFy", "LS0t", "=y"] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
        for ours in ["nvidia_accelerator_enabled: true", "  - node1", "gpu-2", "docker_auth: [hidden]"] {
            assert!(shown.contains(ours), "{ours}: {shown}");
        }
    }

    #[test]
    fn what_is_a_secret_by_its_form_is_hidden() {
        for (before, secret) in [
            ("https://token123@git.local/x.git", "token123"),
            ("sshpass -p hunter2 ssh node1", "hunter2"),
            ("kubeadm_certificate_key: 0123abcd", "0123abcd"),
            ("client_key_data: LS0tLS1", "LS0tLS1"),
            ("passphrase=xyzzy", "xyzzy"),
            ("\"auth\": \"dXNlcjpwdw==\"", "dXNlcjpwdw"),
            ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "MIIEow"),
        ] {
            assert!(!text(before).contains(secret), "{before}: {}", text(before));
        }
    }
}
