//! The one reader of the logs of what makes the GPU usable: the tail, the known failures in its lines and in what the
//! cluster says about the pod, and whether waiting can help at all. The faces and the action that watches only show
//! what it hands over.

use std::time::{Duration, Instant};

use crate::{
    cluster::{
        ClusterError, GpuStack, Kubectl,
        live::{self, Live},
        objects::Waiting,
        phases::{Said, Step},
        scheduling,
        tail::{self, Gap, Options, Outcome, TailEvent, Wait},
        view::ContainerState,
        workload::{FollowedLog, StackSpec, Workload},
    },
    diagnosis::{self, Diagnosis, Event, Hit, SignatureId},
    finding::{Finding, Severity},
    host::{Cancel, Host},
    i18n::{Lang, Message, msg},
};

/// How long what only a person can mend may stand before waiting is in vain: the cluster's own parts need a moment to
/// see a change.
const SETTLED: Duration = Duration::from_secs(5);
/// The same for what often mends itself while a node joins: the network of its pods, a volume, an image behind a slow
/// registry.
const STUBBORN: Duration = Duration::from_mins(2);
/// How often it is looked why there is nothing to read.
const LOOK: Duration = Duration::from_secs(2);
/// Reasons of waiting that nothing on the node changes by itself. Source: kubelet, `pkg/kubelet/images/types.go`,
/// `container/sync_result.go`.
const IN_VAIN: [&str; 3] = ["InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"];
/// Reasons of waiting for an image.
const PULLING: [&str; 3] = ["ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"];

/// What the reader hands over.
#[derive(Debug)]
pub enum Heard {
    /// Lines that came together, with what shows with them and the place of each one's last line.
    Lines(Vec<String>, Vec<(usize, Event)>),
    /// What follows is of this workload's log.
    Turned(&'static Workload, &'static FollowedLog),
    /// The lines that follow are of this pod and attempt, from 0.
    Started(String, u32),
    /// A step of the installer began or is done.
    Phase(Step),
    /// A program that runs on says how it is.
    Said(Said),
    /// There is nothing to read, and why, in the tail's words.
    Waiting(Wait),
    /// Why the cluster starts nothing, worked out; told once.
    Because(Finding),
    /// A known failure that the cluster shows, or that only a fallback pattern has told; each once in an attempt.
    Known(Hit),
    /// Something was interrupted.
    Lost(Gap),
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The tail itself ended.
    Tail(Outcome),
    /// Waiting cannot help: a person has to do something about this.
    InVain(Cause),
}

/// Why waiting is in vain, or why the installer failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Worked out from the cluster's objects.
    Finding(Finding),
    /// A known failure.
    Known(Hit),
}

impl Cause {
    /// Returns what it is, as a sentence.
    pub fn message(&self, lang: Lang) -> String {
        match self {
            Self::Finding(finding) => finding.message(lang),
            Self::Known(hit) => hit.cause(lang),
        }
    }

    /// Returns both, as the end of a watch says it.
    pub fn explained(&self) -> Message {
        let (what, remedy) = match self {
            Self::Finding(finding) => (finding.told("message"), finding.told("remedy")),
            Self::Known(hit) => (hit.told("cause"), hit.told("remedy")),
        };
        msg::failure::installer(remedy, what)
    }

    /// Tells whether it is a known failure with one of these names.
    pub fn is_one_of(&self, names: &[SignatureId]) -> bool {
        matches!(self, Self::Known(hit) if names.contains(&hit.signature))
    }

    /// Returns what to do about it.
    pub fn remedy(&self, lang: Lang) -> String {
        match self {
            Self::Finding(finding) => finding.remedy(lang),
            Self::Known(hit) => hit.remedy(lang),
        }
    }
}

/// Takes what is handed over; [`std::ops::ControlFlow::Break`] ends the reading.
pub type OnHeard<'a> = dyn FnMut(Heard) -> std::ops::ControlFlow<()> + 'a;

