//! Signatures over what the cluster says: the states of its objects, events, and the device plugin's log.

use super::{Diagnosis, Hit, Source};
use crate::cluster::{
    Chain, INSTALLER, PLUGIN,
    view::{ContainerState, PodView},
};

/// What the device plugin says first, with or without a driver.
const PLUGIN_STARTED: &str = "device-plugin started";

/// Returns the known failures that show in statuses, events and the device plugin's log, each signature once, and of each pod the most
/// telling one: its state before its log before its events.
pub fn over_chain(chain: &Chain, plugin_log: Option<&str>) -> Vec<Hit> {
    let mut hits: Vec<Hit> = Vec::new();
    let mut add = |found: Vec<Hit>| {
        // What only says that something failed is told where nothing says why.
        let best = found.iter().find(|hit| hit.says_why()).or(found.first());
        hits.extend(best.filter(|best| hits.iter().all(|other| other.signature != best.signature)).cloned());
    };
    add(match &chain.installer {
        None => status(&format!("daemonset/{INSTALLER} NotFound")),
        Some(set) if set.desired == 0 => status(&format!("daemonset/{INSTALLER} DESIRED 0")),
        Some(_) => Vec::new(),
    });
    for (name, pod, log) in [(INSTALLER, &chain.installer_pod, None), (PLUGIN, &chain.plugin_pod, plugin_log)] {
        let Some(pod) = pod else { continue };
        let logged = log.map(|log| Diagnosis::over(log).hits).unwrap_or_default();
        let stated = statuses(name, pod, log).iter().flat_map(|line| status(line)).collect::<Vec<_>>();
        add([stated, logged, events(chain, pod)].concat());
    }
    hits
}

fn status(line: &str) -> Vec<Hit> {
    find(line, Source::Status)
}

fn find(line: &str, source: Source) -> Vec<Hit> {
    let line = crate::text::printable(&line.replace('\n', " "));
    super::find(&line, source).into_iter().collect()
}

/// Writes the states of a pod down as `kubectl` would, one line each.
fn statuses(name: &str, pod: &PodView, log: Option<&str>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(words) = &pod.refused {
        lines.push(format!("pod/{} {}: {words}", pod.name, pod.phase));
    }
    if let ContainerState::Waiting(waiting) = &pod.container.state {
        lines.push(format!("pod/{} {}: {}", pod.name, waiting.reason, waiting.message));
    }
    if let Some(end) = pod.container.ended().filter(|end| end.exit_code != 0) {
        lines.push(format!("pod/{} {} (exit {})", pod.name, end.reason, end.exit_code));
    }
    let said: Vec<_> = log.unwrap_or("").lines().filter(|line| !line.trim().is_empty()).collect();
    if name == PLUGIN && pod.phase == "Running" && said.last().is_some_and(|last| last.contains(PLUGIN_STARTED)) {
        lines.push(format!("pod/{} Running: `{PLUGIN_STARTED}` and nothing since", pod.name));
    }
    lines
}

