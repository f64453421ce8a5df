//! The list of cards as it was compiled, against the one that the program has: a row a line, and nothing lost on the
//! way.

use std::{fs, path::Path};

use crate::support::shared;
use serde_yaml::{Mapping, Value};

fn read(path: &Path) -> Mapping {
    serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn ours() -> Mapping {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/catalog/gpus.yaml"))
}

/// Holds the generations of cards against the compiled ones.
fn same_architectures(source: &Mapping, ours: &Mapping) {
    let architecture =
        |row: &Value| (row["architecture"].clone(), row["chip_prefix"].clone(), row["driver_last"].clone());
    for row in ours["architectures"].as_sequence().unwrap() {
        let (name, prefix, last) = architecture(row);
        let compiled = &source["architectures"][&name];
        assert_eq!((&compiled["driver_last"], &compiled["cc"]), (&last, &row["cc"]), "{name:?} {prefix:?}");
    }
    assert_eq!(source["architectures"].as_mapping().unwrap().len(), ours["architectures"].as_sequence().unwrap().len());
}

#[test]
fn cards_of_every_generation_are_as_they_were_compiled() {
    let (source, ours) = (read(&shared::fixture("catalog/gpus.yaml")), ours());
    let rows = ours["gpus"].as_sequence().unwrap();
    assert_eq!(rows.len(), 1469, "device and subsystem ids");
    assert_eq!(source["compute_capabilities"], ours["compute_capabilities"]);
    let cards = source["gpus"].as_sequence().unwrap();
    for card in cards {
        assert!(rows.contains(card), "{card:?}");
    }
    assert!(cards.len() > 30);
    same_architectures(&source, &ours);
}

#[test]
#[ignore = "an oracle of ../shared: tests/run runs it where that is"]
fn the_program_has_every_card_of_the_compiled_list() {
    let (source, ours) = (read(&shared::data("catalog").join("gpus.yaml")), ours());
    for key in ["source", "matching", "selection_notes", "compute_capabilities", "gpus"] {
        assert!(source[key] == ours[key], "`{key}` differs");
    }
    same_architectures(&source, &ours);
}
