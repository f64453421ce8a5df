//! The final report: what is there, what was decided, what was changed, what proves it. Made from the session, and from
//! the variables as they are now where the checkout can be read; as text, Markdown and JSON. Secrets are taken out
//! ([`redact`]).

mod form;
pub mod redact;
mod words;

use serde::Serialize;
use serde_json::Value;

use crate::{
    answers::Answers,
    cluster::check::{State, VerifyReport},
    facts::Facts,
    i18n::{Lang, msg},
    kubespray::{Preview, Variable, rules},
    plan::Step,
    prediction::Prediction,
    second_boot::SecondBoot,
    session::{Record, Session, Status},
};
use form::{Form, Markdown, Plain};
use redact::Redactor;

/// The report as a value; JSON is this, serialised.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    /// Version of this program.
    pub gpunode: &'static str,
    /// The machine's name.
    pub machine: &'a str,
    /// Whether all of this was simulated, and by which scenario.
    pub simulated: Option<&'a str>,
    /// When the session began.
    pub created: jiff::Timestamp,
    /// When the session was last written.
    pub updated: jiff::Timestamp,
    /// What is there.
    pub facts: &'a Facts,
    /// What was wanted.
    pub answers: Option<&'a Answers>,
    /// Kubespray's variables as they are now, each with where its value comes from; absent where the inventory cannot
    /// be read.
    pub variables: Option<&'a Preview>,
    /// What the pre-flight of step 2 foretold, and what came of it.
    pub predictions: &'a [Prediction],
    /// What was done, with what proves it.
    pub actions: Vec<Done<'a>>,
    /// The last verdict of step 4.
    pub verdict: Option<&'a VerifyReport>,
    /// What was proved on one boot and on a later one.
    pub second_boot: Option<&'a SecondBoot>,
    /// Takes out what is nobody else's business.
    #[serde(skip)]
    redactor: Redactor,
}

/// One action of the report.
#[derive(Debug, Serialize)]
pub struct Done<'a> {
    /// Its id.
    pub id: &'a str,
    /// What it is.
    pub title: String,
    /// How it ended.
    pub status: Status,
    /// When it was begun.
    pub started: jiff::Timestamp,
    /// When it ended.
    pub ended: Option<jiff::Timestamp>,
    /// The commands that ran.
    pub commands: Vec<String>,
    /// The change of a file.
    pub diff: Option<String>,
    /// What proves it, or what went wrong.
    pub evidence: &'a [String],
    /// How it is taken back.
    pub undo: String,
}

impl<'a> Report<'a> {
    /// Makes the report of a session; `variables` are the preview of now, if there is one.
    pub fn new(session: &'a Session, variables: Option<&'a Preview>, lang: Lang) -> Self {
        Self {
            gpunode: env!("CARGO_PKG_VERSION"),
            machine: &session.hostname,
            simulated: session.machine.strip_prefix("simulated:"),
            created: session.created,
            updated: session.updated,
            facts: &session.facts,
            answers: session.answers.as_ref(),
            variables,
            predictions: &session.predictions,
            actions: session.journal.iter().map(|record| Done::new(record, lang)).collect(),
            verdict: session.verdict.as_ref(),
            second_boot: session.second_boot.as_ref(),
            redactor: Redactor::new(shown(session, variables).iter().map(String::as_str)),
        }
    }

    /// Returns the report as JSON, without secrets.
    pub fn json(&self) -> Value {
        let mut json = serde_json::to_value(self).unwrap_or_default();
        self.redactor.value(&mut json);
        json
    }

    /// Returns the report as plain text.
    pub fn text(&self, lang: Lang) -> String {
        self.redactor.text(&self.render(lang, &Plain))
    }

    /// Returns the report as Markdown.
    pub fn markdown(&self, lang: Lang) -> String {
        self.redactor.text(&self.render(lang, &Markdown))
    }

