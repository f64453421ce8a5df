//! The one watcher: keeps what is known of the node up to date, for everybody who looks.
//!
//! One thread a kind of object lists, then watches from the list's version on. A watch that ends is taken up where it
//! was; one that broke, or whose version is too old (410), begins with a new list. What a list answers is also the
//! state of the cluster: while it fails, the state is why, and the next try waits longer each time.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use serde::de::DeserializeOwned;

use super::{
    ClusterError, GpuStack, Kubectl,
    at_work::AtWork,
    kubectl::hear,
    objects::{DaemonSet, Node, Object, Pod},
    stack::{self, Asked},
    watch::{self, Cache, Source, WATCH_SECONDS},
    workload::StackSpec,
};
use crate::{
    host::{Cancel, Command, Exit, Host, Stream},
    worker,
};

/// When a watch is given up from outside: a little after the API server should have ended it.
const WATCH_DEADLINE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 15);
/// Longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// How often a waiting looker checks whether it was stopped.
const BLINK: Duration = Duration::from_millis(50);

/// What is known of one node, as it is now.
pub struct Live<'a> {
    host: &'a Host,
    kubectl: &'a Kubectl,
    /// The node's name.
    pub node: &'a str,
    /// What is looked for there.
    pub spec: &'static StackSpec,
    /// Shortest time between two questions of the same kind.
    poll: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Grows with every change.
    number: u64,
    node: Known<Node>,
    sets: Known<DaemonSet>,
    pods: Known<Pod>,
    /// Pods on no node that one of the DaemonSets has made for this one.
    waiting: Vec<Pod>,
}

/// What is known of one kind.
struct Known<T> {
    cache: Cache<T>,
    /// Whether a list has come.
    listed: bool,
    /// Why the last list did not come.
    trouble: Option<ClusterError>,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self { cache: Cache::default(), listed: false, trouble: None }
    }
}

impl<T> Known<T> {
    /// Tells whether the cluster has answered, be it with a refusal.
    fn answered(&self) -> bool {
        self.listed || self.trouble.is_some()
    }
}

/// How a watch ended.
enum End {
    /// The API server closed it, as it does after its time.
    Closed,
    /// It broke, or it cannot go on from where it was.
    Broken,
}

