//! Every file with tests belongs to a suite: one that no `mod` names would be compiled by nobody, and its tests would
//! never fail.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;

/// Returns every Rust file below a folder.
fn rust_files(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.insert(path);
        }
    }
}

/// Follows the `mod` lines of a file, as the compiler does. A root file (`main.rs`, `mod.rs`) has its modules beside
/// it, another one in a folder of its own name, and `#[path]` counts from the file's folder.
fn follow(file: &Path, seen: &mut BTreeSet<PathBuf>) {
    assert!(file.is_file(), "{} is named by a `mod` and is not there", file.display());
    if !seen.insert(file.to_owned()) {
        return;
    }
    let text = fs::read_to_string(file).unwrap();
    let beside = file.parent().unwrap();
    let is_root = file.ends_with("main.rs") || file.ends_with("mod.rs");
    let own = if is_root { beside.to_owned() } else { file.with_extension("") };
    let module = Regex::new(r#"(?m)^(?:#\[path = "([^"]+)"\]\n)?(?:pub(?:\([a-z]+\))? )?mod ([a-z0-9_]+);"#).unwrap();
    for found in module.captures_iter(&text) {
        let next = match found.get(1) {
            Some(path) => beside.join(path.as_str()).canonicalize().unwrap(),
            None => Some(own.join(format!("{}.rs", &found[2])))
                .filter(|file| file.is_file())
                .unwrap_or_else(|| own.join(&found[2]).join("mod.rs")),
        };
        follow(&next, seen);
    }
}

/// Returns the files of a folder of suites that none of them includes.
fn forgotten(tests: &Path) -> Vec<PathBuf> {
    let tests = tests.canonicalize().unwrap();
    let (mut all, mut included) = (BTreeSet::new(), BTreeSet::new());
    rust_files(&tests, &mut all);
    for suite in fs::read_dir(&tests).unwrap().map(|entry| entry.unwrap().path()) {
        // Cargo makes a test program of each file here and of each folder with a `main.rs`.
        let root = if suite.is_dir() { suite.join("main.rs") } else { suite };
        if root.is_file() && root.extension().is_some_and(|extension| extension == "rs") {
            follow(&root, &mut included);
        }
    }
    all.difference(&included).map(|path| path.strip_prefix(&tests).unwrap().to_owned()).collect()
}

#[test]
fn every_test_file_belongs_to_a_suite() {
    let forgotten = forgotten(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"));
    // The fuzzers are a package of their own; their targets are a module of this suite.
    assert_eq!(forgotten, [Path::new("fuzz/parsers.rs")], "no suite includes these files");
}

#[test]
fn a_file_that_no_suite_names_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("alone.rs", "");
    write("a/main.rs", "mod one;\npub mod two;\n// mod three;\n\n#[path = \"../common/mod.rs\"]\nmod common;\n");
    write("a/one.rs", "mod inner;\n");
    write("a/one/inner.rs", "");
    write("a/two.rs", "");
    write("a/three.rs", "");
    write("common/mod.rs", "pub mod help;\n");
    write("common/help.rs", "");
    write("common/old.rs", "");
    write("b/lost.rs", "mod one;\n");
    assert_eq!(forgotten(folder.path()), ["a/three.rs", "b/lost.rs", "common/old.rs"].map(PathBuf::from));
}

#[test]
fn the_suites_are_five() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let is_suite =
        |path: &PathBuf| path.join("main.rs").is_file() || path.extension().is_some_and(|extension| extension == "rs");
    let suites = fs::read_dir(&tests).unwrap().map(|entry| entry.unwrap().path()).filter(is_suite);
    let names: BTreeSet<PathBuf> = suites.map(|path| path.strip_prefix(&tests).unwrap().to_owned()).collect();
    // Each program more is linked on every change: a new file of tests belongs into one of these folders, named in its
    // `main.rs`.
    assert_eq!(names, ["cluster", "core", "kubespray", "screens", "system"].map(PathBuf::from).into());
}

/// The notices that are shipped are those of the crates that are linked.
#[test]
fn the_third_party_notices_name_every_linked_crate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let notices = fs::read_to_string(root.join("THIRD-PARTY-NOTICES.txt")).unwrap();
    let args = [
        "tree",
        "--offline",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--target",
        "x86_64-unknown-linux-gnu",
        "--format",
        "{p}",
    ];
    let ran = std::process::Command::new(env!("CARGO")).args(args).current_dir(root).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let linked = String::from_utf8(ran.stdout).unwrap();
    let linked = linked.lines().filter(|line| !line.contains("(proc-macro)") && !line.starts_with("gpunode "));
    let names = linked
        .filter_map(|line| line.split_once(" v"))
        .map(|(name, rest)| format!("{name} {}", rest.split(' ').next().unwrap()));
    let missing: BTreeSet<String> = names.filter(|name| !notices.contains(&format!("\n{name}  "))).collect();
    assert!(missing.is_empty(), "run tests/notices: {missing:?}");
    for family in ["BSD-3-Clause", "Zlib", "ISC"] {
        assert!(notices.contains(family), "{family}");
    }
}
