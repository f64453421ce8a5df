//! Keep the drivers of the kernel (nouveau, nova) from taking the card at the next boot.
//! Source: NVIDIA CUDA installation guide for Linux, "Disabling Nouveau"; nova as seen on Ubuntu 26.04.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    effect::Effect,
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    properties::{Preview, Properties, Reversal, RootReason, Witness},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::host::{Command, Host};
use crate::{catalog::distros, i18n::msg};

const FILE: &str = "/etc/modprobe.d/gpunode-no-nouveau.conf";
const TEXT: &str = "# Written by gpunode: NVIDIA's driver and these cannot share a card.\n\
    blacklist nouveau\noptions nouveau modeset=0\nblacklist nova_core\nblacklist nova_drm\nblacklist nova\nblacklist nvidiafb\nblacklist rivafb\n";

/// Writes the blacklist and rebuilds the initramfs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlacklistNouveau {
    /// Name of the distribution's family in the catalog, which knows how its initramfs is rebuilt; empty in old
    /// sessions.
    #[serde(default)]
    pub family: String,
}

impl BlacklistNouveau {
    /// Returns the command that follows the file.
    pub fn command(&self) -> Option<Command> {
        let family = distros::named(&self.family)?;
        (!family.initramfs.is_empty()).then(|| Command::from_line(family.initramfs).detached())
    }

    /// Returns the new file as a diff.
    pub fn diff() -> String {
        let added: String = TEXT.lines().fold(String::new(), |diff, line| diff + "+" + line + "\n");
        format!("--- /dev/null\n+++ {FILE}\n{added}")
    }
}

impl ActionKind for BlacklistNouveau {
    fn properties(&self) -> Properties {
        Properties {
            root: Some(RootReason::Etc),
            reversal: Reversal::Whole,
            takes_away: false,
            witness: Witness::Journal,
            effects: vec![Effect::BansConflictingDriver],
            target: Target::Machine,
            scratch: None,
            until_reboot_of: None,
        }
    }

    fn preview(&self) -> Preview {
        Preview { diff: Some(Self::diff()), ..Preview::of(self.command()) }
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::demand(self.command().is_some(), msg::failure::wanted::family(), &self.family)
    }

    /// The file alone proves nothing about the initramfs.
    fn check(&self, _host: &Host) -> Option<Vec<String>> {
        None
    }

    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Files(vec![context.save_file(Path::new(FILE), TEXT.as_bytes())?]).into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        context.write(Path::new(FILE), TEXT.as_bytes())?;
        self.command().map_or(Ok(()), |command| context.run(&command))
    }

    fn judge(&self, host: &Host, traces: &Traces<'_>) -> Verdict {
        if !traces.ended_well {
            return Verdict::Unfinished;
        }
        let is_ours = host.files.read_text(FILE).is_ok_and(|text| text == TEXT);
        Verdict::by(is_ours.then(|| vec![format!("{FILE} is in place and the initramfs was rebuilt")]))
    }

    fn way_back(&self, _host: &Host, undo: &Undo) -> Result<WayBack, Failure> {
        // What the initramfs holds counts at the next boot, not the file.
        let rebuild =
            self.command().map(|command| Command { deadline: Some(std::time::Duration::from_mins(10)), ..command });
        undo.restore_then(
            &[Path::new(FILE)],
            rebuild.into_iter().map(|command| Command { kind: crate::host::Kind::Query, ..command }).collect(),
        )
    }
}
