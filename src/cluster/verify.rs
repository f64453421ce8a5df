//! The checks of step 4: does the GPU arrive, judged link by link. The documented output of `gpunode verify --json`.

use std::collections::HashSet;

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use super::{
    Chain, ClusterState, Kubectl, NAMESPACE, kubectl, scheduling,
    view::{ContainerState, DaemonSetView},
};
use crate::{
    finding::Finding,
    host::Host,
    i18n::{Lang, msg},
};

/// How much of the plugin's log is read, from its start: it registers within its first lines.
const PLUGIN_LOG_BYTES: u32 = 256 << 10;
/// What a device plugin logs once the kubelet knows it: GCE's, then NVIDIA's own. Source: kubespray.md 2.1 and NVIDIA/k8s-device-plugin.
const REGISTERED: [&str; 2] = ["registered with the kubelet", "Registered device plugin for"];

/// Ids of all checks.
pub const IDS: [&str; 10] =
    ["api", "node-ready", "node-label", "daemonsets", "installer", "plugin", "no-installer", "host-driver", "capacity", "test-pod"];

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What the cluster says.
    pub chain: &'a Chain,
    /// The device plugin's log, if it could be read.
    pub plugin_log: Option<&'a str>,
    /// The ids of the checks that count, in order.
    pub links: &'a [&'static str],
    /// What `/proc/driver/nvidia/version` of this machine says.
    pub host_driver: Option<&'a str>,
    /// What a test pod of this session has shown.
    pub tested: Option<&'a str>,
}

/// The result of all checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// All in one word.
    pub verdict: Verdict,
    /// The checks, in the order of the chain.
    pub checks: Vec<Check>,
}

/// The verdict over all checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The node offers its GPU.
    Ok,
    /// At least one check failed.
    Failed,
    /// Nothing failed, but something could not be told.
    Unknown,
}

/// The state of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Pass,
    /// Not as it should be.
    Fail,
    /// Could not be told.
    Unknown,
}

/// One check. Texts: `check.<id>` and, where no finding knows better, `check.<id>.remedy`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Check {
    /// Stable name, one of [`IDS`].
    pub id: String,
    /// The result.
    pub state: State,
    /// What was seen, in the words of `kubectl`.
    pub evidence: String,
    /// Why, where that is known.
    #[serde(default)]
    pub because: Option<Finding>,
    /// Why the cluster gave no answer.
    #[serde(default)]
    pub cluster: Option<ClusterState>,
}

impl Check {
    fn new(id: &str, state: State, evidence: impl Into<String>) -> Self {
        Self { id: id.to_owned(), state, evidence: evidence.into(), because: None, cluster: None }
    }

    fn because(mut self, finding: Option<Finding>) -> Self {
        self.because = finding;
        self
    }

    /// Returns the name of the check.
    pub fn title(&self, lang: Lang) -> String {
        lang.text(&format!("check.{}", self.id), &[])
    }

    /// Returns what to do; nothing when the check passed.
    pub fn remedy(&self, lang: Lang) -> Option<String> {
        match (self.state, &self.because, &self.cluster) {
            (State::Pass, _, _) => None,
            (_, Some(finding), _) => Some(finding.remedy(lang)),
            (_, _, Some(state)) => Some(state.remedy(lang)),
            (_, None, None) => Some(lang.text(&format!("check.{}.remedy", self.id), &[])),
        }
    }
}

/// JSON carries the English texts beside the values they are made of.
impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Check", 7)?;
        out.serialize_field("id", &self.id)?;
        out.serialize_field("title", &self.title(Lang::En))?;
        out.serialize_field("state", &self.state)?;
        out.serialize_field("evidence", &self.evidence)?;
        out.serialize_field("remedy", &self.remedy(Lang::En))?;
        out.serialize_field("because", &self.because)?;
        out.serialize_field("cluster", &self.cluster)?;
        out.end()
    }
}

impl VerifyReport {
    /// Makes the report of a cluster that gave no answer.
    pub fn unreachable(state: &ClusterState, links: &[&'static str]) -> Self {
        let check = |id: &&'static str| {
            let evidence = if *id == "api" { state.detail() } else { "" };
            Check { cluster: Some(state.clone()), ..Check::new(id, State::Unknown, evidence) }
        };
        let checks = links.iter().map(check).collect();
        Self { verdict: Verdict::Unknown, checks }
    }
}