/// Follows what installs the driver on a node, to its first failure or success, or until waiting is in vain. Blocks:
/// call it on a worker.
pub fn follow(
    host: &Host,
    kubectl: &Kubectl,
    node: (&str, &'static StackSpec),
    cancel: &Cancel,
    on: &mut OnHeard<'_>,
) -> End {
    let options = Options { once: true, ..Options::default() };
    live::watching(host, kubectl, node, options.poll, cancel, |live| {
        follow_live(host, kubectl, live, options, cancel, on)
    })
}

/// As [`follow`], for a caller that watches the node already. Without [`Options::once`] it waits on, whatever the cause
/// is.
pub fn follow_live(
    host: &Host,
    kubectl: &Kubectl,
    live: &Live<'_>,
    options: Options,
    cancel: &Cancel,
    on: &mut OnHeard<'_>,
) -> End {
    let halt = cancel.child();
    let mut reader = Reader::new(&halt, on);
    let mut watch = CauseWatch { host, kubectl, live, last: None, looked: None };
    tail::follow_live(host, kubectl, live, options, &halt, &mut |event| {
        let waits = matches!(event, TailEvent::Waiting { .. } | TailEvent::Idle);
        reader.take(event);
        if waits && let Some((cause, stood)) = watch.look() {
            reader.tell(&cause);
            if options.once && stood >= cause.1 {
                reader.end = Some(End::InVain(cause.0));
                halt.cancel();
            }
        }
    });
    let end = reader.end.unwrap_or(End::Tail(Outcome::Cancelled));
    // A node that has died since then keeps the success in its pod's status.
    let silent = || crate::cluster::verify::silence(&live.look().1?.ok()?);
    match end {
        End::Tail(Outcome::Succeeded | Outcome::Works) if options.once => {
            silent().map_or(end, |finding| End::InVain(Cause::Finding(finding)))
        }
        end => end,
    }
}

/// Reads a log from a file.
pub fn file(host: &Host, path: &std::path::Path, cancel: &Cancel, on: &mut OnHeard<'_>) -> End {
    let halt = cancel.child();
    let mut reader = Reader::new(&halt, on);
    tail::file(host, path, false, Options::default(), &halt, &mut |event| reader.take(event));
    reader.end.unwrap_or(End::Tail(Outcome::Cancelled))
}

/// A cause, and how long it may stand.
type Patience = (Cause, Duration);

/// Turns the events of a tail into what is handed over.
struct Reader<'a, 'b> {
    halt: &'a Cancel,
    on: &'a mut OnHeard<'b>,
    diagnosis: Diagnosis,
    /// Causes that were told since the last attempt began.
    told: Vec<Cause>,
    end: Option<End>,
}

impl<'a, 'b> Reader<'a, 'b> {
    fn new(halt: &'a Cancel, on: &'a mut OnHeard<'b>) -> Self {
        Self { halt, on, diagnosis: Diagnosis::default(), told: Vec::new(), end: None }
    }

    fn take(&mut self, event: TailEvent) {
        match event {
            TailEvent::Lines(lines) => {
                let events = self.diagnosis.read(&lines);
                self.hand_over(Heard::Lines(lines, events));
            }
            TailEvent::PodStarted { pod, attempt } => {
                self.finish();
                self.told.clear();
                self.hand_over(Heard::Started(pod, attempt));
            }
            TailEvent::Turned { workload, log } => self.hand_over(Heard::Turned(workload, log)),
            TailEvent::Said(said) => {
                if said == Said::GivesUp {
                    self.finish();
                }
                self.hand_over(Heard::Said(said));
            }
            TailEvent::Phase(step) => self.hand_over(Heard::Phase(step)),
            TailEvent::Waiting { why } => {
                self.finish();
                self.hand_over(Heard::Waiting(why));
            }
            TailEvent::Idle => {}
            TailEvent::Lost { reason } => self.hand_over(Heard::Lost(reason)),
            TailEvent::Ended { outcome } => {
                self.finish();
                self.end.get_or_insert(End::Tail(outcome));
            }
        }
    }

    /// The attempt is over: what only a fallback pattern has said counts now.
    fn finish(&mut self) {
        if let Some(hit) = self.diagnosis.finish() {
            self.hand_over(Heard::Known(hit));
        }
    }

    fn tell(&mut self, (cause, _): &Patience) {
        if self.told.iter().any(|known| is_same(known, cause)) {
            return;
        }
        self.told.push(cause.clone());
        self.hand_over(match cause.clone() {
            Cause::Finding(finding) => Heard::Because(finding),
            Cause::Known(hit) => Heard::Known(hit),
        });
    }

    fn hand_over(&mut self, heard: Heard) {
        if !self.halt.is_cancelled() && (self.on)(heard).is_break() {
            self.halt.cancel();
        }
    }
}

/// Looks why there is nothing to read, and how long that has been so.
struct CauseWatch<'a> {
    host: &'a Host,
    kubectl: &'a Kubectl,
    live: &'a Live<'a>,
    /// The cause that was seen last, and since when.
    last: Option<(Cause, Instant)>,
    looked: Option<Instant>,
}

