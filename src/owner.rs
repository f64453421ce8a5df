//! Owner: everything that depends on who puts the NVIDIA driver on the node, one file each.
//!
//! An owner answers for all four steps: what on this host stays, stops or goes, where drivers come from, what step 2 installs, which
//! variables step 3 writes and which playbooks carry them out, which checks step 4 judges, and which steps a changed answer reopens.
//! It answers with data. What stands below ([`plan`](crate::plan), [`kubespray`](crate::kubespray), [`cluster`](crate::cluster),
//! [`catalog`](crate::catalog)) is handed that data and does not know whose it is.
//!
//! No method has a default, so that a new owner does not compile before it has answered everything.

mod disposition;
mod host;
mod installer_pod;
mod operator;
#[cfg(test)]
mod tests;

pub use disposition::Disposition;

use crate::{
    answers::{Answers, DriverOwner},
    catalog::choice::Source,
    cluster::workload::StackSpec,
    facts::{DriverFacts, LedgerEntry},
    i18n::Message,
    plan::{self, Changed, Plan, Step},
};

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

    /// Step 2: returns where its drivers come from, which limits the drivers that can be chosen.
    fn source(&self) -> Source;

    /// Step 4: returns what is watched in the cluster: its workloads, the links of its chain, the log that is followed with its phases.
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

/// Returns the steps whose work no longer follows from the answers, in order.
pub fn invalidated(before: &Answers, after: &Answers, plan: &Plan) -> Vec<Step> {
    plan::invalidated(before, after, plan, |changed| of(after.driver_owner).reopens(changed))
}
