//! gpunode.
pub mod answers;
pub mod catalog;
pub mod engine;
pub mod error;
pub mod exit_code;
pub mod facts;
pub mod finding;
pub mod host;
pub mod i18n;
pub mod kubespray;
pub mod plan;
pub mod session;
pub mod text;
pub mod tui;
pub mod version;
pub mod wizard;
