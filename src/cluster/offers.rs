//! What may be done to the node or its pods at the user's wish: take the GPU taint off and put it back, let pods come again, start a failed
//! installer anew now. And what Kubespray will do about it.

use serde::{Deserialize, Serialize};

use super::{
    Chain, GPU,
    scheduling::written,
    view::{ContainerState, PodView},
};
use crate::i18n::Lang;

/// Ids of the offers.
pub const IDS: [&str; 4] = ["restart-installer", "remove-taint", "uncordon", "put-taint"];

/// One thing that can be done. Texts: `offer.<id>.message`, `.next_run.<releases>` (what the next Kubespray run does about it) and
/// `.durable` (how to make it last).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Stable name.
    pub id: String,
    /// The node.
    pub node: String,
    /// What is there now: the taint, the mark, or the pod.
    pub what: String,
    /// The pod it is about.
    pub pod: Option<PodView>,
    /// Which releases' rule holds: `flag` up to v2.24, `run` from v2.25 on, `unknown`.
    pub releases: String,
}

impl Offer {
    /// Returns what it is.
    pub fn message(&self, lang: Lang) -> String {
        self.text("message", lang)
    }

    /// Returns what the next run of this Kubespray release does about it.
    pub fn next_run(&self, lang: Lang) -> String {
        let key = if self.id.ends_with("taint") { format!("next_run.{}", self.releases) } else { "next_run".to_owned() };
        self.text(&key, lang)
    }

    /// Returns how to make it last.
    pub fn durable(&self, lang: Lang) -> String {
        self.text("durable", lang)
    }

    /// Tells whether it is asked for at the end, when all else is done: the seed's last step.
    pub fn is_last_step(&self) -> bool {
        matches!(self.id.as_str(), "remove-taint" | "uncordon")
    }

    fn text(&self, part: &str, lang: Lang) -> String {
        lang.text(&format!("offer.{}.{part}", self.id), &[("node", &self.node), ("what", &self.what)])
    }
}

/// Returns what can be done; `release` is Kubespray's, as far as it is known.
pub fn offers(chain: &Chain, release: Option<&str>) -> Vec<Offer> {
    let Some(node) = &chain.node else { return Vec::new() };
    let offer = |id: &str, what: String, pod: Option<&PodView>| Offer {
        id: id.to_owned(),
        node: chain.node_name.clone(),
        what,
        pod: pod.cloned(),
        releases: releases(release).to_owned(),
    };
    let mut offers = Vec::new();
    let failed = chain.installer_pod.as_ref().filter(|pod| {
        matches!(pod.container.state, ContainerState::Waiting(_)) && pod.container.ended().is_some_and(|end| end.exit_code != 0)
    });
    offers.extend(failed.map(|pod| offer("restart-installer", pod.name.clone(), Some(pod))));
    let taints: Vec<_> = node.taints.iter().filter(|taint| taint.key == GPU).collect();
    offers.extend(taints.iter().map(|taint| offer("remove-taint", written(taint), None)));
    if node.unschedulable {
        offers.push(offer("uncordon", "unschedulable".to_owned(), None));
    }
    if taints.is_empty() && node.gpu_label.is_some() {
        offers.push(offer("put-taint", format!("{GPU}:NoSchedule"), None));
    }
    offers
}

/// Returns which rule a release follows. Source: Kubespray's pull request 10705 (v2.25.0), before that kubelet.env's
/// `--register-with-taints`.
fn releases(release: Option<&str>) -> &'static str {
    let numbers = release.and_then(|release| {
        let mut parts = release.trim_start_matches('v').split('.');
        Some((parts.next()?.parse::<u32>().ok()?, parts.next()?.parse::<u32>().ok()?))
    });
    match numbers {
        Some(numbers) if numbers >= (2, 25) => "run",
        Some(_) => "flag",
        None => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{chain::tests::recorded, objects::Waiting};

    fn ids(chain: &Chain) -> Vec<String> {
        offers(chain, None).into_iter().map(|offer| offer.id).collect()
    }

    #[test]
    fn offers_what_is_there() {
        let mut chain = recorded("05-running");
        assert_eq!(ids(&chain), ["remove-taint"]);
        let node = chain.node.as_mut().unwrap();
        node.unschedulable = true;
        node.taints.clear();
        assert_eq!(ids(&chain), ["uncordon", "put-taint"]);
        let mut failed = recorded("11-init-crashloop");
        let container = &mut failed.installer_pod.as_mut().unwrap().container;
        container.last = container.ended().cloned();
        container.state = ContainerState::Waiting(Waiting { reason: "CrashLoopBackOff".to_owned(), message: String::new() });
        assert_eq!(ids(&failed), ["restart-installer", "remove-taint"]);
    }

    #[test]
    fn the_releases_rule_is_known() {
        for (release, rule) in [("v2.14.2", "flag"), ("v2.24.0", "flag"), ("v2.25.0", "run"), ("v2.31.0", "run"), ("master", "unknown")] {
            assert_eq!(releases(Some(release)), rule, "{release}");
        }
    }

    #[test]
    fn every_offer_has_its_texts() {
        let chain = recorded("05-running");
        for id in IDS {
            for release in [None, Some("v2.24.0"), Some("v2.25.0")] {
                let offer = Offer { id: id.to_owned(), ..offers(&chain, release).remove(0) };
                for lang in [Lang::En, Lang::Ko] {
                    for text in [offer.message(lang), offer.next_run(lang), offer.durable(lang)] {
                        assert!(!text.starts_with("offer."), "{text}");
                    }
                }
            }
        }
    }
}
