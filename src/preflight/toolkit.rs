//! Checks of the toolkit's installation: does it fit, is there room, will the runfile start?

use std::path::{Path, PathBuf};

use super::{Request, wrong_size};
use crate::{
    choice::CudaRow,
    host::{Host, files::NotRecorded},
    i18n::{Arg, Message, msg},
    plan::{
        ActionSpec,
        action::install_toolkit::{InstallToolkit, USERS_LOG},
    },
    prediction::{
        CheckKind, Evidence,
        Forecast::{self, Ok, Unknown, Warning, WillFail},
        Prediction,
    },
};

const INSTALL: &str = "install-toolkit";
const GIB: u64 = 1 << 30;
/// A header of the C library: without its development files gcc builds nothing.
const LIBC_HEADER: &str = "/usr/include/stdio.h";
/// Bytes of a runfile in which its label stands.
const HEAD: usize = 16 << 10;

/// Where the loader finds the library that cuda-installer is linked to.
const LIBRARY_FOLDERS: [&str; 6] =
    ["/usr/lib64", "/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib", "/usr/local/lib"];

pub(super) fn checks(request: Request<'_>) -> Vec<Prediction> {
    let Some(install) = request.install() else { return Vec::new() };
    let row = request.table.cuda.iter().find(|row| row.version == install.version);
    let mut found = Vec::new();
    found.extend(row.map(fits));
    found.push(compiler(request, row));
    found.extend(local_file(request, install, row));
    found.extend(space(request, install, row));
    found.push(mounts(request, install));
    found.extend(libxml2(request, install));
    found.push(installer_log(request));
    found
}

fn fits(row: &CudaRow) -> Prediction {
    let why = row.reason.as_ref().map_or_else(msg::preflight::seen::toolkit_fits, |reason| reason.0.clone());
    let seen = msg::preflight::seen::toolkit(&row.version, why);
    Prediction::new(CheckKind::ToolkitFits, if row.fits { Ok } else { WillFail }, seen)
}

/// Advice: the installer takes any compiler (`--override`); it is nvcc that refuses one, long after this step.
fn compiler(request: Request<'_>, row: Option<&CudaRow>) -> Prediction {
    let note = row.into_iter().flat_map(|row| &row.notes).find(|note| note.id().starts_with("gcc-"));
    let missing = missing_beside_gcc(request.host);
    let (says, seen) = match (&request.facts.host.gcc_version, note) {
        (None, _) if request.will_install_packages() => (Ok, msg::preflight::seen::gcc_comes()),
        (None, _) => (Warning, msg::preflight::seen::no_gcc()),
        // nvcc's own headers refuse a compiler that is too new; with one that is too old it depends on what is built.
        (Some(_), Some(note)) => (Warning, note.0.clone()),
        (Some(version), None) if !missing.is_empty() => {
            (Warning, msg::preflight::seen::gcc_alone(missing.join(", "), version))
        }
        (Some(version), None) => (Ok, msg::preflight::seen::gcc_fits(version)),
    };
    Prediction::new(CheckKind::Compiler, says, seen)
}

/// Returns what nvcc needs beside gcc and is not here. A simulated machine does not tell.
fn missing_beside_gcc(host: &Host) -> Vec<&'static str> {
    if host.simulation.is_some() {
        return Vec::new();
    }
    let compiler = host.commands.locate("g++").is_none().then_some("g++");
    let headers = (!host.files.exists(Path::new(LIBC_HEADER))).then_some(LIBC_HEADER);
    compiler.into_iter().chain(headers).collect()
}

/// Returns what a runfile says that it holds, if that is a driver: its label, or else the folder that it unpacks.
/// makeself writes both into the first lines of the script.
fn driver_inside(host: &Host, path: &Path) -> Option<String> {
    let head = host.files.read_at(path, 0, HEAD).ok()?;
    let head = String::from_utf8_lossy(&head);
    let value = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().trim_matches('"').to_owned())
    };
    let says =
        |value: &String| value.contains("NVIDIA Accelerated Graphics Driver") || value.starts_with("NVIDIA-Linux-");
    [value("label="), value("targetdir=")].into_iter().flatten().find(says).map(|label| crate::text::printable(&label))
}

