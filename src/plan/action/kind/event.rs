//! What an action tells while it runs.

use crate::diagnosis::Hit;

/// One thing that an action tells.
#[derive(Debug, Clone, PartialEq)]
pub enum ActionEvent {
    /// It printed a line (made safe for a terminal).
    Line(String),
    /// A known failure showed in what it printed.
    Hit(Box<Hit>),
    /// How far it has come.
    Progress(Progress),
    /// `sudo` on a host wants a password: without one, the action is about to fail.
    PasswordNeeded,
}

/// Progress of one action.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Progress {
    /// What is done, in `unit`.
    pub done: u64,
    /// All of it, when known.
    pub total: Option<u64>,
    /// `bytes` or `tasks`.
    pub unit: &'static str,
    /// Bytes a second, for downloads.
    pub rate: Option<u64>,
}
