//! Releases of NVIDIA's GPU Operator chart: `assets/catalog/gpu-operator.yaml`. The chart itself stops no wrong pairing
//! of Kubernetes, system and driver; these rows do.

use std::sync::OnceLock;

use serde::Deserialize;

use super::rows;
use crate::version::Version;

const TEXT: &str = include_str!("../../assets/catalog/gpu-operator.yaml");
/// Where the chart is published. Source: NVIDIA's installation page.
pub const REPOSITORY: &str = "https://helm.ngc.nvidia.com/nvidia";
/// The chart's name there.
pub const CHART: &str = "gpu-operator";

/// A release of the chart.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chart {
    /// Its version, without the `v`.
    pub version: Version,
    /// First and last minor release of Kubernetes that NVIDIA lists it for.
    pub kubernetes: (Version, Version),
    /// The driver that it brings unless told otherwise.
    pub driver: Version,
    /// Systems that have driver images, as `ubuntu-24.04` or `rocky-9`.
    pub systems: Vec<String>,
    /// Its toolkit can install files alone and leave the runtime's configuration to others (`NO_RUNTIME_CONFIG`).
    pub runtime_files_only: bool,
    /// Its toolkit can hand out cards through NRI.
    pub nri: bool,
    /// The newest minor release of containerd that it is listed with.
    pub containerd: Version,
    /// Proposed where nobody has chosen.
    pub preferred: bool,
}

impl Chart {
    /// Tells whether NVIDIA lists the chart for this Kubernetes.
    pub fn is_for(&self, kubernetes: &Version) -> bool {
        let minor = (kubernetes.part(0), kubernetes.part(1));
        let bound = |version: &Version| (version.part(0), version.part(1));
        (bound(&self.kubernetes.0)..=bound(&self.kubernetes.1)).contains(&minor)
    }

    /// Returns the range of Kubernetes, for texts.
    pub fn range(&self) -> String {
        format!("{} - {}", self.kubernetes.0, self.kubernetes.1)
    }

    /// Tells whether there are driver images of a system.
    pub fn has_driver_for(&self, id: &str, version: &str) -> bool {
        self.systems.iter().any(|system| is_system(system, id, version))
    }

    /// Returns the version as the chart's repository has it: `v26.3.3`.
    pub fn tag(&self) -> String {
        format!("v{}", self.version)
    }
}

/// Tells whether a row's system (`rhel-9`) is this one (`rhel`, `9.6`).
fn is_system(row: &str, id: &str, version: &str) -> bool {
    row.rsplit_once('-').is_some_and(|(name, number)| {
        name == id && version.strip_prefix(number).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// Modules that are built and signed for the driver container.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Precompiled {
    system: String,
    kernels: Vec<Version>,
    branches: Vec<u32>,
}

/// An image of the chart, by the value that says where it is pulled from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// The value, its parts between dots.
    pub key: String,
    /// Its path below `nvcr.io`.
    pub path: String,
    since: Option<Version>,
    until: Option<Version>,
}

/// Returns all releases, newest first.
pub fn charts() -> &'static [Chart] {
    static ALL: OnceLock<Vec<Chart>> = OnceLock::new();
    ALL.get_or_init(|| rows::all(TEXT, "charts"))
}

/// Returns the release of this version, with or without a `v`.
pub fn chart(version: &str) -> Option<&'static Chart> {
    let version = version.trim_start_matches('v');
    charts().iter().find(|chart| chart.version.as_str() == version)
}

/// Returns the release to propose for a Kubernetes: the preferred one where it is listed for it, else the newest that
/// is. Where nobody knows the Kubernetes, the preferred one.
pub fn proposed(kubernetes: Option<&Version>) -> Option<&'static Chart> {
    let fits = |chart: &&Chart| kubernetes.is_none_or(|kubernetes| chart.is_for(kubernetes));
    charts().iter().filter(fits).find(|chart| chart.preferred).or_else(|| charts().iter().find(fits))
}

