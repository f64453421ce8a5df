//! What upgrades packages on this machine without a person, and what it leaves alone.

use std::path::Path;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::{
    node_packages::{NodePackage, Part},
    reader::Reader,
};
use crate::{host::Command, text::printable};

const FACT: &str = "upkeep.automatic";
/// Debian's and Ubuntu's program.
const UNATTENDED: &str = "/usr/bin/unattended-upgrade";
/// The settings of dnf's.
const DNF_AUTOMATIC: &str = "/etc/dnf/automatic.conf";

/// What upgrades packages by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AutomaticUpgrades {
    /// The program: `unattended-upgrades` or `dnf-automatic`.
    pub program: String,
    /// Whether it installs anything; absent while nobody asked.
    pub is_on: Option<bool>,
    /// The origins that it takes packages of, as its settings name them; empty where it takes all.
    pub origins: Vec<String>,
    /// Packages that it leaves alone: regular expressions of `unattended-upgrades`, names and globs of dnf.
    pub excluded: Vec<String>,
    /// Where that is written, or the command that said so.
    pub source: String,
}

/// Returns what upgrades packages by itself, as far as files tell.
pub(super) fn probe(reader: &mut Reader<'_>) -> Option<AutomaticUpgrades> {
    const TIMERS: [&str; 3] = ["dnf-automatic", "dnf-automatic-install", "dnf5-automatic"];
    if reader.host.files.exists(UNATTENDED) {
        let program = "unattended-upgrades".to_owned();
        return Some(AutomaticUpgrades { program, source: UNATTENDED.to_owned(), ..AutomaticUpgrades::default() });
    }
    let settings = reader.text_if_there(FACT, DNF_AUTOMATIC)?;
    let folder = Path::new("/etc/systemd/system/timers.target.wants");
    let is_timed = TIMERS.iter().any(|name| reader.host.files.read_link(&folder.join(format!("{name}.timer"))).is_ok());
    let is_forced = reader.host.files.read_link(&folder.join("dnf-automatic-install.timer")).is_ok();
    let main = reader.text_if_there(FACT, "/etc/dnf/dnf.conf").unwrap_or_default();
    let excluded = [&main, &settings].into_iter().flat_map(|text| exclusions(text)).collect();
    let applies = ini(&settings, "apply_updates").is_some_and(|value| matches!(value, "yes" | "true" | "True" | "1"));
    Some(AutomaticUpgrades {
        program: "dnf-automatic".to_owned(),
        is_on: Some(is_timed && (applies || is_forced)),
        origins: Vec::new(),
        excluded,
        source: DNF_AUTOMATIC.to_owned(),
    })
}

/// Returns the value of a key of an ini file, in whichever section.
fn ini<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .rev()
        .find_map(|line| line.split_once('=').filter(|(name, _)| name.trim() == key))
        .map(|(_, value)| value.trim())
}

fn exclusions(text: &str) -> Vec<String> {
    let values = ["exclude", "excludepkgs"].iter().filter_map(|key| ini(text, key));
    values
        .flat_map(|value| value.split([',', ' ']).filter(|name| !name.is_empty()).map(printable).collect::<Vec<_>>())
        .collect()
}

/// Asks apt what its settings come to, for they are spread over many files.
pub(super) fn ask(reader: &mut Reader<'_>, upgrades: &mut AutomaticUpgrades) {
    const TIMER: &str = "/etc/systemd/system/apt-daily-upgrade.timer";
    if upgrades.program != "unattended-upgrades" {
        return;
    }
    let command = Command::new("apt-config", ["dump"]);
    let Some(text) = reader.command(FACT, &command) else { return };
    let is_masked = reader.host.files.read_link(Path::new(TIMER)).is_ok_and(|target| target == Path::new("/dev/null"));
    let told = parse_apt_config(&text);
    *upgrades = AutomaticUpgrades { source: command.to_string(), is_on: told.is_on.map(|on| on && !is_masked), ..told };
}

/// Reads the lines of `apt-config dump` that unattended-upgrades goes by:
/// `Unattended-Upgrade::Package-Blacklist:: "linux-";`. Source: unattended-upgrades, README and `get_allowed_origins`.
pub fn parse_apt_config(text: &str) -> AutomaticUpgrades {
    let entries: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.trim_end_matches(';').split_once(' '))
        .map(|(key, value)| (key, value.trim_matches('"')))
        .collect();
    let list = |keys: &[&str]| -> Vec<String> {
        let is_in =
            |key: &str| keys.iter().any(|list| key.eq_ignore_ascii_case(&format!("Unattended-Upgrade::{list}::")));
        entries
            .iter()
            .filter(|(key, value)| is_in(key) && !value.is_empty())
            .map(|(_, value)| printable(value))
            .collect()
    };
    let periodic = entries.iter().rfind(|(key, _)| key.eq_ignore_ascii_case("APT::Periodic::Unattended-Upgrade"));
    let is_enabled =
        !entries.iter().any(|(key, value)| key.eq_ignore_ascii_case("APT::Periodic::Enable") && *value == "0");
    AutomaticUpgrades {
        program: "unattended-upgrades".to_owned(),
        is_on: Some(is_enabled && periodic.is_some_and(|(_, value)| !matches!(*value, "0" | ""))),
        origins: list(&["Allowed-Origins", "Origins-Pattern"]),
        excluded: list(&["Package-Blacklist"]),
        source: String::new(),
    }
}

