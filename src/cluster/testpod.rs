//! The test pod: `nvidia-smi`, or a CUDA sample, on this node, as a user's pod would run it.

mod images;
mod manifest;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Chain, ClusterState, Kubectl,
    kubectl::answer,
    objects::Pod,
    scheduling,
    smi::{self, Smi},
    view::{ContainerState, PodView},
    watch::Source,
};
use crate::{
    finding::{Finding, Severity},
    host::{Cancel, Command, Host},
    version::Version,
};

pub use images::{candidates, samples};
pub use manifest::{LABEL, NAMESPACE, Task, TestPod};

/// How long the pod may take, which is mostly the pull of its image (about 90 MiB compressed).
pub const PATIENCE: Duration = Duration::from_mins(5);
/// How often the pod is looked at.
const POLL: Duration = Duration::from_secs(1);
/// How long `Pending` may last: the scheduler tries again when the node changes, but the answer is clear at once.
const PENDING: Duration = Duration::from_secs(20);
/// How much of its log is kept.
const LOG_BYTES: u32 = 64 << 10;

/// Ids of the findings of this module.
pub const IDS: [&str; 6] =
    ["test-image-unavailable", "test-pod-failed", "test-pod-no-table", "test-pod-timed-out", "test-driver-differs", "test-gpu-differs"];
/// The line with which NVIDIA's vectorAdd sample says that the card has computed rightly.
const SAMPLE_PASSED: &str = "Test PASSED";

/// What the test pod should show, as step 1 found it and step 2 chose it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Expected {
    /// The driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<Version>,
    /// PCI addresses of the machine's cards; empty if they are not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<String>,
}

/// What the test pod showed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestPodResult {
    /// The pod's name.
    pub pod: String,
    /// The node.
    pub node: String,
    /// The image that was used last.
    pub image: String,
    /// How it went.
    pub outcome: Outcome,
    /// What it did.
    #[serde(default)]
    pub task: Task,
    /// What it printed, safe for a terminal.
    pub log: String,
    /// The table of `nvidia-smi`.
    pub smi: Option<Smi>,
}

/// How the test pod ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "detail", rename_all = "kebab-case")]
pub enum Outcome {
    /// `nvidia-smi` showed a GPU.
    Passed,
    /// It ended with status 0, but without a GPU in its table.
    NoTable,
    /// It ended with this status.
    Failed(i32),
    /// It was put on no node, or the kubelet refused it: their words.
    Pending(String),
    /// No image could be pulled: the runtime's words.
    ImageUnavailable(String),
    /// It did not end in time; its last status.
    TimedOut(String),
    /// The user stopped it.
    Cancelled,
}

impl TestPodResult {
    /// Says what the table shows that step 1 and 2 do not: another driver, or a card that is not this machine's.
    pub fn differs(&self, expected: &Expected) -> Option<Finding> {
        let smi = self.smi.as_ref()?;
        let finding = |id: &str, seen: &str, wanted: &str| {
            Some(Finding::new(id, Severity::Error, self.evidence(), &[("seen", seen), ("wanted", wanted), ("pod", &self.pod)]))
        };
        if let Some(driver) = expected.driver.as_ref().filter(|driver| **driver != smi.driver_version) {
            return finding("test-driver-differs", smi.driver_version.as_str(), driver.as_str());
        }
        let known = |bus: &str| expected.gpus.iter().any(|address| smi::same_address(address, bus));
        let stranger = smi.gpus.iter().find(|gpu| !expected.gpus.is_empty() && !known(&gpu.bus_id))?;
        finding("test-gpu-differs", &stranger.bus_id, &expected.gpus.join(", "))
    }

    /// Returns what was seen, in one line.
    pub fn evidence(&self) -> String {
        let table = self.smi.as_ref().map_or_else(
            || self.log.lines().last().unwrap_or("").to_owned(),
            |smi| {
                let gpus: Vec<_> = smi.gpus.iter().map(|gpu| gpu.name.as_str()).collect();
                format!("nvidia-smi {}: {}", smi.driver_version, gpus.join(", "))
            },
        );
        format!("{} ({}): {table}", self.pod, self.image)
    }

