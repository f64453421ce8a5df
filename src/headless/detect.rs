//! `gpunode detect`: step 1.

use super::{print, print_json};
use crate::{error::Expected, exit_code::ExitCode, facts, workspace::Workspace};

/// Prints the facts. Exit: 0 a usable GPU, 1 none, 2 could not tell.
pub fn run(workspace: &Workspace, json: bool) -> Result<ExitCode, Expected> {
    let facts = facts::probe(&workspace.host);
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
