//! Links in `/dev/char` for the driver's device files, and a udev rule that makes them at each boot. Without them
//! systemd takes the cards away from running containers at its next `daemon-reload`. Source:
//! NVIDIA/nvidia-container-toolkit issues 48 and 1227; its troubleshooting page names this rule.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    properties::{Preview, Properties, Reversal, RootReason},
    undo::{Undo, WayBack},
};
use crate::host::{Command, Host};

const RULE: &str = "/etc/udev/rules.d/71-gpunode-nvidia-dev-char.rules";
const TEXT: &str = "# Written by gpunode: links in /dev/char for the NVIDIA driver's device files.\n\
    ACTION==\"add\", DEVPATH==\"/bus/pci/drivers/nvidia\", RUN+=\"/usr/bin/nvidia-ctk system create-dev-char-symlinks --create-all\"\n";
/// Major number of the cards' device files. Source: the kernel's Documentation/admin-guide/devices.txt.
const MAJOR: &str = "195:";

/// Makes the links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLinks {
    /// The driver is loaded then, and the links can be made at once.
    pub at_once: bool,
}

impl DeviceLinks {
    fn commands(&self) -> Vec<Command> {
        let reload = Command::new("udevadm", ["control", "--reload"]);
        let make = Command::new("nvidia-ctk", ["system", "create-dev-char-symlinks", "--create-all"]);
        [Some(reload), self.at_once.then_some(make)].into_iter().flatten().collect()
    }

    fn links(host: &Host) -> usize {
        host.files
            .list(Path::new("/dev/char"))
            .unwrap_or_default()
            .iter()
            .filter(|name| name.starts_with(MAJOR))
            .count()
    }
}

impl ActionKind for DeviceLinks {
    fn properties(&self) -> Properties {
        Properties::on_machine(RootReason::Etc, Reversal::Whole)
    }

    fn preview(&self) -> Preview {
        let added = TEXT.lines().fold(String::new(), |diff, line| diff + "+" + line + "\n");
        Preview { diff: Some(format!("--- /dev/null\n+++ {RULE}\n{added}")), ..Preview::of(self.commands()) }
    }

    fn validate(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let is_ours = host.files.read_text(RULE).is_ok_and(|text| text == TEXT);
        let links = Self::links(host);
        (is_ours && (links > 0 || !self.at_once))
            .then(|| vec![format!("{RULE} is in place; {links} links {MAJOR}* in /dev/char")])
    }

    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Files(vec![context.save_file(Path::new(RULE), TEXT.as_bytes())?]).into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        context.write(Path::new(RULE), TEXT.as_bytes())?;
        self.commands().iter().try_for_each(|command| context.run(command))
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    /// The links themselves are gone with the next boot.
    fn way_back(&self, _host: &Host, undo: &Undo) -> Result<WayBack, Failure> {
        undo.restore_then(&[Path::new(RULE)], vec![Command::new("udevadm", ["control", "--reload"])])
    }
}
