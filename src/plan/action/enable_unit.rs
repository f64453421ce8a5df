//! Enable a unit of the driver or the container toolkit, and start it where the driver is loaded. Undo puts it back as
//! it was.

use serde::{Deserialize, Serialize};

use super::{
    effect::{Effect, Entries},
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    properties::{Preview, Properties, Reversal, RootReason, Witness},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    facts::Origin,
    host::{Command, Host},
    input::UnitName,
};

/// Enables a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnableUnit {
    /// Its name with its kind: `nvidia-persistenced.service`.
    pub unit: String,
    /// It is started at once; else the next boot starts it.
    pub starts: bool,
}

/// How a unit stands, in systemd's words.
struct Standing {
    enabled: String,
    active: String,
}

impl Standing {
    /// A unit that others pull in (`static`) starts without being enabled.
    fn is_enabled(&self) -> bool {
        matches!(self.enabled.as_str(), "enabled" | "enabled-runtime" | "static" | "alias" | "indirect" | "generated")
    }

    fn is_active(&self) -> bool {
        self.active == "active"
    }
}

impl EnableUnit {
    fn systemctl(&self, words: &[&'static str]) -> Command {
        Command::new("systemctl", words.iter().copied())
            .operand_of::<UnitName>(&self.unit)
            .deadline(Some(std::time::Duration::from_mins(3)))
    }

    fn command(&self) -> Command {
        if self.starts { self.systemctl(&["enable", "--now"]) } else { self.systemctl(&["enable"]) }
    }

    /// Both questions answer with a status other than 0 for every no.
    fn standing(&self, host: &Host) -> Result<Standing, Failure> {
        let word = |question: &'static str| {
            let output = host.commands.capture(&self.systemctl(&[question])).map_err(Failure::own_words)?;
            Ok(output.stdout.trim().to_owned())
        };
        Ok(Standing { enabled: word("is-enabled")?, active: word("is-active")? })
    }
}

impl ActionKind for EnableUnit {
    fn properties(&self) -> Properties {
        Properties {
            root: Some(RootReason::Service),
            reversal: Reversal::Whole,
            takes_away: false,
            witness: Witness::Machine,
            effects: vec![Effect::Adds(Entries::Of(Origin::Unit))],
            target: Target::Machine,
            scratch: None,
            until_reboot_of: None,
        }
    }

    fn preview(&self) -> Preview {
        Preview::of([self.command()])
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::is::<UnitName>(&self.unit)
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let standing = self.standing(host).ok()?;
        let fits = standing.is_enabled() && (standing.is_active() || !self.starts);
        fits.then(|| vec![format!("{} is {}, {}", self.unit, standing.enabled, standing.active)])
    }

    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        let before = self.standing(context.host)?;
        let word = |is: bool, word: &str| is.then(|| word.to_owned());
        let was = [word(before.is_enabled(), "enabled"), word(before.is_active(), "active")];
        Ok(Undo::Value(Some(was.into_iter().flatten().collect::<Vec<_>>().join(" "))).into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        context.run(&self.command())
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, _host: &Host, undo: &Undo) -> Result<WayBack, Failure> {
        let Undo::Value(Some(before)) = undo else { return Ok(WayBack::Nothing) };
        let was = |word: &str| before.split(' ').any(|own| own == word);
        let words: &[&'static str] = match (was("enabled"), was("active")) {
            (true, true) => return Ok(WayBack::Nothing),
            (true, false) => &["stop"],
            (false, true) => &["disable"],
            (false, false) => &["disable", "--now"],
        };
        Ok(WayBack::Run { command: self.systemctl(words), gone: None })
    }
}
