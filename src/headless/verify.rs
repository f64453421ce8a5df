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
    steps,
    text::printable,
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
    let noted =
        boots.as_ref().map_or_else(|| session.as_ref().and_then(|session| session.second_boot.clone()), Boots::judging);
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
    /// What was noted before; absent at the first judgement.
    before: Option<BootNote>,
}

impl Boots {
    /// Looks which of the two judgements this is. It needs a session that can be written.
    fn begin(workspace: &Workspace, session: Option<&Session>) -> Result<Self, Expected> {
        let boot_id = workspace.boot_id();
        if session.is_none() || boot_id.is_empty() {
            return Err(Expected::new(msg::second_boot::no_session(), msg::second_boot::no_session::hint()));
        }
        let noted = session.and_then(|session| session.second_boot.as_ref());
        let before = noted.filter(|boots| boots.has_booted(&boot_id)).map(|boots| boots.noted.clone());
        Ok(Self { boot_id, before })
    }

    fn note(&self, workspace: &Workspace, verdict: Verdict) -> BootNote {
        let command = std::env::args().map(|word| printable(&word)).collect::<Vec<_>>().join(" ");
        BootNote { boot_id: self.boot_id.clone(), at: workspace.host.clock.now(), verdict, command }
    }

    /// What is judged by: after a boot, the link passes if all others do.
    fn judging(&self) -> Option<SecondBoot> {
        let noted = self.before.clone()?;
        let now = BootNote { boot_id: self.boot_id.clone(), ..noted.clone() };
        Some(SecondBoot { noted, proven: Some(now) })
    }

    /// Keeps what came out and says what it is. A judgement before the boot that failed is none to prove again.
    fn end(self, workspace: &Workspace, report: &VerifyReport) -> Result<String, Expected> {
        let lang = workspace.lang;
        if !matches!(report.verdict, Verdict::Ok | Verdict::Temporary) {
            return Ok(msg::second_boot::nothing_noted().text(lang) + "\n");
        }
        let now = self.note(workspace, report.verdict);
        let (store, mut session) = workspace.session(false)?;
        let boots = match self.before {
            Some(noted) => SecondBoot { noted, proven: Some(now) },
            None => SecondBoot { noted: now, proven: None },
        };
        let said = boots
            .certificate(report, lang)
            .unwrap_or_else(|| msg::second_boot::noted(&boots.noted.boot_id).text(lang) + "\n");
        session.second_boot = Some(boots);
        store.save(&mut session, workspace.host.clock.now())?;
        Ok(said)
    }
}
