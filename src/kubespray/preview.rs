//! The preview: what the checkout and the inventory say, judged, in one value.

use super::{
    Layout, Preview, Variable, capability,
    context::{KubesprayContext, PreviewRequest},
    findings,
    spec::VariableSpec,
    truth,
    variables::ResolvedVariables,
};
use crate::{error::Expected, host::Files};

/// Reads checkout and inventory and returns what the GPU role will see. Without a checkout or inventory the release's
/// built-in data is shown. An error means that what was asked for is not there or not readable at all.
pub fn preview(files: &dyn Files, request: &PreviewRequest) -> Result<Preview, Expected> {
    let context = KubesprayContext::read(files, request)?;
    let resolved = ResolvedVariables::new(files, &context);
    let container_manager = resolved
        .node_value("container_manager")
        .map_or_else(|| context.traits.container_manager.clone(), |value| truth::as_text(&value));
    let is_known = |spec: &VariableSpec| {
        context.release.as_ref().is_none_or(|release| release.has(spec)) || resolved.own(spec.name).is_some()
    };
    let is_shown = |spec: &&VariableSpec| spec.is_for(&container_manager) && is_known(spec);
    let variables: Vec<Variable> =
        VariableSpec::all().filter(is_shown).map(|spec| resolved.variable(spec.name)).collect();
    let capability = capability::judge(&context, &resolved, request.gpu_role);
    let findings = findings::all(&context, &resolved, &container_manager, request.gpu_role);
    Ok(Preview {
        release: context.release.as_ref().map(ToString::to_string),
        checkout: context.checkout.as_ref().map(|checkout| checkout.path.clone()),
        inventory: context.inventory_path.clone(),
        node: context.inventory_host.as_ref().map(|host| resolved.node_name(host)),
        inventory_host: context.inventory_host.clone(),
        first_control_plane: context.first_control_plane.clone(),
        container_manager,
        variables,
        capability,
        findings,
        layout: Layout::new(files, &context),
    })
}
