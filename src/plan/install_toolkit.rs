//! Install the CUDA toolkit from its runfile, and prove that the driver inside it was left out.
//! Source: NVIDIA CUDA installation guide for Linux, "Runfile Installation", advanced options.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    act::{Act, Failure, Work},
    checksum::Checksum,
    driver_files,
};
use crate::{
    host::{Command, Host},
    session::Undo,
    version::Version,
};

/// What cuda-installer writes to its log when it starts the driver inside the runfile.
const DRIVER_STEP: &str = "Executing NVIDIA-Linux-";
const INSTALLER_LOG: &str = "/var/log/cuda-installer.log";

/// Runs the runfile, toolkit only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallToolkit {
    /// The runfile on this machine.
    pub runfile: PathBuf,
    /// Its checksum: a wrong one never runs.
    pub checksum: Checksum,
    /// The toolkit's version.
    pub version: Version,
    /// Where it goes.
    pub prefix: PathBuf,
    /// Where it may unpack.
    pub tmpdir: PathBuf,
}

impl InstallToolkit {
    /// Returns the command. There is no `--driver` in it, and there never is.
    pub fn command(&self) -> Command {
        let args = [
            self.runfile.display().to_string(),
            "--silent".to_owned(),
            "--toolkit".to_owned(),
            format!("--toolkitpath={}", self.prefix.display()),
            format!("--tmpdir={}", self.tmpdir.display()),
            "--no-man-page".to_owned(),
            "--override".to_owned(),
        ];
        Command::new("sh", args).env("LANG", "C").detached()
    }

    /// Returns the toolkit's own uninstaller: a Perl script up to CUDA 10.0.
    fn uninstaller(&self) -> Command {
        if self.version.branch() < 10 || self.version.major_minor() == "10.0" {
            let script = format!("uninstall_cuda_{}.pl", self.version.major_minor());
            return Command::new(self.prefix.join("bin").join(script).display().to_string(), ["--silent"]).detached();
        }
        Command::new(self.prefix.join("bin/cuda-uninstaller").display().to_string(), ["--silent"]).detached()
    }

    fn nvcc(&self) -> PathBuf {
        self.prefix.join("bin/nvcc")
    }
}

impl Act for InstallToolkit {
    fn done(&self, host: &Host) -> Option<Vec<String>> {
        let output = host.commands.capture(&Command::new(self.nvcc().display().to_string(), ["--version"])).ok()?;
        let release = output.stdout.lines().find(|line| line.contains("release"))?.trim().to_owned();
        let wanted = format!("release {}", self.version.major_minor());
        release.contains(&wanted).then(|| vec![format!("{} --version: {release}", self.nvcc().display())])
    }

    fn before(&self, host: &Host) -> BTreeMap<String, String> {
        let mut before = driver_files::fingerprints(host);
        before.insert(DRIVER_STEP.to_owned(), driver_steps(host).to_string());
        before
    }

    fn undo(&self, _work: &Work<'_>) -> Result<Undo, Failure> {
        Ok(Undo::Run { command: self.uninstaller(), gone: Some(self.nvcc()) })
    }

    fn execute(&self, work: &mut Work<'_>) -> Result<(), Failure> {
        self.checksum.check(work.host, &self.runfile)?;
        work.run(&self.command())
    }

    fn prove(&self, host: &Host, before: &BTreeMap<String, String>) -> Result<Vec<String>, Failure> {
        let mut before = before.clone();
        let earlier_steps = before.remove(DRIVER_STEP).and_then(|count| count.parse().ok()).unwrap_or(0);
        let changes = driver_files::changes(&before, &driver_files::fingerprints(host));
        if !changes.is_empty() {
            return Err(Failure::new(format!("the runfile touched the driver: {}", changes.join("; "))));
        }
        if driver_steps(host) > earlier_steps {
            return Err(Failure::new(format!("{INSTALLER_LOG} shows a driver step: \"{DRIVER_STEP}…\"")));
        }
        let mut proof = self.done(host).ok_or_else(|| {
            Failure::new(format!("{} does not answer with release {}", self.nvcc().display(), self.version.major_minor()))
        })?;
        proof.push(format!("driver not touched: {} driver files, modules and packages are as before", before.len()));
        Ok(proof)
    }
}

/// Counts the driver steps in the installer's log, which newer runs append to or replace.
fn driver_steps(host: &Host) -> usize {
    host.files.read_text(INSTALLER_LOG).map_or(0, |log| log.matches(DRIVER_STEP).count())
}
