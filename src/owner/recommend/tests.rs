//! The table of owners, held against facts.

use super::*;
use crate::{
    catalog::gpus,
    facts::LedgerEntry,
    kubespray::{self, PreviewRequest},
};

const V100: &str = "10de:1db6";
const H100: &str = "10de:2331";
const B200: &str = "10de:2901";

/// A machine with a system, cards and things in its ledger; a loaded driver where one is named.
fn machine(os: &str, loaded: Option<&str>, ledger: &[(Origin, &str)]) -> Facts {
    let (id, version) = os.split_once('-').unwrap();
    let mut facts = Facts::default();
    (facts.host.os_id, facts.host.os_version, facts.host.os_name) = (id.to_owned(), version.to_owned(), os.to_owned());
    facts.host.architecture = "x86_64".to_owned();
    facts.driver.loaded_version = loaded.map(str::to_owned);
    facts.driver.ledger = ledger.iter().map(|(origin, what)| LedgerEntry::new(*origin, *what, "/somewhere")).collect();
    facts
}

/// The fits on a machine, with what the built-in data of a Kubespray release says.
fn judged(facts: &Facts, cards: &[&str], release: Option<&str>) -> Vec<Fit> {
    let cards: Vec<Card> = cards.iter().map(|id| Card::from(&gpus::lookup(id).unwrap())).collect();
    let host = crate::host::Host::local(std::path::Path::new("/nowhere"));
    let request = PreviewRequest { release: release.map(str::to_owned), ..PreviewRequest::default() };
    let preview = kubespray::preview(&*host.files, &request).unwrap();
    let preview = release.map(|_| &preview);
    fits(&Node { facts, cards: &cards, preview, today: "2026-11-27".parse().unwrap() })
}

fn words(fits: &[Fit]) -> (Option<&'static str>, [Works; 3]) {
    let best = fits.iter().find(|fit| fit.recommended).map(|fit| fit.owner.name());
    (best, [fits[0].works, fits[1].works, fits[2].works])
}

#[test]
fn the_table_is_read_and_every_reason_has_its_text() {
    assert!(serde_yaml::from_str::<Vec<Row>>(OWNERS).unwrap().len() > 10);
    for row in rows() {
        assert!(Lang::En.has(&format!("owner.reason.{}", row.reason)), "{}", row.reason);
    }
    for owner in DriverOwner::ALL {
        let last = rows().iter().rfind(|row| row.owner == owner).unwrap();
        let is_open = last.os.is_empty() && last.beside.is_none() && last.runtime.is_none() && last.until.is_none();
        assert!(is_open && last.since.is_none(), "{owner:?} has no last word");
    }
}

#[test]
fn each_release_system_and_card_has_its_owner() {
    use Works::{No, Partly, Yes};
    for (os, cards, release, expected) in [
        ("centos-7", V100, Some("v2.14.2"), (Some("installer-pod"), [Yes, Partly, No])),
        ("centos-7", V100, None, (Some("installer-pod"), [Yes, Partly, No])),
        ("ubuntu-18.04", V100, Some("v2.22.2"), (Some("installer-pod"), [Yes, Partly, No])),
        ("centos-7", V100, Some("v2.26.0"), (Some("host"), [No, Partly, No])),
        ("ubuntu-24.04", H100, Some("v2.31.0"), (Some("host"), [No, Yes, Yes])),
        ("ubuntu-22.04", H100, Some("v2.25.1"), (Some("host"), [No, Yes, Yes])),
        ("ubuntu-22.04", H100, Some("v2.22.2"), (Some("host"), [No, Yes, No])),
        ("ubuntu-24.04", H100, None, (Some("host"), [No, Yes, Yes])),
        ("debian-12", H100, Some("v2.31.0"), (Some("host"), [No, Yes, No])),
        ("rocky-9.4", H100, Some("v2.31.0"), (Some("host"), [No, Yes, Yes])),
        ("rhel-10.0", B200, Some("v2.31.0"), (Some("host"), [No, Yes, Yes])),
        ("ubuntu-26.04", H100, Some("v2.31.0"), (Some("host"), [No, Partly, Partly])),
        ("arch-rolling", H100, Some("v2.31.0"), (Some("host"), [No, Partly, No])),
        // The role's runfile asks for no open module.
        ("centos-7", B200, Some("v2.14.2"), (Some("host"), [No, Partly, No])),
    ] {
        assert_eq!(words(&judged(&machine(os, None, &[]), &[cards], release)), expected, "{os} {cards} {release:?}");
    }
}

