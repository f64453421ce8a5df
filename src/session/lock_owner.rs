//! The owner of the lock: who has a session open. The kernel's lock decides; this text beside it tells a second user
//! whom to ask.

use std::{fmt, path::Path};

use serde::{Deserialize, Serialize};

use crate::text::printable;

/// The process that holds a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockOwner {
    /// Its process id.
    pub pid: u32,
    /// Who started it; with `sudo`, who called that.
    pub user: String,
    /// The terminal it was started on, such as `/dev/pts/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<String>,
    /// Since when it holds the session.
    pub since: jiff::Timestamp,
}

impl LockOwner {
    /// Returns this process.
    pub fn me() -> Self {
        let named = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let uid = rustix::process::geteuid().as_raw();
        let from_environment = ["SUDO_USER", "LOGNAME", "USER"].iter().find_map(|name| named(name));
        let user = from_environment.or_else(|| name_of(uid)).unwrap_or_else(|| format!("uid {uid}"));
        let terminal = rustix::termios::ttyname(rustix::stdio::stdin(), Vec::new()).ok();
        Self {
            pid: std::process::id(),
            user: printable(&user),
            terminal: terminal.map(|name| printable(&name.to_string_lossy())),
            since: crate::host::clock::now(),
        }
    }

    /// Reads what a holder wrote. The text is a courtesy: what cannot be read is nobody's fault.
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_yaml::from_str::<Self>(text).ok().map(Self::printable)
    }

    /// Makes what somebody else wrote fit for a terminal.
    pub(super) fn printable(self) -> Self {
        Self { user: printable(&self.user), terminal: self.terminal.as_deref().map(printable), ..self }
    }
}

/// Looks a user's name up in `/etc/passwd`.
fn name_of(uid: u32) -> Option<String> {
    let passwd = crate::bounded::read_text(Path::new("/etc/passwd"), crate::bounded::MOST).ok()?;
    let named = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    };
    passwd.lines().find_map(named)
}

/// `pid 4711, root on /dev/pts/3, since 2026-11-24 14:02`.
impl fmt::Display for LockOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terminal = self.terminal.as_ref().map(|name| format!(" on {name}")).unwrap_or_default();
        let since = self.since.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string();
        write!(f, "pid {}, {}{terminal}, since {since}", self.pid, self.user)
    }
}
