//! What a removal would take with it, asked of the package manager itself, which changes nothing.

use super::{GoesAlong, RemovePackages, in_a_line};
use crate::{
    facts::packages::{Role, role_of_name},
    host::{CommandError, Host},
    i18n::{Arg, msg},
};

/// Why a removal was not rehearsed to a good end.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unrehearsed {
    /// The package manager could not be asked.
    #[error(transparent)]
    NotRun(CommandError),
    /// It would fail.
    #[error("{0}")]
    Failed(String),
    /// It would take away what is neither a driver's nor a toolkit's, and the user has not said that it may.
    #[error("{} would go too, and are not NVIDIA's", in_a_line(.0))]
    Others(Vec<GoesAlong>),
    /// It would install something in their place, as another driver that meets the same dependency.
    #[error("{} would be installed in their place", .0.join(", "))]
    Installs(Vec<String>),
}

impl Unrehearsed {
    /// Returns why, as part of a sentence.
    pub fn told(&self) -> Arg {
        match self {
            Self::Others(others) => msg::preflight::seen::packages_of_others(in_a_line(others)).into(),
            Self::Installs(names) => msg::preflight::seen::packages_installed(names.join(", ")).into(),
            Self::NotRun(_) | Self::Failed(_) => self.to_string().into(),
        }
    }
}

/// What a package manager would do.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rehearsal {
    goes: Vec<GoesAlong>,
    installs: Vec<String>,
}

impl RemovePackages {
    /// Asks the package manager what would go beside our packages. The error names what is in the way.
    pub fn rehearse(&self, host: &Host) -> Result<Vec<GoesAlong>, Unrehearsed> {
        let mut others: Vec<_> = self.along.iter().filter(|along| along.is_others).cloned().collect();
        let mut also = Vec::new();
        let mut all = self.clone();
        // rpm names only who needs the packages themselves, not who needs those.
        while let Some(more) = all.rehearse_once(host)?.filter(|more| !more.is_empty()) {
            all.packages.extend(more.iter().map(|along| along.name.clone()));
            others.extend(more.iter().filter(|along| along.is_others).cloned());
            also.extend(more);
        }
        if others.is_empty() || self.others_too { Ok(also) } else { Err(Unrehearsed::Others(others)) }
    }

    fn rehearse_once(&self, host: &Host) -> Result<Option<Vec<GoesAlong>>, Unrehearsed> {
        let Some(family) = self.family() else { return Ok(None) };
        let command = self.with_names(&family.rehearse);
        let output = host.commands.capture(&command).map_err(Unrehearsed::NotRun)?;
        let Rehearsal { mut goes, installs } = parse(&output.stdout, &output.stderr);
        goes.retain(|along| !self.names(&along.name));
        if !installs.is_empty() {
            return Err(Unrehearsed::Installs(installs));
        }
        // rpm tells of dependents by an error; other errors are about the names themselves.
        if !output.exit.is_success() && goes.is_empty() {
            let said = output.stderr.lines().next().unwrap_or_default().trim();
            return Err(Unrehearsed::Failed(format!("`{command}` ended with {}: {said}", output.exit)));
        }
        Ok(Some(goes))
    }

    /// Tells whether a name is among ours, with or without its architecture.
    fn names(&self, name: &str) -> bool {
        let plain = |name: &str| name.split(':').next().unwrap_or(name).to_owned();
        self.packages.iter().any(|own| plain(own) == plain(name))
    }
}

/// Reads `Purg name [version]`, `Remv …` and `Inst …` of apt, and
/// `x is needed by (installed) name-version-release.arch` of rpm.
fn parse(stdout: &str, stderr: &str) -> Rehearsal {
    let mut found = Rehearsal::default();
    for line in stdout.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("Purg" | "Remv"), Some(name)) => found.add(name, None),
            (Some("Inst"), Some(name)) => found.installs.push(name.to_owned()),
            _ => {}
        }
    }
    for line in stderr.lines() {
        let Some((needed, package)) = line.rsplit_once(" is needed by (installed) ") else { continue };
        let package = package.trim();
        found.add(package.rsplitn(3, '-').nth(2).unwrap_or(package), Some(needed.trim()));
    }
    found.goes.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

impl Rehearsal {
    fn add(&mut self, name: &str, needs: Option<&str>) {
        let needs = needs.map(str::to_owned);
        if let Some(known) = self.goes.iter_mut().find(|along| along.name == name) {
            known.needs.extend(needs);
        } else {
            let is_others = !matches!(role_of_name(name), Role::Driver | Role::Toolkit);
            self.goes.push(GoesAlong { name: name.to_owned(), needs: needs.into_iter().collect(), is_others });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_apt_would_remove_and_install() {
        let stdout = "Reading package lists...\nPurg cuda-drivers-535 [535.183-1]\nRemv my-app [1.0] [libc6:amd64 ]\n\
            Purg cuda-drivers-535 [1]\nInst libnvidia-tesla-cuda1 (525.147.05-15~deb12u1 Debian:12)\n";
        let found = parse(stdout, "");
        assert_eq!(in_a_line(&found.goes), "cuda-drivers-535, my-app");
        assert_eq!(found.goes.iter().map(|along| along.is_others).collect::<Vec<_>>(), [false, true]);
        assert_eq!(found.installs, ["libnvidia-tesla-cuda1"]);
    }

    #[test]
    fn reads_who_needs_what_from_rpm() {
        let stderr = "error: Failed dependencies:\n\tlibcuda.so.1()(64bit) is needed by (installed) my-app-2.0-1.el9.x86_64\n\
            \tlibnvidia-ml is needed by (installed) my-app-2.0-1.el9.x86_64\n";
        assert_eq!(in_a_line(&parse("", stderr).goes), "my-app → libcuda.so.1()(64bit) …");
    }
}
