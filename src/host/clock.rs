//! Time and cancellation.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// A machine's time.
pub trait Clock: Send + Sync {
    /// Returns the time of day.
    fn now(&self) -> jiff::Timestamp;

    /// Waits; a simulated clock waits shorter. Returns early, with `false`, once `cancel` is set.
    fn sleep(&self, duration: Duration, cancel: &Cancel) -> bool;
}

/// Asks work on another thread to stop. Clones share one flag; it is never unset.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks for the stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Tells whether the stop was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
