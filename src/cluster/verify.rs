//! Does the GPU arrive: the chain judged link by link.

use std::collections::HashSet;

use jiff::Timestamp;

use super::{
    GpuStack, Kubectl,
    check::{Check, CheckId, KnownFailure, State, Verdict, VerifyReport},
    kubectl, scheduling,
    stack::{Asked, Part},
    view::{ContainerState, ContainerView, NodeView, PodView},
    workload::{Done, Link, Role, Rule, StackSpec, Workload},
};
use crate::{
    finding::{Finding, Severity},
    host::Host,
    i18n::Lang,
    text::printable,
};

/// How much of the plugin's log is read, from its start: it registers within its first lines.
const PLUGIN_LOG_BYTES: u32 = 256 << 10;
/// What a device plugin logs once the kubelet knows it: GCE's, then NVIDIA's own. Source: kubespray.md 2.1 and NVIDIA/k8s-device-plugin.
const REGISTERED: [&str; 2] = ["registered with the kubelet", "Registered device plugin for"];
/// Reasons of waiting that are part of every start. Source: Kubernetes, pkg/kubelet/kubelet_pods.go.
const STARTING: [&str; 3] = ["PodInitializing", "ContainerCreating", ""];

/// Ids of the findings of this module.
pub const IDS: [&str; 2] = ["kubelet-silent", "test-pod-outdated"];

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub struct CheckInput<'a> {
    /// What the cluster says.
    pub stack: &'a GpuStack,
    /// The links, and what they are held against.
    pub spec: &'a StackSpec,
    /// The device plugin's log, if it could be read.
    pub plugin_log: Option<&'a str>,
    /// What `/proc/driver/nvidia/version` of this machine says.
    pub host_driver: Option<&'a str>,
    /// What the last test pod of this session has shown.
    pub tested: Option<&'a Tested>,
}

/// What a test pod has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// Whether it has used the GPU, and shown what was expected.
    pub passed: bool,
    /// When it ended.
    pub at: Timestamp,
    /// What it has shown, or why it failed.
    pub evidence: String,
    /// The known failure that it has shown.
    pub known: Option<KnownFailure>,
}

impl<'a> CheckInput<'a> {
    /// Makes the input of a stack alone.
    pub fn of(stack: &'a GpuStack, spec: &'a StackSpec) -> Self {
        Self { stack, spec, plugin_log: None, host_driver: None, tested: None }
    }
}

/// Reads the device plugin's log; nothing if there is no pod, or its log cannot be had.
pub fn plugin_log(host: &Host, kubectl: &Kubectl, stack: &GpuStack) -> Option<String> {
    let pod = stack.pod(Role::DevicePlugin)?;
    if matches!(pod.container.state, ContainerState::Waiting(_) | ContainerState::Unknown) && pod.container.last.is_none() {
        return None;
    }
    let limit = format!("--limit-bytes={PLUGIN_LOG_BYTES}");
    let args = ["logs", &pod.name, "-n", &pod.namespace, "-c", &pod.container.name, &limit];
    kubectl::answer(host, &kubectl.command(&args)).ok()
}

/// Judges the chain. What is judged by nobody is not listed.
pub fn checks(input: &CheckInput<'_>) -> VerifyReport {
    VerifyReport::over(input.spec.links.iter().filter_map(|link| check(link, input)).collect())
}

fn check(link: &Link, input: &CheckInput<'_>) -> Option<Check> {
    let (id, stack) = (link.check, input.stack);
    let part = |role: Role| stack.part(role);
    let check = match link.rule {
        Rule::Api => Check::new(id, State::Pass, "kubectl get node"),
        Rule::NodeReady => on_node(id, stack, |node| node_ready(id, stack, node)),
        Rule::Label(key) => on_node(id, stack, |node| match node.labels.get(key) {
            Some(value) => Check::new(id, State::Pass, format!("{key}={value}")),
            None => Check::new(id, State::Fail, format!("{key}: -")),
        }),
        Rule::Wanted(roles) => wanted(id, stack, roles),
        Rule::Works(role) => works(id, stack, part(role)?),
        Rule::WorksIfThere(role) => works(id, stack, part(role).filter(|part| part.is_there())?),
        Rule::Registered => registered(id, input, part(Role::DevicePlugin)?),
        Rule::Absent(workload) => absent(id, stack, workload),
        Rule::Loaded { unless } if unless.and_then(part).is_some_and(Part::is_there) => return None,
        Rule::Loaded { .. } => loaded(id, input.host_driver),
        Rule::Allocatable => on_node(id, stack, |node| allocatable(id, node)),
        Rule::TestPod => test_pod(id, stack, input.tested),
    };
    let of_the_kubelet = matches!(link.rule, Rule::Works(_) | Rule::WorksIfThere(_) | Rule::Registered | Rule::Allocatable);
    Some(if of_the_kubelet { unless_silent(check, stack) } else { check })
}

