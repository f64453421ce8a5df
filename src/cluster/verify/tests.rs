//! The judgement on recorded moments.

use super::*;
use crate::{
    answers::DriverOwner,
    cluster::{
        ClusterError,
        stack::tests::{recorded, recorded_for},
    },
    owner,
};

const LOG: &str = "device-plugin started\nFound Nvidia GPU \"nvidia0\"\ndevice-plugin registered with the kubelet\n";

fn plugin(log: &str) -> Logs {
    [(Role::DevicePlugin, log.to_owned())].into()
}

fn judge(
    stack: &GpuStack,
    owner: DriverOwner,
    logs: &Logs,
    host_driver: Option<&str>,
    tested: Option<&Tested>,
) -> VerifyReport {
    checks(&CheckInput { stack, spec: owner::of(owner).stack(), logs, host_driver, on_node: &[], cards: None, tested })
}

fn judged(moment: &str, logs: &Logs, tested: Option<&Tested>) -> VerifyReport {
    judge(&recorded(moment), DriverOwner::InstallerPod, logs, None, tested)
}

/// A test pod that passed now, long after everything recorded.
fn passed() -> Tested {
    Tested { passed: true, at: Timestamp::now(), evidence: "nvidia-smi 450.51.06".to_owned(), known: None }
}

fn open(report: &VerifyReport) -> Vec<(&str, State)> {
    report
        .checks
        .iter()
        .filter(|check| check.state != State::Pass)
        .map(|check| (check.id.name(), check.state))
        .collect()
}

fn failed(report: &VerifyReport) -> Vec<&str> {
    open(report).into_iter().filter(|(_, state)| *state == State::Fail).map(|(name, _)| name).collect()
}

#[test]
fn a_working_node_is_ok_once_a_pod_has_used_the_gpu() {
    for moment in ["41-testpod-after-capacity", "1.36/70-all-good"] {
        let untested = judged(moment, &plugin(LOG), None);
        assert_eq!(open(&untested), [("test-pod", State::Unknown)], "{moment}");
        assert_eq!(untested.verdict, Verdict::Unknown);
        assert!(untested.lacks_only_the_test() && !report(&untested, Lang::En).contains("is a working GPU node"));
        let tested = judged(moment, &plugin(LOG), Some(&passed()));
        assert_eq!((open(&tested), tested.verdict), (vec![], Verdict::Ok));
        assert!(report(&tested, Lang::En).contains("it is a working GPU node"));
    }
}

#[test]
fn a_test_that_failed_is_a_failure_whatever_else_passes() {
    let tested = Tested { passed: false, evidence: "driver 450 is not 470".to_owned(), ..passed() };
    let report = judged("1.36/70-all-good", &plugin(LOG), Some(&tested));
    assert_eq!((failed(&report), report.verdict), (vec!["test-pod"], Verdict::Failed));
}

#[test]
fn a_test_from_before_the_node_began_anew_proves_nothing() {
    let old = Tested { at: "2020-01-01T00:00:00Z".parse().unwrap(), ..passed() };
    let report = judged("1.36/70-all-good", &plugin(LOG), Some(&old));
    assert_eq!((open(&report), report.verdict), (vec![("test-pod", State::Unknown)], Verdict::Unknown));
    assert_eq!(report.check(CheckId::TestPod).unwrap().because.as_ref().unwrap().id, "test-pod-outdated");
}

#[test]
fn a_passed_test_stands_for_a_log_that_was_rotated_away() {
    let rotated = plugin("I1127 serving\n");
    assert_eq!(open(&judged("1.36/70-all-good", &rotated, None))[0], ("plugin", State::Unknown));
    assert_eq!(open(&judged("1.36/70-all-good", &rotated, Some(&passed()))), []);
    assert_eq!(open(&judged("1.36/70-all-good", &Logs::new(), Some(&passed()))), []);
}

#[test]
fn running_is_not_registered() {
    for moment in ["05-running", "1.36/52-running"] {
        let report = judged(moment, &plugin("device-plugin started\n"), None);
        assert_eq!(failed(&report), ["plugin", "capacity"], "{moment}");
        assert_eq!(report.verdict, Verdict::Failed);
    }
}

#[test]
fn recorded_failures_fail_where_they_should() {
    let of = |moment: &str| judged(moment, &Logs::new(), None);
    for (moment, expected) in [
        ("11-init-crashloop", vec!["installer", "plugin", "capacity"]),
        ("21-invalid-image-name", vec!["installer", "plugin", "capacity"]),
        ("30-node-not-labelled", vec!["node-label", "daemonsets", "installer", "plugin", "capacity"]),
        ("1.36/50-controller-manager-broken", vec!["daemonsets", "installer", "plugin", "capacity"]),
        ("1.36/53-invalid-image-name", vec!["installer", "plugin", "capacity"]),
        ("1.36/54-image-pull-backoff", vec!["installer", "plugin", "capacity"]),
        ("1.36/55-crashloop", vec!["installer", "plugin", "capacity"]),
        ("1.36/56-unknown-taint", vec!["daemonsets", "installer", "plugin", "capacity"]),
        ("1.36/57-crashloop-late", vec!["installer", "plugin", "capacity"]),
    ] {
        assert_eq!(failed(&of(moment)), expected, "{moment}");
    }
}

