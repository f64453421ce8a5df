//! The folder with the project's data, which tests may read and the repository does not copy.

use std::path::{Path, PathBuf};

/// Returns `data/<folder>` of the shared folder: where `GPUNODE_SHARED` says, or beside the checkout.
pub fn data(folder: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = std::env::var_os("GPUNODE_SHARED").map(PathBuf::from);
    let places = named.into_iter().chain([root.join("../shared"), root.join("../../shared")]);
    let found = places.map(|place| place.join("data").join(folder)).find(|place| place.is_dir());
    found.unwrap_or_else(|| panic!("data/{folder} is not there: set GPUNODE_SHARED to the folder that holds it"))
}
