//! ASCII: for consoles without the glyphs, each is replaced by one character after the picture is drawn, so no pane has
//! to know.

use ratatui::buffer::Buffer;

const TABLE: [(&str, &str); 23] = [
    ("✓", "+"),
    ("✗", "x"),
    ("▸", ">"),
    ("★", "*"),
    ("●", "*"),
    ("•", "*"),
    ("○", "o"),
    ("·", "."),
    ("…", "~"),
    ("×", "x"),
    ("─", "-"),
    ("━", "="),
    ("│", "|"),
    ("┌", "+"),
    ("┐", "+"),
    ("└", "+"),
    ("┘", "+"),
    ("→", ">"),
    ("←", "<"),
    ("↑", "^"),
    ("↓", "v"),
    ("‹", "<"),
    ("›", ">"),
];
/// The braille spinner turns as these.
const SPINNER: [&str; 4] = ["|", "/", "-", "\\"];

/// Replaces our glyphs in a text.
pub fn text(text: &str) -> String {
    let glyph = |c: char| TABLE.iter().find(|(glyph, _)| glyph.starts_with(c)).map(|(_, ascii)| *ascii);
    text.chars()
        .map(|c| glyph(c).map_or_else(|| if c == '°' { String::new() } else { c.to_string() }, str::to_owned))
        .collect()
}

/// Replaces our glyphs in the whole picture. Letters of people and places (a Korean name) stay.
pub fn replace(buffer: &mut Buffer, ticks: u64) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        if symbol.is_ascii() {
            continue;
        }
        let ascii = match symbol.chars().next() {
            Some('\u{2800}'..='\u{28ff}') => Some(SPINNER[usize::try_from(ticks % 4).unwrap_or(0)]),
            _ => TABLE.iter().find(|(glyph, _)| *glyph == symbol).map(|(_, ascii)| *ascii),
        };
        if let Some(ascii) = ascii {
            cell.set_symbol(ascii);
        }
    }
}