/// Pods still say `Running` and the card is still counted: all of it is what the kubelet said last.
#[test]
fn a_silent_kubelet_fails_the_node_and_leaves_the_rest_open() {
    let report = judged("1.36/58-node-notready", &plugin(LOG), Some(&passed()));
    assert_eq!(failed(&report), ["node-ready", "daemonsets"]);
    let unknown: Vec<_> =
        open(&report).into_iter().filter(|(_, state)| *state == State::Unknown).map(|(name, _)| name).collect();
    assert_eq!(unknown, ["installer", "plugin", "capacity"]);
    assert_eq!(report.checks[1].because.as_ref().unwrap().id, "kubelet-silent");
}

#[test]
fn the_hosts_own_driver_is_judged_by_nvidias_plugin() {
    let stack = recorded_for("1.36/80-nvidia-device-plugin-no-driver", DriverOwner::Host);
    let log = plugin("E1127 17:36:00.1 1 factory.go:115] Incompatible strategy detected auto\n");
    let report = judge(&stack, DriverOwner::Host, &log, Some("NVRM version: 580.159.04"), None);
    assert_eq!(failed(&report), ["device-plugin", "capacity"]);
    // What only the node can tell, nobody has told here.
    assert_eq!(report.check(CheckId::HostDriver).unwrap().state, State::NotJudged);
    assert_eq!(report.check(CheckId::HostDriver).unwrap().because.as_ref().unwrap().id, "link-not-on-node");
    // Kubespray's own DaemonSets beside it are a second owner.
    let both = recorded_for("41-testpod-after-capacity", DriverOwner::Host);
    let report = judge(&both, DriverOwner::Host, &plugin(LOG), Some("NVRM version: 450.51.06"), Some(&passed()));
    assert_eq!((failed(&report), report.verdict), (vec!["no-installer"], Verdict::Failed));
}

#[test]
fn the_operators_parts_are_judged_in_their_order() {
    let stack = recorded_for("1.36/81-operator-driver-crash", DriverOwner::Operator);
    let report = judge(&stack, DriverOwner::Operator, &Logs::new(), None, None);
    assert_eq!(failed(&report), ["driver-pod", "device-plugin", "capacity"]);
    assert_eq!(report.check(CheckId::Toolkit).unwrap().state, State::Unknown);
    // A driver of the host takes the place of a driver DaemonSet that is not there.
    assert!(report.check(CheckId::HostDriver).is_none());
    let mut without = stack.clone();
    without.parts[0].pod = None;
    let report = judge(&without, DriverOwner::Operator, &Logs::new(), Some("NVRM version: 580"), None);
    assert!(report.check(CheckId::DriverPod).is_none());
    assert_eq!(report.check(CheckId::HostDriver).unwrap().state, State::Pass);
}

#[test]
fn what_may_not_be_read_is_unknown_and_the_rest_is_judged() {
    let mut stack = recorded("1.36/70-all-good");
    stack.parts.iter_mut().for_each(|part| part.set = None);
    stack.unread = vec![(Asked::DaemonSets, ClusterError::Forbidden("daemonsets.apps is forbidden".to_owned()))];
    let report = judge(&stack, DriverOwner::InstallerPod, &plugin(LOG), None, Some(&passed()));
    assert_eq!((open(&report), report.verdict), (vec![("daemonsets", State::Unknown)], Verdict::Unknown));
    stack.parts.iter_mut().for_each(|part| part.pod = None);
    stack.unread.push((Asked::Pods, ClusterError::Forbidden("pods is forbidden".to_owned())));
    let report = judge(&stack, DriverOwner::InstallerPod, &Logs::new(), None, None);
    assert_eq!(failed(&report), [] as [&str; 0]);
}

#[test]
fn json_has_the_documented_fields_and_reads_back() {
    let report = judged("30-node-not-labelled", &Logs::new(), None);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["verdict"], "failed");
    let check = &json["checks"][2];
    assert_eq!((check["id"].as_str(), check["state"].as_str()), (Some("node-label"), Some("fail")));
    assert!(check["evidence"].is_string() && check["remedy"].is_string());
    assert!(json["checks"][0]["remedy"].is_null());
    assert_eq!(serde_json::from_value::<VerifyReport>(json).unwrap(), report);
}

