//! What PyYAML refuses and the parser lets pass, and what needs no parser.

use super::{Node, NodeKind, YamlError};

/// Returns the first character that no YAML file may have, wherever it stands, with its line.
pub(super) fn unprintable(text: &str) -> Option<YamlError> {
    if crate::text::is_plain(text) {
        return None;
    }
    let is_bad = |c: char| {
        let is_control = c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
        is_control || matches!(c, '\u{fffe}' | '\u{ffff}')
    };
    let at = text.find(is_bad)?;
    let line = text[..at].matches('\n').count() + 1;
    Some(YamlError { line, message: "a control character, which YAML does not allow".to_owned() })
}

/// Tells whether there is nothing but comments, as in most of the sample's files: a parser need not look at them.
pub(super) fn is_empty(text: &str) -> bool {
    let mut starts = 0;
    text.lines().all(|line| {
        let line = line.trim_start_matches(' ').trim_end_matches('\r');
        starts += usize::from(line == "---");
        line.is_empty() || line.starts_with('#') || (line == "---" && starts == 1)
    })
}

/// Returns a line that begins with a tab: PyYAML takes one only inside quotes and brackets, and the parser lets it pass
/// before a comment.
pub(super) fn tab_in_front(text: &str, root: Option<&Node>) -> Option<YamlError> {
    let starts = text.match_indices('\n').map(|(at, _)| at + 1).filter(|at| text[*at..].starts_with('\t'));
    let mut tabs = (text.starts_with('\t')).then_some(0).into_iter().chain(starts).peekable();
    tabs.peek()?;
    let mut inside = Vec::new();
    let mut queue: Vec<&Node> = root.into_iter().collect();
    while let Some(node) = queue.pop() {
        if text[node.start..].starts_with(['"', '\'', '[', '{']) {
            inside.push(node.start..node.end);
        }
        match &node.kind {
            NodeKind::List(nodes) => queue.extend(nodes),
            NodeKind::Map(entries) => queue.extend(entries.iter().map(|entry| &entry.value)),
            NodeKind::Scalar(_) => {}
        }
    }
    let at = tabs.find(|at| !inside.iter().any(|range| range.contains(at)))?;
    let line = text[..at].matches('\n').count() + 1;
    Some(YamlError { line, message: "a tab in front of a line, where YAML allows only spaces".to_owned() })
}
