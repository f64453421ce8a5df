//! Install the CUDA toolkit from its runfile, and prove that the driver inside it was left out.
//! Source: NVIDIA CUDA installation guide for Linux, "Runfile Installation", advanced options; the recipes of Spack and
//! `EasyBuild` for `--installpath` and the installers before 10.1.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    checksum::Checksum,
    driver_proof,
    effect::{Effect, Entries},
    kind::{ActionContext, ActionEvent, ActionKind, Failure, Prepared, Traces, Verdict, file_failure},
    properties::{Preview, Properties, Reversal, RootReason, Witness},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    error::reason,
    host::{Command, Exit, FileKind, Host},
    i18n::msg,
    version::Version,
};

/// Where cuda-installer logs for users other than root, whatever `--tmpdir` says. It crashes when the file is another
/// user's.
pub const USERS_LOG: &str = "/tmp/cuda-installer.log";
/// The signature of the one thing that must never happen.
const DRIVER_STEP: &str = "driver-step-ran";
/// The status of a shell whose program died of a segmentation fault.
const SEGMENTATION_FAULT: Exit = Exit::Code(139);

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
    /// Where it may unpack: in a folder of ours below this one.
    pub tmpdir: PathBuf,
    /// Whether the user gave the runfile: then a copy of it is checked and run, which nobody else can change in
    /// between.
    #[serde(default)]
    pub is_given: bool,
}

impl InstallToolkit {
    /// Returns the command. There is no `--driver` in it, and there never is.
    pub fn command(&self) -> Command {
        let is_default = self.is_of_the_system();
        // Below a prefix of one's own nothing may go to the system's folders.
        let place = if is_default || self.is_perl() { "--toolkitpath" } else { "--installpath" };
        let command = Command::new("sh", []).operand(self.start_file().display()).words(["--silent", "--toolkit"]);
        let command = command.option(place, self.prefix.display()).option("--tmpdir", self.unpack_folder().display());
        let command = command.words(["--override", if self.is_perl() { "--verbose" } else { "--no-man-page" }]);
        // The archive's own header unpacks below TMPDIR.
        command
            .env("LANG", "C")
            .env("TMPDIR", self.unpack_folder().display().to_string())
            .own_tmp(self.own_tmp())
            .detached()
    }

    /// Returns the file that is run.
    fn start_file(&self) -> PathBuf {
        if self.is_given { self.unpack_folder().join("cuda.run") } else { self.runfile.clone() }
    }

    /// Returns the folder that stands in the place of `/tmp` for the installer.
    fn own_tmp(&self) -> PathBuf {
        self.unpack_folder().join("tmp")
    }

    /// Tells whether the runfile holds the Perl installer, as all did up to CUDA 10.0.
    fn is_perl(&self) -> bool {
        self.version.branch() < 10 || self.version.major_minor() == "10.0"
    }

    /// Tells whether it goes where only root can write; a prefix of the user's own takes no root.
    fn is_of_the_system(&self) -> bool {
        self.prefix == default_prefix(&self.version)
    }

    fn nvcc(&self) -> PathBuf {
        self.prefix.join("bin/nvcc")
    }

    /// Returns the folder that is made for unpacking, and removed afterwards.
    pub fn unpack_folder(&self) -> PathBuf {
        self.tmpdir.join("gpunode-unpack")
    }

    /// Makes the folder to unpack in. Below `/tmp` another user may have put a link or a folder of that name there
    /// first.
    fn make_unpack_folder(&self, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        let folder = self.unpack_folder();
        work.run(&Command::new("mkdir", ["--parents", "--mode=700"]).operand(folder.display()))?;
        let is_link = work.host.files.read_link(&folder).is_ok();
        let trusted = work.host.files.demand_trusted(&folder);
        if is_link || trusted.is_err() {
            let folder = folder.display();
            return Err(Failure::new(match trusted {
                Ok(()) => msg::failure::unpack_folder(folder),
                Err(error) => msg::failure::unpack_folder_why(folder, reason(&error)),
            }));
        }
        work.run(&Command::new("mkdir", ["--parents", "--mode=700"]).operand(self.own_tmp().display()))
    }

