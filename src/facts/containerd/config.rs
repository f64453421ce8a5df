//! The configuration of containerd, a file or what `containerd config dump` prints, as far as the GPU rests on it.
//!
//! Versions 1 to 4. Where the runtimes stand: `plugins.cri` (1), `plugins."io.containerd.grpc.v1.cri"` (2),
//! `plugins."io.containerd.cri.v1.runtime"` (3 and 4). Source: containerd, docs/cri/config.md and
//! cmd/containerd/server/config.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::{facts::toml_text, text::printable, version::Version};

/// The tables that hold the CRI's runtimes, each with the versions of a file that knows it.
const PLUGINS: [(&str, std::ops::RangeInclusive<u32>); 3] =
    [("cri", 1..=1), ("io.containerd.grpc.v1.cri", 2..=2), ("io.containerd.cri.v1.runtime", 3..=4)];

/// What one file, or the dump of the effective configuration, says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerdConfig {
    /// Its format; 1 where none is written.
    pub version: u32,
    /// The files that it takes in, as written: paths and globs.
    pub imports: Vec<String>,
    /// The tables of the CRI that it has, by the names of the plugins.
    pub plugins: Vec<String>,
    /// The runtime of a pod that asks for none.
    pub default_runtime: Option<String>,
    /// Whether devices by CDI are on; absent where nothing is written, and containerd's own default holds.
    pub enable_cdi: Option<bool>,
    /// How many settings of the CRI it has besides the runtimes: a drop-in with many is a copy of the whole section.
    pub other_settings: usize,
    /// The runtimes, by name.
    pub runtimes: Vec<RuntimeEntry>,
}

/// One runtime that pods can ask for by a `RuntimeClass`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RuntimeEntry {
    /// Its name, the handler of a `RuntimeClass`.
    pub name: String,
    /// The plugin in whose table it stands.
    pub plugin: String,
    /// The shim, `io.containerd.runc.v2`.
    pub runtime_type: Option<String>,
    /// The file with what every container of this runtime gets.
    pub base_runtime_spec: Option<String>,
    /// The program, in each spelling that is written (`BinaryName`, `binaryName`).
    pub binary: Vec<Spelled<String>>,
    /// Whether systemd makes the control groups, in each spelling that is written.
    pub systemd_cgroup: Vec<Spelled<Switch>>,
}

/// An option as it is spelled: containerd takes more than one spelling, and does not take them alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spelled<T> {
    /// The key as written.
    pub key: String,
    /// Its value.
    pub value: T,
}

/// The value of an option that should be true or false.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// `true`.
    On,
    /// `false`.
    Off,
    /// Anything else, such as the text `"True"`: containerd starts with it, and no pod of the runtime does.
    NotASwitch(String),
}

/// Returns what a configuration says; the error is the parser's, in one line.
pub fn parse(text: &str) -> Result<ContainerdConfig, String> {
    let root = toml_text::table(text)?;
    let version = root.get("version").and_then(Value::as_integer).and_then(|version| u32::try_from(version).ok());
    let mut config =
        ContainerdConfig { version: version.unwrap_or(1), imports: texts(root.get("imports")), ..Default::default() };
    let plugins = root.get("plugins").and_then(Value::as_table);
    for (name, _) in &PLUGINS {
        if let Some(cri) = plugins.and_then(|plugins| plugins.get(*name)).and_then(Value::as_table) {
            config.take(name, cri);
        }
    }
    Ok(config)
}

impl ContainerdConfig {
    fn take(&mut self, plugin: &str, cri: &Table) {
        self.plugins.push(plugin.to_owned());
        self.enable_cdi = cri.get("enable_cdi").and_then(Value::as_bool).or(self.enable_cdi);
        self.other_settings += cri.iter().filter(|(key, _)| *key != "containerd").count();
        let Some(containerd) = cri.get("containerd").and_then(Value::as_table) else { return };
        let default = containerd.get("default_runtime_name").and_then(Value::as_str).filter(|name| !name.is_empty());
        self.default_runtime = default.map(printable).or(self.default_runtime.take());
        let runtimes = containerd.get("runtimes").and_then(Value::as_table).into_iter().flatten();
        let entries = runtimes.filter_map(|(name, entry)| Some(runtime(plugin, name, entry.as_table()?)));
        self.runtimes.extend(entries);
    }

    /// Returns the runtime of this name.
    pub fn runtime(&self, name: &str) -> Option<&RuntimeEntry> {
        self.runtimes.iter().find(|entry| entry.name == name)
    }

