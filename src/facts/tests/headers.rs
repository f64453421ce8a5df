//! What the package managers of the families say of headers: each as a simulated machine whose manager prints what a
//! real one does.

use std::{collections::BTreeMap, path::PathBuf};

use super::*;
use crate::{
    facts::headers::{DEADLINE, FACT, ask},
    host::replay::{self, Scenario, Speed},
};

/// A machine of this release and kernel, on which `rules` answer the commands.
fn machine(os_release: &str, kernel: &str, files: &[&str], rules: &str) -> Host {
    let mut rootfs = BTreeMap::from([
        (PathBuf::from("/etc/os-release"), os_release.as_bytes().to_vec()),
        (PathBuf::from("/proc/sys/kernel/osrelease"), kernel.as_bytes().to_vec()),
    ]);
    rootfs.extend(files.iter().map(|path| (PathBuf::from(path), Vec::new())));
    let scenario = Scenario {
        rules: serde_yaml::from_str(rules).unwrap(),
        layers: BTreeMap::from([("rootfs".to_owned(), rootfs)]),
        ..Scenario::default()
    };
    replay::host(scenario, None, Speed(0.0)).unwrap()
}

fn facts_of(host: &Host) -> Facts {
    let facts = probe_all(host);
    facts.findings.iter().for_each(assert_finding_has_texts);
    facts.unknown.values().for_each(assert_unknown_has_text);
    facts
}

fn offer(host: &Host) -> HeadersOffer {
    facts_of(host).host.headers_offer
}

const APT: &str = "/var/lib/apt/lists/archive.ubuntu.com_ubuntu_dists_noble_main_binary-amd64_Packages";
const UBUNTU: &str = "ID=ubuntu\nVERSION_ID=\"24.04\"\nID_LIKE=debian\n";

#[test]
fn ubuntu_offers_them() {
    let rules = "
- command: [apt-cache, policy, linux-headers-6.8.0-45-generic]
  output: |-
    linux-headers-6.8.0-45-generic:
      Installed: (none)
      Candidate: 6.8.0-45.45
";
    let found = offer(&machine(UBUNTU, "6.8.0-45-generic", &[APT], rules));
    assert_eq!((found.offered, found.packages), (Some(true), vec!["linux-headers-6.8.0-45-generic".to_owned()]));
    assert_eq!(found.asked.as_deref(), Some("apt-cache policy linux-headers-6.8.0-45-generic"));
}

#[test]
fn a_kernel_that_left_the_archive_is_a_finding() {
    let rules = "[{command: [apt-cache, policy, ...]}]";
    let facts = facts_of(&machine(UBUNTU, "6.8.0-11-generic", &[APT], rules));
    assert_eq!(facts.host.headers_offer.missing, ["linux-headers-6.8.0-11-generic"]);
    assert!(ids(&facts).contains(&"kernel-headers-not-offered"), "{:?}", ids(&facts));
    assert!(!ids(&facts).contains(&"no-kernel-headers"));
}

#[test]
fn without_lists_apt_is_not_believed() {
    let facts = facts_of(&machine(UBUNTU, "6.8.0-45-generic", &[], "[{command: [apt-cache, policy, ...]}]"));
    assert_eq!(facts.host.headers_offer.offered, None);
    assert_eq!(facts.unknown[FACT].id, "no-package-lists");
    assert!(ids(&facts).contains(&"no-kernel-headers"));
}

#[test]
fn centos_7_asks_yum_and_rocky_asks_dnf() {
    let centos = "ID=centos\nVERSION_ID=\"7\"\n";
    let kernel = "3.10.0-1160.2.2.el7.x86_64";
    let list = format!(
        "
- command: [yum, --quiet, list, ...]
  output: |-
    Available Packages
    kernel-devel.x86_64     3.10.0-1160.2.2.el7     updates
    kernel-headers.x86_64
                            3.10.0-1160.2.2.el7     updates
- command: [repoquery, --quiet, ...]
  output: kernel-devel-0:{kernel}
"
    );
    let found = offer(&machine(centos, kernel, &[], &list));
    assert_eq!(
        (found.offered, found.missing),
        (Some(false), vec![format!("kernel-headers-{kernel}")]),
        "repoquery is preferred"
    );
    let only_yum = list.split("- command: [repoquery").next().unwrap().to_owned();
    assert_eq!(offer(&machine(centos, kernel, &[], &only_yum)).offered, Some(true));

    let rocky = "ID=rocky\nVERSION_ID=\"8.9\"\nID_LIKE=\"rhel centos fedora\"\n";
    let kernel = "4.18.0-513.5.1.el8_9.x86_64";
    let rules = format!(
        "[{{command: [dnf, --quiet, repoquery, ...], output: \"kernel-devel-0:{kernel}\\nkernel-headers-0:{kernel}\"}}]"
    );
    assert_eq!(offer(&machine(rocky, kernel, &[], &rules)).offered, Some(true));
}

