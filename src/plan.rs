//! Plan: the ordered actions that lead from the facts to the answers.
//!
//! [`driver_step()`] and its siblings are pure functions; nothing has happened when a plan exists. Each [`Action`] is
//! one change to the host, the inventory or the cluster: data for the eyes and for the journal, with an [`ActionSpec`]
//! that knows how to check, do, prove and undo it (one file a kind). That it is executed is the engine's business.

pub mod action;
mod chart_step;
mod driver_step;
mod invalidate;
pub mod known;
mod objects_step;
pub mod remedy;
mod variables_step;
mod verify_step;

use serde::{Deserialize, Serialize};

pub use action::{
    ActionSpec,
    effect::{Effect, Entries},
    properties::{Preview, Reversal, RootReason, Witness},
};
pub use chart_step::{ChartPlan, Installed, Lack, chart_step, refused_chart};
pub use driver_step::{Clearing, Handover, Places, conflicting_module, driver_step};
pub use invalidate::{Changed, invalidated};
pub use objects_step::{Objects, end_drain, objects_step};
pub use variables_step::{carried_variables, variables_step};
pub use verify_step::{VerifyPlan, verify_step, watch};

use crate::{
    host::Command,
    i18n::{Lang, Message, msg},
};

/// The four steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// 1: what is in this machine.
    #[default]
    Detect,
    /// 2: the driver, and CUDA without the driver.
    Driver,
    /// 3: the Kubespray variables.
    Variables,
    /// 4: is the GPU usable in the cluster.
    Verify,
}

impl Step {
    /// All steps, in order.
    pub const ALL: [Self; 4] = [Self::Detect, Self::Driver, Self::Variables, Self::Verify];

    /// Returns the step's number, from 1.
    pub fn number(self) -> u8 {
        self as u8 + 1
    }

    /// Returns what the step does.
    pub fn title(self) -> Message {
        match self {
            Self::Detect => msg::step::detect(),
            Self::Driver => msg::step::driver(),
            Self::Variables => msg::step::variables(),
            Self::Verify => msg::step::verify(),
        }
    }

    /// Returns the step's name where there is little room.
    pub fn short_title(self) -> Message {
        match self {
            Self::Detect => msg::wizard::step::detect(),
            Self::Driver => msg::wizard::step::driver(),
            Self::Variables => msg::wizard::step::variables(),
            Self::Verify => msg::wizard::step::verify(),
        }
    }

    /// Returns the step with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.number() == number)
    }

    /// Returns the step after this one.
    pub fn next(self) -> Option<Self> {
        Self::from_number(self.number() + 1)
    }

    /// Returns the step before this one.
    pub fn previous(self) -> Option<Self> {
        Self::from_number(self.number() - 1)
    }
}

/// The ordered actions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Plan {
    /// The actions, in the order in which they are done.
    pub actions: Vec<Action>,
}

impl Plan {
    /// Returns the actions of one step.
    pub fn of(&self, step: Step) -> impl Iterator<Item = &Action> {
        self.actions.iter().filter(move |action| action.step == step)
    }
}

/// What stands in [`Action::blocked`] of an action of root's when this user is not root.
pub const NEEDS_ROOT: &str = "needs-root";

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "a row of the documented JSON, where each is a column of its own")]
pub struct Action {
    /// Stable name, unique in its plan: `remove-runfile-driver`, `edit-file:/opt/…/k8s-cluster.yml`.
    pub id: String,
    /// The step it belongs to.
    pub step: Step,
    /// What it does.
    pub kind: ActionSpec,
    /// Why it is planned: `why.<name>` of the locale files, with the values of `args`.
    pub why: String,
    /// Values for title and reason: pairs of name and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<(String, String)>,
    /// The user left it out: it is shown, and not done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skipped: bool,
    /// Offered, and done only when the user takes it in (`take_in` of the answers).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// Its failure does not stop the run: what comes after makes up for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_fail: bool,
    /// Why it cannot be done as things stand: `blocked.<name>` of the locale files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
    /// The commands it runs, for the eyes of the user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Command>,
    /// The change of a file, as a unified diff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// Only root can do it.
    #[serde(default)]
    pub needs_root: bool,
    /// A reboot must follow before the next step.
    #[serde(default)]
    pub needs_reboot: bool,
    /// Whether it can be taken back, and how: `undo.<name>` of the locale files.
    pub undo: String,
}

