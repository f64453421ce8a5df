//! The words of a host line: Python's `shlex.split(line, comments=True)`, and the ranges of host names.

use std::{borrow::Cow, sync::OnceLock};

use regex::Regex;

/// Splits a line into words; the error is Python's.
pub(super) fn split(line: &str) -> Result<Vec<Cow<'_, str>>, &'static str> {
    if !line.bytes().any(|byte| matches!(byte, b'\'' | b'"' | b'\\' | b'#' | b'\x0c')) {
        // Nothing to unquote, as in nearly every line.
        return Ok(line.split_ascii_whitespace().map(Cow::Borrowed).collect());
    }
    unquoted(line).map(|words| words.into_iter().map(Cow::Owned).collect())
}

fn unquoted(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut chars = line.chars();
    // `None` between words; a word that was only quotes is a word too.
    let mut word: Option<String> = None;
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            // Unlike in a shell, a `#` inside a word starts a comment too.
            '#' => break,
            '\\' => word.get_or_insert_default().push(chars.next().ok_or("No escaped character")?),
            '\'' | '"' => quoted(c, &mut chars, word.get_or_insert_default())?,
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(quote: char, chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), &'static str> {
    loop {
        match chars.next().ok_or("No closing quotation")? {
            c if c == quote => return Ok(()),
            '\\' if quote == '"' => {
                let next = chars.next().ok_or("No escaped character")?;
                if next != '\\' && next != quote {
                    word.push('\\');
                }
                word.push(next);
            }
            c => word.push(c),
        }
    }
}

/// Hosts that one pattern may grow to; a slip such as `[1:99999999]` must not eat the memory.
const RANGE_LIMIT: usize = 100_000;
/// Ranges in one pattern.
const RANGES_LIMIT: usize = 16;

/// Expands a host pattern such as `gpu[01:16]` or `rack[a:c]-n[1:9:2]:2222` into names and a port.
/// Source: ansible-core, `parsing/utils/addresses.py` and `expand_hostname_range` of `plugins/inventory/__init__.py`.
pub fn expand_hosts(pattern: &str) -> Result<(Vec<Cow<'_, str>>, Option<u32>), String> {
    if !pattern.bytes().any(|byte| matches!(byte, b'[' | b':')) {
        return Ok((vec![Cow::Borrowed(pattern)], None));
    }
    let (pattern, port) = split_port(pattern);
    let wrong = |what: String| format!("host range `{pattern}`: {what}");
    if pattern.matches('[').count() > RANGES_LIMIT {
        return Err(wrong(format!("more than {RANGES_LIMIT} ranges")));
    }
    let (mut names, mut room) = (Vec::new(), RANGE_LIMIT);
    expand(pattern, &mut names, &mut room).map_err(wrong)?;
    Ok((names.into_iter().map(Cow::Owned).collect(), port))
}

/// Splits a port from `name:22` or `[address]:22`. Where the rest is no name or address, the colon belongs to the name.
fn split_port(pattern: &str) -> (&str, Option<u32>) {
    let Some((host, port)) = pattern.rsplit_once(':') else { return (pattern, None) };
    let Some(port) = port.parse::<u32>().ok().filter(|_| port.bytes().all(|digit| digit.is_ascii_digit())) else {
        return (pattern, None);
    };
    let bracketed = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).filter(|inner| !inner.is_empty());
    let (host, is_whole) = match bracketed {
        Some(inner) => (inner, true),
        None => (host, has_no_bare_colon(host)),
    };
    if is_whole && (names().is_match(host) || is_ipv6(host)) { (host, Some(port)) } else { (pattern, None) }
}

/// Tells whether colons stand only inside complete brackets.
fn has_no_bare_colon(host: &str) -> bool {
    let mut rest = host;
    while let Some(at) = rest.find(['[', ']', ':']) {
        let Some(end) = rest[at..].strip_prefix('[').and_then(|inner| inner.find(']')) else { return false };
        rest = &rest[at + end + 2..];
    }
    true
}

/// Host names and IPv4 addresses, with ranges: labels that do not end with a dash or an underscore.
#[expect(clippy::unwrap_used, reason = "the pattern is a constant, and a test compiles it")]
fn names() -> &'static Regex {
    static NAMES: OnceLock<Regex> = OnceLock::new();
    NAMES.get_or_init(|| {
        let range = r"\[(?:[a-z]:[a-z]|[0-9]+:[0-9]+)(?::[0-9]+)?\]";
        let label = format!(r"(?:(?:\w|{range})(?:[\w-]|{range})*)?(?:[^\W_]|{range})");
        Regex::new(&format!(r"^(?i:{label}(?:\.{label})*)$")).unwrap()
    })
}

/// An address, or one with ranges in place of its parts.
fn is_ipv6(host: &str) -> bool {
    let parts = host.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.' | '[' | ']'));
    host.parse::<std::net::Ipv6Addr>().is_ok() || (parts && host.contains('[') && has_ipv6_colons(host))
}

