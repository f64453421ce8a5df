//! Crash safety of what really changes a machine: a makeself runfile in a Debian of its own, and an edit of a copied
//! inventory, killed where the program writes, gone on with, and each time the same end. The runfile never runs twice:
//! it is found at work, or found done.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::{
    kubespray::{answers_for, site},
    program::{Place, killed_at_rename, was_killed},
    runfile,
    world::World,
};
use gpunode::plan::action::kind::sha256;

/// Every write with `GPUNODE_KILLS` set; else one in so many, other ones each time.
pub fn sample(one_in: usize) -> (usize, usize) {
    if std::env::var_os("GPUNODE_KILLS").is_some() {
        return (1, 1);
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    (1 + now.subsec_micros() as usize % one_in, one_in)
}

/// Returns every file below a folder with its bytes.
pub fn bytes(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { bytes(&path, found) } else { drop(found.insert(path.clone(), fs::read(&path).unwrap())) }
    }
}

pub const APPLY: [&str; 6] = ["apply", "--steps", "2", "--yes", "--answers", "/root/answers.yaml"];

/// A world with a runfile that notes each of its runs and then does what `extra` says.
pub fn world(extra: &str) -> World {
    let world = World::debian();
    let file = runfile::make(&world.path("root"), &format!("echo ran >> /runs\n{extra}"));
    let answers = format!(
        "driver_owner: installer-pod\ncuda_version: \"11.0.3\"\ncuda_runfile: /root/{}\ncuda_runfile_sha256: \"{}\"\ndespite: [\"space:/var/lib/gpunode\", \"space:/tmp\"]\n",
        file.file_name().unwrap().to_str().unwrap(),
        sha256(&fs::read(&file).unwrap())
    );
    world.write("root/answers.yaml", &answers);
    world
}

/// What the machine has of it, what the journal says of each action last, and how often the runfile ran.
pub fn end(world: &World) -> (BTreeMap<PathBuf, Vec<u8>>, BTreeMap<String, String>, usize) {
    let mut files = BTreeMap::new();
    for folder in ["usr/local", "etc/profile.d", "etc/ld.so.conf.d", "var/lib/gpunode/downloads"] {
        bytes(&world.path(folder), &mut files);
    }
    let files = files
        .into_iter()
        .map(|(path, bytes)| (path.strip_prefix(world.root.path()).unwrap().to_owned(), bytes))
        .collect();
    let status: serde_json::Value = serde_json::from_str(&world.gpunode(&["status", "--json"], 0)).unwrap();
    let word = |record: &serde_json::Value, name: &str| record[name].as_str().unwrap().replace("already-done", "done");
    let records = status["journal"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| (word(record, "id"), word(record, "status")))
        .collect();
    (files, records, fs::read_to_string(world.path("runs")).unwrap_or_default().lines().count())
}

#[test]
fn a_runfile_that_is_killed_at_a_write_comes_to_the_same_end_and_runs_once() {
    let undisturbed = world("");
    undisturbed.gpunode(&APPLY, 0);
    let expected = end(&undisturbed);
    assert_eq!(expected.2, 1);
    assert!(expected.0.keys().any(|path| path.ends_with("cuda-11.0/bin/nvcc")));
    let (first, stride) = sample(3);
    let mut kills = 0;
    for number in (first..).step_by(stride) {
        let world = world("");
        if !was_killed(killed_at_rename(&world.command("/usr/bin/gpunode", &APPLY), number)) {
            break;
        }
        kills += 1;
        world.gpunode(&APPLY, 0);
        assert_eq!(end(&world), expected, "killed at write {number}");
    }
    println!("killed at {kills} writes");
    assert!(kills * stride > 5, "only {kills} writes were found to be killed at");
}

