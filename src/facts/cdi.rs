//! Specifications of the Container Device Interface: which cards a container can be handed by name, and for which
//! driver they were made. Source: cncf-tags/container-device-interface, SPEC.md; nvidia-ctk cdi generate.

use std::{collections::BTreeSet, path::Path};

use serde::{Deserialize, Serialize};
use serde_yaml::Value;

use super::{
    Unknown,
    reader::{Reader, has_end},
};
use crate::{i18n::msg, text::printable, version::Version};

const FACT: &str = "cdi";
/// Where runtimes look for specifications: lasting ones, and those of this boot.
const FOLDERS: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];

/// One specification of NVIDIA's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CdiSpec {
    /// The file.
    pub path: String,
    /// What it is for, `nvidia.com/gpu`.
    pub kind: String,
    /// The names of its devices: numbers, UUIDs and `all`.
    pub devices: Vec<String>,
    /// The device files of cards that it hands out, each once: a card has more than one name.
    pub cards: Vec<String>,
    /// The driver whose libraries it mounts; absent where it names none.
    pub driver_version: Option<String>,
}

/// Returns the specifications whose kind is NVIDIA's.
pub(super) fn probe(reader: &mut Reader<'_>) -> Vec<CdiSpec> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        let names = reader.list_if_there(FACT, folder);
        for name in names.iter().filter(|name| ["yaml", "yml", "json"].iter().any(|end| has_end(name, end))) {
            let path = Path::new(folder).join(name);
            let Some(text) = reader.text_if_there(FACT, &path) else { continue };
            let place = printable(&path.to_string_lossy());
            match parse(&text) {
                Some(spec) if spec.kind.starts_with("nvidia.com/") || spec.kind.ends_with(".nvidia.com/gpu") => {
                    found.push(CdiSpec { path: place, ..spec });
                }
                Some(_) => {}
                None => reader.note(FACT, Unknown::from(msg::unknown::not_understood(place))),
            }
        }
    }
    found
}

/// Reads a specification, YAML or JSON.
pub fn parse(text: &str) -> Option<CdiSpec> {
    let spec: Value = serde_yaml::from_str(text).ok()?;
    let kind = printable(spec.get("kind")?.as_str()?);
    let devices: Vec<&Value> = spec.get("devices").and_then(Value::as_sequence).into_iter().flatten().collect();
    let edits = || devices.iter().copied().chain([&spec]).filter_map(|holder| holder.get("containerEdits"));
    let listed = |list: &'static str| edits().filter_map(move |edit| edit.get(list)?.as_sequence()).flatten();
    let nodes = listed("deviceNodes").filter_map(|node| node.get("path")?.as_str());
    let cards: BTreeSet<&str> = nodes.filter(|path| is_card(path)).collect();
    let mut mounts = listed("mounts").filter_map(|mount| mount.get("hostPath")?.as_str());
    Some(CdiSpec {
        path: String::new(),
        kind,
        devices: devices.iter().filter_map(|device| device.get("name")).map(name).collect(),
        cards: cards.into_iter().map(printable).collect(),
        driver_version: mounts.find_map(library_version),
    })
}

/// A name that is only digits may stand without quotes.
fn name(value: &Value) -> String {
    printable(
        &value
            .as_str()
            .map_or_else(|| value.as_u64().map(|number| number.to_string()).unwrap_or_default(), str::to_owned),
    )
}

/// `/dev/nvidia3`, and not `/dev/nvidiactl`.
fn is_card(path: &str) -> bool {
    path.strip_prefix("/dev/nvidia")
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn library_version(path: &str) -> Option<String> {
    let name = path.rsplit('/').next()?;
    let version = ["libcuda.so.", "libnvidia-ml.so."].iter().find_map(|library| name.strip_prefix(library))?;
    (version.contains('.') && version.parse::<Version>().is_ok()).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// In the shape that nvidia-ctk writes; no toolkit was at hand to make one.
    const SPEC: &str = "cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n- name: \"0\"\n  containerEdits:\n    deviceNodes:\n    - path: /dev/nvidia0\n\
        - name: GPU-1\n  containerEdits:\n    deviceNodes:\n    - path: /dev/nvidia0\n- name: all\n  containerEdits:\n    deviceNodes:\n    - path: /dev/nvidia0\n\
        containerEdits:\n  deviceNodes:\n  - path: /dev/nvidiactl\n  mounts:\n  - hostPath: /usr/lib/x86_64-linux-gnu/libcuda.so.580.65.06\n    containerPath: /x\n";

    #[test]
    fn a_card_with_three_names_is_one() {
        let spec = parse(SPEC).unwrap();
        assert_eq!((spec.kind.as_str(), spec.driver_version.as_deref()), ("nvidia.com/gpu", Some("580.65.06")));
        assert_eq!((spec.devices.join(" "), spec.cards), ("0 GPU-1 all".to_owned(), vec!["/dev/nvidia0".to_owned()]));
        let json = r#"{"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": []}"#;
        assert_eq!(parse(json).unwrap().cards, Vec::<String>::new());
        assert_eq!(parse("- 1\n"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in any::<String>()) {
            let _ = parse(&text);
            let _ = parse(&format!("kind: nvidia.com/gpu\ndevices: {text}"));
        }
    }
}
