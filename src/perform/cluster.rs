//! The effects of step 4 that are done once: test pod, remedy, verdict, and the log's file.

use std::{path::PathBuf, sync::atomic::Ordering};

use super::Perform;
use crate::{
    answers::Answers,
    cluster::{ClusterError, Kubectl, check::CheckId},
    engine::{Event, Outcome, Runner},
    error::reason,
    i18n::msg,
    plan::{Action, Step},
    private,
    second_boot::{BootNote, SecondBoot},
    session::Session,
    steps,
    tui::Reply,
    wizard::{Answer, chain::ChainRow},
};

impl Perform {
    /// Finds the way into the cluster and this machine's name there.
    pub(super) fn reach(&self, answers: &Answers) -> Result<(Kubectl, String), ClusterError> {
        let kubectl = Kubectl::find(&self.workspace.host, answers.kubeconfig.as_deref())?;
        Ok((kubectl, steps::Planner::new(&self.workspace.host, &self.facts(), answers).node_name()))
    }

    pub(super) fn verify(&self, answers: &Answers) -> Answer {
        let mut session = self.session().clone();
        let (boot_id, now) = (self.workspace.boot_id(), self.workspace.host.clock.now());
        if let Some(judging) = SecondBoot::judging(session.second_boot.as_ref(), &boot_id) {
            session.second_boot = Some(judging);
        }
        let report = steps::verdict(&self.workspace.host, &session, answers);
        let note = BootNote::now(&boot_id, now, report.verdict);
        let answer = Answer::Verified { rows: ChainRow::of(&report, self.workspace.lang), ok: note.holds() };
        let mut session = self.session();
        if note.holds() && report.checks.iter().any(|check| check.id == CheckId::SecondBoot) {
            session.second_boot = Some(SecondBoot::with(session.second_boot.take(), note));
        }
        session.verdict = Some(report);
        match self.store.save(&mut session, now) {
            Ok(()) => answer,
            Err(error) => Answer::Failed(error.line(self.workspace.lang)),
        }
    }

    /// Plans the test pod and what it needs. The installer is watched on the screen, and the taint is asked about at
    /// the end.
    pub(super) fn plan_test(&self, answers: &Answers) -> Result<Vec<Action>, String> {
        let planned = steps::Planner::new(&self.workspace.host, &self.facts(), answers)
            .plan_step(Step::Verify, self.store.path());
        let mut actions = planned.map_err(|error| error.line(self.workspace.lang))?;
        actions.retain(|action| !matches!(action.name(), "watch-installer" | "watch-device-plugin" | "remove-taint"));
        Ok(actions)
    }

    /// Runs the test pod through the engine, so that it stands in the journal like everything else that was done.
    pub(super) fn test_pod(&self, actions: Vec<Action>, reply: &Reply) -> Answer {
        Answer::TestOutput(self.run_here(actions, reply).map(|(session, lines)| {
            session
                .record("test-pod")
                .filter(|record| !record.evidence.is_empty())
                .map_or(lines, |record| record.evidence.clone())
        }))
    }

    /// Does one thing on the cluster, journalled.
    pub(super) fn remedy(&self, action: Action, reply: &Reply) -> Answer {
        let id = action.id.clone();
        Answer::Remedied(self.run_here(vec![action], reply).map(|(session, lines)| {
            session
                .record(&id)
                .filter(|record| !record.evidence.is_empty())
                .map_or(lines, |record| record.evidence.clone())
        }))
    }

    /// Runs actions of step 4; the step itself is done only when all of it was judged. The error is why the last one
    /// failed.
    fn run_here(&self, actions: Vec<Action>, reply: &Reply) -> Result<(Session, Vec<String>), String> {
        let cancel = self.begin(reply);
        let mut session = self.session();
        self.in_run.store(true, Ordering::SeqCst);
        let done = session.done.contains(&Step::Verify);
        session.replan(Step::Verify, actions);
        let mut lines = Vec::new();
        let mut runner = Runner {
            host: &self.workspace.host,
            store: &self.store,
            session: &mut session,
            cancel: &cancel,
            secret: None,
        };
        let result = runner.run(Step::Verify, &mut |event| {
            if let Event::Line(line) = event {
                lines.push(line);
            }
        });
        self.end(reply);
        if !done {
            session.done.retain(|step| *step != Step::Verify);
        }
        let saved = self.store.save(&mut session, self.workspace.host.clock.now());
        self.keep_draft(&mut session);
        match result {
            Ok(Outcome::Done) => {
                saved.map(|()| (session.clone(), lines)).map_err(|error| error.line(self.workspace.lang))
            }
            Ok(_) => Err(session.journal.last().map(|record| record.evidence.join(" ")).unwrap_or_default()),
            Err(error) => Err(error.line(self.workspace.lang)),
        }
    }

    /// Writes the log that the screen keeps into a file that only its owner can read: logs name machines and addresses.
    pub(super) fn save_log(&self, path: PathBuf, text: &str) -> Answer {
        let written = private::write(&path, text.as_bytes());
        Answer::LogSaved(
            written
                .map_err(|error| msg::error::write(path.display(), reason(&error)).text(self.workspace.lang))
                .map(|()| path),
        )
    }
}
