//! A cluster of a thousand nodes: what `verify` asks of it, in which pages, and how much it gets.

use gpunode::{
    cluster::{Kubectl, kubespray, stack, workload::Role},
    host::Host,
};
use serde_json::{Value, json};

use crate::support::{apiserver::ApiServer, program::Place};

/// Shows a working node among many, with five pods each.
fn large(nodes: usize) -> ApiServer {
    let server = ApiServer::start("1.36/70-all-good");
    let mut state = server.state();
    let (node, pod) = (state.node.clone(), state.pods[0].clone());
    for number in 0..nodes {
        let name = format!("other-{number}");
        let mut other = node.clone();
        other["metadata"]["name"] = json!(name);
        other["metadata"]["uid"] = json!(format!("node-{number}"));
        state.other_nodes.push(other);
        for place in 0..5 {
            let mut other = pod.clone();
            other["metadata"]["name"] = json!(format!("{name}-{place}"));
            other["metadata"]["uid"] = json!(format!("pod-{number}-{place}"));
            other["spec"]["nodeName"] = json!(name);
            state.pods.push(other);
        }
    }
    drop(state);
    server
}

/// Nothing is asked for that is not this node's, nothing twice, and every list in pages.
#[test]
fn verify_asks_a_large_cluster_only_for_what_is_this_nodes() {
    let server = large(1000);
    let place = Place::new();
    let kubeconfig = server.kubeconfig();
    let ran = place.run(["verify", "--json", "--node", "node1", "--kubeconfig", kubeconfig.to_str().unwrap()]);
    assert!(ran.json()["checks"].as_array().unwrap().len() > 5, "{}", ran.stdout);
    let state = server.state();
    let lists: Vec<&String> = state.requests.iter().filter(|request| request.contains("limit=")).collect();
    for part in
        ["/nodes?fieldSelector=metadata.name%3Dnode1&", "/daemonsets?", "/pods?fieldSelector=spec.nodeName%3Dnode1&"]
    {
        assert_eq!(lists.iter().filter(|request| request.contains(part)).count(), 1, "{part}: {:#?}", state.requests);
    }
    let of_many = |request: &&String| {
        let path = request.split('?').next().unwrap_or_default();
        ["/nodes", "/pods", "/events"].iter().any(|kind| path.ends_with(kind)) && !request.contains("fieldSelector=")
    };
    assert!(!state.requests.iter().any(|request| of_many(&request)), "{:#?}", state.requests);
    assert!(state.requests.iter().all(|request| request.starts_with("GET ")));
    assert!(lists.len() <= 6, "{lists:#?}");
    assert!(state.sent < 200 << 10, "{} bytes", state.sent);
}

fn sets(server: &ApiServer, count: usize) {
    server.change(|state| {
        for number in 0..count {
            let mut set = state.daemonsets[0].clone();
            set["metadata"]["name"] = json!(format!("other-{number}"));
            set["metadata"]["uid"] = json!(format!("set-{number}"));
            set["spec"]["template"]["metadata"]["labels"] = json!({});
            state.daemonsets.insert(0, set);
        }
    });
}

fn probe(server: &ApiServer) -> stack::Part {
    let (host, kubectl): (Host, Kubectl) = server.kubectl();
    let stack = stack::probe(&host, &kubectl, "node1", &kubespray::STACK).unwrap();
    stack.part(Role::Driver).unwrap().clone()
}

/// What is looked for stands on the last page.
#[test]
fn all_pages_of_a_list_are_read() {
    let server = ApiServer::start("1.36/70-all-good");
    sets(&server, 20);
    server.state().page = 3;
    assert!(probe(&server).set.is_some());
    let state = server.state();
    let pages: Vec<_> = state.requests.iter().filter(|request| request.contains("daemonsets?")).collect();
    assert_eq!(pages.len(), 8, "{pages:#?}");
    assert!(pages[1].contains("continue=3"), "{pages:#?}");
}

/// The API server has forgotten where the pages began: the whole list is asked for.
#[test]
fn a_list_that_expires_between_its_pages_is_read_whole() {
    let server = ApiServer::start("1.36/70-all-good");
    sets(&server, 20);
    server.change(|state| (state.page, state.forgets_pages) = (3, true));
    assert!(probe(&server).set.is_some());
    let state = server.state();
    let asked: Vec<_> = state.requests.iter().filter(|request| request.contains("daemonsets")).collect();
    assert_eq!(asked.len(), 3, "{asked:#?}");
    assert!(!asked[2].contains("limit="), "{asked:#?}");
}

/// Pods that wait for a node may be thousands in a namespace.
#[test]
fn pods_that_wait_for_a_node_are_read_in_pages() {
    let server = ApiServer::start("1.36/56-unknown-taint");
    server.change(|state| {
        let template =
            json!({"metadata": {"namespace": "kube-system", "labels": {}}, "spec": {}, "status": {"phase": "Pending"}});
        for number in 0..1200 {
            let mut pod: Value = template.clone();
            pod["metadata"]["name"] = json!(format!("waits-{number}"));
            pod["metadata"]["uid"] = json!(format!("waits-{number}"));
            pod["spec"]["nodeName"] = json!("");
            state.pods.push(pod);
        }
        // A DaemonSet that wants a pod here, and has none on the node.
        for set in &mut state.daemonsets {
            set["status"]["desiredNumberScheduled"] = json!(1);
        }
        state.pods.retain(|pod| pod["spec"]["nodeName"] == "");
    });
    probe(&server);
    let state = server.state();
    let pages = state.requests.iter().filter(|request| request.contains("spec.nodeName%3D&limit=500")).count();
    assert_eq!(pages, 3, "{:#?}", state.requests);
}
