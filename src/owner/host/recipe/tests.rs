use super::*;
use crate::{
    answers::DriverOwner,
    facts::{Gpu, LedgerEntry},
    host::NvmlAnswer,
    i18n::Lang,
};

const V100: &str = "10de:1db6";
const H100: &str = "10de:2331";
const B200: &str = "10de:2901";

fn machine(os: &str, kernel: &str) -> Facts {
    let (id, version) = os.split_once('-').unwrap();
    let mut facts = Facts::default();
    (facts.host.os_id, facts.host.os_version, facts.host.os_name) = (id.to_owned(), version.to_owned(), os.to_owned());
    (facts.host.kernel, facts.host.architecture) = (kernel.to_owned(), "x86_64".to_owned());
    facts
}

fn answers(cards: &[&str], more: &str) -> Answers {
    let gpus = cards.iter().map(|card| format!("\"{card}\"")).collect::<Vec<_>>().join(", ");
    Answers::parse(&format!("driver_owner: host\ngpus: [{gpus}]\n{more}"), "a.yaml").unwrap()
}

/// Source, branch, kind of module and packages, or the refusal's name.
fn told(os: &str, cards: &[&str], more: &str) -> String {
    let facts = machine(os, "6.8.0-45-generic");
    match course(&facts, &answers(cards, more)) {
        Ok(Course::Install(recipe)) => {
            format!("{} R{} {:?}: {}", recipe.chosen.name(), recipe.branch, recipe.module, recipe.packages.join(" "))
        }
        Ok(other) => format!("{other:?}"),
        Err(refusal) => {
            let text = refusal.message().text(Lang::En);
            assert!(!text.contains('{') && !text.starts_with("blocked."), "{text}");
            assert_ne!(refusal.message().text(Lang::Ko), text);
            format!("refused: {}", refusal.name)
        }
    }
}

#[test]
fn each_family_has_its_recipe() {
    for (os, expected) in [
        (
            "ubuntu-24.04",
            "ubuntu-precompiled R580 Open: linux-modules-nvidia-580-server-open-generic \
             nvidia-headless-no-dkms-580-server-open nvidia-utils-580-server",
        ),
        (
            "ubuntu-22.04",
            "ubuntu-precompiled R580 Open: linux-modules-nvidia-580-server-open-generic-hwe-22.04 \
             nvidia-headless-no-dkms-580-server-open nvidia-utils-580-server",
        ),
        ("debian-12", "nvidia R580 Open: libnvidia-compute-580 nvidia-dkms-580-open"),
        ("rocky-9.4", "nvidia R580 Open: nvidia-driver-cuda kmod-nvidia-open-dkms"),
        ("rhel-8.10", "nvidia R580 Open: nvidia-driver-cuda kmod-nvidia-open-dkms"),
        ("arch-rolling", "refused: no-package-source"),
        // A fingerprint that nobody has confirmed.
        ("debian-13", "refused: key-not-known"),
        ("rhel-10.0", "refused: key-not-known"),
        ("sles-15.6", "refused: key-not-known"),
    ] {
        assert_eq!(told(os, &[H100], ""), expected, "{os}");
    }
}

#[test]
fn a_key_that_the_user_has_confirmed_opens_the_source() {
    let key = "repository_key: 0123456789abcdef0123456789abcdef01234567\n";
    assert_eq!(told("debian-13", &[H100], key), "nvidia R580 Open: libnvidia-compute-580 nvidia-dkms-580-open");
    assert!(
        told("sles-15.6", &[H100], key)
            .starts_with("nvidia R580 Open: nvidia-open-driver-G06-signed-cuda-kmp-default ")
    );
}

#[test]
fn old_cards_get_the_last_branch_that_knows_them_and_new_ones_the_open_module() {
    assert_eq!(
        told("ubuntu-24.04", &[V100], ""),
        "ubuntu-precompiled R580 Proprietary: linux-modules-nvidia-580-server-generic nvidia-headless-no-dkms-580-server \
         nvidia-utils-580-server"
    );
    assert_eq!(told("ubuntu-24.04", &[V100], "driver_branch: 595\n"), "refused: branch-after-card");
    assert!(told("ubuntu-24.04", &[B200], "").contains("R580 Open"));
    // The open module alone from 620 on, SUSE's packages at all.
    assert_eq!(
        told("ubuntu-24.04", &[V100], "driver_source: nvidia\ndriver_branch: 620\n"),
        "refused: branch-after-card"
    );
    let key = "repository_key: 0123456789abcdef0123456789abcdef01234567\n";
    assert_eq!(told("sles-15.6", &[V100], key), "refused: no-proprietary-packages");
    assert_eq!(told("rocky-9.4", &[B200], "driver_source: nvidia-precompiled\n"), "refused: no-open-packages");
    assert!(
        told("rocky-9.4", &[V100], "driver_source: nvidia-precompiled\n").contains("nvidia-driver-cuda kmod-nvidia")
    );
}

#[test]
fn what_cannot_be_served_is_refused_with_the_way() {
    assert_eq!(told("debian-12", &[B200], "driver_source: debian\n"), "refused: branch-before-card");
    assert_eq!(told("ubuntu-24.04", &[V100, B200], ""), "refused: mixed-cards");
    assert_eq!(told("ubuntu-24.04", &[H100], "driver_source: debian\n"), "refused: source-not-here");
    assert_eq!(told("ubuntu-24.04", &[H100], "driver_branch: 535\n"), "refused: branch-not-here");
    assert_eq!(told("rocky-9.4", &[H100], "driver_source: local-repository\n"), "refused: no-local-repository");
    let mut guest = machine("ubuntu-24.04", "6.8.0-45-generic");
    guest.driver.vgpu_guest = Some("/etc/nvidia/gridd.conf".to_owned());
    assert_eq!(course(&guest, &answers(&[H100], "")).unwrap_err().name, "vgpu-guest");
    let mut broken = machine("ubuntu-24.04", "6.8.0-45-generic");
    broken.driver.ledger.push(LedgerEntry::new(Origin::Runfile, "550.54.15", "/usr/bin/nvidia-uninstall"));
    assert_eq!(course(&broken, &answers(&[H100], "")).unwrap_err().name, "runfile-driver-here");
}

