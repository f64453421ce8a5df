//! The Ansible installations of this machine, and which of them fits the release.
//!
//! Kubespray pins the versions of ansible-core that it runs with, so people keep one in a virtual environment beside
//! the checkout. The version is read from the package's metadata; nothing is run.

use std::path::{Path, PathBuf};

use super::{checkout::Checkout, release::Bounds};
use crate::{host::Files, version::Version};

/// One `ansible-playbook`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The program; its bare name where PATH leads to it.
    pub program: PathBuf,
    /// The version of ansible-core, where its metadata tells.
    pub version: Option<Version>,
}

/// Returns every installation, in the order in which people would use them: the checkout's own environment, those in
/// the usual places, then the system's.
pub fn installed(files: &dyn Files, checkout: Option<&Path>) -> Vec<Installed> {
    let mut found: Vec<Installed> = Vec::new();
    for environment in environments(files, checkout) {
        let program = environment.join("bin/ansible-playbook");
        if files.exists(&program) {
            let version = version_in(files, &environment.join("lib"));
            found.push(Installed { program, version });
        }
    }
    for folder in ["/usr/local/bin", "/usr/bin"] {
        let program = Path::new(folder).join("ansible-playbook");
        if files.exists(&program) && !found.iter().any(|known| known.program == Path::new("ansible-playbook")) {
            found.push(Installed {
                version: system_version(files, &program),
                program: PathBuf::from("ansible-playbook"),
            });
        }
    }
    found
}

/// Returns the installation to use: the first that fits, or else the first whose version is not known, or else the
/// first.
pub fn choose<'i>(installed: &'i [Installed], bounds: Option<&Bounds>) -> Option<&'i Installed> {
    let fits = |one: &&Installed| {
        one.version.as_ref().is_some_and(|version| bounds.is_none_or(|bounds| bounds.holds(version)))
    };
    installed
        .iter()
        .find(fits)
        .or_else(|| installed.iter().find(|one| one.version.is_none()))
        .or_else(|| installed.first())
}

/// Returns the versions that the checkout's own check demands, from `ansible_version.yml`; the play that it holds stops
/// at any other.
pub fn demanded(files: &dyn Files, checkout: &Checkout) -> Option<Bounds> {
    let text = ["playbooks/ansible_version.yml", "ansible_version.yml"]
        .iter()
        .find_map(|name| files.read_text(checkout.path.join(name)).ok())?;
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'))?;
        let value = line.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\'']);
        value.parse::<Version>().is_ok().then(|| value.to_owned())
    };
    Some(Bounds { min: value("minimal_ansible_version")?, below: value("maximal_ansible_version")? })
}

/// Folders with a Python environment: their name has `venv` in it, or they are the one of the tools that install
/// programs.
fn environments(files: &dyn Files, checkout: Option<&Path>) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = checkout
        .into_iter()
        .flat_map(|checkout| [Some(checkout), checkout.parent()])
        .flatten()
        .map(Path::to_owned)
        .collect();
    let homes =
        files.list(Path::new("/home")).unwrap_or_default().into_iter().map(|name| Path::new("/home").join(name));
    places.extend([PathBuf::from("/root"), PathBuf::from("/opt")].into_iter().chain(homes.clone()));
    let mut found: Vec<PathBuf> = Vec::new();
    for place in &places {
        let names = files.list(place).unwrap_or_default();
        found.extend(names.iter().filter(|name| name.contains("venv")).map(|name| place.join(name)));
    }
    for home in std::iter::once(PathBuf::from("/root")).chain(homes) {
        for tool in [".local/share/pipx/venvs", ".local/pipx/venvs", ".local/share/uv/tools"] {
            let folder = home.join(tool);
            let names = files.list(&folder).unwrap_or_default();
            found.extend(names.iter().filter(|name| name.starts_with("ansible")).map(|name| folder.join(name)));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|folder| seen.insert(folder.clone()));
    found
}

fn system_version(files: &dyn Files, program: &Path) -> Option<Version> {
    // A link into an environment, as pipx makes them.
    let real = files.canonical(program).unwrap_or_else(|_| program.to_owned());
    let own = real.parent().and_then(Path::parent).and_then(|environment| version_in(files, &environment.join("lib")));
    own.or_else(|| ["/usr/local/lib", "/usr/lib"].iter().find_map(|library| version_in(files, Path::new(library))))
}

/// The version of ansible-core in a folder of Python libraries; before 2.11 the package was called ansible-base, before
/// 2.10 ansible.
fn version_in(files: &dyn Files, library: &Path) -> Option<Version> {
    for python in files.list(library).unwrap_or_default().iter().filter(|name| name.starts_with("python3")) {
        for packages in ["site-packages", "dist-packages"] {
            let names = files.list(&library.join(python).join(packages)).unwrap_or_default();
            for package in ["ansible_core-", "ansible_base-", "ansible-2."] {
                let version = |name: &String| {
                    let rest = name.strip_prefix(package)?;
                    let rest = rest
                        .strip_suffix(".dist-info")
                        .or_else(|| rest.split(".egg-info").next().filter(|_| rest.contains(".egg-info")))?;
                    let rest = rest.split('-').next().unwrap_or(rest);
                    let text = if package == "ansible-2." { format!("2.{rest}") } else { rest.to_owned() };
                    text.parse::<Version>().ok()
                };
                if let Some(version) = names.iter().find_map(version) {
                    return Some(version);
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::host::local::LocalFiles;

    fn machine(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for name in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        root
    }

    #[test]
    fn the_environment_that_fits_is_taken_before_the_systems() {
        let root = machine(&[
            "usr/bin/ansible-playbook",
            "usr/lib/python3/dist-packages/ansible_core-2.14.3.egg-info/PKG-INFO",
            "opt/kubespray-venv/bin/ansible-playbook",
            "opt/kubespray-venv/lib/python3.11/site-packages/ansible_core-2.18.19.dist-info/METADATA",
            "opt/kubespray/.venv/bin/python",
            "root/.local/share/pipx/venvs/ansible-core/bin/ansible-playbook",
            "root/.local/share/pipx/venvs/ansible-core/lib/python3.12/site-packages/ansible_core-2.19.1.dist-info/METADATA",
        ]);
        let found = installed(&LocalFiles::new(root.path()), Some(Path::new("/opt/kubespray")));
        let versions: Vec<_> = found.iter().map(|one| one.version.as_ref().map(Version::as_str)).collect();
        assert_eq!(versions, [Some("2.18.19"), Some("2.19.1"), Some("2.14.3")]);
        let pick = |min: &str, below: &str| {
            choose(&found, Some(&Bounds { min: min.to_owned(), below: below.to_owned() })).unwrap().program.clone()
        };
        assert_eq!(pick("2.18", "2.19"), Path::new("/opt/kubespray-venv/bin/ansible-playbook"));
        assert_eq!(pick("2.14.0", "2.15.0"), Path::new("ansible-playbook"));
        assert_eq!(pick("2.9", "2.11"), Path::new("/opt/kubespray-venv/bin/ansible-playbook"), "none fits: the first");
        assert_eq!(choose(&[], None), None);
    }
}
