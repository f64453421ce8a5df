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
pub struct Cancel {
    flag: Arc<AtomicBool>,
    /// Whose stop is this one's too.
    parent: Option<Arc<Cancel>>,
}

impl Cancel {
    /// Returns one for a part of the work: it is stopped with the whole, and by itself.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { flag: Arc::default(), parent: Some(Arc::new(self.clone())) }
    }

    /// Asks for the stop.
    pub fn cancel(&self) {
        self.flag.store(true, Ordering::SeqCst);
    }

    /// Tells whether the stop was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.flag.load(Ordering::SeqCst) || self.parent.as_ref().is_some_and(|parent| parent.is_cancelled())
    }
}
