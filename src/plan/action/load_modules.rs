//! Load the driver's modules, or exchange those of another version for them, without a reboot; refused where somebody
//! holds the old ones, and then it says who.
//! Source: NVIDIA's driver README, "device nodes" (nvidia-modprobe makes those of unified memory); order of the modules
//! as in `/proc/modules`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    effect::Effect,
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    properties::{Preview, Properties, Reversal, RootReason, Witness},
    target::Target,
    undo::{Undo, WayBack},
    unload_modules, valid,
};
use crate::{
    facts::{self, Facts, LedgerEntry, Origin, packages},
    host::{Command, Host},
    i18n::msg,
};

/// The module, and that of unified memory, which CUDA needs.
const MODULES: [&str; 2] = ["nvidia", "nvidia_uvm"];

/// Loads the driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadModules {
    /// The branch that is loaded afterwards.
    pub branch: u32,
    /// How many cards the driver has to see.
    pub cards: usize,
}

/// Returns the driver's version that the packages of this machine bring.
fn installed(host: &Host) -> Option<String> {
    let found = packages::installed(host);
    let told = |package: &packages::Package| {
        packages::driver_version(&LedgerEntry::new(
            Origin::Deb,
            format!("{} {}", package.name, package.version.rsplit(':').next()?),
            "",
        ))
    };
    found.iter().find_map(told).map(|version| version.to_string())
}

impl LoadModules {
    fn commands() -> Vec<Command> {
        let load = MODULES
            .iter()
            .map(|name| Command::new("modprobe", [*name]).deadline(Some(std::time::Duration::from_mins(2))));
        load.chain([Command::new("nvidia-modprobe", ["-u", "-c", "0"])]).collect()
    }

    /// Takes modules of another version out, if nobody holds them.
    fn make_room(context: &mut ActionContext<'_>, facts: &Facts) -> Result<(), Failure> {
        if facts.driver.modules.is_empty() && facts.driver.loaded_version.is_none() {
            return Ok(());
        }
        let holders: Vec<String> = facts.driver.holders.iter().map(told).collect();
        if !holders.is_empty() {
            return Err(Failure::new(msg::failure::modules_held(holders.join("; "))));
        }
        let order = unload_modules::in_order(&facts.driver.modules).unwrap_or_default();
        let modules: Vec<String> = order.into_iter().filter(|name| crate::facts::modules::is_driver(name)).collect();
        if modules.is_empty() { Ok(()) } else { context.run(&unload_modules::UnloadModules { modules }.command()) }
    }

    fn loaded(host: &Host) -> Option<String> {
        let text = host.files.read_text(Path::new("/proc/driver/nvidia/version")).ok()?;
        facts::parse::parse_driver_version(&text).0
    }
}

/// A holder, as people look for it.
fn told(holder: &facts::Holder) -> String {
    let place = holder.pod_name.as_ref().map(|pod| format!("pod {pod}")).or_else(|| holder.unit.clone());
    format!("{} {}{}", holder.pid, holder.command, place.map(|place| format!(" ({place})")).unwrap_or_default())
}

impl ActionKind for LoadModules {
    fn properties(&self) -> Properties {
        Properties {
            root: Some(RootReason::Kernel),
            reversal: Reversal::Whole,
            takes_away: false,
            witness: Witness::Machine,
            effects: vec![Effect::TakesCards],
            target: Target::Machine,
            scratch: None,
            until_reboot_of: None,
        }
    }

    fn preview(&self) -> Preview {
        Preview { details: vec![msg::details::load_modules()], ..Preview::of(Self::commands()) }
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::demand((100..1000).contains(&self.branch), msg::failure::wanted::version(), &self.branch.to_string())
    }

    /// The version that is loaded is the one of the packages; where these do not tell, its branch.
    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let loaded = Self::loaded(host)?;
        let fits = match installed(host) {
            Some(version) => version == loaded,
            None => loaded.split('.').next().and_then(|branch| branch.parse().ok()) == Some(self.branch),
        };
        fits.then(|| vec![format!("driver {loaded} is loaded, and of the packages' version")])
    }

    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Value(Self::loaded(context.host)).into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let facts = facts::probe(context.host);
        Self::make_room(context, &facts)?;
        for command in Self::commands() {
            if command.program == "nvidia-modprobe" && context.host.commands.locate("nvidia-modprobe").is_none() {
                context.notes.push(
                    "nvidia-modprobe is not installed: the driver makes its device files when it is first used"
                        .to_owned(),
                );
                continue;
            }
            context.run(&command)?;
        }
        Ok(())
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        let Some(mut proof) = self.check(host) else { return Verdict::Unfinished };
        let Ok(output) = host.commands.capture(&Command::new("nvidia-smi", ["-L"])) else {
            return Verdict::Proven(proof);
        };
        let seen = output.stdout.lines().filter(|line| line.starts_with("GPU ")).count();
        if seen != self.cards && self.cards > 0 {
            return Verdict::Failed(Failure::new(msg::failure::cards_not_seen(self.cards, seen)));
        }
        proof.push(format!("nvidia-smi sees {seen} of {} cards", self.cards));
        Verdict::Proven(proof)
    }

    /// What was not loaded before is taken out again; an exchanged version does not come back by itself.
    fn way_back(&self, host: &Host, undo: &Undo) -> Result<WayBack, Failure> {
        match undo {
            Undo::Value(None) => {
                let modules: Vec<String> =
                    unload_modules::in_order(&facts::probe(host).driver.modules).unwrap_or_default();
                let command = unload_modules::UnloadModules { modules: modules.clone() }.command();
                Ok(if modules.is_empty() { WayBack::Nothing } else { WayBack::Run { command, gone: None } })
            }
            _ => Ok(WayBack::Nothing),
        }
    }
}
