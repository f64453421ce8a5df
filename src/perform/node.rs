//! The effect that keeps step 4 up to date: one watch on the cluster, which feeds the rows and the tail.

use std::{collections::HashSet, ops::ControlFlow, sync::Arc, thread, time::Duration};

use super::Perform;
use crate::{
    answers::Answers,
    cluster::{
        ClusterError, GpuStack, Kubectl,
        check::{CheckId, State},
        live::{self, Live},
        phases::{self, Said},
        tail::{Options, Outcome as TailOutcome, Wait},
        verify::{self, Logs, Tested},
        view::PodView,
        workload::StackSpec,
    },
    diagnosis::{self, Event, Hit, Remedy},
    host::Cancel,
    i18n::{Lang, msg},
    installer_log::{self, End, Heard},
    owner,
    plan::{
        action::mark_node::NodeMark,
        remedy::{self, NodeRemedy},
    },
    second_boot::SecondBoot,
    steps::{self, OnNode},
    tui::Reply,
    wizard::{
        Answer,
        chain::{ChainRow, ChainState, Diagnosis, Offer, Phase, RemedyAction, TailBatch},
    },
    worker,
};

/// How often the cluster is asked at most.
const POLL: Duration = Duration::from_secs(1);
/// How long the rows may stand without another look: a log tells nothing by itself.
const STALE: Duration = Duration::from_secs(5);
/// Batches of lines on their way to the screen at most: a slow console slows the tail down instead of filling the
/// memory.
const IN_FLIGHT: usize = 4;

impl Perform {
    /// Watches until the order is cancelled.
    pub(super) fn follow_node(&self, answers: &Answers, reply: &Reply) {
        let lang = self.workspace.lang;
        let (kubectl, node) = match self.reach(answers) {
            Ok(found) => found,
            Err(error) => {
                reply.send(Answer::ChainTrouble(trouble(&error, lang)));
                reply.send(Answer::TailState(error.message(lang)));
                return;
            }
        };
        let cancel = self.begin(reply);
        let host = &self.workspace.host;
        let release = steps::preview(host, &self.facts(), answers).ok().and_then(|preview| preview.release);
        let spec = owner::of(answers.driver_owner).stack();
        live::watching(host, &kubectl, (&node, spec), POLL, &cancel, |live| {
            thread::scope(|scope| {
                if spec.logs.is_empty() {
                    reply.send(Answer::TailState(msg::wizard::verify::no_tail().text(lang)));
                } else {
                    let begun = worker::spawn_within(scope, || self.tail(&kubectl, live, answers, &cancel, reply));
                    if let Err(error) = begun {
                        reply.send(Answer::TailState(error.to_string()));
                    }
                }
                let looker = Looker { perform: self, kubectl: &kubectl, answers, spec, release, reply };
                looker.look_on(live, &cancel);
            });
        });
        self.end(reply);
    }

    /// Follows what is at work until it is done or the order is cancelled; the failures of an attempt are shown, and
    /// waited out.
    fn tail(&self, kubectl: &Kubectl, live: &Live<'_>, answers: &Answers, cancel: &Cancel, reply: &Reply) {
        let mut face = Face {
            lang: self.workspace.lang,
            answers,
            live,
            cancel,
            reply,
            order: &[],
            phases: Vec::new(),
            said: None,
            sent: Vec::new(),
        };
        loop {
            let end = installer_log::follow_live(
                &self.workspace.host,
                kubectl,
                live,
                Options::default(),
                cancel,
                &mut |heard| {
                    face.show(heard);
                    ControlFlow::Continue(())
                },
            );
            face.end(&end);
            if installer_log::refusal(&end).is_none() {
                return;
            }
            // Rights and credentials are mended elsewhere: once the cluster answers again, the tail goes on.
            while !cancel.is_cancelled() && !matches!(live.look().1, Some(Ok(_))) {
                let number = live.look().0;
                live.wait(number, STALE, cancel);
            }
        }
    }
}

/// Turns what the watch says into rows, offers and failures.
struct Looker<'a> {
    perform: &'a Perform,
    kubectl: &'a Kubectl,
    answers: &'a Answers,
    spec: &'static StackSpec,
    release: Option<String>,
    reply: &'a Reply,
}

