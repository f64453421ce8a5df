//! Signatures over what the cluster says.

use super::{Hit, Source, all};
use crate::cluster::{Chain, INSTALLER, chain::ContainerState};

/// Returns the known failures that show in statuses and events of the chain, each signature once: the status before the events.
pub fn over_chain(chain: &Chain) -> Vec<Hit> {
    let mut hits: Vec<Hit> = Vec::new();
    let statuses = statuses(chain).into_iter().map(|text| (text, Source::Status));
    let warnings = chain.events.iter().rev().filter(|event| event.warning);
    let current = warnings.filter(|event| is_current(chain, &event.reason));
    for (text, source) in statuses.chain(current.map(|event| (format!("{}: {}", event.reason, event.message), Source::Event))) {
        let Some(found) = all().find(&text, 0, &[source]) else { continue };
        let hit = found.hit(None, text);
        if !hits.iter().any(|other| other.signature == hit.signature) {
            hits.push(hit);
        }
    }
    hits
}

/// Events stay for an hour: those about an image that has been pulled since tell of the past.
fn is_current(chain: &Chain, reason: &str) -> bool {
    let waiting =
        |pod: &crate::cluster::chain::PodView| matches!(pod.container.state, ContainerState::Waiting(_) | ContainerState::Unknown);
    let pods = || chain.installer_pod.iter().chain(&chain.plugin_pod);
    !matches!(reason, "Failed" | "BackOff" | "InspectFailed" | "FailedScheduling") || pods().any(waiting)
}

/// Writes the statuses down as `kubectl` would, one line each.
fn statuses(chain: &Chain) -> Vec<String> {
    let mut lines = Vec::new();
    match &chain.installer {
        None => lines.push(format!("daemonset/{INSTALLER} NotFound")),
        Some(set) if set.desired == 0 => lines.push(format!("daemonset/{INSTALLER} DESIRED 0")),
        Some(_) => {}
    }
    for pod in chain.installer_pod.iter().chain(&chain.plugin_pod) {
        if let Some(words) = &pod.refused {
            lines.push(format!("pod/{} {}: {words}", pod.name, pod.phase));
        }
        if let ContainerState::Waiting(waiting) = &pod.container.state {
            lines.push(format!("pod/{} {}: {}", pod.name, waiting.reason, waiting.message));
        }
    }
    lines.iter().map(|line| crate::text::printable(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::chain::tests::recorded;

    fn ids(moment: &str) -> Vec<String> {
        over_chain(&recorded(moment)).into_iter().map(|hit| hit.signature).collect()
    }

    #[test]
    fn recorded_failures_are_recognised() {
        assert_eq!(ids("20-image-pull-backoff"), ["image-pull"]);
        assert_eq!(ids("21-invalid-image-name"), ["image-true"]);
        assert_eq!(ids("30-node-not-labelled"), ["no-pods"]);
        let mut chain = recorded("30-node-not-labelled");
        chain.installer = None;
        assert_eq!(over_chain(&chain)[0].signature, "no-daemonsets");
    }

    #[test]
    fn the_hit_names_the_image() {
        let hit = over_chain(&recorded("20-image-pull-backoff")).remove(0);
        assert!(hit.args["image"].starts_with("k8s.gcr.io/ubuntu-nvidia-driver-installer@sha256:"), "{hit:?}");
        assert_eq!(hit.line_number, None);
    }

    #[test]
    fn good_moments_hit_nothing() {
        for moment in ["01-just-created", "02-init-running", "03-init-done", "05-running", "31-labelled-after", "41-testpod-after-capacity"]
        {
            assert_eq!(ids(moment), [] as [&str; 0], "{moment}");
        }
    }
}
