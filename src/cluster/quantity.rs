//! Quantities as Kubernetes writes them: `150m`, `30Mi`, `24684084Ki`, `1`, `1e3`.

use std::collections::BTreeMap;

use serde_json::Value;

/// Amounts by resource, in thousandths.
pub type Amounts = BTreeMap<String, i128>;

/// Suffixes and their factors in thousandths. Source: Kubernetes' `resource.Quantity`.
const SUFFIXES: [(&str, i128); 14] = [
    ("Ki", 1000 << 10),
    ("Mi", 1000 << 20),
    ("Gi", 1000 << 30),
    ("Ti", 1000 << 40),
    ("Pi", 1000 << 50),
    ("Ei", 1000 << 60),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000_000),
    ("", 1000),
];

/// Reads a quantity in thousandths; nothing if it is none. What is smaller than a thousandth is rounded up, as
/// Kubernetes does.
pub fn parse(text: &str) -> Option<i128> {
    let text = text.trim();
    if let Some((mantissa, exponent)) = text.split_once(['e', 'E']).filter(|(_, exponent)| !exponent.is_empty()) {
        let factor = 10i128.checked_pow(exponent.trim_start_matches('+').parse().ok()?)?;
        return scaled(mantissa, factor.checked_mul(1000)?);
    }
    let (suffix, factor) = SUFFIXES.iter().find(|(suffix, _)| text.ends_with(suffix))?;
    scaled(text.strip_suffix(suffix)?, *factor)
}

/// Multiplies a decimal number without going through floating point.
fn scaled(number: &str, factor: i128) -> Option<i128> {
    let (sign, number) =
        number.strip_prefix('-').map_or((1, number.strip_prefix('+').unwrap_or(number)), |number| (-1, number));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || fraction.len() > 15 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let product = digits.parse::<i128>().ok()?.checked_mul(factor)?;
    let divisor = 10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    Some(sign * (product / divisor + i128::from(product % divisor != 0)))
}

/// Reads the quantities of an object; those that cannot be read are left out.
pub fn amounts(map: &BTreeMap<String, Value>) -> Amounts {
    let read =
        |value: &Value| value.as_str().map_or_else(|| value.as_i64().map(|number| i128::from(number) * 1000), parse);
    map.iter().filter_map(|(name, value)| Some((name.clone(), read(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_kubernetes_writes() {
        for (text, expected) in [
            ("150m", 150),
            ("1", 1000),
            ("0", 0),
            ("0.5", 500),
            ("30Mi", 30 * 1024 * 1024 * 1000),
            ("24684084Ki", 24_684_084 * 1024 * 1000),
            ("257025515114", 257_025_515_114_000),
            ("1e3", 1_000_000),
            ("2E3", 2_000_000),
            ("1E", 1_000_000_000_000_000_000_000),
            ("1.5Gi", 1_610_612_736_000),
            ("0.0001", 1),
            ("-1", -1000),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        for text in ["", "x", "Mi", "1..2", "1e", "--1", "9e99"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[-+.0-9eEimkMGTPK]{0,40}") {
            let _ = parse(&text);
        }
    }
}
