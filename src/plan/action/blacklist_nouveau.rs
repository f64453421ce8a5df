//! Keep the drivers of the kernel (nouveau, nova) from taking the card at the next boot.
//! Source: NVIDIA CUDA installation guide for Linux, "Disabling Nouveau"; nova as seen on Ubuntu 26.04.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::kind::{ActionContext, ActionKind, Failure, file_failure};
use crate::{
    host::{Command, Host},
    plan::action::undo::Undo,
};

const FILE: &str = "/etc/modprobe.d/gpunode-no-nouveau.conf";
const TEXT: &str = "# Written by gpunode: NVIDIA's driver and these cannot share a card.\n\
    blacklist nouveau\noptions nouveau modeset=0\nblacklist nova_core\nblacklist nova_drm\nblacklist nova\nblacklist nvidiafb\nblacklist rivafb\n";

/// Writes the blacklist and rebuilds the initramfs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlacklistNouveau {
    /// The command that rebuilds the initramfs: `dracut --force` or `update-initramfs -u`.
    pub initramfs: Vec<String>,
}

impl BlacklistNouveau {
    /// Returns the command that follows the file.
    pub fn command(&self) -> Option<Command> {
        let (program, args) = self.initramfs.split_first()?;
        Some(Command::new(program, args).detached())
    }

    /// Returns the new file as a diff.
    pub fn diff() -> String {
        let added: String = TEXT.lines().fold(String::new(), |diff, line| diff + "+" + line + "\n");
        format!("--- /dev/null\n+++ {FILE}\n{added}")
    }
}

impl ActionKind for BlacklistNouveau {
    fn done(&self, host: &Host) -> Option<Vec<String>> {
        // The file alone proves nothing about the initramfs, so this action is done only when the journal saw both.
        let _ = host;
        None
    }

    fn undo(&self, work: &ActionContext<'_>) -> Result<Undo, Failure> {
        Ok(Undo::RestoreFiles(vec![work.save_file(Path::new(FILE), TEXT.as_bytes())?]))
    }

    fn execute(&self, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        work.host.files.write(Path::new(FILE), TEXT.as_bytes(), 0o644).map_err(|error| file_failure("write", Path::new(FILE), &error))?;
        self.command().map_or(Ok(()), |command| work.run(&command))
    }

    fn prove(&self, host: &Host, _before: &std::collections::BTreeMap<String, String>) -> Result<Vec<String>, Failure> {
        match host.files.read_text(FILE) {
            Ok(text) if text == TEXT => Ok(vec![format!("{FILE} is in place and the initramfs was rebuilt")]),
            _ => Err(Failure::new(format!("{FILE} is not as it was written"))),
        }
    }
}
