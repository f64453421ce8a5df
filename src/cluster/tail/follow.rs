//! Follows the installer's log of one node through the cluster.

use jiff::Timestamp;

use super::{
    Loss, Options, Outcome, TailEvent, Wait,
    seen::Seen,
    stream::{self, End},
};
use crate::{
    cluster::{
        ClusterState, INSTALLER, Kubectl, NAMESPACE,
        chain::{self, ContainerState, PodView},
        phases::{self, Step},
    },
    host::{Cancel, Command, Host},
    text::printable_bytes,
};

/// How often the log of an ended container is asked for before it is given up.
const TRIES: u32 = 5;
/// What the kubelet writes into the log stream itself when the log file is gone.
const LOG_GONE: &[u8] = b"unable to retrieve container logs for ";

/// Follows the installer on `node` and hands over what happens, until it succeeded or `cancel` is set; the last event is
/// [`TailEvent::Ended`]. Blocks: call it on a worker.
pub fn follow(host: &Host, kubectl: &Kubectl, node: &str, options: Options, cancel: &Cancel, on_event: &mut dyn FnMut(TailEvent)) {
    let mut follower = Follower {
        host,
        kubectl,
        node,
        options,
        cancel,
        on_event,
        pod: None,
        attempt: None,
        finished: None,
        tries: 0,
        gone: false,
        half: None,
        seen: Seen::default(),
        waiting: None,
        step: None,
    };
    let outcome = follower.run();
    (follower.on_event)(TailEvent::Ended { outcome });
}

/// Which log is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fetch {
    /// The running container's, for as long as it runs.
    Follow,
    /// The newest container's, up to now.
    Whole,
    /// That of the container before it.
    Previous,
}

struct Follower<'a> {
    host: &'a Host,
    kubectl: &'a Kubectl,
    node: &'a str,
    options: Options,
    cancel: &'a Cancel,
    on_event: &'a mut dyn FnMut(TailEvent),
    /// The pod: its identity and its name.
    pod: Option<(String, String)>,
    /// The attempt that lines are delivered of.
    attempt: Option<u32>,
    /// The attempt that failed and whose log was read to its end.
    finished: Option<u32>,
    /// How often the log of the ended container could not be read.
    tries: u32,
    /// Whether the kubelet said that the log is gone.
    gone: bool,
    /// A last line that may be half a one, with its time.
    half: Option<(Timestamp, Vec<u8>)>,
    seen: Seen,
    /// The reason for waiting that was told last.
    waiting: Option<Wait>,
    /// The step that was told last.
    step: Option<Step>,
}

