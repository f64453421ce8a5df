//! Run one of Kubespray's playbooks, with progress by task.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    effect::{Effect, Entries},
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    properties::{Preview, Properties, Reversal, Witness},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    facts::Origin,
    host::Host,
    i18n::{Message, msg},
    input::NodeName,
    kubespray::playbook::{self, PlaybookRun},
    plan::action::kind::{ActionEvent, Progress},
    version::Version,
};

/// Runs a playbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunPlaybook {
    /// Which one, and how; empty in old sessions.
    #[serde(default)]
    pub run: PlaybookRun,
    /// The version of the Ansible that it starts, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ansible_core: Option<Version>,
}

impl ActionKind for RunPlaybook {
    fn properties(&self) -> Properties {
        Properties {
            root: None,
            reversal: Reversal::Impossible,
            takes_away: false,
            witness: Witness::Journal,
            effects: vec![Effect::TakesCards, Effect::Adds(Entries::Of(Origin::InstallerPod))],
            target: Target::Inventory(self.run.checkout.clone().unwrap_or_default().join(&self.run.inventory)),
            scratch: None,
            until_reboot_of: None,
        }
    }

    fn preview(&self) -> Preview {
        Preview::of([self.run.command()])
    }

    fn validate(&self) -> Result<(), Failure> {
        let PlaybookRun { program, checkout, inventory, playbook, limit, tags } = &self.run;
        let is_ansible = program.file_name().is_some_and(|name| name == playbook::PROGRAM);
        valid::demand(is_ansible, msg::failure::wanted::ansible(), &program.display().to_string())?;
        valid::path_if_any(checkout.as_deref())?;
        valid::path(&Path::new("/").join(inventory))?;
        valid::demand(
            !inventory.to_string_lossy().starts_with('-'),
            msg::failure::wanted::inventory(),
            &inventory.display().to_string(),
        )?;
        valid::word(msg::failure::wanted::playbook(), playbook, "-_./")?;
        valid::path(&Path::new("/").join(playbook))?;
        limit.as_deref().map_or(Ok(()), valid::is::<NodeName>)?;
        tags.as_deref().map_or(Ok(()), |tags| valid::word(msg::failure::wanted::tag(), tags, "-_,"))
    }

    /// Ansible itself finds out what is done already; only a finished run proves anything.
    fn check(&self, _host: &Host) -> Option<Vec<String>> {
        None
    }

    fn prepare(&self, _context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Nothing.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let listing = context.host.commands.capture(&playbook::list_tasks_command(&self.run.command()));
        let total =
            listing.ok().filter(|output| output.exit.is_success()).map(|output| playbook::count_tasks(&output.stdout));
        let mut progress = playbook::Progress::new(total);
        let command = match context.secret {
            Some(secret) => playbook::with_password(&self.run.command(), secret, self.ansible_core.as_ref()),
            None => self.run.command(),
        };
        let result = context.run_watching(&command, &mut |line, emit| {
            let before = progress.tasks;
            progress.line(line);
            if progress.tasks > before {
                // Included tasks are not listed, so there may be more than were announced.
                let total = total.map(|total| total.max(progress.tasks) as u64);
                emit(ActionEvent::Progress(Progress { done: progress.tasks as u64, total, unit: "tasks", rate: None }));
            }
        });
        if result.is_err() && progress.wants_password() {
            (context.emit)(ActionEvent::PasswordNeeded);
        }
        result.map_err(|failure| Failure { message: explain(&progress).unwrap_or(failure.message.clone()), ..failure })
    }

    /// The recap is the last thing that Ansible prints: a log that ends with one is of a run that came to its end.
    fn judge(&self, _host: &Host, traces: &Traces<'_>) -> Verdict {
        let mut progress = playbook::Progress::new(None);
        let mut ended = false;
        traces.each_line(&mut |line| {
            ended = line.starts_with("PLAY RECAP ") || (ended && !line.starts_with("PLAY ["));
            progress.line(line);
        });
        if !ended || progress.recap.is_empty() {
            return Verdict::Unfinished;
        }
        if let Some(row) = progress.recap.iter().find(|row| !row.is_good()) {
            let why = explain(&progress).unwrap_or_else(|| msg::failure::playbook(&row.host));
            return Verdict::Failed(Failure::new(why));
        }
        let command = format!("`{}` ended with exit status 0", self.run);
        Verdict::Proven(std::iter::once(command).chain(progress.recap.iter().map(ToString::to_string)).collect())
    }

    fn way_back(&self, _host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        Ok(WayBack::Nothing)
    }
}

/// What failed, on which host, and how the others did; Ansible's own complaint where no task was reached.
fn explain(progress: &playbook::Progress) -> Option<Message> {
    const SHOWN: usize = 3;
    let failure = |failure: &playbook::Failure| msg::failure::task(&failure.host, &failure.task, &failure.message);
    let mut lines: Vec<Message> = progress.failures.iter().take(SHOWN).map(failure).collect();
    if progress.failures.len() > SHOWN {
        lines.push(msg::failure::more_tasks(progress.failures.len() - SHOWN));
    }
    if lines.is_empty() {
        lines.extend(progress.errors.first().map(msg::failure::own_words));
    }
    let recap = progress.recap.iter().filter(|row| !row.is_good()).take(SHOWN).map(msg::failure::own_words);
    lines.into_iter().chain(recap).reduce(msg::failure::lines)
}
