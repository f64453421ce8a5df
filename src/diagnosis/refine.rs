//! What the words alone do not tell: the card and the driver that they name are looked up in the catalog, the number of
//! an Xid in NVIDIA's list, and what only looks like a failure is sorted out.

use std::{collections::BTreeMap, sync::OnceLock};

use regex::Regex;

use super::{signature_id::SignatureId, table::Refine, xid};
use crate::{
    catalog::gpus::{self, GpuModel},
    version::Version,
};

/// The values of a match, for the texts.
pub(super) type Args = BTreeMap<String, String>;

/// What a refinement makes of a match.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refined {
    /// It stands.
    Same,
    /// It is this signature.
    As(SignatureId),
    /// It is no failure.
    Nothing,
}

/// Looks up what a signature wants to know; may add to the values.
pub(super) fn refine(how: Refine, args: &mut Args, line: &str) -> Refined {
    match how {
        Refine::Xid => an_xid(args, line),
        Refine::Card => a_card(args),
        Refine::Taints => taints(args, line),
        Refine::Compilers => compilers(args),
    }
}

fn an_xid(args: &mut Args, line: &str) -> Refined {
    let Some(xid) = args.get("xid").and_then(|number| xid::lookup(number)) else { return Refined::Same };
    args.insert("name".to_owned(), xid.name.clone());
    // 154 says itself what has to be done: `recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)`.
    let asks = xid.number == 154 && line.rsplit(" to ").next().is_some_and(|action| action.contains("Required"));
    Refined::As(if asks { xid::Class::Reset } else { xid.class }.signature().into())
}

/// A card that its driver does support is refused when it is only a slice of itself: the guest driver of the
/// hypervisor's release is wanted.
fn a_card(args: &mut Args) -> Refined {
    let Some(model) = args.get("device").and_then(|id| gpus::lookup(id).ok()) else { return Refined::Same };
    args.insert("card".to_owned(), format!("{} ({})", model.name, args["device"].to_ascii_lowercase()));
    args.insert("drivers".to_owned(), branches(&model));
    let driver: Option<Version> = args.get("driver").and_then(|driver| driver.parse().ok());
    match driver {
        Some(driver) if drives(&model, driver.branch()) => Refined::As("vgpu-guest".into()),
        _ => Refined::Same,
    }
}

fn drives(model: &GpuModel, branch: u32) -> bool {
    model.first_branch.is_some_and(|first| first <= branch) && model.last_branch.is_none_or(|last| branch <= last)
}

/// `R470 to R580`, `R570 and newer`: a card's branches, as NVIDIA writes them.
fn branches(model: &GpuModel) -> String {
    let first = model.first_branch.map_or_else(|| "…".to_owned(), |first| format!("R{first}"));
    model.last_branch.map_or_else(|| format!("{first} …"), |last| format!("{first} … R{last}"))
}

/// Names the taints that keep the pod off, the one that somebody chose before those that every cluster has.
fn taints(args: &mut Args, line: &str) -> Refined {
    static TAINT: OnceLock<Option<Regex>> = OnceLock::new();
    let Some(taint) = TAINT.get_or_init(|| Regex::new(r"taint(?:s)? \{([^:}]+):? ?([^}]*)\}").ok()) else {
        return Refined::Same;
    };
    let mut names: Vec<String> = Vec::new();
    for found in taint.captures_iter(line) {
        let name = if found[2].is_empty() { found[1].to_owned() } else { format!("{}={}", &found[1], &found[2]) };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let chosen: Vec<String> = names.iter().filter(|name| !name.contains("kubernetes.io/")).cloned().collect();
    let told = if chosen.is_empty() { &names } else { &chosen };
    args.insert("taint".to_owned(), told.join(", "));
    match told.first() {
        Some(name) if name.starts_with("node.kubernetes.io/") => Refined::As("pending-node-condition".into()),
        Some(name) if name == "nvidia.com/gpu" || name.starts_with("nvidia.com/gpu=") => {
            Refined::As("test-pod-pending".into())
        }
        _ => Refined::Same,
    }
}

/// Two releases of one compiler build alike: only another major version may matter.
fn compilers(args: &mut Args) -> Refined {
    let major = |name: &str| args.get(name).and_then(|version| version.split('.').next()).map(str::to_owned);
    match (major("built"), major("used")) {
        (Some(built), Some(used)) if built == used => Refined::Nothing,
        _ => Refined::Same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(pairs: &[(&str, &str)]) -> Args {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_card_that_its_driver_knows_is_a_vgpu() {
        let mut known = args(&[("device", "10DE:2235"), ("driver", "550.90.07")]);
        assert_eq!(refine(Refine::Card, &mut known, ""), Refined::As("vgpu-guest".into()));
        assert_eq!(known["card"], "NVIDIA A40 (10de:2235)");
        let mut older = args(&[("device", "10de:1b38"), ("driver", "595.10")]);
        assert_eq!(refine(Refine::Card, &mut older, ""), Refined::Same);
        assert!(older["drivers"].ends_with("R580"), "{older:?}");
        assert_eq!(refine(Refine::Card, &mut args(&[("device", "10de:ffff"), ("driver", "550.1")]), ""), Refined::Same);
    }

    #[test]
    fn a_chosen_taint_is_told_before_the_cluster_s_own() {
        let mut found = Args::new();
        let line = "1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 1 node(s) had untolerated taint {gpu: true}";
        assert_eq!((refine(Refine::Taints, &mut found, line), found["taint"].as_str()), (Refined::Same, "gpu=true"));
        let line = "1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }";
        assert_eq!(refine(Refine::Taints, &mut found, line), Refined::As("pending-node-condition".into()));
    }
}
