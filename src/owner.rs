//! Owner: everything that depends on who puts the NVIDIA driver on the node, one file each.
//!
//! An owner answers for all four steps: what on this host stays, stops or goes, where drivers come from, what step 2
//! installs, which variables step 3 writes and which playbooks carry them out, which checks step 4 judges, and which
//! steps a changed answer reopens. It answers with data. What stands below ([`plan`], [`kubespray`](crate::kubespray),
//! [`cluster`](crate::cluster), [`catalog`](crate::catalog)) is handed that data and does not know whose it is.
//!
//! No method has a default, so that a new owner does not compile before it has answered everything.

mod disposition;
mod forecast;
pub mod host;
mod installer_pod;
mod operator;
mod recommend;
#[cfg(test)]
mod tests;

pub use disposition::Disposition;
pub use forecast::forecast;
pub use host::ways::Way;
pub use recommend::{Fit, Node, Works, best, fits, report};

use host::offers::Offer;

use crate::{
    answers::{Answers, DriverOwner},
    catalog::gpu_operator::Chart,
    choice::Source,
    cluster::{chart_values::ChartValues, check::Check, manifest::ObjectKind, objects::Taint, workload::StackSpec},
    facts::{DriverFacts, Facts, LedgerEntry, Origin, modules},
    i18n::Message,
    kubespray::{GpuRole, Preview, edit::Change, playbook::PlaybookRun, values},
    plan::{self, Action, ActionSpec, Changed, Clearing, Handover, Places, Plan, Step},
    prediction::Prediction,
    preflight,
    second_boot::SecondBoot,
    version::Version,
};

/// What the links of a machine are judged by.
#[derive(Debug, Clone, Copy)]
pub struct NodeEvidence<'a> {
    /// What is on it, programs asked.
    pub facts: &'a Facts,
    /// What Kubespray would write; absent where no inventory is known.
    pub preview: Option<&'a Preview>,
    /// What was noted of an earlier boot.
    pub second_boot: Option<&'a SecondBoot>,
}

/// What a chart and its values rest on.
#[derive(Debug, Clone, Copy)]
pub struct ChartEvidence<'a> {
    /// What is on the machine.
    pub facts: &'a Facts,
    /// What the user wants.
    pub answers: &'a Answers,
    /// What Kubespray would write.
    pub preview: &'a Preview,
    /// The release of Kubernetes, the cluster's own word or the checkout's.
    pub kubernetes: Option<&'a Version>,
    /// The taints that the node has in the cluster.
    pub taints: &'a [Taint],
    /// The namespace of a node feature discovery that is there already and not the chart's.
    pub other_discovery: Option<&'a str>,
}

/// A chart that an owner wants in the cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedChart {
    /// Its release.
    pub chart: &'static Chart,
    /// The values that differ from its own.
    pub values: ChartValues,
}

/// Why a chart cannot be installed as things stand: `blocked.<name>`, with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The name of the text.
    pub why: &'static str,
    /// Its values.
    pub args: Vec<(&'static str, String)>,
}

impl Refused {
    fn new<const N: usize>(why: &'static str, args: [(&'static str, String); N]) -> Self {
        Self { why, args: args.into() }
    }
}

/// One way of bringing the driver to a node, with everything that follows from it.
pub trait Owner: Sync {
    /// Returns which owner this is, as it stands in the answers.
    fn id(&self) -> DriverOwner;

    /// Returns its name.
    fn title(&self) -> Message;

    /// Returns what it does, in half a line.
    fn summary(&self) -> Message;

    /// Returns name and summary as the plain face asks.
    fn choice(&self) -> Message;

    /// Step 2: returns what becomes of a thing on this host. Ledger pane, plan and pre-flight all ask this one.
    fn disposition(&self, driver: &DriverFacts, entry: &LedgerEntry) -> Disposition;

    /// Step 2: returns what tells on the host that this owner's pod has brought a driver.
    fn trace(&self) -> Option<Origin>;

    /// Step 2: returns what takes this owner's driver off the node when another owner is wanted, its pods first.
    fn leave(&self, facts: &Facts, answers: &Answers) -> Vec<Action>;

    /// Step 2: tells whether the driver of the answers is the one that will be on the node; otherwise it is there
    /// already, or somebody else decides.
    fn brings_chosen_driver(&self) -> bool;

    /// Step 2: returns what this program puts on the host for the driver, in order.
    fn install(&self, facts: &Facts, answers: &Answers) -> Vec<Action>;

    /// Step 2: returns the sources of packages that it can install from on this system, in the order in which they are
    /// tried.
    fn offers(&self, facts: &Facts, answers: &Answers) -> Vec<Offer>;

    /// Step 2: returns the ways to its driver that a person may choose in place of a driver of the table, the
    /// recommended one first; none where that table is asked.
    fn ways(&self, facts: &Facts, answers: &Answers) -> Vec<Way>;

