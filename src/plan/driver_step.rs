//! The plan of step 2: one driver owner, a clean host, and CUDA without the driver.

use std::path::Path;

use super::{
    Action, Kind, Step,
    blacklist_nouveau::BlacklistNouveau,
    fetch_runfile::{Checksum, FetchRunfile},
    install_packages::InstallPackages,
    install_toolkit::InstallToolkit,
    reboot::Reboot,
    remove_packages::RemovePackages,
    remove_runfile_driver::RemoveRunfileDriver,
    set_paths::SetPaths,
};
use crate::{
    answers::{Answers, DriverOwner},
    catalog::{Architecture, cuda, distros},
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

/// Downloads the runfile unless one was given, installs it, and sets the paths.
fn toolkit(facts: &Facts, answers: &Answers, version: &Version, downloads: &Path) -> Vec<Action> {
    let row = cuda::runfile(version, Architecture::from_uname(&facts.host.architecture));
    let published = row.as_ref().and_then(|row| match (&row.sha256, &row.md5) {
        (Some(hex), _) => Some(Checksum::Sha256(hex.clone())),
        (None, Some(hex)) => Some(Checksum::Md5(hex.clone())),
        (None, None) => None,
    });
    let checksum = answers.cuda_runfile_sha256.clone().map(Checksum::Sha256).or(published);
    let mut actions = Vec::new();
    let runfile = match (&answers.cuda_runfile, &row) {
        (Some(file), _) => file.clone(),
        (None, Some(row)) => downloads.join(&row.file),
        (None, None) => downloads.join(format!("cuda_{version}_linux.run")),
    };
    if answers.cuda_runfile.is_none()
        && let (Some(row), Some(checksum)) = (&row, &checksum)
    {
        let kind = FetchRunfile { url: row.url.clone(), file: runfile.clone(), size: row.size_bytes, checksum: checksum.clone() };
        let commands = vec![kind.command(), checksum.command(&runfile)];
        let args = [("file", row.file.clone()), ("url", row.url.clone())];
        let mut action = Action::new(Step::Driver, "fetch-runfile", Kind::FetchRunfile(kind), &args);
        action.commands = commands;
        action.needs_root = false;
        actions.push(action);
    }
    let prefix = answers.cuda_prefix.clone().unwrap_or_else(|| format!("/usr/local/cuda-{}", version.major_minor()).into());
    let is_known = checksum.is_some() && (row.is_some() || answers.cuda_runfile.is_some());
    let kind = InstallToolkit {
        tmpdir: runfile.parent().unwrap_or(Path::new("/tmp")).to_owned(),
        checksum: checksum.unwrap_or_else(|| Checksum::Sha256(String::new())),
        version: version.clone(),
        prefix: prefix.clone(),
        runfile,
    };
    let args = [("version", version.to_string()), ("prefix", prefix.display().to_string())];
    let commands = vec![kind.command()];
    let mut action = Action::new(Step::Driver, "install-toolkit", Kind::InstallToolkit(kind), &args);
    action.commands = commands;
    // A prefix of one's own needs no root: the runfile writes nowhere else.
    action.needs_root = answers.cuda_prefix.is_none();
    if !is_known {
        action.blocked = Some("no-checksum".to_owned());
    }
    actions.push(action);
    if answers.cuda_prefix.is_none() {
        let kind = SetPaths { prefix: prefix.clone() };
        let diff = kind.diff();
        let args = [("prefix", prefix.display().to_string())];
        let mut action = Action::new(Step::Driver, "set-paths", Kind::SetPaths(kind), &args);
        action.diff = Some(diff);
        action.commands = vec![SetPaths::command()];
        actions.push(action);
    }
    actions
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
