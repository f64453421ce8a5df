//! The packages of a simulated machine: what apt knows there, and what it answers.
//!
//! A story cannot foresee which packages somebody asks for together, so the answers are worked out from a list of
//! packages instead of being written down command by command. The forms of the lines are those of apt 2.7 and dpkg 1.22
//! on Ubuntu 24.04; versions of one name, conflicts and alternatives are not simulated. An installed package is the
//! flag `package:NAME`, on which layers and rules can rest; a held one is `hold:NAME`, one that came for another's sake
//! `auto:NAME`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rule::{Flags, Rule};

/// Where dpkg keeps its database.
pub(super) const STATUS: &str = "/var/lib/dpkg/status";
/// Where apt keeps which packages came for the sake of others.
pub(super) const STATES: &str = "/var/lib/apt/extended_states";
/// The programs that are answered here.
pub(super) const PROGRAMS: [&str; 3] = ["apt-get", "apt-cache", "apt-mark"];
/// Seconds between two lines of a transaction.
const PACE: f64 = 0.05;

/// A package.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// The one version that there is of it.
    pub version: String,
    /// Archive and suite, as `apt-get --simulate` names them: `Ubuntu:24.04/noble-updates`.
    #[serde(default)]
    pub origin: String,
    /// Address, suite and component, as `apt-get` names them when it fetches:
    /// `http://archive.ubuntu.com/ubuntu noble-updates/restricted`.
    #[serde(default)]
    pub from: String,
    /// The source package, where it is named otherwise.
    #[serde(default)]
    pub source: String,
    /// Names of packages that it needs.
    #[serde(default)]
    pub depends: Vec<String>,
    /// Its size in kB.
    #[serde(default)]
    pub size: u64,
    /// It is installed when the story begins.
    #[serde(default)]
    pub installed: bool,
    /// It is offered only while these flags hold.
    #[serde(default)]
    pub when: Vec<String>,
    /// It is offered only while these files have these texts, as in a rule.
    #[serde(default)]
    pub found: BTreeMap<std::path::PathBuf, String>,
}

/// All packages by name.
pub(super) type Packages = BTreeMap<String, Package>;

/// The flag of an installed package.
pub(super) fn installed(name: &str) -> String {
    format!("package:{name}")
}

fn held(name: &str) -> String {
    format!("hold:{name}")
}

fn automatic(name: &str) -> String {
    format!("auto:{name}")
}

/// What apt sees: the packages that are offered now, and what is installed.
pub(super) struct Apt<'a> {
    /// Every package that there is.
    pub all: &'a Packages,
    /// Tells whether one is offered.
    pub is_offered: &'a dyn Fn(&Package) -> bool,
    /// Flags in force.
    pub flags: &'a Flags,
}

/// A name that apt does not know, in its words.
struct Unlocated(String);

impl<'a> Apt<'a> {
    fn is_installed(&self, name: &str) -> bool {
        self.flags.contains(&installed(name))
    }

    /// Answers a command, or nothing if it is none of apt's that is simulated.
    pub(super) fn answer(&self, argv: &[String]) -> Option<Rule> {
        let (program, words) = argv.split_first()?;
        let plain: Vec<&str> = operands(words);
        let (order, names) = plain.split_first()?;
        let has = |option: &str| words.iter().any(|word| word == option);
        let simulated = has("--simulate") || has("-s");
        match (program.as_str(), *order) {
            ("apt-get", "update") => Some(self.update()),
            ("apt-get", "install") => Some(self.install(names, simulated).unwrap_or_else(refusal)),
            ("apt-get", "remove" | "purge") => Some(self.remove(names, simulated, *order == "purge")),
            ("apt-get", "upgrade" | "dist-upgrade" | "full-upgrade") => {
                Some(said(&format!("{}{}", begin(), summary(0, 0))))
            }
            ("apt-cache", "policy") => {
                Some(said(&names.iter().filter_map(|name| self.policy(name)).collect::<String>()))
            }
            ("apt-mark", "hold" | "unhold" | "auto" | "manual") => Some(self.mark(order, names)),
            ("apt-mark", "showhold") => Some(said(&self.marked(held))),
            ("apt-mark", "showauto") => Some(said(&self.marked(automatic))),
            _ => None,
        }
    }

