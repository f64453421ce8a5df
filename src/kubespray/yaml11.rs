//! YAML as Ansible reads it: PyYAML's version 1.1, where `yes` is true, `0644` is 420 and `12:30:45` is a number, and
//! only quotes keep a text a text. Every node knows its line and its bytes, so that a definition can be named and
//! changed in place.

mod checks;
mod json;
mod scalar;

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::{Map, Value};

use scalar::is_impossible_date;
pub use scalar::{integer, plain};

/// Nodes that one file may grow to through aliases; a file that is beyond it is an alias bomb.
const NODE_LIMIT: usize = 200_000;
/// Nesting beyond any inventory, far below what the stack takes.
const DEPTH_LIMIT: usize = 64;

/// A node of a YAML file with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it holds.
    pub kind: NodeKind,
    /// Its line, from 1.
    pub line: usize,
    /// The byte at which it starts.
    pub start: usize,
    /// The byte behind its last.
    pub end: usize,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    /// A value without parts.
    Scalar(Value),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in file order; keys of a merge (`<<`) stand in front, and of equal keys the last counts.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key as text.
    pub key: String,
    /// The key's line, from 1.
    pub line: usize,
    /// The byte at which the key starts.
    pub start: usize,
    /// Whether the key is a text; `10` and `yes` without quotes are none.
    pub is_text: bool,
    /// The value.
    pub value: Node,
}

impl Node {
    /// Returns the value without places. Of equal keys the last one counts, as in Ansible.
    pub fn value(&self) -> Value {
        match &self.kind {
            NodeKind::Scalar(value) => value.clone(),
            NodeKind::List(nodes) => nodes.iter().map(Self::value).collect(),
            NodeKind::Map(entries) => Value::Object(
                entries.iter().map(|entry| (entry.key.clone(), entry.value.value())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// Returns the entries of a mapping; nothing for other nodes.
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            NodeKind::Map(entries) => entries,
            NodeKind::Scalar(_) | NodeKind::List(_) => &[],
        }
    }

    /// Tells whether the node is `null` or nothing at all.
    pub fn is_null(&self) -> bool {
        self.kind == NodeKind::Scalar(Value::Null)
    }
}

/// What is wrong with a YAML file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct YamlError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

/// Reads the one document of a file; a file without content is `None`. As Ansible does, a file that is JSON is read as
/// JSON: there, a tab is white space and `1e3` a number.
pub fn parse(text: &str) -> Result<Option<Node>, YamlError> {
    let is_json = text.trim_start().starts_with(['{', '[']);
    let json = is_json.then(|| serde_json::from_str::<Value>(text).ok()).flatten();
    match (parse_yaml(text), json) {
        (Ok(Some(node)), Some(value)) => Ok(Some(json::with_values(node, value))),
        (Err(_), Some(value)) => Ok(Some(json::unplaced(value, 0))),
        (yaml, _) => yaml,
    }
}

fn parse_yaml(text: &str) -> Result<Option<Node>, YamlError> {
    if let Some(error) = checks::unprintable(text) {
        return Err(error);
    }
    if checks::is_empty(text) {
        return Ok(None);
    }
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        offsets: Offsets::new(text),
        anchors: HashMap::new(),
        names: HashSet::new(),
        nodes: 0,
        text,
    };
    let root = reader.document()?;
    checks::tab_in_front(text, root.as_ref()).map_or(Ok(root), Err)
}

/// Reads a file of variables: a mapping, or nothing.
pub fn parse_vars(text: &str) -> Result<Vec<Entry>, YamlError> {
    let Some(node) = parse(text)? else { return Ok(Vec::new()) };
    let line = node.line;
    match node.kind {
        NodeKind::Map(entries) => Ok(entries),
        NodeKind::Scalar(Value::Null) => Ok(Vec::new()),
        NodeKind::Scalar(_) | NodeKind::List(_) => {
            Err(YamlError { line, message: "expected `name: value` lines".to_owned() })
        }
    }
}

/// Turns the parser's character positions into bytes.
struct Offsets(Option<Vec<usize>>);

impl Offsets {
    fn new(text: &str) -> Self {
        // In an ASCII file both are the same, and nearly all files are.
        Self((!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).chain([text.len()]).collect()))
    }

