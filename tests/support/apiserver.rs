//! A small Kubernetes API server on 127.0.0.1: enough of it for `kubectl get`, `logs`, `apply` and `delete`, over plain
//! HTTP. It serves the recordings of tests/fixtures/cluster, and a test directs it: it writes log lines, breaks
//! connections, restarts containers, replaces pods, refuses or hangs.

mod apply;
mod http;
mod stored;

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use gpunode::{cluster::Kubectl, host::Host};
use serde_json::{Value, json};

/// The label of the installer's pods.
const INSTALLER: &str = "nvidia-driver-installer";

/// The server; it stops listening to the test's commands when dropped, its threads end with the process.
pub struct ApiServer {
    shared: Arc<Shared>,
    port: u16,
    folder: tempfile::TempDir,
}

pub struct Shared {
    pub state: Mutex<State>,
    pub changed: Condvar,
}

/// How the server answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// Every request gets this status.
    Status(u16),
    /// Connections are accepted and never answered.
    Hang,
    /// Every request is answered by a page of some proxy.
    Garbage,
    /// Answers are cut off in the middle, and the connection is closed.
    HalfClosed,
    /// Every watch is told that its version is too old.
    Expired,
    /// Watches break after their first line, lists work.
    WatchBreaks,
    /// Every answer takes this many milliseconds.
    Slow(u64),
}

pub struct State {
    pub mood: Mood,
    /// Grows with every change of an object.
    pub version: u64,
    /// What watches are told: version, kind, type, object.
    pub history: Vec<(u64, &'static str, &'static str, Value)>,
    /// Requests, as they came: method, path and query.
    pub requests: Vec<String>,
    pub node: Value,
    /// Nodes that nobody looks at.
    pub other_nodes: Vec<Value>,
    pub daemonsets: Vec<Value>,
    pub pods: Vec<Value>,
    pub events: Vec<Value>,
    pub http: Value,
    /// The log of each pod and attempt.
    pub logs: Vec<Log>,
    /// Counts how often open streams were broken.
    pub breaks: u32,
    /// What still arrives of the line in which they break.
    pub half: String,
    /// How many streams are open.
    pub streams: u32,
    /// Log requests, as they came.
    pub asked: Vec<String>,
    /// Followed logs never end and come as fast as they can be taken.
    pub flood: bool,
    /// What a created pod prints, and with which status it ends.
    pub test_pod: (String, i32),
    /// The whole status of a created pod, as it was recorded.
    pub test_pod_status: Option<Value>,
    /// Requests (`METHOD path?query`) that contain this are answered with this status object.
    pub refused: Vec<(String, Value)>,
    /// How many objects a page of a list holds at most.
    pub page: usize,
    /// The next page that is asked for is answered with 410.
    pub forgets_pages: bool,
    /// How many bytes of objects were sent.
    pub sent: usize,
    /// Pods that were created and deleted.
    pub created: Vec<Value>,
    pub deleted: Vec<String>,
    /// Runtime classes.
    pub runtime_classes: Vec<Value>,
    /// What was applied, and by which manager of fields; a dry run is none.
    pub applied: Vec<String>,
    /// Objects that are kept as they come: secrets, namespaces, config maps.
    pub stored: Vec<Value>,
}

/// The log of one container.
pub struct Log {
    pub pod: String,
    pub attempt: u64,
    /// Lines with their times.
    pub lines: Vec<(jiff::Timestamp, String)>,
    pub ended: bool,
    /// Lines that were rotated away: whoever asks anew does not get them.
    pub rotated: usize,
}

/// Reads one file of the recordings.
pub fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cluster").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

