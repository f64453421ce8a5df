//! What stands before a message on its line: times, hosts, pods, log levels' headers, frames, line numbers. All of it
//! is taken off in one place, because it would stand in the middle of a message that its program wrapped over several
//! lines.
//!
//! What no rule here knows is found by [`shared`]: the words that a line begins with like the line before it are a
//! prefix too.

use std::{borrow::Cow, sync::OnceLock};

use regex::Regex;

/// A line's own words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bare<'l> {
    pub text: Cow<'l, str>,
    /// Whether the kernel says it.
    pub kernel: bool,
}

/// How many prefixes are taken off one line: more than any chain of tools puts there.
const DEPTH: usize = 10;

/// A prefix, up to the place where the next one or the message begins.
struct Prefix {
    /// The bytes that it may begin with.
    first: fn(u8) -> bool,
    /// A word that it holds: most lines are told from it by that, and a regular expression is slow.
    needs: &'static str,
    pattern: &'static str,
}

const fn prefix(first: fn(u8) -> bool, needs: &'static str, pattern: &'static str) -> Prefix {
    Prefix { first, needs, pattern }
}

fn any(_: u8) -> bool {
    true
}

fn digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

fn frame(byte: u8) -> bool {
    !byte.is_ascii() || matches!(byte, b'|' | b'>')
}

fn severity(byte: u8) -> bool {
    matches!(byte, b'I' | b'W' | b'E' | b'F')
}

fn month(byte: u8) -> bool {
    matches!(byte, b'J' | b'F' | b'M' | b'A' | b'S' | b'O' | b'N' | b'D')
}

/// Where each comes from: a terminal's frame, quoted mail and Markdown; logrus; `kubectl logs --timestamps`, the
/// container runtimes' files (CRI), `journalctl -o short-iso` and Go's log package; syslog and `journalctl`, with host
/// and program; klog; `dmesg` with -r, -x and
/// -T; `kubectl logs --prefix`; stern; `grep -n` and `grep -Hn`; docker compose.
const PREFIXES: [Prefix; 14] = [
    prefix(frame, "", r"^[│┃║▏▎|>¦]\s?"),
    prefix(any, "time=\"", r#"^time="[^"]*" "#),
    prefix(
        digit,
        ":",
        r"^\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?(?:\s|:\s|$)(?:(?:stdout|stderr) [FP] )?",
    ),
    prefix(month, ":", r"^(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 0-9]\d \d\d:\d\d:\d\d(?:\.\d+)? "),
    prefix(any, "]: ", r"^[\w.-]+ [\w./@-]+\[\d+\]: "),
    prefix(any, ": ", r"^[\w.-]+ (?:kernel|systemd|kubelet|containerd|dockerd|crio|cri-dockerd): "),
    prefix(severity, "] ", r"^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+\s+\d+ [^\s\]]+\] "),
    prefix(|byte| byte == b'<', ">", r"^<\d{1,3}>"),
    prefix(any, ": ", r"^(?:kern|user|daemon|syslog)\s*:(?:emerg|alert|crit|err|warn|notice|info|debug)\s*: "),
    prefix(
        |byte| byte == b'[',
        "]",
        r"^\[(?:\s*\d+\.\d+|[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9]\d [\d:]{8} \d{4}|\d{4}-\d\d-\d\d[^\]]*|[a-z-]+/[^\s\]]+)\]\s?",
    ),
    prefix(any, " › ", r"^(?:\S+\s)?\S+ › "),
    // The first group is all of it: a time of day begins with a number and a colon too.
    prefix(digit, "", r"^(\d{1,9}[:-])(?:\D|$)"),
    prefix(any, ":", r"^(\S*(?:\.(?:log|txt|out|err)(?:\.\d+)?|messages|syslog|dmesg):(?:\d{1,9}[:-])?)(?:\D|$)"),
    prefix(any, "| ", r"^[\w.-]+\s+\| "),
];

/// Returns a line without what stands before (and, for a frame, behind) its words.
pub(super) fn strip(line: &str) -> Bare<'_> {
    if let Some(log) = docker_json(line) {
        let inner = strip(&log);
        return Bare { text: Cow::Owned(inner.text.into_owned()), kernel: inner.kernel };
    }
    let (rest, kernel) = peel(line);
    if let Some(message) = logfmt(rest) {
        let inner = strip(&message);
        return Bare { text: Cow::Owned(inner.text.into_owned()), kernel: kernel || inner.kernel };
    }
    let rest = unquoted(rest.trim_end_matches(['│', '┃', '║', '|', ' ']));
    Bare { text: event_row(rest).map_or(Cow::Borrowed(rest), Cow::Owned), kernel }
}

