//! One run of `kubectl logs`, its lines in batches, with the last line held back until it is known to be whole.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    cluster::{ClusterError, kubectl::hear},
    host::{Cancel, Command, Exit, Host, Line, Stream},
    worker,
};

/// How long a line is held back while nothing follows it. A connection that breaks inside a line leaves half a line as
/// the last one; it comes when kubectl ends, so a line after which kubectl stays alive is whole.
const HOLD: Duration = Duration::from_millis(250);
/// After how much silence the caller is asked whether the stream is still the right one.
const SILENCE: Duration = Duration::from_secs(10);
/// How long lines are gathered: a batch costs one handover, a line would cost one each.
const GATHER: Duration = Duration::from_millis(10);
/// Bytes that wait at most; then kubectl has to wait.
const ROOM: usize = 1 << 20;

/// How a stream ended.
pub(super) struct End {
    /// Whether kubectl ended well; else the state its words tell.
    pub result: Result<(), ClusterError>,
    /// The last line, if it may be half a one.
    pub held: Option<Vec<u8>>,
}

/// Runs `command` and hands over its lines. `stale` is asked after a long silence whether to give the stream up.
pub(super) fn read(
    host: &Host,
    command: &Command,
    cancel: &Cancel,
    stale: &mut dyn FnMut() -> bool,
    on_lines: &mut dyn FnMut(Vec<Vec<u8>>),
) -> End {
    let stop = Cancel::default();
    let queue = Queue::default();
    thread::scope(|scope| {
        let begun = worker::spawn_within(scope, || {
            let exit = host.commands.run(command, &stop, &mut |line| queue.push(line));
            queue.close();
            exit
        });
        let runner = match begun {
            Ok(runner) => runner,
            Err(error) => return End { result: Err(ClusterError::Failed(error.to_string())), held: None },
        };
        let mut listener = Listener { held: None, words: String::new(), heard: Instant::now() };
        while listener.listen(&queue, on_lines) {
            if cancel.is_cancelled() || (listener.is_silent() && stale()) {
                stop.cancel();
                queue.open();
            }
        }
        let result = match runner.join() {
            Ok(Ok(exit)) if exit.is_success() || exit == Exit::Cancelled => Ok(()),
            Ok(Ok(exit)) => Err(ClusterError::from_words(&listener.words, exit)),
            Ok(Err(error)) => Err(ClusterError::from_start(&error)),
            Err(_) => Err(ClusterError::Failed("kubectl".to_owned())),
        };
        End { result, held: listener.held }
    })
}

/// Lines on their way from the thread that runs kubectl.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<Line>,
    bytes: usize,
    closed: bool,
    /// The stream was given up: nobody needs its lines, and nobody must wait for room.
    open: bool,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: Line) {
        let mut waiting = self.waiting();
        while waiting.bytes > ROOM && !waiting.open {
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.bytes += line.bytes.len() + size_of::<Line>();
        let first = waiting.lines.is_empty();
        waiting.lines.push(line);
        drop(waiting);
        if first {
            self.changed.notify_all();
        }
    }

    fn close(&self) {
        self.waiting().closed = true;
        self.changed.notify_all();
    }

    fn open(&self) {
        self.waiting().open = true;
        self.changed.notify_all();
    }

    /// Returns what has come: nothing after a while without any, and `None` at the end.
    fn take(&self) -> Option<Vec<Line>> {
        let waiting = self.waiting();
        let quiet = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.closed;
        let (waiting, _) =
            self.changed.wait_timeout_while(waiting, HOLD, quiet).unwrap_or_else(PoisonError::into_inner);
        let more = |waiting: &mut Waiting| !waiting.closed && !waiting.open && waiting.bytes < ROOM / 2;
        let waiting = if waiting.lines.is_empty() {
            waiting
        } else {
            self.changed.wait_timeout_while(waiting, GATHER, more).unwrap_or_else(PoisonError::into_inner).0
        };
        let mut waiting = waiting;
        let lines = std::mem::take(&mut waiting.lines);
        waiting.bytes = 0;
        let over = waiting.closed && lines.is_empty();
        drop(waiting);
        self.changed.notify_all();
        (!over).then_some(lines)
    }
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
    fn listen(&mut self, queue: &Queue, on_lines: &mut dyn FnMut(Vec<Vec<u8>>)) -> bool {
        let Some(lines) = queue.take() else { return false };
        if lines.is_empty() {
            // Once kubectl has complained it is about to end, and what it has printed last may be half a line.
            if let Some(whole) = self.held.take_if(|_| self.words.is_empty()) {
                on_lines(vec![whole]);
            }
            return true;
        }
        self.heard = Instant::now();
        let mut whole = Vec::with_capacity(lines.len());
        for line in lines {
            if line.stream == Stream::Stderr {
                hear(&mut self.words, &line.bytes);
            } else {
                whole.extend(self.held.replace(line.bytes));
            }
        }
        if !whole.is_empty() {
            on_lines(whole);
        }
        true
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