    fn find(&self, word: &str) -> Result<&'a Package, Unlocated> {
        let (name, version) = word.split_once('=').unwrap_or((word, ""));
        let package = self.all.get(name).filter(|package| self.is_installed(name) || (self.is_offered)(package));
        let package = package.ok_or_else(|| Unlocated(format!("E: Unable to locate package {name}")))?;
        if version.is_empty() || version == package.version {
            return Ok(package);
        }
        Err(Unlocated(format!("E: Version '{version}' for '{name}' was not found")))
    }

    fn update(&self) -> Rule {
        let mut places: Vec<&str> = self
            .all
            .values()
            .filter(|package| (self.is_offered)(package))
            .map(|package| package.from.as_str())
            .collect();
        places.retain(|place| !place.is_empty());
        places.sort_unstable();
        places.dedup_by_key(|place| place.split('/').take(4).collect::<Vec<_>>());
        let line = |(index, place): (usize, &&str)| {
            format!("Hit:{} {} InRelease\n", index + 1, place.split_once('/').map_or(*place, |_| suite(place)))
        };
        let hits: String = places.iter().enumerate().map(line).collect();
        Rule { output: format!("{hits}Reading package lists..."), delay: 1.0, pace: 0.2, ..Rule::default() }
    }

    /// What comes with `names`, what they need first.
    fn coming(&self, names: &[&str]) -> Result<Vec<&'a Package>, Unlocated> {
        let mut found: Vec<&Package> = Vec::new();
        for name in names {
            self.add(self.find(name)?, &mut found)?;
        }
        Ok(found)
    }

    fn add(&self, package: &'a Package, found: &mut Vec<&'a Package>) -> Result<(), Unlocated> {
        if self.is_installed(&package.name) || found.iter().any(|known| known.name == package.name) {
            return Ok(());
        }
        for needed in &package.depends {
            let next = self.find(needed).map_err(|_| {
                Unlocated(format!(
                    "The following packages have unmet dependencies:\n {} : Depends: {needed} but it is not installable\n\
                     E: Unable to correct problems, you have held broken packages.",
                    package.name
                ))
            })?;
            self.add(next, found)?;
        }
        found.push(package);
        Ok(())
    }

    fn install(&self, names: &[&str], simulated: bool) -> Result<Rule, Unlocated> {
        let coming = self.coming(names)?;
        let is_named = |package: &Package| names.iter().any(|name| name.split('=').next() == Some(&package.name));
        let mut output = begin();
        let extra: Vec<&str> =
            coming.iter().filter(|package| !is_named(package)).map(|package| package.name.as_str()).collect();
        output += &list("The following additional packages will be installed:", &extra);
        output += &list(
            "The following NEW packages will be installed:",
            &coming.iter().map(|package| package.name.as_str()).collect::<Vec<_>>(),
        );
        output += &summary(coming.len(), 0);
        if simulated {
            for word in ["Inst", "Conf"] {
                output.extend(coming.iter().map(|package| {
                    format!("{word} {} ({} {} [amd64])\n", package.name, package.version, package.origin)
                }));
            }
            return Ok(said(&output));
        }
        output += &transcript(&coming);
        let came = |package: &&Package| installed(&package.name);
        let autos = extra.iter().map(|name| automatic(name));
        let set = coming.iter().map(came).chain(autos).collect();
        Ok(Rule { output, set, delay: 0.6, pace: PACE, ..Rule::default() })
    }

    fn remove(&self, names: &[&str], simulated: bool, purge: bool) -> Rule {
        let mut going: Vec<&Package> = Vec::new();
        let is_going = |going: &[&Package], name: &str| going.iter().any(|package| package.name == name);
        let here: Vec<&Package> = self.all.values().filter(|package| self.is_installed(&package.name)).collect();
        loop {
            let before = going.len();
            for package in &here {
                let needs_one = package.depends.iter().any(|needed| is_going(&going, needed));
                if !is_going(&going, &package.name) && (names.contains(&package.name.as_str()) || needs_one) {
                    going.push(package);
                }
            }
            if going.len() == before {
                break;
            }
        }
        going.reverse();
        let mut output = begin();
        let star = if purge { "*" } else { "" };
        let starred: Vec<String> = going.iter().map(|package| format!("{}{star}", package.name)).collect();
        output += &list("The following packages will be REMOVED:", &starred);
        output += &summary(0, going.len());
        if simulated {
            let word = if purge { "Purg" } else { "Remv" };
            output.extend(going.iter().map(|package| format!("{word} {} [{}]\n", package.name, package.version)));
            return said(&output);
        }
        output.extend(going.iter().map(|package| format!("Removing {} ({}) ...\n", package.name, package.version)));
        let clear = going
            .iter()
            .flat_map(|package| [installed(&package.name), held(&package.name), automatic(&package.name)])
            .collect();
        Rule { output, clear, delay: 0.6, pace: PACE, ..Rule::default() }
    }

    fn policy(&self, name: &str) -> Option<String> {
        let package = self.find(name).ok()?;
        let (there, star) =
            if self.is_installed(&package.name) { (package.version.as_str(), "***") } else { ("(none)", "   ") };
        let version = &package.version;
        let from = &package.from;
        let place = if from.is_empty() { String::new() } else { format!("        500 {from} amd64 Packages\n") };
        Some(format!(
            "{}:\n  Installed: {there}\n  Candidate: {version}\n  Version table:\n {star} {version} 500\n{place}",
            package.name
        ))
    }

    fn mark(&self, order: &str, names: &[&str]) -> Rule {
        let known: Vec<&str> = names.iter().copied().filter(|name| self.all.contains_key(*name)).collect();
        let flags = |flag: fn(&str) -> String| known.iter().map(|name| flag(name)).collect::<Vec<_>>();
        let (told, set, clear) = match order {
            "hold" => ("{} set on hold.", flags(held), Vec::new()),
            "unhold" => ("Canceled hold on {}.", Vec::new(), flags(held)),
            "auto" => ("{} set to automatically installed.", flags(automatic), Vec::new()),
            _ => ("{} set to manually installed.", Vec::new(), flags(automatic)),
        };
        let output = known.iter().map(|name| told.replace("{}", name) + "\n").collect();
        Rule { output, set, clear, ..Rule::default() }
    }

    fn marked(&self, flag: fn(&str) -> String) -> String {
        self.all
            .keys()
            .filter(|name| self.is_installed(name) && self.flags.contains(&flag(name)))
            .fold(String::new(), |text, name| text + name + "\n")
    }

    /// Returns dpkg's database.
    pub(super) fn status(&self) -> String {
        let here = self.all.values().filter(|package| self.is_installed(&package.name));
        let paragraph = |package: &Package| {
            let wanted = if self.flags.contains(&held(&package.name)) { "hold" } else { "install" };
            let source =
                if package.source.is_empty() { String::new() } else { format!("Source: {}\n", package.source) };
            let depends = if package.depends.is_empty() {
                String::new()
            } else {
                format!("Depends: {}\n", package.depends.join(", "))
            };
            format!(
                "Package: {}\nStatus: {wanted} ok installed\nArchitecture: amd64\n{source}Version: {}\n{depends}\n",
                package.name, package.version
            )
        };
        here.map(paragraph).collect()
    }

    /// Returns apt's list of what came for others.
    pub(super) fn states(&self) -> String {
        let names = self.marked(automatic);
        names.lines().map(|name| format!("Package: {name}\nArchitecture: amd64\nAuto-Installed: 1\n\n")).collect()
    }
}

