//! The database of dpkg: `/var/lib/dpkg/status`, a paragraph a package.
//! Source: deb822(5), deb-control(5) and dpkg-query(1) for the states.

use super::{Package, dependents};
use crate::text::printable;

/// Returns the packages whose files are on the machine: also half-installed ones, but not removed ones that left their
/// configuration.
pub fn parse(text: &str) -> Vec<Package> {
    let all: Vec<Paragraph<'_>> = paragraphs(text).collect();
    let dpkg = all.iter().find(|paragraph| paragraph.get("Package").as_deref() == Some("dpkg"));
    let native = dpkg.and_then(|dpkg| dpkg.get("Architecture"));
    all.iter().filter_map(|paragraph| package(paragraph, native.as_deref())).collect()
}

/// Fields and their values, continued lines included, as they stand in one paragraph.
struct Paragraph<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Paragraph<'a> {
    fn of(text: &'a str) -> Self {
        let mut fields = Vec::with_capacity(16);
        let mut rest = text;
        while let Some((name, more)) = rest.split_once(':') {
            let end = more.match_indices('\n').find(|(at, _)| !more[at + 1..].starts_with([' ', '\t']));
            let end = end.map_or(more.len(), |(at, _)| at);
            // What is no field has no colon before its line ends.
            fields.push((name.rsplit('\n').next().unwrap_or(name), &more[..end]));
            rest = more[end..].trim_start_matches('\n');
        }
        Self(fields)
    }

    /// Returns a field's value with its continued lines joined.
    fn get(&self, name: &str) -> Option<String> {
        let (_, value) = self.0.iter().find(|(field, _)| *field == name)?;
        let mut lines = value.lines().map(str::trim);
        let mut joined = lines.next().unwrap_or_default().to_owned();
        for line in lines {
            if !joined.is_empty() {
                joined.push(' ');
            }
            joined.push_str(line);
        }
        Some(joined)
    }
}

fn paragraphs(text: &str) -> impl Iterator<Item = Paragraph<'_>> {
    text.split("\n\n").map(|text| Paragraph::of(text.trim_start()))
}

/// A package of another architecture than dpkg's own is `name:architecture`, as apt wants it.
fn package(paragraph: &Paragraph<'_>, native: Option<&str>) -> Option<Package> {
    let name = printable(&paragraph.get("Package")?);
    let status = paragraph.get("Status")?;
    let mut states = status.split_whitespace();
    let is_held = states.next() == Some("hold");
    if matches!(states.nth(1)?, "not-installed" | "config-files") {
        return None;
    }
    let list = |name: &str| paragraph.get(name).unwrap_or_default();
    let depends = [list("Pre-Depends"), list("Depends")];
    let architecture = list("Architecture");
    let is_foreign =
        !architecture.is_empty() && architecture != "all" && native.is_some_and(|native| native != architecture);
    Some(Package {
        id: if is_foreign { printable(&format!("{name}:{architecture}")) } else { name.clone() },
        is_held,
        is_of_rpm: false,
        // `/etc/x.conf <md5>`, with `obsolete` behind it where a newer version has it no more.
        configuration: list("Conffiles").split(' ').filter(|word| word.starts_with('/')).map(str::to_owned).collect(),
        architecture,
        version: printable(&paragraph.get("Version").unwrap_or_default()),
        source: paragraph.get("Source").and_then(|source| Some(printable(source.split_whitespace().next()?))),
        provides: list("Provides").split(',').filter_map(first_word).collect(),
        depends: depends
            .iter()
            .flat_map(|list| list.split(','))
            .map(alternatives)
            .filter(|any| !any.is_empty())
            .collect(),
        name,
    })
}

/// `a (>= 1) | b:any` are two packages of which one is enough.
fn alternatives(clause: &str) -> Vec<String> {
    clause.split('|').filter_map(first_word).collect()
}

fn first_word(text: &str) -> Option<String> {
    let word = text.split([' ', '(', ':', '[', '\t']).find(|word| !word.is_empty())?;
    Some(printable(word))
}

/// Returns the paragraphs that `super::probe` looks at, with no more of them than it needs to find the same again: what
/// a package depends on is kept only where that takes it along with the driver.
pub fn excerpt(text: &str) -> String {
    let packages = parse(text);
    let listed = dependents::listed(&packages);
    let keep = |paragraph: &Paragraph<'_>| {
        let name = paragraph.get("Package").unwrap_or_default();
        name == "dpkg" || listed.iter().any(|(package, _)| package.name == name)
    };
    let fields = |paragraph: Paragraph<'_>| {
        let name = paragraph.get("Package").unwrap_or_default();
        let goes_along = listed.iter().any(|(package, needs)| package.name == name && !needs.is_empty());
        let base = ["Package", "Status", "Version", "Architecture", "Source", "Provides"];
        let names = base.iter().chain(["Pre-Depends", "Depends"].iter().filter(|_| goes_along));
        names.filter_map(|name| Some(format!("{name}: {}\n", paragraph.get(name)?))).collect::<String>()
    };
    paragraphs(text).filter(keep).map(|paragraph| fields(paragraph) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_source_provides_and_folded_dependencies() {
        let text = "Package: nvidia-driver-550\nStatus: install ok installed\nSource: nvidia-graphics-drivers-550 (550.54.15-0ubuntu1)\n\
            Version: 550.54.15-0ubuntu1\nProvides: nvidia-driver-binary, xorg-driver-video (= 1)\nDepends:\n \tlibnvidia-gl-550 (= 1),\n\
            \tnvidia-dkms-550 (<= 550.54.15-1) | nvidia-dkms-550-open:any\nDescription: a driver\n with more lines\n";
        let [package] = &parse(text)[..] else { panic!("one package") };
        assert_eq!(package.source.as_deref(), Some("nvidia-graphics-drivers-550"));
        assert_eq!(package.provides, ["nvidia-driver-binary", "xorg-driver-video"]);
        assert_eq!(package.depends, [vec!["libnvidia-gl-550"], vec!["nvidia-dkms-550", "nvidia-dkms-550-open"]]);
    }

    #[test]
    fn removed_packages_do_not_count_and_half_installed_ones_do() {
        let package = |name: &str, state: &str| format!("Package: {name}\nStatus: {state}\nVersion: 1\n\n");
        let text = package("a", "deinstall ok config-files")
            + &package("b", "install reinstreq half-installed")
            + &package("c", "purge ok not-installed");
        assert_eq!(parse(&text).iter().map(|package| package.name.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn a_package_of_another_architecture_is_named_with_it() {
        let package = |name: &str, architecture: &str| {
            format!("Package: {name}\nStatus: install ok installed\nArchitecture: {architecture}\nVersion: 1\n\n")
        };
        let text = [
            package("dpkg", "amd64"),
            package("libcuda1", "amd64"),
            package("libcuda1", "i386"),
            package("nvidia-smi", "all"),
        ];
        let ids: Vec<_> = parse(&text.concat()).into_iter().map(|package| package.id).collect();
        assert_eq!(ids, ["dpkg", "libcuda1", "libcuda1:i386", "nvidia-smi"]);
    }
}
