//! What changed on a machine between two looks at it: what a resumed session shows first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Facts, LedgerEntry, Origin, modules};
use crate::i18n::Message;
use crate::i18n::{Lang, msg};

/// One change, without a language: the text is `change.<id>` of the locale files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Stable name, such as `booted`.
    pub id: String,
    /// Values for the text.
    pub args: BTreeMap<String, String>,
}

impl Change {
    /// Returns the change as a sentence.
    pub fn text(&self, lang: Lang) -> String {
        Message::named(format!("change.{}", self.id), &self.args).text(lang)
    }
}

impl From<Message> for Change {
    fn from(message: Message) -> Self {
        Self { id: message.id().to_owned(), args: message.plain_args() }
    }
}

/// Returns what changed since `before`. What either look could not learn is no change.
pub fn changes(before: &Facts, now: &Facts) -> Vec<Change> {
    let mut found = Vec::new();
    value(&mut found, msg::change::host_name, &before.host.hostname, &now.host.hostname);
    if differ(&before.host.boot_id, &now.host.boot_id) {
        found.push(Change::from(msg::change::booted()));
    }
    value(&mut found, msg::change::kernel, &before.host.kernel, &now.host.kernel);
    value(&mut found, msg::change::os_version, &before.host.os_version, &now.host.os_version);
    driver(&mut found, before, now);
    gpus(&mut found, before, now);
    bindings(&mut found, before, now);
    rivals(&mut found, before, now);
    ledger(&mut found, before, now);
    headers(&mut found, before, now);
    found
}

fn differ(before: &str, now: &str) -> bool {
    !before.is_empty() && !now.is_empty() && before != now
}

fn value(found: &mut Vec<Change>, text: fn(String, String) -> Message, before: &str, now: &str) {
    if differ(before, now) {
        found.push(text(before.to_owned(), now.to_owned()).into());
    }
}

fn driver(found: &mut Vec<Change>, before: &Facts, now: &Facts) {
    const FACT: &str = "driver.loaded_version";
    if before.unknown.contains_key(FACT) || now.unknown.contains_key(FACT) {
        return;
    }
    match (&before.driver.loaded_version, &now.driver.loaded_version) {
        (Some(old), Some(new)) => value(found, msg::change::driver, old, new),
        (None, Some(new)) => found.push(Change::from(msg::change::driver_loaded(new))),
        (Some(old), None) => found.push(Change::from(msg::change::driver_unloaded(old))),
        (None, None) => {}
    }
}

fn gpus(found: &mut Vec<Change>, before: &Facts, now: &Facts) {
    if before.unknown.contains_key(super::pci::FACT) || now.unknown.contains_key(super::pci::FACT) {
        return;
    }
    let mut missing = |text: fn(String, String) -> Message, from: &Facts, other: &Facts| {
        let same =
            |gpu: &super::Gpu, one: &super::Gpu| gpu.pci_address == one.pci_address && gpu.device_id == one.device_id;
        let gone = from.gpus.iter().filter(|gpu| !other.gpus.iter().any(|one| same(gpu, one)));
        found.extend(gone.map(|gpu| text(gpu.pci_address.clone(), gpu.name.clone()).into()));
    };
    missing(msg::change::gpu_added, now, before);
    missing(msg::change::gpu_removed, before, now);
}

/// A card that another driver has now. That NVIDIA's has it with its loading, or lets go with its unloading, goes
/// without saying.
fn bindings(found: &mut Vec<Change>, before: &Facts, now: &Facts) {
    let said = before.driver.loaded_version.is_some() != now.driver.loaded_version.is_some();
    for gpu in &now.gpus {
        let Some(was) =
            before.gpus.iter().find(|other| other.pci_address == gpu.pci_address && other.device_id == gpu.device_id)
        else {
            continue;
        };
        let (old, new) = (was.kernel_driver.as_deref(), gpu.kernel_driver.as_deref());
        let change = match (old, new) {
            (Some(old), Some(new)) if old != new => Change::from(msg::change::gpu_driver(&gpu.pci_address, old, new)),
            (None, Some("nvidia")) | (Some("nvidia"), None) if said => continue,
            (None, Some(new)) => Change::from(msg::change::gpu_bound(&gpu.pci_address, new)),
            (Some(old), None) => Change::from(msg::change::gpu_unbound(&gpu.pci_address, old)),
            _ => continue,
        };
        found.push(change);
    }
}

/// Modules of other makers; NVIDIA's have their line with the driver.
fn rivals(found: &mut Vec<Change>, before: &Facts, now: &Facts) {
    const FACT: &str = "driver.modules";
    if before.unknown.contains_key(FACT) || now.unknown.contains_key(FACT) {
        return;
    }
    let mut missing = |text: fn(String) -> Message, from: &Facts, other: &Facts| {
        let is_rival = |name: &str| !modules::is_driver(name);
        let gone = from.driver.modules.iter().filter(|module| is_rival(&module.name));
        let gone = gone.filter(|module| !other.driver.modules.iter().any(|one| one.name == module.name));
        found.extend(gone.map(|module| text(module.name.clone()).into()));
    };
    missing(msg::change::module_loaded, now, before);
    missing(msg::change::module_unloaded, before, now);
}

