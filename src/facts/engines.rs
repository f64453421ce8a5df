//! The other container runtimes, CRI-O and docker: which runtimes their files add. Kubespray rewrites
//! `/etc/crio/crio.conf` and leaves `/etc/crio/crio.conf.d` and `/etc/docker/daemon.json` alone. Source: owners.md 1.3.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};
use toml::Value;

use super::{Unknown, reader::Reader, toml_text};
use crate::{host::Command, i18n::msg, text::printable};

const CRIO_FACT: &str = "runtime.crio";
const DOCKER_FACT: &str = "runtime.docker";

/// Everything of CRI-O's.
pub const CRIO_FOLDER: &str = "/etc/crio/";
/// CRI-O's own file, which Kubespray writes.
pub const CRIO_FILE: &str = "/etc/crio/crio.conf";
/// Where CRI-O looks for drop-ins.
pub const CRIO_DROP_INS: &str = "/etc/crio/crio.conf.d";
/// Where nvidia-ctk 1.18.0 to 1.19.0 wrote, and CRI-O never looks. Source: toolkit PR#1829, gpu-operator#2236.
const CRIO_MISPLACED: &str = "/etc/crio/conf.d";
/// docker's settings.
pub const DAEMON_JSON: &str = "/etc/docker/daemon.json";

/// What is known of CRI-O.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CrioFacts {
    /// Its files, in the order in which it reads them: a later one counts.
    pub files: Vec<EngineFile>,
    /// Files where it never looks.
    pub misplaced: Vec<EngineFile>,
    /// What holds, by `crio config`; absent while nobody asked. No CRI-O was at hand to verify the form of its answer.
    pub effective: Option<EngineFile>,
}

/// What is known of docker.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DockerFacts {
    /// Its settings.
    pub settings: EngineFile,
}

/// A file that adds runtimes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EngineFile {
    /// Where it is, or the command that printed it.
    pub path: String,
    /// The runtimes, with the program of each; empty where the file names none.
    pub runtimes: BTreeMap<String, String>,
    /// The runtime of a container that asks for none.
    pub default_runtime: Option<String>,
}

impl CrioFacts {
    /// Returns the program of a runtime, and where it is written: what CRI-O says, else what its files say.
    pub fn runtime(&self, name: &str) -> Option<(&str, &str)> {
        let of = |file: &'_ EngineFile| file.runtimes.contains_key(name);
        let file = self
            .effective
            .as_ref()
            .filter(|file| of(file))
            .or_else(|| self.files.iter().rev().find(|file| of(file)))?;
        Some((file.runtimes.get(name)?.as_str(), file.path.as_str()))
    }
}

/// Returns what is known of CRI-O without starting it; nothing on a machine without.
pub(super) fn probe_crio(reader: &mut Reader<'_>) -> Option<CrioFacts> {
    let root = engine_file(reader, CRIO_FACT, Path::new(CRIO_FILE), parse_crio);
    let mut files: Vec<EngineFile> = root.into_iter().collect();
    files.extend(in_folder(reader, CRIO_DROP_INS));
    let misplaced = in_folder(reader, CRIO_MISPLACED);
    let is_here = !files.is_empty()
        || !misplaced.is_empty()
        || reader.first_there(&["/usr/bin/crio", "/usr/local/bin/crio"]).is_some();
    is_here.then_some(CrioFacts { files, misplaced, effective: None })
}

/// CRI-O reads every file of the folder, whatever it is called. Source: crio.conf(5), `--config-dir`.
fn in_folder(reader: &mut Reader<'_>, folder: &str) -> Vec<EngineFile> {
    let names = reader.list_if_there(CRIO_FACT, folder);
    names.iter().filter_map(|name| engine_file(reader, CRIO_FACT, &Path::new(folder).join(name), parse_crio)).collect()
}

/// Asks CRI-O what holds.
pub(super) fn ask_crio(reader: &mut Reader<'_>, facts: &mut CrioFacts) {
    let command = Command::new("crio", ["config"]);
    if reader.host.commands.locate("crio").is_none() {
        return;
    }
    let Some(text) = reader.command("runtime.crio.effective", &command) else { return };
    match parse_crio(&text) {
        Ok(file) => facts.effective = Some(EngineFile { path: command.to_string(), ..file }),
        Err(error) => reader.note("runtime.crio.effective", Unknown::from(msg::unknown::not_toml(error, command))),
    }
}

/// Returns what is known of docker; nothing on a machine without settings of it.
pub(super) fn probe_docker(reader: &mut Reader<'_>) -> Option<DockerFacts> {
    engine_file(reader, DOCKER_FACT, Path::new(DAEMON_JSON), parse_daemon_json).map(|settings| DockerFacts { settings })
}

fn engine_file(
    reader: &mut Reader<'_>,
    fact: &str,
    path: &Path,
    parse: fn(&str) -> Result<EngineFile, String>,
) -> Option<EngineFile> {
    let text = reader.text_if_there(fact, path)?;
    let path = printable(&path.to_string_lossy());
    match parse(&text) {
        Ok(file) => Some(EngineFile { path, ..file }),
        Err(error) => {
            reader.note(fact, Unknown::from(msg::unknown::not_toml(error, &path)));
            Some(EngineFile { path, ..EngineFile::default() })
        }
    }
}

