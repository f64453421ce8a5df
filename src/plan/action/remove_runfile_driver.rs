//! Remove a driver that a runfile installed, with its own uninstaller.
//! Source: `nvidia-uninstall` is `nvidia-installer --uninstall`; `--silent` asks nothing (nvidia-installer's option
//! table).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    effect::{Effect, Entries},
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    properties::{Preview, Properties, Reversal, RootReason, Witness},
    remove_left_files::{judge, sweep},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    facts::Origin,
    host::{Command, Host},
    i18n::msg,
};

/// Where the uninstaller logs, anew with every run.
const UNINSTALL_LOG: &str = "/var/log/nvidia-uninstall.log";
/// What the installer has put where; only root may read it.
pub const RECORD: &str = "/var/lib/nvidia/log";
/// What the uninstaller says without its record.
const NO_RECORD: &str = "There is no NVIDIA driver currently installed";
/// What it says of a file that it leaves.
const ALTERED: &str = "seems to have changed";

/// Removes the driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveRunfileDriver {
    /// Where its uninstaller is, usually `/usr/bin/nvidia-uninstall`.
    pub uninstaller: PathBuf,
    /// The driver's version.
    pub version: String,
}

impl RemoveRunfileDriver {
    /// Returns the command. It ends by itself within minutes, but nobody can say when.
    pub fn command(&self) -> Command {
        Command::new(self.uninstaller.display().to_string(), ["--silent"]).detached()
    }
}

impl ActionKind for RemoveRunfileDriver {
    fn properties(&self) -> Properties {
        let removed =
            [Origin::Runfile, Origin::ModuleFile, Origin::Dkms].map(|origin| Effect::Removes(Entries::Of(origin)));
        Properties {
            root: Some(RootReason::Files),
            reversal: Reversal::Impossible,
            takes_away: true,
            witness: Witness::Machine,
            effects: removed.into_iter().chain([Effect::RemovesDriver]).collect(),
            target: Target::Machine,
            scratch: None,
            until_reboot_of: None,
        }
    }

    fn preview(&self) -> Preview {
        Preview::of([self.command()])
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::path(&self.uninstaller)
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let gone = !host.files.exists(&self.uninstaller);
        gone.then(|| vec![format!("{} is gone", self.uninstaller.display())])
    }

    fn prepare(&self, _context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Nothing.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let ended = context.run(&self.command());
        let log = context.host.files.read_text(UNINSTALL_LOG).unwrap_or_default();
        if context.host.files.exists(&self.uninstaller) && log.contains(NO_RECORD) {
            return Err(Failure::new(msg::failure::no_driver_record(
                RECORD,
                self.uninstaller.display(),
                &self.version,
            )));
        }
        ended?;
        let altered = log.lines().filter(|line| line.contains(ALTERED)).count();
        if altered > 0 {
            context
                .notes
                .push(format!("{UNINSTALL_LOG} names {altered} files that were changed since the installation"));
        }
        sweep(context)
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        judge(host, self.check(host))
    }

    fn way_back(&self, _host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        Ok(WayBack::Nothing)
    }
}
