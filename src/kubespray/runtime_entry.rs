//! The entry of NVIDIA's runtime in `containerd_additional_runtimes`, which is the one durable place for it: Kubespray
//! writes containerd's configuration anew at each run of its role.
//! Source: roles/container-engine/containerd/templates/config.toml.j2 of v2.18 to v2.31, and renders of it read by
//! containerd 1.6 to 2.1.

use serde_json::{Map, Value, json};

use super::{Preview, is_template_within, release::Release, truth::as_bool};
use crate::version::Version;

/// The variable.
pub const VARIABLE: &str = "containerd_additional_runtimes";
/// The name of the runtime, which is the handler of its `RuntimeClass` too.
pub const NAME: &str = "nvidia";
/// The runtime of the container toolkit's packages.
pub const BINARY: &str = "/usr/bin/nvidia-container-runtime";
/// Where GPU Operator puts a runtime of its own (`toolkit.installDir` of its chart); it goes with the operator.
const OF_OPERATOR: &str = "/usr/local/nvidia/toolkit/";
/// The runtime of GPU Operator.
pub const OPERATOR_BINARY: &str = "/usr/local/nvidia/toolkit/nvidia-container-runtime";
/// The option that names the binary, in the spelling that all releases of containerd read.
const BINARY_NAME: &str = "BinaryName";
const SYSTEMD_CGROUP: &str = "SystemdCgroup";

/// Who brings the program that the entry names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brings {
    /// The container toolkit's packages, or a person.
    Host,
    /// GPU Operator.
    Operator,
}

/// What an entry has to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// What `containerd_use_systemd_cgroup` becomes on the node.
    pub systemd_cgroup: bool,
    /// The template of the release fails without `engine` and `root` (up to v2.29).
    pub needs_engine: bool,
    /// Who brings its program.
    pub brings: Brings,
}

impl Fit {
    /// Reads it off the preview; a release that is not known is taken for an old one, whose entry every release takes.
    pub fn of(preview: &Preview, brings: Brings) -> Self {
        let value = |name: &str| preview.variable(name).and_then(|variable| variable.value.as_ref());
        Self {
            // Kubespray's own default is true. Source: `roles/kubespray_defaults/defaults/main/main.yml`, v2.18 to
            // v2.31.
            systemd_cgroup: value("containerd_use_systemd_cgroup").is_none_or(as_bool),
            needs_engine: preview.layout.release.as_ref().is_none_or(|release| !release.at_least(30)),
            brings,
        }
    }

    fn binary(self) -> &'static str {
        match self.brings {
            Brings::Host => BINARY,
            Brings::Operator => OPERATOR_BINARY,
        }
    }
}

/// Returns the list with NVIDIA's entry in it, whole: a list of host or group variables replaces the one below it.
/// Other entries stay as they are written. Nothing where the list cannot be known: it is a template, or no list.
pub fn merged(list: Option<&Value>, resolved: Option<&Value>, fit: Fit) -> Option<Value> {
    let is_known = |value: &&Value| value.is_array();
    let written = match list {
        None | Some(Value::Null) => resolved.filter(is_known).cloned().unwrap_or_else(|| json!([])),
        Some(list) if list.is_array() => list.clone(),
        // A template that the inventory alone fills in; what it becomes is written out.
        Some(_) => resolved.filter(is_known).filter(|value| !is_template_within(value))?.clone(),
    };
    let mut entries: Vec<Value> = written.as_array()?.clone();
    if !entries.iter().all(Value::is_object) {
        return None;
    }
    match entries.iter().position(is_ours) {
        Some(place) => {
            entries[place] = mended(&entries[place], fit);
            // Two tables of one name are an error that containerd does not start with.
            let mut index = 0;
            entries.retain(|entry| {
                index += 1;
                index - 1 == place || !is_ours(entry)
            });
        }
        None => entries.push(mended(&json!({"name": NAME}), fit)),
    }
    Some(Value::Array(entries))
}

/// Tells whether an entry is NVIDIA's.
pub fn is_ours(entry: &Value) -> bool {
    entry["name"] == NAME
}

