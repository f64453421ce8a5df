//! Where in a file's text a change is made. Each function returns whole new texts; the guard in `edit` decides whether
//! one is right.

use serde_json::Value;

use super::{revise, write};
use crate::kubespray::yaml11::{Entry, Node, NodeKind};

/// Returns the text with another value for an active key.
pub(super) fn replacement(text: &str, entry: &Entry, value: &Value) -> Option<String> {
    let old = &entry.value;
    let end = old.start + text[old.start..old.end].trim_end().len();
    let region = &text[old.start..end];
    let is_flow = region.starts_with(['[', '{']);
    let is_same_kind = matches!((&old.kind, value), (NodeKind::List(_), Value::Array(items)) if !items.is_empty())
        || matches!((&old.kind, value), (NodeKind::Map(_), Value::Object(map)) if !map.is_empty());
    if is_same_kind
        && !is_flow
        && let Some(after) = revise::collection(text, old, value)
    {
        return Some(after);
    }
    if let (NodeKind::List(nodes), Value::Array(items), false) = (&old.kind, value, is_flow)
        && !items.is_empty()
    {
        return block_list(text, end, nodes, items);
    }
    let is_collection = !matches!(old.kind, NodeKind::Scalar(_));
    if is_collection && region.contains('#') {
        // A comment inside would be lost.
        return None;
    }
    let inline = write::inline(value);
    let colon = entry.start + text[entry.start..].find(':')? + 1;
    let is_block_text = text.get(colon..old.start).is_some_and(|header| header.trim_start().starts_with(['|', '>']));
    if region.is_empty() || (is_collection && !is_flow) || is_block_text {
        // The value stands on the lines below its key, or there is none: the new one goes behind the colon.
        let tail = if region.is_empty() { colon } else { end };
        return Some(format!("{} {inline}{}", &text[..colon], &text[tail..]));
    }
    Some(format!("{}{inline}{}", &text[..old.start], &text[end..]))
}

/// Writes all items of a list anew, one a line.
fn block_list(text: &str, end: usize, nodes: &[Node], items: &[Value]) -> Option<String> {
    // The parser starts a list that is not indented behind its first dash, so the line of the first item is looked at.
    let line_start = text[..nodes.first()?.start].rfind('\n').map_or(0, |at| at + 1);
    let indent_end = line_start + text[line_start..].find('-')?;
    let indent = &text[line_start..indent_end];
    if !indent.trim().is_empty() || text[line_start..end].contains('#') {
        return None;
    }
    let lines = write::items(items, indent).join(write::newline(text));
    Some(format!("{}{}{}", &text[..line_start], lines, &text[end..]))
}

/// Returns the texts with a new key, the best first: under its commented sample, then at the end.
pub(super) fn additions(text: &str, entries: &[Entry], name: &str, value: &Value) -> Vec<String> {
    let newline = write::newline(text);
    // A file may indent all its keys; the new one must stand below the others.
    let indent = entries.first().map_or("", |entry| {
        let line_start = text[..entry.start].rfind('\n').map_or(0, |at| at + 1);
        let indent = &text[line_start..entry.start];
        if indent.trim().is_empty() { indent } else { "" }
    });
    let block = write::block(name, value, indent, newline);
    let under_sample = sample_end(text, name).map(|at| insert_line(text, at, &block, newline));
    let body = if text.is_empty() { format!("---{newline}") } else { text.to_owned() };
    let at_end = insert_line(&body, body.len(), &block, newline);
    under_sample.into_iter().chain([at_end]).collect()
}

/// Puts a line at `at`, which is the start of a line or the end of the text. A text without a final line end stays
/// without.
fn insert_line(text: &str, at: usize, line: &str, newline: &str) -> String {
    let (head, tail) = text.split_at(at);
    if head.is_empty() || head.ends_with('\n') {
        format!("{head}{line}{newline}{tail}")
    } else {
        format!("{head}{newline}{line}{tail}")
    }
}

/// Returns where the commented sample of a key ends: `# name: value`, with the commented lines below that belong to it.
fn sample_end(text: &str, name: &str) -> Option<usize> {
    let mut at = 0;
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        at += line.len();
        let Some(value) = sample_value(line, name) else { continue };
        let is_open = value.is_empty() || value.starts_with(['|', '>']);
        while let Some(next) = lines.next_if(|next| is_open && is_continuation(next)) {
            at += next.len();
        }
        return Some(at);
    }
    None
}