/// Returns the words of one line of a list, as Ansible writes what a program printed: `"ERROR: x",`.
fn unquoted(line: &str) -> &str {
    let inner = line.strip_prefix('"').and_then(|rest| rest.strip_suffix("\",").or_else(|| rest.strip_suffix('"')));
    inner.filter(|inner| !inner.is_empty() && !inner.replace("\\\"", "").contains('"')).unwrap_or(line)
}

/// Takes all known prefixes off; tells whether one of them is the kernel's.
fn peel(line: &str) -> (&str, bool) {
    let mut kernel = false;
    let mut rest = line.trim();
    for _ in 0..DEPTH {
        let Some(next) = without_one(rest) else { break };
        let taken = &rest[..rest.len() - next.len()];
        kernel |= taken.contains(" kernel: ") || is_kernel_time(taken);
        rest = next.trim();
    }
    (rest, kernel)
}

/// Returns a line's own words: without what it begins with like the line before it, and without the known prefixes
/// behind that.
pub(super) fn own<'l>(before: &str, line: &'l str) -> &'l str {
    let (mut before, mut line) = (before, line);
    for _ in 0..DEPTH {
        let (old, new) = shared(before, line);
        if new == 0 {
            break;
        }
        (before, line) = (peel(&before[old..]).0, peel(&line[new..]).0);
    }
    line
}

/// Takes one prefix off; nothing where none stands.
fn without_one(line: &str) -> Option<&str> {
    static PATTERNS: OnceLock<Vec<Option<Regex>>> = OnceLock::new();
    let patterns = PATTERNS.get_or_init(|| PREFIXES.iter().map(|prefix| Regex::new(prefix.pattern).ok()).collect());
    let first = *line.as_bytes().first()?;
    let head = &line[..line.floor_char_boundary(200)];
    let prefix = PREFIXES.iter().zip(patterns).find_map(|(prefix, pattern)| {
        let may_be = (prefix.first)(first) && head.contains(prefix.needs);
        pattern.as_ref().filter(|_| may_be)?.captures(line)
    })?;
    line.get(prefix.get(1).unwrap_or(prefix.get_match()).end()..)
}

/// `[  315.100100] ` as dmesg writes it.
fn is_kernel_time(taken: &str) -> bool {
    let inner = taken.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).map(str::trim);
    inner.is_some_and(|time| time.contains('.') && time.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}

/// Returns the words of a line of docker's json-file log.
fn docker_json(line: &str) -> Option<String> {
    if !line.starts_with(r#"{"log":""#) {
        return None;
    }
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    Some(crate::text::printable(value.get("log")?.as_str()?))
}

/// Returns the words of a line of `key=value` pairs, as logrus and Go's slog write it: the message, and behind it what
/// its fields say, for the cause stands in `error=` as often as in `msg=`. A line of one pair, or with words outside of
/// pairs, is none.
fn logfmt(line: &str) -> Option<String> {
    const MESSAGE: [&str; 2] = ["msg", "message"];
    const CAUSE: [&str; 4] = ["error", "err", "reason", "stderr"];
    if !line.contains("msg=") && !line.contains("message=") {
        return None;
    }
    let pairs = pairs(line)?;
    let value = |names: &[&str]| pairs.iter().find(|(key, _)| names.contains(key)).map(|(_, value)| value.as_str());
    let message = value(&MESSAGE).filter(|_| pairs.len() > 1)?;
    let level = value(&["level", "lvl", "severity"]).map(str::to_lowercase).unwrap_or_default();
    // The level is part of what is said: a message that names no failure may be one.
    let is_named = message.to_lowercase().contains("error") || message.to_lowercase().contains("fail");
    let start = if matches!(level.as_str(), "error" | "fatal" | "panic") && !is_named { "ERROR: " } else { "" };
    let cause = value(&CAUSE).filter(|cause| !message.contains(*cause)).map(|cause| format!(": {cause}"));
    Some(format!("{start}{message}{}", cause.unwrap_or_default()))
}

/// Reads a line that is nothing but pairs of a name and a value, which may be quoted as Go does.
fn pairs(line: &str) -> Option<Vec<(&str, String)>> {
    let mut pairs = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (key, behind) = rest.split_once('=')?;
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-/@".contains(&byte)) {
            return None;
        }
        let plain = || {
            let end = behind.find(' ').unwrap_or(behind.len());
            Some((behind[..end].to_owned(), &behind[end..]))
        };
        let (value, behind) = behind.strip_prefix('"').map_or_else(plain, unescaped)?;
        pairs.push((key, value));
        rest = behind.trim_start();
    }
    Some(pairs)
}