    fn render(&self, lang: Lang, form: &dyn Form) -> String {
        let mut out = form.title(&msg::report::title(self.machine).text(lang));
        if let Some(scenario) = self.simulated {
            out += &form.paragraph(&msg::report::simulated(scenario).text(lang));
        }
        let time = |at: jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M UTC").to_string();
        out += &form.paragraph(&msg::report::times(time(self.created), time(self.updated), self.gpunode).text(lang));
        out += &form.heading(&msg::report::there().text(lang));
        self.there(lang).iter().for_each(|line| out += &form.item(line));
        out += &self.variables(lang, form);
        out += &self.predictions(lang, form);
        out += &form.heading(&msg::report::changed().text(lang));
        if self.actions.is_empty() {
            out += &form.paragraph(&msg::report::nothing().text(lang));
        }
        self.actions.iter().for_each(|action| out += &action.render(lang, form));
        out + &self.proof(lang, form)
    }

    /// Returns the variables that have a value, each with the place that gives it.
    fn variables(&self, lang: Lang, form: &dyn Form) -> String {
        let Some(preview) = self.variables else { return String::new() };
        let mut out = form.heading(&msg::report::variables().text(lang));
        let release = preview.release.as_deref().unwrap_or("?");
        let inventory = preview.inventory.as_ref().map_or_else(|| "-".to_owned(), |path| path.display().to_string());
        out += &form.paragraph(&msg::report::release(&inventory, release).text(lang));
        let shown = |variable: &&Variable| variable.value.is_some();
        for variable in preview.variables.iter().filter(shown) {
            let value =
                variable.value.as_ref().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            out += &form.item(&format!("{} = {}", variable.name, value.unwrap_or_default()));
            out += &form.detail(&provenance(variable, lang));
        }
        out
    }

    /// Returns what was foretold, and whether it came true.
    fn predictions(&self, lang: Lang, form: &dyn Form) -> String {
        if self.predictions.is_empty() {
            return String::new();
        }
        let mut out = form.heading(&msg::report::predictions().text(lang));
        let right =
            self.predictions.iter().filter(|prediction| prediction.was_right() == Some(true)).count().to_string();
        let known = self.predictions.iter().filter(|prediction| prediction.was_right().is_some()).count().to_string();
        out += &form.paragraph(&msg::report::came_true(&known, &right).text(lang));
        for prediction in self.predictions {
            let says = prediction.says.title().text(lang);
            out += &form.item(&format!("[{says}] {}: {}", prediction.title(lang), prediction.evidence_text(lang)));
            let outcome = match prediction.was_right() {
                Some(true) => msg::report::outcome::right(),
                Some(false) => msg::report::outcome::wrong(),
                None => continue,
            };
            out += &form.detail(&outcome.text(lang));
        }
        out
    }

    fn proof(&self, lang: Lang, form: &dyn Form) -> String {
        let mut out = form.heading(&msg::report::proof().text(lang));
        let Some(verdict) = self.verdict else { return out + &form.paragraph(&msg::report::unverified().text(lang)) };
        for check in &verdict.checks {
            let mark = match check.state {
                State::Pass => msg::report::check::pass(),
                State::Fail => msg::report::check::fail(),
                State::Unknown => msg::report::check::unknown(),
                State::Temporary => msg::report::check::temporary(),
                State::NotJudged => msg::report::check::not_judged(),
            };
            let mark = mark.text(lang);
            out += &form.item(&format!("[{mark}] {}: {}", check.title(lang), check.evidence));
        }
        if let Some(boots) = self.second_boot.filter(|boots| boots.proven.is_some()) {
            out += &form.heading(&msg::second_boot::head().text(lang));
            boots.lines(lang).iter().for_each(|line| out += &form.item(line));
        }
        out
    }

    /// Returns what is on the machine, a line each.
    fn there(&self, lang: Lang) -> Vec<String> {
        let host = &self.facts.host;
        let mut lines = vec![format!("{} · {} · {}", host.os_name, host.kernel, host.architecture)];
        lines.extend(host.container_runtime.as_ref().map(|runtime| msg::report::runtime(runtime).text(lang)));
        lines.extend(
            self.facts
                .gpus
                .iter()
                .map(|gpu| format!("{} {} ({}:{})", gpu.pci_address, gpu.name, gpu.vendor_id, gpu.device_id)),
        );
        let loaded = self.facts.driver.loaded_version.as_deref();
        lines.push(msg::report::loaded(loaded.unwrap_or("-")).text(lang));
        if let Some(answers) = self.answers {
            let owner = serde_yaml::to_string(&answers.driver_owner).unwrap_or_default();
            let driver = answers.driver_version.as_ref().map(ToString::to_string).unwrap_or_default();
            lines.push(msg::report::owner(&driver, owner.trim()).text(lang));
            if let Some(cuda) = answers.cuda() {
                lines.push(msg::report::cuda(cuda.as_str()).text(lang));
            }
        }
        lines
    }
}