impl CauseWatch<'_> {
    /// Returns the cause, unless it was looked just now, and how long it has stood.
    fn look(&mut self) -> Option<(Patience, Duration)> {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return None;
        }
        self.looked = Some(Instant::now());
        let Some(Ok(mut stack)) = self.live.look().1 else {
            self.last = None;
            return None;
        };
        stack.add_events(self.host, self.kubectl);
        let Some(found) = cause(&stack, self.live.spec) else {
            self.last = None;
            return None;
        };
        let since =
            self.last.take().filter(|(last, _)| is_same(last, &found.0)).map_or_else(Instant::now, |(_, since)| since);
        self.last = Some((found.0.clone(), since));
        Some((found, since.elapsed()))
    }
}

/// Words of a finding or a line may carry counts and identities that change while the cause stays.
fn is_same(one: &Cause, other: &Cause) -> bool {
    match (one, other) {
        (Cause::Finding(one), Cause::Finding(other)) => one.id == other.id,
        (Cause::Known(one), Cause::Known(other)) => one.signature == other.signature,
        _ => false,
    }
}

/// Returns why the followed pod does not come or does not start, and how long that may stand.
fn cause(stack: &GpuStack, spec: &'static StackSpec) -> Option<Patience> {
    let part = stack.part_of(stack.at_work(spec)?.workload)?;
    if let Some(finding) = scheduling::why(stack, part) {
        let patience =
            if finding.severity == Severity::Info || finding.id == "pod-refused" { Duration::MAX } else { SETTLED };
        return Some((Cause::Finding(finding), patience));
    }
    if let Some(finding) = crate::cluster::verify::silence(stack) {
        return Some((Cause::Finding(finding), Duration::MAX));
    }
    let hit = diagnosis::over_part(stack, part, None)?;
    let patience = match &part.pod.as_ref().map(|pod| &pod.container.state) {
        Some(ContainerState::Waiting(waiting)) => patience(waiting),
        _ => Duration::MAX,
    };
    Some((Cause::Known(hit), patience))
}

fn patience(waiting: &Waiting) -> Duration {
    let is_in = |reasons: &[&str]| reasons.contains(&waiting.reason.as_str());
    match () {
        () if is_in(&IN_VAIN) => SETTLED,
        // The kubelet tries for ever, with pauses of up to five minutes; a name that does not resolve does not come
        // back.
        () if is_in(&PULLING) => SETTLED * 6,
        () => STUBBORN,
    }
}

/// Says why the cluster did not answer, for a caller that has only the end.
pub fn refusal(end: &End) -> Option<&ClusterError> {
    match end {
        End::Tail(Outcome::Refused(error)) => Some(error),
        _ => None,
    }
}
