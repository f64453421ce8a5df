//! Each finding about runtime, toolkit and packages, on facts of the shape that the probes find.

use super::*;
use crate::facts::{
    DriverLibrary, InstalledKernel, NextKernel, NodeFacts,
    cdi::CdiSpec,
    container_toolkit::{CliInfo, PACKAGES, ToolkitFacts},
    containerd::{ConfigFile, ContainerdFacts, ContainerdProcess, Startable, config},
    engines::{CrioFacts, EngineFile},
    node_packages::{NodePackage, Part},
    sources::{PackageSource, SourceKind},
    upgrades::AutomaticUpgrades,
};

const V2: &str = "io.containerd.grpc.v1.cri";
const V3: &str = "io.containerd.cri.v1.runtime";
const ROOT: &str = "/etc/containerd/config.toml";
const DROP_IN: &str = "/etc/containerd/conf.d/99-nvidia.toml";

fn machine() -> Facts {
    let card = Gpu { pci_address: "0000:18:00.0".into(), kernel_driver: Some("nvidia".into()), ..Gpu::default() };
    Facts { gpus: vec![card], ..Facts::default() }
}

/// Only the findings of these two rooms, each with texts for all its values.
fn ids(facts: &Facts) -> Vec<String> {
    let found: Vec<Finding> = runtime::judge(facts).into_iter().chain(node::judge(facts)).collect();
    found.iter().for_each(crate::facts::tests::assert_finding_has_texts);
    found.into_iter().map(|finding| finding.id).collect()
}

fn file(path: &str, is_read: bool, text: &str) -> ConfigFile {
    ConfigFile { path: path.into(), is_read, modified: None, config: Some(config::parse(text).unwrap()) }
}

fn entry(plugin: &str, name: &str, options: &str) -> String {
    format!(
        "[plugins.\"{plugin}\".containerd.runtimes.{name}]\nruntime_type = \"io.containerd.runc.v2\"\n\
        [plugins.\"{plugin}\".containerd.runtimes.{name}.options]\n{options}"
    )
}

fn good(plugin: &str) -> String {
    entry(plugin, "nvidia", "BinaryName = \"/usr/bin/nvidia-container-runtime\"\nSystemdCgroup = true\n")
}

/// A node with this version of containerd, root file and drop-ins.
fn with(version: &str, root: &str, drop_ins: &[(bool, &str)]) -> Facts {
    let containerd = ContainerdFacts {
        programs: vec!["/usr/local/bin/containerd".into()],
        version: Some(version.into()),
        root: Some(file(ROOT, true, root)),
        drop_ins: drop_ins.iter().map(|(is_read, text)| file(DROP_IN, *is_read, text)).collect(),
        ..ContainerdFacts::default()
    };
    Facts { node: NodeFacts { containerd: Some(containerd), ..NodeFacts::default() }, ..machine() }
}

fn containerd(facts: &mut Facts) -> &mut ContainerdFacts {
    facts.node.containerd.as_mut().unwrap()
}

#[test]
fn what_kubespray_writes_is_good_on_every_release() {
    for (version, format, plugin) in [("1.7.27", 2, V2), ("2.1.9", 3, V3), ("2.3.4", 4, V3)] {
        let runc = entry(plugin, "runc", "SystemdCgroup = true\nBinaryName = \"/usr/local/bin/runc\"\n");
        assert_eq!(ids(&with(version, &format!("version = {format}\n{}{runc}", good(plugin)), &[])), [] as [&str; 0]);
    }
}

#[test]
fn both_spellings_are_told_with_the_program_that_wins() {
    let both = entry(
        V2,
        "nvidia",
        "BinaryName = \"/usr/bin/nvidia-container-runtime\"\nbinaryName = \"/usr/local/bin/runc\"\n",
    );
    let facts = |version: &str| with(version, &format!("version = 2\n{both}"), &[]);
    let found = |version: &str| runtime::judge(&facts(version)).remove(0);
    assert_eq!(ids(&facts("2.1.9")), ["runtime-two-spellings"]);
    assert_eq!(
        (found("2.1.9").args["program"].as_str(), found("2.1.9").severity),
        ("/usr/local/bin/runc", crate::finding::Severity::Error)
    );
    let old = found("1.7.27");
    assert_eq!(
        (old.args["program"].as_str(), old.severity),
        ("/usr/bin/nvidia-container-runtime", crate::finding::Severity::Warning)
    );
}

