//! Asks the package manager whether it offers headers for the running kernel. It may refresh its lists over the network
//! first, so this is no part of [`probe`](super::probe()) and has a deadline of its own.

use std::time::Duration;

use super::{Facts, HeadersOffer, HostFacts, Unknown, findings, reader::Reader};
use crate::{
    catalog::distros,
    host::{Command, Exit, Host},
    i18n::msg,
    text::printable,
};

/// The name under which an unknown answer stands in [`Facts::unknown`].
pub const FACT: &str = "host.headers_offer";

/// How long a package manager may take: it may have to fetch its lists anew, and a mirror may be out of reach.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Where apt keeps the lists of its repositories.
const APT_LISTS: &str = "/var/lib/apt/lists";

/// What `zypper` ends with when it knows no such package (`ZYPPER_EXIT_INF_CAP_NOT_FOUND`).
const ZYPPER_NOT_FOUND: Exit = Exit::Code(104);

/// What the package manager said, or why it is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    offer: HeadersOffer,
    unknown: Option<Unknown>,
}

/// Asks for the headers of this host's kernel; blocks for `deadline` at most. Headers that are installed need no offer:
/// then nobody is asked.
pub fn ask(host: &Host, facts: &HostFacts, deadline: Duration) -> Answer {
    let family = distros::family(facts.system());
    let packages = family.as_ref().map(|family| family.headers.clone()).unwrap_or_default();
    let mut offer = HeadersOffer { packages, ..HeadersOffer::default() };
    let mut reader = Reader::new(host);
    if facts.lacks_headers() {
        match family {
            Some(family) => query(&mut reader, &family.package_manager, &mut offer, deadline),
            None => reader.note(FACT, Unknown::from(msg::unknown::distribution_not_known(&facts.os_id))),
        }
    }
    Answer { offer, unknown: reader.unknown.remove(FACT) }
}

impl HostFacts {
    /// Tells whether the headers of the running kernel are known not to be installed.
    pub fn lacks_headers(&self) -> bool {
        !self.kernel_headers && !self.kernel.is_empty()
    }
}

impl Facts {
    /// Takes in what the package manager said, and judges anew.
    pub fn take_offer(&mut self, answer: Answer) {
        self.host.headers_offer = answer.offer;
        self.unknown.remove(FACT);
        self.unknown.extend(answer.unknown.map(|reason| (FACT.to_owned(), reason)));
        self.findings = findings::judge(self);
    }

    /// Takes over what the package manager said at an earlier look, as long as it is still about the same kernel.
    pub fn keep_offer(&mut self, before: &Self) {
        let unknown = before.unknown.get(FACT).cloned();
        let asked = before.host.headers_offer.offered.is_some() || unknown.is_some();
        if asked && self.host.lacks_headers() && self.host.kernel == before.host.kernel {
            self.take_offer(Answer { offer: before.host.headers_offer.clone(), unknown });
        }
    }
}

/// Asks the manager for `offer.packages` and puts what it offers into `offer`.
fn query(reader: &mut Reader<'_>, manager: &str, offer: &mut HeadersOffer, deadline: Duration) {
    if manager == "apt" && !has_apt_lists(reader) {
        return reader.note(FACT, Unknown::from(msg::unknown::no_package_lists(APT_LISTS)));
    }
    let command = command(reader, manager, &offer.packages).deadline(Some(deadline));
    let Some(text) = answer(reader, &command) else { return };
    let parse = match (manager, command.program.as_str()) {
        ("apt", _) => parse_apt_policy,
        ("zypper", _) => parse_zypper,
        (_, "yum") => parse_yum_list,
        _ => parse_repoquery,
    };
    let offered = parse(&text);
    for package in &mut offer.packages {
        match offered.iter().find(|found| is_offer(found, package)) {
            // zypper names a build (`…-150600.23.25.1`) more exactly than the kernel does.
            Some(found) if manager == "zypper" => package.clone_from(found),
            Some(_) => {}
            None => offer.missing.push(package.clone()),
        }
    }
    offer.offered = Some(offer.missing.is_empty());
    offer.asked = Some(command.to_string());
}

