//! The rules one by one, the seed's two examples, and what must hold for any cards.

use proptest::{prelude::*, sample::select};

use super::*;
use crate::{answers::DriverOwner, catalog::gpus, i18n::Lang};

const V100: &str = "10de:1db6";
const K80: &str = "10de:102d";
const T4: &str = "10de:1eb8";
const H200: &str = "10de:2335:10de:18bf";
const RTX_PRO_6000: &str = "10de:2bb5";

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn cards(ids: &[&str]) -> Vec<Card> {
    ids.iter().map(|id| Card::from(&gpus::lookup(id).unwrap())).collect()
}

fn host(owner: DriverOwner) -> HostLimits {
    let today = "2026-11-24".parse().unwrap();
    HostLimits {
        architecture: Architecture::X86_64,
        gcc_version: None,
        glibc_version: None,
        source: crate::owner::of(owner).source(),
        today,
    }
}

fn table(ids: &[&str], cuda: Option<&str>, owner: DriverOwner) -> DriverTable {
    driver_table(&cards(ids), cuda.map(version).as_ref(), &host(owner))
}

fn driver<'a>(table: &'a DriverTable, text: &str) -> &'a DriverRow {
    table.drivers.iter().find(|row| row.version.as_str() == text).unwrap()
}

fn cuda<'a>(rows: &'a [CudaRow], text: &str) -> &'a CudaRow {
    rows.iter().find(|row| row.version.as_str() == text).unwrap()
}

/// The reason's id, for as long as the test runs.
fn id_of(reason: &Reason) -> &'static str {
    reason.id().to_owned().leak()
}

/// Why a driver does not fit, by the reason's id.
fn misfit(table: &DriverTable, text: &str) -> Option<&'static str> {
    let row = driver(table, text);
    row.reason.as_ref().filter(|_| !row.fits).map(id_of)
}

fn recommended(ids: &[&str], cuda: Option<&str>, owner: DriverOwner) -> Option<(String, &'static str)> {
    let table = table(ids, cuda, owner);
    table.recommended().map(|row| (row.version.to_string(), id_of(row.reason.as_ref().unwrap())))
}

#[test]
fn the_seeds_row_for_cuda_10_2_is_recommended() {
    let table = table(&[V100], Some("10.2"), DriverOwner::InstallerPod);
    let row = table.recommended().unwrap();
    assert_eq!((row.version.as_str(), row.release_date.unwrap().to_string().as_str()), ("440.95.01", "2020-06-24"));
    assert_eq!((row.cuda_version.as_deref(), row.size_bytes), (Some("10.2"), Some(143_652_320)));
    assert!(
        report(&table, Lang::En, false)
            .contains("★ 440.95.01   2020-06-24  10.2  R440 production   ended          137.0 MiB")
    );
    assert_eq!(table.recommended_cuda().unwrap().file, "cuda_10.2.89_440.33.01_linux.run");
}

#[test]
fn the_seeds_row_for_cuda_11_0_is_recommended() {
    for wish in ["11.0", "11.0.3"] {
        let table = table(&[V100], Some(wish), DriverOwner::InstallerPod);
        let row = table.recommended().unwrap();
        assert_eq!((row.version.as_str(), row.release_date.unwrap().to_string().as_str()), ("450.51.06", "2020-07-28"));
        assert_eq!((row.cuda_version.as_deref(), row.size_bytes), (Some("11.0"), Some(143_102_160)));
        assert_eq!(
            row.url.as_deref(),
            Some("https://us.download.nvidia.com/tesla/450.51.06/NVIDIA-Linux-x86_64-450.51.06.run")
        );
        assert_eq!(row.reason.as_ref().unwrap().id(), "recommended-bundled");
        assert!(report(&table, Lang::En, false).contains("136.5 MiB"));
        assert_eq!(table.recommended_cuda().unwrap().file, "cuda_11.0.3_450.51.06_linux.run");
    }
}