impl Looker<'_> {
    fn look_on(&self, live: &Live<'_>, cancel: &Cancel) {
        let mut tested = None;
        let host = &self.perform.workspace.host;
        // Programs of the machine are asked once a watch, because what the cluster says changes and it does not; but
        // then anew: what was looked at in step 1 is of before steps 2 and 3.
        let judge = |boots: Option<&SecondBoot>| steps::on_node(host, self.answers, live.node, boots, None);
        let (mut boots, mut on_node) = (None, None);
        while !cancel.is_cancelled() {
            // A run has the session while it lasts: what it has proved is seen afterwards.
            if let Ok(session) = self.perform.session.try_lock()
                && boots != session.second_boot
            {
                (boots, on_node) = (session.second_boot.clone(), None);
            }
            let on_node = on_node.get_or_insert_with(|| judge(boots.as_ref()));
            let (number, view) = live.look();
            match view {
                None => {}
                Some(Err(error)) => drop(self.reply.send(Answer::ChainTrouble(trouble(&error, self.lang())))),
                Some(Ok(stack)) => self.show(stack, on_node, &mut tested),
            }
            live.wait(number, STALE, cancel);
        }
    }

    fn lang(&self) -> Lang {
        self.perform.workspace.lang
    }

    fn show(&self, mut stack: GpuStack, on_node: &OnNode, tested: &mut Option<Tested>) {
        let host = &self.perform.workspace.host;
        stack.add_more(host, self.kubectl, self.spec);
        let logs = verify::logs(host, self.kubectl, &stack);
        // A run has the session while it lasts: what it has tested is seen afterwards.
        if let Ok(session) = self.perform.session.try_lock() {
            *tested = steps::tested(&session);
        }
        let report = steps::judge_stack(host, &stack, &logs, self.answers.driver_owner, on_node, tested.as_ref());
        let mut rows = ChainRow::of(&report, self.lang());
        wait_for_work(&mut rows, self.spec);
        let failures = self.failures(&stack, &logs);
        let mut remedies = remedy::remedies(&stack, self.release.as_deref());
        if report.checks.iter().any(|check| check.id == CheckId::SecondBoot && check.state == State::NotJudged) {
            remedies.push(NodeRemedy::second_boot(&stack.node_name, &self.perform.workspace.boot_id()));
        }
        let offers = remedies.iter().map(|remedy| self.offer(remedy)).collect();
        self.reply.send(Answer::ChainRows { rows, offers, failures });
    }

    /// Returns the known failures that the cluster shows now.
    fn failures(&self, stack: &GpuStack, logs: &Logs) -> Vec<Diagnosis> {
        let mut hits = diagnosis::over_stack(stack, logs);
        // One cause may keep several parts: it is told once.
        let mut told = HashSet::new();
        hits.retain(|(_, hit)| told.insert(hit.signature.clone()));
        let known = |hit: &Hit, pod| Diagnosis {
            from_log: false,
            ..known(hit, self.lang(), self.answers, &stack.node_name, pod)
        };
        hits.iter().map(|(role, hit)| known(hit, stack.pod(*role))).collect()
    }

    fn offer(&self, remedy: &NodeRemedy) -> Offer {
        let lang = self.lang();
        let texts = vec![remedy.message(lang), remedy.next_run(lang), remedy.durable(lang)];
        Offer { id: remedy.id, texts, action: remedy.action(self.answers.kubeconfig.clone().map(Into::into)) }
    }
}

/// While what is followed is at work, what comes after it has not failed: its turn has not come.
fn wait_for_work(rows: &mut [ChainRow], spec: &StackSpec) {
    let checks: Vec<_> = spec.logs.iter().filter_map(|log| spec.check_of(log.role)).collect();
    let is_at_work = |row: &ChainRow| checks.contains(&row.id) && row.state == ChainState::Unknown;
    let Some(first) = rows.iter().position(is_at_work) else { return };
    rows[first].state = ChainState::Active;
    for row in rows[first + 1..].iter_mut().filter(|row| row.id != CheckId::TestPod) {
        if row.state == ChainState::Fail {
            row.state = ChainState::Pending;
        }
    }
}

/// Says why the cluster gives no answer, what to do, and that another kubeconfig can be given.
fn trouble(state: &ClusterError, lang: Lang) -> String {
    format!("{} {} {}", state.message(lang), state.remedy(lang), msg::wizard::verify::kubeconfig().text(lang))
}

/// Turns what is heard of the log into answers.
struct Face<'a> {
    lang: Lang,
    answers: &'a Answers,
    live: &'a Live<'a>,
    cancel: &'a Cancel,
    reply: &'a Reply,
    /// The steps of the log that is followed.
    order: &'static [phases::Phase],
    /// The steps seen so far, with whether they are done.
    phases: Vec<phases::Step>,
    /// How the attempt is.
    said: Option<Said>,
    /// Batches that the screen may not have taken yet: whoever else still holds one has not.
    sent: Vec<Arc<TailBatch>>,
}