fn local_file(request: Request<'_>, install: &InstallToolkit, row: Option<&CudaRow>) -> Option<Prediction> {
    request.answers.cuda_runfile.as_ref()?;
    let path = install.runfile.display();
    // With a checksum of one's own it may be another file than the catalog's.
    let size = row.and_then(|row| row.size_bytes).filter(|_| request.answers.cuda_runfile_sha256.is_none());
    let driver = driver_inside(request.host, &install.runfile);
    let (says, seen): (Forecast, Evidence) = match (request.host.files.meta(&install.runfile), size) {
        (Err(error), _) => {
            (if NotRecorded::is(&error) { Unknown } else { WillFail }, format!("{path}: {error}").into())
        }
        (Result::Ok(_), _) if driver.is_some() => {
            (WillFail, msg::preflight::seen::driver_runfile(driver.unwrap_or_default(), path).into())
        }
        (Result::Ok(meta), Some(size)) if meta.len != size => (WillFail, wrong_size(path, meta.len, size).into()),
        (Result::Ok(meta), _) => (Ok, msg::preflight::seen::runfile_there(path, meta.len).into()),
    };
    Some(Prediction::new(CheckKind::LocalRunfile, says, seen).about(INSTALL, &["download-corrupt"]))
}

/// A place, what it is for, and the bytes that it needs.
type Need = (PathBuf, Purpose, u64);

/// What room is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Download,
    Unpacking,
    Toolkit,
}

impl Purpose {
    fn text(self) -> Message {
        match self {
            Self::Download => msg::preflight::seen::for_download(),
            Self::Unpacking => msg::preflight::seen::for_unpacking(),
            Self::Toolkit => msg::preflight::seen::for_toolkit(),
        }
    }
}

/// Room for download, unpacking and toolkit, by NVIDIA's and our own measure of once, twice and twice the runfile's
/// size.
fn space(request: Request<'_>, install: &InstallToolkit, row: Option<&CudaRow>) -> Vec<Prediction> {
    let there = request.host.files.meta(&install.runfile).map_or(0, |meta| meta.len);
    let Some(size) = row.and_then(|row| row.size_bytes).or(Some(there)).filter(|size| *size > 0) else {
        return Vec::new();
    };
    let mut needs: Vec<Need> = vec![
        (install.tmpdir.clone(), Purpose::Unpacking, 2 * size),
        (install.prefix.clone(), Purpose::Toolkit, 2 * size),
    ];
    if request.actions.iter().any(|action| matches!(action.kind, ActionSpec::FetchRunfile(_))) {
        needs.insert(0, (install.runfile.clone(), Purpose::Download, size.saturating_sub(there)));
    }
    let mut groups: Vec<(PathBuf, u64, Vec<Need>)> = Vec::new();
    let mut found = Vec::new();
    for need in needs {
        let place = existing(request, &need.0);
        match request.host.files.free_space(&place) {
            // The seam knows no devices: folders with the same free bytes are taken as one file system, which errs on
            // the safe side.
            Result::Ok(free) => match groups.iter_mut().find(|(_, other, _)| *other == free) {
                Some((_, _, needs)) => needs.push(need),
                None => groups.push((place, free, vec![need])),
            },
            Err(error) => {
                found.push(Prediction::new(
                    CheckKind::Space.on(place.display()),
                    Unknown,
                    format!("{}: {error}", place.display()),
                ));
            }
        }
    }
    found.extend(groups.into_iter().map(|(place, free, needs)| room(&place, free, &needs)));
    found
}

fn room(place: &Path, free: u64, needs: &[Need]) -> Prediction {
    let needed: u64 = needs.iter().map(|(_, _, bytes)| bytes).sum::<u64>() + GIB;
    let what = Arg::Messages(needs.iter().map(|(_, what, _)| what.text()).collect());
    let seen = msg::preflight::seen::space(gib(free), gib(needed), place.display(), what);
    let says = if free >= needed { Ok } else { WillFail };
    let action = if needs.iter().any(|(_, what, _)| *what == Purpose::Download) { "fetch-runfile" } else { INSTALL };
    Prediction::new(CheckKind::Space.on(place.display()), says, seen).about(action, &["no-space", "runfile-no-space"])
}

fn gib(bytes: u64) -> String {
    format!("{}.{} GiB", bytes / GIB, bytes % GIB * 10 / GIB)
}

/// The nearest folder above that is there.
fn existing(request: Request<'_>, path: &Path) -> PathBuf {
    path.ancestors().find(|folder| request.host.files.exists(folder)).unwrap_or(Path::new("/")).to_owned()
}

