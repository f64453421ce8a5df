//! `gpunode verify`: step 4's checks, once. It changes nothing, so it runs no test pod; one that the session has run counts.

use std::path::Path;

use super::{
    print, print_json,
    tail::{Reached, find_cluster},
};
use crate::{
    cli::ClusterArgs,
    cluster::{check::Verdict, verify},
    error::Expected,
    exit_code::ExitCode,
    owner, steps,
    workspace::Workspace,
};

/// Prints the checks. Exit: 0 ok, 1 failed, 2 could not tell.
pub(super) fn run(workspace: &Workspace, json: bool, answers: Option<&Path>, cluster: &ClusterArgs) -> Result<ExitCode, Expected> {
    let Reached { kubectl, node, owner: owner_id } = find_cluster(workspace, answers, cluster)?;
    let session = workspace.peek()?;
    let report = match steps::judge(&workspace.host, &kubectl, &node, owner_id, session.as_ref()) {
        Ok((report, _)) => report,
        Err(state) => verify::unreachable(&state, owner::of(owner_id).stack()),
    };
    if json {
        print_json(&report)?;
    } else {
        print(&verify::report(&report, workspace.lang))?;
    }
    Ok(match report.verdict {
        Verdict::Ok => ExitCode::Ok,
        Verdict::Failed => ExitCode::Negative,
        Verdict::Unknown => ExitCode::Usage,
    })
}
