//! Disposition: what becomes of a thing on the host under an owner, and the rules that all owners share.

use crate::facts::{
    DriverFacts, LedgerEntry, Origin,
    modules::{self, ModuleRole},
    packages,
};

/// What becomes of a thing on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disposition {
    /// It is, or brings, another driver than the owner's.
    MustGo,
    /// It uses the driver, and keeps it in the kernel.
    MustStop,
    /// It is what the owner brought, or would use.
    Owners,
    /// It is no driver.
    Stays,
}

/// Returns what becomes of an entry whoever owns the driver; `None` where it depends on the owner. The kernel's own
/// drivers keep any NVIDIA driver off the card; toolkits, other packages and vfio bring none.
pub(super) fn of_any_owner(entry: &LedgerEntry) -> Option<Disposition> {
    match entry.origin {
        Origin::LoadedModule => match modules::role(entry.name.split(' ').next().unwrap_or_default()) {
            Some(ModuleRole::Conflicting) => Some(Disposition::MustGo),
            Some(ModuleRole::Passthrough) | None => Some(Disposition::Stays),
            Some(ModuleRole::Driver) => None,
        },
        Origin::CudaToolkit => Some(Disposition::Stays),
        Origin::Rpm | Origin::Deb if !packages::goes_with_driver(entry) => Some(Disposition::Stays),
        _ => None,
    }
}

/// Tells whether a driver is installed on the host itself. A module file alone is no proof: the installer pod leaves
/// such files too.
pub(super) fn is_on_host(driver: &DriverFacts) -> bool {
    driver.ledger.iter().any(|entry| entry.origin == Origin::Runfile || packages::is_driver_package(entry))
}

/// Tells whether the ledger has an entry of this origin.
pub(super) fn has(driver: &DriverFacts, origin: Origin) -> bool {
    driver.ledger.iter().any(|entry| entry.origin == origin)
}

/// Tells whether the driver that is loaded is a pod's: no other is installed.
pub(super) fn is_of_pod(driver: &DriverFacts) -> bool {
    !is_on_host(driver) && (has(driver, Origin::InstallerPod) || has(driver, Origin::Operator))
}
