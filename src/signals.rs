//! Signals for the faces without a screen. Who interrupts wants the work to stop; who loses the terminal does not.

use std::path::Path;

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{
    bounded,
    error::{Expected, reason},
    exit_code::ExitCode,
    host::Cancel,
    i18n::msg,
    worker,
};

/// Sets `cancel` at the first SIGINT or SIGTERM; the next one ends the program. SIGHUP (a cut line, a logout) ends the
/// program at once and leaves the running command alone: it goes on, its intent is in the journal, and the next start
/// finds it. Where SIGHUP is ignored (`nohup`), it stays ignored.
pub fn cancel_on_signal(cancel: &Cancel) -> Result<(), Expected> {
    let wanted = [SIGINT, SIGTERM].into_iter().chain((!is_ignored(SIGHUP)).then_some(SIGHUP));
    let mut signals =
        Signals::new(wanted).map_err(|error| Expected::new(msg::error::signals(reason(&error)), msg::error::bug()))?;
    let cancel = cancel.clone();
    let watched = worker::spawn(move || {
        for signal in signals.forever() {
            if signal == SIGHUP || cancel.is_cancelled() {
                std::process::exit(ExitCode::Quit as i32);
            }
            cancel.cancel();
        }
    });
    watched.map(|_| ()).map_err(|error| Expected::new(msg::error::signals(reason(&error)), msg::error::bug()))
}

/// Tells whether this process was started with a signal ignored: its bit in `SigIgn` of `/proc/self/status`, proc(5).
fn is_ignored(signal: i32) -> bool {
    let status = bounded::read_text(Path::new("/proc/self/status"), bounded::MOST).unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
