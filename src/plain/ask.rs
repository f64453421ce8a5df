//! Questions in two ways: as menus with arrow keys, or, where a terminal has no such keys or there is none, as numbered
//! lines that are answered by a line each. And what is said between them.

use std::io::{self, BufRead, IsTerminal, Write};

use inquire::{Confirm, InquireError, Select, Text};

use super::Stop;
use crate::{
    error::Expected,
    i18n::{Lang, msg},
    plan::Step,
    text::{printable_lines, width},
    tui::ascii,
    wizard::{Settings, wrap},
};

/// Where lines are written and read: this program's own input and output, or what a test has laid down.
pub(super) trait Lines {
    /// Writes a text as it is.
    fn write(&self, text: &str) -> io::Result<()>;

    /// Reads a line with its end; an empty text is the end of the input.
    fn read(&self) -> io::Result<String>;

    /// Tells whether a person types here, so that what is typed shows by itself.
    fn is_typed(&self) -> bool;
}

/// Standard input and output.
pub(super) struct Standard;

impl Lines for Standard {
    fn write(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    fn read(&self) -> io::Result<String> {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        Ok(line)
    }

    fn is_typed(&self) -> bool {
        io::stdin().is_terminal()
    }
}

/// Asks, and says.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    lines: &'a dyn Lines,
    lang: Lang,
    /// Whether arrow keys work here.
    menus: bool,
    /// Only ASCII glyphs.
    ascii: bool,
    /// The step whose questions are asked: what `?` explains.
    pub(super) step: Step,
}

