//! NVIDIA GPU Operator: a driver in a pod of its own, or beside a driver that the host has.

mod chain;
mod values;

use super::{
    ChartEvidence, Disposition, NodeEvidence, Owner, Refused, WantedChart, Way,
    disposition::{has, is_on_host, of_any_owner},
    host::offers::Offer,
    node_name,
};
use crate::{
    answers::{Answers, DriverOwner},
    choice::{Files, Source},
    cluster::{self, check::Check, manifest::ObjectKind, workload::StackSpec},
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
    preflight::{Request, conflicting_driver},
};

/// NVIDIA GPU Operator.
pub(super) struct Operator;

impl Owner for Operator {
    fn id(&self) -> DriverOwner {
        DriverOwner::Operator
    }

    fn title(&self) -> Message {
        msg::wizard::owner::operator()
    }

    fn summary(&self) -> Message {
        msg::wizard::owner::operator::what()
    }

    fn choice(&self) -> Message {
        msg::plain::owner::operator()
    }

    /// The operator works beside a driver of the host, with `driver.enabled=false`, so that driver stays. Modules that
    /// the installer pod has loaded leave with it.
    fn disposition(&self, driver: &DriverFacts, entry: &LedgerEntry) -> Disposition {
        let is_the_pods = has(driver, Origin::InstallerPod) && !is_on_host(driver) && !has(driver, Origin::Operator);
        of_any_owner(entry).unwrap_or(match entry.origin {
            Origin::InstallerPod => Disposition::MustGo,
            // Without its driver, such a tree builds modules that nothing goes with, and they load before the
            // operator's.
            Origin::Dkms | Origin::ModuleFile if !is_on_host(driver) => Disposition::MustGo,
            Origin::LoadedModule if is_the_pods => Disposition::MustGo,
            Origin::Unit if is_the_pods => Disposition::MustStop,
            _ => Disposition::Owners,
        })
    }

    /// NVIDIA builds driver images of data-center releases only.
    fn source(&self) -> Source {
        Source {
            files: Files::Datacenter,
            architectures: &[],
            has_open_module: true,
            follows_toolkit: false,
            prefers_long_support: false,
        }
    }

    /// Nothing: the driver comes in a pod, or is on the host already.
    fn install(&self, _facts: &Facts, _answers: &Answers) -> Vec<Action> {
        Vec::new()
    }

    fn trace(&self) -> Option<Origin> {
        Some(Origin::Operator)
    }

    /// From this node only: other nodes may have no other owner. The driver pod unloads its modules when it ends, if
    /// nobody holds them.
    fn leave(&self, facts: &Facts, answers: &Answers) -> Vec<Action> {
        vec![remedy::mark_node(
            answers.kubeconfig.clone().map(Into::into),
            &node_name(facts, answers),
            NodeMark::NoOperands,
        )]
    }

    fn brings_chosen_driver(&self) -> bool {
        false
    }

    fn offers(&self, _facts: &Facts, _answers: &Answers) -> Vec<Offer> {
        Vec::new()
    }

    fn ways(&self, _facts: &Facts, _answers: &Answers) -> Vec<Way> {
        Vec::new()
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

    /// Labels and taints that the node has are left; taking the node out of `nvidia_gpu_nodes` would not remove them
    /// either. Kubespray writes the runtime where the operator's toolkit leaves that to it.
    fn values(&self, preview: &Preview, answers: &Answers) -> Vec<Change> {
        let mut changes = vec![Change::new("nvidia_accelerator_enabled", false)];
        changes.extend(values::variables(preview, answers));
        changes
    }

    fn playbooks(&self, preview: &Preview, answers: &Answers) -> Vec<PlaybookRun> {
        playbook::to_node(preview, answers)
    }

    fn objects(&self) -> &'static [ObjectKind] {
        &[]
    }

    fn chart(&self, seen: &ChartEvidence<'_>) -> Option<Result<WantedChart, Refused>> {
        let wanted =
            values::chart(seen).and_then(|chart| Ok(WantedChart { chart, values: values::values(chart, seen)? }));
        Some(wanted)
    }

    fn watch(&self, answers: &Answers, node: &str) -> Option<Action> {
        Some(plan::watch(Followed::Operator, answers.kubeconfig.clone().map(Into::into), node))
    }

    fn on_node(&self, seen: &NodeEvidence<'_>) -> Vec<Check> {
        chain::judge(seen)
    }

    fn stack(&self) -> &'static StackSpec {
        &cluster::operator::STACK
    }

    fn reopens(&self, changed: Changed) -> &'static [Step] {
        match changed {
            Changed::Owner | Changed::Cards => &[Step::Driver, Step::Variables, Step::Verify],
            Changed::Toolkit => &[Step::Driver],
            // A value of the chart, which step 3 writes.
            Changed::DriverVersion | Changed::Inventory => &[Step::Variables, Step::Verify],
            Changed::Verification => &[Step::Verify],
        }
    }
}
