//! The test pod: `nvidia-smi`, or a CUDA sample, on this node, as a user's pod would run it.

mod images;
mod manifest;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    ClusterError, GpuStack, Kubectl,
    kubectl::answer,
    objects::{Event, Node, Pod},
    scheduling,
    smi::{self, Smi},
    stack::is_for,
    verify,
    view::{ContainerState, EventView, NodeView, PodView},
    watch::Source,
};
use crate::{
    finding::{Finding, Severity},
    host::{Cancel, Command, Host},
    i18n::msg,
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
/// How long the API server may be away while the pod is waited for, in a row.
const BLIP: Duration = Duration::from_mins(1);
/// After how many looks at a pod that has not started the node is looked at.
const NODE_EVERY: u32 = 5;
/// What nvidia-smi says where the card's device files are root's alone (`NVreg_DeviceFileMode`).
const NOT_PERMITTED: &str = "Insufficient Permissions";
/// How much of its log is kept.
const LOG_BYTES: u32 = 64 << 10;

/// Ids of the findings of this module.
pub const IDS: [&str; 8] = [
    "test-pod-not-started",
    "test-node-dead",
    "test-image-unavailable",
    "test-pod-failed",
    "test-pod-no-table",
    "test-pod-timed-out",
    "test-driver-differs",
    "test-gpu-differs",
];
/// The line with which NVIDIA's vectorAdd sample says that the card has computed rightly.
const SAMPLE_PASSED: &str = "Test PASSED";

/// What the test pod should show, as step 1 found it and step 2 chose it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Expected {
    /// The driver; absent where nobody has said which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<Version>,
    /// What says so: the key of the answers, or the inventory's variable.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub driver_source: String,
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
    /// Its warning events, if it did not start or end well: `Failed: Error: …`.
    #[serde(default)]
    pub events: Vec<String>,
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
    /// Its container could not be started: the runtime's words.
    NotStarted(String),
    /// It was put on no node, or the kubelet refused it: their words.
    Pending(String),
    /// The node's kubelet reports no more, so that nothing will come of the pod: its last words.
    NodeDead(String),
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
        let finding = |text| Some(Finding::of(text, Severity::Error, self.evidence()).with("pod", &self.pod));
        if let Some(driver) = expected.driver.as_ref().filter(|driver| **driver != smi.driver_version) {
            return finding(msg::finding::test_driver_differs(
                smi.driver_version.as_str(),
                expected.driver_source.as_str(),
                driver,
            ));
        }
        let known = |bus: &str| expected.gpus.iter().any(|address| smi::same_address(address, bus));
        let stranger = smi.gpus.iter().find(|gpu| !expected.gpus.is_empty() && !known(&gpu.bus_id))?;
        finding(msg::finding::test_gpu_differs(&stranger.bus_id, expected.gpus.join(", ")))
    }

    /// Returns the scheduler's, the kubelet's or the runtime's words about a pod that did not come to run.
    pub fn words(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::NotStarted(words)
            | Outcome::Pending(words)
            | Outcome::ImageUnavailable(words)
            | Outcome::NodeDead(words) => Some(words),
            Outcome::Passed | Outcome::NoTable | Outcome::Failed(_) | Outcome::TimedOut(_) | Outcome::Cancelled => None,
        }
    }

    /// Returns what was seen, in one line.
    pub fn evidence(&self) -> String {
        let last = || self.log.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("");
        let words = || self.words().unwrap_or_else(last).to_owned();
        let table = self.smi.as_ref().map_or_else(words, |smi| {
            let gpus: Vec<_> = smi.gpus.iter().map(|gpu| gpu.name.as_str()).collect();
            format!("nvidia-smi {}: {}", smi.driver_version, gpus.join(", "))
        });
        format!("{} ({}): {table}", self.pod, self.image)
    }

    /// Says why it did not pass.
    pub fn why(&self, stack: &GpuStack) -> Option<Finding> {
        use msg::finding as text;
        let finding = |text| {
            Some(Finding::of(text, Severity::Error, self.evidence()).with("pod", &self.pod).with("image", &self.image))
        };
        match &self.outcome {
            Outcome::Passed | Outcome::Cancelled => None,
            Outcome::NoTable => finding(text::test_pod_no_table()),
            Outcome::Failed(code) => finding(text::test_pod_failed(code)),
            Outcome::NotStarted(words) => finding(text::test_pod_not_started(words)),
            Outcome::NodeDead(words) => finding(text::test_node_dead(words)),
            Outcome::Pending(words) => {
                let constraints =
                    TestPod::new(stack, &self.image, self.task, jiff::Timestamp::UNIX_EPOCH).constraints();
                Some(scheduling::pending(&self.pod, &constraints, words, &self.node, stack.node.as_ref()))
            }
            Outcome::ImageUnavailable(words) => finding(text::test_image_unavailable(words)),
            Outcome::TimedOut(status) => finding(text::test_pod_timed_out(status)),
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
pub fn clean_up(host: &Host, kubectl: &Kubectl, node: &str) -> Result<Vec<String>, ClusterError> {
    let (key, value) = LABEL;
    let pods = kubectl.list::<Pod>(host, &Source::labelled(NAMESPACE, &format!("{key}={value}")))?.items;
    let ours = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none() && is_for(pod, node));
    let names: Vec<String> = ours.map(|pod| pod.metadata.name.clone()).collect();
    for name in &names {
        answer(host, &delete(kubectl, name))?;
    }
    Ok(names)
}

/// Runs the test with the pod's image, then with each of `fallbacks` until one can be pulled. The pod is deleted in
/// every case. A node whose kubelet reports no more is told at once, and gets no pod.
pub fn run(
    host: &Host,
    kubectl: &Kubectl,
    stack: &GpuStack,
    pod: &TestPod,
    fallbacks: &[String],
    cancel: &Cancel,
) -> Result<TestPodResult, ClusterError> {
    if let Some(finding) = verify::silence(stack) {
        return Ok(pod.result(Outcome::NodeDead(finding.args.get("words").cloned().unwrap_or_default())));
    }
    let test = Test { host, kubectl, cancel };
    let mut result = test.once(pod)?;
    for (index, image) in fallbacks.iter().enumerate() {
        if !matches!(result.outcome, Outcome::ImageUnavailable(_)) || cancel.is_cancelled() {
            break;
        }
        result =
            test.once(&TestPod { name: format!("{}-{}", pod.name, index + 2), image: image.clone(), ..pod.clone() })?;
    }
    if matches!(result.outcome, Outcome::Failed(_)) && result.log.contains(NOT_PERMITTED) && !cancel.is_cancelled() {
        result = test.once(&TestPod {
            name: format!("{}-root", pod.name),
            image: result.image.clone(),
            as_root: true,
            ..pod.clone()
        })?;
    }
    Ok(result)
}

impl TestPod {
    fn result(&self, outcome: Outcome) -> TestPodResult {
        TestPodResult {
            pod: self.name.clone(),
            node: self.node.clone(),
            image: self.image.clone(),
            outcome,
            task: self.task,
            log: String::new(),
            events: Vec::new(),
            smi: None,
        }
    }
}

/// Runs test pods.
#[derive(Clone, Copy)]
struct Test<'a> {
    host: &'a Host,
    kubectl: &'a Kubectl,
    cancel: &'a Cancel,
}

