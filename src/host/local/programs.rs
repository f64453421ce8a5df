//! Where this machine's programs are, and which of them may run.
//!
//! Root's PATH may hold the present folder, or one that somebody else can write to: what lies there first would run as
//! root. So root's PATH counts only as far as nobody else can put a program into it, and the tools that this program
//! runs others with are always the system's own.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use crate::private;

/// The system's folders; root's PATH on a console often lacks `/usr/local/bin` and those with `sbin`.
const SYSTEM: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Looks a program up as `execvp` would. The error says why one that is there does not run.
pub(super) fn locate(program: &str) -> io::Result<Option<PathBuf>> {
    if program.contains('/') {
        let path = PathBuf::from(program);
        if !is_executable(&path) {
            return Ok(None);
        }
        if is_root() {
            private::demand_owned(&std::fs::canonicalize(&path)?)?;
        }
        return Ok(Some(path));
    }
    Ok(folders().iter().map(|folder| folder.join(program)).find(|file| is_executable(file)))
}

/// Looks up one of the system's own tools.
pub(super) fn tool(program: &str) -> Option<PathBuf> {
    SYSTEM.iter().rev().map(|folder| Path::new(folder).join(program)).find(|file| is_executable(file))
}

/// Returns the PATH that programs get.
pub(super) fn path() -> OsString {
    std::env::join_paths(folders()).unwrap_or_else(|_| OsString::from(SYSTEM.join(":")))
}

/// Returns the folders that are looked through, in order.
fn folders() -> &'static [PathBuf] {
    static FOLDERS: OnceLock<Vec<PathBuf>> = OnceLock::new();
    FOLDERS.get_or_init(|| {
        let given = std::env::var_os("PATH").unwrap_or_default();
        // An empty folder would be the present one, whose programs are not this machine's; a relative one is the same.
        let given = std::env::split_paths(&given).filter(|folder| folder.is_absolute());
        let is_safe = |folder: &PathBuf| {
            !is_root() || std::fs::canonicalize(folder).and_then(|real| private::demand_owned(&real)).is_ok()
        };
        let mut found: Vec<PathBuf> = Vec::new();
        for folder in given.filter(is_safe).chain(SYSTEM.map(PathBuf::from)) {
            if !found.contains(&folder) {
                found.push(folder);
            }
        }
        found
    })
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn is_executable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file()
}
