//! Text from outside made safe for a terminal, and text cut to a width.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Returns `raw` without anything a terminal could take for a command: escape sequences, control characters and the
/// bidirectional overrides are dropped, a tab becomes spaces up to the next multiple of eight, and of a progress line
/// that carriage returns wrote anew only the last state stays. A sentence before a carriage return is no progress, and
/// stays too: an error must not vanish under it.
pub fn printable(raw: &str) -> String {
    // Nearly every line is plain: that is seen faster than it is taken apart.
    if raw.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return raw.to_owned();
    }
    let raw = raw.trim_end_matches(['\r', '\n']);
    let visible = without_progress(raw);
    let mut out = String::with_capacity(visible.len());
    let mut column = 0;
    let mut chars = visible.chars().peekable();
    let mut unended = false;
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars, &mut unended),
            '\t' => {
                let fill = 8 - column % 8;
                out.extend(std::iter::repeat_n(' ', fill));
                column += fill;
            }
            c if is_unsafe(c) => {}
            c => {
                out.push(c);
                column += c.width().unwrap_or(0);
            }
        }
    }
    out
}

/// Drops the states of a progress line that a later one replaced.
fn without_progress(line: &str) -> Cow<'_, str> {
    if !line.contains('\r') {
        return Cow::Borrowed(line);
    }
    let parts: Vec<&str> = line.split('\r').filter(|part| !part.is_empty()).collect();
    let stays =
        |part: &str, next: Option<&&str>| next.is_none_or(|next| is_sentence(part) && !words(part).eq(words(next)));
    let kept: Vec<&str> =
        parts.iter().enumerate().filter(|(at, part)| stays(part, parts.get(at + 1))).map(|(_, part)| *part).collect();
    Cow::Owned(kept.join(" "))
}

/// Tells a message from a meter, which has names, numbers and units but hardly a word.
fn is_sentence(part: &str) -> bool {
    words(part).nth(2).is_some()
}

/// Returns the words of a text without its numbers: what does not change while a meter counts.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let bare = text.split_whitespace().map(|word| word.trim_matches(|c: char| c.is_ascii_punctuation()));
    bare.filter(|word| word.len() > 1 && word.chars().all(char::is_alphabetic))
}

/// As [`printable`], for a text of several lines.
pub fn printable_lines(raw: &str) -> String {
    raw.split_inclusive('\n').map(|line| printable(line) + if line.ends_with('\n') { "\n" } else { "" }).collect()
}

/// Returns JSON text whose strings hold nothing a terminal could take for a command: the same value, with escapes for
/// what [`printable`] would drop. JSON itself only demands that for the oldest of these characters.
pub fn printable_json(json: &str) -> String {
    if is_plain(json) {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // A line end between values is JSON's own.
        if c != '\n' && is_unsafe(c) {
            // JSON writes what lies beyond 16 bits as two halves.
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out += &format!("\\u{unit:04x}"));
        } else {
            out.push(c);
        }
    }
    out
}

/// Tells whether a text is all printable ASCII, tabs and line ends, as nearly every text is. It looks at all bytes
/// without a way out in between, which is the fastest there is.
pub fn is_plain(text: &str) -> bool {
    text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r'))
}

/// As [`printable`], for bytes that need not be UTF-8.
pub fn printable_bytes(raw: &[u8]) -> String {
    printable(&String::from_utf8_lossy(raw))
}

/// Control characters (C0, DEL, C1) and the Unicode characters that reorder, hide or end text: the marks of direction,
/// the characters without width, the line and paragraph ends, the marks of annotations, and the tags that no terminal
/// shows.
pub(crate) fn is_unsafe(c: char) -> bool {
    let hides = matches!(c, '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c.is_control() || hides || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Skips what follows ESC: a CSI sequence to its final byte, an OSC or DCS string to its terminator, else one
/// character. A string without a terminator is none: what follows is shown, or one such mark would hide the rest of a
/// line. `unended` is set once none is left.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, unended: &mut bool) {
    match chars.next() {
        Some('[') => {
            while chars.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)).is_some() {}
            chars.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
        }
        Some(']' | 'P' | 'X' | '^' | '_') if !*unended => {
            let mut ahead = chars.clone();
            let ends = |c: char, ahead: &mut std::iter::Peekable<std::str::Chars<'_>>| {
                c == '\u{7}' || (c == '\u{1b}' && ahead.next_if_eq(&'\\').is_some())
            };
            *unended = true;
            while let Some(c) = ahead.next() {
                if ends(c, &mut ahead) {
                    *unended = false;
                    *chars = ahead;
                    return;
                }
            }
        }
        Some('(' | ')' | '*' | '+') => {
            chars.next();
        }
        _ => {}
    }
}

