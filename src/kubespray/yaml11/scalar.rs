//! What PyYAML makes of an unquoted word: the implicit types of YAML 1.1.
//! Source: PyYAML's `resolver.py` and `constructor.py`.

use std::sync::OnceLock;

use regex::Regex;
use serde_json::{Number, Value};

/// Returns what PyYAML makes of an unquoted scalar.
pub fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Value::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Value::Bool(false),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return Value::String(text.to_owned());
    }
    let number = if patterns().float.is_match(text) {
        float(text)
    } else if patterns().int.is_match(text) {
        int(text)
    } else {
        None
    };
    number.or_else(|| timestamp(text)).unwrap_or_else(|| Value::String(text.to_owned()))
}

struct Patterns {
    float: Regex,
    int: Regex,
    time: Regex,
}

#[expect(clippy::unwrap_used, reason = "the patterns are constants, and a test compiles them")]
fn patterns() -> &'static Patterns {
    static PATTERNS: OnceLock<Patterns> = OnceLock::new();
    PATTERNS.get_or_init(|| Patterns {
        float: Regex::new(r"^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$").unwrap(),
        int: Regex::new(r"^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$").unwrap(),
        time: Regex::new(r"^([0-9]{4}-[0-9]{1,2}-[0-9]{1,2})(?:[Tt]|[ \t]+)([0-9]{1,2})(:[0-9]{2}:[0-9]{2})$").unwrap(),
    })
}

fn float(text: &str) -> Option<Value> {
    let (sign, digits) = split_sign(text);
    let digits = digits.replace('_', "").to_lowercase();
    // JSON has no infinity and no NaN; the text is the honest form.
    let number = if digits.ends_with("inf") || digits.ends_with("nan") {
        return Some(Value::String(text.to_owned()));
    } else if digits.contains(':') {
        digits.split(':').try_fold(0.0, |sum: f64, part| Some(sum * 60.0 + part.parse::<f64>().ok()?))?
    } else {
        digits.parse::<f64>().ok()?
    };
    Number::from_f64(if sign { -number } else { number }).map(Value::Number)
}

fn int(text: &str) -> Option<Value> {
    let (negative, digits) = split_sign(text);
    let digits = digits.replace('_', "");
    let number = if let Some(binary) = digits.strip_prefix("0b") {
        i128::from_str_radix(binary, 2).ok()?
    } else if let Some(hex) = digits.strip_prefix("0x") {
        i128::from_str_radix(hex, 16).ok()?
    } else if digits.contains(':') {
        digits.split(':').try_fold(0i128, |sum, part| sum.checked_mul(60)?.checked_add(part.parse().ok()?))?
    } else if digits.len() > 1 && digits.starts_with('0') {
        i128::from_str_radix(&digits, 8).ok()?
    } else {
        digits.parse().ok()?
    };
    integer(if negative { -number } else { number })
}

/// Returns a JSON number; what JSON's integers do not hold becomes a float.
#[expect(clippy::cast_precision_loss, reason = "an integer beyond 64 bits has no exact form in JSON")]
pub fn integer(number: i128) -> Option<Value> {
    i64::try_from(number)
        .map(Value::from)
        .or_else(|_| u64::try_from(number).map(Value::from))
        .ok()
        .or_else(|| Number::from_f64(number as f64).map(Value::Number))
}

/// A date and time comes out of Ansible with a `T`; a date alone as it was written.
fn timestamp(text: &str) -> Option<Value> {
    let found = patterns().time.captures(text)?;
    let hour: u8 = found[2].parse().ok()?;
    Some(Value::String(format!("{}T{hour:02}{}", &found[1], &found[3])))
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_words_as_pyyaml_does() {
        for (text, value) in [
            ("yes", json!(true)),
            ("oN", json!("oN")),
            ("Off", json!(false)),
            ("~", json!(null)),
            ("0644", json!(420)),
            ("0888", json!("0888")),
            ("1_000", json!(1000)),
            ("0x1F", json!(31)),
            ("-0b11", json!(-3)),
            ("450.80", json!(450.8)),
            ("450.51.06", json!("450.51.06")),
            ("12:30:45", json!(45045)),
            ("0000:18:00.0", json!(1080.0)),
            ("1e3", json!("1e3")),
            ("1.5e+3", json!(1500.0)),
            ("2020-07-08", json!("2020-07-08")),
            ("2020-07-08 9:05:00", json!("2020-07-08T09:05:00")),
            ("0", json!(0)),
            ("-", json!("-")),
            (".", json!(".")),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
        ] {
            assert_eq!(plain(text), value, "{text}");
        }
    }
}
