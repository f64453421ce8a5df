//! The wire: requests in, JSON or chunked log streams out.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
    sync::MutexGuard,
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{Mood, Shared, State, apply, stored, terminated};

pub struct Request {
    pub method: String,
    target: String,
    path: String,
    query: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Answers the requests of one connection until it is closed.
pub fn serve(shared: &Shared, connection: TcpStream) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let mut connection = connection;
    while let Some(request) = read(&mut reader) {
        let mut state = shared.state.lock().unwrap();
        state.requests.push(format!("{} {}", request.method, request.target));
        match state.mood {
            Mood::Well | Mood::Expired | Mood::WatchBreaks => {}
            Mood::Slow(milliseconds) => {
                drop(state);
                thread::sleep(Duration::from_millis(milliseconds));
                state = shared.state.lock().unwrap();
            }
            Mood::Garbage => {
                drop(state);
                let page = "<html><body>Sign in to the network</body></html>";
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}",
                    page.len()
                );
                if connection.write_all(head.as_bytes()).is_err() {
                    return;
                }
                continue;
            }
            Mood::HalfClosed => {
                drop(state);
                let _ = connection.write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{\"kind\": \"Li",
                );
                let _ = connection.shutdown(Shutdown::Both);
                return;
            }
            Mood::Status(code) => {
                drop(state);
                let reason = match code {
                    401 => "Unauthorized",
                    403 => "Forbidden",
                    _ => "InternalError",
                };
                let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code,
                    "message": reason});
                if answer(&mut connection, code, &body).is_err() {
                    return;
                }
                continue;
            }
            Mood::Hang => {
                drop(state);
                thread::sleep(Duration::from_mins(1));
                return;
            }
        }
        let asked = format!("{} {}", request.method, request.target);
        if let Some((_, body)) = state.refused.iter().find(|(fragment, _)| asked.contains(fragment.as_str())) {
            let body = body.clone();
            drop(state);
            let code = body["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(403);
            if answer(&mut connection, code, &body).is_err() {
                return;
            }
            continue;
        }
        // An empty document in protobuf: the schema knows no kind, so that nothing is held against it.
        let done = if request.path == "/openapi/v2" {
            drop(state);
            connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        } else if request.path.ends_with("/log") {
            log(shared, state, &request, &mut connection)
        } else if request.value("watch").is_some() {
            watch(shared, state, &request, &mut connection)
        } else {
            object(shared, state, &request, &mut connection)
        };
        if done.is_err() {
            let _ = connection.shutdown(Shutdown::Both);
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|len| *len > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        if let Some((name, value)) =
            header.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        {
            assert_eq!(name.to_ascii_lowercase(), "content-length");
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), decode(value)))
        .collect();
    Some(Request { method, path: path.to_owned(), query, body, target: target.clone() })
}

/// Decodes `%3D`.
fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let code: Vec<u8> = if byte == b'%' { bytes.by_ref().take(2).collect() } else { Vec::new() };
        out.push(std::str::from_utf8(&code).ok().and_then(|code| u8::from_str_radix(code, 16).ok()).unwrap_or(byte));
    }
    String::from_utf8(out).unwrap()
}

fn answer(connection: &mut TcpStream, code: u16, body: &Value) -> io::Result<()> {
    let body = body.to_string();
    write!(
        connection,
        "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub fn not_found(kind: &str, name: &str) -> (u16, Value) {
    let message = format!("{kind} \"{name}\" not found");
    (
        404,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": message,
        "details": {"name": name, "kind": kind}}),
    )
}

/// Lists, in pages where the request wants pages. A page may be told that its beginning is forgotten.
fn list(kind: &str, version: &str, items: &[Value], state: &mut State, request: &Request) -> (u16, Value) {
    let number = |name: &str| request.value(name).and_then(|value| value.parse::<usize>().ok());
    let start = number("continue").unwrap_or(0);
    if start > 0 && std::mem::take(&mut state.forgets_pages) {
        return (
            410,
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410,
            "message": "The provided continue parameter is too old to display a consistent list result."}),
        );
    }
    let end = number("limit").map_or(items.len(), |limit| items.len().min(start + limit.min(state.page)));
    let next = if end < items.len() { end.to_string() } else { String::new() };
    let metadata = json!({"resourceVersion": state.version.to_string(), "continue": next});
    (200, json!({"kind": kind, "apiVersion": version, "metadata": metadata, "items": &items[start..end]}))
}

