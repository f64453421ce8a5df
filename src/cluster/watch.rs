//! List and watch: what the API server says about one kind of object, kept up to date.
//!
//! The pure half of the watcher: [`Source`] names what is asked for, [`change`] reads one line of a watch, [`Cache`]
//! keeps the objects. Requests go through `kubectl get --raw`: the same from kubectl 1.18 to today, with the list's
//! `resourceVersion` (which `kubectl get -o json` leaves out) and without the discovery requests that cost more than
//! the answer.

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};

use super::{
    ClusterError,
    objects::{List, Meta, Object},
};

/// How long the API server keeps one watch open, in seconds; then it is taken up again where it was. Short, because a
/// connection whose other end has vanished shows only by its silence.
pub const WATCH_SECONDS: u32 = 60;

/// How many objects one page holds: as many as kubectl asks for.
const PAGE: &str = "500";

/// What is listed and watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    path: String,
    selector: Option<(&'static str, String)>,
}

impl Source {
    /// Asks for one node.
    pub fn node(name: &str) -> Self {
        Self { path: "/api/v1/nodes".to_owned(), selector: Some(("fieldSelector", format!("metadata.name={name}"))) }
    }

    /// Asks for the DaemonSets of a namespace, or of all.
    pub fn daemonsets(namespace: Option<&str>) -> Self {
        let place = namespace.map(|namespace| format!("namespaces/{}/", encode(namespace))).unwrap_or_default();
        Self { path: format!("/apis/apps/v1/{place}daemonsets"), selector: None }
    }

    /// Asks for all pods on one node, whatever their namespace: a cluster of thousands of pods answers with some
    /// dozens.
    pub fn pods_on(node: &str) -> Self {
        Self { path: "/api/v1/pods".to_owned(), selector: Some(("fieldSelector", format!("spec.nodeName={node}"))) }
    }

    /// Asks for the pods of a namespace that are on no node yet.
    pub fn unscheduled(namespace: &str) -> Self {
        Self {
            path: format!("/api/v1/namespaces/{}/pods", encode(namespace)),
            selector: Some(("fieldSelector", "spec.nodeName=".to_owned())),
        }
    }

    /// Asks for one pod.
    pub fn named(namespace: &str, pod: &str) -> Self {
        let selector = Some(("fieldSelector", format!("metadata.name={pod}")));
        Self { path: format!("/api/v1/namespaces/{}/pods", encode(namespace)), selector }
    }

    /// Asks for pods by a label, in one namespace.
    pub fn labelled(namespace: &str, label: &str) -> Self {
        Self {
            path: format!("/api/v1/namespaces/{}/pods", encode(namespace)),
            selector: Some(("labelSelector", label.to_owned())),
        }
    }

    /// Asks for the objects by which GPU Operator is told what to do.
    pub fn cluster_policies() -> Self {
        Self { path: "/apis/nvidia.com/v1/clusterpolicies".to_owned(), selector: None }
    }

    /// Asks for the runtime class of this name.
    pub fn runtime_class(name: &str) -> Self {
        let selector = Some(("fieldSelector", format!("metadata.name={name}")));
        Self { path: "/apis/node.k8s.io/v1/runtimeclasses".to_owned(), selector }
    }

    /// Asks for the events about one object.
    pub fn events(namespace: &str, object: &str) -> Self {
        let selector = Some(("fieldSelector", format!("involvedObject.name={object}")));
        Self { path: format!("/api/v1/namespaces/{}/events", encode(namespace)), selector }
    }

    /// Returns the path of the whole list.
    pub fn list(&self) -> String {
        self.with(&[])
    }

    /// Returns the path of one page of the list: the first, or the one that `next` of the page before it names.
    pub fn page(&self, next: &str) -> String {
        let limit = ("limit", PAGE);
        if next.is_empty() { self.with(&[limit]) } else { self.with(&[limit, ("continue", next)]) }
    }

    /// Returns the path of the watch that goes on after `version`.
    pub fn watch(&self, version: &str) -> String {
        let timeout = WATCH_SECONDS.to_string();
        self.with(&[
            ("watch", "1"),
            ("resourceVersion", version),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", &timeout),
        ])
    }

    fn with(&self, more: &[(&str, &str)]) -> String {
        let own = self.selector.iter().map(|(name, value)| (*name, value.as_str()));
        let query: Vec<_> =
            own.chain(more.iter().copied()).map(|(name, value)| format!("{name}={}", encode(value))).collect();
        if query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, query.join("&")) }
    }
}

/// Returns the path of a container's log, as far as it is wanted: `limitBytes` from its start, or `tailLines` at its
/// end.
pub fn log(namespace: &str, pod: &str, container: &str, (limit, count): (&str, u32)) -> String {
    let pod = format!("/api/v1/namespaces/{}/pods/{}/log", encode(namespace), encode(pod));
    format!("{pod}?container={}&{limit}={count}", encode(container))
}

