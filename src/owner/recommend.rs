//! Which owner fits a node, and why: the table `assets/catalog/owners.yaml` held against the facts.

use std::sync::OnceLock;

use jiff::civil::Date;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use super::{
    Owner,
    disposition::{has, is_of_pod, is_on_host},
    of,
};
use crate::{
    answers::DriverOwner,
    catalog::drivers,
    choice::{self, Card, HostLimits},
    facts::{Facts, HostFacts, Origin},
    host::NvmlAnswer,
    i18n::{Lang, Message, msg},
    kubespray::{Preview, Verdict, release::Release},
    version::Version,
};

const OWNERS: &str = include_str!("../../assets/catalog/owners.yaml");

/// Whether an owner works on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Works {
    /// It does.
    Yes,
    /// It may, with what the reason says.
    Partly,
    /// It does not.
    No,
}

/// How an owner fits a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// The owner.
    pub owner: DriverOwner,
    /// Whether it works.
    pub works: Works,
    /// Why.
    pub reason: Message,
    /// It is the one to take.
    pub recommended: bool,
}

/// What the choice of an owner rests on.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// What is on the machine.
    pub facts: &'a Facts,
    /// The cards that are there, or are expected.
    pub cards: &'a [Card],
    /// The variables as the installer pod needs them, where a checkout or an inventory is known.
    pub preview: Option<&'a Preview>,
    /// The day, for the ends of support.
    pub today: Date,
}

/// A row of the table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    owner: DriverOwner,
    #[serde(default)]
    os: Vec<String>,
    since: Option<u32>,
    until: Option<u32>,
    #[serde(default)]
    known: bool,
    runtime: Option<String>,
    beside: Option<bool>,
    works: Works,
    reason: String,
}

fn rows() -> &'static [Row] {
    static ALL: OnceLock<Vec<Row>> = OnceLock::new();
    ALL.get_or_init(|| serde_yaml::from_str(OWNERS).unwrap_or_default())
}

/// Judges every owner, in the order in which they are offered; at most one is recommended.
///
/// What brings the driver today stays, if it works. A driver of the host that NVIDIA no longer supports gives way to
/// the installer pod where that works: so it was on the seed's machine. Else the first that works, and the host before
/// the operator: it needs the least.
pub fn fits(node: &Node<'_>) -> Vec<Fit> {
    let mut fits: Vec<Fit> = DriverOwner::ALL.into_iter().map(|owner| fit(node, owner)).collect();
    let works =
        |owner: DriverOwner, least: Works| fits.iter().any(|fit| fit.owner == owner && fit.works as u8 <= least as u8);
    let (pod, host, operator) = (DriverOwner::InstallerPod, DriverOwner::Host, DriverOwner::Operator);
    let driver = &node.facts.driver;
    let in_pod = |origin| !is_on_host(driver) && has(driver, origin);
    let is_kept = kept_driver(node.facts).is_some_and(|version| !drivers::has_ended(version.branch(), node.today));
    let wanted = [
        (operator, in_pod(Origin::Operator) && works(operator, Works::Partly)),
        (pod, in_pod(Origin::InstallerPod) && works(pod, Works::Partly)),
        (host, is_kept && works(host, Works::Partly)),
        (pod, works(pod, Works::Yes)),
        (host, works(host, Works::Yes)),
        (operator, works(operator, Works::Yes)),
        (host, works(host, Works::Partly)),
        (operator, works(operator, Works::Partly)),
        (pod, works(pod, Works::Partly)),
    ];
    if let Some((best, _)) = wanted.into_iter().find(|(_, is_it)| *is_it) {
        for fit in &mut fits {
            fit.recommended = fit.owner == best;
        }
    }
    fits
}

/// Returns the recommended owner; where none works, the first, whose reason then says why not.
pub fn best(fits: &[Fit]) -> DriverOwner {
    fits.iter().find(|fit| fit.recommended).map_or_else(DriverOwner::default, |fit| fit.owner)
}

fn fit(node: &Node<'_>, id: DriverOwner) -> Fit {
    let (works, reason) = cards_misfit(node, of(id))
        .map(|reason| (Works::No, reason))
        .or_else(|| in_place(node, id))
        .or_else(|| role_verdict(node, id))
        .unwrap_or_else(|| by_table(node, id));
    Fit { owner: id, works, reason, recommended: false }
}

/// Returns why no driver that the owner can have serves the cards.
fn cards_misfit(node: &Node<'_>, owner: &dyn Owner) -> Option<Message> {
    if node.cards.is_empty() {
        return None;
    }
    let table = choice::driver_table(node.cards, None, &HostLimits::new(&node.facts.host, owner.source(), node.today));
    if table.drivers.iter().any(|row| row.fits) {
        return None;
    }
    let names: Vec<&str> = node.cards.iter().map(|card| card.name.as_str()).collect();
    let is_mixed = names.iter().any(|name| *name != names[0]);
    let newest = table.drivers.first().and_then(|row| row.reason.as_ref());
    match newest {
        Some(reason) if !is_mixed || reason.id() == "pod-x86-only" || reason.id() == "open-required" => {
            Some(reason.0.clone())
        }
        _ => Some(msg::owner::reason::no_common_driver(names.join(", "))),
    }
}

