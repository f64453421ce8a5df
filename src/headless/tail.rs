//! `gpunode tail`: the live tail of the installer, with diagnosis, as lines.

use std::path::Path;

use super::{answers_or_session, print};
use crate::{
    cli::ClusterArgs,
    cluster::{
        Kubectl, scheduling,
        tail::{self, Options, Outcome, TailEvent},
    },
    diagnosis::Diagnosis,
    error::Expected,
    exit_code::ExitCode,
    facts,
    host::Cancel,
    i18n::Lang,
    steps,
    workspace::Workspace,
};

/// Follows the log to its end. Exit: 0 the installer succeeded, 1 it failed, 2 there is nothing to follow or the log tells neither.
pub fn run(workspace: &Workspace, file: Option<&Path>, answers: Option<&Path>, cluster: &ClusterArgs) -> Result<ExitCode, Expected> {
    let cancel = Cancel::default();
    crate::signals::cancel_on_signal(&cancel)?;
    let mut face = Lines { lang: workspace.lang, diagnosis: Diagnosis::default(), known: 0, outcome: None };
    let options = Options { once: true, ..Options::default() };
    if let Some(path) = file {
        tail::file(&workspace.host, path, false, options, &cancel, &mut |event| face.show(event));
    } else {
        let (kubectl, node) = find_cluster(workspace, answers, cluster)?;
        scheduling::demand_installer(&workspace.host, &kubectl, &node)
            .map_err(|finding| Expected::new(finding.message(workspace.lang), finding.remedy(workspace.lang)))?;
        tail::follow(&workspace.host, &kubectl, &node, options, &cancel, &mut |event| face.show(event));
    }
    Ok(match face.outcome {
        Some(Outcome::Succeeded) => ExitCode::Ok,
        Some(Outcome::Failed { .. }) => ExitCode::Negative,
        // A log that neither succeeded nor shows a known failure tells nothing.
        Some(Outcome::EndOfFile) if face.known > 0 => ExitCode::Negative,
        Some(Outcome::Cancelled) => ExitCode::Quit,
        Some(Outcome::EndOfFile | Outcome::Unreadable { .. } | Outcome::Refused(_)) | None => ExitCode::Usage,
    })
}

/// Finds kubectl and the node's name; a failure says what to do.
pub fn find_cluster(workspace: &Workspace, answers: Option<&Path>, cluster: &ClusterArgs) -> Result<(Kubectl, String), Expected> {
    let mut answers = answers_or_session(workspace, answers)?;
    answers.kubeconfig = cluster.kubeconfig.clone().or(answers.kubeconfig);
    answers.node = cluster.node.clone().or(answers.node);
    let kubectl = Kubectl::find(&workspace.host, answers.kubeconfig.as_deref())
        .map_err(|state| Expected::new(state.message(workspace.lang), state.remedy(workspace.lang)))?;
    let node = match answers.node.clone() {
        Some(node) => node,
        None => steps::node_name(&workspace.host, &facts::probe(&workspace.host), &answers),
    };
    Ok((kubectl, node))
}

/// Prints events as lines.
struct Lines {
    lang: Lang,
    diagnosis: Diagnosis,
    /// Known failures so far.
    known: usize,
    outcome: Option<Outcome>,
}

impl Lines {
    fn show(&mut self, event: TailEvent) {
        let lang = self.lang;
        let text = match event {
            TailEvent::Line { text, .. } => {
                let hits = self.diagnosis.push(&text);
                self.known += usize::from(hits.is_some());
                let known =
                    |hit: &crate::diagnosis::Hit| format!("\n!! {}: {}\n   -> {}", hit.signature, hit.cause(lang), hit.remedy(lang));
                text + &hits.iter().map(known).collect::<String>()
            }
            TailEvent::Waiting { why } => format!(".. {}", why.text(lang)),
            TailEvent::PodStarted { pod, attempt } => format!("== {pod} ({attempt})"),
            TailEvent::Phase(_) => return,
            TailEvent::Lost { reason } => format!(".. {}", reason.text(lang)),
            TailEvent::Ended { outcome } => {
                let text = format!("== {}", outcome.text(lang));
                self.outcome = Some(outcome);
                text
            }
        };
        // A closed pipe ends the program by itself soon enough.
        let _ = print(&text);
    }
}
