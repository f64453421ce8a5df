//! One run of `kubectl logs`, with its last line held back until it is known to be whole.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::{Duration, Instant},
};

use crate::{
    cluster::ClusterState,
    host::{Cancel, Command, Host, Line, Stream},
};

/// How long a line is held back while nothing follows it. A connection that breaks inside a line leaves half a line as the last one; it
/// comes when kubectl ends, so a line after which kubectl stays alive is whole.
const HOLD: Duration = Duration::from_millis(250);
/// After how much silence the caller is asked whether the stream is still the right one.
const SILENCE: Duration = Duration::from_secs(10);
/// How much of kubectl's own words is kept.
const WORDS: usize = 8 << 10;

/// How a stream ended.
pub(super) struct End {
    /// Whether kubectl ended well; else the state its words tell.
    pub result: Result<(), ClusterState>,
    /// The last line, if it may be half a one.
    pub held: Option<Vec<u8>>,
}

/// Runs `command` and hands over its lines. `stale` is asked after a long silence whether to give the stream up.
pub(super) fn read(
    host: &Host,
    command: &Command,
    cancel: &Cancel,
    stale: &mut dyn FnMut() -> bool,
    on_line: &mut dyn FnMut(&[u8]),
) -> End {
    let stop = Cancel::default();
    let (sender, lines) = sync_channel(256);
    thread::scope(|scope| {
        let runner = scope.spawn({
            let stop = stop.clone();
            move || {
                host.commands.run(command, &stop, &mut |line| {
                    // Nobody listens any more only when this stream was given up.
                    let _ = sender.send(line);
                })
            }
        });
        let mut listener = Listener { held: None, words: String::new(), heard: Instant::now() };
        while listener.listen(&lines, on_line) {
            if cancel.is_cancelled() || (listener.is_silent() && stale()) {
                stop.cancel();
            }
        }
        let result = match runner.join() {
            Ok(Ok(exit)) if exit.is_success() || stop.is_cancelled() => Ok(()),
            Ok(Ok(exit)) => Err(ClusterState::from_words(&listener.words, exit)),
            Ok(Err(error)) => Err(ClusterState::from_start(&error)),
            Err(_) => Err(ClusterState::Failed("kubectl".to_owned())),
        };
        End { result, held: listener.held }
    })
}

/// Takes the lines of one stream.
struct Listener {
    /// The last line, until it is known to be whole.
    held: Option<Vec<u8>>,
    /// kubectl's own words.
    words: String,
    /// When something was last heard, or the silence last noticed.
    heard: Instant,
}

impl Listener {
    /// Takes what comes next, or notices that nothing comes; false once the stream has ended.
    fn listen(&mut self, lines: &Receiver<Line>, on_line: &mut dyn FnMut(&[u8])) -> bool {
        match lines.recv_timeout(HOLD) {
            Ok(line) => {
                self.heard = Instant::now();
                if line.stream == Stream::Stderr {
                    self.complain(&line.bytes);
                } else if let Some(whole) = self.held.replace(line.bytes) {
                    on_line(&whole);
                }
                true
            }
            Err(RecvTimeoutError::Timeout) => {
                // Once kubectl has complained it is about to end, and what it has printed last may be half a line.
                if let Some(whole) = self.held.take_if(|_| self.words.is_empty()) {
                    on_line(&whole);
                }
                true
            }
            Err(RecvTimeoutError::Disconnected) => false,
        }
    }

    fn complain(&mut self, words: &[u8]) {
        if self.words.len() < WORDS {
            self.words.push_str(&String::from_utf8_lossy(words));
            self.words.push('\n');
        }
    }

    /// Tells, once in a while, that nothing has been heard for long.
    fn is_silent(&mut self) -> bool {
        let silent = self.heard.elapsed() > SILENCE;
        if silent {
            self.heard = Instant::now();
        }
        silent
    }
}