/// Makes a check that is about the node itself.
fn on_node(id: CheckId, stack: &GpuStack, judge: impl FnOnce(&NodeView) -> Check) -> Check {
    match (&stack.node, stack.refusal(Asked::Node)) {
        (Some(node), _) => judge(node),
        (None, Some(refusal)) => Check::unread(id, refusal),
        (None, None) => {
            let state = if id == CheckId::NodeReady { State::Fail } else { State::Unknown };
            Check::new(id, state, &stack.node_name).because(scheduling::no_node(stack))
        }
    }
}

fn node_ready(id: CheckId, stack: &GpuStack, node: &NodeView) -> Check {
    let (state, word) = match node.ready {
        Some(true) => (State::Pass, "Ready"),
        Some(false) => (State::Fail, "NotReady"),
        None => (State::Fail, "Unknown"),
    };
    Check::new(id, state, format!("{}: {word} ({})", stack.node_name, printable(&node.ready_message))).because(silence(stack))
}

/// Says that the kubelet no longer reports: whatever the cluster knows of pods and cards is what it said last.
pub fn silence(stack: &GpuStack) -> Option<Finding> {
    let node = stack.node.as_ref().filter(|node| node.ready.is_none())?;
    let since = node.ready_since.as_deref().unwrap_or("?");
    let args = [("node", stack.node_name.as_str()), ("since", since), ("words", &printable(&node.ready_message))];
    Some(Finding::new("kubelet-silent", Severity::Error, "kubectl get node", &args))
}

/// What a silent kubelet said last is no verdict.
fn unless_silent(check: Check, stack: &GpuStack) -> Check {
    match silence(stack) {
        Some(finding) if check.cluster.is_none() => Check { state: State::Unknown, because: Some(finding), ..check },
        _ => check,
    }
}

/// Two owners fight over one card: the other's workload must want no pod here.
fn absent(id: CheckId, stack: &GpuStack, workload: &Workload) -> Check {
    let part = stack.part_of(workload);
    let set = part.and_then(|part| part.set.as_ref());
    match (part.and_then(|part| part.pod.as_ref()), stack.refusal(Asked::Pods)) {
        (Some(pod), _) => Check::new(id, State::Fail, format!("{}: {}", pod.name, pod.status)),
        (None, Some(refusal)) => Check::unread(id, refusal),
        (None, None) => {
            let seen = set.map_or_else(|| "NotFound".to_owned(), |set| format!("DESIRED {}", set.desired));
            Check::new(id, State::Pass, format!("{}: {seen}", workload.name))
        }
    }
}

fn loaded(id: CheckId, version: Option<&str>) -> Check {
    let state = if version.is_some() { State::Pass } else { State::Fail };
    Check::new(id, state, version.unwrap_or("/proc/driver/nvidia/version: -"))
}

fn wanted(id: CheckId, stack: &GpuStack, roles: &[Role]) -> Check {
    if let Some(refusal) = stack.refusal(Asked::DaemonSets) {
        return Check::unread(id, refusal);
    }
    let parts: Vec<&Part> = roles.iter().filter_map(|role| stack.part(*role)).collect();
    let counts = |part: &&Part| match &part.set {
        Some(set) => format!("{}: DESIRED {} CURRENT {} READY {}", set.name, set.desired, set.current, set.ready),
        None => format!("{}: NotFound", part.workload.name),
    };
    let evidence = parts.iter().map(counts).collect::<Vec<_>>().join(" · ");
    let lacking = parts.iter().find(|part| part.set.as_ref().is_none_or(|set| set.desired == 0));
    let state = if lacking.is_some() { State::Fail } else { State::Pass };
    Check::new(id, state, evidence).because(lacking.and_then(|part| scheduling::why(stack, part)))
}

