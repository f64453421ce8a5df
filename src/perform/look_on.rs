//! Looks on: reads the session that another gpunode holds, again and again, and the end of the log it writes. Nothing
//! is ever written.

use std::{
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
    thread,
    time::Duration,
};

use crate::{
    host::{Stream, splitter::Splitter},
    private,
    session::{Session, Status, store},
    text::printable_bytes,
    tui::{Performer, Reply},
    wizard::{Answer, Effect},
};

/// How often the session is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How much of a log that is there already is shown, and how much is read at once.
const PIECE: u64 = 64 << 10;

/// The eyes of a wizard that only looks on.
pub(super) struct LookOn {
    pub path: PathBuf,
}

impl Performer for LookOn {
    fn perform(&self, effect: Effect, reply: &Reply) {
        if effect != Effect::Watch {
            return;
        }
        let mut follow = Follow::default();
        loop {
            // Asked first: what it wrote before it let go is read after.
            let holder = store::holder(&self.path);
            let is_free = holder.is_none();
            // A session that cannot be read just now is read the next time.
            if let Ok(Some(session)) = store::load(&self.path) {
                let lines = follow.read(&session);
                let source = follow.name();
                if !reply.send(Answer::Watched { session: Box::new(session), holder, source, lines }) || is_free {
                    return;
                }
            }
            thread::sleep(LOOK);
        }
    }
}

/// The log that is followed.
#[derive(Default)]
struct Follow {
    log: Option<PathBuf>,
    offset: u64,
    lines: Splitter,
}

impl Follow {
    /// Returns what the log of the action that is under way, or was the last, has gained.
    fn read(&mut self, session: &Session) -> Vec<String> {
        let active = |status: Status| matches!(status, Status::Intent | Status::Undoing);
        let logged = || session.journal.iter().rev().filter(|record| record.log.is_some());
        let record = logged().find(|record| active(record.status)).or_else(|| logged().next());
        let log = record.and_then(|record| record.log.clone());
        if log != self.log {
            *self = Self { log, ..Self::default() };
        }
        self.grown().unwrap_or_default()
    }

    fn grown(&mut self) -> Option<Vec<String>> {
        let mut file = private::open_existing(self.log.as_ref()?).ok()?;
        let length = file.metadata().ok()?.len();
        if self.offset == 0 {
            self.offset = length.saturating_sub(PIECE);
        }
        file.seek(SeekFrom::Start(self.offset)).ok()?;
        let mut bytes = Vec::new();
        file.take(PIECE).read_to_end(&mut bytes).ok()?;
        self.offset += bytes.len() as u64;
        let mut lines = Vec::new();
        self.lines.push(&bytes, Stream::Stdout, &mut |line| lines.push(printable_bytes(&line.bytes)));
        lines.retain(|line| !line.is_empty());
        Some(lines)
    }

    fn name(&self) -> Option<String> {
        Some(self.log.as_ref()?.file_name()?.to_string_lossy().into_owned())
    }
}
