//! Follows the logs of one node through the cluster, each while its workload is at work.

use jiff::Timestamp;

use super::{
    Gap, Options, Outcome, TailEvent, Wait,
    delivery::Delivery,
    pod_files::PodFiles,
    stream::{self, End},
};
use crate::{
    cluster::{
        ClusterError, Kubectl,
        at_work::AtWork,
        live::{self, Live},
        objects::Terminated,
        phases::{self, Said},
        stack,
        view::{ContainerState, PodView},
        workload::{Done, StackSpec, Workload},
    },
    host::{Cancel, Command, Host},
};

/// How often the log of an ended container is asked for before it is given up.
const TRIES: u32 = 5;

/// Reasons of containers that were never started. Source: kubelet and containerd, dockershim.
const NEVER_STARTED: [&str; 2] = ["StartError", "ContainerCannotRun"];

/// Follows what is at work on `node` and hands over what happens, until the last of it has succeeded or `cancel` is
/// set; the last event is [`TailEvent::Ended`]. What runs on is followed for as long, unless one attempt is enough
/// ([`Options::once`]). Blocks: call it on a worker.
pub fn follow(
    host: &Host,
    kubectl: &Kubectl,
    node: (&str, &'static StackSpec),
    options: Options,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(TailEvent),
) {
    live::watching(host, kubectl, node, options.poll, cancel, |live| {
        follow_live(host, kubectl, live, options, cancel, on_event);
    });
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
    if live.spec.logs.is_empty() {
        return on_event(TailEvent::Ended { outcome: Outcome::NoLog });
    }
    let mut follower = Follower {
        host,
        kubectl,
        live,
        options,
        cancel,
        on_event,
        number: 0,
        pod: None,
        container: None,
        attempt: None,
        finished: None,
        tries: 0,
        workload: None,
        delivery: Delivery::new(&phases::UNKNOWN),
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

/// The pod that is followed.
#[derive(Clone)]
struct Followed {
    uid: String,
    namespace: String,
    name: String,
}

struct Follower<'a> {
    host: &'a Host,
    kubectl: &'a Kubectl,
    live: &'a Live<'a>,
    /// Whose log it is.
    workload: Option<&'static Workload>,
    options: Options,
    cancel: &'a Cancel,
    on_event: &'a mut dyn FnMut(TailEvent),
    /// The change of the cluster that was looked at last.
    number: u64,
    /// The pod.
    pod: Option<Followed>,
    /// Its container that matters.
    container: Option<String>,
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
            let (number, view) = self.live.at_work();
            self.number = number;
            match view {
                None => self.pause(),
                Some(Err(state)) if !state.may_pass() => return Outcome::Refused(state),
                Some(Err(state)) => self.wait(Wait::Cluster(state)),
                Some(Ok(now)) => {
                    self.turn_to(&now);
                    match &now.pod {
                        None => self.wait(Wait::NoPod { name: now.name.clone() }),
                        Some(pod) => {
                            if let Some(outcome) = self.advance(&now, pod) {
                                return outcome;
                            }
                        }
                    }
                }
            }
        }
        Outcome::Cancelled
    }

    /// Leaves what was followed until now if something else is at work: another workload, another pod of it, the next
    /// container of the pod.
    fn turn_to(&mut self, now: &AtWork) {
        let is_same = |pod: &PodView| {
            let container = self.container.as_ref().is_none_or(|known| *known == pod.container.name);
            self.pod.as_ref().is_some_and(|known| known.uid == pod.uid) && container
        };
        if !now.pod.as_ref().is_some_and(is_same) {
            self.leave_pod();
        }
        if self.workload != Some(now.workload) {
            self.workload = Some(now.workload);
            (self.on_event)(TailEvent::Turned { workload: now.workload, log: now.log });
        }
        if self.pod.is_none() {
            self.delivery = Delivery::new(now.log.phases);
            self.pod = now.pod.as_ref().map(Followed::of);
        }
    }

    /// Reads what there is of the pod now.
    fn advance(&mut self, now: &AtWork, pod: &PodView) -> Option<Outcome> {
        let running = is_running(pod);
        let ended = pod.container.ended();
        let attempt = pod.container.restarts;
        if pod.deleting && !running {
            // However it ended, the pod that takes its place counts; what was begun is read to its end.
            if ended.is_some() && self.attempt == Some(attempt) && self.finished != Some(attempt) {
                self.conclude(now, attempt, ended);
            }
            self.wait(not_started(pod));
            return None;
        }
        if !running && ended.is_none() {
            self.wait(not_started(pod));
            return None;
        }
        if ended.is_some_and(|end| end.exit_code == 0) && self.finished == Some(attempt) {
            self.wait(not_started(pod));
            return None;
        }
        if let (Some(end), true) = (ended, self.finished == Some(attempt)) {
            let words = crate::text::printable(&end.message);
            self.wait(Wait::BackOff { pod: pod.name.clone(), exit_code: end.exit_code, restarts: attempt, words });
            return None;
        }
        self.is_current(now, pod, attempt).unwrap_or_else(|| self.read(now, pod, attempt))
    }

    /// Looks once more: what the watch has told may be old by a moment, and another container's log would be taken for
    /// this one's. Tells how to go on unless the pod is still as it was.
    #[expect(clippy::option_option, reason = "whether to go on, and with which outcome")]
    fn is_current(&mut self, now: &AtWork, pod: &PodView, attempt: u32) -> Option<Option<Outcome>> {
        let is_as_it_was = |seen: &PodView| {
            let seen = seen.at_work(now.log.containers);
            is_attempt(&seen, pod, attempt) && is_running(&seen) == is_running(pod)
        };
        match stack::pod_of(self.host, self.kubectl, self.live.node, now.workload) {
            Ok(Some(seen)) if is_as_it_was(&seen) => return None,
            Ok(_) => self.pause(),
            Err(state) if !state.may_pass() => return Some(Some(Outcome::Refused(state))),
            Err(state) => self.wait(Wait::Cluster(state)),
        }
        Some(None)
    }

    /// Reads the log of an attempt, and first what is missing of those before it.
    fn read(&mut self, now: &AtWork, pod: &PodView, attempt: u32) -> Option<Outcome> {
        let running = is_running(pod);
        if self.attempt.is_none_or(|known| known < attempt) {
            self.catch_up(pod, attempt, running);
            self.start(pod, attempt);
        }
        self.waiting = None;
        match pod.container.ended() {
            None if !(self.options.once && now.is_last && now.works) => self.stream(now),
            ended => self.conclude(now, attempt, ended),
        }
    }

    /// Streams the running container. Why the stream ended is looked up in the next round.
    fn stream(&mut self, now: &AtWork) -> Option<Outcome> {
        if now.works {
            self.delivery.say(Said::Works, self.on_event);
        }
        match self.fetch(Fetch::Follow) {
            Err(state) if !state.may_pass() => return Some(Outcome::Refused(state)),
            Err(state) => self.lost(Gap::Connection(state)),
            Ok(()) => {}
        }
        match self.delivery.said() {
            Some(Said::GivesUp) if self.options.once => return Some(Outcome::GaveUp),
            Some(Said::Works) if self.options.once && now.is_last => return Some(Outcome::Works),
            _ => self.pause(),
        }
        None
    }

    /// Reads a log to its end: that of a container that has ended, or that works and has nothing more to tell.
    fn conclude(&mut self, now: &AtWork, attempt: u32, ended: Option<&Terminated>) -> Option<Outcome> {
        // A container that was never started has no log, and the API server says so in many ways.
        let started = ended.is_none_or(|end| !NEVER_STARTED.contains(&end.reason.as_str()));
        if started
            && let Err(state) = self.fetch(Fetch::Whole)
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
        let gone = std::mem::take(&mut self.delivery.gone) && !self.fill(attempt);
        self.flush_half();
        if gone {
            self.lost(Gap::LogGone);
        }
        self.tries = 0;
        self.finished = Some(attempt);
        match ended {
            None if self.delivery.said() == Some(Said::GivesUp) => Some(Outcome::GaveUp),
            None => Some(Outcome::Works),
            Some(_) if now.works && now.is_last && now.workload.done == Done::Ended => Some(Outcome::Succeeded),
            Some(end) if self.options.once && end.exit_code != 0 => Some(Outcome::Failed { exit_code: end.exit_code }),
            Some(_) => None,
        }
    }

    /// Reads what is missing of the attempts before this one.
    fn catch_up(&mut self, pod: &PodView, attempt: u32, running: bool) {
        match self.attempt {
            Some(known) if known + 1 == attempt && self.finished == Some(known) => {}
            Some(known) if known + 1 == attempt => self.previous(),
            None if attempt == 0 => {}
            // In back-off the newest log is the failed attempt's own; while it runs, the one before says why it was
            // started anew.
            None if !running => {}
            known => {
                self.flush_half();
                self.missed(pod, known.map_or(attempt - 1, |known| known + 1)..attempt - 1);
                self.start(pod, attempt - 1);
                self.previous();
            }
        }
        self.flush_half();
    }

    /// Reads attempts of which the API server gives nothing any more from the node's files, where they are.
    fn missed(&mut self, pod: &PodView, attempts: std::ops::Range<u32>) {
        let mut count = 0;
        for attempt in attempts {
            let lines = self.files().map(|files| files.all(attempt)).unwrap_or_default();
            if lines.is_empty() {
                count += 1;
                continue;
            }
            self.start(pod, attempt);
            self.delivery.take_past(&lines, self.on_event);
        }
        if count > 0 {
            self.lost(Gap::AttemptsMissed { count });
        }
    }

    /// Returns the node's own files of the log; they can be read on the node itself, by root.
    fn files(&self) -> Option<PodFiles<'_>> {
        let pod = self.pod.as_ref()?;
        let container = self.container.as_deref()?;
        Some(PodFiles::new(self.host, (&pod.namespace, &pod.name, &pod.uid), container))
    }

    fn previous(&mut self) {
        let failed = self.fetch(Fetch::Previous).is_err();
        let gone = std::mem::take(&mut self.delivery.gone) || failed;
        if gone && !self.fill(self.attempt.unwrap_or_default()) {
            self.lost(Gap::LogGone);
        }
    }

    /// Reads from the node's own files what the API server no longer has of an attempt. Tells whether there was
    /// anything to read.
    fn fill(&mut self, attempt: u32) -> bool {
        let lines = self.files().map(|files| files.all(attempt)).unwrap_or_default();
        self.delivery.take_rest(&lines, self.on_event)
    }

    fn start(&mut self, pod: &PodView, attempt: u32) {
        self.attempt = Some(attempt);
        self.tries = 0;
        self.container = Some(pod.container.name.clone());
        self.delivery.begin_attempt();
        (self.on_event)(TailEvent::PodStarted { pod: pod.name.clone(), attempt });
    }

    /// Reads the rest of a pod that is being replaced, if it can still be read.
    fn leave_pod(&mut self) {
        if let Some(pod) = self.pod.clone() {
            let unread = self.attempt.is_some() && self.attempt != self.finished;
            let failed = unread && self.fetch(Fetch::Whole).is_err();
            if failed && !self.fill(self.attempt.unwrap_or_default()) {
                self.lost(Gap::PodGone { pod: pod.name });
            }
            self.flush_half();
        }
        (self.pod, self.container, self.attempt, self.finished, self.tries) = (None, None, None, None, 0);
    }

    /// Fetches a log and delivers what is new in it.
    fn fetch(&mut self, what: Fetch) -> Result<(), ClusterError> {
        let Some(pod) = self.pod.clone() else { return Ok(()) };
        let files = PodFiles::new(
            self.host,
            (&pod.namespace, &pod.name, &pod.uid),
            self.container.as_deref().unwrap_or_default(),
        );
        let asked = self.attempt.unwrap_or_default();
        if self.delivery.is_fresh() {
            // Whoever begins to read gets only the newest file from the API server.
            self.delivery.take_past(&files.rotated(asked), self.on_event);
        }
        let since = self.delivery.begin_stream();
        let command = self.command(&pod, what, since);
        let once = self.options.once && what == Fetch::Follow;
        let (live, container) = (self.live, self.container.as_deref());
        let mut stale = || match live.at_work().1 {
            Some(Ok(now)) => {
                let is_same = |seen: &PodView| {
                    let is_it = seen.uid == pod.uid && Some(seen.container.name.as_str()) == container;
                    is_it && seen.container.restarts == asked && is_running(seen)
                };
                !now.pod.as_ref().is_some_and(is_same) || once && now.is_last && now.works
            }
            None | Some(Err(_)) => false,
        };
        let halt = self.cancel.child();
        let (delivery, on_event) = (&mut self.delivery, &mut *self.on_event);
        let End { result, held } = stream::read(self.host, &command, &halt, &mut stale, &mut |lines| {
            delivery.take(&lines, &|| files.all(asked), on_event);
            if once && delivery.said().is_some() {
                halt.cancel();
            }
        });
        match held {
            Some(line) if result.is_ok() && what != Fetch::Follow => {
                self.delivery.take(&[line], &Vec::new, self.on_event);
            }
            Some(line) => self.delivery.hold(&line, self.on_event),
            None => {}
        }
        result
    }

    fn command(&self, pod: &Followed, what: Fetch, since: Option<Timestamp>) -> Command {
        let container = self.container.as_deref().unwrap_or_default();
        let more: &[&str] = match what {
            Fetch::Follow => &["--follow"],
            Fetch::Previous => &["--previous"],
            Fetch::Whole => &[],
        };
        // A whole log may be large: like a stream it ends by itself, and a connection that hangs is noticed by its
        // silence.
        let command = self.kubectl.stream(&["logs"]).operand(&pod.name).option("--namespace", &pod.namespace);
        let command = command.option("--container", container).words(["--timestamps"]);
        let command = command.words(more.iter().copied());
        if let Some(since) = since { command.option("--since-time", since) } else { command }
    }

    /// Delivers a last line of which no more will come.
    fn flush_half(&mut self) {
        self.delivery.flush_half(self.on_event);
    }

    fn lost(&mut self, reason: Gap) {
        (self.on_event)(TailEvent::Lost { reason });
    }

    /// Says why there is nothing to read, unless that was said last, and lets some time pass.
    fn wait(&mut self, why: Wait) {
        if self.waiting.as_ref() == Some(&why) {
            (self.on_event)(TailEvent::Idle);
        } else {
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

impl Followed {
    fn of(pod: &PodView) -> Self {
        Self { uid: pod.uid.clone(), namespace: pod.namespace.clone(), name: pod.name.clone() }
    }
}

/// Tells whether this is the attempt of that pod's container.
fn is_attempt(seen: &PodView, pod: &PodView, attempt: u32) -> bool {
    seen.uid == pod.uid && seen.container.name == pod.container.name && seen.container.restarts == attempt
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
    Wait::Pod { pod: pod.name.clone(), status: pod.status.clone(), words: crate::text::printable(words) }
}
