//! The catalog against the material it was compiled from: every driver, branch and toolkit of it can be reached, with
//! the same facts.

use std::{collections::BTreeSet, fs};

use crate::support::shared;
use gpunode::{
    answers::DriverOwner,
    catalog::{
        Architecture,
        cuda::{self, Runfile},
        drivers::{self, DriverFile},
    },
    choice, owner,
};
use serde_yaml::Value;

/// What the catalog was compiled from: a part of it in tests/fixtures, and all of it in the shared folder.
#[derive(Clone, Copy, PartialEq)]
enum Material {
    Part,
    Whole,
}

impl Material {
    fn read(self, name: &str) -> Value {
        let folder = if self == Self::Whole { shared::data("catalog") } else { shared::fixture("catalog") };
        serde_yaml::from_str(&fs::read_to_string(folder.join(name)).unwrap()).unwrap()
    }

    /// Demands as many rows as the catalog has of the whole, and some of the part.
    fn demand_rows(self, rows: usize, of: usize) {
        assert!(if self == Self::Whole { rows == of } else { rows > 10 && rows < of }, "{rows} of {of} rows");
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    match &value[key] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_sequence().map_or(&[], Vec::as_slice)
}

#[test]
fn branches_and_drivers_of_the_material_are_in_the_catalog() {
    drivers_are_there(Material::Part);
}

#[test]
#[ignore = "an oracle of ../shared: tests/run runs it where that is"]
fn every_branch_and_driver_of_the_material_is_in_the_catalog() {
    drivers_are_there(Material::Whole);
}

fn drivers_are_there(material: Material) {
    let rows = material.read("drivers.yaml");
    let mut seen = 0;
    for branch in list(&rows, "branches") {
        let number: u32 = text(branch, "branch").unwrap().trim_start_matches('R').parse().unwrap();
        let own = &drivers::branches()[&number];
        assert_eq!(own.cuda, text(branch, "cuda_reported_by_nvidia_smi"), "R{number}");
        if let Some(end) = text(branch, "eol").filter(|end| end.len() == 10) {
            assert_eq!(own.eol.map(|date| date.to_string()), Some(end), "R{number}");
        }
        for row in list(branch, "versions") {
            let version = text(row, "version").unwrap();
            let own = drivers::driver(&version.parse().unwrap()).unwrap_or_else(|| panic!("{version} is missing"));
            assert_eq!(own.date.map(|date| date.to_string()), text(row, "release_date"), "{version}");
            assert_eq!(Some(own.datacenter), row["datacenter"].as_bool(), "{version}");
            for file in list(row, "files") {
                same_file(&version, &own.files, file);
            }
            seen += 1;
        }
    }
    material.demand_rows(seen, drivers::drivers().len());
}

fn same_file(version: &str, own: &[DriverFile], file: &Value) {
    let url = text(file, "url").unwrap();
    let own = own.iter().find(|own| own.url == url).unwrap_or_else(|| panic!("{url} is missing"));
    assert_eq!(own.arch, Architecture::from_uname(&text(file, "arch").unwrap()), "{version}");
    assert_eq!((own.size, own.sha256.clone()), (file["size_bytes"].as_u64(), text(file, "sha256")), "{url}");
}

#[test]
fn toolkits_of_the_material_are_in_the_catalog() {
    toolkits_are_there(Material::Part);
}

#[test]
#[ignore = "an oracle of ../shared: tests/run runs it where that is"]
fn every_toolkit_of_the_material_is_in_the_catalog() {
    toolkits_are_there(Material::Whole);
}

fn toolkits_are_there(material: Material) {
    let toolkits = material.read("cuda_runfiles.yaml");
    let rows = list(&toolkits, "toolkits");
    for row in rows {
        let version = text(row, "version").unwrap();
        let own = cuda::newest(&version.parse().unwrap()).unwrap_or_else(|| panic!("{version} is missing"));
        let of = |version: &Option<gpunode::version::Version>| version.as_ref().map(ToString::to_string);
        assert_eq!(own.version.as_str(), version);
        assert_eq!(of(&own.bundled_driver), text(row, "bundled_driver"), "{version}");
        assert_eq!(of(&own.min_driver), text(row, "min_driver_linux"), "{version}");
        assert_eq!(of(&own.minor_compat_driver), text(row, "min_driver_branch_minor_compat"), "{version}");
        assert_eq!(own.gcc_max.map(u64::from), row["gcc_max_major"].as_u64(), "{version}");
        assert_eq!(Some(own.cc_min.to_string()), text(row, "compute_capability_min"), "{version}");
        assert_eq!(Some(own.cc_max.to_string()), text(row, "compute_capability_max"), "{version}");
        assert_eq!(Some(own.prefix.clone()), text(row, "default_prefix"), "{version}");
        for (theirs, ours) in [("x86_64", Architecture::X86_64), ("aarch64_sbsa", Architecture::Aarch64)] {
            same_runfile(&version, own.runfile(ours), &row["runfiles"][theirs]);
        }
    }
    material.demand_rows(rows.len(), cuda::toolkits().len());
}

fn same_runfile(version: &str, own: Option<&Runfile>, file: &Value) {
    assert_eq!(own.map(|own| own.url.clone()), text(file, "url"), "{version}");
    let Some(own) = own else { return };
    assert_eq!(Some(own.file.clone()), text(file, "file"), "{version}");
    assert_eq!(
        (own.size, own.sha256.clone(), own.md5.clone()),
        (file["size_bytes"].as_u64(), text(file, "sha256"), text(file, "md5")),
        "{version}"
    );
}

#[test]
fn every_driver_with_an_installer_fits_some_card_on_some_host() {
    // One card of each generation, alone on a host that owns its driver: what no table ever offers would be dead
    // weight.
    let ids = [
        "10de:06d1",
        "10de:102d",
        "10de:17fd",
        "10de:15f8",
        "10de:1db6",
        "10de:1eb8",
        "10de:20b0",
        "10de:2330",
        "10de:2bb5",
        "10de:1c03",
        "10de:2204",
    ];
    let cards: Vec<_> = ids
        .iter()
        .filter_map(|id| gpunode::catalog::gpus::lookup(id).ok())
        .map(|model| choice::Card::from(&model))
        .collect();
    assert!(cards.len() > 8);
    let mut reached = BTreeSet::new();
    for architecture in [Architecture::X86_64, Architecture::Aarch64] {
        let today = "2026-11-24".parse().unwrap();
        let host = choice::HostLimits {
            architecture,
            gcc_version: None,
            glibc_version: None,
            source: owner::of(DriverOwner::Host).source(),
            today,
        };
        for card in &cards {
            let table = choice::driver_table(std::slice::from_ref(card), None, &host);
            reached.extend(table.drivers.iter().filter(|row| row.fits).map(|row| row.version.to_string()));
            reached.extend(table.cuda.iter().filter(|row| row.fits).map(|row| format!("CUDA {}", row.version)));
        }
    }
    for driver in drivers::drivers().iter().filter(|driver| !driver.is_beta() && !driver.files.is_empty()) {
        assert!(reached.contains(driver.version.as_str()), "{}", driver.version);
    }
    // A toolkit follows the driver; without one, all but release candidates fit some card.
    for toolkit in cuda::toolkits().iter().filter(|toolkit| !toolkit.prerelease) {
        let fits = cards.iter().any(|card| {
            let today = "2026-11-24".parse().unwrap();
            let host = choice::HostLimits {
                architecture: Architecture::X86_64,
                gcc_version: None,
                glibc_version: None,
                source: owner::of(DriverOwner::Host).source(),
                today,
            };
            choice::cuda_rows(std::slice::from_ref(card), None, &host)
                .iter()
                .any(|row| row.fits && row.version == toolkit.version)
        });
        assert!(fits, "CUDA {}", toolkit.version);
    }
}