/// Returns the entry as it has to be, with all that a person added to it.
fn mended(entry: &Value, fit: Fit) -> Value {
    let mut map = entry.as_object().cloned().unwrap_or_default();
    default(&mut map, "type", "io.containerd.runc.v2");
    if fit.needs_engine {
        default(&mut map, "engine", "");
        default(&mut map, "root", "");
    }
    // Without it, GPU pods would not have Kubespray's limit of open files that all other pods have.
    default(&mut map, "base_runtime_spec", "cri-base.json");
    let options = mended_options(map.get("options").and_then(Value::as_object), fit);
    map.insert("options".to_owned(), Value::Object(options));
    Value::Object(map)
}

fn default(map: &mut Map<String, Value>, key: &str, value: &str) {
    if map.get(key).is_none_or(Value::is_null) {
        map.insert(key.to_owned(), value.into());
    }
}

/// One spelling of each option, and texts: containerd 2 reads both spellings, and of two the lower-case one wins; a
/// YAML boolean becomes the text "True", which every pod of the class fails with.
fn mended_options(options: Option<&Map<String, Value>>, fit: Fit) -> Map<String, Value> {
    let is_binary = |value: &Value| {
        let path = value.as_str().unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default();
        name.starts_with("nvidia-container-runtime")
            && path.starts_with(OF_OPERATOR) == (fit.brings == Brings::Operator)
    };
    let mut named =
        options.into_iter().flatten().filter(|(key, _)| key.eq_ignore_ascii_case(BINARY_NAME)).map(|(_, value)| value);
    let binary = named.find(|value| is_binary(value)).cloned().unwrap_or_else(|| fit.binary().into());
    let mut mended = Map::new();
    for (key, value) in options.into_iter().flatten() {
        if key.eq_ignore_ascii_case(BINARY_NAME) {
            mended.insert(BINARY_NAME.to_owned(), binary.clone());
        } else if key.eq_ignore_ascii_case(SYSTEMD_CGROUP) {
            mended.insert(SYSTEMD_CGROUP.to_owned(), fit.systemd_cgroup.to_string().into());
        } else {
            let text = if value.is_boolean() { value.to_string().into() } else { value.clone() };
            mended.insert(key.clone(), text);
        }
    }
    mended.entry(BINARY_NAME).or_insert(binary);
    mended.entry(SYSTEMD_CGROUP).or_insert(fit.systemd_cgroup.to_string().into());
    mended
}

/// What is wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Both spellings of one option.
    BothSpellings,
    /// A YAML boolean among the options.
    Boolean,
    /// `engine`, `root` or `options` is missing where the release's template needs it.
    Incomplete,
}

/// Returns what is wrong with an entry of whatever runtime.
pub fn fault(entry: &Value, release: Option<&Release>) -> Option<Fault> {
    let options = entry["options"].as_object();
    let keys: Vec<String> = options.into_iter().flatten().map(|(key, _)| key.to_ascii_lowercase()).collect();
    let is_twice = keys.iter().enumerate().any(|(index, key)| keys[..index].contains(key));
    let lacks = |key: &str| entry.get(key).is_none();
    if is_twice {
        Some(Fault::BothSpellings)
    } else if options.is_some_and(|options| options.values().any(Value::is_boolean)) {
        Some(Fault::Boolean)
    } else if options.is_none()
        || release.is_some_and(|release| !release.at_least(30)) && (lacks("engine") || lacks("root"))
    {
        Some(Fault::Incomplete)
    } else {
        None
    }
}