    fn byte(&self, index: usize, text: &str) -> usize {
        match &self.0 {
            None => index.min(text.len()),
            Some(table) => table.get(index).copied().unwrap_or(text.len()),
        }
    }
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    offsets: Offsets,
    anchors: HashMap<usize, Node>,
    /// Names of the anchors, as they are written.
    names: HashSet<&'t str>,
    nodes: usize,
    text: &'t str,
}

impl<'t> Reader<'t> {
    fn document(&mut self) -> Result<Option<Node>, YamlError> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(error(span, "a second document; Ansible reads files of one document"));
                }
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                event => root = Some(self.node(event, span, 0)?),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), YamlError> {
        match self.parser.next_event() {
            Some(Ok(pair)) => Ok(pair),
            Some(Err(problem)) => Err(YamlError { line: problem.marker().line(), message: problem.info().to_owned() }),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, YamlError> {
        self.nodes += 1;
        if self.nodes > NODE_LIMIT || depth > DEPTH_LIMIT {
            return Err(error(span, "too deep or too many values"));
        }
        let (anchor, kind) = match event {
            Event::Alias(id) => return self.alias(id, span),
            // YAML 1.1 gives it a meaning of its own, and PyYAML stops at it.
            Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "=" => {
                return Err(error(span, "a lone `=` needs quotes"));
            }
            Event::Scalar(text, style, anchor, tag) => {
                let text = self.without_invented_end(&text, style, span);
                let value = scalar_value(text, style, tag.as_deref()).map_err(|message| error(span, &message))?;
                (anchor, NodeKind::Scalar(value))
            }
            Event::SequenceStart(_, Some(tag)) if !is_known(&tag, "seq") => {
                return Err(error(span, &unknown_tag(&tag)));
            }
            Event::MappingStart(_, Some(tag)) if !is_known(&tag, "map") => return Err(error(span, &unknown_tag(&tag))),
            Event::SequenceStart(anchor, _) => return self.list(anchor, span, depth),
            Event::MappingStart(anchor, _) => return self.map(anchor, span, depth),
            _ => return Err(error(span, "expected a value")),
        };
        let node = self.place(kind, span, span);
        self.keep(anchor, node)
    }

    /// A block text whose last line has no line end gets none from PyYAML; the parser adds one.
    fn without_invented_end<'s>(&self, text: &'s str, style: ScalarStyle, span: Span) -> &'s str {
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let is_last = is_block
            && !self.text.ends_with(['\n', '\r'])
            && self.offsets.byte(span.end.index(), self.text) >= self.text.len();
        if is_last { text.strip_suffix('\n').unwrap_or(text) } else { text }
    }

    fn list(&mut self, anchor: usize, span: Span, depth: usize) -> Result<Node, YamlError> {
        let mut nodes = Vec::new();
        loop {
            let (event, end) = self.next()?;
            if event == Event::SequenceEnd {
                let node = self.place(NodeKind::List(nodes), span, end);
                return self.keep(anchor, node);
            }
            nodes.push(self.node(event, end, depth + 1)?);
        }
    }

    fn map(&mut self, anchor: usize, span: Span, depth: usize) -> Result<Node, YamlError> {
        let (mut merged, mut entries) = (Vec::new(), Vec::new());
        loop {
            let (event, at) = self.next()?;
            if event == Event::MappingEnd {
                merged.append(&mut entries);
                let node = self.place(NodeKind::Map(merged), span, at);
                return self.keep(anchor, node);
            }
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.node(event, at, depth + 1)?;
            let NodeKind::Scalar(name) = &key.kind else {
                return Err(error(at, "a mapping or list as a key; a value that starts with `{{` needs quotes"));
            };
            let (event, at) = self.next()?;
            let value = self.node(event, at, depth + 1)?;
            if is_merge {
                merged.extend(merge_source(value));
            } else {
                let is_text = name.is_string();
                entries.push(Entry { key: key_text(name), line: key.line, start: key.start, is_text, value });
            }
        }
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<Node, YamlError> {
        let target = self.anchors.get(&id).ok_or_else(|| error(span, "an alias to nothing"))?;
        self.nodes += count(target);
        if self.nodes > NODE_LIMIT {
            return Err(error(span, "aliases that grow without end"));
        }
        Ok(self.place(target.kind.clone(), span, span))
    }

    /// Remembers an anchored node. PyYAML refuses a name that is given twice; the parser does not tell names, so the
    /// text does.
    fn keep(&mut self, anchor: usize, node: Node) -> Result<Node, YamlError> {
        if anchor != 0 {
            // Some nodes start at their anchor, others behind it.
            let at = if self.text[node.start..].starts_with('&') {
                Some(node.start)
            } else {
                self.text[..node.start].rfind('&')
            };
            let name = at.and_then(|at| self.text[at..].split([' ', '\t', '\r', '\n']).next());
            if let Some(name) = name.filter(|name| !self.names.insert(name)) {
                return Err(YamlError { line: node.line, message: format!("the anchor `{name}` is there twice") });
            }
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// Gives a node its place. A block collection ends with its last part, not where the parser notices the end (behind
    /// the comments).
    fn place(&self, kind: NodeKind, span: Span, end: Span) -> Node {
        let start = self.offsets.byte(span.start.index(), self.text);
        let is_flow = self.text[start..].starts_with(['[', '{']);
        let last = match &kind {
            NodeKind::List(nodes) => nodes.last().map(|node| node.end),
            NodeKind::Map(entries) => entries.last().map(|entry| entry.value.end),
            NodeKind::Scalar(_) => None,
        };
        let end = match (&kind, last) {
            (NodeKind::Scalar(_), _) => self.offsets.byte(span.end.index(), self.text),
            (_, Some(last)) if !is_flow => last,
            // The closing event reaches over the white space and comments behind the bracket.
            _ => self.offsets.byte(end.start.index(), self.text) + 1,
        };
        Node { kind, line: span.start.line(), start, end: end.clamp(start, self.text.len()) }
    }
}

fn error(span: Span, message: &str) -> YamlError {
    YamlError { line: span.start.line(), message: message.to_owned() }
}

fn count(node: &Node) -> usize {
    match &node.kind {
        NodeKind::Scalar(_) => 1,
        NodeKind::List(nodes) => 1 + nodes.iter().map(count).sum::<usize>(),
        NodeKind::Map(entries) => 1 + entries.iter().map(|entry| count(&entry.value)).sum::<usize>(),
    }
}

/// The entries that `<<` brings in; of a list the first mapping wins, so it comes last.
fn merge_source(node: Node) -> Vec<Entry> {
    match node.kind {
        NodeKind::Map(entries) => entries,
        NodeKind::List(nodes) => nodes.into_iter().rev().flat_map(merge_source).collect(),
        NodeKind::Scalar(_) => Vec::new(),
    }
}

fn key_text(name: &Value) -> String {
    match name {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What a scalar is; the error is a tag that Ansible does not know, or one that the text does not fit.
fn scalar_value(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let string = || Value::String(text.to_owned());
    let is_plain = style == ScalarStyle::Plain;
    if is_plain && tag.is_none() && is_impossible_date(text) {
        return Err(format!("`{text}` is read as a date, and there is no such day; put it in quotes"));
    }
    let Some(tag) = tag else { return Ok(if is_plain { plain(text) } else { string() }) };
    match (tag.is_yaml_core_schema(), tag.handle.as_str(), tag.suffix.as_str()) {
        // Ansible prints an encrypted value the same way.
        (_, "!", "vault" | "vault-encrypted") => Ok(serde_json::json!({ "__ansible_vault": text })),
        (_, "" | "!", "unsafe" | "" | "!") | (true, _, "str") => Ok(string()),
        (true, _, "null") => Ok(Value::Null),
        (true, _, kind @ ("bool" | "int" | "float" | "timestamp")) => {
            let value = plain(text);
            let fits = match kind {
                "bool" => value.is_boolean(),
                "int" => value.is_i64() || value.is_u64(),
                "float" => value.is_number(),
                _ => true,
            };
            let value = if kind == "float" { value.as_f64().map_or(value, Value::from) } else { value };
            fits.then_some(value).ok_or_else(|| format!("`{text}` is no {kind}"))
        }
        _ => Err(unknown_tag(tag)),
    }
}

fn is_known(tag: &Tag, kind: &str) -> bool {
    (tag.is_yaml_core_schema() && tag.suffix == kind) || (tag.handle == "!" && tag.suffix == "unsafe")
}

fn unknown_tag(tag: &Tag) -> String {
    format!("the tag `{}{}` means nothing to Ansible", tag.handle, tag.suffix)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn vars(text: &str) -> Value {
        Value::Object(parse_vars(text).unwrap().into_iter().map(|entry| (entry.key, entry.value.value())).collect())
    }

    #[test]
    fn quotes_make_the_difference() {
        assert_eq!(
            vars("a: yes\nb: 'yes'\nc: \"450.80\"\nd: 450.80\n"),
            json!({"a": true, "b": "yes", "c": "450.80", "d": 450.8})
        );
    }

    #[test]
    fn merges_and_the_last_of_equal_keys_win_as_in_pyyaml() {
        assert_eq!(
            vars("base: &b {x: 1, y: 2}\nm:\n  <<: *b\n  x: 3\nm2: {<<: [*b, {x: 9, z: 4}]}\nk: 1\nk: 2\n"),
            json!({"base": {"x": 1, "y": 2}, "m": {"x": 3, "y": 2}, "m2": {"x": 1, "z": 4, "y": 2}, "k": 2})
        );
    }

    #[test]
    fn places_are_lines_and_bytes() {
        let text = "# é comment\r\nname: é \"x\"  # why\r\nlist:\r\n  - a\r\n  - b # end\r\n\r\n# tail\r\nflow: [a,\r\n  b]  # c\r\n";
        let entries = parse_vars(text).unwrap();
        let slice = |name: &str| {
            let entry = entries.iter().find(|entry| entry.key == name).unwrap();
            (entry.line, &text[entry.value.start..entry.value.end])
        };
        assert_eq!(slice("name"), (2, "é \"x\""));
        assert_eq!(slice("list"), (3, "- a\r\n  - b"));
        assert_eq!(slice("flow"), (8, "[a,\r\n  b]"));
    }

    #[test]
    fn what_ansible_refuses_is_an_error_with_its_line() {
        assert_eq!(parse("a: 1\nb: {{ x }}\n").unwrap_err().line, 2);
        assert_eq!(parse("a: 1\n---\nb: 2\n").unwrap_err().line, 2);
        assert!(parse_vars("- a\n").is_err());
        assert!(parse("a: [1\n").is_err());
        assert!(parse("a: =\n").is_err() && parse("a: '='\n").is_ok());
        assert!(parse(&"[".repeat(500)).is_err());
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let refs = vec![format!("*a{}", level - 1); 10].join(", ");
            text = format!("{text}a{level}: &a{level} [{refs}]\n");
        }
        assert!(parse(&text).is_err());
    }

    #[test]
    fn a_file_of_comments_is_empty() {
        assert!(parse_vars("---\n# nothing\n").unwrap().is_empty());
        assert!(parse_vars("").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a-c:\\-\\[\\]{}'\"&*!|> #\n\r\té가]{0,60}") {
            let _ = parse_vars(&text);
        }
    }
}
