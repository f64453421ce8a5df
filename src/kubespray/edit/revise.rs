//! The smallest change of a list or mapping: what stays the same keeps its bytes and comments, a value that changes is
//! replaced where it stands, new items and keys go behind the last ones, and a key that goes is commented out.

use std::ops::Range;

use serde_json::{Map, Value};

use super::write;
use crate::kubespray::yaml11::{Entry, Node, NodeKind};

/// A piece of the text and what stands there afterwards.
struct Patch {
    at: Range<usize>,
    with: String,
}

/// Returns the text with `node`, a list or mapping with one line an item, become `wanted`; nothing where it cannot be
/// done line by line.
pub(super) fn collection(text: &str, node: &Node, wanted: &Value) -> Option<String> {
    let mut patches = Vec::new();
    Revision { text, newline: super::write::newline(text) }.node(node, wanted, &mut patches)?;
    patches.sort_by_key(|patch| patch.at.start);
    let mut after = text.to_owned();
    for patch in patches.into_iter().rev() {
        after.replace_range(patch.at, &patch.with);
    }
    Some(after)
}

/// Returns the text with the lines of these entries commented out.
pub(super) fn commented_out(text: &str, entries: &[&Entry]) -> Option<String> {
    let revision = Revision { text, newline: super::write::newline(text) };
    let mut patches = Vec::new();
    for entry in entries {
        revision.comment_out(entry, &mut patches)?;
    }
    let mut after = text.to_owned();
    for patch in patches.into_iter().rev() {
        after.replace_range(patch.at, &patch.with);
    }
    Some(after)
}

struct Revision<'t> {
    text: &'t str,
    newline: &'static str,
}