/// Loaded modules and running units come and go with the driver, which has its own line.
fn ledger(found: &mut Vec<Change>, before: &Facts, now: &Facts) {
    let lasts = |entry: &&LedgerEntry| !matches!(entry.origin, Origin::LoadedModule | Origin::Unit);
    let mut missing = |text: fn(String, String, String) -> Message, from: &Facts, other: &Facts| {
        let known =
            |entry: &&LedgerEntry| !other.unknown.contains_key(&format!("driver.ledger.{}", entry.origin.name()));
        let gone = from
            .driver
            .ledger
            .iter()
            .filter(lasts)
            .filter(known)
            .filter(|entry| !other.driver.ledger.iter().any(|one| one.is_same(entry)));
        found.extend(
            gone.map(|entry| text(entry.origin.name().to_owned(), entry.name.clone(), entry.source.clone()).into()),
        );
    };
    missing(msg::change::ledger_added, now, before);
    missing(msg::change::ledger_removed, before, now);
}

fn headers(found: &mut Vec<Change>, before: &Facts, now: &Facts) {
    match (before.host.kernel_headers, now.host.kernel_headers) {
        (false, true) => found.push(Change::from(msg::change::headers_added(&now.host.kernel))),
        (true, false) => found.push(Change::from(msg::change::headers_removed(&now.host.kernel))),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Gpu, *};

    fn ids(before: &Facts, now: &Facts) -> Vec<String> {
        let found = changes(before, now);
        for change in &found {
            crate::facts::tests::assert_text(&format!("change.{}", change.id), &change.args);
        }
        found.into_iter().map(|change| change.id).collect()
    }

    #[test]
    fn nothing_changed() {
        let facts =
            Facts { gpus: vec![Gpu { pci_address: "0000:18:00.0".into(), ..Gpu::default() }], ..Facts::default() };
        assert_eq!(changes(&facts, &facts), []);
    }

    #[test]
    fn a_boot_that_unloaded_the_driver_shows() {
        let mut before = Facts::default();
        before.host.boot_id = "a".into();
        before.driver.loaded_version = Some("418.87.00".into());
        before.driver.ledger = vec![LedgerEntry::new(Origin::Runfile, "418.87.00", "/usr/bin/nvidia-uninstall")];
        let mut now = Facts::default();
        now.host.boot_id = "b".into();
        now.gpus = vec![Gpu { pci_address: "0000:18:00.0".into(), ..Gpu::default() }];
        assert_eq!(ids(&before, &now), ["booted", "driver-unloaded", "gpu-added", "ledger-removed"]);
    }

    #[test]
    fn each_value_that_differs_shows() {
        let look = |name: &str, headers| {
            let mut facts = Facts::default();
            facts.host.hostname = format!("node-{name}");
            facts.host.kernel = format!("6.8.0-{name}");
            facts.host.os_version = format!("24.0{name}");
            facts.driver.loaded_version = Some(format!("580.0{name}"));
            facts.host.kernel_headers = headers;
            facts
        };
        assert_eq!(
            ids(&look("1", true), &look("2", false)),
            ["host-name", "kernel", "os-version", "driver", "headers-removed"]
        );
        assert_eq!(ids(&look("1", false), &look("1", true)), ["headers-added"]);
        let mut more = look("1", true);
        more.driver.ledger = vec![LedgerEntry::new(Origin::Deb, "nvidia-driver-535 1", "/x")];
        more.driver.loaded_version = None;
        assert_eq!(ids(&more, &look("1", true)), ["driver-loaded", "ledger-removed"]);
        assert_eq!(ids(&look("1", true), &more), ["driver-unloaded", "ledger-added"]);
        more.driver.loaded_version = look("1", true).driver.loaded_version;
        more.gpus = vec![Gpu::default()];
        assert_eq!(ids(&more, &look("1", true)), ["gpu-removed", "ledger-removed"]);
    }

    #[test]
    fn a_card_that_changes_hands_shows() {
        let look = |driver: Option<&str>, module: Option<&str>| {
            let mut facts = Facts {
                gpus: vec![Gpu { kernel_driver: driver.map(str::to_owned), ..Gpu::default() }],
                ..Facts::default()
            };
            facts
                .driver
                .modules
                .extend(module.map(|name| super::super::Module { name: name.into(), ..Default::default() }));
            facts
        };
        assert_eq!(ids(&look(None, None), &look(Some("nouveau"), Some("nouveau"))), ["gpu-bound", "module-loaded"]);
        assert_eq!(
            ids(&look(Some("nouveau"), Some("nouveau")), &look(Some("nvidia"), Some("nvidia"))),
            ["gpu-driver", "module-unloaded"]
        );
        assert_eq!(ids(&look(Some("nvidia"), None), &look(None, None)), ["gpu-unbound"]);
    }

    #[test]
    fn what_is_not_known_is_no_change() {
        let mut before = Facts { gpus: vec![Gpu::default()], ..Facts::default() };
        before.driver.loaded_version = Some("418.87.00".into());
        before.host.boot_id = "a".into();
        let mut now = Facts::default();
        for fact in ["gpus", "driver.loaded_version"] {
            now.unknown.insert(fact.into(), super::super::Unknown::from(msg::unknown::not_there("/x")));
        }
        assert_eq!(changes(&before, &now), []);
    }
}
