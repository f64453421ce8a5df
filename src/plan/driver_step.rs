//! The plan of step 2: one driver owner, a clean host, and CUDA without the driver.

use std::path::{Path, PathBuf};

use super::{
    Action, Kind, Step, blacklist_nouveau::BlacklistNouveau, checksum::Checksum, fetch_runfile::FetchRunfile,
    install_packages::InstallPackages, install_toolkit::InstallToolkit, reboot::Reboot, remove_packages::RemovePackages,
    remove_runfile_driver::RemoveRunfileDriver, set_paths::SetPaths,
};
use crate::{
    answers::{Answers, DriverOwner},
    catalog::{Architecture, CudaRow, cuda, distros},
    facts::{
        Facts, LedgerEntry, Origin,
        packages::{is_driver_package, package_name},
    },
    version::Version,
};

/// Plans step 2. `downloads` is where a downloaded runfile goes.
pub fn driver_step(facts: &Facts, answers: &Answers, downloads: &Path) -> Vec<Action> {
    let mut actions = Vec::new();
    if answers.driver_owner != DriverOwner::Host {
        actions.extend(remove_drivers(facts));
    }
    actions.extend(blacklist(facts));
    if let Some(version) = answers.cuda() {
        actions.extend(compiler(facts));
        actions.extend(toolkit(facts, answers, version, downloads));
    }
    for action in &mut actions {
        action.skipped = answers.leave_out.contains(&action.id);
        if action.needs_root && !facts.host.root {
            action.blocked = Some("needs-root".to_owned());
        }
    }
    // The reboot comes last and once, and only for what is really going to be done.
    if actions.iter().any(|action| action.needs_reboot && !action.skipped) || is_left_over(facts, answers) {
        actions.push(reboot(facts, answers));
    }
    actions
}

/// A driver on the host and the owner's driver would fight over the card.
fn remove_drivers(facts: &Facts) -> Vec<Action> {
    let entries = |origin: &[Origin]| facts.driver.ledger.iter().filter(|entry| origin.contains(&entry.origin)).collect::<Vec<_>>();
    let mut actions: Vec<_> = entries(&[Origin::Runfile]).into_iter().map(|entry| remove_runfile_driver(entry, facts)).collect();
    let mut packages = entries(&[Origin::Deb, Origin::Rpm]);
    packages.retain(|entry| is_driver_package(entry));
    if !packages.is_empty() {
        actions.push(remove_packages(&packages, facts));
    }
    actions
}