#[test]
fn a_wanted_cuda_takes_the_driver_inside_its_runfile_for_the_pod() {
    let pod = DriverOwner::InstallerPod;
    assert_eq!(recommended(&[V100], Some("11.0.2"), pod), Some(("450.51.05".into(), "recommended-bundled")));
    assert_eq!(recommended(&[V100], Some("12.4"), pod), Some(("550.54.15".into(), "recommended-bundled")));
    assert_eq!(recommended(&[V100], Some("11.2"), pod), Some(("460.32.03".into(), "recommended-bundled")));
}

#[test]
fn a_driver_that_is_only_inside_a_runfile_gives_way_to_a_supported_one() {
    let (version, why) = recommended(&[V100], Some("11.1"), DriverOwner::InstallerPod).unwrap();
    assert!(version.starts_with("580.") && why == "recommended-supported", "{version} {why}");
}

#[test]
fn on_the_host_the_newest_supported_driver_is_recommended() {
    assert_eq!(
        recommended(&[V100], Some("11.0"), DriverOwner::Host),
        Some(("580.178.04".into(), "recommended-long-term"))
    );
    assert_eq!(
        recommended(&[V100], None, DriverOwner::InstallerPod),
        Some(("580.178.04".into(), "recommended-supported"))
    );
    // What is installed on a node stays there: a branch with long support comes first, as the packages' recipe has it.
    assert_eq!(recommended(&[H200], None, DriverOwner::Host), Some(("580.178.04".into(), "recommended-long-term")));
    assert_eq!(recommended(&[H200], None, DriverOwner::Operator), Some(("595.91.07".into(), "recommended-supported")));
    assert_eq!(recommended(&[K80], None, DriverOwner::Host), Some(("470.256.02".into(), "recommended-ended")));
}

#[test]
fn support_ends_with_the_day() {
    let early = HostLimits { today: "2020-11-16".parse().unwrap(), ..host(DriverOwner::Host) };
    assert!(!driver(&driver_table(&cards(&[V100]), None, &early), "450.51.06").ended);
    assert!(driver(&table(&[V100], None, DriverOwner::Host), "450.51.06").ended);
}

#[test]
fn a_volta_card_takes_nothing_above_580() {
    let table = table(&[V100], None, DriverOwner::Host);
    assert!(table.drivers.iter().all(|row| !row.fits || row.version.branch() <= 580));
    assert_eq!(misfit(&table, "595.71.05"), Some("after-last-branch"));
    assert_eq!(misfit(&table, "580.95.05"), None);
}

#[test]
fn a_card_is_unknown_to_older_drivers() {
    assert_eq!(misfit(&table(&[H200], None, DriverOwner::Host), "450.51.06"), Some("before-first-branch"));
}

#[test]
fn blackwell_needs_the_open_module() {
    assert_eq!(misfit(&table(&[RTX_PRO_6000], None, DriverOwner::InstallerPod), "595.71.05"), Some("open-required"));
    assert_eq!(recommended(&[RTX_PRO_6000], None, DriverOwner::InstallerPod), None);
    assert_eq!(misfit(&table(&[RTX_PRO_6000], None, DriverOwner::Host), "595.71.05"), None);
    let unknown_first = Card { first_branch: None, ..cards(&[RTX_PRO_6000]).remove(0) };
    let table = driver_table(&[unknown_first], None, &host(DriverOwner::Host));
    assert_eq!(misfit(&table, "510.47.03"), Some("no-open-module"));
}

#[test]
fn one_machine_loads_one_kind_of_module() {
    let both = table(&[V100, RTX_PRO_6000], None, DriverOwner::Host);
    assert_eq!(misfit(&both, "580.95.05"), Some("module-kinds-differ"));
    assert!(both.recommended().is_none());
}

#[test]
fn several_cards_take_what_fits_all() {
    let both = table(&[V100, T4], None, DriverOwner::Host);
    assert_eq!(misfit(&both, "384.111"), Some("before-first-branch"));
    assert_eq!(misfit(&both, "595.71.05"), Some("after-last-branch"));
    assert_eq!(both.recommended().unwrap().version.branch(), 580);
}

