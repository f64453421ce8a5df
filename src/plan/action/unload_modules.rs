//! Unload the driver's modules from the running kernel, so that no reboot is needed.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::kind::{ActionContext, ActionKind, Failure};
use crate::{
    facts::{Module, modules},
    host::{Command, Host},
    plan::action::undo::Undo,
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
    /// Returns the command. `rmmod` takes out what is named and nothing else; `modprobe -r` would go on to modules that others brought.
    pub fn command(&self) -> Command {
        Command::new("rmmod", &self.modules)
    }
}

/// Returns the driver's modules in the order in which they can be unloaded; nothing if a module of somebody else uses one of them.
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
    fn done(&self, host: &Host) -> Option<Vec<String>> {
        proof_of_absence(host)
    }

    fn undo(&self, _work: &ActionContext<'_>) -> Result<Undo, Failure> {
        Ok(Undo::Impossible("modules-without-driver".to_owned()))
    }

    fn execute(&self, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        let still = loaded(work.host).unwrap_or_default();
        let modules: Vec<String> = self.modules.iter().filter(|name| still.contains(name)).cloned().collect();
        if modules.is_empty() {
            return Ok(());
        }
        work.run(&Self { modules }.command())
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
