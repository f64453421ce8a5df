//! Does the GPU arrive: the chain judged link by link.

mod policy;

use std::{
    collections::{BTreeMap, HashSet},
    thread,
};

use jiff::Timestamp;

use super::{
    ClusterError, GpuStack, Kubectl,
    check::{Check, CheckId, KnownFailure, State, Verdict, VerifyReport},
    kubectl, scheduling,
    stack::{Asked, Part, RuntimeClassSeen},
    view::{ContainerState, ContainerView, NodeView, PodView},
    watch,
    workload::{Link, Role, Rule, StackSpec, Workload},
};
use crate::{
    finding::{Finding, Severity},
    host::Host,
    i18n::{Lang, msg},
    text::printable,
    worker::{self, Beside},
};

/// How much of the plugin's log is read, from its start: it registers within its first lines.
const LOG_BYTES: u32 = 256 << 10;
/// How many of the last lines of a failed container's log are read.
const LOG_LINES: u32 = 2000;
/// What a device plugin logs once the kubelet knows it: GCE's, then NVIDIA's own. Source: kubespray.md 2.1 and
/// NVIDIA/k8s-device-plugin.
const REGISTERED: [&str; 2] = ["registered with the kubelet", "Registered device plugin for"];
/// Reasons of waiting that are part of every start. Source: Kubernetes, `pkg/kubelet/kubelet_pods.go`.
const STARTING: [&str; 3] = ["PodInitializing", "ContainerCreating", ""];

/// Ids of the findings of this module.
pub const IDS: [&str; 8] = [
    "fewer-gpus-than-cards",
    "kubelet-silent",
    "link-not-on-node",
    "policy-no-labels",
    "policy-not-ready",
    "runtime-class-handler",
    "runtime-class-missing",
    "test-pod-outdated",
];

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub struct CheckInput<'a> {
    /// What the cluster says.
    pub stack: &'a GpuStack,
    /// The links, and what they are held against.
    pub spec: &'a StackSpec,
    /// The logs that could be read.
    pub logs: &'a Logs,
    /// What `/proc/driver/nvidia/version` of this machine says.
    pub host_driver: Option<&'a str>,
    /// What the machine itself says of its links; empty on another machine than the node.
    pub on_node: &'a [Check],
    /// How many cards the machine has; absent on another machine than the node.
    pub cards: Option<usize>,
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

/// Makes the report of a cluster that gave no answer: what the machine itself says is judged all the same.
pub fn unreachable(error: &ClusterError, spec: &StackSpec, on_node: &[Check]) -> VerifyReport {
    let unknown = |id: CheckId| {
        let evidence = if id == CheckId::Api { error.detail() } else { "" };
        Check { cluster: Some(error.clone()), ..Check::new(id, State::Unknown, evidence) }
    };
    let check = |link: &Link| match link.rule {
        Rule::OnNode if !on_node.is_empty() => on_node.iter().find(|check| check.id == link.check).cloned(),
        _ => Some(unknown(link.check)),
    };
    let mut report = VerifyReport::over(spec.links.iter().filter_map(check).collect());
    if spec.stops_at_first {
        report.stop_at_first();
    }
    report
}

/// What the machine has said of a link; one that it left out does not concern it. On another machine nobody has said
/// anything.
fn said_by_node(id: CheckId, on_node: &[Check], node: &str) -> Option<Check> {
    if on_node.is_empty() {
        let finding = Finding::of(msg::finding::link_not_on_node(node), Severity::Info, "");
        return Some(Check::new(id, State::NotJudged, "").because(Some(finding)));
    }
    on_node.iter().find(|check| check.id == id).cloned()
}

/// What is read of the logs of a stack, by role.
pub type Logs = BTreeMap<Role, String>;

/// Reads the logs that tell more than a status does, side by side: the device plugin's, which says whether it
/// registered, and those of containers that failed.
pub fn logs(host: &Host, kubectl: &Kubectl, stack: &GpuStack) -> Logs {
    let tells = |part: &&Part| {
        let pod = part.pod.as_ref().filter(|pod| part.own && pod.refused.is_none());
        pod.is_some_and(|pod| match &pod.container.state {
            ContainerState::Running(_) => part.workload.role == Role::DevicePlugin,
            ContainerState::Waiting(_) | ContainerState::Terminated(_) => {
                pod.container.ended().is_some_and(|end| end.exit_code != 0)
            }
            ContainerState::Unknown => false,
        })
    };
    thread::scope(|scope| {
        let read = |part| worker::beside(scope, move || log(host, kubectl, part).map(|log| (part.workload.role, log)));
        let threads: Vec<_> = stack.parts.iter().filter(tells).map(read).collect();
        threads.into_iter().filter_map(Beside::join).collect()
    })
}

