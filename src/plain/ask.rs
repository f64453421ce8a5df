//! Questions in two ways: as menus with arrow keys, or, where a terminal has no such keys or there is none, as numbered
//! lines that are answered by a line each. And what is said between them.

use std::io::{self, BufRead, IsTerminal, Write};

use inquire::{Confirm, InquireError, Select, Text};

use super::Stop;
use crate::{
    error::Expected,
    i18n::{Lang, msg},
    text::printable_lines,
    tui::ascii,
    wizard::Settings,
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
}

impl Asker<'_> {
    /// Makes one for this terminal.
    pub(super) fn new(settings: &Settings) -> Self {
        let term = std::env::var("TERM").unwrap_or_default();
        let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        let menus = is_terminal && !matches!(term.as_str(), "" | "dumb");
        Self { lines: &Standard, lang: settings.lang, menus, ascii: settings.ascii }
    }

    /// Prints text, nothing of which a terminal could take for a command.
    pub(super) fn say(self, text: &str) {
        // Who has stopped reading is noticed by the next question; work that was asked for goes on.
        let _ = self.lines.write(&format!("{}\n", self.shown(text)));
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
                _ if line.is_empty() => return Ok(start),
                Ok(number) if (1..=count).contains(&number) => return Ok(number - 1),
                _ => self.say(&msg::plain::not_a_number(count).text(self.lang)),
            }
        }
    }

    /// Asks for yes or no.
    pub(super) fn confirm(self, question: &str, default: bool) -> Result<bool, Stop> {
        if self.menus {
            return Ok(Confirm::new(question).with_default(default).prompt()?);
        }
        loop {
            let line = self.line(&format!("{question} {}", if default { "(Y/n)" } else { "(y/N)" }))?.to_lowercase();
            match line.as_str() {
                "" => return Ok(default),
                "y" | "yes" | "예" | "네" => return Ok(true),
                "n" | "no" | "아니요" | "아니오" => return Ok(false),
                _ => self.say(&msg::plain::not_yes_or_no().text(self.lang)),
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

#[cfg(test)]
impl<'a> Asker<'a> {
    /// Makes one that asks line by line.
    pub(super) fn on(lines: &'a dyn Lines, lang: Lang) -> Self {
        Self { lines, lang, menus: false, ascii: false }
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