fn sample_value<'t>(line: &'t str, name: &str) -> Option<&'t str> {
    let comment = line.trim().strip_prefix('#')?.trim_start_matches('#').trim_start();
    let rest = comment.strip_prefix(name)?.trim_start().strip_prefix(':')?;
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then(|| rest.trim())
}

/// A line such as `#   - kube-gpu-001`.
fn is_continuation(line: &str) -> bool {
    let Some(body) = line.trim().strip_prefix('#') else { return false };
    let item = body.trim_start();
    (body.len() - item.len() >= 2 && !item.is_empty()) || item.starts_with("- ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::kubespray::edit::{Change, set};

    fn edited(text: &str, name: &str, value: serde_json::Value) -> String {
        let change = Change::new(name, value);
        let after = set(text, &change).unwrap_or_else(|why| panic!("{why:?}: {text:?}"));
        assert_eq!(set(&after, &change).unwrap(), after, "a second time changes nothing");
        after
    }

    #[test]
    fn an_active_key_changes_on_its_line_only() {
        assert_eq!(
            edited("a: 1\nv: 390.87  # old\nb: x\n", "v", json!("450.51.06")),
            "a: 1\nv: \"450.51.06\"  # old\nb: x\n"
        );
        assert_eq!(edited("v: yes\r\nb: 1\r\n", "v", json!(false)), "v: false\r\nb: 1\r\n");
        assert_eq!(edited("v:\nb: 1", "v", json!(true)), "v: true\nb: 1");
        assert_eq!(edited("v:   # todo\nb: 1\n", "v", json!(["n"])), "v: [\"n\"]   # todo\nb: 1\n");
        assert_eq!(edited("v: >-\n  long\n  text\nb: 1\n", "v", json!("x")), "v: \"x\"\nb: 1\n");
        assert_eq!(edited("é: 1\nv: 'é'\nw: 2\n", "v", json!("b")), "é: 1\nv: \"b\"\nw: 2\n");
    }

    #[test]
    fn lists_keep_their_form_and_comments() {
        assert_eq!(edited("l: [a]  # c\nb: 1\n", "l", json!(["a", "b"])), "l: [\"a\", \"b\"]  # c\nb: 1\n");
        assert_eq!(
            edited("l:\n  - a  # first\n\n# tail\nb: 1\n", "l", json!(["a", "b"])),
            "l:\n  - a  # first\n  - \"b\"\n\n# tail\nb: 1\n"
        );
        assert_eq!(edited("l:\n- a\n- b\nb: 1\n", "l", json!(["c"])), "l:\n- \"c\"\nb: 1\n");
        assert_eq!(edited("l:\n  - a", "l", json!(["a", "b"])), "l:\n  - a\n  - \"b\"");
        assert_eq!(edited("l:\n  - a\nb: 1\n", "l", json!([])), "l: []\nb: 1\n");
    }

    #[test]
    fn a_sample_stays_and_the_active_lines_go_below_it() {
        let text = "a: 1\n# gpus:\n#   - kube-gpu-001\n# version: \"1\"\n\nb: 2\n";
        let after = edited(text, "gpus", json!(["node1"]));
        assert_eq!(after, "a: 1\n# gpus:\n#   - kube-gpu-001\ngpus:\n  - \"node1\"\n# version: \"1\"\n\nb: 2\n");
        assert_eq!(edited("# v: 1", "v", json!(2)), "# v: 1\nv: 2");
    }

    #[test]
    fn a_sample_in_a_bad_place_is_not_used() {
        let text = "list:\n  - a\n# v: 1\n  - b\n";
        assert_eq!(edited(text, "v", json!(2)), "list:\n  - a\n# v: 1\n  - b\nv: 2\n");
    }

    #[test]
    fn without_a_sample_it_is_appended() {
        assert_eq!(edited("", "v", json!(true)), "---\nv: true\n");
        assert_eq!(edited("---\n# only comments", "v", json!("x")), "---\n# only comments\nv: \"x\"");
        assert_eq!(edited("a: 1\r\n", "v", json!(["n"])), "a: 1\r\nv:\r\n  - \"n\"\r\n");
    }

    #[test]
    fn what_cannot_be_changed_safely_is_refused() {
        for text in [
            "{a: 1}\n",
            "v: 1\nv: 2\n",
            "v:\n  - a # why\n  - b\n",
            "v: [a, # why\n  b]\n",
            "a: 1\n...\n",
            "a: [\n",
            "$ANSIBLE_VAULT;1.1;AES256\n",
        ] {
            let change = Change::new("v", vec!["x"]);
            assert!(set(text, &change).is_err(), "{text}");
        }
    }
}
