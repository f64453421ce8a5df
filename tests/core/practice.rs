//! Every choice of the demo is played to its end, every failure to practise goes wrong as it says and is mended as its
//! hint says, and a class is taught from the sheet to the table.

use std::fs;

use crate::support::program::{Place, Ran};

const BEGIN: &str = "driver_owner: installer-pod\nreboot: now\n";

/// Applies answers until no reboot is left to go through.
fn apply(place: &Place, scenario: &str, answers: &str) -> Ran {
    let file = place.write("answers.yaml", &format!("{BEGIN}{answers}"));
    let demo = format!("--demo={scenario}");
    let once = || place.run([&demo, "--speed", "0", "apply", "--yes", "--answers", file.to_str().unwrap()]);
    let ran = once();
    if ran.code == 3 { once() } else { ran }
}

#[test]
fn another_toolkit_or_driver_is_played_to_the_end() {
    for (answers, driver, cuda) in [
        ("cuda_version: \"10.2.89\"\n", "440.95.01", "10.2"),
        ("cuda_version: \"11.8.0\"\n", "520.61.05", "11.8"),
        ("cuda_version: none\ndriver_version: \"470.129.06\"\n", "470.129.06", "11.4"),
    ] {
        let place = Place::new();
        let told = apply(&place, "seed", answers).demand(0).stdout;
        let line = told.lines().find(|line| line.contains("| NVIDIA-SMI ")).unwrap_or_else(|| panic!("{told}"));
        let line = line.trim();
        assert!(line.contains(&format!("Driver Version: {driver} ")), "{line}");
        assert!(line.contains(&format!("CUDA Version: {cuda} ")) && line.ends_with('|'), "{line}");
        assert_eq!(line.len() - line.find('|').unwrap(), 79, "nvidia-smi's 79 columns: {line}");
    }
}

#[test]
fn every_failure_goes_wrong_as_it_says_and_is_mended() {
    let pod = "cuda_version: \"11.0.3\"\n";
    for (name, wrong, told, mended) in [
        (
            "seed-error-1",
            "leave_out: [remove-runfile-driver]\ndespite: [host-driver]\n",
            "appears to already be loaded",
            "",
        ),
        ("driver-404", "", "returned error: 404", "driver_version: \"450.80.02\"\n"),
        (
            "no-headers",
            "",
            "No package kernel-devel",
            "variables: {nvidia_driver_install_centos_container: \"registry.example/nvidia-installer:3.10\"}\n",
        ),
        (
            "image-true",
            "",
            "is no image name",
            "variables: {nvidia_driver_install_centos_container: \"registry.example/nvidia-installer:3.10\"}\n",
        ),
        ("label-missing", "variables: {nvidia_gpu_nodes: null}\n", "lacks the label", ""),
        ("quota", "", "exceeded quota", ""),
    ] {
        let place = Place::new();
        let failed = apply(&place, name, &format!("{pod}{wrong}")).demand(1);
        assert!(failed.stdout.contains(told), "{name}: {}", failed.stdout);
        apply(&place, name, &format!("{pod}{mended}")).demand(0);
    }
}

#[test]
fn a_scenario_of_ones_own_is_written_checked_played_and_begun_anew() {
    let place = Place::new();
    let folder = place.write("class/.keep", "").parent().unwrap().join("mine");
    let dir = folder.to_str().unwrap();
    place.run(["scenarios", "new", dir]).demand(0);
    place.run(["scenarios", "check", dir]).demand(0);
    let again = place.run(["scenarios", "new", dir]).demand(2);
    assert!(again.stderr.contains("is not empty"), "{}", again.stderr);
    let demo = format!("--demo={dir}");
    assert!(place.run([&demo, "detect"]).demand(0).stdout.contains("V100"));
    let failed = apply(&place, dir, "cuda_version: \"11.0.3\"\n").demand(1);
    assert!(failed.stdout.contains("404"), "{}", failed.stdout);
    place.run([&demo, "scenarios", "reset"]).demand(0);
    let anew = place.run([&demo, "detect"]).demand(0).stdout;
    assert!(anew.contains("418.87.00"), "the old driver is back: {anew}");
    fs::write(folder.join("commands.yaml"), "- command: [a]\n  output_file: logs/no.txt\n").unwrap();
    let wrong = place.run(["scenarios", "check", dir]).demand(1).stdout;
    assert!(wrong.contains("commands.yaml:2: The file logs/no.txt"), "{wrong}");
}

#[test]
fn a_class_goes_from_the_sheet_to_the_table() {
    let place = Place::new();
    for (lang, words) in [("en", "Proof: The installer's log"), ("ko", "증거: ")] {
        let sheet = place.run(["--lang", lang, "lab", "sheet", "driver-404", "quota"]).demand(0).stdout;
        assert!(sheet.contains("gpunode --demo=driver-404 --new") && sheet.contains(words), "{sheet}");
        assert_eq!(sheet.matches("\n## ").count(), 2, "{sheet}");
    }
    let all = place.run(["lab", "sheet"]).demand(0).stdout;
    let mut files = Vec::new();
    for (student, mended) in [("kim", true), ("lee", false), ("park", true)] {
        assert!(all.contains("--demo=quota"));
        let own = Place::new();
        apply(&own, "quota", "cuda_version: none\n").demand(1);
        if mended {
            apply(&own, "quota", "cuda_version: none\n").demand(0);
        }
        let status = own.run(["--demo=quota", "status", "--json"]).demand(0).stdout;
        files.push(place.write(&format!("{student}.json"), &status).display().to_string());
    }
    let words: Vec<&str> = ["lab", "table"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let table = place.run(words).demand(0).stdout;
    let rows: Vec<&str> = table.lines().skip(2).collect();
    assert!(rows[0].starts_with("| lee | quota | 3/4 |"), "who is furthest behind comes first: {table}");
    assert!(rows[1].starts_with("| kim | quota | 4/4 |") && rows[2].contains("solved"), "{table}");
    place.run(["lab", "table", "/nonexistent.json"]).demand(2);
}