#[test]
fn behind_the_first_broken_link_nothing_is_judged() {
    let check = |id, state| Check::new(id, state, "seen");
    let mut report = VerifyReport::over(vec![
        check(CheckId::Cards, State::Pass),
        check(CheckId::NextBoot, State::Temporary),
        check(CheckId::Runtime, State::Fail),
        check(CheckId::RuntimeInUse, State::Fail),
        check(CheckId::TestPod, State::Unknown),
    ]);
    report.stop_at_first();
    let states: Vec<State> = report.checks.iter().map(|check| check.state).collect();
    assert_eq!(states, [State::Pass, State::Temporary, State::Fail, State::NotJudged, State::NotJudged]);
    assert_eq!((report.verdict, report.checks[3].evidence.as_str()), (Verdict::Failed, ""));
}

#[test]
fn what_works_for_now_is_neither_good_nor_bad() {
    let report = |states: &[(CheckId, State)]| {
        VerifyReport::over(states.iter().map(|(id, state)| Check::new(*id, *state, "")).collect())
    };
    let (pass, now) = ((CheckId::Cards, State::Pass), (CheckId::RuntimeLasts, State::Temporary));
    let open = (CheckId::SecondBoot, State::NotJudged);
    assert_eq!(report(&[pass, open]).verdict, Verdict::Ok, "a second boot may wait");
    assert_eq!(report(&[pass, now, open]).verdict, Verdict::Temporary);
    assert_eq!(report(&[pass, now, (CheckId::Nvml, State::Unknown)]).verdict, Verdict::Unknown);
    assert_eq!(
        report(&[pass, (CheckId::Nvml, State::NotJudged)]).verdict,
        Verdict::Unknown,
        "another machine cannot tell"
    );
    let json = serde_json::to_value(report(&[now, open])).unwrap();
    assert_eq!((json["verdict"].as_str(), json["checks"][0]["state"].as_str()), (Some("temporary"), Some("temporary")));
    assert_eq!(json["checks"][1]["state"], "not-judged");
}

#[test]
fn the_runtime_class_is_judged_by_its_handler() {
    let seen = |seen| {
        let stack = GpuStack {
            runtime_class: seen,
            ..recorded_for("1.36/80-nvidia-device-plugin-no-driver", DriverOwner::Host)
        };
        let report = judge(&stack, DriverOwner::Host, &Logs::new(), None, None);
        let check = report.check(CheckId::RuntimeClass).unwrap();
        (check.state, check.because.as_ref().map(|finding| finding.id.clone()).unwrap_or_default())
    };
    let handler = |name: &str| Some(RuntimeClassSeen::Handler(name.into()));
    assert_eq!(seen(handler("nvidia")), (State::Pass, String::new()));
    assert_eq!(seen(handler("runc")), (State::Fail, "runtime-class-handler".into()));
    assert_eq!(seen(Some(RuntimeClassSeen::Absent)), (State::Fail, "runtime-class-missing".into()));
    let forbidden = ClusterError::Forbidden("runtimeclasses is forbidden".to_owned());
    assert_eq!(seen(Some(RuntimeClassSeen::Unread(forbidden))).0, State::Unknown);
}

#[test]
fn fewer_gpus_than_cards_are_told_and_shared_ones_are_not() {
    let stack = recorded("1.36/70-all-good");
    let judged = |cards| {
        let spec = owner::of(DriverOwner::InstallerPod).stack();
        let logs = plugin(LOG);
        let report = checks(&CheckInput {
            stack: &stack,
            spec,
            logs: &logs,
            host_driver: None,
            on_node: &[],
            cards,
            tested: None,
        });
        report.check(CheckId::Capacity).unwrap().state
    };
    let offered = usize::try_from(stack.node.as_ref().unwrap().allocatable.unwrap()).unwrap();
    assert_eq!(
        (judged(None), judged(Some(offered)), judged(Some(offered + 1))),
        (State::Pass, State::Pass, State::Fail)
    );
}

#[test]
fn a_cluster_that_is_down_cannot_be_told() {
    let down = unreachable(&ClusterError::ApiDown("refused".into()), owner::of(DriverOwner::InstallerPod).stack(), &[]);
    assert_eq!(down.verdict, Verdict::Unknown);
    assert!(report(&down, Lang::En).contains("control plane is up"));
}

#[test]
fn one_cause_is_told_once() {
    let text = report(&judged("30-node-not-labelled", &Logs::new(), None), Lang::En);
    assert_eq!(text.matches("the node lacks the label").count(), 1, "{text}");
    let pull = judged("20-image-pull-backoff", &Logs::new(), None);
    assert!(pull.checks[4].evidence.contains("Back-off pulling image"), "{pull:?}");
}

#[test]
fn every_finding_has_its_texts() {
    for id in IDS {
        for lang in [Lang::En, Lang::Ko] {
            assert!(lang.has(&format!("finding.{id}.message")) && lang.has(&format!("finding.{id}.remedy")), "{id}");
        }
    }
}
