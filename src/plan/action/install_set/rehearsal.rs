//! What an installation would do, asked of the package manager itself, which changes nothing; and the judgement of it.
//! Sources: apt-get(8), `--simulate`; dnf(8), `--assumeno`; zypper(8), `--dry-run` and `--xmlout`.

use super::{InstallSet, Purpose, driver_version};
use crate::{
    catalog::distros::{self, Family},
    facts::packages::{Role, role_of_name},
    host::{Command, CommandError, Host},
    i18n::{Arg, msg},
};

/// Container engines and low-level runtimes that Kubespray brings itself; the distribution's beside them is a second
/// one.
const ENGINES: [&str; 11] = [
    "containerd",
    "containerd.io",
    "docker",
    "docker.io",
    "docker-ce",
    "docker-ce-cli",
    "moby-engine",
    "podman-docker",
    "cri-o",
    "runc",
    "crun",
];

/// One package in a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// Its name, as the package manager has it.
    pub name: String,
    /// The version that is there, where the manager says it; empty where it only says that there is one.
    pub old: Option<String>,
    /// The version that comes; absent where the package goes.
    pub new: Option<String>,
}

/// What a package manager would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rehearsal {
    /// The packages that change.
    pub changes: Vec<Change>,
}

impl Rehearsal {
    /// Returns what is worth a line in the journal: what goes, and kernels that come along.
    pub fn notes(&self) -> Vec<String> {
        let going: Vec<&str> =
            self.changes.iter().filter(|change| change.new.is_none()).map(|change| change.name.as_str()).collect();
        let kernels: Vec<&str> = self
            .changes
            .iter()
            .filter(|change| change.old.is_none() && is_kernel(&change.name))
            .map(|change| change.name.as_str())
            .collect();
        let going = (!going.is_empty()).then(|| format!("removed in exchange: {}", going.join(", ")));
        let kernels = (!kernels.is_empty())
            .then(|| format!("a kernel came along, and is the one of the next boot: {}", kernels.join(", ")));
        going.into_iter().chain(kernels).collect()
    }
}

fn is_kernel(name: &str) -> bool {
    (name.starts_with("linux-image-") && name.contains(|c: char| c.is_ascii_digit()))
        || name == "kernel-core"
        || name == "kernel-default"
}

/// Why an installation is not run.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unsuitable {
    /// The package manager could not be asked.
    #[error(transparent)]
    NotRun(CommandError),
    /// It would fail; what it said.
    #[error("{0}")]
    Failed(String),
    /// It would take packages away.
    #[error("{} would be removed", .0.join(", "))]
    Removes(Vec<String>),
    /// A package would be of another branch than its name or the plan says.
    #[error("{name} would be {version}, which is not of branch R{branch}")]
    OtherBranch {
        /// The package.
        name: String,
        /// The version that would come.
        version: String,
        /// The branch that is wanted.
        branch: u32,
    },
    /// A package would be of another version than the plan says.
    #[error("{name} would be {version}, not {wanted}")]
    OtherVersion {
        /// The package.
        name: String,
        /// The version that would come.
        version: String,
        /// The version that is wanted.
        wanted: String,
    },
    /// A container engine would come along.
    #[error("{} would be installed along, beside the container engine of this node", .0.join(", "))]
    Engines(Vec<String>),
}

impl Unsuitable {
    /// Returns why, as part of a sentence.
    pub fn told(&self) -> Arg {
        match self {
            Self::Removes(names) => msg::preflight::seen::install_removes(names.join(", ")).into(),
            Self::OtherBranch { name, version, branch } => {
                msg::preflight::seen::install_other_branch(format!("R{branch}"), name, version).into()
            }
            Self::OtherVersion { name, version, wanted } => {
                msg::preflight::seen::install_other_version(name, version, wanted).into()
            }
            Self::Engines(names) => msg::preflight::seen::install_engines(names.join(", ")).into(),
            Self::NotRun(_) | Self::Failed(_) => self.to_string().into(),
        }
    }
}

/// Returns the command that asks.
pub fn command(set: &InstallSet, family: &Family) -> Option<Command> {
    let words: &[&str] = match family.package_manager.as_str() {
        "apt" => &["apt-get", "--simulate", "install", "--no-install-recommends"],
        "dnf" => &["dnf", "install", "--assumeno", "--setopt=install_weak_deps=False"],
        "zypper" => &["zypper", "--non-interactive", "--xmlout", "install", "--dry-run", "--no-recommends"],
        _ => return None,
    };
    Some(set.with_names(Command::from_line(words.iter().map(|word| (*word).to_owned())), family))
}

