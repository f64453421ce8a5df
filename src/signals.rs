//! Signals for the faces without a screen: the first one asks the running work to stop, the next one ends the program.

use crate::{error::Expected, exit_code::ExitCode, host::Cancel};

/// Sets `cancel` at the first SIGINT, SIGTERM or SIGHUP.
pub fn cancel_on_signal(cancel: &Cancel) -> Result<(), Expected> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])
        .map_err(|error| Expected::new(format!("cannot watch for signals: {error}"), "please report this as a bug"))?;
    let cancel = cancel.clone();
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if cancel.is_cancelled() {
                std::process::exit(ExitCode::Quit as i32);
            }
            cancel.cancel();
        }
    });
    Ok(())
}
