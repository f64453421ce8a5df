//! The ways to the host's driver that a person may choose: the recommended one, and every branch of every source.

use super::{
    offers,
    recipe::{self, Course, Recipe, Refusal},
};
use crate::{
    answers::Answers,
    catalog::{ModuleKind, host_driver::DriverSource},
    facts::Facts,
    i18n::{Lang, msg},
    input::DriverBranch,
};

/// One way.
#[derive(Debug, Clone, PartialEq)]
pub struct Way {
    /// The source; absent in the recommended way.
    pub source: Option<DriverSource>,
    /// Its branch; absent in the recommended way.
    pub branch: Option<DriverBranch>,
    /// Where it leads, or why nowhere.
    pub course: Result<Course, Refusal>,
}

/// Returns all ways, the recommended one first.
pub(super) fn ways(facts: &Facts, answers: &Answers) -> Vec<Way> {
    let way = |source: Option<DriverSource>, branch: Option<DriverBranch>| {
        let wanted = Answers { driver_source: source, driver_branch: branch, ..answers.clone() };
        Way { source, branch, course: recipe::course(facts, &wanted) }
    };
    let mut ways = vec![way(None, None)];
    for offer in offers::offers(facts, answers) {
        let newest_first = offer.branches.iter().rev().filter_map(|branch| DriverBranch::try_from(*branch).ok());
        ways.extend(newest_first.map(|branch| way(Some(offer.source), Some(branch))));
    }
    // What only a file of answers can ask for is shown as it is.
    if !ways.iter().any(|way| way.is_chosen(answers)) {
        ways.push(way(answers.driver_source, answers.driver_branch));
    }
    ways
}

impl Way {
    /// Tells whether the answers ask for it.
    pub fn is_chosen(&self, answers: &Answers) -> bool {
        (self.source, self.branch) == (answers.driver_source, answers.driver_branch)
    }

    /// Tells whether it is the one that needs no answer.
    pub fn is_recommended(&self) -> bool {
        self.source.is_none() && self.branch.is_none()
    }

    /// Puts it into the answers.
    pub fn take(&self, answers: &mut Answers) {
        (answers.driver_source, answers.driver_branch) = (self.source, self.branch);
    }

    /// Returns what it brings, in a line.
    pub fn title(&self, lang: Lang) -> String {
        let from = |branch: String, source: DriverSource| msg::way::install(branch, source.title().text(lang));
        let title = match (&self.course, self.source, self.branch) {
            (Ok(Course::Adopt(version)), ..) => msg::way::keep(version),
            (Ok(Course::Install(recipe)), ..) => from(format!("R{}", recipe.branch), recipe.chosen),
            (_, Some(source), Some(branch)) => from(format!("R{}", branch.number()), source),
            _ => msg::way::none(),
        };
        title.text(lang)
    }

    /// Returns why it is recommended, what else is to be known of it, or why it cannot work.
    pub fn reason(&self, lang: Lang) -> String {
        match &self.course {
            Err(refusal) => refusal.message().text(lang),
            Ok(Course::Nothing) => msg::way::no_card().text(lang),
            Ok(Course::Adopt(_)) => msg::way::keep::why().text(lang),
            Ok(Course::Install(recipe)) => self.of_recipe(recipe, lang),
        }
    }

    fn of_recipe(&self, recipe: &Recipe, lang: Lang) -> String {
        let end = recipe.end_of_support().map_or_else(|| "?".to_owned(), |date| date.to_string());
        let module = if recipe.module == ModuleKind::Open { "open" } else { "proprietary" };
        let told = if self.is_recommended() { msg::way::first(&end, module) } else { msg::way::other(&end, module) };
        let doubt = (!recipe.is_verified()).then(|| format!(" ({})", msg::drivers::sources::unverified().text(lang)));
        told.text(lang) + &doubt.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{answers::DriverOwner, owner};

    fn machine(id: &str, version: &str) -> Facts {
        let mut facts = Facts::default();
        (facts.host.os_id, facts.host.os_version) = (id.to_owned(), version.to_owned());
        (facts.host.os_name, facts.host.architecture) = (format!("{id} {version}"), "x86_64".to_owned());
        "6.8.0-45-generic".clone_into(&mut facts.host.kernel);
        facts
    }

    fn answers(card: &str) -> Answers {
        Answers::parse(&format!("driver_owner: host\ngpus: [\"{card}\"]\n"), "a.yaml").unwrap()
    }

    #[test]
    fn the_recommended_way_comes_first_and_all_others_say_what_they_bring_or_why_not() {
        for (id, version) in
            [("ubuntu", "24.04"), ("debian", "12"), ("debian", "13"), ("rocky", "9.4"), ("sles", "15.6")]
        {
            for card in ["10de:2331", "10de:1db6", "10de:2901"] {
                let (facts, mut answers) = (machine(id, version), answers(card));
                let ways = ways(&facts, &answers);
                assert!(ways.len() > 2 && ways[0].is_recommended() && ways[0].is_chosen(&answers), "{id} {version}");
                for way in &ways {
                    for lang in [Lang::En, Lang::Ko] {
                        let told = format!("{}: {}", way.title(lang), way.reason(lang));
                        assert!(!told.contains(['{', '}']) && !told.contains("way."), "{told}");
                    }
                    // What is shown is what is then planned.
                    way.take(&mut answers);
                    assert_eq!(recipe::course(&facts, &answers), way.course);
                }
            }
        }
    }

    #[test]
    fn a_source_is_named_as_people_know_it() {
        let ways = ways(&machine("ubuntu", "24.04"), &answers("10de:2331"));
        assert_eq!(ways[0].title(Lang::En), "R580 from Ubuntu's archive, modules built and signed by Canonical");
    }

    #[test]
    fn an_owner_that_installs_no_packages_has_no_ways() {
        let mut answers = answers("10de:2331");
        for owner in [DriverOwner::InstallerPod, DriverOwner::Operator] {
            answers.driver_owner = owner;
            assert!(owner::ways(&machine("ubuntu", "24.04"), &answers).is_empty(), "{owner:?}");
        }
    }
}