impl Face<'_> {
    fn show(&mut self, heard: Heard) {
        let lang = self.lang;
        match heard {
            Heard::Lines(lines, hits) => self.lines(lines, &hits),
            Heard::Phase(step) => {
                self.phases.retain(|seen| seen.phase != step.phase);
                self.phases.push(step);
                self.show_phases(ChainState::Active);
            }
            Heard::Turned(workload, log) => {
                (self.order, self.said) = (log.phases.order, None);
                self.phases.clear();
                self.reply.send(Answer::TailFollows(workload.log_title().text(lang)));
                self.show_phases(ChainState::Pending);
            }
            Heard::Said(said) => self.say(said),
            Heard::Started(pod, attempt) => {
                self.phases.clear();
                self.said = None;
                let attempt = (attempt + 1).to_string();
                self.reply.send(Answer::TailState(msg::tail::started(&attempt, &pod).text(lang)));
            }
            Heard::Waiting(why) => {
                if matches!(why, Wait::BackOff { .. }) {
                    self.show_phases(ChainState::Fail);
                }
                self.reply.send(Answer::TailState(why.text(lang)));
            }
            Heard::Because(finding) => drop(self.reply.send(Answer::TailState(finding.message(lang)))),
            Heard::Known(hit) => self.tell(&hit),
            Heard::Lost(reason) => drop(self.reply.send(Answer::TailState(reason.text(lang)))),
        }
    }

    fn end(&self, end: &End) {
        let text = match end {
            End::Tail(outcome) => outcome.text(self.lang),
            End::InVain(cause) => cause.message(self.lang),
        };
        if *end == End::Tail(TailOutcome::Succeeded) {
            self.show_phases(ChainState::Pass);
            self.reply.send(Answer::Recovered);
        }
        self.reply.send(Answer::TailState(text));
    }

    /// A program that runs on says how it is: what failed before is of the past, or nothing more will come.
    fn say(&mut self, said: Said) {
        self.said = Some(said);
        self.show_phases(ChainState::Active);
        let outcome = match said {
            Said::Works => {
                self.reply.send(Answer::Recovered);
                TailOutcome::Works
            }
            Said::GivesUp => TailOutcome::GaveUp,
        };
        self.reply.send(Answer::TailState(outcome.text(self.lang)));
    }

    fn lines(&mut self, lines: Vec<String>, events: &[(usize, Event)]) {
        let findings =
            events.iter().filter(|(_, event)| matches!(event, Event::Hit(_))).map(|(index, _)| *index).collect();
        self.wait_for_room();
        let batch = Arc::new(TailBatch { lines, findings });
        self.sent.push(Arc::clone(&batch));
        self.reply.send(Answer::TailLines(batch));
        for (_, event) in events {
            match event {
                Event::Hit(hit) => self.tell(hit),
                Event::TakenBack(_) => drop(self.reply.send(Answer::Recovered)),
            }
        }
    }

    fn wait_for_room(&mut self) {
        loop {
            self.sent.retain(|batch| Arc::strong_count(batch) > 1);
            if self.sent.len() < IN_FLIGHT || self.cancel.is_cancelled() {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn tell(&self, hit: &Hit) {
        self.reply.send(Answer::Diagnosed(known(hit, self.lang, self.answers, self.live.node, None)));
    }

    /// Everything before the newest step is done: the installer goes one way. `newest` is the state of that step,
    /// unless its own line has said that it is done; with [`ChainState::Pass`] all of it has succeeded.
    fn show_phases(&self, newest: ChainState) {
        let newest = match self.said {
            Some(Said::Works) => ChainState::Pass,
            Some(Said::GivesUp) => ChainState::Fail,
            None => newest,
        };
        let reached = self.phases.iter().map(|step| step.phase).max();
        let state = |phase: phases::Phase| match reached {
            _ if newest == ChainState::Pass => ChainState::Pass,
            Some(reached) if phase < reached => ChainState::Pass,
            Some(reached) if phase == reached => {
                let done = self.phases.iter().any(|step| step.phase == phase && step.done);
                if done { ChainState::Pass } else { newest }
            }
            _ => ChainState::Pending,
        };
        let phases = self.order.iter().map(|phase| Phase { title: phase.text(self.lang), state: state(*phase) });
        self.reply.send(Answer::TailPhases(phases.collect()));
    }
}

fn known(hit: &Hit, lang: Lang, answers: &Answers, node: &str, pod: Option<&PodView>) -> Diagnosis {
    let kubeconfig = || answers.kubeconfig.clone().map(Into::into);
    let action = match hit.remedy_kind() {
        Remedy::Instruction => None,
        Remedy::DriverStep => Some(RemedyAction::BackToDriver),
        Remedy::VariablesStep => Some(RemedyAction::ToVariables),
        Remedy::Reboot => Some(RemedyAction::Reboot),
        Remedy::LabelNode => {
            Some(RemedyAction::Run(Box::new(remedy::mark_node(kubeconfig(), node, NodeMark::GpuLabel))))
        }
        Remedy::DeletePod => pod.map(|pod| RemedyAction::Run(Box::new(remedy::delete_pod(kubeconfig(), pod)))),
    };
    Diagnosis {
        signature: hit.signature.to_string(),
        title: msg::wizard::diagnosis::title(hit.signature.as_str()).text(lang),
        cause: hit.cause(lang),
        evidence_line: hit.line.clone(),
        remedy: hit.remedy(lang),
        from_log: true,
        action,
    }
}
