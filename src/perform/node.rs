//! The effect that keeps step 4 up to date: one watch on the cluster, which feeds the chain and the tail.

use std::{sync::Arc, thread, time::Duration};

use super::Perform;
use crate::{
    answers::{Answers, DriverOwner},
    cluster::{
        Chain, ClusterState, Kubectl,
        live::{self, Live},
        offers::{self, Offer as Possible},
        phases, scheduling,
        tail::{self, Options, Outcome as TailOutcome, TailEvent, Wait},
        verify,
    },
    diagnosis::{self, Hit, Remedy},
    host::Cancel,
    i18n::{Lang, msg},
    plan::{self, action::mark_node::Mark},
    steps,
    tui::Reply,
    wizard::{
        Answer,
        chain::{ChainRow, ChainState, Diagnosis, Offer, Phase, RemedyAction, TailBatch},
    },
};

/// How often the cluster is asked at most.
const POLL: Duration = Duration::from_secs(1);
/// How long the chain may stand without another look: the device plugin's log tells nothing by itself.
const STALE: Duration = Duration::from_secs(5);
/// Batches of lines on their way to the screen at most: a slow console slows the tail down instead of filling the memory.
const IN_FLIGHT: usize = 4;

impl Perform {
    /// Watches until the order is cancelled.
    pub(super) fn follow_node(&self, answers: &Answers, reply: &Reply) {
        let lang = self.workspace.lang;
        let (kubectl, node) = match self.reach(answers) {
            Ok(found) => found,
            Err(state) => {
                reply.send(Answer::ChainTrouble(trouble(&state, lang)));
                reply.send(Answer::TailState(state.message(lang)));
                return;
            }
        };
        let cancel = self.begin(reply);
        let host = &self.workspace.host;
        let release = steps::preview(host, &self.facts(), answers).ok().and_then(|preview| preview.release);
        live::watching(host, &kubectl, &node, POLL, &cancel, |live| {
            thread::scope(|scope| {
                if answers.driver_owner == DriverOwner::InstallerPod {
                    scope.spawn(|| self.tail(&kubectl, live, answers, &cancel, reply));
                } else {
                    reply.send(Answer::TailState(msg::wizard::verify::no_tail().text(lang)));
                }
                let looker = Looker { perform: self, kubectl: &kubectl, answers, release, reply };
                looker.look_on(live, &cancel);
            });
        });
        self.end(reply);
    }