/// Judges by what the container does, not by the pod's `Running`.
fn works(id: CheckId, stack: &GpuStack, part: &Part) -> Check {
    let why = scheduling::why(stack, part);
    let Some(pod) = &part.pod else { return no_pod(id, stack, why) };
    let state = match part.workload.done {
        _ if pod.phase == "Failed" && pod.refused.is_some() => State::Fail,
        Done::Ended if pod.container.ended().is_some_and(|end| end.exit_code == 0) => State::Pass,
        Done::Ready if pod.container.ready && pod.ready => State::Pass,
        _ if pod.containers().any(has_failed) => State::Fail,
        // Still at work: neither good nor bad yet.
        _ => State::Unknown,
    };
    Check::new(id, state, seen_of(pod, "")).because(why)
}

fn no_pod(id: CheckId, stack: &GpuStack, why: Option<Finding>) -> Check {
    if let Some(refusal) = stack.refusal(Asked::Pods) {
        return Check::unread(id, refusal);
    }
    // Without the DaemonSet nobody can tell why there is no pod, but that there is none is seen.
    let coming = why.as_ref().is_some_and(|finding| finding.severity == Severity::Info);
    Check::new(id, if coming { State::Unknown } else { State::Fail }, "").because(why)
}

/// Tells whether a container ended badly, or cannot even be started. One that runs again is at work again.
fn has_failed(container: &ContainerView) -> bool {
    match &container.state {
        ContainerState::Waiting(waiting) => !STARTING.contains(&waiting.reason.as_str()),
        ContainerState::Terminated(end) => end.exit_code != 0,
        ContainerState::Running(_) | ContainerState::Unknown => false,
    }
}

/// Writes down what was seen of a pod, with the words of what keeps it.
fn seen_of(pod: &PodView, more: &str) -> String {
    let words = pod.containers().filter(|container| has_failed(container)).find_map(|container| match &container.state {
        ContainerState::Waiting(waiting) => Some(waiting.message.as_str()),
        ContainerState::Terminated(end) => Some(end.message.as_str()),
        ContainerState::Running(_) | ContainerState::Unknown => None,
    });
    let what = format!("{}: {}, restarts {}{more}", pod.name, pod.status, pod.container.restarts);
    with_words(what, &printable(words.unwrap_or_default()))
}

/// Adds the pod's own words to what was seen, if there are any.
fn with_words(what: String, words: &str) -> String {
    if words.is_empty() { what } else { format!("{what} · {words}") }
}

/// Judges the plugin by its log and by what the kubelet offers. `Running` says nothing: without a driver it runs and waits for ever.
fn registered(id: CheckId, input: &CheckInput<'_>, part: &Part) -> Check {
    let stack = input.stack;
    let Some(pod) = &part.pod else { return no_pod(id, stack, scheduling::why(stack, part)) };
    let allocatable = stack.node.as_ref().and_then(|node| node.allocatable).unwrap_or(0);
    let lines = || input.plugin_log.unwrap_or_default().lines().filter(|line| !line.trim().is_empty());
    let line = lines().rfind(|line| REGISTERED.iter().any(|words| line.contains(words)));
    let said = line.or_else(|| lines().next_back()).map(printable).unwrap_or_default();
    let evidence = with_words(seen_of(pod, &format!(", allocatable {allocatable}")), &said);
    let used = input.tested.is_some_and(|tested| tested.passed && outdated_since(stack, tested).is_none());
    let state = match line {
        _ if stack.node.is_none() && stack.refusal(Asked::Node).is_some() => State::Unknown,
        // A pod that has used the GPU proves more than a line of a log, which may have been rotated away.
        _ if allocatable > 0 && used => State::Pass,
        Some(_) if allocatable > 0 => State::Pass,
        None if allocatable > 0 => State::Unknown,
        _ => State::Fail,
    };
    Check::new(id, state, evidence)
}