fn has_ipv6_colons(host: &str) -> bool {
    let mut depth = 0;
    let outside = host.chars().filter(|c| {
        depth += i32::from(*c == '[') - i32::from(*c == ']');
        depth == 0 && *c == ':'
    });
    (2..=7).contains(&outside.count())
}

/// Expands the first range and then, in each name that comes out, the next one.
fn expand(name: &str, names: &mut Vec<String>, room: &mut usize) -> Result<(), String> {
    // Names on the way count too: a last range without items would leave none to count.
    *room = room.checked_sub(1).ok_or_else(|| format!("more than {RANGE_LIMIT} hosts"))?;
    if !name.contains('[') {
        names.push(name.to_owned());
        return Ok(());
    }
    let marked = name.replacen('[', "|", 1).replacen(']', "|", 1);
    let parts: Vec<&str> = marked.split('|').collect();
    let [head, range, tail] = parts[..] else {
        return Err("a bracket is missing, or there is a `|` in the name".to_owned());
    };
    for item in items(range)? {
        expand(&format!("{head}{item}{tail}"), names, room)?;
    }
    Ok(())
}

/// The items of `begin:end` or `begin:end:step`; both ends belong to it.
fn items(range: &str) -> Result<Vec<String>, String> {
    let bounds: Vec<&str> = range.split(':').collect();
    let (begin, end, step) = match bounds[..] {
        [begin, end] => (begin, end, "1"),
        [begin, end, step] => (begin, end, step),
        _ => return Err("expected begin:end or begin:end:step".to_owned()),
    };
    let begin = if begin.is_empty() { "0" } else { begin };
    if end.is_empty() {
        return Err("the end is missing".to_owned());
    }
    let padded = begin.len() > 1 && begin.starts_with('0');
    if padded && begin.chars().count() != end.chars().count() {
        return Err("begin and end need the same length".to_owned());
    }
    let step = step.parse::<i64>().ok().filter(|step| *step != 0).ok_or("the step is not a number other than 0")?;
    // A step downwards finds nothing between two ends that go upwards.
    let stride = usize::try_from(step).ok();
    if let (Some(from), Some(to)) = (LETTERS.find(begin), LETTERS.find(end)) {
        if from > to {
            return Err("begin is behind end".to_owned());
        }
        return Ok(stride
            .map(|stride| LETTERS[from..=to].chars().step_by(stride).map(String::from).collect())
            .unwrap_or_default());
    }
    let (Ok(from), Ok(to)) = (begin.parse::<i64>(), end.parse::<i64>()) else {
        return Err("begin and end are not numbers".to_owned());
    };
    let width = if padded { begin.len() } else { 0 };
    let Some(stride) = stride else { return Ok(Vec::new()) };
    let found: Vec<String> =
        (from..=to).step_by(stride).take(RANGE_LIMIT + 1).map(|number| format!("{number:0width$}")).collect();
    if found.len() > RANGE_LIMIT { Err(format!("more than {RANGE_LIMIT} hosts")) } else { Ok(found) }
}

/// Python's `string.ascii_letters`: small letters come before capitals.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_python_does() {
        let words = |line| split(line).unwrap();
        assert_eq!(words("node1 a=1  # ip=2"), ["node1", "a=1"]);
        assert_eq!(words("n p=foo#bar q=1"), ["n", "p=foo"]);
        assert_eq!(words(r#"n a="x y" b='p "q"' c=d\ e f="\"\d""#), ["n", "a=x y", "b=p \"q\"", "c=d e", r#"f="\d"#]);
        assert!(split("n a='open").is_err());
    }

    #[test]
    fn expands_ranges() {
        let names = |pattern| expand_hosts(pattern).unwrap().0;
        assert_eq!(names("gpu[01:03]"), ["gpu01", "gpu02", "gpu03"]);
        assert_eq!(names("r[a:b]n[1:4:2]"), ["ran1", "ran3", "rbn1", "rbn3"]);
        assert_eq!(expand_hosts("n[1:2]:2222").unwrap(), (vec!["n1".into(), "n2".into()], Some(2222)));
        assert_eq!(expand_hosts("fe80::1").unwrap().0, ["fe80::1"]);
        assert_eq!(expand_hosts("[fe80::1]:22").unwrap(), (vec!["fe80::1".into()], Some(22)));
        assert_eq!(names("n[:2]"), ["n0", "n1", "n2"]);
        assert_eq!(names("n[3:1]"), Vec::<String>::new());
        assert_eq!(expand_hosts("node-:22").unwrap(), (vec!["node-:22".into()], None));
        assert_eq!(expand_hosts("node_1:22").unwrap(), (vec!["node_1".into()], Some(22)));
        assert!(
            expand_hosts("n[1:]").is_err() && expand_hosts("n[1:3:0]").is_err() && expand_hosts("a|b[1:2]").is_err()
        );
        assert!(expand_hosts("n[01:9]").is_err());
        assert!(expand_hosts("n[1:999999999]").is_err());
        assert!(expand_hosts("n[1:2").is_err());
        assert!(expand_hosts("n[2]").is_err());
    }
}
