//! What is kept of packages before they go, so that an undo brings back the same: versions, marks and configuration.
//! Source: apt-mark(8) and `/var/lib/apt/extended_states`; dpkg's `Conffiles` and the selection in `Status`;
//! `rpm --query --configfiles`.

use super::RemovePackages;
use crate::{
    catalog::distros::Family,
    facts::packages::{self, Package},
    host::{Command, Host},
    i18n::msg,
    input::PackageName,
    plan::action::{
        kind::{ActionContext, Failure},
        undo::{Reinstall, RemovedPackage, RemovedPackages, SavedFile},
        valid,
    },
};

const APT_STATES: &str = "/var/lib/apt/extended_states";

/// Notes versions and marks, and keeps the configuration files in the session's folder.
pub(crate) fn record(removal: &RemovePackages, context: &ActionContext<'_>) -> Result<RemovedPackages, Failure> {
    record_named(context, &|name| removal.packages.iter().any(|own| own == name))
}

/// Notes versions and marks of the packages that are there of those that `is_wanted`, and keeps their configuration
/// files.
pub(crate) fn record_named(
    context: &ActionContext<'_>,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Result<RemovedPackages, Failure> {
    let is_ours = |package: &Package| is_wanted(package.manager_name());
    let going: Vec<Package> = packages::installed(context.host).into_iter().filter(is_ours).collect();
    let configuration = configuration_files(context.host, &going)?
        .iter()
        .map(|path| context.save_file(path.as_ref(), &[]))
        .collect::<Result<_, _>>()?;
    let states = context.host.files.read_text(APT_STATES).unwrap_or_default();
    let automatic = parse_automatic(&states);
    let removed = |package: &Package| RemovedPackage {
        name: package.manager_name().to_owned(),
        version: package.version.clone(),
        is_automatic: automatic.iter().any(|(name, architecture)| *name == package.name && package.is_of(architecture)),
        is_held: package.is_held,
    };
    Ok(RemovedPackages { packages: going.iter().map(removed).collect(), configuration })
}

/// Returns how the packages come back.
pub(crate) fn way_back(family: &Family, before: &RemovedPackages) -> Result<Reinstall, Failure> {
    let RemovedPackages { packages, configuration } = before;
    for package in packages {
        valid::is::<PackageName>(&package.name)?;
        valid::word(msg::failure::wanted::version(), &package.version, "-_.+~:^")?;
    }
    configuration.iter().try_for_each(SavedFile::validate)?;
    let pinned = packages
        .iter()
        .map(|package| family.pin.replace("{name}", &package.name).replace("{version}", &package.version));
    let install = Command::from_line(family.restore.iter().cloned());
    let install = pinned
        .fold(install, |command, name| command.operand_of::<PackageName>(&name))
        .env("DEBIAN_FRONTEND", "noninteractive")
        .detached();
    let install = (!packages.is_empty()).then_some(install);
    // What is installed by name counts as wanted for its own sake.
    let mark = |word: &'static str, is_wanted: fn(&RemovedPackage) -> bool| {
        let names: Vec<&str> =
            packages.iter().filter(|package| is_wanted(package)).map(|package| package.name.as_str()).collect();
        (!names.is_empty()).then(|| Command::new("apt-mark", [word]).operands(names))
    };
    let marks = [mark("auto", |package| package.is_automatic), mark("hold", |package| package.is_held)];
    Ok(Reinstall {
        remove: None,
        install,
        marks: marks.into_iter().flatten().collect(),
        configuration: configuration.clone(),
    })
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
    let of_rpm: Vec<String> =
        going.iter().filter(|package| package.is_of_rpm).map(|package| package.id.clone()).collect();
    if !of_rpm.is_empty() {
        let query = Command::new("rpm", ["--query", "--configfiles"]).operands(of_rpm);
        let output = host.commands.capture(&query).map_err(Failure::own_words)?;
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
