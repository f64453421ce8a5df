//! Unload the driver's modules from the running kernel, so that no reboot is needed.

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
use crate::{
    facts::{Module, modules},
    host::{Command, Host},
    i18n::msg,
};

/// Where the kernel lists what is loaded.
const MODULES: &str = "/proc/modules";

/// Unloads modules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnloadModules {
    /// Their names: users before what they use.
    pub modules: Vec<String>,
}

impl UnloadModules {
    /// Returns the command. `rmmod` takes out what is named and nothing else; `modprobe -r` would go on to modules that
    /// others brought.
    pub fn command(&self) -> Command {
        Command::new("rmmod", []).operands(&self.modules)
    }
}

/// Returns the driver's modules in the order in which they can be unloaded; nothing if a module of somebody else uses
/// one of them.
pub fn in_order(modules: &[Module]) -> Option<Vec<String>> {
    let mut left: Vec<&Module> = modules.iter().filter(|module| modules::is_driver(&module.name)).collect();
    let mut order: Vec<String> = Vec::new();
    while !left.is_empty() {
        let free = left.iter().position(|module| module.used_by.iter().all(|user| order.contains(user)))?;
        order.push(left.remove(free).name.clone());
    }
    Some(order)
}

/// Returns the names of the driver's modules that are loaded now; nothing when the kernel's list cannot be read.
pub fn loaded(host: &Host) -> Option<Vec<String>> {
    let text = host.files.read_text(Path::new(MODULES)).ok()?;
    let names = text.lines().filter_map(|line| line.split(' ').next()).filter(|name| modules::is_driver(name));
    Some(names.map(str::to_owned).collect())
}

/// What proves that no module of the driver is loaded.
pub fn proof_of_absence(host: &Host) -> Option<Vec<String>> {
    loaded(host)?.is_empty().then(|| vec![format!("no module of the driver is in {MODULES}")])
}

impl ActionKind for UnloadModules {
    fn properties(&self) -> Properties {
        Properties {
            root: Some(RootReason::Kernel),
            reversal: Reversal::NothingLeft,
            takes_away: true,
            witness: Witness::Machine,
            effects: vec![Effect::EmptiesKernel],
            target: Target::Machine,
            scratch: None,
            until_reboot_of: None,
        }
    }

    fn preview(&self) -> Preview {
        Preview::of([self.command()])
    }

    fn validate(&self) -> Result<(), Failure> {
        self.modules
            .iter()
            .try_for_each(|name| valid::demand(modules::is_driver(name), msg::failure::wanted::driver_module(), name))
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        proof_of_absence(host)
    }

    fn prepare(&self, _context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Nothing.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let still = loaded(context.host).unwrap_or_default();
        let modules: Vec<String> = self.modules.iter().filter(|name| still.contains(name)).cloned().collect();
        if modules.is_empty() {
            return Ok(());
        }
        context.run(&Self { modules }.command())
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, _host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        Ok(WayBack::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(name: &str, used_by: &[&str]) -> Module {
        let used_by = used_by.iter().map(|user| (*user).to_owned()).collect();
        Module { name: name.to_owned(), used_by, ..Module::default() }
    }

    #[test]
    fn users_go_before_what_they_use() {
        let modules = [
            module("nvidia", &["nvidia_modeset", "nvidia_uvm"]),
            module("nvidia_modeset", &["nvidia_drm"]),
            module("drm", &["nvidia_drm", "ast"]),
            module("nvidia_uvm", &[]),
            module("nvidia_drm", &[]),
        ];
        assert_eq!(in_order(&modules).unwrap(), ["nvidia_uvm", "nvidia_drm", "nvidia_modeset", "nvidia"]);
    }

    #[test]
    fn a_module_of_somebody_else_keeps_them_all() {
        assert_eq!(in_order(&[module("nvidia", &["gdrdrv"])]), None);
    }
}
