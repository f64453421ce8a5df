//! What the host's driver is made of: which source, branch, kind of module and packages, or why none, as a pure
//! function of facts and answers over `assets/catalog/host-driver.yaml`.
//!
//! Order of the decision: a driver that works is kept; then the sources of this system in the order of
//! [`DriverSource::ALL`], the first with a branch that serves all cards. Ubuntu's signed modules come first: no
//! compiler, and Secure Boot takes them. Debian's archive comes after NVIDIA's repository: its branches are past their
//! support. Source: owners.md of the project's material, 2.1 and 2.2, after NVIDIA's driver installation guide.

use jiff::civil::Date;

use crate::{
    answers::Answers,
    catalog::{
        BranchKind, KernelModule, ModuleKind, gpus,
        host_driver::{self, Build, CudaRepository, DriverSource, PackagedBranch, Place, Source},
    },
    choice::Card,
    facts::{Facts, Origin},
    i18n::Message,
    owner::recommend::kept_driver,
    version::Version,
};

/// What step 2 does about the driver of this host.
#[derive(Debug, Clone, PartialEq)]
pub enum Course {
    /// There is no card to drive.
    Nothing,
    /// The driver that is here works, and stays.
    Adopt(Version),
    /// A driver is installed.
    Install(Box<Recipe>),
}

/// What is installed, from where.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// The source that was chosen; its local repository has the packages of its network repository.
    pub chosen: DriverSource,
    /// The source's row of the catalog.
    pub source: &'static Source,
    /// The branch.
    pub branch: u32,
    /// A whole version, where the answers ask for one.
    pub version: Option<Version>,
    /// The kind of kernel module.
    pub module: ModuleKind,
    /// The packages that bring the driver.
    pub packages: Vec<String>,
    /// NVIDIA's network repository, where the packages are there.
    pub repository: Option<CudaRepository>,
}

impl Recipe {
    /// Tells whether dkms builds the module here.
    pub fn is_built(&self) -> bool {
        self.source.build == Build::Dkms
    }

    /// Tells whether the firmware has to learn a key before it lets the module in.
    pub fn needs_key(&self) -> bool {
        self.is_built() || self.source.enrolls_key
    }

    /// Returns the day NVIDIA's support of the branch ends.
    pub fn end_of_support(&self) -> Option<Date> {
        host_driver::packaged_branch(self.branch).and_then(PackagedBranch::eol)
    }

    /// Tells whether all of this was confirmed by a vendor's document.
    pub fn is_verified(&self) -> bool {
        let branch = host_driver::packaged_branch(self.branch).is_some_and(|row| row.verified);
        self.source.verified && branch && self.repository.as_ref().is_none_or(|repository| repository.verified)
    }
}

/// Why no driver can be installed as the answers want it, with the way out: the text `blocked.<name>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its name.
    pub name: &'static str,
    /// The values of its text.
    pub args: Vec<(&'static str, String)>,
}

impl Refusal {
    fn new<const N: usize>(name: &'static str, args: [(&'static str, String); N]) -> Self {
        Self { name, args: args.into() }
    }

    /// Returns it as a sentence.
    pub fn message(&self) -> Message {
        let args = self.args.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Message::named(format!("blocked.{}", self.name), &args)
    }
}

/// Decides what is done about the driver.
pub fn course(facts: &Facts, answers: &Answers) -> Result<Course, Refusal> {
    let cards = cards(facts, answers);
    if cards.is_empty() {
        return Ok(Course::Nothing);
    }
    let asks = answers.driver_source.is_some() || answers.driver_branch.is_some();
    if let Some(version) = kept_driver(facts) {
        let is_wanted = answers.driver_branch.as_ref().is_none_or(|branch| branch.number() == version.branch());
        if is_wanted && answers.driver_source.is_none() {
            return Ok(Course::Adopt(version));
        }
    }
    demand_clean(facts)?;
    let module = module_for(&cards)?;
    let found = match answers.driver_source {
        Some(chosen) => of_source(facts, answers, &cards, module, chosen),
        None => first_that_fits(facts, answers, &cards, module, asks),
    };
    found.map(|recipe| Course::Install(Box::new(recipe)))
}