/// Reads the device plugin's log; nothing if there is no pod or it has no log.
pub fn plugin_log(host: &Host, kubectl: &Kubectl, chain: &Chain) -> Option<String> {
    let pod = chain.plugin_pod.as_ref()?;
    let command = kubectl.command(&["logs"]).operand(&pod.name).words(["-n", NAMESPACE]).option("--limit-bytes", PLUGIN_LOG_BYTES);
    kubectl::answer(host, &command).ok()
}

/// Judges the chain. A test pod that was not run is listed as unknown and has no part in the verdict.
pub fn checks(seen: &Seen<'_>) -> VerifyReport {
    let checks: Vec<Check> = seen.links.iter().map(|id| check(id, seen)).collect();
    let counted = || checks.iter().filter(|check| seen.tested.is_some() || check.id != "test-pod");
    let verdict = if counted().any(|check| check.state == State::Fail) {
        Verdict::Failed
    } else if counted().any(|check| check.state == State::Unknown) {
        Verdict::Unknown
    } else {
        Verdict::Ok
    };
    VerifyReport { verdict, checks }
}

fn check(id: &str, seen: &Seen<'_>) -> Check {
    let chain = seen.chain;
    match id {
        "node-ready" => node_ready(chain),
        "node-label" => node_label(chain),
        "daemonsets" => daemonsets(chain),
        "installer" => installer(chain),
        "plugin" => plugin(chain, seen.plugin_log),
        "no-installer" => no_installer(chain),
        "host-driver" => host_driver(seen.host_driver),
        "capacity" => capacity(chain),
        "test-pod" => Check::new(id, if seen.tested.is_some() { State::Pass } else { State::Unknown }, seen.tested.unwrap_or("")),
        _ => Check::new("api", State::Pass, "kubectl get node"),
    }
}

/// Two owners fight over one card: with another owner, Kubespray's installer must want no pod here.
fn no_installer(chain: &Chain) -> Check {
    match (&chain.installer, &chain.installer_pod) {
        (_, Some(pod)) => Check::new("no-installer", State::Fail, format!("{}: {}", pod.name, pod.status(true))),
        (Some(set), None) => Check::new("no-installer", State::Pass, format!("{}: DESIRED {}", super::INSTALLER, set.desired)),
        (None, None) => Check::new("no-installer", State::Pass, format!("{}: NotFound", super::INSTALLER)),
    }
}

fn host_driver(version: Option<&str>) -> Check {
    let state = if version.is_some() { State::Pass } else { State::Fail };
    Check::new("host-driver", state, version.unwrap_or("/proc/driver/nvidia/version: -"))
}

fn node_ready(chain: &Chain) -> Check {
    match &chain.node {
        None => Check::new("node-ready", State::Fail, &chain.node_name).because(scheduling::why(chain)),
        Some(node) => {
            let (state, word) = match node.ready {
                Some(true) => (State::Pass, "Ready"),
                Some(false) => (State::Fail, "NotReady"),
                None => (State::Unknown, "Unknown"),
            };
            Check::new("node-ready", state, format!("{}: {word} ({})", chain.node_name, node.ready_message))
        }
    }
}

fn node_label(chain: &Chain) -> Check {
    let Some(node) = &chain.node else { return Check::new("node-label", State::Unknown, "") };
    match &node.gpu_label {
        Some(value) => Check::new("node-label", State::Pass, format!("nvidia.com/gpu={value}")),
        None => Check::new("node-label", State::Fail, "nvidia.com/gpu: -"),
    }
}

fn daemonsets(chain: &Chain) -> Check {
    let counts = |set: &Option<DaemonSetView>| match set {
        Some(set) => format!("DESIRED {} CURRENT {} READY {}", set.desired, set.current, set.ready),
        None => "NotFound".to_owned(),
    };
    let evidence = format!("{}: {} · {}: {}", super::INSTALLER, counts(&chain.installer), super::PLUGIN, counts(&chain.plugin));
    let there = |set: &Option<DaemonSetView>| set.as_ref().is_some_and(|set| set.desired > 0);
    let state = if there(&chain.installer) && there(&chain.plugin) { State::Pass } else { State::Fail };
    Check::new("daemonsets", state, evidence).because(scheduling::why(chain))
}

