//! The list of cards as it was compiled, against the one that the program has: a row a line, and nothing lost on the way.

use std::{fs, path::Path};

use crate::support::shared;
use serde_yaml::{Mapping, Value};

fn read(path: &Path) -> Mapping {
    serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn the_program_has_every_card_of_the_compiled_list() {
    let source = read(&shared::data("catalog").join("gpus.yaml"));
    let ours = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/catalog/gpus.yaml"));
    for key in ["source", "matching", "selection_notes", "compute_capabilities", "gpus"] {
        assert!(source[key] == ours[key], "`{key}` differs");
    }
    let rows = ours["gpus"].as_sequence().unwrap();
    assert_eq!(rows.len(), 1469, "device and subsystem ids");
    let architecture = |row: &Value| (row["architecture"].clone(), row["chip_prefix"].clone(), row["driver_last"].clone());
    for row in ours["architectures"].as_sequence().unwrap() {
        let (name, prefix, last) = architecture(row);
        let compiled = &source["architectures"][&name];
        assert_eq!((&compiled["driver_last"], &compiled["cc"]), (&last, &row["cc"]), "{name:?} {prefix:?}");
    }
    assert_eq!(source["architectures"].as_mapping().unwrap().len(), ours["architectures"].as_sequence().unwrap().len());
}
