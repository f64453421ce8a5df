//! The check of a file against its published checksum: a wrong file never runs.

use std::path::Path;

use super::failure::{Failure, file_failure};
pub use crate::host::files::Checksum;
use crate::{host::Host, i18n::msg};

impl Checksum {
    /// Returns the wanted value.
    pub fn value(&self) -> &str {
        match self {
            Self::Sha256(hex) | Self::Md5(hex) => hex,
        }
    }

    /// Checks a file on the machine. The file is opened once: no list of names and no other program stands between it
    /// and its digest.
    pub fn check(&self, host: &Host, file: &Path) -> Result<String, Failure> {
        match host.files.has_digest(file, self) {
            Ok(true) => Ok(format!("{} has the expected checksum {}", file.display(), self.value())),
            Ok(false) => Err(Failure::new(msg::failure::checksum(file.display(), self.value()))),
            Err(error) => Err(file_failure(msg::failure::cannot_read, file, &error)),
        }
    }
}
