//! The final report: what is there, what was changed, what proves it. Made from the session alone, as text, Markdown and JSON.

use serde::Serialize;

use crate::{
    answers::Answers,
    cluster::verify::{State, VerifyReport},
    facts::Facts,
    i18n::Lang,
    session::{Record, Session, Status},
};

/// The report as a value; JSON is this, serialised.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    /// The machine's name.
    pub machine: &'a str,
    /// Whether all of this was simulated, and by which scenario.
    pub simulated: Option<&'a str>,
    /// When the session was last written.
    pub updated: jiff::Timestamp,
    /// What is there.
    pub facts: &'a Facts,
    /// What was wanted.
    pub answers: Option<&'a Answers>,
    /// What was done, with what proves it.
    pub actions: Vec<Done<'a>>,
    /// The last verdict of step 4.
    pub verdict: Option<&'a VerifyReport>,
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
    /// The commands that ran.
    pub commands: Vec<String>,
    /// The change of a file.
    pub diff: Option<&'a str>,
    /// What proves it, or what went wrong.
    pub evidence: &'a [String],
}

impl<'a> Report<'a> {
    /// Makes the report of a session.
    pub fn new(session: &'a Session, lang: Lang) -> Self {
        Self {
            machine: &session.hostname,
            simulated: session.machine.strip_prefix("simulated:"),
            updated: session.updated,
            facts: &session.facts,
            answers: session.answers.as_ref(),
            actions: session.journal.iter().map(|record| Done::new(record, lang)).collect(),
            verdict: session.verdict.as_ref(),
        }
    }

    /// Returns the report as plain text.
    pub fn text(&self, lang: Lang) -> String {
        self.render(lang, &Plain)
    }

    /// Returns the report as Markdown.
    pub fn markdown(&self, lang: Lang) -> String {
        self.render(lang, &Markdown)
    }

    fn render(&self, lang: Lang, form: &dyn Form) -> String {
        let mut out = form.title(&lang.text("report.title", &[("machine", self.machine)]));
        if let Some(scenario) = self.simulated {
            out += &form.paragraph(&lang.text("report.simulated", &[("scenario", scenario)]));
        }
        out += &form.heading(&lang.text("report.there", &[]));
        self.there(lang).iter().for_each(|line| out += &form.item(line));
        out += &form.heading(&lang.text("report.changed", &[]));
        if self.actions.is_empty() {
            out += &form.paragraph(&lang.text("report.nothing", &[]));
        }
        for action in &self.actions {
            let status = lang.text(&format!("record.{}", action.status.name()), &[]);
            out += &form.item(&format!("[{status}] {}", action.title));
            action.commands.iter().for_each(|command| out += &form.detail(&format!("$ {command}")));
            action.evidence.iter().for_each(|line| out += &form.detail(line));
            out += &action.diff.map(|diff| form.code(diff)).unwrap_or_default();
        }
        out += &form.heading(&lang.text("report.proof", &[]));
        match self.verdict {
            Some(verdict) => verdict.checks.iter().for_each(|check| {
                let mark = match check.state {
                    State::Pass => "pass",
                    State::Fail => "fail",
                    State::Unknown => "unknown",
                };
                let mark = lang.text(&format!("report.check.{mark}"), &[]);
                out += &form.item(&format!("[{mark}] {}: {}", check.title(lang), check.evidence));
            }),
            None => out += &form.paragraph(&lang.text("report.unverified", &[])),
        }
        out
    }

    /// Returns what is on the machine, a line each.
    fn there(&self, lang: Lang) -> Vec<String> {
        let host = &self.facts.host;
        let mut lines = vec![format!("{} · {} · {}", host.os_name, host.kernel, host.architecture)];
        lines.extend(self.facts.gpus.iter().map(|gpu| format!("{} {} ({}:{})", gpu.pci_address, gpu.name, gpu.vendor_id, gpu.device_id)));
        if let Some(answers) = self.answers {
            let owner = serde_yaml::to_string(&answers.driver_owner).unwrap_or_default();
            let driver = answers.driver_version.as_ref().map(ToString::to_string).unwrap_or_default();
            lines.push(lang.text("report.owner", &[("owner", owner.trim()), ("driver", &driver)]));
            if let Some(cuda) = answers.cuda() {
                lines.push(lang.text("report.cuda", &[("cuda", cuda.as_str())]));
            }
        }
        lines
    }
}

impl<'a> Done<'a> {
    fn new(record: &'a Record, lang: Lang) -> Self {
        Self {
            id: &record.action.id,
            title: record.action.title(lang),
            status: record.status,
            commands: record.action.commands.iter().map(ToString::to_string).collect(),
            diff: record.action.diff.as_deref(),
            evidence: &record.evidence,
        }
    }
}

/// How the parts of a report are written.
trait Form {
    fn title(&self, text: &str) -> String;
    fn heading(&self, text: &str) -> String;
    fn paragraph(&self, text: &str) -> String;
    fn item(&self, text: &str) -> String;
    fn detail(&self, text: &str) -> String;
    fn code(&self, text: &str) -> String;
}

struct Plain;

impl Form for Plain {
    fn title(&self, text: &str) -> String {
        format!("{text}\n{}\n", "=".repeat(crate::text::width(text)))
    }
    fn heading(&self, text: &str) -> String {
        format!("\n{text}\n{}\n", "-".repeat(crate::text::width(text)))
    }
    fn paragraph(&self, text: &str) -> String {
        format!("{text}\n")
    }
    fn item(&self, text: &str) -> String {
        format!("- {text}\n")
    }
    fn detail(&self, text: &str) -> String {
        format!("    {text}\n")
    }
    fn code(&self, text: &str) -> String {
        text.lines().map(|line| format!("    {}\n", crate::text::printable(line))).collect()
    }
}

struct Markdown;

impl Form for Markdown {
    fn title(&self, text: &str) -> String {
        format!("# {text}\n\n")
    }
    fn heading(&self, text: &str) -> String {
        format!("\n## {text}\n\n")
    }
    fn paragraph(&self, text: &str) -> String {
        format!("{text}\n\n")
    }
    fn item(&self, text: &str) -> String {
        format!("- {text}\n")
    }
    fn detail(&self, text: &str) -> String {
        format!("  - `{}`\n", text.replace('`', "'"))
    }
    fn code(&self, text: &str) -> String {
        let body: String = text.lines().map(|line| format!("  {}\n", crate::text::printable(line))).collect();
        format!("\n  ```diff\n{body}  ```\n\n")
    }
}
