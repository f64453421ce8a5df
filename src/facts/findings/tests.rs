//! Each judgement on the facts that lead to it.

use super::*;
use crate::{
    catalog::{CatalogMatch, KernelModule},
    facts::{DriverFacts, GpuNvml, Module, ModuleKind, Unknown},
    host::{NvmlAnswer, NvmlGpu, Virtualization},
    i18n::msg,
};

fn ids(facts: &Facts) -> Vec<String> {
    let found = judge(facts);
    found.iter().for_each(crate::facts::tests::assert_finding_has_texts);
    found.into_iter().map(|finding| finding.id).collect()
}

fn machine_with(gpu: Gpu) -> Facts {
    let mut facts = Facts {
        gpus: vec![Gpu { catalog: CatalogMatch::Exact, pci_address: "0000:18:00.0".into(), ..gpu }],
        ..Facts::default()
    };
    facts.host.kernel_headers = true;
    facts.host.architecture = "x86_64".into();
    facts
}

fn with_driver(gpu: Gpu, version: &str, kind: ModuleKind) -> Facts {
    let mut facts = machine_with(gpu);
    facts.driver.loaded_version = Some(version.into());
    facts.driver.loaded_kind = Some(kind);
    facts
}

fn ledger(entries: &[(Origin, &str)]) -> Vec<LedgerEntry> {
    entries.iter().map(|(origin, what)| LedgerEntry::new(*origin, *what, "x")).collect()
}

#[test]
fn a_clean_machine_has_no_findings() {
    assert_eq!(ids(&machine_with(Gpu::default())), Vec::<String>::new());
}

#[test]
fn each_rival_of_the_driver_has_its_finding() {
    for (driver, id) in [("nouveau", "nouveau-bound"), ("NovaCore", "nova-bound"), ("vfio-pci", "vfio-bound")] {
        assert_eq!(ids(&machine_with(Gpu { kernel_driver: Some(driver.into()), ..Gpu::default() })), [id]);
    }
}

#[test]
fn nvml_answers_become_findings() {
    let mut facts = machine_with(Gpu { nvml: Some(GpuNvml::default()), ..Gpu::default() });
    let seen = NvmlAnswer::Answer {
        driver_version: String::new(),
        cuda_version: None,
        gpus: vec![NvmlGpu::default(); 2],
        silent: vec![],
    };
    let answers = [
        (NvmlAnswer::Mismatch, vec!["nvml-mismatch"]),
        (NvmlAnswer::TimedOut, vec!["nvml-timeout"]),
        (NvmlAnswer::Crashed(11), vec!["nvml-crashed"]),
        (NvmlAnswer::Failed("x".into()), vec!["nvml-failed"]),
        (NvmlAnswer::NoPermission, vec!["nvml-not-allowed"]),
        (NvmlAnswer::NoDriver, vec![]),
        (NvmlAnswer::NoLibrary(vec![]), vec![]),
        (seen, vec!["count-more-in-nvml"]),
    ];
    for (answer, expected) in answers {
        facts.driver.nvml = Some(answer);
        assert_eq!(ids(&facts), expected);
    }
}

#[test]
fn blackwell_refuses_the_proprietary_module() {
    let blackwell = || Gpu { kernel_module: KernelModule::OpenRequired, ..Gpu::default() };
    assert_eq!(
        ids(&with_driver(blackwell(), "570.26", ModuleKind::Proprietary)),
        ["open-module-required", "driver-loaded"]
    );
    assert_eq!(ids(&with_driver(blackwell(), "570.26", ModuleKind::Open)), ["driver-loaded"]);
}

#[test]
fn a_driver_newer_than_the_cards_last_branch_is_an_error() {
    let volta = || Gpu { last_branch: Some(580), ..Gpu::default() };
    assert_eq!(
        ids(&with_driver(volta(), "590.44.01", ModuleKind::Proprietary)),
        ["driver-beyond-last-branch", "driver-loaded"]
    );
    assert_eq!(ids(&with_driver(volta(), "580.65.06", ModuleKind::Proprietary)), ["driver-loaded"]);
}

