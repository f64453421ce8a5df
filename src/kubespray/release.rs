//! Kubespray's releases: how their versions are written, and what each range of them does
//! (`assets/catalog/kubespray.yaml`).

use std::{cmp::Ordering, collections::BTreeMap, fmt, sync::OnceLock};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{spec::VariableSpec, yaml11};
use crate::version::Version;

/// A release of Kubespray, such as `v2.14.2`. Compared by its numbers; the patch is 0 where nobody said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    number: (u32, u32, u32),
    text: String,
}

/// What a range of releases does. The fields are explained in the catalog file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traits {
    /// First release of the range, `major.minor`.
    pub since: String,
    /// Names of the inventory groups.
    pub groups: Groups,
    /// The default container manager.
    pub container_manager: String,
    /// The playbook that refreshes the facts of all hosts.
    #[serde(default)]
    pub facts_playbook: Option<String>,
    /// What labels a GPU node.
    pub label: Mechanism,
    /// What taints a GPU node.
    pub taint: Mechanism,
    /// Systems for which the GPU role has a vars file.
    pub gpu_os: Vec<String>,
    /// Where its images come from.
    pub registry: String,
    /// Whether a play makes the cluster group at run time.
    #[serde(default)]
    pub implicit_cluster: bool,
    /// Versions of ansible-core that the release pins.
    #[serde(default)]
    pub ansible_core: Option<Bounds>,
}

/// Names of the inventory groups.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Groups {
    /// The control plane.
    pub control_plane: String,
    /// The nodes that run pods.
    pub node: String,
    /// The whole cluster; also the name of its `group_vars` folder.
    pub cluster: String,
}

impl Groups {
    /// The names up to v2.15.
    pub fn dashed() -> Self {
        let name = str::to_owned;
        Self { control_plane: name("kube-master"), node: name("kube-node"), cluster: name("k8s-cluster") }
    }

    /// The names from v2.16 on.
    pub fn underscored() -> Self {
        let name = str::to_owned;
        Self { control_plane: name("kube_control_plane"), node: name("kube_node"), cluster: name("k8s_cluster") }
    }

    /// Tells whether the names are those up to v2.15.
    pub fn has_dashes(&self) -> bool {
        self.cluster.contains('-')
    }
}

/// What sets a label or a taint on a GPU node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mechanism {
    /// A flag of the kubelet that only counts when the node registers: a node that has joined never gets it.
    Kubelet,
    /// `kubectl` on every run: it comes to nodes that have joined, and comes back when removed by hand.
    Kubectl,
    /// Nothing.
    None,
}

/// Versions from `min` up to, but not with, `below`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// The oldest that fits.
    pub min: String,
    /// The first that does not fit.
    pub below: String,
}

impl Bounds {
    /// Tells whether a version is within them.
    pub fn holds(&self, version: &Version) -> bool {
        let limit = |text: &str| text.parse::<Version>().ok();
        limit(&self.min).is_none_or(|min| *version >= min) && limit(&self.below).is_none_or(|below| *version < below)
    }
}

/// A range of releases: its first release, and the text of its traits until somebody asks for them.
struct Range {
    since: Release,
    text: &'static str,
    traits: OnceLock<Option<Traits>>,
}

impl Range {
    fn of(text: &'static str) -> Option<Self> {
        let since = text.lines().find_map(|line| line.strip_prefix("since: "))?;
        Some(Self { since: Release::parse(since.trim_matches('"'))?, text, traits: OnceLock::new() })
    }

    fn traits(&self) -> Option<&Traits> {
        self.traits.get_or_init(|| read(self.text)).as_ref()
    }
}

const RANGES: &str = include_str!("../../assets/catalog/kubespray.yaml");
const ROLE: &str = include_str!("../../assets/catalog/kubespray-role.yaml");

fn ranges() -> &'static [Range] {
    static ALL: OnceLock<Vec<Range>> = OnceLock::new();
    ALL.get_or_init(|| RANGES.split("\n---\n").filter_map(Range::of).collect())
}

fn role() -> &'static BTreeMap<String, Value> {
    static DEFAULTS: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    DEFAULTS.get_or_init(|| read(ROLE).unwrap_or_default())
}

/// Reads a part of the catalog; a test reads all. Our own reader takes a tenth of the time of the general one, at every
/// start.
fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
    let root = yaml11::parse(text).ok()??;
    serde_json::from_value(root.value()).ok()
}

