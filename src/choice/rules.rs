//! The rules by which a driver does not fit, each with the reason it gives.

use super::{Card, Files, HostLimits, Reason, Source};
use crate::{
    catalog::{
        KernelModule,
        cuda::{self, Toolkit},
        drivers::{self, Driver},
        gpus,
    },
    i18n::msg,
    version::Version,
};

/// First branch with an open kernel module. Source: NVIDIA/open-gpu-kernel-modules, tags from 515.43.04 on.
const FIRST_OPEN_BRANCH: u32 = 515;

/// The CUDA toolkit that somebody wants on the host.
pub(super) enum Wanted<'a> {
    /// None, or it does not matter.
    Nothing,
    /// One that the catalog does not know.
    Unknown(&'a Version),
    /// This one.
    Toolkit(&'static Toolkit),
}

impl<'a> Wanted<'a> {
    pub(super) fn new(wanted: Option<&'a Version>) -> Self {
        wanted.map_or(Self::Nothing, |version| cuda::newest(version).map_or(Self::Unknown(version), Self::Toolkit))
    }

    pub(super) fn toolkit(&self) -> Option<&'static Toolkit> {
        if let Self::Toolkit(toolkit) = self { Some(toolkit) } else { None }
    }

    /// Returns why the toolkit rules out every driver: nobody knows it, or it does not build for a card.
    pub(super) fn misfit(&self, cards: &[Card]) -> Option<Reason> {
        match self {
            Self::Nothing => None,
            Self::Unknown(version) => Some(Reason(msg::reason::cuda_unknown(version))),
            Self::Toolkit(toolkit) => toolkit_misfit(toolkit, cards),
        }
    }

    /// Returns why a driver is too old for the toolkit.
    pub(super) fn driver_misfit(&self, driver: &Driver) -> Option<Reason> {
        let toolkit = self.toolkit()?;
        let needed = toolkit.least_driver().filter(|needed| driver.version < **needed)?;
        Some(Reason(msg::reason::older_than_cuda_needs(&toolkit.version, needed)))
    }

    /// Returns what a driver that fits cannot do for the toolkit.
    pub(super) fn driver_limits(&self, driver: &Driver) -> Option<Reason> {
        self.toolkit().and_then(|toolkit| limits(toolkit, &driver.version))
    }
}

/// Returns what a driver below the toolkit's own cannot do, although it runs it.
pub(super) fn limits(toolkit: &Toolkit, driver: &Version) -> Option<Reason> {
    let needed = toolkit.needs().filter(|needed| driver < *needed)?;
    Some(Reason(msg::reason::cuda_minor_compatibility(needed)))
}

/// Returns why a toolkit does not build for one of the cards.
pub(super) fn toolkit_misfit(toolkit: &Toolkit, cards: &[Card]) -> Option<Reason> {
    cards.iter().find_map(|card| {
        let cc = card.compute_capability.as_ref()?;
        let known = gpus::capability(cc.as_str());
        let ended = known.as_ref().and_then(|row| row.cuda_last.as_ref());
        let dropped = *cc < toolkit.cc_min
            || ended.is_some_and(|last| toolkit.version > *last && !toolkit.version.starts_with(last));
        let too_new = *cc > toolkit.cc_max || known.as_ref().is_some_and(|row| toolkit.version < row.cuda_first);
        match (dropped, too_new) {
            (true, _) => Some(Reason(msg::reason::cuda_drops_card(&card.name, cc, &toolkit.version))),
            (_, true) => Some(Reason(msg::reason::cuda_before_card(&card.name, cc, &toolkit.version))),
            (false, false) => None,
        }
    })
}

/// Tells whether some driver from `least` on drives the cards and can be had here.
pub(super) fn any_from(least: &Version, cards: &[Card], host: &HostLimits) -> bool {
    drivers::drivers().iter().any(|driver| {
        driver.version >= *least
            && card_misfit(driver, cards, &host.source).is_none()
            && file_misfit(driver, host).is_none()
    })
}

/// Returns why a driver does not drive one of the cards, or not all of them together.
pub(super) fn card_misfit(driver: &Driver, cards: &[Card], source: &Source) -> Option<Reason> {
    cards.iter().find_map(|card| branch_misfit(driver, card)).or_else(|| module_misfit(driver, cards, source))
}

fn branch_misfit(driver: &Driver, card: &Card) -> Option<Reason> {
    let branch = driver.version.branch();
    let name = |branch: u32| format!("R{branch}");
    match (card.first_branch, card.last_branch) {
        (Some(first), _) if branch < first => Some(Reason(msg::reason::before_first_branch(name(first), &card.name))),
        (_, Some(last)) if branch > last => Some(Reason(msg::reason::after_last_branch(name(last), &card.name))),
        _ => None,
    }
}

/// The kind of kernel module: one kind serves all cards, and not every source has the open one.
fn module_misfit(driver: &Driver, cards: &[Card], source: &Source) -> Option<Reason> {
    let open = cards.iter().find(|card| card.kernel_module == KernelModule::OpenRequired)?;
    if !source.has_open_module {
        return Some(Reason(msg::reason::open_required(&open.name)));
    }
    if driver.version.branch() < FIRST_OPEN_BRANCH {
        return Some(Reason(msg::reason::no_open_module(format!("R{FIRST_OPEN_BRANCH}"), &open.name)));
    }
    let closed = cards.iter().find(|card| card.kernel_module == KernelModule::ProprietaryOnly)?;
    Some(Reason(msg::reason::module_kinds_differ(&open.name, &closed.name)))
}

/// Returns why the owner cannot get the driver's installer, or should not run it.
pub(super) fn file_misfit(driver: &Driver, host: &HostLimits) -> Option<Reason> {
    if driver.is_beta() {
        return Some(Reason(msg::reason::beta()));
    }
    let Source { files, architectures, .. } = host.source;
    let reason = match files {
        _ if !architectures.is_empty() && !architectures.contains(&host.architecture) => msg::reason::pod_x86_only(),
        Files::Tesla if !driver.has_tesla_file(host.architecture) => msg::reason::no_tesla_file(),
        Files::Datacenter if !driver.datacenter => msg::reason::not_datacenter(),
        Files::Any if driver.file(host.architecture).is_none() => msg::reason::no_file(),
        Files::Any | Files::Datacenter | Files::Tesla => return None,
    };
    Some(Reason(reason))
}
