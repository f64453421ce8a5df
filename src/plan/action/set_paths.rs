//! Put the toolkit on everybody's PATH and its libraries into the loader's cache.
//!
//! Login shells read `/etc/profile.d`; services find the libraries by the loader's cache. The PATH of services is left
//! alone: systemd's `DefaultEnvironment` would change it for every service of the machine, so a unit that runs `nvcc`
//! names it itself.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict, ended},
    properties::{Preview, Properties, Reversal, RootReason},
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    host::{Command, Host},
    i18n::msg,
    input::PlainPath,
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
    fn properties(&self) -> Properties {
        Properties::on_machine(RootReason::Etc, Reversal::Whole)
    }

    fn preview(&self) -> Preview {
        Preview { diff: Some(self.diff()), ..Preview::of([Self::command()]) }
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::is::<PlainPath>(&self.prefix.to_string_lossy())
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let in_place =
            self.files().iter().all(|(path, text)| host.files.read_text(path).is_ok_and(|found| found == *text));
        in_place.then(|| vec![format!("{PROFILE} and {LOADER} are in place")])
    }

    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        let saved =
            self.files().iter().map(|(path, text)| context.save_file(path, text.as_bytes())).collect::<Result<_, _>>();
        saved.map(|files| Undo::Files(files).into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        for (path, text) in self.files() {
            context.write(path, text.as_bytes())?;
        }
        context.run(&Self::command())
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        let Some(mut proof) = self.check(host) else { return Verdict::Unfinished };
        match login_shell_finds_nvcc(host) {
            Ok(found) => {
                proof.push(found);
                Verdict::Proven(proof)
            }
            Err(failure) => Verdict::Failed(failure),
        }
    }

    fn way_back(&self, _host: &Host, undo: &Undo) -> Result<WayBack, Failure> {
        undo.restore(&[Path::new(PROFILE), Path::new(LOADER)])
    }
}

fn login_shell_finds_nvcc(host: &Host) -> Result<String, Failure> {
    let login = Command::new("sh", ["-l", "-c", "nvcc --version"]);
    let output = host.commands.capture(&login).map_err(Failure::own_words)?;
    let release = output.stdout.lines().find(|line| line.contains("release")).ok_or_else(|| {
        let said = output.stderr.lines().next().unwrap_or_default();
        Failure::new(msg::failure::no_nvcc(&login, ended(output.exit), PROFILE, said))
    })?;
    Ok(format!("a login shell finds nvcc: {}", release.trim()))
}