/// Asks, and judges the answer.
pub fn rehearse(set: &InstallSet, host: &Host) -> Result<Rehearsal, Unsuitable> {
    let Some((family, command)) =
        distros::named(&set.family).and_then(|family| Some((family.clone(), command(set, &family)?)))
    else {
        return Err(Unsuitable::Failed(format!("no package manager is known for `{}`", set.family)));
    };
    let output = host.commands.capture(&command).map_err(Unsuitable::NotRun)?;
    let changes = match family.package_manager.as_str() {
        "apt" => parse_apt(&output.stdout),
        "dnf" => parse_dnf(&output.stdout),
        _ => parse_zypper(&output.stdout),
    };
    // dnf ends with 1 after it was told not to go on.
    let was_refused = family.package_manager == "dnf" && !changes.is_empty();
    if !output.exit.is_success() && !was_refused {
        return Err(Unsuitable::Failed(format!(
            "`{command}` ended with {}: {}",
            output.exit,
            complaint(&output.stdout, &output.stderr)
        )));
    }
    let rehearsal = Rehearsal { changes };
    judge(set, &rehearsal).map(|()| rehearsal)
}

/// Returns the line in which a package manager says what is wrong.
fn complaint(stdout: &str, stderr: &str) -> String {
    let lines = || stderr.lines().chain(stdout.lines()).map(str::trim).filter(|line| !line.is_empty());
    let is_error = |line: &&str| {
        line.starts_with("E:")
            || line.starts_with("Error")
            || line.contains("type=\"error\"")
            || line.contains("No match")
    };
    let found = lines().find(is_error).or_else(|| lines().next_back()).unwrap_or_default();
    // apt says which package cannot have what it needs above its error.
    let unmet =
        stdout.lines().map(str::trim).find(|line| line.contains(" : Depends:") || line.contains(" : Conflicts:"));
    let both = unmet.map_or_else(|| found.to_owned(), |unmet| format!("{found} {unmet}"));
    crate::text::printable(&both)
}

fn judge(set: &InstallSet, rehearsal: &Rehearsal) -> Result<(), Unsuitable> {
    let is_exchanged = |name: &str| set.replaces_driver && role_of_name(plain(name)) == Role::Driver;
    let going: Vec<String> = rehearsal
        .changes
        .iter()
        .filter(|change| change.new.is_none() && !is_exchanged(&change.name))
        .map(|change| change.name.clone())
        .collect();
    if !going.is_empty() {
        return Err(Unsuitable::Removes(going));
    }
    let coming = || rehearsal.changes.iter().filter_map(|change| Some((change, change.new.as_ref()?)));
    let engines: Vec<String> = coming()
        .filter(|(change, _)| change.old.is_none() && ENGINES.contains(&plain(&change.name)))
        .map(|(change, _)| change.name.clone())
        .collect();
    if !engines.is_empty() {
        return Err(Unsuitable::Engines(engines));
    }
    coming().try_for_each(|(change, new)| judge_version(set, &change.name, new))
}

fn judge_version(set: &InstallSet, name: &str, new: &str) -> Result<(), Unsuitable> {
    if set.purpose == Purpose::ContainerToolkit {
        let own = new.rsplit(':').next().unwrap_or(new);
        let wanted = set
            .version
            .as_ref()
            .filter(|wanted| set.packages.iter().any(|own| own == plain(name)) && !own.starts_with(wanted.as_str()));
        return wanted.map_or(Ok(()), |wanted| Err(other_version(name, new, wanted)));
    }
    let Some(told) = driver_version(plain(name), new) else { return Ok(()) };
    match (set.branch, &set.version) {
        (Some(branch), _) if told.branch() != branch => {
            Err(Unsuitable::OtherBranch { name: name.to_owned(), version: new.to_owned(), branch })
        }
        (_, Some(wanted)) if told.as_str() != wanted => Err(other_version(name, new, wanted)),
        _ => Ok(()),
    }
}

fn other_version(name: &str, version: &str, wanted: &str) -> Unsuitable {
    Unsuitable::OtherVersion { name: name.to_owned(), version: version.to_owned(), wanted: wanted.to_owned() }
}