/// Returns the objects of a kind that the request selects.
fn chosen(state: &State, kind: &str, request: &Request) -> Vec<Value> {
    let created = state
        .created
        .iter()
        .filter(|pod| kind == "pods" && !state.deleted.iter().any(|name| pod["metadata"]["name"] == *name));
    let objects = match kind {
        "nodes" => std::slice::from_ref(&state.node).iter().chain(&state.other_nodes),
        "daemonsets" => state.daemonsets.iter().chain(&[]),
        "runtimeclasses" => state.runtime_classes.iter().chain(&[]),
        _ => state.pods.iter().chain(&[]),
    };
    objects.chain(created).filter(|item| selects(request, item)).cloned().collect()
}

/// Tells whether the selectors of a request and the namespace of its path fit an object.
fn selects(request: &Request, item: &Value) -> bool {
    let parts: Vec<_> = request.path.trim_matches('/').split('/').collect();
    let namespace = parts.iter().position(|part| *part == "namespaces").map(|place| parts[place + 1]);
    let field = request.value("fieldSelector").and_then(|selector| selector.split_once('='));
    let label = request.value("labelSelector").unwrap_or_default();
    let mut labels = label.split(',').filter_map(|selector| selector.split_once('='));
    let at = |path: &str| path.split('.').fold(item, |value, part| &value[part]).as_str().unwrap_or("").to_owned();
    namespace.is_none_or(|namespace| item["metadata"]["namespace"] == namespace)
        && field.is_none_or(|(path, value)| at(path) == value)
        && labels.all(|(key, value)| item["metadata"]["labels"][key] == value)
}