    /// Says why it did not pass.
    pub fn why(&self, chain: &Chain) -> Option<Finding> {
        let finding = |id: &str, detail: &str| {
            Some(Finding::new(id, Severity::Error, self.evidence(), &[("pod", &self.pod), ("image", &self.image), ("detail", detail)]))
        };
        match &self.outcome {
            Outcome::Passed | Outcome::Cancelled => None,
            Outcome::NoTable => finding("test-pod-no-table", ""),
            Outcome::Failed(code) => finding("test-pod-failed", &code.to_string()),
            Outcome::Pending(words) => {
                let wishes = TestPod::new(chain, &self.image, self.task, jiff::Timestamp::UNIX_EPOCH).wishes();
                Some(scheduling::pending(&self.pod, &wishes, words, &self.node, chain.node.as_ref()))
            }
            Outcome::ImageUnavailable(words) => finding("test-image-unavailable", words),
            Outcome::TimedOut(status) => finding("test-pod-timed-out", status),
        }
    }
}

/// Returns the commands of one test, in order, so that a plan can show them.
pub fn commands(kubectl: &Kubectl, pod: &TestPod) -> Vec<Command> {
    vec![create(kubectl, pod), look(kubectl, pod), logs(kubectl, pod), delete(kubectl, &pod.name)]
}

fn create(kubectl: &Kubectl, pod: &TestPod) -> Command {
    // Validation would fetch the whole OpenAPI document; the API server checks the pod anyway.
    kubectl.command(&["apply", "--validate=false", "-f", "-"]).stdin(pod.manifest().to_string())
}

fn look(kubectl: &Kubectl, pod: &TestPod) -> Command {
    kubectl.command(&["get", "pod"]).operand(&pod.name).words(["-n", NAMESPACE, "-o", "json"])
}

fn logs(kubectl: &Kubectl, pod: &TestPod) -> Command {
    kubectl.command(&["logs"]).operand(&pod.name).words(["-n", NAMESPACE]).option("--limit-bytes", LOG_BYTES)
}

fn delete(kubectl: &Kubectl, name: &str) -> Command {
    kubectl.command(&["delete", "pod"]).operand(name).words(["-n", NAMESPACE, "--wait=false", "--ignore-not-found"])
}

/// Deletes test pods that an earlier run on this node has left behind, and returns their names.
pub fn clean_up(host: &Host, kubectl: &Kubectl, node: &str) -> Result<Vec<String>, ClusterState> {
    let (key, value) = LABEL;
    let pods = kubectl.list::<Pod>(host, &Source::labelled(NAMESPACE, &format!("{key}={value}")))?.items;
    let ours = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none() && crate::cluster::chain::is_for(pod, node));
    let names: Vec<String> = ours.map(|pod| pod.metadata.name.clone()).collect();
    for name in &names {
        answer(host, &delete(kubectl, name))?;
    }
    Ok(names)
}

/// Runs the test with the pod's image, then with each of `fallbacks` until one can be pulled. The pod is deleted in every case.
pub fn run(host: &Host, kubectl: &Kubectl, pod: &TestPod, fallbacks: &[String], cancel: &Cancel) -> Result<TestPodResult, ClusterState> {
    let mut result = run_once(host, kubectl, pod, cancel)?;
    for (index, image) in fallbacks.iter().enumerate() {
        if !matches!(result.outcome, Outcome::ImageUnavailable(_)) || cancel.is_cancelled() {
            break;
        }
        let next = TestPod { name: format!("{}-{}", pod.name, index + 2), image: image.clone(), ..pod.clone() };
        result = run_once(host, kubectl, &next, cancel)?;
    }
    Ok(result)
}

fn run_once(host: &Host, kubectl: &Kubectl, pod: &TestPod, cancel: &Cancel) -> Result<TestPodResult, ClusterState> {
    answer(host, &create(kubectl, pod))?;
    let result = watch(host, kubectl, pod, cancel);
    // Deleted also after a failure; when even that fails, the first failure is the one to tell.
    let deleted = answer(host, &delete(kubectl, &pod.name));
    let result = result?;
    deleted.map(|_| result)
}

fn watch(host: &Host, kubectl: &Kubectl, pod: &TestPod, cancel: &Cancel) -> Result<TestPodResult, ClusterState> {
    let outcome = wait(host, kubectl, pod, cancel)?;
    let ended = matches!(outcome, Outcome::Passed | Outcome::Failed(_));
    let text = if ended { answer(host, &logs(kubectl, pod))? } else { String::new() };
    let log: String = text.lines().map(|line| crate::text::printable(line) + "\n").collect();
    let smi = smi::parse(&log);
    let seen = match pod.task {
        Task::Smi => smi.as_ref().is_some_and(|smi| !smi.gpus.is_empty()),
        Task::VectorAdd => log.contains(SAMPLE_PASSED),
    };
    let outcome = if outcome == Outcome::Passed && !seen { Outcome::NoTable } else { outcome };
    Ok(TestPodResult { pod: pod.name.clone(), node: pod.node.clone(), image: pod.image.clone(), task: pod.task, outcome, log, smi })
}

