//! What GPU Operator says of itself. Its `ready` proves little: it says so too where no node has a label, and where
//! every DaemonSet wants no pod. Source: the operator 26.3.3 and 26.7.0 on a real cluster.

use super::{Check, CheckId, Finding, Severity, State, printable};
use crate::{cluster::stack::PolicySeen, i18n::msg};

/// Where the object is asked for.
const COMMAND: &str = "kubectl get clusterpolicies.nvidia.com";
/// The reason of a policy that is ready because it has nothing to do.
const NO_LABELS: &str = "NFDLabelsMissing";

/// Judges by the conditions, whose reasons say more than the state.
pub(super) fn judge(id: CheckId, seen: Option<&PolicySeen>) -> Check {
    let (state, reason, message) = match seen {
        None => return Check::new(id, State::Unknown, ""),
        Some(PolicySeen::Absent) => return Check::new(id, State::Fail, format!("{COMMAND}: NotFound")),
        Some(PolicySeen::Unread(error)) => return Check::unread(id, error),
        Some(PolicySeen::Says { state, reason, message }) => (state.as_str(), reason.as_str(), message.as_str()),
    };
    let evidence = printable(format!("{state} ({reason}): {message}").trim_end_matches([':', ' ']));
    let failed =
        |text| Check::new(id, State::Fail, &evidence).because(Some(Finding::of(text, Severity::Error, COMMAND)));
    match (state, reason) {
        (_, NO_LABELS) => failed(msg::finding::policy_no_labels()),
        ("ready", _) => Check::new(id, State::Pass, evidence),
        // It says so while it is at work, too: the links before this one tell which.
        _ => failed(msg::finding::policy_not_ready(printable(message))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::objects::ClusterPolicy;

    /// Statuses of the operator 26.3.3 on a real cluster, as recorded.
    #[test]
    fn ready_is_believed_only_with_its_reason() {
        for (status, state, cause) in [
            (
                r#"{"conditions":[{"message":"No NFD labels found","reason":"NFDLabelsMissing","status":"True","type":"Ready"},
                {"message":"","reason":"Ready","status":"False","type":"Error"}],"namespace":"gpu-operator","state":"ready"}"#,
                State::Fail,
                Some("policy-no-labels"),
            ),
            (
                r#"{"conditions":[{"message":"","reason":"Error","status":"False","type":"Ready"},
                {"message":"ClusterPolicy is not ready, states not ready: [state-driver state-container-toolkit]",
                "reason":"OperandNotReady","status":"True","type":"Error"}],"state":"notReady"}"#,
                State::Fail,
                Some("policy-not-ready"),
            ),
            (
                r#"{"conditions":[{"message":"ClusterPolicy is ready as all resources have been successfully reconciled",
                "reason":"Reconciled","status":"True","type":"Ready"}],"state":"ready"}"#,
                State::Pass,
                None,
            ),
            ("{}", State::Fail, Some("policy-not-ready")),
        ] {
            let policy = ClusterPolicy { status: serde_json::from_str(status).unwrap() };
            let seen = PolicySeen::from(policy);
            let check = judge(CheckId::Policy, Some(&seen));
            assert_eq!(
                (check.state, check.because.as_ref().map(|cause| cause.id.as_str())),
                (state, cause),
                "{status}"
            );
        }
        assert_eq!(judge(CheckId::Policy, Some(&PolicySeen::Absent)).state, State::Fail);
        assert_eq!(judge(CheckId::Policy, None).state, State::Unknown);
    }
}
