//! Put the toolkit on everybody's PATH and its libraries into the loader's cache.
//!
//! Login shells read `/etc/profile.d`; services find the libraries by the loader's cache. The PATH of services is left alone: systemd's
//! `DefaultEnvironment` would change it for every service of the machine, so a unit that runs `nvcc` names it itself.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::kind::{ActionContext, ActionKind, Failure, file_failure};
use crate::{
    host::{Command, Host},
    plan::action::undo::Undo,
};

const PROFILE: &str = "/etc/profile.d/gpunode-cuda.sh";
const LOADER: &str = "/etc/ld.so.conf.d/gpunode-cuda.conf";

/// Writes both files and rebuilds the loader's cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetPaths {
    /// The toolkit's prefix.
    pub prefix: PathBuf,
}

impl SetPaths {
    /// Returns the files with their texts.
    fn files(&self) -> [(&'static Path, String); 2] {
        let prefix = self.prefix.display();
        let profile = format!(
            "# Written by gpunode: the CUDA toolkit for all users.\ncase \":$PATH:\" in\n  *:{prefix}/bin:*) ;;\n  *) PATH={prefix}/bin:$PATH ;;\nesac\nexport PATH\n"
        );
        [(Path::new(PROFILE), profile), (Path::new(LOADER), format!("# Written by gpunode.\n{prefix}/lib64\n"))]
    }

    /// Returns the command that follows the files.
    pub fn command() -> Command {
        Command::new("ldconfig", [] as [&str; 0])
    }

    /// Returns the new files as a diff.
    pub fn diff(&self) -> String {
        let file = |(path, text): (&Path, String)| {
            let added = text.lines().fold(String::new(), |diff, line| diff + "+" + line + "\n");
            format!("--- /dev/null\n+++ {}\n{added}", path.display())
        };
        self.files().map(file).concat()
    }
}

impl ActionKind for SetPaths {
    fn done(&self, host: &Host) -> Option<Vec<String>> {
        let in_place = self.files().iter().all(|(path, text)| host.files.read_text(path).is_ok_and(|found| found == *text));
        in_place.then(|| vec![format!("{PROFILE} and {LOADER} are in place")])
    }

    fn undo(&self, work: &ActionContext<'_>) -> Result<Undo, Failure> {
        let saved = self.files().iter().map(|(path, text)| work.save_file(path, text.as_bytes())).collect::<Result<_, _>>();
        saved.map(Undo::RestoreFiles)
    }

    fn execute(&self, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        for (path, text) in self.files() {
            work.host.files.write(path, text.as_bytes(), 0o644).map_err(|error| file_failure("write", path, &error))?;
        }
        work.run(&Self::command())
    }

    fn prove(&self, host: &Host, _before: &BTreeMap<String, String>) -> Result<Vec<String>, Failure> {
        let mut proof = self.done(host).ok_or_else(|| Failure::new("the files are not as they were written"))?;
        let login = Command::new("sh", ["-l", "-c", "nvcc --version"]);
        let output = host.commands.capture(&login).map_err(|error| Failure::new(error.to_string()))?;
        let release = output.stdout.lines().find(|line| line.contains("release")).ok_or_else(|| {
            let said = output.stderr.lines().next().unwrap_or_default();
            Failure::new(format!(
                "a login shell does not find nvcc (`{login}`: {}, {said}); does /etc/profile read {PROFILE}?",
                output.exit
            ))
        })?;
        proof.push(format!("a login shell finds nvcc: {}", release.trim()));
        Ok(proof)
    }
}