    /// Follows the installer until it is done or the order is cancelled; the failures of an attempt are shown, and waited out.
    fn tail(&self, kubectl: &Kubectl, live: &Live<'_>, answers: &Answers, cancel: &Cancel, reply: &Reply) {
        let mut face = Face {
            lang: self.workspace.lang,
            answers,
            node: live.node,
            cancel,
            reply,
            diagnosis: diagnosis::Diagnosis::default(),
            phases: Vec::new(),
            sent: Vec::new(),
            outcome: None,
        };
        loop {
            tail::follow_live(&self.workspace.host, kubectl, live, Options::default(), cancel, &mut |event| face.show(event));
            if !matches!(face.outcome.take(), Some(TailOutcome::Refused(_))) {
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
    release: Option<String>,
    reply: &'a Reply,
}

impl Looker<'_> {
    fn look_on(&self, live: &Live<'_>, cancel: &Cancel) {
        let mut tested = None;
        while !cancel.is_cancelled() {
            let (number, view) = live.look();
            match view {
                None => {}
                Some(Err(state)) => drop(self.reply.send(Answer::ChainTrouble(trouble(&state, self.lang())))),
                Some(Ok(chain)) => self.show(chain, &mut tested),
            }
            live.wait(number, STALE, cancel);
        }
    }

    fn lang(&self) -> Lang {
        self.perform.workspace.lang
    }

    fn show(&self, mut chain: Chain, tested: &mut Option<String>) {
        let host = &self.perform.workspace.host;
        // What the events would add is left out when they cannot be had; the rest stands.
        let _ = chain.add_events(host, self.kubectl);
        let plugin_log = verify::plugin_log(host, self.kubectl, &chain);
        // A run has the session while it lasts: what it has tested is seen afterwards.
        if let Ok(session) = self.perform.session.try_lock() {
            *tested = steps::tested(&session);
        }
        let report = steps::judge_chain(host, &chain, plugin_log.as_deref(), self.answers.driver_owner, tested.as_deref());
        let mut rows = ChainRow::of(&report, self.lang());
        wait_for_installer(&mut rows);
        if let Some(why) = scheduling::why(&chain)
            && let Some(row) = rows.iter_mut().find(|row| row.id == "installer" && row.state != ChainState::Pass)
        {
            row.detail = why.message(self.lang());
        }
        let failures = self.failures(&chain, plugin_log.as_deref(), &rows);
        let offers = offers::offers(&chain, self.release.as_deref()).iter().map(|offer| self.offer(offer)).collect();
        self.reply.send(Answer::ChainRows { rows, offers, failures });
    }

    /// Returns what the cluster shows; what the device plugin waits for counts only once the installer is done.
    fn failures(&self, chain: &Chain, plugin_log: Option<&str>, rows: &[ChainRow]) -> Vec<Diagnosis> {
        if self.answers.driver_owner != DriverOwner::InstallerPod {
            return Vec::new();
        }
        let installed = rows.iter().any(|row| row.id == "installer" && row.state == ChainState::Pass);
        let hits = diagnosis::over_chain(chain, plugin_log.filter(|_| installed));
        let plugin = chain.plugin_pod.as_ref();
        let known = |hit: &Hit| Diagnosis { from_log: false, ..known(hit, self.lang(), self.answers, &chain.node_name, plugin) };
        hits.iter().map(known).collect()
    }

    fn offer(&self, offer: &Possible) -> Offer {
        let (kubeconfig, node) = (self.answers.kubeconfig.clone().map(Into::into), offer.node.as_str());
        let action = match (offer.id.as_str(), &offer.pod) {
            ("restart-installer", Some(pod)) => plan::delete_pod(kubeconfig, pod),
            ("remove-taint", _) => plan::remove_taint(kubeconfig, node),
            ("uncordon", _) => plan::mark_node(kubeconfig, node, Mark::Schedulable),
            _ => plan::mark_node(kubeconfig, node, Mark::GpuTaint),
        };
        let lang = self.lang();
        Offer { texts: vec![offer.message(lang), offer.next_run(lang), offer.durable(lang)], action, last_step: offer.is_last_step() }
    }
}

/// While the installer is at work, what comes after it has not failed: its turn has not come.
fn wait_for_installer(rows: &mut [ChainRow]) {
    let Some(installer) = rows.iter().position(|row| row.id == "installer" && row.state == ChainState::Unknown) else { return };
    rows[installer].state = ChainState::Active;
    for row in &mut rows[installer + 1..] {
        if row.state == ChainState::Fail {
            row.state = ChainState::Pending;
        }
    }
}

/// Says why the cluster gives no answer, what to do, and that another kubeconfig can be given.
fn trouble(state: &ClusterState, lang: Lang) -> String {
    format!("{} {} {}", state.message(lang), state.remedy(lang), msg::wizard::verify::kubeconfig().text(lang))
}

/// Turns what the tail says into answers.
struct Face<'a> {
    lang: Lang,
    answers: &'a Answers,
    node: &'a str,
    cancel: &'a Cancel,
    reply: &'a Reply,
    diagnosis: diagnosis::Diagnosis,
    /// The steps seen so far, with whether they are done.
    phases: Vec<phases::Step>,
    /// Batches that the screen may not have taken yet: whoever else still holds one has not.
    sent: Vec<Arc<TailBatch>>,
    /// How the tail ended.
    outcome: Option<TailOutcome>,
}

impl Face<'_> {
    fn show(&mut self, event: TailEvent) {
        let lang = self.lang;
        match event {
            TailEvent::Lines(lines) => self.lines(lines),
            TailEvent::Phase(step) => {
                self.phases.retain(|seen| seen.phase != step.phase);
                self.phases.push(step);
                self.show_phases(ChainState::Active);
            }
            TailEvent::PodStarted { pod, attempt } => {
                self.finish();
                self.phases.clear();
                let attempt = (attempt + 1).to_string();
                self.reply.send(Answer::TailState(msg::tail::started(&attempt, &pod).text(lang)));
            }
            TailEvent::Waiting { why } => {
                self.finish();
                if matches!(why, Wait::BackOff { .. }) {
                    self.show_phases(ChainState::Fail);
                }
                self.reply.send(Answer::TailState(why.text(lang)));
            }
            TailEvent::Lost { reason } => {
                self.reply.send(Answer::TailState(reason.text(lang)));
            }
            TailEvent::Ended { outcome } => {
                self.finish();
                if outcome == TailOutcome::Succeeded {
                    self.show_phases(ChainState::Pass);
                    self.reply.send(Answer::Recovered);
                }
                self.reply.send(Answer::TailState(outcome.text(lang)));
                self.outcome = Some(outcome);
            }
        }
    }

