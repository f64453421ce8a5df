//! Keep the driver on its branch, before it is installed: afterwards an upgrade of the system takes the next branch,
//! and an old card is gone. Sources: `apt_preferences(5)`; dnf's modularity and its versionlock plugin; NVIDIA's driver
//! installation guide, "version locking".

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    properties::{Preview, Properties, Reversal, RootReason},
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    facts::{LedgerEntry, Origin, packages},
    host::{Command, Host},
    i18n::msg,
    input::PackageName,
    version::Version,
};

const PREFERENCES: &str = "/etc/apt/preferences.d/gpunode-nvidia-driver";
/// What versionlock reads. Source: dnf-plugins-core, `/etc/dnf/plugins/versionlock.conf`.
const LOCKS: &str = "/etc/dnf/plugins/versionlock.list";
/// The module of dnf that has the driver's branches as its streams.
const MODULE: &str = "nvidia-driver";
const MODULE_FILE: &str = "/etc/dnf/modules.d/nvidia-driver.module";
/// Names of packages of the driver, as patterns of apt.
const NAMES: &str = "*nvidia* cuda-drivers* libcuda1* libnvcuvid1* libxnvctrl*";

/// How a branch is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pin {
    /// apt prefers versions that begin so: `580.`, or a whole one.
    Preferences {
        /// What the version begins with.
        version: String,
    },
    /// A stream of the dnf module.
    ModuleStream {
        /// `580-open`.
        stream: String,
    },
    /// dnf takes these packages only in versions that begin so.
    Versionlock {
        /// What the version begins with.
        version: String,
        /// The packages.
        packages: Vec<String>,
    },
}

/// Keeps the driver on its branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinDriver {
    /// The branch.
    pub branch: u32,
    /// How.
    pub pin: Pin,
    /// The packages that will be installed, whose candidates are looked at.
    pub packages: Vec<String>,
}

impl PinDriver {
    fn file(&self) -> &'static Path {
        Path::new(match self.pin {
            Pin::Preferences { .. } => PREFERENCES,
            Pin::ModuleStream { .. } => MODULE_FILE,
            Pin::Versionlock { .. } => LOCKS,
        })
    }

    /// Returns what the file will be; nothing where a program of the system writes it.
    fn text(&self, host: &Host) -> Option<String> {
        match &self.pin {
            Pin::Preferences { version } => Some(format!(
                "# Written by gpunode: the driver stays on branch {}. Above 1000, apt also goes back to it.\n\
                 Package: {NAMES}\nPin: version {version}*\nPin-Priority: 1001\n",
                self.branch
            )),
            Pin::ModuleStream { .. } => None,
            Pin::Versionlock { version, packages } => {
                let before = host.files.read_text(LOCKS).unwrap_or_default();
                let missing = packages
                    .iter()
                    .map(|name| format!("{name}-*:{version}*"))
                    .filter(|line| !before.lines().any(|old| old == line));
                let added: String = missing.map(|line| line + "\n").collect();
                let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
                Some(format!("{before}{gap}{added}"))
            }
        }
    }

    fn commands(&self) -> Vec<Command> {
        let Pin::ModuleStream { stream } = &self.pin else { return Vec::new() };
        let minutes = Some(std::time::Duration::from_mins(5));
        let enable =
            Command::new("dnf", ["module", "enable", "-y"]).operand(format!("{MODULE}:{stream}")).deadline(minutes);
        vec![Command::new("dnf", ["module", "reset", "-y", MODULE]).deadline(minutes), enable]
    }

    /// apt's candidates: each package of the driver must be of the branch.
    fn candidates(&self, host: &Host) -> Result<Vec<String>, Failure> {
        if !matches!(self.pin, Pin::Preferences { .. }) {
            return Ok(Vec::new());
        }
        let policy = Command::new("apt-cache", ["policy"]).operands(&self.packages).env("LC_ALL", "C.UTF-8");
        let output = host.commands.capture(&policy).map_err(Failure::own_words)?;
        let found = parse_candidates(&output.stdout);
        for (name, version) in &found {
            if driver_version(name, version).is_some_and(|told| told.branch() != self.branch) {
                return Err(Failure::new(msg::preflight::seen::install_other_branch(
                    format!("R{}", self.branch),
                    name,
                    version,
                )));
            }
        }
        Ok(found.into_iter().map(|(name, version)| format!("apt's candidate for {name} is {version}")).collect())
    }
}

fn driver_version(name: &str, version: &str) -> Option<Version> {
    packages::driver_version(&LedgerEntry::new(Origin::Deb, format!("{name} {version}"), ""))
}

