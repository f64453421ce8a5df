//! The values of Ansible's INI inventories: `ast.literal_eval` of Python, or else the text itself.
//!
//! So `True` is a boolean and `true` a text, `0644` a text and `0o644` a number, `[node1]` a text and `['node1']` a
//! list.

use serde_json::{Map, Number, Value};

use crate::kubespray::yaml11;

/// Deeper nesting than anybody writes on one line; Python gives up as well.
const DEPTH_LIMIT: usize = 50;

/// Returns what Ansible makes of a value in an INI inventory.
pub fn value(text: &str) -> Value {
    let mut reader = Reader { rest: text.trim_start_matches([' ', '\t']) };
    reader.whole().unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Reads one Python expression; `None` is "not a literal".
struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn whole(&mut self) -> Option<Value> {
        let first = self.item(0)?;
        let value = if self.take(',') {
            // A comma alone makes a tuple: `1, 2`.
            let mut items = vec![first];
            while !self.at_end() {
                items.push(self.item(0)?);
                if !self.take(',') {
                    break;
                }
            }
            Value::Array(items)
        } else {
            first
        };
        self.at_end().then_some(value)
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\u{c}']);
        if self.rest.starts_with('#') {
            self.rest = "";
        }
    }

    fn at_end(&mut self) -> bool {
        self.skip_space();
        self.rest.is_empty()
    }

    fn take(&mut self, wanted: char) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn item(&mut self, depth: usize) -> Option<Value> {
        self.skip_space();
        if depth > DEPTH_LIMIT {
            return None;
        }
        let first = self.rest.chars().next()?;
        match first {
            '[' => self.items('[', ']', depth).map(|(items, _)| Value::Array(items)),
            '(' => match self.items('(', ')', depth)? {
                (mut items, false) if items.len() == 1 => items.pop(),
                (items, _) => Some(Value::Array(items)),
            },
            '{' => self.braces(depth),
            '+' | '-' => {
                self.rest = &self.rest[1..];
                self.skip_space();
                let number = self.number()?;
                if first == '-' { negate(&number) } else { Some(number) }
            }
            c if c.is_ascii_digit() || c == '.' => self.number(),
            _ => self.word(),
        }
    }

    /// Reads the items between brackets, and tells whether a comma stood behind the last.
    fn items(&mut self, open: char, close: char, depth: usize) -> Option<(Vec<Value>, bool)> {
        self.take(open);
        let (mut items, mut comma) = (Vec::new(), false);
        while !self.take(close) {
            if !items.is_empty() && !comma {
                return None;
            }
            items.push(self.item(depth + 1)?);
            comma = self.take(',');
        }
        Some((items, comma))
    }

    fn braces(&mut self, depth: usize) -> Option<Value> {
        let start = self.rest;
        self.take('{');
        let mut map = Map::new();
        let mut comma = true;
        while !self.take('}') {
            if !comma {
                return None;
            }
            let key = self.item(depth + 1)?;
            if !self.take(':') {
                // Not a mapping, so a set: JSON writes it as a list.
                self.rest = start;
                return if map.is_empty() {
                    self.items('{', '}', depth).map(|(items, _)| Value::Array(items))
                } else {
                    None
                };
            }
            let key = if let Value::String(text) = key { text } else { key.to_string() };
            map.insert(key, self.item(depth + 1)?);
            comma = self.take(',');
        }
        Some(Value::Object(map))
    }

    fn number(&mut self) -> Option<Value> {
        let body = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let mut end = self.rest.find(|c| !body(c)).unwrap_or(self.rest.len());
        let token = &self.rest[..end];
        let radix = token.len() > 1 && token.starts_with('0') && "xXoObB".contains(token.as_bytes()[1] as char);
        if !radix && token.ends_with(['e', 'E']) && self.rest[end..].starts_with(['+', '-']) {
            let tail = &self.rest[end + 1..];
            end += 1 + tail.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(tail.len());
        }
        let token = &self.rest[..end];
        self.rest = &self.rest[end..];
        number(token)
    }

    fn word(&mut self) -> Option<Value> {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (name, tail) = self.rest.split_at(end);
        if tail.starts_with(['"', '\'']) {
            return self.strings();
        }
        self.rest = tail;
        match name {
            "True" => Some(Value::Bool(true)),
            "False" => Some(Value::Bool(false)),
            "None" => Some(Value::Null),
            _ => None,
        }
    }

    /// Reads texts that stand side by side, which Python joins.
    fn strings(&mut self) -> Option<Value> {
        let mut joined = String::new();
        loop {
            self.skip_space();
            let end = self.rest.find(['"', '\'']).unwrap_or(0);
            let prefix = self.rest[..end].to_lowercase();
            if !matches!(prefix.as_str(), "" | "r" | "u" | "b" | "br" | "rb")
                || !self.rest[end..].starts_with(['"', '\''])
            {
                return (!joined.is_empty() || self.rest.is_empty()).then_some(Value::String(joined));
            }
            self.rest = &self.rest[end..];
            joined += &self.string(prefix.contains('r'))?;
            self.skip_space();
            if !self.rest.starts_with(|c: char| "\"'rRuUbB".contains(c)) {
                return Some(Value::String(joined));
            }
        }
    }

    fn string(&mut self, raw: bool) -> Option<String> {
        let quote = self.rest.chars().next()?;
        let triple: String = [quote; 3].iter().collect();
        let fence = if self.rest.starts_with(&triple) { triple } else { quote.to_string() };
        let mut rest = &self.rest[fence.len()..];
        let mut out = String::new();
        while !rest.starts_with(&fence) {
            let mut chars = rest.chars();
            match chars.next()? {
                '\\' if raw => {
                    out.push('\\');
                    out.push(chars.next()?);
                }
                '\\' => escape(&mut chars, &mut out)?,
                c => out.push(c),
            }
            rest = chars.as_str();
        }
        self.rest = &rest[fence.len()..];
        Some(out)
    }
}