    fn lines(&mut self, lines: Vec<String>) {
        let hits = self.diagnosis.read(&lines);
        let findings = hits.iter().map(|(index, _)| *index).collect();
        self.wait_for_room();
        let batch = Arc::new(TailBatch { lines, findings });
        self.sent.push(Arc::clone(&batch));
        self.reply.send(Answer::TailLines(batch));
        for (_, hit) in &hits {
            self.tell(hit);
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

    /// The attempt is over: what only an umbrella has said counts now.
    fn finish(&mut self) {
        if let Some(hit) = self.diagnosis.finish() {
            self.tell(&hit);
        }
    }

    fn tell(&self, hit: &Hit) {
        self.reply.send(Answer::Diagnosed(known(hit, self.lang, self.answers, self.node, None)));
    }

    /// Everything before the newest step is done: the installer goes one way. `newest` is the state of that step, unless its own line
    /// has said that it is done; with [`ChainState::Pass`] all of it has succeeded.
    fn show_phases(&self, newest: ChainState) {
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
        let phases = phases::Phase::ALL.map(|phase| Phase { title: phase.text(self.lang), state: state(phase) });
        self.reply.send(Answer::TailPhases(phases.to_vec()));
    }
}

fn known(hit: &Hit, lang: Lang, answers: &Answers, node: &str, plugin: Option<&crate::cluster::view::PodView>) -> Diagnosis {
    let action = match &hit.remedy_kind {
        Remedy::Instruction => None,
        Remedy::Action(name) => match name.as_str() {
            "remove-host-driver" | "blacklist-nouveau" | "install-toolkit" | "install-prerequisites" => Some(RemedyAction::BackToDriver),
            "edit-variables" | "run-playbooks" => Some(RemedyAction::ToVariables),
            "reboot" => Some(RemedyAction::Reboot),
            "label-node" => {
                Some(RemedyAction::Run(Box::new(plan::mark_node(answers.kubeconfig.clone().map(Into::into), node, Mark::GpuLabel))))
            }
            "delete-pod" => {
                plugin.map(|pod| RemedyAction::Run(Box::new(plan::delete_pod(answers.kubeconfig.clone().map(Into::into), pod))))
            }
            _ => None,
        },
    };
    Diagnosis {
        signature: hit.signature.clone(),
        title: msg::wizard::diagnosis::title(&hit.signature).text(lang),
        cause: hit.cause(lang),
        evidence_line: hit.line.clone(),
        remedy: hit.remedy(lang),
        from_log: true,
        action,
    }
}
