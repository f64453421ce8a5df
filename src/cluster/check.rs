//! The checks of step 4 and their verdict: the documented output of `gpunode verify --json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use super::ClusterError;
use crate::{
    finding::Finding,
    i18n::{Lang, Message, msg},
};

/// One link of a chain. Texts: `check.<id>`, `.about` and, where no finding knows better, `.remedy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckId {
    /// The API server answers.
    Api,
    /// The node is ready.
    NodeReady,
    /// The node has the label that its DaemonSets look for.
    NodeLabel,
    /// Both of Kubespray's DaemonSets want a pod here.
    Daemonsets,
    /// Kubespray's installer has put the driver on the node.
    Installer,
    /// Kubespray's device plugin has registered.
    Plugin,
    /// Kubespray's installer is not here, because another owner brings the driver.
    NoInstaller,
    /// The host's own driver is loaded.
    HostDriver,
    /// NVIDIA's device plugin has registered.
    DevicePlugin,
    /// The operator has found a card on the node.
    GpuPresent,
    /// The operator's driver pod is ready.
    DriverPod,
    /// The operator's container toolkit is ready.
    Toolkit,
    /// The operator's validator has let the others go on.
    Validator,
    /// The node offers GPUs.
    Capacity,
    /// A pod has used the GPU.
    TestPod,
}

impl CheckId {
    /// All checks.
    pub const ALL: [Self; 15] = [
        Self::Api,
        Self::NodeReady,
        Self::NodeLabel,
        Self::Daemonsets,
        Self::Installer,
        Self::Plugin,
        Self::NoInstaller,
        Self::HostDriver,
        Self::DevicePlugin,
        Self::GpuPresent,
        Self::DriverPod,
        Self::Toolkit,
        Self::Validator,
        Self::Capacity,
        Self::TestPod,
    ];

    /// Returns the stable name, as in JSON and in the locale files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::NodeReady => "node-ready",
            Self::NodeLabel => "node-label",
            Self::Daemonsets => "daemonsets",
            Self::Installer => "installer",
            Self::Plugin => "plugin",
            Self::NoInstaller => "no-installer",
            Self::HostDriver => "host-driver",
            Self::DevicePlugin => "device-plugin",
            Self::GpuPresent => "gpu-present",
            Self::DriverPod => "driver-pod",
            Self::Toolkit => "toolkit",
            Self::Validator => "validator",
            Self::Capacity => "capacity",
            Self::TestPod => "test-pod",
        }
    }

    /// Returns what is checked.
    pub fn title(self) -> Message {
        use msg::check;
        match self {
            Self::Api => check::api(),
            Self::NodeReady => check::node_ready(),
            Self::NodeLabel => check::node_label(),
            Self::Daemonsets => check::daemonsets(),
            Self::Installer => check::installer(),
            Self::Plugin => check::plugin(),
            Self::NoInstaller => check::no_installer(),
            Self::HostDriver => check::host_driver(),
            Self::DevicePlugin => check::device_plugin(),
            Self::GpuPresent => check::gpu_present(),
            Self::DriverPod => check::driver_pod(),
            Self::Toolkit => check::toolkit(),
            Self::Validator => check::validator(),
            Self::Capacity => check::capacity(),
            Self::TestPod => check::test_pod(),
        }
    }

    /// Returns what that is, for somebody who sees it for the first time.
    pub fn about(self) -> Message {
        use msg::check;
        match self {
            Self::Api => check::api::about(),
            Self::NodeReady => check::node_ready::about(),
            Self::NodeLabel => check::node_label::about(),
            Self::Daemonsets => check::daemonsets::about(),
            Self::Installer => check::installer::about(),
            Self::Plugin => check::plugin::about(),
            Self::NoInstaller => check::no_installer::about(),
            Self::HostDriver => check::host_driver::about(),
            Self::DevicePlugin => check::device_plugin::about(),
            Self::GpuPresent => check::gpu_present::about(),
            Self::DriverPod => check::driver_pod::about(),
            Self::Toolkit => check::toolkit::about(),
            Self::Validator => check::validator::about(),
            Self::Capacity => check::capacity::about(),
            Self::TestPod => check::test_pod::about(),
        }
    }

    /// Returns what to do where no finding knows better.
    pub fn remedy(self) -> Message {
        use msg::check;
        match self {
            Self::Api => check::api::remedy(),
            Self::NodeReady => check::node_ready::remedy(),
            Self::NodeLabel => check::node_label::remedy(),
            Self::Daemonsets => check::daemonsets::remedy(),
            Self::Installer => check::installer::remedy(),
            Self::Plugin => check::plugin::remedy(),
            Self::NoInstaller => check::no_installer::remedy(),
            Self::HostDriver => check::host_driver::remedy(),
            Self::DevicePlugin => check::device_plugin::remedy(),
            Self::GpuPresent => check::gpu_present::remedy(),
            Self::DriverPod => check::driver_pod::remedy(),
            Self::Toolkit => check::toolkit::remedy(),
            Self::Validator => check::validator::remedy(),
            Self::Capacity => check::capacity::remedy(),
            Self::TestPod => check::test_pod::remedy(),
        }
    }
}

/// The verdict over all checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every check passed, the test pod's too: the node is a working GPU node.
    Ok,
    /// At least one check failed.
    Failed,
    /// Nothing failed, but something could not be told, or no pod has used the GPU yet.
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

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Check {
    /// Which one.
    pub id: CheckId,
    /// The result.
    pub state: State,
    /// What was seen, in the words of `kubectl`.
    pub evidence: String,
    /// Why, where that was worked out.
    #[serde(default)]
    pub because: Option<Finding>,
    /// The known failure that shows in its pod's status, events or log.
    #[serde(default)]
    pub known: Option<KnownFailure>,
    /// Why the cluster gave no answer.
    #[serde(default)]
    pub cluster: Option<ClusterError>,
}