#[test]
fn the_installer_pods_own_driver_is_in_its_place() {
    let mut facts = with_driver(Gpu::default(), "450.51.06", ModuleKind::Proprietary);
    facts.driver.ledger = ledger(&[(Origin::InstallerPod, "450.51.06")]);
    assert_eq!(ids(&facts), ["driver-loaded-by-pod"]);
    facts.driver.ledger = ledger(&[(Origin::InstallerPod, "450.51.06"), (Origin::Runfile, "418.87.00")]);
    assert_eq!(ids(&facts), ["two-origins", "driver-loaded"]);
}

#[test]
fn a_toolkit_package_is_no_second_driver() {
    let mut facts = machine_with(Gpu::default());
    facts.driver.ledger = ledger(&[
        (Origin::Runfile, "418.87.00"),
        (Origin::Rpm, "cuda-toolkit-11-0-11.0.3-1.x86_64"),
        (Origin::Dkms, "nvidia 418.87.00"),
    ]);
    assert_eq!(ids(&facts), Vec::<String>::new());
    facts.driver.ledger.extend(ledger(&[(Origin::Rpm, "nvidia-driver-450.51.06-1.el7.x86_64")]));
    assert_eq!(ids(&facts), ["two-origins"]);
}

#[test]
fn the_machine_around_is_judged() {
    let mut facts = machine_with(Gpu { catalog: CatalogMatch::Guess, ..Gpu::default() });
    facts.gpus[0].catalog = CatalogMatch::Guess;
    facts.host.secure_boot = Some(true);
    facts.host.kernel_headers = false;
    facts.host.kernel = "6.8.0".into();
    facts.unknown.insert("host.gcc_version".into(), Unknown::from(msg::unknown::not_allowed("/x")));
    facts.host.container = Some("/.dockerenv".into());
    let found = judge(&facts);
    found.iter().for_each(crate::facts::tests::assert_finding_has_texts);
    let found: Vec<_> = found.into_iter().map(|finding| finding.id).collect();
    assert_eq!(found, ["catalog-unknown", "container", "secure-boot-on", "no-kernel-headers", "facts-need-root"]);
    facts.unknown.insert("driver.modules".into(), Unknown::from(msg::unknown::not_there("/proc/modules")));
    let both = judge(&facts).split_off(4);
    assert_eq!(
        both.iter().map(|finding| finding.evidence.as_str()).collect::<Vec<_>>(),
        ["host.gcc_version", "driver.modules"]
    );
    facts.host.root = true;
    assert!(ids(&facts).contains(&"facts-not-known".to_owned()));
}

#[test]
fn an_unreadable_bus_is_not_an_empty_one() {
    let mut facts = Facts::default();
    assert_eq!(ids(&facts), ["no-gpu"]);
    facts.unknown.insert("gpus".into(), Unknown::from(msg::unknown::not_there(PCI_DEVICES)));
    assert_eq!(ids(&facts), ["no-pci-bus"]);
}

#[test]
fn a_card_that_nvml_does_not_see_is_told_once_and_with_nvmls_words() {
    let mut facts = machine_with(Gpu { kernel_driver: Some("nvidia".into()), ..Gpu::default() });
    facts.driver.nvml = Some(NvmlAnswer::Answer {
        driver_version: "580.65.06".into(),
        cuda_version: None,
        gpus: vec![],
        silent: vec!["GPU 0: GPU is lost".into()],
    });
    assert_eq!(ids(&facts), ["count-mismatch"]);
    assert_eq!(judge(&facts)[0].evidence, "/sys/bus/pci/devices/0000:18:00.0, GPU 0: GPU is lost");
    facts.gpus[0].kernel_driver = Some("vfio-pci".into());
    assert_eq!(ids(&facts), ["vfio-bound"], "one cause, one finding");
    facts.gpus[0].kernel_driver = None;
    facts.gpus[0].last_branch = Some(470);
    facts.driver.loaded_version = Some("580.65.06".into());
    assert_eq!(ids(&facts), ["driver-beyond-last-branch", "driver-loaded"]);
}

