//! Remove what the installer pod has put on the host, when another owner brings the driver.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    effect::{Effect, Entries},
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict, file_failure},
    properties::{Preview, Properties, Reversal, RootReason, Witness},
    target::Target,
    undo::{Undo, WayBack},
};
use crate::{
    facts::{INSTALLER_POD_FOLDER, Origin},
    host::{Command, Host},
    i18n::msg,
};

/// Removes the pod's folder. Its modules stay in the kernel until the next boot, and nothing loads them then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovePodDriver {}

impl ActionKind for RemovePodDriver {
    fn properties(&self) -> Properties {
        Properties {
            root: Some(RootReason::Files),
            reversal: Reversal::Impossible,
            takes_away: true,
            witness: Witness::Machine,
            effects: vec![Effect::RemovesDriver, Effect::Removes(Entries::Of(Origin::InstallerPod))],
            target: Target::Machine,
            scratch: None,
            until_reboot_of: None,
        }
    }

    /// Shown as the command that does the same.
    fn preview(&self) -> Preview {
        Preview::of([Command::new("rm", ["-r", "--", INSTALLER_POD_FOLDER])])
    }

    /// There is nothing in it that could be wrong: the folder is not a parameter.
    fn validate(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        (!host.files.exists(Path::new(INSTALLER_POD_FOLDER))).then(|| vec![format!("{INSTALLER_POD_FOLDER} is gone")])
    }

    fn prepare(&self, _context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Nothing.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let folder = Path::new(INSTALLER_POD_FOLDER);
        context.host.files.remove_all(folder).map_err(|error| file_failure(msg::failure::cannot_remove, folder, &error))
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, _host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        Ok(WayBack::Nothing)
    }
}
