//! Server-side apply, as far as it matters to who asks: fields have managers, another manager's value is a conflict,
//! and a dry run changes nothing. A stand-in: lists are one field here, where the real server knows their keys; the
//! words of a conflict are the real server's.

use serde_json::{Map, Value, json};

use super::{
    State,
    http::{Request, not_found},
};

/// The kinds that can be applied: resource, kind, version.
const KINDS: [(&str, &str, &str); 2] =
    [("daemonsets", "DaemonSet", "apps/v1"), ("runtimeclasses", "RuntimeClass", "node.k8s.io/v1")];

/// The group of runtime classes, which the recordings do not have.
pub fn groups(mut recorded: Value) -> Value {
    let version = json!({"groupVersion": "node.k8s.io/v1", "version": "v1"});
    let group = json!({"name": "node.k8s.io", "versions": [version], "preferredVersion": version});
    recorded["groups"].as_array_mut().unwrap().push(group);
    recorded
}

/// The resources of that group.
pub fn resources() -> Value {
    let verbs = json!(["create", "delete", "get", "list", "patch", "update", "watch"]);
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "node.k8s.io/v1", "resources": [
        {"name": "runtimeclasses", "singularName": "runtimeclass", "namespaced": false, "kind": "RuntimeClass", "verbs": verbs}
    ]})
}

fn items<'s>(state: &'s mut State, resource: &str) -> &'s mut Vec<Value> {
    if resource == "daemonsets" { &mut state.daemonsets } else { &mut state.runtime_classes }
}

fn place(items: &[Value], namespace: Option<&str>, name: &str) -> Option<usize> {
    let here = |item: &Value| {
        item["metadata"]["name"] == name && namespace.is_none_or(|namespace| item["metadata"]["namespace"] == namespace)
    };
    items.iter().position(here)
}

/// Answers a request for one object: GET, PATCH of an apply, DELETE.
pub fn one(state: &mut State, request: &Request, resource: &str, namespace: Option<&str>, name: &str) -> (u16, Value) {
    let found = place(items(state, resource), namespace, name);
    match (request.method.as_str(), found) {
        ("PATCH", found) => apply(state, request, resource, found),
        (_, None) => not_found(resource, name),
        ("DELETE", Some(place)) => {
            let before = state.objects();
            let gone = items(state, resource).remove(place);
            state.deleted.push(format!("{resource}/{name}"));
            state.note(&before);
            (200, named(gone, resource))
        }
        (_, Some(place)) => (200, named(items(state, resource)[place].clone(), resource)),
    }
}

fn named(mut object: Value, resource: &str) -> Value {
    let (_, kind, version) = KINDS.iter().find(|(name, ..)| *name == resource).unwrap();
    (object["kind"], object["apiVersion"]) = (json!(kind), json!(version));
    object
}

fn apply(state: &mut State, request: &Request, resource: &str, found: Option<usize>) -> (u16, Value) {
    let applied: Value = serde_yaml::from_slice(&request.body).unwrap();
    let manager = request.value("fieldManager").expect("an apply names its manager").to_owned();
    let live = found.map_or_else(|| json!({"metadata": {}}), |place| items(state, resource)[place].clone());
    let wanted = leaves(&applied);
    let conflicts: Vec<(String, String)> = wanted
        .iter()
        .filter(|(path, value)| at(&live, path).is_some_and(|old| *old != *value))
        .filter_map(|(path, _)| {
            owners(&live, path).into_iter().find(|owner| *owner != manager).map(|owner| (owner, path.clone()))
        })
        .collect();
    if !conflicts.is_empty() && request.value("force") != Some("true") {
        return conflict(&conflicts, &applied["apiVersion"]);
    }
    let mut object = merged(live, &wanted, &manager);
    for (key, value) in [("uid", "uid-of-applied"), ("resourceVersion", "1")] {
        if object["metadata"][key].is_null() {
            object["metadata"][key] = json!(value);
        }
    }
    if request.value("dryRun") != Some("All") {
        let before = state.objects();
        match found {
            Some(place) => items(state, resource)[place] = object.clone(),
            None => items(state, resource).push(object.clone()),
        }
        state.applied.push(format!("{resource}/{} by {manager}", object["metadata"]["name"].as_str().unwrap()));
        state.note(&before);
    }
    (if found.is_some() { 200 } else { 201 }, named(object, resource))
}