/// Without lists apt knows no package at all, which says nothing about the repositories.
fn has_apt_lists(reader: &Reader<'_>) -> bool {
    let names = reader.host.files.list(std::path::Path::new(APT_LISTS)).unwrap_or_default();
    names.iter().any(|name| name.contains("_Packages"))
}

fn command(reader: &Reader<'_>, manager: &str, packages: &[String]) -> Command {
    let with = |program: &str, words: &[&'static str], names: &mut dyn Iterator<Item = String>| {
        Command::new(program, words.iter().copied()).operands(names)
    };
    let mut names = packages.iter().cloned();
    match manager {
        "apt" => with("apt-cache", &["policy"], &mut names),
        "zypper" => {
            // The build is matched by us: zypper takes only whole ones.
            let mut names = names.map(|name| name.split('=').next().unwrap_or_default().to_owned());
            with(
                "zypper",
                &["--non-interactive", "--xmlout", "search", "--details", "--match-exact", "--type", "package"],
                &mut names,
            )
        }
        "yum" if reader.host.commands.locate("repoquery").is_some() => with("repoquery", &["--quiet"], &mut names),
        "yum" => with("yum", &["--quiet", "list"], &mut names),
        other => with(other, &["--quiet", "repoquery"], &mut names),
    }
}

/// Runs the query. That nothing matches is an answer too, which `yum` and `zypper` give with a failure.
fn answer(reader: &mut Reader<'_>, command: &Command) -> Option<String> {
    let output = match reader.host.commands.capture(command) {
        Ok(output) => output,
        Err(error) => {
            reader.note(FACT, Unknown::from_command(command, &error));
            return None;
        }
    };
    let nothing_matches = match command.program.as_str() {
        "yum" => output.stderr.contains("No matching Packages"),
        "zypper" => output.exit == ZYPPER_NOT_FOUND,
        _ => false,
    };
    if output.exit.is_success() || nothing_matches {
        return Some(output.stdout);
    }
    reader.note(FACT, Unknown::from_output(command, &output));
    None
}

/// Tells whether the package `found` (`name-version-release.arch`, or `name=edition`) is what `wanted` asks for.
fn is_offer(found: &str, wanted: &str) -> bool {
    found.strip_prefix(wanted).is_some_and(|rest| match rest.as_bytes() {
        [] | [b'.', ..] => true,
        [b'-', version, ..] => version.is_ascii_digit(),
        _ => false,
    })
}

/// Returns the packages with a candidate in the output of `apt-cache policy`: a name at the start of a line, ended by a
/// colon, then its fields.
pub fn parse_apt_policy(text: &str) -> Vec<String> {
    let mut name = "";
    let mut found = Vec::new();
    for line in text.lines() {
        match line.trim_start().strip_prefix("Candidate:") {
            Some(candidate) if line.starts_with(' ') && !matches!(candidate.trim(), "" | "(none)") => {
                found.push(printable(name));
            }
            _ if !line.starts_with(' ') => name = line.trim_end().trim_end_matches(':'),
            _ => {}
        }
    }
    found
}

/// Returns the packages of `dnf repoquery` and of yum's `repoquery`, a line each, without the epoch
/// (`kernel-devel-0:3.10.0-…`).
pub fn parse_repoquery(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| line.contains('-')).map(|line| printable(&without_epoch(line))).collect()
}

fn without_epoch(name: &str) -> String {
    let epoch = name.split_once(':').and_then(|(front, rest)| Some((front.rsplit_once('-')?, rest)));
    match epoch {
        Some(((name, epoch), rest)) if !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{name}-{rest}")
        }
        _ => name.to_owned(),
    }
}

/// Returns the packages of `yum list`: three words each, name with architecture, version and repository, which a narrow
/// output breaks over lines.
pub fn parse_yum_list(text: &str) -> Vec<String> {
    let words: Vec<_> =
        text.lines().filter(|line| !line.trim_end().ends_with("Packages")).flat_map(str::split_whitespace).collect();
    let package = |row: &[&str]| {
        let (name, arch) = row[0].rsplit_once('.')?;
        Some(printable(&without_epoch(&format!("{name}-{}.{arch}", row[1]))))
    };
    words.chunks_exact(3).filter_map(package).collect()
}

