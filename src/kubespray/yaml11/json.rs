//! Files that are JSON: Ansible tries that first, and there a tab is white space and `1e3` a number.

use serde_json::Value;

use super::{DEPTH_LIMIT, Entry, Node, NodeKind};

/// Puts the values of JSON into the places that the YAML reader has found.
pub(super) fn with_values(node: Node, json: Value) -> Node {
    let kind = match (node.kind, json) {
        (NodeKind::List(nodes), Value::Array(items)) if nodes.len() == items.len() => {
            NodeKind::List(nodes.into_iter().zip(items).map(|(node, item)| with_values(node, item)).collect())
        }
        (NodeKind::Map(entries), Value::Object(mut map)) => {
            let place = |entry: Entry| {
                let value = map.remove(&entry.key).map(|item| with_values(entry.value.clone(), item));
                Entry { is_text: true, value: value.unwrap_or(entry.value), ..entry }
            };
            // Of equal keys the last counts, so the values are given out from the end.
            let mut entries: Vec<Entry> = entries.into_iter().rev().map(place).collect();
            entries.reverse();
            NodeKind::Map(entries)
        }
        (_, json) => unplaced(json, 0).kind,
    };
    Node { kind, ..node }
}

/// JSON that is no YAML: its lines are not known.
pub(super) fn unplaced(json: Value, depth: usize) -> Node {
    let kind = match json {
        Value::Array(items) if depth < DEPTH_LIMIT => {
            NodeKind::List(items.into_iter().map(|item| unplaced(item, depth + 1)).collect())
        }
        Value::Object(map) if depth < DEPTH_LIMIT => {
            let entry = |(key, item)| Entry { key, line: 1, start: 0, is_text: true, value: unplaced(item, depth + 1) };
            NodeKind::Map(map.into_iter().map(entry).collect())
        }
        scalar => NodeKind::Scalar(scalar),
    };
    Node { kind, line: 1, start: 0, end: 0 }
}