/// Reads one log: the plugin's from its start, where it registers; a failed container's to its end, where it says why.
/// It is one request: `kubectl logs` makes five before it.
fn log(host: &Host, kubectl: &Kubectl, part: &Part) -> Option<String> {
    let pod = part.pod.as_ref()?;
    let limit = match part.workload.role {
        Role::DevicePlugin => ("limitBytes", LOG_BYTES),
        Role::Driver | Role::Toolkit | Role::Validator => ("tailLines", LOG_LINES),
    };
    let path = watch::log(&pod.namespace, &pod.name, &pod.container.name, limit);
    kubectl::answer(host, &kubectl.raw(&path)).ok()
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
        Rule::LabelLike(begin, end) => on_node(id, stack, |node| label_like(id, node, begin, end)),
        Rule::Policy => policy::judge(id, stack.policy.as_ref()),
        Rule::Wanted(roles) => wanted(id, stack, roles),
        Rule::Works(role) => works(id, stack, part(role)?),
        Rule::WorksIfThere(role) => works(id, stack, part(role).filter(|part| scheduling::is_wanted(stack, part))?),
        Rule::Registered => registered(id, input, part(Role::DevicePlugin)?),
        Rule::Absent(workload) => absent(id, stack, workload),
        Rule::Loaded { unless } if unless.and_then(part).is_some_and(|part| scheduling::is_wanted(stack, part)) => {
            return None;
        }
        Rule::Loaded { .. } => loaded(id, input.host_driver),
        Rule::RuntimeClass(name) => runtime_class(id, name, stack.runtime_class.as_ref()),
        Rule::OnNode => said_by_node(id, input.on_node, &stack.node_name)?,
        Rule::Allocatable => on_node(id, stack, |node| allocatable(id, node, input.cards)),
        Rule::TestPod => test_pod(id, stack, input.tested),
    };
    let of_the_kubelet =
        matches!(link.rule, Rule::Works(_) | Rule::WorksIfThere(_) | Rule::Registered | Rule::Allocatable);
    Some(if of_the_kubelet { unless_silent(check, stack) } else { check })
}

/// The label that follows from it proves it too: a person may have set that one by hand.
fn label_like(id: CheckId, node: &NodeView, begin: &str, end: &str) -> Check {
    const FOLLOWS: &str = "nvidia.com/gpu.present";
    let is_it = |(key, value): &(&String, &String)| key.starts_with(begin) && key.ends_with(end) && *value == "true";
    match node.labels.iter().find(is_it) {
        Some((key, value)) => Check::new(id, State::Pass, format!("{key}={value}")),
        None if node.labels.contains_key(FOLLOWS) => Check::new(id, State::Pass, FOLLOWS),
        None => Check::new(id, State::Fail, format!("{begin}…{end}: -")),
    }
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
    Check::new(id, state, format!("{}: {word} ({})", stack.node_name, printable(&node.ready_message)))
        .because(silence(stack))
}

