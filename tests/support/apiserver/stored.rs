//! Objects that are kept as they come, for `helm`: the secrets of its releases, the namespace, and what a chart makes.
//! A stand-in: server-side apply replaces the object here; what helm and kubectl send and print is real.

use serde_json::{Value, json};

use super::{
    State,
    http::{Request, not_found},
};

/// The kinds that are kept: resource, kind.
const KINDS: [(&str, &str); 3] = [("secrets", "Secret"), ("namespaces", "Namespace"), ("configmaps", "ConfigMap")];

/// Adds these kinds to the recorded ones.
pub fn resources(mut recorded: Value) -> Value {
    let verbs = json!(["create", "delete", "get", "list", "patch", "update", "watch"]);
    let list = recorded["resources"].as_array_mut().unwrap();
    list.retain(|resource| !KINDS.iter().any(|(name, _)| resource["name"] == *name));
    for (name, kind) in KINDS {
        list.push(json!({"name": name, "singularName": kind.to_lowercase(), "namespaced": name != "namespaces",
            "kind": kind, "verbs": verbs}));
    }
    recorded
}

/// Answers a request for one of these kinds; nothing for others.
pub fn answer(state: &mut State, request: &Request, parts: &[&str]) -> Option<(u16, Value)> {
    let (namespace, resource, name) = match parts {
        ["api", "v1", "namespaces"] => (None, "namespaces", None),
        ["api", "v1", "namespaces", name] => (None, "namespaces", Some(*name)),
        ["api", "v1", "namespaces", namespace, resource] => (Some(*namespace), *resource, None),
        ["api", "v1", "namespaces", namespace, resource, name] => (Some(*namespace), *resource, Some(*name)),
        ["api", "v1", resource] => (None, *resource, None),
        _ => return None,
    };
    let (_, kind) = KINDS.iter().find(|(kept, _)| *kept == resource)?;
    let is_it = |object: &Value, name: &str| {
        object["kind"] == *kind
            && object["metadata"]["name"] == name
            && namespace.is_none_or(|namespace| object["metadata"]["namespace"] == namespace)
    };
    let place = name.and_then(|name| state.stored.iter().position(|object| is_it(object, name)));
    Some(match (request.method.as_str(), name, place) {
        ("GET", None, _) => (200, list(state, request, kind, namespace)),
        ("POST", None, _) => {
            let object = made(request, kind, namespace);
            let name = object["metadata"]["name"].as_str().unwrap();
            if state.stored.iter().any(|other| is_it(other, name)) {
                return Some((409, exists(resource, name)));
            }
            state.stored.push(object.clone());
            (201, object)
        }
        ("PUT" | "PATCH", Some(name), place) => {
            let mut object = made(request, kind, namespace);
            object["metadata"]["name"] = json!(name);
            match place {
                Some(place) => state.stored[place] = object.clone(),
                None => state.stored.push(object.clone()),
            }
            (if place.is_some() { 200 } else { 201 }, object)
        }
        ("GET", Some(_), Some(place)) => (200, state.stored[place].clone()),
        ("DELETE", Some(name), Some(place)) => {
            state.stored.remove(place);
            state.deleted.push(format!("{resource}/{name}"));
            (200, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}))
        }
        (_, name, _) => not_found(resource, name.unwrap_or_default()),
    })
}

fn made(request: &Request, kind: &str, namespace: Option<&str>) -> Value {
    let mut object: Value = match request.body.strip_prefix(b"k8s\0") {
        Some(message) => secret(message),
        None => serde_yaml::from_slice(&request.body).unwrap(),
    };
    (object["kind"], object["apiVersion"]) = (json!(kind), json!("v1"));
    if let Some(namespace) = namespace {
        object["metadata"]["namespace"] = json!(namespace);
    }
    for (key, value) in
        [("uid", "uid-of-stored"), ("resourceVersion", "1"), ("creationTimestamp", "2026-11-28T00:00:00Z")]
    {
        object["metadata"][key] = json!(value);
    }
    object
}

/// Reads a secret as helm's client sends it: a message of protobuf within another. Source: Kubernetes,
/// `runtime.Unknown`, and the numbers of the fields in `core/v1` and `meta/v1`.
fn secret(message: &[u8]) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let map = |bytes: &[u8], number: u64, shown: &dyn Fn(&[u8]) -> String| -> Value {
        let entries = fields(bytes).into_iter().filter(|(field, _)| *field == number).map(|(_, entry)| {
            let of = |number: u64| {
                fields(entry).into_iter().find(|(field, _)| *field == number).map_or(&[][..], |(_, part)| part)
            };
            (text(of(1)), json!(shown(of(2))))
        });
        Value::Object(entries.collect())
    };
    let part = |bytes: &'_ [u8], number: u64| -> Vec<u8> {
        fields(bytes).into_iter().find(|(field, _)| *field == number).map(|(_, part)| part.to_vec()).unwrap_or_default()
    };
    let raw = part(message, 2);
    let metadata = part(&raw, 1);
    json!({"metadata": {"name": text(&part(&metadata, 1)), "labels": map(&metadata, 11, &text)},
        "data": map(&raw, 2, &base64), "type": text(&part(&raw, 3))})
}

/// The fields of a message that have a length, by their numbers.
fn fields(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let len = varint(&mut bytes);
        if key & 7 == 2 {
            let (field, rest) = bytes.split_at(usize::try_from(len).unwrap());
            found.push((key >> 3, field));
            bytes = rest;
        }
    }
    found
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let three = |part: &[u8]| {
        let number = part.iter().chain([&0, &0]).take(3).fold(0u32, |number, byte| number << 8 | u32::from(*byte));
        let letter = |place: usize| char::from(LETTERS[(number >> (18 - 6 * place)) as usize & 63]);
        (0..4).map(|place| if place <= part.len() { letter(place) } else { '=' }).collect::<String>()
    };
    bytes.chunks(3).map(three).collect()
}

fn list(state: &State, request: &Request, kind: &str, namespace: Option<&str>) -> Value {
    let label = request.value("labelSelector").unwrap_or_default().to_owned();
    let pairs: Vec<(&str, &str)> = label.split(',').filter_map(|pair| pair.split_once('=')).collect();
    let is_chosen = |object: &&Value| {
        object["kind"] == *kind
            && namespace.is_none_or(|namespace| object["metadata"]["namespace"] == namespace)
            && pairs.iter().all(|(key, value)| object["metadata"]["labels"][key] == *value)
    };
    let items: Vec<&Value> = state.stored.iter().filter(is_chosen).collect();
    json!({"kind": format!("{kind}List"), "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items})
}

fn exists(resource: &str, name: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "AlreadyExists", "code": 409,
        "message": format!("{resource} \"{name}\" already exists"), "details": {"name": name, "kind": resource}})
}
