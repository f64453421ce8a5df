//! Run one of Kubespray's playbooks, with progress by task.

use serde::{Deserialize, Serialize};

use super::act::{Act, Failure, Work};
use crate::{
    engine::{Event, Progress},
    host::{Command, Host},
    kubespray::playbook,
    session::Undo,
};

/// Runs a playbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunPlaybook {
    /// The whole command.
    pub command: Command,
}

impl Act for RunPlaybook {
    /// Ansible itself finds out what is done already; only a finished run proves anything.
    fn done(&self, _host: &Host) -> Option<Vec<String>> {
        None
    }

    fn undo(&self, _work: &Work<'_>) -> Result<Undo, Failure> {
        Ok(Undo::Impossible("playbook".to_owned()))
    }

    fn execute(&self, work: &mut Work<'_>) -> Result<(), Failure> {
        let listing = work.host.commands.capture(&playbook::list_tasks_command(&self.command));
        let total = listing.ok().filter(|output| output.exit.is_success()).map(|output| playbook::count_tasks(&output.stdout));
        let mut progress = playbook::Progress::new(total);
        work.run_watching(&self.command, &mut |line, emit| {
            let before = progress.tasks;
            progress.line(line);
            if progress.tasks > before {
                // Included tasks are not listed, so there may be more than were announced.
                let total = total.map(|total| total.max(progress.tasks) as u64);
                emit(Event::Progress(Progress { done: progress.tasks as u64, total, unit: "tasks", rate: None }));
            }
        })
        .map_err(|failure| match progress.failures.first() {
            Some(first) => Failure { message: format!("task \"{}\" failed on {}: {}", first.task, first.host, first.message), ..failure },
            None => failure,
        })
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
