//! The output of `ansible-playbook`, line by line: how far it is, what failed, and the final recap.

use serde::Serialize;
use serde_json::Value;

use crate::text::printable;

/// How far a playbook has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Tasks of the whole run by `--list-tasks`, when known. Included tasks are not listed, so more may come.
    pub total: Option<usize>,
    /// Tasks begun.
    pub tasks: usize,
    /// The play that runs.
    pub play: Option<String>,
    /// The task that runs.
    pub task: Option<String>,
    /// What failed and was not ignored.
    pub failures: Vec<Failure>,
    /// The rows of PLAY RECAP, one a host.
    pub recap: Vec<Recap>,
    /// Messages of Ansible itself, such as a file it cannot read.
    pub errors: Vec<String>,
    in_recap: bool,
    /// A failed loop item is told first by itself and then with its task; only the second is ignorable.
    ignorable: usize,
}

/// A failed task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The host it failed on.
    pub host: String,
    /// The task.
    pub task: String,
    /// Ansible's message.
    pub message: String,
}

/// A row of PLAY RECAP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recap {
    /// The host.
    pub host: String,
    /// The counters in their order: `ok`, `changed`, `unreachable`, `failed`, …
    pub counts: Vec<(String, u64)>,
}

impl std::fmt::Display for Recap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:", self.host)?;
        self.counts.iter().filter(|(_, count)| *count > 0).try_for_each(|(name, count)| write!(f, " {name}={count}"))
    }
}

impl Recap {
    /// Tells whether nothing failed on the host and it was reached.
    pub fn is_good(&self) -> bool {
        self.counts.iter().all(|(name, count)| !matches!(name.as_str(), "failed" | "unreachable") || *count == 0)
    }
}

impl Progress {
    /// Starts with the number of tasks that `--list-tasks` gave.
    pub fn new(total: Option<usize>) -> Self {
        Self { total, ..Self::default() }
    }

    /// Takes the next line of the output.
    pub fn line(&mut self, raw: &str) {
        let line = printable(raw);
        let line = line.trim_end();
        if let Some(name) = banner(line, "PLAY [") {
            self.play = Some(name);
            self.in_recap = false;
        } else if line.starts_with("PLAY RECAP ") {
            self.in_recap = true;
            self.task = None;
        } else if let Some(name) = banner(line, "TASK [").or_else(|| banner(line, "RUNNING HANDLER [")) {
            self.tasks += 1;
            self.task = Some(name);
            self.ignorable = self.failures.len();
        } else if line == "...ignoring" {
            self.failures.truncate(self.ignorable);
        } else if let Some(failure) = self.failure(line) {
            self.failures.push(failure);
        } else if let Some(message) = line.strip_prefix("ERROR! ").or_else(|| line.strip_prefix("[ERROR]: ")) {
            self.errors.push(message.to_owned());
        } else if self.in_recap {
            self.recap.extend(recap(line));
        }
    }

    /// Returns how much is done, from 0 to 1, when the total is known. It stays below 1 until the recap.
    #[expect(clippy::cast_precision_loss, reason = "a playbook has some thousand tasks")]
    pub fn ratio(&self) -> Option<f64> {
        if !self.recap.is_empty() {
            return Some(1.0);
        }
        let total = self.total.filter(|total| *total > 0)?;
        Some((self.tasks as f64 / total as f64).min(0.99))
    }

    /// Tells whether a host's `sudo` wanted a password, or another one than it got.
    /// Source: ansible-core, `plugins/become/sudo.py` and `plugins/connection`, the messages of become errors.
    pub fn wants_password(&self) -> bool {
        const SIGNS: [&str; 5] = [
            "Missing sudo password",
            "Incorrect sudo password",
            "a password is required",
            "waiting for privilege escalation prompt",
            "Sorry, try again",
        ];
        self.failures.iter().any(|failure| SIGNS.iter().any(|sign| failure.message.contains(sign)))
    }

    /// Reads `fatal: [host]: FAILED! => {…}`, `failed: [host] (item=…) => {…}` and
    /// `fatal: [host]: UNREACHABLE! => {…}`.
    fn failure(&self, line: &str) -> Option<Failure> {
        let rest = line.strip_prefix("fatal: [").or_else(|| line.strip_prefix("failed: ["))?;
        let (host, rest) = rest.split_once(']')?;
        let host = host.split(" -> ").next().unwrap_or(host).to_owned();
        let detail = rest.split_once("=> ").map_or_else(|| rest.trim_start_matches([':', ' ']), |(_, detail)| detail);
        Some(Failure { host, task: self.task.clone().unwrap_or_default(), message: message(detail) })
    }
}