impl Action {
    /// Makes an action whose why and undo texts go by its name.
    pub(crate) fn new(step: Step, id: &str, kind: impl Into<ActionSpec>, args: &[(&str, String)]) -> Self {
        let kind = kind.into();
        let Preview { commands, diff, .. } = kind.preview();
        let needs_root = kind.properties().root.is_some();
        let name = id.split(':').next().unwrap_or(id).to_owned();
        Self {
            id: id.to_owned(),
            step,
            kind,
            why: name.clone(),
            args: args.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            skipped: false,
            optional: false,
            may_fail: false,
            blocked: None,
            commands,
            diff,
            needs_root,
            needs_reboot: false,
            undo: name,
        }
    }

    /// Returns the title, an order: "Remove driver 418.87.00 with its own uninstaller".
    pub fn title(&self, lang: Lang) -> String {
        self.text(lang, &format!("action.{}", self.name()))
    }

    /// Returns why it is planned, a sentence.
    pub fn reason(&self, lang: Lang) -> String {
        self.text(lang, &format!("why.{}", self.why))
    }

    /// Returns how it is taken back, a sentence.
    pub fn undo_text(&self, lang: Lang) -> String {
        self.undo_message().text(lang)
    }

    /// The same, without a language.
    pub fn undo_message(&self) -> Message {
        Message::named(format!("undo.{}", self.undo), &self.args.iter().cloned().collect())
    }

    /// Returns why it cannot be done, a sentence.
    pub fn blocked_text(&self, lang: Lang) -> Option<String> {
        let name = self.blocked.as_ref()?;
        if self.lacks_root() {
            return Some(msg::blocked::needs_root(self.root_text(lang)).text(lang));
        }
        Some(self.text(lang, &format!("blocked.{name}")))
    }

    /// Tells whether only the rights are missing.
    pub fn lacks_root(&self) -> bool {
        self.blocked.as_deref() == Some(NEEDS_ROOT)
    }

    /// Returns why it is root's, in a few words.
    pub fn root_text(&self, lang: Lang) -> String {
        self.kind.properties().root.unwrap_or(RootReason::Files).message().text(lang)
    }

    /// Returns the kind's name, the part of the id before the colon.
    pub fn name(&self) -> &str {
        self.id.split(':').next().unwrap_or(&self.id)
    }

    /// Tells whether it cannot be taken back, or not all of it: such an action wants more than a press of Enter.
    pub fn is_for_good(&self) -> bool {
        self.kind.properties().reversal.loses()
    }

    /// Tells whether it is the reboot: a run ends before it, and only a face may do it.
    pub fn is_reboot(&self) -> bool {
        self.kind.properties().until_reboot_of.is_some()
    }

    /// Tells whether it brings this about.
    pub fn has_effect(&self, which: impl Fn(&Effect) -> bool) -> bool {
        self.kind.properties().effects.iter().any(which)
    }

    /// Tells whether a driver is gone from the host afterwards.
    pub fn removes_driver(&self) -> bool {
        self.has_effect(|effect| *effect == Effect::RemovesDriver)
    }

    /// Returns what has to be told of it beside its commands, a sentence each.
    pub fn details(&self, lang: Lang) -> Vec<String> {
        self.kind.preview().details.iter().map(|detail| detail.text(lang)).collect()
    }

    fn text(&self, lang: Lang, key: &str) -> String {
        // A source of packages is an id in the plan's data, and has a text in each language.
        let shown = |(name, value): &(String, String)| {
            let source = format!("source.{value}");
            if name == "source" && lang.has(&source) { lang.text(&source, &[]) } else { value.clone() }
        };
        let values: Vec<String> = self.args.iter().map(shown).collect();
        let args: Vec<_> = self.args.iter().zip(&values).map(|((name, _), value)| (&**name, &**value)).collect();
        lang.text(key, &args)
    }
}