#[test]
fn cards_that_no_driver_serves_together_have_no_owner_and_are_named() {
    let fits = judged(&machine("ubuntu-24.04", None, &[]), &[V100, B200], Some("v2.31.0"));
    assert_eq!(words(&fits), (None, [Works::No; 3]));
    assert_eq!(fits[1].reason.key(), "owner.reason.no-common-driver");
    assert!(fits[1].reason.text(Lang::En).contains("V100"), "{:?}", fits[1].reason);
}

#[test]
fn a_driver_that_works_is_kept_and_an_ended_one_gives_way_where_the_pod_works() {
    let deb = [(Origin::LoadedModule, "nvidia 580.95.05"), (Origin::Deb, "nvidia-driver-580 580.95.05-0ubuntu1")];
    let kept = machine("ubuntu-24.04", Some("580.95.05"), &deb);
    let fits = judged(&kept, &[H100], Some("v2.31.0"));
    assert_eq!((words(&fits).0, fits[1].reason.key()), (Some("host"), "owner.reason.driver-is-kept"));
    assert_eq!(fits[2].reason.key(), "owner.reason.beside-host-driver");
    // Debian has no driver image, and the operator works beside the driver.
    assert_eq!(
        words(&judged(&machine("debian-12", Some("580.95.05"), &deb), &[H100], Some("v2.31.0"))).1[2],
        Works::Yes
    );
    // So on the seed's system too, with a driver that NVIDIA still supports.
    assert_eq!(
        words(&judged(
            &machine("centos-7", Some("580.95.05"), &[(Origin::Runfile, "580.95.05")]),
            &[V100],
            Some("v2.14.2")
        ))
        .0,
        Some("host")
    );
    let seed = machine("centos-7", Some("418.87.00"), &[(Origin::Runfile, "418.87.00")]);
    assert_eq!(words(&judged(&seed, &[V100], Some("v2.14.2"))).0, Some("installer-pod"));
    // Its library is of another version: it works for nobody.
    let mut broken = kept;
    broken.driver.nvml = Some(NvmlAnswer::Mismatch);
    assert_eq!(judged(&broken, &[H100], Some("v2.31.0"))[1].reason.key(), "owner.reason.has-packages");
}

#[test]
fn what_brings_the_driver_today_goes_on() {
    let operator = machine("ubuntu-22.04", Some("580.95.05"), &[(Origin::Operator, "580.95.05")]);
    assert_eq!(words(&judged(&operator, &[H100], Some("v2.31.0"))).0, Some("operator"));
    let pod = machine("ubuntu-18.04", Some("450.51.06"), &[(Origin::InstallerPod, "450.51.06")]);
    assert_eq!(words(&judged(&pod, &[V100], Some("v2.14.2"))).0, Some("installer-pod"));
}

/// The verdicts for a system, a runtime, a card and a release: without a driver, and the operator's beside a host
/// driver that works.
fn table(os: &str, runtime: &str, card: &str, release: &str) -> [Works; 4] {
    let mut facts = machine(os, None, &[]);
    facts.host.container_runtime = Some(runtime.to_owned());
    let (_, bare) = words(&judged(&facts, &[card], Some(release)));
    let mut kept = machine(os, Some("580.95.05"), &[(Origin::Runfile, "580.95.05")]);
    kept.host.container_runtime = facts.host.container_runtime;
    let beside = words(&judged(&kept, &[card], Some(release))).1[2];
    [bare[0], bare[1], bare[2], beside]
}