fn remove_runfile_driver(entry: &LedgerEntry, facts: &Facts) -> Action {
    let kind = RemoveRunfileDriver { uninstaller: entry.r#where.clone().into(), version: entry.what.clone() };
    let command = kind.command();
    let args = [("version", kind.version.clone()), ("uninstaller", entry.r#where.clone())];
    let mut action = Action::new(Step::Driver, "remove-runfile-driver", Kind::RemoveRunfileDriver(kind), &args);
    action.commands = vec![command];
    action.needs_reboot = is_loaded(facts);
    action
}

fn remove_packages(entries: &[&LedgerEntry], facts: &Facts) -> Action {
    let packages: Vec<String> = entries.iter().filter_map(|entry| package_name(entry)).map(str::to_owned).collect();
    let remove = distros::family(&facts.host).map(|family| family.remove).unwrap_or_default();
    let is_known = !remove.is_empty();
    let kind = RemovePackages { remove, packages };
    let command = kind.command();
    let args = [("packages", kind.packages.join(", ")), ("count", kind.packages.len().to_string())];
    let mut action = Action::new(Step::Driver, "remove-packages", Kind::RemovePackages(kind), &args);
    if is_known {
        action.commands = vec![command];
    } else {
        action.blocked = Some("unknown-package-manager".to_owned());
    }
    action.needs_reboot = is_loaded(facts);
    action
}

fn is_loaded(facts: &Facts) -> bool {
    facts.driver.loaded_version.is_some() || facts.driver.modules.iter().any(|module| module.name.starts_with("nvidia"))
}

/// A driver that is loaded although no driver is on the host any more: removed before, and still in the kernel until the next boot.
/// What the installer pod has loaded is no left-over.
fn is_left_over(facts: &Facts, answers: &Answers) -> bool {
    let ledger = |origins: &[Origin]| facts.driver.ledger.iter().any(|entry| origins.contains(&entry.origin));
    let on_host = ledger(&[Origin::Runfile, Origin::Deb, Origin::Rpm, Origin::Dkms, Origin::ModuleFile]);
    answers.driver_owner != DriverOwner::Host && is_loaded(facts) && !on_host && !ledger(&[Origin::InstallerPod, Origin::Operator])
}

/// Nouveau or nova on a card keeps any NVIDIA driver off it.
fn blacklist(facts: &Facts) -> Option<Action> {
    let taken = facts.gpus.iter().filter_map(|gpu| gpu.kernel_driver.as_deref()).find(|name| matches!(*name, "nouveau" | "NovaCore"));
    let loaded = facts.driver.modules.iter().map(|module| module.name.as_str()).find(|name| matches!(*name, "nouveau" | "nova_core"));
    let name = taken.or(loaded)?;
    let initramfs = distros::family(&facts.host).map(|family| family.initramfs).unwrap_or_default();
    let is_known = !initramfs.is_empty();
    let kind = BlacklistNouveau { initramfs };
    let commands = kind.command().into_iter().collect();
    let mut action = Action::new(Step::Driver, "blacklist-nouveau", Kind::BlacklistNouveau(kind), &[("driver", name.to_owned())]);
    action.commands = commands;
    action.diff = Some(BlacklistNouveau::diff());
    action.needs_reboot = true;
    if !is_known {
        action.blocked = Some("unknown-initramfs".to_owned());
    }
    Some(action)
}

/// The toolkit is of no use without a compiler.
fn compiler(facts: &Facts) -> Option<Action> {
    if facts.host.gcc_version.is_some() {
        return None;
    }
    let family = distros::family(&facts.host)?;
    let kind = InstallPackages { install: family.install, packages: family.compiler, program: "gcc".to_owned() };
    let command = kind.command();
    let args = [("packages", kind.packages.join(", "))];
    let mut action = Action::new(Step::Driver, "install-packages", Kind::InstallPackages(kind), &args);
    action.commands = vec![command];
    Some(action)
}

/// Downloads the runfile unless one was given, installs it, and sets the paths unless the prefix is one's own.
fn toolkit(facts: &Facts, answers: &Answers, version: &Version, downloads: &Path) -> Vec<Action> {
    let row = cuda::runfile(version, Architecture::from_uname(&facts.host.architecture));
    let checksum = answers.cuda_runfile_sha256.clone().map(Checksum::Sha256).or_else(|| published_checksum(row.as_ref()?));
    let name = row.as_ref().map_or_else(|| format!("cuda_{version}_linux.run"), |row| row.file.clone());
    let runfile = answers.cuda_runfile.clone().unwrap_or_else(|| downloads.join(name));
    let prefix = answers.cuda_prefix.clone().unwrap_or_else(|| format!("/usr/local/cuda-{}", version.major_minor()).into());
    let mut actions = Vec::new();
    if let (None, Some(row), Some(checksum)) = (&answers.cuda_runfile, &row, &checksum) {
        actions.push(fetch_runfile(row, checksum, &runfile));
    }
    let mut install = install_toolkit(version, &prefix, runfile, checksum);
    if row.is_none() && answers.cuda_runfile.is_none() {
        install.blocked = Some("no-checksum".to_owned());
    }
    if answers.cuda_prefix.is_some() {
        // The runfile writes nowhere else, so it takes no root; and what is one's own is not put on everybody's path.
        install.needs_root = false;
        actions.push(install);
    } else {
        actions.extend([install, set_paths(prefix)]);
    }
    actions
}

fn published_checksum(row: &CudaRow) -> Option<Checksum> {
    let sha256 = row.sha256.clone().map(Checksum::Sha256);
    sha256.or_else(|| row.md5.clone().map(Checksum::Md5))
}

fn fetch_runfile(row: &CudaRow, checksum: &Checksum, file: &Path) -> Action {
    let kind = FetchRunfile::new(row.url.clone(), file, row.size_bytes, checksum.clone());
    let commands = vec![kind.command(), checksum.command(file)];
    let args = [("file", row.file.clone()), ("url", row.url.clone())];
    let action = Action::new(Step::Driver, "fetch-runfile", Kind::FetchRunfile(kind), &args);
    Action { commands, needs_root: false, ..action }
}

/// Without a checksum the action is there to be seen, and blocked: an unknown file never runs.
fn install_toolkit(version: &Version, prefix: &Path, runfile: PathBuf, checksum: Option<Checksum>) -> Action {
    let blocked = checksum.is_none().then(|| "no-checksum".to_owned());
    let kind = InstallToolkit {
        tmpdir: runfile.parent().unwrap_or(Path::new("/tmp")).to_owned(),
        checksum: checksum.unwrap_or_else(|| Checksum::Sha256(String::new())),
        version: version.clone(),
        prefix: prefix.to_owned(),
        runfile,
    };
    let commands = vec![kind.command()];
    let args = [("version", version.to_string()), ("prefix", prefix.display().to_string())];
    let action = Action::new(Step::Driver, "install-toolkit", Kind::InstallToolkit(kind), &args);
    Action { blocked, commands, ..action }
}

fn set_paths(prefix: PathBuf) -> Action {
    let args = [("prefix", prefix.display().to_string())];
    let kind = SetPaths { prefix };
    let diff = Some(kind.diff());
    let action = Action::new(Step::Driver, "set-paths", Kind::SetPaths(kind), &args);
    Action { commands: vec![SetPaths::command()], diff, ..action }
}

fn reboot(facts: &Facts, answers: &Answers) -> Action {
    let version = facts.driver.loaded_version.clone().unwrap_or_default();
    let kind = Kind::Reboot(Reboot { boot_id: facts.host.boot_id.clone() });
    let mut action = Action::new(Step::Driver, "reboot", kind, &[("version", version)]);
    action.commands = vec![Reboot::command()];
    action.skipped = answers.leave_out.contains(&action.id);
    if !is_loaded(facts) {
        "reboot-for-nouveau".clone_into(&mut action.why);
    }
    action
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Module;

    /// A node with a V100 and a runfile driver that is loaded.
    fn node() -> Facts {
        let mut facts = Facts::default();
        facts.host.root = true;
        facts.host.architecture = "x86_64".to_owned();
        facts.host.gcc_version = Some("4.8.5".to_owned());
        facts.driver.loaded_version = Some("418.87.00".to_owned());
        facts.driver.modules = vec![Module { name: "nvidia".to_owned(), ..Module::default() }];
        facts.driver.ledger =
            vec![LedgerEntry { origin: Origin::Runfile, what: "418.87.00".to_owned(), r#where: "/usr/bin/nvidia-uninstall".to_owned() }];
        facts
    }

    fn answers(owner: DriverOwner) -> Answers {
        Answers { cuda_version: "11.0.3".to_owned().try_into().ok(), ..Answers::new(owner) }
    }

    fn ids(facts: &Facts, answers: &Answers) -> Vec<String> {
        driver_step(facts, answers, Path::new("/d")).into_iter().map(|action| action.id).collect()
    }

    #[test]
    fn the_seeds_node_is_cleaned_equipped_and_rebooted() {
        let planned = ids(&node(), &answers(DriverOwner::InstallerPod));
        assert_eq!(planned, ["remove-runfile-driver", "fetch-runfile", "install-toolkit", "set-paths", "reboot"]);
    }

    #[test]
    fn no_command_ever_installs_the_driver() {
        for action in driver_step(&node(), &answers(DriverOwner::InstallerPod), Path::new("/d")) {
            assert!(action.commands.iter().all(|command| !command.args.iter().any(|arg| arg.starts_with("--driver"))), "{action:?}");
        }
    }

    #[test]
    fn the_hosts_own_driver_stays_when_the_host_is_the_owner() {
        assert_eq!(ids(&node(), &answers(DriverOwner::Host)), ["fetch-runfile", "install-toolkit", "set-paths"]);
    }

    #[test]
    fn without_the_removal_there_is_no_reboot() {
        let answers = Answers { leave_out: vec!["remove-runfile-driver".to_owned()], ..answers(DriverOwner::InstallerPod) };
        let planned = driver_step(&node(), &answers, Path::new("/d"));
        assert!(planned[0].skipped);
        assert!(planned.iter().all(|action| action.id != "reboot"));
    }

    #[test]
    fn a_driver_that_is_loaded_but_gone_from_disk_still_needs_the_reboot() {
        let mut facts = node();
        facts.driver.ledger.clear();
        assert!(ids(&facts, &answers(DriverOwner::InstallerPod)).contains(&"reboot".to_owned()));
        // What the installer pod has loaded is as it should be.
        facts.driver.ledger.push(LedgerEntry { origin: Origin::InstallerPod, what: "450.51.06".to_owned(), r#where: String::new() });
        assert!(!ids(&facts, &answers(DriverOwner::InstallerPod)).contains(&"reboot".to_owned()));
    }

    #[test]
    fn without_root_what_needs_it_is_blocked_and_shown() {
        let mut facts = node();
        facts.host.root = false;
        let planned = driver_step(&facts, &answers(DriverOwner::InstallerPod), Path::new("/d"));
        assert_eq!(planned[0].blocked.as_deref(), Some("needs-root"));
        assert_eq!(planned[1].blocked, None);
    }

    #[test]
    fn an_unknown_runfile_without_a_checksum_is_blocked() {
        let mut wanted = answers(DriverOwner::InstallerPod);
        wanted.cuda_version = "99.1".to_owned().try_into().ok();
        wanted.cuda_runfile = Some("/root/x.run".into());
        let planned = driver_step(&node(), &wanted, Path::new("/d"));
        let install = planned.iter().find(|action| action.id == "install-toolkit").unwrap();
        assert_eq!(install.blocked.as_deref(), Some("no-checksum"));
    }
}
