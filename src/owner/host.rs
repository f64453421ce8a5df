//! A driver installed on the host.

pub(super) mod chain;
mod install;
pub mod offers;
pub mod recipe;
pub(super) mod values;
pub mod ways;

use self::offers::Offer;
use super::{
    ChartEvidence, Disposition, NodeEvidence, Owner, Refused, WantedChart, Way,
    disposition::{is_of_pod, of_any_owner},
};
use crate::{
    answers::{Answers, DriverOwner},
    choice::{Files, Source},
    cluster::{check::Check, device_plugin, manifest::ObjectKind, workload::StackSpec},
    facts::{DriverFacts, Facts, LedgerEntry, Origin, packages},
    i18n::{Message, msg},
    kubespray::{
        GpuRole, Preview,
        edit::Change,
        playbook::{self, PlaybookRun},
    },
    plan::{self, Action, Changed, Step, action::watch_installer::Followed},
    prediction::Prediction,
    preflight::{Request, conflicting_driver},
};

/// The host's own driver.
pub(super) struct Host;

impl Owner for Host {
    fn id(&self) -> DriverOwner {
        DriverOwner::Host
    }

    fn title(&self) -> Message {
        msg::wizard::owner::host()
    }

    fn summary(&self) -> Message {
        msg::wizard::owner::host::what()
    }

    fn choice(&self) -> Message {
        msg::plain::owner::host()
    }

    /// What is on the host is the owner's. A module that a pod has loaded leaves with the pod's driver.
    fn disposition(&self, driver: &DriverFacts, entry: &LedgerEntry) -> Disposition {
        of_any_owner(entry).unwrap_or(match entry.origin {
            Origin::InstallerPod | Origin::Operator => Disposition::MustGo,
            Origin::LoadedModule if is_of_pod(driver) => Disposition::MustGo,
            Origin::Unit if is_of_pod(driver) => Disposition::MustStop,
            // What needs the driver goes only where that goes.
            Origin::Rpm | Origin::Deb if !packages::is_driver_package(entry) => Disposition::Stays,
            _ => Disposition::Owners,
        })
    }

    /// Packages of every kind for every architecture that NVIDIA builds for.
    fn source(&self) -> Source {
        Source {
            files: Files::Any,
            architectures: &[],
            has_open_module: true,
            follows_toolkit: false,
            prefers_long_support: true,
        }
    }

    fn install(&self, facts: &Facts, answers: &Answers) -> Vec<Action> {
        install::plan(facts, answers)
    }

    /// No pod brings it: packages and runfiles are in the ledger by themselves, and go one by one.
    fn trace(&self) -> Option<Origin> {
        None
    }

    fn leave(&self, _facts: &Facts, _answers: &Answers) -> Vec<Action> {
        Vec::new()
    }

    fn brings_chosen_driver(&self) -> bool {
        false
    }

    fn offers(&self, facts: &Facts, answers: &Answers) -> Vec<Offer> {
        offers::offers(facts, answers)
    }

    fn ways(&self, facts: &Facts, answers: &Answers) -> Vec<Way> {
        ways::ways(facts, answers)
    }

    fn checks(&self, request: Request<'_>) -> Vec<Prediction> {
        vec![conflicting_driver(request, "test-pod")]
    }

    fn images(&self, _preview: &Preview) -> Vec<String> {
        Vec::new()
    }

    fn gpu_role(&self) -> GpuRole {
        GpuRole::StaysOff
    }

    fn values(&self, preview: &Preview, answers: &Answers) -> Vec<Change> {
        values::all(preview, answers)
    }

    fn playbooks(&self, preview: &Preview, answers: &Answers) -> Vec<PlaybookRun> {
        playbook::to_node(preview, answers)
    }

    fn objects(&self) -> &'static [ObjectKind] {
        &[ObjectKind::RuntimeClass, ObjectKind::DevicePlugin]
    }

    fn chart(&self, _seen: &ChartEvidence<'_>) -> Option<Result<WantedChart, Refused>> {
        None
    }

    fn watch(&self, answers: &Answers, node: &str) -> Option<Action> {
        Some(plan::watch(Followed::DevicePlugin, answers.kubeconfig.clone().map(Into::into), node))
    }

    fn on_node(&self, seen: &NodeEvidence<'_>) -> Vec<Check> {
        chain::judge(seen)
    }

    fn stack(&self) -> &'static StackSpec {
        &device_plugin::STACK
    }

    fn reopens(&self, changed: Changed) -> &'static [Step] {
        match changed {
            Changed::Owner | Changed::Cards => &[Step::Driver, Step::Variables, Step::Verify],
            Changed::Toolkit => &[Step::Driver],
            // Step 2 installs it on this machine, and step 4 expects it in the test pod; no variable of step 3 names
            // it.
            Changed::DriverVersion => &[Step::Driver, Step::Verify],
            Changed::Inventory => &[Step::Variables, Step::Verify],
            Changed::Verification => &[Step::Verify],
        }
    }
}
