//! Follows the installer's log of one node through the cluster.

use jiff::Timestamp;

use super::{
    Loss, Options, Outcome, TailEvent, Wait,
    line::Times,
    resume::{Resume, Seam},
    stream::{self, End},
};
use crate::{
    cluster::{
        ClusterState, INSTALLER, Kubectl, NAMESPACE, chain,
        live::{self, Live},
        phases::{self, Step},
        view::{ContainerState, PodView},
    },
    host::{Cancel, Command, Host, command::PIECE},
    text::printable_bytes,
};

/// How often the log of an ended container is asked for before it is given up.
const TRIES: u32 = 5;
/// What the kubelet writes into the log stream itself when the log file is gone.
const LOG_GONE: &[u8] = b"unable to retrieve container logs for ";

/// Follows the installer on `node` and hands over what happens, until it succeeded or `cancel` is set; the last event is
/// [`TailEvent::Ended`]. Blocks: call it on a worker.
pub fn follow(host: &Host, kubectl: &Kubectl, node: &str, options: Options, cancel: &Cancel, on_event: &mut dyn FnMut(TailEvent)) {
    live::watching(host, kubectl, node, options.poll, cancel, |live| follow_live(host, kubectl, live, options, cancel, on_event));
}

/// As [`follow`], for a caller that watches the node already.
pub fn follow_live(
    host: &Host,
    kubectl: &Kubectl,
    live: &Live<'_>,
    options: Options,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(TailEvent),
) {
    let mut follower = Follower {
        host,
        kubectl,
        live,
        options,
        cancel,
        on_event,
        number: 0,
        pod: None,
        attempt: None,
        finished: None,
        tries: 0,
        delivery: Delivery::default(),
        waiting: None,
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
    live: &'a Live<'a>,
    options: Options,
    cancel: &'a Cancel,
    on_event: &'a mut dyn FnMut(TailEvent),
    /// The change of the cluster that was looked at last.
    number: u64,
    /// The pod: its identity and its name.
    pod: Option<(String, String)>,
    /// The attempt that lines are delivered of.
    attempt: Option<u32>,
    /// The attempt that failed and whose log was read to its end.
    finished: Option<u32>,
    /// How often the log of the ended container could not be read.
    tries: u32,
    /// What was delivered of this pod.
    delivery: Delivery,
    /// The reason for waiting that was told last.
    waiting: Option<Wait>,
}

impl Follower<'_> {
    fn run(&mut self) -> Outcome {
        while !self.cancel.is_cancelled() {
            let (number, view) = self.live.installer_pod();
            self.number = number;
            match view {
                None => self.pause(),
                Some(Err(state)) if !state.may_pass() => return Outcome::Refused(state),
                Some(Err(state)) => self.wait(Wait::Cluster(state)),
                Some(Ok(None)) => {
                    self.leave_pod();
                    self.wait(Wait::NoPod);
                }
                Some(Ok(Some(pod))) => {
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
        let running = is_running(pod);
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
        // What the watch has told may be old by a moment, and another container's log would be taken for this one's.
        match chain::installer_pod(self.host, self.kubectl, self.live.node) {
            Ok(Some(now)) if now.uid == pod.uid && now.container.restarts == attempt && is_running(&now) == running => {}
            Ok(_) => {
                self.pause();
                return None;
            }
            Err(state) if !state.may_pass() => return Some(Outcome::Refused(state)),
            Err(state) => {
                self.wait(Wait::Cluster(state));
                return None;
            }
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
        self.pause();
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
            self.delivery.gone = true;
        }
        if self.cancel.is_cancelled() {
            return Some(Outcome::Cancelled);
        }
        self.flush_half();
        if std::mem::take(&mut self.delivery.gone) {
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
        if std::mem::take(&mut self.delivery.gone) || failed {
            self.lost(Loss::LogGone);
        }
    }

    fn start(&mut self, pod: &PodView, attempt: u32) {
        self.attempt = Some(attempt);
        self.tries = 0;
        self.delivery.begin_attempt();
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
        (self.pod, self.attempt, self.finished, self.tries) = (None, None, None, 0);
        self.delivery = Delivery::default();
    }

    /// Fetches a log and delivers what is new in it.
    fn fetch(&mut self, what: Fetch) -> Result<(), ClusterState> {
        let Some((uid, name)) = self.pod.clone() else { return Ok(()) };
        let since = self.delivery.begin_stream();
        let command = self.command(&name, what, since);
        let (live, attempt) = (self.live, self.attempt);
        let mut stale = || match live.installer_pod().1 {
            Some(Ok(Some(pod))) => pod.uid != uid || Some(pod.container.restarts) != attempt || !is_running(&pod),
            Some(Ok(None)) => true,
            None | Some(Err(_)) => false,
        };
        let (delivery, on_event) = (&mut self.delivery, &mut *self.on_event);
        let End { result, held } = stream::read(self.host, &command, self.cancel, &mut stale, &mut |lines| delivery.take(&lines, on_event));
        match held {
            Some(line) if result.is_ok() && what != Fetch::Follow => self.delivery.take(&[line], self.on_event),
            Some(line) => self.delivery.hold(&line),
            None => {}
        }
        result
    }

    fn command(&self, pod: &str, what: Fetch, since: Option<Timestamp>) -> Command {
        let more: &[&str] = match what {
            Fetch::Follow => &["--follow"],
            Fetch::Previous => &["--previous"],
            Fetch::Whole => &[],
        };
        // A whole log may be large: like a stream it ends by itself, and a connection that hangs is noticed by its silence.
        let command = self.kubectl.stream(&["logs"]).operand(pod).words(["-n", NAMESPACE, "-c", INSTALLER, "--timestamps"]);
        let command = command.words(more.iter().copied());
        if let Some(since) = since { command.option("--since-time", since) } else { command }
    }

    /// Delivers a last line of which no more will come.
    fn flush_half(&mut self) {
        self.delivery.flush_half(self.on_event);
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
        self.pause();
    }

    /// Waits for news from the cluster.
    fn pause(&self) {
        self.live.wait(self.number, self.options.poll, self.cancel);
    }
}

/// What was delivered of one pod's log, and what is being delivered.
#[derive(Default)]
struct Delivery {
    resume: Resume,
    times: Times,
    /// Whether the kubelet said that the log is gone.
    gone: bool,
    /// Whether the next stream is the first one of its attempt: it begins at the beginning.
    fresh: bool,
    /// A last line that may be half a one, with its time.
    half: Option<(Timestamp, Vec<u8>)>,
    /// Whether the last piece of a line was as long as a piece can be.
    filled: bool,
    /// The step that was told last.
    step: Option<Step>,
}

impl Delivery {
    fn begin_attempt(&mut self) {
        self.step = None;
        self.fresh = true;
    }

    fn begin_stream(&mut self) -> Option<Timestamp> {
        if std::mem::take(&mut self.fresh) {
            self.resume.begin_anew();
            return None;
        }
        self.resume.begin()
    }

    /// Delivers what is new of a batch of lines.
    fn take(&mut self, lines: &[Vec<u8>], on_event: &mut dyn FnMut(TailEvent)) {
        let mut batch = Batch { lines: Vec::with_capacity(lines.len()), steps: Vec::new(), gap: false };
        for line in lines {
            // The rest of a line that filled its last piece.
            let filled = std::mem::replace(&mut self.filled, line.len() == PIECE);
            if filled && line.is_empty() {
                continue;
            }
            let (at, text) = match self.times.split(line) {
                Some((at, text)) => (Some(at), text),
                None if line.starts_with(LOG_GONE) => {
                    self.gone = true;
                    continue;
                }
                None => (None, line.as_slice()),
            };
            let half = &mut self.half;
            let seam = self.resume.take(at, text, &mut |at, text| {
                if let Some((half_at, half)) = half.take()
                    && (Some(half_at) != at || !text.starts_with(&half))
                {
                    batch.push(&half);
                }
                batch.push(text);
            });
            batch.gap |= seam == Seam::Gap;
        }
        if batch.gap {
            on_event(TailEvent::Lost { reason: Loss::Rotated });
        }
        if !batch.lines.is_empty() {
            on_event(TailEvent::Lines(batch.lines));
        }
        for step in batch.steps {
            if self.step.replace(step) != Some(step) {
                on_event(TailEvent::Phase(step));
            }
        }
    }

    /// Keeps a line that may be half a one.
    fn hold(&mut self, line: &[u8]) {
        self.half = self.times.split(line).map(|(at, text)| (at, text.to_vec()));
    }

    fn flush_half(&mut self, on_event: &mut dyn FnMut(TailEvent)) {
        if let Some((at, text)) = self.half.take() {
            self.resume.note(Some(at), &text);
            let mut batch = Batch { lines: Vec::new(), steps: Vec::new(), gap: false };
            batch.push(&text);
            on_event(TailEvent::Lines(batch.lines));
            batch.steps.into_iter().for_each(|step| on_event(TailEvent::Phase(step)));
        }
    }
}

struct Batch {
    lines: Vec<String>,
    steps: Vec<Step>,
    gap: bool,
}

impl Batch {
    fn push(&mut self, text: &[u8]) {
        let text = printable_bytes(text);
        self.steps.extend(phases::step(&text));
        self.lines.push(text);
    }
}

fn is_running(pod: &PodView) -> bool {
    matches!(pod.container.state, ContainerState::Running(_))
}

fn not_started(pod: &PodView) -> Wait {
    let words = match (&pod.refused, &pod.container.state) {
        (Some(words), _) => words.as_str(),
        (None, ContainerState::Waiting(waiting)) => &waiting.message,
        (None, _) => "",
    };
    Wait::Pod { pod: pod.name.clone(), status: pod.status(true), words: crate::text::printable(words) }
}
