//! Which version of the device plugin belongs to which Kubernetes (`assets/catalog/device-plugin.yaml`).

use serde::Deserialize;

use crate::version::Version;

const PINS: &str = include_str!("../../../assets/catalog/device-plugin.yaml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalog {
    repository: String,
    pins: Vec<Pin>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    /// The first minor release of Kubernetes.
    since: String,
    version: String,
}

/// Returns the plugin's image for a release of Kubernetes; the newest where that is not known.
pub fn image(kubernetes: Option<&Version>) -> String {
    let Ok(catalog) = serde_yaml::from_str::<Catalog>(PINS) else { return String::new() };
    let fits =
        |pin: &&Pin| pin.since.parse::<Version>().is_ok_and(|since| kubernetes.is_none_or(|version| *version >= since));
    let pin = catalog.pins.iter().rev().find(fits);
    pin.map(|pin| format!("{}:{}", catalog.repository, pin.version)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kubernetes_has_a_pin() {
        let of = |version: &str| image(Some(&version.parse().unwrap())).rsplit(':').next().unwrap().to_owned();
        for (kubernetes, pin) in [
            ("1.22.8", "v0.17.4"),
            ("1.31.9", "v0.17.4"),
            ("1.32.0", "v0.18.1"),
            ("1.33.7", "v0.18.1"),
            ("1.35.4", "v0.20.0"),
            ("1.40", "v0.20.0"),
        ] {
            assert_eq!(of(kubernetes), pin, "{kubernetes}");
        }
        assert_eq!(image(None), "nvcr.io/nvidia/k8s-device-plugin:v0.20.0");
        let catalog: Catalog = serde_yaml::from_str(PINS).unwrap();
        assert!(catalog.pins.is_sorted_by_key(|pin| pin.since.parse::<Version>().unwrap()));
    }
}
