//! `gpunode ansible`: writes out the Ansible collection, with this program and others of its kind in it.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use include_dir::{Dir, include_dir};
use object::{Architecture, Object};
use sha2::{Digest, Sha256};

use super::print;
use crate::{
    bounded,
    cli::Global,
    error::{Expected, reason},
    exit_code::ExitCode,
    host::Files,
    i18n::msg,
    private,
    workspace::Workspace,
};

static COLLECTION: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/assets/ansible");
/// Where Ansible looks for a collection below a folder of its collections path.
const PLACE: &str = "ansible_collections/gpunode/gpunode";
const BINARIES: &str = "roles/binary/files";
const SUMS: &str = "SHA256SUMS";
/// The line of `galaxy.yml` by which a collection of ours is known.
const NAMESPACE: &str = "namespace: gpunode";
/// Largest program that is taken: one with all its debugging information.
const MOST: u64 = 256 << 20;

/// Writes the collection below `folder`. What is there of it is replaced; of another collection nothing is.
pub(super) fn run(
    workspace: &Workspace,
    global: &Global,
    folder: &Path,
    binaries: &[PathBuf],
) -> Result<ExitCode, Expected> {
    let folder = std::path::absolute(folder).map_err(|error| failed(folder, &error))?;
    let mut place = folder.join(PLACE);
    let files = workspace.host.files.as_ref();
    demand_own(files, &place)?;
    // All that is to be put there is read before the first file is written.
    let mut programs = BTreeMap::new();
    let own = std::env::current_exe().map_err(|error| failed(Path::new("/proc/self/exe"), &error))?;
    for path in std::iter::once(&own).chain(binaries) {
        let (name, bytes) = program(path)?;
        programs.insert(name, bytes);
    }
    // Below another root, and on a simulated machine, nothing of this one is written.
    if workspace.title.is_none() && global.root.is_none() {
        place = private::place(&folder, Path::new(PLACE)).map_err(|error| failed(&folder, &error))?;
    }
    for (path, bytes) in contents(&COLLECTION) {
        put(files, &place.join(path), bytes, 0o644)?;
    }
    let mut sums = known_sums(files, &place);
    for (name, bytes) in &programs {
        sums.insert(name.clone(), hex(bytes));
        put(files, &place.join(BINARIES).join(name), bytes, 0o755)?;
    }
    let text: String = sums.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect();
    put(files, &place.join(BINARIES).join(SUMS), text.as_bytes(), 0o644)?;
    let names = sums.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    print(&(msg::ansible::written(names, folder.display()).text(workspace.lang) + "\n"))
}

/// Returns all files of the collection by their paths in it.
fn contents(folder: &'static Dir<'static>) -> Vec<(&'static Path, &'static [u8])> {
    let own = folder.files().map(|file| (file.path(), file.contents()));
    own.chain(folder.dirs().flat_map(contents)).collect()
}

/// Refuses a folder in which another collection is.
fn demand_own(files: &dyn Files, place: &Path) -> Result<(), Expected> {
    let file = place.join("galaxy.yml");
    match files.read_text(&file) {
        Ok(text) if text.lines().all(|line| line.trim() != NAMESPACE) => {
            Err(Expected::new(msg::error::ansible::foreign(place.display()), msg::error::ansible::hint()))
        }
        _ => Ok(()),
    }
}

/// Reads a program and names it by the architecture that its header tells.
fn program(path: &Path) -> Result<(String, Vec<u8>), Expected> {
    let bytes = bounded::read(path, MOST).map_err(|error| failed(path, &error))?;
    let architecture = object::File::parse(bytes.as_slice()).ok().map(|file| file.architecture());
    let name = match architecture {
        Some(Architecture::X86_64) => "gpunode-x86_64",
        Some(Architecture::Aarch64) => "gpunode-aarch64",
        _ => {
            let what = msg::error::ansible::no_program(path.display());
            return Err(Expected::new(what, msg::error::ansible::no_program::hint()));
        }
    };
    Ok((name.to_owned(), bytes))
}

/// Returns the checksums of the binaries that an earlier call has put there.
fn known_sums(files: &dyn Files, place: &Path) -> BTreeMap<String, String> {
    let text = files.read_text(place.join(BINARIES).join(SUMS)).unwrap_or_default();
    let line = |line: &str| line.split_once("  ").map(|(sum, name)| (name.to_owned(), sum.to_owned()));
    text.lines().filter_map(line).filter(|(name, _)| files.exists(place.join(BINARIES).join(name))).collect()
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

fn put(files: &dyn Files, path: &Path, bytes: &[u8], mode: u32) -> Result<(), Expected> {
    files.write(path, bytes, mode).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &io::Error) -> Expected {
    Expected::new(msg::error::ansible::failed(path.display(), reason(error)), msg::error::ansible::hint())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_collection_has_the_version_of_the_program() {
        let galaxy = COLLECTION.get_file("galaxy.yml").unwrap().contents_utf8().unwrap();
        assert!(galaxy.contains(&format!("\nversion: {}\n", env!("CARGO_PKG_VERSION"))), "{galaxy}");
        assert!(galaxy.lines().any(|line| line == NAMESPACE));
    }
}
