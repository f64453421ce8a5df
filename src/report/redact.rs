//! Redact: what may stand in a report or a recording that people pass on.
//!
//! Nothing passes because it does not look like a secret; it passes because it is known (`words`). Before that, what
//! has the form of a secret is hidden whole, so that not even its known words stay: a key in PEM, the user of an
//! address, the value of an assignment.

use std::{borrow::Cow, collections::HashSet, sync::OnceLock};

use regex::Regex;
use serde_json::Value;

use super::words;
use crate::kubespray::spec::VariableSpec;

/// What stands in place of what is not shown.
const HIDDEN: &str = "[hidden]";
/// What is hidden whole; the group `keep` stays.
const PATTERNS: [&str; 7] = [
    // A key or certificate in PEM, from its first line on.
    r"(?s)(?P<keep>-----BEGIN )(?P<value>.*?)(?:-----END [A-Z ]*-----|$)",
    // https://user@host and https://user:password@host, up to the last `@`: a password may hold one.
    r"(?P<keep>[A-Za-z][A-Za-z0-9+.-]*://)(?P<value>[^\s/]+)@",
    // What follows the `?` or `#` of an address.
    r"(?P<keep>[a-z][a-z0-9+.-]*://[^\s?#]*[?#])(?P<value>\S+)",
    // password=…, "token": "…", --api-key …
    r#"(?i)(?P<keep>[\w.-]*(?:passw(?:or)?d|_pass\b|secret|token|api[_-]?key|private[_-]?key|credential)[\w.-]*["']?\s*(?:[=:]\s*|\s+(?:is\s+)?)["']?)(?P<value>[^\s"',}\]]+)"#,
    r#"(?i)(?P<keep>[\w.-]*(?:passphrase|_key|key[_-]?data|\bauth)["']?\s*[=:]\s*["']?)(?P<value>[^\s"',}\]]+)"#,
    r"(?i)(?P<keep>\bsshpass\s+-p\s*)(?P<value>\S+)",
    // Authorization: Bearer …
    r"(?i)(?P<keep>\b(?:bearer|basic)\s+)(?P<value>\S{6,})",
];

/// Returns `text` without what has the form of a secret; what is known by nothing but its words stays. For files that
/// the kernel makes.
pub fn by_form(text: &str) -> Cow<'_, str> {
    patterns().iter().fold(Cow::Borrowed(text), |text, pattern| {
        match pattern.replace_all(&text, replacement(pattern)) {
            Cow::Borrowed(_) => text,
            Cow::Owned(redacted) => Cow::Owned(redacted),
        }
    })
}

/// Takes out of texts what is not known.
#[derive(Debug, Clone)]
pub struct Redactor {
    names: HashSet<String>,
    /// The text is a file of a machine, picked for a recording: numbers of any length pass, and so do known words
    /// behind `=`.
    is_of_machine: bool,
}

impl Redactor {
    /// Makes one; of `shown`, such as the answers' names and paths, every piece passes.
    pub fn new<'t>(shown: impl IntoIterator<Item = &'t str>) -> Self {
        let pieces = shown.into_iter().flat_map(|text| text.split(|c| !in_chunk(c))).map(trimmed);
        Self {
            names: pieces
                .filter(|piece| !piece.is_empty())
                .chain(["hidden", "C.UTF-8", "default"])
                .map(str::to_owned)
                .collect(),
            is_of_machine: false,
        }
    }

    /// Makes one for the files and outputs of a machine that are recorded: the facts are to come back from what is
    /// kept.
    pub fn of_machine() -> Self {
        Self { is_of_machine: true, ..Self::new([]) }
    }

    /// Returns `text` with what is not known hidden.
    pub fn text(&self, text: &str) -> String {
        let text = by_form(text);
        let text = odd().map_or(Cow::Borrowed(&*text), |odd| odd.replace_all(&text, HIDDEN));
        let mut out = Out::default();
        let mut is_value = false;
        let mut rest = &*text;
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|c| in_chunk(c) != in_chunk(first)).unwrap_or(rest.len());
            let (run, behind) = rest.split_at(end);
            if in_chunk(first) {
                words::alphabets(run).for_each(|part| self.chunk(part, is_value, behind, &mut out));
                is_value = run.ends_with(':') && run.contains('_') && VariableSpec::of(trimmed(run)).is_none();
            } else {
                out.between(run);
                is_value = run.ends_with('=') || (is_value && run.trim_matches(['"', '\'', ' ']).is_empty());
            }
            rest = behind;
        }
        out.text
    }

    /// Writes a chunk down, or that it is hidden. `is_value`: it stands behind `=`, or behind a name with a colon; no
    /// word passes there.
    fn chunk(&self, chunk: &str, is_value: bool, behind: &str, out: &mut Out) {
        let inner = trimmed(chunk);
        let is_size =
            || inner.bytes().all(|byte| byte.is_ascii_digit()) && inner.len() <= 12 && behind.starts_with(" bytes");
        let is_plain = || {
            matches!(inner, "true" | "false" | "yes" | "no" | "none" | "null")
                || inner.starts_with(|c: char| c.is_ascii_digit())
        };
        let may_be_word = !is_value || self.is_of_machine || self.names.contains(inner) || is_plain();
        let passes = words::passes(inner, &self.names) && may_be_word;
        if inner.is_empty()
            || passes
            || is_size()
            || (self.is_of_machine && inner.bytes().all(|byte| byte.is_ascii_digit()))
        {
            return out.shown(chunk);
        }
        match words::version_of(inner).filter(|version| inner[version.len()..].starts_with(['-', '+', '.', '_', '~'])) {
            Some(version) => {
                out.shown(&inner[..=version.len()]);
                out.hidden();
            }
            None => out.hidden(),
        }
    }

    /// As [`Self::text`], for every text of a value, and for the names of variables among its keys.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::String(string) => *string = self.text(string),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => {
                if let Some(Value::Object(variables)) = fields.get_mut("variables") {
                    variables.retain(|name, _| VariableSpec::of(name).is_some());
                }
                fields.iter_mut().for_each(|(name, field)| {
                    let probe = format!("{name}=x");
                    if field.is_string() && by_form(&probe) != probe {
                        *field = HIDDEN.into();
                    } else {
                        self.value(field);
                    }
                });
            }
            _ => {}
        }
    }
}