/// Looks through the warnings about a pod, newest first. They stay for an hour: once its container has started they tell of the past.
fn events(chain: &Chain, pod: &PodView) -> Vec<Hit> {
    if !matches!(pod.container.state, ContainerState::Waiting(_) | ContainerState::Unknown) {
        return Vec::new();
    }
    let warnings = chain.events.iter().rev().filter(|event| event.warning && event.object == pod.name);
    warnings.flat_map(|event| find(&format!("{}: {}", event.reason, event.message), Source::Event)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{
        chain::tests::recorded,
        objects::{Terminated, Waiting},
    };

    fn ids(chain: &Chain, log: Option<&str>) -> Vec<String> {
        over_chain(chain, log).into_iter().map(|hit| hit.signature.to_string()).collect()
    }

    #[test]
    fn recorded_failures_are_recognised() {
        assert_eq!(ids(&recorded("20-image-pull-backoff"), None), ["image-pull"]);
        assert_eq!(ids(&recorded("21-invalid-image-name"), None), ["image-true"]);
        assert_eq!(ids(&recorded("30-node-not-labelled"), None), ["no-pods"]);
        let mut chain = recorded("30-node-not-labelled");
        chain.installer = None;
        assert_eq!(ids(&chain, None), ["no-daemonsets"]);
    }

    #[test]
    fn the_hit_names_the_image() {
        let hit = over_chain(&recorded("20-image-pull-backoff"), None).remove(0);
        assert!(hit.args["image"].starts_with("k8s.gcr.io/ubuntu-nvidia-driver-installer@sha256:"), "{hit:?}");
        assert_eq!(hit.line_number, None);
    }

    #[test]
    fn good_moments_hit_nothing() {
        let log = include_str!("../../tests/fixtures/logs/plugin-ok.txt");
        for moment in ["01-just-created", "02-init-running", "03-init-done", "05-running", "31-labelled-after", "41-testpod-after-capacity"]
        {
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
            let mut chain = recorded("02-init-running");
            let state = Waiting { reason: reason.to_owned(), message: message.to_owned() };
            chain.installer_pod.as_mut().unwrap().container.state = ContainerState::Waiting(state);
            ids(&chain, None)
        };
        assert_eq!(waiting("InvalidImageName", "Failed to apply default image tag \"A/B\": couldn't parse"), ["image-name"]);
        assert_eq!(waiting("CreateContainerError", "context deadline exceeded"), ["container-not-created"]);
        assert_eq!(waiting("ErrImagePull", "toomanyrequests: You have reached your pull rate limit."), ["image-rate-limit"]);
        assert_eq!(waiting("PodInitializing", ""), [] as [&str; 0]);
        let mut chain = recorded("05-running");
        let end = Terminated { exit_code: 137, reason: "OOMKilled".to_owned() };
        let container = &mut chain.plugin_pod.as_mut().unwrap().container;
        (container.state, container.last) =
            (ContainerState::Waiting(Waiting { reason: "CrashLoopBackOff".to_owned(), message: String::new() }), Some(end));
        assert_eq!(ids(&chain, None), ["out-of-memory"]);
        for (phase, words, id) in [
            ("Failed", "Evicted: The node was low on resource: ephemeral-storage.", "evicted"),
            ("Failed", "UnexpectedAdmissionError: Allocate failed due to no healthy devices present", "device-unhealthy"),
            ("Failed", "UnexpectedAdmissionError: Allocate failed due to requested number of devices unavailable", "admission"),
            ("Failed", "UnexpectedAdmissionError: Allocate failed due to error creating nvml.Device 3: nvml: GPU is lost", "gpu-lost"),
            ("Pending", "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.", "test-pod-pending"),
        ] {
            let mut chain = recorded("05-running");
            let pod = chain.plugin_pod.as_mut().unwrap();
            (pod.phase, pod.refused) = (phase.to_owned(), Some(words.to_owned()));
            assert_eq!(ids(&chain, None), [id]);
        }
    }

    #[test]
    fn events_of_the_past_are_not_told() {
        let mut chain = recorded("20-image-pull-backoff");
        for pod in [&mut chain.installer_pod, &mut chain.plugin_pod] {
            pod.as_mut().unwrap().container.state = ContainerState::Running(crate::cluster::objects::Running::default());
        }
        assert_eq!(ids(&chain, None), [] as [&str; 0]);
    }

    #[test]
    fn a_sandbox_that_is_not_made_shows_in_events_only() {
        let mut chain = recorded("01-just-created");
        let pod = chain.installer_pod.as_mut().unwrap();
        pod.container.state = ContainerState::Waiting(Waiting { reason: "PodInitializing".to_owned(), message: String::new() });
        let event = crate::cluster::view::EventView {
            object: pod.name.clone(),
            warning: true,
            reason: "FailedCreatePodSandBox".to_owned(),
            message: "Failed to create pod sandbox: rpc error: code = Unknown".to_owned(),
            count: 3,
            last_seen: "2026-11-23T21:00:00Z".to_owned(),
        };
        chain.events.push(event);
        assert_eq!(ids(&chain, None), ["pod-sandbox"]);
    }
}