impl Release {
    /// Reads `v2.14.2`, `2.14`, `release-2.14` or what `git describe` prints (`v2.14.2-31-gab12cd3`).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let bare = text.strip_prefix("release-").unwrap_or(text);
        let bare = bare.strip_prefix('v').unwrap_or(bare);
        let numbers = bare.split('-').next()?;
        let parts: Vec<u32> = numbers.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
        let number = match parts[..] {
            [major @ 1..=9, minor] => (major, minor, 0),
            [major @ 1..=9, minor, patch] => (major, minor, patch),
            _ => return None,
        };
        Some(Self { number, text: format!("v{numbers}") })
    }

    /// Returns a release of major version 2 that only its files gave away.
    pub fn inferred(minor: u32) -> Self {
        Self { number: (2, minor, 0), text: format!("v2.{minor}") }
    }

    /// Tells whether this is `2.minor` or newer.
    pub fn at_least(&self, minor: u32) -> bool {
        self.number >= (2, minor, 0)
    }

    /// Returns what this release does; releases older than the table are read as its first row.
    pub fn traits(&self) -> Option<&'static Traits> {
        ranges().iter().rev().find(|range| range.since <= *self).or(ranges().first())?.traits()
    }

    /// Returns the release of Kubernetes that it installs by itself: its own minor number and four, from v2.18 to
    /// v2.31. Source: `kube_version` of the releases' defaults.
    pub fn kubernetes(&self) -> Option<Version> {
        self.at_least(18).then(|| format!("1.{}", self.number.1 + 4).parse().ok()).flatten()
    }

    /// Tells whether groups are spelled with underscores (v2.16 and later).
    pub fn has_underscore_groups(&self) -> bool {
        self.at_least(16)
    }

    /// Tells whether it has a variable.
    pub fn has(&self, spec: &VariableSpec) -> bool {
        spec.since.is_none_or(|minor| self.at_least(minor))
    }

    /// Tells whether the cluster group may be missing in the inventory (v2.27 and later).
    pub fn has_implicit_cluster_group(&self) -> bool {
        self.traits().is_some_and(|traits| traits.implicit_cluster)
    }
}

/// Returns the GPU role's defaults as the program knows them, for a release of these traits.
pub fn role_defaults(traits: &Traits) -> Map<String, Value> {
    // The device plugin was on k8s.gcr.io before the installer came there.
    let plugin_registry = if traits.registry == "registry.k8s.io" { "registry.k8s.io" } else { "k8s.gcr.io" };
    let fill = |value: &Value| match value {
        Value::String(text) => {
            text.replace("{registry}", &traits.registry).replace("{plugin_registry}", plugin_registry).into()
        }
        other => other.clone(),
    };
    // Before v2.9 the images stood in the role's vars files.
    let release = Release::parse(&traits.since);
    let is_there = |name: &str| {
        let spec = VariableSpec::of(name);
        spec.zip(release.as_ref()).is_none_or(|(spec, release)| release.has(spec))
    };
    let defaults = role().iter().filter(|(name, _)| is_there(name));
    defaults.map(|(name, value)| (name.clone(), fill(value))).collect()
}

/// Returns the installer's image as v2.7 and v2.8 write it for a kind of system.
pub fn first_image(kind: &str) -> String {
    let name = format!("nvidia_driver_install_{kind}_container");
    let image = role().get(&name).and_then(Value::as_str).unwrap_or_default();
    image.replace("{registry}", "gcr.io/google-containers")
}

/// Returns the traits of the newest range, for when nothing is known about the release.
pub fn newest() -> Option<&'static Traits> {
    ranges().last()?.traits()
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialOrd for Release {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Release {
    fn cmp(&self, other: &Self) -> Ordering {
        self.number.cmp(&other.number).then_with(|| self.text.cmp(&other.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_is_readable_and_sorted() {
        let all: Vec<Traits> =
            serde_yaml::Deserializer::from_str(RANGES).map(|document| Traits::deserialize(document).unwrap()).collect();
        assert_eq!(
            ranges().iter().map(|range| range.traits().unwrap()).collect::<Vec<_>>(),
            all.iter().collect::<Vec<_>>()
        );
        assert!(ranges().iter().is_sorted_by_key(|range| range.since.clone()));
        assert_eq!(*role(), serde_yaml::from_str(ROLE).unwrap());
        assert_eq!(role().len(), 13);
    }

    #[test]
    fn reads_every_form_of_a_version() {
        for (text, shown) in [
            ("2.14.2", "v2.14.2"),
            ("v2.31.0", "v2.31.0"),
            ("release-2.25", "v2.25"),
            ("v2.14.2-31-gab12cd3", "v2.14.2"),
        ] {
            assert_eq!(Release::parse(text).unwrap().to_string(), shown);
        }
        for text in ["master", "v2", "", "kubespray", "2020.1.1"] {
            assert_eq!(Release::parse(text), None, "{text}");
        }
    }

    #[test]
    fn rows_change_where_the_releases_changed() {
        let traits = |text: &str| Release::parse(text).unwrap().traits().unwrap();
        assert_eq!(traits("2.15.1").groups.cluster, "k8s-cluster");
        assert_eq!(traits("2.16.0").groups.cluster, "k8s_cluster");
        assert_eq!(traits("2.17.1").container_manager, "docker");
        assert_eq!(traits("2.18.0").container_manager, "containerd");
        assert_eq!(traits("2.21.0").facts_playbook.as_deref(), Some("facts.yml"));
        assert_eq!(traits("2.22.0").facts_playbook.as_deref(), Some("playbooks/facts.yml"));
        assert_eq!(traits("2.12.10").facts_playbook, None);
        assert_eq!(traits("2.24.3").taint, Mechanism::Kubelet);
        assert_eq!(traits("2.25.0").taint, Mechanism::Kubectl);
        assert!(traits("2.25.1").gpu_os.iter().any(|os| os == "centos-7"));
        assert!(!traits("2.26.0").gpu_os.iter().any(|os| os == "centos-7"));
        assert!(traits("2.27.0").implicit_cluster && !traits("2.26.1").implicit_cluster);
        assert_eq!(traits("2.8.5").label, Mechanism::None);
    }
}