/// Watches while `work` looks, and stops when it is done.
pub fn watching<R>(
    host: &Host,
    kubectl: &Kubectl,
    (node, spec): (&str, &'static StackSpec),
    poll: Duration,
    cancel: &Cancel,
    work: impl FnOnce(&Live<'_>) -> R,
) -> R {
    let live = Live { host, kubectl, node, spec, poll, state: Mutex::default(), changed: Condvar::new() };
    let over = cancel.child();
    let stop = &over;
    thread::scope(|scope| {
        let begun = [
            worker::spawn_within(scope, || live.keep(&Source::node(node), |state| &mut state.node, stop)),
            worker::spawn_within(scope, || {
                live.keep(&Source::daemonsets(spec.namespace), |state| &mut state.sets, stop);
            }),
            worker::spawn_within(scope, || live.keep(&Source::pods_on(node), |state| &mut state.pods, stop)),
        ];
        if let Some(error) = begun.into_iter().find_map(Result::err) {
            live.give_up(&ClusterError::Failed(error.to_string()));
        }
        // Dropped also when `work` panics, or the scope would wait for the watchers for ever.
        let _over = Over(&over);
        work(&live)
    })
}

/// Lets time pass, unless it is over before.
fn rest(stop: &Cancel, time: Duration) {
    let until = crate::host::clock::later(time);
    while !stop.is_cancelled() && Instant::now() < until {
        thread::sleep(BLINK.min(until.saturating_duration_since(Instant::now())));
    }
}

struct Over<'a>(&'a Cancel);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Live<'_> {
    /// Returns the number of the last change, and the stack as it is now: nothing before the first answers are there.
    pub fn look(&self) -> (u64, Option<Result<GpuStack, ClusterError>>) {
        let state = self.state();
        (state.number, state.view(self.node, self.spec))
    }

    /// Returns whose log is followed now; nothing before the first answers are there, or if no log tells.
    pub fn at_work(&self) -> (u64, Option<Result<AtWork, ClusterError>>) {
        let (number, view) = self.look();
        (number, view.and_then(|view| view.map(|stack| stack.at_work(self.spec)).transpose()))
    }

    /// Waits until something is different from what it was at `number`, at most for `patience`. Tells whether it is.
    pub fn wait(&self, number: u64, patience: Duration, cancel: &Cancel) -> bool {
        let until = crate::host::clock::later(patience);
        let mut state = self.state();
        while state.number == number && !cancel.is_cancelled() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, left.min(BLINK)).unwrap_or_else(PoisonError::into_inner).0;
        }
        !cancel.is_cancelled()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state();
        let result = change(&mut state);
        state.number += 1;
        drop(state);
        self.changed.notify_all();
        result
    }

    /// Says of all kinds why they cannot be watched.
    fn give_up(&self, why: &ClusterError) {
        self.change(|all| {
            all.node.trouble = Some(why.clone());
            all.sets.trouble = Some(why.clone());
            all.pods.trouble = Some(why.clone());
        });
    }

    /// Keeps one kind of object up to date until it is stopped.
    fn keep<T: Object + DeserializeOwned>(
        &self,
        source: &Source,
        known: fn(&mut State) -> &mut Known<T>,
        stop: &Cancel,
    ) {
        let mut pause = Pause { next: self.poll, least: self.poll };
        while !stop.is_cancelled() {
            match self.kubectl.list::<T>(self.host, source) {
                Err(state) => {
                    self.change(|all| known(all).trouble = Some(state));
                    rest(stop, pause.longer());
                }
                Ok(list) => {
                    let asked = Instant::now();
                    self.change(|all| {
                        let known = known(all);
                        known.cache.replace(list);
                        (known.listed, known.trouble) = (true, None);
                    });
                    self.look_for_waiting();
                    if self.watch_on(source, known, stop, &mut pause) {
                        pause.next = pause.least;
                    }
                    // However short a watch was, lists keep their distance.
                    rest(stop, self.poll.saturating_sub(asked.elapsed()));
                }
            }
        }
    }

    /// Watches on until a new list is needed. Tells whether the watch has worked at all.
    fn watch_on<T: Object + DeserializeOwned>(
        &self,
        source: &Source,
        known: fn(&mut State) -> &mut Known<T>,
        stop: &Cancel,
        pause: &mut Pause,
    ) -> bool {
        loop {
            let begun = Instant::now();
            let version = known(&mut self.state()).cache.version().to_owned();
            let end = self.watch_once(&source.watch(&version), known, stop);
            if stop.is_cancelled() {
                return true;
            }
            let lasted = begun.elapsed() > Duration::from_secs(1);
            match end {
                End::Closed if lasted => {}
                // A proxy that closes every watch at once must not be asked without a pause.
                End::Closed => rest(stop, pause.longer()),
                End::Broken => {
                    if !lasted {
                        rest(stop, pause.longer());
                    }
                    return lasted;
                }
            }
        }
    }

    fn watch_once<T: Object + DeserializeOwned>(
        &self,
        path: &str,
        known: fn(&mut State) -> &mut Known<T>,
        stop: &Cancel,
    ) -> End {
        let command = self.kubectl.stream(&["get", "--raw"]).operand(path).deadline(Some(WATCH_DEADLINE));
        let (mut line, mut words, mut broken) = (Vec::new(), String::new(), false);
        let ended = run(self.host, &command, stop, &mut |stream, piece, whole, halt| {
            if stream == Stream::Stderr {
                return hear(&mut words, piece);
            }
            line.extend_from_slice(piece);
            if !whole {
                return;
            }
            let bytes = std::mem::take(&mut line);
            if bytes.is_empty() || broken {
                return;
            }
            let applied = watch::change(&bytes).is_ok_and(|change| self.change(|all| known(all).cache.apply(change)));
            if applied {
                self.look_for_waiting();
            } else {
                // Too old, or not understood: a new list will tell.
                broken = true;
                halt.cancel();
            }
        });
        match ended {
            Some(exit) if exit.is_success() && !broken => End::Closed,
            _ => End::Broken,
        }
    }

    /// Asks for pods on no node while a DaemonSet wants one here and there is none. A failure shows in the lists that
    /// go on.
    fn look_for_waiting(&self) {
        let (sets, pods, ready) = {
            let state = self.state();
            let ready = state.sets.listed && state.pods.listed;
            (
                state.sets.cache.items().cloned().collect::<Vec<_>>(),
                state.pods.cache.items().cloned().collect::<Vec<_>>(),
                ready,
            )
        };
        if !ready {
            return;
        }
        if let Ok(waiting) = stack::unscheduled(self.host, self.kubectl, self.node, self.spec, &sets, &pods)
            && waiting.iter().map(|pod| &pod.metadata.uid).ne(self.state().waiting.iter().map(|pod| &pod.metadata.uid))
        {
            self.change(|state| state.waiting = waiting);
        }
    }
}

impl State {
    fn view(&self, node: &str, spec: &'static StackSpec) -> Option<Result<GpuStack, ClusterError>> {
        let kinds = [
            (Asked::Node, self.node.trouble.as_ref()),
            (Asked::DaemonSets, self.sets.trouble.as_ref()),
            (Asked::Pods, self.pods.trouble.as_ref()),
        ];
        let unread = match stack::unread(&kinds) {
            Ok(unread) => unread,
            Err(error) => return Some(Err(error)),
        };
        let answered = [self.node.answered(), self.sets.answered(), self.pods.answered()];
        if answered.contains(&false) {
            return None;
        }
        let sets: Vec<_> = self.sets.cache.items().cloned().collect();
        let pods: Vec<_> = self.pods.cache.items().chain(&self.waiting).cloned().collect();
        let stack = GpuStack::from_objects(spec, node, self.node.cache.items().next(), &sets, &pods, &[]);
        Some(Ok(GpuStack { unread, ..stack }))
    }
}

/// Waits that grow while nothing works.
struct Pause {
    next: Duration,
    least: Duration,
}

impl Pause {
    fn longer(&mut self) -> Duration {
        let now = self.next;
        self.next = (self.next * 2).clamp(self.least, LONGEST_WAIT.max(self.least));
        now
    }
}

/// Takes a piece of a line, and whether the line ends with it. The last argument stops the command.
type OnPiece<'p> = dyn FnMut(Stream, &[u8], bool, &Cancel) + 'p;

/// Runs a command and hands over its lines in pieces.
fn run(host: &Host, command: &Command, stop: &Cancel, on_piece: &mut OnPiece<'_>) -> Option<Exit> {
    let halt = stop.child();
    let exit = host.commands.run(command, &halt, &mut |line| {
        let whole = line.bytes.len() < crate::host::command::PIECE;
        on_piece(line.stream, &line.bytes, whole, &halt);
    });
    exit.ok()
}