/// A folder to unpack in must let programs run, and the prefix must be writable.
fn mounts(request: Request<'_>, install: &InstallToolkit) -> Prediction {
    const ID: CheckKind = CheckKind::Mounts;
    let signatures = ["installer-not-executable", "read-only-file-system"];
    let Result::Ok(text) = request.host.files.read_text("/proc/mounts") else {
        return Prediction::new(ID, Unknown, msg::preflight::seen::mounts_unread()).about(INSTALL, &signatures);
    };
    let bad = |path: &Path, option: &str| mount_with(&text, &existing(request, path), option);
    let found = bad(&install.tmpdir, "noexec").map(msg::preflight::seen::noexec);
    let found = found.or_else(|| bad(&install.prefix, "ro").map(msg::preflight::seen::read_only));
    let (says, seen) = found.map_or_else(|| (Ok, msg::preflight::seen::mounts_fine()), |seen| (WillFail, seen));
    Prediction::new(ID, says, seen).about(INSTALL, &signatures)
}

/// Returns the mount point that holds `path` if it has the option. `/proc/mounts`: device, point, type, options.
fn mount_with(mounts: &str, path: &Path, option: &str) -> Option<String> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.nth(1)?))
    });
    // The last of the longest: what was mounted later lies on top.
    let (point, options) = mounts.filter(|(point, _)| path.starts_with(point)).max_by_key(|(point, _)| point.len())?;
    options.split(',').any(|other| other == option).then(|| crate::text::printable(point))
}

fn libxml2(request: Request<'_>, install: &InstallToolkit) -> Option<Prediction> {
    const LIBRARY: &str = "libxml2.so.2";
    // The Perl installers, up to CUDA 10.0, need no library.
    if install.version < "10.1".parse().ok()? {
        return None;
    }
    let mut is_recorded = true;
    let place = LIBRARY_FOLDERS.iter().map(|folder| Path::new(folder).join(LIBRARY)).find(|path| {
        let meta = request.host.files.meta(path);
        is_recorded &= !meta.as_ref().is_err_and(NotRecorded::is);
        meta.is_ok()
    });
    let (says, seen) = match place {
        Some(path) => (Ok, msg::preflight::seen::library_there(path.display())),
        None if !is_recorded => (Unknown, msg::preflight::seen::library_unrecorded(LIBRARY)),
        None => (WillFail, msg::preflight::seen::library_missing(LIBRARY_FOLDERS.join(", "), LIBRARY)),
    };
    Some(Prediction::new(CheckKind::Libxml2, says, seen).about(INSTALL, &["libxml2-missing"]))
}

fn installer_log(request: Request<'_>) -> Prediction {
    let log = Path::new(USERS_LOG);
    let files = &request.host.files;
    let (says, seen) = match (files.read_link(log), files.meta(log)) {
        (Result::Ok(_), _) if !request.facts.host.root => (WillFail, msg::preflight::seen::log_link(USERS_LOG)),
        (Result::Ok(_), _) => (Ok, msg::preflight::seen::log_link_goes(USERS_LOG)),
        (Err(_), Result::Ok(meta)) if meta.uid != 0 && request.facts.host.root => {
            (Ok, msg::preflight::seen::log_of_user_goes(USERS_LOG, meta.uid))
        }
        (Err(_), Result::Ok(meta)) if meta.uid == 0 && !request.facts.host.root => {
            (WillFail, msg::preflight::seen::log_of_root(USERS_LOG))
        }
        (Err(_), _) => (Ok, msg::preflight::seen::no_log(USERS_LOG)),
    };
    Prediction::new(CheckKind::InstallerLog, says, seen).about(INSTALL, &["cuda-installer-crash"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_that_holds_a_path_counts() {
        let mounts =
            "/dev/sda1 / ext4 rw,relatime 0 0\ntmpfs /tmp tmpfs rw,nosuid,noexec 0 0\n/dev/sdb1 /tmp/big xfs rw 0 0\n";
        let noexec = |path: &str| mount_with(mounts, Path::new(path), "noexec");
        assert_eq!(noexec("/tmp/x").as_deref(), Some("/tmp"));
        assert_eq!(noexec("/tmp/big/x"), None);
        assert_eq!(noexec("/tmpfs"), None);
        assert_eq!(mount_with(mounts, Path::new("/usr/local"), "ro"), None);
    }

    #[test]
    fn one_file_system_needs_room_for_all_that_goes_there() {
        let needs = [("/d".into(), Purpose::Download, 3 * GIB), ("/d".into(), Purpose::Unpacking, 6 * GIB)];
        let tight = room(Path::new("/d"), 9 * GIB, &needs);
        assert_eq!((tight.says, tight.stops()), (WillFail, true));
        assert_eq!(tight.evidence, "/d: 9.0 GiB free, 10.0 GiB needed (download, unpacking)");
        assert_eq!(room(Path::new("/d"), 10 * GIB, &needs).says, Ok);
    }
}
