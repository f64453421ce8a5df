//! The steps of what is followed, recognised from its log, for a progress display.
//!
//! Sources: the entrypoint of the installer images (GoogleCloudPlatform/container-engine-accelerators,
//! nvidia-driver-installer/ubuntu, and its CentOS port in pull request 91), of which each step prints `X...` and
//! `X... DONE.`; NVIDIA/k8s-device-plugin, cmd/nvidia-device-plugin and internal/plugin, 0.9 to 0.20.

use serde::{Deserialize, Serialize};

/// One step, in order.
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
    /// The device plugin starts.
    PluginStart,
    /// It reads its configuration.
    PluginConfig,
    /// It looks for cards.
    PluginCards,
    /// It serves the cards on its socket.
    PluginServe,
    /// It makes itself known to the kubelet.
    PluginRegister,
    /// The driver container begins with its version and the kernel's.
    DriverStart,
    /// It asks its package repositories.
    DriverCache,
    /// It looks for the packages of the running kernel.
    DriverKernel,
    /// It installs that kernel's headers.
    DriverHeaders,
    /// It loads the modules that it has built.
    DriverLoad,
    /// It shows its files to the host.
    DriverMount,
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
    /// How the line begins that says that all went well.
    success: &'static str,
    /// How the lines begin after which a program does nothing more, though it runs on.
    gives_up: &'static [&'static str],
    /// Whether the program runs on when all is well: then its log is the first to say so.
    pub runs_on: bool,
}

/// What a program that runs on has said of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// All is well.
    Works,
    /// It does nothing more.
    GivesUp,
}

/// The log of the installer images: after its last line the container ends with status 0.
pub const INSTALLER_IMAGE: Phases = Phases {
    order: &Phase::INSTALLER,
    beginnings: &BEGINNINGS,
    success: "Updating host's ld cache... DONE.",
    gives_up: &[],
    runs_on: false,
};
/// The log of NVIDIA's device plugin, which runs on whether it has found a card or not.
pub const DEVICE_PLUGIN: Phases = Phases {
    order: &Phase::PLUGIN,
    beginnings: &PLUGIN_BEGINNINGS,
    success: "Registered device plugin for ",
    gives_up: &["No devices found. Waiting indefinitely", "Failed to initialize NVML"],
    runs_on: true,
};
/// The log of GPU Operator's driver container, which runs on once the driver is loaded. Source: NVIDIA's
/// gpu-driver-container, read at a commit of 2026-08-17; no real log of a node was recorded.
pub const DRIVER_CONTAINER: Phases = Phases {
    order: &Phase::DRIVER,
    beginnings: &DRIVER_BEGINNINGS,
    success: "Done, now waiting for signal",
    gives_up: &[],
    runs_on: true,
};
/// A log of which no steps are known.
pub const UNKNOWN: Phases = Phases { order: &[], beginnings: &[], success: "", gives_up: &[], runs_on: false };

