//! The cluster through the real `kubectl`, against a small API server that shows recorded moments.

use std::{path::Path, time::Duration};

use crate::support::apiserver::{ApiServer, Mood};
use gpunode::{
    answers::DriverOwner,
    cluster::{
        ClusterError, GpuStack, Kubectl,
        check::{CheckId, State, Verdict},
        kubectl, kubespray, stack,
        testpod::{self, Outcome, Task, TestPod},
        verify::{self, Logs},
        workload::Role,
    },
    diagnosis,
    host::{Cancel, Host},
    steps,
};

const PLUGIN_LOG: &str = "device-plugin registered with the kubelet";

/// Shows a recorded moment whose device plugin has logged `line`.
fn moment(name: &str, line: &str) -> ApiServer {
    let server = ApiServer::start(name);
    let plugin = server.state().pods.iter().find(|pod| pod["metadata"]["labels"]["k8s-app"].is_string()).cloned();
    if let Some(plugin) = plugin {
        server.change(|state| state.log(plugin["metadata"]["name"].as_str().unwrap(), 0).ended = true);
        server.write(plugin["metadata"]["name"].as_str().unwrap(), 0, "2026-11-23T21:00:00Z", line);
    }
    server
}

#[test]
fn a_working_node_verifies() {
    let server = moment("41-testpod-after-capacity", PLUGIN_LOG);
    let (host, kubectl) = server.kubectl();
    let (report, _) =
        steps::judge(&host, &kubectl, "node1", DriverOwner::InstallerPod, &steps::OnNode::default(), None).unwrap();
    assert_eq!(report.verdict, Verdict::Unknown, "{}", verify::report(&report, gpunode::i18n::Lang::En));
    assert!(report.lacks_only_the_test(), "{report:?}");
    assert!(report.checks.iter().any(|check| check.id == CheckId::Plugin && check.evidence.contains(PLUGIN_LOG)));
}

#[test]
fn other_moments_fail() {
    for (name, line, failing) in [
        ("05-running", "device-plugin started", CheckId::Plugin),
        ("11-init-crashloop", "device-plugin started", CheckId::Installer),
        ("21-invalid-image-name", "device-plugin started", CheckId::Installer),
        ("30-node-not-labelled", "", CheckId::NodeLabel),
    ] {
        let server = moment(name, line);
        let (host, kubectl) = server.kubectl();
        let (report, _) =
            steps::judge(&host, &kubectl, "node1", DriverOwner::InstallerPod, &steps::OnNode::default(), None).unwrap();
        assert_eq!(report.verdict, Verdict::Failed, "{name}");
        assert!(
            report.checks.iter().any(|check| check.id == failing && check.state == State::Fail),
            "{name}: {report:?}"
        );
    }
}

#[test]
fn the_chain_is_read_whole_and_diagnosed() {
    let server = moment("20-image-pull-backoff", "");
    let (host, kubectl) = server.kubectl();
    let stack = stack::probe(&host, &kubectl, "node1", &kubespray::STACK).unwrap();
    assert_eq!(stack.pod(Role::Driver).unwrap().status, "Init:ImagePullBackOff");
    assert!(stack.events.iter().any(|event| event.message.contains("no such host")));
    assert_eq!(diagnosis::over_stack(&stack, &Logs::new())[0].1.signature, "image-pull");
    let elsewhere = stack::probe(&host, &kubectl, "node2", &kubespray::STACK).unwrap();
    assert!(elsewhere.node.is_none() && elsewhere.pods().next().is_none());
}

#[test]
fn an_api_server_that_is_down_is_a_state() {
    let server = ApiServer::start("05-running");
    let (host, _) = server.kubectl();
    let kubectl = Kubectl::find(&host, Some(&server.kubeconfig_for(1))).unwrap();
    assert_eq!(stack::probe(&host, &kubectl, "node1", &kubespray::STACK).unwrap_err().id(), "api-down");
}

#[test]
fn an_api_server_that_refuses_fails_or_hangs_is_a_state() {
    let server = ApiServer::start("05-running");
    let (host, kubectl) = server.kubectl();
    let state = |mood: Mood| {
        server.change(|state| state.mood = mood);
        let command = kubectl.raw("/api/v1/nodes").deadline(Some(Duration::from_secs(2)));
        kubectl::answer(&host, &command).unwrap_err()
    };
    assert_eq!(state(Mood::Status(403)).id(), "forbidden");
    assert_eq!(state(Mood::Status(500)).id(), "api-trouble");
    assert_eq!(state(Mood::Hang).id(), "timed-out");
}

