//! Templates in values: what can be worked out from the inventory alone is filled in; anything else stays as it is
//! written, and nobody draws a conclusion from its text.
//!
//! Names, lists, conditions and the usual filters are evaluated (`groups['gpu'] | default([])`, `'gpu' in groups`).
//! Lookups, facts, other hosts' variables, blocks and methods are Ansible's alone.

use std::collections::{HashMap, HashSet};

use minijinja::{Environment, UndefinedBehavior};
use serde_json::Value;

use super::{
    inventory::Inventory,
    truth::{as_bool, as_text},
};

/// Names that may lead to each other; more is a circle.
const DEPTH_LIMIT: usize = 20;

/// What only Ansible knows, besides all names that begin with `ansible_`. Source: Ansible documentation, "Special
/// variables".
const OF_ANSIBLE: [&str; 10] = [
    "hostvars",
    "lookup",
    "query",
    "q",
    "vars",
    "omit",
    "environment",
    "play_hosts",
    "inventory_dir",
    "inventory_file",
];

/// The values that a template of one host can name.
pub(super) struct Values<'i> {
    known: HashMap<String, Value>,
    inventory: &'i Inventory,
    host: String,
}

impl<'i> Values<'i> {
    /// Takes the variables of a host.
    pub(super) fn new(known: HashMap<String, Value>, inventory: &'i Inventory, host: &str) -> Self {
        Self { known, inventory, host: host.to_owned() }
    }

    /// Sets a value that beats all others.
    pub(super) fn set(&mut self, name: String, value: Value) {
        self.known.insert(name, value);
    }

    /// Returns a variable's value, templates filled in.
    pub(super) fn get(&self, name: &str) -> Option<Value> {
        self.known.get(name).map(|value| resolve(value, self))
    }

    /// Returns a name as a template sees it: what Ansible says of the host comes before the variables.
    fn named(&self, name: &str, depth: usize) -> Option<Value> {
        let groups = |names: Vec<&str>| names.into_iter().map(Value::from).collect();
        Some(match name {
            "inventory_hostname" => self.host.as_str().into(),
            "inventory_hostname_short" => self.host.split('.').next().unwrap_or_default().into(),
            "group_names" => {
                groups(self.inventory.groups_of(&self.host).into_iter().filter(|name| *name != "all").collect())
            }
            "groups" => {
                let hosts = |name: &str| {
                    (name.to_owned(), self.inventory.hosts_of(name).into_iter().map(Value::from).collect())
                };
                Value::Object(self.inventory.group_names().map(hosts).collect())
            }
            _ => resolve_within(self.known.get(name)?, self, depth),
        })
    }
}

/// Fills in what can be worked out, also in lists and mappings. A text that is nothing but one expression takes its
/// value's type. A text with anything else in it comes back as it is; [`is_template`] then tells.
pub(super) fn resolve(value: &Value, values: &Values<'_>) -> Value {
    resolve_within(value, values, 0)
}

fn resolve_within(value: &Value, values: &Values<'_>, depth: usize) -> Value {
    match value {
        Value::String(text) if has_marks(text) => text_value(text, values, depth).unwrap_or_else(|| value.clone()),
        Value::Array(items) => items.iter().map(|item| resolve_within(item, values, depth)).collect(),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(name, item)| (name.clone(), resolve_within(item, values, depth))).collect())
        }
        other => other.clone(),
    }
}

fn text_value(text: &str, values: &Values<'_>, depth: usize) -> Option<Value> {
    if depth > DEPTH_LIMIT || text.contains("{%") || text.contains("{#") {
        return None;
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((head, expression, tail)) = next_expression(rest) {
        let value = evaluate(expression, values, depth).filter(|value| !is_template(value))?;
        if head.is_empty() && tail.is_empty() && rest.len() == text.len() {
            return Some(value);
        }
        out += head;
        out += &as_text(&value);
        rest = tail;
    }
    out += rest;
    (!has_marks(&out)).then_some(Value::String(out))
}

/// Finds the next `{{ expression }}`: what stands before it, the expression, and what stands behind it. Quoted text
/// inside may hold braces.
fn next_expression(text: &str) -> Option<(&str, &str, &str)> {
    let open = text.find("{{")?;
    let inner = &text[open + 2..];
    let mut quote = None;
    let mut depth = 0usize;
    for (at, c) in inner.char_indices() {
        match (quote, c) {
            (Some(mark), _) if mark == c => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') if depth > 0 => depth -= 1,
            (None, '}') if inner[at..].starts_with("}}") => {
                return Some((&text[..open], inner[..at].trim(), &inner[at + 2..]));
            }
            _ => {}
        }
    }
    None
}

fn evaluate(expression: &str, values: &Values<'_>, depth: usize) -> Option<Value> {
    let is_name = expression.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !expression.starts_with(|c: char| c.is_ascii_digit());
    if is_name && !matches!(expression, "true" | "false" | "none" | "True" | "False" | "None") {
        // Most templates are one name, and a name needs no machinery.
        return values.named(expression, depth + 1);
    }
    let environment = environment();
    let compiled = environment.compile_expression(expression).ok()?;
    let names: HashSet<String> = compiled.undeclared_variables(false);
    let mut context = serde_json::Map::new();
    for name in names {
        match values.named(&name, depth + 1) {
            Some(value) if is_template_within(&value) => return None,
            Some(value) => context.insert(name, value),
            None if name.starts_with("ansible_") || OF_ANSIBLE.contains(&name.as_str()) => return None,
            // Nobody defines it: then it is for `default` to say what it is.
            None => None,
        };
    }
    let context: minijinja::Value = serde_json::from_value(Value::Object(context)).ok()?;
    let value = compiled.eval(context).ok().filter(|value| !value.is_undefined())?;
    serde_json::to_value(value).ok()
}

/// Jinja as Ansible has it: an undefined name is an error, and `bool` reads words.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment
        .add_filter("bool", |value: minijinja::Value| serde_json::to_value(value).is_ok_and(|value| as_bool(&value)));
    environment
        .add_filter("ternary", |value: bool, yes: minijinja::Value, no: minijinja::Value| if value { yes } else { no });
    environment
}

