//! gpunode.
pub mod answers;
pub mod catalog;
pub mod cluster;
pub mod diagnosis;
pub mod error;
pub mod exit_code;
pub mod facts;
pub mod finding;
pub mod host;
pub mod i18n;
pub mod kubespray;
pub mod text;
pub mod version;