/// Says that the kubelet no longer reports: whatever the cluster knows of pods and cards is what it said last.
pub fn silence(stack: &GpuStack) -> Option<Finding> {
    let node = stack.node.as_ref().filter(|node| node.ready.is_none())?;
    let since = node.ready_since.as_deref().unwrap_or("?");
    let text = msg::finding::kubelet_silent(&stack.node_name, since, printable(&node.ready_message));
    Some(Finding::of(text, Severity::Error, "kubectl get node"))
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
    let state = match () {
        () if pod.phase == "Failed" && pod.refused.is_some() => State::Fail,
        () if part.works() => State::Pass,
        () if pod.containers().any(has_failed) => State::Fail,
        // Still at work: neither good nor bad yet.
        () => State::Unknown,
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
    let words =
        pod.containers().filter(|container| has_failed(container)).find_map(|container| match &container.state {
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

/// Judges the plugin by its log and by what the kubelet offers. `Running` says nothing: without a driver it runs and
/// waits for ever.
fn registered(id: CheckId, input: &CheckInput<'_>, part: &Part) -> Check {
    let stack = input.stack;
    let Some(pod) = &part.pod else { return no_pod(id, stack, scheduling::why(stack, part)) };
    let allocatable = stack.node.as_ref().and_then(|node| node.allocatable).unwrap_or(0);
    let lines = || {
        input.logs.get(&Role::DevicePlugin).map_or("", String::as_str).lines().filter(|line| !line.trim().is_empty())
    };
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

fn runtime_class(id: CheckId, name: &str, seen: Option<&RuntimeClassSeen>) -> Check {
    let command = format!("kubectl get runtimeclass {name}");
    let failed = |text, evidence: &str| {
        Check::new(id, State::Fail, evidence).because(Some(Finding::of(text, Severity::Error, &command)))
    };
    match seen {
        Some(RuntimeClassSeen::Handler(handler)) if handler == name => {
            Check::new(id, State::Pass, format!("{name}: handler {handler}"))
        }
        Some(RuntimeClassSeen::Handler(handler)) => failed(
            msg::finding::runtime_class_handler(printable(handler), name),
            &format!("{name}: handler {}", printable(handler)),
        ),
        Some(RuntimeClassSeen::Absent) => {
            failed(msg::finding::runtime_class_missing(name), &format!("{name}: NotFound"))
        }
        Some(RuntimeClassSeen::Unread(error)) => Check::unread(id, error),
        None => Check::new(id, State::Unknown, ""),
    }
}

/// With time slicing a card counts several times; fewer GPUs than cards are some that the plugin does not hand out. A
/// card in parts (MIG) is offered under other names.
fn allocatable(id: CheckId, node: &NodeView, cards: Option<usize>) -> Check {
    let shown = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    let evidence =
        format!("nvidia.com/gpu: capacity {}, allocatable {}", shown(node.capacity), shown(node.allocatable));
    let parts: Vec<&String> = node.resources.keys().filter(|name| name.starts_with("nvidia.com/mig-")).collect();
    let count = node.allocatable.unwrap_or(0);
    let lacking = cards
        .and_then(|cards| u64::try_from(cards).ok())
        .filter(|cards| count > 0 && count < *cards && parts.is_empty());
    if let Some(cards) = lacking {
        let finding = Finding::of(
            msg::finding::fewer_gpus_than_cards(cards.to_string(), count.to_string()),
            Severity::Error,
            &evidence,
        );
        return Check::new(id, State::Fail, evidence).because(Some(finding));
    }
    let state = if count > 0 || !parts.is_empty() { State::Pass } else { State::Fail };
    Check::new(id, state, evidence)
}

/// A test that failed is a failure until a later one passes; one that passed before the node or its plugin began anew
/// proves nothing.
fn test_pod(id: CheckId, stack: &GpuStack, tested: Option<&Tested>) -> Check {
    let Some(tested) = tested else { return Check::new(id, State::Unknown, "") };
    if !tested.passed {
        return Check { known: tested.known.clone(), ..Check::new(id, State::Fail, &tested.evidence) };
    }
    let Some(since) = outdated_since(stack, tested) else { return Check::new(id, State::Pass, &tested.evidence) };
    let time = |at: jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let finding =
        Finding::of(msg::finding::test_pod_outdated(time(tested.at), time(since)), Severity::Info, &tested.evidence);
    Check::new(id, State::Unknown, &tested.evidence).because(Some(finding))
}

/// Returns since when the node, or what puts the GPU to work there, is another than the one that was tested.
fn outdated_since(stack: &GpuStack, tested: &Tested) -> Option<Timestamp> {
    let node = stack.node.as_ref().and_then(|node| node.ready_since.clone());
    let started =
        stack.parts.iter().filter(|part| part.own).filter_map(|part| match &part.pod.as_ref()?.container.state {
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
        Verdict::Ok => msg::verify::ok(),
        Verdict::Failed => msg::verify::failed(),
        Verdict::Temporary => msg::verify::temporary(),
        Verdict::Unknown if report.lacks_only_the_test() => msg::verify::untested(),
        Verdict::Unknown => msg::verify::could_not_tell(),
    };
    let mut out = String::new();
    let mut said = HashSet::new();
    for check in &report.checks {
        // One cause fails many checks: it is told at the first of them.
        for line in std::iter::once(heading(check, lang))
            .chain(details(check, lang).filter(|detail| said.insert(detail.clone())))
        {
            out.push_str(&line);
            out.push('\n');
        }
    }
    out + &verdict.text(lang) + "\n"
}

fn heading(check: &Check, lang: Lang) -> String {
    let mark = match check.state {
        State::Pass => msg::verify::pass(),
        State::Fail => msg::verify::fail(),
        State::Unknown => msg::verify::unknown(),
        State::Temporary => msg::verify::state_temporary(),
        State::NotJudged => msg::verify::not_judged(),
    };
    format!("{} {}", mark.text(lang), check.title(lang))
}

fn details(check: &Check, lang: Lang) -> impl Iterator<Item = String> {
    let line = check.known.as_ref().filter(|_| check.state != State::Pass).map(|known| known.line.clone());
    let details = [Some(check.evidence.clone()), line, check.cause(lang), check.remedy(lang)];
    details.into_iter().flatten().filter(|detail| !detail.is_empty()).map(|detail| format!("    {detail}"))
}

#[cfg(test)]
mod tests;
