//! Hold the driver and the kernel it was built for: no upgrade of the system touches them, neither by hand nor
//! unattended.
//!
//! Which packages these are is asked when it is done: an installation brings more than it names. Kubespray's own switch
//! for unattended upgrades covers the kernel alone, and its file is not touched. Sources: apt-mark(8),
//! unattended-upgrades' `Package-Blacklist`, dnf's versionlock plugin, zypper(8) `addlock`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    add_repository::Manager,
    install_set::rehearsal::parse_apt,
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    properties::{Preview, Properties, Reversal, RootReason},
    undo::{Held, Undo, WayBack},
    valid,
};
use crate::{
    facts::packages::{self, Package, Role, role_of_name},
    host::{Command, Host},
    i18n::msg,
    input::PackageName,
};

const UNATTENDED: &str = "/etc/apt/apt.conf.d/52gpunode-hold";
const UNATTENDED_TEXT: &str = "// Written by gpunode: unattended upgrades leave the driver alone, whatever is held.\n\
    Unattended-Upgrade::Package-Blacklist {\n  \"nvidia-\";\n  \"libnvidia-\";\n  \"linux-modules-nvidia-\";\n  \"linux-objects-nvidia-\";\n  \"cuda-drivers\";\n};\n";

/// Meta packages through which a new kernel comes.
const KERNELS: [&str; 6] =
    ["linux-image-", "linux-headers-", "linux-generic", "linux-modules-extra-", "kernel-core", "kernel-default"];

/// Holds packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldPackages {
    /// Who is told.
    pub manager: Manager,
    /// The container toolkit's packages, and others that are held by name where they are installed.
    pub also: Vec<String>,
    /// The kernel's meta packages too.
    pub kernel: bool,
}

impl HoldPackages {
    /// Returns what is to be held of what is installed.
    fn wanted(&self, host: &Host) -> Vec<Package> {
        let is_kernel = |name: &str| {
            // `linux-image-6.8.0-45-generic` is one kernel, `linux-image-generic` what brings the next.
            let is_meta = KERNELS.iter().any(|start| name.starts_with(start))
                && !name.chars().any(|c| c.is_ascii_digit() && !name.contains("hwe"));
            self.kernel && is_meta
        };
        let wanted = |package: &Package| {
            let name = package.name.as_str();
            role_of_name(name) == Role::Driver || is_kernel(name) || self.also.iter().any(|own| own == name)
        };
        packages::installed(host).into_iter().filter(wanted).collect()
    }

    fn names(&self, host: &Host) -> Vec<String> {
        let mut names: Vec<String> =
            self.wanted(host).iter().map(|package| package.manager_name().to_owned()).collect();
        names.sort();
        names.dedup();
        names
    }

    fn order(&self, names: &[String], holds: bool) -> Command {
        let command = match (self.manager, holds) {
            (Manager::Apt, true) => Command::new("apt-mark", ["hold"]),
            (Manager::Apt, false) => Command::new("apt-mark", ["unhold"]),
            (Manager::Dnf, true) => Command::new("dnf", ["versionlock", "add"]),
            (Manager::Dnf, false) => Command::new("dnf", ["versionlock", "delete"]),
            (Manager::Zypper, true) => Command::new("zypper", ["--non-interactive", "addlock"]),
            (Manager::Zypper, false) => Command::new("zypper", ["--non-interactive", "removelock"]),
        };
        let command = names.iter().fold(command, |command, name| command.operand_of::<PackageName>(name));
        command.deadline(Some(std::time::Duration::from_mins(2)))
    }

    /// Returns the names that are held now.
    fn held(&self, host: &Host) -> Result<Vec<String>, Failure> {
        let ask = match self.manager {
            Manager::Apt => Command::new("apt-mark", ["showhold"]),
            Manager::Dnf => Command::new("dnf", ["--quiet", "versionlock", "list"]),
            Manager::Zypper => Command::new("zypper", ["--non-interactive", "locks"]),
        };
        let output = host.commands.capture(&ask).map_err(Failure::own_words)?;
        Ok(match self.manager {
            Manager::Apt => output.stdout.lines().map(|line| line.trim().to_owned()).collect(),
            Manager::Dnf => output.stdout.lines().filter_map(locked_name).collect(),
            Manager::Zypper => {
                output.stdout.lines().filter_map(|line| Some(line.split('|').nth(1)?.trim().to_owned())).collect()
            }
        })
    }