/// What was let through; hidden pieces with nothing readable between them are one.
#[derive(Default)]
struct Out {
    text: String,
    /// Where the last hidden piece ends, if nothing but punctuation has come since.
    hidden_at: Option<usize>,
}

impl Out {
    fn shown(&mut self, text: &str) {
        self.text.push_str(text);
        self.hidden_at = None;
    }

    fn between(&mut self, text: &str) {
        self.text.push_str(text);
        if text.contains(char::is_whitespace) {
            self.hidden_at = None;
        }
    }

    fn hidden(&mut self) {
        match self.hidden_at {
            Some(end) => self.text.truncate(end),
            None => self.text.push_str(HIDDEN),
        }
        self.hidden_at = Some(self.text.len());
    }
}

/// Tells whether a character belongs to a chunk: what names, versions and numbers are written with.
fn in_chunk(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '~' | ':' | '@' | '%' | '^')
}

/// A sentence's punctuation is none of the chunk's.
fn trimmed(chunk: &str) -> &str {
    chunk.trim_matches(['-', '_', '.', '+', '~', ':', '@', '%', '^'])
}

/// Returns of a file's change only what this program changed: no lines of the file around it, and of the changed lines
/// the values of the variables that it writes, by their names. Every other value in an inventory is somebody's own.
pub fn diff(diff: &str) -> String {
    // A file of this program's own is all its own.
    let is_own = diff
        .lines()
        .any(|line| line.starts_with("+++ /etc/") && (line.contains("/gpunode-") || line.contains("/zz-gpunode-")));
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

/// Returns a changed line of an inventory. `shows_items`: the line before was the name of a variable of ours, whose
/// items follow.
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
        Some((name, _)) if !name.contains(char::is_whitespace) || name.trim_start() == name.trim() => {
            format!("{name}: {HIDDEN}")
        }
        _ => HIDDEN.to_owned(),
    }
}

fn replacement(pattern: &Regex) -> String {
    // The address keeps its `@`, which is part of the match.
    let end = if pattern.as_str().ends_with('@') { "@" } else { "" };
    format!("${{keep}}{HIDDEN}{end}")
}

/// A word with signs inside that no name, version or path has, though a password does: its letters alone may all be
/// known.
fn odd() -> Option<&'static Regex> {
    static ODD: OnceLock<Option<Regex>> = OnceLock::new();
    ODD.get_or_init(|| Regex::new(r#"[^\s"'`(]*[A-Za-z0-9][!*^$&\\]+[^\s"'`)]+"#).ok()).as_ref()
}

fn patterns() -> &'static [Regex] {
    static ALL: OnceLock<Vec<Regex>> = OnceLock::new();
    ALL.get_or_init(|| PATTERNS.iter().filter_map(|pattern| Regex::new(pattern).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> String {
        Redactor::new([]).text(text)
    }

    #[test]
    fn every_pattern_compiles() {
        assert_eq!(patterns().len(), PATTERNS.len());
    }

    #[test]
    fn secrets_go_and_the_rest_stays() {
        for (before, secret, kept) in [
            ("ansible_become_pass: hunter2", "hunter2", ""),
            ("+registry_password: \"installer\"", "installer", ""),
            ("-e vault_token=abc.def", "abc", "-e"),
            ("https://me:pw@mirror.local/x.run", "pw", "https://[hidden]@mirror.local/"),
            ("Authorization: Bearer abcdefghijklmnop", "abcdefghijklmnop", "Authorization: Bearer [hidden]"),
            ("docker login --password hunter2 x", "hunter2", "docker login"),
            ("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJl.c2lnbmF0dXJl", "eyJ", "[hidden]"),
            ("kernel 6.8.0-45-company1x is too new", "company1x", "kernel 6.8.0-45-[hidden] is too new"),
            ("some_key = driver", "driver", "some_key = [hidden]"),
            ("- name: ^A!**A^A!k8$", "A!**A", "- name: ["),
        ] {
            let shown = text(before);
            assert!(!shown.contains(secret) && shown.contains(kept), "{before} became {shown}");
        }
        for same in [
            "https://us.download.nvidia.com/tesla/450.51.06/NVIDIA-Linux-x86_64-450.51.06.run",
            "nvidia_driver_version: \"450.51.06\"",
            "kubectl taint nodes nvidia.com/gpu-",
            "0000:18:00.0 Tesla V100-PCIE-32GB (10de:1db6)",
            "ERROR: Unable to load the kernel module 'nvidia.ko'.",
            "/usr/local/cuda-11.0 has 143102160 bytes, not 5",
            "418.87.00을 제거합니다",
        ] {
            assert_eq!(text(same), same);
        }
    }

    #[test]
    fn fields_that_name_a_secret_are_hidden() {
        let mut json = serde_json::json!({"a": {"bind_password": "x", "list": ["token=y"]}, "n": 1});
        Redactor::new([]).value(&mut json);
        assert_eq!(
            json,
            serde_json::json!({"a": {"bind_password": HIDDEN, "list": [format!("token={HIDDEN}")]}, "n": 1})
        );
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