    /// Checks the file that will run: for a given one, a copy in the folder that only this user can enter. What becomes
    /// of the original between the check and the start is of no matter then.
    fn check_start_file(&self, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        demand_trusted(work.host, &self.runfile)?;
        let file = self.start_file();
        if self.is_given {
            (work.emit)(ActionEvent::Line(format!("{} -> {}", self.runfile.display(), file.display())));
            work.host
                .files
                .copy_private(&self.runfile, &file)
                .map_err(|error| file_failure(msg::failure::cannot_copy, &self.runfile, &error))?;
        }
        self.checksum.check(work.host, &file).map(|_| ())
    }
}

/// Returns the prefix that NVIDIA gives a toolkit.
pub fn default_prefix(version: &Version) -> PathBuf {
    format!("/usr/local/cuda-{}", version.major_minor()).into()
}

/// Returns the uninstaller of the toolkit below `prefix`: a Perl script up to CUDA 10.0.
pub fn uninstaller(version: &Version, prefix: &Path) -> PathBuf {
    let is_perl = version.branch() < 10 || version.major_minor() == "10.0";
    let name =
        if is_perl { format!("uninstall_cuda_{}.pl", version.major_minor()) } else { "cuda-uninstaller".to_owned() };
    prefix.join("bin").join(name)
}

/// What runs as this user must not be changeable by others between check and start.
fn demand_trusted(host: &Host, path: &Path) -> Result<(), Failure> {
    host.files.demand_trusted(path).map_err(|error| file_failure(msg::failure::not_trusted, path, &error))
}

/// The session's folder was made by this process's user.
fn is_ours(work: &ActionContext<'_>, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let own = std::fs::metadata(&work.folder).map(|meta| meta.uid());
    work.host.simulation.is_some()
        || matches!((own, work.host.files.meta(path)), (Ok(own), Ok(meta)) if meta.uid == own)
}

/// Removes a log that cuda-installer would crash on, or be led by to another file.
fn clear_foreign_log(work: &mut ActionContext<'_>) -> Result<(), Failure> {
    let log = Path::new(USERS_LOG);
    let is_link = work.host.files.read_link(log).is_ok();
    let is_regular = work.host.files.meta(log).map_or(true, |meta| meta.kind == FileKind::File);
    if !is_link && is_regular && (!work.host.files.exists(log) || is_ours(work, log)) {
        return Ok(());
    }
    (work.emit)(ActionEvent::Line(format!(
        "{USERS_LOG} is not this user's: removed, cuda-installer would crash on it"
    )));
    work.host.files.remove_all(log).map_err(|error| file_failure(msg::failure::cannot_remove, log, &error))
}

impl ActionKind for InstallToolkit {
    fn properties(&self) -> Properties {
        Properties {
            root: self.is_of_the_system().then_some(RootReason::Files),
            reversal: Reversal::Whole,
            takes_away: false,
            witness: Witness::Machine,
            effects: vec![Effect::Adds(Entries::At(self.prefix.clone()))],
            target: Target::Machine,
            scratch: Some(self.unpack_folder()),
            until_reboot_of: None,
        }
    }

    fn preview(&self) -> Preview {
        let (prefix, tmpdir) = (self.prefix.display(), self.unpack_folder());
        let details =
            vec![msg::details::install_toolkit(prefix, tmpdir.display()), msg::details::install_toolkit::not_touched()];
        Preview { details, ..Preview::of([self.command()]) }
    }