impl Revision<'_> {
    fn node(&self, node: &Node, wanted: &Value, patches: &mut Vec<Patch>) -> Option<()> {
        if node.value() == *wanted {
            return Some(());
        }
        let is_flow = self.text[node.start..].starts_with(['[', '{', '&', '*', '!']);
        match (&node.kind, wanted) {
            (NodeKind::List(nodes), Value::Array(items)) if !is_flow && !nodes.is_empty() => {
                self.list(node, nodes, items, patches)
            }
            (NodeKind::Map(entries), Value::Object(map)) if !is_flow && !entries.is_empty() => {
                self.map(entries, map, patches)
            }
            _ => self.replace(node, wanted, patches),
        }
    }

    /// Items keep their places; new ones go behind the last.
    fn list(&self, node: &Node, nodes: &[Node], items: &[Value], patches: &mut Vec<Patch>) -> Option<()> {
        if items.len() < nodes.len() {
            return None;
        }
        for (node, item) in nodes.iter().zip(items) {
            self.node(node, item, patches)?;
        }
        let added = &items[nodes.len()..];
        if !added.is_empty() {
            // The parser starts an item behind its dash, so the line of the first item is looked at.
            let line = self.line_start(nodes.first()?.start);
            let dash = line + self.text[line..].find('-')?;
            let indent = self.text[line..dash].trim().is_empty().then(|| &self.text[line..dash])?;
            self.add_lines(self.end_of(node), &write::items(added, indent), patches);
        }
        Some(())
    }

    fn map(&self, entries: &[Entry], wanted: &Map<String, Value>, patches: &mut Vec<Patch>) -> Option<()> {
        for entry in entries {
            match wanted.get(&entry.key) {
                Some(_) if entries.iter().filter(|other| other.key == entry.key).count() > 1 => return None,
                Some(value) => self.node(&entry.value, value, patches)?,
                None => self.comment_out(entry, patches)?,
            }
        }
        let is_new = |(key, _): &(&String, &Value)| !entries.iter().any(|entry| entry.key == **key);
        let added: Map<String, Value> =
            wanted.iter().filter(is_new).map(|(key, value)| (key.clone(), value.clone())).collect();
        if added.is_empty() {
            return Some(());
        }
        let (first, last) = (entries.first()?, entries.last()?);
        let start = self.line_start(first.start);
        let lead = &self.text[start..first.start];
        // `- name: x`: the keys below stand under the first one.
        let indent = lead.chars().all(|c| c == ' ' || c == '-').then(|| " ".repeat(lead.len()))?;
        self.add_lines(
            self.end_of(&last.value).max(last.start + last.key.len()),
            &write::members(&added, &indent),
            patches,
        );
        Some(())
    }

    /// Puts another value in the place of one that stands on its own line or in brackets.
    fn replace(&self, node: &Node, wanted: &Value, patches: &mut Vec<Patch>) -> Option<()> {
        let at = node.start..self.end_of(node);
        let old = &self.text[at.clone()];
        let is_simple = !old.is_empty() && !old.contains('\n') && !old.starts_with(['|', '>', '&', '*', '!']);
        let is_flow = old.starts_with(['[', '{']) && !old.contains('#');
        let has_block_header = self.text[self.line_start(node.start)..node.start].trim().is_empty();
        if (is_simple && !has_block_header) || is_flow {
            patches.push(Patch { at, with: write::inline(wanted) });
            return Some(());
        }
        None
    }

    /// Comments out the lines of a key and its value.
    fn comment_out(&self, entry: &Entry, patches: &mut Vec<Patch>) -> Option<()> {
        let start = self.line_start(entry.start);
        let indent = &self.text[start..entry.start];
        // Behind a dash or a brace the key does not have the line for itself.
        if !indent.chars().all(|c| c == ' ') {
            return None;
        }
        let end = self.end_of(&entry.value).max(entry.start + entry.key.len());
        let end = self.text[end..].find('\n').map_or(self.text.len(), |at| end + at);
        let mut at = start;
        for line in self.text[start..end].split_inclusive('\n') {
            let bare = line.trim_start();
            if !bare.is_empty() && !bare.starts_with('#') {
                let place = at + indent.len().min(line.len() - bare.len());
                patches.push(Patch { at: place..place, with: "# ".to_owned() });
            }
            at += line.len();
        }
        Some(())
    }

    fn add_lines(&self, behind: usize, lines: &[String], patches: &mut Vec<Patch>) {
        let end = self.text[behind..].find('\n').map_or(self.text.len(), |at| behind + at);
        let end = self.text[..end].trim_end_matches('\r').len();
        let lines: String = lines.iter().map(|line| format!("{}{line}", self.newline)).collect();
        patches.push(Patch { at: end..end, with: lines });
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |at| at + 1)
    }

    fn end_of(&self, node: &Node) -> usize {
        node.start + self.text[node.start..node.end].trim_end().len()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::kubespray::edit::{Change, set};

    const NVIDIA: &str = "# runtimes\nruntimes:\n  # kata for the tenants\n  - name: kata\n    type: io.containerd.kata.v2  # static\n  - name: nvidia\n    options:\n      binaryName: /usr/bin/nvidia-container-runtime  # ours\n      SystemdCgroup: true\n\n# tail\nnext: 1\n";

    fn edited(text: &str, name: &str, value: serde_json::Value) -> String {
        let change = Change::new(name, value);
        let after = set(text, &change).unwrap_or_else(|why| panic!("{why:?}: {text:?}"));
        assert_eq!(set(&after, &change).unwrap(), after, "a second time changes nothing");
        after
    }

    #[test]
    fn an_item_is_mended_in_its_lines() {
        let wanted = json!([
            {"name": "kata", "type": "io.containerd.kata.v2"},
            {"name": "nvidia", "options": {"SystemdCgroup": "true", "BinaryName": "/usr/bin/nvidia-container-runtime"}, "engine": "", "root": ""},
        ]);
        assert_eq!(
            edited(NVIDIA, "runtimes", wanted),
            "# runtimes\nruntimes:\n  # kata for the tenants\n  - name: kata\n    type: io.containerd.kata.v2  # static\n  - name: nvidia\n    options:\n      # binaryName: /usr/bin/nvidia-container-runtime  # ours\n      SystemdCgroup: \"true\"\n      BinaryName: \"/usr/bin/nvidia-container-runtime\"\n    engine: \"\"\n    root: \"\"\n\n# tail\nnext: 1\n"
        );
    }

    #[test]
    fn a_new_item_is_written_a_line_a_key() {
        let text = "runtimes:\n- name: kata  # first\n  options: {}\n";
        let wanted = json!([{"name": "kata", "options": {}}, {"name": "nvidia", "options": {"SystemdCgroup": "true"}}]);
        assert_eq!(
            edited(text, "runtimes", wanted),
            "runtimes:\n- name: kata  # first\n  options: {}\n- name: \"nvidia\"\n  options:\n    SystemdCgroup: \"true\"\n"
        );
        assert_eq!(
            edited("a: 1\n", "runtimes", json!([{"name": "nvidia", "options": {"x": "y", "yes": 1}}])),
            "a: 1\nruntimes:\n  - name: \"nvidia\"\n    options:\n      x: \"y\"\n      \"yes\": 1\n"
        );
        assert_eq!(edited("runtimes: []  # none\n", "runtimes", json!([{"a": 1}])), "runtimes: [{\"a\": 1}]  # none\n");
    }

    #[test]
    fn keys_of_a_mapping_come_behind_its_last() {
        assert_eq!(
            edited(
                "l:\r\n  a: \"1\"  # one\r\n  # two\r\n  b: x\r\nm: 1\r\n",
                "l",
                json!({"a": "1", "b": "y", "n/c": "z"})
            ),
            "l:\r\n  a: \"1\"  # one\r\n  # two\r\n  b: \"y\"\r\n  \"n/c\": \"z\"\r\nm: 1\r\n"
        );
    }

    #[test]
    fn a_variable_that_goes_is_commented_out() {
        let gone = |text: &str, name: &str| set(text, &Change::take_out(name));
        let text =
            "---\na: 1\ngpus:\n  - n1  # first\n  # second\n  - n2\nb: >-\n  x\n  y\nc: [1,\n  2]\nlast: true  # why";
        let after = gone(text, "gpus").unwrap();
        assert_eq!(
            after,
            text.replace(
                "gpus:\n  - n1  # first\n  # second\n  - n2\n",
                "# gpus:\n#   - n1  # first\n  # second\n#   - n2\n"
            )
        );
        assert_eq!(gone(&after, "gpus").unwrap(), after, "it is out already");
        assert_eq!(gone(text, "b").unwrap(), text.replace("b: >-\n  x\n  y\n", "# b: >-\n#   x\n#   y\n"));
        assert_eq!(gone(text, "c").unwrap(), text.replace("c: [1,\n  2]\n", "# c: [1,\n#   2]\n"));
        assert_eq!(gone(text, "last").unwrap(), text.replace("last: true", "# last: true"));
        assert_eq!(gone("v: 1\nv: 2\n", "v").unwrap(), "# v: 1\n# v: 2\n");
        assert_eq!(gone("v: 1\r\nw: 2\r\n", "v").unwrap(), "# v: 1\r\nw: 2\r\n");
        assert!(gone("{v: 1}\n", "v").is_err(), "a mapping in braces");
        assert!(gone("v: &x 1\nw: *x\n", "v").is_err(), "the anchor is used below");
        assert!(gone("$ANSIBLE_VAULT;1.1;AES256\n", "v").is_err());
    }
}
