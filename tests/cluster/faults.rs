//! What goes wrong between here and the API server, through the real `kubectl`: each fault has its named state, and the
//! watch goes on when it is over.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::support::apiserver::{self, ApiServer, Mood, running};
use gpunode::{
    cluster::{
        ClusterError, GpuStack, Kubectl, kubespray,
        live::{self, Live},
        stack,
        workload::Role,
    },
    host::{Cancel, Host},
};
use serde_json::json;

const POLL: Duration = Duration::from_millis(50);

/// Looks until the view is so.
fn until(live: &Live<'_>, what: &str, holds: impl Fn(&Result<GpuStack, ClusterError>) -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let (number, view) = live.look();
        if view.as_ref().is_some_and(&holds) {
            return;
        }
        assert!(std::time::Instant::now() < end, "waited in vain until {what}: {view:?}");
        live.wait(number, Duration::from_secs(1), &Cancel::default());
    }
}

fn status(view: &Result<GpuStack, ClusterError>) -> String {
    view.as_ref().ok().and_then(|stack| stack.pod(Role::Driver)).map(|pod| pod.status.clone()).unwrap_or_default()
}

fn watching<R>(server: &ApiServer, work: impl FnOnce(&Live<'_>) -> R) -> R {
    let (host, kubectl) = server.kubectl();
    live::watching(&host, &kubectl, ("node1", &kubespray::STACK), POLL, &Cancel::default(), work)
}

#[test]
fn a_change_reaches_the_view_by_the_watch_alone() {
    let server = ApiServer::start("02-init-running");
    watching(&server, |live| {
        until(live, "the first view", |view| status(view) == "Init:0/1");
        server.until("three watches are open", |state| {
            state.requests.iter().filter(|request| request.contains("watch=1")).count() >= 3
        });
        let lists =
            |state: &apiserver::State| state.requests.iter().filter(|request| !request.contains("watch=1")).count();
        let before = lists(&server.state());
        server.change(|state| state.container(0, json!({"waiting": {"reason": "ImagePullBackOff"}}), json!({})));
        until(live, "a changed pod", |view| status(view) == "Init:ImagePullBackOff");
        server.change(|state| state.node["metadata"]["labels"]["nvidia.com/gpu"] = json!("changed"));
        until(live, "a changed node", |view| {
            view.as_ref()
                .is_ok_and(|stack| stack.node.as_ref().is_some_and(|node| node.gpu_label.as_deref() == Some("changed")))
        });
        server.change(|state| state.pods.retain(|pod| pod["metadata"]["labels"]["name"] != "nvidia-driver-installer"));
        until(live, "a pod that is gone", |view| view.as_ref().is_ok_and(|stack| stack.pod(Role::Driver).is_none()));
        // Only for a pod that no node has yet was anything listed again.
        let again = server.state().requests[before..]
            .iter()
            .filter(|request| request.contains("nodes?") && !request.contains("watch=1"))
            .count();
        assert_eq!(again, 0);
    });
}

#[test]
fn every_fault_has_its_state_and_is_over_when_it_is_over() {
    let server = ApiServer::start("05-running");
    watching(&server, |live| {
        until(live, "the first view", Result::is_ok);
        for (mood, id) in [
            (Mood::Status(403), "forbidden"),
            (Mood::Status(500), "api-trouble"),
            (Mood::Garbage, "garbage"),
            (Mood::HalfClosed, "api-down"),
        ] {
            server.change(|state| state.mood = mood);
            server.break_streams("");
            until(live, id, |view| view.as_ref().is_err_and(|state| state.id() == id));
            server.change(|state| state.mood = Mood::Well);
            until(live, "well again", Result::is_ok);
        }
    });
}

#[test]
fn a_version_that_is_too_old_and_watches_that_break_are_no_trouble() {
    let server = ApiServer::start("02-init-running");
    for mood in [Mood::Expired, Mood::WatchBreaks, Mood::Slow(300)] {
        server.change(|state| {
            state.mood = mood;
            state.container(0, running(), json!({}));
        });
        watching(&server, |live| {
            until(live, "the first view", |view| status(view) == "Init:0/1");
            server.change(|state| state.container(0, json!({"waiting": {"reason": "ErrImagePull"}}), json!({})));
            until(live, "a change", |view| status(view) == "Init:ErrImagePull");
        });
    }
}

#[test]
fn an_api_server_that_hangs_is_given_up_at_the_deadline() {
    let server = ApiServer::start("05-running");
    let (host, kubectl) = server.kubectl();
    server.change(|state| state.mood = Mood::Hang);
    let command = kubectl.raw("/api/v1/nodes").deadline(Some(Duration::from_secs(1)));
    let state = gpunode::cluster::kubectl::answer(&host, &command).unwrap_err();
    assert_eq!(state.id(), "timed-out");
    // Which command that was, when it was given up, and what to do.
    let message = state.message(gpunode::i18n::Lang::En);
    assert!(message.contains(&format!("`{command}` was stopped after 1 s")), "{message}");
    assert!(state.remedy(gpunode::i18n::Lang::En).contains("Run the command by hand"));
}

#[test]
fn five_thousand_pods_are_not_fetched() {
    let server = ApiServer::start("05-running");
    server.change(|state| {
        let pod = state.pods[0].clone();
        for n in 0..5000 {
            let mut pod = pod.clone();
            pod["metadata"]["name"] = json!(format!("other-{n}"));
            pod["metadata"]["uid"] = json!(format!("uid-{n}"));
            pod["spec"]["nodeName"] = json!(format!("node-{n}"));
            state.pods.push(pod);
        }
    });
    let (host, kubectl) = server.kubectl();
    let stack = stack::probe(&host, &kubectl, "node1", &kubespray::STACK).unwrap();
    assert!(stack.pod(Role::Driver).is_some() && stack.pod(Role::DevicePlugin).is_some());
    let pods: Vec<_> = server.state().requests.iter().filter(|request| request.contains("/pods?")).cloned().collect();
    assert!(
        pods.iter().all(|request| request.contains("spec.nodeName%3Dnode1") || request.contains("spec.nodeName=node1")),
        "{pods:?}"
    );
}

/// And when all of them are on this node, a list of many MiB in one line is still read.
#[test]
fn five_thousand_pods_on_the_node_are_read() {
    let server = ApiServer::start("05-running");
    server.change(|state| {
        let mut pod = state.pods[0].clone();
        pod["metadata"]["labels"] = json!({});
        for n in 0..5000 {
            pod["metadata"]["name"] = json!(format!("other-{n}"));
            pod["metadata"]["uid"] = json!(format!("uid-{n}"));
            state.pods.push(pod.clone());
        }
    });
    let (host, kubectl) = server.kubectl();
    let stack = stack::probe(&host, &kubectl, "node1", &kubespray::STACK).unwrap();
    assert!(stack.pod(Role::Driver).is_some());
    assert!(stack.node.unwrap().requested["cpu"] >= 5000);
}

/// A TLS server that shows a certificate, by Python: nothing of ours speaks TLS.
struct Tls(Child, u16);

impl Tls {
    fn start(certificate: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls");
        let script = "import socket, ssl, sys\n\
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
            context.load_cert_chain(sys.argv[1], sys.argv[2])\n\
            listener = socket.create_server(('127.0.0.1', 0))\n\
            print(listener.getsockname()[1], flush=True)\n\
            while True:\n\
            \x20   try: context.wrap_socket(listener.accept()[0], server_side=True).close()\n\
            \x20   except OSError: pass\n";
        let mut child = Command::new("python3")
            .args(["-c", script])
            .arg(folder.join(certificate))
            .arg(folder.join("key.pem"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self(child, line.trim().parse().unwrap())
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn kubeconfig(folder: &Path, cluster: &str) -> PathBuf {
    let path = folder.join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: t\nclusters: [{{name: t, cluster: {cluster}}}]\n\
         contexts: [{{name: t, context: {{cluster: t, user: t}}}}]\nusers: [{{name: t, user: {{token: t}}}}]\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn certificates_and_plain_http_have_their_states() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::local(Path::new("/"));
    let state = |cluster: &str| {
        let kubectl = Kubectl::find(&host, Some(&kubeconfig(folder.path(), cluster))).unwrap();
        stack::probe(&host, &kubectl, "node1", &kubespray::STACK).unwrap_err().id()
    };
    let certificate = |name: &str| format!("{}/tests/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    let unknown = Tls::start("unknown.pem");
    assert_eq!(state(&format!("{{server: 'https://127.0.0.1:{}'}}", unknown.1)), "certificate-untrusted");
    let expired = Tls::start("expired.pem");
    let trusted =
        format!("{{server: 'https://127.0.0.1:{}', certificate-authority: {}}}", expired.1, certificate("expired.pem"));
    assert_eq!(state(&trusted), "certificate-expired");
    assert_eq!(state("{server: 'http://127.0.0.1:1'}"), "api-down");
}

#[test]
fn kubeconfigs_have_their_states() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::local(Path::new("/"));
    let path = folder.path().join("kubeconfig");
    let state = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let kubectl = Kubectl::find(&host, Some(&path)).unwrap();
        stack::probe(&host, &kubectl, "node1", &kubespray::STACK).unwrap_err().id()
    };
    assert_eq!(state("{ not: [yaml"), "bad-kubeconfig");
    assert_eq!(state("apiVersion: v1\nkind: Config\ncurrent-context: gone\n"), "wrong-context");
    let missing = Kubectl::find(&host, Some(Path::new("/nonexistent/admin.conf")));
    assert_eq!(missing, Err(ClusterError::NoKubeconfig("/nonexistent/admin.conf".into())));
    let helper = "apiVersion: v1\nkind: Config\ncurrent-context: t\nclusters: [{name: t, cluster: {server: 'https://127.0.0.1:1'}}]\n\
        contexts: [{name: t, context: {cluster: t, user: t}}]\n\
        users: [{name: t, user: {exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: no-such-helper, interactiveMode: Never}}}]\n";
    assert_eq!(state(helper), "no-credentials");
}

/// A server that speaks the other protocol: whatever comes, it answers what Go's net/http sends then, word for word.
fn answers(words: &'static str) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let mut some = [0; 4096];
            let _ = std::io::Read::read(&mut connection, &mut some);
            let _ = std::io::Write::write_all(&mut connection, words.as_bytes());
        }
    });
    port
}

/// `https` to a port that speaks plain HTTP, and plain HTTP to one that speaks TLS.
#[test]
fn http_and_https_that_meet_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::local(Path::new("/"));
    for (scheme, words) in [
        (
            "https",
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request",
        ),
        ("http", "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"),
    ] {
        let cluster = format!("{{server: '{scheme}://127.0.0.1:{}'}}", answers(words));
        let kubectl = Kubectl::find(&host, Some(&kubeconfig(folder.path(), &cluster))).unwrap();
        let error = stack::probe(&host, &kubectl, "node1", &kubespray::STACK).unwrap_err();
        assert_eq!(error.id(), "tls-trouble", "{scheme}: {error:?}");
    }
}