#[test]
fn what_nvml_sees_the_driver_serves_whatever_the_lists_say() {
    let mut facts = with_driver(Gpu { first_branch: Some(590), ..Gpu::default() }, "580.65.06", ModuleKind::Open);
    assert_eq!(ids(&facts), ["driver-before-first-branch", "driver-loaded"]);
    facts.gpus[0].nvml = Some(GpuNvml::default());
    assert_eq!(ids(&facts), ["driver-loaded"]);
}

#[test]
fn a_driver_on_disk_is_judged_like_a_loaded_one() {
    let mut facts =
        machine_with(Gpu { last_branch: Some(470), kernel_module: KernelModule::ProprietaryOnly, ..Gpu::default() });
    facts.driver.ledger =
        ledger(&[(Origin::Deb, "nvidia-driver-535 535.183.01-0ubuntu1"), (Origin::Deb, "nvidia-settings 510.47-1")]);
    let found = judge(&facts);
    assert_eq!(ids(&facts), ["driver-beyond-last-branch"]);
    assert_eq!(found[0].evidence, "x (nvidia-driver-535 535.183.01-0ubuntu1)");
    facts.driver.ledger = ledger(&[(Origin::Rpm, "kmod-nvidia-open-dkms-470.1.1-1.el9.noarch")]);
    assert_eq!(ids(&facts), ["open-module-impossible"]);
}

#[test]
fn an_update_without_a_reboot_shows_once() {
    let mut facts = with_driver(Gpu::default(), "535.183.01", ModuleKind::Proprietary);
    facts.driver.ledger = ledger(&[
        (Origin::Deb, "libnvidia-compute-550 550.90.07-0ubuntu1"),
        (Origin::Deb, "nvidia-driver-550 550.90.07-0ubuntu1"),
    ]);
    assert_eq!(ids(&facts), ["driver-loaded", "driver-on-disk-differs"]);
    facts.driver.nvml = Some(NvmlAnswer::Mismatch);
    assert_eq!(ids(&facts), ["nvml-mismatch", "driver-loaded"]);
    facts.driver.nvml = None;
    facts.driver.ledger.extend(ledger(&[(Origin::Deb, "nvidia-dkms-535 535.183.01-0ubuntu1")]));
    assert_eq!(ids(&facts), ["driver-loaded"]);
}

#[test]
fn toolkits_that_build_for_no_card_are_told() {
    let mut facts = machine_with(Gpu { compute_capability: "7.0".into(), ..Gpu::default() });
    facts.driver.ledger =
        ledger(&[(Origin::CudaToolkit, "13.0.1"), (Origin::CudaToolkit, "12.9.1"), (Origin::CudaToolkit, "unknown")]);
    assert_eq!(ids(&facts), ["cuda-beyond-card"]);
    facts.gpus[0].compute_capability = "9.0".into();
    facts.driver.ledger = ledger(&[(Origin::CudaToolkit, "11.0.3")]);
    assert_eq!(ids(&facts), ["cuda-before-card"]);
}

#[test]
fn a_board_with_switches_needs_the_fabric_manager_of_the_same_version() {
    let mut facts = with_driver(Gpu::default(), "550.90.07", ModuleKind::Open);
    facts.nvswitches = vec!["0000:07:00.0".into(), "0000:08:00.0".into()];
    assert_eq!(ids(&facts), ["no-fabric-manager", "driver-loaded"]);
    facts.driver.ledger =
        ledger(&[(Origin::Unit, "nvidia-fabricmanager"), (Origin::Deb, "nvidia-fabricmanager-550 550.54.15-1")]);
    assert_eq!(ids(&facts), ["fabric-manager-version", "driver-loaded"]);
    facts.driver.ledger =
        ledger(&[(Origin::Unit, "nvidia-fabricmanager"), (Origin::Deb, "nvidia-fabricmanager-550 550.90.07-1")]);
    assert_eq!(ids(&facts), ["driver-loaded"]);
    facts.driver = DriverFacts::default();
    assert_eq!(ids(&facts), Vec::<String>::new(), "without a driver there is nothing to manage");
}

