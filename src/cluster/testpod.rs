//! The test pod: one `nvidia-smi` on this node, as a user's pod would run it.

mod images;
mod manifest;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    ClusterState, Kubectl,
    kubectl::answer,
    objects::Pod,
    scheduling,
    smi::{self, Smi},
    view::{ContainerState, PodView},
    wishes::Wishes,
};
use crate::{
    finding::{Finding, Severity},
    host::{Cancel, Command, Host},
};

pub use images::candidates;
pub use manifest::{NAMESPACE, TestPod};

/// How long the pod may take, which is mostly the pull of its image (about 90 MiB compressed).
pub const PATIENCE: Duration = Duration::from_mins(5);
/// How often the pod is looked at.
const POLL: Duration = Duration::from_secs(1);
/// How long `Pending` may last: the scheduler tries again when the node changes, but the answer is clear at once.
const PENDING: Duration = Duration::from_secs(20);
/// How much of its log is kept.
const LOG_BYTES: u32 = 64 << 10;

/// Ids of the findings of this module.
pub const IDS: [&str; 4] = ["test-image-unavailable", "test-pod-failed", "test-pod-no-table", "test-pod-timed-out"];

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
    pub fn why(&self) -> Option<Finding> {
        let finding = |id: &str, detail: &str| {
            Some(Finding::new(id, Severity::Error, self.evidence(), &[("pod", &self.pod), ("image", &self.image), ("detail", detail)]))
        };
        match &self.outcome {
            Outcome::Passed | Outcome::Cancelled => None,
            Outcome::NoTable => finding("test-pod-no-table", ""),
            Outcome::Failed(code) => finding("test-pod-failed", &code.to_string()),
            Outcome::Pending(words) => Some(scheduling::pending(&self.pod, &Wishes::default(), words, &self.node, None)),
            Outcome::ImageUnavailable(words) => finding("test-image-unavailable", words),
            Outcome::TimedOut(status) => finding("test-pod-timed-out", status),
        }
    }
}

/// Returns the commands of one test, in order, so that a plan can show them.
pub fn commands(kubectl: &Kubectl, pod: &TestPod) -> Vec<Command> {
    vec![create(kubectl, pod), look(kubectl, pod), logs(kubectl, pod), delete(kubectl, pod)]
}

fn create(kubectl: &Kubectl, pod: &TestPod) -> Command {
    // Validation would fetch the whole OpenAPI document; the API server checks the pod anyway.
    kubectl.command(&["apply", "--validate=false", "-f", "-"]).stdin(pod.manifest().to_string())
}

fn look(kubectl: &Kubectl, pod: &TestPod) -> Command {
    kubectl.command(&["get", "pod", &pod.name, "-n", NAMESPACE, "-o", "json"])
}

fn logs(kubectl: &Kubectl, pod: &TestPod) -> Command {
    kubectl.command(&["logs", &pod.name, "-n", NAMESPACE, &format!("--limit-bytes={LOG_BYTES}")])
}

fn delete(kubectl: &Kubectl, pod: &TestPod) -> Command {
    kubectl.command(&["delete", "pod", &pod.name, "-n", NAMESPACE, "--wait=false", "--ignore-not-found"])
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
    let deleted = answer(host, &delete(kubectl, pod));
    let result = result?;
    deleted.map(|_| result)
}

fn watch(host: &Host, kubectl: &Kubectl, pod: &TestPod, cancel: &Cancel) -> Result<TestPodResult, ClusterState> {
    let outcome = wait(host, kubectl, pod, cancel)?;
    let ended = matches!(outcome, Outcome::Passed | Outcome::Failed(_));
    let text = if ended { answer(host, &logs(kubectl, pod))? } else { String::new() };
    let log: String = text.lines().map(|line| crate::text::printable(line) + "\n").collect();
    let smi = smi::parse(&log);
    let seen = smi.as_ref().is_some_and(|smi| !smi.gpus.is_empty());
    let outcome = if outcome == Outcome::Passed && !seen { Outcome::NoTable } else { outcome };
    Ok(TestPodResult { pod: pod.name.clone(), node: pod.node.clone(), image: pod.image.clone(), outcome, log, smi })
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
    fn every_finding_has_its_texts() {
        for id in IDS {
            for lang in [Lang::En, Lang::Ko] {
                assert!(lang.has(&format!("finding.{id}.message")) && lang.has(&format!("finding.{id}.remedy")), "{id}");
            }
        }
    }
}