/// Returns this machine's cards, or those that are expected.
pub fn cards(facts: &Facts, answers: &Answers) -> Vec<Card> {
    match &answers.gpus {
        Some(ids) => ids.iter().filter_map(|id| gpus::lookup(id).ok()).map(|model| Card::from(&model)).collect(),
        None => facts.gpus.iter().map(Card::from).collect(),
    }
}

/// A driver that no package brought would be there beside the packages', and a guest's driver has to be that of its
/// host.
fn demand_clean(facts: &Facts) -> Result<(), Refusal> {
    if let Some(sign) = &facts.driver.vgpu_guest {
        return Err(Refusal::new("vgpu-guest", [("sign", sign.clone())]));
    }
    let runfile = facts.driver.ledger.iter().find(|entry| entry.origin == Origin::Runfile);
    runfile.map_or(Ok(()), |entry| {
        let args = [("version", entry.name.clone()), ("uninstaller", entry.source.clone())];
        Err(Refusal::new("runfile-driver-here", args))
    })
}

/// The kind of module that all cards take. The open one where either will do: it is NVIDIA's default from Turing on.
pub(super) fn module_for(cards: &[Card]) -> Result<ModuleKind, Refusal> {
    let with = |wanted: KernelModule| cards.iter().find(|card| card.kernel_module == wanted);
    match (with(KernelModule::OpenRequired), with(KernelModule::ProprietaryOnly)) {
        (Some(open), Some(closed)) => {
            Err(Refusal::new("mixed-cards", [("open", open.name.clone()), ("closed", closed.name.clone())]))
        }
        (None, Some(_)) => Ok(ModuleKind::Proprietary),
        _ => Ok(ModuleKind::Open),
    }
}

/// Tries the sources in their order; the reason of the first is told where none fits.
fn first_that_fits(
    facts: &Facts,
    answers: &Answers,
    cards: &[Card],
    module: ModuleKind,
    asks: bool,
) -> Result<Recipe, Refusal> {
    let is_given = answers.local_repository.is_some();
    if is_given {
        return of_source(facts, answers, cards, module, DriverSource::LocalRepository);
    }
    let order = DriverSource::ALL.into_iter().filter(|source| *source != DriverSource::LocalRepository);
    let mut first = None;
    for chosen in order.filter(|chosen| row_of(facts, *chosen).is_some()) {
        match of_source(facts, answers, cards, module, chosen) {
            Ok(recipe) => return Ok(recipe),
            // A key that only the user can confirm is asked for before a source of second choice is taken in silence.
            Err(refusal) if refusal.name == "key-not-known" && !asks => return Err(refusal),
            Err(refusal) => first = first.or(Some(refusal)),
        }
    }
    Err(first.unwrap_or_else(|| Refusal::new("no-package-source", [("os", facts.host.os_name.clone())])))
}

pub(super) fn row_of(facts: &Facts, chosen: DriverSource) -> Option<&'static Source> {
    let id = if chosen == DriverSource::LocalRepository { DriverSource::Nvidia } else { chosen };
    host_driver::sources(facts.host.system()).find(|source| source.id == id)
}

/// Makes the recipe for one source.
pub(super) fn of_source(
    facts: &Facts,
    answers: &Answers,
    cards: &[Card],
    module: ModuleKind,
    chosen: DriverSource,
) -> Result<Recipe, Refusal> {
    let system = facts.host.system();
    let Some(source) = row_of(facts, chosen) else {
        let there: Vec<_> = host_driver::sources(system).map(|source| source.id.name()).collect();
        let args =
            [("source", chosen.name().to_owned()), ("os", facts.host.os_name.clone()), ("sources", there.join(", "))];
        return Err(Refusal::new("source-not-here", args));
    };
    let needs_open = cards.iter().any(|card| card.kernel_module == KernelModule::OpenRequired);
    let module = if source.proprietary_first && !needs_open { ModuleKind::Proprietary } else { module };
    let branch = branch_of(source, facts, answers, cards, module)?;
    let Some(packages) = source.packages(branch, module, system) else {
        return Err(no_module(chosen, branch, module));
    };
    let is_local = chosen == DriverSource::LocalRepository;
    if is_local && (answers.local_repository.is_none() || answers.local_repository_sha256.is_none()) {
        return Err(Refusal::new("no-local-repository", []));
    }
    let repository = (source.repository == Place::Cuda && !is_local)
        .then(|| host_driver::cuda_repository(system, &facts.host.architecture, answers.package_mirror.as_deref()))
        .flatten();
    if let Some(repository) = &repository {
        demand_key(repository, answers)?;
    }
    // One whole version can only be had where more than one is kept.
    let version =
        answers.driver_version.clone().filter(|version| version.branch() == branch && source.repository == Place::Cuda);
    Ok(Recipe { chosen, source, branch, version, module, packages, repository })
}

