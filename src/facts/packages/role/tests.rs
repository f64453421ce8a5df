//! Roles on the package lists of real repositories.

use super::*;

const DEBIAN: [&str; 2] = [
    include_str!("../../../../tests/fixtures/packages/debian-bookworm.txt"),
    include_str!("../../../../tests/fixtures/packages/debian-trixie.txt"),
];
const OTHERS: &str = include_str!("../../../../tests/fixtures/packages/other-repositories.txt");

/// Returns each package of a list with its role.
fn packages(list: &str) -> Vec<(Role, Package)> {
    let rows = list.lines().filter(|line| !line.starts_with('#'));
    let rows = rows.map(|line| {
        let (head, names) = line.split_once(": ").unwrap();
        let (role, source) = head.split_once(' ').unwrap();
        let role: Role = serde_yaml::from_str(role).unwrap();
        names.split(' ').map(move |name| {
            let source = Some(source).filter(|source| *source != "-" && *source != name).map(str::to_owned);
            (role, Package { name: name.to_owned(), source, ..Package::default() })
        })
    });
    rows.flatten().collect()
}

fn assert_roles(list: &str, at_least: usize) {
    let all = packages(list);
    assert!(all.len() >= at_least, "{}", all.len());
    let wrong: Vec<_> = all
        .iter()
        .filter(|(role, package)| package.role() != *role)
        .map(|(role, package)| (role, package.role(), package))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_package_of_debian_has_its_role() {
    assert_roles(DEBIAN[0], 277);
    assert_roles(DEBIAN[1], 215);
}

#[test]
fn the_families_of_the_other_repositories_have_theirs() {
    assert_roles(OTHERS, 200);
}

/// Records of older versions have no sources. There, no driver may be taken for something else, and nothing else for a
/// driver.
#[test]
fn names_alone_tell_a_driver_from_what_is_none() {
    // A date in its version, and helpers that Debian's own source builds: names cannot know.
    let unknowable =
        ["nvidia-fs-dkms", "nvidia-detect", "linux-modules-nvidia-fs-6.8.0-45-generic", "nvidia-legacy-check"];
    for (role, package) in DEBIAN.iter().flat_map(|list| packages(list)).chain(packages(OTHERS)) {
        let sourceless = Package { source: None, ..package.clone() };
        for by_name in [role_of_name(&package.name), sourceless.role()] {
            if !unknowable.contains(&package.name.as_str()) {
                assert_eq!(by_name == Driver, role == Driver, "{}: {by_name:?}", package.name);
            }
        }
    }
}

#[test]
fn a_pattern_matches_whole_names() {
    assert!(matches("nvidia-#*", "nvidia-340") && !matches("nvidia-#*", "nvidia-smi"));
    assert!(matches("nvidia-*-kmp-*", "nvidia-driver-G06-kmp-default") && !matches("nvidia-*-kmp-*", "nvidia-kmp"));
    assert!(matches("cuda", "cuda") && !matches("cuda", "cuda-12-4") && matches("*", ""));
}
