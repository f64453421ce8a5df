//! The words of a host line: Python's `shlex.split(line, comments=True)`, and the ranges of host names.

/// Splits a line into words; the error is Python's.
pub fn split(line: &str) -> Result<Vec<String>, &'static str> {
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

/// Expands a host pattern such as `gpu[01:16]` or `rack[a:c]-n[1:9:2]:2222` into names and a port.
pub fn expand_hosts(pattern: &str) -> Result<(Vec<String>, Option<u16>), String> {
    let (pattern, port) = split_port(pattern);
    let mut names = vec![pattern.to_owned()];
    while let Some(first) = names.iter().find(|name| name.contains('[')) {
        let room = RANGE_LIMIT / names.len();
        let spread = expand_first(first, room)?;
        let tail_count = names.len() * spread.len();
        if tail_count > RANGE_LIMIT {
            return Err(format!("`{pattern}` is more than {RANGE_LIMIT} hosts"));
        }
        names = names.iter().map(|name| expand_first(name, room)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    }
    Ok((names, port))
}

/// Splits a port from `name:22` or `[address]:22`; a colon inside a range or an IPv6 address is none.
fn split_port(pattern: &str) -> (&str, Option<u16>) {
    let split = pattern.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    match split {
        Some((host, port)) if host.starts_with('[') && host.ends_with(']') => (&host[1..host.len() - 1], Some(port)),
        Some((host, port)) if !outside_brackets(host).contains(':') && host.matches('[').count() == host.matches(']').count() => {
            (host, Some(port))
        }
        _ => (pattern, None),
    }
}

fn outside_brackets(text: &str) -> String {
    let mut inside = false;
    text.chars()
        .filter(|c| {
            match c {
                '[' => inside = true,
                ']' => inside = false,
                _ => {}
            }
            !inside
        })
        .collect()
}

fn expand_first(name: &str, room: usize) -> Result<Vec<String>, String> {
    let wrong = |what: &str| Err(format!("host range `{name}`: {what}"));
    let Some((head, rest)) = name.split_once('[') else { return Ok(vec![name.to_owned()]) };
    let Some((range, tail)) = rest.split_once(']') else { return wrong("a `]` is missing") };
    let bounds: Vec<&str> = range.split(':').collect();
    let (begin, end, step) = match bounds[..] {
        [begin, end] => (begin, end, "1"),
        [begin, end, step] => (begin, end, step),
        _ => return wrong("expected begin:end or begin:end:step"),
    };
    let begin = if begin.is_empty() { "0" } else { begin };
    let Some(step) = step.parse::<usize>().ok().filter(|step| *step > 0) else { return wrong("the step is not a number above 0") };
    let items: Vec<String> = if let (Some(from), Some(to)) = (letter(begin), letter(end)) {
        if from > to {
            return wrong("begin is behind end");
        }
        (from..=to).step_by(step).map(|at| char::from(LETTERS[at]).to_string()).collect()
    } else {
        let padded = begin.len() > 1 && begin.starts_with('0');
        if padded && begin.len() != end.len() {
            return wrong("begin and end need the same length");
        }
        let (Ok(from), Ok(to)) = (begin.parse::<u64>(), end.parse::<u64>()) else { return wrong("begin and end are not numbers") };
        let width = if padded { begin.len() } else { 0 };
        (from..=to).step_by(step).take(room + 1).map(|number| format!("{number:0width$}")).collect()
    };
    if items.len() > room {
        return wrong("too many hosts");
    }
    Ok(items.into_iter().map(|item| format!("{head}{item}{tail}")).collect())
}

/// Python's `string.ascii_letters`: small letters come before capitals.
const LETTERS: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

fn letter(text: &str) -> Option<usize> {
    match text.as_bytes() {
        [only] => LETTERS.iter().position(|letter| letter == only),
        _ => None,
    }
}

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
        assert_eq!(expand_hosts("n[1:2]:2222").unwrap(), (vec!["n1".to_owned(), "n2".to_owned()], Some(2222)));
        assert_eq!(expand_hosts("fe80::1").unwrap().0, ["fe80::1"]);
        assert_eq!(expand_hosts("[fe80::1]:22").unwrap(), (vec!["fe80::1".to_owned()], Some(22)));
        assert!(expand_hosts("n[01:9]").is_err());
        assert!(expand_hosts("n[1:999999999]").is_err());
        assert!(expand_hosts("n[1:2").is_err());
        assert!(expand_hosts("n[2]").is_err());
    }
}