/// Returns how many terminal cells `text` takes.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Cuts `text` in the middle to at most `cells` cells, with `mark` where something is missing: both ends of a path or a
/// version carry meaning.
pub fn cut_middle(text: &str, cells: usize, mark: &str) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let room = cells.saturating_sub(width(mark));
    let head = take_cells(text.chars(), room.div_ceil(2));
    let tail = take_cells(text.chars().rev(), room / 2);
    format!("{head}{}{}", take_cells(mark.chars(), cells), tail.chars().rev().collect::<String>())
}

/// Pads `text` with spaces on the right to `cells` cells; longer text is cut in the middle.
pub fn fit(text: &str, cells: usize, mark: &str) -> String {
    let cut = cut_middle(text, cells, mark);
    let fill = cells.saturating_sub(width(&cut));
    cut + &" ".repeat(fill)
}

fn take_cells(chars: impl Iterator<Item = char>, cells: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= cells
        })
        .collect()
}

/// Returns bytes as people read them.
pub fn bytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let value = bytes as f64;
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", value / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", value / 1_048_576.0),
        _ => format!("{:.1} GiB", value / 1_073_741_824.0),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn drops_escape_sequences() {
        assert_eq!(printable("\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}x\u{1b}(B"), "red x");
        assert_eq!(printable("a\u{1b}[2Jb\u{8}\u{202e}c"), "abc");
    }

    #[test]
    fn keeps_the_last_part_of_a_progress_line() {
        assert_eq!(printable(" 10%\r 50%\r100%\r\n"), "100%");
        assert_eq!(printable("Unpacking file 3 of 9\rUnpacking file 9 of 9\n"), "Unpacking file 9 of 9");
        assert_eq!(
            printable("cuda.run  10%[=>   ] 1M 2MB/s eta 9s\rcuda.run 100%[====>] 9M 2MB/s in 5s\n"),
            "cuda.run 100%[====>] 9M 2MB/s in 5s"
        );
    }

    #[test]
    fn keeps_a_message_that_a_carriage_return_would_hide() {
        let hidden = "ERROR: An NVIDIA kernel module 'nvidia' appears to already be loaded in your kernel.";
        assert_eq!(printable(&format!("{hidden}\rdone")), format!("{hidden} done"));
        assert_eq!(printable(&format!(" 10%\r 20%\r{hidden}\r 30%\n")), format!("{hidden}  30%"));
    }

    #[test]
    fn expands_tabs() {
        assert_eq!(printable("ab\tc"), "ab      c");
    }

    #[test]
    fn cuts_in_the_middle() {
        assert_eq!(cut_middle("/very/long/path/main.yml", 11, "…"), "/very…n.yml");
        assert_eq!(cut_middle("short", 11, "…"), "short");
    }

    proptest! {
        #[test]
        fn printable_never_lets_a_control_character_through(raw in any::<String>()) {
            prop_assert!(!printable(&raw).chars().any(is_unsafe));
        }

        #[test]
        fn json_keeps_its_value_and_loses_its_teeth(raw in any::<String>()) {
            let json = printable_json(&serde_json::to_string_pretty(&[&raw]).unwrap());
            prop_assert_eq!(serde_json::from_str::<[String; 1]>(&json).unwrap(), [raw]);
            prop_assert!(!json.chars().any(|c| c != '\n' && is_unsafe(c)));
        }

        #[test]
        fn cut_never_exceeds_its_width(raw in "[가-힣a-z ]{0,40}", cells in 0usize..50) {
            let raw = printable(&raw);
            prop_assert!(width(&cut_middle(&raw, cells, "…")) <= cells);
            prop_assert_eq!(width(&fit(&raw, cells, "…")), cells);
        }
    }
}
