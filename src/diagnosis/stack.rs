//! Signatures over what the cluster says: the states of its objects, events, and the logs of their containers.

use super::{Diagnosis, Hit, Source};
use crate::cluster::{
    GpuStack,
    check::KnownFailure,
    stack::Part,
    testpod::TestPodResult,
    verify::Logs,
    view::{ContainerState, PodView},
    workload::Role,
};

/// What Google's device plugin says first, with or without a driver.
const PLUGIN_STARTED: &str = "device-plugin started";

/// Returns the known failures that show, of each of the owner's parts the most telling one. What a part waits for is no
/// failure of its own before those that it depends on work.
pub fn over_stack(stack: &GpuStack, logs: &Logs) -> Vec<(Role, Hit)> {
    let mut hits: Vec<(Role, Hit)> = Vec::new();
    let mut works = true;
    for part in stack.parts.iter().filter(|part| part.own) {
        let role = part.workload.role;
        let log = logs.get(&role).filter(|_| works || has_failed(part));
        hits.extend(over_part(stack, part, log.map(String::as_str)).map(|hit| (role, hit)));
        works &= part.works();
    }
    hits
}

fn has_failed(part: &Part) -> bool {
    part.pod.as_ref().and_then(|pod| pod.container.ended()).is_some_and(|end| end.exit_code != 0)
}

/// Returns the most telling known failure of one part: its state before its log before its events.
pub fn over_part(stack: &GpuStack, part: &Part, log: Option<&str>) -> Option<Hit> {
    let name = part.name();
    let set = match &part.set {
        None if stack.refusal(crate::cluster::stack::Asked::DaemonSets).is_none() => {
            status(&format!("daemonset/{name} NotFound"))
        }
        Some(set) if set.desired == 0 => status(&format!("daemonset/{name} DESIRED 0")),
        None | Some(_) => Vec::new(),
    };
    let Some(pod) = &part.pod else { return set.into_iter().next() };
    let stated = statuses(pod, log).iter().flat_map(|line| status(line)).collect::<Vec<_>>();
    let logged = log.map(|log| Diagnosis::over(log).hits).unwrap_or_default();
    best([stated, logged, events(stack, pod)].concat())
}

/// Returns the known failure that a test pod shows: in why it did not start, in what it printed, in its events.
pub fn over_test(result: &TestPodResult) -> Option<Hit> {
    let stated = result.words().map(|words| status(&format!("pod/{} {words}", result.pod))).unwrap_or_default();
    let logged = Diagnosis::over(&result.log).hits;
    let warned = result.events.iter().rev().flat_map(|event| find(event, Source::Event)).collect();
    best([stated, logged, warned].concat())
}

/// What only says that something failed is told where nothing says why.
fn best(mut found: Vec<Hit>) -> Option<Hit> {
    let place = found.iter().position(Hit::says_why).unwrap_or(0);
    (place < found.len()).then(|| found.swap_remove(place))
}

impl From<Hit> for KnownFailure {
    fn from(hit: Hit) -> Self {
        Self { signature: hit.signature.to_string(), line: hit.line, args: hit.args }
    }
}

fn status(line: &str) -> Vec<Hit> {
    find(line, Source::Status)
}

fn find(line: &str, source: Source) -> Vec<Hit> {
    let line = crate::text::printable(&line.replace('\n', " "));
    super::find(&line, source).into_iter().collect()
}

/// Writes the states of a pod down as `kubectl` would, one line each.
fn statuses(pod: &PodView, log: Option<&str>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(words) = &pod.refused {
        lines.push(format!("pod/{} {}: {words}", pod.name, pod.phase));
    }
    for container in pod.containers() {
        if let ContainerState::Waiting(waiting) = &container.state {
            lines.push(format!("pod/{} {}: {}", pod.name, waiting.reason, waiting.message));
        }
        if let Some(end) = container.ended().filter(|end| end.exit_code != 0) {
            lines.push(format!("pod/{} {}: {} (exit {})", pod.name, end.reason, end.message, end.exit_code));
        }
    }
    let said: Vec<_> = log.unwrap_or("").lines().filter(|line| !line.trim().is_empty()).collect();
    if pod.phase == "Running" && said.last().is_some_and(|last| last.contains(PLUGIN_STARTED)) {
        lines.push(format!("pod/{} Running: `{PLUGIN_STARTED}` and nothing since", pod.name));
    }
    lines
}

