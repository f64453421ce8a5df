//! Ask the firmware to learn the key that modules built here are signed with. Secure Boot lets no other module in.
//!
//! The firmware asks a person at the console at the next boot, for some seconds, and wants a password: one for this
//! once, made here and told to the user. It is worth nothing after that boot. Sources: mokutil(1) and its
//! `get_password`, which reads it from the standard input; the Debian wiki on Secure Boot; dkms(8) for the places of
//! its keys.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    kind::{ActionContext, ActionEvent, ActionKind, Failure, Prepared, Traces, Verdict},
    properties::{Preview, Properties, Reversal, RootReason},
    undo::{Undo, WayBack},
};
use crate::{
    host::{Command, Host},
    i18n::msg,
};

/// Where the keys of dkms and of the distributions are, the first that is there counts.
const KEYS: [&str; 3] =
    ["/var/lib/shim-signed/mok/MOK.der", "/var/lib/dkms/mok.pub", "/etc/pki/akmods/certs/public_key.der"];
/// Digits of the password: enough for one boot, and easily typed on a console with a foreign keyboard.
const DIGITS: usize = 10;

/// Enrols a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrollKey {}

impl EnrollKey {
    fn key(host: &Host) -> Option<PathBuf> {
        KEYS.iter().map(PathBuf::from).find(|path| host.files.exists(path))
    }

    fn import(key: &Path) -> Command {
        Command::new("mokutil", ["--import"]).operand(key.display())
    }

    fn is_enrolled(host: &Host, key: &Path) -> bool {
        Self::is_told(host, key, "is already enrolled")
    }

    fn is_pending(host: &Host, key: &Path) -> bool {
        Self::is_told(host, key, "is already in the enrollment request")
    }

    /// Tells whether `mokutil --test-key` says so of the key, in words that all its versions have; its exit status
    /// tells nothing.
    fn is_told(host: &Host, key: &Path, words: &str) -> bool {
        let output = host.commands.capture(&Command::new("mokutil", ["--test-key"]).operand(key.display()));
        output.is_ok_and(|output| output.stdout.contains(words))
    }
}

fn password() -> Result<String, Failure> {
    let mut bytes = [0_u8; DIGITS];
    getrandom::fill(&mut bytes).map_err(Failure::own_words)?;
    Ok(bytes.iter().map(|byte| char::from(b'0' + byte % 10)).collect())
}

impl ActionKind for EnrollKey {
    fn properties(&self) -> Properties {
        Properties::on_machine(RootReason::Kernel, Reversal::Partly)
    }

    fn preview(&self) -> Preview {
        let details = vec![msg::details::enroll_key::console(), msg::details::enroll_key::password(DIGITS)];
        Preview { details, ..Preview::of([Self::import(Path::new(KEYS[1]))]) }
    }

    fn validate(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let key = Self::key(host)?;
        Self::is_enrolled(host, &key).then(|| vec![format!("the firmware knows {}", key.display())])
    }

    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Self::key(context.host)
            .map(|_| Undo::Parameters.into())
            .ok_or_else(|| Failure::new(msg::failure::no_signing_key(KEYS.join(", "))))
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let key = Self::key(context.host).ok_or_else(|| Failure::new(msg::failure::no_signing_key(KEYS.join(", "))))?;
        if Self::is_pending(context.host, &key) {
            return Ok(());
        }
        let password = password()?;
        context.run(&Self::import(&key).stdin(format!("{password}\n{password}\n")))?;
        let line = format!(
            "password for the console at the next boot (MokManager, Enroll MOK), good for this once: {password}"
        );
        (context.emit)(ActionEvent::Line(line.clone()));
        context.notes.push(line);
        Ok(())
    }

    /// That a person has pressed the keys is seen after the boot; until then the request is the proof.
    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        let Some(key) = Self::key(host) else { return Verdict::Unfinished };
        let pending = Self::is_pending(host, &key).then(|| {
            vec![format!("{} waits to be enrolled at the next boot, by a person at the console", key.display())]
        });
        Verdict::by(self.check(host).or(pending))
    }

    /// A request can be taken back; a key that the firmware knows only at its console.
    fn way_back(&self, host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        let pending = Self::key(host).is_some_and(|key| Self::is_pending(host, &key));
        let revoke = Command::new("mokutil", ["--revoke-import"]);
        Ok(if pending { WayBack::Run { command: revoke, gone: None } } else { WayBack::Nothing })
    }
}