/// Returns the names that a report shows on purpose: the machine, what the answers name, and the values of the
/// variables that this program writes, as far as these have a form of their own.
fn shown(session: &Session, variables: Option<&Preview>) -> Vec<String> {
    let mut shown = vec![session.hostname.clone()];
    shown.extend(session.answers.iter().flat_map(Answers::names));
    // The commands are this program's own; what stands in them has a type that can hold no password.
    shown.extend(session.journal.iter().flat_map(|record| &record.action.commands).map(ToString::to_string));
    let boots = session.second_boot.iter().flat_map(|boots| std::iter::once(&boots.noted).chain(&boots.proven));
    shown.extend(boots.map(|note| note.boot_id.clone()));
    let Some(preview) = variables else { return shown };
    let paths = [&preview.checkout, &preview.inventory];
    shown.extend(paths.into_iter().flatten().map(|path| path.display().to_string()));
    shown.extend([&preview.node, &preview.inventory_host, &preview.first_control_plane].into_iter().flatten().cloned());
    let values = |variable: &Variable| {
        let all = variable.value.iter().chain(variable.shadowed.iter().map(|shadowed| &shadowed.value));
        all.filter(|value| rules::is_plain(&variable.name, value)).map(rules::typed).collect::<Vec<_>>()
    };
    shown.extend(preview.variables.iter().flat_map(values));
    shown
}

/// Returns where the value comes from, and how many other definitions lose.
fn provenance(variable: &Variable, lang: Lang) -> String {
    let place = variable.winner.as_ref().map(|place| format!("{}:{}", place.file.display(), place.line));
    let place = place.unwrap_or_else(|| msg::report::built_in().text(lang));
    match variable.shadowed.len() {
        0 => place,
        count => format!("{place} · {}", msg::report::shadowed(count).text(lang)),
    }
}

impl<'a> Done<'a> {
    fn new(record: &'a Record, lang: Lang) -> Self {
        Self {
            id: &record.action.id,
            title: record.action.title(lang),
            status: record.status,
            started: record.started,
            ended: record.ended,
            commands: record.action.commands.iter().map(ToString::to_string).collect(),
            diff: record.action.diff.as_deref().map(redact::diff),
            evidence: &record.evidence,
            undo: record.action.undo_text(lang),
        }
    }

    fn render(&self, lang: Lang, form: &dyn Form) -> String {
        let status = self.status.title().text(lang);
        let mut out =
            form.item(&format!("[{status}] {} · {}", self.title, self.started.strftime("%Y-%m-%d %H:%M UTC")));
        self.commands.iter().for_each(|command| out += &form.detail(&format!("$ {command}")));
        self.evidence.iter().for_each(|line| out += &form.detail(line));
        out += &self.diff.as_ref().map(|diff| form.code(diff)).unwrap_or_default();
        if self.status == Status::Done {
            out += &form.detail(&msg::report::undo(&self.undo).text(lang));
        }
        out
    }
}
/// Returns what stays on the terminal: where it stands, where the report is, how to go on.
pub fn farewell(session: &Session, report: Option<&std::path::Path>, again: &str, lang: Lang) -> [String; 3] {
    let done = session.done.len();
    let stands = match Step::ALL.iter().find(|step| !session.done.contains(step)) {
        Some(next) => msg::farewell::stands(done, next.title().text(lang)),
        None => msg::farewell::done(),
    };
    let report = match report {
        Some(path) => msg::farewell::report(path.display()),
        None => msg::farewell::no_report(),
    };
    [stands, report, msg::farewell::again(again)].map(|line| crate::text::printable(&line.text(lang)))
}