/// Streams what changes after the version that is asked for.
fn watch(
    shared: &Shared,
    mut state: MutexGuard<'_, State>,
    request: &Request,
    connection: &mut TcpStream,
) -> io::Result<()> {
    let mut seen: u64 = request.value("resourceVersion").and_then(|version| version.parse().ok()).unwrap_or(0);
    let kind = request.path.rsplit('/').next().unwrap().to_owned();
    write!(connection, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    let breaks = state.breaks;
    loop {
        if state.mood == Mood::Expired {
            let line = state.http["watch-too-old"].to_string();
            drop(state);
            chunk(connection, &(line + "\n"))?;
            return connection.write_all(b"0\r\n\r\n");
        }
        let is_well = matches!(state.mood, Mood::Well | Mood::Slow(_) | Mood::WatchBreaks);
        if !is_well || state.breaks != breaks {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let news: Vec<_> = state.history.iter().filter(|(version, ..)| *version > seen).cloned().collect();
        let breaks_now = state.mood == Mood::WatchBreaks;
        for (version, what, change, item) in news {
            seen = version;
            if what == kind && selects(request, &item) {
                chunk(connection, &(json!({"type": change, "object": item}).to_string() + "\n"))?;
                if breaks_now {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
            }
        }
        state = shared.changed.wait_timeout(state, Duration::from_millis(200)).unwrap().0;
    }
}

/// Answers everything but logs.
fn object(
    shared: &Shared,
    mut state: MutexGuard<'_, State>,
    request: &Request,
    connection: &mut TcpStream,
) -> io::Result<()> {
    let parts: Vec<_> = request.path.trim_matches('/').split('/').collect();
    let (code, body) = match (request.method.as_str(), &parts[..]) {
        ("GET", ["version"]) => (200, state.http["version"].clone()),
        ("GET", ["api"]) => (200, state.http["api"].clone()),
        ("GET", ["apis"]) => (200, apply::groups(state.http["apis-apps-only"].clone())),
        ("GET", ["apis", "node.k8s.io", "v1"]) => (200, apply::resources()),
        ("GET", ["apis", "node.k8s.io", "v1", "runtimeclasses"]) => {
            let found = chosen(&state, "runtimeclasses", request);
            list("RuntimeClassList", "node.k8s.io/v1", &found, &mut state, request)
        }
        (_, ["apis", "node.k8s.io", "v1", "runtimeclasses", name]) => {
            apply::one(&mut state, request, "runtimeclasses", None, name)
        }
        (_, ["apis", "apps", "v1", "namespaces", namespace, "daemonsets", name]) => {
            apply::one(&mut state, request, "daemonsets", Some(namespace), name)
        }
        ("GET", ["api", "v1"]) => (200, stored::resources(state.http["api-v1"].clone())),
        ("GET", ["apis", "apps", "v1"]) => (200, state.http["apis-apps-v1"].clone()),
        ("GET", ["api", "v1", "nodes"]) => {
            let found = chosen(&state, "nodes", request);
            list("NodeList", "v1", &found, &mut state, request)
        }
        ("GET", ["apis", "apps", "v1", "daemonsets"] | ["apis", "apps", "v1", "namespaces", _, "daemonsets"]) => {
            let found = chosen(&state, "daemonsets", request);
            list("DaemonSetList", "apps/v1", &found, &mut state, request)
        }
        ("GET", ["api", "v1", "pods"] | ["api", "v1", "namespaces", _, "pods"]) => {
            let found = chosen(&state, "pods", request);
            list("PodList", "v1", &found, &mut state, request)
        }
        ("GET", ["api", "v1", "namespaces", _, "events"]) => {
            let name = request
                .value("fieldSelector")
                .and_then(|selector| selector.strip_prefix("involvedObject.name="))
                .unwrap();
            let chosen: Vec<_> =
                state.events.iter().filter(|event| event["involvedObject"]["name"] == name).cloned().collect();
            list("EventList", "v1", &chosen, &mut state, request)
        }
        ("GET", ["api", "v1", "namespaces", _, "pods", name]) => match find(&state, name) {
            Some(pod) => (200, pod),
            None => not_found("pods", name),
        },
        ("POST", ["api", "v1", "namespaces", _, "pods"]) => (201, create(&mut state, &request.body)),
        ("GET", ["api", "v1", "nodes", name]) if state.node["metadata"]["name"] == *name => (200, state.node.clone()),
        // A patch as `kubectl label`, `cordon` and `patch --type=merge` send it: maps only.
        ("PATCH", ["api", "v1", "nodes", _]) => {
            let before = state.objects();
            let patch: Value = serde_json::from_slice(&request.body).unwrap();
            merge(&mut state.node, &patch);
            state.note(&before);
            (200, state.node.clone())
        }
        ("DELETE", ["api", "v1", "namespaces", _, "pods", name]) => {
            let before = state.objects();
            state.deleted.push((*name).to_owned());
            let found = find(&state, name);
            state.pods.retain(|pod| pod["metadata"]["name"] != *name);
            state.note(&before);
            (200, found.unwrap_or_else(|| json!({"kind": "Status", "apiVersion": "v1", "status": "Success"})))
        }
        (_, parts) => stored::answer(&mut state, request, parts).unwrap_or_else(|| not_found("paths", &request.path)),
    };
    state.sent += body.to_string().len();
    drop(state);
    shared.changed.notify_all();
    answer(connection, code, &body)
}

/// A JSON merge patch (RFC 7386).
fn merge(object: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else { return object.clone_from(patch) };
    if !object.is_object() {
        *object = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut object[key], value);
        }
    }
}

fn find(state: &State, name: &str) -> Option<Value> {
    let mut pod = state.pods.iter().chain(&state.created).find(|pod| pod["metadata"]["name"] == name).cloned()?;
    // An object of a list does not say what it is.
    (pod["kind"], pod["apiVersion"]) = (json!("Pod"), json!("v1"));
    Some(pod)
}

/// Creates a test pod, which has ended at once; an image that the test calls `gone` cannot be pulled.
fn create(state: &mut State, body: &[u8]) -> Value {
    let mut pod: Value = serde_json::from_slice(body).unwrap();
    let name = pod["spec"]["containers"][0]["name"].clone();
    let gone = pod["spec"]["containers"][0]["image"].as_str().unwrap().contains("gone");
    let (phase, container) = if gone {
        ("Pending", json!({"waiting": {"reason": "ErrImagePull", "message": "manifest unknown"}}))
    } else {
        ("Succeeded", terminated(state.test_pod.1))
    };
    pod["metadata"]["uid"] = json!("u");
    if let Some(status) = &state.test_pod_status {
        pod["status"] = status.clone();
        state.created.push(pod.clone());
        return pod;
    }
    pod["status"] = json!({"phase": phase, "containerStatuses": [{"name": name, "state": container}]});
    state.created.push(pod.clone());
    pod
}

/// Answers a request for a log, streaming it while the container runs.
fn log(
    shared: &Shared,
    mut state: MutexGuard<'_, State>,
    request: &Request,
    connection: &mut TcpStream,
) -> io::Result<()> {
    state.asked.push(request.query.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&"));
    shared.changed.notify_all();
    let name = request.path.trim_end_matches("/log").rsplit('/').next().unwrap().to_owned();
    let Some(pod) = find(&state, &name) else {
        let (code, body) = not_found("pods", &name);
        drop(state);
        return answer(connection, code, &body);
    };
    if state.created.iter().any(|created| created["metadata"]["name"] == name.as_str()) {
        let text = state.test_pod.0.clone();
        drop(state);
        return write!(
            connection,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        );
    }
    let restarts = pod["status"]["initContainerStatuses"][0]["restartCount"].as_u64().unwrap_or(0);
    let attempt = if request.value("previous") == Some("true") { restarts.saturating_sub(1) } else { restarts };
    let since: Option<jiff::Timestamp> = request.value("sinceTime").map(|since| since.parse().unwrap());
    write!(connection, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    state.streams += 1;
    let stream = Stream { name: &name, attempt, since, timestamps: request.value("timestamps") == Some("true") };
    let follow = request.value("follow") == Some("true");
    let (mut state, result) = stream.send(shared, state, follow, connection);
    state.streams -= 1;
    drop(state);
    shared.changed.notify_all();
    result
}

struct Stream<'a> {
    name: &'a str,
    attempt: u64,
    since: Option<jiff::Timestamp>,
    timestamps: bool,
}

impl Stream<'_> {
    fn send<'a>(
        &self,
        shared: &'a Shared,
        mut state: MutexGuard<'a, State>,
        follow: bool,
        connection: &mut TcpStream,
    ) -> (MutexGuard<'a, State>, io::Result<()>) {
        if state.flood && follow {
            drop(state);
            let end = flood(connection);
            return (shared.state.lock().unwrap(), end);
        }
        let breaks = state.breaks;
        let mut sent = state.log(self.name, self.attempt).rotated;
        loop {
            if state.breaks != breaks {
                let half = if state.half.is_empty() { Ok(()) } else { chunk(connection, &state.half) };
                return (state, half.and(Err(io::ErrorKind::ConnectionReset.into())));
            }
            let log = state.log(self.name, self.attempt);
            let news: Vec<_> = log.lines[sent..]
                .iter()
                .filter(|(at, _)| self.since.is_none_or(|since| *at >= since))
                .cloned()
                .collect();
            sent = log.lines.len();
            let ended = log.ended || !follow;
            for (at, text) in news {
                let time = if self.timestamps { format!("{at:.9} ") } else { String::new() };
                if let Err(error) = chunk(connection, &format!("{time}{text}\n")) {
                    return (state, Err(error));
                }
            }
            if ended {
                return (state, connection.write_all(b"0\r\n\r\n"));
            }
            state = shared.changed.wait_timeout(state, Duration::from_millis(200)).unwrap().0;
        }
    }
}

/// Writes numbered lines until nobody takes them.
fn flood(connection: &mut TcpStream) -> io::Result<()> {
    let mut number = 0;
    loop {
        let line =
            |n: u32| format!("2026-11-23T21:00:{:02}.{:09}Z flood line {n}\n", n / 1_000_000 % 60, n % 1_000_000);
        let lines: String = (number..number + 500).map(line).collect();
        number += 500;
        chunk(connection, &lines)?;
    }
}

fn chunk(connection: &mut TcpStream, text: &str) -> io::Result<()> {
    write!(connection, "{:x}\r\n{text}\r\n", text.len())
}
