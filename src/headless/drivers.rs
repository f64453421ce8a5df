//! `gpunode drivers`: the driver table.

use serde_json::json;

use super::{print, print_json};
use crate::{
    answers::{Answers, DriverOwner},
    choice,
    cli::DriversArgs,
    error::Expected,
    exit_code::ExitCode,
    facts,
    i18n::msg,
    owner::{self, host::offers},
    steps,
    workspace::Workspace,
};

/// Prints the table. Exit: 0 something fits, 1 nothing does, 2 there is no such CUDA version.
pub(super) fn run(workspace: &Workspace, args: &DriversArgs) -> Result<ExitCode, Expected> {
    let facts = facts::probe(&workspace.host);
    let mut answers = Answers::new(DriverOwner::default());
    answers.gpus = Some(args.gpu.clone()).filter(|gpus| !gpus.is_empty());
    // Of the machine that a named card is in nothing is known, so nothing is said about its owner.
    let fits = if answers.gpus.is_none() { steps::owners(&workspace.host, &facts, &answers) } else { Vec::new() };
    answers.driver_owner = args.owner.unwrap_or_else(|| owner::best(&fits));
    if answers.gpus.is_none() && facts.gpus.is_empty() {
        return Err(Expected::new(msg::error::no_card(), msg::error::no_card::hint()).code(ExitCode::Negative));
    }
    let offers = owner::of(answers.driver_owner).offers(&facts, &answers);
    let table = steps::driver_table(&workspace.host, &facts, &answers, args.cuda.as_ref())?;
    args.cuda.as_ref().map_or(Ok(()), |wanted| steps::check_cuda(wanted, &table))?;
    if args.json {
        let mut shown = serde_json::to_value(table.shown(args.all)).unwrap_or_default();
        shown["owner"] = json!(answers.driver_owner);
        shown["owners"] = json!(fits);
        if !offers.is_empty() {
            shown["sources"] = json!(offers::rows(&offers));
        }
        print_json(&shown)?;
    } else {
        let assumed = facts.findings.iter().find(|finding| finding.id == "architecture-not-known");
        print(&assumed.map_or_else(String::new, |finding| finding.message(workspace.lang) + "\n"))?;
        if !fits.is_empty() {
            print(&(owner::report(&fits, workspace.lang) + "\n"))?;
        }
        if !offers.is_empty() {
            print(&(offers::report(&offers, workspace.lang) + "\n"))?;
        }
        print(&choice::report(&table, workspace.lang, args.all))?;
    }
    Ok(if table.drivers.iter().any(|row| row.fits) { ExitCode::Ok } else { ExitCode::Negative })
}
