//! `gpunode drivers`: the driver table.

use super::{print, print_json};
use crate::{catalog, cli::DriversArgs, error::Expected, exit_code::ExitCode, facts, i18n::msg, steps, workspace::Workspace};

/// Prints the table. Exit: 0 something fits, 1 nothing does, 2 there is no such CUDA version.
pub fn run(workspace: &Workspace, args: &DriversArgs) -> Result<ExitCode, Expected> {
    let facts = facts::probe(&workspace.host);
    let mut answers = steps::first_answers();
    if !args.gpu.is_empty() {
        answers.gpus = Some(args.gpu.clone());
    }
    if answers.gpus.is_none() && facts.gpus.is_empty() {
        return Err(Expected::new(msg::error::no_card(), msg::error::no_card::hint()).code(ExitCode::Negative));
    }
    let table = steps::driver_table(&workspace.host, &facts, &answers, args.cuda.as_ref())?;
    args.cuda.as_ref().map_or(Ok(()), |wanted| steps::check_cuda(wanted, &table))?;
    if args.json {
        print_json(&table.shown(args.all))?;
    } else {
        let assumed = facts.findings.iter().find(|finding| finding.id == "architecture-not-known");
        print(&assumed.map_or_else(String::new, |finding| finding.message(workspace.lang) + "\n"))?;
        print(&catalog::report(&table, workspace.lang, args.all))?;
    }
    Ok(if table.drivers.iter().any(|row| row.fits) { ExitCode::Ok } else { ExitCode::Negative })
}
