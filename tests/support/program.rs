//! Runs the built program as a user would: its own home, no inherited settings, everything it printed.

use std::{
    ffi::OsStr,
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output, Stdio},
};

/// A scratch home for one test.
pub struct Place {
    /// Removed with the value.
    pub folder: tempfile::TempDir,
}

/// What one run printed, and how it ended.
pub struct Ran {
    /// Exit status.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Place {
    /// Makes an empty home.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// Returns a path in the home.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the session's path that every run here uses.
    pub fn session(&self) -> PathBuf {
        self.path("state/session.yaml")
    }

    /// Writes a file in the home and returns its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder for the file");
        fs::write(&path, text).expect("a writable home");
        path
    }

    /// Writes the seed's demo as it was recorded, with one driver whatever is chosen, and returns its folder: there the
    /// pod shows another driver than the chosen one.
    pub fn recorded_demo(&self) -> String {
        let seed = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/scenarios/seed");
        let copy = self.path("recorded");
        assert!(Command::new("cp").arg("-r").args([Path::new(seed), &copy]).status().expect("cp starts").success());
        let story = fs::read_to_string(copy.join("scenario.yaml")).expect("a scenario");
        let lines = story.lines().filter(|line| !line.starts_with("driver: "));
        fs::write(copy.join("scenario.yaml"), lines.map(|line| format!("{line}\n")).collect::<String>())
            .expect("a writable home");
        copy.display().to_string()
    }

    /// Makes the command without starting it.
    pub fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gpunode"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.args(args).env_clear().env("PATH", path).env("HOME", self.folder.path()).env("LANG", "C.UTF-8");
        command.env("GPUNODE_SESSION", self.session()).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
        Ran::from(self.command(args).output().expect("the program starts"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8 output");
        Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ran {
    /// Demands an exit status; the whole output is shown otherwise.
    #[track_caller]
    pub fn demand(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Demands an error of two lines: what happened (with all of `words`) and what to do.
    #[track_caller]
    pub fn demand_error(self, code: i32, words: &[&str]) -> Self {
        let ran = self.demand(code);
        let lines: Vec<_> = ran.stderr.lines().collect();
        assert!(lines.len() >= 2 && lines.last().is_some_and(|line| line.starts_with("  help: ")), "{}", ran.stderr);
        for word in words {
            assert!(ran.stderr.contains(word), "`{word}` is not in:\n{}", ran.stderr);
        }
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        ran
    }

    /// Reads standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}:\n{}", self.stdout))
    }
}

/// Returns a tool of the test command's virtual environment, or of PATH; a missing one fails the test by its name.
pub fn tool(name: &str) -> PathBuf {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin").join(name);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::iter::once(venv)
        .chain(std::env::split_paths(&path).map(|folder| folder.join(name)))
        .find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("`{name}` is missing: run the tests with `tests/run`, which installs it"))
}

/// Runs a command under strace, which kills the program as it enters its `number`-th rename, and returns how that ended.
/// What the program has left running is waited for.
pub fn killed_at_rename(plain: &Command, number: usize) -> ExitStatus {
    let mut command = Command::new(tool("strace"));
    command.args(["-f", "-o", "/dev/null", "-e", "trace=renameat", "-e"]);
    command.arg(format!("inject=renameat:signal=KILL:when={number}"));
    command.arg(plain.get_program()).args(plain.get_args()).env_clear();
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.current_dir(plain.get_current_dir().unwrap_or(Path::new("/")));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().expect("strace starts")
}

/// Tells whether the program was killed; strace ends as its tracee does.
pub fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(9) || status.code() == Some(137)
}
