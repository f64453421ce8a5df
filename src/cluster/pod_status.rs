//! The status of a pod in a word, as `kubectl get pods` shows it. Source: Kubernetes,
//! pkg/printers/internalversion/printers.go, `printPod`.

use super::objects::{ContainerStatus, Pod, Terminated};

/// Returns `Init:0/1`, `Init:CrashLoopBackOff`, `Running`, `Terminating` and the like.
pub(super) fn shown(pod: &Pod) -> String {
    if pod.metadata.deletion_timestamp.is_some() {
        return if pod.status.reason.as_deref() == Some("NodeLost") { "Unknown" } else { "Terminating" }.to_owned();
    }
    if let Some(status) = initializing(pod) {
        return format!("Init:{status}");
    }
    let own = pod.status.reason.clone().filter(|reason| !reason.is_empty());
    let reason = pod.status.container_statuses.iter().rev().filter_map(running).next_back();
    let works = pod.status.container_statuses.iter().any(|status| status.ready && status.state.running.is_some());
    match reason {
        Some(reason) if reason == "Completed" && works => "Running".to_owned(),
        Some(reason) => reason,
        None => own.unwrap_or_else(|| pod.status.phase.clone()),
    }
}

/// Returns what the first init container does that is not done; nothing once all are.
fn initializing(pod: &Pod) -> Option<String> {
    let statuses = &pod.status.init_container_statuses;
    let beside = |status: &ContainerStatus| {
        let wanted = pod.spec.init_containers.iter().find(|container| container.name == status.name);
        wanted.is_some_and(|container| container.restart_policy.as_deref() == Some("Always"))
            && status.state.running.is_some()
    };
    let done = |status: &ContainerStatus| {
        status.state.terminated.as_ref().is_some_and(|end| end.exit_code == 0) || beside(status)
    };
    let (place, status) = statuses.iter().enumerate().find(|(_, status)| !done(status))?;
    let state = &status.state;
    Some(match (&state.terminated, &state.waiting) {
        (Some(end), _) => ended(end),
        (None, Some(waiting)) if !waiting.reason.is_empty() && waiting.reason != "PodInitializing" => {
            waiting.reason.clone()
        }
        _ => format!("{place}/{}", pod.spec.init_containers.len().max(statuses.len())),
    })
}

/// Returns what a container says against `Running`.
fn running(status: &ContainerStatus) -> Option<String> {
    match (&status.state.waiting, &status.state.terminated) {
        (Some(waiting), _) if !waiting.reason.is_empty() => Some(waiting.reason.clone()),
        (_, Some(end)) => Some(ended(end)),
        _ => None,
    }
}

fn ended(end: &Terminated) -> String {
    match (end.reason.as_str(), end.signal.filter(|signal| *signal != 0)) {
        ("", Some(signal)) => format!("Signal:{signal}"),
        ("", None) => format!("ExitCode:{}", end.exit_code),
        (reason, _) => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::cluster::stack::tests::{MOMENTS, recorded_pods, recorded_table};

    /// Every recording holds what the real kubectl printed at that moment.
    #[test]
    fn says_what_kubectl_said_of_every_recorded_pod() {
        let mut compared = 0;
        for moment in MOMENTS {
            let table = recorded_table(moment);
            for pod in recorded_pods(moment) {
                let Some(row) = table.lines().find(|row| row.contains(&format!(" {} ", pod.metadata.name))) else {
                    continue;
                };
                let theirs = row.split_whitespace().nth(3).unwrap();
                assert_eq!(super::shown(&pod), theirs, "{moment}: {row}");
                compared += 1;
            }
        }
        assert!(compared >= 15, "{compared} pods were compared");
    }
}
