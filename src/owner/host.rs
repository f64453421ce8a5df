//! A driver installed on the host.

use super::{
    Disposition, Owner,
    disposition::{is_of_pod, of_any_owner},
};
use crate::{
    answers::{Answers, DriverOwner},
    catalog::choice::{Files, Source},
    facts::{DriverFacts, Facts, LedgerEntry, Origin, packages},
    i18n::{Message, msg},
    kubespray::{
        GpuRole, Preview,
        edit::Change,
        playbook::{self, PlaybookRun},
    },
    plan::{Action, Changed, Step},
    preflight::{Request, conflicting_driver},
    session::Prediction,
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
        Source { files: Files::Any, architectures: &[], has_open_module: true, follows_toolkit: false }
    }

    /// Nothing yet: a driver that is on the host is adopted as it is.
    fn install(&self, _facts: &Facts, _answers: &Answers) -> Vec<Action> {
        Vec::new()
    }

    fn brings_chosen_driver(&self) -> bool {
        false
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

    /// Labels and taints that the node has are left; taking the node out of `nvidia_gpu_nodes` would not remove them either.
    fn values(&self, _preview: &Preview, _answers: &Answers) -> Vec<Change> {
        vec![Change::new("nvidia_accelerator_enabled", false)]
    }

    fn playbooks(&self, preview: &Preview, answers: &Answers) -> Vec<PlaybookRun> {
        playbook::joining(preview, answers)
    }

    fn links(&self) -> &'static [&'static str] {
        &["api", "node-ready", "no-installer", "host-driver", "capacity", "test-pod"]
    }

    fn reopens(&self, changed: Changed) -> &'static [Step] {
        match changed {
            Changed::Owner | Changed::Cards => &[Step::Driver, Step::Variables, Step::Verify],
            Changed::Toolkit => &[Step::Driver],
            // Step 2 installs it on this machine, and step 4 expects it in the test pod; no variable of step 3 names it.
            Changed::DriverVersion => &[Step::Driver, Step::Verify],
            Changed::Inventory => &[Step::Variables, Step::Verify],
            Changed::Verification => &[Step::Verify],
        }
    }
}
