//! Kubespray's DaemonSet `nvidia-driver-installer`: the host must have no driver of its own.

mod checks;
mod values;

use super::{
    ChartEvidence, Disposition, NodeEvidence, Owner, Refused, WantedChart, Way,
    disposition::{has, is_on_host, of_any_owner},
    host::offers::Offer,
    node_name,
};
use crate::{
    answers::{Answers, DriverOwner},
    catalog::Architecture,
    choice::{Files, Source},
    cluster::{check::Check, kubespray, manifest::ObjectKind, workload::StackSpec},
    facts::{DriverFacts, Facts, LedgerEntry, Origin},
    i18n::{Message, msg},
    kubespray::{
        GpuRole, Preview,
        edit::Change,
        playbook::{self, PlaybookRun},
    },
    plan::{
        self, Action, Changed, Step,
        action::{mark_node::NodeMark, watch_installer::Followed},
        remedy,
    },
    prediction::Prediction,
    preflight::Request,
};

/// Kubespray's installer pod.
pub(super) struct InstallerPod;

impl Owner for InstallerPod {
    fn id(&self) -> DriverOwner {
        DriverOwner::InstallerPod
    }

    fn title(&self) -> Message {
        msg::wizard::owner::installer_pod()
    }

    fn summary(&self) -> Message {
        msg::wizard::owner::installer_pod::what()
    }

    fn choice(&self) -> Message {
        msg::plain::owner::installer_pod()
    }

    /// Nothing of another driver may stay. A loaded module is the pod's own when nothing else has brought a driver.
    fn disposition(&self, driver: &DriverFacts, entry: &LedgerEntry) -> Disposition {
        let is_the_pods = has(driver, Origin::InstallerPod) && !is_on_host(driver);
        of_any_owner(entry).unwrap_or(match entry.origin {
            Origin::InstallerPod => Disposition::Owners,
            Origin::LoadedModule | Origin::Unit if is_the_pods => Disposition::Owners,
            Origin::Unit => Disposition::MustStop,
            _ => Disposition::MustGo,
        })
    }

    /// The role's download address names `/tesla/` and `x86_64` whatever the node is, and its runfile asks for no open
    /// module.
    fn source(&self) -> Source {
        Source {
            files: Files::Tesla,
            architectures: &[Architecture::X86_64],
            has_open_module: false,
            follows_toolkit: true,
            prefers_long_support: false,
        }
    }

    /// Nothing: the pod brings all of it.
    fn install(&self, _facts: &Facts, _answers: &Answers) -> Vec<Action> {
        Vec::new()
    }

    fn trace(&self) -> Option<Origin> {
        Some(Origin::InstallerPod)
    }

    fn leave(&self, facts: &Facts, answers: &Answers) -> Vec<Action> {
        let unlabel = remedy::mark_node(
            answers.kubeconfig.clone().map(Into::into),
            &node_name(facts, answers),
            NodeMark::NoGpuLabel,
        );
        vec![unlabel, remedy::remove_pod_driver()]
    }

    fn brings_chosen_driver(&self) -> bool {
        true
    }

    fn offers(&self, _facts: &Facts, _answers: &Answers) -> Vec<Offer> {
        Vec::new()
    }

    fn ways(&self, _facts: &Facts, _answers: &Answers) -> Vec<Way> {
        Vec::new()
    }

    fn checks(&self, request: Request<'_>) -> Vec<Prediction> {
        checks::all(request)
    }

    /// Those that the role will certainly have pulled; which installer image it takes, only its own facts decide.
    fn images(&self, preview: &Preview) -> Vec<String> {
        let value = |name: &str| {
            preview.variable(name).and_then(|variable| variable.value.as_ref()?.as_str().map(str::to_owned))
        };
        let names = ["nvidia_driver_install_container", "nvidia_gpu_device_plugin_container"];
        names
            .iter()
            .filter_map(|name| value(name))
            .filter(|image| image.contains(['/', ':']) && !image.contains("{{"))
            .collect()
    }

    fn gpu_role(&self) -> GpuRole {
        GpuRole::Installs
    }

    fn values(&self, preview: &Preview, answers: &Answers) -> Vec<Change> {
        values::all(preview, answers)
    }

    fn playbooks(&self, preview: &Preview, answers: &Answers) -> Vec<PlaybookRun> {
        playbook::joining(preview, answers).into_iter().chain(playbook::gpu_role(preview, answers)).collect()
    }

    fn objects(&self) -> &'static [ObjectKind] {
        &[]
    }

    fn chart(&self, _seen: &ChartEvidence<'_>) -> Option<Result<WantedChart, Refused>> {
        None
    }

    fn watch(&self, answers: &Answers, node: &str) -> Option<Action> {
        Some(plan::watch(Followed::Installer, answers.kubeconfig.clone().map(Into::into), node))
    }

    fn on_node(&self, _seen: &NodeEvidence<'_>) -> Vec<Check> {
        Vec::new()
    }

    fn stack(&self) -> &'static StackSpec {
        &kubespray::STACK
    }

    fn reopens(&self, changed: Changed) -> &'static [Step] {
        match changed {
            Changed::Owner | Changed::Cards => &[Step::Driver, Step::Variables, Step::Verify],
            // The host gets the toolkit, the pod gets the driver: each changes its own step.
            Changed::Toolkit => &[Step::Driver],
            Changed::DriverVersion | Changed::Inventory => &[Step::Variables, Step::Verify],
            Changed::Verification => &[Step::Verify],
        }
    }
}
