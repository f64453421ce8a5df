//! Seal: tells what this machine's gpunode has written into a session from what came from elsewhere.
//!
//! A session is a file, and files are carried, mailed and edited; what it says was done is what an undo would take
//! back, and what it plans is what a run would do. So each record of the journal and the plan of each step are signed
//! (HMAC-SHA-256) with a key that never leaves this user's state folder on this machine. What has no good seal is
//! shown, and neither run nor taken back.

use std::{
    fs::DirBuilder,
    io::{self, Read, Seek, Write},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;

use super::{Record, Session};
use crate::{
    plan::{Action, Step},
    private,
};

/// Name of the key's file.
const FILE: &str = "journal.key";
/// Length of the key, in bytes: a block of SHA-256.
const LENGTH: usize = 64;
/// Length of a seal, in bytes.
const SEAL_LENGTH: usize = 32;

/// This user's key on this machine.
#[derive(Clone)]
pub struct Seal {
    key: [u8; LENGTH],
    /// A cloned disk has the same key, and another machine's name.
    machine: String,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seal").finish_non_exhaustive()
    }
}

impl Seal {
    /// Reads the key below `folder`, or makes one; `machine` is this machine's identity.
    pub fn open(folder: &Path, machine: &str) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        private::demand_owner(folder)?;
        let mut file = private::open_lock(&folder.join(FILE))?;
        // Two that begin at once must not make two keys.
        file.lock()?;
        let mut key = [0; LENGTH];
        if file.metadata()?.len() != LENGTH as u64 {
            getrandom::fill(&mut key).map_err(io::Error::other)?;
            file.set_len(0)?;
            file.write_all(&key)?;
            file.sync_all()?;
        }
        file.rewind()?;
        file.read_exact(&mut key)?;
        Ok(Self { key, machine: machine.to_owned() })
    }

    /// Signs what is ours.
    pub(super) fn sign(&self, session: &mut Session) {
        let mut journal = std::mem::take(&mut session.journal);
        for record in journal.iter_mut().filter(|record| !record.is_foreign) {
            record.seal = None;
            record.seal = Some(hex(self.of(session, &*record)));
        }
        session.journal = journal;
        for step in Step::ALL.into_iter().filter(|step| !session.foreign_plans.contains(step)) {
            let actions: Vec<&Action> = session.plan.of(step).collect();
            let seal = (!actions.is_empty()).then(|| hex(self.of(session, &(step, actions))));
            match seal {
                Some(seal) => session.seals.insert(step, seal),
                None => session.seals.remove(&step),
            };
        }
    }

    fn of(&self, session: &Session, value: &impl Serialize) -> Hmac<Sha256> {
        let mut mac = Hmac::new(&self.key.into());
        let text = serde_json::to_vec(&("gpunode 1", &self.machine, session.created, value)).unwrap_or_default();
        mac.update(&text);
        mac
    }

    fn is_good(&self, session: &Session, value: &impl Serialize, seal: Option<&String>) -> bool {
        seal.and_then(|seal| bytes(seal)).is_some_and(|seal| self.of(session, value).verify_slice(&seal).is_ok())
    }
}

/// Marks what this machine's gpunode has not written. Without a key that is everything. A plan of this machine's that
/// somebody changed is dropped, for it is made anew; one that was carried here is kept for its own machine, and not
/// run.
pub fn verify(seal: Option<&Seal>, session: &mut Session, here: &str) {
    let is_ours = |session: &Session, record: &Record| {
        let unsealed = Record { seal: None, ..record.clone() };
        seal.is_some_and(|seal| seal.is_good(session, &unsealed, record.seal.as_ref()))
    };
    let foreign: Vec<bool> = session.journal.iter().map(|record| !is_ours(session, record)).collect();
    session.journal.iter_mut().zip(foreign).for_each(|(record, foreign)| record.is_foreign = foreign);
    for step in Step::ALL {
        let actions: Vec<&Action> = session.plan.of(step).collect();
        let is_ours = seal.is_some_and(|seal| seal.is_good(session, &(step, &actions), session.seals.get(&step)));
        if actions.is_empty() || is_ours {
            continue;
        }
        if session.machine == here {
            session.plan.actions.retain(|action| action.step != step);
        } else {
            session.foreign_plans.insert(step);
        }
    }
}

fn hex(mac: Hmac<Sha256>) -> String {
    use std::fmt::Write as _;
    mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    (hex.len() == 2 * SEAL_LENGTH).then(|| (0..hex.len()).step_by(2).map(pair).collect())?
}

#[cfg(test)]
mod tests;