fn installer(chain: &Chain) -> Check {
    let Some(pod) = &chain.installer_pod else {
        return Check::new("installer", State::Fail, "").because(scheduling::why(chain));
    };
    let words = match &pod.container.state {
        ContainerState::Waiting(waiting) => crate::text::printable(&waiting.message),
        _ => String::new(),
    };
    let evidence = seen(format!("{}: {}, restarts {}", pod.name, pod.status(true), pod.container.restarts), &words);
    let ended = pod.container.ended().map(|end| end.exit_code);
    let state = match (&pod.container.state, ended) {
        (_, Some(0)) => State::Pass,
        (_, Some(_)) => State::Fail,
        (ContainerState::Waiting(waiting), None) if waiting.reason != "PodInitializing" => State::Fail,
        // Still at work: neither good nor bad yet.
        _ => State::Unknown,
    };
    Check::new("installer", state, evidence).because(scheduling::why(chain))
}

/// Adds the pod's own words to what was seen, if there are any.
fn seen(what: String, words: &str) -> String {
    if words.is_empty() { what } else { format!("{what} · {words}") }
}

/// Judges the plugin by its log and by what the kubelet offers. `Running` says nothing: without a driver it runs and waits for ever.
fn plugin(chain: &Chain, log: Option<&str>) -> Check {
    let Some(pod) = &chain.plugin_pod else { return Check::new("plugin", State::Fail, "").because(scheduling::why_plugin(chain)) };
    let allocatable = chain.node.as_ref().and_then(|node| node.allocatable).unwrap_or(0);
    let line = log.and_then(|log| log.lines().rfind(|line| REGISTERED.iter().any(|words| line.contains(words))));
    let last = log.and_then(|log| log.lines().rfind(|line| !line.trim().is_empty()));
    let said = line.or(last).map(crate::text::printable).unwrap_or_default();
    let evidence = seen(format!("{}: {}, allocatable {allocatable}", pod.name, pod.status(false)), &said);
    let state = match (log, line) {
        (_, Some(_)) if allocatable > 0 => State::Pass,
        // Pods can have GPUs, but the log that would prove it is not to be had: rotated, or not readable.
        _ if allocatable > 0 => State::Unknown,
        _ => State::Fail,
    };
    Check::new("plugin", state, evidence)
}

fn capacity(chain: &Chain) -> Check {
    let Some(node) = &chain.node else { return Check::new("capacity", State::Unknown, "") };
    let shown = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    let evidence = format!("nvidia.com/gpu: capacity {}, allocatable {}", shown(node.capacity), shown(node.allocatable));
    let state = if node.allocatable.is_some_and(|count| count > 0) { State::Pass } else { State::Fail };
    Check::new("capacity", state, evidence)
}

/// Writes the report for a person.
pub fn report(report: &VerifyReport, lang: Lang) -> String {
    let verdict = match report.verdict {
        Verdict::Ok => "verify.ok",
        Verdict::Failed => "verify.failed",
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
    let scope = ["host-driver", "no-installer"].into_iter().find(|id| report.checks.iter().any(|check| check.id == *id));
    match scope {
        Some("host-driver") => out += &(msg::verify::scope::host().text(lang) + "\n"),
        Some(_) => out += &(msg::verify::scope::operator().text(lang) + "\n"),
        None => {}
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
    let message = check.because.as_ref().filter(|_| check.state != State::Pass).map(|finding| finding.message(lang));
    let details = [Some(check.evidence.clone()), message, check.remedy(lang)];
    details.into_iter().flatten().filter(|detail| !detail.is_empty()).map(|detail| format!("    {detail}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{answers::DriverOwner, cluster::chain::tests::recorded, owner};

    const LOG: &str = "device-plugin started\nFound Nvidia GPU \"nvidia0\"\ndevice-plugin registered with the kubelet\n";

    fn seen_of(chain: &Chain, owner: DriverOwner) -> Seen<'_> {
        Seen { chain, plugin_log: None, links: owner::of(owner).links(), host_driver: None, tested: None }
    }

    fn judged(moment: &str, plugin_log: Option<&str>) -> VerifyReport {
        checks(&Seen { plugin_log, ..seen_of(&recorded(moment), DriverOwner::InstallerPod) })
    }

    #[test]
    fn with_another_owner_kubesprays_daemonsets_are_no_link_of_the_chain() {
        let mut chain = recorded("41-testpod-after-capacity");
        let judge = |chain: &Chain, owner, host_driver| {
            let report = checks(&Seen { host_driver, tested: Some("nvidia-smi"), ..seen_of(chain, owner) });
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
        let unreachable = VerifyReport::unreachable(&ClusterState::ApiDown("refused".into()), owner::of(DriverOwner::InstallerPod).links());
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