#[test]
fn a_driver_must_not_be_older_than_the_wanted_cuda() {
    let table = table(&[V100], Some("11.0"), DriverOwner::InstallerPod);
    assert_eq!(misfit(&table, "440.95.01"), Some("older-than-cuda-needs"));
    assert_eq!(
        driver(&table, "440.95.01").reason.as_ref().unwrap().text(Lang::En),
        "Older than CUDA 11.0.3 needs (450.51.06)."
    );
}

#[test]
fn a_driver_below_the_toolkits_own_fits_with_limits_where_nvidia_says_so() {
    let table = table(&[T4], Some("11.8"), DriverOwner::InstallerPod);
    let old = driver(&table, "450.80.02");
    assert_eq!((old.fits, old.notes[0].id()), (true, "cuda-minor-compatibility"));
    assert_eq!(misfit(&table, "450.51.06"), Some("older-than-cuda-needs"));
    assert!(driver(&table, "520.61.05").notes.is_empty());
    assert!(table.recommended().unwrap().notes.is_empty());
    // CUDA 10 knows no such rule.
    assert_eq!(misfit(&self::table(&[T4], Some("10.2"), DriverOwner::Host), "440.31"), Some("older-than-cuda-needs"));
}

#[test]
fn a_cuda_that_does_not_know_the_card_fits_no_driver() {
    let none = |ids: &[&str], cuda| {
        let table = table(ids, Some(cuda), DriverOwner::Host);
        assert!(table.drivers.iter().all(|row| !row.fits) && table.recommended_cuda().is_none());
        misfit(&table, "580.95.05").unwrap()
    };
    assert_eq!(none(&[V100], "13.0"), "cuda-drops-card");
    assert_eq!(none(&[K80], "12.0"), "after-last-branch");
    assert_eq!(none(&[H200], "11.0"), "cuda-before-card");
    assert_eq!(none(&[V100], "99.0"), "cuda-unknown");
}

#[test]
fn the_pod_takes_only_what_the_data_center_tree_has() {
    let pod = table(&[V100], None, DriverOwner::InstallerPod);
    assert_eq!(misfit(&pod, "580.142"), Some("no-tesla-file"));
    assert_eq!(misfit(&table(&[V100], None, DriverOwner::Host), "580.142"), None);
    assert_eq!(misfit(&table(&[V100], None, DriverOwner::Operator), "580.142"), Some("not-datacenter"));
    assert_eq!(misfit(&pod, "455.46.02"), Some("beta"));
}

#[test]
fn another_architecture_has_other_files() {
    let arm = |owner| HostLimits { architecture: Architecture::Aarch64, ..host(owner) };
    let on_arm = driver_table(&cards(&[T4]), None, &arm(DriverOwner::Host));
    assert!(on_arm.recommended().unwrap().url.as_ref().unwrap().contains("aarch64"));
    assert_eq!(misfit(&on_arm, "440.95.01"), Some("no-file"));
    assert!(on_arm.cuda.iter().all(|row| row.file.ends_with("_sbsa.run")));
    let pod = driver_table(&cards(&[T4]), None, &arm(DriverOwner::InstallerPod));
    assert_eq!(misfit(&pod, "580.95.05"), Some("pod-x86-only"));
    let other =
        driver_table(&cards(&[T4]), None, &HostLimits { architecture: Architecture::Other, ..host(DriverOwner::Host) });
    assert!(other.recommended().is_none() && other.cuda.is_empty());
}

#[test]
fn a_toolkit_pairs_with_the_driver() {
    let pair = |driver: &str| {
        let rows = cuda_rows(&cards(&[V100]), Some(&version(driver)), &host(DriverOwner::InstallerPod));
        rows.iter().find(|row| row.recommended).map(|row| row.version.to_string())
    };
    assert_eq!(pair("450.51.06").as_deref(), Some("11.0.3"));
    assert_eq!(pair("440.95.01").as_deref(), Some("10.2.89"));
    assert_eq!(pair("580.126.20").as_deref(), Some("12.9.2"), "13.0.3 carries it, but dropped the card");
    assert_eq!(pair("300.1"), None);
}

