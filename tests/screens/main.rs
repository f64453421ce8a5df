//! The wizard: its screens without a terminal, and the program in a real one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod fleet;
mod hostile;
mod pty;
mod wizard;

#[path = "../support/mod.rs"]
mod support;
