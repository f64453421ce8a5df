//! Remove files of a driver that nobody accounts for. Each is kept in the session's folder first.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    effect::{Effect, Entries},
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict, file_failure},
    properties::{Preview, Properties, Reversal, RootReason, Witness},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    facts::{self, Origin},
    host::{Command, Host},
    i18n::msg,
};

/// Removes files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveLeftFiles {
    /// The files.
    pub files: Vec<PathBuf>,
}

impl RemoveLeftFiles {
    /// Returns those of the files that still are nobody's.
    fn left(&self, host: &Host) -> Vec<PathBuf> {
        facts::left_files(host).into_iter().filter(|path| self.files.contains(path)).collect()
    }
}

impl ActionKind for RemoveLeftFiles {
    fn properties(&self) -> Properties {
        Properties {
            root: Some(RootReason::Files),
            reversal: Reversal::Whole,
            takes_away: true,
            witness: Witness::Machine,
            effects: vec![Effect::Removes(Entries::Of(Origin::ModuleFile)), Effect::RemovesDriver],
            target: Target::Machine,
            scratch: None,
            until_reboot_of: None,
        }
    }

    fn preview(&self) -> Preview {
        Preview::of(follow_up(&self.files))
    }

    fn validate(&self) -> Result<(), Failure> {
        self.files.iter().try_for_each(|path| valid::path(path))?;
        kernels(&self.files).iter().try_for_each(|kernel| valid::word(msg::failure::wanted::kernel(), kernel, "-_.+~"))
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        self.left(host).is_empty().then(|| vec![format!("gone: {}", names(&self.files))])
    }

    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        let saved = self.left(context.host).iter().map(|path| context.save_removed(path)).collect::<Result<_, _>>()?;
        Ok(Undo::Files(saved).into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        remove(context, &self.left(context.host))
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, _host: &Host, undo: &Undo) -> Result<WayBack, Failure> {
        let own: Vec<&Path> = self.files.iter().map(PathBuf::as_path).collect();
        undo.restore(&own)
    }
}

/// Takes the ledger anew after a removal: what nobody accounts for any more is kept in the session's folder, removed
/// and named.
pub(super) fn sweep(context: &mut ActionContext<'_>) -> Result<(), Failure> {
    let left = facts::left_files(context.host);
    if left.is_empty() {
        return Ok(());
    }
    for path in &left {
        context.save_removed(path)?;
    }
    remove(context, &left)?;
    let folder = context.folder.display().to_string();
    context.notes.push(format!("left behind, and removed with a copy of each in {folder}: {}", names(&left)));
    Ok(())
}

/// Judges a removal: done is what the machine shows, and that nothing is left that nobody accounts for.
pub(super) fn judge(host: &Host, proof: Option<Vec<String>>) -> Verdict {
    let Some(proof) = proof else { return Verdict::Unfinished };
    match facts::left_files(host) {
        left if left.is_empty() => Verdict::Proven(proof),
        left => Verdict::Failed(Failure::new(msg::failure::files_left(names(&left)))),
    }
}

fn remove(context: &mut ActionContext<'_>, files: &[PathBuf]) -> Result<(), Failure> {
    for path in files {
        context.host.files.remove(path).map_err(|error| file_failure(msg::failure::cannot_remove, path, &error))?;
    }
    for command in follow_up(files) {
        if context.host.commands.locate(&command.program).is_some() {
            context.run(&command)?;
        }
    }
    Ok(())
}

/// The kernels' lists of modules and the loader's cache still name the files.
fn follow_up(files: &[PathBuf]) -> Vec<Command> {
    let depmod = kernels(files).into_iter().map(|kernel| Command::new("depmod", []).operand(kernel));
    let has_library = files.iter().any(|path| path.to_string_lossy().contains(".so."));
    let ldconfig = has_library.then(|| Command::new("ldconfig", []));
    depmod.chain(ldconfig).map(Command::detached).collect()
}

/// Returns the releases of the kernels whose modules are among the files: `/lib/modules/RELEASE/…`.
fn kernels(files: &[PathBuf]) -> BTreeSet<String> {
    let release = |path: &PathBuf| Some(path.strip_prefix("/lib/modules").ok()?.iter().next()?.to_str()?.to_owned());
    files.iter().filter_map(release).collect()
}

fn names(files: &[PathBuf]) -> String {
    files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
