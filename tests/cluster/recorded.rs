//! Every recording of a real Kubernetes 1.36, through the real `kubectl` and our test API server: what `verify` says of
//! it.

use std::collections::BTreeMap;

use gpunode::{
    answers::DriverOwner,
    cluster::{
        GpuStack,
        check::{CheckId, State, Verdict, VerifyReport},
        kubectl, kubespray, stack,
        testpod::{self, Outcome, Task, TestPod},
    },
    diagnosis,
    host::Cancel,
    i18n::Lang,
    steps,
};
use serde_json::{Value, json};

use crate::support::apiserver::{ApiServer, fixture};

/// Judges a recorded moment in which the device plugin, or the container that failed, has logged `log`.
fn judged(moment: &str, owner: DriverOwner, log: &str) -> VerifyReport {
    let server = ApiServer::start(&format!("1.36/{moment}"));
    server.change(|state| {
        for pod in state.pods.clone() {
            let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
            for attempt in 0..5 {
                let written = state.log(&name, attempt);
                written.ended = true;
                let lines = log.lines().filter(|_| name.contains("plugin") || name.contains("driver"));
                written.lines = lines.map(|line| ("2026-11-27T17:30:00Z".parse().unwrap(), line.to_owned())).collect();
            }
        }
    });
    let (host, kubectl) = server.kubectl();
    steps::judge(&host, &kubectl, "node1", owner, &steps::OnNode::default(), None).unwrap().0
}

#[test]
fn every_recorded_state_has_its_verdict_and_says_why() {
    use DriverOwner::{Host, InstallerPod, Operator};
    let registered = "device-plugin started\ndevice-plugin registered with the kubelet";
    let loaded = "Running Nvidia installer...\nERROR: An NVIDIA kernel module 'nvidia' appears to already be loaded in your kernel.";
    let rows = [
        (
            "50-controller-manager-broken",
            InstallerPod,
            "",
            Verdict::Failed,
            CheckId::Daemonsets,
            "kube-controller-manager does not do its work",
        ),
        ("51-sandbox-cannot-be-created", InstallerPod, "", Verdict::Failed, CheckId::Installer, "runc create failed"),
        (
            "52-running",
            InstallerPod,
            "device-plugin started",
            Verdict::Failed,
            CheckId::Plugin,
            "device-plugin started",
        ),
        ("53-invalid-image-name", InstallerPod, "", Verdict::Failed, CheckId::Installer, "\"True\""),
        ("54-image-pull-backoff", InstallerPod, "", Verdict::Failed, CheckId::Installer, "Back-off pulling image"),
        ("55-crashloop", InstallerPod, loaded, Verdict::Failed, CheckId::Installer, "already loaded"),
        ("56-unknown-taint", InstallerPod, "", Verdict::Failed, CheckId::Daemonsets, "dedicated=ml:NoSchedule"),
        ("57-crashloop-late", InstallerPod, loaded, Verdict::Failed, CheckId::Installer, "already loaded"),
        (
            "58-node-notready",
            InstallerPod,
            registered,
            Verdict::Failed,
            CheckId::NodeReady,
            "Kubelet stopped posting node status",
        ),
        ("70-all-good", InstallerPod, registered, Verdict::Unknown, CheckId::TestPod, "no pod has used the GPU yet"),
        (
            "80-nvidia-device-plugin-no-driver",
            Host,
            "I1127 main.go:279] Retrieving plugins.\nE1127 factory.go:115] Incompatible strategy detected auto",
            Verdict::Failed,
            CheckId::RuntimeClass,
            "The cluster has no RuntimeClass nvidia",
        ),
        ("81-operator-driver-crash", Operator, loaded, Verdict::Failed, CheckId::DriverPod, "already loaded"),
    ];
    for (moment, owner, log, verdict, first, says) in rows {
        let report = judged(moment, owner, log);
        let text = gpunode::cluster::verify::report(&report, Lang::En);
        println!("== {moment}\n{text}");
        assert_eq!(report.verdict, verdict, "{moment}: {text}");
        // What only the node can tell is no matter of the recording.
        let open = |check: &&gpunode::cluster::check::Check| !check.state.is_fine();
        assert_eq!(report.checks.iter().find(open).map(|check| check.id), Some(first), "{moment}: {text}");
        assert!(text.contains(says), "{moment} does not say `{says}`: {text}");
        assert!(!text.contains("it is a working GPU node"), "{moment}");
        // Each owner's own workload is spoken of: no image variables of Kubespray for the operator, no installer pod
        // where there is none.
        if owner != InstallerPod {
            let told: String = report
                .checks
                .iter()
                .filter_map(|check| Some(check.cause(Lang::En)? + &check.remedy(Lang::En)?))
                .collect();
            assert!(!told.contains("The installer pod") && !told.contains("the installer's log"), "{moment}: {told}");
        }
        if owner == Operator {
            assert!(text.contains("The pod that installs a driver") && text.contains("driver.enabled=false"), "{text}");
        }
    }
}