fn wait(host: &Host, kubectl: &Kubectl, pod: &TestPod, cancel: &Cancel) -> Result<Outcome, ClusterState> {
    let mut waited = Duration::ZERO;
    loop {
        let text = answer(host, &look(kubectl, pod))?;
        let seen: Pod = serde_json::from_str(&text).map_err(|error| ClusterState::Garbage(crate::text::printable(&error.to_string())))?;
        let view = PodView::of(&seen, manifest::CONTAINER);
        if let Some(outcome) = judge(&view, waited) {
            return Ok(outcome);
        }
        if waited >= PATIENCE {
            return Ok(Outcome::TimedOut(view.status(false)));
        }
        if !host.clock.sleep(POLL, cancel) {
            return Ok(Outcome::Cancelled);
        }
        waited += POLL;
    }
}

/// Says how the pod ended; nothing while it may still come to something.
fn judge(pod: &PodView, waited: Duration) -> Option<Outcome> {
    if let ContainerState::Terminated(end) = &pod.container.state {
        return Some(if end.exit_code == 0 { Outcome::Passed } else { Outcome::Failed(end.exit_code) });
    }
    match (pod.phase.as_str(), &pod.refused, &pod.container.state) {
        ("Failed", refused, _) => Some(Outcome::Pending(refused.clone().unwrap_or_default())),
        (_, Some(words), ContainerState::Unknown) if waited >= PENDING => Some(Outcome::Pending(words.clone())),
        (_, _, ContainerState::Waiting(waiting)) => match waiting.reason.as_str() {
            "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" => {
                Some(Outcome::ImageUnavailable(crate::text::printable(&waiting.message)))
            }
            // The container could not be started at all: `nvidia-smi` is not in the image and nothing put it there.
            "CreateContainerError" | "RunContainerError" | "CreateContainerConfigError" => {
                Some(Outcome::Pending(crate::text::printable(&waiting.message)))
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::Lang;

    fn view(json: serde_json::Value) -> PodView {
        PodView::of(&serde_json::from_value(json).unwrap(), manifest::CONTAINER)
    }

    #[test]
    fn pending_is_believed_after_a_while() {
        let pod = view(serde_json::json!({"status": {"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."}]}}));
        assert_eq!(judge(&pod, Duration::ZERO), None);
        assert!(matches!(judge(&pod, PENDING), Some(Outcome::Pending(words)) if words.contains("Insufficient")));
    }

    #[test]
    fn a_container_that_ended_decides() {
        let status = |code: i32| {
            view(serde_json::json!({"status": {"phase": "Succeeded", "containerStatuses": [
                {"name": manifest::CONTAINER, "state": {"terminated": {"exitCode": code}}}]}}))
        };
        assert_eq!(judge(&status(0), Duration::ZERO), Some(Outcome::Passed));
        assert_eq!(judge(&status(9), Duration::ZERO), Some(Outcome::Failed(9)));
    }

    #[test]
    fn another_driver_or_card_than_expected_is_told() {
        let log = include_str!("../../tests/fixtures/logs/logs-ok.txt");
        let result = TestPodResult {
            pod: "p".into(),
            node: "node1".into(),
            image: "i".into(),
            task: Task::Smi,
            outcome: Outcome::Passed,
            log: log.into(),
            smi: smi::parse(log),
        };
        let expected = |driver: &str, gpu: &str| Expected { driver: driver.parse().ok(), gpus: vec![gpu.to_owned()] };
        let id = |expected: &Expected| result.differs(expected).map(|finding| finding.id);
        assert_eq!(id(&expected("450.51.06", "0000:18:00.0")), None);
        assert_eq!(id(&Expected::default()), None);
        assert_eq!(id(&expected("418.87.00", "0000:18:00.0")).as_deref(), Some("test-driver-differs"));
        assert_eq!(id(&expected("450.51.06", "0000:3b:00.0")).as_deref(), Some("test-gpu-differs"));
    }

    #[test]
    fn every_finding_has_its_texts() {
        for id in IDS {
            for lang in [Lang::En, Lang::Ko] {
                assert!(lang.has(&format!("finding.{id}.message")) && lang.has(&format!("finding.{id}.remedy")), "{id}");
            }
        }
    }
}