impl Phase {
    /// The steps of the device plugin, in order.
    pub const PLUGIN: [Self; 5] =
        [Self::PluginStart, Self::PluginConfig, Self::PluginCards, Self::PluginServe, Self::PluginRegister];
    /// The steps of the operator's driver container, in order.
    pub const DRIVER: [Self; 6] = [
        Self::DriverStart,
        Self::DriverCache,
        Self::DriverKernel,
        Self::DriverHeaders,
        Self::DriverLoad,
        Self::DriverMount,
    ];
    /// The steps of the installer images, in order.
    pub const INSTALLER: [Self; 7] = [
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
            Self::PluginStart => "plugin-start",
            Self::PluginConfig => "plugin-config",
            Self::PluginCards => "plugin-cards",
            Self::PluginServe => "plugin-serve",
            Self::PluginRegister => "plugin-register",
            Self::DriverStart => "driver-start",
            Self::DriverCache => "driver-cache",
            Self::DriverKernel => "driver-kernel",
            Self::DriverHeaders => "driver-headers",
            Self::DriverLoad => "driver-load",
            Self::DriverMount => "driver-mount",
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
            Self::PluginStart => phase::plugin_start(),
            Self::PluginConfig => phase::plugin_config(),
            Self::PluginCards => phase::plugin_cards(),
            Self::PluginServe => phase::plugin_serve(),
            Self::PluginRegister => phase::plugin_register(),
            Self::DriverStart => phase::driver_start(),
            Self::DriverCache => phase::driver_cache(),
            Self::DriverKernel => phase::driver_kernel(),
            Self::DriverHeaders => phase::driver_headers(),
            Self::DriverLoad => phase::driver_load(),
            Self::DriverMount => phase::driver_mount(),
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

/// The same of the device plugin. `Loading NVML` is of 0.12 and before.
const PLUGIN_BEGINNINGS: [(&str, Phase); 11] = [
    ("\"Starting NVIDIA Device Plugin\"", Phase::PluginStart),
    ("Loading NVML", Phase::PluginStart),
    ("Starting FS watcher", Phase::PluginStart),
    ("Starting Plugins", Phase::PluginStart),
    ("Loading configuration", Phase::PluginConfig),
    ("Running with config", Phase::PluginConfig),
    ("Retrieving plugins", Phase::PluginCards),
    ("Retreiving plugins", Phase::PluginCards),
    ("Starting GRPC server for ", Phase::PluginServe),
    ("Starting to serve ", Phase::PluginServe),
    ("Registered device plugin for ", Phase::PluginRegister),
];

/// The same of the driver container.
const DRIVER_BEGINNINGS: [(&str, Phase); 8] = [
    ("Starting installation of NVIDIA driver version", Phase::DriverStart),
    ("Updating the package cache", Phase::DriverCache),
    ("Resolving Linux kernel version", Phase::DriverKernel),
    ("Proceeding with Linux kernel version", Phase::DriverKernel),
    ("Installing Linux kernel headers", Phase::DriverHeaders),
    ("Loading NVIDIA driver kernel modules", Phase::DriverLoad),
    ("Mounting NVIDIA driver rootfs", Phase::DriverMount),
    ("Done, now waiting for signal", Phase::DriverMount),
];

/// Cuts off what a logger puts before a line: klog's `I0101 10:00:00.000000       1 main.go:235] `, or the
/// `2023/01/01 10:00:00 ` of Go's own.
fn unheaded(line: &str) -> &str {
    let mut letters = line.chars();
    let is_klog = letters.next().is_some_and(|level| "IWEF".contains(level))
        && letters.by_ref().take(4).filter(char::is_ascii_digit).count() == 4
        && letters.next() == Some(' ');
    let is_go = || {
        let shape = "dddd/dd/dd dd:dd:dd ";
        line.len() > shape.len()
            && line
                .bytes()
                .zip(shape.bytes())
                .all(|(byte, of)| if of == b'd' { byte.is_ascii_digit() } else { byte == of })
    };
    match line.split_once("] ") {
        Some((_, rest)) if is_klog => rest,
        _ if is_go() => &line["0000/00/00 00:00:00 ".len()..],
        _ => line,
    }
}

impl Phases {
    /// Recognises a step in a line of the log.
    pub fn step(&self, line: &str) -> Option<Step> {
        let line = unheaded(line.trim());
        let (beginning, phase) = self.beginnings.iter().find(|(beginning, _)| line.starts_with(beginning))?;
        let nvidia = |word: &str| word.eq_ignore_ascii_case("nvidia");
        if *phase == Phase::Download && !line.split(' ').nth(1).is_some_and(nvidia) {
            return None;
        }
        let answered = matches!(
            *beginning,
            "Cache file " | "Found existing driver installation" | "Running with config" | "Starting to serve "
        ) || *phase == Phase::PluginRegister
            || self.is_success(line);
        Some(Step { phase: *phase, done: answered || line.ends_with("DONE.") || line.ends_with("DONE") })
    }

    /// Tells whether a line is the last one of a good run.
    pub fn is_success(&self, line: &str) -> bool {
        !self.success.is_empty() && unheaded(line.trim()).starts_with(self.success)
    }

    /// Returns what a line of a program that runs on says of it.
    pub fn said(&self, line: &str) -> Option<Said> {
        let line = unheaded(line.trim());
        let gives_up = self.gives_up.iter().any(|beginning| line.starts_with(beginning));
        match () {
            () if !self.runs_on => None,
            () if gives_up => Some(Said::GivesUp),
            () => self.is_success(line).then_some(Said::Works),
        }
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
    fn the_device_plugin_tells_its_steps_whatever_its_logger_puts_before_them() {
        let log = include_str!("../../tests/fixtures/logs/plugin-nvidia-ok.txt");
        let mut phases: Vec<_> =
            log.lines().filter_map(|line| DEVICE_PLUGIN.step(line)).map(|step| step.phase).collect();
        phases.dedup();
        assert_eq!(phases, Phase::PLUGIN);
        assert_eq!(log.lines().rev().find_map(|line| DEVICE_PLUGIN.said(line)), Some(Said::Works));
        let said = |line: &str| DEVICE_PLUGIN.said(line);
        assert_eq!(
            said("2023/01/02 10:00:00 Registered device plugin for 'nvidia.com/gpu' with Kubelet"),
            Some(Said::Works)
        );
        assert_eq!(said("I0515 08:12:33.1 1 main.go:5] No devices found. Waiting indefinitely."), Some(Said::GivesUp));
        assert_eq!(said("it says: Registered device plugin for 'nvidia.com/gpu'"), None, "somebody quotes it");
        assert_eq!(INSTALLER_IMAGE.said("Updating host's ld cache... DONE."), None, "it ends by itself");
    }

    #[test]
    fn a_head_is_cut_off_only_where_there_is_one() {
        assert_eq!(unheaded("E0101 10:00:00.000000       1 a.go:1] words] here"), "words] here");
        for line in ["[x] words", "I01 a] words", "2023/01/01", "Ubuntu] x", ""] {
            assert_eq!(unheaded(line), line);
        }
    }

    #[test]
    fn follows_the_operators_driver_container() {
        let log = "Starting installation of NVIDIA driver version 580.126.20 for Linux kernel version 5.14.0-570.el9.x86_64\n\
            Updating the package cache...\nResolving Linux kernel version...\n\
            Proceeding with Linux kernel version 5.14.0-570.el9.x86_64\nInstalling Linux kernel headers...\n\
            Loading NVIDIA driver kernel modules...\nMounting NVIDIA driver rootfs...\nDone, now waiting for signal\n";
        let steps: Vec<Step> = log.lines().filter_map(|line| DRIVER_CONTAINER.step(line)).collect();
        let mut phases: Vec<Phase> = steps.iter().map(|step| step.phase).collect();
        phases.dedup();
        assert_eq!(phases, Phase::DRIVER);
        assert!(steps.last().unwrap().done && !steps[0].done);
        assert_eq!(DRIVER_CONTAINER.said(log.lines().last().unwrap()), Some(Said::Works));
    }

    #[test]
    fn every_phase_has_a_text() {
        for phase in Phase::INSTALLER.into_iter().chain(Phase::PLUGIN) {
            assert!(Lang::En.has(&format!("phase.{}", phase.id())) && Lang::Ko.has(&format!("phase.{}", phase.id())));
        }
    }
}
