//! `gpunode detect`: step 1.

use std::time::Duration;

use super::{print, print_json};
use crate::{
    error::Expected,
    exit_code::ExitCode,
    facts::{self, headers},
    workspace::Workspace,
};

/// How long a package manager may take here: who asks for the facts waits for them.
const PATIENCE: Duration = Duration::from_secs(10);

/// Prints the facts. Exit: 0 a usable GPU, 1 none, 2 could not tell.
pub(super) fn run(workspace: &Workspace, json: bool) -> Result<ExitCode, Expected> {
    let mut facts = facts::probe(&workspace.host);
    // Without a card nothing is to be built here, and the answer can stay quick.
    if !facts.gpus.is_empty() {
        let answer = headers::ask(&workspace.host, &facts.host, PATIENCE);
        facts.take_offer(answer);
        facts::examine(&workspace.host, &mut facts);
    }
    if json {
        print_json(&facts)?;
    } else {
        print(&facts::report(&facts, workspace.lang))?;
    }
    Ok(match facts.usable_gpu() {
        Some(true) => ExitCode::Ok,
        Some(false) => ExitCode::Negative,
        None => ExitCode::Usage,
    })
}
