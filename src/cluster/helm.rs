//! Helm: its commands, and what it says of a release.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{ClusterError, kubectl::answer};
use crate::{
    host::{Command, CommandError, Host},
    version::Version,
};

/// When a question is given up: Helm asks the API server several times for one answer.
const DEADLINE: Duration = Duration::from_secs(40);
/// The first release that reads charts of API version 2 and keeps its releases in secrets of their namespace.
/// Source: Helm's version support policy and charts documentation.
const OLDEST_MAJOR: u32 = 3;

/// Helm with the kubeconfig that it is to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helm {
    /// The kubeconfig; absent where `$KUBECONFIG` names one.
    pub kubeconfig: Option<PathBuf>,
}

/// Why Helm is no help here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoHelm {
    /// It is not installed.
    Missing,
    /// It is Helm 2 or older.
    TooOld(String),
    /// It does not say its version.
    Silent(String),
}

/// Names a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseName {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

/// One revision of a release, as `helm history` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Revision {
    /// Its number, from 1.
    #[serde(deserialize_with = "number")]
    pub revision: u32,
    /// When it was made.
    #[serde(default)]
    pub updated: String,
    /// `deployed`, `failed`, `superseded`, `pending-install`, `uninstalling` and so on.
    pub status: String,
    /// The chart's name and version: `gpu-operator-v26.3.3`.
    #[serde(default)]
    pub chart: String,
}

/// Helm 4 writes it as a number in one command and as a text in another.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    number.and_then(|number| u32::try_from(number).ok()).ok_or_else(|| serde::de::Error::custom("no revision"))
}

impl Revision {
    /// Tells whether an operation on it was begun and not ended.
    pub fn is_pending(&self) -> bool {
        self.status.starts_with("pending-")
    }

    /// Tells whether it is the one at work.
    pub fn is_deployed(&self) -> bool {
        self.status == "deployed"
    }

    /// Returns how long ago it was made, where it says so.
    pub fn age(&self, now: Timestamp) -> Option<Duration> {
        let made: Timestamp = self.updated.parse().ok()?;
        Duration::try_from(now.duration_since(made)).ok()
    }
}

impl Helm {
    /// Finds Helm on this machine.
    pub fn find(host: &Host, kubeconfig: Option<&Path>) -> Result<Self, NoHelm> {
        if host.commands.locate("helm").is_none() {
            return Err(NoHelm::Missing);
        }
        // Helm 2 prints its own version before it asks its server in the cluster.
        let command = Command::new("helm", ["version", "--short"]).deadline(Some(DEADLINE));
        let output = host.commands.capture(&command).map_err(|error| match error {
            CommandError::NotFound(_) => NoHelm::Missing,
            other => NoHelm::Silent(other.to_string()),
        })?;
        let said = crate::text::printable(output.stdout.trim());
        let number = said.trim_start_matches("Client:").trim().trim_start_matches('v');
        let version: Option<Version> = number.split(['+', ' ']).next().and_then(|number| number.parse().ok());
        match version {
            Some(version) if version.part(0) >= OLDEST_MAJOR => Ok(Self { kubeconfig: kubeconfig.map(Into::into) }),
            Some(_) => Err(NoHelm::TooOld(said)),
            None => Err(NoHelm::Silent(crate::text::printable(&format!("{said} {}", output.stderr.trim())))),
        }
    }