#[test]
fn yum_that_finds_nothing_ends_with_a_failure_that_is_an_answer() {
    let rules = "[{command: [yum, ...], errors: \"Error: No matching Packages to list\", exit: 1}]";
    assert_eq!(
        offer(&machine("ID=centos\nVERSION_ID=\"7\"\n", "3.10.0-1.el7.x86_64", &[], rules)).offered,
        Some(false)
    );
}

#[test]
fn a_repository_that_is_gone_is_a_reason() {
    let rules = "[{command: [yum, ...], errors: \"Cannot find a valid baseurl for repo: base/7/x86_64\", exit: 1}]";
    let facts = facts_of(&machine("ID=centos\nVERSION_ID=\"7\"\n", "3.10.0-1.el7.x86_64", &[], rules));
    assert_eq!(facts.host.headers_offer.offered, None);
    assert!(facts.unknown[FACT].args["error"].contains("Cannot find a valid baseurl"), "{:?}", facts.unknown[FACT]);
}

#[test]
fn suse_names_the_build() {
    let rules = "
- command: [zypper, --non-interactive, --xmlout, search, --details, --match-exact, --type, package, kernel-default-devel]
  output: '<solvable status=\"not-installed\" name=\"kernel-default-devel\" kind=\"package\" edition=\"6.4.0-150600.23.25.1\" arch=\"x86_64\"/>'
";
    let found =
        offer(&machine("ID=sles\nVERSION_ID=\"15.6\"\nID_LIKE=suse\n", "6.4.0-150600.23.25-default", &[], rules));
    assert_eq!(
        (found.offered, found.packages),
        (Some(true), vec!["kernel-default-devel=6.4.0-150600.23.25.1".to_owned()])
    );
    let nothing = "[{command: [zypper, ...], exit: 104}]";
    assert_eq!(offer(&machine("ID=sles\nVERSION_ID=\"15.6\"\n", "6.4.0-1-default", &[], nothing)).offered, Some(false));
}

#[test]
fn an_unknown_distribution_is_a_reason() {
    let facts = facts_of(&machine("ID=plan9\n", "6.8.0", &[], "[]"));
    assert_eq!(facts.unknown[FACT].id, "distribution-not-known");
}

#[test]
fn nobody_is_asked_for_headers_that_are_there() {
    let there = "/usr/src/linux-headers-6.8.0-45-generic/Makefile";
    let facts = facts_of(&machine(UBUNTU, "6.8.0-45-generic", &[APT, there], "[]"));
    assert!(facts.host.kernel_headers);
    assert_eq!((facts.host.headers_offer.asked, facts.unknown.get(FACT)), (None, None));
}

#[test]
fn an_offer_outlives_a_second_look_at_the_same_kernel() {
    let host = machine(UBUNTU, "6.8.0-45-generic", &[APT], "[{command: [apt-cache, policy, ...]}]");
    let before = facts_of(&host);
    let mut now = probe(&host);
    now.keep_asked(&before);
    assert_eq!(now, before);
    let mut other = Facts::default();
    other.host.kernel = "6.9.0".into();
    other.keep_offer(&before);
    assert_eq!(other.host.headers_offer, HeadersOffer::default());
}

/// Whatever this machine is, its manager answers or the reason is there.
#[test]
fn this_machines_manager_can_be_asked() {
    let host = Host::local(Path::new("/"));
    let mut facts = probe(&host);
    let answer = ask(&host, &facts.host, DEADLINE);
    facts.take_offer(answer);
    let known =
        facts.host.kernel_headers || facts.host.headers_offer.offered.is_some() || facts.unknown.contains_key(FACT);
    assert!(known, "{:?}", facts.host.headers_offer);
}
