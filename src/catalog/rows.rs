//! Reads the catalog's files line by line: a row is one line, so a question about one card or one toolkit parses only
//! its lines.

use serde::de::DeserializeOwned;

/// Returns the rows of a catalog file's list whose line holds `needle`, in the file's order.
pub(super) fn with<'a, T: DeserializeOwned + 'a>(
    text: &'a str,
    list: &str,
    needle: &'a str,
) -> impl Iterator<Item = T> + 'a {
    lines(text, list).filter(move |line| line.contains(needle)).filter_map(parse)
}

/// Returns all rows of a catalog file's list.
pub(super) fn all<T: DeserializeOwned>(text: &str, list: &str) -> Vec<T> {
    lines(text, list).filter_map(parse).collect()
}

/// The lines of the list under the key `list`, up to the next key.
fn lines<'a>(text: &'a str, list: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let key = format!("\n{list}:\n");
    let start = text.find(&key).map_or(text.len(), |at| at + key.len());
    text[start..].lines().take_while(|line| line.starts_with("- ")).map(|line| &line[2..])
}

/// A row that does not parse is a mistake in our own file: a test reads them all.
fn parse<T: DeserializeOwned>(line: &str) -> Option<T> {
    serde_yaml::from_str(line).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const TEXT: &str = "head: 1\nfirst:\n- {a: 1}\n- {a: 2}\nsecond:\n- {a: 3}\n";

    /// Parses every line of a list, and tells which one fails.
    pub fn strict<T: DeserializeOwned>(text: &str, list: &str) -> Vec<T> {
        lines(text, list)
            .map(|line| serde_yaml::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    #[derive(serde::Deserialize)]
    struct Row {
        a: u32,
    }

    #[test]
    fn a_list_ends_at_the_next_key() {
        let values = |list| all::<Row>(TEXT, list).iter().map(|row| row.a).collect::<Vec<_>>();
        assert_eq!(values("first"), [1, 2]);
        assert_eq!(values("second"), [3]);
        assert_eq!(values("third"), [0u32; 0]);
    }

    #[test]
    fn only_matching_lines_are_rows() {
        assert_eq!(with::<Row>(TEXT, "first", "a: 2").count(), 1);
    }
}
