//! The preview: what the checkout and the inventory say, judged, in one value.

use super::{
    Layout, Preview, Variable, capability, findings,
    context::{PreviewRequest, KubesprayContext},
    spec::VariableSpec,
    truth,
    variables::ResolvedVariables,
};
use crate::{error::Expected, host::Files};

/// Reads checkout and inventory and returns what the GPU role will see. Without a checkout or inventory the release's built-in data
/// is shown. An error means that what was asked for is not there or not readable at all.
pub fn preview(files: &dyn Files, request: &PreviewRequest) -> Result<Preview, Expected> {
    let context = KubesprayContext::read(files, request)?;
    let variables = ResolvedVariables::new(files, &context);
    let variables: Vec<Variable> = VariableSpec::all().map(|spec| variables.variable(spec.name)).collect();
    let container_manager =
        variables.node_value("container_manager").map_or_else(|| context.traits.container_manager.clone(), |value| truth::as_text(&value));
    let capability = capability::judge(&context, &variables, request.gpu_role);
    let findings = findings::all(&context, &variables, &container_manager, request.gpu_role);
    Ok(Preview {
        release: context.release.as_ref().map(ToString::to_string),
        checkout: context.checkout.as_ref().map(|checkout| checkout.path.clone()),
        inventory: context.inventory_path.clone(),
        node: context.inventory_host.as_ref().map(|host| variables.node_name(host)),
        inventory_host: context.inventory_host.clone(),
        first_control_plane: context.first_control_plane.clone(),
        container_manager,
        variables,
        capability,
        findings,
        layout: Layout::new(files, &context),
    })
}
