//! The steps of the driver installer, recognised from its log, for a progress display.
//!
//! Source: the entrypoint of the installer images (GoogleCloudPlatform/container-engine-accelerators,
//! nvidia-driver-installer/ubuntu, and its CentOS port in pull request 91). Each step prints `X...` and `X... DONE.`.

use serde::{Deserialize, Serialize};

/// One step of the installer, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Looks for a driver that an earlier run has built.
    CachedVersion,
    /// Fetches the headers of the running kernel.
    KernelSources,
    /// Prepares its folders, or the cached driver.
    Configure,
    /// Downloads the driver.
    Download,
    /// Runs NVIDIA's installer.
    Run,
    /// Runs `nvidia-smi`.
    Verify,
    /// Makes the libraries known to the host.
    LdCache,
}

/// What a log line says about the progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The step.
    pub phase: Phase,
    /// Whether the line says that it is done; else it has begun.
    pub done: bool,
}

/// How a log tells its steps.
#[derive(Debug, PartialEq, Eq)]
pub struct Phases {
    /// The steps, in order.
    pub order: &'static [Phase],
    /// How the lines of each step begin.
    beginnings: &'static [(&'static str, Phase)],
    /// The line that says that all went well.
    success: &'static str,
}

/// The log of the installer images: after its last line the container ends with status 0.
pub const INSTALLER_IMAGE: Phases =
    Phases { order: &Phase::ALL, beginnings: &BEGINNINGS, success: "Updating host's ld cache... DONE." };
/// A log of which no steps are known.
pub const UNKNOWN: Phases = Phases { order: &[], beginnings: &[], success: "" };

impl Phase {
    /// All steps, in order.
    pub const ALL: [Self; 7] = [
        Self::CachedVersion,
        Self::KernelSources,
        Self::Configure,
        Self::Download,
        Self::Run,
        Self::Verify,
        Self::LdCache,
    ];

    /// Returns the stable name of the step; its text is `phase.<id>`.
    pub fn id(self) -> &'static str {
        match self {
            Self::CachedVersion => "cached-version",
            Self::KernelSources => "kernel-sources",
            Self::Configure => "configure",
            Self::Download => "download",
            Self::Run => "run",
            Self::Verify => "verify",
            Self::LdCache => "ld-cache",
        }
    }

    /// Returns the name of the step.
    pub fn text(self, lang: crate::i18n::Lang) -> String {
        use crate::i18n::msg::phase;
        let title = match self {
            Self::CachedVersion => phase::cached_version(),
            Self::KernelSources => phase::kernel_sources(),
            Self::Configure => phase::configure(),
            Self::Download => phase::download(),
            Self::Run => phase::run(),
            Self::Verify => phase::verify(),
            Self::LdCache => phase::ld_cache(),
        };
        title.text(lang)
    }
}

/// How the lines of each step begin.
const BEGINNINGS: [(&str, Phase); 11] = [
    ("Checking cached version", Phase::CachedVersion),
    ("Cache file ", Phase::CachedVersion),
    ("Found existing driver installation", Phase::CachedVersion),
    ("Downloading kernel sources", Phase::KernelSources),
    ("Configuring kernel sources", Phase::KernelSources),
    ("Configuring ", Phase::Configure),
    ("Updating container's ld cache", Phase::Configure),
    ("Downloading N", Phase::Download),
    ("Running Nvidia installer", Phase::Run),
    ("Verifying Nvidia installation", Phase::Verify),
    ("Updating host's ld cache", Phase::LdCache),
];

impl Phases {
    /// Recognises a step in a line of the log.
    pub fn step(&self, line: &str) -> Option<Step> {
        let line = line.trim();
        let (beginning, phase) = self.beginnings.iter().find(|(beginning, _)| line.starts_with(beginning))?;
        let nvidia = |word: &str| word.eq_ignore_ascii_case("nvidia");
        if *phase == Phase::Download && !line.split(' ').nth(1).is_some_and(nvidia) {
            return None;
        }
        let answered = matches!(*beginning, "Cache file " | "Found existing driver installation");
        Some(Step { phase: *phase, done: answered || line.ends_with("DONE.") || line.ends_with("DONE") })
    }

    /// Tells whether a line is the last one of a good run.
    pub fn is_success(&self, line: &str) -> bool {
        !self.success.is_empty() && line.trim() == self.success
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::Lang;

    #[test]
    fn follows_a_good_log_in_order() {
        let log = include_str!("../../tests/fixtures/logs/logs-ok.txt");
        let mut phases: Vec<_> =
            log.lines().filter_map(|line| INSTALLER_IMAGE.step(line)).map(|step| step.phase).collect();
        phases.dedup();
        assert_eq!(phases, [Phase::KernelSources, Phase::Download, Phase::Run, Phase::Verify, Phase::LdCache]);
        assert!(INSTALLER_IMAGE.is_success(log.lines().last().unwrap()));
    }

    #[test]
    fn knows_the_lines_of_the_real_entrypoint() {
        let of = |line: &str| INSTALLER_IMAGE.step(line).map(|step| (step.phase, step.done));
        assert_eq!(of("Checking cached version"), Some((Phase::CachedVersion, false)));
        assert_eq!(of("Cache file /usr/local/nvidia/.cache not found."), Some((Phase::CachedVersion, true)));
        assert_eq!(of("Configuring cached driver installation..."), Some((Phase::Configure, false)));
        assert_eq!(of("Downloading kernel sources... DONE."), Some((Phase::KernelSources, true)));
        assert_eq!(of("Downloading Nvidia installer..."), Some((Phase::Download, false)));
        assert_eq!(of("Downloading Nested things"), None);
        assert_eq!(of("Get:1 http://archive.ubuntu.com/ubuntu xenial InRelease [247 kB]"), None);
    }

    #[test]
    fn every_phase_has_a_text() {
        for phase in Phase::ALL {
            assert!(Lang::En.has(&format!("phase.{}", phase.id())) && Lang::Ko.has(&format!("phase.{}", phase.id())));
        }
    }
}
