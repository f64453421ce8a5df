//! The sources of driver packages for this machine, as `gpunode drivers --owner host` shows them.

use serde::Serialize;

use super::recipe::{self, Course, Recipe, Refusal};
use crate::{
    answers::Answers,
    catalog::host_driver::{self, DriverSource, PackagedBranch},
    facts::Facts,
    i18n::{Lang, msg},
};

/// A source of this system, with what it would bring or why it brings nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The source.
    pub source: DriverSource,
    /// The branches that it has.
    pub branches: Vec<u32>,
    /// What would be installed from it.
    pub recipe: Result<Recipe, Refusal>,
    /// It is the one that is taken.
    pub is_chosen: bool,
}

/// The documented form of an offer.
#[derive(Debug, Serialize)]
pub struct OfferRow {
    source: DriverSource,
    branches: Vec<u32>,
    branch: Option<u32>,
    module: Option<crate::catalog::ModuleKind>,
    packages: Vec<String>,
    verified: Option<bool>,
    reason: Option<String>,
    chosen: bool,
}

/// Returns all sources of this system, in the order in which they are tried.
pub fn offers(facts: &Facts, answers: &Answers) -> Vec<Offer> {
    let cards = recipe::cards(facts, answers);
    let module = recipe::module_for(&cards);
    let taken = match recipe::course(facts, answers) {
        Ok(Course::Install(recipe)) => Some(recipe.chosen),
        _ => None,
    };
    let offer = |source: DriverSource| {
        let row = recipe::row_of(facts, source)?;
        let recipe = module.clone().and_then(|module| recipe::of_source(facts, answers, &cards, module, source));
        Some(Offer { source, branches: row.branches(facts.host.system()), recipe, is_chosen: taken == Some(source) })
    };
    DriverSource::ALL.into_iter().filter_map(offer).collect()
}

/// Returns them as programs get them; reasons are English.
pub fn rows(offers: &[Offer]) -> Vec<OfferRow> {
    let row = |offer: &Offer| {
        let recipe = offer.recipe.as_ref().ok();
        OfferRow {
            source: offer.source,
            branches: offer.branches.clone(),
            branch: recipe.map(|recipe| recipe.branch),
            module: recipe.map(|recipe| recipe.module),
            packages: recipe.map(|recipe| recipe.packages.clone()).unwrap_or_default(),
            verified: recipe.map(Recipe::is_verified),
            reason: offer.recipe.as_ref().err().map(|refusal| refusal.message().text(Lang::En)),
            chosen: offer.is_chosen,
        }
    };
    offers.iter().map(row).collect()
}

/// Writes them for a person: a line and what follows from it each.
pub fn report(offers: &[Offer], lang: Lang) -> String {
    let mut out = msg::drivers::sources::heading().text(lang) + "\n";
    if offers.is_empty() {
        out += &format!("    {}\n", msg::drivers::sources::none().text(lang));
    }
    for offer in offers {
        let mark = if offer.is_chosen { "*" } else { " " };
        let branches = offer.branches.iter().map(|branch| branch_told(*branch)).collect::<Vec<_>>().join(", ");
        out += &format!("  {mark} {}: {branches}\n", offer.source.name());
        let below = match &offer.recipe {
            Err(refusal) => refusal.message().text(lang),
            Ok(recipe) => {
                let packages = format!("R{} ({:?}): {}", recipe.branch, recipe.module, recipe.packages.join(" "));
                let doubt = if recipe.is_verified() {
                    String::new()
                } else {
                    format!(" — {}", msg::drivers::sources::unverified().text(lang))
                };
                packages + &doubt
            }
        };
        out += &format!("      {below}\n");
    }
    out
}

/// A branch with the day its support ends.
fn branch_told(branch: u32) -> String {
    let end = host_driver::packaged_branch(branch).and_then(PackagedBranch::eol);
    end.map_or_else(|| format!("R{branch}"), |end| format!("R{branch} (→ {end})"))
}