#[test]
fn a_kubeconfig_that_is_not_there_is_a_state() {
    let host = Host::local(Path::new("/"));
    let missing = Kubectl::find(&host, Some(Path::new("/nonexistent/admin.conf")));
    assert_eq!(missing, Err(ClusterError::NoKubeconfig("/nonexistent/admin.conf".into())));
    let broken = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(broken.path(), "{ not: [yaml").unwrap();
    let kubectl = Kubectl::find(&host, Some(broken.path())).unwrap();
    assert_eq!(stack::probe(&host, &kubectl, "node1", &kubespray::STACK).unwrap_err().id(), "bad-kubeconfig");
}

fn looked(server: &ApiServer) -> GpuStack {
    let (host, kubectl) = server.kubectl();
    stack::probe(&host, &kubectl, "node1", &kubespray::STACK).unwrap()
}

fn test_pod(server: &ApiServer, image: &str) -> TestPod {
    let (host, kubectl) = server.kubectl();
    TestPod::new(
        &stack::probe(&host, &kubectl, "node1", &kubespray::STACK).unwrap(),
        image,
        Task::Smi,
        host.clock.now(),
    )
}

#[test]
fn the_test_pod_shows_the_gpu_and_is_cleaned_up() {
    let server = ApiServer::start("41-testpod-after-capacity");
    let (host, kubectl) = server.kubectl();
    server.change(|state| state.test_pod = (include_str!("../fixtures/logs/nvidia-smi-580.txt").to_owned(), 0));
    let pod = test_pod(&server, "docker.io/nvidia/cuda:gone");
    let fallback = "nvcr.io/nvidia/cuda:12.9.1-base-ubuntu22.04".to_owned();
    let result =
        testpod::run(&host, &kubectl, &looked(&server), &pod, std::slice::from_ref(&fallback), &Cancel::default())
            .unwrap();
    assert_eq!((result.outcome.clone(), result.image.clone()), (Outcome::Passed, fallback));
    assert_eq!(result.smi.as_ref().unwrap().gpus[0].name, "NVIDIA H200");
    let state = server.state();
    let created: Vec<_> =
        state.created.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(created.len(), 2);
    assert_eq!(state.deleted, created);
    assert_eq!(state.created[0]["spec"]["tolerations"][0]["key"], "nvidia.com/gpu");
}

#[test]
fn a_test_pod_that_fails_is_told_and_cleaned_up() {
    let server = ApiServer::start("41-testpod-after-capacity");
    let (host, kubectl) = server.kubectl();
    server.change(|state| state.test_pod = ("No devices were found\n".to_owned(), 6));
    let pod = test_pod(&server, "docker.io/nvidia/cuda:x");
    let result = testpod::run(&host, &kubectl, &looked(&server), &pod, &[], &Cancel::default()).unwrap();
    assert_eq!(result.outcome, Outcome::Failed(6));
    assert_eq!(
        result.why(&stack::probe(&host, &kubectl, "node1", &kubespray::STACK).unwrap()).unwrap().id,
        "test-pod-failed"
    );
    assert_eq!(server.state().deleted, [pod.name]);
}

/// A run that was killed leaves its pod behind: the next one finds it by its label, if it is this node's.
#[test]
fn a_test_pod_that_was_left_behind_is_found_and_deleted() {
    let server = ApiServer::start("41-testpod-after-capacity");
    let (host, kubectl) = server.kubectl();
    let mine = TestPod { name: "gpunode-test-1".into(), ..test_pod(&server, "docker.io/nvidia/cuda:x") };
    let other = TestPod { name: "gpunode-test-2".into(), node: "node2".into(), ..mine.clone() };
    server.change(|state| state.created = vec![mine.manifest(), other.manifest()]);
    assert_eq!(testpod::clean_up(&host, &kubectl, "node1").unwrap(), ["gpunode-test-1"]);
    assert_eq!(server.state().deleted, ["gpunode-test-1"]);
    assert_eq!(testpod::clean_up(&host, &kubectl, "node1").unwrap(), [] as [&str; 0]);
}
