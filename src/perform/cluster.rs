//! The effects of step 4: chain, tail, test pod, verdict.

use super::Perform;
use crate::{
    answers::Answers,
    cluster::{
        Chain, ClusterState, Kubectl, phases, scheduling,
        tail::{self, Options, Outcome as TailOutcome, TailEvent},
        verify::{Verdict, VerifyReport},
    },
    diagnosis::{self, Hit, Remedy},
    engine::{Event, Outcome, Runner},
    i18n::Lang,
    plan::Step,
    steps,
    tui::Reply,
    wizard::{
        Answer,
        chain::{ChainRow, ChainState, Diagnosis, Phase, RemedyAction},
    },
};

/// The signature's remedy that the wizard can carry out by going back to step 2.
const REMOVE_HOST_DRIVER: &str = "remove-host-driver";

impl Perform {
    /// Finds the way into the cluster and this machine's name there.
    fn reach(&self, answers: &Answers) -> Result<(Kubectl, String), ClusterState> {
        let kubectl = Kubectl::find(&self.workspace.host, answers.kubeconfig.as_deref())?;
        Ok((kubectl, steps::node_name(&self.workspace.host, &self.facts(), answers)))
    }

    fn look(&self, answers: &Answers) -> Result<(VerifyReport, Chain), ClusterState> {
        let (kubectl, node) = self.reach(answers)?;
        steps::judge(&self.workspace.host, &kubectl, &node, Some(&self.session()))
    }

    pub(super) fn refresh_chain(&self, answers: &Answers) -> Answer {
        match self.look(answers) {
            Ok((report, chain)) => {
                let mut rows = ChainRow::of(&report, self.workspace.lang);
                wait_for_installer(&mut rows);
                if let Some(why) = scheduling::why(&chain)
                    && let Some(row) = rows.iter_mut().find(|row| row.id == "installer" && row.state != ChainState::Pass)
                {
                    row.detail = why.message(self.workspace.lang);
                }
                Answer::ChainRows(rows)
            }
            Err(state) => Answer::Failed(say(&state, self.workspace.lang)),
        }
    }

    pub(super) fn verify(&self, answers: &Answers) -> Answer {
        let report = match self.look(answers) {
            Ok((report, _)) => report,
            Err(state) => VerifyReport::unreachable(&state),
        };
        let answer = Answer::Verified { rows: ChainRow::of(&report, self.workspace.lang), ok: report.verdict == Verdict::Ok };
        let mut session = self.session();
        session.verdict = Some(report);
        match self.store.save(&mut session, self.workspace.host.clock.now()) {
            Ok(()) => answer,
            Err(error) => Answer::Failed(error.to_string()),
        }
    }

    /// Follows the installer until it is done or the order is cancelled; the failures of an attempt are shown, and waited out.
    pub(super) fn tail(&self, answers: &Answers, reply: &Reply) {
        let lang = self.workspace.lang;
        let (kubectl, node) = match self.reach(answers) {
            Ok(found) => found,
            Err(state) => {
                reply.send(Answer::Failed(say(&state, lang)));
                return;
            }
        };
        let cancel = self.begin(reply);
        let mut face = Face { lang, reply, diagnosis: diagnosis::Diagnosis::default(), phases: Vec::new() };
        tail::follow(&self.workspace.host, &kubectl, &node, Options::default(), &cancel, &mut |event| face.show(event));
        self.end(reply);
    }

    /// Runs the test pod through the engine, so that it stands in the journal like everything else that was done.
    pub(super) fn test_pod(&self, answers: &Answers, reply: &Reply) -> Answer {
        let cancel = self.begin(reply);
        let planned = steps::plan_step(&self.workspace.host, &self.facts(), answers, Step::Verify, self.store.path());
        let mut session = self.session();
        match planned {
            Ok(actions) => session.replan(Step::Verify, actions),
            Err(error) => return Answer::TestOutput(Err(error.to_string())),
        }
        let mut lines = Vec::new();
        let mut runner = Runner { host: &self.workspace.host, store: &self.store, session: &mut session, cancel: &cancel };
        let result = runner.run(Step::Verify, &mut |event| {
            if let Event::Line(line) = event {
                lines.push(line);
            }
        });
        self.end(reply);
        Answer::TestOutput(match result {
            Ok(Outcome::Done) => Ok(session.record("test-pod").map(|record| record.evidence.clone()).unwrap_or(lines)),
            Ok(_) => Err(session.journal.last().map(|record| record.evidence.join(" ")).unwrap_or_default()),
            Err(error) => Err(error.to_string()),
        })
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

fn say(state: &ClusterState, lang: Lang) -> String {
    format!("{} {}", state.message(lang), state.remedy(lang))
}

/// Turns what the tail says into answers.
struct Face<'a> {
    lang: Lang,
    reply: &'a Reply,
    diagnosis: diagnosis::Diagnosis,
    /// The steps seen so far, with whether they are done.
    phases: Vec<phases::Step>,
}

impl Face<'_> {
    fn show(&mut self, event: TailEvent) {
        let lang = self.lang;
        match event {
            TailEvent::Lines(lines) => {
                let hits = self.diagnosis.read(&lines);
                for line in lines {
                    self.reply.send(Answer::TailLine(line));
                }
                for (_, hit) in &hits {
                    self.reply.send(Answer::Diagnosed(known(hit, lang)));
                }
            }
            TailEvent::Phase(step) => {
                self.phases.retain(|seen| seen.phase != step.phase);
                self.phases.push(step);
                self.show_phases(None);
            }
            TailEvent::PodStarted { pod, attempt } => {
                self.phases.clear();
                let attempt = (attempt + 1).to_string();
                self.reply.send(Answer::TailState(lang.text("tail.started", &[("pod", &pod), ("attempt", &attempt)])));
            }
            TailEvent::Waiting { why } => {
                self.reply.send(Answer::TailState(why.text(lang)));
            }
            TailEvent::Lost { reason } => {
                self.reply.send(Answer::TailState(reason.text(lang)));
            }
            TailEvent::Ended { outcome } => {
                self.show_phases(Some(&outcome));
                self.reply.send(Answer::TailState(outcome.text(lang)));
            }
        }
    }

    /// Everything before the newest step is done: the installer goes one way.
    fn show_phases(&self, outcome: Option<&TailOutcome>) {
        let newest = self.phases.iter().map(|step| step.phase).max();
        let succeeded = outcome == Some(&TailOutcome::Succeeded);
        let state = |phase: phases::Phase| match newest {
            _ if succeeded => ChainState::Pass,
            Some(newest) if phase < newest => ChainState::Pass,
            Some(newest) if phase == newest => {
                let done = self.phases.iter().any(|step| step.phase == phase && step.done);
                if done { ChainState::Pass } else { ChainState::Active }
            }
            _ => ChainState::Pending,
        };
        let phases = phases::Phase::ALL.map(|phase| Phase { title: phase.text(self.lang), state: state(phase) });
        self.reply.send(Answer::TailPhases(phases.to_vec()));
    }
}

fn known(hit: &Hit, lang: Lang) -> Diagnosis {
    let is_ours = hit.remedy_kind == Remedy::Action(REMOVE_HOST_DRIVER.to_owned());
    Diagnosis {
        signature: hit.signature.clone(),
        title: hit.signature.replace('-', " "),
        cause: hit.cause(lang),
        evidence_line: hit.line.clone(),
        remedy: hit.remedy(lang),
        action: is_ours.then_some(RemedyAction::BackToDriver),
    }
}