#[test]
fn virtual_gpus_are_told_from_both_sides() {
    let nvml = |mode| Some(GpuNvml { virtualization: Some(mode), ..GpuNvml::default() });
    let mut facts = machine_with(Gpu { nvml: nvml(Virtualization::Vgpu), ..Gpu::default() });
    assert_eq!(ids(&facts), ["vgpu-guest"]);
    facts.gpus[0].nvml = nvml(Virtualization::PassThrough);
    assert_eq!(ids(&facts), Vec::<String>::new());
    facts.gpus[0].virtual_functions = 16;
    assert_eq!(ids(&facts), ["vgpu-host"]);
    facts.gpus[0].virtual_functions = 0;
    facts.driver.modules = vec![Module { name: "nvidia_vgpu_vfio".into(), ..Module::default() }];
    assert_eq!(ids(&facts), ["vgpu-host"]);
}

#[test]
fn nouveau_that_waits_for_a_card_is_told_apart_from_one_that_has_it() {
    let mut facts = machine_with(Gpu::default());
    facts.driver.modules = vec![Module { name: "nouveau".into(), ..Module::default() }];
    assert_eq!(ids(&facts), ["rival-loaded"]);
    facts.gpus[0].kernel_driver = Some("nouveau".into());
    assert_eq!(ids(&facts), ["nouveau-bound"]);
}

#[test]
fn secure_boot_with_unsigned_modules_is_an_error() {
    let mut facts = machine_with(Gpu::default());
    facts.driver.unsigned_modules = vec!["/lib/modules/6.8.0/updates/dkms/nvidia.ko".into()];
    assert_eq!(ids(&facts), Vec::<String>::new());
    facts.host.secure_boot = Some(true);
    assert_eq!(ids(&facts), ["unsigned-modules"]);
}

#[test]
fn a_guess_says_what_it_rests_on_and_each_kind_of_card_once() {
    let guess = || Gpu {
        catalog: CatalogMatch::Guess,
        device_id: "233e".into(),
        chip: "GH100".into(),
        guessed_from: Some("10de:233f".into()),
        ..Gpu::default()
    };
    let facts = Facts {
        gpus: vec![guess(), Gpu { pci_address: "0000:19:00.0".into(), ..guess() }],
        ..machine_with(Gpu::default())
    };
    assert_eq!(ids(&facts), ["catalog-guess"]);
    assert!(judge(&facts)[0].message(crate::i18n::Lang::En).contains("GH100 is a guess from 10de:233f"));
}

#[test]
fn cards_that_are_expected_and_not_there_are_counted() {
    let card = Gpu { vendor_id: "10de".into(), device_id: "1db6".into(), ..Gpu::default() };
    let mut facts = machine_with(card);
    let mut ask = |ids: &[&str]| {
        facts.expect(&ids.iter().map(|id| id.parse().unwrap()).collect::<Vec<_>>());
        facts.findings.iter().for_each(crate::facts::tests::assert_finding_has_texts);
        facts
            .findings
            .iter()
            .map(|finding| format!("{} {}", finding.args["expected"], finding.args["found"]))
            .collect::<Vec<_>>()
    };
    assert_eq!(ask(&["10de:1db6"]), Vec::<String>::new());
    assert_eq!(ask(&["10DE:1DB6", "10de:1db6", "10de:2335"]), ["2 1", "1 0"]);
    assert_eq!(ask(&[]), Vec::<String>::new());
    let mut empty = Facts::default();
    empty.expect(&["10de:1db6".parse().unwrap()]);
    assert_eq!(ids(&empty), ["cards-missing"], "that there is none at all is the same cause");
}