impl Test<'_> {
    fn once(self, pod: &TestPod) -> Result<TestPodResult, ClusterError> {
        self.patiently(|| answer(self.host, &create(self.kubectl, pod)))?;
        let result = self.watch(pod);
        // Deleted also after a failure; when even that fails, the first failure is the one to tell.
        let deleted = self.patiently(|| answer(self.host, &delete(self.kubectl, &pod.name)));
        let result = result?;
        deleted.map(|_| result)
    }

    fn watch(self, pod: &TestPod) -> Result<TestPodResult, ClusterError> {
        let mut result = pod.result(self.wait(pod)?);
        if matches!(result.outcome, Outcome::Passed | Outcome::Failed(_)) {
            let text = self.patiently(|| answer(self.host, &logs(self.kubectl, pod)))?;
            result.log = text.lines().map(|line| crate::text::printable(line) + "\n").collect();
        }
        result.smi = smi::parse(&result.log);
        let seen = match pod.task {
            Task::Smi => result.smi.as_ref().is_some_and(|smi| !smi.gpus.is_empty()),
            Task::VectorAdd => result.log.contains(SAMPLE_PASSED),
        };
        if result.outcome == Outcome::Passed && !seen {
            result.outcome = Outcome::NoTable;
        }
        if !matches!(result.outcome, Outcome::Passed | Outcome::Cancelled) {
            result.events = self.warnings(pod);
        }
        Ok(result)
    }

    /// Returns what the cluster has warned of about the pod, as far as it can be had.
    fn warnings(self, pod: &TestPod) -> Vec<String> {
        let events =
            self.kubectl.list::<Event>(self.host, &Source::events(NAMESPACE, &pod.name)).map(|list| list.items);
        let warnings =
            events.unwrap_or_default().iter().map(EventView::of).filter(|event| event.warning).collect::<Vec<_>>();
        warnings.iter().map(|event| format!("{}: {}", event.reason, event.message)).collect()
    }

    /// Asks again while the API server or the kubelet is away for a moment: what runs on the node goes on without them.
    fn patiently<T>(self, ask: impl Fn() -> Result<T, ClusterError>) -> Result<T, ClusterError> {
        let mut waited = Duration::ZERO;
        loop {
            match ask() {
                Err(error) if error.is_blip() && waited < BLIP && self.host.clock.sleep(POLL, self.cancel) => {
                    waited += POLL;
                }
                answer => return answer,
            }
        }
    }

    fn wait(self, pod: &TestPod) -> Result<Outcome, ClusterError> {
        let (mut waited, mut looks) = (Duration::ZERO, 0);
        loop {
            let text = self.patiently(|| answer(self.host, &look(self.kubectl, pod)))?;
            let seen: Pod = serde_json::from_str(&text)
                .map_err(|error| ClusterError::Garbage(crate::text::printable(&error.to_string())))?;
            let view = PodView::of(&seen, &[manifest::CONTAINER]);
            if let Some(outcome) = judge(&view, waited) {
                return Ok(outcome);
            }
            looks += 1;
            if looks % NODE_EVERY == 0
                && let Some(words) = self.dead_node(pod)
            {
                return Ok(Outcome::NodeDead(words));
            }
            if waited >= PATIENCE {
                return Ok(Outcome::TimedOut(view.status));
            }
            if !self.host.clock.sleep(POLL, self.cancel) {
                return Ok(Outcome::Cancelled);
            }
            waited += POLL;
        }
    }

    /// Returns the last words of a node whose kubelet reports no more.
    fn dead_node(self, pod: &TestPod) -> Option<String> {
        let nodes = self.kubectl.list::<Node>(self.host, &Source::node(&pod.node)).ok()?.items;
        let view = NodeView::of(nodes.first()?, &[]);
        view.ready.is_none().then_some(view.ready_message)
    }
}