/// Returns the newest branch with modules that are built and signed for a system and its kernel.
pub fn precompiled_branch(id: &str, version: &str, kernel: &str) -> Option<u32> {
    const FLAVOURS: [&str; 6] = ["generic", "nvidia", "aws", "azure", "azure-fde", "oracle"];
    let running: Version = kernel.split('-').next()?.parse().ok()?;
    let flavour = kernel.splitn(3, '-').nth(2)?;
    let rows: Vec<Precompiled> = rows::all(TEXT, "precompiled");
    let row = rows.into_iter().find(|row| is_system(&row.system, id, version))?;
    let is_built = FLAVOURS.contains(&flavour) && row.kernels.iter().any(|kernel| running.starts_with(kernel));
    // The oldest of them is supported for longest and drives most cards.
    row.branches.into_iter().min().filter(|_| is_built)
}

/// Returns the images of a release.
pub fn images(chart: &Chart) -> Vec<Image> {
    let all: Vec<Image> = rows::all(TEXT, "images");
    let minor = |version: &Version| (version.part(0), version.part(1));
    let own = minor(&chart.version);
    let holds = |image: &Image| {
        image.since.as_ref().is_none_or(|since| own >= minor(since))
            && image.until.as_ref().is_none_or(|until| own <= minor(until))
    };
    all.into_iter().filter(holds).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn every_row_parses_and_the_newest_is_first() {
        let charts: Vec<Chart> = rows::tests::strict(TEXT, "charts");
        assert!(charts.windows(2).all(|pair| pair[0].version > pair[1].version));
        assert_eq!(charts.iter().filter(|chart| chart.preferred).count(), 1);
        assert!(!rows::tests::strict::<Precompiled>(TEXT, "precompiled").is_empty());
        for chart in &charts {
            assert_eq!(images(chart).iter().filter(|image| image.key == "validator.repository").count(), 1);
        }
        assert!(!rows::tests::strict::<Image>(TEXT, "images").is_empty());
    }

    #[test]
    fn the_chart_follows_the_release_of_kubernetes() {
        for (kubernetes, chart) in [
            ("1.28.9", None),
            ("1.29.5", Some("25.3.4")),
            ("1.30.4", Some("25.10.1")),
            ("1.31.9", Some("25.10.1")),
            ("1.32.5", Some("26.3.3")),
            ("1.33.7", Some("26.3.3")),
            ("1.36.4", Some("26.3.3")),
            ("1.37.0", None),
            ("2.32.0", None),
        ] {
            let found = proposed(Some(&version(kubernetes))).map(|chart| chart.version.to_string());
            assert_eq!(found.as_deref(), chart, "{kubernetes}");
        }
        assert_eq!(proposed(None).unwrap().tag(), "v26.3.3");
        assert!(chart("v25.10.1").unwrap().is_for(&version("1.35.0")) && chart("25.10.2").is_none());
    }

    #[test]
    fn systems_are_whole_numbers() {
        let chart = chart("26.3.3").unwrap();
        for (id, version, has) in [
            ("rocky", "9.7", true),
            ("rhel", "9", true),
            ("rocky", "90", false),
            ("debian", "12", false),
            ("ubuntu", "24.04", true),
            ("ubuntu", "26.04", false),
            ("rocky", "", false),
        ] {
            assert_eq!(chart.has_driver_for(id, version), has, "{id} {version}");
        }
    }

    #[test]
    fn signed_modules_are_for_certain_kernels_only() {
        assert_eq!(precompiled_branch("ubuntu", "24.04", "6.8.0-88-generic"), Some(580));
        assert_eq!(precompiled_branch("ubuntu", "24.04", "6.14.0-33-generic"), None);
        assert_eq!(precompiled_branch("ubuntu", "24.04", "6.8.0-88-lowlatency"), None);
        assert_eq!(precompiled_branch("ubuntu", "22.04", "5.15.0-164-azure-fde"), Some(580));
        assert_eq!(precompiled_branch("rocky", "9.6", "5.14.0-570.el9.x86_64"), None);
    }
}
