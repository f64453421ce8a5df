//! Time and cancellation.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// A wait longer than this is as good as for ever: ten years.
const FOR_EVER: Duration = Duration::from_hours(10 * 365 * 24);

/// Returns the time of day; a clock that is set beyond what a date can say counts as at its end.
pub fn now() -> jiff::Timestamp {
    let system = std::time::SystemTime::now();
    let end = if system > std::time::UNIX_EPOCH { jiff::Timestamp::MAX } else { jiff::Timestamp::MIN };
    jiff::Timestamp::try_from(system).unwrap_or(end)
}

/// Returns the moment after a wait, however long that is.
pub fn later(wait: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(wait.min(FOR_EVER)).unwrap_or(now)
}

/// Returns a number of seconds as a duration: what is no number is none, and what is too long is for ever.
pub fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds)
        .map_or(if seconds > 0.0 { FOR_EVER } else { Duration::ZERO }, |wait| wait.min(FOR_EVER))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_of_seconds_is_too_much() {
        for (number, wait) in
            [(1e30, FOR_EVER), (f64::INFINITY, FOR_EVER), (f64::NAN, Duration::ZERO), (-1.0, Duration::ZERO)]
        {
            assert_eq!(seconds(number), wait, "{number}");
        }
        assert_eq!(seconds(0.5), Duration::from_millis(500));
        assert!(later(Duration::MAX) > Instant::now());
    }
}
