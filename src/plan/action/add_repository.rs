//! Add a repository of packages whose key is known by its whole fingerprint.
//!
//! The key is fetched and looked at before anything is written: a file with another key, or with one more, changes
//! nothing. The key counts for this repository alone (`signed-by`, `gpgkey`). A repository that the machine has already
//! is left as it is: two entries with two keys stop apt. Sources: apt's sources.list(5) and apt-secure(8); dnf.conf(5);
//! NVIDIA's installation guides.

pub mod openpgp;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict, file_failure},
    properties::{Preview, Properties, Reversal, RootReason},
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    host::{Command, Host},
    i18n::msg,
    input::{Fingerprint, PackageName, WebAddress},
    private,
};

/// Largest file of keys that is taken, in bytes.
const LARGEST_KEY: u64 = 1 << 20;

/// Who reads the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Manager {
    /// apt.
    Apt,
    /// dnf.
    Dnf,
    /// zypper.
    Zypper,
}

impl Manager {
    /// Returns the one of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "apt" => Some(Self::Apt),
            "dnf" => Some(Self::Dnf),
            "zypper" => Some(Self::Zypper),
            _ => None,
        }
    }
}

/// Adds a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddRepository {
    /// Who reads it.
    pub manager: Manager,
    /// Its name, and that of its files: `gpunode-nvidia-cuda`.
    pub name: String,
    /// Its address.
    pub address: WebAddress,
    /// Where its key is.
    pub key_address: WebAddress,
    /// The key's fingerprint.
    pub fingerprint: Fingerprint,
    /// The lists are signed, and not each package: NVIDIA's container toolkit for rpm.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub signs_lists: bool,
    /// A proxy; without one, curl takes those of its environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<WebAddress>,
}

impl AddRepository {
    fn key_file(&self) -> PathBuf {
        match self.manager {
            Manager::Apt => format!("/usr/share/keyrings/{}.asc", self.name),
            Manager::Dnf | Manager::Zypper => format!("/etc/pki/rpm-gpg/RPM-GPG-KEY-{}", self.name),
        }
        .into()
    }

    fn source_file(&self) -> PathBuf {
        match self.manager {
            Manager::Apt => format!("/etc/apt/sources.list.d/{}.sources", self.name),
            Manager::Dnf => format!("/etc/yum.repos.d/{}.repo", self.name),
            Manager::Zypper => format!("/etc/zypp/repos.d/{}.repo", self.name),
        }
        .into()
    }

    fn source_text(&self) -> String {
        let (name, address, key) = (&self.name, &self.address, self.key_file());
        let key = key.display();
        match self.manager {
            Manager::Apt => {
                format!("# Written by gpunode.\nTypes: deb\nURIs: {address}\nSuites: /\nSigned-By: {key}\n")
            }
            Manager::Dnf | Manager::Zypper => {
                let (packages, lists) = if self.signs_lists { (0, 1) } else { (1, 0) };
                format!(
                    "# Written by gpunode.\n[{name}]\nname={name}\nbaseurl={address}\nenabled=1\ngpgcheck={packages}\n\
                     repo_gpgcheck={lists}\ngpgkey=file://{key}\n"
                )
            }
        }
    }

    /// Returns the command that fetches the key to `file`.
    fn fetch(&self, file: &Path) -> Command {
        let begin = [
            "--fail",
            "--silent",
            "--show-error",
            "--location",
            "--globoff",
            "--proto",
            "=http,https",
            "--connect-timeout",
            "20",
        ];
        let command = Command::new("curl", begin).words(["--max-time", "60", "--output"]).operand(file.display());
        let command = match &self.proxy {
            Some(proxy) => command.words(["--config", "-"]).stdin(format!("proxy = \"{proxy}\"\n")),
            None => command,
        };
        command.operand(&self.key_address).deadline(Some(std::time::Duration::from_secs(90))).file_limit(LARGEST_KEY)
    }

