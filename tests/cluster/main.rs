//! Step 4 against an API server of our own: the chain, faults, the tail, the wizard on top of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod chain;
mod drain;
mod faults;
mod helm;
mod in_vain;
mod large;
mod objects;
mod program;
mod recorded;
mod tail;
mod turns;
mod wizard;

#[path = "../support/mod.rs"]
mod support;
