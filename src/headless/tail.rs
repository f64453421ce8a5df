//! `gpunode tail`: the live tail of the owner's pods, with diagnosis, as lines.

use std::{io::Write, ops::ControlFlow, path::Path};

use super::{answers_or_session, output_failed};
use crate::{
    answers::DriverOwner,
    cli::ClusterArgs,
    cluster::{ClusterError, Kubectl, stack::Objects, tail::Outcome},
    diagnosis::{Event, Hit, SignatureId},
    error::Expected,
    exit_code::ExitCode,
    facts,
    host::Cancel,
    i18n::{Lang, msg},
    installer_log::{self, Cause, End, Heard},
    owner, steps,
    workspace::Workspace,
};

/// Follows the logs to their end. Exit: 0 all that is followed succeeded, 1 something failed or cannot even start, 2
/// there is nothing to follow or the log tells neither.
pub(super) fn run(
    workspace: &Workspace,
    file: Option<&Path>,
    answers: Option<&Path>,
    cluster: &ClusterArgs,
) -> Result<ExitCode, Expected> {
    let cancel = Cancel::default();
    crate::signals::cancel_on_signal(&cancel)?;
    let lang = workspace.lang;
    let mut face = Lines { lang, known: Vec::new(), text: String::new(), broken: None };
    let end = if let Some(path) = file {
        installer_log::file(&workspace.host, path, &cancel, &mut |heard| face.show(heard))
    } else {
        let Reached { kubectl, node, owner, .. } = find_cluster(workspace, answers, cluster)?;
        let node = (node.as_str(), owner::of(owner).stack());
        installer_log::follow(&workspace.host, &kubectl, node, &cancel, &mut |heard| face.show(heard))
    };
    match face.broken.take() {
        // Whoever read along has gone away (`| head`): nobody is left to tell.
        Some(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(ExitCode::Usage),
        Some(error) => return Err(output_failed(&error)),
        None => {}
    }
    face.end(&end)
}

/// The way to the cluster, and what is looked for there.
pub(super) struct Reached {
    /// kubectl with its kubeconfig.
    pub kubectl: Kubectl,
    /// This machine's name in the cluster.
    pub node: String,
    /// Who puts the driver on it.
    pub owner: DriverOwner,
    /// What was read on the way, if the owner had to be found out.
    pub read: Option<Result<Objects, ClusterError>>,
}

/// Finds kubectl and the node's name; a failure says what to do.
pub(super) fn find_cluster(
    workspace: &Workspace,
    answers: Option<&Path>,
    cluster: &ClusterArgs,
) -> Result<Reached, Expected> {
    let is_said = answers.is_some() || workspace.peek()?.is_some_and(|session| session.answers.is_some());
    let mut answers = answers_or_session(workspace, answers)?;
    answers.kubeconfig = cluster.kubeconfig.clone().or(answers.kubeconfig);
    answers.node = cluster.node.clone().or(answers.node);
    let kubectl = Kubectl::find(&workspace.host, answers.kubeconfig.as_deref())
        .map_err(|state| Expected::new(state.message(workspace.lang), state.remedy(workspace.lang)))?;
    let node = match answers.node.clone() {
        Some(node) => node.into(),
        None => steps::Planner::new(&workspace.host, &facts::probe(&workspace.host), &answers).node_name(),
    };
    // Where nobody has said who brings the driver, the cluster shows who does.
    let read = (!is_said).then(|| steps::read(&workspace.host, &kubectl, &node, None));
    let at_work = read.as_ref().and_then(|read| steps::owner_at_work(read.as_ref().ok()?));
    // Who may not list the DaemonSets of all namespaces may perhaps list those of one; only a cluster that is away is
    // not asked again.
    let read = read.filter(|read| match read {
        Ok(objects) => objects.has_sets(),
        Err(error) => error.is_blip(),
    });
    Ok(Reached { kubectl, node, owner: at_work.unwrap_or(answers.driver_owner), read })
}

/// Prints what is heard as lines.
struct Lines {
    lang: Lang,
    /// Known failures that stand.
    known: Vec<SignatureId>,
    /// What is printed together.
    text: String,
    /// Why nothing can be printed any more.
    broken: Option<std::io::Error>,
}

impl Lines {
    fn show(&mut self, heard: Heard) -> ControlFlow<()> {
        let lang = self.lang;
        self.text.clear();
        match heard {
            Heard::Lines(lines, events) => self.lines(&lines, &events),
            Heard::Waiting(why) => self.line(&format!(".. {}", why.text(lang))),
            Heard::Because(finding) => {
                self.line(&format!(".. {}\n   -> {}", finding.message(lang), finding.remedy(lang)));
            }
            Heard::Started(pod, attempt) => self.line(&format!("== {pod} ({attempt})")),
            Heard::Phase(_) | Heard::Turned(..) | Heard::Said(_) => {}
            Heard::Known(hit) => self.hit(&hit),
            Heard::Lost(reason) => self.line(&format!(".. {}", reason.text(lang))),
        }
        self.flush()
    }

    /// Says how it ended.
    fn end(&mut self, end: &End) -> Result<ExitCode, Expected> {
        let lang = self.lang;
        self.text.clear();
        let code = match end {
            End::InVain(cause) => {
                // A known failure is a failure; what keeps the pod from being there leaves nothing to follow.
                let code = if matches!(cause, Cause::Known(_)) { ExitCode::Negative } else { ExitCode::Usage };
                return Err(Expected::new(cause.message(lang), cause.remedy(lang)).code(code));
            }
            // What could not be followed is an error, and told as one.
            End::Tail(Outcome::Refused(error)) => return Err(Expected::new(error.message(lang), error.remedy(lang))),
            End::Tail(unreadable @ Outcome::Unreadable { .. }) => {
                return Err(Expected::new(unreadable.text(lang), msg::tail::unreadable::hint().text(lang)));
            }
            End::Tail(Outcome::NoLog) => {
                return Err(Expected::new(msg::tail::no_log().text(lang), msg::tail::no_log::hint().text(lang)));
            }
            End::Tail(Outcome::Succeeded | Outcome::Works) => ExitCode::Ok,
            End::Tail(Outcome::Failed { .. } | Outcome::GaveUp) => ExitCode::Negative,
            // A log that neither succeeded nor shows a known failure tells nothing.
            End::Tail(Outcome::EndOfFile) if !self.known.is_empty() => ExitCode::Negative,
            End::Tail(Outcome::EndOfFile) => ExitCode::Usage,
            End::Tail(Outcome::Cancelled) => ExitCode::Quit,
        };
        if let End::Tail(outcome) = end {
            self.line(&format!("== {}", outcome.text(lang)));
        }
        let _ = self.flush();
        match self.broken.take() {
            Some(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(output_failed(&error)),
            _ => Ok(code),
        }
    }

    /// Writes all that came together at once: a log can be very fast.
    fn flush(&mut self) -> ControlFlow<()> {
        let mut out = std::io::stdout().lock();
        match out.write_all(self.text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.broken = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn lines(&mut self, lines: &[String], events: &[(usize, Event)]) {
        let mut printed = 0;
        for (index, event) in events {
            lines[printed..=*index].iter().for_each(|line| self.line(line));
            printed = index + 1;
            match event {
                Event::Hit(hit) => self.hit(hit),
                Event::TakenBack(over) => self.take_back(over),
            }
        }
        lines[printed..].iter().for_each(|line| self.line(line));
    }

    /// What failed before has succeeded since.
    fn take_back(&mut self, over: &[SignatureId]) {
        self.known.retain(|known| !over.contains(known));
        let names: Vec<_> = over.iter().map(SignatureId::as_str).collect();
        self.line(&format!(".. {}", msg::diagnose::over(names.join(", ")).text(self.lang)));
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn hit(&mut self, hit: &Hit) {
        self.known.push(hit.signature.clone());
        let text = format!("\n!! {}: {}\n   -> {}", hit.signature, hit.cause(self.lang), hit.remedy(self.lang));
        self.line(&text);
    }
}
