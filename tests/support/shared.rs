//! Data of the tests: what the repository has in tests/fixtures, and the folder of third-party material that it does
//! not copy.

use std::path::{Path, PathBuf};

/// Returns a file or folder of tests/fixtures.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Returns `data/<folder>` of the shared folder: where `GPUNODE_SHARED` says, or beside the checkout. Only tests that
/// are ignored without it may ask for it.
pub fn data(folder: &str) -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let place = std::env::var_os("GPUNODE_SHARED").map_or(beside, PathBuf::from);
    let found = place.join("data").join(folder);
    assert!(
        found.is_dir(),
        "{} is not there: set GPUNODE_SHARED to the folder that holds data/{folder}",
        found.display()
    );
    found
}
