//! Whether a scenario of one's own is sound: what does not read, what names nothing, what nobody sets; by file and line.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
};

use super::{
    Scenario,
    failure::{self, Failure},
    rule::Rule,
    scenario::ScenarioError,
};
use crate::{
    bounded,
    i18n::{Message, msg},
};

/// One fault of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: PathBuf,
    /// Its line, counted from 1; 0 where the fault is the whole file's.
    pub line: usize,
    /// What is wrong.
    pub what: Message,
}

/// A file of the scenario with its lines, to say where a word stands.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    fn read(folder: &Path, name: &str) -> Self {
        let path = folder.join(name);
        let text = bounded::read_text(&path, bounded::MOST_BY_HAND).unwrap_or_default();
        Self { path, text }
    }

    /// Returns the fault at the first line that has the word.
    fn fault(&self, word: &str, what: Message) -> Fault {
        let line = self.text.lines().position(|line| line.contains(word)).map_or(0, |line| line + 1);
        Fault { file: self.path.clone(), line, what }
    }
}

/// Returns everything that is wrong with a scenario in a folder, in the order of its files.
pub fn check(folder: &Path) -> Vec<Fault> {
    match failure::load(folder) {
        Ok(scenario) => faults(&scenario, folder),
        Err(error) => vec![unreadable(folder, &error)],
    }
}

/// A file that does not read: the reader's words hold the line.
fn unreadable(folder: &Path, error: &ScenarioError) -> Fault {
    let (file, reason) = match error {
        ScenarioError::Unknown { .. } => {
            let source = Source::read(folder, "scenario.yaml");
            return source.fault("failure:", error.message());
        }
        ScenarioError::Unreadable { file, reason } => (file, reason),
    };
    let line = reason
        .split("line ")
        .nth(1)
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|number| number.parse().ok()));
    let name = Path::new(file).file_name().map_or_else(|| folder.to_owned(), |name| folder.join(name));
    Fault { file: name, line: line.unwrap_or(0), what: msg::scenarios::unreadable(reason) }
}

fn faults(scenario: &Scenario, folder: &Path) -> Vec<Fault> {
    let (head, commands) = (Source::read(folder, "scenario.yaml"), Source::read(folder, "commands.yaml"));
    let about = &scenario.about;
    let mut faults = Vec::new();
    for (name, texts) in [("title", &about.title), ("lesson", &about.lesson)] {
        let missing = ["en", "ko"].iter().filter(|code| texts.get(**code).is_none_or(String::is_empty));
        faults.extend(missing.map(|code| head.fault(&format!("{name}:"), msg::scenarios::no_text(code, name))));
    }
    if let Some(flag) = about.failure.as_ref().filter(|name| !Failure::names().contains(name)) {
        faults.push(head.fault("failure:", msg::scenarios::no_failure(flag)));
    }
    let folders = about.layers.iter().filter_map(|layer| layer.folder.as_ref());
    let missing = folders.filter(|name| !scenario.layers.contains_key(*name));
    faults.extend(missing.map(|name| head.fault(&format!("folder: {name}"), msg::scenarios::no_folder(name))));
    for rule in &scenario.rules {
        faults.extend(rule_faults(scenario, rule, &commands));
    }
    faults.extend(unset(scenario, &head, &commands));
    faults
}

fn rule_faults(scenario: &Scenario, rule: &Rule, commands: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    if rule.command.is_empty() || rule.command.iter().rev().skip(1).any(|word| word == "...") {
        let word = rule.command.first().map_or("command:", String::as_str);
        faults.push(commands.fault(word, msg::scenarios::pattern()));
    }
    let own = rule.write.values().filter_map(|text| text.strip_prefix('@'));
    for name in rule.output_file.iter().map(String::as_str).chain(own) {
        if !scenario.outputs.contains_key(name) {
            faults.push(commands.fault(name, msg::scenarios::no_output(name)));
        }
    }
    faults
}

/// Flags that something waits for and nothing sets.
fn unset(scenario: &Scenario, head: &Source, commands: &Source) -> Vec<Fault> {
    let about = &scenario.about;
    let begin = about.flags.iter().cloned();
    let set = scenario.rules.iter().flat_map(|rule| rule.set.iter().cloned());
    let boot = about.on_boot.iter().flat_map(|rule| rule.set.iter().cloned());
    let known: BTreeSet<String> = begin.chain(set).chain(boot).collect();
    let is_void = |flag: &&String| {
        let name = flag.trim_start_matches('!');
        !flag.starts_with('!') && !name.starts_with("package:") && !known.contains(name)
    };
    // What the built-in machine below leaves to scenarios like this one is no fault of theirs.
    let of_base: BTreeSet<String> =
        about.base.iter().filter_map(|base| Scenario::built_in(base).ok()).flat_map(|base| waited(&base)).collect();
    let mut faults = Vec::new();
    for flag in waited(scenario).iter().filter(is_void).filter(|flag| !of_base.contains(*flag)) {
        let source = if commands.text.contains(flag.as_str()) { commands } else { head };
        faults.push(source.fault(flag, msg::scenarios::no_flag(flag)));
    }
    faults
}

/// Every flag that a rule, a layer, NVML or a boot waits for.
fn waited(scenario: &Scenario) -> BTreeSet<String> {
    let about = &scenario.about;
    let rules = scenario.rules.iter().flat_map(|rule| &rule.when);
    let layers = about.layers.iter().flat_map(|layer| &layer.when);
    let nvml = about.nvml.iter().flat_map(|rule| &rule.when);
    let boot = about.on_boot.iter().flat_map(|rule| &rule.when);
    rules.chain(layers).chain(nvml).chain(boot).cloned().collect()
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    const HEAD: &str = "title: {en: a, ko: b}\nlesson: {en: a, ko: b}\n";

    #[test]
    fn what_is_wrong_is_told_by_file_and_line() {
        for (head, commands, line, id) in [
            ("title: {en: a}\nlesson: {en: a, ko: b}\n", "[]\n", 1, "scenarios.no-text"),
            (&format!("{HEAD}nonsense: 1\n"), "[]\n", 3, "scenarios.unreadable"),
            (&format!("{HEAD}failure: nobody\n"), "[]\n", 3, "error.scenario.unknown"),
            (&format!("{HEAD}layers: [{{folder: there}}]\n"), "[]\n", 3, "scenarios.no-folder"),
            (HEAD, "- command: [a]\n  when: [never]\n", 2, "scenarios.no-flag"),
            (HEAD, "- command: [a]\n- command: [b, '...', c]\n", 2, "scenarios.pattern"),
            (HEAD, "- command: [a]\n  output_file: logs/x.txt\n", 2, "scenarios.no-output"),
        ] {
            let place = folder(&[("scenario.yaml", head), ("commands.yaml", commands)]);
            let faults = check(place.path());
            assert_eq!(faults.len(), 1, "{head}{commands}{faults:?}");
            assert_eq!((faults[0].line, faults[0].what.key()), (line, id), "{faults:?}");
        }
    }

    #[test]
    fn one_line_makes_a_failure_of_a_machine() {
        let place = folder(&[("scenario.yaml", "base: seed\nfailure: driver-404\n")]);
        assert_eq!(check(place.path()), []);
        let scenario = failure::load(place.path()).unwrap();
        assert!(scenario.rules.iter().any(|rule| rule.output.contains("404")), "its log");
        assert!(!scenario.about.lesson.is_empty() && !scenario.about.hint.is_empty());
    }
}