/// Writes a value so that it is one part of a path or query, whatever it holds.
fn encode(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    value.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// What one line of a watch says.
#[derive(Debug, Clone, PartialEq)]
pub enum Change<T> {
    /// The object is there, or is different now.
    Is(T),
    /// The object is gone.
    Gone(T),
    /// Nothing of ours happened up to this version.
    Bookmark(String),
    /// The version is too old to go on from: everything has to be listed anew.
    Expired,
}

/// Reads one line of a watch. An error is what the API server says, or that it says nothing known.
pub fn change<T: DeserializeOwned>(line: &[u8]) -> Result<Change<T>, ClusterError> {
    let garbage = |error: serde_json::Error| ClusterError::Garbage(crate::text::printable(&error.to_string()));
    let raw: Raw = serde_json::from_slice(line).map_err(garbage)?;
    match raw.kind {
        Kind::Added | Kind::Modified => serde_json::from_value(raw.object).map(Change::Is).map_err(garbage),
        Kind::Deleted => serde_json::from_value(raw.object).map(Change::Gone).map_err(garbage),
        Kind::Bookmark => {
            let marked: Marked = serde_json::from_value(raw.object).map_err(garbage)?;
            Ok(Change::Bookmark(marked.metadata.resource_version))
        }
        Kind::Error => {
            let status: Status = serde_json::from_value(raw.object).map_err(garbage)?;
            // 410 is the only one that a watch sends in its normal life. Source: Kubernetes API concepts, "410 Gone
            // responses".
            if status.code == 410 {
                Ok(Change::Expired)
            } else {
                Err(ClusterError::ApiTrouble(crate::text::printable(&status.message)))
            }
        }
    }
}

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "type")]
    kind: Kind,
    object: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Kind {
    Added,
    Modified,
    Deleted,
    Bookmark,
    Error,
}

#[derive(Deserialize)]
struct Marked {
    metadata: Meta,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Status {
    code: u32,
    message: String,
}

/// The objects of one kind as far as the API server has told.
#[derive(Debug, Clone, PartialEq)]
pub struct Cache<T> {
    items: BTreeMap<String, T>,
    /// Where the next watch has to begin.
    version: String,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self { items: BTreeMap::new(), version: String::new() }
    }
}

impl<T: Object> Cache<T> {
    /// Takes a whole list in; what is not in it is gone.
    pub fn replace(&mut self, list: List<T>) {
        self.version = list.metadata.resource_version;
        self.items = list.items.into_iter().map(|item| (key(&item), item)).collect();
    }

    /// Takes one change in. Tells whether it can go on from here; if not, everything has to be listed anew.
    pub fn apply(&mut self, change: Change<T>) -> bool {
        let version = match change {
            Change::Expired => return false,
            Change::Bookmark(version) => version,
            Change::Is(item) => {
                let version = item.meta().resource_version.clone();
                self.items.insert(key(&item), item);
                version
            }
            Change::Gone(item) => {
                self.items.remove(&key(&item));
                item.meta().resource_version.clone()
            }
        };
        if !version.is_empty() {
            self.version = version;
        }
        true
    }

    /// Returns the objects, by name.
    pub fn items(&self) -> impl Iterator<Item = &T> {
        self.items.values()
    }

    /// Returns where the next watch has to begin.
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// The uid alone would do, but for objects of a simulated cluster that have none.
fn key<T: Object>(item: &T) -> String {
    let meta = item.meta();
    format!("{}/{}/{}", meta.namespace, meta.name, meta.uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::objects::Pod;

    #[test]
    fn a_recorded_watch_ends_where_the_cluster_did() {
        let recorded = include_str!("../../tests/fixtures/cluster/watch-crash-recreate-ok.jsonl");
        let mut cache = Cache::<Pod>::default();
        for line in recorded.lines() {
            assert!(cache.apply(change(line.as_bytes()).unwrap()));
        }
        let names: Vec<_> = cache.items().map(|pod| pod.metadata.name.as_str()).collect();
        assert_eq!(names, ["nvidia-driver-installer-v6wmz", "nvidia-gpu-device-plugin-hp8t6"]);
        assert!(!cache.version().is_empty());
    }

    #[test]
    fn a_version_that_is_too_old_is_known() {
        let line = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 1 (586)","reason":"Expired","code":410}}"#;
        assert_eq!(change::<serde_json::Value>(line.as_bytes()), Ok(Change::Expired));
        let line = r#"{"type":"ERROR","object":{"message":"etcd is away","code":500}}"#;
        assert_eq!(change::<serde_json::Value>(line.as_bytes()).unwrap_err().id(), "api-trouble");
        let line = r#"{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"99","creationTimestamp":null}}}"#;
        assert_eq!(change::<serde_json::Value>(line.as_bytes()), Ok(Change::Bookmark("99".to_owned())));
        for garbage in ["", "{", "<html>", r#"{"type":"NEWS","object":{}}"#, r#"{"type":"ADDED"}"#, "null", "[1]"] {
            assert_eq!(change::<serde_json::Value>(garbage.as_bytes()).unwrap_err().id(), "garbage", "{garbage}");
        }
    }

    #[test]
    fn values_cannot_leave_their_place_in_the_path() {
        let path = Source::pods_on("n&watch=0/../x y").watch("7");
        assert!(
            path.starts_with(
                "/api/v1/pods?fieldSelector=spec.nodeName%3Dn%26watch%3D0%2F..%2Fx%20y&watch=1&resourceVersion=7&"
            ),
            "{path}"
        );
        assert_eq!(Source::daemonsets(Some("kube-system")).list(), "/apis/apps/v1/namespaces/kube-system/daemonsets");
        let path = log("a/b", "p?x", "c&d", ("tailLines", 7));
        assert_eq!(path, "/api/v1/namespaces/a%2Fb/pods/p%3Fx/log?container=c%26d&tailLines=7");
    }
}
