//! Step 3: inventories, playbooks and variables, held against real ansible.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod ansible;
mod host_owner;
mod inventory;
mod inventory_oracle;
mod playbooks;
mod precedence;
mod preview;
mod render;
mod reported;
mod traps;
mod verdicts;

#[path = "../support/mod.rs"]
mod support;