#[test]
fn a_switch_that_is_a_text_and_one_that_is_not_runcs_are_told() {
    let text = entry(V3, "nvidia", "BinaryName = \"/usr/bin/nvidia-container-runtime\"\nSystemdCgroup = \"True\"\n");
    assert_eq!(ids(&with("2.1.9", &format!("version = 3\n{text}"), &[])), ["runtime-switch-text"]);
    let runc = entry(V3, "runc", "SystemdCgroup = false\n");
    assert_eq!(ids(&with("2.1.9", &format!("version = 3\n{}{runc}", good(V3)), &[])), ["runtime-cgroup-differs"]);
}

#[test]
fn a_table_that_the_version_does_not_know_is_told() {
    assert_eq!(ids(&with("2.1.9", &format!("version = 3\n{}", good(V2)), &[])), ["runtime-table-unknown"]);
}

#[test]
fn drop_ins_of_another_version_are_told_by_the_rule_of_the_release() {
    let root = |format: u32| format!("version = {format}\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n");
    let drop_in = |format: u32, plugin: &str| format!("version = {format}\n{}", good(plugin));
    for (version, root_format, format, plugin, expected) in [
        ("1.7.24", 2, 3, V3, "drop-in-refused"),
        ("1.7.24", 2, 2, V2, "drop-in-replaces"),
        ("2.1.9", 3, 4, V3, "drop-in-refused"),
        ("2.1.9", 2, 3, V3, "drop-in-lost"),
        ("2.3.4", 3, 4, V3, "drop-in-refused"),
    ] {
        let facts = with(version, &root(root_format), &[(true, &drop_in(format, plugin))]);
        assert_eq!(ids(&facts), [expected], "{version} {root_format} {format}");
    }
    assert_eq!(ids(&with("2.1.9", &root(3), &[(true, &drop_in(3, V3))])), [] as [&str; 0]);
    assert_eq!(
        ids(&with("2.1.9", &root(3), &[(true, "version = 2\n")])),
        [] as [&str; 0],
        "without CRI settings nothing is lost"
    );
}

#[test]
fn a_copy_of_the_whole_section_is_told() {
    let keys: String = (0..6).map(|key| format!("setting_{key} = 1\n")).collect();
    let drop_in = format!("version = 3\n[plugins.\"{V3}\"]\n{keys}{}", good(V3));
    assert_eq!(ids(&with("2.1.9", "version = 3\n", &[(true, &drop_in)])), ["drop-in-freezes"]);
}

#[test]
fn what_lasts_until_the_next_run_and_what_is_not_read_at_all_are_told_apart() {
    let drop_in = format!("version = 3\n{}", good(V3));
    let mut facts = with("2.1.9", "version = 3\n", &[(true, &drop_in)]);
    containerd(&mut facts).kubespray = Some("/etc/containerd/cri-base.json".into());
    assert_eq!(ids(&facts), ["runtime-will-vanish"]);
    containerd(&mut facts).drop_ins[0].is_read = false;
    assert_eq!(ids(&facts), ["drop-in-not-read"]);
    // Kubespray's own entry beside it: the drop-in may go, and nothing is lost with it.
    let mut both = with("2.1.9", &format!("version = 3\n{}", good(V3)), &[(true, &drop_in)]);
    containerd(&mut both).kubespray = Some("x".into());
    assert_eq!(ids(&both), [] as [&str; 0]);
}

#[test]
fn a_program_that_cannot_be_started_is_told() {
    let mut facts = with("2.1.9", &format!("version = 3\n{}", good(V3)), &[]);
    for (state, expected) in
        [(Startable::Missing, "runtime-program-missing"), (Startable::NotExecutable, "runtime-program-not-executable")]
    {
        containerd(&mut facts).binaries.insert("/usr/bin/nvidia-container-runtime".into(), state);
        assert_eq!(ids(&facts), [expected]);
    }
}

#[test]
fn a_daemon_that_refuses_or_has_not_read_its_files_is_told() {
    let mut facts = with("2.1.9", "version = 3\n", &[]);
    let words = "containerd: failed to load TOML: unsupported config version `3`";
    containerd(&mut facts).refused = Some(words.into());
    assert_eq!(ids(&facts), ["containerd-refuses"]);
    containerd(&mut facts).refused = None;
    let at = |second: i64| jiff::Timestamp::from_second(second).ok();
    containerd(&mut facts).process = Some(ContainerdProcess { started: at(100), ..ContainerdProcess::default() });
    containerd(&mut facts).root.as_mut().unwrap().modified = at(102);
    assert_eq!(ids(&facts), [] as [&str; 0], "the kernel tells the start to a second");
    containerd(&mut facts).root.as_mut().unwrap().modified = at(103);
    assert_eq!(ids(&facts), ["containerd-older-than-file"]);
}

