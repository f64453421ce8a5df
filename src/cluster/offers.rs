//! The seed's last step: what may be taken off the node so that pods without a GPU run there too, and what Kubespray will do about it.

use serde::{Deserialize, Serialize};

use super::{Chain, GPU, Kubectl, scheduling::written};
use crate::{host::Command, i18n::Lang};

/// Ids of the offers.
pub const IDS: [&str; 2] = ["remove-taint", "uncordon"];

/// One thing that can be taken off the node. Texts: `offer.<id>.message`, `.next_run` (what the next Kubespray run does about it) and
/// `.durable` (how to make it last).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Stable name.
    pub id: String,
    /// The node.
    pub node: String,
    /// What is there now: the taint, or the mark.
    pub what: String,
    /// Takes it off.
    pub command: Command,
    /// Puts it back.
    pub undo: Command,
}

impl Offer {
    /// Returns one of the offer's texts.
    pub fn text(&self, part: &str, lang: Lang) -> String {
        lang.text(&format!("offer.{}.{part}", self.id), &[("node", &self.node), ("what", &self.what)])
    }
}

/// Returns what can be taken off the node.
pub fn offers(chain: &Chain, kubectl: &Kubectl) -> Vec<Offer> {
    let Some(node) = &chain.node else { return Vec::new() };
    let name = chain.node_name.as_str();
    let mut offers = Vec::new();
    for taint in node.taints.iter().filter(|taint| taint.key == GPU) {
        let put = format!("{}={}:{}", taint.key, taint.value, taint.effect);
        offers.push(Offer {
            id: "remove-taint".to_owned(),
            node: name.to_owned(),
            what: written(taint),
            command: kubectl.command(&["taint", "nodes", name, &format!("{}:{}-", taint.key, taint.effect)]),
            undo: kubectl.command(&["taint", "nodes", name, &put, "--overwrite"]),
        });
    }
    if node.unschedulable {
        offers.push(Offer {
            id: "uncordon".to_owned(),
            node: name.to_owned(),
            what: "unschedulable".to_owned(),
            command: kubectl.command(&["uncordon", name]),
            undo: kubectl.command(&["cordon", name]),
        });
    }
    offers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::chain::tests::recorded;

    #[test]
    fn offers_what_is_there_and_how_to_put_it_back() {
        let mut chain = recorded("05-running");
        chain.node.as_mut().unwrap().unschedulable = true;
        let offers = offers(&chain, &Kubectl { kubeconfig: None });
        let lines: Vec<_> = offers.iter().map(|offer| (offer.command.args[1..].join(" "), offer.undo.args[1..].join(" "))).collect();
        let expected = [
            ("taint nodes node1 nvidia.com/gpu:NoSchedule-", "taint nodes node1 nvidia.com/gpu=:NoSchedule --overwrite"),
            ("uncordon node1", "cordon node1"),
        ];
        assert_eq!(lines, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn every_offer_has_its_texts() {
        for id in IDS {
            for part in ["message", "next_run", "durable"] {
                assert!(Lang::En.has(&format!("offer.{id}.{part}")) && Lang::Ko.has(&format!("offer.{id}.{part}")), "{id}.{part}");
            }
        }
    }
}