#[test]
fn a_toolkit_may_run_on_an_older_driver_of_its_generation() {
    let rows = cuda_rows(&cards(&[V100]), Some(&version("450.80.02")), &host(DriverOwner::InstallerPod));
    assert!(cuda(&rows, "11.8.0").fits);
    assert_eq!(cuda(&rows, "11.8.0").notes[0].id(), "cuda-minor-compatibility");
    assert!(cuda(&rows, "11.0.3").notes.is_empty());
    assert_eq!(cuda(&rows, "12.0.0").reason.as_ref().unwrap().id(), "cuda-needs-newer-driver");
    assert_eq!(cuda(&rows, "11.0.1").reason.as_ref().unwrap().id(), "cuda-prerelease");
}

#[test]
fn toolkits_are_judged_by_the_cards() {
    let id = |ids: &[&str], text: &str| {
        cuda(&cuda_rows(&cards(ids), None, &host(DriverOwner::Host)), text).reason.as_ref().map(id_of)
    };
    assert_eq!(id(&[V100], "12.9.2"), None);
    assert_eq!(id(&[V100], "13.0.0"), Some("cuda-drops-card"));
    assert_eq!(id(&[K80], "11.8.0"), None);
    assert_eq!(id(&[K80], "12.0.0"), Some("cuda-drops-card"));
    assert_eq!(id(&[H200], "11.4.0"), Some("cuda-before-card"));
    assert_eq!(id(&[V100, H200], "12.4.0"), None);
}

#[test]
fn the_hosts_compiler_and_c_library_are_checked() {
    let old = HostLimits {
        gcc_version: Some(version("4.8.5")),
        glibc_version: Some(version("2.17")),
        ..host(DriverOwner::InstallerPod)
    };
    let rows = cuda_rows(&cards(&[V100]), None, &old);
    assert_eq!(cuda(&rows, "12.8.0").reason.as_ref().unwrap().id(), "glibc-too-old");
    assert!(cuda(&rows, "11.0.3").fits);
    assert_eq!(cuda(&rows, "11.0.3").notes[0].id(), "gcc-too-old");
    assert!(cuda(&rows, "10.2.89").notes.is_empty());
    let new = HostLimits { gcc_version: Some(version("15.1.1")), glibc_version: Some(version("2.42")), ..old };
    let rows = cuda_rows(&cards(&[V100]), None, &new);
    let notes = |text| cuda(&rows, text).notes.iter().map(id_of).collect::<Vec<_>>();
    assert_eq!(notes("11.0.3"), ["gcc-too-new", "glibc-too-new"]);
    assert!(cuda(&rows, "11.0.3").notes[0].text(Lang::En).contains("--override"));
    let rows = cuda_rows(&cards(&[T4]), None, &new);
    assert!(cuda(&rows, "13.1.0").notes.is_empty());
}

#[test]
fn json_has_the_documented_fields() {
    let json = serde_json::to_value(table(&[V100], Some("11.0"), DriverOwner::InstallerPod).shown(true)).unwrap();
    let row = json["drivers"].as_array().unwrap().iter().find(|row| row["recommended"] == true).unwrap();
    assert_eq!((&row["version"], &row["branch"], &row["kind"]), (&"450.51.06".into(), &"R450".into(), &"LTSB".into()));
    assert_eq!((&row["release_date"], &row["end_of_life"]), (&"2020-07-28".into(), &"2023-07-01".into()));
    assert!(row["reason"].as_str().unwrap().starts_with("The driver that CUDA 11.0.3"));
    let unfit = json["drivers"].as_array().unwrap().iter().find(|row| row["version"] == "440.95.01").unwrap();
    assert_eq!(
        (&unfit["fits"], &unfit["reason"]),
        (&false.into(), &"Older than CUDA 11.0.3 needs (450.51.06).".into())
    );
    let cuda = json["cuda"].as_array().unwrap().iter().find(|row| row["version"] == "11.0.3").unwrap();
    for field in ["file", "url", "size_bytes", "sha256", "md5", "fits", "reason"] {
        assert!(cuda.get(field).is_some(), "{field}");
    }
}

