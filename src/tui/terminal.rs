//! Terminal: raw mode and the alternate screen, given back whatever happens.

use std::{
    io::{self, IsTerminal, Stdout, Write},
    panic,
    sync::Once,
    thread::{self, ThreadId},
};

use crossterm::{
    cursor::{Hide, Show},
    event::{DisableBracketedPaste, EnableBracketedPaste},
    execute,
    terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size},
};
use ratatui::{Terminal, TerminalOptions, Viewport, backend::CrosstermBackend, layout::Rect};

use crate::{console::Unfailing, error::Expected, exit_code::ExitCode, i18n::msg};

/// The terminal while the wizard has it; dropping gives it back.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Unfailing<Stdout>>>,
}

impl Screen {
    /// Takes the terminal.
    pub(super) fn take() -> io::Result<Self> {
        restore_on_panic(thread::current().id());
        // From here on `Drop` has something to undo, even if the second half fails.
        let screen = Self { terminal: fresh()? };
        enter()?;
        Ok(screen)
    }

    /// Returns what to draw on.
    pub(super) fn terminal(&mut self) -> &mut Terminal<CrosstermBackend<Unfailing<Stdout>>> {
        &mut self.terminal
    }

    /// Forgets what is on the screen, so that the next picture is drawn whole, at the size of now. `Terminal::clear`
    /// asks the terminal for the cursor and takes our keys for the answer (ratatui issue 2691), hence a new one.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        self.terminal = fresh()?;
        execute!(io::stdout(), Clear(ClearType::All), Hide)
    }

    /// Gives the terminal back for as long as the program is stopped, and takes it again.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        leave();
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
        enter()?;
        self.forget()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// Refuses when there is no terminal to draw on.
pub fn demand() -> Result<(), Expected> {
    if io::stdout().is_terminal() && io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Expected::new(msg::wizard::no_terminal(), msg::wizard::no_terminal::hint()).code(ExitCode::Usage))
}

fn fresh() -> io::Result<Terminal<CrosstermBackend<Unfailing<Stdout>>>> {
    let (width, height) = size()?;
    let viewport = Viewport::Fixed(Rect::new(0, 0, width, height));
    Terminal::with_options(CrosstermBackend::new(Unfailing(io::stdout())), TerminalOptions { viewport })
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, Clear(ClearType::All), Hide)
}

/// Gives the terminal back as far as it can be reached; when it is gone there is nobody to tell.
fn leave() {
    let mut out = io::stdout();
    let _ = execute!(out, DisableBracketedPaste, LeaveAlternateScreen, Show);
    let _ = out.flush();
    let _ = disable_raw_mode();
}

/// Gives the terminal back before the message of a panic is printed, but only for the thread that draws: a worker's
/// panic is caught and shown on the screen, and must neither tear the screen down nor write over it.
fn restore_on_panic(drawing: ThreadId) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if thread::current().id() == drawing {
                leave();
                before(info);
            }
        }));
    });
}
