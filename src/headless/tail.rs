//! `gpunode tail`: the live tail of the installer, with diagnosis, as lines.

use std::{io::Write, path::Path};

use super::answers_or_session;
use crate::{
    answers::DriverOwner,
    cli::ClusterArgs,
    cluster::{
        Kubectl, scheduling,
        tail::{self, Options, Outcome, TailEvent},
    },
    diagnosis::{Diagnosis, Hit},
    error::Expected,
    exit_code::ExitCode,
    facts,
    host::Cancel,
    i18n::{Lang, msg},
    steps,
    workspace::Workspace,
};

/// Follows the log to its end. Exit: 0 the installer succeeded, 1 it failed, 2 there is nothing to follow or the log tells neither.
pub fn run(workspace: &Workspace, file: Option<&Path>, answers: Option<&Path>, cluster: &ClusterArgs) -> Result<ExitCode, Expected> {
    let cancel = Cancel::default();
    crate::signals::cancel_on_signal(&cancel)?;
    let mut face = Lines { lang: workspace.lang, diagnosis: Diagnosis::default(), known: 0, outcome: None, text: String::new() };
    let options = Options { once: true, ..Options::default() };
    if let Some(path) = file {
        tail::file(&workspace.host, path, false, options, &cancel, &mut |event| face.show(event));
    } else {
        let Reached { kubectl, node, .. } = find_cluster(workspace, answers, cluster)?;
        scheduling::demand_installer(&workspace.host, &kubectl, &node)
            .map_err(|finding| Expected::new(finding.message(workspace.lang), finding.remedy(workspace.lang)))?;
        tail::follow(&workspace.host, &kubectl, &node, options, &cancel, &mut |event| face.show(event));
    }
    let lang = workspace.lang;
    match face.outcome {
        Some(Outcome::Succeeded) => Ok(ExitCode::Ok),
        Some(Outcome::Failed { .. }) => Ok(ExitCode::Negative),
        // A log that neither succeeded nor shows a known failure tells nothing.
        Some(Outcome::EndOfFile) if face.known > 0 => Ok(ExitCode::Negative),
        Some(Outcome::Cancelled) => Ok(ExitCode::Quit),
        Some(Outcome::EndOfFile) | None => Ok(ExitCode::Usage),
        Some(Outcome::Refused(ref state)) => Err(Expected::new(state.message(lang), state.remedy(lang))),
        Some(ref unreadable @ Outcome::Unreadable { .. }) => {
            Err(Expected::new(unreadable.text(lang), msg::tail::unreadable::hint().text(lang)))
        }
    }
}

/// The way to the cluster, and what is looked for there.
pub struct Reached {
    /// kubectl with its kubeconfig.
    pub kubectl: Kubectl,
    /// This machine's name in the cluster.
    pub node: String,
    /// Who puts the driver on it.
    pub owner: DriverOwner,
}

/// Finds kubectl and the node's name; a failure says what to do.
pub fn find_cluster(workspace: &Workspace, answers: Option<&Path>, cluster: &ClusterArgs) -> Result<Reached, Expected> {
    let mut answers = answers_or_session(workspace, answers)?;
    answers.kubeconfig = cluster.kubeconfig.clone().or(answers.kubeconfig);
    answers.node = cluster.node.clone().or(answers.node);
    let kubectl = Kubectl::find(&workspace.host, answers.kubeconfig.as_deref())
        .map_err(|state| Expected::new(state.message(workspace.lang), state.remedy(workspace.lang)))?;
    let node = match answers.node.clone() {
        Some(node) => node.into(),
        None => steps::node_name(&workspace.host, &facts::probe(&workspace.host), &answers),
    };
    Ok(Reached { kubectl, node, owner: answers.driver_owner })
}

/// Prints events as lines.
struct Lines {
    lang: Lang,
    diagnosis: Diagnosis,
    /// Known failures so far.
    known: usize,
    outcome: Option<Outcome>,
    /// What is printed together.
    text: String,
}

impl Lines {
    fn show(&mut self, event: TailEvent) {
        let lang = self.lang;
        self.text.clear();
        match event {
            TailEvent::Lines(lines) => self.lines(&lines),
            TailEvent::Waiting { why } => self.line(&format!(".. {}", why.text(lang))),
            TailEvent::PodStarted { pod, attempt } => {
                self.finish();
                self.line(&format!("== {pod} ({attempt})"));
            }
            TailEvent::Phase(_) => {}
            TailEvent::Lost { reason } => self.line(&format!(".. {}", reason.text(lang))),
            TailEvent::Ended { outcome } => {
                self.finish();
                // What could not be followed is an error, and told as one.
                if !matches!(outcome, Outcome::Unreadable { .. } | Outcome::Refused(_)) {
                    self.line(&format!("== {}", outcome.text(lang)));
                }
                self.outcome = Some(outcome);
            }
        }
        // One write for all that came together: a log can be very fast. A closed pipe ends the program by itself soon enough.
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(self.text.as_bytes()).and_then(|()| out.flush());
    }

    fn lines(&mut self, lines: &[String]) {
        let hits = self.diagnosis.read(lines);
        let mut printed = 0;
        for (index, hit) in hits {
            lines[printed..=index].iter().for_each(|line| self.line(line));
            printed = index + 1;
            self.hit(&hit);
        }
        lines[printed..].iter().for_each(|line| self.line(line));
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn hit(&mut self, hit: &Hit) {
        self.known += 1;
        let text = format!("\n!! {}: {}\n   -> {}", hit.signature, hit.cause(self.lang), hit.remedy(self.lang));
        self.line(&text);
    }

    /// The attempt is over: what only an umbrella has said counts now.
    fn finish(&mut self) {
        if let Some(hit) = self.diagnosis.finish() {
            self.hit(&hit);
        }
    }
}