    /// Tells whether a runtime stands in a table that a file of this version knows: containerd passes over any other
    /// without a word.
    pub fn knows(&self, entry: &RuntimeEntry) -> bool {
        PLUGINS.iter().any(|(plugin, versions)| *plugin == entry.plugin && versions.contains(&self.version))
    }
}

fn runtime(plugin: &str, name: &str, entry: &Table) -> RuntimeEntry {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(printable);
    let options = entry.get("options").and_then(Value::as_table);
    RuntimeEntry {
        name: printable(name),
        plugin: plugin.to_owned(),
        runtime_type: text("runtime_type"),
        base_runtime_spec: text("base_runtime_spec"),
        binary: spelled(options, "BinaryName", |value| value.as_str().filter(|path| !path.is_empty()).map(printable)),
        systemd_cgroup: spelled(options, "SystemdCgroup", |value| Some(switch(value))),
    }
}

/// Returns an option in every spelling that differs by capitals only; the exact one first.
fn spelled<T>(options: Option<&Table>, name: &str, read: impl Fn(&Value) -> Option<T>) -> Vec<Spelled<T>> {
    let same = options.into_iter().flatten().filter(|(key, _)| key.eq_ignore_ascii_case(name));
    let mut found: Vec<_> =
        same.filter_map(|(key, value)| Some(Spelled { key: printable(key), value: read(value)? })).collect();
    found.sort_by_key(|one| one.key != name);
    found
}