/// Returns how many tasks the output of `--list-tasks` names.
pub fn count_tasks(listing: &str) -> usize {
    listing.lines().filter(|line| line.starts_with("      ") && line.contains("TAGS: [")).count()
}

/// `TASK [name] ****`
fn banner(line: &str, start: &str) -> Option<String> {
    let rest = line.strip_prefix(start)?;
    let end = rest.rfind("] *").or_else(|| rest.strip_suffix(']').map(str::len))?;
    Some(rest[..end].to_owned())
}

/// The part of a result that tells a person what happened.
fn message(detail: &str) -> String {
    let Ok(Value::Object(result)) = serde_json::from_str::<Value>(detail) else { return detail.to_owned() };
    let text =
        |name: &str| result.get(name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let parts: Vec<String> = ["msg", "stderr", "module_stderr", "reason"]
        .iter()
        .filter_map(|name| text(name))
        .filter(|part| !part.is_empty())
        .collect();
    if parts.is_empty() { detail.to_owned() } else { parts.join(": ") }
}

fn recap(line: &str) -> Option<Recap> {
    let (host, counts) = line.split_once(" : ")?;
    let pair = |word: &str| word.split_once('=').and_then(|(name, count)| Some((name.to_owned(), count.parse().ok()?)));
    let counts: Vec<_> = counts.split_whitespace().filter_map(pair).collect();
    (!counts.is_empty()).then(|| Recap { host: host.trim().to_owned(), counts })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OUTPUT: &str = "\
PLAY [kube_node[0]] ***********************************************
TASK [kubernetes/node-label : Set label to node] ******************
changed: [node1]
TASK [download : fetch [x]] ***************************************
fatal: [node1 -> 10.0.0.1]: FAILED! => {\"changed\": false, \"msg\": \"no route\", \"stderr\": \"timed out\"}
...ignoring
TASK [etcd : items] ***********************************************
failed: [node2] (item=a) => {\"item\": \"a\", \"msg\": \"bad item\"}
fatal: [node3]: UNREACHABLE! => {\"msg\": \"ssh: connect\", \"unreachable\": true}
RUNNING HANDLER [restart] *****************************************

PLAY RECAP ********************************************************
node1                      : ok=3    changed=1    unreachable=0    failed=0    skipped=2    rescued=0    ignored=1
node3                      : ok=0    changed=0    unreachable=1    failed=0

Monday 16 November 2020  19:00:04 +0000 (0:00:00.1)
";

    #[test]
    fn follows_a_run() {
        let mut progress = Progress::new(Some(8));
        OUTPUT.lines().take(3).for_each(|line| progress.line(line));
        assert_eq!(progress.play.as_deref(), Some("kube_node[0]"));
        assert_eq!(progress.ratio(), Some(0.125));
        OUTPUT.lines().skip(3).for_each(|line| progress.line(line));
        assert_eq!(progress.tasks, 4);
        let failed: Vec<_> =
            progress.failures.iter().map(|failure| (failure.host.as_str(), failure.message.as_str())).collect();
        assert_eq!(failed, [("node2", "bad item"), ("node3", "ssh: connect")]);
        assert_eq!(progress.failures[0].task, "etcd : items");
        assert_eq!(progress.recap.len(), 2);
        assert!(progress.recap[0].is_good() && !progress.recap[1].is_good());
        assert_eq!(progress.ratio(), Some(1.0));
    }

    #[test]
    fn counts_listed_tasks() {
        let listing = "\nplaybook: cluster.yml\n\n  play #1 (all): Facts\tTAGS: [always]\n    tasks:\n      bootstrap : one\tTAGS: [a]\n      two\tTAGS: []\n";
        assert_eq!(count_tasks(listing), 2);
    }

    #[test]
    fn keeps_ansibles_own_errors() {
        let mut progress = Progress::default();
        progress.line("ERROR! the playbook: facts.yml could not be found");
        assert_eq!(progress.errors, ["the playbook: facts.yml could not be found"]);
    }

    proptest! {
        #[test]
        fn never_panics(line in "(TASK|PLAY|fatal:|failed:|PLAY RECAP)?[ \\[\\]{}=>a:*é\"]{0,30}") {
            Progress::default().line(&line);
        }
    }
}
