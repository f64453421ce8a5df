//! The preview: what the checkout and the inventory say, judged, in one value.

use super::{
    Layout, Preview, Variable, capability, findings,
    site::{PreviewRequest, Site},
    spec::VariableSpec,
    truth,
    variables::View,
};
use crate::{error::Expected, host::Files};

/// Reads checkout and inventory and returns what the GPU role will see. Without a checkout or inventory the release's built-in data
/// is shown. An error means that what was asked for is not there or not readable at all.
pub fn preview(files: &dyn Files, request: &PreviewRequest) -> Result<Preview, Expected> {
    let site = Site::read(files, request)?;
    let view = View::new(files, &site);
    let container_manager =
        view.node_value("container_manager").map_or_else(|| site.traits.container_manager.clone(), |value| truth::as_text(&value));
    let is_known = |spec: &VariableSpec| site.release.as_ref().is_none_or(|release| release.has(spec)) || view.own(spec.name).is_some();
    let is_shown = |spec: &&VariableSpec| spec.is_for(&container_manager) && is_known(spec);
    let variables: Vec<Variable> = VariableSpec::all().filter(is_shown).map(|spec| view.variable(spec.name)).collect();
    let capability = capability::judge(&site, &view, request.gpu_role);
    let findings = findings::all(&site, &view, &container_manager, request.gpu_role);
    Ok(Preview {
        release: site.release.as_ref().map(ToString::to_string),
        checkout: site.checkout.as_ref().map(|checkout| checkout.path.clone()),
        inventory: site.inventory_path.clone(),
        node: site.inventory_host.as_ref().map(|host| view.node_name(host)),
        inventory_host: site.inventory_host.clone(),
        first_control_plane: site.first_control_plane.clone(),
        container_manager,
        variables,
        capability,
        findings,
        layout: Layout::new(files, &site),
    })
}
