//! Failures to practise. Each is one file of `assets/failures`: state, logs and objects that go wrong together on a
//! machine, with what one learns of it. A scenario takes one with the line `failure: NAME`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use include_dir::{Dir, include_dir};
use serde::Deserialize;

use super::{
    Scenario, ScenarioError,
    rule::{Flags, Rule},
    scenario::{About, BootRule, NvmlRule, Texts, parse},
};

static FAILURES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/assets/failures");

/// What goes wrong, and what is learned from it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The built-in scenario whose machine it happens on.
    pub base: String,
    /// One line.
    pub title: Texts,
    /// What one learns.
    pub lesson: Texts,
    /// Where to look, for those who are stuck.
    pub hint: Texts,
    /// What a solution must show.
    pub solved: Texts,
    /// What the person of the story has decided before.
    #[serde(default)]
    answers: Option<serde_json::Value>,
    /// Flags in force at the start, besides the machine's own.
    #[serde(default)]
    flags: Flags,
    /// Files that are other than the machine's.
    #[serde(default)]
    files: BTreeMap<PathBuf, String>,
    /// Rules before the machine's own.
    #[serde(default)]
    rules: Vec<Rule>,
    /// Answers of NVML before the machine's own.
    #[serde(default)]
    nvml: Vec<NvmlRule>,
    /// What a reboot changes besides.
    #[serde(default)]
    on_boot: Vec<BootRule>,
}

impl Failure {
    /// Returns the names of all failures.
    pub fn names() -> Vec<String> {
        let stem = |path: &Path| Some(path.file_stem()?.to_string_lossy().into_owned());
        let mut names: Vec<_> = FAILURES.files().filter_map(|file| stem(file.path())).collect();
        names.sort();
        names
    }

    /// Returns the failure of this name.
    pub fn named(name: &str) -> Result<Self, ScenarioError> {
        let file = format!("{name}.yaml");
        let unknown = || ScenarioError::Unknown {
            name: crate::text::printable(name),
            known: Scenario::names().into_iter().chain(Self::names()).collect::<Vec<_>>().join(", "),
        };
        parse(&file, FAILURES.get_file(&file).ok_or_else(unknown)?.contents())
    }

    /// Lays it over a machine. What the scenario says itself stays.
    fn lay_over(self, scenario: &mut Scenario) {
        let about = &mut scenario.about;
        for (own, of_failure) in [
            (&mut about.title, self.title),
            (&mut about.lesson, self.lesson),
            (&mut about.hint, self.hint),
            (&mut about.solved, self.solved),
        ] {
            if own.is_empty() {
                *own = of_failure;
            }
        }
        about.answers = about.answers.take().or(self.answers);
        about.flags.extend(self.flags);
        about.nvml.splice(0..0, self.nvml);
        about.on_boot.extend(self.on_boot);
        scenario.rules.splice(0..0, self.rules);
        let rootfs = scenario.layers.entry("rootfs".to_owned()).or_default();
        rootfs.extend(self.files.into_iter().map(|(path, text)| (path, text.into_bytes())));
    }
}

/// Returns the built-in scenario of this name, or the failure of this name on its machine.
pub fn named(name: &str) -> Result<Scenario, ScenarioError> {
    if Scenario::names().iter().any(|known| known == name) {
        return complete(Scenario::built_in(name)?);
    }
    let failure = Failure::named(name)?;
    let about = About { failure: Some(name.to_owned()), ..About::default() };
    let base = Scenario::built_in(&failure.base)?;
    complete(Scenario { name: name.to_owned(), about, ..Scenario::default() }.over(base))
}

/// Reads a scenario from a folder or from one file, with its failure.
pub fn load(path: &Path) -> Result<Scenario, ScenarioError> {
    complete(Scenario::load(path)?)
}

/// Lets the failure come about that the scenario names.
fn complete(mut scenario: Scenario) -> Result<Scenario, ScenarioError> {
    if let Some(name) = scenario.about.failure.clone() {
        Failure::named(&name)?.lay_over(&mut scenario);
    }
    Ok(scenario)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_is_a_scenario_that_says_all_it_must_in_both_languages() {
        assert!(!Failure::names().is_empty());
        for name in Failure::names() {
            let about = named(&name).unwrap().about;
            for (what, texts) in
                [("title", about.title), ("lesson", about.lesson), ("hint", about.hint), ("solved", about.solved)]
            {
                assert!(["en", "ko"].iter().all(|code| texts.contains_key(*code)), "{what} of {name}");
            }
        }
    }
}