impl Asker<'_> {
    /// Makes one for this terminal.
    pub(super) fn new(settings: &Settings) -> Self {
        let term = std::env::var("TERM").unwrap_or_default();
        let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        let menus = is_terminal && !matches!(term.as_str(), "" | "dumb");
        Self { lines: &Standard, lang: settings.lang, menus, ascii: settings.ascii, step: Step::Detect }
    }

    /// Prints text, nothing of which a terminal could take for a command; lines are broken between words.
    pub(super) fn say(self, text: &str) {
        let lines: Vec<String> = self.shown(text).lines().flat_map(|line| broken(line, self.columns())).collect();
        // Who has stopped reading is noticed by the next question; work that was asked for goes on.
        let _ = self.lines.write(&format!("{}\n", lines.join("\n")));
    }

    /// Columns of the terminal; without one, as many as fit every screen.
    fn columns(self) -> usize {
        let here = if self.lines.is_typed() { crossterm::terminal::size().ok() } else { None };
        here.map(|(columns, _)| usize::from(columns)).filter(|columns| *columns >= 20).unwrap_or(80)
    }

    /// Returns what the questions of this step are about.
    fn help(self) -> String {
        let text = match self.step {
            Step::Detect => msg::plain::help::detect(),
            Step::Driver => msg::plain::help::driver(),
            Step::Variables => msg::plain::help::variables(),
            Step::Verify => msg::plain::help::verify(),
        };
        text.text(self.lang)
    }

    fn shown(self, text: &str) -> String {
        let text = printable_lines(text);
        if self.ascii { ascii::text(&text) } else { text }
    }

    /// Lets one of `options` be chosen and returns its place; `start` is what Enter takes.
    pub(super) fn choose(self, question: &str, options: &[String], start: usize) -> Result<usize, Stop> {
        let options: Vec<String> = options.iter().map(|option| self.shown(option)).collect();
        let count = options.len();
        if self.menus {
            let help = self.shown(&msg::plain::keys().text(self.lang));
            let menu = Select::new(question, options).with_starting_cursor(start).with_help_message(&help);
            return Ok(menu.raw_prompt()?.index);
        }
        self.say(question);
        for (index, option) in options.iter().enumerate() {
            self.say(&format!("  {}) {option}", index + 1));
        }
        loop {
            let line = self.line(&msg::plain::number(count, (start + 1).to_string()).text(self.lang))?;
            match line.parse::<usize>() {
                _ if line == "?" => self.say(&self.help()),
                _ if line.is_empty() => return Ok(start),
                Ok(number) if (1..=count).contains(&number) => return Ok(number - 1),
                _ => self.say(&msg::plain::not_a_number(count).text(self.lang)),
            }
        }
    }

    /// Asks for yes or no.
    pub(super) fn confirm(self, question: &str, default: bool) -> Result<bool, Stop> {
        if self.menus {
            let help = self.shown(&self.help());
            let wrong = self.shown(&msg::plain::not_yes_or_no().text(self.lang));
            let ask = Confirm::new(question).with_default(default).with_help_message(&help);
            return Ok(ask.with_parser(&|text| yes_or_no(text).ok_or(())).with_error_message(&wrong).prompt()?);
        }
        loop {
            let line = self.line(&format!("{question} {}", if default { "(Y/n)" } else { "(y/N)" }))?.to_lowercase();
            match (line.as_str(), yes_or_no(&line)) {
                ("", _) => return Ok(default),
                ("?", _) => self.say(&self.help()),
                (_, Some(answer)) => return Ok(answer),
                (_, None) => self.say(&msg::plain::not_yes_or_no().text(self.lang)),
            }
        }
    }

    /// Asks for a line of text, which may be empty; `help` says what it is for.
    pub(super) fn text(self, question: &str, help: &str) -> Result<String, Stop> {
        let help = self.shown(help);
        if self.menus {
            return Ok(Text::new(question).with_help_message(&help).prompt()?.trim().to_owned());
        }
        self.say(&help);
        self.line(question)
    }

    /// Reads one line. At the end of the input nobody is there to answer: in a terminal, that is how one leaves.
    fn line(self, question: &str) -> Result<String, Stop> {
        let failed = |error: io::Error| Stop::from(InquireError::IO(error));
        self.lines.write(&format!("{} ", self.shown(question))).map_err(failed)?;
        let line = self.lines.read().map_err(failed)?;
        let is_typed = self.lines.is_typed();
        if line.is_empty() {
            // The answer's line end is missing too.
            let _ = self.lines.write("\n");
            return Err(if is_typed { Stop::Quit } else { nobody_there() });
        }
        let line = line.trim();
        if !is_typed {
            // A terminal shows what is typed; of a pipe, this is the only trace.
            self.lines.write(&format!("{}\n", self.shown(line))).map_err(failed)?;
        }
        Ok(line.to_owned())
    }
}

/// Reads yes or no, in either language.
fn yes_or_no(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "y" | "yes" | "예" | "네" | "ㅛ" => Some(true),
        "n" | "no" | "아니요" | "아니오" | "ㅜ" => Some(false),
        _ => None,
    }
}

/// Breaks a line between words; its indent stays, and what stands in columns is left as it is.
fn broken(line: &str, columns: usize) -> Vec<String> {
    let text = line.trim_start();
    let indent = line.len() - text.len();
    if width(line) <= columns || text.contains("   ") || indent + 20 > columns {
        return vec![line.to_owned()];
    }
    wrap(text, columns - indent).into_iter().map(|part| format!("{}{part}", " ".repeat(indent))).collect()
}

#[cfg(test)]
impl<'a> Asker<'a> {
    /// Makes one that asks line by line.
    pub(super) fn on(lines: &'a dyn Lines, lang: Lang) -> Self {
        Self { lines, lang, menus: false, ascii: false, step: Step::Detect }
    }
}

impl From<InquireError> for Stop {
    fn from(error: InquireError) -> Self {
        match error {
            InquireError::OperationCanceled | InquireError::OperationInterrupted => Self::Quit,
            InquireError::NotTTY => nobody_there(),
            error => Self::Failed(Expected::new(msg::error::ask::failed(error), msg::error::ask::hint())),
        }
    }
}

fn nobody_there() -> Stop {
    Stop::Failed(Expected::new(msg::error::ask::nobody(), msg::error::ask::hint()))
}
