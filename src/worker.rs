//! Threads of this program. The system may refuse another one; then the work is done here and now, or the one who asked
//! is told, and nothing panics.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    thread::{Builder, JoinHandle, Scope, ScopedJoinHandle},
};

/// Starts a thread that goes on by itself; the error is why there is none.
pub fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    Builder::new().spawn(work)
}

/// Starts a thread that goes on by itself, and does the work on this one where there is none.
pub fn spawn_or_do(work: impl FnOnce() + Send + 'static) {
    let slot = Arc::new(Mutex::new(Some(work)));
    let theirs = Arc::clone(&slot);
    let take = |slot: &Mutex<Option<_>>| slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    let run = |work: Option<_>| {
        if let Some(work) = work {
            do_it(work);
        }
    };
    if Builder::new().spawn(move || run(take(&theirs))).is_err() {
        run(take(&slot));
    }
}

fn do_it(work: impl FnOnce()) {
    work();
}

/// Starts a thread within a scope, for work that goes on until it is told to stop and can only be done beside something
/// else; the error is why there is none.
pub fn spawn_within<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    Builder::new().spawn_scoped(scope, work)
}

/// What is done beside something else, on a thread of its own or, where there was none, before it.
pub enum Beside<'scope, T> {
    /// It runs.
    Thread(ScopedJoinHandle<'scope, T>),
    /// It was done at once.
    Done(T),
}

/// Does work beside what follows, within a scope.
pub fn beside<'scope, T, F>(scope: &'scope Scope<'scope, '_>, work: F) -> Beside<'scope, T>
where
    T: Send + 'scope,
    F: FnOnce() -> T + Clone + Send + 'scope,
{
    match Builder::new().spawn_scoped(scope, work.clone()) {
        Ok(handle) => Beside::Thread(handle),
        Err(_) => Beside::Done(work()),
    }
}

impl<T> Beside<'_, T> {
    /// Waits for the end and returns what came of it; a panic goes on here.
    pub fn join(self) -> T {
        match self {
            Self::Thread(handle) => handle.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload)),
            Self::Done(value) => value,
        }
    }
}