fn has_marks(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// Tells whether a value still needs Jinja.
pub(super) fn is_template(value: &Value) -> bool {
    value.as_str().is_some_and(has_marks)
}

/// As `is_template`, also for what stands in a list or a mapping.
pub fn is_template_within(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(is_template_within),
        Value::Object(map) => map.values().any(is_template_within),
        other => is_template(other),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn inventory() -> Inventory {
        let mut inventory = Inventory::empty();
        inventory.add_source(
            "[kube_node]\nn1\n[gpu]\ngpu1\ngpu2.x.org\n[kube_node:children]\ngpu\n",
            Path::new("hosts.ini"),
        );
        inventory
    }

    fn values(inventory: &Inventory) -> Values<'_> {
        let known = [
            ("a", json!("{{ b }}/x")),
            ("b", json!(1.5)),
            ("list", json!([1])),
            ("c", json!("{{ c }}")),
            ("t", json!(true)),
            ("no", json!("no")),
            ("looked_up", json!("{{ lookup('env', 'X') }}")),
        ];
        Values::new(known.map(|(name, value)| (name.to_owned(), value)).into(), inventory, "gpu2.x.org")
    }

    #[test]
    fn what_the_inventory_tells_is_filled_in() {
        let inventory = inventory();
        let values = values(&inventory);
        for (text, expected) in [
            ("{{ list }}", json!([1])),
            ("u/{{a}}-{{ t }}", json!("u/1.5/x-True")),
            ("{{ b }}{{ t }}", json!("1.5True")),
            ("{{ 'gpu' in groups }}", json!(true)),
            ("{{ 'other' in groups }}", json!(false)),
            ("{{ groups['gpu'] | default([]) }}", json!(["gpu1", "gpu2.x.org"])),
            ("{{ groups.gpu }}", json!(["gpu1", "gpu2.x.org"])),
            ("{{ groups['other'] | default(['n1']) }}", json!(["n1"])),
            ("{{ inventory_hostname in groups['gpu'] }}", json!(true)),
            ("{{ inventory_hostname_short }}", json!("gpu2")),
            ("{{ missing | default('550.54.15') }}", json!("550.54.15")),
            ("{{ no | bool }}", json!(false)),
            ("{{ 'a' if t else 'b' }}", json!("a")),
            ("{{ t | ternary('a', 'b') }}", json!("a")),
            ("{{ '}}' }}", json!("}}")),
            ("plain", json!("plain")),
        ] {
            assert_eq!(resolve(&json!(text), &values), expected, "{text}");
        }
        assert_eq!(resolve(&json!(["{{ inventory_hostname }}"]), &values), json!(["gpu2.x.org"]));
    }

    #[test]
    fn what_only_ansible_knows_stays_as_it_is_written() {
        let inventory = inventory();
        let values = values(&inventory);
        for text in [
            "{{ c }}",
            "{{ missing }}/x",
            "{{ hostvars['n1'].ip | default('x') }}",
            "{{ ansible_distribution | default('x') }}",
            "{{ lookup('env', 'HOME') }}",
            "{{ looked_up | default('x') }}",
            "{% if b %}x{% endif %}",
            "{{ a.b.c }}",
            "{{ inventory_hostname.split('.')[0] }}",
            "{{ list | some_filter }}",
            "{{ groups['other'] }}",
            "{{b",
            "{{ 1 +",
        ] {
            assert_eq!(resolve(&json!(text), &values), json!(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}", inner in "[a-z'\\[\\]()| .{}\"+-]{0,30}") {
            let inventory = inventory();
            let values = values(&inventory);
            let _ = (resolve(&json!(text), &values), resolve(&json!(format!("{{{{ {inner} }}}}")), &values));
        }
    }
}