/// A name without its architecture.
fn plain(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

/// Reads `Inst name [old] (new origin [arch])`, `Remv name [old]` and `Purg name [old]`.
pub fn parse_apt(text: &str) -> Vec<Change> {
    let change = |line: &str| {
        let (order, rest) = line.split_once(' ')?;
        let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let old = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(old, _)| old.to_owned());
        let new = rest.split_once('(').and_then(|(_, rest)| rest.split([' ', ')']).next()).map(str::to_owned);
        match order {
            "Inst" => Some(Change { name: name.to_owned(), old, new: Some(new.unwrap_or_default()) }),
            "Remv" | "Purg" => Some(Change { name: name.to_owned(), old: Some(old.unwrap_or_default()), new: None }),
            _ => None,
        }
    };
    text.lines().filter_map(change).collect()
}

/// What a section of dnf's table says of the packages below it.
#[derive(Clone, Copy, PartialEq)]
enum Section {
    Comes,
    Changes,
    Goes,
    Other,
}

fn section(line: &str) -> Option<Section> {
    let head = line.strip_suffix(':').filter(|_| !line.starts_with(' '))?;
    Some(match head {
        "Reinstalling" => Section::Other,
        head if head.starts_with("Installing") => Section::Comes,
        "Upgrading" | "Downgrading" => Section::Changes,
        head if head.starts_with("Removing") => Section::Goes,
        _ => Section::Other,
    })
}

/// Reads the table of dnf 4 and 5: sections with a row a package (name, architecture, version, repository, size), which
/// is broken where a name is long, and `replacing name` below the package that takes its place.
pub fn parse_dnf(text: &str) -> Vec<Change> {
    let (mut found, mut now, mut row) = (Vec::new(), Section::Other, Vec::new());
    for line in text.lines() {
        if line.starts_with("Transaction Summary") {
            break;
        }
        if let Some(next) = section(line.trim_end()) {
            (now, row) = (next, Vec::new());
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        if now == Section::Other || !line.starts_with(' ') {
            continue;
        }
        if let ["replacing", name, ..] = words.as_slice() {
            let own = name.rsplit_once('.').filter(|(_, arch)| is_architecture(arch)).map_or(*name, |(own, _)| own);
            found.push(Change { name: own.to_owned(), old: Some(String::new()), new: None });
            continue;
        }
        row.extend(words);
        let [name, arch, version, _repository, _size, ..] = row.as_slice() else { continue };
        if is_architecture(arch) {
            let there = (now != Section::Comes).then(String::new);
            let new = (now != Section::Goes).then(|| (*version).to_owned());
            found.push(Change { name: (*name).to_owned(), old: there, new });
        }
        row.clear();
    }
    found
}

fn is_architecture(word: &str) -> bool {
    matches!(word, "x86_64" | "aarch64" | "noarch" | "i686" | "i386")
}

/// Reads the summary of zypper's XML: `<to-install>`, `<to-upgrade>`, `<to-remove>` and others with a `<solvable>` a
/// package.
pub fn parse_zypper(text: &str) -> Vec<Change> {
    let (mut found, mut order) = (Vec::new(), String::new());
    for tag in text.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        if let Some(name) = tag.strip_prefix("to-") {
            name.trim_end_matches('/').clone_into(&mut order);
        } else if tag.starts_with("/to-") {
            order.clear();
        } else if tag.starts_with("solvable ") && attribute(tag, "type").is_none_or(|kind| kind == "package") {
            let Some(name) = attribute(tag, "name") else { continue };
            let edition = attribute(tag, "edition");
            found.extend(zypper_change(&order, name, edition, attribute(tag, "edition-old")));
        }
    }
    found
}

fn zypper_change(order: &str, name: String, edition: Option<String>, old: Option<String>) -> Option<Change> {
    match order {
        "install" => Some(Change { name, old: None, new: Some(edition.unwrap_or_default()) }),
        "remove" => Some(Change { name, old: Some(edition.unwrap_or_default()), new: None }),
        order if order.starts_with("upgrade") || order.starts_with("downgrade") || order.starts_with("change") => {
            Some(Change { name, old: Some(old.unwrap_or_default()), new: Some(edition.unwrap_or_default()) })
        }
        _ => None,
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    tag[start..].split('"').next().map(str::to_owned)
}