/// Reads a quoted value up to its end; a line that was cut off ends it too.
fn unescaped(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' | 't' | 'r' => value.push(' '),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    Some((value, ""))
}

/// Writes a row of `kubectl describe` or `kubectl get events` as `Reason: message`, without the columns between.
fn event_row(line: &str) -> Option<String> {
    static ROW: OnceLock<Option<Regex>> = OnceLock::new();
    if !line.contains("Warning") && !line.contains("Normal") {
        return None;
    }
    let age = r"(?:(?:\d+[smhdy])+|<unknown>|<invalid>)(?:\s+\(x\d+ over (?:\d+[smhdy])+\))?";
    let pattern = format!(
        r"^(?:(?:[a-z0-9.-]+\s+)?{age}\s+)?(?:Warning|Normal)\s+(?P<reason>[A-Z][A-Za-z]+)\s+(?:{age}\s+[a-z][\w./-]*(?:, [\w.-]+)?\s+|[a-z]+/\S+\s+)?(?P<message>.*)$"
    );
    let row = ROW.get_or_init(|| Regex::new(&pattern).ok()).as_ref()?.captures(line)?;
    Some(format!("{}: {}", &row["reason"], &row["message"]))
}

/// Returns how much of two lines is a prefix because they begin alike; numbers count as alike. Only what ends like a
/// prefix does (`node1 | `, `NVRM: `, `[x] `), or is the name of a pod or container, is one: wrapped lines of prose may
/// begin with the same word.
fn shared(before: &str, line: &str) -> (usize, usize) {
    let (mut old, mut new) = (before.char_indices().peekable(), line.char_indices().peekable());
    let (mut ends, mut last, mut word) = ((0, 0), ' ', 0);
    while let (Some((from, a)), Some((at, b))) = (old.next(), new.next()) {
        if a.is_ascii_digit() && b.is_ascii_digit() {
            while old.next_if(|(_, c)| c.is_ascii_digit()).is_some() {}
            while new.next_if(|(_, c)| c.is_ascii_digit()).is_some() {}
        } else if a != b {
            break;
        }
        if b == ' ' {
            if (!last.is_alphabetic() && last != ',' && last != '.') || is_name(&line[word..at]) {
                ends = (from + 1, at + 1);
            }
            word = at + 1;
        }
        last = b;
    }
    if ends.1 < line.len() { ends } else { (0, 0) }
}