/// Looks through the warnings about a pod, newest first. They stay for an hour: once its container has started they
/// tell of the past.
fn events(stack: &GpuStack, pod: &PodView) -> Vec<Hit> {
    if pod.is_at_work() || matches!(pod.container.state, ContainerState::Terminated(_)) {
        return Vec::new();
    }
    let warnings = stack.events.iter().rev().filter(|event| event.warning && event.object == pod.name);
    warnings.flat_map(|event| find(&format!("{}: {}", event.reason, event.message), Source::Event)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{
        objects::{Terminated, Waiting},
        stack::tests::recorded,
    };

    fn ids(stack: &GpuStack, log: Option<&str>) -> Vec<String> {
        let logs = log.map(|log| (Role::DevicePlugin, log.to_owned())).into_iter().collect();
        over_stack(stack, &logs).into_iter().map(|(_, hit)| hit.signature.to_string()).collect()
    }

    #[test]
    fn recorded_failures_are_recognised() {
        assert_eq!(ids(&recorded("20-image-pull-backoff"), None), ["image-pull"]);
        assert_eq!(ids(&recorded("21-invalid-image-name"), None), ["image-true"]);
        assert_eq!(ids(&recorded("30-node-not-labelled"), None), ["no-pods"]);
        let mut stack = recorded("30-node-not-labelled");
        stack.parts[0].set = None;
        assert_eq!(ids(&stack, None), ["no-daemonsets"]);
    }

    #[test]
    fn the_hit_names_the_image() {
        let (_, hit) = over_stack(&recorded("20-image-pull-backoff"), &Logs::new()).remove(0);
        assert!(hit.args["image"].starts_with("k8s.gcr.io/ubuntu-nvidia-driver-installer@sha256:"), "{hit:?}");
        assert_eq!(hit.line_number, None);
    }

    #[test]
    fn good_moments_hit_nothing() {
        let log = include_str!("../../tests/fixtures/logs/plugin-ok.txt");
        for moment in [
            "01-just-created",
            "02-init-running",
            "03-init-done",
            "05-running",
            "31-labelled-after",
            "41-testpod-after-capacity",
        ] {
            assert_eq!(ids(&recorded(moment), Some(log)), [] as [&str; 0], "{moment}");
        }
    }

    #[test]
    fn a_plugin_that_only_started_waits_for_a_driver() {
        let started = "I1116 19:00:08.101010       1 nvidia_gpu.go:76] device-plugin started\n";
        assert_eq!(ids(&recorded("05-running"), Some(started)), ["plugin-waits"]);
        let no_socket = format!("{started}I1116 19:00:08.101320       1 nvidia_gpu.go:113] will use beta API\n");
        assert_eq!(ids(&recorded("05-running"), Some(&no_socket)), ["plugin-no-kubelet"]);
    }

    /// States of which there is no recording, in the words of the kubelet.
    #[test]
    fn states_of_pods_are_recognised() {
        let waiting = |reason: &str, message: &str| {
            let mut stack = recorded("02-init-running");
            let state = Waiting { reason: reason.to_owned(), message: message.to_owned() };
            stack.parts[0].pod.as_mut().unwrap().container.state = ContainerState::Waiting(state);
            ids(&stack, None)
        };
        assert_eq!(
            waiting("InvalidImageName", "Failed to apply default image tag \"A/B\": couldn't parse"),
            ["image-name"]
        );
        assert_eq!(waiting("CreateContainerError", "context deadline exceeded"), ["container-not-created"]);
        assert_eq!(
            waiting("ErrImagePull", "toomanyrequests: You have reached your pull rate limit."),
            ["image-rate-limit"]
        );
        assert_eq!(waiting("PodInitializing", ""), [] as [&str; 0]);
        let mut stack = recorded("05-running");
        let end = Terminated { exit_code: 137, reason: "OOMKilled".to_owned(), ..Terminated::default() };
        let container = &mut stack.parts[1].pod.as_mut().unwrap().container;
        (container.state, container.last) = (
            ContainerState::Waiting(Waiting { reason: "CrashLoopBackOff".to_owned(), message: String::new() }),
            Some(end),
        );
        assert_eq!(ids(&stack, None), ["out-of-memory"]);
        for (phase, words, id) in [
            ("Failed", "Evicted: The node was low on resource: ephemeral-storage.", "evicted"),
            (
                "Failed",
                "UnexpectedAdmissionError: Allocate failed due to no healthy devices present",
                "device-unhealthy",
            ),
            (
                "Failed",
                "UnexpectedAdmissionError: Allocate failed due to requested number of devices unavailable",
                "admission",
            ),
            (
                "Failed",
                "UnexpectedAdmissionError: Allocate failed due to error creating nvml.Device 3: nvml: GPU is lost",
                "gpu-lost",
            ),
            ("Pending", "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.", "test-pod-pending"),
        ] {
            let mut stack = recorded("05-running");
            let pod = stack.parts[1].pod.as_mut().unwrap();
            (pod.phase, pod.refused) = (phase.to_owned(), Some(words.to_owned()));
            assert_eq!(ids(&stack, None), [id]);
        }
    }

    #[test]
    fn events_of_the_past_are_not_told() {
        let mut stack = recorded("20-image-pull-backoff");
        for part in &mut stack.parts {
            part.pod.as_mut().unwrap().container.state =
                ContainerState::Running(crate::cluster::objects::Running::default());
        }
        assert_eq!(ids(&stack, None), [] as [&str; 0]);
    }

    #[test]
    fn a_sandbox_that_is_not_made_shows_in_events_only() {
        let mut stack = recorded("01-just-created");
        let pod = stack.parts[0].pod.as_mut().unwrap();
        pod.container.state =
            ContainerState::Waiting(Waiting { reason: "PodInitializing".to_owned(), message: String::new() });
        let event = crate::cluster::view::EventView {
            object: pod.name.clone(),
            warning: true,
            reason: "FailedCreatePodSandBox".to_owned(),
            message: "Failed to create pod sandbox: rpc error: code = Unknown".to_owned(),
            count: 3,
            last_seen: "2026-11-23T21:00:00Z".to_owned(),
        };
        stack.events.push(event);
        assert_eq!(ids(&stack, None), ["pod-sandbox"]);
    }
}
