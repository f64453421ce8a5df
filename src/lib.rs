//! gpunode takes a machine with an NVIDIA card and makes it a working GPU node of a Kubernetes cluster built with
//! Kubespray.
//!
//! # The nouns
//!
//! - **Facts** ([`facts`]): what is, read off the machine, each with its source or the reason for not knowing.
//! - **Answers** ([`answers`]): what the user wants.
//! - **Plan** ([`plan`]): what will be done, a pure function of the two and of the [`catalog`], of which [`choice`]
//!   judges what fits; shown before anything happens.
//! - **Owner** ([`owner`]): who brings the driver, and everything that follows from it; what stands below is handed its
//!   data.
//! - **Session** ([`session`]): all three, and the journal of what happened, in one file on disk; with it each
//!   [`prediction`] of the [`preflight`].
//!
//! - **Fleet** ([`fleet`]): many nodes at once, by the reports of the Ansible collection; its engine is Ansible's.
//!
//! Every command and every face is a view on the first four. Resume = load the session, probe the facts again, say what
//! changed, go on.
//!
//! # The flow
//!
//! ```text
//!   Host ──probe──▶ Facts ─┐
//!                          ├─ plan ─▶ Plan ── confirm ──▶ engine ──▶ Host, inventory, cluster
//!   user ──ask────▶ Answers┘                                │
//!                                                           └──▶ journal in the Session, before and after each action
//! ```
//!
//! [`steps`] holds the four steps as functions, [`step_driver`] the way through them; [`wizard`] (with [`tui`] and
//! [`perform`]), [`plain`] and [`headless`] are the three faces, which ask and show. In the wizard, a message goes into
//! `update`, which is pure; effects come out as data; [`perform`] carries them out on worker threads and sends messages
//! back through the one queue.
//!
//! # The rules
//!
//! - Everything that touches a machine goes through [`host`]: this machine, a picture of one below `--root`, or a
//!   simulated one. The session file and its logs are this program's own and are written by [`session::store`] and the
//!   engine.
//! - A command is a list of arguments; no value ever passes through a shell.
//! - Of each thing that is changed (machine, inventory, node), one gpunode at a time has the lock ([`session::lock`]);
//!   who looks never waits.
//! - The intent is on disk before an action, the result after. An intent without a result means: look, never assume.
//! - A probe never fails; a fact is known, absent, or unknown with a reason.
//! - What comes from outside is made printable ([`text`]) before it reaches a terminal.
//! - Every text a user sees, errors too, stands in both languages in `assets/locales`. `build.rs` makes a constructor
//!   of each: the text `plan.count: "{done} of {total}"` is `msg::plan::count(done, total)` (values in alphabetical
//!   order), a [`i18n::Message`] that gets its language at the edge.
//!
//! Dependencies point downwards: plain, headless, perform → tui, `step_driver` → fleet → wizard, steps → engine, owner →
//! session, preflight → plan → diagnosis, choice, prediction → kubespray, cluster, facts → catalog, host → version,
//! text, secret, i18n. No two files name each other.

#![cfg_attr(not(test), warn(clippy::disallowed_macros, clippy::disallowed_methods, unreachable_pub))]

pub mod answers;
pub mod bounded;
pub mod catalog;
pub mod choice;
pub mod cli;
pub mod cluster;
pub mod console;
pub mod diagnosis;
pub mod engine;
pub mod error;
pub mod exit_code;
pub mod facts;
pub mod finding;
pub mod fleet;
pub mod headless;
pub mod host;
pub mod i18n;
pub mod input;
pub mod installer_log;
pub mod kubespray;
pub mod owner;
mod packed;
pub mod perform;
pub mod plain;
pub mod plan;
pub mod prediction;
pub mod preflight;
pub mod private;
pub mod report;
pub mod second_boot;
pub mod secret;
pub mod session;
pub mod signals;
pub mod step_driver;
pub mod steps;
pub mod text;
pub mod tui;
pub mod version;
pub mod wizard;
pub mod worker;
pub mod workspace;
