//! Remove a dkms tree that a driver left behind: at the next kernel update it would be built and loaded again.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    effect::{Effect, Entries},
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict, file_failure},
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

/// Where dkms keeps its trees.
const TREES: &str = "/var/lib/dkms";

/// Removes a tree with what was built from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveDkms {
    /// `nvidia`.
    pub module: String,
    /// `418.87.00`.
    pub version: String,
    /// `/var/lib/dkms/nvidia/418.87.00`.
    pub tree: PathBuf,
}

impl RemoveDkms {
    /// Returns the command.
    pub fn command(&self) -> Command {
        Command::new("dkms", ["remove", "-m"])
            .operand(&self.module)
            .words(["-v"])
            .operand(&self.version)
            .words(["--all"])
            .detached()
    }
}

impl ActionKind for RemoveDkms {
    fn properties(&self) -> Properties {
        Properties {
            root: Some(RootReason::Kernel),
            reversal: Reversal::Impossible,
            takes_away: true,
            witness: Witness::Machine,
            effects: vec![
                Effect::RemovesDriver,
                Effect::Removes(Entries::Of(Origin::Dkms)),
                Effect::Removes(Entries::Of(Origin::ModuleFile)),
            ],
            target: Target::Machine,
            scratch: None,
            until_reboot_of: None,
        }
    }

    fn preview(&self) -> Preview {
        Preview::of([self.command()])
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::word(msg::failure::wanted::module(), &self.module, "-_.+")?;
        valid::word(msg::failure::wanted::version(), &self.version, "-_.+~")?;
        let own = Path::new(TREES).join(&self.module).join(&self.version);
        valid::demand(self.tree == own, msg::failure::wanted::tree(), &self.tree.display().to_string())
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        (!host.files.exists(&self.tree)).then(|| vec![format!("{} is gone", self.tree.display())])
    }

    fn prepare(&self, _context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Nothing.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        if context.host.commands.locate("dkms").is_some() {
            context.run(&self.command())?;
        }
        // Without dkms nothing builds from the tree any more; what is left of it would only mislead the next look.
        context
            .host
            .files
            .remove_all(&self.tree)
            .map_err(|error| file_failure(msg::failure::cannot_remove, &self.tree, &error))?;
        sweep(context)
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        judge(host, self.check(host))
    }

    fn way_back(&self, _host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        Ok(WayBack::Nothing)
    }
}
