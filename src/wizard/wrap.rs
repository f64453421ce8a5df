//! Text broken into lines of a width in terminal cells.

use unicode_width::UnicodeWidthChar;

use crate::text::width;

/// Sign between the parts of a list; a line neither ends nor begins with it.
const BETWEEN: &str = "·";
/// A path, an address or an option is broken behind one of these.
const JOINTS: [char; 6] = ['/', '-', '_', ',', '=', ':'];

/// Breaks `text` at spaces into lines of at most `cells` cells; a word that is longer is broken at a joint, and where
/// it has none, where it must be. Never returns nothing.
pub fn wrap(text: &str, cells: usize) -> Vec<String> {
    let cells = cells.max(2);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().map_or(0, |line| width(line));
        if line > 0 && line + 1 + width(word) > cells {
            if let Some(line) = lines.last_mut() {
                let kept = line.trim_end_matches(BETWEEN).trim_end().len();
                line.truncate(kept);
            }
            lines.push(String::new());
        } else if line > 0 {
            push(&mut lines, " ");
        }
        let fresh = lines.last().is_some_and(String::is_empty);
        if fresh && lines.len() > 1 && word == BETWEEN {
            continue;
        }
        push_word(&mut lines, word, cells);
    }
    lines
}

/// Adds a word to the last line, and the rest of a long one to new lines.
fn push_word(lines: &mut Vec<String>, word: &str, cells: usize) {
    let mut rest = word;
    while width(rest) > cells {
        let (mut used, mut must, mut joint) = (0, rest.len(), None);
        for (index, c) in rest.char_indices() {
            used += c.width().unwrap_or(0);
            if used > cells {
                must = index;
                break;
            }
            // What would leave more than half of the line empty is no better than a break anywhere.
            let is_better = c == '/' || joint.is_none_or(|joint| !rest[..joint].ends_with('/'));
            if JOINTS.contains(&c) && used * 2 > cells && is_better {
                joint = Some(index + c.len_utf8());
            }
        }
        let (start, end) = rest.split_at(joint.unwrap_or(must));
        push(lines, start);
        lines.push(String::new());
        rest = end;
    }
    push(lines, rest);
}

/// Returns the first cells of a line; a mark says that there is more.
pub fn cut_end(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let mut used = 0;
    let kept = text.chars().take_while(|c| {
        used += c.width().unwrap_or(0);
        used < cells
    });
    kept.chain(['…']).collect()
}

fn push(lines: &mut [String], text: &str) {
    if let Some(line) = lines.last_mut() {
        line.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn breaks_at_spaces_and_long_words_anywhere() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("averylongword", 6), ["averyl", "ongwor", "d"]);
        assert_eq!(wrap("/a/very/long/path", 6), ["/a/ver", "y/long", "/path"]);
        assert_eq!(
            wrap("get https://a.example/local_installers/x.run", 24),
            ["get", "https://a.example/", "local_installers/x.run"]
        );
        assert_eq!(wrap("드라이버 소유자", 8), ["드라이버", "소유자"]);
        assert_eq!(wrap("", 8), [""]);
    }

    #[test]
    fn no_line_ends_or_begins_with_the_sign_between_two_parts() {
        assert_eq!(wrap("ECC on · MIG off · GPU-5eed", 18), ["ECC on · MIG off", "GPU-5eed"]);
        assert_eq!(wrap("ECC on · MIG off · GPU-5eed", 16), ["ECC on · MIG off", "GPU-5eed"]);
        assert_eq!(wrap("ECC on · MIG off", 6), ["ECC on", "MIG", "off"]);
    }

    proptest! {
        #[test]
        fn no_line_is_too_wide_and_nothing_is_lost(text in "[a-z가-힣 ]{0,80}", cells in 2usize..40) {
            let lines = wrap(&text, cells);
            prop_assert!(lines.iter().all(|line| width(line) <= cells));
            let letters = |text: &str| text.replace(' ', "");
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }
    }
}
