//! `gpunode vars`: the variable preview.

use serde_json::json;

use super::{print, print_json};
use crate::{
    answers::{Answers, DriverOwner},
    cli::VarsArgs,
    error::Expected,
    exit_code::ExitCode,
    facts,
    kubespray::{self, GpuRole, PreviewRequest},
    owner, steps,
    workspace::Workspace,
};

/// Prints the preview, as the owner sees it whom the session has, else the recommended one. Exit: 0 fine, 1 findings, 2
/// unreadable.
pub(super) fn run(workspace: &Workspace, args: &VarsArgs) -> Result<ExitCode, Expected> {
    let of_session =
        workspace.peek().ok().flatten().and_then(|session| session.answers).map(|answers| answers.driver_owner);
    let named = args.owner.or(of_session);
    let fits = if named.is_none() { fits(workspace, args) } else { Vec::new() };
    let chosen = named.or_else(|| (!fits.is_empty()).then(|| owner::best(&fits)));
    let request = PreviewRequest {
        checkout: args.kubespray.clone().map(Into::into),
        inventory: args.inventory.clone().map(Into::into),
        node: args.node.clone().map(Into::into),
        hostname: workspace.host.name(),
        control_plane_os: args.control_plane_os.clone(),
        release: None,
        gpu_role: chosen.map_or(GpuRole::Installs, |owner| owner::of(owner).gpu_role()),
    };
    let preview = kubespray::preview(&*workspace.host.files, &request)?;
    if args.json {
        let mut shown = serde_json::to_value(&preview).unwrap_or_default();
        shown["owner"] = json!(chosen);
        shown["owners"] = json!(fits);
        print_json(&shown)?;
    } else {
        if !fits.is_empty() {
            print(&(owner::report(&fits, workspace.lang) + "\n"))?;
        }
        print(&kubespray::report(&preview, workspace.lang))?;
    }
    let is_fine = preview.findings.iter().all(|finding| finding.severity == crate::finding::Severity::Info);
    Ok(if is_fine { ExitCode::Ok } else { ExitCode::Negative })
}

/// Judges the owners on a machine with a card. Elsewhere, as on the Ansible host, nothing is known of the node: then
/// the GPU role is judged as if it were wanted.
fn fits(workspace: &Workspace, args: &VarsArgs) -> Vec<owner::Fit> {
    if !facts::has_card(&workspace.host) {
        return Vec::new();
    }
    let facts = facts::probe(&workspace.host);
    let mut answers = Answers::new(DriverOwner::default());
    (answers.kubespray, answers.inventory) = (args.kubespray.clone(), args.inventory.clone());
    steps::owners(&workspace.host, &facts, &answers)
}
