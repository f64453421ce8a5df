//! Run one of Kubespray's playbooks, with progress by task.

use serde::{Deserialize, Serialize};

use super::kind::{ActionContext, ActionKind, Failure};
use crate::{
    host::{Command, Host},
    kubespray::playbook,
    plan::action::kind::{ActionEvent, Progress},
    plan::action::undo::Undo,
    version::Version,
};

/// Runs a playbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunPlaybook {
    /// The whole command.
    pub command: Command,
    /// The version of the Ansible that it starts, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ansible_core: Option<Version>,
}

impl ActionKind for RunPlaybook {
    /// Ansible itself finds out what is done already; only a finished run proves anything.
    fn done(&self, _host: &Host) -> Option<Vec<String>> {
        None
    }

    fn undo(&self, _work: &ActionContext<'_>) -> Result<Undo, Failure> {
        Ok(Undo::Impossible("playbook".to_owned()))
    }

    fn execute(&self, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        let listing = work.host.commands.capture(&playbook::list_tasks_command(&self.command));
        let total = listing.ok().filter(|output| output.exit.is_success()).map(|output| playbook::count_tasks(&output.stdout));
        let mut progress = playbook::Progress::new(total);
        let command = match work.secret {
            Some(secret) => playbook::with_password(&self.command, secret, self.ansible_core.as_ref()),
            None => self.command.clone(),
        };
        let result = work.run_watching(&command, &mut |line, emit| {
            let before = progress.tasks;
            progress.line(line);
            if progress.tasks > before {
                // Included tasks are not listed, so there may be more than were announced.
                let total = total.map(|total| total.max(progress.tasks) as u64);
                emit(ActionEvent::Progress(Progress { done: progress.tasks as u64, total, unit: "tasks", rate: None }));
            }
        });
        work.notes.extend(progress.recap.iter().map(ToString::to_string));
        if result.is_err() && progress.wants_password() {
            (work.emit)(ActionEvent::PasswordNeeded);
        }
        result.map_err(|failure| Failure { message: explain(&progress).unwrap_or(failure.message.clone()), ..failure })
    }

    /// The recap is the last thing that Ansible prints: a log that ends with one is of a run that came to its end.
    fn ended(&self, log: &str) -> Option<Result<(), Failure>> {
        let mut progress = playbook::Progress::new(None);
        log.lines().for_each(|line| progress.line(line));
        let end = log.rfind("PLAY RECAP ")?;
        if progress.recap.is_empty() || log[end..].contains("\nPLAY [") {
            return None;
        }
        let bad = progress.recap.iter().find(|row| !row.is_good());
        Some(bad.map_or(Ok(()), |row| Err(Failure::new(format!("the playbook failed on {}", row.host)))))
    }

    fn prove(&self, _host: &Host, _before: &std::collections::BTreeMap<String, String>) -> Result<Vec<String>, Failure> {
        Ok(vec![format!("`{}` ended with exit status 0", self.command)])
    }
}

/// What failed, on which host, and how the others did; Ansible's own complaint where no task was reached.
fn explain(progress: &playbook::Progress) -> Option<String> {
    const SHOWN: usize = 3;
    let failure = |failure: &playbook::Failure| format!("task \"{}\" failed on {}: {}", failure.task, failure.host, failure.message);
    let mut lines: Vec<String> = progress.failures.iter().take(SHOWN).map(failure).collect();
    if progress.failures.len() > SHOWN {
        lines.push(format!("and {} more", progress.failures.len() - SHOWN));
    }
    if lines.is_empty() {
        lines.extend(progress.errors.first().cloned());
    }
    let recap = progress.recap.iter().filter(|row| !row.is_good()).take(SHOWN).map(ToString::to_string);
    let lines: Vec<String> = lines.into_iter().chain(recap).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
