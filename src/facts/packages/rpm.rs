//! The database of rpm, asked through `rpm` itself: its file has had four formats.
//! Source: rpm(8), `--queryformat`; the tags `SOURCERPM`, `PROVIDENAME` and `REQUIRENAME`.

use super::{Package, Role};
use crate::{facts::reader::Reader, host::Command, text::printable};

const FACT: &str = "driver.ledger.rpm";

/// The files of an rpm database, old and new.
pub(super) const DATABASES: [&str; 5] = [
    "/var/lib/rpm/Packages",
    "/var/lib/rpm/rpmdb.sqlite",
    "/var/lib/rpm/Packages.db",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/Packages.db",
];

/// What a line of [`list`] begins with, and all of what it is in recordings of older versions.
const ID: &str = "%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}";

/// How often is asked who needs what needs the driver: `cuda` needs `cuda-12-4` needs `cuda-runtime-12-4` needs
/// `cuda-drivers`.
const ROUNDS: usize = 6;

fn rpm(words: &[&'static str], format: &str, names: Vec<String>) -> Command {
    Command::new("rpm", words.iter().copied()).words(["--qf"]).operand(format).operands(names)
}

/// Returns the packages of this machine with the file of the database: of all its name and its source, of those around
/// the driver also what they need and provide.
pub(super) fn probe(reader: &mut Reader<'_>) -> Option<(Vec<Package>, &'static str)> {
    let (mut packages, database) = probe_list(reader)?;
    let mut going: Vec<String> =
        packages.iter().filter(|package| package.role() == Role::Driver).map(|package| package.id.clone()).collect();
    for _ in 0..ROUNDS {
        if going.is_empty() {
            break;
        }
        going = learn_dependents(reader, &mut packages, going);
    }
    Some((packages, database))
}

/// As [`probe`], with names, versions and sources only.
pub(super) fn probe_list(reader: &mut Reader<'_>) -> Option<(Vec<Package>, &'static str)> {
    let database = reader.first_there(&DATABASES)?;
    Some((parse(&list(reader)), database))
}

/// Each package with the source that it was built from; without that where only an older recording answers.
fn list(reader: &mut Reader<'_>) -> String {
    let with_source = rpm(&["-qa"], &format!("{ID}\\t%{{SOURCERPM}}\\n"), Vec::new());
    let answer = reader.host.commands.capture(&with_source).ok().filter(|output| output.exit.is_success());
    answer.map_or_else(
        || reader.command(FACT, &rpm(&["-qa"], &format!("{ID}\\n"), Vec::new())).unwrap_or_default(),
        |output| output.stdout,
    )
}

/// Notes what these packages provide, who requires any of it, and who else provides that; returns who was not known to
/// require it. What rpm does not answer, the rehearsal of a removal will.
fn learn_dependents(reader: &Reader<'_>, packages: &mut [Package], going: Vec<String>) -> Vec<String> {
    const PROVIDES: &str = "\\t[%{PROVIDENAME},]\\n";
    let ask = |command: Command| reader.host.commands.capture(&command).map(|output| output.stdout).unwrap_or_default();
    let provided = ask(rpm(&["-q"], &format!("{ID}{PROVIDES}"), going));
    let capabilities: Vec<String> =
        lists(&provided).into_iter().flat_map(|(_, names)| names).filter(|name| is_plain(name)).collect();
    if capabilities.is_empty() {
        return Vec::new();
    }
    note(packages, &provided, |package, names| package.provides = names);
    let required = ask(rpm(&["-q", "--whatrequires"], &format!("{ID}\\t[%{{REQUIRENAME}},]\\n"), capabilities.clone()));
    let new: Vec<String> = lists(&required).into_iter().map(|(id, _)| id).collect();
    let is_new =
        |package: &&Package| package.depends.is_empty() && package.role() != Role::Driver && new.contains(&package.id);
    let new: Vec<String> = packages.iter().filter(is_new).map(|package| package.id.clone()).collect();
    note(packages, &required, |package, names| package.depends = names.into_iter().map(|name| vec![name]).collect());
    if !new.is_empty() {
        let others = ask(rpm(&["-q", "--whatprovides"], &format!("{ID}{PROVIDES}"), capabilities));
        note(packages, &others, |package, names| package.provides = names);
    }
    new
}

/// Paths and the like would be read as a file's name or an option.
fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn note(packages: &mut [Package], answer: &str, put: impl Fn(&mut Package, Vec<String>)) {
    for (id, names) in lists(answer) {
        if let Some(package) = packages.iter_mut().find(|package| package.id == id) {
            put(package, names);
        }
    }
}

/// Reads lines of `id`, a tab, and names that each end with a comma.
fn lists(text: &str) -> Vec<(String, Vec<String>)> {
    let line = |line: &str| {
        let (id, names) = line.split_once('\t')?;
        Some((
            printable(id),
            names.split(',').filter(|name| !name.is_empty() && *name != "(none)").map(printable).collect(),
        ))
    };
    text.lines().filter_map(line).collect()
}

/// Reads lines of `name-version-release.arch`, and behind a tab the file name of the source package.
pub fn parse(text: &str) -> Vec<Package> {
    let package = |line: &str| {
        let (id, source) = line.trim().split_once('\t').unwrap_or((line.trim(), ""));
        let mut parts = id.rsplitn(3, '-');
        let (release, version, name) = (parts.next()?, parts.next()?, parts.next()?);
        let release = release.rsplit_once('.').map_or(release, |(release, _)| release);
        Some(Package {
            id: printable(id),
            name: printable(name),
            version: printable(&format!("{version}-{release}")),
            source: source.rsplitn(3, '-').nth(2).map(printable),
            is_of_rpm: true,
            ..Package::default()
        })
    };
    text.lines().filter_map(package).collect()
}

/// Returns the lines of a list that `super::probe` looks at.
pub fn excerpt(text: &str) -> String {
    let is_ours = |line: &&str| parse(line).first().is_some_and(|package| package.role() != Role::Other);
    text.lines().filter(is_ours).map(|line| printable_fields(line) + "\n").collect()
}

fn printable_fields(line: &str) -> String {
    line.split('\t').map(printable).collect::<Vec<_>>().join("\t")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_package_tells_what_a_name_does_not() {
        let text = "nvidia-driver-418.87.00-1.el7.x86_64\t(none)\nbash-4.2.46-34.el7.x86_64\tbash-4.2.46-34.el7.src.rpm\n\
            libnvidia-fbc-550.54.15-1.el9.x86_64\tnvidia-driver-550.54.15-1.el9.src.rpm\nx\n";
        let found = parse(text);
        assert_eq!(found.iter().map(Package::role).collect::<Vec<_>>(), [Role::Driver, Role::Other, Role::Driver]);
        assert_eq!((found[2].name.as_str(), found[2].version.as_str()), ("libnvidia-fbc", "550.54.15-1.el9"));
        assert_eq!(excerpt(text).lines().count(), 2);
    }

    #[test]
    fn a_list_without_sources_is_read_too() {
        let found = parse("nvidia-driver-418.87.00-1.el7.x86_64\nnvidia-container-toolkit-1.3.0-2.x86_64\n");
        assert_eq!(found.iter().map(Package::role).collect::<Vec<_>>(), [Role::Driver, Role::Other]);
    }
}