fn package(name: &str, version: &str, part: Part) -> NodePackage {
    NodePackage { name: name.into(), version: version.into(), part, ..NodePackage::default() }
}

#[test]
fn a_second_containerd_and_cdi_that_is_off_are_told() {
    let mut facts = with("1.7.27", "version = 2\n", &[]);
    facts.node.packages = vec![package("containerd.io", "1.7.22-1", Part::Engine)];
    assert_eq!(ids(&facts), ["two-containerds"]);
    facts.node.packages.clear();
    containerd(&mut facts).effective = Some(config::parse("version = 2\n").unwrap());
    facts.node.cdi = vec![CdiSpec { path: "/var/run/cdi/nvidia.yaml".into(), ..CdiSpec::default() }];
    assert_eq!(ids(&facts), ["cdi-off"]);
    containerd(&mut facts).version = Some("2.1.9".into());
    assert_eq!(ids(&facts), [] as [&str; 0]);
}

#[test]
fn a_drop_in_where_crio_never_looks_is_told() {
    let mut facts = machine();
    let file = EngineFile {
        path: "/etc/crio/conf.d/99-nvidia.toml".into(),
        runtimes: [("nvidia".into(), "x".into())].into(),
        default_runtime: None,
    };
    facts.node.crio = Some(CrioFacts { misplaced: vec![file], ..CrioFacts::default() });
    assert_eq!(ids(&facts), ["crio-drop-in-misplaced"]);
}

#[test]
fn a_toolkit_of_mixed_or_old_versions_is_told() {
    let mut facts = machine();
    let all =
        |version: &str| PACKAGES.iter().map(|name| package(name, version, Part::ContainerToolkit)).collect::<Vec<_>>();
    facts.node.packages = all("1.20.0-1");
    assert_eq!(ids(&facts), [] as [&str; 0]);
    facts.node.packages[3].version = "1.17.8-1".into();
    assert_eq!(ids(&facts), ["toolkit-versions-differ"]);
    facts.node.packages = all("1.17.7-1");
    assert_eq!(ids(&facts), ["toolkit-known-hole"]);
    facts.node.packages = all("1.18.2-1");
    facts.node.crio = Some(CrioFacts::default());
    assert_eq!(ids(&facts), ["toolkit-before-crio-fix"]);
    facts.node.packages = all("1.17.8-1");
    assert_eq!(ids(&facts), [] as [&str; 0]);
    facts.driver.loaded_version = Some("580.65.06".into());
    facts.node.toolkit =
        Some(ToolkitFacts { info: Some(CliInfo::Failed("driver error".into())), ..ToolkitFacts::default() });
    assert_eq!(ids(&facts), ["toolkit-sees-no-driver"]);
}

#[test]
fn packages_and_repositories_of_two_sources_are_told() {
    let mut facts = machine();
    let from = |name: &str, origin: &str| NodePackage {
        origin: Some(origin.into()),
        ..package(name, "580.65.06-1", Part::Driver)
    };
    let nvidia = "https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2404/x86_64";
    facts.node.packages =
        vec![from("a", "http://archive.ubuntu.com/ubuntu"), from("b", "http://security.ubuntu.com/ubuntu")];
    assert_eq!(ids(&facts), [] as [&str; 0]);
    facts.node.packages.push(from("c", nvidia));
    assert_eq!(ids(&facts), ["packages-two-sources"]);
    facts.node.packages.clear();
    facts.host.os_id = "ubuntu".into();
    facts.host.os_version = "24.04".into();
    let source = |file: &str, distribution: &str| PackageSource {
        file: file.into(),
        address: format!("https://developer.download.nvidia.com/compute/cuda/repos/{distribution}/x86_64/"),
        kind: SourceKind::CudaNetwork,
        distribution: Some(distribution.into()),
    };
    facts.node.sources = vec![source("a.list", "ubuntu2404")];
    assert_eq!(ids(&facts), [] as [&str; 0]);
    facts.node.sources.push(source("b.list", "ubuntu2404"));
    assert_eq!(ids(&facts), ["source-named-twice"]);
    facts.node.sources = vec![source("a.list", "ubuntu2204")];
    assert_eq!(ids(&facts), ["source-of-another-release"]);
}

