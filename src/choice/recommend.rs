//! Which of the fitting drivers to take, and why.

use super::{DriverRow, Reason, Source};
use crate::{
    catalog::{
        BranchKind,
        cuda::{self, Toolkit},
        drivers::{self, Driver},
    },
    i18n::msg,
    version::Version,
};

/// Returns the index of the row to take and the reason; nothing when no row fits.
///
/// Where the driver follows a wanted CUDA the toolkit's own driver comes first: the seed's author found that the driver
/// in the pod and the toolkit on the host should be the same release. Otherwise the newest driver that NVIDIA still
/// supports: a newer driver runs every older toolkit.
pub(super) fn recommend(rows: &[DriverRow], wanted: Option<&Toolkit>, source: &Source) -> Option<(usize, Reason)> {
    let paired = wanted.filter(|_| source.follows_toolkit).and_then(|toolkit| paired(rows, toolkit));
    paired.or_else(|| newest(rows, source.prefers_long_support))
}

/// The driver that goes with a toolkit, if it fits: the one that the seed names for its CUDA version, the one inside
/// its runfile, the newest of the branch that it needs.
fn paired(rows: &[DriverRow], toolkit: &Toolkit) -> Option<(usize, Reason)> {
    let bundles = |driver: &Driver| driver.bundled_in_cuda.contains(&toolkit.version);
    let seed = |driver: &Driver| driver.seed_cuda.as_ref().is_some_and(|cuda| is_newest_of(toolkit, cuda));
    let branch = toolkit.needs().map(Version::branch);
    let find = |wanted: &dyn Fn(&Driver) -> bool| {
        let mut pairs = rows.iter().zip(drivers::drivers());
        pairs.position(|(row, driver)| row.fits && row.datacenter && wanted(driver))
    };
    let index =
        find(&seed).or_else(|| find(&bundles)).or_else(|| find(&|driver| Some(driver.version.branch()) == branch))?;
    let driver = &drivers::drivers()[index];
    let cuda = &toolkit.version;
    let reason = match driver {
        driver if bundles(driver) => msg::reason::recommended_bundled(cuda),
        driver if seed(driver) => msg::reason::recommended_seed(cuda),
        _ => msg::reason::recommended_same_branch(cuda),
    };
    Some((index, Reason(reason)))
}

/// The seed names `11.0`, and means the toolkit that this is today.
fn is_newest_of(toolkit: &Toolkit, cuda: &Version) -> bool {
    cuda::newest(cuda).is_some_and(|newest| newest.version == toolkit.version)
}

/// The newest driver that fits: of a branch with long support where that is preferred, of a supported production
/// branch, of a production branch, of any data-center release, of any.
fn newest(rows: &[DriverRow], long_first: bool) -> Option<(usize, Reason)> {
    // One that runs the wanted toolkit with limits only comes after all that run it in full.
    let full = rows.iter().any(|row| row.fits && row.datacenter && row.notes.is_empty());
    let find = |wanted: &dyn Fn(&DriverRow) -> bool| {
        rows.iter().position(|row| row.fits && (!full || row.notes.is_empty()) && wanted(row))
    };
    let production = |row: &DriverRow| row.datacenter && row.kind.is_for_production();
    let long = |row: &DriverRow| long_first && production(row) && !row.ended && row.kind == BranchKind::LongTerm;
    let index = find(&long)
        .or_else(|| find(&|row| production(row) && !row.ended))
        .or_else(|| find(&production))
        .or_else(|| find(&|row| row.datacenter))
        .or_else(|| find(&|_| true))?;
    let row = &rows[index];
    let reason = match row.end_of_life {
        Some(date) if long(row) => Reason(msg::reason::recommended_long_term(date)),
        Some(date) if production(row) && !row.ended => Reason(msg::reason::recommended_supported(date)),
        _ if production(row) => Reason(msg::reason::recommended_ended()),
        _ => Reason(msg::reason::recommended_other()),
    };
    Some((index, reason))
}
