//! `gpunode verify`: step 4's checks, once. It changes nothing, so it runs no test pod; one that the session has run
//! counts.

use std::path::Path;

use super::{
    answers_or_session, print, print_json,
    tail::{Reached, find_cluster},
};
use crate::{
    answers::Answers,
    cli::ClusterArgs,
    cluster::{
        check::{Verdict, VerifyReport},
        verify,
    },
    error::Expected,
    exit_code::ExitCode,
    i18n::msg,
    owner,
    second_boot::{BootNote, SecondBoot},
    session::Session,
    step_driver, steps,
    workspace::Workspace,
};

/// What was asked for.
pub(super) struct Asked<'a> {
    /// Print JSON.
    pub json: bool,
    /// Judge for the second boot.
    pub after_boot: bool,
    /// The answers file.
    pub answers: Option<&'a Path>,
}

/// Prints the checks. Exit: 0 ok, 1 failed, 2 could not tell, 4 it works, and not for long.
pub(super) fn run(workspace: &Workspace, asked: &Asked<'_>, cluster: &ClusterArgs) -> Result<ExitCode, Expected> {
    let session = workspace.peek()?;
    let boots = if asked.after_boot { Some(Boots::begin(workspace, session.as_ref())?) } else { None };
    let known = session.as_ref().and_then(|session| session.second_boot.as_ref());
    let noted = match &boots {
        Some(boots) => SecondBoot::judging(known, &boots.boot_id),
        None => known.cloned(),
    };
    let report = judge(workspace, asked.answers, cluster, session.as_ref(), noted.as_ref())?;
    let json = asked.json;
    if json {
        print_json(&report)?;
    } else {
        print(&verify::report(&report, workspace.lang))?;
    }
    if let Some(boots) = boots {
        let said = boots.end(workspace, &report)?;
        // JSON is alone on its output; the session keeps what the certificate is made of.
        if !json {
            print(&said)?;
        }
    }
    Ok(match report.verdict {
        Verdict::Ok => ExitCode::Ok,
        Verdict::Failed => ExitCode::Negative,
        Verdict::Temporary => ExitCode::Temporary,
        Verdict::Unknown => ExitCode::Usage,
    })
}

fn judge(
    workspace: &Workspace,
    answers: Option<&Path>,
    cluster: &ClusterArgs,
    session: Option<&Session>,
    noted: Option<&SecondBoot>,
) -> Result<VerifyReport, Expected> {
    let host = &workspace.host;
    let Reached { kubectl, node, owner, read } = find_cluster(workspace, answers, cluster)?;
    let spec = owner::of(owner).stack();
    let answers = Answers { driver_owner: owner, ..answers_or_session(workspace, answers)? };
    let on_node = steps::on_node(host, &answers, &node, noted, None);
    Ok(match read.unwrap_or_else(|| steps::read(host, &kubectl, &node, spec.namespace)) {
        Ok(objects) => steps::judge_objects(host, &kubectl, &node, owner, &on_node, session, &objects).0,
        Err(state) => verify::unreachable(&state, spec, &on_node.checks),
    })
}

/// The judgement before a boot and the one after it, in the session.
struct Boots {
    boot_id: String,
}

impl Boots {
    /// Looks which boot this is. It needs a session that can be written.
    fn begin(workspace: &Workspace, session: Option<&Session>) -> Result<Self, Expected> {
        let boot_id = workspace.boot_id();
        if session.is_none() || boot_id.is_empty() {
            return Err(Expected::new(msg::second_boot::no_session(), msg::second_boot::no_session::hint()));
        }
        Ok(Self { boot_id })
    }

    /// Keeps what came out and says what it is. A judgement before the boot that failed is none to prove again. A
    /// simulated machine is booted at once: nobody else can.
    fn end(self, workspace: &Workspace, report: &VerifyReport) -> Result<String, Expected> {
        let (lang, now) = (workspace.lang, workspace.host.clock.now());
        let note = BootNote::now(&self.boot_id, now, report.verdict);
        if !note.holds() {
            return Ok(msg::second_boot::nothing_noted().text(lang) + "\n");
        }
        let (store, mut session) = workspace.session(false)?;
        let boots = SecondBoot::with(session.second_boot.take(), note);
        let certificate = boots.certificate(report, lang);
        session.second_boot = Some(boots);
        store.save(&mut session, now)?;
        if let Some(certificate) = certificate {
            return Ok(certificate);
        }
        if workspace.host.simulation.is_none() {
            return Ok(msg::second_boot::noted(&self.boot_id).text(lang) + "\n");
        }
        step_driver::reboot(&workspace.host, &store)?;
        Ok(msg::second_boot::noted_simulated(&self.boot_id).text(lang) + "\n")
    }
}