/// Returns what a recording keeps of `apt-config dump`: proxies may have passwords.
pub(super) fn excerpt(text: &str) -> String {
    let is_ours = |line: &&str| ["APT::Periodic", "Unattended-Upgrade"].iter().any(|start| line.starts_with(start));
    text.lines().filter(is_ours).map(|line| format!("{line}\n")).collect()
}

impl AutomaticUpgrades {
    /// Returns the packages of the driver that it will upgrade: those that are not held, not excluded, and from an
    /// origin that it takes.
    pub fn touched<'a>(&self, packages: &'a [NodePackage]) -> Vec<&'a NodePackage> {
        let takes = |package: &&NodePackage| {
            package.part == Part::Driver
                && package.held.is_none()
                && !self.excludes(&package.name)
                && self.takes_from(package)
        };
        if self.is_on == Some(true) { packages.iter().filter(takes).collect() } else { Vec::new() }
    }

    fn excludes(&self, name: &str) -> bool {
        let pattern = |text: &String| match self.program.as_str() {
            // As Python's `re.match`: from the start, to wherever.
            "unattended-upgrades" => format!("^(?:{text})"),
            _ => format!("^{}$", regex::escape(text).replace(r"\*", ".*").replace(r"\?", ".")),
        };
        self.excluded.iter().any(|text| Regex::new(&pattern(text)).is_ok_and(|pattern| pattern.is_match(name)))
    }

    /// A package of NVIDIA's own repository is taken only where the settings name that: its origin is `NVIDIA`, its
    /// site is known. One of a source on this disk, or that no source has, is not upgraded by anybody.
    fn takes_from(&self, package: &NodePackage) -> bool {
        if self.program != "unattended-upgrades" {
            return true;
        }
        let Some(origin) = package.origin.as_deref().filter(|origin| !origin.starts_with("file:")) else {
            return false;
        };
        let names_nvidia =
            |text: &String| text.to_ascii_lowercase().contains("nvidia") || text.contains("origin=*") || text == "*:*";
        if origin.contains(".nvidia.") { self.origins.iter().any(names_nvidia) } else { !self.origins.is_empty() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Printed by Debian 12's apt-config with the settings of its unattended-upgrades 2.9.1, and one exclusion added.
    const DUMP: &str = "APT \"\";\nAPT::Periodic \"\";\nAPT::Periodic::Update-Package-Lists \"1\";\nAPT::Periodic::Unattended-Upgrade \"1\";\n\
        Unattended-Upgrade \"\";\nUnattended-Upgrade::Origins-Pattern \"\";\n\
        Unattended-Upgrade::Origins-Pattern:: \"origin=Debian,codename=${distro_codename},label=Debian\";\n\
        Unattended-Upgrade::Package-Blacklist \"\";\nUnattended-Upgrade::Package-Blacklist:: \"libnvidia-\";\n";

    fn package(name: &str, origin: Option<&str>, held: bool) -> NodePackage {
        NodePackage {
            name: name.into(),
            origin: origin.map(str::to_owned),
            held: held.then(|| "apt-mark hold".to_owned()),
            ..NodePackage::default()
        }
    }

    #[test]
    fn only_what_is_neither_held_nor_excluded_nor_foreign_is_touched() {
        let upgrades = parse_apt_config(DUMP);
        let (debian, nvidia) =
            (Some("http://deb.debian.org/debian"), Some("https://developer.download.nvidia.com/compute/cuda/x"));
        let packages = [
            package("nvidia-driver", debian, false),
            package("libnvidia-ml1", debian, false),
            package("nvidia-smi", debian, true),
            package("nvidia-open-580", nvidia, false),
            package("nvidia-kernel-common", None, false),
        ];
        let names = |upgrades: &AutomaticUpgrades| {
            upgrades.touched(&packages).iter().map(|package| package.name.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(&upgrades), "nvidia-driver");
        let more = AutomaticUpgrades { origins: vec!["origin=NVIDIA".into()], ..upgrades.clone() };
        assert_eq!(names(&more), "nvidia-driver nvidia-open-580");
        assert_eq!(names(&AutomaticUpgrades { is_on: Some(false), ..upgrades }), "");
    }

    #[test]
    fn a_switch_that_is_off_or_not_set_is_off() {
        assert_eq!(parse_apt_config("").is_on, Some(false));
        assert_eq!(parse_apt_config("APT::Periodic::Unattended-Upgrade \"0\";\n").is_on, Some(false));
        let off = format!("{DUMP}APT::Periodic::Enable \"0\";\n");
        assert_eq!(parse_apt_config(&off).is_on, Some(false));
    }

    #[test]
    fn dnf_names_what_it_leaves_alone() {
        assert_eq!(exclusions("[main]\nexcludepkgs=nvidia* kernel*,x\n"), ["nvidia*", "kernel*", "x"]);
        let upgrades = AutomaticUpgrades {
            program: "dnf-automatic".into(),
            excluded: vec!["nvidia*".into()],
            ..Default::default()
        };
        assert!(upgrades.excludes("nvidia-driver") && !upgrades.excludes("kmod-nvidia"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in any::<String>()) {
            let _ = (parse_apt_config(&text), exclusions(&text));
            let _ = AutomaticUpgrades { excluded: vec![text], ..AutomaticUpgrades::default() }.excludes("x");
        }
    }
}
