//! `gpunode vars`: the variable preview.

use super::{print, print_json};
use crate::{
    cli::VarsArgs,
    error::Expected,
    exit_code::ExitCode,
    kubespray::{self, GpuRole, PreviewRequest},
    owner,
    workspace::Workspace,
};

/// Prints the preview. Exit: 0 fine, 1 findings, 2 unreadable.
pub(super) fn run(workspace: &Workspace, args: &VarsArgs) -> Result<ExitCode, Expected> {
    let answers = workspace.peek().ok().flatten().and_then(|session| session.answers);
    let request = PreviewRequest {
        checkout: args.kubespray.clone().map(Into::into),
        inventory: args.inventory.clone().map(Into::into),
        node: args.node.clone().map(Into::into),
        hostname: workspace.host.name(),
        control_plane_os: args.control_plane_os.clone(),
        release: None,
        gpu_role: answers.map_or(GpuRole::Installs, |answers| owner::of(answers.driver_owner).gpu_role()),
    };
    let preview = kubespray::preview(&*workspace.host.files, &request)?;
    if args.json {
        print_json(&preview)?;
    } else {
        print(&kubespray::report(&preview, workspace.lang))?;
    }
    let is_fine = preview.findings.iter().all(|finding| finding.severity == crate::finding::Severity::Info);
    Ok(if is_fine { ExitCode::Ok } else { ExitCode::Negative })
}