    fn validate(&self) -> Result<(), Failure> {
        [&self.runfile, &self.prefix, &self.tmpdir].into_iter().try_for_each(|path| valid::path(path))
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let output = host.commands.capture(&Command::new(self.nvcc().display().to_string(), ["--version"])).ok()?;
        let release = output.stdout.lines().find(|line| line.contains("release"))?.trim().to_owned();
        let wanted = format!("release {}", self.version.major_minor());
        release.contains(&wanted).then(|| vec![format!("{} --version: {release}", self.nvcc().display())])
    }

    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Prepared { undo: Undo::Parameters, before: driver_proof::fingerprints(context.host) })
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        clear_foreign_log(context)?;
        self.make_unpack_folder(context)?;
        self.check_start_file(context)?;
        let own_log = self.own_tmp().join("cuda-installer.log");
        let result = context
            .run_with_logs(&self.command(), &[Path::new(driver_proof::INSTALLER_LOG), Path::new(USERS_LOG), &own_log]);
        if let Err(failure) = result {
            if failure.exit == Some(SEGMENTATION_FAULT) {
                context.tell("cuda-installer: segmentation fault".to_owned());
            }
            return Err(failure);
        }
        Ok(())
    }

    fn judge(&self, host: &Host, traces: &Traces<'_>) -> Verdict {
        // Its own log says so, or what it printed.
        let step = driver_proof::driver_step(host, traces.before);
        if let Some(line) = step.or_else(|| traces.signature(DRIVER_STEP)) {
            return Verdict::Failed(Failure::new(msg::failure::driver_step(line)));
        }
        let touched = driver_proof::changes(host, traces.before);
        if !touched.is_empty() {
            let changes = touched.join("; ");
            return Verdict::Failed(Failure::new(msg::failure::driver_touched(changes)));
        }
        let Some(mut proof) = self.check(host) else { return Verdict::Unfinished };
        proof.push(format!(
            "driver not touched: {} driver files, modules and packages are as before",
            driver_proof::count(traces.before)
        ));
        Verdict::Proven(proof)
    }

    fn way_back(&self, _host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        let uninstaller = uninstaller(&self.version, &self.prefix).display().to_string();
        Ok(WayBack::Run { command: Command::new(uninstaller, ["--silent"]).detached(), gone: Some(self.nvcc()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(version: &str, prefix: &str) -> String {
        let version: Version = version.parse().unwrap();
        let checksum = Checksum::Sha256(String::new());
        InstallToolkit {
            runfile: "/d/c.run".into(),
            checksum,
            version,
            prefix: prefix.into(),
            tmpdir: "/d".into(),
            is_given: false,
        }
        .command()
        .to_string()
    }

    #[test]
    fn each_generation_of_installers_gets_its_own_flags() {
        assert_eq!(
            command("11.0.3", "/usr/local/cuda-11.0"),
            "LANG=C TMPDIR=/d/gpunode-unpack sh /d/c.run --silent --toolkit --toolkitpath=/usr/local/cuda-11.0 --tmpdir=/d/gpunode-unpack --override --no-man-page"
        );
        assert!(command("12.9.2", "/opt/cuda").contains(" --installpath=/opt/cuda "));
        let perl = command("10.0.130", "/opt/cuda");
        assert!(
            perl.contains(" --toolkitpath=/opt/cuda ") && perl.ends_with(" --verbose") && !perl.contains("man-page"),
            "{perl}"
        );
        assert!(command("10.1.243", "/usr/local/cuda-10.1").ends_with(" --no-man-page"));
    }

    #[test]
    fn each_generation_has_its_own_uninstaller() {
        let of = |version: &str| uninstaller(&version.parse().unwrap(), Path::new("/p")).display().to_string();
        assert_eq!(of("9.2.148"), "/p/bin/uninstall_cuda_9.2.pl");
        assert_eq!(of("10.0.130"), "/p/bin/uninstall_cuda_10.0.pl");
        assert_eq!(of("10.1.243"), "/p/bin/cuda-uninstaller");
    }
}
