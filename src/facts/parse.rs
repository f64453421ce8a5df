//! The parsers of step 1: pure functions from what a machine's files and programs say to facts. None fails, none
//! panics; what makes no sense is left out. They are public so that fuzzers can reach each of them.

pub use super::{
    headers::{parse_apt_policy, parse_repoquery, parse_yum_list, parse_zypper},
    holders::{parse_command_line, parse_maps, parse_parent, parse_pod, parse_pod_folder, parse_unit},
    kernel::{parse_driver_version, parse_modules, parse_secure_boot},
    ledger::{parse_installer_log, parse_pod_cache, parse_version_json},
    nvml::parse_memory,
    os::{Release, parse_centos_release, parse_effective_user, parse_libc_banner, parse_os_release},
    packages::{parse_dpkg_status, parse_rpm_list},
    pci::parse_pci_ids,
    runtime::{parse_daemon_json, parse_runtime},
    toml_text::parse_toml,
};