/// Reads `[crio.runtime] default_runtime` and `[crio.runtime.runtimes.NAME] runtime_path`. Source: crio.conf(5).
pub fn parse_crio(text: &str) -> Result<EngineFile, String> {
    let root = toml_text::table(text)?;
    let runtime = root.get("crio").and_then(|crio| crio.get("runtime"));
    let runtimes = runtime.and_then(|runtime| runtime.get("runtimes")).and_then(Value::as_table).into_iter().flatten();
    let path = |entry: &Value| entry.get("runtime_path").and_then(Value::as_str).unwrap_or_default().to_owned();
    let default = runtime
        .and_then(|runtime| runtime.get("default_runtime"))
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty());
    Ok(EngineFile {
        runtimes: runtimes.map(|(name, entry)| (printable(name), printable(&path(entry)))).collect(),
        default_runtime: default.map(printable),
        path: String::new(),
    })
}

/// Reads `runtimes` and `default-runtime`. Source: dockerd(8), daemon.json.
pub fn parse_daemon_json(text: &str) -> Result<EngineFile, String> {
    let json: serde_json::Value = serde_json::from_str(text).map_err(|error| printable(&error.to_string()))?;
    let runtimes = json.get("runtimes").and_then(serde_json::Value::as_object).into_iter().flatten();
    let path = |entry: &serde_json::Value| {
        entry.get("path").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    };
    Ok(EngineFile {
        runtimes: runtimes.map(|(name, entry)| (printable(name), printable(&path(entry)))).collect(),
        default_runtime: json.get("default-runtime").and_then(serde_json::Value::as_str).map(printable),
        path: String::new(),
    })
}

/// Returns what a recording keeps of a file of CRI-O or docker: the runtimes and how layers are stored.
pub(super) fn excerpt(path: &str, text: &str) -> String {
    if path == DAEMON_JSON {
        let json: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let keep = |key: &str| matches!(key, "runtimes" | "default-runtime" | "storage-driver");
        let object = json.as_object().into_iter().flatten().filter(|(key, _)| keep(key));
        let object: serde_json::Map<_, _> = object.map(|(key, value)| (key.clone(), value.clone())).collect();
        return if json.is_null() { "{".to_owned() } else { format!("{}\n", serde_json::Value::Object(object)) };
    }
    let Ok(file) = parse_crio(text) else { return "= is no TOML\n".to_owned() };
    let default = file.default_runtime.map(|name| format!("default_runtime = \"{name}\"\n")).unwrap_or_default();
    let storage =
        super::toml_text::parse_toml(text, "storage_driver").map(|driver| format!("storage_driver = \"{driver}\"\n"));
    let entry =
        |(name, program): (&String, &String)| format!("[crio.runtime.runtimes.{name}]\nruntime_path = \"{program}\"\n");
    let runtimes: String = file.runtimes.iter().map(entry).collect();
    format!("[crio]\n{}[crio.runtime]\n{default}{runtimes}", storage.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_each_runtime_adds() {
        let crio = "[crio]\n[crio.runtime]\ndefault_runtime = \"crun\"\n[crio.runtime.runtimes.nvidia]\n\
            runtime_path = \"/usr/bin/nvidia-container-runtime\"\nruntime_type = \"oci\"\n";
        let crio = parse_crio(crio).unwrap();
        assert_eq!(
            (crio.runtimes["nvidia"].as_str(), crio.default_runtime.as_deref()),
            ("/usr/bin/nvidia-container-runtime", Some("crun"))
        );
        let docker = r#"{"runtimes": {"nvidia": {"path": "nvidia-container-runtime", "runtimeArgs": []}}, "default-runtime": "nvidia"}"#;
        let docker = parse_daemon_json(docker).unwrap();
        assert_eq!(
            (docker.runtimes["nvidia"].as_str(), docker.default_runtime.as_deref()),
            ("nvidia-container-runtime", Some("nvidia"))
        );
        assert!(parse_daemon_json("{").is_err() && parse_crio("[").is_err());
        assert_eq!(parse_crio("").unwrap(), EngineFile::default());
    }

    #[test]
    fn the_later_file_counts_and_what_crio_says_before_all() {
        let file = |path: &str, program: &str| EngineFile {
            path: path.into(),
            runtimes: [("nvidia".into(), program.into())].into(),
            default_runtime: None,
        };
        let mut facts = CrioFacts { files: vec![file("a", "1"), file("b", "2")], ..CrioFacts::default() };
        assert_eq!(facts.runtime("nvidia"), Some(("2", "b")));
        facts.effective = Some(file("crio config", "3"));
        assert_eq!(facts.runtime("nvidia"), Some(("3", "crio config")));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in any::<String>()) {
            let _ = (parse_crio(&text), parse_daemon_json(&text));
        }
    }
}