fn allocatable(id: CheckId, node: &NodeView) -> Check {
    let shown = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    let evidence = format!("nvidia.com/gpu: capacity {}, allocatable {}", shown(node.capacity), shown(node.allocatable));
    let state = if node.allocatable.is_some_and(|count| count > 0) { State::Pass } else { State::Fail };
    Check::new(id, state, evidence)
}

/// A test that failed is a failure until a later one passes; one that passed before the node or its plugin began anew proves nothing.
fn test_pod(id: CheckId, stack: &GpuStack, tested: Option<&Tested>) -> Check {
    let Some(tested) = tested else { return Check::new(id, State::Unknown, "") };
    if !tested.passed {
        return Check { known: tested.known.clone(), ..Check::new(id, State::Fail, &tested.evidence) };
    }
    let Some(since) = outdated_since(stack, tested) else { return Check::new(id, State::Pass, &tested.evidence) };
    let args = [("at", tested.at.strftime("%Y-%m-%d %H:%M UTC").to_string()), ("since", since.strftime("%Y-%m-%d %H:%M UTC").to_string())];
    let args = args.each_ref().map(|(name, value)| (*name, value.as_str()));
    let finding = Finding::new("test-pod-outdated", Severity::Info, &tested.evidence, &args);
    Check::new(id, State::Unknown, &tested.evidence).because(Some(finding))
}

/// Returns since when the node, or what puts the GPU to work there, is another than the one that was tested.
fn outdated_since(stack: &GpuStack, tested: &Tested) -> Option<Timestamp> {
    let node = stack.node.as_ref().and_then(|node| node.ready_since.clone());
    let started = stack.parts.iter().filter(|part| part.own).filter_map(|part| match &part.pod.as_ref()?.container.state {
        ContainerState::Running(running) => running.started_at.clone(),
        ContainerState::Terminated(end) => end.started_at.clone(),
        ContainerState::Waiting(_) | ContainerState::Unknown => None,
    });
    let times = started.chain(node).filter_map(|time| time.parse::<Timestamp>().ok());
    times.filter(|time| *time > tested.at).max()
}

/// Writes the report for a person.
pub fn report(report: &VerifyReport, lang: Lang) -> String {
    let verdict = match report.verdict {
        Verdict::Ok => "verify.ok",
        Verdict::Failed => "verify.failed",
        Verdict::Unknown if report.lacks_only_the_test() => "verify.untested",
        Verdict::Unknown => "verify.could-not-tell",
    };
    let mut out = String::new();
    let mut said = HashSet::new();
    for check in &report.checks {
        // One cause fails many checks: it is told at the first of them.
        for line in std::iter::once(heading(check, lang)).chain(details(check, lang).filter(|detail| said.insert(detail.clone()))) {
            out.push_str(&line);
            out.push('\n');
        }
    }
    // With the host's driver the runtime is somebody's work too, and no check of its own.
    if report.check(CheckId::HostDriver).is_some() && report.check(CheckId::Toolkit).is_none() {
        out += &(lang.text("verify.scope.host", &[]) + "\n");
    }
    out + &lang.text(verdict, &[]) + "\n"
}

fn heading(check: &Check, lang: Lang) -> String {
    let mark = match check.state {
        State::Pass => "verify.pass",
        State::Fail => "verify.fail",
        State::Unknown => "verify.unknown",
    };
    format!("{} {}", lang.text(mark, &[]), check.title(lang))
}

