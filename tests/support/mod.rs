//! What the suites share: places to run the program in, servers that misbehave, machines of their own, oracles.
#![allow(dead_code, reason = "each suite uses its own part")]

pub mod apiserver;
pub mod engine;
pub mod fileserver;
pub mod folder;
pub mod kubespray;
pub mod lines;
pub mod oracle;
pub mod program;
pub mod runfile;
pub mod shared;
pub mod terminal;
pub mod world;
pub mod worlds;