#[test]
fn a_library_of_another_version_is_told() {
    let mut facts = machine();
    facts.driver.loaded_version = Some("580.65.06".into());
    let library = |version: &str| DriverLibrary {
        path: format!("/usr/lib64/libnvidia-ml.so.{version}"),
        version: Some(version.into()),
    };
    facts.driver.libraries = vec![library("580.95.05")];
    assert_eq!(ids(&facts), ["driver-library-differs"]);
    facts.driver.libraries.push(library("580.65.06"));
    assert_eq!(ids(&facts), [] as [&str; 0]);
}

#[test]
fn a_kernel_that_boots_without_the_drivers_module_is_told() {
    let mut facts = machine();
    facts.driver.ledger =
        vec![LedgerEntry::new(Origin::Deb, "nvidia-dkms-580 580.65.06-0ubuntu1", "/var/lib/dpkg/status")];
    facts.host.next_kernel = Some(NextKernel { release: "6.8.0-50-generic".into(), source: "/boot".into() });
    let kernel = |module: Option<&str>, version: Option<&str>| InstalledKernel {
        release: "6.8.0-50-generic".into(),
        module: module.map(str::to_owned),
        version: version.map(str::to_owned),
        kind: None,
    };
    facts.driver.kernels = vec![kernel(None, None)];
    assert_eq!(ids(&facts), ["no-module-for-next-kernel"]);
    facts.driver.kernels = vec![kernel(Some("/lib/modules/x/nvidia.ko"), Some("580.65.06"))];
    facts.driver.libraries = vec![DriverLibrary { path: "x".into(), version: Some("580.95.05".into()) }];
    assert_eq!(ids(&facts), ["module-of-next-kernel-differs"]);
    facts.driver.kernels = vec![kernel(None, None)];
    facts.driver.ledger = vec![LedgerEntry::new(Origin::InstallerPod, "450.51.06", "x")];
    assert_eq!(ids(&facts), [] as [&str; 0], "the pod builds its module anew");
}

#[test]
fn an_upgrade_that_nobody_asked_for_is_told() {
    let mut facts = machine();
    let origin = Some("http://archive.ubuntu.com/ubuntu".to_owned());
    facts.node.packages =
        vec![NodePackage { origin, ..package("nvidia-dkms-580-server", "580.65.06-0ubuntu1", Part::Driver) }];
    facts.node.upgrades = Some(AutomaticUpgrades {
        program: "unattended-upgrades".into(),
        is_on: Some(true),
        origins: vec!["${distro_id}:${distro_codename}-security".into()],
        ..AutomaticUpgrades::default()
    });
    assert_eq!(ids(&facts), ["upgrades-touch-driver"]);
    facts.node.packages[0].held = Some("apt-mark hold".into());
    assert_eq!(ids(&facts), [] as [&str; 0]);
}

#[test]
fn what_a_driver_has_left_and_what_it_lacks_are_told() {
    let mut facts = machine();
    facts.driver.smi = Some("/usr/bin/nvidia-smi".into());
    assert_eq!(ids(&facts), ["nvidia-smi-left"]);
    facts.driver.loaded_version = Some("580.65.06".into());
    assert_eq!(ids(&facts), [] as [&str; 0]);
    facts.driver.device_nodes = vec!["/dev/nvidiactl".into(), "/dev/nvidia0".into()];
    assert_eq!(ids(&facts), ["device-files-missing"]);
    facts.driver.device_nodes.push("/dev/nvidia-uvm".into());
    facts.node.toolkit = Some(ToolkitFacts::default());
    assert_eq!(ids(&facts), ["char-links-missing"]);
    facts.driver.char_links = vec!["/dev/char/195:0".into()];
    assert_eq!(ids(&facts), [] as [&str; 0]);
}

#[test]
fn a_specification_that_is_stale_or_short_is_told() {
    let mut facts = machine();
    facts.driver.loaded_version = Some("580.65.06".into());
    let spec = |version: &str, cards: &[&str]| CdiSpec {
        path: "/var/run/cdi/nvidia.yaml".into(),
        kind: "nvidia.com/gpu".into(),
        driver_version: Some(version.into()),
        cards: cards.iter().map(|card| (*card).to_owned()).collect(),
        ..CdiSpec::default()
    };
    facts.node.cdi = vec![spec("570.86.15", &["/dev/nvidia0"])];
    assert_eq!(ids(&facts), ["cdi-stale"]);
    facts.node.cdi = vec![spec("580.65.06", &[])];
    assert_eq!(ids(&facts), ["cdi-short"]);
    facts.node.cdi = vec![spec("580.65.06", &["/dev/nvidia0"])];
    assert_eq!(ids(&facts), [] as [&str; 0]);
}
