//! What is kept of packages before they go, so that an undo brings back the same: versions, marks and configuration.
//! Source: apt-mark(8) and `/var/lib/apt/extended_states`; dpkg's `Conffiles` and the selection in `Status`; `rpm --query --configfiles`.

use super::RemovePackages;
use crate::{
    facts::packages::{self, Package},
    host::{Command, Host},
    plan::action::{
        kind::{ActionContext, Failure},
        undo::Reinstall,
    },
};

const APT_STATES: &str = "/var/lib/apt/extended_states";

/// Notes versions and marks, and keeps the configuration files in the session's folder.
pub fn record(removal: &RemovePackages, work: &ActionContext<'_>) -> Result<Reinstall, Failure> {
    let is_ours = |package: &Package| removal.packages.iter().any(|name| package.manager_name() == name);
    let going: Vec<Package> = packages::installed(work.host).into_iter().filter(is_ours).collect();
    let pinned = going.iter().map(|package| removal.pin.replace("{name}", package.manager_name()).replace("{version}", &package.version));
    let mut words = removal.restore.iter().cloned().chain(pinned);
    let program = words.next().unwrap_or_default();
    let install = Command::new(program, words).env("DEBIAN_FRONTEND", "noninteractive").detached();
    let configuration =
        configuration_files(work.host, &going)?.iter().map(|path| work.save_file(path.as_ref(), &[])).collect::<Result<_, _>>()?;
    Ok(Reinstall { install, marks: marks(work.host, &going), configuration })
}

/// Returns the commands that give apt's marks back: what is installed by name counts as wanted for its own sake.
fn marks(host: &Host, going: &[Package]) -> Vec<Command> {
    let states = host.files.read_text(APT_STATES).unwrap_or_default();
    let automatic = parse_automatic(&states);
    let is_automatic =
        |package: &&Package| automatic.iter().any(|(name, architecture)| *name == package.name && package.is_of(architecture));
    let mark = |word: &str, names: Vec<&str>| {
        let args = [word].into_iter().chain(names.iter().copied()).map(str::to_owned).collect::<Vec<_>>();
        (!names.is_empty()).then(|| Command::new("apt-mark", args))
    };
    let names = |keep: &dyn Fn(&&Package) -> bool| going.iter().filter(|package| keep(package)).map(Package::manager_name).collect();
    let auto = mark("auto", names(&is_automatic));
    let held = mark("hold", names(&|package| package.is_held));
    auto.into_iter().chain(held).collect()
}

/// Reads name and architecture of each package that apt installed for the sake of others.
fn parse_automatic(text: &str) -> Vec<(&str, &str)> {
    text.split("\n\n").filter_map(automatic).collect()
}

fn automatic(paragraph: &str) -> Option<(&str, &str)> {
    let value = |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    value("Auto-Installed:").filter(|value| *value == "1")?;
    value("Package:").zip(value("Architecture:"))
}

/// Returns the configuration files of the packages, as their database names them.
fn configuration_files(host: &Host, going: &[Package]) -> Result<Vec<String>, Failure> {
    let mut found: Vec<String> = going.iter().flat_map(|package| package.configuration.iter().cloned()).collect();
    let of_rpm: Vec<String> = going.iter().filter(|package| package.is_of_rpm).map(|package| package.id.clone()).collect();
    if !of_rpm.is_empty() {
        let args = ["--query", "--configfiles"].into_iter().map(str::to_owned).chain(of_rpm).collect::<Vec<_>>();
        let output = host.commands.capture(&Command::new("rpm", args)).map_err(|error| Failure::new(error.to_string()))?;
        found.extend(output.stdout.lines().filter(|line| line.starts_with('/')).map(str::to_owned));
    }
    found.sort();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_for_others_is_automatic() {
        let text = "Package: libcuda1\nArchitecture: amd64\nAuto-Installed: 1\n\nPackage: nvidia-smi\nArchitecture: amd64\n\
            Auto-Installed: 0\n\nPackage: libcuda1\nArchitecture: i386\nAuto-Installed: 1\n";
        assert_eq!(parse_automatic(text), [("libcuda1", "amd64"), ("libcuda1", "i386")]);
    }
}