fn looked(server: &ApiServer) -> GpuStack {
    let (host, kubectl) = server.kubectl();
    stack::probe(&host, &kubectl, "node1", &kubespray::STACK).unwrap()
}

/// Returns the last status of a recorded test pod.
fn last_status(recording: &str) -> Value {
    let path = format!("{}/tests/fixtures/cluster/1.36/{recording}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said = |line: &&Value| line["type"] == "MODIFIED" && line["object"]["metadata"]["deletionTimestamp"].is_null();
    lines.iter().rev().find(said).unwrap()["object"]["status"].clone()
}

#[test]
fn every_recorded_test_pod_has_its_outcome_and_known_failure() {
    let table = include_str!("../fixtures/logs/nvidia-smi-580.txt");
    for (recording, log, known, says) in [
        ("6-testpod-smi", table, false, ""),
        ("6-testpod-nosmi", "", true, "executable file not found"),
        ("6-testpod-smibad", "Failed to initialize NVML: Driver/library version mismatch\n", true, "mismatch"),
        ("74-testpod-image-missing", "", true, "no such host"),
    ] {
        let server = ApiServer::start("1.36/70-all-good");
        server.change(|state| {
            state.test_pod.0 = log.to_owned();
            state.test_pod_status = Some(last_status(recording));
        });
        let (host, kubectl) = server.kubectl();
        let stack = looked(&server);
        let pod = TestPod::new(&stack, "docker.io/local/smi:1", Task::Smi, host.clock.now());
        let result = testpod::run(&host, &kubectl, &stack, &pod, &[], &Cancel::default()).unwrap();
        assert_eq!(result.outcome != Outcome::Passed, known, "{recording}: {result:?}");
        assert_eq!(diagnosis::over_test(&result).is_some(), known, "{recording}: {result:?}");
        assert!(result.evidence().contains(says), "{recording}: {}", result.evidence());
        assert_eq!(server.state().deleted, [pod.name], "{recording}");
    }
}

/// Quota, limits, pod security: recorded refusals of an API server, each in its own words; only a lacking right is one.
#[test]
fn a_refused_test_pod_is_told_in_the_refusals_own_words() {
    let http = fixture("1.36/http.json");
    for (refusal, id, says) in [
        ("quota-exceeded", "refused", "exceeded quota: q, requested: pods=1"),
        ("quota-must-specify", "refused", "must specify limits.cpu"),
        ("psa-restricted", "refused", "violates PodSecurity"),
        ("service-account-not-found", "refused", "serviceaccount \"default\" not found"),
        ("forbidden-nodes-list", "forbidden", "cannot list resource"),
    ] {
        let server = ApiServer::start("1.36/70-all-good");
        let (host, kubectl) = server.kubectl();
        let stack = looked(&server);
        server.change(|state| state.refused = vec![("POST".to_owned(), http[refusal].clone())]);
        let pod = TestPod::new(&stack, "docker.io/local/smi:1", Task::Smi, host.clock.now());
        let error = testpod::run(&host, &kubectl, &stack, &pod, &[], &Cancel::default()).unwrap_err();
        assert_eq!(error.id(), id, "{refusal}: {error:?}");
        assert!(error.detail().contains(says), "{refusal}: {error:?}");
        assert_eq!(error.remedy(Lang::En).contains("administrator rights"), id == "forbidden", "{refusal}");
    }
    let unauthorized = ApiServer::start("1.36/70-all-good");
    unauthorized.change(|state| state.refused = vec![("GET".to_owned(), http["unauthorized"].clone())]);
    let (host, kubectl) = unauthorized.kubectl();
    assert_eq!(kubectl::answer(&host, &kubectl.raw("/api/v1/nodes")).unwrap_err().id(), "unauthorized");
}

/// What a worker's own kubelet.conf may read: its node and the pods on it, and neither DaemonSets nor events nor logs.
#[test]
fn a_workers_kubelet_conf_is_enough_for_most_of_the_chain() {
    let http = fixture("1.36/http.json");
    let server = ApiServer::start("1.36/70-all-good");
    let plugin =
        server.state().pods.iter().find(|pod| pod["metadata"]["labels"]["k8s-app"].is_string()).cloned().unwrap();
    server.change(|state| {
        let forbidden = |what: &str| (what.to_owned(), http["forbidden-daemonsets-node-user"].clone());
        state.refused =
            vec![forbidden("/daemonsets"), forbidden("/events"), forbidden("/log"), forbidden("spec.nodeName%3D&")];
    });
    let (host, kubectl) = server.kubectl();
    let (report, stack) =
        steps::judge(&host, &kubectl, "node1", DriverOwner::InstallerPod, &steps::OnNode::default(), None).unwrap();
    assert_eq!(stack.pods().count(), 2);
    assert_eq!(plugin["metadata"]["namespace"], "kube-system");
    let states: BTreeMap<_, _> = report.checks.iter().map(|check| (check.id.name(), check.state)).collect();
    let unknown: Vec<_> = states.iter().filter(|(_, state)| **state == State::Unknown).map(|(id, _)| *id).collect();
    // The plugin's log cannot be had through the API; a passed test pod stands for it.
    assert_eq!(unknown, ["daemonsets", "plugin", "test-pod"]);
    assert_eq!(report.verdict, Verdict::Unknown);
}

/// A service account that may only read pods: the node is unknown, never "not in the cluster".
#[test]
fn a_kind_that_may_not_be_read_makes_its_own_checks_unknown() {
    let http = fixture("1.36/http.json");
    let server = ApiServer::start("1.36/70-all-good");
    server.change(|state| state.refused = vec![("/api/v1/nodes".to_owned(), http["forbidden-nodes-list"].clone())]);
    let (host, kubectl) = server.kubectl();
    let (report, _) =
        steps::judge(&host, &kubectl, "node1", DriverOwner::InstallerPod, &steps::OnNode::default(), None).unwrap();
    for id in [CheckId::NodeReady, CheckId::NodeLabel, CheckId::Capacity] {
        let check = report.check(id).unwrap();
        assert_eq!(check.state, State::Unknown, "{id:?}");
        assert_eq!(check.cluster.as_ref().map(gpunode::cluster::ClusterError::id), Some("forbidden"), "{id:?}");
    }
    assert_eq!(report.check(CheckId::Installer).unwrap().state, State::Pass);
}

/// Kubernetes put its own taint on a dead node: no pod is made for it, and it is said at once.
#[test]
fn a_dead_node_gets_no_test_pod() {
    let server = ApiServer::start("1.36/58-node-notready");
    let (host, kubectl) = server.kubectl();
    let stack = looked(&server);
    let pod = TestPod::new(&stack, "docker.io/local/smi:1", Task::Smi, host.clock.now());
    assert!(!pod.manifest()["spec"]["tolerations"].to_string().contains("unreachable"));
    let result = testpod::run(&host, &kubectl, &stack, &pod, &[], &Cancel::default()).unwrap();
    assert!(matches!(&result.outcome, Outcome::NodeDead(words) if words.contains("stopped posting")), "{result:?}");
    assert_eq!(result.why(&stack).unwrap().id, "test-node-dead");
    assert!(server.state().created.is_empty());
}

/// The node dies while its pod waits: that is told after some looks, not after the whole patience.
#[test]
fn a_node_that_dies_under_its_test_pod_is_told_soon() {
    let server = ApiServer::start("1.36/70-all-good");
    let (host, kubectl) = server.kubectl();
    let stack = looked(&server);
    server.change(|state| {
        state.test_pod_status = Some(json!({"phase": "Pending"}));
        let dead = fixture("1.36/58-node-notready.json")["node"]["status"]["conditions"].clone();
        state.node["status"]["conditions"] = dead;
    });
    let pod = TestPod::new(&stack, "docker.io/local/smi:1", Task::Smi, host.clock.now());
    let result = testpod::run(&host, &kubectl, &stack, &pod, &[], &Cancel::default()).unwrap();
    assert!(matches!(result.outcome, Outcome::NodeDead(_)), "{result:?}");
    assert_eq!(server.state().deleted, [pod.name]);
}
