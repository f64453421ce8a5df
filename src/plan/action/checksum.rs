//! A published checksum, and the program of the machine that checks a file against it: a wrong file never runs.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::kind::Failure;
use crate::host::{Command, Host};

/// A published checksum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Checksum {
    /// SHA-256 in hex.
    Sha256(String),
    /// MD5 in hex, all that NVIDIA publishes for some releases.
    Md5(String),
}

impl Checksum {
    /// Returns the command that checks a file: the program reads the wanted value and compares by itself.
    pub fn command(&self, file: &Path) -> Command {
        let program = match self {
            Self::Sha256(_) => "sha256sum",
            Self::Md5(_) => "md5sum",
        };
        Command::new(program, ["--check", "-"]).stdin(format!("{}  {}\n", self.value(), file.display())).deadline(None)
    }

    /// Returns the wanted value.
    pub fn value(&self) -> &str {
        match self {
            Self::Sha256(hex) | Self::Md5(hex) => hex,
        }
    }

    /// Checks a file on the machine.
    pub fn check(&self, host: &Host, file: &Path) -> Result<String, Failure> {
        let command = self.command(file);
        let output = host.commands.capture(&command).map_err(|error| Failure::new(error.to_string()))?;
        if output.exit.is_success() {
            return Ok(format!("{} has the expected checksum {}", file.display(), self.value()));
        }
        let said = output.stderr.lines().next().unwrap_or("its checksum is another").trim().to_owned();
        Err(Failure::new(format!("{} is not the file with checksum {}: {said}", file.display(), self.value())))
    }
}