fn details(check: &Check, lang: Lang) -> impl Iterator<Item = String> {
    let details = [Some(check.evidence.clone()), check.cause(lang), check.remedy(lang)];
    details.into_iter().flatten().filter(|detail| !detail.is_empty()).map(|detail| format!("    {detail}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::chain::tests::recorded;

    const LOG: &str = "device-plugin started\nFound Nvidia GPU \"nvidia0\"\ndevice-plugin registered with the kubelet\n";

    fn judged(moment: &str, plugin_log: Option<&str>) -> VerifyReport {
        checks(&Seen { plugin_log, ..Seen::of(&recorded(moment)) })
    }

    #[test]
    fn with_another_owner_kubesprays_daemonsets_are_no_link_of_the_chain() {
        let mut chain = recorded("41-testpod-after-capacity");
        let judge = |chain: &Chain, owner, host_driver| {
            let report = checks(&Seen { owner, host_driver, tested: Some("nvidia-smi"), ..Seen::of(chain) });
            let failed: Vec<_> = report.checks.iter().filter(|check| check.state != State::Pass).map(|check| check.id.clone()).collect();
            (report.verdict, failed)
        };
        assert_eq!(judge(&chain, DriverOwner::Operator, None), (Verdict::Failed, vec!["no-installer".to_owned()]));
        (chain.installer, chain.plugin, chain.installer_pod, chain.plugin_pod) = (None, None, None, None);
        chain.node.as_mut().unwrap().gpu_label = None;
        assert_eq!(judge(&chain, DriverOwner::Operator, None), (Verdict::Ok, vec![]));
        assert_eq!(judge(&chain, DriverOwner::Host, None), (Verdict::Failed, vec!["host-driver".to_owned()]));
        assert_eq!(judge(&chain, DriverOwner::Host, Some("NVRM version: 580.159.04")), (Verdict::Ok, vec![]));
    }

    fn states(report: &VerifyReport) -> Vec<(&str, State)> {
        report.checks.iter().filter(|check| check.state != State::Pass).map(|check| (check.id.as_str(), check.state)).collect()
    }

    #[test]
    fn a_working_node_is_ok() {
        let report = judged("41-testpod-after-capacity", Some(LOG));
        assert_eq!(states(&report), [("test-pod", State::Unknown)]);
        assert_eq!(report.verdict, Verdict::Ok);
    }

    #[test]
    fn running_is_not_registered() {
        let report = judged("05-running", Some("device-plugin started\n"));
        assert_eq!(states(&report)[..2], [("plugin", State::Fail), ("capacity", State::Fail)]);
        assert_eq!(report.verdict, Verdict::Failed);
        let without_log = judged("41-testpod-after-capacity", None);
        assert_eq!(without_log.verdict, Verdict::Unknown);
    }

    #[test]
    fn recorded_failures_fail_where_they_should() {
        let failed = |moment: &str| {
            let report = judged(moment, None);
            report.checks.iter().filter(|check| check.state == State::Fail).map(|check| check.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(failed("11-init-crashloop"), ["installer", "plugin", "capacity"]);
        assert_eq!(failed("21-invalid-image-name"), ["installer", "plugin", "capacity"]);
        assert_eq!(failed("30-node-not-labelled"), ["node-label", "daemonsets", "installer", "plugin", "capacity"]);
    }

    #[test]
    fn json_has_the_documented_fields_and_reads_back() {
        let report = judged("30-node-not-labelled", None);
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["verdict"], "failed");
        let check = &json["checks"][2];
        assert_eq!((check["id"].as_str(), check["state"].as_str()), (Some("node-label"), Some("fail")));
        assert!(check["evidence"].is_string() && check["remedy"].is_string());
        assert!(json["checks"][0]["remedy"].is_null());
        assert_eq!(serde_json::from_value::<VerifyReport>(json).unwrap(), report);
    }

    #[test]
    fn a_cluster_that_is_down_cannot_be_told() {
        let unreachable = VerifyReport::unreachable(&ClusterError::ApiDown("refused".into()), DriverOwner::InstallerPod);
        assert_eq!(unreachable.verdict, Verdict::Unknown);
        assert!(report(&unreachable, Lang::En).contains("control plane is up"));
    }

    #[test]
    fn one_cause_is_told_once() {
        let text = report(&judged("30-node-not-labelled", None), Lang::En);
        assert_eq!(text.matches("the node lacks the label").count(), 1, "{text}");
        let pull = judged("20-image-pull-backoff", None);
        assert!(pull.checks[4].evidence.contains("Back-off pulling image"), "{pull:?}");
    }

    #[test]
    fn every_check_has_its_texts() {
        for id in IDS {
            for lang in [Lang::En, Lang::Ko] {
                assert!(lang.has(&format!("check.{id}")) && lang.has(&format!("check.{id}.remedy")), "{id}");
            }
        }
    }
}