/// Reads name and candidate of each package in the output of `apt-cache policy`.
fn parse_candidates(text: &str) -> Vec<(String, String)> {
    let (mut name, mut found) = (String::new(), Vec::new());
    for line in text.lines() {
        if let Some(head) = line.strip_suffix(':').filter(|_| !line.starts_with(' ')) {
            head.clone_into(&mut name);
        } else if let Some(version) = line.trim().strip_prefix("Candidate: ").filter(|version| *version != "(none)") {
            found.push((name.clone(), version.to_owned()));
        }
    }
    found
}

impl ActionKind for PinDriver {
    fn properties(&self) -> Properties {
        Properties::on_machine(RootReason::Packages, Reversal::Whole)
    }

    fn preview(&self) -> Preview {
        let text = match &self.pin {
            Pin::Preferences { .. } => self.text(&Host::local(Path::new("/"))),
            Pin::Versionlock { version, packages } => {
                Some(packages.iter().map(|name| format!("{name}-*:{version}*\n")).collect())
            }
            Pin::ModuleStream { .. } => None,
        };
        let added = |text: String| text.lines().fold(String::new(), |diff, line| diff + "+" + line + "\n");
        let diff = text.map(|text| format!("--- {0}\n+++ {0}\n{1}", self.file().display(), added(text)));
        Preview { diff, ..Preview::of(self.commands()) }
    }

    fn validate(&self) -> Result<(), Failure> {
        let packages = self.packages.iter().chain(match &self.pin {
            Pin::Versionlock { packages, .. } => packages.as_slice(),
            Pin::Preferences { .. } | Pin::ModuleStream { .. } => &[],
        });
        let mut packages = packages;
        packages.try_for_each(|name| valid::is::<PackageName>(name))?;
        match &self.pin {
            Pin::Preferences { version } | Pin::Versionlock { version, .. } => {
                valid::word(msg::failure::wanted::version(), version, "-_.+~:")
            }
            Pin::ModuleStream { stream } => valid::word(msg::failure::wanted::version(), stream, "-_."),
        }
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let there = host.files.read_text(self.file()).ok()?;
        let holds = match &self.pin {
            Pin::ModuleStream { stream } => {
                let says = |line: &str| there.lines().any(|own| own.replace(' ', "") == line);
                says(&format!("stream={stream}")) && says("state=enabled")
            }
            Pin::Preferences { .. } | Pin::Versionlock { .. } => self.text(host).is_some_and(|text| text == there),
        };
        holds.then(|| vec![format!("{} keeps branch R{}", self.file().display(), self.branch)])
    }

    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        match self.text(context.host) {
            Some(text) => Ok(Undo::Files(vec![context.save_file(self.file(), text.as_bytes())?]).into()),
            None => Ok(Undo::Value(stream_in(&context.host.files.read_text(self.file()).unwrap_or_default())).into()),
        }
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        if let Some(text) = self.text(context.host) {
            context.write(self.file(), text.as_bytes())?;
        }
        self.commands().iter().try_for_each(|command| context.run(command))
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        match (self.check(host), self.candidates(host)) {
            (None, _) => Verdict::Unfinished,
            (Some(_), Err(failure)) => Verdict::Failed(failure),
            (Some(proof), Ok(candidates)) => Verdict::Proven([proof, candidates].concat()),
        }
    }

    fn way_back(&self, _host: &Host, undo: &Undo) -> Result<WayBack, Failure> {
        let Undo::Value(stream) = undo else { return undo.restore(&[self.file()]) };
        let command = match stream {
            None => Command::new("dnf", ["module", "reset", "-y", MODULE]),
            Some(stream) => {
                valid::word(msg::failure::wanted::version(), stream, "-_.")?;
                Command::new("dnf", ["module", "switch-to", "-y"]).operand(format!("{MODULE}:{stream}"))
            }
        };
        Ok(WayBack::Run { command: command.deadline(Some(std::time::Duration::from_mins(5))), gone: None })
    }
}

/// Returns the stream that was enabled.
fn stream_in(text: &str) -> Option<String> {
    let value = |key: &str| text.lines().find_map(|line| line.replace(' ', "").strip_prefix(key).map(str::to_owned));
    value("stream=").filter(|stream| !stream.is_empty() && value("state=").as_deref() == Some("enabled"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_candidates_and_streams() {
        let text = "nvidia-utils-535-server:\n  Installed: (none)\n  Candidate: 580.95.05-0ubuntu1\n  Version table:\n     580.95.05-0ubuntu1 500\n\
            nothing:\n  Candidate: (none)\n";
        assert_eq!(parse_candidates(text), [("nvidia-utils-535-server".to_owned(), "580.95.05-0ubuntu1".to_owned())]);
        assert_eq!(
            stream_in("[nvidia-driver]\nname=nvidia-driver\nprofiles=\nstate=enabled\nstream=570-open\n").as_deref(),
            Some("570-open")
        );
        assert_eq!(stream_in("[nvidia-driver]\nstate=disabled\nstream=570-open\n"), None);
        assert_eq!(stream_in(""), None);
    }
}
