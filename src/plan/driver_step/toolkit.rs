//! CUDA without the driver: what the runfile needs, the runfile itself, and the paths.

use std::path::{Path, PathBuf};

use crate::{
    answers::Answers,
    catalog::{Architecture, distros},
    choice::{self, CudaRow},
    facts::Facts,
    plan::{
        Action, Step,
        action::checksum::Checksum,
        action::fetch_runfile::FetchRunfile,
        action::install_packages::InstallPackages,
        action::install_toolkit::{InstallToolkit, default_prefix},
        action::set_paths::SetPaths,
    },
    version::Version,
};

/// The folder on NVIDIA's servers below which all runfiles are; a mirror has the same below its own address.
const FOLDER: &str = "/compute/cuda/";

/// The toolkit is of no use without a compiler.
pub(super) fn prerequisites(facts: &Facts) -> Option<Action> {
    if facts.host.gcc_version.is_some() {
        return None;
    }
    let family = distros::family(facts.host.system())?;
    let kind = InstallPackages { family: family.name, packages: family.compiler, program: "gcc".to_owned() };
    let args = [("packages", kind.packages.join(", "))];
    Some(Action::new(Step::Driver, "install-packages", kind, &args))
}

/// Downloads the runfile unless one was given, installs it, and sets the paths unless the prefix is one's own.
pub(super) fn actions(facts: &Facts, answers: &Answers, version: &Version, downloads: &Path) -> Vec<Action> {
    let row = choice::runfile(version, Architecture::from_uname(&facts.host.architecture));
    let checksum = answers
        .cuda_runfile_sha256
        .clone()
        .map(|hex| Checksum::Sha256(hex.into()))
        .or_else(|| published_checksum(row.as_ref()?));
    let name = row.as_ref().map_or_else(|| format!("cuda_{version}_linux.run"), |row| row.file.clone());
    let runfile = answers.cuda_runfile.clone().map_or_else(|| downloads.join(name), Into::into);
    let prefix = answers.cuda_prefix.clone().map_or_else(|| default_prefix(version), PathBuf::from);
    let tmpdir = answers.cuda_tmpdir.as_deref().unwrap_or(downloads).to_owned();
    let mut actions = Vec::new();
    if let (None, Some(row), Some(checksum)) = (&answers.cuda_runfile, &row, &checksum) {
        actions.push(fetch_runfile(row, checksum, &runfile, answers));
    }
    let place = Place { runfile, is_given: answers.cuda_runfile.is_some(), prefix: prefix.clone(), tmpdir };
    let mut install = install_toolkit(version, place, checksum);
    if row.is_none() && answers.cuda_runfile.is_none() {
        install.blocked = Some("no-checksum".to_owned());
    }
    if answers.cuda_prefix.is_some() {
        // What is one's own is not put on everybody's path.
        actions.push(install);
    } else {
        actions.extend([install, set_paths(prefix)]);
    }
    actions
}

fn published_checksum(row: &CudaRow) -> Option<Checksum> {
    let sha256 = row.sha256.clone().map(Checksum::Sha256);
    sha256.or_else(|| row.md5.clone().map(Checksum::Md5))
}

/// Returns the address on the mirror of the answers, if there is one.
fn address(url: &str, answers: &Answers) -> String {
    match (&answers.cuda_mirror, url.split_once(FOLDER)) {
        (Some(mirror), Some((_, path))) => format!("{}/{path}", mirror.trim_end_matches('/')),
        _ => url.to_owned(),
    }
}

fn fetch_runfile(row: &CudaRow, checksum: &Checksum, file: &Path, answers: &Answers) -> Action {
    let url = address(&row.url, answers);
    let mut kind = FetchRunfile::new(url.clone(), file, row.size_bytes, checksum.clone());
    kind.proxy.clone_from(&answers.proxy);
    let args = [("file", row.file.clone()), ("url", url)];
    Action::new(Step::Driver, "fetch-runfile", kind, &args)
}

/// Where a toolkit comes from and goes to.
struct Place {
    runfile: PathBuf,
    is_given: bool,
    prefix: PathBuf,
    tmpdir: PathBuf,
}

/// Without a checksum the action is there to be seen, and blocked: an unknown file never runs.
fn install_toolkit(version: &Version, place: Place, checksum: Option<Checksum>) -> Action {
    let Place { runfile, is_given, prefix, tmpdir } = place;
    let blocked = checksum.is_none().then(|| "no-checksum".to_owned());
    let checksum = checksum.unwrap_or_else(|| Checksum::Sha256(String::new()));
    let kind = InstallToolkit { tmpdir, checksum, version: version.clone(), prefix: prefix.clone(), runfile, is_given };
    let args = [("version", version.to_string()), ("prefix", prefix.display().to_string())];
    Action { blocked, ..Action::new(Step::Driver, "install-toolkit", kind, &args) }
}

fn set_paths(prefix: PathBuf) -> Action {
    let args = [("prefix", prefix.display().to_string())];
    Action::new(Step::Driver, "set-paths", SetPaths { prefix }, &args)
}
