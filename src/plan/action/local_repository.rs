//! Install NVIDIA's local repository: a package that holds a repository and its key, for a machine that reaches no
//! server. The file is known by the checksum that the user has given; it is checked in a copy that nobody else can
//! change. Source: NVIDIA driver installation guide, "local repository installation".

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    add_repository::Manager,
    checksum::Checksum,
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict, file_failure},
    properties::{Preview, Properties, Reversal, RootReason},
    undo::{Reinstall, Undo, WayBack},
    valid,
};
use crate::{
    facts::packages,
    host::{Command, Host},
    i18n::msg,
    input::{PackageName, Sha256},
};

/// What the package's name begins with, and where it puts its repository.
const NAME: &str = "nvidia-driver-local-repo-";
const KEYRINGS: &str = "/usr/share/keyrings";

/// Installs a local repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalRepository {
    /// Who reads it.
    pub manager: Manager,
    /// The file.
    pub file: PathBuf,
    /// Its SHA-256.
    pub sha256: String,
}

impl LocalRepository {
    fn copy(&self, folder: &Path) -> PathBuf {
        folder.join(if self.manager == Manager::Apt { "local-repository.deb" } else { "local-repository.rpm" })
    }

    fn commands(&self, file: &Path) -> [Command; 2] {
        let minutes = |command: Command| command.deadline(Some(std::time::Duration::from_mins(10)));
        let install = match self.manager {
            Manager::Apt => Command::new("dpkg", ["--install"]),
            Manager::Dnf | Manager::Zypper => Command::new("rpm", ["--install"]),
        };
        let load = match self.manager {
            Manager::Apt => Command::new("apt-get", ["update"]),
            Manager::Dnf => Command::new("dnf", ["makecache", "-y"]),
            Manager::Zypper => Command::new("zypper", ["--non-interactive", "--gpg-auto-import-keys", "refresh"]),
        };
        [minutes(install.operand(file.display())), minutes(load)]
    }

    /// Returns the name of the installed package.
    fn package(host: &Host) -> Option<String> {
        packages::installed(host).into_iter().map(|package| package.name).find(|name| name.starts_with(NAME))
    }

    /// apt finds the key only in the folder of keyrings; the package has it beside its repository.
    fn place_key(host: &Host, package: &str) -> Result<Option<PathBuf>, Failure> {
        let folder = Path::new("/var").join(package);
        let names = host.files.list(&folder).unwrap_or_default();
        let Some(name) = names.into_iter().find(|name| name.ends_with("-keyring.gpg")) else { return Ok(None) };
        let (from, to) = (folder.join(&name), Path::new(KEYRINGS).join(&name));
        let bytes = host.files.read(&from).map_err(|error| file_failure(msg::failure::cannot_read, &from, &error))?;
        host.files.write(&to, &bytes, 0o644).map_err(|error| file_failure(msg::failure::cannot_write, &to, &error))?;
        Ok(Some(to))
    }
}

impl ActionKind for LocalRepository {
    fn properties(&self) -> Properties {
        Properties::on_machine(RootReason::Packages, Reversal::Whole)
    }

    fn preview(&self) -> Preview {
        Preview {
            details: vec![msg::details::local_repository(&self.sha256)],
            ..Preview::of(self.commands(&self.file))
        }
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::path(&self.file)?;
        valid::is::<Sha256>(&self.sha256)
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        Self::package(host).map(|name| vec![format!("{name} is installed")])
    }

    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        // Read once and in whole: what is not the file of the checksum changes nothing.
        Checksum::Sha256(self.sha256.clone()).check(context.host, &self.file)?;
        Ok(Undo::Parameters.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let copy = self.copy(&context.folder);
        context
            .host
            .files
            .copy_private(&self.file, &copy)
            .map_err(|error| file_failure(msg::failure::cannot_copy, &self.file, &error))?;
        Checksum::Sha256(self.sha256.clone()).check(context.host, &copy)?;
        let [install, load] = self.commands(&copy);
        let installed = context.run(&install);
        // Several hundred megabytes, of which the original is still there.
        context.host.files.remove(&copy).map_err(|error| file_failure(msg::failure::cannot_remove, &copy, &error))?;
        installed?;
        if self.manager == Manager::Apt
            && let Some(package) = Self::package(context.host)
            && let Some(key) = Self::place_key(context.host, &package)?
        {
            context.notes.push(format!("the repository's key is in {}", key.display()));
        }
        context.run(&load)
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        let Some(name) = Self::package(host) else { return Ok(WayBack::Nothing) };
        let remove = match self.manager {
            Manager::Apt => Command::new("dpkg", ["--purge"]),
            Manager::Dnf | Manager::Zypper => Command::new("rpm", ["--erase"]),
        };
        let keys = host.files.list(Path::new(KEYRINGS)).unwrap_or_default();
        let key = keys.iter().find(|key| key.starts_with("nvidia-driver-") && key.ends_with("-keyring.gpg"));
        let marks = key.map(|key| Command::new("rm", ["--force", "--"]).operand(format!("{KEYRINGS}/{key}")));
        let remove = Some(remove.operand_of::<PackageName>(&name).deadline(None).detached());
        Ok(WayBack::Reinstall(Box::new(Reinstall {
            remove,
            install: None,
            marks: marks.into_iter().collect(),
            configuration: Vec::new(),
        })))
    }
}
