//! The exit codes, in one place. They are a contract: scripts and Ansible rely on them.

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// All well: a usable GPU, no findings, nothing known in the log, done.
    Ok = 0,
    /// The answer is no: no usable GPU, findings, hits, a failed action or check.
    Negative = 1,
    /// Could not tell or could not read: bad usage, unreadable input, no cluster.
    Usage = 2,
    /// `apply` needs a reboot; run it again afterwards.
    RebootNeeded = 3,
    /// `verify`: it works, and not for long: until the next Kubespray run, boot or upgrade.
    Temporary = 4,
    /// The user quit the wizard before its end.
    Quit = 130,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