/// Reads what follows a backslash in a Python text.
fn escape(chars: &mut std::str::Chars<'_>, out: &mut String) -> Option<()> {
    let c = chars.next()?;
    let simple = match c {
        '\\' | '\'' | '"' => c,
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        'x' | 'u' | 'U' => {
            let length = match c {
                'x' => 2,
                'u' => 4,
                _ => 8,
            };
            let hex: String = chars.by_ref().take(length).collect();
            (hex.len() == length).then(|| u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32)).flatten()?
        }
        '0'..='7' => {
            let more: String = chars.clone().take(2).take_while(|c| ('0'..='7').contains(c)).collect();
            chars.by_ref().take(more.len()).for_each(drop);
            u32::from_str_radix(&format!("{c}{more}"), 8).ok().and_then(char::from_u32)?
        }
        'N' => return None,
        other => {
            out.push('\\');
            other
        }
    };
    out.push(simple);
    Some(())
}

fn number(token: &str) -> Option<Value> {
    if token.bytes().filter(|b| *b == b'.').count() > 1 {
        // An address or a version.
        return None;
    }
    let underscores_fit = !token.ends_with('_') && !token.contains("__") && !token.starts_with('_');
    let digits = token.replace('_', "").to_lowercase();
    if !underscores_fit {
        return None;
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(body) = digits.strip_prefix(prefix) {
            return i128::from_str_radix(body, radix).ok().and_then(yaml11::integer);
        }
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        let leading_zero = digits.len() > 1 && digits.starts_with('0') && digits.bytes().any(|b| b != b'0');
        return if leading_zero { None } else { digits.parse().ok().and_then(yaml11::integer) };
    }
    let is_float = digits.bytes().all(|b| b.is_ascii_digit() || b".e+-".contains(&b))
        && digits.bytes().any(|b| b.is_ascii_digit());
    let float: f64 = is_float.then(|| digits.parse().ok()).flatten()?;
    Number::from_f64(float).map(Value::Number)
}

fn negate(number: &Value) -> Option<Value> {
    match number.as_i64() {
        Some(whole) => yaml11::integer(-i128::from(whole)),
        None => Number::from_f64(-number.as_f64()?).map(Value::Number),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_as_literal_eval() {
        for (text, expected) in [
            ("True", json!(true)),
            ("true", json!("true")),
            ("None", json!(null)),
            ("0644", json!("0644")),
            ("0o644", json!(420)),
            ("1_000", json!(1000)),
            ("450.80", json!(450.8)),
            ("450.51.06", json!("450.51.06")),
            ("-5 # comment", json!(-5)),
            ("1e3", json!(1000.0)),
            ("1e-3", json!(0.001)),
            ("node1 # why", json!("node1 # why")),
            ("[node1]", json!("[node1]")),
            ("['node1', \"n2\",]", json!(["node1", "n2"])),
            ("{'a': [1, (2,)], 'b': {}}", json!({"a": [1, [2]], "b": {}})),
            ("(1)", json!(1)),
            ("1, 2", json!([1, 2])),
            ("'a' \"b\"", json!("ab")),
            ("r'\\d' '\\x41\\101'", json!("\\dAA")),
            ("\"-s overlay2\"", json!("-s overlay2")),
            ("-s overlay2", json!("-s overlay2")),
            ("", json!("")),
            ("''", json!("")),
            ("'open", json!("'open")),
            ("10.10.1.3", json!("10.10.1.3")),
            ("a=b", json!("a=b")),
            ("1 2", json!("1 2")),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[0-9a-fxobeTrueN_.,:'\"\\\\\\[\\](){}# +\\-é가]{0,30}") {
            let _ = value(&text);
        }
    }
}