    /// Returns the command that reads the lists of this repository and of no other.
    fn load(&self) -> Command {
        let minutes = Some(std::time::Duration::from_mins(5));
        let command = match self.manager {
            Manager::Apt => Command::new(
                "apt-get",
                ["update", "--error-on=any", "-o", "Dir::Etc::sourceparts=-", "-o", "APT::Get::List-Cleanup=0"],
            )
            .words(["-o"])
            .option("Dir::Etc::sourcelist", self.source_file().display()),
            Manager::Dnf => Command::new("dnf", ["makecache", "-y"]).option("--repo", &self.name),
            Manager::Zypper => {
                Command::new("zypper", ["--non-interactive", "--gpg-auto-import-keys", "refresh"]).operand(&self.name)
            }
        };
        command.deadline(minutes)
    }

    /// Fetches the key into the session's folder and looks at it.
    fn fetch_key(&self, context: &ActionContext<'_>) -> Result<Vec<u8>, Failure> {
        let file = context.folder.join(format!("key-{}.part", self.name));
        let fetch = self.fetch(&file);
        let output = context.host.commands.capture(&fetch).map_err(Failure::own_words)?;
        if !output.exit.is_success() {
            return Err(Failure::new(msg::failure::no_key(&self.key_address, output.stderr.trim())));
        }
        let bytes =
            context.host.files.read(&file).map_err(|error| file_failure(msg::failure::cannot_read, &file, &error));
        // It served its purpose, whatever it is.
        let _ = context.host.files.remove(&file);
        let bytes = bytes?;
        self.demand_key(&bytes)?;
        Ok(bytes)
    }

    /// Every key of the file must be the one that is known: one more would count as well.
    fn demand_key(&self, bytes: &[u8]) -> Result<(), Failure> {
        let wanted = self.fingerprint.to_string().to_uppercase();
        let found =
            openpgp::fingerprints(bytes).ok_or_else(|| Failure::new(msg::failure::not_a_key(&self.key_address)))?;
        if found.iter().all(|fingerprint| *fingerprint == wanted) {
            return Ok(());
        }
        Err(Failure::new(msg::failure::other_key(&self.key_address, found.join(", "), wanted)))
    }

    /// Returns the file that names this repository already.
    fn named_in(&self, host: &Host) -> Option<PathBuf> {
        let (folder, ends): (&str, &[&str]) = match self.manager {
            Manager::Apt => ("/etc/apt/sources.list.d", &["list", "sources"]),
            Manager::Dnf => ("/etc/yum.repos.d", &["repo"]),
            Manager::Zypper => ("/etc/zypp/repos.d", &["repo"]),
        };
        let names = host.files.list(Path::new(folder)).unwrap_or_default();
        let of_folder = names.into_iter().map(|name| Path::new(folder).join(name));
        let is_source = |path: &PathBuf| path.extension().is_some_and(|end| ends.iter().any(|own| end == *own));
        let files = of_folder.filter(is_source).chain([PathBuf::from("/etc/apt/sources.list")]);
        let address = self.address.trim_end_matches('/');
        files.into_iter().find(|path| {
            let text = host.files.read_text(path).unwrap_or_default();
            text.lines().map(str::trim).filter(|line| !line.starts_with('#')).any(|line| names_address(line, address))
        })
    }
}

/// Tells whether a line names exactly this address, with or without a slash behind it.
fn names_address(line: &str, address: &str) -> bool {
    line.split([' ', '\t', '=']).any(|word| word.trim_end_matches('/') == address)
}

impl ActionKind for AddRepository {
    fn properties(&self) -> Properties {
        Properties::on_machine(RootReason::Packages, Reversal::Whole)
    }

