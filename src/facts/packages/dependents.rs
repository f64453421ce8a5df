//! Who cannot stay when the driver goes: a package is broken when one of its dependencies has nobody left who meets it.
//!
//! Versions are not compared, because what is installed fits together. The package manager has the last word: a removal
//! is rehearsed with it before it is done.

use std::collections::{BTreeMap, BTreeSet};

use super::{Package, Role};

/// Returns the packages that the ledger lists, each with the packages for whose sake it goes: those of the driver,
/// those of a toolkit, and whatever needs a package of the driver.
pub(super) fn listed(packages: &[Package]) -> Vec<(&Package, Vec<String>)> {
    let needs = going_along(packages);
    let entry = |(place, package)| {
        let needs = needs.get(&place).cloned().unwrap_or_default();
        let is_ours = matches!(Package::role(package), Role::Driver | Role::Toolkit);
        (is_ours || !needs.is_empty()).then(|| (package, needs.into_iter().collect()))
    };
    packages.iter().enumerate().filter_map(entry).collect()
}

/// Returns, by its place, each package that needs a package of the driver, or one that goes with it.
fn going_along(packages: &[Package]) -> BTreeMap<usize, BTreeSet<String>> {
    let mut met_by: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, package) in packages.iter().enumerate() {
        for name in package.provides.iter().chain([&package.name]) {
            met_by.entry(name).or_default().push(place);
        }
    }
    let mut going: Vec<bool> = packages.iter().map(|package| package.role() == Role::Driver).collect();
    let mut found = BTreeMap::new();
    loop {
        let broken = packages.iter().enumerate().filter(|(place, _)| !going[*place]);
        let broken: Vec<_> = broken
            .filter_map(|(place, package)| Some((place, broken_by(package, packages, &met_by, &going)?)))
            .collect();
        if broken.is_empty() {
            return found;
        }
        for (place, needs) in broken {
            going[place] = true;
            found.insert(place, needs);
        }
    }
}

/// Returns the packages that go and without which a dependency has nobody left.
fn broken_by(
    package: &Package,
    packages: &[Package],
    met_by: &BTreeMap<&str, Vec<usize>>,
    going: &[bool],
) -> Option<BTreeSet<String>> {
    let meets = |any: &Vec<String>| -> Vec<usize> {
        any.iter().filter_map(|name| met_by.get(name.as_str())).flatten().copied().collect()
    };
    let broken = package
        .depends
        .iter()
        .map(meets)
        .filter(|meeting| !meeting.is_empty() && meeting.iter().all(|place| going[*place]));
    let names: BTreeSet<String> = broken.flatten().map(|place| packages[place].manager_name().to_owned()).collect();
    (!names.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::{super::dpkg, *};

    fn needs(text: &str) -> Vec<(String, String)> {
        let packages = dpkg::parse(text);
        listed(&packages).into_iter().map(|(package, needs)| (package.id.clone(), needs.join(" "))).collect()
    }

    fn package(name: &str, rest: &str) -> String {
        format!("Package: {name}\nStatus: install ok installed\nVersion: 1\n{rest}\n")
    }

    #[test]
    fn what_needs_the_driver_is_listed_with_its_reason() {
        let text = package("libcuda1", "Provides: libcuda.so.1 (= 535)\n")
            + &package(
                "libcuinj64-11.8",
                "Source: nvidia-cuda-toolkit (11.8)\nDepends: libcuda1 (>= 520) | libcuda.so.1 (>= 520), libc6\n",
            )
            + &package("nvidia-profiler", "Source: nvidia-cuda-toolkit (11.8)\nDepends: libcuinj64-11.8\n")
            + &package("renderer", "Depends: libc6, libcuda.so.1\n")
            + &package("nvtop", "Depends: libc6\n");
        let expected = [
            ("libcuda1", ""),
            ("libcuinj64-11.8", "libcuda1"),
            ("nvidia-profiler", "libcuinj64-11.8"),
            ("renderer", "libcuda1"),
        ];
        assert_eq!(needs(&text), expected.map(|(name, needs)| (name.to_owned(), needs.to_owned())));
    }

    #[test]
    fn a_dependency_that_somebody_else_meets_too_holds_nobody() {
        let text = package("nvidia-opencl-icd", "Provides: opencl-icd\n")
            + &package("pocl-opencl-icd", "Provides: opencl-icd\n")
            + &package("solver", "Depends: opencl-icd\n");
        assert_eq!(needs(&text), [("nvidia-opencl-icd".to_owned(), String::new())]);
    }
}