/// A key whose fingerprint nobody has confirmed is not taken, unless the user has looked at it and says so.
fn demand_key(repository: &CudaRepository, answers: &Answers) -> Result<(), Refusal> {
    if repository.key.fingerprint.is_some() || answers.repository_key.is_some() {
        return Ok(());
    }
    Err(Refusal::new("key-not-known", [("address", format!("{}/{}", repository.address, repository.key.file))]))
}

fn no_module(chosen: DriverSource, branch: u32, module: ModuleKind) -> Refusal {
    let name = match module {
        ModuleKind::Open => "no-open-packages",
        ModuleKind::Proprietary => "no-proprietary-packages",
    };
    Refusal::new(name, [("source", chosen.name().to_owned()), ("branch", format!("R{branch}"))])
}

/// Returns the branch: the one that was asked for, if the source has it and the cards take it; else the best that the
/// source has.
fn branch_of(
    source: &Source,
    facts: &Facts,
    answers: &Answers,
    cards: &[Card],
    module: ModuleKind,
) -> Result<u32, Refusal> {
    let has = source.branches(facts.host.system());
    let asked = answers.driver_branch.as_ref().map(|branch| branch.number());
    let asked = asked.or_else(|| answers.driver_version.as_ref().map(Version::branch));
    if let Some(branch) = asked {
        if !has.contains(&branch) {
            let has: Vec<_> = has.iter().map(|branch| format!("R{branch}")).collect();
            let args =
                [("source", source.id.name().to_owned()), ("branch", format!("R{branch}")), ("has", has.join(", "))];
            return Err(Refusal::new("branch-not-here", args));
        }
        return misfit(branch, cards, source).map_or(Ok(branch), Err);
    }
    let fits = |branch: &&u32| {
        misfit(**branch, cards, source).is_none() && source.packages(**branch, module, facts.host.system()).is_some()
    };
    let best = has.iter().filter(fits).max_by_key(|branch| rank(**branch)).copied();
    best.ok_or_else(|| why_none(source, facts, cards, module))
}

/// Confirmed before unconfirmed, for nodes before others, long-term support before all others, and then what is
/// supported for longest.
fn rank(branch: u32) -> (bool, bool, bool, bool, Option<Date>, u32) {
    let row = host_driver::packaged_branch(branch);
    let kind = row.map_or(BranchKind::Legacy, PackagedBranch::kind);
    (
        row.is_some_and(|row| row.verified),
        row.is_some_and(|row| row.for_nodes),
        kind == BranchKind::LongTerm,
        kind.is_for_production(),
        row.and_then(PackagedBranch::eol),
        branch,
    )
}

/// Why a branch does not serve one of the cards.
fn misfit(branch: u32, cards: &[Card], source: &Source) -> Option<Refusal> {
    cards.iter().find_map(|card| {
        let args = |limit: u32| {
            [
                ("source", source.id.name().to_owned()),
                ("branch", format!("R{branch}")),
                ("card", card.name.clone()),
                ("limit", format!("R{limit}")),
            ]
        };
        match (card.first_branch, card.last_branch) {
            (Some(first), _) if branch < first => Some(Refusal::new("branch-before-card", args(first))),
            (_, Some(last)) if branch > last => Some(Refusal::new("branch-after-card", args(last))),
            _ => None,
        }
    })
}

/// Why none of a source's branches will do: those that the cards take lack the kind of module, or the newest does not
/// serve a card.
fn why_none(source: &Source, facts: &Facts, cards: &[Card], module: ModuleKind) -> Refusal {
    let has = source.branches(facts.host.system());
    let newest = has.last().copied().unwrap_or_default();
    let taken = has.into_iter().rfind(|branch| misfit(*branch, cards, source).is_none());
    match taken {
        Some(branch) => no_module(source.id, branch, module),
        None => misfit(newest, cards, source).unwrap_or_else(|| no_module(source.id, newest, module)),
    }
}

#[cfg(test)]
mod tests;
