//! Versions as NVIDIA writes them: `450.51.06`, `384.111`, `11.0.3`.
//!
//! Semantic versioning rejects all of these (leading zeros, two or four parts), so this is its own type: it compares
//! the parts as numbers and prints what was read, to the letter.

use std::{cmp::Ordering, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A dotted version of a driver, a CUDA toolkit or a kernel prefix, compared number by number.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    parts: Vec<u32>,
    text: String,
}

/// What is wrong with a text that is not a [`Version`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version: expected numbers with dots between them, such as 450.51.06")]
pub struct VersionError(String);

impl Version {
    /// Returns the number at `index`, 0 where the version has no such part (`11.0` equals `11.0.0`).
    pub fn part(&self, index: usize) -> u32 {
        self.parts.get(index).copied().unwrap_or(0)
    }

    /// Returns the first number: the driver branch (450 of 450.51.06) or CUDA's major version.
    pub fn branch(&self) -> u32 {
        self.part(0)
    }

    /// Returns the version as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns `major.minor`, the form in which CUDA releases are named (`11.0` of `11.0.3`).
    pub fn major_minor(&self) -> String {
        format!("{}.{}", self.part(0), self.part(1))
    }

    /// Tells whether every part of `prefix` stands at the front of this version (`11.0.3` starts with `11.0`).
    pub fn starts_with(&self, prefix: &Self) -> bool {
        self.parts.starts_with(&prefix.parts)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok()).flatten();
        match text.split('.').map(number).collect::<Option<Vec<u32>>>() {
            Some(parts) => Ok(Self { parts, text: text.to_owned() }),
            None => Err(VersionError(crate::text::printable(text))),
        }
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.text
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let len = self.parts.len().max(other.parts.len());
        (0..len).map(|i| self.part(i).cmp(&other.part(i))).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn compares_parts_as_numbers() {
        assert!(version("450.51.06") > version("450.51.05"));
        assert!(version("450.80.02") > version("450.51.06"));
        assert!(version("384.111") > version("384.81"));
        assert_eq!(version("11.0"), version("11.0.0"));
    }

    #[test]
    fn prints_what_was_read() {
        assert_eq!(version("450.51.06").to_string(), "450.51.06");
    }

    #[test]
    fn refuses_what_is_not_a_version() {
        for text in ["", ".", "450.", "450.a", "-1", "+5", "450 .1", "99999999999"] {
            assert!(text.parse::<Version>().is_err(), "{text:?}");
        }
    }
}
