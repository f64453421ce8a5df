//! Progress of a run for scripts and configuration management: greppable lines, or one JSON object a line.
//!
//! As text, `== ` begins a step, `-- ` begins and ends an action, three spaces lead what a command printed, and `   | `
//! what proves it. As JSON, every object has `event`; the events and their fields are listed in the README and never
//! lose a field.

use std::{
    cell::RefCell,
    io::{self, Write},
    rc::Rc,
};

use serde_json::{Value, json};

use super::output_failed;
use crate::{
    cluster::{check::VerifyReport, verify},
    engine::{Event, undo::UndoResult},
    error::Expected,
    exit_code::ExitCode,
    facts::Change,
    i18n::{Lang, Message},
    plan::{Action, Step},
    prediction::Prediction,
    preflight,
    text::{printable_json, printable_lines},
};

/// Prints what happens.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    /// One JSON object a line instead of text.
    pub json: bool,
    /// The language of the text.
    pub lang: Lang,
    /// Why something could not be printed; nothing for a reader that went away.
    broken: Rc<RefCell<Option<io::Error>>>,
}

impl Progress {
    /// Prints as text in a language, or as JSON.
    pub(super) fn new(json: bool, lang: Lang) -> Self {
        Self { json, lang, broken: Rc::default() }
    }

    /// Returns the language of what is put into sentences: JSON is English.
    pub(super) fn lang_of_values(&self) -> Lang {
        if self.json { Lang::En } else { self.lang }
    }

    /// A step begins.
    pub(super) fn step(&self, step: Step) {
        if self.json {
            self.object(&json!({"event": "step", "step": step.number(), "title": step.title().text(Lang::En)}));
        } else {
            self.text(&format!("== {} {}", step.number(), step.title().text(self.lang)));
        }
    }

    /// A check of the pre-flight that is not simply fine.
    pub(super) fn prediction(&self, prediction: &Prediction) {
        if self.json {
            let mut object = preflight::describe(prediction);
            if let Value::Object(fields) = &mut object {
                fields.insert("event".to_owned(), "prediction".into());
            }
            self.object(&object);
        } else {
            self.text(preflight::report(std::slice::from_ref(prediction), self.lang).trim_end());
        }
    }

    /// Something happened in a run.
    pub(super) fn event(&self, event: &Event) {
        if self.json {
            self.object(&object_of(event));
        } else if let Some(line) = event.line(self.lang) {
            self.text(&line);
        }
    }

    /// A record was walked back, or not.
    pub(super) fn undo(&self, action: &Action, result: &UndoResult) {
        let (word, text) = match result {
            UndoResult::Undone(what) => ("undone", Some(what)),
            UndoResult::Kept(why) => ("kept", Some(why)),
            UndoResult::Stopped => ("stopped", None),
        };
        if self.json {
            self.object(&json!({
                "event": "undo", "id": action.id, "title": action.title(Lang::En), "result": word,
                "text": text.map(|text| text.text(Lang::En)).unwrap_or_default(),
            }));
        } else {
            let text = text.map(|text| format!("\n   | {}", text.text(self.lang))).unwrap_or_default();
            self.text(&format!("-- {word}: {} ({}){text}", action.title(self.lang), action.id));
        }
    }

    /// Something is not as it was when the session was left.
    pub(super) fn changed(&self, change: &Change) {
        if self.json {
            self.object(&json!({"event": "changed", "id": change.id, "text": change.text(Lang::En)}));
        } else {
            self.text(&format!(".. {}", change.text(self.lang)));
        }
    }

    /// The chain was judged.
    pub(super) fn verdict(&self, report: &VerifyReport) {
        if self.json {
            let mut object = serde_json::to_value(report).unwrap_or_default();
            if let Value::Object(fields) = &mut object {
                fields.insert("event".to_owned(), "verdict".into());
            }
            self.object(&object);
        } else {
            self.text(&verify::report(report, self.lang));
        }
    }

    /// A sentence. As JSON it is an event of the last part of its key.
    pub(super) fn say(&self, message: Message) {
        self.say_of(message, &[]);
    }

    /// The same, with fields that only a program needs.
    #[expect(clippy::needless_pass_by_value, reason = "a message is made where it is told")]
    pub(super) fn say_of(&self, message: Message, fields: &[(&str, &str)]) {
        if self.json {
            let event = message.key().rsplit('.').next().unwrap_or_default();
            let mut object = serde_json::Map::from_iter([("event".to_owned(), event.into())]);
            object.extend(message.args().map(|(name, value)| (name.to_owned(), value.text(Lang::En).into())));
            object.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
            self.object(&Value::Object(object));
        } else {
            self.text(&message.text(self.lang));
        }
    }

    /// It cannot go on: as JSON the error and the end; for people, the error follows on standard error.
    pub(super) fn broken(&self, error: &Expected) {
        if self.json {
            self.object(&json!({"event": "error", "text": error.to_string(), "help": error.hint(Lang::En)}));
            // The error itself is told, whatever becomes of its line.
            let _ = self.end(error.exit_code());
        }
    }

    /// The end, as JSON only: a reader of lines has the exit status. What could not be written is an error at the end,
    /// when the work is done: half a log on a full disk must not look like a whole one.
    pub(super) fn end(&self, code: ExitCode) -> Result<ExitCode, Expected> {
        if self.json {
            self.object(&json!({"event": "end", "exit": code as u8}));
        }
        let code_of_failure = if code == ExitCode::Ok { ExitCode::Negative } else { code };
        self.broken.take().map_or(Ok(code), |error| Err(output_failed(&error).code(code_of_failure)))
    }

    fn object(&self, value: &Value) {
        self.line(&printable_json(&value.to_string()));
    }

    fn text(&self, text: &str) {
        self.line(&printable_lines(text));
    }

    /// Neither a reader that went away nor a full disk stops the work that was asked for.
    fn line(&self, text: &str) {
        let mut out = io::stdout().lock();
        if let Err(error) = writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush())
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            self.broken.borrow_mut().get_or_insert(error);
        }
    }
}

fn object_of(event: &Event) -> Value {
    match event {
        Event::Started { index, total, action } => json!({
            "event": "started", "id": action.id, "step": action.step.number(), "title": action.title(Lang::En),
            "index": index + 1, "total": total,
        }),
        Event::Line(text) => json!({"event": "line", "text": text}),
        Event::Hit(hit) => json!({
            "event": "hit", "signature": hit.signature, "line": hit.line, "cause": hit.cause(Lang::En), "remedy": hit.remedy(Lang::En),
        }),
        Event::PasswordNeeded => json!({"event": "password-needed"}),
        Event::Progress(progress) => json!({
            "event": "progress", "done": progress.done, "total": progress.total, "unit": progress.unit, "rate": progress.rate,
        }),
        Event::Ended { id, status, evidence, .. } => {
            json!({"event": "ended", "id": id, "status": status.name(), "evidence": evidence})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Status;

    #[test]
    fn an_event_is_one_line_of_json() {
        let ended =
            Event::Ended { id: "x".to_owned(), status: Status::Done, evidence: vec!["a\nb".to_owned()], failure: None };
        let text = object_of(&ended).to_string();
        assert_eq!(text, r#"{"event":"ended","id":"x","status":"done","evidence":["a\nb"]}"#);
    }
}