#[test]
fn debians_archive_is_taken_for_a_card_that_it_knows_when_it_is_asked_for() {
    assert_eq!(
        told("debian-12", &[H100], "driver_source: debian\n"),
        "debian R535 Proprietary: nvidia-kernel-dkms nvidia-smi libcuda1 nvidia-modprobe"
    );
    assert_eq!(
        told("debian-13", &[V100], "driver_source: debian\n"),
        "debian R550 Proprietary: nvidia-kernel-dkms nvidia-smi libcuda1 nvidia-modprobe"
    );
}

/// As on a real H100 of a cloud: loaded, answering, and in no package's list.
#[test]
fn a_driver_that_works_is_kept_even_if_no_package_brought_it() {
    let mut facts = machine("ubuntu-24.04", "6.18.44-cloud");
    facts.driver.loaded_version = Some("580.159.04".to_owned());
    facts.driver.ledger = vec![LedgerEntry::new(Origin::LoadedModule, "nvidia 580.159.04", "/proc/modules")];
    let of = |version: &str| {
        Some(NvmlAnswer::Answer {
            driver_version: version.to_owned(),
            cuda_version: Some("13.0".to_owned()),
            gpus: Vec::new(),
            silent: Vec::new(),
        })
    };
    facts.driver.nvml = of("580.159.04");
    assert_eq!(course(&facts, &answers(&[H100], "")).unwrap(), Course::Adopt("580.159.04".parse().unwrap()));
    // A library of another version is no driver that works, and a pod's driver is not the host's.
    facts.driver.nvml = of("580.65.06");
    assert!(!matches!(course(&facts, &answers(&[H100], "")), Ok(Course::Adopt(_))));
    facts.driver.nvml = of("580.159.04");
    facts.driver.ledger.push(LedgerEntry::new(Origin::Operator, "580.159.04", "/run/nvidia/driver"));
    assert!(!matches!(course(&facts, &answers(&[H100], "")), Ok(Course::Adopt(_))));
}

#[test]
fn a_driver_that_works_is_kept_unless_another_is_asked_for() {
    let mut facts = machine("ubuntu-24.04", "6.8.0-45-generic");
    facts.driver.loaded_version = Some("570.86.15".to_owned());
    facts.driver.ledger = vec![
        LedgerEntry::new(Origin::LoadedModule, "nvidia 570.86.15", "/proc/modules"),
        LedgerEntry::new(Origin::Deb, "nvidia-utils-570-server 570.86.15-0ubuntu1", "/var/lib/dpkg/status"),
    ];
    let kept = course(&facts, &answers(&[H100], "")).unwrap();
    assert_eq!(kept, Course::Adopt("570.86.15".parse().unwrap()));
    assert_eq!(course(&facts, &answers(&[H100], "driver_branch: 570\n")).unwrap(), kept);
    let asked = course(&facts, &answers(&[H100], "driver_branch: 580\n")).unwrap();
    assert!(matches!(asked, Course::Install(recipe) if recipe.branch == 580));
    // The wizard's table proposes a version; that alone changes no driver that works.
    assert_eq!(course(&facts, &answers(&[H100], "driver_version: \"595.58.03\"\n")).unwrap(), kept);
}

#[test]
fn without_a_card_nothing_is_installed() {
    let facts = machine("ubuntu-24.04", "6.8.0-45-generic");
    assert_eq!(course(&facts, &Answers::new(DriverOwner::Host)).unwrap(), Course::Nothing);
    let mut with_card = facts;
    with_card.gpus.push(Gpu { name: "H100".to_owned(), ..Gpu::default() });
    assert!(matches!(course(&with_card, &Answers::new(DriverOwner::Host)), Ok(Course::Install(_))));
}

#[test]
fn a_whole_version_is_taken_where_a_source_keeps_more_than_one() {
    let facts = machine("rocky-9.4", "5.14.0-427.el9.x86_64");
    let Ok(Course::Install(recipe)) = course(&facts, &answers(&[H100], "driver_version: \"580.95.05\"\n")) else {
        panic!()
    };
    assert_eq!(recipe.version.unwrap().as_str(), "580.95.05");
    let ubuntu = machine("ubuntu-24.04", "6.8.0-45-generic");
    let Ok(Course::Install(recipe)) = course(&ubuntu, &answers(&[H100], "driver_version: \"580.95.05\"\n")) else {
        panic!()
    };
    assert_eq!((recipe.version, recipe.branch), (None, 580));
}

#[test]
fn the_plan_names_a_source_as_people_know_it() {
    for source in DriverSource::ALL {
        let key = format!("source.{}", source.name());
        assert!(Lang::En.has(&key), "{key}");
    }
    let facts = machine("ubuntu-24.04", "6.8.0-45-generic");
    let plan = super::super::install::plan(&facts, &answers(&[H100], ""));
    let title = |lang| plan.iter().find(|action| action.id == "install-driver").unwrap().title(lang);
    let expected = "from Ubuntu's archive, modules built and signed by Canonical";
    assert!(title(Lang::En).ends_with(expected), "{}", title(Lang::En));
    assert!(!title(Lang::Ko).contains("ubuntu-precompiled"), "{}", title(Lang::Ko));
}