/// A known failure, as far as a verdict tells it. Texts: `signature.<id>.cause` and `.remedy`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KnownFailure {
    /// Name of the signature.
    pub signature: String,
    /// The line that shows it, safe for a terminal.
    pub line: String,
    /// Values for the texts.
    #[serde(default)]
    pub args: BTreeMap<String, String>,
}

/// The result of all checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// All in one word.
    pub verdict: Verdict,
    /// The checks, in the order of the chain.
    pub checks: Vec<Check>,
}

impl Check {
    /// Makes a check that needs no reason.
    pub(super) fn new(id: CheckId, state: State, evidence: impl Into<String>) -> Self {
        Self { id, state, evidence: evidence.into(), because: None, known: None, cluster: None }
    }

    /// Makes a check that these credentials cannot make.
    pub(super) fn unread(id: CheckId, refusal: &ClusterError) -> Self {
        Self { cluster: Some(refusal.clone()), ..Self::new(id, State::Unknown, refusal.detail()) }
    }

    pub(super) fn because(mut self, finding: Option<Finding>) -> Self {
        self.because = finding;
        self
    }

    /// Returns the name of the check.
    pub fn title(&self, lang: Lang) -> String {
        self.id.title().text(lang)
    }

    /// Returns why it did not pass, as a sentence, where that is known.
    pub fn cause(&self, lang: Lang) -> Option<String> {
        if self.state == State::Pass {
            return None;
        }
        let worked_out = || self.because.as_ref().map(|finding| finding.message(lang));
        let refused = || self.cluster.as_ref().map(|error| error.message(lang));
        self.known.as_ref().map(|known| known.cause(lang)).or_else(worked_out).or_else(refused)
    }

    /// Returns what to do; nothing when the check passed.
    pub fn remedy(&self, lang: Lang) -> Option<String> {
        match (self.state, &self.known, &self.because, &self.cluster) {
            (State::Pass, ..) => None,
            (_, Some(known), _, _) => Some(known.remedy(lang)),
            (_, _, Some(finding), _) => Some(finding.remedy(lang)),
            (_, _, _, Some(error)) => Some(error.remedy(lang)),
            (_, None, None, None) => Some(self.id.remedy().text(lang)),
        }
    }
}

impl KnownFailure {
    /// Returns why this happens.
    pub fn cause(&self, lang: Lang) -> String {
        self.text(lang, "cause")
    }

    /// Returns what to do.
    pub fn remedy(&self, lang: Lang) -> String {
        self.text(lang, "remedy")
    }

    fn text(&self, lang: Lang, part: &str) -> String {
        let args: Vec<_> = self.args.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        lang.text(&format!("signature.{}.{part}", self.signature), &args)
    }
}

/// JSON carries the English texts beside the values they are made of.
impl Serialize for KnownFailure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("KnownFailure", 5)?;
        out.serialize_field("signature", &self.signature)?;
        out.serialize_field("line", &self.line)?;
        out.serialize_field("cause", &self.cause(Lang::En))?;
        out.serialize_field("remedy", &self.remedy(Lang::En))?;
        out.serialize_field("args", &self.args)?;
        out.end()
    }
}

/// JSON carries the English texts beside the values they are made of.
impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Check", 8)?;
        out.serialize_field("id", &self.id)?;
        out.serialize_field("title", &self.title(Lang::En))?;
        out.serialize_field("state", &self.state)?;
        out.serialize_field("evidence", &self.evidence)?;
        out.serialize_field("remedy", &self.remedy(Lang::En))?;
        out.serialize_field("because", &self.because)?;
        out.serialize_field("known", &self.known)?;
        out.serialize_field("cluster", &self.cluster)?;
        out.end()
    }
}

impl VerifyReport {
    /// Makes the report over checks that were made.
    pub(super) fn over(checks: Vec<Check>) -> Self {
        let any = |state: State| checks.iter().any(|check| check.state == state);
        let verdict = if any(State::Fail) {
            Verdict::Failed
        } else if any(State::Unknown) || checks.is_empty() {
            Verdict::Unknown
        } else {
            Verdict::Ok
        };
        Self { verdict, checks }
    }

    /// Returns the check of this name.
    pub fn check(&self, id: CheckId) -> Option<&Check> {
        self.checks.iter().find(|check| check.id == id)
    }

    /// Tells whether all is in place, and only no pod has used the GPU yet.
    pub fn lacks_only_the_test(&self) -> bool {
        let open = |check: &&Check| check.state != State::Pass;
        self.checks.iter().filter(open).all(|check| check.id == CheckId::TestPod && check.state == State::Unknown)
            && self.checks.iter().any(|check| check.state != State::Pass)
    }

    /// Says of a part's check which known failure shows there. What is at work and shows one fails: it tries again and again.
    pub fn explain(&mut self, id: CheckId, known: KnownFailure) {
        let unexplained = |check: &Check| check.known.is_none() && check.because.is_none() && check.cluster.is_none();
        let open = |check: &&mut Check| check.id == id && check.state != State::Pass && unexplained(check);
        if let Some(check) = self.checks.iter_mut().find(open) {
            check.state = State::Fail;
            check.known = Some(known);
            *self = Self::over(std::mem::take(&mut self.checks));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_its_name_and_texts() {
        for id in CheckId::ALL {
            assert_eq!(serde_json::to_value(id).unwrap(), id.name());
            for lang in [Lang::En, Lang::Ko] {
                for part in ["", ".remedy", ".about"] {
                    assert!(lang.has(&format!("check.{}{part}", id.name())), "{id:?}{part}");
                }
            }
        }
    }
}