    /// An upgrade that is only rehearsed must leave all of them alone.
    fn upgrade_touches(&self, host: &Host, names: &[String]) -> Result<Option<String>, Failure> {
        if self.manager != Manager::Apt {
            return Ok(None);
        }
        let output = host
            .commands
            .capture(&Command::new("apt-get", ["--simulate", "dist-upgrade"]))
            .map_err(Failure::own_words)?;
        let touched: Vec<String> = parse_apt(&output.stdout)
            .into_iter()
            .map(|change| change.name)
            .filter(|name| names.contains(name))
            .collect();
        if touched.is_empty() {
            Ok(Some("a simulated upgrade touches none of them".to_owned()))
        } else {
            Err(Failure::new(msg::failure::hold_in_vain(touched.join(", "))))
        }
    }
}

/// Returns the name in a lock of dnf: `name-0:version-release.*`, or in dnf 5 `Package name: name`.
fn locked_name(line: &str) -> Option<String> {
    if let Some(name) = line.strip_prefix("Package name:") {
        return Some(name.trim().to_owned());
    }
    let (start, _) = line.split_once(':')?;
    let (name, epoch) = start.rsplit_once('-')?;
    epoch.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*').then(|| name.trim_start_matches('!').to_owned())
}

impl ActionKind for HoldPackages {
    fn properties(&self) -> Properties {
        Properties::on_machine(RootReason::Packages, Reversal::Whole)
    }

    fn preview(&self) -> Preview {
        let diff = (self.manager == Manager::Apt).then(|| {
            let added = UNATTENDED_TEXT.lines().fold(String::new(), |diff, line| diff + "+" + line + "\n");
            format!("--- /dev/null\n+++ {UNATTENDED}\n{added}")
        });
        let detail = if self.kernel { msg::details::hold_packages::kernel() } else { msg::details::hold_packages() };
        Preview { diff, details: vec![detail], ..Preview::of([self.order(&self.also, true)]) }
    }

    fn validate(&self) -> Result<(), Failure> {
        self.also.iter().try_for_each(|name| valid::is::<PackageName>(name))
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let (wanted, held) = (self.names(host), self.held(host).ok()?);
        let all = !wanted.is_empty() && wanted.iter().all(|name| held.contains(name));
        let is_told =
            self.manager != Manager::Apt || host.files.read_text(UNATTENDED).is_ok_and(|text| text == UNATTENDED_TEXT);
        (all && is_told).then(|| vec![format!("held: {}", wanted.join(", "))])
    }

    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        let held = self.held(context.host)?;
        let names = self.names(context.host).into_iter().filter(|name| !held.contains(name)).collect();
        let file = (self.manager == Manager::Apt)
            .then(|| context.save_file(Path::new(UNATTENDED), UNATTENDED_TEXT.as_bytes()))
            .transpose()?;
        Ok(Undo::Held(Held { names, files: file.into_iter().collect() }).into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let held = self.held(context.host)?;
        let names: Vec<String> = self.names(context.host).into_iter().filter(|name| !held.contains(name)).collect();
        if self.manager == Manager::Apt {
            context.write(Path::new(UNATTENDED), UNATTENDED_TEXT.as_bytes())?;
        }
        if names.is_empty() { Ok(()) } else { context.run(&self.order(&names, true)) }
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        let Some(proof) = self.check(host) else { return Verdict::Unfinished };
        match self.upgrade_touches(host, &self.names(host)) {
            Ok(more) => Verdict::Proven(proof.into_iter().chain(more).collect()),
            Err(failure) => Verdict::Failed(failure),
        }
    }

    /// Only what we held is let go.
    fn way_back(&self, host: &Host, undo: &Undo) -> Result<WayBack, Failure> {
        let Undo::Held(Held { names, files }) = undo else { return Ok(WayBack::Nothing) };
        names.iter().try_for_each(|name| valid::is::<PackageName>(name))?;
        let held = self.held(host)?;
        let ours: Vec<String> = names.iter().filter(|name| held.contains(name)).cloned().collect();
        let then = (!ours.is_empty()).then(|| self.order(&ours, false)).into_iter().collect();
        Undo::Files(files.clone()).restore_then(&[Path::new(UNATTENDED)], then)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_locks_of_both_dnfs() {
        assert_eq!(locked_name("nvidia-driver-cuda-3:580.95.05-1.el9.*").as_deref(), Some("nvidia-driver-cuda"));
        assert_eq!(locked_name("Package name: nvidia-driver-cuda").as_deref(), Some("nvidia-driver-cuda"));
        assert_eq!(locked_name("Last metadata expiration check: 0:00:01 ago"), None);
        assert_eq!(locked_name(""), None);
    }
}