    fn preview(&self) -> Preview {
        let added = self.source_text().lines().fold(String::new(), |diff, line| diff + "+" + line + "\n");
        let diff = format!("--- /dev/null\n+++ {}\n{added}", self.source_file().display());
        let shown = self.fetch(Path::new("KEY"));
        let detail = msg::details::add_repository(&self.fingerprint, self.key_file().display());
        Preview { diff: Some(diff), details: vec![detail], ..Preview::of([shown, self.load()]) }
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::is::<PackageName>(&self.name)
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let file = self.named_in(host)?;
        if file != self.source_file() {
            return Some(vec![format!("{} names {} already, with a key of its own", file.display(), self.address)]);
        }
        let is_ours = host.files.read_text(&file).is_ok_and(|text| text == self.source_text());
        let key = host.files.read(&self.key_file()).ok().filter(|bytes| is_ours && self.demand_key(bytes).is_ok())?;
        Some(vec![format!("{} is in place, {} bytes of key {}", file.display(), key.len(), self.fingerprint)])
    }

    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        let key = self.fetch_key(context)?;
        let kept = context.folder.join(format!("key-{}", self.fingerprint));
        private::write(&kept, &key).map_err(|error| file_failure(msg::failure::cannot_write, &kept, &error))?;
        let files = [
            context.save_file(&self.key_file(), &key)?,
            context.save_file(&self.source_file(), self.source_text().as_bytes())?,
        ];
        Ok(Undo::Files(files.into()).into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let kept = context.folder.join(format!("key-{}", self.fingerprint));
        let key = private::read(&kept).map_err(|error| file_failure(msg::failure::cannot_read, &kept, &error))?;
        self.demand_key(&key)?;
        for (path, bytes) in [(self.key_file(), key.as_slice()), (self.source_file(), self.source_text().as_bytes())] {
            context.write(&path, bytes)?;
        }
        context.run(&self.load()).inspect_err(|_| {
            // A repository that cannot be read stops every later update of this machine: it does not stay behind. What
            // cannot be removed either is told by the failure, which names the command.
            let _ = context.host.files.remove(&self.source_file());
        })
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, _host: &Host, undo: &Undo) -> Result<WayBack, Failure> {
        undo.restore(&[&self.key_file(), &self.source_file()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(manager: Manager) -> AddRepository {
        AddRepository {
            manager,
            name: "gpunode-nvidia-cuda".to_owned(),
            address: "https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2404/x86_64".parse().unwrap(),
            key_address: "https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2404/x86_64/3bf863cc.pub"
                .parse()
                .unwrap(),
            fingerprint: include_str!("../../../tests/fixtures/keys/test.fingerprint").trim().parse().unwrap(),
            signs_lists: false,
            proxy: None,
        }
    }

    #[test]
    fn a_file_with_another_key_or_with_one_more_is_refused() {
        let own = include_bytes!("../../../tests/fixtures/keys/test.asc");
        let mut repository = repository(Manager::Apt);
        assert!(repository.demand_key(own).is_ok());
        repository.fingerprint = "EB693B3035CD5710E231E123A4B469963BF863CC".parse().unwrap();
        let said = repository.demand_key(own).unwrap_err().message.text(crate::i18n::Lang::En);
        assert!(said.contains("EB693B3035CD5710E231E123A4B469963BF863CC"), "{said}");
        assert!(repository.demand_key(b"<html>").is_err());
    }

    #[test]
    fn the_key_counts_for_this_repository_alone() {
        let apt = repository(Manager::Apt).source_text();
        assert!(apt.contains("Signed-By: /usr/share/keyrings/gpunode-nvidia-cuda.asc\n"), "{apt}");
        let dnf = repository(Manager::Dnf).source_text();
        assert!(
            dnf.contains("gpgcheck=1\n")
                && dnf.contains("gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-gpunode-nvidia-cuda\n"),
            "{dnf}"
        );
    }

    #[test]
    fn an_address_is_found_in_every_form_of_source() {
        let address = "https://x/repos/ubuntu2404/x86_64";
        for line in [
            "deb [signed-by=/usr/share/keyrings/cuda-archive-keyring.gpg] https://x/repos/ubuntu2404/x86_64/ /",
            "URIs: https://x/repos/ubuntu2404/x86_64",
            "baseurl=https://x/repos/ubuntu2404/x86_64/",
        ] {
            assert!(names_address(line, address), "{line}");
        }
        assert!(!names_address("deb https://x/repos/ubuntu2404/x86_64/extra /", address));
    }
}