/// The words that are no options, and no values of options that take one.
fn operands(words: &[String]) -> Vec<&str> {
    let mut found = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-o" | "-c" => drop(words.next()),
            word if word.starts_with('-') => {}
            word => found.push(word),
        }
    }
    found
}

fn refusal(Unlocated(errors): Unlocated) -> Rule {
    Rule { output: begin(), errors, exit: 100, ..Rule::default() }
}

fn said(output: &str) -> Rule {
    Rule { output: output.to_owned(), delay: 0.2, ..Rule::default() }
}

fn begin() -> String {
    "Reading package lists...\nBuilding dependency tree...\nReading state information...\n".to_owned()
}

fn summary(new: usize, gone: usize) -> String {
    format!("0 upgraded, {new} newly installed, {gone} to remove and 0 not upgraded.\n")
}

fn list(head: &str, names: &[impl AsRef<str>]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let mut lines = vec!["  ".to_owned()];
    for name in names {
        let line = lines.last().map_or(0, String::len);
        if line + name.as_ref().len() > 78 && line > 2 {
            lines.push("  ".to_owned());
        }
        if let Some(line) = lines.last_mut() {
            *line += if line.len() > 2 { " " } else { "" };
            *line += name.as_ref();
        }
    }
    format!("{head}\n{}\n", lines.join("\n"))
}

/// Address and suite of a place, without its component.
fn suite(place: &str) -> &str {
    place.rsplit_once('/').filter(|(front, _)| front.contains(' ')).map_or(place, |(front, _)| front)
}