/// The owner's own driver is on the node already.
fn in_place(node: &Node<'_>, owner: DriverOwner) -> Option<(Works, Message)> {
    let driver = &node.facts.driver;
    let origin = of(owner).trace()?;
    let is_here = has(driver, origin) && !is_on_host(driver) && driver.loaded_version.is_some();
    is_here.then(|| (Works::Yes, msg::owner::reason::is_here(driver.loaded_version.as_deref().unwrap_or_default())))
}

/// What the user's own checkout says of its GPU role beats the table: it knows the control plane's system and an image
/// of one's own.
fn role_verdict(node: &Node<'_>, owner: DriverOwner) -> Option<(Works, Message)> {
    let preview = node.preview.filter(|preview| owner == DriverOwner::InstallerPod && preview.checkout.is_some())?;
    let release = preview.release.clone().unwrap_or_default();
    match preview.capability.verdict {
        Verdict::Works => Some((Works::Yes, msg::owner::reason::role_has_installer())),
        Verdict::NoOp => Some((Works::No, msg::owner::reason::role_does_nothing(release))),
        Verdict::Broken | Verdict::Unknown | Verdict::Unused => None,
    }
}

fn by_table(node: &Node<'_>, owner: DriverOwner) -> (Works, Message) {
    let host = &node.facts.host;
    let release = node.preview.and_then(|preview| preview.release.as_deref());
    let kept = kept_driver(node.facts);
    let Some(row) = rows().iter().find(|row| row.owner == owner && row.holds(node, release, kept.is_some())) else {
        return (Works::Partly, msg::owner::reason::unknown_system(&host.os_name));
    };
    let version = kept.map(|version| version.to_string()).unwrap_or_default();
    let args = [("os", host.os_name.as_str()), ("release", release.unwrap_or("v2.26")), ("driver", &version)];
    let args = args.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    (row.works, Message::named(format!("owner.reason.{}", row.reason), &args))
}

impl Row {
    fn holds(&self, node: &Node<'_>, release: Option<&str>, beside: bool) -> bool {
        let number = release.and_then(Release::parse);
        // An unknown release is taken for an old one where the system is one of those days, and only there.
        let since = self.since.is_none_or(|since| number.as_ref().is_some_and(|release| release.at_least(since)));
        let until = self.until.is_none_or(|until| {
            number.as_ref().is_none_or(|release| !release.at_least(until + 1))
                && (number.is_some() || !(self.known || self.os.is_empty()))
        });
        let runtime = node.facts.host.container_runtime.as_deref();
        since
            && until
            && (self.os.is_empty() || self.os.iter().any(|os| is_system(&node.facts.host, os)))
            && self.runtime.as_deref().is_none_or(|wanted| runtime.is_some_and(|runtime| runtime.starts_with(wanted)))
            && self.beside.is_none_or(|wanted| wanted == beside)
    }
}

/// Tells whether the machine runs a system, as `ubuntu-24.04`, `rhel-9` or `debian`.
fn is_system(host: &HostFacts, system: &str) -> bool {
    let (id, version) = system
        .rsplit_once('-')
        .filter(|(_, version)| version.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or((system, ""));
    let there = host.os_version.as_str();
    host.os_id == id
        && (version.is_empty()
            || there == version
            || there.strip_prefix(version).is_some_and(|rest| rest.starts_with('.')))
}

/// Returns the version of a driver of the host that works: loaded, and of one version with its library. Images of
/// clouds bring drivers that no package knows; where NVML answers with the loaded version and no pod has brought it, it
/// is the host's all the same.
pub(super) fn kept_driver(facts: &Facts) -> Option<Version> {
    let driver = &facts.driver;
    let loaded = driver.loaded_version.as_deref()?;
    let answers = matches!(&driver.nvml, Some(NvmlAnswer::Answer { driver_version, .. }) if driver_version == loaded);
    let is_broken = matches!(driver.nvml, Some(NvmlAnswer::Mismatch | NvmlAnswer::NoDriver | NvmlAnswer::NoLibrary(_)));
    let is_hosts = if is_on_host(driver) { !is_broken } else { answers && !is_of_pod(driver) };
    loaded.parse().ok().filter(|_| is_hosts)
}

impl Fit {
    /// Returns how it fits, in a word or two.
    pub fn word(&self) -> Message {
        match self.works {
            _ if self.recommended => msg::owner::recommended(),
            Works::Yes => msg::owner::works::yes(),
            Works::Partly => msg::owner::works::partly(),
            Works::No => msg::owner::works::no(),
        }
    }
}

/// JSON carries the English reason.
impl Serialize for Fit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Fit", 4)?;
        out.serialize_field("owner", &self.owner)?;
        out.serialize_field("works", &self.works)?;
        out.serialize_field("reason", &self.reason.text(Lang::En))?;
        out.serialize_field("recommended", &self.recommended)?;
        out.end()
    }
}

/// Writes the owners for a person: a line and a reason each.
pub fn report(fits: &[Fit], lang: Lang) -> String {
    let paragraph = |fit: &Fit| {
        let mark = if fit.recommended { "*" } else { " " };
        format!("  {mark} {}: {}\n      {}\n", fit.owner.name(), fit.word().text(lang), fit.reason.text(lang))
    };
    std::iter::once(msg::owner::heading().text(lang) + "\n").chain(fits.iter().map(paragraph)).collect()
}

#[cfg(test)]
mod tests;