/// On this machine itself, for it takes a real `/proc` to find a process: everything it changes is below the place's
/// own folder.
#[test]
fn a_runfile_that_is_at_work_when_its_starter_is_killed_is_found_and_followed() {
    let place = Place::new();
    let here = |name: &str| place.path(name).display().to_string();
    // Not below /tmp, of which the installer gets one of its own.
    let signs = tempfile::tempdir_in("/var/tmp").unwrap();
    let sign = |name: &str| signs.path().join(name);
    // It waits until it may go on; not for ever, if this test fails.
    let wait =
        format!("n=0; while [ $n -lt 600 ] && ! [ -e {} ]; do n=$((n+1)); sleep 0.1; done\n", sign("go").display());
    let file = runfile::make(place.folder.path(), &format!("echo ran >> {}\n{wait}", sign("runs").display()));
    let checks = [
        "compiler",
        "libxml2",
        "toolkit-fits",
        "mounts",
        "installer-log",
        &format!("space:{}", place.folder.path().display()),
    ];
    let answers = format!(
        "driver_owner: operator\ncuda_version: \"11.0.3\"\ncuda_runfile: {}\ncuda_runfile_sha256: \"{}\"\ncuda_prefix: {}\ncuda_tmpdir: {}\ngpus: [\"10de:1db6\"]\nleave_out: [install-packages]\ndespite: [\"{}\"]\n",
        file.display(),
        sha256(&fs::read(&file).unwrap()),
        here("cuda"),
        here(""),
        checks.join("\", \""),
    );
    let answers = place.write("answers.yaml", &answers);
    let apply = || place.command(["apply", "--steps", "2", "--yes", "--answers", answers.to_str().unwrap()]);
    let mut first = apply().stdout(Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    while !sign("runs").exists() {
        assert!(begin.elapsed() < Duration::from_mins(1), "the runfile does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let mut second = apply().stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(second.stdout.take().unwrap()).lines().map(Result::unwrap);
    // The second one shows what the first one's runfile has printed: it follows it, and only now may it go on.
    assert!(lines.any(|line| line.contains("Not Selected")), "the running runfile was not found");
    fs::write(sign("go"), "").unwrap();
    let rest: Vec<String> = lines.collect();
    assert_eq!(second.wait().unwrap().code(), Some(0), "{rest:?}");
    assert!(rest.iter().any(|line| line == "-- done: install-toolkit"), "{rest:?}");
    assert_eq!(fs::read_to_string(sign("runs")).unwrap(), "ran\n");
}

/// A checkout with an inventory, and the command that edits it.
pub fn checkout(place: &Place) -> (PathBuf, Command) {
    let (checkout, inventory) = site(place.folder.path());
    let answers = place.write("answers.yaml", &answers_for(&checkout, &inventory));
    (checkout, place.command(["apply", "--steps", "3", "--yes", "--answers", answers.to_str().unwrap()]))
}

pub fn inventory_of(checkout: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    bytes(&checkout.join("inventory"), &mut found);
    found.into_iter().map(|(path, bytes)| (path.strip_prefix(checkout).unwrap().to_owned(), bytes)).collect()
}

#[test]
fn an_edit_of_an_inventory_that_is_killed_at_a_write_comes_to_the_same_end_and_back() {
    let undisturbed = Place::new();
    let (folder, mut apply) = checkout(&undisturbed);
    let before = inventory_of(&folder);
    assert!(apply.output().unwrap().status.success());
    let expected = inventory_of(&folder);
    assert_ne!(before, expected);
    let (first, stride) = sample(2);
    let mut kills = 0;
    for number in (first..).step_by(stride) {
        let place = Place::new();
        let (folder, mut apply) = checkout(&place);
        if !was_killed(killed_at_rename(&apply, number)) {
            break;
        }
        kills += 1;
        // After every kill each file is as it was or as it will be.
        let killed = inventory_of(&folder);
        for path in before.keys() {
            assert!(
                [&before[path], &expected[path]].contains(&&killed[path]),
                "{} is half-written at write {number}",
                path.display()
            );
        }
        let ran = apply.output().unwrap();
        assert!(ran.status.success(), "killed at write {number}: {}", String::from_utf8_lossy(&ran.stderr));
        assert_eq!(inventory_of(&folder), expected, "killed at write {number}");
        place.run(["undo", "--yes"]).demand(0);
        assert_eq!(inventory_of(&folder), before, "undone after a kill at write {number}");
    }
    println!("killed at {kills} writes");
    assert!(kills * stride > 4, "only {kills} writes were found to be killed at");
}