impl ApiServer {
    /// Starts a server that shows one recorded moment.
    pub fn start(moment: &str) -> Self {
        let moment = fixture(&format!("{moment}.json"));
        let list = |key: &str| moment[key].as_array().unwrap().clone();
        let state = State {
            mood: Mood::Well,
            version: 1000,
            history: Vec::new(),
            requests: Vec::new(),
            node: moment["node"].clone(),
            other_nodes: Vec::new(),
            daemonsets: list("daemonsets"),
            pods: list("pods"),
            events: list("events"),
            http: fixture("http.json"),
            logs: Vec::new(),
            breaks: 0,
            half: String::new(),
            streams: 0,
            asked: Vec::new(),
            flood: false,
            test_pod: (String::new(), 0),
            test_pod_status: None,
            refused: Vec::new(),
            page: usize::MAX,
            forgets_pages: false,
            sent: 0,
            created: Vec::new(),
            deleted: Vec::new(),
            runtime_classes: Vec::new(),
            applied: Vec::new(),
            stored: Vec::new(),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for connection in listener.incoming().flatten() {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || http::serve(&shared, connection));
                }
            }
        });
        Self { shared, port, folder: tempfile::tempdir().unwrap() }
    }

    /// Writes a kubeconfig for this server.
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig_for(self.port)
    }

    /// Writes a kubeconfig for another port, where perhaps nothing listens.
    pub fn kubeconfig_for(&self, port: u16) -> PathBuf {
        let path = self.folder.path().join("kubeconfig");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: t\nclusters: [{{name: t, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\n\
             contexts: [{{name: t, context: {{cluster: t, user: t}}}}]\nusers: [{{name: t, user: {{}}}}]\n"
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Returns this machine and its kubectl, pointed at this server.
    pub fn kubectl(&self) -> (Host, Kubectl) {
        let host = Host::local(Path::new("/"));
        let kubectl = Kubectl::find(&host, Some(&self.kubeconfig()))
            .unwrap_or_else(|state| panic!("these tests need kubectl (apt-get install kubernetes-client): {state}"));
        (host, kubectl)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    /// Changes the state and wakes all streams.
    pub fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        let before = state.objects();
        change(&mut state);
        state.note(&before);
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Waits until the state is so, at most 10 seconds.
    pub fn until(&self, what: &str, mut holds: impl FnMut(&State) -> bool) {
        let (state, waited) = self
            .shared
            .changed
            .wait_timeout_while(self.state(), Duration::from_secs(10), |state| !holds(state))
            .unwrap();
        drop(state);
        assert!(!waited.timed_out(), "waited in vain until {what}");
    }

    /// Writes a line into a log.
    pub fn write(&self, pod: &str, attempt: u64, at: &str, text: &str) {
        self.change(|state| state.log(pod, attempt).lines.push((at.parse().unwrap(), text.to_owned())));
    }

    /// Breaks all open streams in the middle of a line, of which `half` still arrives; nothing of it when it is empty.
    pub fn break_streams(&self, half: &str) {
        self.change(|state| {
            half.clone_into(&mut state.half);
            state.breaks += 1;
        });
    }
}

impl State {
    /// Returns all objects that can be watched, each with its kind.
    pub fn objects(&self) -> Vec<(&'static str, Value)> {
        let kind =
            |kind: &'static str, items: &[Value]| items.iter().map(|item| (kind, item.clone())).collect::<Vec<_>>();
        [
            kind("nodes", std::slice::from_ref(&self.node)),
            kind("daemonsets", &self.daemonsets),
            kind("pods", &self.pods),
        ]
        .concat()
    }

    /// Notes what is different from before, for the watches.
    pub fn note(&mut self, before: &[(&'static str, Value)]) {
        let same =
            |a: &(&str, Value), b: &(&str, Value)| a.0 == b.0 && a.1["metadata"]["uid"] == b.1["metadata"]["uid"];
        let now = self.objects();
        let gone = before
            .iter()
            .filter(|old| !now.iter().any(|new| same(old, new)))
            .map(|(kind, item)| (*kind, "DELETED", item.clone()));
        let changed = now.iter().filter(|new| !before.contains(new)).map(|new| {
            let what = if before.iter().any(|old| same(old, new)) { "MODIFIED" } else { "ADDED" };
            (new.0, what, new.1.clone())
        });
        for (kind, what, mut item) in gone.chain(changed).collect::<Vec<_>>() {
            self.version += 1;
            item["metadata"]["resourceVersion"] = json!(self.version.to_string());
            self.history.push((self.version, kind, what, item));
        }
    }

    /// Returns a log, made when it is not there yet.
    pub fn log(&mut self, pod: &str, attempt: u64) -> &mut Log {
        let index = self.logs.iter().position(|log| log.pod == pod && log.attempt == attempt).unwrap_or_else(|| {
            self.logs.push(Log { pod: pod.to_owned(), attempt, lines: Vec::new(), ended: false, rotated: 0 });
            self.logs.len() - 1
        });
        &mut self.logs[index]
    }

    /// Returns the installer's pod.
    pub fn installer(&mut self) -> &mut Value {
        self.pods.iter_mut().find(|pod| pod["metadata"]["labels"]["name"] == INSTALLER).unwrap()
    }

    /// Returns the name of the installer's pod.
    pub fn installer_name(&mut self) -> String {
        self.installer()["metadata"]["name"].as_str().unwrap().to_owned()
    }

    /// Sets the state of the installer's init container and its restarts.
    pub fn container(&mut self, restarts: u64, state: Value, last: Value) {
        let status = &mut self.installer()["status"]["initContainerStatuses"][0];
        status["restartCount"] = json!(restarts);
        status["state"] = state;
        status["lastState"] = last;
    }

    /// Puts another installer pod in the place of the present one.
    pub fn replace_installer(&mut self, name: &str) {
        let pod = self.installer();
        pod["metadata"]["name"] = json!(name);
        pod["metadata"]["uid"] = json!(format!("uid-of-{name}"));
        pod["metadata"]["creationTimestamp"] = json!("2026-11-23T21:30:00Z");
    }
}

/// A running container.
pub fn running() -> Value {
    json!({"running": {"startedAt": "2026-11-23T20:58:43Z"}})
}

/// An ended container.
pub fn terminated(exit_code: i32) -> Value {
    json!({"terminated": {"exitCode": exit_code, "reason": if exit_code == 0 { "Completed" } else { "Error" }}})
}