/// What fetching, unpacking and setting up print.
fn transcript(coming: &[&Package]) -> String {
    if coming.is_empty() {
        return String::new();
    }
    let total: u64 = coming.iter().map(|package| package.size).sum();
    let mut text = format!("Need to get {} of archives.\n", amount(total));
    for (index, package) in coming.iter().enumerate() {
        let Package { name, version, from, size, .. } = package;
        text += &format!("Get:{} {from} amd64 {name} amd64 {version} [{}]\n", index + 1, amount(*size));
    }
    text += &format!("Fetched {} in 4s (28.7 MB/s)\n", amount(total));
    for (index, package) in coming.iter().enumerate() {
        let Package { name, version, .. } = package;
        text += &format!("Selecting previously unselected package {name}.\n");
        text += &format!(
            "Preparing to unpack .../{index:02}-{name}_{version}_amd64.deb ...\nUnpacking {name} ({version}) ...\n"
        );
    }
    coming.iter().fold(text, |text, package| text + &format!("Setting up {} ({}) ...\n", package.name, package.version))
}

fn amount(kilobytes: u64) -> String {
    if kilobytes < 1000 {
        format!("{kilobytes} kB")
    } else {
        format!("{}.{} MB", kilobytes / 1000, kilobytes % 1000 / 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apt(flags: &[&str], line: &str) -> Rule {
        let package = |name: &str, depends: &[&str], installed| Package {
            name: name.to_owned(),
            version: "1.0-1".to_owned(),
            origin: "Ubuntu:24.04/noble-updates".to_owned(),
            from: "http://archive.ubuntu.com/ubuntu noble-updates/main".to_owned(),
            depends: depends.iter().map(|name| (*name).to_owned()).collect(),
            installed,
            ..Package::default()
        };
        let hidden = Package { when: vec!["repository".to_owned()], ..package("toolkit", &[], false) };
        let list = [
            package("driver", &["library"], false),
            package("library", &[], false),
            package("broken", &["toolkit"], false),
            hidden,
        ];
        let all: Packages = list.into_iter().map(|package| (package.name.clone(), package)).collect();
        let flags: Flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let is_offered = |package: &Package| super::super::rule::holds(&package.when, &flags);
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Apt { all: &all, is_offered: &is_offered, flags: &flags }.answer(&argv).unwrap()
    }

    #[test]
    fn what_is_needed_comes_first_and_goes_along() {
        let rehearsed = apt(&[], "apt-get --simulate install --no-install-recommends driver");
        assert!(
            rehearsed.output.contains("Inst library (1.0-1 Ubuntu:24.04/noble-updates [amd64])\nInst driver ("),
            "{}",
            rehearsed.output
        );
        assert!(rehearsed.set.is_empty(), "a rehearsal changes nothing");
        let done = apt(&[], "apt-get -o DPkg::Lock::Timeout=120 install -y driver");
        assert_eq!(done.set, ["package:library", "package:driver", "auto:library"]);
        assert!(
            done.output.ends_with("Setting up library (1.0-1) ...\nSetting up driver (1.0-1) ...\n"),
            "{}",
            done.output
        );
        let here = ["package:driver", "package:library", "auto:library"];
        assert!(
            apt(&here, "apt-get --simulate purge library")
                .output
                .ends_with("Purg driver [1.0-1]\nPurg library [1.0-1]\n")
        );
        assert!(apt(&here, "apt-get install -y driver").set.is_empty(), "it is there already");
    }

    #[test]
    fn what_no_repository_has_is_refused_in_apts_words() {
        let refused = apt(&[], "apt-get install -y toolkit");
        assert_eq!((refused.exit, refused.errors.as_str()), (100, "E: Unable to locate package toolkit"));
        assert!(apt(&[], "apt-get install -y broken").errors.contains("Depends: toolkit but it is not installable"));
        assert_eq!(apt(&["repository"], "apt-get install -y toolkit").exit, 0);
        assert!(apt(&["repository"], "apt-get install -y toolkit=2.0").errors.contains("Version '2.0'"));
        assert_eq!(apt(&["repository"], "apt-get install -y toolkit=1.0-1").exit, 0);
    }

    #[test]
    fn marks_are_kept_and_told() {
        assert_eq!(apt(&["package:driver"], "apt-mark hold driver").set, ["hold:driver"]);
        assert_eq!(apt(&["package:driver", "hold:driver"], "apt-mark showhold").output, "driver\n");
        let policy = apt(&["package:driver"], "apt-cache policy driver").output;
        assert!(
            policy.contains("  Installed: 1.0-1\n")
                && policy.contains(" *** 1.0-1 500\n        500 http://archive.ubuntu.com"),
            "{policy}"
        );
        assert!(apt(&[], "apt-cache policy driver").output.contains("Installed: (none)"));
    }
}