/// Research table 1.2, row by row: installer pod, host, operator with its driver pod, operator beside the host's
/// driver. Where the table says "custom image" or "no-op", the pod does not work as it comes.
#[test]
fn the_table_of_owners_says_what_research_says() {
    use Works::{No, Partly, Yes};
    const P100: &str = "10de:15f8";
    const RTX_PRO_BLACKWELL: &str = "10de:2bb4";
    let none_but_pod_no = [No, Yes, Yes, Yes];
    for (release, runtime, systems, card, expected) in [
        ("v2.24.3", "containerd", &["centos-7", "ubuntu-16.04", "ubuntu-18.04"][..], V100, [Yes, Partly, No, Partly]),
        ("v2.25.1", "containerd", &["ubuntu-22.04", "ubuntu-24.04"], H100, none_but_pod_no),
        ("v2.27.1", "containerd", &["ubuntu-22.04", "ubuntu-24.04"], H100, none_but_pod_no),
        ("v2.25.1", "containerd", &["debian-11", "debian-12"], H100, [No, Yes, No, Yes]),
        ("v2.27.1", "containerd", &["debian-11", "debian-12"], H100, [No, Yes, No, Yes]),
        ("v2.25.1", "containerd", &["rhel-8.10", "rocky-8.10"], H100, none_but_pod_no),
        ("v2.29.1", "containerd", &["rhel-8.10", "rocky-8.10"], H100, none_but_pod_no),
        ("v2.26.1", "containerd", &["rhel-9.4", "rocky-9.4"], H100, none_but_pod_no),
        ("v2.31.0", "containerd", &["rhel-9.6", "rocky-9.6"], H100, none_but_pod_no),
        ("v2.28.1", "containerd", &["ubuntu-22.04", "ubuntu-24.04"], H100, none_but_pod_no),
        ("v2.31.0", "containerd", &["ubuntu-22.04", "ubuntu-24.04"], H100, none_but_pod_no),
        ("v2.29.1", "containerd", &["debian-13"], H100, [No, Yes, No, Yes]),
        ("v2.31.0", "containerd", &["debian-13"], H100, [No, Yes, No, Yes]),
        ("v2.30.0", "containerd", &["rhel-10.0", "rocky-10.1"], H100, none_but_pod_no),
        ("v2.31.0", "containerd", &["rhel-10.0", "rocky-10.1"], H100, none_but_pod_no),
        ("v2.32.0", "containerd", &["ubuntu-24.04", "rocky-9.6"], H100, none_but_pod_no),
        ("v2.31.0", "cri-o", &["ubuntu-22.04", "ubuntu-24.04"], H100, none_but_pod_no),
        ("v2.29.1", "cri-o", &["rhel-8.10", "rhel-9.4"], H100, none_but_pod_no),
        ("v2.31.0", "cri-o", &["rocky-9.4", "rhel-10.0"], H100, [No, Yes, Partly, Yes]),
        ("v2.31.0", "docker", &["ubuntu-24.04", "rocky-9.4"], H100, [No, Yes, Partly, Partly]),
        ("v2.31.0", "docker", &["debian-12"], H100, [No, Yes, Partly, Partly]),
        ("v2.31.0", "containerd", &["ubuntu-26.04"], H100, [No, Partly, Partly, Partly]),
        ("v2.31.0", "containerd", &["ubuntu-24.04"], V100, none_but_pod_no),
        ("v2.31.0", "containerd", &["ubuntu-24.04"], P100, none_but_pod_no),
        ("v2.31.0", "containerd", &["debian-12"], B200, [No, Yes, No, Yes]),
        ("v2.31.0", "containerd", &["ubuntu-24.04", "rhel-10.0"], B200, none_but_pod_no),
        ("v2.31.0", "containerd", &["ubuntu-24.04"], RTX_PRO_BLACKWELL, none_but_pod_no),
        // Systems that a release has given up, or has not yet taken in (table 1.1).
        ("v2.31.0", "containerd", &["rocky-8.10", "ubuntu-20.04"], H100, [No, Partly, Partly, Yes]),
        ("v2.28.1", "containerd", &["debian-13"], H100, [No, Partly, No, Yes]),
        ("v2.29.1", "containerd", &["rhel-10.0"], H100, [No, Partly, Partly, Yes]),
    ] {
        for os in systems {
            assert_eq!(table(os, runtime, card, release), expected, "{release} {runtime} {os} {card}");
        }
    }
}

/// What the host's owner may install for old and new cards: nothing after 580 for Volta, nothing without an open module
/// for Blackwell.
#[test]
fn the_recommended_driver_of_the_host_keeps_to_the_ceiling_and_the_floor_of_the_card() {
    let recommended = |card: &str| {
        let cards = [Card::from(&gpus::lookup(card).unwrap())];
        let host = machine("ubuntu-24.04", None, &[]).host;
        let limits = HostLimits::new(&host, of(DriverOwner::Host).source(), "2026-11-27".parse().unwrap());
        let table = choice::driver_table(&cards, None, &limits);
        table.drivers.iter().find(|row| row.recommended).map(|row| row.version.branch()).unwrap()
    };
    assert!(recommended(V100) <= 580 && recommended("10de:15f8") <= 580);
    assert!(recommended(B200) >= 570 && recommended(H100) >= 535);
}