impl Follower<'_> {
    fn run(&mut self) -> Outcome {
        while !self.cancel.is_cancelled() {
            match chain::installer_pod(self.host, self.kubectl, self.node) {
                Err(state) if !state.may_pass() => return Outcome::Refused(state),
                Err(state) => self.wait(Wait::Cluster(state)),
                Ok(None) => {
                    self.leave_pod();
                    self.wait(Wait::NoPod);
                }
                Ok(Some(pod)) => {
                    if let Some(outcome) = self.advance(&pod) {
                        return outcome;
                    }
                }
            }
        }
        Outcome::Cancelled
    }

    /// Reads what there is of the pod now.
    fn advance(&mut self, pod: &PodView) -> Option<Outcome> {
        if self.pod.as_ref().is_none_or(|(uid, _)| *uid != pod.uid) {
            self.leave_pod();
            self.pod = Some((pod.uid.clone(), pod.name.clone()));
        }
        let running = matches!(pod.container.state, ContainerState::Running(_));
        let ended = pod.container.ended().map(|end| end.exit_code);
        if !running && ended.is_none() {
            self.wait(not_started(pod));
            return None;
        }
        let attempt = pod.container.restarts;
        if let (Some(exit_code), true) = (ended, self.finished == Some(attempt)) {
            self.wait(Wait::BackOff { pod: pod.name.clone(), exit_code, restarts: attempt });
            return None;
        }
        if self.attempt.is_none_or(|known| known < attempt) {
            self.catch_up(pod, attempt, running);
            self.start(pod, attempt);
        }
        self.waiting = None;
        match ended {
            None => self.stream(),
            Some(exit_code) => self.conclude(attempt, exit_code),
        }
    }

    /// Streams the running container. Why the stream ended is looked up in the next round.
    fn stream(&mut self) -> Option<Outcome> {
        match self.fetch(Fetch::Follow) {
            Err(state) if !state.may_pass() => return Some(Outcome::Refused(state)),
            Err(state) => self.lost(Loss::Connection(state)),
            Ok(()) => {}
        }
        self.host.clock.sleep(self.options.poll / 4, self.cancel);
        None
    }

    /// Reads the log of an ended container to its end.
    fn conclude(&mut self, attempt: u32, exit_code: i32) -> Option<Outcome> {
        if let Err(state) = self.fetch(Fetch::Whole)
            && !self.cancel.is_cancelled()
        {
            if !state.may_pass() {
                return Some(Outcome::Refused(state));
            }
            self.tries += 1;
            if self.tries < TRIES {
                self.wait(Wait::Cluster(state));
                return None;
            }
            self.gone = true;
        }
        if self.cancel.is_cancelled() {
            return Some(Outcome::Cancelled);
        }
        self.flush_half();
        if std::mem::take(&mut self.gone) {
            self.lost(Loss::LogGone);
        }
        self.tries = 0;
        self.finished = Some(attempt);
        match exit_code {
            0 => Some(Outcome::Succeeded),
            _ if self.options.once => Some(Outcome::Failed { exit_code }),
            _ => None,
        }
    }

    /// Reads what is missing of the attempts before this one.
    fn catch_up(&mut self, pod: &PodView, attempt: u32, running: bool) {
        match self.attempt {
            Some(known) if known + 1 == attempt && self.finished == Some(known) => {}
            Some(known) if known + 1 == attempt => self.previous(),
            None if attempt == 0 => {}
            // In back-off the newest log is the failed attempt's own; while it runs, the one before says why it was started anew.
            None if !running => {}
            known => {
                if let Some(count) = known.map(|known| attempt - known - 2).filter(|count| *count > 0) {
                    self.lost(Loss::AttemptsMissed { count });
                }
                self.flush_half();
                self.start(pod, attempt - 1);
                self.previous();
            }
        }
        self.flush_half();
    }

    fn previous(&mut self) {
        let failed = self.fetch(Fetch::Previous).is_err();
        if std::mem::take(&mut self.gone) || failed {
            self.lost(Loss::LogGone);
        }
    }

    fn start(&mut self, pod: &PodView, attempt: u32) {
        self.attempt = Some(attempt);
        self.tries = 0;
        self.step = None;
        (self.on_event)(TailEvent::PodStarted { pod: pod.name.clone(), attempt });
    }

    /// Reads the rest of a pod that is being replaced, if it can still be read.
    fn leave_pod(&mut self) {
        if let Some((_, name)) = self.pod.clone() {
            let unread = self.attempt.is_some() && self.attempt != self.finished;
            if unread && self.fetch(Fetch::Whole).is_err() {
                self.lost(Loss::PodGone { pod: name });
            }
            self.flush_half();
        }
        (self.pod, self.attempt, self.finished, self.gone, self.tries) = (None, None, None, false, 0);
        self.seen = Seen::default();
    }

    /// Fetches a log and delivers what is new in it.
    fn fetch(&mut self, what: Fetch) -> Result<(), ClusterState> {
        let Some((uid, name)) = self.pod.clone() else { return Ok(()) };
        let command = self.command(&name, what);
        let (host, kubectl, node, cancel, attempt) = (self.host, self.kubectl, self.node, self.cancel, self.attempt);
        let mut stale = || match chain::installer_pod(host, kubectl, node) {
            Ok(Some(pod)) => {
                let running = matches!(pod.container.state, ContainerState::Running(_));
                pod.uid != uid || Some(pod.container.restarts) != attempt || !running
            }
            Ok(None) => true,
            Err(_) => false,
        };
        self.seen.begin_stream();
        let End { result, held } = stream::read(host, &command, cancel, &mut stale, &mut |line| self.deliver(line));
        match held {
            Some(line) if result.is_ok() && what != Fetch::Follow => self.deliver(&line),
            Some(line) => self.half = timed(&line).map(|(at, text)| (at, text.to_vec())),
            None => {}
        }
        result
    }

    fn command(&self, pod: &str, what: Fetch) -> Command {
        let mut args = vec!["logs", pod, "-n", NAMESPACE, "-c", INSTALLER, "--timestamps"];
        match what {
            Fetch::Follow => args.push("--follow"),
            Fetch::Previous => args.push("--previous"),
            Fetch::Whole => {}
        }
        let since = self.seen.since().map(|since| format!("--since-time={since}"));
        args.extend(since.as_deref());
        if what == Fetch::Follow { self.kubectl.stream(&args) } else { self.kubectl.command(&args) }
    }

    fn deliver(&mut self, line: &[u8]) {
        let (at, text) = match timed(line) {
            Some((at, text)) => (Some(at), text),
            None if line.starts_with(LOG_GONE) => {
                self.gone = true;
                return;
            }
            None => (None, line),
        };
        if !self.seen.accept(at, text) {
            return;
        }
        self.half.take_if(|(half_at, half)| Some(*half_at) == at && text.starts_with(half));
        let text = printable_bytes(text);
        let step = phases::step(&text);
        (self.on_event)(TailEvent::Line { text, at });
        if let Some(step) = step.filter(|step| self.step != Some(*step)) {
            self.step = Some(step);
            (self.on_event)(TailEvent::Phase(step));
        }
    }

    /// Delivers a last line of which no more will come.
    fn flush_half(&mut self) {
        if let Some((at, text)) = self.half.take() {
            self.seen.begin_stream();
            let line = [format!("{at:.9} ").as_bytes(), &text].concat();
            self.deliver(&line);
        }
    }

    fn lost(&mut self, reason: Loss) {
        (self.on_event)(TailEvent::Lost { reason });
    }

    /// Says why there is nothing to read, unless that was said last, and lets some time pass.
    fn wait(&mut self, why: Wait) {
        if self.waiting.as_ref() != Some(&why) {
            self.waiting = Some(why.clone());
            (self.on_event)(TailEvent::Waiting { why });
        }
        self.host.clock.sleep(self.options.poll, self.cancel);
    }
}

fn not_started(pod: &PodView) -> Wait {
    let words = match (&pod.refused, &pod.container.state) {
        (Some(words), _) => words.as_str(),
        (None, ContainerState::Waiting(waiting)) => &waiting.message,
        (None, _) => "",
    };
    Wait::Pod { pod: pod.name.clone(), status: pod.status(true), words: crate::text::printable(words) }
}

/// Takes `2026-11-23T20:58:43.265543477Z text` apart.
fn timed(line: &[u8]) -> Option<(Timestamp, &[u8])> {
    let space = line.iter().take(40).position(|byte| *byte == b' ').unwrap_or(line.len());
    let at = std::str::from_utf8(&line[..space]).ok()?.parse().ok()?;
    Some((at, line.get(space + 1..).unwrap_or_default()))
}
