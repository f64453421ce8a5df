//! What the machine itself says of the operator's links: the cards, the runtime and whether it lasts, and the proofs that
//! the validator leaves in files, which can be read while the API server is down.

use crate::{
    cluster::check::{Check, CheckId, State},
    facts::{Facts, VALIDATIONS},
    finding::{Finding, Severity},
    i18n::msg,
    owner::{NodeEvidence, host::chain as host},
};

/// The proofs, in the order in which they come. Source: NVIDIA/gpu-operator, cmd/nvidia-validator.
const PROOFS: [&str; 4] = ["driver-ready", "toolkit-ready", "cuda-ready", "plugin-ready"];

/// Judges the machine's links.
pub(super) fn judge(seen: &NodeEvidence<'_>) -> Vec<Check> {
    let facts = seen.facts;
    let mut checks = vec![host::bound(facts), host::runtime::effective(facts), host::runtime::lasts(seen)];
    checks.extend(host::runtime::in_use(facts));
    checks.extend([validations(facts), host::second_boot(seen)]);
    checks
}

/// Which of its four proofs the validator has left; the first that is missing names what everything else waits for.
fn validations(facts: &Facts) -> Check {
    let id = CheckId::Validations;
    let has = |proof: &&&str| facts.node.validations.iter().any(|file| file == **proof);
    let there: Vec<&str> = PROOFS.iter().filter(has).copied().collect();
    let evidence = format!("{VALIDATIONS}: {}", if there.is_empty() { "-".to_owned() } else { there.join(" ") });
    match PROOFS.iter().find(|proof| !has(proof)) {
        None => Check::new(id, State::Pass, evidence),
        Some(_) if facts.unknown.contains_key("node.validations") => Check::new(id, State::Unknown, evidence),
        Some(missing) => {
            let cause = Finding::of(msg::finding::validation_missing(*missing), Severity::Error, VALIDATIONS);
            Check::new(id, State::Fail, evidence).because(Some(cause))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_proof_that_is_missing_is_named() {
        let with = |files: &[&str]| {
            let mut facts = Facts::default();
            facts.node.validations = files.iter().map(|file| (*file).to_owned()).collect();
            validations(&facts)
        };
        let missing = |check: &Check| check.because.as_ref().map(|cause| cause.args["proof"].clone());
        let none = with(&[]);
        assert_eq!((none.state, missing(&none).as_deref()), (State::Fail, Some("driver-ready")));
        let half = with(&[".driver-ctr-ready", "driver-ready", "toolkit-ready"]);
        assert_eq!((half.state, missing(&half).as_deref()), (State::Fail, Some("cuda-ready")));
        assert_eq!(with(&["cuda-ready", "driver-ready", "plugin-ready", "toolkit-ready"]).state, State::Pass);
    }
}
