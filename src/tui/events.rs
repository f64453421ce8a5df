//! The threads that wait for the terminal and for signals, whatever the screen: each tells what came, until nobody
//! listens any more.

use std::io;

use crossterm::event::{self, Event};
use signal_hook::{
    consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP},
    iterator::Signals,
};

use crate::{wizard::Signal, worker};

/// What a signal asks of a screen.
pub(super) enum Asked {
    /// To end.
    End(Signal),
    /// To give the terminal back for a while.
    Suspend,
    /// To draw everything again.
    Redraw,
}

/// Tells of each signal; `tell` says whether anybody listens.
pub(super) fn listen_to_signals(tell: impl Fn(Asked) -> bool + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGHUP, SIGINT, SIGTSTP, SIGCONT])?;
    let listener = worker::spawn(move || {
        for signal in signals.forever() {
            let asked = match signal {
                SIGTERM => Asked::End(Signal::Terminate),
                SIGHUP => Asked::End(Signal::HangUp),
                SIGINT => Asked::End(Signal::Interrupt),
                SIGTSTP => Asked::Suspend,
                _ => Asked::Redraw,
            };
            if !tell(asked) {
                return;
            }
        }
    });
    listener.map(|_| ())
}

/// Tells of each event of the terminal, and of nothing once it is gone; `tell` says whether anybody listens.
pub(super) fn read_events(tell: impl Fn(Option<Event>) -> bool + Send + 'static) -> io::Result<()> {
    let reader = worker::spawn(move || {
        while let Ok(event) = event::read() {
            if !tell(Some(event)) {
                return;
            }
        }
        tell(None);
    });
    reader.map(|_| ())
}