/// Tells whether a word is a name as Kubernetes gives them, which stern and k9s put before every line.
fn is_name(word: &str) -> bool {
    word.contains('-')
        && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:/".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One message behind every prefix, and behind chains of them.
    #[test]
    fn a_prefix_hides_nothing() {
        let message = "ERROR: An NVIDIA kernel module 'nvidia' appears to already";
        for prefix in [
            "",
            "   ",
            "│ ",
            "> > ",
            "| ",
            "12:",
            "12-",
            "installer.log:12:",
            "/var/log/messages:7:",
            "2026-11-23T20:59:06.100000000Z ",
            "2026-11-23T20:59:06.1Z stdout F ",
            "2026-11-23 20:59:06,123 ",
            "2024/01/04 07:43:58 ",
            "Nov 27 17:29:49 node1 installer[812]: ",
            "Nov  7 17:29:49 node1 kernel: ",
            "2026-11-27T17:29:49+0000 node1 kernel: ",
            "Nov 27 17:29:49 node1 kernel: [  315.100000] ",
            "[  315.100000] ",
            "[Fri Nov 27 17:17:08 2026] ",
            "<4>[  315.100000] ",
            "kern  :err   : [  315.100000] ",
            "I0304 10:00:00.000001       1 main.go:256] ",
            "[pod/nvidia-driver-installer-abcde/nvidia-driver-installer] ",
            "[pod/nvidia-driver-installer-abcde/nvidia-driver-installer] 2026-11-23T20:59:06.100000000Z ",
            "│ > 14:[pod/a/b] 2026-11-23T20:59:06.1Z stderr F [  315.100000] ",
            "installer-1  | ",
            "kube-system nvidia-driver-installer-abcde › ",
        ] {
            assert_eq!(strip(&format!("{prefix}{message}")).text, message, "{prefix:?}");
        }
        assert_eq!(strip(&format!("│ {message}      │")).text, message);
        assert_eq!(strip(&format!("        \"{message}\",")).text, message);
        assert_eq!(strip("\"nvidia\" is unknown").text, "\"nvidia\" is unknown");
        let docker = r#"{"log":"[  3.1] NVRM: GPU \"x\"\n","stream":"stderr","time":"2026-11-23T20:59:06.1Z"}"#;
        assert_eq!(strip(docker), Bare { text: "NVRM: GPU \"x\"".into(), kernel: true });
    }

    #[test]
    fn pairs_of_names_and_values_are_read_for_their_message() {
        for (line, text) in [
            (
                r#"level=error msg="no runtime for \"nvidia\" is configured" pod=a"#,
                r#"ERROR: no runtime for "nvidia" is configured"#,
            ),
            (
                r#"time="2026-11-23T20:59:06Z" level=info msg="Driver is not pre-installed""#,
                "Driver is not pre-installed",
            ),
            (r#"time=2026-11-23T20:59:06Z level=ERROR source=main.go:1 msg="x failed" err="a: b""#, "x failed: a: b"),
            (r#"[pod/a/b] level=warning msg="NVRM: GPU 0000:18:00.0" error=busy"#, "NVRM: GPU 0000:18:00.0: busy"),
            (r#"node1 containerd[812]: time="x" level=error msg="a\nb: failed" error="cut of"#, "a b: failed: cut of"),
            ("lvl=fatal message=boom", "ERROR: boom"),
            // What only looks like it.
            ("make KERNEL=/lib/modules msg=x here", "make KERNEL=/lib/modules msg=x here"),
            ("msg=alone", "msg=alone"),
            ("=x msg=y", "=x msg=y"),
        ] {
            assert_eq!(strip(line).text, text, "{line}");
        }
    }

    #[test]
    fn a_message_is_no_prefix() {
        for message in [
            "modprobe: FATAL: Module nvidia not found in directory /lib/modules/6.1.0",
            "nvidia/nv-caps.c:567:5: error: implicit declaration of function 'sys_close'",
            "make[3]: *** [scripts/Makefile.build:288: nvidia/nv-caps.o] Error 1",
            "0/3 nodes are available: 1 node(s) had untolerated taint {gpu: }",
            "curl: (22) The requested URL returned error: 404",
            "[ERROR]: Install of 530.30.02 failed, quitting",
            "/bin/sh: 1: python3: not found",
            "470.57.02 is not supported",
            "daemonset/nvidia-driver-installer DESIRED 0",
        ] {
            assert_eq!(strip(message).text, message);
        }
    }

    #[test]
    fn the_kernel_is_told_from_others() {
        assert!(strip("[  315.100000] NVRM: x").kernel && strip("Nov 27 17:29:49 node1 kernel: NVRM: x").kernel);
        assert!(!strip("[pod/a/b] x").kernel && !strip("Nov 27 17:29:49 node1 kubelet[1]: x").kernel);
    }

    #[test]
    fn rows_of_events_lose_their_columns() {
        for row in [
            "  Warning  UnexpectedAdmissionError  2m  kubelet  Allocate failed",
            "  Warning  UnexpectedAdmissionError  3s (x6 over 68s)   kubelet, node1            Allocate failed",
            "2m3s        Warning   UnexpectedAdmissionError   pod/cuda-probe   Allocate failed",
            "gpu-operator   2m3s (x2 over 5m)   Warning   UnexpectedAdmissionError   pod/cuda-probe   Allocate failed",
        ] {
            assert_eq!(strip(row).text, "UnexpectedAdmissionError: Allocate failed", "{row}");
        }
        assert_eq!(strip("Warning: this is prose").text, "Warning: this is prose");
    }

    #[test]
    fn what_two_lines_begin_with_is_a_prefix() {
        for (before, line, rest) in [
            (
                "NVRM: installed in this system is not supported by the",
                "NVRM: NVIDIA 550.90.07 driver release.",
                "NVIDIA 550.90.07 driver release.",
            ),
            ("node9 ~ 99) ERROR: An NVIDIA", "node9 ~ 100) kernel module", "kernel module"),
            ("the kernel was built", "the compiler differs", "the compiler differs"),
            (
                "kube-system a-pod-x7k2p the-container ERROR: An NVIDIA",
                "kube-system a-pod-x7k2p the-container your kernel",
                "your kernel",
            ),
            ("free-form prose goes on", "free words", "free words"),
            ("a: same", "a: same", "same"),
            ("x) [ 9000.1] NVRM: API mismatch, but", "x) NVRM: this kernel", "this kernel"),
        ] {
            assert_eq!(own(before, line), rest);
        }
    }
}