    /// Step 2: foretells what will fail later as things stand. Nothing is changed.
    fn checks(&self, request: preflight::Request<'_>) -> Vec<Prediction>;

    /// Step 2: returns the images that the node will have to pull for the driver, as far as they are known before.
    fn images(&self, preview: &Preview) -> Vec<String>;

    /// Step 2: returns where its drivers come from, which limits the drivers that can be chosen.
    fn source(&self) -> Source;

    /// Step 3: returns what it wants of Kubespray's GPU role, by which the variables are judged.
    fn gpu_role(&self) -> GpuRole;

    /// Step 3: returns the changes to the inventory that carry out the answers.
    fn values(&self, preview: &Preview, answers: &Answers) -> Vec<Change>;

    /// Step 3: returns the playbook commands that bring these values to the node, in order.
    fn playbooks(&self, preview: &Preview, answers: &Answers) -> Vec<PlaybookRun>;

    /// Step 3: returns the objects that it wants in the cluster, put there by this program, in order.
    fn objects(&self) -> &'static [ObjectKind];

    /// Step 3: returns the chart that it wants in the cluster, or why that cannot be; nothing where it wants none.
    fn chart(&self, seen: &ChartEvidence<'_>) -> Option<Result<WantedChart, Refused>>;

    /// Step 4: returns what waits until it has brought the driver to the node; nothing where that is there before, or
    /// nobody knows when.
    fn watch(&self, answers: &Answers, node: &str) -> Option<Action>;

    /// Step 4: returns what this machine itself says of the links of the chain; nothing where all of them are the
    /// cluster's.
    fn on_node(&self, seen: &NodeEvidence<'_>) -> Vec<Check>;

    /// Step 4: returns what is watched in the cluster: its workloads, the links of its chain, the log that is followed
    /// with its phases.
    fn stack(&self) -> &'static StackSpec;

    /// Returns the steps whose work rests on an answer of this kind.
    fn reopens(&self, changed: Changed) -> &'static [Step];
}

/// Returns the owner of this name.
pub fn of(owner: DriverOwner) -> &'static dyn Owner {
    match owner {
        DriverOwner::InstallerPod => &installer_pod::InstallerPod,
        DriverOwner::Host => &host::Host,
        DriverOwner::Operator => &operator::Operator,
    }
}

/// Returns the name that this machine most likely has in the cluster, for what is planned before the inventory is
/// looked at.
fn node_name(facts: &Facts, answers: &Answers) -> String {
    answers.node.as_deref().unwrap_or(&facts.host.hostname).to_owned()
}

/// Returns what of the driver on this host must go for an owner.
pub fn clearing(owner: &dyn Owner, driver: &DriverFacts) -> Clearing {
    let all = |wanted: Disposition| -> Vec<LedgerEntry> {
        driver.ledger.iter().filter(|entry| owner.disposition(driver, entry) == wanted).cloned().collect()
    };
    // The version alone proves that a driver is loaded, also where the list of modules cannot be read.
    let loaded = LedgerEntry::new(Origin::LoadedModule, "nvidia", "/proc/driver/nvidia/version");
    let is_loaded =
        driver.loaded_version.is_some() || driver.modules.iter().any(|module| modules::is_driver(&module.name));
    let unloads = is_loaded && owner.disposition(driver, &loaded) == Disposition::MustGo;
    let is_left = |path: &&String| {
        let file = LedgerEntry::new(Origin::ModuleFile, path.rsplit('/').next().unwrap_or_default(), path.as_str());
        owner.disposition(driver, &file) == Disposition::MustGo
    };
    let left = driver.left_files.iter().filter(is_left).cloned().collect();
    Clearing { goes: all(Disposition::MustGo), stops: all(Disposition::MustStop), left, unloads }
}

/// Returns what takes other owners off this node: those of whom something is here.
fn leaving(owner: &dyn Owner, facts: &Facts, answers: &Answers, is_loaded: bool) -> Vec<Action> {
    let others = DriverOwner::ALL.into_iter().filter(|other| *other != owner.id()).map(of);
    let here = others.filter(|other| other.trace().is_some_and(|origin| disposition::has(&facts.driver, origin)));
    let leave = here.flat_map(|other| other.leave(facts, answers));
    // The modules that its pod has loaded are in the kernel until the next boot.
    leave.map(|action| Action { needs_reboot: is_loaded, ..action }).collect()
}

/// Plans step 2 for the owner of the answers.
pub fn driver_step(facts: &Facts, answers: &Answers, places: Places<'_>) -> Vec<Action> {
    let owner = of(answers.driver_owner);
    let clearing = clearing(owner, &facts.driver);
    let leave = leaving(owner, facts, answers, clearing.unloads);
    let (first, install) =
        owner.install(facts, answers).into_iter().partition(|action| matches!(action.kind, ActionSpec::DrainNode(_)));
    plan::driver_step(facts, answers, places, Handover { first, leave, clearing, install })
}

/// Returns the ways to the driver of the owner of the answers.
pub fn ways(facts: &Facts, answers: &Answers) -> Vec<Way> {
    of(answers.driver_owner).ways(facts, answers)
}

/// Returns the changes to the inventory for the owner of the answers, with the values that a person has chosen.
pub fn values(preview: &Preview, answers: &Answers) -> Vec<Change> {
    values::proposed(of(answers.driver_owner).values(preview, answers), answers)
}

/// Returns the steps whose work no longer follows from the answers, in order.
pub fn invalidated(before: &Answers, after: &Answers, plan: &Plan) -> Vec<Step> {
    plan::invalidated(before, after, plan, |changed| of(after.driver_owner).reopens(changed))
}