/// Returns `name=edition` of each package in the XML of `zypper search --details`.
pub fn parse_zypper(text: &str) -> Vec<String> {
    let attribute = |tag: &str, name: &str| {
        let value = tag.split_once(&format!(" {name}=\""))?.1;
        Some(value.split('"').next()?.to_owned())
    };
    let package = |tag: &str| {
        let tag = tag.split('>').next()?;
        Some(printable(&format!("{}={}", attribute(tag, "name")?, attribute(tag, "edition")?)))
    };
    text.split("<solvable").skip(1).filter_map(package).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn apt_offers_what_has_a_candidate() {
        let text = "linux-headers-6.8.0-45-generic:\n  Installed: (none)\n  Candidate: 6.8.0-45.45\n  Version table:\n     6.8.0-45.45 500\n        \
            500 http://archive.ubuntu.com/ubuntu noble-updates/main amd64 Packages\nlinux-headers-0:\n  Installed: (none)\n  Candidate: (none)\n";
        assert_eq!(parse_apt_policy(text), ["linux-headers-6.8.0-45-generic"]);
        assert_eq!(parse_apt_policy(""), [""; 0]);
    }

    #[test]
    fn repoquery_may_name_the_epoch() {
        let text = "kernel-devel-0:3.10.0-1160.2.2.el7.x86_64\nkernel-headers-4.18.0-553.el8_10.x86_64\n\n";
        assert_eq!(
            parse_repoquery(text),
            ["kernel-devel-3.10.0-1160.2.2.el7.x86_64", "kernel-headers-4.18.0-553.el8_10.x86_64"]
        );
    }

    #[test]
    fn yum_breaks_its_lines() {
        let text = "Available Packages\nkernel-devel.x86_64       3.10.0-1160.2.2.el7        updates\nkernel-headers.x86_64\n          \
            3.10.0-1160.2.2.el7                                                    updates\n";
        assert_eq!(
            parse_yum_list(text),
            ["kernel-devel-3.10.0-1160.2.2.el7.x86_64", "kernel-headers-3.10.0-1160.2.2.el7.x86_64"]
        );
    }

    #[test]
    fn zypper_names_builds() {
        let text = "<?xml version='1.0'?>\n<stream>\n<search-result version=\"0.0\">\n<solvable-list>\n<solvable status=\"not-installed\" \
            name=\"kernel-default-devel\" kind=\"package\" edition=\"6.4.0-150600.23.25.1\" arch=\"x86_64\" repository=\"SLE\"/>\n</solvable-list>\n";
        assert_eq!(parse_zypper(text), ["kernel-default-devel=6.4.0-150600.23.25.1"]);
    }

    #[test]
    fn an_offer_is_of_this_very_kernel() {
        assert!(is_offer("kernel-devel-3.10.0-1160.2.2.el7.x86_64", "kernel-devel-3.10.0-1160.2.2.el7.x86_64"));
        assert!(is_offer("kernel-headers-4.18.0-553.el8_10.x86_64", "kernel-headers"));
        assert!(is_offer("kernel-default-devel=6.4.0-150600.23.25.1", "kernel-default-devel=6.4.0-150600.23.25"));
        assert!(!is_offer("kernel-default-devel=6.4.0-150600.23.250", "kernel-default-devel=6.4.0-150600.23.25"));
        assert!(!is_offer("kernel-headers-extra-4.18.0", "kernel-headers"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in any::<String>()) {
            let _ = (parse_apt_policy(&text), parse_repoquery(&text), parse_yum_list(&text), parse_zypper(&text));
            let _ = parse_zypper(&format!("<solvable name=\"{text}\" edition=\"{text}"));
            let _ = parse_repoquery(&format!("a-{text}:{text}"));
        }
    }
}
