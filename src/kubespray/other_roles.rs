//! Ansible roles other than Kubespray's that people run on the same inventory, and whose variables look like those of
//! its GPU role.

use std::sync::OnceLock;

use serde::Deserialize;

const ROLES: &str = include_str!("../../assets/catalog/other-roles.yaml");

/// A role and its variables.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Role {
    /// Its name, as people install it.
    #[serde(rename = "role")]
    pub name: String,
    /// Whether it installs a driver on the host: then the host owns the driver.
    pub brings_driver: bool,
    /// Its variables.
    #[serde(default)]
    names: Vec<String>,
    /// Beginnings of names that it has many of.
    #[serde(default)]
    prefixes: Vec<String>,
}

/// Returns the role that reads a variable.
pub(super) fn reader_of(variable: &str) -> Option<&'static Role> {
    static ALL: OnceLock<Vec<Role>> = OnceLock::new();
    let reads = |role: &&Role| {
        role.names.iter().any(|name| name == variable)
            || role.prefixes.iter().any(|prefix| variable.starts_with(prefix.as_str()))
    };
    // Read when somebody has such a variable, which is seldom.
    ALL.get_or_init(|| serde_yaml::from_str(ROLES).unwrap_or_default()).iter().find(reads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubespray::spec::VariableSpec;

    #[test]
    fn a_role_is_told_by_its_variables() {
        assert!(!serde_yaml::from_str::<Vec<Role>>(ROLES).unwrap().is_empty());
        assert!(
            reader_of("nvidia_driver_branch")
                .is_some_and(|role| role.brings_driver && role.name == "nvidia.nvidia_driver")
        );
        assert!(reader_of("nvidia_dcgm_state").is_some_and(|role| !role.brings_driver));
        for invented in
            ["nvidia_driver_install", "nvidia_gpu_device_plugin_enabled", "nvidia_gpu_device_plugin_mig_strategy"]
        {
            assert_eq!(reader_of(invented), None, "{invented}");
        }
        assert!(VariableSpec::all().all(|spec| reader_of(spec.name).is_none()));
    }
}