/// Tells whether the containerd of the node is older than 2.0; nothing where nobody can say.
/// Source: `containerd_version` of the releases: 1.7 up to v2.27, 2.0 from v2.28 on.
pub fn is_before_2(preview: &Preview) -> Option<bool> {
    let version = preview
        .variable("containerd_version")
        .and_then(|variable| variable.value.as_ref()?.as_str()?.parse::<Version>().ok());
    match version {
        Some(version) => Some(version.part(0) < 2),
        None => preview.layout.release.as_ref().map(|release| !release.at_least(28)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIT: Fit = Fit { systemd_cgroup: true, needs_engine: true, brings: Brings::Host };

    fn whole() -> Value {
        json!({"name": "nvidia", "type": "io.containerd.runc.v2", "engine": "", "root": "", "base_runtime_spec": "cri-base.json",
            "options": {"BinaryName": BINARY, "SystemdCgroup": "true"}})
    }

    #[test]
    fn the_entry_joins_what_is_there() {
        let kata = json!({"name": "kata", "type": "io.containerd.kata.v2", "options": {"ConfigPath": "{{ kata_config }}", "Root": true}});
        assert_eq!(merged(None, None, FIT), Some(json!([whole()])));
        assert_eq!(merged(Some(&json!([kata])), None, FIT), Some(json!([kata, whole()])));
        let full = json!([whole(), kata]);
        assert_eq!(merged(Some(&full), None, FIT), Some(full.clone()), "a second time changes nothing");
        let new = Fit { systemd_cgroup: false, needs_engine: false, brings: Brings::Host };
        let entry = merged(None, None, new).unwrap()[0].clone();
        assert_eq!((entry.get("engine"), &entry["options"]["SystemdCgroup"]), (None, &json!("false")));
    }

    #[test]
    fn a_damaged_entry_is_mended_and_keeps_what_is_its_own() {
        for (options, binary) in [
            (json!({"binaryName": "/usr/local/bin/runc", "BinaryName": BINARY, "systemdCgroup": true}), BINARY),
            (json!({"binaryName": BINARY, "SystemdCgroup": true}), BINARY),
            (json!({"BINARYNAME": "/opt/nv/nvidia-container-runtime.cdi"}), "/opt/nv/nvidia-container-runtime.cdi"),
            (json!({"BinaryName": "/usr/local/nvidia/toolkit/nvidia-container-runtime"}), BINARY),
            (json!({"BinaryName": "/usr/local/bin/runc", "SystemdCgroup": "True"}), BINARY),
            (json!(null), BINARY),
            (json!({}), BINARY),
        ] {
            let entry = json!({"name": "nvidia", "options": options, "mine": 1});
            let list = merged(Some(&json!([entry, {"name": "nvidia"}])), None, FIT).unwrap();
            assert_eq!(list.as_array().map(Vec::len), Some(1), "one table of a name");
            assert_eq!(list[0]["options"], json!({"BinaryName": binary, "SystemdCgroup": "true"}), "{options}");
            assert_eq!(
                (&list[0]["mine"], &list[0]["type"], fault(&list[0], None)),
                (&json!(1), &json!("io.containerd.runc.v2"), None)
            );
        }
        let other = json!({"name": "nvidia", "options": {"NoPivotRoot": false, "CriuPath": "x"}});
        let options = merged(Some(&json!([other])), None, FIT).unwrap()[0]["options"].clone();
        assert_eq!((&options["NoPivotRoot"], &options["CriuPath"]), (&json!("false"), &json!("x")));
    }

    #[test]
    fn another_owner_brings_another_program() {
        let fit = Fit { brings: Brings::Operator, ..FIT };
        let list = merged(Some(&json!([whole()])), None, fit).unwrap();
        assert_eq!(list[0]["options"]["BinaryName"], OPERATOR_BINARY);
        assert_eq!(merged(Some(&list), None, fit), Some(list.clone()), "a second time changes nothing");
        assert_eq!(merged(Some(&list), None, FIT), Some(json!([whole()])), "and back");
    }

    #[test]
    fn what_nobody_knows_is_not_replaced() {
        let resolved = json!([{"name": "kata", "options": {}}]);
        assert_eq!(merged(Some(&json!("{{ runtimes }}")), Some(&json!("{{ runtimes }}")), FIT), None);
        assert_eq!(merged(Some(&json!("{{ runtimes }}")), Some(&resolved), FIT).unwrap()[0], resolved[0]);
        assert_eq!(merged(Some(&json!({"__ansible_vault": "x"})), None, FIT), None);
        assert_eq!(merged(Some(&json!(["kata"])), None, FIT), None);
    }

    #[test]
    fn faults_are_told() {
        let old = Release::parse("v2.27.1");
        for (entry, wrong) in [
            (json!({"name": "kata", "engine": "", "root": "", "options": {}}), None),
            (json!({"name": "kata", "engine": "", "root": ""}), Some(Fault::Incomplete)),
            (json!({"name": "kata", "options": {}}), Some(Fault::Incomplete)),
            (json!({"name": "kata", "options": {"Root": true}}), Some(Fault::Boolean)),
            (json!({"name": "kata", "options": {"Root": "", "root": ""}}), Some(Fault::BothSpellings)),
        ] {
            assert_eq!(fault(&entry, old.as_ref()), wrong, "{entry}");
        }
        assert_eq!(fault(&json!({"name": "kata", "options": {}}), Release::parse("v2.30.0").as_ref()), None);
    }
}
