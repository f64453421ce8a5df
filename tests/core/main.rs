//! Detection, catalog, sessions and the command line: the program on simulated machines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod against_smi;
mod answers;
mod cards;
mod catalog;
mod cli;
mod foresight;
mod forgotten;
mod fuzz_corpus;
mod headless;
mod injection;
mod inputs;
mod outputs;
mod practice;
mod redaction;
mod session;
mod story;
mod story_host;

#[path = "../support/mod.rs"]
mod support;
