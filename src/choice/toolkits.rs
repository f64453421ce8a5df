//! Which CUDA toolkits fit the cards, the driver and the host.

use super::{Card, CudaRow, HostLimits, Reason, rules};
use crate::{
    catalog::{
        Architecture,
        cuda::{self, Toolkit},
    },
    i18n::msg,
    version::Version,
};

/// Judges every toolkit that has a runfile for the host's architecture, newest first. Without a driver that rule is
/// left out, and nothing is recommended: the toolkit follows the driver.
pub fn cuda_rows(cards: &[Card], driver: Option<&Version>, host: &HostLimits) -> Vec<CudaRow> {
    let mut rows: Vec<CudaRow> =
        cuda::toolkits().iter().filter_map(|toolkit| judged(toolkit, cards, driver, host)).collect();
    let paired = driver.and_then(|driver| pairing(&rows, driver)).map(|row| row.version.clone());
    for row in &mut rows {
        row.recommended = paired.as_ref() == Some(&row.version);
    }
    rows
}

/// Returns the runfile of exactly this toolkit for an architecture, without any judgement.
pub fn runfile(version: &Version, architecture: Architecture) -> Option<CudaRow> {
    row(&cuda::exactly(version)?, architecture)
}

/// Returns a toolkit's row for an architecture, before any judgement; absent where it has no runfile.
fn row(toolkit: &Toolkit, architecture: Architecture) -> Option<CudaRow> {
    let file = toolkit.runfile(architecture)?;
    Some(CudaRow {
        version: toolkit.version.clone(),
        file: file.file.clone(),
        url: file.url.clone(),
        size_bytes: file.size,
        sha256: file.sha256.clone(),
        md5: file.md5.clone(),
        min_driver: toolkit.min_driver.clone(),
        bundled_driver: toolkit.bundled_driver.clone(),
        default_prefix: toolkit.prefix.clone(),
        fits: true,
        reachable: true,
        reason: None,
        notes: Vec::new(),
        wanted: false,
        recommended: false,
    })
}

fn judged(toolkit: &Toolkit, cards: &[Card], driver: Option<&Version>, host: &HostLimits) -> Option<CudaRow> {
    let row = row(toolkit, host.architecture)?;
    let apart = rules::toolkit_misfit(toolkit, cards)
        .or_else(|| glibc_misfit(toolkit, host))
        .or_else(|| toolkit.prerelease.then(|| Reason(msg::reason::cuda_prerelease())));
    let reachable = apart.is_none() && toolkit.least_driver().is_none_or(|least| rules::any_from(least, cards, host));
    let reason = driver.and_then(|driver| driver_misfit(toolkit, driver)).or(apart);
    let notes = if reason.is_none() { notes(toolkit, driver, host) } else { Vec::new() };
    Some(CudaRow { fits: reason.is_none(), reachable, reason, notes, ..row })
}

fn driver_misfit(toolkit: &Toolkit, driver: &Version) -> Option<Reason> {
    let least = toolkit.least_driver()?;
    (driver < least).then(|| Reason(msg::reason::cuda_needs_newer_driver(driver, least)))
}

fn glibc_misfit(toolkit: &Toolkit, host: &HostLimits) -> Option<Reason> {
    let (needed, there) = (toolkit.glibc_min.as_ref()?, host.glibc_version.as_ref()?);
    (there < needed).then(|| Reason(msg::reason::glibc_too_old(needed, there)))
}

fn notes(toolkit: &Toolkit, driver: Option<&Version>, host: &HostLimits) -> Vec<Reason> {
    let minor = driver.and_then(|driver| rules::limits(toolkit, driver));
    let clash =
        host.glibc_version.as_ref().filter(|there| toolkit.glibc_below.as_ref().is_some_and(|limit| *there >= limit));
    let glibc = clash.map(|there| Reason(msg::reason::glibc_too_new(there)));
    [minor, gcc_note(toolkit, host), glibc].into_iter().flatten().collect()
}

/// The toolkit installs with any compiler (`--override`); it is `nvcc` that refuses one outside its range.
fn gcc_note(toolkit: &Toolkit, host: &HostLimits) -> Option<Reason> {
    let there = host.gcc_version.as_ref()?;
    match (toolkit.gcc_min, toolkit.gcc_max) {
        (_, Some(max)) if there.part(0) > max => Some(Reason(msg::reason::gcc_too_new(max, there))),
        (Some(min), _) if there.part(0) < min => Some(Reason(msg::reason::gcc_too_old(min, there))),
        _ => None,
    }
}

/// Returns the toolkit that pairs with a driver: the one released with it, else the newest of its branch, else the
/// newest that runs on it.
pub fn pairing<'a>(rows: &'a [CudaRow], driver: &Version) -> Option<&'a CudaRow> {
    let fit = || rows.iter().filter(|row| row.fits);
    let bundled = |row: &&CudaRow| row.bundled_driver.as_ref() == Some(driver);
    let branch = |row: &&CudaRow| {
        row.bundled_driver.as_ref().is_some_and(|version| version.branch() == driver.branch() && version <= driver)
    };
    let runs = |row: &&CudaRow| row.min_driver.as_ref().is_some_and(|least| least <= driver);
    fit().find(bundled).or_else(|| fit().find(branch)).or_else(|| fit().find(runs))
}
