//! What changes machines: packages, runfiles, downloads, NVML, kills; on systems of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod disturbed;
mod download;
mod fleet;
mod forged;
mod install;
mod install_rpm;
mod kill;
mod kill_real;
mod left_files;
mod locks;
mod nvml;
mod packages;
mod paths;
mod rpm;
mod runfile;
mod unprivileged;

#[path = "../support/mod.rs"]
mod support;
