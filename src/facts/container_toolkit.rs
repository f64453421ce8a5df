//! NVIDIA Container Toolkit: its settings and who brought it. Its packages are among those of
//! [`node_packages`](super::node_packages).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::{Unknown, reader::Reader, toml_text};
use crate::{host::Command, i18n::msg, text::printable, version::Version};

const FACT: &str = "toolkit.config";
const ASKED: &str = "toolkit.info";
/// Its settings, for every way of installing it.
pub const CONFIG: &str = "/etc/nvidia-container-runtime/config.toml";
/// Where the operator's toolkit puts its programs.
pub const OPERATORS: &str = "/usr/local/nvidia/toolkit";
/// The packages that must be of one version. Source: owners.md 2.7.
pub const PACKAGES: [&str; 4] =
    ["nvidia-container-toolkit", "nvidia-container-toolkit-base", "libnvidia-container-tools", "libnvidia-container1"];

/// What is known of the toolkit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ToolkitFacts {
    /// The settings that are written, by dotted key (`nvidia-container-runtime.mode`); a list is joined by commas.
    pub settings: BTreeMap<String, String>,
    /// The file of the settings; absent without one.
    pub settings_file: Option<String>,
    /// The folder of the operator's toolkit, if that is here.
    pub operator: Option<String>,
    /// The programs of the host's own toolkit that are here.
    pub programs: Vec<String>,
    /// Its version, by `nvidia-ctk --version`; absent while nobody asked.
    pub version: Option<String>,
    /// What `nvidia-container-cli info` said; absent while nobody asked.
    pub info: Option<CliInfo>,
}

/// What `nvidia-container-cli info` said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CliInfo {
    /// It ended with 0; the driver's version that it saw, where it named one.
    Ok(Option<String>),
    /// It failed, with these words.
    Failed(String),
}

/// Returns what is known of the toolkit without starting it; nothing on a machine without.
pub(super) fn probe(reader: &mut Reader<'_>) -> Option<ToolkitFacts> {
    const PROGRAMS: [&str; 4] = [
        "/usr/bin/nvidia-container-runtime",
        "/usr/bin/nvidia-ctk",
        "/usr/bin/nvidia-cdi-hook",
        "/usr/bin/nvidia-container-cli",
    ];
    let programs: Vec<String> =
        PROGRAMS.iter().filter(|path| reader.host.files.exists(path)).map(|path| (*path).to_owned()).collect();
    let operator = reader.first_there(&[OPERATORS]).map(str::to_owned);
    let text = reader.text_if_there(FACT, CONFIG);
    let settings_file = text.as_ref().map(|_| CONFIG.to_owned());
    let settings = text.map(|text| {
        parse(&text).unwrap_or_else(|error| {
            reader.note(FACT, Unknown::from(msg::unknown::not_toml(error, CONFIG)));
            BTreeMap::new()
        })
    });
    let is_here = !programs.is_empty() || operator.is_some() || settings.is_some();
    is_here.then(|| ToolkitFacts {
        settings: settings.unwrap_or_default(),
        settings_file,
        operator,
        programs,
        version: None,
        info: None,
    })
}

/// Asks the toolkit for its version and for the driver that it sees. It loads no module: `--load-kmods` is left out.
pub(super) fn ask(reader: &mut Reader<'_>, facts: &mut ToolkitFacts) {
    let has = |name: &str| facts.programs.iter().any(|path| path.ends_with(name));
    let (ctk, cli) = (has("/nvidia-ctk"), has("/nvidia-container-cli"));
    if ctk {
        let text = reader.command(ASKED, &Command::new("/usr/bin/nvidia-ctk", ["--version"]));
        facts.version = text.as_deref().and_then(parse_version);
    }
    if !cli {
        return;
    }
    let command = Command::new("/usr/bin/nvidia-container-cli", ["info"]);
    facts.info = match reader.host.commands.capture(&command) {
        Ok(output) if output.exit.is_success() => Some(CliInfo::Ok(parse_info(&output.stdout))),
        Ok(output) => {
            let words = output.stderr.lines().rfind(|line| !line.trim().is_empty()).map(printable);
            Some(CliInfo::Failed(words.unwrap_or_else(|| output.exit.to_string())))
        }
        Err(error) => {
            reader.note(ASKED, Unknown::from_command(&command, &error));
            None
        }
    };
}

/// Reads the settings, tables joined by dots.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let root = toml_text::table(text)?;
    let mut settings = BTreeMap::new();
    flatten("", &root, &mut settings);
    Ok(settings)
}

fn flatten(prefix: &str, table: &Table, settings: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let name = if prefix.is_empty() { printable(key) } else { format!("{prefix}.{}", printable(key)) };
        match value {
            Value::Table(inner) => flatten(&name, inner, settings),
            Value::Array(items) => drop(settings.insert(name, items.iter().map(plain).collect::<Vec<_>>().join(","))),
            other => drop(settings.insert(name, plain(other))),
        }
    }
}

fn plain(value: &Value) -> String {
    printable(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// Reads `NVIDIA Container Toolkit CLI version 1.17.8`. Source: toolkit, cmd/nvidia-ctk.
pub fn parse_version(text: &str) -> Option<String> {
    let word = text.lines().next()?.rsplit(' ').next()?.trim();
    word.parse::<Version>().is_ok().then(|| word.to_owned())
}

/// Reads the line `NVRM version:   580.65.06`. Source: libnvidia-container, src/cli/info.c.
pub fn parse_info(text: &str) -> Option<String> {
    let word = text.lines().find_map(|line| line.strip_prefix("NVRM version:"))?.trim();
    word.parse::<Version>().is_ok().then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_settings_versions_and_the_drivers_version() {
        let text = "disable-require = false\n[nvidia-container-runtime]\nmode = \"auto\"\nruntimes = [\"/usr/libexec/crio/crun\", \"runc\"]\n\
            [nvidia-container-runtime.modes.cdi]\ndefault-kind = \"nvidia.com/gpu\"\n";
        let settings = parse(text).unwrap();
        assert_eq!(settings["nvidia-container-runtime.mode"], "auto");
        assert_eq!(settings["nvidia-container-runtime.runtimes"], "/usr/libexec/crio/crun,runc");
        assert_eq!(settings["nvidia-container-runtime.modes.cdi.default-kind"], "nvidia.com/gpu");
        assert_eq!(settings["disable-require"], "false");
        assert_eq!(
            parse_version("NVIDIA Container Toolkit CLI version 1.17.8\ncommit: x\n").as_deref(),
            Some("1.17.8")
        );
        assert_eq!(parse_info("NVRM version:   580.65.06\nCUDA version:   13.0\n").as_deref(), Some("580.65.06"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in any::<String>()) {
            let _ = (parse(&text), parse_version(&text), parse_info(&text));
        }
    }
}
