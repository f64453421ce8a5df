//! Standard output and standard error, which may be closed, full, or a pipe that nobody reads any more: writing never
//! panics.

use std::io::{self, IsTerminal, Write};

use crate::secret::Secret;

/// Writes a line to standard output.
pub fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Writes a line to standard error. Where that fails too there is nobody left to tell; the exit status tells the rest.
pub fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Asks for the password of `sudo` at the terminal, without echo; nothing where nobody is there, or nothing is typed.
pub fn password(question: &str) -> Option<Secret> {
    if !io::stdin().is_terminal() {
        return None;
    }
    let prompt =
        inquire::Password::new(question).without_confirmation().with_display_mode(inquire::PasswordDisplayMode::Hidden);
    prompt.prompt().ok().filter(|text| !text.is_empty()).map(|text| Secret::new(format!("{text}\n")))
}

/// A writer that takes everything: whether the terminal is still there is told by its keys, not by what is drawn on it.
pub struct Unfailing<W>(pub W);

impl<W: Write> Write for Unfailing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // What cannot be written is lost with the terminal.
        let _ = self.0.write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.0.flush();
        Ok(())
    }
}
