//! Pre-flight: everything of step 2 that would fail later, found before anything is done.
//!
//! Each check says what was looked at, what was seen, what will happen, and what to do about it. The predictions are
//! kept in the session and compared with what then happened. Checks read and ask; none of them changes anything.

mod machine;
mod network;
mod toolkit;

pub use machine::conflicting_driver;

use std::thread;

use serde_json::{Value, json};

use crate::{
    answers::Answers,
    choice::DriverTable,
    facts::Facts,
    host::Host,
    i18n::{Arg, Lang, Message, msg},
    plan::{Action, ActionSpec, Effect, Entries, action::install_toolkit::InstallToolkit},
    prediction::Prediction,
    worker,
};

/// What the checks look at.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The machine.
    pub host: &'a Host,
    /// Its facts.
    pub facts: &'a Facts,
    /// What is wanted.
    pub answers: &'a Answers,
    /// What fits.
    pub table: &'a DriverTable,
    /// What is still to be done of step 2: neither left out nor done.
    pub actions: &'a [Action],
    /// The images that the cluster will pull for the GPU, as far as they are known.
    pub images: &'a [String],
}

impl Request<'_> {
    /// Tells whether something that is still to be done brings this about.
    pub fn will(&self, which: impl Fn(&Effect) -> bool) -> bool {
        self.actions.iter().any(|action| action.has_effect(&which))
    }

    /// Tells whether packages are still to be installed.
    fn will_install_packages(&self) -> bool {
        self.will(|effect| matches!(effect, Effect::Adds(Entries::Packages(_))))
    }

    /// Returns the installation of the toolkit, if it is still to be done.
    fn install(&self) -> Option<&InstallToolkit> {
        self.actions.iter().find_map(|action| {
            if let ActionSpec::InstallToolkit(install) = &action.kind { Some(install) } else { None }
        })
    }
}

/// Runs the checks that count for every owner and adds them to `own`, those of the driver's owner; what asks the
/// network does so at the same time. Takes some seconds at most.
pub fn check(request: Request<'_>, own: Vec<Prediction>) -> Vec<Prediction> {
    thread::scope(|scope| {
        let asked = worker::beside(scope, move || network::checks(request));
        let mut predictions = own;
        predictions.extend(machine::checks(request));
        predictions.extend(toolkit::checks(request));
        predictions.extend(asked.join());
        predictions
    })
}

/// A file that is not as long as it should be.
fn wrong_size(place: impl Into<Arg>, there: u64, size: u64) -> Message {
    msg::preflight::seen::wrong_size(place, size, there)
}

/// Returns what keeps `apply` from beginning.
pub fn blocking<'a>(predictions: &'a [Prediction], answers: &'a Answers) -> impl Iterator<Item = &'a Prediction> {
    predictions.iter().filter(|prediction| prediction.stops() && !answers.despite.contains(&prediction.id))
}

/// Returns the predictions as lines: one for each that nothing is wrong with.
pub fn report(predictions: &[Prediction], lang: Lang) -> String {
    predictions.iter().map(|prediction| paragraph(prediction, lang)).collect()
}

fn paragraph(prediction: &Prediction, lang: Lang) -> String {
    let says = prediction.says.title().text(lang);
    let (title, evidence) = (prediction.title(lang), prediction.evidence_text(lang));
    match prediction.remedy(lang) {
        None => format!("[{says}] {title}: {evidence}\n"),
        Some(remedy) => format!("[{says}] {title}\n    {evidence}\n    {remedy}\n"),
    }
}

/// Returns a prediction as JSON, with the English texts.
pub fn describe(prediction: &Prediction) -> Value {
    json!({
        "id": prediction.id,
        "checked": prediction.title(Lang::En),
        "says": prediction.says.name(),
        "evidence": prediction.evidence,
        "remedy": prediction.remedy(Lang::En),
        "action": prediction.action,
        "stops": prediction.stops(),
    })
}
