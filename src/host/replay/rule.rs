//! A rule: how a simulated machine answers a command, and under which flags.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// Flags in force; `!name` in a condition asks for the absence of `name`.
pub type Flags = BTreeSet<String>;

/// How a command is answered. The first rule whose pattern and flags fit is taken.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Program and arguments: each as it is, `*` inside a word for any characters, `...` for any further arguments.
    /// What the first `*` stands for replaces `{1}` in `output`, `write` and `remove`, and so on; `{stdin}` there is
    /// what the command reads.
    pub command: Vec<String>,
    /// All of these must hold.
    #[serde(default)]
    pub when: Vec<String>,
    /// Each of these files, or of the files below such a folder, must have a line with this text; a line that `#` makes
    /// a comment is none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub found: BTreeMap<PathBuf, String>,
    /// What it reads from its standard input must hold this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// What it prints.
    #[serde(default)]
    pub output: String,
    /// A file of the scenario that it prints, after `output`. Where its name ends with `.in`, a line may begin with
    /// `?flag,!flag|` and is printed, without that, only while these flags hold.
    #[serde(default)]
    pub output_file: Option<String>,
    /// A file of the machine that it prints as it is then, after the other two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prints: Option<PathBuf>,
    /// What it prints to standard error.
    #[serde(default)]
    pub errors: String,
    /// Seconds before the first line.
    #[serde(default)]
    pub delay: f64,
    /// Seconds between two lines.
    #[serde(default)]
    pub pace: f64,
    /// Its exit status.
    #[serde(default)]
    pub exit: i32,
    /// Flags that come into force when it ends.
    #[serde(default)]
    pub set: Vec<String>,
    /// Flags that go when it ends.
    #[serde(default)]
    pub clear: Vec<String>,
    /// Files it leaves: the text by path, or `@name` for the bytes of a file of the scenario.
    #[serde(default)]
    pub write: BTreeMap<PathBuf, String>,
    /// Files it removes.
    #[serde(default)]
    pub remove: Vec<PathBuf>,
    /// The machine reboots.
    #[serde(default)]
    pub reboot: bool,
}

/// Returns the lines of a file that a rule prints, of a `.in` file those that count under `flags`.
pub(super) fn lines_under(name: &str, text: &str, flags: &Flags) -> String {
    if Path::new(name).extension().is_none_or(|end| end != "in") {
        return text.to_owned();
    }
    let line = |line: &str| match line.strip_prefix('?').and_then(|rest| rest.split_once('|')) {
        Some((conditions, rest)) => {
            let conditions: Vec<String> = conditions.split(',').map(str::to_owned).collect();
            holds(&conditions, flags).then(|| format!("{rest}\n"))
        }
        None => Some(format!("{line}\n")),
    };
    text.lines().filter_map(line).collect()
}

/// Tells whether all conditions hold: `name`, or `!name` for its absence.
pub(super) fn holds(conditions: &[String], flags: &Flags) -> bool {
    conditions.iter().all(|condition| match condition.strip_prefix('!') {
        Some(name) => !flags.contains(name),
        None => flags.contains(condition),
    })
}

impl Rule {
    /// Returns what the `*` of the pattern stand for, if this rule answers `argv` under `flags`.
    pub(super) fn captures(&self, argv: &[String], flags: &Flags) -> Option<Vec<String>> {
        let open = self.command.last().is_some_and(|word| word == "...");
        let words = &self.command[..self.command.len() - usize::from(open)];
        let long_enough = if open { argv.len() >= words.len() } else { argv.len() == words.len() };
        if !long_enough || !holds(&self.when, flags) {
            return None;
        }
        let found: Option<Vec<_>> = words.iter().zip(argv).map(|(pattern, word)| captures(pattern, word)).collect();
        found.map(|found| found.concat())
    }

    /// Tells whether the command changes the machine: what only answers must not write the machine's state.
    pub(super) fn changes(&self) -> bool {
        self.reboot
            || !(self.set.is_empty() && self.clear.is_empty() && self.write.is_empty() && self.remove.is_empty())
    }

    /// Returns the rule with `{1}`, `{2}`, … replaced by what the first, second, … `*` stands for.
    #[must_use]
    pub(super) fn filled(&self, captures: &[String], stdin: &str) -> Self {
        let fill = |text: &str| {
            let text = text.replace("{stdin}", stdin);
            captures
                .iter()
                .enumerate()
                .fold(text, |text, (index, found)| text.replace(&format!("{{{}}}", index + 1), found))
        };
        let path = |path: &Path| PathBuf::from(fill(&path.display().to_string()));
        Self {
            output: fill(&self.output),
            write: self.write.iter().map(|(file, text)| (path(file), fill(text))).collect(),
            remove: self.remove.iter().map(|file| path(file)).collect(),
            ..self.clone()
        }
    }
}

/// Matches a word against a pattern in which each `*` stands for any characters, and returns what they stand for.
fn captures(pattern: &str, word: &str) -> Option<Vec<String>> {
    let Some((head, rest)) = pattern.split_once('*') else { return (pattern == word).then(Vec::new) };
    let mut tail = word.strip_prefix(head)?;
    let mut found = Vec::new();
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        let at = if parts.peek().is_none() {
            tail.ends_with(part).then(|| tail.len() - part.len())?
        } else {
            tail.find(part)?
        };
        found.push(tail[..at].to_owned());
        tail = &tail[at + part.len()..];
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_words() {
        for (pattern, word, fits) in [
            ("a", "a", true),
            ("a", "b", false),
            ("*", "", true),
            ("kernel-*-el7", "kernel-3.10-el7", true),
            ("*x*y", "axby", true),
            ("*x*y", "ayx", false),
        ] {
            assert_eq!(captures(pattern, word).is_some(), fits, "{pattern} {word}");
        }
    }

    #[test]
    fn rules_fit_by_length_and_flags() {
        let rule = Rule { command: vec!["ls".into(), "...".into()], when: vec!["!off".into()], ..Rule::default() };
        let argv = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let fits = |words: &[&str], flags: &Flags| rule.captures(&argv(words), flags).is_some();
        assert!(fits(&["ls"], &Flags::new()));
        assert!(fits(&["ls", "-l", "/"], &Flags::new()));
        assert!(!fits(&["ls"], &Flags::from(["off".to_owned()])));
        assert!(!fits(&["cat"], &Flags::new()));
    }

    #[test]
    fn a_line_of_a_conditional_file_counts_under_its_flags() {
        let text = "{\n?cordoned,!gone|  \"unschedulable\": true\n?!cordoned|  \"ready\": true\n}";
        let cordoned = Flags::from(["cordoned".to_owned()]);
        assert_eq!(lines_under("node.json.in", text, &cordoned), "{\n  \"unschedulable\": true\n}\n");
        assert_eq!(lines_under("node.json.in", text, &Flags::new()), "{\n  \"ready\": true\n}\n");
        assert_eq!(lines_under("node.json", text, &cordoned), text);
    }

    #[test]
    fn what_a_star_stands_for_comes_back() {
        let rule =
            Rule { command: vec!["sh".into(), "*-*.run".into()], output: "{2} of {1}".into(), ..Rule::default() };
        let found = rule.captures(&["sh".to_owned(), "cuda-11.0.run".to_owned()], &Flags::new()).unwrap();
        assert_eq!(rule.filled(&found, "").output, "11.0 of cuda");
    }
}