/// Says how the pod ended; nothing while it may still come to something.
fn judge(pod: &PodView, waited: Duration) -> Option<Outcome> {
    let printable = crate::text::printable;
    match (&pod.container.state, pod.phase.as_str(), &pod.refused) {
        (ContainerState::Terminated(end), ..) if end.exit_code == 0 => Some(Outcome::Passed),
        // With words of the runtime it never ran, whatever its status is: `StartError` and 128, `ContainerCannotRun`
        // and 127.
        (ContainerState::Terminated(end), ..) if !end.message.is_empty() => {
            Some(Outcome::NotStarted(format!("{}: {}", end.reason, printable(&end.message))))
        }
        (ContainerState::Terminated(end), ..) => Some(Outcome::Failed(end.exit_code)),
        (_, "Failed", refused) => Some(Outcome::Pending(refused.clone().unwrap_or_default())),
        (ContainerState::Unknown, _, Some(words)) if waited >= PENDING => Some(Outcome::Pending(words.clone())),
        (ContainerState::Waiting(waiting), ..) => match waiting.reason.as_str() {
            "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" | "ImageInspectError" => {
                Some(Outcome::ImageUnavailable(format!("{}: {}", waiting.reason, printable(&waiting.message))))
            }
            "CreateContainerError" | "RunContainerError" | "CreateContainerConfigError" => {
                Some(Outcome::NotStarted(format!("{}: {}", waiting.reason, printable(&waiting.message))))
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
        PodView::of(&serde_json::from_value(json).unwrap(), &[manifest::CONTAINER])
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
            events: Vec::new(),
            smi: smi::parse(log),
        };
        let expected = |driver: &str, gpu: &str| Expected {
            driver: driver.parse().ok(),
            driver_source: "driver_version".to_owned(),
            gpus: vec![gpu.to_owned()],
        };
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
                assert!(
                    lang.has(&format!("finding.{id}.message")) && lang.has(&format!("finding.{id}.remedy")),
                    "{id}"
                );
            }
        }
    }
}
