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
    let number = if is_float(text) {
        float(text)
    } else if is_int(text) {
        int(text)
    } else {
        None
    };
    number.or_else(|| timestamp(text)).unwrap_or_else(|| Value::String(text.to_owned()))
}

/// PyYAML's implicit float, by hand: a pattern costs more to compile than a file costs to read.
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let Some((whole, fraction)) = unsigned.split_once('.') else { return false };
    if whole.is_empty() {
        // Without digits in front there is no sign.
        return text.starts_with('.') && fraction.starts_with(|c: char| c.is_ascii_digit()) && is_fraction(fraction);
    }
    match whole.split_once(':') {
        None => is_digits(whole) && is_fraction(fraction),
        Some((first, rest)) => {
            is_digits(first)
                && rest.split(':').all(is_sixtieth)
                && fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_')
        }
    }
}

/// PyYAML's implicit integer.
fn is_int(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let all = |digits: &str, is: fn(u8) -> bool| !digits.is_empty() && digits.bytes().all(|b| is(b) || b == b'_');
    if let Some(binary) = unsigned.strip_prefix("0b") {
        return all(binary, |b| matches!(b, b'0' | b'1'));
    }
    if let Some(hex) = unsigned.strip_prefix("0x") {
        return all(hex, |b| b.is_ascii_hexdigit());
    }
    if let Some(octal) = unsigned.strip_prefix('0') {
        return octal.is_empty() || all(octal, |b| matches!(b, b'0'..=b'7'));
    }
    match unsigned.split_once(':') {
        None => is_digits(unsigned),
        Some((first, rest)) => is_digits(first) && rest.split(':').all(is_sixtieth),
    }
}

/// `[0-9][0-9_]*`
fn is_digits(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}

/// `[0-9_]*([eE][-+][0-9]+)?`
fn is_fraction(text: &str) -> bool {
    let (digits, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let is_exponent = |text: &str| {
        let digits = text.strip_prefix(['-', '+']);
        digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    digits.bytes().all(|b| b.is_ascii_digit() || b == b'_') && exponent.is_none_or(is_exponent)
}

/// `[0-5]?[0-9]`
fn is_sixtieth(text: &str) -> bool {
    matches!(text.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9'])
}

struct Patterns {
    time: Regex,
    day: Regex,
}

#[expect(clippy::unwrap_used, reason = "the patterns are constants, and a test compiles them")]
fn patterns() -> &'static Patterns {
    static PATTERNS: OnceLock<Patterns> = OnceLock::new();
    PATTERNS.get_or_init(|| Patterns {
        time: Regex::new(r"^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[Tt]|[ \t]+)([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]*))?(?:[ \t]*(Z|([-+][0-9]{1,2})(?::([0-9]{2}))?))?$").unwrap(),
        day: Regex::new(r"^([0-9]{4})-([0-9]{2})-([0-9]{2})$").unwrap(),
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

/// A date and time comes out of Ansible in Python's `isoformat`; a date alone as it was written, and so does what is no
/// real date.
fn timestamp(text: &str) -> Option<Value> {
    if !looks_like_date(text) {
        return None;
    }
    let found = patterns().time.captures(text)?;
    let part = |index: usize| found.get(index).map(|part| part.as_str());
    let number = |index: usize| part(index).and_then(|part| part.parse::<i8>().ok());
    let year = part(1)?.parse().ok()?;
    let at = jiff::civil::DateTime::new(year, number(2)?, number(3)?, number(4)?, number(5)?, number(6)?, 0).ok()?;
    // Python keeps six digits of a second, and none when all are 0.
    let micros = format!("{:0<6.6}", part(7).unwrap_or_default());
    let fraction = if micros.bytes().all(|digit| digit == b'0') { String::new() } else { format!(".{micros}") };
    let zone = match (part(8), part(9)) {
        (None, _) => String::new(),
        (Some(_), Some(hours)) => {
            let sign = &hours[..1];
            format!("{sign}{:0>2}:{}", &hours[1..], part(10).unwrap_or("00"))
        }
        (Some(_), None) => "+00:00".to_owned(),
    };
    Some(Value::String(format!("{}{fraction}{zone}", at.strftime("%Y-%m-%dT%H:%M:%S"))))
}

/// Tells whether PyYAML takes an unquoted text for a date and then stops, because no calendar has that day.
pub(super) fn is_impossible_date(text: &str) -> bool {
    if !looks_like_date(text) {
        return false;
    }
    let day = patterns().day.captures(text);
    let parts = day.map(|found| (found[1].parse(), found[2].parse(), found[3].parse()));
    match parts {
        Some((Ok(year), Ok(month), Ok(day))) => jiff::civil::Date::new(year, month, day).is_err(),
        _ => patterns().time.is_match(text) && timestamp(text).is_none(),
    }
}

/// Four digits and a dash.
fn looks_like_date(text: &str) -> bool {
    matches!(text.as_bytes(), [a, b, c, d, b'-', ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_digit()))
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
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
            ("2001-12-14t21:59:43.10-05:00", json!("2001-12-14T21:59:43.100000-05:00")),
            ("2001-12-14 21:59:43.0 Z", json!("2001-12-14T21:59:43+00:00")),
            ("0", json!(0)),
            ("-", json!("-")),
            (".", json!(".")),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
        ] {
            assert_eq!(plain(text), value, "{text}");
        }
        assert!(is_impossible_date("2020-13-01") && is_impossible_date("2020-02-30 10:00:00"));
        assert!(!is_impossible_date("2020-02-29") && !is_impossible_date("1.2"));
    }

    proptest! {
        /// The patterns of PyYAML's `resolver.py`.
        #[test]
        fn numbers_are_those_of_pyyamls_patterns(text in "[-+]?[0-9._:eExbaF]{0,10}") {
            let float = Regex::new(r"^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$").unwrap();
            let int = Regex::new(r"^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$").unwrap();
            prop_assert_eq!(is_float(&text), float.is_match(&text), "{}", text);
            prop_assert_eq!(is_int(&text), int.is_match(&text), "{}", text);
        }
    }
}