#[test]
fn shown_leaves_out_what_nobody_asked_for() {
    let shown = table(&[V100], Some("11.0"), DriverOwner::Host).shown(false);
    assert!(shown.drivers.iter().all(|row| row.fits && row.datacenter));
    let unfit = table(&[V100], Some("13.0"), DriverOwner::Host).shown(false);
    assert_eq!(unfit.drivers, []);
    assert!(unfit.cuda.iter().any(|row| row.wanted && !row.fits), "the wanted toolkit is shown with its reason");
}

fn any_card() -> impl Strategy<Value = Card> {
    let ids: Vec<&str> =
        gpus::GPUS.lines().filter_map(|line| line.strip_prefix("- {device_id: \"")?.get(..4)).collect();
    select(ids).prop_map(|id| Card::from(&gpus::identify(id, "", "", None).unwrap()))
}

fn any_cuda() -> impl Strategy<Value = Option<Version>> {
    proptest::option::of(
        select(vec!["9.0", "10.2", "11.0", "11.1", "11.8", "12.4", "12.9", "13.0", "13.4"]).prop_map(version),
    )
}

fn any_owner() -> impl Strategy<Value = DriverOwner> {
    select(DriverOwner::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_recommended_fits_and_is_one(cards in prop::collection::vec(any_card(), 1..4), cuda in any_cuda(), owner in any_owner()) {
        let table = driver_table(&cards, cuda.as_ref(), &host(owner));
        let recommended: Vec<_> = table.drivers.iter().filter(|row| row.recommended).collect();
        prop_assert_eq!(recommended.len(), usize::from(table.drivers.iter().any(|row| row.fits)));
        prop_assert!(recommended.iter().all(|row| row.fits && row.reason.is_some()));
        // What is recommended is never the driver with limits while a data-center driver without them fits.
        let full = table.drivers.iter().any(|row| row.fits && row.datacenter && row.notes.is_empty());
        prop_assert!(recommended.iter().all(|row| !full || row.notes.is_empty()));
        prop_assert!(table.drivers.iter().all(|row| row.fits || row.reason.is_some()));
        prop_assert!(table.cuda.iter().filter(|row| row.recommended).all(|row| row.fits));
        prop_assert!(table.cuda.iter().filter(|row| row.recommended).count() <= 1);
        prop_assert!(table.cuda.iter().all(|row| row.fits == row.reason.is_none()));
    }

    #[test]
    fn rows_are_newest_first(cards in prop::collection::vec(any_card(), 0..3), cuda in any_cuda(), owner in any_owner()) {
        let table = driver_table(&cards, cuda.as_ref(), &host(owner));
        prop_assert!(table.drivers.is_sorted_by(|a, b| a.version >= b.version));
        prop_assert!(table.cuda.is_sorted_by(|a, b| a.version > b.version));
    }

    #[test]
    fn one_more_card_never_adds_a_choice(
        cards in prop::collection::vec(any_card(), 0..3), more in any_card(), cuda in any_cuda(), owner in any_owner()
    ) {
        let fewer = driver_table(&cards, cuda.as_ref(), &host(owner));
        let all: Vec<Card> = cards.into_iter().chain([more]).collect();
        let table = driver_table(&all, cuda.as_ref(), &host(owner));
        for (with, without) in table.drivers.iter().zip(&fewer.drivers) {
            prop_assert!(!with.fits || without.fits, "{}", with.version);
        }
        let rows = |cards: &[Card]| cuda_rows(cards, None, &host(owner));
        for (with, without) in rows(&all).iter().zip(rows(&all[..all.len() - 1])) {
            prop_assert!(!with.fits || without.fits, "{}", with.version);
        }
    }

    #[test]
    fn no_line_of_the_report_is_too_wide(cards in prop::collection::vec(any_card(), 1..3), cuda in any_cuda(), korean: bool, all: bool) {
        let lang = if korean { Lang::Ko } else { Lang::En };
        let text = report(&driver_table(&cards, cuda.as_ref(), &host(DriverOwner::Host)), lang, all);
        for line in text.lines() {
            prop_assert!(crate::text::width(line) <= 80, "{}", line);
        }
    }
}