fn conflict(conflicts: &[(String, String)], version: &Value) -> (u16, Value) {
    let field = |path: &str| format!(".{}", path.replace('\u{0}', "."));
    let told = |(owner, path): &(String, String)| {
        format!("conflict with \"{owner}\" using {}: {}", version.as_str().unwrap(), field(path))
    };
    let causes: Vec<Value> = conflicts
        .iter()
        .map(|(owner, path)| json!({"reason": "FieldManagerConflict", "message": format!("conflict with \"{owner}\""), "field": field(path)}))
        .collect();
    let count = conflicts.len();
    let message =
        format!("Apply failed with {count} conflict{}: {}", if count == 1 { "" } else { "s" }, told(&conflicts[0]));
    (
        409,
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Conflict", "code": 409,
        "message": message, "details": {"causes": causes}}),
    )
}

/// Gives the object the applied values, takes what this manager applied before and now does not, and notes who manages
/// what.
fn merged(mut object: Value, wanted: &[(String, Value)], manager: &str) -> Value {
    let old = managed(&object, manager);
    for path in old.keys().filter(|path| !wanted.iter().any(|(new, _)| new == *path)) {
        if owners(&object, path).len() == 1 {
            remove(&mut object, path);
        }
    }
    for (path, value) in wanted {
        *path.split('\u{0}').fold(&mut object, |part, key| &mut part[key]) = value.clone();
    }
    let fields: Map<String, Value> = wanted.iter().map(|(path, _)| (path.clone(), json!({}))).collect();
    let entry = json!({"manager": manager, "operation": "Apply", "fieldsV1": fields});
    let mut entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    entries.retain(|entry| entry["manager"] != manager);
    entries.push(entry);
    object["metadata"]["managedFields"] = entries.into();
    object
}

fn remove(object: &mut Value, path: &str) {
    let (parent, key) = path.rsplit_once('\u{0}').unwrap_or(("", path));
    let parent = parent.split('\u{0}').filter(|key| !key.is_empty()).fold(object, |part, key| &mut part[key]);
    parent.as_object_mut().map(|map| map.remove(key));
}

fn managed(object: &Value, manager: &str) -> Map<String, Value> {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries
        .filter(|entry| entry["manager"] == manager)
        .filter_map(|entry| entry["fieldsV1"].as_object().cloned())
        .flatten()
        .collect()
}

fn owners(object: &Value, path: &str) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries
        .filter(|entry| entry["fieldsV1"].get(path).is_some())
        .map(|entry| entry["manager"].as_str().unwrap().to_owned())
        .collect()
}

fn at<'v>(object: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('\u{0}').try_fold(object, |part, key| part.get(key))
}

/// All values that are no mapping, with their paths; a label's key holds dots, so that the parts stand apart by a zero.
pub fn leaves(object: &Value) -> Vec<(String, Value)> {
    fn walk(value: &Value, path: &str, found: &mut Vec<(String, Value)>) {
        match value {
            Value::Object(map) if !map.is_empty() => map.iter().for_each(|(key, value)| {
                let path = if path.is_empty() { key.clone() } else { format!("{path}\u{0}{key}") };
                walk(value, &path, found);
            }),
            _ => found.push((path.to_owned(), value.clone())),
        }
    }
    let mut found = Vec::new();
    walk(object, "", &mut found);
    found.retain(|(path, _)| !matches!(path.as_str(), "kind" | "apiVersion"));
    found
}