    /// Makes a command that answers within the deadline.
    pub fn command(&self, words: &[&'static str]) -> Command {
        let command = Command::new("helm", words.iter().copied()).deadline(Some(DEADLINE));
        match &self.kubeconfig {
            // The option takes one file only.
            Some(path) if path.to_string_lossy().contains(':') => command.env("KUBECONFIG", path.display().to_string()),
            Some(path) => command.option("--kubeconfig", path.display()),
            None => command,
        }
    }

    fn about(&self, words: &[&'static str], release: &ReleaseName) -> Command {
        self.command(words).operand(&release.name).option("--namespace", &release.namespace)
    }

    /// Returns the release of a chart, under whatever name and in whatever namespace somebody has installed it.
    pub fn release_of(&self, host: &Host, chart: &str) -> Result<Option<ReleaseName>, ClusterError> {
        #[derive(Deserialize)]
        struct Listed {
            name: String,
            namespace: String,
            chart: String,
        }
        let command = self.command(&["list", "--all-namespaces", "--output=json", "--max=0"]);
        let all: Vec<Listed> = serde_json::from_str(&answer(host, &command)?).map_err(|error| garbage(&error))?;
        let is_it = |listed: &Listed| {
            let version = listed.chart.strip_prefix(chart).and_then(|rest| rest.strip_prefix('-'));
            version.is_some_and(|version| version.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()))
        };
        let found = all.into_iter().find(is_it);
        Ok(found.map(|listed| ReleaseName { name: listed.name, namespace: listed.namespace }))
    }

    /// Returns the newest revisions of a release, oldest first; none where there is no such release.
    pub fn history(&self, host: &Host, release: &ReleaseName) -> Result<Vec<Revision>, ClusterError> {
        let command = self.about(&["history"], release).words(["--output=json", "--max=20"]);
        match answer(host, &command) {
            Ok(text) => {
                let mut all: Vec<Revision> = serde_json::from_str(&text).map_err(|error| garbage(&error))?;
                all.sort_by_key(|revision| revision.revision);
                Ok(all)
            }
            Err(error) if error.detail().contains("release: not found") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Returns the values that were given to a revision, beside the chart's own.
    pub fn values(&self, host: &Host, release: &ReleaseName, revision: u32) -> Result<Value, ClusterError> {
        let command = self.about(&["get", "values"], release).words(["--output=json"]).option("--revision", revision);
        serde_json::from_str(&answer(host, &command)?).map_err(|error| garbage(&error))
    }

    /// Returns the command that takes a release away.
    pub fn uninstall(&self, release: &ReleaseName) -> Command {
        self.about(&["uninstall"], release).detached()
    }

    /// Returns the command that takes a release back to a revision.
    pub fn rollback(&self, release: &ReleaseName, revision: u32) -> Command {
        self.about(&["rollback"], release).operand(revision).detached()
    }
}

fn garbage(error: &serde_json::Error) -> ClusterError {
    ClusterError::Garbage(crate::text::printable(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_read_in_both_spellings() {
        let text = r#"[{"revision":"2","updated":"2026-11-27T10:00:00.5Z","status":"pending-upgrade","chart":"gpu-operator-v26.3.3","description":"x"},
            {"revision":1,"status":"deployed"}]"#;
        let all: Vec<Revision> = serde_json::from_str(text).unwrap();
        assert_eq!((all[0].revision, all[1].revision), (2, 1));
        assert!(all[0].is_pending() && all[1].is_deployed());
        let now = "2026-11-27T10:06:00Z".parse().unwrap();
        assert_eq!((all[0].age(now).map(|age| age.as_secs()), all[1].age(now)), (Some(359), None));
        assert!(serde_json::from_str::<Revision>(r#"{"revision":"x","status":"deployed"}"#).is_err());
    }

    #[test]
    fn names_are_operands_and_never_options() {
        let helm = Helm { kubeconfig: Some("/k".into()) };
        let release = ReleaseName { name: "--all".to_owned(), namespace: "gpu; x".to_owned() };
        assert!(helm.uninstall(&release).demand_plain().is_err());
        let release = ReleaseName { name: "gpu-operator".to_owned(), namespace: "gpu-operator".to_owned() };
        assert_eq!(
            helm.rollback(&release, 3).argv(),
            ["helm", "rollback", "--kubeconfig=/k", "gpu-operator", "--namespace=gpu-operator", "3"]
        );
    }
}
