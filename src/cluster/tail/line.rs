//! One line of `kubectl logs --timestamps`, taken apart.

use jiff::Timestamp;

/// Reads the times at the beginning of lines. Neighbouring lines mostly share their second, so that only its fraction
/// is read anew.
#[derive(Debug, Default)]
pub struct Times {
    /// The last `2026-11-23T20:58:43`, and the time it means in UTC.
    second: Option<([u8; SECOND], Timestamp)>,
}

/// Bytes of a time up to its seconds.
const SECOND: usize = "2026-11-23T20:58:43".len();
/// Longest time: nine digits of a fraction and an offset.
const LONGEST: usize = 40;

impl Times {
    /// Takes `2026-11-23T20:58:43.265543477Z text` apart; nothing if the line does not begin with a time.
    pub fn split<'a>(&mut self, line: &'a [u8]) -> Option<(Timestamp, &'a [u8])> {
        let space = line.iter().take(LONGEST).position(|byte| *byte == b' ').unwrap_or(line.len());
        if space <= SECOND || line[10] != b'T' {
            return None;
        }
        let at = self.read(&line[..space])?;
        Some((at, line.get(space + 1..).unwrap_or_default()))
    }

    fn read(&mut self, time: &[u8]) -> Option<Timestamp> {
        let (prefix, rest) = time.split_at_checked(SECOND)?;
        if let Some(fraction) = fraction(rest) {
            if let Some((known, second)) = &self.second
                && known == prefix
            {
                return second.checked_add(jiff::SignedDuration::from_nanos(fraction)).ok();
            }
            let second: Timestamp = format!("{}Z", std::str::from_utf8(prefix).ok()?).parse().ok()?;
            self.second = Some((prefix.try_into().ok()?, second));
            return second.checked_add(jiff::SignedDuration::from_nanos(fraction)).ok();
        }
        std::str::from_utf8(time).ok()?.parse().ok()
    }
}

/// Reads `.265543477Z` or `Z` as nanoseconds.
fn fraction(rest: &[u8]) -> Option<i64> {
    let digits = match rest {
        [b'Z'] => return Some(0),
        [b'.', digits @ .., b'Z'] if (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) => digits,
        _ => return None,
    };
    let number = digits.iter().fold(0i64, |number, digit| number * 10 + i64::from(digit - b'0'));
    Some((digits.len()..9).fold(number, |number, _| number * 10))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_a_line_apart() {
        let mut times = Times::default();
        let log = include_str!("../../../tests/fixtures/logs/logs-ok-timestamps.txt");
        for line in log.lines() {
            let (time, text) = line.split_once(' ').unwrap();
            assert_eq!(times.split(line.as_bytes()), Some((time.parse().unwrap(), text.as_bytes())));
        }
        assert_eq!(times.split(b"2026-11-23T20:58:43Z"), Some(("2026-11-23T20:58:43Z".parse().unwrap(), &b""[..])));
        assert!(times.split(b"2026-11-23T20:58:43.5+09:00 x").is_some());
        for line in
            ["", "no time", "2026-11-23 20:58:43Z x", "2026-11-23T20:58:43.Z x", "2026-13-23T20:58:43Z x", "\u{fffd}"]
        {
            assert_eq!(times.split(line.as_bytes()), None, "{line}");
        }
    }

    proptest! {
        /// The shortcut reads what the whole parser reads, in any order of lines.
        #[test]
        fn agrees_with_the_whole_parser(nanos in prop::collection::vec(0i128..3_000_000_000, 1..20), bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut times = Times::default();
            for nano in nanos {
                let at = Timestamp::from_nanosecond(1_700_000_000_000_000_000 + nano).unwrap();
                let line = format!("{at} text");
                prop_assert_eq!(times.split(line.as_bytes()), Some((at, &b"text"[..])));
            }
            let _ = times.split(&bytes);
        }
    }
}