fn switch(value: &Value) -> Switch {
    match value {
        Value::Boolean(true) => Switch::On,
        Value::Boolean(false) => Switch::Off,
        Value::String(text) => Switch::NotASwitch(printable(text)),
        other => Switch::NotASwitch(printable(&other.to_string())),
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(printable).collect()
}

/// Returns what a recording keeps of a configuration: what [`parse`] reads, and the snapshotter. Registries have names
/// and passwords.
pub fn excerpt(text: &str) -> String {
    let Ok(root) = toml_text::table(text) else { return "= is no TOML\n".to_owned() };
    let mut kept = only(&root, &["version", "imports", "plugins", "snapshotter"]);
    if let Some(Value::Table(plugins)) = kept.get_mut("plugins") {
        for (name, plugin) in plugins.iter_mut() {
            let is_cri = PLUGINS.iter().any(|(plugin, _)| plugin == name);
            *plugin = Value::Table(plugin.as_table().map(|plugin| plugin_excerpt(plugin, is_cri)).unwrap_or_default());
        }
        plugins.retain(|_, plugin| plugin.as_table().is_some_and(|plugin| !plugin.is_empty()));
    }
    kept.to_string()
}

fn plugin_excerpt(plugin: &Table, is_cri: bool) -> Table {
    let mut kept = only(plugin, &["enable_cdi", "containerd", "snapshotter"]);
    // How many there are says whether a drop-in is a copy of the whole section; what they hold does not.
    let others = plugin
        .iter()
        .filter(|(key, _)| is_cri && !kept.contains_key(*key))
        .map(|(key, _)| key.clone())
        .collect::<Vec<_>>();
    kept.extend(others.into_iter().map(|key| (key, Value::String("recorded".to_owned()))));
    if let Some(Value::Table(containerd)) = kept.get_mut("containerd") {
        *containerd = only(containerd, &["default_runtime_name", "runtimes", "snapshotter"]);
        for (_, entry) in containerd.get_mut("runtimes").and_then(Value::as_table_mut).into_iter().flatten() {
            *entry = Value::Table(
                entry
                    .as_table()
                    .map(|entry| only(entry, &["runtime_type", "base_runtime_spec", "options"]))
                    .unwrap_or_default(),
            );
        }
    }
    kept
}

fn only(table: &Table, keys: &[&str]) -> Table {
    keys.iter().filter_map(|key| Some(((*key).to_owned(), table.get(*key)?.clone()))).collect()
}

/// The first containerd that reads options without a look at capitals.
const CASELESS_SINCE: u32 = 2;

impl RuntimeEntry {
    /// Returns the program that containerd really starts. With two spellings in one entry, 1.x takes the exact one and
    /// 2.x the one in small letters, whatever the order, and says nothing.
    /// Source: go-toml v1 `keysToTry`, read; 2.1.9, run (owners.md 1.6 and 9).
    pub fn program(&self, containerd: Option<&Version>) -> Option<&str> {
        wins(&self.binary, containerd).map(|one| one.value.as_str())
    }

    /// Returns whether systemd makes the control groups, in the spelling that counts.
    pub fn cgroup(&self, containerd: Option<&Version>) -> Option<&Switch> {
        wins(&self.systemd_cgroup, containerd).map(|one| &one.value)
    }
}

fn wins<'a, T>(spelled: &'a [Spelled<T>], containerd: Option<&Version>) -> Option<&'a Spelled<T>> {
    let is_caseless = containerd.is_none_or(|version| version.branch() >= CASELESS_SINCE);
    if is_caseless { spelled.last() } else { spelled.first() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const V2: &str = "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n[plugins.\"io.containerd.grpc.v1.cri\"]\nenable_cdi = true\n\
        [plugins.\"io.containerd.grpc.v1.cri\".containerd]\ndefault_runtime_name = \"runc\"\n\
        [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.nvidia]\nruntime_type = \"io.containerd.runc.v2\"\n\
        base_runtime_spec = \"/etc/containerd/cri-base.json\"\n\
        [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.nvidia.options]\nbinaryName = \"/usr/local/bin/runc\"\n\
        BinaryName = \"/usr/bin/nvidia-container-runtime\"\nSystemdCgroup = \"True\"\n";

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn reads_each_version_where_its_runtimes_stand() {
        for (plugin, format, written) in [
            ("cri", 1, ""),
            ("io.containerd.grpc.v1.cri", 2, "version = 2\n"),
            ("io.containerd.cri.v1.runtime", 3, "version = 3\n"),
            ("io.containerd.cri.v1.runtime", 4, "version = 4\n"),
        ] {
            let config =
                parse(&format!("{written}[plugins.'{plugin}'.containerd.runtimes.nvidia]\nruntime_type = 'x'\n"))
                    .unwrap();
            assert_eq!(config.version, format);
            let entry = config.runtime("nvidia").unwrap();
            assert!(config.knows(entry));
            assert_eq!((entry.runtime_type.as_deref(), entry.base_runtime_spec.as_deref()), (Some("x"), None));
        }
        let old_names = "version = 3\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.nvidia]\n";
        let config = parse(old_names).unwrap();
        assert!(!config.knows(config.runtime("nvidia").unwrap()));
    }

    #[test]
    fn two_spellings_are_both_seen_and_the_version_says_which_one_counts() {
        let config = parse(V2).unwrap();
        let entry = config.runtime("nvidia").unwrap();
        assert_eq!(entry.binary.iter().map(|one| one.key.as_str()).collect::<Vec<_>>(), ["BinaryName", "binaryName"]);
        assert_eq!(entry.program(Some(&version("1.7.27"))), Some("/usr/bin/nvidia-container-runtime"));
        assert_eq!(entry.program(Some(&version("2.1.9"))), Some("/usr/local/bin/runc"));
        assert_eq!(entry.cgroup(None), Some(&Switch::NotASwitch("True".into())));
        assert_eq!((config.enable_cdi, config.default_runtime.as_deref()), (Some(true), Some("runc")));
        assert_eq!(config.imports, ["/etc/containerd/conf.d/*.toml"]);
    }

    /// Printed by Debian's containerd of these versions for a file of ours with both spellings and a text in the place
    /// of a switch.
    #[test]
    fn reads_what_real_containerds_print() {
        for (name, release, format, program) in [
            ("dump-1.6.20", "1.6.20", 2, "/usr/bin/nvidia-container-runtime"),
            ("dump-2.1.9", "2.1.9", 3, "/usr/local/bin/runc"),
            ("dump-2.1.9-of-version-2", "2.1.9", 3, "/usr/local/bin/runc"),
        ] {
            let path = format!("{}/tests/fixtures/containerd/{name}.toml", env!("CARGO_MANIFEST_DIR"));
            let config = parse(&std::fs::read_to_string(path).unwrap()).unwrap();
            let entry = config.runtime("nvidia").unwrap();
            assert!(config.version == format && config.knows(entry), "{name}: {}", config.version);
            assert_eq!(entry.program(Some(&version(release))), Some(program), "{name}");
            assert_eq!(entry.cgroup(None), Some(&Switch::NotASwitch("True".into())), "{name}");
            assert_eq!(entry.base_runtime_spec.as_deref(), Some("/etc/containerd/cri-base.json"), "{name}");
            let runc = config.runtime("runc").unwrap();
            assert_eq!(
                (runc.cgroup(None), config.default_runtime.as_deref()),
                (Some(&Switch::On), Some("runc")),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_no_toml_is_an_error_in_one_line() {
        let error = parse("version = 2\nversion = 3\n").unwrap_err();
        assert!(!error.is_empty() && !error.contains('\n'), "{error}");
        assert_eq!(parse("").unwrap().version, 1);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in any::<String>()) {
            let _ = parse(&text);
            let _ = parse(&format!("plugins.cri.containerd.runtimes.nvidia.options = {{ BinaryName = {text}"));
        }
    }
}
